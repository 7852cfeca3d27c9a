"""``comparison.html`` and ``comparison_map.html``: scenarios side by side."""
