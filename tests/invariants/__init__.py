"""Each invariant: a record where all of them hold, and records in which one is broken."""
