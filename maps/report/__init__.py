"""``report.html``: one plan, to read, to print and to hand out."""
