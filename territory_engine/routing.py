"""Routing a batch of leads: reading, matching, who may take each, the fair split, and the ledger, in one call."""
