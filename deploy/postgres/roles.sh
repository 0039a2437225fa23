#!/bin/bash
# Runs once, when the volume is empty. Temporal and Casekeeper get a role each and see only their
# own databases. The sandbox plays the outside world, so its records live apart from ours.
set -euo pipefail

psql --no-psqlrc --set ON_ERROR_STOP=1 --username "$POSTGRES_USER" --dbname postgres <<'SQL'
\getenv temporal_password TEMPORAL_DB_PASSWORD
\getenv casekeeper_password CASEKEEPER_DB_PASSWORD

CREATE ROLE temporal LOGIN PASSWORD :'temporal_password';
CREATE DATABASE temporal OWNER temporal;
CREATE DATABASE temporal_visibility OWNER temporal;

CREATE ROLE casekeeper LOGIN PASSWORD :'casekeeper_password';
CREATE DATABASE casekeeper OWNER casekeeper;
CREATE DATABASE sandbox OWNER casekeeper;

REVOKE ALL ON DATABASE temporal, temporal_visibility, casekeeper, sandbox FROM PUBLIC;
SQL
