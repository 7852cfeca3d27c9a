"""What today's alignment breaks where territories are whole units in one piece, in words."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from solvers.districting.whole.separators import Neighbours
from territory_engine.grammar import counted, listed

if TYPE_CHECKING:
    from solvers.disruption import Disruption
    from territory_engine.district_model import DistrictModel
    from territory_engine.problem import PlanningProblem

SHOWN = 5
"""So many units are named."""


def broken_up_today(planning: PlanningProblem, model: DistrictModel) -> list[str]:
    """Return which territories are in several pieces today, and which units several reps share, as sentences.

    A unit is with the rep who has most of it. Units that nobody has today are anyone's, so they join what lies around
    them: a territory is in pieces where not even they make it one.
    """
    disruption, graph = model.problem.disruption, model.problem.graph
    if disruption is None or planning.units is None:
        return []
    said = []
    if graph is not None:
        home, neighbours = disruption.largest_part(), Neighbours(graph)
        for t, name in enumerate(planning.territory_ids):
            held = np.flatnonzero(home == t)
            around = neighbours.pieces(np.flatnonzero((home == t) | (home < 0)).tolist())
            count = sum(not set(held.tolist()).isdisjoint(piece) for piece in around)
            if count > 1:
                said.append(f"today {name}'s territory is in {count} pieces, and has to be in one")
    return said + _shared_today(planning, disruption)


def _shared_today(planning: PlanningProblem, disruption: Disruption) -> list[str]:
    assert planning.units is not None
    shared = np.flatnonzero(np.diff(disruption.start) > 1)
    if not len(shared):
        return []
    ids = listed([str(unit) for unit in planning.units.ids[shared[:SHOWN]]])
    return [
        f"today {counted(len(shared), 'geographic unit has', 'geographic units have')} accounts of several reps"
        f" ({ids}{', …' if len(shared) > SHOWN else ''}), and a unit goes to one rep whole"
    ]
