"""The checks of territory design: geographic units, territories in one piece, and centres that were chosen."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from territory_engine.auditing.checks import SHOWN, Check, numeric, verdict
from territory_engine.auditing.numbers import agree
from territory_engine.auditing.stored_units import StoredUnits

if TYPE_CHECKING:
    from numpy.typing import NDArray


def check_units(
    units: StoredUnits, told: pd.DataFrame, territory_of: NDArray[np.intp], territory_ids: pd.Index[str]
) -> tuple[list[Check], NDArray[np.intp] | None]:
    """Check that every unit is told once with a known territory, and that its accounts are all in that territory.

    Parameters
    ----------
    units : StoredUnits
    told : DataFrame
        ``units.csv`` as text, indexed by ``unit_id``.
    territory_of : ndarray of int, shape (n_accounts,)
        Position of the territory of each account.
    territory_ids : Index

    Returns
    -------
    checks : list of Check
    territory : ndarray of int, shape (n_units,), or None
        Position of each unit's territory; None where the table is not whole.
    """
    faults = {
        "missing": units.ids[~units.ids.isin(told.index)],
        "unknown": told.index[~told.index.isin(units.ids)],
        "told twice": told.index[told.index.duplicated()],
        "in a territory that is not there": told.index[~told["territory_id"].isin(territory_ids)],
    }
    words = [f"{name}: {', '.join(map(str, ids[:SHOWN]))}" for name, ids in faults.items() if len(ids)]
    whole = Check(
        "units", not words, "; ".join(words) or f"each of {len(units.ids):,} units once, in a known territory"
    )
    if words:
        return [whole], None
    told = told.loc[units.ids]
    territory = np.asarray(territory_ids.get_indexer(pd.Index(told["territory_id"])))
    labels = [f"unit {unit}" for unit in units.ids]
    torn = np.zeros(len(units.ids), np.bool_)
    torn[units.unit_of[territory[units.unit_of] != territory_of]] = True
    members = np.bincount(units.unit_of, minlength=len(units.ids)).astype(np.float64)
    found = numeric(told["accounts"])
    return [
        whole,
        verdict(
            "unit_accounts",
            found != members,
            labels,
            lambda i: f"expected {members[i]:.0f}, found {found[i]:.6g}",
            "unit's number of accounts",
        ),
        verdict(
            "units_whole",
            torn,
            labels,
            lambda i: f"is in territory {territory_ids[territory[i]]}, but has accounts elsewhere",
            "unit's accounts are all in its territory",
        ),
    ], territory


def check_pieces(units: StoredUnits, territory: NDArray[np.intp], territory_ids: pd.Index[str]) -> Check:
    """Check that every territory is in one piece: from any of its units all others are reached through its own units."""
    inside = territory[units.pairs[:, 0]] == territory[units.pairs[:, 1]]
    label = pieces_of(len(territory), units.pairs[inside])
    pieces = np.bincount(territory[np.unique(label)], minlength=len(territory_ids))
    names = [f"territory {name}" for name in territory_ids]
    return verdict("contiguity", pieces > 1, names, lambda t: f"is in {pieces[t]} pieces", "territory is in one piece")


def pieces_of(n_units: int, pairs: NDArray[np.intp]) -> NDArray[np.intp]:
    """Return the piece of every unit, named by its first unit: from any unit of a piece, pairs lead to all others."""
    first, second = pairs.T
    # Every unit takes the least label among itself and the units it touches until nothing changes: one label a piece.
    label = np.arange(n_units)
    while True:
        least = label.copy()
        np.minimum.at(least, first, label[second])
        np.minimum.at(least, second, label[first])
        # Follow labels to their own labels: a chain of n units takes log n steps, not n.
        least = least[least]
        if np.array_equal(least, label):
            return label
        label = least


def check_centres(
    centre_ids: pd.Index[str],
    told_places: NDArray[np.float64],
    candidate_ids: pd.Index[str],
    candidate_places: NDArray[np.float64],
    candidate_territory: NDArray[np.intp],
    territory_ids: pd.Index[str],
    *,
    placed: bool,
) -> list[Check]:
    """Check that every centre is the place of one of its territory's own accounts or units, and nobody else's.

    Parameters
    ----------
    centre_ids : Index, one a territory
        The account or unit at whose place the territory is said to be centred.
    told_places : ndarray, shape (n_territories, 2)
        Where ``territories.csv`` says that is; NaN with a travel table.
    candidate_ids, candidate_places : Index, ndarray of shape (n_candidates, 2)
        Every account or unit whose place may be a centre; NaN with a travel table, and where nobody knows.
    candidate_territory : ndarray of int, shape (n_candidates,)
        Position of the territory it is in.
    territory_ids : Index
    placed : bool
        Whether travel is measured from places: then a centre must have one.
    """
    at = candidate_ids.get_indexer(centre_ids)
    names = [f"territory {name}" for name in territory_ids]
    own = (at >= 0) & (candidate_territory[at] == np.arange(len(territory_ids)))
    if placed:
        # From no place everything would be no distance away.
        own &= np.isfinite(candidate_places[at]).all(axis=1)
    repeated = centre_ids.duplicated(keep=False)
    expected = candidate_places[at]
    misplaced = np.asarray(~agree(told_places, expected).all(axis=1))
    return [
        verdict(
            "centers",
            ~own | repeated,
            names,
            lambda t: f"is centred at {centre_ids[t]!r}, which is not its own, not a place, or another's centre too",
            "territory's centre is its own",
        ),
        verdict(
            "center_places",
            misplaced,
            names,
            lambda t: f"expected {tuple(expected[t].tolist())}, found {tuple(told_places[t].tolist())}",
            "centre's place",
        ),
    ]
