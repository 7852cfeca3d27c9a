"""Alembic's scripts: one revision after another builds the schema of the ledger."""
