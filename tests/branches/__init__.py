"""Branches on real servers: nothing that they do leaves, and promoting pays only the difference."""
