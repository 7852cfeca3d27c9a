"""The HTTP service: leads routed, explained and followed up over a small JSON interface."""
