"""Which territory a place is in: by geographic unit, by postal code, or by the nearest account."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from territory_engine.geography.membership import locate
from territory_engine.geography.sphere import km_of_chord, unit_vectors
from territory_engine.reading.location import country_code, five_digit_zip

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from scipy.spatial import cKDTree

    from territory_engine.plan import Plan
    from territory_engine.problem import PlanningProblem


@dataclass(frozen=True, eq=False)
class PlaceIndex:
    """A plan's territories on the map.

    Attributes
    ----------
    unit_ids : Index of str, shape (n_units,)
        Empty without geographic units.
    unit_territory : ndarray of object, shape (n_units,)
    unit_columns : tuple of str
        Columns in which a lead may name its unit.
    outlines : ndarray of geometry, shape (n_units,), or None
        WGS 84.
    postal : dict of str to (territory_id, number of accounts)
        Only of postal codes whose accounts are all in one territory.
    xyz : ndarray of float64, shape (n_accounts, 3)
        On the unit sphere; NaN where unknown.
    placed : ndarray of int64
        Accounts with a place, in the order of ``tree``.
    tree : cKDTree or None
    rep_of : dict of str to str
        Territory to rep, ``""`` where it has none.
    """

    unit_ids: pd.Index[Any]
    unit_territory: NDArray[np.object_]
    unit_columns: tuple[str, ...]
    outlines: NDArray[np.object_] | None
    postal: dict[str, tuple[str, int]]
    xyz: NDArray[np.float64]
    placed: NDArray[np.int64]
    tree: cKDTree | None
    rep_of: dict[str, str]

    @classmethod
    def of(
        cls,
        problem: PlanningProblem,
        plan: Plan,
        accounts: pd.DataFrame,
        postal: NDArray[np.object_],
        territory: NDArray[np.object_],
    ) -> PlaceIndex:
        """Index the places of a plan's accounts and units.

        Parameters
        ----------
        problem : PlanningProblem
        plan : Plan
        accounts : DataFrame
            Those that the plan assigns; the arrays are in its order.
        postal, territory : ndarray of object, shape (n_accounts,)
        """
        from scipy.spatial import cKDTree

        xyz = np.full((len(accounts), 3), np.nan)
        if "latitude" in accounts.columns and "longitude" in accounts.columns:
            xyz = unit_vectors(accounts["latitude"].to_numpy(np.float64), accounts["longitude"].to_numpy(np.float64))
        placed = np.flatnonzero(np.isfinite(xyz).all(axis=1)).astype(np.int64)
        ids, of_unit, columns, outlines = _units(problem, plan)
        rep_of = dict(
            zip(plan.territories.index.astype(str), plan.territories["rep_id"].fillna("").astype(str), strict=True)
        )
        tree = cKDTree(xyz[placed]) if len(placed) else None
        return cls(ids, of_unit, columns, outlines, _of_codes(postal, territory), xyz, placed, tree, rep_of)

    def unit_named(self, leads: pd.DataFrame) -> NDArray[np.int64]:
        """Return the unit that each lead's own column names, −1 where it names none that exists."""
        unit = np.full(len(leads), -1, np.int64)
        for column in self.unit_columns:
            if column in leads.columns and len(self.unit_ids):
                named = self.unit_ids.get_indexer(pd.Index(leads[column].astype(str).str.strip(), dtype=object))
                unit = np.where(unit < 0, named, unit)
        return unit.astype(np.int64)

    def unit_at(self, latitude: NDArray[np.float64], longitude: NDArray[np.float64]) -> NDArray[np.int64]:
        """Return the unit that each place lies in, or is within a few kilometres of; −1 where there is none."""
        if self.outlines is None or len(latitude) == 0:
            return np.full(len(latitude), -1, np.int64)
        return locate(np.column_stack((longitude, latitude)), self.outlines, degrees=True).unit

    def nearest(
        self, latitude: NDArray[np.float64], longitude: NDArray[np.float64]
    ) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Return the nearest account to each place and how far it is in km; −1 and inf where there is none."""
        account, km = np.full(len(latitude), -1, np.int64), np.full(len(latitude), np.inf)
        at = np.flatnonzero(np.isfinite(latitude) & np.isfinite(longitude))
        if self.tree is not None and len(at):
            chord, near = self.tree.query(unit_vectors(latitude[at], longitude[at]))
            account[at] = self.placed[near]
            km[at] = km_of_chord(np.asarray(chord, np.float64))
        return account, km


def postal_keys(codes: NDArray[np.object_], countries: NDArray[np.object_]) -> NDArray[np.object_]:
    """Return country and postal code as one text, the same however the code is written; ``""`` where it is blank.

    Both arrays have shape ``(n,)``. A ZIP+4 counts by its first five digits.
    """
    labels, unique = pd.factorize(
        pd.Series(codes, dtype=object).str.cat(pd.Series(countries, dtype=object), sep="\x1f")
    )
    if len(unique) == 0:
        return np.zeros(0, object)
    keys = np.empty(len(unique), object)
    keys[:] = [_postal_key(*str(text).split("\x1f", 1)) for text in unique]
    return keys[labels]


def _postal_key(code: str, country: str) -> str:
    country = country_code(country)
    plain = five_digit_zip(code) if country == "US" else "".join(c for c in code.upper() if c.isalnum())
    return f"{country} {plain}" if plain else ""


def _of_codes(postal: NDArray[np.object_], territory: NDArray[np.object_]) -> dict[str, tuple[str, int]]:
    frame = pd.DataFrame({"code": postal, "territory": territory})[postal != ""]
    grouped = frame.groupby("code")["territory"].agg(["first", "size", "nunique"])
    single = grouped[grouped["nunique"] == 1]
    return {
        str(code): (str(first), int(size))
        for code, first, size in zip(single.index, single["first"], single["size"], strict=True)
    }


def _units(
    problem: PlanningProblem, plan: Plan
) -> tuple[pd.Index[Any], NDArray[np.object_], tuple[str, ...], NDArray[np.object_] | None]:
    none: pd.Index[Any] = pd.Index([], dtype=object)
    if problem.units is None or plan.units is None or not len(plan.units):
        return none, np.zeros(0, object), (), None
    ids = problem.units.ids.astype(object)
    territory = plan.units["territory_id"].reindex(ids).fillna("").astype(object).to_numpy(object)
    contiguity = problem.config.contiguity
    own = contiguity.unit_id if contiguity is not None else None
    columns = tuple(dict.fromkeys(c for c in (own, "unit_id") if c))
    outlines = problem.units.geometry
    return ids, territory, columns, None if outlines is None else np.asarray(outlines.to_numpy(), dtype=object)
