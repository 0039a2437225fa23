"""Tests of the runtime room, on real servers."""
