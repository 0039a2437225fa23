"""The story. Deterministic: no clock, no chance, no input or output; all that is an activity."""
