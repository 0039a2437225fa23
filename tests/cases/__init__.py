"""Tests of the core: no clock, no server."""
