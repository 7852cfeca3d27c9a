"""A plan: who serves whom, how good that is, and the prices that prove it. Frozen, keyed by ID."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd

from territory_engine.grammar import counted, listed, not_above

if TYPE_CHECKING:
    from numpy.typing import NDArray

Status = Literal["optimal", "feasible", "infeasible"]

ASSIGNMENT_COLUMNS = ("territory_id", "rep_id", "travel", "previous_rep_id", "moved", "reason")
TERRITORY_COLUMNS = ("rep_id", "accounts", "travel")
CENTRE_ID = "center_id"
CENTRE_PLACES = {
    "haversine": ("center_latitude", "center_longitude"),
    "euclidean": ("center_x", "center_y"),
}
"""Where a territory's chosen centre is, by the metric that travel is measured in."""
TERRITORY_NAMES = frozenset(
    {"territory_id", *TERRITORY_COLUMNS, CENTRE_ID, *(name for names in CENTRE_PLACES.values() for name in names)}
)
"""Every column that a territory has apart from its measures, which therefore no measure may be called."""

_TABLE_LINES = 15

_FRAMES = frozenset({"assignments", "territories", "units", "multipliers"})
"""Fields that are tables of their own, not part of ``plan.json``."""

_LATER = frozenset({"bound_at_centers", "disruption"})
"""Fields that plans of version 0.1.0 do not have."""


_ENDINGS = {
    "gap": "the proved gap is as small as asked for",
    "optimal": "the plan is proved optimal",
    "stalled": "nothing improved it any more",
    "rounds": "the rounds asked for were done",
    "time_limit": "the time limit was reached",
    "interrupted": "it was interrupted",
    "infeasible": "no plan is possible",
}


