"""Who may take which lead, and why the others may not. Start at ``choices.py``."""
