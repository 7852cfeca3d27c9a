"""Solvers: arrays in, arrays out. They know units and territories, rows and columns; not accounts and reps."""
