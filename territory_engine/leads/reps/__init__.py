"""The reps at the moment of a batch: weights, hours, leave, limits, and what is left of them. Start at ``roster.py``."""
