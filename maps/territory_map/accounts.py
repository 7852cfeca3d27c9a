"""Accounts as compact columns: what a page needs for drawing, finding and explaining each, at every number of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from maps.pages.columns import as_shown, dictionary, encode_sentences, numbers, pack, steps, texts
from maps.territory_map.circles import circle_levels, near_first
from territory_engine.wording import distance_unit, distinct_labels, number

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    from territory_engine.plan import Plan
    from territory_engine.problem import PlanningProblem

# Beyond this many located accounts the page draws one circle per place and territory, and names no account.
MOST_ACCOUNTS_DRAWN = 250_000
# Up to this many, the page shows each as a dot once the reader is close: some five bytes an account.
MOST_DOTS = 1_500_000
# Positions are whole steps of this part of a pixel of the map at zoom 0: a pixel at zoom 18, 0.6 m at the equator;
# where x and y are drawn, a ten-millionth of their extent.
_STEP = 2.0**-18
_PLANAR_STEP = 2.0**-14
_WORLD_PIXELS = 256.0
_MAX_LATITUDE = 85.0511287798


@dataclass(frozen=True)
class DrawnAccounts:
    """The accounts of a page.

    Attributes
    ----------
    summary : dict
        What the page must know at once, as JSON can hold it: ``n`` (located accounts), ``unlocated``, ``unit`` (of travel),
        ``many`` (whether circles are drawn instead of each account), ``dots`` (whether close up each is drawn all the
        same) and ``amid`` (how many drawn ones lie in another territory's shape).
    columns : str
        Packed (:func:`maps.pages.columns.pack`): everything about the accounts, or about the circles.
    dots : str
        Packed: position, territory and travel of each account where `columns` has circles; ``""`` otherwise.
    """

    summary: dict[str, Any]
    columns: str
    dots: str = ""


def drawn_accounts(
    problem: PlanningProblem,
    plan: Plan,
    positions: NDArray[np.float64],
    territory: NDArray[np.intp],
    amid: NDArray[np.intp] | None = None,
) -> DrawnAccounts:
    """Pack the located accounts for a page.

    Parameters
    ----------
    problem : PlanningProblem
    plan : Plan
    positions : ndarray, shape (n_accounts, 2)
        Longitude and latitude, or x and y as drawn; NaN where unknown.
    territory : ndarray of int, shape (n_accounts,)
        Row of ``plan.territories``; -1 for none.
    amid : ndarray of int, shape (n_accounts,), optional
        Row of another territory whose shape the account lies in; -1 for none, which is so of all by default.
    """
    located = np.flatnonzero(np.isfinite(positions).all(axis=1))
    amid = np.full(len(positions), -1, np.intp) if amid is None else amid
    travel = plan.assignments["travel"].reindex(problem.accounts.index).to_numpy(np.float64)[located]
    measures = {
        label: problem.accounts[column].to_numpy(np.float64)[located]
        for label, column in _shown_measures(problem).items()
    }
    planar = problem.config.travel.metric == "euclidean"
    step = _PLANAR_STEP if planar else _STEP
    places = map_places(positions[located], planar=planar)
    many = len(located) > MOST_ACCOUNTS_DRAWN
    dots = many and len(located) <= MOST_DOTS
    summary = {
        "n": len(located),
        "unlocated": len(positions) - len(located),
        "unit": distance_unit(problem),
        "many": many,
        "dots": dots,
        "amid": 0 if many else int((amid >= 0).sum()),
    }
    if not many:
        columns = _places(places, step) | {
            "territory": numbers(territory[located], "<i2"),
            "travel": as_shown(travel),
            "measures": [{"label": label, "values": as_shown(values)} for label, values in measures.items()],
            "amid": _amid(amid[located]),
        }
        unplaced = np.flatnonzero(~np.isfinite(positions).all(axis=1))
        if len(unplaced):
            columns["unplaced"] = {"territory": numbers(territory[unplaced], "<i2")} | _words(problem, plan, unplaced)
        return DrawnAccounts(summary, pack(columns | _words(problem, plan, located)))
    levels = [
        _places(level.places, step)
        | {
            "pitch": level.pitch,
            "territory": numbers(level.territory, "<i2"),
            "accounts": numbers(level.accounts, "<u4"),
            "travel": as_shown(level.travel),
            "measures": [{"label": label, "values": as_shown(values)} for label, values in level.measures.items()],
        }
        for level in circle_levels(places, territory[located], travel, measures)
    ]
    if not dots:
        return DrawnAccounts(summary, pack({"levels": levels}))
    order = near_first(places)
    each = _places(places[order], step) | {
        "territory": numbers(territory[located][order], "<i2"),
        "travel": as_shown(travel[order]),
    }
    return DrawnAccounts(summary, pack({"levels": levels}), pack(each))


def map_places(positions: NDArray[np.float64], *, planar: bool) -> NDArray[np.float64]:
    """Return where Leaflet draws positions, shape ``(n, 2)``: pixels at zoom 0, from the left and from the top."""
    x, y = positions.T
    if planar:
        return np.column_stack([x, -y])
    sine = np.sin(np.radians(np.clip(y, -_MAX_LATITUDE, _MAX_LATITUDE)))
    return _WORLD_PIXELS * np.column_stack([0.5 + x / 360.0, 0.5 - np.arctanh(sine) / (2.0 * np.pi)])


def _places(places: NDArray[np.float64], step: float) -> dict[str, Any]:
    whole = np.rint(places / step)
    return {"n": len(places), "step": step, "x": steps(whole[:, 0]), "y": steps(whole[:, 1])}


def _amid(others: NDArray[np.intp]) -> dict[str, Any]:
    rows = np.flatnonzero(others >= 0)
    return {"account": numbers(rows, "<u4"), "territory": numbers(others[rows], "<i2")}


def _words(problem: PlanningProblem, plan: Plan, located: NDArray[np.intp]) -> dict[str, Any]:
    accounts = problem.accounts.iloc[located]
    reason = plan.assignments["reason"].reindex(problem.accounts.index).iloc[located]
    names = texts(accounts["name"]) if "name" in accounts else [""] * len(located)
    return {
        "id": [str(account_id) for account_id in accounts.index],
        "name": dictionary(names, packed=True),
        "reason": encode_sentences(texts(reason), packed=True),
        "placed": dictionary(_placed(accounts), always=True, packed=True),
    }


def _placed(accounts: pd.DataFrame) -> list[str]:
    """Say of every account how it came to its place; ``""`` where the place was given."""
    if "location_source" not in accounts:
        return [""] * len(accounts)
    by_code = (accounts["location_source"] == "postal_code").to_numpy(bool)
    away = (
        accounts["location_precision_km"].to_numpy(np.float64)
        if "location_precision_km" in accounts
        else np.full(len(accounts), np.nan)
    )
    said = np.full(len(accounts), "", dtype=object)
    for km in np.unique(away[by_code]):  # few: one for each kind of postal code, and one NaN for all that have none
        here = by_code & ((away == km) | (np.isnan(km) & np.isnan(away)))
        exact = f"; its address is typically within {number(float(km))} km" if np.isfinite(km) and km > 0 else ""
        said[here] = f"Placed by its postal code{exact}."
    return [str(text) for text in said]


def _shown_measures(problem: PlanningProblem) -> dict[str, str]:
    """Label and accounts column of every number worth a line in a tooltip: balanced measures, weight, price, revenue."""
    config = problem.config
    wanted = [
        *problem.measures,
        config.travel.weight,
        config.disruption.measure if config.disruption else None,
        "revenue",
    ]
    there = [c for c in dict.fromkeys(wanted) if c and c != "count" and c in problem.accounts]
    # A column that no rule names may hold anything.
    numeric = [c for c in there if problem.accounts[c].dtype.kind in "iuf"]
    return {label: c for c, label in distinct_labels(numeric).items()}
