"""From accounts, units and reps to the arrays of territory design, and back: where centres are chosen or territories connected."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from solvers.disruption import DisruptedCentreCosts
from solvers.districting.at_centres import CostsAtCentres, assignment_problem
from solvers.districting.problem import DistrictingProblem, Graph, MatrixCosts, PlaceCosts
from territory_engine.disruption import current_alignment
from territory_engine.model import Model, eligibility_classes, locked_units, units_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from solvers.districting.problem import CentreCosts
    from territory_engine.problem import BalanceRule, PlanningProblem


@dataclass(frozen=True, eq=False)
class DistrictModel:
    """The arrays of a territory design.

    Attributes
    ----------
    problem : DistrictingProblem
        Territory ``t`` is row ``t`` of ``planning.territory_ids``.
    unit_of : ndarray of int64, shape (n_accounts,)
        The unit each account belongs to: a geographic unit, or a group, or the account alone.
    rules : tuple of BalanceRule
        One per measure, in the order of the problem's measures.
    candidate_ids : ndarray of object, shape (n_candidates,)
        Whose place a candidate is: a geographic unit's, an account's or a rep's.
    candidate_places : ndarray of float64, shape (n_candidates, 2)
        Latitude and longitude, or x and y; NaN with a travel table.
    travel_costs : CentreCosts or None
        What travel alone costs where there is a disruption; the problem's costs may hold a price on moves beside it.
    moved_weight : float
        Price per unit of disruption in the problem's costs.
    """

    problem: DistrictingProblem
    unit_of: NDArray[np.int64]
    rules: tuple[BalanceRule, ...]
    candidate_ids: NDArray[np.object_]
    candidate_places: NDArray[np.float64]
    travel_costs: CentreCosts | None = None
    moved_weight: float = 0.0

    def at_centres(self, centres: NDArray[np.int64]) -> Model:
        """Return the arrays of the assignment problem that is left once centres are given, connection left out."""
        design = self.problem
        problem = assignment_problem(design, centres, own_centres=False)
        travel = None
        if self.travel_costs is not None:
            nowhere = np.full(design.n_units, -1, np.int32)
            travel = CostsAtCentres(replace(design, costs=self.travel_costs), centres, nowhere)
        return Model(
            problem=problem,
            unit_of=self.unit_of,
            rules=self.rules,
            fixed=design.fixed,
            eligible_reps=design.class_allowed.sum(axis=1)[design.class_of],
            travel_costs=travel,
            disruption=design.disruption,
            moved_weight=self.moved_weight,
        )

    def without_limit_on_moves(self) -> DistrictModel:
        """Return the model where any amount may change hands."""
        disruption = self.problem.disruption
        if disruption is None:
            return self
        return replace(self, problem=replace(self.problem, disruption=disruption.with_limit(np.inf)))

    def of_units(self, territory: NDArray[np.int64]) -> NDArray[np.int32]:
        """Return the territory of every unit where those of all accounts are given; −1 for units without accounts.

        Where accounts of one unit differ, one of them is taken: a start for a design need not be right.
        """
        assignment = np.full(self.problem.n_units, -1, np.int32)
        assignment[self.unit_of] = territory
        return assignment


def needs_design(planning: PlanningProblem) -> bool:
    """Whether centres are to be chosen or territories to be connected: then accounts cannot be assigned one by one."""
    return planning.centers_are_free or planning.units is not None


def build_district_model(planning: PlanningProblem) -> DistrictModel:
    """Return the arrays of a territory design."""
    layer = planning.units
    unit_of = units_of(planning) if layer is None else layer.unit_of
    n_units = len(layer.ids) if layer is not None else int(unit_of.max()) + 1 if len(unit_of) else 0
    rules = planning.balance_rules()
    n_territories = len(planning.territory_ids)
    shape = (len(rules), n_territories)
    ids, places, candidate_unit = _candidates(planning, unit_of)
    allowed, class_of, fixed = _permissions(planning, unit_of, n_units)
    graph = None
    if layer is not None:
        graph = Graph.of_pairs(n_units, layer.pairs[:, 0], layer.pairs[:, 1])
    loads = [np.bincount(unit_of, planning.measure_values(rule.measure), n_units) for rule in rules]
    targets = np.array([rule.target for rule in rules]).reshape(shape)
    problem = DistrictingProblem(
        costs=_costs(planning, unit_of, n_units, ids, places),
        candidate_unit=candidate_unit,
        loads=np.array(loads, np.float64).reshape(len(rules), n_units),
        lower=np.array([rule.lower for rule in rules]).reshape(shape),
        upper=np.array([rule.upper for rule in rules]).reshape(shape),
        centres=None if planning.centers_are_free else np.arange(n_territories),
        graph=graph,
        class_of=class_of,
        class_allowed=allowed,
        fixed=fixed,
        target=np.nan_to_num(targets),
        target_weight=np.array([rule.target_weight or 0.0 for rule in rules], np.float64),
    )
    return _with_disruption(planning, DistrictModel(problem, unit_of, rules, ids, places))


def _with_disruption(planning: PlanningProblem, model: DistrictModel) -> DistrictModel:
    """Return the model with the limit and the price on what changes hands, where there are any."""
    today = current_alignment(planning)
    if today is None or not today.matters:
        return model
    plain = model.problem.costs
    disruption = today.disruption(model.unit_of, model.problem.n_units)
    costs = plain if today.weight == 0 else DisruptedCentreCosts(plain, disruption, today.weight)
    problem = replace(model.problem, costs=costs, disruption=disruption)
    return replace(model, problem=problem, travel_costs=plain, moved_weight=today.weight)


def _columns(planning: PlanningProblem) -> list[str]:
    return ["x", "y"] if planning.config.travel.metric == "euclidean" else ["latitude", "longitude"]


def _candidates(
    planning: PlanningProblem, unit_of: NDArray[np.int64]
) -> tuple[NDArray[np.object_], NDArray[np.float64], NDArray[np.int32]]:
    """Return whose place each candidate is, the places, and the unit each is in (−1: a rep's home, in none).

    Where centres are chosen they are account locations: with geographic units the place of each unit that has accounts,
    otherwise every account that has a place.
    """
    if not planning.centers_are_free:
        homes = (
            planning.reps[_columns(planning)].to_numpy(np.float64)
            if planning.travel_table is None
            else np.full((len(planning.reps), 2), np.nan)
        )
        return planning.reps.index.to_numpy(object), homes, np.full(len(homes), -1, np.int32)
    layer = planning.units
    if planning.travel_table is not None:
        named = pd.unique(planning.travel_table["center_id"])
        index = planning.accounts.index if layer is None else layer.ids
        row = index.get_indexer(pd.Index(named))
        unit = unit_of[row] if layer is None else row
        return np.asarray(named, object), np.full((len(named), 2), np.nan), unit.astype(np.int32)
    if layer is not None:
        occupied = np.unique(unit_of)
        occupied = occupied[np.isfinite(layer.places[occupied]).all(axis=1)]
        return layer.ids.to_numpy(object)[occupied], layer.places[occupied], occupied.astype(np.int32)
    points = planning.accounts[_columns(planning)].to_numpy(np.float64)
    known = np.flatnonzero(np.isfinite(points).all(axis=1))
    return planning.accounts.index.to_numpy(object)[known], points[known], unit_of[known].astype(np.int32)


def _costs(
    planning: PlanningProblem,
    unit_of: NDArray[np.int64],
    n_units: int,
    candidate_ids: NDArray[np.object_],
    places: NDArray[np.float64],
) -> CentreCosts:
    """Return what it costs to serve each unit from each candidate: the sum over its accounts."""
    rule = planning.config.eligibility
    limit = np.inf if rule is None or rule.max_travel is None else rule.max_travel
    if planning.travel_table is not None:
        travel = travel_matrix(planning, candidate_ids)
        with np.errstate(invalid="ignore"):
            cost = np.where(
                np.isfinite(travel) & (travel <= limit * (1 + 1e-9)),
                planning.weights()[:, None]
                * np.where(np.isfinite(travel), travel, 0.0) ** planning.config.travel.power,
                np.inf,
            )
        table = np.zeros((n_units, len(candidate_ids)))
        np.add.at(table, unit_of, cost)
        return MatrixCosts(table)
    order = np.argsort(unit_of, kind="stable")
    return PlaceCosts(
        member_start=np.searchsorted(unit_of[order], np.arange(n_units + 1)).astype(np.int64),
        points=planning.accounts[_columns(planning)].to_numpy(np.float64)[order],
        weights=planning.weights()[order],
        candidates=places,
        spherical=planning.config.travel.metric == "haversine",
        power=planning.config.travel.power,
        max_travel=limit,
    )


def travel_matrix(planning: PlanningProblem, candidate_ids: NDArray[np.object_]) -> NDArray[np.float64]:
    """Return the travel table as a matrix, shape ``(n_accounts, n_candidates)``; inf where a pair is not in it."""
    table = planning.travel_table
    assert table is not None
    key = "center_id" if "center_id" in table.columns else "rep_id"
    column = pd.Index(candidate_ids).get_indexer(pd.Index(table[key]))
    row = planning.accounts.index.get_indexer(pd.Index(table["account_id"]))
    travel = np.full((len(planning.accounts), len(candidate_ids)), np.inf)
    known = (row >= 0) & (column >= 0)
    travel[row[known], column[known]] = table["cost"].to_numpy(np.float64)[known]
    return travel


def _permissions(
    planning: PlanningProblem, unit_of: NDArray[np.int64], n_units: int
) -> tuple[NDArray[np.bool_], NDArray[np.int32], NDArray[np.int32]]:
    """Return the eligibility classes, the class of every unit, and the territory a unit is locked to (−1: none).

    Units without accounts are in a class that everyone may have. Locks that contradict each other leave no territory.
    """
    occupied, dense = np.unique(unit_of, return_inverse=True)
    allowed, class_of_occupied = eligibility_classes(planning, dense, len(occupied))
    locked, contradictory = locked_units(planning, dense, len(occupied))
    allowed = np.vstack([allowed, np.ones((1, allowed.shape[1]), np.bool_), np.zeros((1, allowed.shape[1]), np.bool_)])
    class_of = np.full(n_units, len(allowed) - 2, np.int32)
    class_of[occupied] = class_of_occupied
    class_of[occupied[contradictory]] = len(allowed) - 1
    fixed = np.full(n_units, -1, np.int32)
    fixed[occupied] = locked
    used, renumbered = np.unique(class_of, return_inverse=True)
    return allowed[used], renumbered.astype(np.int32), fixed
