"""Leads in: files, frames and records, read and checked lead by lead. Start at ``loading.py``."""
