"""The benchmarks run: a small case of each, so that a long one never fails after an hour for a slip."""

from __future__ import annotations

import csv
import dataclasses
import math
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from benchmarks import fixed_centres, lead_batches, lead_routing, methods, pages, scenarios, territory_design
from benchmarks.browser import chromium, chromium_path
from benchmarks.instances import Instance, literature_folders, read_instance
from benchmarks.methods import OURS, Terms, ask_ours, ask_peer, judged, labels_of
from benchmarks.open_data import branch_instances, county_instances, write_folder
from benchmarks.peers import Answer, cp_sat, gerrychain_recom, k_means, max_p, metis, p_median, skater
from benchmarks.peers.graphs import sizes, touching
from benchmarks.running import ROOT, Run, markdown, measured
from benchmarks.scoring import EARTH_RADIUS_KM, Score, pieces, score


@pytest.fixture
def branches(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    table = pd.DataFrame(
        {
            "UNINUMBR": np.arange(1, 91),
            "NAMEBR": "A branch",
            "ZIPBR": [f"{z:05d}" for z in rng.integers(10001, 10090, 90)],
            "STCNTYBR": "19001",
            "SIMS_LATITUDE": np.r_[0.0, rng.normal(41, 1, 89)].round(4),
            "SIMS_LONGITUDE": np.r_[0.0, rng.normal(-93, 1, 89)].round(4),
            "DEPSUMBR": rng.lognormal(10, 0.5, 90).round(),
        }
    )
    table.to_csv(tmp_path / "branches.csv.gz", index=False)
    return tmp_path / "branches.csv.gz"


def test_the_fdic_benchmark_runs_on_a_few_branches(
    branches: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fixed_centres, "N_REPS", 3)
    rows = fixed_centres.fdic(branches, None, tmp_path)
    assert [row["exit"] for row in rows] == [0, 0]
    assert all(row["proved gap %"] <= limit for row, limit in zip(rows, (0.1, 1.0), strict=True))
    assert "fdic count" in fixed_centres.markdown(rows)


def test_the_literature_benchmark_runs_on_a_tiny_instance(tmp_path: Path) -> None:
    folder = tmp_path / "gap" / "tiny"
    folder.mkdir(parents=True)
    pairs: list[dict[str, Any]] = [
        {"rep_id": r, "account_id": a, "cost": (3 * a + 7 * r) % 5 + 1, "load": a % 3 + 1}
        for r in range(2)
        for a in range(6)
    ]
    pd.DataFrame(pairs).to_csv(folder / "travel.csv", index=False)
    pd.DataFrame({"account_id": range(6)}).to_csv(folder / "accounts.csv", index=False)
    pd.DataFrame({"rep_id": range(2), "capacity": 7}).to_csv(folder / "reps.csv", index=False)
    (folder / "config.toml").write_text(
        '[data]\naccounts = "accounts.csv"\nreps = "reps.csv"\n[[balance]]\nmeasure = "load"\nmax = "capacity"\n'
        '[travel]\ntable = "travel.csv"\n'
    )
    (tmp_path / "best_known.csv").write_text("family,instance,best_known\ngap,tiny,1\n")
    rows = fixed_centres.literature(tmp_path, tmp_path / "out", 5.0, peers=True)
    assert rows[0]["objective"] == rows[0]["plain CP-SAT"]


def test_the_lead_benchmark_runs_on_a_small_batch_and_verifies_the_proof(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(lead_routing, "SMALL", ((5, 4, 2),))
    monkeypatch.setattr(lead_routing, "DENSE", (30, 6, 6))
    size = ["--leads", "60", "--reps", "6", "--able", "3", "--repeats", "2"]
    monkeypatch.setattr(sys, "argv", ["lead_routing", *size])
    lead_routing.main()
    shown = capsys.readouterr().out
    assert "| 60 × 6, 3 able |" in shown
    assert "| yes |" in shown
    assert "| NO |" not in shown


def test_lead_batches_are_measured_from_file_to_ledger(tmp_path: Path) -> None:
    (small,) = lead_batches.small(tmp_path, 2, ((12, 6, 3),))
    assert small["batch"] == "12 × 6, 3 able"
    (large,) = lead_batches.large(tmp_path, 40, 6, 3)
    assert large["audit"] == "passed"
    assert large["proved"] == "assigned, rank, fairness, value"


def test_the_lead_benchmark_does_not_take_another_split_for_proved() -> None:
    problem = lead_routing.batch(40, 5, 3)
    split = lead_routing.timed(problem)[1]
    assert lead_routing.proved(problem, split)
    pair = split.pair.copy()
    pair[0] = problem.lead_start[0] + (pair[0] - problem.lead_start[0] + 1) % 3
    assert not lead_routing.proved(problem, dataclasses.replace(split, pair=pair))


# --- the judge ----------------------------------------------------------------------------------------------------------


def line(**changes: Any) -> Instance:
    """Return four accounts on a line at 0, 1, 4 and 6 with weights 1, 2, 1, 1 and loads 3, 1, 2, 2; two territories."""
    points = np.array([[0.0, 0.0], [1.0, 0.0], [4.0, 0.0], [6.0, 0.0]])
    plain = Instance(
        "made/line",
        np.array(["a", "b", "c", "d"]),
        2,
        points,
        False,
        np.array([1.0, 2.0, 1.0, 1.0]),
        1,
        ("visits",),
        np.array([[3.0, 1.0, 2.0, 2.0]]),
        np.full((1, 2), -np.inf),
        np.full((1, 2), 5.0),
    )
    return dataclasses.replace(plain, **changes)


HALVES = np.array([0, 0, 1, 1])


def test_an_answer_costs_what_it_costs_by_hand() -> None:
    # From b: a is 1 away, weight 1. From c or d alike: 2. From a instead of b it would be 2.
    assert score(line(), HALVES) == Score(3.0, 3.0 / 5.0, {"visits": 4 / 5 - 1}, None, [])


def test_distance_is_raised_to_the_power_before_the_best_member_is_chosen() -> None:
    # All in one territory from b: 1·1 + 1·9 + 1·25 = 35; from c: 16 + 2·9 + 4 = 38; from a: 2 + 16 + 36; from d: 36 + 50 + 4.
    found = score(line(power=2, upper=np.full((1, 2), 8.0)), np.zeros(4, np.int64))
    assert found.objective == 35.0
    assert found.mean_distance == (1 + 3 + 5) / 5
    assert found.violations == ["1 territories, 2 wanted"]


def test_names_of_territories_mean_nothing() -> None:
    assert score(line(), np.array([70, 70, 5, 5])).objective == 3.0


def test_a_degree_on_the_equator_is_as_long_as_the_sphere_says() -> None:
    places = np.array([[0.0, 179.5], [0.0, -179.5], [10.0, 20.0], [11.0, 20.0]])
    found = score(line(points=places, spherical=True, weights=np.ones(4)), HALVES)
    assert found.objective == pytest.approx(2 * EARTH_RADIUS_KM * math.pi / 180, rel=1e-12)


def test_every_rule_that_an_answer_breaks_is_named() -> None:
    strict = line(lower=np.full((1, 2), 4.5), upper=np.full((1, 2), 4.8))
    assert len(score(strict, HALVES).violations) == 2
    within = line(lower=np.full((1, 2), 3.8), upper=np.full((1, 2), 4.2))
    assert score(within, HALVES).feasible
    assert score(within, np.array([0, 1, 0, 1])).deviation == {"visits": pytest.approx(0.25)}
    assert not score(within, np.array([0, 1, 0, 1])).feasible
    left_out = score(line(), np.array([0, 0, 1, -1]))
    assert left_out.violations == ["1 accounts are in no territory"]
    assert left_out.objective == 1.0


def test_a_lower_limit_alone_is_a_limit() -> None:
    found = score(line(lower=np.full((1, 2), 5.0), upper=np.full((1, 2), np.inf)), HALVES)
    assert found.deviation == {"visits": pytest.approx(0.2)}
    assert len(found.violations) == 2


def test_loads_summed_in_another_order_are_within_the_limits() -> None:
    tenths = line(loads=np.array([[0.1, 0.2, 0.3, 0.0]]), upper=np.full((1, 2), 0.3))
    assert 0.1 + 0.2 > 0.3
    assert score(tenths, HALVES).feasible


def test_pieces_beyond_the_first_are_counted_and_forbidden() -> None:
    path = line(pairs=np.array([[0, 1], [1, 2], [2, 3]]))
    assert score(path, HALVES).extra_pieces == 0
    torn = score(path, np.array([0, 1, 1, 0]))
    assert torn.extra_pieces == 1
    assert torn.violations == ["territory 0 is in 2 pieces"]


def test_pieces_of_a_long_path_numbered_at_random_are_found() -> None:
    order = np.random.default_rng(0).permutation(500)
    pairs = np.column_stack([order[:-1], order[1:]])
    labels = np.zeros(500, np.int64)
    labels[order[[100, 200, 201]]] = 1
    assert pieces(labels, pairs) == {0: 3, 1: 2}


def test_reps_are_judged_by_their_table_and_their_own_limits() -> None:
    table = line(
        rep_ids=np.array(["x", "y"]),
        cost_table=np.array([[1.0, 2.0, 3.0, 4.0], [4.0, 3.0, 2.0, 1.0]]),
        load_table=np.array([[[1.0, 1.0, 1.0, 1.0], [9.0, 9.0, 2.0, 2.0]]]),
        weights=np.ones(4),
        upper=np.array([[2.0, 3.0]]),
    )
    found = score(table, HALVES)
    assert found.objective == 6.0
    assert found.violations == ["visits of territory 1 is 4, allowed -inf to 3"]
    assert found.deviation == {"visits": pytest.approx(1 / 3)}
    with pytest.raises(ValueError, match="no rep's row"):
        score(table, np.array([0, 0, 1, 2]))


LITERATURE = ROOT / "benchmarks" / "literature"


@pytest.mark.parametrize("folder", literature_folders(LITERATURE)[::3], ids=lambda folder: folder.name)
def test_the_judge_agrees_with_plain_loops_on_the_literature(folder: Path) -> None:
    instance = read_instance(folder)
    with (folder / "accounts.csv").open() as file:
        accounts = [(float(r["x"]), float(r["y"]), float(r["demand"])) for r in csv.DictReader(file)]
    m = instance.n_territories
    cost, over = 0.0, 0
    for t in range(m):
        inside = accounts[t::m]
        cost += min(sum(math.dist(a[:2], b[:2]) for b in inside) for a in inside)
        over += sum(a[2] for a in inside) > instance.upper[0, 0]
    found = score(instance, np.arange(len(accounts)) % m)
    assert found.objective == pytest.approx(cost, rel=1e-12)
    assert len(found.violations) == over


# --- instances ----------------------------------------------------------------------------------------------------------


def same(one: Instance, other: Instance) -> bool:
    pairs = [(getattr(one, f.name), getattr(other, f.name)) for f in dataclasses.fields(Instance)]
    return all(np.array_equal(a, b) if isinstance(a, np.ndarray) else a == b for a, b in pairs)


def test_an_instance_survives_its_file(tmp_path: Path) -> None:
    instance = line(pairs=np.array([[0, 1], [1, 2]]), best_known=2.5, status="best")
    instance.save(tmp_path / "instance.npz")
    assert same(Instance.load(tmp_path / "instance.npz"), instance)


def test_every_instance_of_the_repository_has_a_best_known_value_and_limits() -> None:
    instances = [read_instance(folder) for folder in literature_folders(LITERATURE)]
    assert len(instances) == 11
    assert all(i.best_known and i.status == "optimal" and np.all(np.isfinite(i.upper)) for i in instances)


def test_what_is_written_for_the_engine_is_what_the_peers_get(branches: Path, tmp_path: Path) -> None:
    for instance in branch_instances(branches):
        folder = tmp_path / instance.name
        write_folder(instance, folder)
        assert same(read_instance(folder), instance)


def test_branches_without_a_place_are_put_among_their_neighbours(tmp_path: Path) -> None:
    columns = ["UNINUMBR", "ZIPBR", "STCNTYBR", "SIMS_LATITUDE", "SIMS_LONGITUDE"]
    rows = [("1", "10001", "36061", 40, -74), ("2", "10001", "36061", 42, -76), ("3", "10001", "36061", 0, 0)]
    rows += [("4", "10009", "36061", "", ""), ("5", "99999", "02013", 54, -165), ("6", "88888", "01001", 0, 0)]
    pd.DataFrame(rows, columns=columns).to_csv(tmp_path / "branches.csv", index=False)
    mainland, _, every, _ = branch_instances(tmp_path / "branches.csv")
    assert every.points.tolist() == [[40, -74], [42, -76], [41, -75], [41, -75], [54, -165]]
    assert mainland.ids.tolist() == ["1", "2", "3", "4"]


@pytest.fixture
def counties(tmp_path: Path) -> Path:
    geopandas, box = pytest.importorskip("geopandas"), pytest.importorskip("shapely").box
    cells = [(x, y) for x in range(3) for y in range(3)] + [(7, 7)]
    frame = geopandas.GeoDataFrame(
        {
            "fips": [f"19{i:03d}" for i in range(10)] + ["02001"],
            "state": ["IA"] * 10 + ["AK"],
            "lat": [40.5 + y for _, y in cells] + [60.0],
            "lon": [-95.5 + x for x, _ in cells] + [-150.0],
            "population_2020": [100.0] * 9 + [7.0, 5.0],
        },
        geometry=[box(x, y, x + 1, y + 1) for x, y in cells] + [box(3, 0, 4, 1)],
        crs=4326,
    )
    frame.to_file(tmp_path / "counties.gpkg")
    return tmp_path / "counties.gpkg"


def test_counties_leave_out_islands_and_the_states_that_touch_no_other(counties: Path, tmp_path: Path) -> None:
    by_shape, people = county_instances(counties, None, None)
    assert by_shape.n_accounts == 9
    assert people.weights.tolist() == people.loads[0].tolist() == [100.0] * 9
    touching_cells = by_shape.ids[touching(by_shape)]
    pd.DataFrame(touching_cells, columns=["fips_a", "fips_b"]).to_csv(tmp_path / "pairs.csv", index=False)
    by_table, _ = county_instances(counties, tmp_path / "pairs.csv", None)
    assert np.array_equal(touching(by_table), touching(by_shape))
    folder = tmp_path / people.name
    write_folder(people, folder)
    assert same(dataclasses.replace(read_instance(folder), pairs=None), dataclasses.replace(people, pairs=None))


# --- peers, whether or not they are installed ---------------------------------------------------------------------------


def test_peers_are_not_asked_for_what_they_do_not_know() -> None:
    plane, connected = line(), line(pairs=np.array([[0, 1], [1, 2], [2, 3]]))
    reps = line(rep_ids=np.array(["x", "y"]), cost_table=np.ones((2, 4)))
    count = line(measures=("count",), loads=np.ones((1, 4)), lower=np.full((1, 2), 1.9))
    for module, takes in {
        cp_sat: {"plane", "connected", "reps", "count"},
        p_median: {"plane"},
        k_means: {"count"},
        metis: {"plane", "connected", "count"},
        gerrychain_recom: {"connected"},
        skater: {"connected"},
        max_p: {"connected"},
    }.items():
        offered = {"plane": plane, "connected": connected, "reps": reps, "count": count}
        assert {name for name, instance in offered.items() if module.refusal(instance) is None} == takes  # type: ignore[attr-defined] # every peer has it


def test_large_instances_are_refused_with_the_reason(branches: Path) -> None:
    n = 1100
    large = line(ids=np.arange(n).astype(str), points=np.zeros((n, 2)), weights=np.ones(n), loads=np.ones((1, n)))
    for module in (cp_sat, p_median):
        assert "n too large" in str(module.refusal(large))


def test_the_textbook_model_finds_the_optimum_of_a_line() -> None:
    for instance in (line(), line(pairs=np.array([[0, 1], [1, 2], [2, 3]]))):
        answer = cp_sat.solve(instance, 10.0)
        assert answer.labels is not None
        found = score(instance, answer.labels)
        assert found.feasible
        assert found.objective == 3.0
    # a and c, b and d: 4 + 5 is the only split with equal loads where a must not be with b or d.
    only = line(loads=np.array([[3.0, 3.0, 1.0, 1.0]]), upper=np.full((1, 2), 4.0))
    assert cp_sat.solve(only, 10.0).objective == pytest.approx(4 + 5)


def test_the_textbook_model_proves_that_a_path_cannot_be_cut_fairly() -> None:
    path = line(
        loads=np.array([[3.0, 1.0, 1.0, 3.0]]), upper=np.full((1, 2), 4.0), pairs=np.array([[0, 1], [1, 3], [3, 2]])
    )
    assert cp_sat.solve(dataclasses.replace(path, pairs=None), 10.0).labels is not None
    assert cp_sat.solve(dataclasses.replace(path, pairs=np.array([[0, 3], [3, 1], [1, 2]])), 10.0).bound == math.inf


def test_graphs_join_accounts_at_one_place() -> None:
    square = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0], [0.0, 0.0], [0.0, 0.0]])
    for spherical in (False, True):
        instance = line(
            ids=np.arange(6).astype(str), points=square + 0.1 * spherical, spherical=spherical, weights=np.ones(6)
        )
        pairs = touching(instance)
        assert {(0, 4), (4, 5)} <= {(int(a), int(b)) for a, b in pairs}
        assert pieces(np.zeros(6, np.int64), pairs) == {0: 1}


