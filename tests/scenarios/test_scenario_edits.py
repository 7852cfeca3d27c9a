"""A scenario's problem is what would have been read from files that were edited by hand."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from scenarios import apply_scenario, load_scenarios
from territory_engine import audit, load, solve
from territory_engine.errors import ConfigError, InputError
from territory_engine.plan_directory import read_plan, write_plan_files
from territory_engine.problem import PlanningProblem

Edit = Callable[[pd.DataFrame, pd.DataFrame], tuple[pd.DataFrame, pd.DataFrame]]


def read(path: Path) -> pd.DataFrame:
    return pd.read_csv(path, dtype=str, keep_default_na=False)


def applied(path: Path, name: str = "a") -> PlanningProblem:
    file = load_scenarios(path, check=False)
    return apply_scenario(file.base_problem, file[name])


def wrong(path: Path, name: str = "a") -> list[str]:
    with pytest.raises(InputError) as error:
        applied(path, name)
    return [str(f) for f in error.value.findings]


def without_r3(accounts, reps):
    accounts["locked_rep"] = accounts["locked_rep"].replace("R3", "")
    return accounts, reps[reps["rep_id"] != "R3"]


def hired(accounts, reps):
    row = pd.DataFrame([["R4", "Dora", "6", "6", "5", "400", "SMB;ENT", ""]], columns=reps.columns)
    return accounts, pd.concat([reps, row])


def hired_like(accounts, reps):
    row = pd.DataFrame([["R4", "", "9", "0", "10", "1000", "SMB;ENT", "Waukee"]], columns=reps.columns)
    return accounts, pd.concat([reps, row])


def merged(accounts, reps):
    reps.loc[reps["rep_id"] == "R1", ["capacity", "quota"]] = ["20", "2000"]
    for column in ("owner", "locked_rep"):
        accounts[column] = accounts[column].replace("R3", "R1")
    return accounts, reps[reps["rep_id"] != "R3"]


def regrown(accounts, reps):
    for column in ("revenue", "revenue_low"):
        numbers = accounts[column].astype(float)
        accounts[column] = numbers.where(accounts["segment"] != "SMB", numbers * 1.5).astype(str)
    return accounts, reps


def grown_nearby(accounts, reps):
    near = np.hypot(accounts["x"].astype(float) - 5, accounts["y"].astype(float) - 6) <= 1
    for column in ("visits", "revenue"):
        numbers = accounts[column].astype(float)
        accounts[column] = numbers.where(~near, numbers * 3).astype(str)
    return accounts, reps


def closed(accounts, reps):
    gone = accounts["account_id"].eq("a2") | accounts["postal_code"].str.startswith("5300")
    return accounts[~gone], reps


def lower_capacity(accounts, reps):
    reps.loc[reps["rep_id"] == "R2", ["capacity", "x", "y"]] = ["7.5", "8", "1"]
    return accounts, reps


def with_low_revenue(accounts, reps):
    accounts["revenue"] = accounts["revenue_low"]
    return accounts, reps


CASES: list[tuple[str, Edit, str]] = [
    ('[scenario.a]\nremove_reps = ["R3"]\n', without_r3, ""),
    (
        '[[scenario.a.add_reps]]\nrep_id = "R4"\nname = "Dora"\nx = 6\ny = 6.0\ncapacity = 5\nquota = 400\nsegments = "SMB;ENT"\n',
        hired, "",
    ),
    ('[[scenario.a.add_reps]]\nrep_id = "R4"\nlike = "R3"\nnear = "a5"\n', hired_like, ""),
    ('[scenario.a]\nmerge_reps = { into = "R1", from = ["R3"] }\n', merged, ""),
    (
        '[forecast.worst]\nrevenue = "revenue_low"\n'
        '[[scenario.a.growth]]\nmeasure = "revenue"\nfactor = 1.5\ncolumn = "segment"\nvalue = "SMB"\n', regrown, "",
    ),
    (
        '[[scenario.a.growth]]\nmeasures = ["visits", "revenue"]\nfactor = 3\nwithin = 1\nnear = "R3"\n', grown_nearby, "",
    ),
    ('[scenario.a]\nclose_accounts = ["a2"]\n[[scenario.a.close]]\npostal_codes = ["5300"]\n', closed, ""),
    ("[scenario.a.reps.R2]\ncapacity = 7.5\nx = 8\ny = 1\n", lower_capacity, ""),
    ('[forecast.worst]\nrevenue = "revenue_low"\n[scenario.a]\nforecast = "worst"\n', with_low_revenue, ""),
    ("[scenario.a.balance.visits]\ntolerance = 0.5\n", lambda a, r: (a, r), "tolerance = 0.9 → tolerance = 0.5"),
    ("[scenario.a]\nlocks = false\n", lambda a, r: (a, r), '[locks]\ncolumn = "locked_rep"\n → '),
    ("[scenario.a.eligibility]\nmax_travel = 9\n", lambda a, r: (a, r), '[eligibility] → [eligibility]\nmax_travel = 9'),
]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "edit", "change"), CASES, ids=[c[0].splitlines()[0] + f" {i}" for i, c in enumerate(CASES)]
)
def test_a_scenario_is_what_edited_files_would_be(scenario_file, plan_files, tmp_path, text, edit, change):
    problem = applied(scenario_file(text))
    folder = tmp_path / "edited"
    folder.mkdir()
    accounts, reps = edit(read(plan_files / "accounts.csv"), read(plan_files / "reps.csv"))
    accounts.to_csv(folder / "accounts.csv", index=False)
    reps.to_csv(folder / "reps.csv", index=False)
    config = (plan_files / "config.toml").read_text()
    old, new = change.split(" → ") if change else ("", "")
    (folder / "config.toml").write_text(config.replace(old, new, 1))
    by_hand = load(folder / "config.toml")

    used = ["x", "y", "visits", "revenue", "segment", "owner", "locked_rep", "location_source"]
    pd.testing.assert_frame_equal(problem.accounts[used], by_hand.accounts[used])
    used = ["name", "x", "y", "capacity", "quota", "segments", "location_source", "location_precision_km"]
    pd.testing.assert_frame_equal(problem.reps[used], by_hand.reps[used])
    assert problem.config == by_hand.config
    assert set(by_hand.notices) <= set(problem.notices)
    mine, theirs = solve(problem), solve(by_hand)
    pd.testing.assert_frame_equal(mine.assignments, theirs.assignments)
    pd.testing.assert_frame_equal(mine.territories, theirs.territories)
    assert (mine.status, mine.objective, mine.lower_bound) == (theirs.status, theirs.objective, theirs.lower_bound)

    out = tmp_path / "plan"
    out.mkdir()
    write_plan_files(problem, mine, out)
    report = audit(out)
    assert report.passed, report.summary()
    assert "scenario" in {check.name for check in report.checks}
    again, _ = read_plan(out)
    assert again.scenario == problem.scenario
    assert again.sources == problem.sources
    pd.testing.assert_frame_equal(again.accounts, problem.accounts)


def test_edits_are_made_in_the_order_of_inheritance(scenario_file):
    path = scenario_file("""
