"""Rebalancing: every point is a plan within its own limit, which the audit accepts from its files alone."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scenarios.tradeoff import trade_off_table
from scenarios.tradeoff_words import chosen_point, limit_sentence
from solvers.problem import AssignmentProblem
from solvers.result import SolveResult
from solvers.tradeoff import TradeOff
from territory_engine import rebalancing
from territory_engine.auditing.audit import audit
from territory_engine.config import parse_config
from territory_engine.disruption import current_alignment, fraction_for, with_max_moved
from territory_engine.errors import ConfigError, InputError, NoPlanError
from territory_engine.plan_directory import write_plan_files
from territory_engine.planner import solve
from territory_engine.problem import PlanningProblem
from territory_engine.reading.loading import load, load_frames
from territory_engine.rebalancing import DIGITS, FewestMoves, Rebalancing, rebalance

rounded_up = partial(fraction_for, digits=DIGITS)
BRICKS = Path(__file__).resolve().parents[2] / "examples" / "bricks"


def drawn(
    n: int = 40, n_reps: int = 3, *, seed: int = 0, owner: Any = None, tolerance: float = 0.15, **columns: Any
) -> tuple[pd.DataFrame, pd.DataFrame, dict[str, Any]]:
    """Return accounts in a square with owners who are mostly the nearest rep, reps, and a configuration."""
    rng = np.random.default_rng(seed)
    place, home = rng.random((n, 2)) * 100, rng.random((n_reps, 2)) * 100
    nearest = np.hypot(*(place[:, None] - home[None]).transpose(2, 0, 1)).argmin(axis=1)
    any_of = np.where(rng.random(n) < 0.3, rng.integers(n_reps, size=n), nearest)
    accounts = pd.DataFrame(
        {
            "account_id": [f"A{i:03d}" for i in range(n)],
            "x": place[:, 0],
            "y": place[:, 1],
            "visits": rng.integers(1, 6, n),
            "revenue": rng.integers(1, 1000, n) / 10,
            "owner": [f"R{k + 1}" for k in any_of] if owner is None else owner,
        }
    ).assign(**columns)
    reps = pd.DataFrame({"rep_id": [f"R{k + 1}" for k in range(n_reps)], "x": home[:, 0], "y": home[:, 1]})
    config = {
        "data": {"accounts": "a.csv", "reps": "r.csv"},
        "balance": [{"measure": "visits", "tolerance": tolerance}],
        "travel": {"metric": "euclidean"},
        "disruption": {"current": "owner", "measure": "revenue"},
        "solve": {"time_limit_s": 20, "gap": 1e-3, "rounds": 3},
    }
    return accounts, reps, config


def problem_of(
    accounts: pd.DataFrame, reps: pd.DataFrame, config: dict[str, Any], **changes: Mapping[str, Any]
) -> PlanningProblem:
    merged = {key: value for key, value in config.items() if key not in changes}
    merged |= {key: {**config.get(key, {}), **value} for key, value in changes.items()}
    return load_frames(accounts, reps, parse_config(merged))


def check(found: Rebalancing, folder: Path) -> None:
    """Everything that holds for every rebalancing: the audit accepts each point, within the limit its config has."""
    assert found.impossible is None
    assert found.fewest is not None
    assert found.fewest.proved <= found.fewest.found + 1e-6
    objectives, limits = [], []
    for number, (problem, plan) in enumerate(found.points, start=1):
        told, rule = plan.disruption, problem.config.disruption
        assert told is not None
        assert rule is not None
        most = np.inf if rule.max_moved is None else rule.max_moved * told["total"]
        assert told["counted"] <= most * (1 + 1e-9) + 1e-9
        assert told["counted"] >= found.fewest.proved - 1e-6
        assert told["limit"] == (None if np.isinf(most) else pytest.approx(most))
        write_plan_files(problem, plan, folder / f"{number}")
        report = audit(folder / f"{number}")
        assert report.passed, report.summary()
        objectives.append(plan.objective)
        limits.append(most)
    assert limits == sorted(limits)
    assert np.all(np.diff(np.array(objectives)) <= 1e-9 * max(objectives))


def written_down(problem: PlanningProblem) -> float | None:
    assert problem.config.disruption is not None
    return problem.config.disruption.max_moved


def test_every_point_is_a_plan_that_the_audit_accepts(tmp_path: Path) -> None:
    problem = problem_of(*drawn())
    found = rebalance(problem, n_points=4)
    check(found, tmp_path)
    assert len(found.points) == 4
    assert written_down(found.points[-1][0]) is None
    assert found.fewest is not None
    assert found.fewest.minimal
    first = found.points[0][1].disruption
    assert first is not None
    assert first["counted"] == pytest.approx(found.fewest.found)


def test_limits_between_the_ends_are_fractions_of_few_digits_that_can_be_planned_with(tmp_path: Path) -> None:
    accounts, reps, config = drawn()
    found = rebalance(problem_of(accounts, reps, config), n_points=5)
    for problem, plan in found.points[1:-1]:
        fraction = written_down(problem)
        assert fraction is not None
        assert float(f"{fraction:.{DIGITS}g}") == fraction
        again = solve(problem_of(accounts, reps, config, disruption={"max_moved": fraction}))
        assert again.status in ("optimal", "feasible")
        assert again.objective is not None
        assert plan.objective is not None
        assert plan.lower_bound is not None
        assert again.objective >= plan.lower_bound - 1e-6
    # The fewest moves too, with all their digits.
    first = written_down(found.points[0][0])
    assert solve(problem_of(accounts, reps, config, disruption={"max_moved": first})).status != "infeasible"


def test_given_limits_are_written_as_they_were_given_after_the_fewest_moves(tmp_path: Path) -> None:
    problem = problem_of(*drawn(tolerance=0.4))
    found = rebalance(problem, max_moved=[0.3, 0.07, 0.1, 0.07])
    check(found, tmp_path)
    assert [written_down(p) for p, _ in found.points][-3:] == [0.07, 0.1, 0.3]


@pytest.mark.parametrize("cap", [0.123456789, 0.05, 1.0])
def test_the_configurations_own_limit_caps_the_curve(cap: float, tmp_path: Path) -> None:
    accounts, reps, config = drawn(tolerance=0.4)
    for chosen in (None, [0.01, 0.9]):
        found = rebalance(
            problem_of(accounts, reps, config, disruption={"max_moved": cap}), n_points=4, max_moved=chosen
        )
        check(found, tmp_path / str(chosen))
        limits = [written_down(p) for p, _ in found.points]
        assert None not in limits
        assert limits[-1] == (cap if chosen is None else min(cap, 0.9))


def test_where_even_the_fewest_moves_are_beyond_the_limit_they_are_the_only_point(tmp_path: Path) -> None:
    accounts, reps, config = drawn(tolerance=0.02)
    everything_r1 = accounts.assign(owner="R1")
    found = rebalance(problem_of(everything_r1, reps, config, disruption={"max_moved": 0.01}), n_points=4)
    check(found, tmp_path)
    assert len(found.points) == 1
    assert (written_down(found.points[0][0]) or 0) > 0.1


def test_accounts_that_nobody_has_or_whose_rep_left_do_not_count(tmp_path: Path) -> None:
    owner = ["", "GONE", "R1", "R2"] * 10
    problem = problem_of(*drawn(owner=owner))
    found = rebalance(problem, n_points=3)
    check(found, tmp_path)
    today = current_alignment(problem)
    assert today is not None
    assert found.fewest is not None
    assert found.fewest.total == pytest.approx(today.value[2::4].sum() + today.value[3::4].sum())
    for _, plan in found.points:
        assert plan.disruption is not None
        assert plan.disruption["accounts_assigned"] == 20
        assert not plan.assignments["moved"].to_numpy()[0::4].any()
        assert not plan.assignments["moved"].to_numpy()[1::4].any()


def test_protected_accounts_count_more_and_move_last(tmp_path: Path) -> None:
    accounts, reps, config = drawn(30, seed=3)
    accounts["late_stage"] = [3.0, 0.0, 0.0] * 10
    protect = {"protect": [{"column": "late_stage", "weight": 2.0}]}
    found = rebalance(problem_of(accounts, reps, config, disruption=protect), n_points=4)
    check(found, tmp_path)
    plainly = rebalance(problem_of(accounts, reps, config), n_points=2)
    assert found.fewest is not None
    assert plainly.fewest is not None
    assert found.fewest.found >= plainly.fewest.found - 1e-6


def test_more_than_everything_may_have_to_count_where_accounts_are_protected(tmp_path: Path) -> None:
    """Two thirds must leave R1, and each counts 101 times: more than the measure of all there is."""
    accounts, reps, config = drawn(30, owner="R1", tolerance=0.1, late_stage=1.0)
    protect = {"protect": [{"column": "late_stage", "weight": 100.0}]}
    for chosen in (None, [0.0, 0.5]):
        found = rebalance(problem_of(accounts, reps, config, disruption=protect), n_points=4, max_moved=chosen)
        check(found, tmp_path / str(chosen))
        assert found.fewest is not None
        assert found.fewest.found > found.fewest.total
        # The fewest moves come first all the same, with the proof of whatever moves.
        assert {written_down(p) for p, _ in found.points} == {None}
        assert found.points[0][1].disruption is not None
        assert found.points[0][1].disruption["counted"] == pytest.approx(found.fewest.found)


def test_curves_that_pass_everything_there_is_end_without_a_limit(tmp_path: Path) -> None:
    accounts, reps, config = drawn(30, seed=5, tolerance=0.3, late_stage=1.0)
    # Everybody has what is farthest: a little has to move, and nearly everything pays.
    homes, places = reps[["x", "y"]].to_numpy(), accounts[["x", "y"]].to_numpy()
    farthest = np.hypot(*(places[:, None] - homes[None]).transpose(2, 0, 1)).argmax(axis=1)
    accounts["owner"] = [f"R{k + 1}" for k in farthest]
    protect = {"protect": [{"column": "late_stage", "weight": 3.0}]}
    found = rebalance(problem_of(accounts, reps, config, disruption=protect), n_points=6)
    check(found, tmp_path)
    fractions = [written_down(p) for p, _ in found.points]
    assert fractions[-1] is None
    assert len(set(fractions)) == len(fractions)


def test_locks_eligibility_groups_and_soft_targets_hold_at_every_point(tmp_path: Path) -> None:
    accounts, reps, config = drawn(36, seed=2)
    accounts["lock"] = ["R2", *[""] * 35]
    accounts["segment"] = ["SMB", "ENT"] * 18
    reps["segments"] = ["SMB;ENT", "SMB;ENT", "SMB"]
    accounts["parent"] = [f"P{i // 6}" if i % 3 == 0 else "" for i in range(36)]
    config["balance"] = [
        {"measure": "visits", "tolerance": 0.3},
        {"measure": "revenue", "tolerance": 0.6, "target_weight": 0.5},
    ]
    problem = problem_of(
        accounts, reps, config, locks={"column": "lock"}, groups={"column": "parent"},
        eligibility={"column": "segment", "reps_column": "segments"},
    )  # fmt: skip
    found = rebalance(problem, n_points=3)
    check(found, tmp_path)
    for _, plan in found.points:
        rep = plan.assignments["rep_id"].to_numpy()
        assert rep[0] == "R2"
        assert not np.any((rep == "R3") & (accounts["segment"] == "ENT").to_numpy())
        together = pd.Series(rep).groupby(accounts["parent"].to_numpy()).nunique().drop("")
        assert (together == 1).all()
        assert plan.objective_terms["balance"] > 0


def test_a_price_on_moves_stays_part_of_the_objective(tmp_path: Path) -> None:
    found = rebalance(problem_of(*drawn(), disruption={"weight": 0.05}), n_points=3)
    check(found, tmp_path)
    assert all("disruption" in plan.objective_terms for _, plan in found.points)


def test_accounts_are_counted_where_no_measure_is_named(tmp_path: Path) -> None:
    found = rebalance(problem_of(*drawn(), disruption={"measure": "count"}), n_points=3)
    check(found, tmp_path)
    assert found.fewest is not None
    assert (found.fewest.measure, found.fewest.total) == ("count", 40)
    assert found.fewest.found == round(found.fewest.found)


def test_alignments_that_no_move_betters_are_one_point(tmp_path: Path) -> None:
    accounts, reps, config = drawn(tolerance=0.4)
    config["solve"] = {"gap": 0, "time_limit_s": 20}
    best = solve(problem_of(accounts, reps, config))
    accounts["owner"] = best.assignments["rep_id"].to_numpy()
    found = rebalance(problem_of(accounts, reps, config), n_points=5)
    check(found, tmp_path)
    assert len(found.points) == 1
    assert found.points[0][1].objective == pytest.approx(best.objective)
    assert not found.points[0][1].assignments["moved"].any()


def test_rules_that_contradict_each_other_give_their_conflict() -> None:
    accounts, reps, config = drawn(20)
    accounts["lock"] = "R1"
    found = rebalance(problem_of(accounts, reps, config, locks={"column": "lock"}), n_points=3)
    assert (found.points, found.fewest) == ((), None)
    assert found.impossible is not None
    assert found.impossible.status == "infeasible"
    assert found.impossible.conflict is not None
    assert any("R1" in rule for rule in found.impossible.conflict["rules"])
    # Whatever the configuration says of moves: it is not to blame.
    limited = problem_of(accounts.assign(owner="R1"), reps, config, locks={"column": "lock"}, disruption={"max_moved": 0.0})  # fmt: skip
    conflict = rebalance(limited, n_points=3).impossible
    assert conflict is not None
    assert conflict.conflict is not None
    assert not any("hands" in rule for rule in conflict.conflict["rules"])


def test_without_an_alignment_there_is_nothing_to_rebalance() -> None:
    accounts, reps, config = drawn(10)
    config.pop("disruption")
    with pytest.raises(ConfigError, match="nothing to rebalance"):
        rebalance(problem_of(accounts, reps, config))


def test_where_nobody_has_anything_there_is_nothing_to_rebalance() -> None:
    accounts, reps, config = drawn(10, owner="")
    with pytest.raises(ConfigError, match="no account has a rep of the reps file today"):
        rebalance(problem_of(accounts, reps, config))


def test_a_measure_of_nothing_is_named() -> None:
    accounts, reps, config = drawn(10, owner=["R1", "GONE"] * 5, revenue=[0.0, 5.0] * 5)
    with pytest.raises(ConfigError, match="is 0 for every account that has a rep"):
        rebalance(problem_of(accounts, reps, config))


def test_stopped_before_anything_is_found_there_is_no_plan(monkeypatch: pytest.MonkeyPatch) -> None:
    def nothing(problem: AssignmentProblem, **options: Any) -> TradeOff:
        zero = np.zeros_like(problem.upper)
        fewest = SolveResult("unknown", "interrupted", None, None, 0.0, None, zero, zero)
        return TradeOff(fewest, np.empty(0), (), np.empty(0))

    monkeypatch.setattr(rebalancing, "trade_off", nothing)
    with pytest.raises(NoPlanError, match="before any plan was found"):
        rebalance(problem_of(*drawn(10)))


def test_the_same_problem_gives_the_same_points() -> None:
    problem = problem_of(*drawn())
    first, again = rebalance(problem, n_points=3), rebalance(problem, n_points=3)
    for (p, a), (q, b) in zip(first.points, again.points, strict=True):
        assert written_down(p) == written_down(q)
        pd.testing.assert_frame_equal(a.assignments, b.assignments)
        assert (a.objective, a.lower_bound, a.priced_bound) == (b.objective, b.lower_bound, b.priced_bound)


# The published brick problem ----------------------------------------------------------------------------------------


def front_of_the_readme() -> dict[float, float]:
    """Return the least km for what changes hands of every alignment that none beats."""
    blocks = re.findall(r"(?:^\|.*\n)+", (BRICKS / "README.md").read_text(encoding="utf-8"), flags=re.MULTILINE)
    rows = [[cell.strip(" *") for cell in line.split("|")[1:-1]] for line in blocks[-1].splitlines()[2:]]
    return {float(moved): float(km) for km, moved, *_ in rows}


def test_the_points_of_the_brick_problem_lie_on_its_exact_front(tmp_path: Path) -> None:
    front = front_of_the_readme()
    found = rebalance(load(BRICKS / "distance.toml"), n_points=9)
    check(found, tmp_path)
    assert len(found.points) == 9
    assert found.fewest is not None
    assert (round(found.fewest.found, 4), found.fewest.minimal) == (0.1696, True)
    for _, plan in found.points:
        assert plan.status == "optimal"
        assert plan.disruption is not None
        assert front[round(plan.disruption["moved"], 4)] == pytest.approx(plan.objective, abs=0.005)


def test_every_alignment_on_the_front_is_found_by_its_own_limit() -> None:
    front = front_of_the_readme()
    found = rebalance(load(BRICKS / "distance.toml"), max_moved=[rounded_up(moved / 4) for moved in front])
    told = {round(plan.disruption["moved"], 4): plan.objective for _, plan in found.points if plan.disruption}
    assert told == pytest.approx(front, abs=0.005)


# Fractions that a planner can write down ----------------------------------------------------------------------------


@given(st.floats(1e-9, 1.0))
def test_a_fraction_is_rounded_up_to_few_digits(fraction: float) -> None:
    rounded = rounded_up(fraction)
    assert fraction * (1 - 1e-11) <= rounded <= 1.0
    assert rounded <= fraction * (1 + 1.1 * 10.0 ** (1 - DIGITS))
    assert float(f"{rounded:.{DIGITS}g}") == rounded
    assert rounded_up(rounded) == rounded


@given(st.floats(1e-9, 1.0), st.floats(1e-9, 1.0))
def test_rounding_up_keeps_the_order(a: float, b: float) -> None:
    low, high = sorted((a, b))
    assert rounded_up(low) <= rounded_up(high)


@pytest.mark.parametrize(("fraction", "rounded"), [(0.0, 0.0), (-0.1, 0.0), (1.0, 1.0), (0.0421371, 0.042138), (0.5, 0.5)])  # fmt: skip
def test_fractions_by_hand(fraction: float, rounded: float) -> None:
    assert rounded_up(fraction) == rounded


def test_another_limit_changes_nothing_else() -> None:
    problem = problem_of(*drawn(10), disruption={"max_moved": 0.5})
    assert written_down(with_max_moved(problem, 0.1)) == 0.1
    assert written_down(with_max_moved(problem, None)) is None
    assert written_down(problem) == 0.5
    assert with_max_moved(problem, 0.1).accounts is problem.accounts


def test_a_measure_that_is_no_column_is_refused_before() -> None:
    with pytest.raises(InputError):
        problem_of(*drawn(10), disruption={"measure": "profit"})


# What is said of each point -----------------------------------------------------------------------------------------


def test_a_point_without_a_limit_gives_no_reason_that_speaks_of_one(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []

    def told(problem: PlanningProblem, model: Any, *arguments: Any, **options: Any) -> Any:
        seen.append((written_down(problem), model.disruption.limit, model.problem.disruption.limit))
        return plan_of(problem, model, *arguments, **options)

    plan_of = rebalancing.plan_of
    monkeypatch.setattr(rebalancing, "plan_of", told)
    found = rebalance(problem_of(*drawn(tolerance=0.05)), n_points=3)
    assert found.fewest is not None
    for fraction, limit, of_arrays in seen:
        assert limit == of_arrays == pytest.approx(np.inf if fraction is None else fraction * found.fewest.total)
    reasons = [" ".join(plan.assignments["reason"]) for _, plan in found.points]
    assert "to fit the limits and what may change hands" in reasons[0]
    assert "what may change hands" not in reasons[-1]


@pytest.mark.parametrize("clock", ["assignments", "territories"])
def test_no_number_of_rounds_is_said_to_give_a_point_of_a_curve_again(
    clock: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    accounts, reps, config = drawn(20)
    changes: dict[str, Any] = {}
    name = "trade_off"
    if clock == "territories":
        accounts["latitude"], accounts["longitude"] = 41 + accounts["y"] / 100, -93 + accounts["x"] / 100
        reps["latitude"], reps["longitude"] = 41 + reps["y"] / 100, -93 + reps["x"] / 100
        changes = {"travel": {"metric": "haversine"}, "contiguity": {"cells": "h3", "resolution": 4}}
        config.pop("balance")
        name = "trade_off_of_designs"
    real = getattr(rebalancing, name)

    def timed_out(*arguments: Any, **options: Any) -> Any:
        found = real(*arguments, **options)
        late = tuple(replace(point, termination="time_limit") for point in found.points)
        return replace(found, points=late)

    monkeypatch.setattr(rebalancing, name, timed_out)
    for _, plan in rebalance(problem_of(accounts, reps, config, **changes), n_points=2).points:
        (notice,) = plan.notices
        assert "along a curve of plans" in notice
        assert "again" not in notice
        assert "rounds =" not in notice


@pytest.mark.parametrize(
    ("found", "proved", "total", "minimal"),
    [
        (3e-7, 1e-7, 1e-5, False),
        (3e-7, 3e-7, 1e-5, True),
        (0.0, 0.0, 1e-5, True),
        (2e9 + 1.0, 2e9, 5e9, True),
        (2.1e9, 2e9, 5e9, False),
        (1e-4, 0.0, 1e9, True),
    ],
)
def test_the_fewest_moves_are_proved_in_any_unit(found: float, proved: float, total: float, minimal: bool) -> None:
    assert FewestMoves("revenue", found, proved, total, {}).minimal == minimal


def test_the_proof_of_the_fewest_moves_has_the_names_of_measures() -> None:
    found = rebalance(problem_of(*drawn()), n_points=2)
    assert found.fewest is not None
    assert found.fewest.proof["whole_measures"] == ["visits"]


def test_limits_that_no_plan_keeps_are_told_and_the_widest_asked_for_is_shown() -> None:
    accounts, reps, config = drawn(30, owner="R1", tolerance=0.1)
    problem = problem_of(accounts, reps, config)
    found = rebalance(problem, max_moved=[0.01])
    assert found.fewest is not None
    assert found.fewest.proved > 0.01 * found.fewest.total
    assert found.unkept == (0.01,)
    assert limit_sentence(found) == "No plan found keeps a limit of 1 %: the fewest moves stand in for it."
    wide = rebalance(problem, max_moved=[0.9])
    assert wide.unkept == ()
    assert limit_sentence(wide) == ""
    table = trade_off_table(wide)
    assert chosen_point(table, wide.asked) == table.index[-1]


@pytest.mark.parametrize(
    ("amounts", "rule", "what"),
    [
        (1e-12, {"max_moved": 0.5}, "too small in all"),
        (1.0, {"max_moved": 0.5, "protect": [{"column": "amount", "weight": 1e200}]}, "too much to be added up"),
    ],
    ids=["too small to tell a limit from its rounding", "protected beyond what can be added up"],
)
def test_what_moves_count_must_be_in_proportion(amounts: float, rule: dict[str, Any], what: str) -> None:
    accounts, reps, config = drawn(20, amount=amounts)
    with pytest.raises(ConfigError, match=what):
        problem_of(accounts, reps, config, disruption={"measure": "amount", **rule})
