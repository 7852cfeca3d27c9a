"""Hexagons around the accounts, where there are neither units nor pairs: one resolution of the H3 grid, without holes.

The map is made of the cells that hold accounts, their neighbours, bridges between the parts, and what these enclose. Bridges follow the great circle between two cells by halving it until
consecutive cells touch: unlike ``grid_path_cells``, that works across pentagons and any distance.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

import h3.api.basic_int as h3
import numpy as np
import shapely

from territory_engine.geography.gaps import neighbouring_sites, spanning_links
from territory_engine.geography.layer import canonical_pairs, components_of
from territory_engine.geography.sphere import degrees_of, great_circle_km, unit_vectors

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

MOST_CELLS = 100_000
# Whole cells are assigned. Where an average account's cell holds a tenth of a territory's accounts, moving one cell
# changes the load by a tenth, so that territories can come within 5 % of their targets. Two are never too many.
_SHARE_OF_TERRITORY = 0.1
# A territory of fewer cells has no shape to speak of.
_CELLS_PER_TERRITORY = 30
_FINEST = 15
# Times the median link between neighbouring parts: the emptier parts of a country are bridged more than once, seas not.
_LONGEST_LINK = 10


@dataclass(frozen=True, eq=False)
class CellLayer:
    """Hexagons as units.

    Attributes
    ----------
    cells : ndarray of int64, shape (n_cells,)
        H3 indexes, ascending.
    cell_of : ndarray of int64, shape (n_points,)
        Position of every point's cell.
    pairs : ndarray of int64, shape (n_pairs, 2)
        Cells that share an edge.
    resolution : int
    companions : float
        How many points an average point's cell holds, itself included.
    """

    cells: NDArray[np.int64]
    cell_of: NDArray[np.int64]
    pairs: NDArray[np.int64]
    resolution: int
    companions: float

    @property
    def names(self) -> list[str]:
        """H3 indexes as text."""
        return [h3.int_to_str(int(cell)) for cell in self.cells]

    @property
    def centres(self) -> NDArray[np.float64]:
        """Latitude and longitude of every cell's centre, shape ``(n_cells, 2)``."""
        return _centres(self.cells)

    def polygons(self) -> NDArray[np.object_]:
        """Return the cells' outlines in longitude and latitude; cells across the 180th meridian are cut there."""
        return np.array([_outline(int(cell)) for cell in self.cells], dtype=object)


def cells_around(
    places: NDArray[np.float64], n_territories: int, resolution: int | None = None, most: int = MOST_CELLS
) -> CellLayer | None:
    """Cover places with hexagons.

    Without a resolution, the coarsest is taken at which an average account's cell holds at most a tenth of a
    territory's accounts (or two) and there are thirty cells to a territory; if that needs more than ``most``
    cells, the finest that does not.

    Parameters
    ----------
    places : ndarray of float64, shape (n, 2), n ≥ 1
        Latitude and longitude of the accounts.
    n_territories : int
    resolution : int, optional
        0 (cells of 4,000,000 km²) to 15 (under 1 m²).
    most : int

    Returns
    -------
    CellLayer or None
        None where the given resolution needs more than ``most`` cells.
    """
    distinct, of = np.unique(places, axis=0, return_inverse=True)
    of = of.ravel()
    if resolution is not None:
        return _covered(distinct, of, resolution, most)
    companions_wanted = max(2.0, _SHARE_OF_TERRITORY * len(places) / n_territories)
    level = 0
    while level < _FINEST:
        cell = np.array(_cells_at(distinct, level), np.int64)
        if _companions(cell, of, splittable_only=True) <= companions_wanted:
            break
        level += 1
    layer = _covered(distinct, of, level, most)
    while layer is None and level > 0:
        level -= 1
        layer = _covered(distinct, of, level, most)
    while layer is not None and level < _FINEST and len(layer.cells) < _CELLS_PER_TERRITORY * n_territories:
        level += 1
        finer = _covered(distinct, of, level, most)
        if finer is None or len(finer.cells) <= len(layer.cells):
            break
        layer = finer
    return layer