@dataclass(frozen=True, eq=False)
class Plan:
    """The answer to a planning problem.

    Attributes
    ----------
    status : {"optimal", "feasible", "infeasible"}
        ``"optimal"`` only when ``gap`` ≤ 1e-6.
    assignments : DataFrame, index ``account_id``, input order
        ``territory_id``, ``rep_id``, ``travel`` (km, or the unit of the table or of x and y; NaN where the account has
        no place), ``previous_rep_id`` (``""`` where unknown), ``moved`` (bool), ``reason`` (one sentence).
        Empty when infeasible.
    territories : DataFrame, index ``territory_id``
        ``rep_id``, ``accounts`` (int), ``travel`` (the territory's share of the objective: Σ weight × travel^power)
        and, per measure, ``<measure>``, ``<measure>_target``, ``<measure>_deviation`` (fraction of the target).
    objective, lower_bound, gap, priced_bound : float or None
        None when infeasible. ``gap`` = (objective − lower_bound) / objective, 0 when the objective is 0.
    objective_terms : dict of str to float
        ``{"travel": …}``, ``"balance"`` where there are soft targets (what the loads off them cost) and
        ``"disruption"`` where it is priced; they sum to the objective.
    measures : dict of str to dict
        Per measure: ``max_deviation`` (largest absolute fraction off target), ``total``.
    prices : dict
        ``{measure: {rep_id: {"upper": λ⁺, "lower": λ⁻, "target": π}}}``: objective units per unit of the measure; zeros
        left out. π may be negative, and is between −w and w for a target weight of w. When infeasible, the prices that prove it.
    proof : dict
        ``{"kind": "prices"}`` or ``{"kind": "search", "solver": …, "version": …, "parameters": {…}}``. ``leaves_out``
        lists the rules that the bound of a territory design does not ask for.
    termination : str
        Why the search ended: ``"gap"``, ``"optimal"``, ``"stalled"``, ``"time_limit"``, ``"rounds"``,
        ``"interrupted"``, ``"infeasible"``.
    rounds : int
        Completed rounds of improvement; ``solve.rounds`` set to this number repeats the plan on any machine.
    solve_seconds : float
    conflict : dict or None
        When infeasible: ``rules`` (list of sentences), ``relaxations`` (list of sentences, cheapest first),
        ``accounts`` (account_ids concerned), ``certificate`` (a number > 0 that the prices prove).
    notices : tuple of str
        What the planner should know about the search. What there is to know about the data is in ``problem.notices``.
    parent : dict or None
        The plan it was made from, if any: ``path`` (as given), ``sha256`` (of its ``plan.json``), ``status``,
        ``objective``, ``gap``, ``engine_version``, ``created`` and ``moved`` (accounts moved from it; None where either
        plan is infeasible).
    bound_at_centers : float or None
        Where centres were chosen: what ``prices`` prove for these very centres. It is no bound over other centres.
    units : DataFrame or None, index ``unit_id``
        With geographic units: ``territory_id`` and ``accounts`` (int) of every unit, those without accounts included.
    multipliers : Series or None, index ``account_id`` or ``unit_id``
        Where centres were chosen: what serving each account (its group, on the group's first account) or geographic
        unit is worth. They prove ``priced_bound`` over every choice of centres.
    disruption : dict or None
        Where today's owners are known: what changes hands (``territory_engine.disruption.disruption_record``), and the
        ``price`` of the limit on it, which is part of the proof. When infeasible because of that limit: that price alone.
    """

    status: Status
    assignments: pd.DataFrame
    territories: pd.DataFrame
    objective: float | None
    lower_bound: float | None
    gap: float | None
    priced_bound: float | None
    objective_terms: dict[str, float]
    measures: dict[str, dict[str, float]]
    prices: dict[str, dict[str, dict[str, float]]]
    proof: dict[str, Any]
    termination: str
    rounds: int
    solve_seconds: float
    seed: int
    conflict: dict[str, Any] | None = None
    notices: tuple[str, ...] = ()
    parent: dict[str, Any] | None = None
    bound_at_centers: float | None = None
    units: pd.DataFrame | None = None
    multipliers: pd.Series[float] | None = None
    disruption: dict[str, Any] | None = None

    @property
    def centred(self) -> bool:
        """Whether the plan chose where its territories are centred."""
        return CENTRE_ID in self.territories.columns

    def load_column(self, measure: str) -> str:
        """Return the column of ``territories`` that has a measure's loads; it may be missing.

        That of ``"count"`` is ``"accounts"``, unless the planner's own accounts column is called ``count``.
        """
        return "accounts" if measure == "count" and "count" not in self.territories else measure

    def centre_places(self) -> NDArray[np.float64]:
        """Return where the territories are centred, shape ``(n_territories, 2)``: latitude and longitude, or x and y.

        NaN with a travel table, which has no places.
        """
        for columns in CENTRE_PLACES.values():
            if set(columns) <= set(self.territories.columns):
                return self.territories[list(columns)].to_numpy(np.float64)
        return np.full((len(self.territories), 2), np.nan)

    def to_dict(self) -> dict[str, Any]:
        """Return everything but the tables, as JSON can hold it: plain types, NaN and infinities as None.

        Returns
        -------
        dict
            Keys are the field names; :meth:`from_dict` reads it back.
        """
        return {f.name: _plain(getattr(self, f.name)) for f in fields(self) if f.name not in _FRAMES}

    @classmethod
    def from_dict(
        cls,
        record: dict[str, Any],
        assignments: pd.DataFrame | None = None,
        territories: pd.DataFrame | None = None,
        *,
        units: pd.DataFrame | None = None,
        multipliers: pd.Series[float] | None = None,
    ) -> Plan:
        """Rebuild a plan from :meth:`to_dict` and its tables; keys that are no field of a plan are ignored.

        Parameters
        ----------
        record : dict
        assignments, territories : DataFrame, optional
            Empty frames with the right columns where left out, as in an infeasible plan.
        units : DataFrame, optional
        multipliers : Series, optional

        Raises
        ------
        KeyError
            A field is missing from `record`.
        """
        # Plans written before a field was added are read as well.
        names = [f.name for f in fields(cls) if f.name not in _FRAMES and (f.name in record or f.name not in _LATER)]
        values = {name: record[name] for name in names}
        values["notices"] = tuple(values["notices"])
        values["measures"] = {
            measure: {key: math.nan if value is None else value for key, value in numbers.items()}
            for measure, numbers in values["measures"].items()
        }
        return cls(
            assignments=empty_assignments() if assignments is None else assignments,
            territories=empty_territories() if territories is None else territories,
            units=units,
            multipliers=multipliers,
            **values,
        )

    def summary(self) -> str:
        """Return what a planner wants to know first, as plain text of at most some thirty lines.

        Status and gap in words, size, objective and bound, the worst deviation of each measure, the territories
        (worst deviation first), why the search ended, and the plan's notices. Those about the data are the problem's.
        """
        lines = _infeasible_lines(self) if self.status == "infeasible" else _plan_lines(self)
        rounds = counted(self.rounds, "round of improvement", "rounds of improvement")
        lines.append(
            f"The search took {self.solve_seconds:.1f} s and {rounds}; it ended because {_ENDINGS.get(self.termination, self.termination)}."
        )
        lines += [f"Note: {notice}." for notice in self.notices]
        return "\n".join(lines)

    def __str__(self) -> str:
        return self.summary()


