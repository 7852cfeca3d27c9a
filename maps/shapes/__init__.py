"""Where territories are on the Earth: shapes, their borders, the land they are clipped to."""
