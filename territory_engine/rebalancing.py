"""Rebalance: the fewest moves that keep every rule, the best plan whatever moves, and what lies between the two."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from solvers.districting.tradeoff import trade_off as trade_off_of_designs
from solvers.problem import with_slack
from solvers.tradeoff import trade_off
from territory_engine.disruption import current_alignment, fraction_for, with_max_moved
from territory_engine.district_model import build_district_model, needs_design
from territory_engine.district_planner import named_design_proof
from territory_engine.district_planner import plan_of as plan_of_design
from territory_engine.errors import ConfigError, Finding, NoPlanError
from territory_engine.infeasibility.conflicts import describe_conflict
from territory_engine.infeasibility.districts import infeasible_plan
from territory_engine.infeasibility.refusal import refusal_of
from territory_engine.model import build_model
from territory_engine.no_plan import nothing_found
from territory_engine.plan_tables import named_proof
from territory_engine.planner import plan_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from solvers.districting.problem import Districts
    from solvers.result import SolveResult, StopRequest
    from territory_engine.disruption import CurrentAlignment
    from territory_engine.plan import Plan
    from territory_engine.problem import PlanningProblem

DIGITS = 5
"""Limits on moves are fractions of this many digits, rounded up, so that a planner can write them down."""


@dataclass(frozen=True)
class FewestMoves:
    """How little must change hands.

    Attributes
    ----------
    measure : str
    found : float
        What changes hands in the plan that moves least, in the measure's unit; protected accounts count more.
    proved : float
        No plan that keeps the rules moves less.
    total : float
        The measure of all accounts that have a rep today.
    proof : dict
        As a plan's.
    """

    measure: str
    found: float
    proved: float
    total: float
    proof: dict[str, Any]

    @property
    def minimal(self) -> bool:
        """Whether it is proved that nothing less would do."""
        # A measure may be in any unit: thousands of a currency, or billions.
        return self.found - self.proved <= max(1e-6 * self.found, 1e-9 * self.total)


@dataclass(frozen=True, eq=False)
class Rebalancing:
    """Plans from the fewest moves to as many as pay.

    Attributes
    ----------
    problem : PlanningProblem
        With whatever limit on moves it had.
    fewest : FewestMoves or None
        None where no plan is possible.
    points : tuple of (PlanningProblem, Plan)
        Ascending in what may change hands: each the problem with its own ``max_moved`` and its plan.
    impossible : Plan or None
        The infeasible plan, with its conflict, where the rules contradict each other whatever moves.
    asked : tuple of float
        Limits that were asked for, fractions; empty where they were chosen.
    """

    problem: PlanningProblem
    fewest: FewestMoves | None
    points: tuple[tuple[PlanningProblem, Plan], ...]
    impossible: Plan | None = None
    asked: tuple[float, ...] = ()

    @property
    def unkept(self) -> tuple[float, ...]:
        """Limits that were asked for and that no plan found keeps, ascending: the fewest moves stand in for them."""
        if not self.points or self.points[0][1].disruption is None:
            return ()
        told = self.points[0][1].disruption
        return tuple(f for f in sorted(self.asked) if told["counted"] > with_slack(f * told["total"]))

    @property
    def exceeded_limit(self) -> float | None:
        """The configured ``max_moved``, a fraction, where even the first point moves more; None where it does not."""
        rule = self.problem.config.disruption
        if rule is None or rule.max_moved is None or not self.points or self.points[0][1].disruption is None:
            return None
        told = self.points[0][1].disruption
        return rule.max_moved if told["counted"] > with_slack(rule.max_moved * told["total"]) else None


def rebalance(
    problem: PlanningProblem,
    *,
    max_moved: Sequence[float] | None = None,
    n_points: int = 8,
    on_point: Callable[[str, int, int], None] | None = None,
    should_stop: StopRequest | None = None,
) -> Rebalancing:
    """Find plans along the trade-off between what changes hands and the objective.

    Parameters
    ----------
    problem : PlanningProblem
        With ``[disruption] current``. Its ``max_moved``, if any, is the most that any point moves.
    max_moved : sequence of float, optional
        Fractions of the measure, one plan each; the fewest moves come first. Left out: ``n_points`` are chosen between the
        fewest moves and the best plan whatever moves.
    n_points : int
        2 or more. Fewer come back where there is less to choose from.
    on_point : callable, optional
        Told what is being solved: words, the number of the point, and of how many.
    should_stop : callable, optional
        Asked now and then; once it returns true, the points so far come back.

    Returns
    -------
    Rebalancing

    Raises
    ------
    ConfigError
        There is no ``[disruption] current``, or no account that has a rep today counts anything.
    NoPlanError
        No plan was found inside the time limit, and nothing was proved.
    """
    today = current_alignment(problem)
    if today is None or today.total <= 0:
        raise ConfigError(_nobody_today(problem, today))
    most = problem.config.disruption.max_moved if problem.config.disruption else None

    def to_limit(amount: float) -> float:
        # Protected accounts count more than the measure has of them, so that more may have to move than all there is.
        if amount > with_slack(today.total):
            return np.inf
        return fraction_for(amount / today.total, digits=DIGITS) * today.total

    asked = _Asked(
        limits=None if max_moved is None else [f * today.total for f in sorted({0.0, *max_moved})],
        n_points=n_points,
        most=np.inf if most is None else most * today.total,
        to_limit=to_limit,
        on_point=on_point,
        should_stop=should_stop,
    )
    found = _of_designs(problem, today, asked) if needs_design(problem) else _of_assignments(problem, today, asked)
    return replace(found, asked=tuple(max_moved or ()))


@dataclass(frozen=True, eq=False)
class _Asked:
    """What :func:`rebalance` was asked for, in the measure's unit."""

    limits: list[float] | None
    n_points: int
    most: float
    to_limit: Callable[[float], float]
    on_point: Callable[[str, int, int], None] | None
    should_stop: StopRequest | None

    def options(self, problem: PlanningProblem) -> dict[str, Any]:
        """Return the arguments of either trade-off."""
        solve = problem.config.solve
        return {
            **{f.name: getattr(self, f.name) for f in fields(self)},
            "time_limit_s": solve.time_limit_s,
            "gap": solve.gap,
            "rounds": solve.rounds,
            "seed": solve.seed,
        }


