"""Histories of real runs, one of each kind of case, for replay."""
