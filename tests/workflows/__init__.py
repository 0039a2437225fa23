"""Tests of the story, on the real server."""
