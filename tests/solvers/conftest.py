"""A brute-force oracle: every assignment of a tiny problem, priced in plain NumPy that shares nothing with the solvers."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import pytest
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from hypothesis.strategies import DrawFn, SearchStrategy
from numpy.typing import NDArray

from solvers.problem import AssignmentProblem, TableCosts

Array = NDArray[np.float64]

SLACK = 1e-9


@dataclass(frozen=True, eq=False)
class Tiny:
    """A problem small enough to try every assignment.

    ``costs`` is (n_units, n_territories), +inf where not allowed; ``loads`` is (n_measures, n_units, n_territories),
    the same along the last axis unless ``by_pair``.
    """

    costs: Array
    loads: Array
    lower: Array
    upper: Array
    by_pair: bool = False

    def problem(self) -> AssignmentProblem:
        if self.by_pair:
            return AssignmentProblem(TableCosts(self.costs), self.loads.min(axis=2), self.lower, self.upper, self.loads)
        return AssignmentProblem(
            TableCosts(self.costs), np.ascontiguousarray(self.loads[:, :, 0]), self.lower, self.upper
        )

    def totals(self, assignments: NDArray[np.int64]) -> Array:
        """Loads of every assignment, shape (n_assignments, n_measures, n_territories)."""
        k, n, m = self.loads.shape
        out = np.zeros((len(assignments), k, m))
        for i, t in itertools.product(range(n), range(m)):
            out[:, :, t] += (assignments[:, i] == t)[:, None] * self.loads[:, i, t]
        return out

    def every_assignment(self) -> NDArray[np.int64]:
        n, m = self.costs.shape
        return np.array(list(itertools.product(range(m), repeat=n)), np.int64).reshape(-1, n)

    def feasible(self) -> tuple[NDArray[np.int64], Array]:
        """Every assignment that keeps the rules, and its cost."""
        everything = self.every_assignment()
        cost = self.costs[np.arange(self.costs.shape[0]), everything].sum(axis=1)
        totals = self.totals(everything)
        with np.errstate(invalid="ignore"):
            above = totals > self.upper + SLACK * np.maximum(1, np.abs(self.upper))
            below = totals < self.lower - SLACK * np.maximum(1, np.abs(self.lower))
        kept = ~(above | below).any(axis=(1, 2)) & np.isfinite(cost)
        return everything[kept], cost[kept]

    def optimum(self) -> float | None:
        """Least cost, or None where no assignment keeps the rules."""
        _, cost = self.feasible()
        return float(cost.min()) if len(cost) else None

    def allows(self, assignment: NDArray[np.int32]) -> bool:
        kept, _ = self.feasible()
        return bool((kept == assignment).all(axis=1).any())

    def relabelled(self, units: NDArray[np.int64], territories: NDArray[np.int64]) -> Tiny:
        return replace(
            self,
            costs=self.costs[units][:, territories],
            loads=self.loads[:, units][:, :, territories],
            lower=self.lower[:, territories],
            upper=self.upper[:, territories],
        )


def values(draw: DrawFn, shape: tuple[int, ...], kind: str, most: int) -> Array:
    """Numbers of 0 or more: whole, decimal (hundredths) or real."""
    if kind == "real":
        elements = st.floats(0, most, allow_subnormal=False).map(lambda x: 0.0 if x < 1e-6 else x)
        return draw(hnp.arrays(np.float64, shape, elements=elements))
    step = 1 if kind == "whole" else 100
    return draw(hnp.arrays(np.int64, shape, elements=st.integers(0, most * step))).astype(np.float64) / step


@st.composite
def tiny_problems(
    draw: DrawFn,
    *,
    most_units: int = 7,
    unit_loads: bool = False,
    by_pair: bool | None = None,
    forbid: bool = True,
    kinds: tuple[str, ...] = ("whole", "decimal", "real"),
) -> Tiny:
    """Tiny problems with 0 to 2 measures, forbidden pairs, and limits that bind, are tight to the last digit, or absurd."""
    n, m = draw(st.integers(1, most_units)), draw(st.integers(1, 3))
    measures = 1 if unit_loads else draw(st.integers(0, 2))
    costs = values(draw, (n, m), draw(st.sampled_from(kinds)), 20)
    if forbid and draw(st.booleans()):
        costs[draw(hnp.arrays(np.bool_, (n, m), elements=st.sampled_from([False, False, False, True])))] = np.inf
    depends = draw(st.booleans()) if by_pair is None else by_pair
    if unit_loads:
        loads, depends = np.full((1, n, m), draw(st.sampled_from([1.0, 2.5, 0.3]))), False
    else:
        kind = draw(st.sampled_from(kinds))
        loads = np.zeros((measures, n, m))
        loads[:] = values(draw, (measures, n, m if depends else 1), kind, 9)
    witness = draw(hnp.arrays(np.int64, n, elements=st.integers(0, m - 1)))
    tiny = Tiny(costs, loads, np.full((measures, m), -np.inf), np.full((measures, m), np.inf), depends)
    reached = tiny.totals(witness[None, :])[0]
    shares = np.broadcast_to(loads.mean(axis=2).sum(axis=1)[:, None] / m, (measures, m))
    for k in range(measures):
        around = reached[k] if draw(st.booleans()) else shares[k]
        room = draw(st.sampled_from([0.0, 0.1, 0.3, 1.0]))
        if draw(st.sampled_from([True, True, False])):
            tiny.lower[k] = around * (1 - room)
        if draw(st.sampled_from([True, True, False])):
            tiny.upper[k] = around * (1 + room)
    return tiny


@pytest.fixture(scope="session")
def tiny() -> Callable[..., SearchStrategy[Tiny]]:
    """The strategy, for ``data.draw(tiny())``: test modules here cannot import one another."""
    return tiny_problems


@pytest.fixture(scope="session")
def scattered() -> Callable[..., AssignmentProblem]:
    """Make problems of any size: points and homes in a square, one or more measures, shares within a tolerance."""

    def make(
        n: int, m: int, *, measures: int = 1, tolerance: float = 0.1, seed: int = 0, alike: bool = False
    ) -> AssignmentProblem:
        rng = np.random.default_rng(seed)
        points, homes = rng.random((n, 2)), rng.random((m, 2))
        costs = 100 * np.hypot(*(points[:, None] - homes[None]).transpose(2, 0, 1))
        loads = np.ones((measures, n)) if alike else rng.lognormal(0, 0.7, (measures, n))
        share = np.repeat(loads.sum(axis=1, keepdims=True) / m, m, axis=1)
        return AssignmentProblem(TableCosts(costs), loads, share * (1 - tolerance), share * (1 + tolerance))

    return make
