"""Choose centres and assign every unit to one; nothing need be connected. Start at ``search``."""
