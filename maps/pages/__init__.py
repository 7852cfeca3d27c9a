"""What every page is made of: a frame that needs no network, colours, the plane that maps are drawn in."""
