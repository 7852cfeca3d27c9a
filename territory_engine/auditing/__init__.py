"""The recheck of a plan directory, which shares no code with what made the plan."""
