"""Servers that are killed, frozen, cut off, filled and replaced under cases."""