[scenario.hire]
[[scenario.hire.add_reps]]
rep_id = "R4"
like = "R3"
near = "R3"
[scenario.doubled]
inherits = "hire"
[scenario.doubled.reps.R4]
capacity = 20
[[scenario.doubled.growth]]
measure = "visits"
factor = 2
[scenario.a]
inherits = "doubled"
remove_reps = ["R4", "R3"]
[[scenario.a.growth]]
measure = "visits"
factor = 2
""")
    assert applied(path, "hire").reps["capacity"].to_dict() == {"R1": 10, "R2": 10, "R3": 10, "R4": 10}
    doubled = applied(path, "doubled")
    assert doubled.reps.at["R4", "capacity"] == 20
    assert doubled.accounts["visits"].eq(4).all()
    last = applied(path, "a")
    assert last.reps.index.tolist() == ["R1", "R2"]
    assert last.accounts["visits"].eq(8).all()
    assert last.scenario.removed["reps"] == ["R3"]


def test_growth_that_two_parents_inherit_is_made_once(scenario_file):
    path = scenario_file("""
[scenario.up]
[[scenario.up.growth]]
measure = "visits"
factor = 3
[scenario.b]
inherits = "up"
[scenario.c]
inherits = "up"
[scenario.a]
inherits = ["b", "c"]
""")
    assert applied(path).accounts["visits"].eq(6).all()


def test_the_childs_word_counts_for_rules_and_the_last_parents_before_it(scenario_file):
    path = scenario_file("""
