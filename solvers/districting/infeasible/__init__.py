"""Prove in whole numbers that no answer exists. Start at ``certificates``."""
