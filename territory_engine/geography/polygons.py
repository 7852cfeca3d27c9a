"""Polygons from any file that geopandas reads, repaired where they are invalid.

Findings name the row as a spreadsheet of the layer's attributes would show it: the first feature is row 2.
"""

from __future__ import annotations

import difflib
import hashlib
import warnings
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import shapely

from territory_engine.errors import Finding

if TYPE_CHECKING:
    from pathlib import Path

    import geopandas as gpd
    from numpy.typing import NDArray

_POLYGONS = (3, 6)
_KINDS = {0: "points", 1: "lines", 2: "lines", 3: "polygons", 4: "points", 5: "lines", 6: "polygons", 7: "collections"}
_LISTED = 5


@dataclass(eq=False)
class PolygonFile:
    """A layer as read, with what is wrong with it.

    Attributes
    ----------
    file : str
    frame : GeoDataFrame or None
        In the file's own order and coordinate reference system; None where there is none to speak of.
    sha256 : str
        Of the file's bytes, or of the files of a folder format.
    findings : list of Finding
    notices : list of str
    """

    file: str
    frame: gpd.GeoDataFrame | None = None
    sha256: str = ""
    findings: list[Finding] = field(default_factory=list)
    notices: list[str] = field(default_factory=list)

    def note(self, notice: str) -> None:
        """Tell the planner something about the layer that is no error."""
        self.notices.append(f"{self.file}: {notice}")


def read_polygons(path: Path, name: str) -> PolygonFile:
    """Read a layer: GeoPackage, Shapefile, GeoJSON, GeoParquet or whatever else geopandas knows.

    Parameters
    ----------
    path : Path
    name : str
        What findings call it.

    Returns
    -------
    PolygonFile
        With a finding and no frame where it cannot be read; nothing about its features is checked yet.
    """
    layer = PolygonFile(name)
    if not path.exists():
        siblings = sorted(p.name for p in path.parent.iterdir()) if path.parent.is_dir() else []
        near = difflib.get_close_matches(path.name, siblings, n=1)
        remedy = f"did you mean {near[0]!r}?" if near else "paths in the configuration start from its own folder"
        layer.findings.append(Finding(f"no such file ({path})", name, remedy=remedy))
        return layer
    layer.sha256 = digest_of(path)
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        try:
            frame = _read_any(path, layer)
        except Exception as error:  # readers of dozens of formats raise as many kinds of errors
            remedy = "any file that geopandas reads will do: GeoPackage, GeoJSON, Shapefile, GeoParquet"
            layer.findings.append(Finding(f"cannot be read as a map layer: {error}", name, remedy=remedy))
            return layer
    for text in dict.fromkeys(str(w.message) for w in told if not issubclass(w.category, DeprecationWarning)):
        layer.note(f"the reader says: {text}")
    return take_polygons(frame, layer)


def digest_of(path: Path) -> str:
    """Return the SHA-256 of a file, or of the files of a folder format in the order of their names."""
    parts = sorted(p for p in path.rglob("*") if p.is_file()) if path.is_dir() else [path]
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part.read_bytes())
    return digest.hexdigest()


def take_polygons(frame: Any, layer: PolygonFile) -> PolygonFile:
    """Put a frame into ``layer`` if it is one of geometries with a coordinate reference system, else say what is wrong."""
    import geopandas as gpd

    if not isinstance(frame, gpd.GeoDataFrame) or frame.active_geometry_name is None:
        layer.findings.append(Finding("has no geometry", layer.file, remedy="name a layer of polygons"))
        return layer
    if frame.crs is None:
        layer.findings.append(
            Finding(
                "has no coordinate reference system, so its polygons have no place",
                layer.file,
                remedy="save it with one: gdf.set_crs(4326) if its coordinates are degrees, then gdf.to_file(…)",
            )
        )
        return layer
    layer.frame = frame.reset_index(drop=True)
    return layer