def test_peers_that_balance_one_number_get_the_narrowest_tolerance() -> None:
    two = line(
        measures=("a", "b"),
        loads=np.array([[1.0, 1.0, 1.0, 1.0], [10.0, 10.0, 20.0, 40.0]]),
        lower=np.array([[1.8, 1.8], [36.0, 36.0]]),
        upper=np.array([[2.2, 2.2], [42.0, 42.0]]),
    )
    load, within = sizes(two)
    assert within == pytest.approx(0.05)
    assert load == pytest.approx([(0.25 + 0.125) / 2] * 2 + [(0.25 + 0.25) / 2, (0.25 + 0.5) / 2])


# --- the run ------------------------------------------------------------------------------------------------------------

TERMS = Terms(seconds=2.0, patience=5.0, memory_gib=8.0)


def test_a_crash_and_a_runaway_are_measured_and_ended() -> None:
    crash = measured([sys.executable, "-c", "raise ValueError('no such district')"])
    assert (crash.exit, crash.stopped, crash.last_words) == (1, False, "ValueError: no such district")
    runaway = measured([sys.executable, "-c", "import time; time.sleep(60)"], limit=0.5)
    assert (runaway.exit, runaway.stopped) == (-9, True)


@pytest.mark.parametrize(
    ("run", "outcome", "note"),
    [
        (Run(1, 0.1, 0.1, False, "Traceback\nMemoryError: 9 GiB"), "failed", "exit 1: MemoryError: 9 GiB"),
        (Run(-9, 9.0, 0.1, True, ""), "none", "no answer in 124 s, and ended"),
    ],
)
def test_whatever_happens_to_a_peer_is_a_row(
    run: Run, outcome: str, note: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(methods, "measured", lambda *_, **__: run)
    record = ask_peer("cp-sat", line(), TERMS, tmp_path)
    assert (record["outcome"], record["note"]) == (outcome, note)
    cells = territory_design.table([{**record, "best_known": [None, ""]}])[0]
    assert cells["note"] == note
    assert cells["objective"] is None


def test_a_peer_that_is_not_installed_is_a_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(methods, "installed", lambda name: "1.0" if name == "spopt" else None)
    assert ask_peer("p-median", line(), TERMS, tmp_path)["note"] == "PuLP is not installed"


@pytest.mark.parametrize(("code", "outcome"), [(2, "failed"), (3, "infeasible"), (4, "none")])
def test_whatever_the_engine_says_is_a_row(
    code: int, outcome: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran = {"run": Run(code, 1.0, 0.1, False, "accounts.csv: no such file"), "plan": {}}
    monkeypatch.setattr(methods, "run_plan", lambda *_, **__: ran)
    assert ask_ours(line(), tmp_path / "config.toml", TERMS, tmp_path)["outcome"] == outcome


def test_a_wrong_claim_is_told() -> None:
    of_a_peer: dict[str, Any] = {"method": "cp-sat", "note": ""}
    assert judged({**of_a_peer, "claimed": 3.5, "bound": 3.0}, line(), HALVES)["warnings"] == []
    assert "claims 2.5" in judged({**of_a_peer, "claimed": 2.5}, line(), HALVES)["warnings"][0]
    assert "above a plan that exists" in judged({**of_a_peer, "bound": 3.1}, line(), HALVES)["warnings"][0]
    assert (
        "above a plan that exists" in judged({**of_a_peer, "bound": 2.5}, line(best_known=2.0), HALVES)["warnings"][0]
    )
    assert "claims 3.5" in judged({**of_a_peer, "method": OURS, "claimed": 3.5}, line(), HALVES)["warnings"][0]
    assert judged({**of_a_peer, "bound": 2.4}, line(), HALVES)["proved_gap"] == pytest.approx(0.2)


def test_an_infeasible_answer_is_not_the_best_of_the_run() -> None:
    base: dict[str, Any] = {"instance": "made/line", "version": "x 1", "note": "", "best_known": [None, ""]}
    good = judged({**base, "method": "x"}, line(), HALVES)
    bad = {**good, "objective": 1.0, "feasible": False, "violations": ["too much", "too little"]}
    wrong = {**base, "method": "x", "outcome": "infeasible"}
    first, second, third = territory_design.table([good, bad, wrong])
    assert first["best known"] == "3.00 (this run)"
    assert (second["gap to best known %"], second["note"]) == ("-66.67", "too much and 1 more")
    assert third["note"] == "wrong: a plan exists"
    assert "-66.67" in markdown([first, second, third])


def test_answers_are_read_by_account_and_not_by_row(tmp_path: Path) -> None:
    path = tmp_path / "assignments.csv"
    path.write_text("account_id,territory_id\nd,T2\nb,T1\na,T1\n")
    labels = labels_of(line(), path)
    assert labels.tolist() == [0, 0, -1, 1]
    path.write_text("account_id,territory_id\nz,T2\n")
    with pytest.raises(ValueError, match="not in made/line"):
        labels_of(line(), path)
    path.write_text("account_id,rep_id\na,y\nb,x\nc,x\nd,nobody\n")
    assert labels_of(line(rep_ids=np.array(["x", "y"])), path).tolist() == [1, 0, 0, -1]


def test_an_answer_survives_its_file(tmp_path: Path) -> None:
    Answer(HALVES, 3.0, math.inf, "a note").write(tmp_path / "answer.json")
    answer = Answer.read(tmp_path / "answer.json")
    assert answer.labels is not None
    assert (answer.labels.tolist(), answer.objective, answer.bound) == ([0, 0, 1, 1], 3.0, math.inf)


def test_the_benchmark_runs_through_and_resumes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "data" / "gap" / "tiny"
    folder.mkdir(parents=True)
    pairs = [(r, a, 1 + (3 * a + 7 * r) % 5, 1) for r in range(2) for a in range(4)]
    pd.DataFrame(pairs, columns=["rep_id", "account_id", "cost", "load"]).to_csv(folder / "travel.csv", index=False)
    pd.DataFrame({"account_id": range(4)}).to_csv(folder / "accounts.csv", index=False)
    pd.DataFrame({"rep_id": range(2), "capacity": 2}).to_csv(folder / "reps.csv", index=False)
    (folder / "config.toml").write_text(
        '[data]\naccounts = "accounts.csv"\nreps = "reps.csv"\n[[balance]]\nmeasure = "load"\nmax = "capacity"\n'
        '[travel]\ntable = "travel.csv"\n'
    )
    optimum = min(
        sum(c for r, a, c, _ in pairs if r == split[a])
        for split in [(0, 0, 1, 1), (0, 1, 0, 1), (0, 1, 1, 0), (1, 0, 0, 1), (1, 0, 1, 0), (1, 1, 0, 0)]
    )
    (tmp_path / "data" / "best_known.csv").write_text(f"family,instance,best_known\ngap,tiny,{optimum}\n")
    words = ["--literature", str(tmp_path / "data"), "--seconds", "2", "--work", str(tmp_path / "work")]
    territory_design.main([*words, "--only", "gap"])
    first = capsys.readouterr().out
    lines = [text for text in first.splitlines() if text.startswith("| gap/tiny")]
    assert len(lines) == 2
    assert all("| 0.00 |" in text and "| yes |" in text for text in lines)
    monkeypatch.setattr(methods, "measured", lambda *_, **__: pytest.fail("a row that is kept is not measured again"))
    monkeypatch.setattr(methods, "run_plan", lambda *_, **__: pytest.fail("a row that is kept is not measured again"))
    territory_design.main([*words, "--only", "tiny"])
    assert [t for t in capsys.readouterr().out.splitlines() if t.startswith("| gap/tiny")] == lines
    territory_design.main([*words, "--only", "cpmp"])
    assert "gap/tiny" not in capsys.readouterr().out


# --- scenarios ----------------------------------------------------------------------------------------------------------


def test_the_scenarios_benchmark_runs_on_a_few_branches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scenarios.shutil, "which", lambda name: None)  # twice is enough
    monkeypatch.setattr(scenarios, "run_plan", lambda *arguments: {})  # nothing to warm up
    branches = scenarios.invented_branches(tmp_path / "branches.csv", 120)
    rows = scenarios.compare(branches, None, tmp_path, 4, 2)
    assert [(row["exit"], row["plans"]) for row in rows] == [(0, 7), (0, 7)], rows
    assert rows[1]["note"] == "assignments identical: True"
    assert rows[1]["times as long"] == 1.0
    assert len(pd.read_csv(scenarios.sampled(branches, tmp_path, 50))) == 50
    assert scenarios.sampled(branches, tmp_path, None) == branches


@pytest.mark.browser
@pytest.mark.skipif(chromium_path() is None, reason="no Chromium on the PATH (Debian: apt-get install chromium)")
def test_the_benchmark_of_pages_runs_on_an_invented_plan(tmp_path: Path) -> None:
    problem, plan = pages.invented_plan(300, 4)
    assert plan.assignments["travel"].between(0, 5000).all()
    with chromium() as browser:
        rows = pages.page_rows("a few", problem, plan, browser, tmp_path, 0.3, None)
    assert [row["screen"] for row in rows] == ["1×", "2×"]
    assert all(row["ready s"] > 0 and row["frame ms: median"] > 0 and row["JS heap MB"] > 0 for row in rows)
    assert "long tasks while moving" in markdown(rows)
