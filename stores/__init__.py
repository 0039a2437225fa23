"""Adapters that we own: Postgres holds the durable record, Redis a projection of it."""
