"""The checks of the units themselves: that neighbours touch, that accounts are in their units, and where units are.

Pairs, members and places were worked out from other data when the plan was made. As far as the directory holds those
data (outlines, cells, the accounts' own columns and places), they are held against each other here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from territory_engine.auditing.checks import Check, verdict
from territory_engine.auditing.districts import pieces_of
from territory_engine.auditing.numbers import text

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from territory_engine.auditing.rules import StoredProblem
    from territory_engine.auditing.stored_units import StoredUnits

# Outlines that lie this close, in widths of the smaller unit, side by side over this part of its width, share a border:
# a little more than is allowed when units are read, since outlines may have been on a map projection then.
_GAP_FRACTION = 1 / 130
_BORDER_FRACTION = 1 / 60
# A place outside all units belongs to the nearest one up to 5 km away; a little more, because distances are rough here.
_NEAR_KM = 5.2
_KM_PER_DEGREE = 111.2


def kind_of(contiguity: dict[str, Any]) -> str:
    """Return what a configured ``[contiguity]`` says that units are; an empty table means cells."""
    if contiguity.get("units") is not None:
        return "polygons"
    return "pairs" if contiguity.get("adjacency") is not None else "cells"


def check_unit_layer(stored: StoredProblem, units: StoredUnits) -> list[Check]:
    """Check pairs, members and places of geographic units against what they were worked out from."""
    if units.kind == "cells":
        pairs, members = _check_cells(stored, units)
    else:
        pairs, members = _check_borders(units), _check_members(stored, units)
    return [pairs, members, _check_places(stored, units)]


# Pairs ----------------------------------------------------------------------------------------------------------------


def _check_borders(units: StoredUnits) -> Check:
    """Check that neighbours touch, that none are left out, and that only separate parts were joined."""
    first, second = units.pairs.T
    n_units = len(units.ids)
    names = [f"{units.ids[a]} and {units.ids[b]}" for a, b in units.pairs]
    apart = np.zeros(len(names), np.bool_)
    touching = np.empty((0, 2), np.intp)
    if units.outlines is not None:
        import shapely

        shapes = units.outlines
        if any(shape is None for shape in shapes) or bool(shapely.is_empty(shapes).any()):
            return Check("unit_pairs", False, "a unit has no outline")
        touching = _pairs_with_a_common_edge(shapes)
        known = np.isin(_keys(units.pairs, n_units), _keys(touching, n_units))
        open_ = np.flatnonzero(~known & ~units.joined)
        apart[open_] = ~_side_by_side(shapes, first[open_], second[open_])
    left_out = touching[~np.isin(_keys(touching, n_units), _keys(units.pairs[~units.joined], n_units))]
    if len(left_out):
        a, b = units.ids[left_out[0]]
        return Check("unit_pairs", False, f"{len(left_out):,} pairs that share a border are left out ({a} and {b})")
    parts = len(np.unique(pieces_of(n_units, units.pairs[~units.joined])))
    whole = len(np.unique(pieces_of(n_units, units.pairs)))
    joins = int(units.joined.sum())
    if joins != parts - whole:
        message = f"{joins:,} pairs are joined across gaps, where {parts - whole:,} would make one of the parts"
        return Check("unit_pairs", False, message)
    if units.outlines is None:
        return Check("unit_pairs", True, f"{len(names):,} pairs, {joins:,} of them joined; as they were listed")
    return verdict("unit_pairs", apart, names, lambda i: "do not touch", "neighbours share a border, or were joined")


def _keys(pairs: NDArray[np.intp], n_units: int) -> NDArray[np.intp]:
    """Return a number for each pair, whichever unit is named first."""
    return np.asarray(pairs.min(axis=1) * n_units + pairs.max(axis=1))


def _pairs_with_a_common_edge(shapes: NDArray[np.object_]) -> NDArray[np.intp]:
    """Return the pairs of outlines that have an edge in common, corner for corner; longitude 180 is also −180."""
    import shapely

    parts, unit = shapely.get_parts(shapes, return_index=True)
    rings, part = shapely.get_rings(parts, return_index=True)
    corners, ring = shapely.get_coordinates(rings, return_index=True)
    corners[corners[:, 0] == 180.0, 0] = -180.0
    here, there = corners[:-1], corners[1:]
    edge = (ring[:-1] == ring[1:]) & (here != there).any(axis=1)
    swap = (here[:, 0] > there[:, 0]) | ((here[:, 0] == there[:, 0]) & (here[:, 1] > there[:, 1]))
    ends = np.where(swap[:, None], np.column_stack([there, here]), np.column_stack([here, there]))[edge]
    edges = pd.DataFrame(ends + 0.0).assign(unit=unit[part[ring[:-1][edge]]]).drop_duplicates()
    edges = edges[edges.duplicated([0, 1, 2, 3], keep=False)]
    both = edges.merge(edges, on=[0, 1, 2, 3])
    pairs = both.loc[both["unit_x"] < both["unit_y"], ["unit_x", "unit_y"]].drop_duplicates()
    return pairs.to_numpy(np.intp)


def _side_by_side(shapes: NDArray[np.object_], a: NDArray[np.intp], b: NDArray[np.intp]) -> NDArray[np.bool_]:
    """Return whether outlines nearly share a border: along, or on top of, each other for a part of the smaller's width."""
    import shapely

    width = np.sqrt(shapely.area(shapes))
    small, large = np.where(width[a] <= width[b], a, b), np.where(width[a] <= width[b], b, a)
    reach = _GAP_FRACTION * width[small]
    out = np.asarray(shapely.dwithin(shapes[small], shapes[large], reach))
    near = np.flatnonzero(out)
    small, large, reach = small[near], large[near], reach[near]
    around = shapely.buffer(shapes[small], reach, quad_segs=2)
    beside = shapely.length(shapely.intersection(shapely.boundary(shapes[large]), around))
    on_top = shapely.length(shapely.intersection(shapely.boundary(shapes[small]), shapes[large]))
    out[near] = np.maximum(beside, on_top) >= _BORDER_FRACTION * width[small]
    return out


