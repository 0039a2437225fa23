"""Measurements and training that the product itself does not need at run time."""
