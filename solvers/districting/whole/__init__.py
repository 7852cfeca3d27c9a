"""Solve by integer programming: small problems as a whole (``small``), parts of large ones (``exact``)."""
