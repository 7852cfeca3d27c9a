"""What a person looks at: territory shapes, the map, the report, and what changes between two plans."""

from maps.changes.page import write_diff
from maps.report.page import write_report
from maps.shapes.territories import territory_shapes, write_geojson
from maps.territory_map.page import write_map

__all__ = ["territory_shapes", "write_diff", "write_geojson", "write_map", "write_report"]
