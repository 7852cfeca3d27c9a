"""``diff.html`` and ``rebalance.html``: what changes from one plan to another."""
