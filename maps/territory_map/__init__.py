"""``map.html``: the territories of one plan."""
