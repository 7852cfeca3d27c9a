"""What loads off their soft targets cost, in the whole numbers that CP-SAT works with, never more than it is.

The model's w |L − T| must stay a lower bound on the true one, since CP-SAT's bound on the core is a bound on everything:
whatever is rounded is rounded down. Yet it must be close, or the core would never close the gap:

- Whole loads do not meet a target between two of them. With f = T − ⌊T⌋ the load is ⌊T⌋ + step + over − under, and
  costs w f, w (1 − 2f) for the step across the target, and w for every unit over and under: exactly w |L − T|.
- A price per unit of a fine load (a cent, a millionth of a kilometre) would round to nothing. Such loads are scaled until
  their price is a whole number, and rounded down themselves: what that hides is less than one step for every unit.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from solvers.whole import WholeNumbers, decimal_scale, to_whole

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from ortools.sat.python import cp_model

RESOLUTION = 2.0**48
"""Costs become integers of this resolution over the value to be improved on."""

MOST = 2.0**60
"""No objective may exceed this in integers, whatever its variables are: CP-SAT sums in 64 bits."""

LOAD_STEPS = 2.0**40
"""Loads are represented to one part in this of their sum."""

EXACT_PRICE = 2**24
"""Loads stay exact where their price in integers is at least this: rounding it then loses nothing that matters."""

FINE_PRICE = 2**10
"""The price of one step of a load that is scaled to it."""


@dataclass(frozen=True, eq=False)
class Targets:
    """The soft targets of a problem or of a part of it.

    Attributes
    ----------
    target : ndarray of float64, shape (n_measures, n_territories)
    weight : ndarray of float64, shape (n_measures,)
        Cost of a unit of load off target; 0 where the measure has no soft target.
    """

    target: NDArray[np.float64]
    weight: NDArray[np.float64]

    @property
    def soft(self) -> NDArray[np.int64]:
        """The measures with soft targets."""
        return np.flatnonzero(self.weight > 0)

    def cost(self, loads: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return w |L − T| of loads of the targets' shape."""
        return self.weight[:, None] * np.abs(loads - self.target)

    def inside(self, territories: NDArray[np.int32], fixed: NDArray[np.float64]) -> Targets:
        """Return the targets of some territories, less loads that are fixed there."""
        return Targets(self.target[:, territories] - fixed, self.weight)


def whole_costs(values: NDArray[np.float64], present: float, dearest: float) -> WholeNumbers:
    """Return costs as integers as fine as the objective's size allows, rounded down.

    Parameters
    ----------
    values : ndarray of float64
        0 or more.
    present : float
        The objective's value to be improved on.
    dearest : float
        The most that the costs of a choice add up to.
    """
    if present <= 0:
        return WholeNumbers(np.zeros(len(values), np.int64), 1.0, True)
    scale = min(RESOLUTION / present, MOST / max(dearest, 1e-300))
    decimals = decimal_scale(values)
    if decimals is not None and scale >= decimals:
        factor = 2.0 ** math.floor(math.log2(scale / decimals))
        return WholeNumbers((np.rint(values * decimals) * factor).astype(np.int64), decimals * factor, True)
    scale = 2.0 ** math.floor(math.log2(scale))
    return WholeNumbers(np.floor(values * scale).astype(np.int64), scale, False)


def priced_loads(loads: NDArray[np.float64], weight: float, cost_scale: float) -> tuple[WholeNumbers, int]:
    """Return loads as integers and what one of their steps costs, rounded down.

    Parameters
    ----------
    loads : ndarray of float64
    weight : float
        Cost of a unit of load off target.
    cost_scale : float
        Integers of the objective per unit of cost.
    """
    exact = to_whole(loads)
    price = weight / exact.scale * cost_scale
    if exact.exact and price >= EXACT_PRICE:
        return exact, math.floor(min(price, MOST))
    # Beyond this resolution the loads' own digits end.
    finest = LOAD_STEPS / max(float(np.abs(loads).sum()), 1e-300)
    price = min(max(FINE_PRICE, math.ceil(weight * cost_scale / finest)), math.floor(MOST))
    scale = min(weight * cost_scale / price, finest)
    return WholeNumbers(np.floor(loads * scale).astype(np.int64), scale, False), price


@dataclass(frozen=True)
class DeviationTerms:
    """What one load off its target adds to a model: terms of the objective, a constant, and values for a hint."""

    terms: list[tuple[cp_model.IntVar, int]]
    constant: int
    hints: list[tuple[cp_model.IntVar, int]]


def add_deviation(
    model: cp_model.CpModel,
    load: cp_model.LinearExpr,
    *,
    total: int,
    present: int,
    aim: float,
    price: int,
    most: float,
    room: float,
    give: int,
) -> DeviationTerms:
    """Add price × |load − aim| to a model, rounded down.

    Parameters
    ----------
    model : CpModel
    load : LinearExpr
        Between 0 and ``total``.
    total, present : int
        The most the load can be, and what it is at present.
    aim : float
        The target in units of the load.
    price : float
        What a unit of the load off the aim adds to the objective.
    most : float
        No better answer is further off than this.
    room : float
        The terms may add up to no more than this, so that no sum overflows; a higher price counts as less.
    give : int
        By how much the load may be too small because its parts were rounded down.
    """
    below = math.floor(aim)
    fraction = aim - below
    reach = math.ceil(min(most, 2.0**52)) + give + 2
    above_width = min(max(0, total + give - below), reach)
    below_width = min(max(0, below), reach)
    # A load that was rounded may be anywhere between two whole numbers, the target itself included.
    across = [0 if give else math.floor(min(price * part, room / 4)) for part in (fraction, 1 - fraction)]
    price = min(price, math.floor(room / 4 / (above_width + below_width + 1)))
    step = model.new_bool_var("")
    beyond = int(present > below)
    terms: list[tuple[cp_model.IntVar, int]] = [(step, across[1] - across[0])]
    hints: list[tuple[cp_model.IntVar, int]] = [(step, beyond)]
    deviation: cp_model.LinearExpr | cp_model.IntVar = step
    for sign, width in ((1, above_width), (-1, below_width)):
        off = model.new_int_var(0, width, "")
        terms.append((off, price))
        hints.append((off, min(max(0, sign * (present - below - beyond)), width)))
        deviation = deviation + sign * off
    if give:
        load = load + model.new_int_var(0, give, "")
    model.add(load - below == deviation)
    return DeviationTerms(terms, across[0], hints)
