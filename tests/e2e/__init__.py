"""Tests of the command line in processes of its own, on a stack of its own."""
