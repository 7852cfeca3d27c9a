"""Which territories of several scenarios are the same: under one name and in one colour in all of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from scenarios.comparison import base_of
from territory_engine.wording import territory_names

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from scenarios.comparison import ScenarioResult
    from scenarios.differences import PlanDifference


@dataclass(frozen=True, eq=False)
class Continuity:
    """The territories of all scenarios together.

    Attributes
    ----------
    keys : tuple of str
        What each is known by: its rep, or the base's name for it. In the order of appearance.
    names : tuple of str
        As a reader knows them.
    rows : dict of str to ndarray of int
        By scenario: the place in ``keys`` of each of its territories.
    """

    keys: tuple[str, ...]
    names: tuple[str, ...]
    rows: dict[str, NDArray[np.intp]]


def continuity(planned: Sequence[ScenarioResult], differences: Mapping[str, PlanDifference]) -> Continuity:
    """Return which territories continue which, as the differences from the base say.

    Two scenarios agree about an account, for the page, exactly if both give it to a territory with the same key; so the moves
    from the base are those of ``differences``.

    Parameters
    ----------
    planned : sequence of ScenarioResult
        Those that have territories.
    differences : mapping
        From the base plan, by scenario, as :func:`scenarios.comparison.differences_from_base` returns them.
    """
    base = base_of(planned)
    base_keys = _own_keys(base, set()) if base is not None else {}
    found: dict[str, list[str]] = {}
    for result in planned:
        if result is base:
            found[result.name] = list(base_keys.values())
            continue
        difference = differences.get(result.name)
        origin: dict[str, str] = {}
        if difference is not None:
            kept = difference.territories[~difference.territories["dissolved"].to_numpy(np.bool_)]
            origin = {str(t): str(o) for t, o in zip(kept.index, kept["from_territory_id"], strict=True) if o}
        own = _own_keys(result, set(base_keys.values()) if difference is not None else set())
        found[result.name] = [base_keys[origin[t]] if t in origin else key for t, key in own.items()]
    keys = tuple(dict.fromkeys(key for each in found.values() for key in each))
    place = {key: k for k, key in enumerate(keys)}
    names: dict[str, str] = {}
    for result in planned:
        assert result.plan is not None
        own_names = territory_names(result.problem)
        for territory_id, key in zip(map(str, result.plan.territories.index), found[result.name], strict=True):
            names.setdefault(key, own_names.get(territory_id, territory_id))
    return Continuity(
        keys,
        tuple(names[key] for key in keys),
        {name: np.array([place[key] for key in each], dtype=np.intp) for name, each in found.items()},
    )


def _own_keys(result: ScenarioResult, taken: set[str]) -> dict[str, str]:
    """Return by which key each territory goes that continues no other: its rep, its ID, or its ID in this scenario."""
    assert result.plan is not None
    reps = result.plan.territories["rep_id"].astype(str)
    shared = reps.duplicated(keep=False).to_numpy(np.bool_)
    keys = {}
    for territory_id, rep, several in zip(map(str, result.plan.territories.index), reps, shared, strict=True):
        key = territory_id if several or not rep else rep
        keys[territory_id] = f"{key} ({result.name})" if key in taken else key
    return keys
