#!/bin/bash
# Runs once, when the volume is empty. Each role sees only its own databases. Casekeeper has two: the
# owner of its tables, whom `casekeeper migrate` uses and nobody else, and the one that runs cases,
# which gets what `migrate` grants it. The sandbox plays the outside world, so its records live apart.
set -euo pipefail

psql --no-psqlrc --set ON_ERROR_STOP=1 --username "$POSTGRES_USER" --dbname postgres <<'SQL'
\getenv temporal_password TEMPORAL_DB_PASSWORD
\getenv owner_password CASEKEEPER_OWNER_DB_PASSWORD
\getenv casekeeper_password CASEKEEPER_DB_PASSWORD

CREATE ROLE temporal LOGIN PASSWORD :'temporal_password';
CREATE DATABASE temporal OWNER temporal;
CREATE DATABASE temporal_visibility OWNER temporal;

CREATE ROLE casekeeper_owner LOGIN PASSWORD :'owner_password';
CREATE ROLE casekeeper LOGIN PASSWORD :'casekeeper_password';
CREATE DATABASE casekeeper OWNER casekeeper_owner;
CREATE DATABASE sandbox OWNER casekeeper;

REVOKE ALL ON DATABASE temporal, temporal_visibility, casekeeper, sandbox FROM PUBLIC;
GRANT CONNECT ON DATABASE casekeeper TO casekeeper;
SQL