def _covered(distinct: NDArray[np.float64], of: NDArray[np.int64], level: int, most: int) -> CellLayer | None:
    occupied = np.array(_cells_at(distinct, level), np.int64)
    filled = _filled({int(c) for c in occupied}, most)
    if filled is None:
        return None
    cells = np.array(sorted(filled), np.int64)
    position = np.searchsorted(cells, occupied)
    around = [[n for n in h3.grid_ring(int(c), 1) if n in filled] for c in cells]
    first = np.repeat(np.arange(len(cells)), [len(a) for a in around])
    second = np.searchsorted(cells, np.array([n for a in around for n in a], np.int64))
    pairs = canonical_pairs(first, second.astype(np.int64))
    return CellLayer(cells, position[of].astype(np.int64), pairs, level, _companions(occupied, of))


def _cells_at(places: NDArray[np.float64], level: int) -> list[int]:
    return [h3.latlng_to_cell(lat, lon, level) for lat, lon in places.tolist()]


def _companions(cell: NDArray[np.int64], of: NDArray[np.int64], *, splittable_only: bool = False) -> float:
    """Return how many accounts share an average account's cell; a cell with one place cannot be split any further."""
    _, label = np.unique(cell, return_inverse=True)
    accounts = np.bincount(label[of])
    if splittable_only:
        accounts = np.where(np.bincount(label) == 1, np.minimum(accounts, 1), accounts)
    return float((accounts.astype(np.float64) ** 2).sum() / max(1, accounts.sum()))


def _filled(occupied: set[int], most: int) -> set[int] | None:
    """Return the cells of a map without holes around the occupied ones; None if there are more than ``most``."""
    cells = set(occupied)
    for cell in sorted(occupied):
        cells.update(h3.grid_disk(cell, 1))
        if len(cells) > most:
            return None
    if not _bridge(cells, most):
        return None
    return _without_holes(cells, most)


def _bridge(cells: set[int], most: int) -> bool:
    """Connect the parts of a set of cells; whether that keeps within ``most``.

    Links are those of the minimum spanning tree, and, so that nearby parts are not connected through one corridor
    only, those of the Gabriel graph (no third part lies in the circle between the two) that are not unusually long.
    The meshes these form are filled afterwards; a long link would enclose half an ocean.
    """
    ordered = np.array(sorted(cells), np.int64)
    position = {int(c): i for i, c in enumerate(ordered)}
    links = [(i, position[n]) for c, i in position.items() for n in h3.grid_ring(c, 1) if n in position]
    pairs = canonical_pairs(*np.array(links, np.int64).reshape(-1, 2).T)
    part = components_of(len(ordered), pairs)
    if part.max() == 0:
        return True
    at = np.flatnonzero(np.bincount(pairs.ravel(), minlength=len(ordered)) < 6)
    places, part = _centres(ordered[at]), part[at]
    a, b = neighbouring_sites(places, spherical=True)
    length = great_circle_km(places[a], places[b])
    tree = spanning_links(a, b, length, part)
    tree_length = great_circle_km(places[tree[:, 0]], places[tree[:, 1]])
    near = (part[a] != part[b]) & (length <= _LONGEST_LINK * np.median(tree_length))
    near[near] = _gabriel(unit_vectors(*places.T), a[near], b[near])
    for one, other in np.concatenate([tree, np.column_stack((a[near], b[near]))]):
        cells.update(_path(int(ordered[at[one]]), int(ordered[at[other]])))
        if len(cells) > most:
            return False
    return True


