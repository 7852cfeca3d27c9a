"""Why a lead went where it did, from the ledger alone. Start at ``explanation.py``."""
