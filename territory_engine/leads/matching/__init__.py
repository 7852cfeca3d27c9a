"""Whose a lead is: known accounts first, then the place it lies in. Start at ``matching.py``."""