def _gabriel(xyz: NDArray[np.float64], a: NDArray[np.int64], b: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Whether no point lies nearer to the middle of each pair than the pair itself does."""
    from scipy.spatial import cKDTree

    middle = (xyz[a] + xyz[b]) / 2
    length = np.linalg.norm(middle, axis=1, keepdims=True)
    middle = np.divide(middle, length, out=xyz[a].copy(), where=length > 1e-12)
    nearest = cKDTree(xyz).query(middle)[0]
    return np.asarray(nearest >= np.linalg.norm(middle - xyz[a], axis=1) * (1 - 1e-9))


def _path(start: int, end: int) -> Iterable[int]:
    """Return cells from one to another along the great circle, each next to the one before."""
    level = h3.get_resolution(start)
    path = {start, end}
    ends = _centres(np.array([start, end]))
    vectors = unit_vectors(*ends.T)
    open_ = [(start, vectors[0], end, vectors[1], 0)]
    while open_:
        one, from_, other, to, depth = open_.pop()
        if one == other or h3.are_neighbor_cells(one, other):
            continue
        middle = from_ + to
        if depth > 60 or not middle.any():
            # A distortion of the grid where halving does not end: go around by what both have beside them.
            path.update(h3.grid_disk(one, 2))
            continue
        middle = middle / np.linalg.norm(middle)
        lat, lon = degrees_of(middle[None])[0].tolist()
        cell = h3.latlng_to_cell(lat, lon, level)
        path.add(cell)
        open_ += [(one, from_, cell, middle, depth + 1), (cell, middle, other, to, depth + 1)]
    return path


def _without_holes(cells: set[int], most: int) -> set[int] | None:
    """Return the cells with all that they enclose; None where that is more than ``most``.

    What is not covered falls into regions; all but the largest are holes. They grow side by side from the cells next
    to the covered ones until only one, the outside, has not come to its end.
    """
    region: dict[int, int] = {}
    waiting: list[deque[int]] = []
    for cell in sorted(cells):
        for start in sorted(h3.grid_ring(cell, 1)):
            if start in cells or start in region:
                continue
            # The uncovered cells along the border are connected around each region.
            region[start] = len(waiting)
            queue, along = deque([start]), deque([start])
            while along:
                for near in h3.grid_ring(along.popleft(), 1):
                    if near not in cells and near not in region and not cells.isdisjoint(h3.grid_ring(near, 1)):
                        region[near] = len(waiting)
                        queue.append(near)
                        along.append(near)
            waiting.append(queue)
    root = list(range(len(waiting)))

    def find(r: int) -> int:
        while root[r] != r:
            root[r] = root[root[r]]
            r = root[r]
        return r

    growing = [r for r in range(len(waiting)) if waiting[r]]
    while len(growing) > 1:
        if len(cells) + len(region) > 2 * most:
            return None
        for r in growing:
            for near in h3.grid_ring(waiting[r].popleft(), 1):
                if near in cells:
                    continue
                known = region.get(near)
                if known is None:
                    region[near] = r
                    waiting[r].append(near)
                elif find(known) != find(r):
                    one, other = sorted((find(known), find(r)))
                    root[other] = one
        growing = [r for r in growing if waiting[r]]
    size: dict[int, int] = {}
    for r in region.values():
        size[find(r)] = size.get(find(r), 0) + 1
    outside = find(growing[0]) if growing else max(size, key=lambda r: (size[r], -r), default=-1)
    filled = cells | {c for c, r in region.items() if find(r) != outside}
    return filled if len(filled) <= most else None


def _centres(cells: NDArray[np.int64]) -> NDArray[np.float64]:
    return np.array([h3.cell_to_latlng(int(c)) for c in cells], np.float64).reshape(-1, 2)


def _outline(cell: int) -> shapely.Geometry:
    lat, lon = np.array(h3.cell_to_boundary(cell), np.float64).T
    level = h3.get_resolution(cell)
    for pole in (90.0, -90.0):
        if h3.latlng_to_cell(pole, 0.0, level) == cell:
            order = np.argsort(lon, kind="stable")
            lon, lat = lon[order], lat[order]
            # Around a pole the outline runs once along all meridians, and the map's edge closes it.
            gap = 360.0 - (lon[-1] - lon[0])
            edge = lat[-1] + (lat[0] - lat[-1]) * (180.0 - lon[-1]) / gap
            x = np.concatenate([[-180.0], lon, [180.0, 180.0, -180.0]])
            y = np.concatenate([[edge], lat, [edge, pole, pole]])
            return shapely.multipolygons([shapely.polygons(np.column_stack((x, y)))])
    if lon.max() - lon.min() <= 180.0:
        return shapely.multipolygons([shapely.polygons(np.column_stack((lon, lat)))])
    whole = shapely.polygons(np.column_stack((np.where(lon < 0, lon + 360.0, lon), lat)))
    west = shapely.intersection(whole, shapely.box(0.0, -90.0, 180.0, 90.0))
    east = shapely.intersection(whole, shapely.box(180.0, -90.0, 360.0, 90.0))
    east = shapely.transform(east, lambda xy: xy - (360.0, 0.0))
    return shapely.multipolygons(np.concatenate([shapely.get_parts(west), shapely.get_parts(east)]))