def left_out(plan: Plan) -> str:
    """Say which rules the bound leaves out, as a sentence and a space; nothing where it covers all of them."""
    rules = plan.proof.get("leaves_out") or []
    if not rules or plan.status != "feasible":
        return ""
    return f"That bound leaves out {listed(rules)}: the plan may be closer to the best than it shows. "


def empty_assignments() -> pd.DataFrame:
    """Return assignments with no rows, as an infeasible plan has them."""
    frame = pd.DataFrame({column: pd.Series(dtype="str") for column in ASSIGNMENT_COLUMNS})
    frame.index = pd.Index([], dtype="str", name="account_id")
    return frame.astype({"travel": np.float64, "moved": np.bool_})


def empty_territories() -> pd.DataFrame:
    """Return territories with no rows, as an infeasible plan has them."""
    frame = pd.DataFrame({column: pd.Series(dtype="str") for column in TERRITORY_COLUMNS})
    frame.index = pd.Index([], dtype="str", name="territory_id")
    return frame.astype({"accounts": np.int64, "travel": np.float64})


def _plain(value: Any) -> Any:
    """Return `value` in types that JSON knows: NumPy scalars unwrapped, tuples as lists, NaN and infinities as None."""
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | np.ndarray):
        return [_plain(item) for item in value]
    if isinstance(value, np.generic):
        value = value.item()
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _number(value: float | None) -> str:
    if value is None or math.isnan(value):
        return "–"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:,.4g}"


def _percent(fraction: float | None, *, sign: bool = False) -> str:
    """Return a fraction as a percentage that is never rounded down to a misleading zero."""
    if fraction is None or math.isnan(fraction):
        return "–"
    digits = 2 if fraction == 0 or abs(fraction) >= 1e-4 else 4
    return f"{100 * fraction:{'+' if sign else ''}.{digits}f} %"


def _proved(plan: Plan) -> str:
    """Return how much cheaper a plan could be at most; the gap is relative to this plan, not to the best one."""
    if plan.lower_bound is None or plan.objective is None or plan.lower_bound <= 0 < plan.objective:
        return "nothing is proved about how much better a plan could be"
    return f"no plan can cost less than {_at_least(plan.lower_bound)}, {_percent(plan.gap)} below this one"


def _at_least(bound: float | None) -> str:
    """Return a bound as text that is not above it; a dash where there is none."""
    if bound is None or math.isnan(bound):
        return "–"
    return not_above(bound)