def _check_cells(stored: StoredProblem, units: StoredUnits) -> tuple[Check, Check]:
    """Check that neighbours are the grid's own, all of them, and that accounts are in the cells that they lie in."""
    import h3.api.basic_str as h3

    cells = [str(cell) for cell in units.ids]
    unknown = [cell for cell in cells if not h3.is_valid_cell(cell)]
    if unknown or len({h3.get_resolution(cell) for cell in cells}) > 1:
        told = f"{unknown[0]!r} is no H3 cell" if unknown else "H3 cells of several resolutions"
        return Check("unit_pairs", False, told), Check("unit_members", False, told)
    position = {cell: i for i, cell in enumerate(cells)}
    expected = {
        (i, j) for i, cell in enumerate(cells) for other in h3.grid_disk(cell, 1) if (j := position.get(other, -1)) > i
    }
    found = {(int(a), int(b)) for a, b in np.sort(units.pairs, axis=1)}
    faults = [f"{cells[a]} and {cells[b]} do not touch" for a, b in sorted(found - expected)]
    faults += [f"{cells[a]} and {cells[b]} are left out" for a, b in sorted(expected - found)]
    faults += ["cells are never joined across a gap"] * bool(units.joined.any())
    told = "; ".join(faults[:5]) or f"each of {len(expected):,} pairs of the grid"
    lies_in = np.full(len(stored.accounts), -1)
    resolution = h3.get_resolution(cells[0])
    places = _account_places(stored)
    placed = np.flatnonzero(np.isfinite(places).all(axis=1))
    lies_in[placed] = [position.get(h3.latlng_to_cell(*places[i], resolution), -1) for i in placed]
    members = verdict(
        "unit_members",
        lies_in != units.unit_of,
        list(stored.accounts.index),
        lambda i: f"lies in {cells[lies_in[i]] if lies_in[i] >= 0 else 'no cell'}, told in {cells[units.unit_of[i]]}",
        "account's cell",
    )
    return Check("unit_pairs", not faults, told), members


