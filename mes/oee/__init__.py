"""Time lines and key figures of stations: pure functions over events, the formulas and nothing else."""