[scenario.b]
[scenario.b.balance.visits]
tolerance = 0.2
share = false
[scenario.c]
[scenario.c.balance.visits]
tolerance = 0.3
[scenario.c.solve]
seed = 7
[scenario.a]
inherits = ["b", "c"]
[scenario.a.solve]
time_limit_s = 1
[scenario.a.balance.count]
max = 5
[[scenario.a.balance.revenue]]
tolerance = 0.5
[[scenario.a.balance.revenue]]
max = 900.0
""")
    config = applied(path).config
    assert [(b.measure, b.tolerance, b.share, b.max) for b in config.balance] == [
        ("visits", 0.3, None, None),
        ("revenue", 0.5, None, None),
        ("revenue", None, None, 900.0),
        ("count", None, None, 5),
    ]
    assert (config.solve.seed, config.solve.time_limit_s, config.solve.gap) == (7, 1.0, 0.0)


def test_a_rule_taken_out_and_given_anew_is_only_what_is_given(scenario_file):
    path = scenario_file("""
[scenario.b]
eligibility = false
[scenario.a]
inherits = "b"
[scenario.a.eligibility]
max_travel = 12.0
""")
    assert applied(path, "b").config.eligibility is None
    assert applied(path).config.eligibility.column is None


def test_locks_to_a_rep_who_leaves_are_freed_and_said(scenario_file):
    problem = applied(scenario_file('[scenario.a]\ndescription = "Cid leaves"\nremove_reps = ["R3"]\n'))
    assert problem.accounts["locked_rep"].to_dict()["a7"] == ""
    assert problem.accounts["owner"].to_dict()["a7"] == "R3"
    assert problem.notices[0] == "scenarios.toml: scenario 'a': Cid leaves (1 rep fewer than in the files)."
    assert problem.notices[-1] == (
        "scenarios.toml: 1 account was locked to a rep who leaves (R3), and may now go to any."
    )
    assert any("3 accounts have an owner who is no rep any more ('R3', 'R9')." in n for n in problem.notices)
    assert not any("1 account has an owner who is no rep any more ('R9')." in n for n in problem.notices)


def test_locks_and_owners_follow_a_merge_and_so_do_segments_and_limits(scenario_file, plan_files):
    reps = (plan_files / "reps.csv").read_text()
    (plan_files / "reps.csv").write_text(reps.replace("R1,Ann,0,0,10,1000,SMB;ENT", "R1,Ann,0,0,10,1000,SMB"))
    problem = applied(scenario_file('[[scenario.a.merge_reps]]\ninto = "R1"\nfrom = ["R3", "R2"]\n'))
    assert problem.reps.index.tolist() == ["R1"]
    assert problem.reps.loc["R1", ["capacity", "quota", "segments"]].tolist() == [30, 3000, "SMB;ENT"]
    assert set(problem.accounts["owner"]) == {"R1", "R9"}
    assert set(problem.accounts["locked_rep"]) == {"R1", ""}


def test_a_hire_may_take_the_id_and_the_place_of_a_rep_who_left(scenario_file):
    problem = applied(
        scenario_file(
            '[scenario.a]\nremove_reps = ["R3"]\n[[scenario.a.add_reps]]\nrep_id = "R3"\nname = "Eva"\nlike = "R3"\nnear = "R3"\n'
        )
    )
    assert problem.reps.index.tolist() == ["R1", "R2", "R3"]
    assert problem.reps.loc["R3", ["name", "x", "y", "capacity"]].tolist() == ["Eva", 5, 6, 10]
    assert problem.accounts.at["a7", "locked_rep"] == "R3"
    assert (problem.scenario.removed["reps"], problem.scenario.added["reps"]) == ([], [])


def test_a_count_that_restates_the_reps_follows_them(scenario_file, plan_files):
    config = (plan_files / "config.toml").read_text()
    (plan_files / "config.toml").write_text(f"{config}\n[territories]\ncount = 3\n")
    path = scenario_file(
        '[scenario.a]\nremove_reps = ["R3"]\n[scenario.b]\ninherits = "a"\n[scenario.b.territories]\ncount = 3\n'
    )
    assert applied(path).config.territories.count == 2
    findings = wrong(path, "b")
    assert "lists 2 reps, but territories.count is 3, in scenario 'b' (scenarios.toml, row 4)" in findings[0]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('[scenario.a]\nremove_reps = ["r3"]\n', "'R3' exists, and this ID differs in capitals"),
        ('[scenario.a]\nremove_reps = ["R3", "R3"]\n', "is named twice (found 'R3')"),
        ('[scenario.a]\nremove_reps = ["R1", "R2", "R3"]\n', "row 2, column 'scenario.a': leaves no reps"),
        ('[scenario.b]\nremove_reps = ["R3"]\n[scenario.a]\ninherits = "b"\nremove_reps = ["R3"]\n', "row 6, column 'scenario.a.remove_reps': has been removed before"),
        ('[scenario.a]\nmerge_reps = { into = "R1", from = ["R3"] }\nremove_reps = ["R3"]\n', "has been merged into 'R1' before"),
        ('[scenario.a.reps.R33]\ncapacity = 3\n', "did you mean 'R3'"),
        ('[scenario.a.reps.R3]\ncapasity = 3\n', "row 3, column 'scenario.a.reps.R3.capasity': is not a column of the reps; allowed: name, x, y, capacity"),
        ('[scenario.a.reps.R3]\nrep_id = "R5"\n', "is the rep's ID"),
        ('[scenario.a.reps.R3]\ncapacity = "lots"\n', "is not a number, in scenario 'a' (scenarios.toml, row 2)"),
        ('[[scenario.a.add_reps]]\nrep_id = "R3"\nlike = "R3"\nnear = "R3"\n', "is the ID of a rep already (found 'R3')"),
        ('[[scenario.a.add_reps]]\nrep_id = "R4"\nlike = "R3"\n', "'R4', who is added: is blank"),
        ('[[scenario.a.add_reps]]\nrep_id = "R4"\nx = 3\ny = 3\nquota = 1\nsegments = "SMB"\n', "has no capacity, which balance.visits.share needs of every rep (found 'R4'). Remedy: give capacity = …, or copy"),
        ('[[scenario.a.add_reps]]\nrep_id = "R4"\nlike = "R33"\n', "did you mean 'R3'"),
        ('[[scenario.a.add_reps]]\nrep_id = "R4"\nlike = "R3"\nnear = "b1"\n', "is the ID of neither a rep nor an account"),
        ('[[scenario.a.add_reps]]\nrep_id = "R4"\nlike = "R3"\nnear = "R3"\nx = 3\ny = 3\n', "stands beside another place"),
        ('[[scenario.a.add_reps]]\nrep_id = "R4"\nlike = "R3"\nnear = "R3"\ncapacity = "x"\n', "is not a number"),
        ('[scenario.a]\nclose_accounts = ["a11"]\n', "is not the ID of an account"),
        ('[[scenario.a.close]]\ncolumn = "segmnt"\nvalue = "SMB"\n', "row 3, column 'scenario.a.close[1].column': is not a column of the accounts"),
        ('[[scenario.a.close]]\ncolumn = "segment"\nvalue = "SMBs"\n', "is not a value of column 'segment' (found 'SMBs'); allowed: SMB, ENT. Remedy: did you mean 'SMB'?"),
        ('[[scenario.a.close]]\ncolumn = "segment"\nvalue = ["SMB", "ENT"]\n', "closes every account"),
        ('[[scenario.a.close]]\npostal_codes = ["9"]\n', "is not how any account's postal code begins (found '9')"),
        ('[[scenario.a.close]]\nwithin = 0.1\nx = 50\ny = 50\n', "means no account"),
        ('[[scenario.a.close]]\nwithin_km = 3\nx = 50\ny = 50\n', "cannot be measured: x and y are in a unit of their own (found '3.0'); allowed: within"),
        ('[[scenario.a.close]]\nwithin = 3\nlatitude = 50\nlongitude = 50\n', "needs a place; allowed: x and y"),
        ('[[scenario.a.growth]]\nmeasure = "revenu"\nfactor = 2\n', "did you mean 'revenue'"),
        ('[[scenario.a.growth]]\nmeasure = "count"\nfactor = 2\n', "counts accounts, which do not grow"),
        ('[[scenario.a.growth]]\nmeasure = "segment"\nfactor = 2\n', "accounts.csv, row 2, column 'segment': is not a number"),
        ('[[scenario.a.growth]]\nmeasure = "revenue"\nfactor = 0\n', "accounts.csv, column 'revenue': adds up to 0, so there is nothing to balance, in scenario 'a' (scenarios.toml, row 2)"),
        ('[scenario.a.balance.visits]\nshare = "capasity"\n', "has no column 'capasity', which balance[1].share names, in scenario 'a'"),
        ('[scenario.a.balance.calls]\ntolerance = 0.1\n', "has no column 'calls'"),
        ('[scenario.a.balance.visits]\nmeasure = "revenue"\n', "repeats measure"),
        ('[scenario.a.balance]\nvisits = 3\n', "is not a table"),
        ('[scenario.a.balance.visits]\ntolerance = false\nshare = false\n', "row 2, column 'scenario.a.balance.visits': needs at least one of"),
        ('[scenario.a.locks]\ncolumn = "owner"\n', "is not the ID of a rep"),
    ],
)  # fmt: skip
def test_what_cannot_be_done_is_told_with_its_line(scenario_file, text, expected):
    findings = wrong(scenario_file(text))
    # Lines are counted with the base's before them.
    assert any(expected in finding for finding in findings), findings


def test_balance_rules_that_are_several_for_a_measure_are_written_anew(scenario_file, plan_files):
    config = (plan_files / "config.toml").read_text()
    (plan_files / "config.toml").write_text(f'{config}\n[[balance]]\nmeasure = "visits"\nmax = 12.0\n')
    path = scenario_file("[scenario.a.balance.visits]\ntolerance = 0.5\n")
    assert "has 2 balance rules, and which of them is meant is not said" in wrong(path)[0]
    path = scenario_file("[scenario.a.balance]\nvisits = false\n")
    assert [rule.measure for rule in applied(path).config.balance] == ["revenue"]


def test_an_error_of_the_configuration_stays_one(scenario_file):
    with pytest.raises(ConfigError):
        applied(scenario_file('[scenario.a.balance.visits]\nshare = "capasity"\n'))


def test_the_bases_limits_of_time_may_be_changed_before(scenario_file):
    file = load_scenarios(scenario_file('[scenario.a]\nremove_reps = ["R3"]\n'))
    base = file.base_problem
    solve_options = base.config.solve.model_copy(update={"time_limit_s": 1.5})
    other = replace(base, config=base.config.model_copy(update={"solve": solve_options}))
    assert apply_scenario(other, file["a"]).config.solve.time_limit_s == 1.5
    assert file["a"].digest(other) != file["a"].digest(base)


def test_columns_are_known_by_the_planners_names_and_numbers_as_the_file_writes_them(tmp_path):
    (tmp_path / "accounts.csv").write_text(
        "Kunde;Breite;Länge;Umsatz;Umsatz Vorjahr;plz\n"
        "1;52,5;13,4;1.000,5;900,25;10115\n2;53,5;10,0;2.000,5;1.900,25;20095\n3;48,1;11,6;1.500,0;1.400,5;80331\n"
    )
    (tmp_path / "reps.csv").write_text("nr;Breite;Länge;Quote\nA;52,5;13,4;1.000,5\nB;48,1;11,6;1.000,5\n")
    (tmp_path / "config.toml").write_text("""
