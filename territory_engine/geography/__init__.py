"""Geographic units: polygons, lists of neighbours or hexagons; which of them touch, and which account lies in which."""
