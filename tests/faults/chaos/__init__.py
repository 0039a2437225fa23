"""Random faults under load, by a seed that can be played again."""
