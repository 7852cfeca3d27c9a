"""What a person looks at: territory shapes, the map, the report, and what changes between two plans."""

from maps.plan_diff import write_diff
from maps.report import write_report
from maps.shapes import territory_shapes, write_geojson
from maps.territory_map import write_map

__all__ = ["territory_shapes", "write_diff", "write_geojson", "write_map", "write_report"]
