"""Thousands of cases that wait for days, with failures drawn by a seed."""
