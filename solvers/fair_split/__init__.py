"""Whole leads split fairly among reps: exact, with prices that prove it. Start at ``split.py``."""
