"""Real Temporal, Postgres and Valkey servers from wheels, for use without any installation."""
