"""Units that are polygons: their IDs and outlines checked, their borders found, and every account put into one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from territory_engine.errors import Finding
from territory_engine.geography.gaps import join_polygons
from territory_engine.geography.layer import UnitLayer, canonical_pairs, joined_frame
from territory_engine.geography.membership import NEAR_KM, central_places, distances_km, locate
from territory_engine.geography.polygons import repaired_polygons, some_of
from territory_engine.geography.touching import INEXACT_FRACTION, touching_pairs
from territory_engine.grammar import counted
from territory_engine.reading.columns import find_column, missing_column, number_text
from territory_engine.reading.units import (
    UNIT_ID,
    account_unit_column,
    axes_of,
    flag_unknown_units,
    kilometres,
    matched_units,
    note_joins,
    places_of,
    unit_texts,
    weights_of,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from territory_engine.config import Config
    from territory_engine.geography.polygons import PolygonFile
    from territory_engine.reading.columns import Sheet


def units_of_polygons(accounts: Sheet, config: Config, layer: PolygonFile) -> UnitLayer | None:
    """Return the units of a layer; None where it, or an account's place in it, is wrong: then there are findings."""
    if layer.frame is None or not _in_the_right_coordinates(layer, config):
        return None
    ids = _unit_ids(layer, config)
    if ids is None:
        return None
    degrees = config.travel.metric == "haversine"
    km_per_unit = 1.0 if degrees else float(layer.frame.crs.axis_info[0].unit_conversion_factor) / 1000
    shapes = repaired_polygons(layer, ids.tolist())
    members = _Members(accounts, config, ids, layer.file)
    if layer.findings:
        members.flag_unknown()
        return None
    members.locate(shapes, degrees=degrees, km_per_unit=km_per_unit, reference=str(layer.frame.crs.name))
    if (members.unit < 0).any():
        return None
    pairs, inexact = touching_pairs(shapes, degrees=degrees)
    if inexact > INEXACT_FRACTION * len(pairs):
        layer.note(
            f"the outlines of {inexact:,} of {len(pairs):,} pairs of neighbours do not coincide, as when units are"
            " simplified one by one: short borders may be missed. Simplify the layer as a whole, or give adjacency."
        )
    joined, gap_km = join_polygons(shapes, pairs, degrees=degrees, km_per_unit=km_per_unit)
    called = _called(layer, ids)
    note_joins(layer, [(called[a], called[b]) for a, b in joined], gap_km, kilometres)
    return _assembled(layer, ids, shapes, canonical_pairs(*np.concatenate([pairs, joined]).T),
                      joined_frame(ids, joined, gap_km), members)  # fmt: skip


def _assembled(
    layer: PolygonFile,
    ids: pd.Index[str],
    shapes: NDArray[np.object_],
    pairs: NDArray[np.int64],
    joined: pd.DataFrame,
    members: _Members,
) -> UnitLayer:
    import geopandas as gpd
    import shapely

    assert layer.frame is not None
    spherical = members.config.travel.metric == "haversine"
    places = central_places(
        members.places, members.unit, weights_of(members.accounts, members.config), len(ids), spherical=spherical
    )
    inside = shapely.get_coordinates(shapely.point_on_surface(shapes))
    places = np.where(np.isfinite(places), places, inside[:, ::-1] if spherical else inside)
    geometry = gpd.GeoSeries(shapes, index=ids, crs=layer.frame.crs).to_crs(4326)
    return UnitLayer(ids, pairs, joined, members.unit, places, geometry, "polygons")


def _in_the_right_coordinates(layer: PolygonFile, config: Config) -> bool:
    """Bring the layer to WGS 84, or make sure that it is on the plane that x and y are on."""
    assert layer.frame is not None
    if config.travel.metric == "haversine":
        layer.frame = layer.frame.to_crs(4326)
        return True
    if layer.frame.crs.is_projected:
        return True
    layer.findings.append(
        Finding(
            f"its coordinates are degrees ({layer.frame.crs.name}), but x and y are measured on a plane",
            layer.file,
            allowed='with metric = "euclidean", the projected coordinate reference system that x and y are in',
            remedy='save it in that one, gdf.to_crs(…), or give latitude and longitude and metric = "haversine"',
        )
    )
    return False