[data]
accounts = "accounts.csv"
reps = "reps.csv"
[data.columns.accounts]
account_id = "Kunde"
latitude = "Breite"
longitude = "Länge"
revenue = "Umsatz"
postal_code = "plz"
[data.columns.reps]
rep_id = "nr"
latitude = "Breite"
longitude = "Länge"
[[balance]]
measure = "Umsatz"
tolerance = 0.9
""")
    path = tmp_path / "s.toml"
    path.write_text("""
base = "config.toml"
[scenario.a]
[[scenario.a.growth]]
measure = "revenue"
factor = 2
near = "A"
within_km = 1
[[scenario.a.growth]]
measure = "Umsatz Vorjahr"
factor = 2
[[scenario.a.add_reps]]
rep_id = "C"
Breite = 53.5
"Länge" = 10.0
Quote = 500.5
[scenario.a.balance.Umsatz]
share = "Quote"
[scenario.a.balance."Umsatz Vorjahr"]
tolerance = 0.9
[scenario.b.reps.A]
longitude = 500
""")
    problem = applied(path)
    assert problem.accounts["Umsatz"].tolist() == [2001.0, 2000.5, 1500.0]
    assert problem.accounts["Umsatz Vorjahr"].tolist() == [1800.5, 3800.5, 2801.0]
    assert problem.reps["Quote"].tolist() == [1000.5, 1000.5, 500.5]
    assert problem.reps["latitude"].tolist() == [52.5, 48.1, 53.5]
    assert any("reps.csv, row 2, column 'Länge': is out of range, in scenario 'b'" in f for f in wrong(path, "b"))


def test_a_home_moves_with_its_postal_code(tmp_path):
    text = "rep_id,lat,lon,zip\nA,41.6,-93.6,50309\nB,41.66,-91.5,52240\n"
    (tmp_path / "reps.csv").write_text(text)
    (tmp_path / "accounts.csv").write_text("account_id,lat,lon,zip\n1,41.6,-93.6,01002\n2,41.6,-91.5,1003\n")
    (tmp_path / "config.toml").write_text(
        '[data]\naccounts = "accounts.csv"\nreps = "reps.csv"\n[[balance]]\nmeasure = "count"\ntolerance = 0.9\n'
    )
    path = tmp_path / "s.toml"
    path.write_text("""
