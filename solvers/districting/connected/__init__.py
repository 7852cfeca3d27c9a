"""Keep every territory in one piece: a connected start, then moves that never break one. Start at ``search``."""
