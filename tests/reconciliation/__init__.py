"""Tests of the reconciliation, on servers of its own."""