def _unit_ids(layer: PolygonFile, config: Config) -> pd.Index[str] | None:
    """Return the units' IDs as text; a finding for each that is blank or repeats another."""
    assert layer.frame is not None
    assert config.contiguity is not None
    name = str(config.contiguity.unit_id)
    frame = layer.frame.drop(columns=layer.frame.active_geometry_name)
    if name not in frame.columns:
        columns = [str(c) for c in frame.columns]
        layer.findings.append(missing_column(name, columns, layer.file, "contiguity.unit_id"))
        return None
    if len(frame) == 0:
        layer.findings.append(Finding("has no units: there are no rows", layer.file))
        return None
    column: pd.Series[Any] = frame[name]
    if pd.api.types.is_numeric_dtype(column.dtype):
        texts = number_text(column)
    else:
        texts = pd.Series(["" if pd.isna(v) else str(v).strip() for v in column], dtype=str)
    blank = (texts == "").to_numpy(bool)
    repeated = texts.duplicated().to_numpy() & ~blank
    first = dict(zip(texts[::-1], range(len(texts) + 1, 1, -1), strict=True))
    for i in np.flatnonzero(blank):
        layer.findings.append(
            Finding("is blank", layer.file, int(i) + 2, name, "", "a unique ID", "give the unit an ID, or delete the row")
        )  # fmt: skip
    for i in np.flatnonzero(repeated):
        remedy = f"merge the parts of a unit, gdf.dissolve({name!r}), or correct the ID"
        what = f"repeats the ID of row {first[texts.iloc[i]]}"
        layer.findings.append(Finding(what, layer.file, int(i) + 2, name, texts.iloc[i], "each ID once", remedy))
    if blank.any() or repeated.any():
        # What is wrong with the outlines is told in the same go.
        repaired_polygons(layer, texts.tolist())
        return None
    ids: pd.Index[str] = pd.Index(texts.tolist(), dtype=str, name="unit_id")
    return ids


def _called(layer: PolygonFile, ids: pd.Index[str]) -> list[str]:
    """Return what the planner calls the units: name and ID where the layer has names."""
    assert layer.frame is not None
    column = next((c for c in layer.frame.columns if str(c).casefold() == "name"), None)
    if column is None:
        return ids.tolist()
    return [f"{name} ({i})" if isinstance(name, str) and name else i for name, i in zip(layer.frame[column], ids, strict=True)]  # fmt: skip