base = "config.toml"
[scenario.a.reps.A]
postal_code = "52001"
[scenario.b.reps.A]
postal_code = "00000"
[scenario.c]
close = { postal_codes = "01003" }
[scenario.d.reps.A]
near = { account = "2" }
""")
    problem = applied(path)
    assert problem.reps["location_source"].tolist() == ["postal_code", "given"]
    assert problem.reps.at["A", "latitude"] == pytest.approx(42.5, abs=0.2)
    assert "the rep cannot be placed" in wrong(path, "b")[0]
    assert applied(path, "c").accounts.index.tolist() == ["1"]
    assert applied(path, "d").reps.at["A", "longitude"] == -91.5


TRAVEL = "rep_id,account_id,cost,hours\n" + "".join(
    f"{rep},{account},{abs(i - 3 * k)},{1 + k}\n"
    for i, account in enumerate("abcdef")
    for k, rep in enumerate(["R1", "R2"])
)


@pytest.fixture
def table_files(tmp_path: Path) -> Path:
    (tmp_path / "accounts.csv").write_text("account_id,size\n" + "".join(f"{a},2\n" for a in "abcdef"))
    (tmp_path / "reps.csv").write_text("rep_id,room\nR1,20\nR2,20\n")
    (tmp_path / "travel.csv").write_text(TRAVEL)
    (tmp_path / "config.toml").write_text(
        '[data]\naccounts = "accounts.csv"\nreps = "reps.csv"\n[travel]\ntable = "travel.csv"\n'
        '[[balance]]\nmeasure = "hours"\nmax = "room"\n[[balance]]\nmeasure = "size"\ntolerance = 0.9\n'
    )
    return tmp_path


def test_a_travel_table_follows_its_reps_and_accounts(table_files):
    path = table_files / "s.toml"
    path.write_text("""
