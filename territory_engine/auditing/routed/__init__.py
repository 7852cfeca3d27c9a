"""The audit of routed batches: read from the ledger with queries of its own, recomputed with code of its own."""
