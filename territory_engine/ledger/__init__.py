"""The ledger: every batch, decision, rep counter and outcome, in SQLite or PostgreSQL, whole or not at all."""