base = "config.toml"
[scenario.gone]
remove_reps = ["R2"]
close_accounts = ["b"]
[scenario.hired]
[[scenario.hired.add_reps]]
rep_id = "R3"
near = "R2"
room = 5
[scenario.slower]
[[scenario.slower.growth]]
measure = "hours"
factor = 2
column = "account_id"
value = ["a", "b"]
[scenario.nowhere]
[[scenario.nowhere.add_reps]]
rep_id = "R3"
room = 5
""")
    gone = applied(path, "gone").travel_table
    assert (set(gone["rep_id"]), set(gone["account_id"])) == ({"R1"}, set("acdef"))
    hired_table = applied(path, "hired").travel_table
    rows = hired_table[hired_table["rep_id"] == "R3"].set_index("account_id")["cost"]
    assert rows.equals(hired_table[hired_table["rep_id"] == "R2"].set_index("account_id")["cost"])
    slower = applied(path, "slower").travel_table.set_index(["rep_id", "account_id"])["hours"]
    assert slower[[("R1", "a"), ("R2", "b"), ("R2", "c")]].tolist() == [2, 4, 2]
    assert "has no rows in the travel table travel.csv (found 'R3'). Remedy: give near" in wrong(path, "nowhere")[0]

    by_hand = table_files / "by_hand"
    by_hand.mkdir()
    kept = pd.read_csv(io.StringIO(TRAVEL)).query("rep_id != 'R2' and account_id != 'b'")
    kept.to_csv(by_hand / "travel.csv", index=False)
    (by_hand / "reps.csv").write_text("rep_id,room\nR1,20\n")
    (by_hand / "accounts.csv").write_text("account_id,size\n" + "".join(f"{a},2\n" for a in "acdef"))
    (by_hand / "config.toml").write_text((table_files / "config.toml").read_text())
    mine, theirs = solve(applied(path, "gone")), solve(load(by_hand / "config.toml"))
    pd.testing.assert_frame_equal(mine.assignments, theirs.assignments)
    out = table_files / "plan"
    out.mkdir()
    write_plan_files(applied(path, "gone"), mine, out)
    assert audit(out).passed, audit(out).summary()


def test_groups_survive(scenario_file, plan_files):
    accounts = read(plan_files / "accounts.csv")
    accounts["parent"] = ["p", "p", "", "q", "", "q", "", "", ""]
    accounts.to_csv(plan_files / "accounts.csv", index=False)
    config = (plan_files / "config.toml").read_text()
    (plan_files / "config.toml").write_text(f'{config}\n[groups]\ncolumn = "parent"\n')
    plan = solve(applied(scenario_file('[scenario.a]\nclose_accounts = ["a4"]\n')))
    assert plan.assignments.at["a1", "rep_id"] == plan.assignments.at["a2", "rep_id"]
    assert "a6" in plan.assignments.index


def test_without_reps_there_are_none_to_edit(tmp_path):
    (tmp_path / "accounts.csv").write_text("account_id,x,y\n" + "".join(f"{i},{i},0\n" for i in range(6)))
    (tmp_path / "config.toml").write_text(
        '[data]\naccounts = "accounts.csv"\n[territories]\ncount = 2\ncenters = "free"\n[travel]\nmetric = "euclidean"\n'
        '[[balance]]\nmeasure = "count"\ntolerance = 0.5\n'
    )
    path = tmp_path / "s.toml"
    path.write_text(
        'base = "config.toml"\n[scenario.a]\nremove_reps = ["R1"]\n[scenario.b]\nclose_accounts = ["1"]\n'
        '[scenario.b.territories]\ncount = 3\n[scenario.c]\nlocks = { column = "x" }\n'
    )
    assert "needs reps, and there are none" in wrong(path)[0]
    assert wrong(path, "c")[0].startswith("s.toml, row 9, column 'scenario.c.locks.column': needs reps, and there are")
    problem = applied(path, "b")
    assert (len(problem.accounts), len(problem.territory_ids)) == (5, 3)


def test_a_hires_line_is_not_taken_for_a_row_of_the_reps_file(tmp_path):
    (tmp_path / "accounts.csv").write_text("account_id,lat,lon,zip\n1,41.6,-93.6,\n2,41.6,-91.5,\n")
    (tmp_path / "reps.csv").write_text("rep_id,lat,lon,state\nA,41.6,-93.6,IA\nB,41.66,-91.5,IA\n")
    (tmp_path / "config.toml").write_text(
        '[data]\naccounts = "accounts.csv"\nreps = "reps.csv"\n[[balance]]\nmeasure = "count"\ntolerance = 0.9\n'
    )
    path = tmp_path / "s.toml"
    path.write_text(
        'base = "config.toml"\n'
        '[scenario.a]\nadd_reps = { rep_id = "C", postal_code = "52240", state = "MN" }\nreps.B.latitude = 99\n'
        '[scenario.b]\nadd_reps = { rep_id = "C", postal_code = "52240", state = "MN" }\n'
        '[scenario.c]\nadd_reps = [{ rep_id = "C", postal_code = "00000" }]\n'
    )
    told = wrong(path)
    assert len(told) == 1
    assert told[0].startswith("reps.csv, row 3, column 'lat': is out of range, in scenario 'a' (s.toml, row 2)")
    assert any("(row 6 of s.toml: MN, but the code is in IA)" in n for n in applied(path, "b").notices)
    assert wrong(path, "c")[0].startswith(
        "s.toml, row 8, column 'postal_code': 'C', who is added: the rep cannot be placed"
    )


def test_a_long_list_of_accounts_from_elsewhere_is_answered_soon(scenario_file):
    names = ", ".join(f'"b{i}"' for i in range(500))
    assert len(wrong(scenario_file(f"[scenario.a]\nclose_accounts = [{names}]\n"))) == 500
