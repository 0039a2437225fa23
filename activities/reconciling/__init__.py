"""What the reconciliation does: settle what is open, take over ended runs, compare."""
