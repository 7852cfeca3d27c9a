"""``replay.html``: leads routed again under another policy."""
