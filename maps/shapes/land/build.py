"""Build ``land.parquet`` and ``places.parquet`` again: land that maps are clipped to, and names of cities on it.

Usage, with the tarballs that ``npm pack us-atlas@3.0.1 world-atlas@2.0.2`` leaves in the current directory::

    python -m maps.shapes.land.build us-atlas-3.0.1.tgz world-atlas-2.0.2.tgz

States of the United States come from the US Census Bureau (cartographic boundaries, 2017), all other countries from
Natural Earth (1:50m, version 4.1.0); both are in the public domain. Cities come from the package ``zipcodes``. README.md beside this file says more.
"""

from __future__ import annotations

import json
import sys
import tarfile
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely

from maps.shapes.land import FILE, PLACES, STATE

if TYPE_CHECKING:
    from numpy.typing import NDArray

# What the states stand for on the world's map: the United States and the territories that the Census maps too.
_UNITED_STATES = {
    "United States of America", "Puerto Rico", "Guam", "American Samoa", "N. Mariana Is.", "U.S. Virgin Is.",
}  # fmt: skip
# The Census draws the borders with Canada and Mexico finer than Natural Earth does: the two differ by up to this much.
_BORDERS_DIFFER_BY = 0.12
_DECIMALS = 4  # about ten metres; both sources are coarser


def topology_areas(topology: dict[str, Any], name: str) -> gpd.GeoDataFrame:
    """Return one object of a quantised TopoJSON topology as polygons that share their borders vertex for vertex.

    Parameters
    ----------
    topology : dict
        As JSON has it: https://github.com/topojson/topojson-specification.
    name : str
        The geometry collection in ``objects``.
    """
    scale, shift = np.array(topology["transform"]["scale"]), np.array(topology["transform"]["translate"])
    arcs = [np.round(np.cumsum(arc, axis=0) * scale + shift, _DECIMALS) for arc in topology["arcs"]]

    def ring(indices: list[int]) -> NDArray[np.float64]:
        parts = [arcs[i] if i >= 0 else arcs[~i][::-1] for i in indices]
        return np.concatenate([parts[0], *(part[1:] for part in parts[1:])])

    rows = []
    for entry in topology["objects"][name]["geometries"]:
        polygons = [entry["arcs"]] if entry["type"] == "Polygon" else entry["arcs"]
        shapes = [part for polygon in polygons for part in cut_at_antimeridian([ring(indices) for indices in polygon])]
        rows.append({"name": entry["properties"]["name"], "geometry": areas_of(shapely.GeometryCollection(shapes))})
    return gpd.GeoDataFrame(rows, crs="EPSG:4326")


def cut_at_antimeridian(rings: list[NDArray[np.float64]]) -> list[Any]:
    """Return a polygon whose rings may jump from 180° to -180° of longitude in parts that do not.

    Parameters
    ----------
    rings : list of ndarray, shape (n, 2)
        Exterior and holes. A ring around a pole is closed along the pole.
    """
    unwrapped = []
    for ring in rings:
        turns = np.r_[0, np.cumsum(-np.sign(np.diff(ring[:, 0])) * (np.abs(np.diff(ring[:, 0])) > 180))]
        there = ring + np.column_stack([360.0 * turns, np.zeros(len(ring))])
        if turns[-1]:
            pole = np.copysign(90.0, ring[:, 1].mean())
            there = np.vstack([there, [(there[-1, 0], pole), (there[0, 0], pole), there[0]]])
        unwrapped.append(there)
    first = unwrapped[0]
    for k, hole in enumerate(unwrapped[1:], start=1):
        turns = 360.0 * np.round((first[:, 0].mean() - hole[:, 0].mean()) / 360.0)
        unwrapped[k] = hole + np.array([turns, 0.0])
    whole = shapely.make_valid(shapely.Polygon(unwrapped[0], unwrapped[1:]))
    parts = []
    for sheet in (-360.0, 0.0, 360.0):
        here = shapely.intersection(whole, shapely.box(sheet - 180.0, -90.0, sheet + 180.0, 90.0))
        if not here.is_empty:
            parts.append(shapely.transform(here, lambda c, turn=sheet: np.round(c - np.array([turn, 0.0]), _DECIMALS)))
    return parts


