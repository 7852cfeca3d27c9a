"""Data in: files of every kind, located and validated, become a planning problem."""