def _of_assignments(problem: PlanningProblem, today: CurrentAlignment, asked: _Asked) -> Rebalancing:
    """Rebalance accounts that are assigned one by one, or in groups."""
    model = build_model(with_max_moved(problem, 1.0))
    found = trade_off(model.problem, **asked.options(problem))
    if found.fewest.status == "infeasible":
        without = with_max_moved(problem, None)
        loose = build_model(without)
        conflict = describe_conflict(without, loose, found.fewest)
        return Rebalancing(problem, None, (), refusal_of(without, loose.rules, found.fewest, conflict))
    if not found.points:
        raise NoPlanError(nothing_found(problem, found.fewest.termination))
    points = []
    for limit, result in zip(found.limits, found.points, strict=True):
        limited = _limited(problem, limit, today.total)
        # The costs of all pairs are kept with the model, and every point has the same.
        its_own = replace(
            model,
            problem=model.problem.within(limit),
            disruption=model.disruption and model.disruption.with_limit(limit),
        )
        points.append((limited, plan_of(limited, its_own, result, along_curve=True)))
    return Rebalancing(
        problem, _fewest(today, found.fewest, named_proof(model.rules, found.fewest.proof)), tuple(points)
    )


def _of_designs(problem: PlanningProblem, today: CurrentAlignment, asked: _Asked) -> Rebalancing:
    """Rebalance territories that are connected."""
    if problem.centers_are_free:
        raise ConfigError(_no_homes())
    model = build_district_model(with_max_moved(problem, 1.0))
    found = trade_off_of_designs(model.problem, **asked.options(problem))
    if found.fewest.status == "infeasible":
        without = with_max_moved(problem, None)
        loose = build_district_model(without)
        return Rebalancing(problem, None, (), infeasible_plan(without, loose, found.fewest))
    if not found.points:
        raise NoPlanError(nothing_found(problem, found.fewest.termination))
    points = []
    for limit, result in zip(found.limits, found.points, strict=True):
        limited = _limited(problem, limit, today.total)
        points.append((limited, plan_of_design(limited, build_district_model(limited), result, along_curve=True)))
    return Rebalancing(problem, _fewest(today, found.fewest, named_design_proof(model, found.fewest)), tuple(points))


def _limited(problem: PlanningProblem, limit: float, total: float) -> PlanningProblem:
    return with_max_moved(problem, None if np.isinf(limit) else _fraction(limit, total))


def _fewest(today: CurrentAlignment, result: SolveResult | Districts, proof: dict[str, Any]) -> FewestMoves:
    return FewestMoves(
        today.measure,
        float(result.objective or 0.0),
        max(0.0, float(result.lower_bound or 0.0)),
        today.total,
        proof,
    )


def _fraction(limit: float, total: float) -> float:
    """Return the fraction that a limit is, as it was written where it was."""
    fraction = min(1.0, float(limit) / total)
    written = round(fraction, 12)
    return written if abs(written - fraction) <= 1e-14 else fraction


def _no_homes() -> Finding:
    return Finding(
        "territories with chosen centres are nobody's until the plan is made, so that no account changes hands",
        column="territories.centers",
        value="free",
        allowed="reps",
        remedy='use centers = "reps", with the places that territories are served from as the reps\' homes',
    )


def _nobody_today(problem: PlanningProblem, today: CurrentAlignment | None) -> Finding:
    if today is None:
        return Finding(
            "there is nothing to rebalance: nothing says who has which account today",
            column="disruption.current",
            remedy='add [disruption] with current = "…", the accounts column with today\'s rep, or start --from a plan directory',
        )
    rule = problem.config.disruption
    assert rule is not None
    if (today.owner >= 0).any():
        return Finding(
            "is 0 for every account that has a rep today, so nothing that counts can change hands",
            column="disruption.measure",
            value=today.measure,
            remedy='name another measure of what a move costs, or "count"',
        )
    return Finding(
        "no account has a rep of the reps file today, so nothing can change hands",
        column="disruption.current",
        value=rule.current,
        remedy="check that the column names reps by their rep_id; make a plan from scratch with `plan`",
    )