def areas_of(geometry: Any) -> Any:
    """Return a geometry repaired, without the points and lines that repairing leaves."""
    parts = shapely.get_parts(geometry)
    for _ in range(2):  # a collection may hold multipolygons, and what is repaired may be a collection
        parts = shapely.get_parts(shapely.make_valid(parts))
    parts = parts[(shapely.get_dimensions(parts) == 2) & (shapely.area(parts) > 0)]
    return shapely.MultiPolygon(list(parts))


def without_states(countries: gpd.GeoDataFrame, states: gpd.GeoDataFrame) -> gpd.GeoDataFrame:
    """Return the other countries, with the states' own line where they border on the United States."""
    union = shapely.coverage_union_all(states.geometry.to_numpy())
    ours = countries["name"].isin(_UNITED_STATES)
    drawn_twice = shapely.union_all(countries.geometry[ours].to_numpy())
    others = countries[~ours].copy()
    for row in np.flatnonzero(others.geometry.intersects(shapely.buffer(drawn_twice, _BORDERS_DIFFER_BY))):
        area = others.geometry.iloc[row]
        border = shapely.intersection(area, drawn_twice)
        if border.is_empty:
            continue
        near = shapely.buffer(border, _BORDERS_DIFFER_BY)
        # What the world's map gives to the United States and the Census does not lies across the border.
        left_over = shapely.intersection(shapely.difference(drawn_twice, union), near)
        mended = shapely.difference(shapely.union(area, left_over), union)
        mended = shapely.set_precision(mended, 10.0**-_DECIMALS)
        others.iloc[row, others.columns.get_loc("geometry")] = areas_of(mended)
    return others


def cities() -> pd.DataFrame:
    """Return the cities of the United States that have at least two standard ZIP codes, those with most of them first."""
    import zipcodes

    found: defaultdict[tuple[str, str], list[tuple[float, float]]] = defaultdict(list)
    for entry in zipcodes.list_all():  # type: ignore[no-untyped-call]  # the package is half typed
        if entry["zip_code_type"] == "STANDARD" and entry["active"] and float(entry["lat"]):
            found[entry["city"], entry["state"]].append((float(entry["lat"]), float(entry["long"])))
    largest = sorted((city for city in found if len(found[city]) > 1), key=lambda city: (-len(found[city]), city))
    degrees = np.array([np.median(found[city], axis=0) for city in largest]).round(3)
    return pd.DataFrame(
        {
            "name": [name for name, _ in largest],
            "zip_codes": [len(found[city]) for city in largest],
            "latitude": degrees[:, 0],
            "longitude": degrees[:, 1],
        }
    )


def read_topology(archive: Path | str, file: str) -> dict[str, Any]:
    """Return a JSON file of an npm package."""
    with tarfile.open(archive) as package:
        member = package.extractfile(f"package/{file}")
        if member is None:
            raise FileNotFoundError(f"{archive}: no {file} in it")
        found: dict[str, Any] = json.load(member)
        return found


def main(us_atlas: str, world_atlas: str) -> None:
    """Write ``land.parquet`` from the two packages, and ``places.parquet``."""
    states = topology_areas(read_topology(us_atlas, "states-10m.json"), "states").sort_values("name")
    countries = topology_areas(read_topology(world_atlas, "countries-50m.json"), "countries").sort_values("name")
    countries = without_states(countries, states)
    land = pd.concat([states.assign(kind=STATE), countries.assign(kind="country")], ignore_index=True)
    land = gpd.GeoDataFrame(land[["name", "kind", "geometry"]], crs="EPSG:4326")
    land.to_parquet(FILE, compression="zstd", compression_level=19, index=False, write_covering_bbox=False)
    cities().to_parquet(PLACES, compression="zstd", index=False)
    print(f"{FILE}: {len(land)} areas, {FILE.stat().st_size:,} bytes")


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(*sys.argv[1:])
