"""Short tests of what each mutant breaks."""
