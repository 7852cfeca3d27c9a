"""What several scenarios do with accounts and geographic units, as columns: the page finds the moves between any two."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import shapely

from maps.pages.columns import base64_of, dictionary, texts
from maps.shapes.territories import account_points, drawn_from_units, rounded_geojson, territory_rows
from territory_engine.wording import distance_unit

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from maps.comparison.continuity import Continuity
    from maps.pages.drawing import Drawing
    from scenarios.comparison import ScenarioResult

MOST_ACCOUNTS = 250_000
"""Accounts in the page at most; beyond it those that carry most."""


def account_columns(
    planned: Sequence[ScenarioResult], same: Continuity, measures: Sequence[str], drawn: Drawing
) -> dict[str, Any]:
    """Return the accounts that any two scenarios give to different territories, with who has them in each.

    Parameters
    ----------
    planned : sequence of ScenarioResult
        Those that have territories.
    same : Continuity
    measures : sequence of str
        ``"count"`` first; every scenario has data for them.
    drawn : Drawing

    Returns
    -------
    dict
        ``n``, ``left_out`` (accounts beyond :data:`MOST_ACCOUNTS`), ``id``, ``name``, ``position`` (base64 of float32), and by
        scenario ``of`` (base64 of int16: place in ``same.keys``, -1 where the scenario has no such account), ``travel``
        (base64 of float32), ``unit`` (of travel) and ``measures`` (see :func:`_packed`).
    """
    ids = planned[0].problem.accounts.index
    for result in planned[1:]:
        ids = ids.append(result.problem.accounts.index.difference(ids, sort=False))
    owners = np.full((len(planned), len(ids)), -1, dtype=np.int16)
    places = []
    for k, result in enumerate(planned):
        assert result.plan is not None
        place = ids.get_indexer(result.problem.accounts.index)
        territory = territory_rows(result.problem, result.plan)
        owners[k, place] = np.where(territory >= 0, same.rows[result.name][territory], -1)
        places.append(place)
    low, high = np.where(owners >= 0, owners, np.iinfo(np.int16).max).min(axis=0), owners.max(axis=0)
    kept = np.flatnonzero((high >= 0) & (low < high))
    left_out = max(0, len(kept) - MOST_ACCOUNTS)
    if left_out:
        weight = np.zeros(len(ids))
        weight[places[0]] = planned[0].problem.measure_values(measures[-1])
        kept = np.sort(kept[np.argsort(-weight[kept], kind="stable")[:MOST_ACCOUNTS]])
    position = np.full((len(ids), 2), np.nan)
    name = np.full(len(ids), "", dtype=object)
    by_scenario: dict[str, dict[str, Any]] = {}
    stored: dict[str, dict[str, NDArray[np.float64]]] = {}
    for k, result in reversed(list(enumerate(planned))):
        assert result.plan is not None
        problem = result.problem
        position[places[k]] = drawn.positions(account_points(problem))
        if "name" in problem.accounts:
            name[places[k]] = texts(problem.accounts["name"])
        travel = np.full(len(ids), np.nan)
        travel[places[k]] = result.plan.assignments["travel"].reindex(problem.accounts.index).to_numpy(np.float64)
        stored[result.name] = {}
        for measure in measures:
            values = np.zeros(len(ids))
            values[places[k]] = problem.measure_values(measure)
            stored[result.name][measure] = values[kept]
        by_scenario[result.name] = {
            "of": base64_of(owners[k, kept], "<i2"),
            "travel": base64_of(travel[kept], "<f4"),
            "unit": distance_unit(problem),
        }
    before: dict[str, dict[str, NDArray[np.float64]]] = {}
    for result in planned:
        by_scenario[result.name]["measures"] = [
            None if m == "count" else _packed(stored[result.name][m], {n: v[m] for n, v in before.items()})
            for m in measures
        ]
        before[result.name] = stored[result.name]
    return {
        "n": len(kept),
        "left_out": left_out,
        "id": [str(i) for i in ids[kept]],
        "name": dictionary([str(n) for n in name[kept]]),
        "position": base64_of(position[kept], "<f4"),
        "scenarios": {result.name: by_scenario[result.name] for result in planned},
    }


def _packed(values: NDArray[np.float64], before: dict[str, NDArray[np.float64]]) -> dict[str, str]:
    """Return ``{"as": scenario}`` where an earlier scenario has the same values; else them, as short as they stay exact."""
    for scenario, others in before.items():
        if np.array_equal(values, others):
            return {"as": scenario}
    short = bool(np.array_equal(values.astype(np.float32).astype(np.float64), values))
    return {"f4": base64_of(values, "<f4")} if short else {"f8": base64_of(values, "<f8")}


def unit_features(
    planned: Sequence[ScenarioResult], same: Continuity, bounds: tuple[float, float, float, float]
) -> dict[str, Any] | None:
    """Return the geographic units that any two scenarios give to different territories, as GeoJSON; None without any.

    ``of`` is by scenario, in the order given, whose unit it is (-1: nobody's, or there is no such unit); ``accounts`` how many
    accounts are in it.
    """
    shown = [r for r in planned if r.plan is not None and drawn_from_units(r.problem, r.plan)]
    if len(shown) < 2:
        return None
    layer = shown[0].problem.units
    assert layer is not None
    assert layer.geometry is not None
    owners = np.full((len(planned), len(layer.ids)), -1, dtype=np.int64)
    accounts = np.zeros((len(planned), len(layer.ids)), dtype=np.int64)
    for k, result in enumerate(planned):
        plan = result.plan
        if plan is None or plan.units is None or not drawn_from_units(result.problem, plan):
            continue
        row = plan.territories.index.get_indexer(pd.Index(plan.units["territory_id"].reindex(layer.ids)))
        owners[k] = np.where(row >= 0, same.rows[result.name][row], -1)
        accounts[k] = plan.units["accounts"].reindex(layer.ids).fillna(0).to_numpy(np.int64)
    low, high = np.where(owners >= 0, owners, np.iinfo(np.int64).max).min(axis=0), owners.max(axis=0)
    moving = np.flatnonzero((high >= 0) & (low < high))
    if len(moving) == 0:
        return None
    # A border need not be finer than a pixel of a large window.
    fine = max(bounds[2] - bounds[0], bounds[3] - bounds[1]) / 5000
    shapes = shapely.simplify(layer.geometry.to_numpy()[moving], fine)
    return {
        "type": "FeatureCollection",
        "features": [
            {
                "type": "Feature",
                "properties": {
                    "id": str(layer.ids[u]),
                    "of": owners[:, u].tolist(),
                    "accounts": accounts[:, u].tolist(),
                },
                "geometry": rounded_geojson(shape),
            }
            for u, shape in zip(moving.tolist(), shapes, strict=True)
        ],
    }
