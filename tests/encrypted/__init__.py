"""A stack of its own where everything that Temporal stores is encrypted, as `up` runs it."""