# Members and places ---------------------------------------------------------------------------------------------------


def _account_places(stored: StoredProblem) -> NDArray[np.float64]:
    """Return the accounts' coordinates, shape ``(n_accounts, 2)``, also with a travel table; NaN where unknown."""
    if not set(stored.coordinates) <= set(stored.accounts.columns):
        return np.full((len(stored.accounts), 2), np.nan)
    return stored.accounts[stored.coordinates].to_numpy(np.float64)


def _check_members(stored: StoredProblem, units: StoredUnits) -> Check:
    """Check that accounts are in the unit that their column names, or else in the one that they lie in."""
    renamed = stored.section("data").get("columns") or {}
    own = isinstance(renamed, dict) and "unit_id" in (renamed.get("accounts") or {})
    # Where the accounts call the column otherwise, it is stored under its canonical name.
    column = "unit_id" if own else stored.config["contiguity"].get("unit_id") or "account_id"
    told = pd.Series("", index=stored.accounts.index)
    if column == stored.accounts.index.name:
        told = stored.accounts.index.to_series().astype(str)
    elif column in stored.accounts.columns:
        told = text(stored.accounts[column])
    elif units.kind == "pairs":
        return Check(
            "unit_members", False, f"accounts has no column {column!r}, which alone says what units they are in"
        )
    named = units.ids.get_indexer(pd.Index(told))
    # An ID that is spelled otherwise, as CRMs do, is left to the place.
    wrong = (named >= 0) & (named != units.unit_of)
    if units.kind == "polygons" and stored.section("travel").get("metric") != "euclidean":
        assert units.outlines is not None
        open_ = np.flatnonzero(named < 0)
        wrong[open_] = _elsewhere(units.outlines, units.unit_of[open_], _account_places(stored)[open_])
    return verdict(
        "unit_members",
        wrong,
        list(stored.accounts.index),
        lambda i: (
            f"names {units.ids[named[i]]}, told in {units.ids[units.unit_of[i]]}"
            if named[i] >= 0
            else f"does not lie in {units.ids[units.unit_of[i]]}"
        ),
        "account's unit",
    )


def _elsewhere(shapes: NDArray[np.object_], unit: NDArray[np.intp], places: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Return which places are certainly not in the unit beside them, nor nearest to it and near."""
    import shapely

    out = np.zeros(len(unit), np.bool_)
    placed = np.flatnonzero(np.isfinite(places).all(axis=1))
    if len(placed) == 0:
        return out
    latitude, longitude = places[placed].T
    own = np.full(len(placed), np.inf)
    for shift in (0.0, -360.0, 360.0):
        points = shapely.points(longitude + shift, latitude)
        own = np.minimum(own, shapely.distance(points, shapes[unit[placed]]))
    points = shapely.points(longitude, latitude)
    nearest = shapely.distance(points, shapes[shapely.STRtree(shapes).nearest(points)])
    # A degree is between this part of 111 km, along a parallel, and all of it, along a meridian.
    least = own * np.cos(np.radians(np.minimum(np.abs(latitude) + own, 90.0)))
    out[placed] = (least * _KM_PER_DEGREE > _NEAR_KM) | (least > 1.02 * nearest + 1e-6)
    return out


def _check_places(stored: StoredProblem, units: StoredUnits) -> Check:
    """Check that a unit's place is that of one of its accounts, wherever one of them has a place."""
    places = _account_places(stored)
    placed = np.flatnonzero(np.isfinite(places).all(axis=1))
    unit = units.unit_of[placed]
    due, found = np.zeros(len(units.ids), np.bool_), np.zeros(len(units.ids), np.bool_)
    due[unit] = True
    found[unit[(np.abs(places[placed] - units.places[unit]) <= 1e-9).all(axis=1)]] = True
    return verdict(
        "unit_places",
        due & ~found,
        [f"unit {name}" for name in units.ids],
        lambda u: f"{tuple(units.places[u].tolist())} is the place of none of its accounts",
        "unit's place is that of one of its accounts",
    )
