"""Faults that the suite must notice: each is put into a copy of the tree, and a test must fail."""