class _Members:
    """Accounts on their way into units: by the ID they name, and by their place where they name none."""

    def __init__(self, accounts: Sheet, config: Config, ids: pd.Index[str], file: str) -> None:
        assert config.contiguity is not None
        self.accounts, self.config, self.ids, self.file = accounts, config, ids, file
        self.places = places_of(accounts, config)
        self.column: str | None = account_unit_column(config)
        own_names = set(accounts.shown.values()) | set(accounts.frame.columns)
        if self.column not in own_names or not find_column(accounts, str(self.column), "contiguity.unit_id"):
            accounts.note(
                f"there is no column {self.column!r}: every account's unit was found by its place. If the accounts have"
                f' their unit in a column of another name, say {UNIT_ID} = "…" in [data.columns.accounts].'
            )
            self.column = None
            self.unit = np.full(len(accounts), -1, np.int64)
            self.unknown = np.zeros(len(accounts), bool)
            return
        self.unit, self.unknown = matched_units(unit_texts(accounts, str(self.column))[0], ids)

    def flag_unknown(self, lies_in: NDArray[np.int64] | None = None) -> None:
        """Add findings for IDs that are no unit's; ``lies_in`` are the units that the accounts' places are in, or −1."""
        if self.column is None or not self.unknown.any():
            return
        texts, _ = unit_texts(self.accounts, self.column)
        hints = {}
        if lies_in is not None:
            hints = {
                int(
                    i
                ): f"the account's place lies in {self.ids[lies_in[i]]}: correct the ID, or clear the cell to use that"
                for i in np.flatnonzero(self.unknown & (lies_in >= 0))
            }
        assert self.config.contiguity is not None
        allowed = f"a {self.config.contiguity.unit_id} of {self.file}, or blank"
        flag_unknown_units(self.accounts, self.column, texts, self.unknown, self.ids, allowed, hints)

    def locate(self, shapes: NDArray[np.object_], *, degrees: bool, km_per_unit: float, reference: str) -> None:
        """Find the units of accounts that name none, and tell where name and place disagree."""
        xy = self.places[:, ::-1] if degrees else self.places
        metric = {"degrees": degrees, "km_per_unit": km_per_unit}
        self._note_disagreement(xy, shapes, degrees=degrees, km_per_unit=km_per_unit, reference=reference)
        # What already has a finding about its place gets no second one.
        wrong = self.accounts.rows_with_findings()
        if self.unknown.any():
            lies_in = np.full(len(xy), -1, np.int64)
            lies_in[self.unknown] = locate(xy[self.unknown], shapes, degrees=degrees, km_per_unit=km_per_unit).unit
            self.flag_unknown(lies_in)
        open_ = np.flatnonzero((self.unit < 0) & ~self.unknown & ~wrong)
        placed = np.isfinite(xy[open_]).all(axis=1)
        self._flag_unplaced(open_[~placed])
        open_ = open_[placed]
        if len(open_) == 0:
            return
        found = locate(xy[open_], shapes, degrees=degrees, km_per_unit=km_per_unit)
        self.unit[open_] = found.unit
        self._note_found(open_, found.distance_km, found.several)
        far = open_[found.unit < 0]
        if len(far) > max(1, len(open_) // 2):
            self._flag_layer_elsewhere(len(far), len(open_), reference)
        elif len(far):
            self._flag_far(far, xy, shapes, **metric)  # type: ignore[arg-type]  # a bool and a float by name

    def _flag_unplaced(self, at: NDArray[np.intp]) -> None:
        mask = np.zeros(len(self.accounts), bool)
        mask[at] = True
        remedy = f"fill in its {self.column}, or its place" if self.column else "fill in its place"
        self.accounts.flag(mask, "account_id", "the account has neither a unit nor a place", remedy=remedy)

    def _note_found(self, at: NDArray[np.intp], distance_km: NDArray[np.float64], several: NDArray[np.bool_]) -> None:
        ids = self.accounts.frame["account_id"].astype(str).tolist()
        near = np.flatnonzero(distance_km > 0)
        if len(near):
            order = near[np.argsort(-distance_km[near], kind="stable")]
            self.accounts.note(
                f"{counted(len(near), 'account lies in no unit and belongs', 'accounts lie in no unit and belong')} to the"
                f" nearest one, {kilometres(float(distance_km[near].max()), most=True)} away ({some_of([ids[at[i]] for i in order])})."
            )
        if several.any():
            self.accounts.note(
                f"{counted(int(several.sum()), 'account lies', 'accounts lie')} on a border, or where units overlap; what"
                f" counts is the first such unit of {self.file} ({some_of([ids[at[i]] for i in np.flatnonzero(several)])})."
            )

    def _flag_layer_elsewhere(self, far: int, of: int, reference: str) -> None:
        axes = " and ".join(axes_of(self.config))
        plane = self.config.travel.metric == "euclidean"
        self.accounts.findings.append(
            Finding(
                f"{far:,} of the {of:,} accounts to be placed {'lies' if far == 1 else 'lie'} more than {NEAR_KM:g} km outside every unit of {self.file}",
                self.accounts.file,
                allowed=f"{axes} in the layer's coordinate reference system ({reference})" if plane else None,
                remedy=f"check that {axes} are in the layer's coordinate reference system, or reproject one of them"
                if plane
                else "check that the layer covers the area of the accounts, and that latitude and longitude are right",
            )
        )

    def _flag_far(
        self, far: NDArray[np.intp], xy: NDArray[np.float64], shapes: NDArray[np.object_], *, degrees: bool, km_per_unit: float
    ) -> None:  # fmt: skip
        import shapely

        nearest = shapely.STRtree(shapes).nearest(shapely.points(xy[far]))
        away = distances_km(xy[far], shapes[nearest], degrees=degrees, km_per_unit=km_per_unit)
        own = self.accounts.own_name(axes_of(self.config)[0])
        fill = f", or fill in its {self.column}" if self.column else ""
        self.accounts.findings.extend(
            Finding(
                f"lies more than {NEAR_KM:g} km outside every unit of {self.file}",
                self.accounts.file,
                int(self.accounts.rows[i]),
                own,
                f"{self.places[i, 0]:g}, {self.places[i, 1]:g}",
                f"a place in a unit, or at most {NEAR_KM:g} km from one",
                f"correct the place{fill} (the nearest unit is {self.ids[unit]}, about {kilometres(float(km))} away)",
            )
            for i, unit, km in zip(far, nearest, away, strict=True)
        )

    def _flag_all_elsewhere(self, n: int, least_km: float, reference: str) -> None:
        own = self.accounts.own_name(str(self.column))
        self.accounts.findings.append(
            Finding(
                f"covers none of the places of the {n:,} accounts that name one of its units: they lie {kilometres(least_km)} or"
                " more from it",
                self.file,
                allowed=f"units where the accounts are; its coordinate reference system is {reference}",
                remedy="check the layer's coordinate reference system (gdf.set_crs where it is not what the file says),"
                f" and that {own!r} holds its IDs",
            )
        )

    def _note_disagreement(
        self, xy: NDArray[np.float64], shapes: NDArray[np.object_], *, degrees: bool, km_per_unit: float, reference: str
    ) -> None:
        """Say how many accounts lie clearly outside the unit that their column names; the column counts.

        A finding where the layer covers none of them: then it is elsewhere, not the accounts.
        """
        import shapely

        source = self.accounts.frame["location_source"] if self.accounts.has("location_source") else None
        given = (source == "given").to_numpy(bool) if source is not None else np.zeros(len(xy), bool)
        at = np.flatnonzero((self.unit >= 0) & given & np.isfinite(xy).all(axis=1))
        n_named = len(at)
        shapely.prepare(shapes)
        at = at[~shapely.intersects_xy(shapes[self.unit[at]], xy[at])]
        away = distances_km(xy[at], shapes[self.unit[at]], degrees=degrees, km_per_unit=km_per_unit)
        at = at[away > NEAR_KM]
        west, south, east, north = shapely.total_bounds(shapes)
        x, y = xy[at].T
        if len(at) == n_named > 1 and not np.any((x >= west) & (x <= east) & (y >= south) & (y <= north)):
            self._flag_all_elsewhere(len(at), float(away.min()), reference)
        elif len(at):
            ids = self.accounts.frame["account_id"].astype(str)
            self.accounts.note(
                f"{counted(len(at), 'account lies', 'accounts lie')} more than {NEAR_KM:g} km outside the unit that"
                f" {self.accounts.own_name(str(self.column))!r} names; the column counts ({some_of(ids.iloc[at].tolist())})."
            )
