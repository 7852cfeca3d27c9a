"""What a person looks at: territory shapes, the map and the report."""

from maps.report import write_report
from maps.shapes import territory_shapes, write_geojson
from maps.territory_map import write_map

__all__ = ["territory_shapes", "write_geojson", "write_map", "write_report"]