def _plan_lines(plan: Plan) -> list[str]:
    proof = "a search" if plan.proof.get("kind") == "search" else "the stored prices"
    if plan.status == "optimal":
        headline = "Optimal: no plan that keeps these rules is better."
    else:
        headline = f"Feasible: every rule holds; {_proved(plan)}."
    lines = [
        headline,
        f"{counted(len(plan.assignments), 'account')} in {counted(len(plan.territories), 'territory')}.",
        f"Objective {_number(plan.objective)}; lower bound {_at_least(plan.lower_bound)}, proved by {proof};"
        f" gap {_percent(plan.gap)}.",
    ]
    if outside := left_out(plan).strip():
        lines.append(outside)
    if len(plan.objective_terms) > 1:
        parts = {"travel": "travel", "balance": "loads off their targets", "disruption": "moves"}
        told = (f"{_number(value)} for {parts.get(term, term)}" for term, value in plan.objective_terms.items())
        lines.append(f"Of the objective, {', '.join(told)}.")
    lines += [
        f"Balance of {measure}: at most {_percent(numbers.get('max_deviation'))} off target."
        for measure, numbers in plan.measures.items()
        if math.isfinite(numbers.get("max_deviation", math.nan))
    ]
    lines += _moves(plan)
    return [*lines, "", *_territory_table(plan), ""]


def _moves(plan: Plan) -> list[str]:
    """Return how much changes hands, what of it is limited, and how many accounts had no rep."""
    moved = int(plan.assignments["moved"].sum())
    told = plan.disruption or {}
    lines = []
    if moved or told.get("limit") is not None:
        line = f"{counted(moved, 'account changes', 'accounts change')} hands"
        if told and told["measure"] != "count":
            line += f": {_percent(told['moved_fraction'])} of {told['measure']}"
        elif told:
            line += f", {_percent(told['moved_fraction'])} of those that have a rep"
        if told and told["counted"] > told["moved"]:
            line += f" ({_percent(told['counted'] / told['total'])} with protection)"
        if told.get("limit") is not None and told["total"] > 0:
            line += f"; at most {_percent(told['limit'] / told['total'])} may"
        lines.append(f"{line}.")
    assigned = told.get("accounts_assigned", 0)
    if assigned:
        lines.append(f"{counted(assigned, 'account')} had no rep, or one who left; that does not count as moved.")
    return lines


def _territory_table(plan: Plan) -> list[str]:
    territories = plan.territories
    measures = [m for m in plan.measures if f"{m}_deviation" in territories.columns]
    order = np.arange(len(territories))
    if measures:
        deviations = territories[[f"{m}_deviation" for m in measures]].to_numpy(np.float64)
        order = np.argsort(-np.nan_to_num(np.abs(deviations)).max(axis=1), kind="stable")
    shown = territories.iloc[order[:_TABLE_LINES]]
    columns = [
        ["territory", *shown.index],
        ["rep", *shown["rep_id"]],
        ["accounts", *(f"{n:,}" for n in shown["accounts"])],
        ["travel", *(_number(x) for x in shown["travel"])],
    ]
    for measure in measures:
        columns.append([measure, *(_number(x) for x in shown[measure])])
        columns.append(["off target", *(_percent(x, sign=True) for x in shown[f"{measure}_deviation"])])
    widths = [max(map(len, column)) for column in columns]
    lines = [
        "  ".join(
            cell.ljust(width) if position < 2 else cell.rjust(width)
            for position, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in zip(*columns, strict=True)
    ]
    if measures:
        lines.insert(0, "Territories, the worst deviation first:")
    if len(territories) > _TABLE_LINES:
        lines.append(f"… and {len(territories) - _TABLE_LINES:,} more")
    return lines


def _infeasible_lines(plan: Plan) -> list[str]:
    conflict = plan.conflict or {}
    proof = "by a search" if plan.proof.get("kind") == "search" else "without a search"
    lines = [f"Infeasible: no plan can keep all the rules (proved {proof})."]
    if conflict.get("rules"):
        lines += ["These cannot hold together:", *(f"  - {rule}" for rule in conflict["rules"])]
    if conflict.get("relaxations"):
        lines += ["What would make a plan possible, cheapest first:", *(f"  - {r}" for r in conflict["relaxations"])]
    accounts = conflict.get("accounts") or []
    if accounts:
        more = f" … and {len(accounts) - 10:,} more" if len(accounts) > 10 else ""
        lines.append(f"Accounts concerned: {', '.join(map(str, accounts[:10]))}{more}")
    return lines