def repaired_polygons(layer: PolygonFile, ids: list[str]) -> NDArray[np.object_]:
    """Return every feature's polygon, valid and flat; what cannot be one becomes a finding, what was mended a notice.

    Invalid polygons are rebuilt from their rings (``make_valid`` by structure). Its other method, by line work, drops
    what two parts of one polygon both cover and leaves lines and points in collections; ``buffer(0)`` is never used,
    since it empties polygons that touch themselves.

    Parameters
    ----------
    layer : PolygonFile
        With a frame; gets the findings and notices.
    ids : list of str, length n_features
        Shown in findings and notices.

    Returns
    -------
    ndarray of geometry, shape (n_features,)
        ``None`` where there is a finding.
    """
    assert layer.frame is not None
    shapes = np.array(layer.frame.geometry.to_numpy(), dtype=object)
    kinds = shapely.get_type_id(shapes)
    blank = (kinds < 0) | shapely.is_empty(shapes)
    solid = np.isin(kinds, _POLYGONS) | _with_polygons(shapes, kinds)
    if not solid.any() and (~blank).any():
        found = ", ".join(sorted({_KINDS.get(int(k), "other shapes") for k in kinds[~blank]}))
        remedy = "name a layer of polygons; where there is none, leave units out: cells are then made from the accounts"
        layer.findings.append(Finding(f"is a layer of {found}, not of polygons", layer.file, remedy=remedy))
        return np.full(len(shapes), None, object)
    _flag(layer, blank, ids, "has no geometry", "draw the unit, or delete the row")
    _flag(layer, ~blank & ~solid, ids, "is not a polygon", "delete the row, or give the unit's polygon")
    shapes[blank | ~solid] = None
    shapes = shapely.force_2d(shapes)
    broken = _with_coordinates_that_are_no_numbers(shapes)
    what = "has coordinates that are not finite: it lies outside what its coordinate reference system can show"
    _flag(layer, broken, ids, what, "correct the polygon, or the layer's coordinate reference system")
    shapes[broken] = None
    invalid = ~shapely.is_valid(shapes) & (shapely.get_type_id(shapes) >= 0)
    shapes[invalid] = shapely.make_valid(shapes[invalid], method="structure", keep_collapsed=False)
    mixed = shapely.get_type_id(shapes) == 7
    shapes[mixed] = [_polygonal_part(shape) for shape in shapes[mixed]]
    flat = (shapely.get_type_id(shapes) >= 0) & ~(shapely.area(shapes) > 0)
    _flag(layer, flat, ids, "has no area", "correct the polygon, or delete the row")
    shapes[flat] = None
    mended = np.flatnonzero((invalid | mixed) & ~flat)
    if len(mended):
        layer.note(
            f"{len(mended):,} polygon{'s' * (len(mended) != 1)} crossed or touched {'themselves' if len(mended) != 1 else 'itself'}"
            f" and {'were' if len(mended) != 1 else 'was'} repaired ({some_of([ids[i] for i in mended])})."
        )
    return np.asarray(shapes, dtype=object)


def some_of(names: list[str], shown: int = _LISTED) -> str:
    """Return the first names, and how many more there are."""
    more = f" and {len(names) - shown:,} more" if len(names) > shown else ""
    return ", ".join(names[:shown]) + more


def _read_any(path: Path, layer: PolygonFile) -> Any:
    import geopandas as gpd

    start = b""
    if path.is_file():
        with path.open("rb") as file:
            start = file.read(6)
    if start.startswith(b"PAR1"):
        return gpd.read_parquet(path)
    if start.startswith(b"ARROW1"):
        return gpd.read_feather(path)
    layers = gpd.list_layers(path)
    names = layers["name"].tolist()
    if len(names) < 2:
        return gpd.read_file(path)
    kinds = layers["geometry_type"].fillna("").tolist()
    chosen = next((n for n, kind in zip(names, kinds, strict=True) if "Polygon" in kind), names[0])
    layer.note(f"layer {chosen!r} was read; not read: {some_of([repr(n) for n in names if n != chosen])}.")
    return gpd.read_file(path, layer=chosen)


def _flag(layer: PolygonFile, mask: NDArray[np.bool_], ids: list[str], what: str, remedy: str) -> None:
    layer.findings.extend(
        Finding(what, layer.file, int(i) + 2, "geometry", ids[i], "a polygon", remedy) for i in np.flatnonzero(mask)
    )


def _with_polygons(shapes: NDArray[np.object_], kinds: NDArray[np.int_]) -> NDArray[np.bool_]:
    """Whether each shape is a collection with a polygon in it."""
    found = np.zeros(len(shapes), bool)
    for i in np.flatnonzero(kinds == 7):
        found[i] = _polygonal_part(shapes[i]) is not None
    return found


def _with_coordinates_that_are_no_numbers(shapes: NDArray[np.object_]) -> NDArray[np.bool_]:
    coordinates, owner = shapely.get_coordinates(shapes, return_index=True)
    wrong = np.zeros(len(shapes), bool)
    wrong[owner[~np.isfinite(coordinates).all(axis=1)]] = True
    return wrong


def _polygonal_part(shape: Any) -> Any:
    """Return the union of the polygons in a collection, however deep; None where there is none."""
    parts = shapely.get_parts(shape)
    while (shapely.get_type_id(parts) == 7).any():
        parts = shapely.get_parts(parts)
    solid = parts[np.isin(shapely.get_type_id(parts), _POLYGONS)]
    if len(solid) == 0:
        return None
    valid = shapely.make_valid(solid, method="structure", keep_collapsed=False)
    return shapely.union_all(valid)
