from __future__ import annotations

import json
import pickle
import shutil

import pytest

from scenarios import apply_scenario, load_scenarios
from territory_engine import load, load_config
from territory_engine.errors import ConfigError, InputError


def told(error: pytest.ExceptionInfo[InputError]) -> list[str]:
    return [str(finding) for finding in error.value.findings]


def refused(path) -> list[str]:
    with pytest.raises(InputError) as error:
        load_scenarios(path)
    return told(error)


def test_scenarios_come_in_the_files_order_with_what_they_inherit(scenario_file):
    path = scenario_file("""
[scenario.lose_r3]
description = "R3 leaves"
remove_reps = ["R3"]

[scenario.grow]
[[scenario.grow.growth]]
measure = "revenue"
factor = 1.5

[scenario.both]
inherits = ["lose_r3", "grow"]
""")
    file = load_scenarios(path)
    assert [s.name for s in file.scenarios] == ["lose_r3", "grow", "both"]
    assert (file.path, len(file.sha256), len(file.base_problem.reps)) == (path, 64, 3)
    both = file["both"]
    assert both.parents == ("lose_r3", "grow")
    assert [step.scenario for step in both.edits.steps] == ["lose_r3", "grow", "both"]
    assert both.description == ""
    assert file["lose_r3"].row == 3
    assert json.loads(json.dumps(both.edits.to_dict()))["steps"] == [
        {"scenario": "lose_r3", "remove_reps": ["R3"]},
        {"scenario": "grow", "growth": [{"measure": "revenue", "factor": 1.5}]},
        {"scenario": "both"},
    ]
    again = pickle.loads(pickle.dumps(both))
    assert again == both
    assert again.digest(file.base_problem) == both.digest(file.base_problem)


def test_the_whole_plan_may_stand_in_the_same_file_and_is_what_plan_reads(scenario_file, plan_files):
    config = (plan_files / "config.toml").read_text()
    text = f"{config}\n[forecast.worst]\nrevenue = 0.8\n[scenario.lose_r3]\nremove_reps = ['R3']\n"
    path = scenario_file(text, base=None)
    file = load_scenarios(path)
    assert [s.name for s in file.scenarios] == ["lose_r3"]
    assert load_config(path) == load_config(plan_files / "config.toml")
    assert len(load(path).reps) == 3


def test_a_file_with_a_base_stands_for_that_base_where_a_plan_is_read(scenario_file, plan_files):
    folder = plan_files / "elsewhere"
    folder.mkdir()
    path = folder / "what_if.toml"
    path.write_text('base = "../config.toml"\n[scenario.lose_r3]\nremove_reps = ["R3"]\n')
    problem = load(path)
    assert problem.base_dir == plan_files
    assert len(load_scenarios(path).base_problem.accounts) == len(problem.accounts) == 9


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('[scenarios.a]\nremove_reps = ["R3"]\n', "did you mean 'scenario'?"),
        ('[scenario.a]\nremove_rep = ["R3"]\n', "did you mean 'remove_reps'?"),
        ("[scenario.a.solve]\ntime_limit = 3\n", "did you mean 'time_limit_s'?"),
        ("[scenario.a.solve]\ntime_limit_s = 0\n", "row 3, column 'scenario.a.solve.time_limit_s': is too small"),
        ("[scenario.a.balance.revenue]\ntolerance = 20\n", "row 3, column 'scenario.a.balance.revenue.tolerance': is too large"),
        ("[scenario.a.balance.revenue]\nshare = \"qouta\"\n", "did you mean 'quota'?"),
        ("[scenario.a.balance]\nrevenu = false\n", "did you mean 'revenue'?"),
        ("[scenario.a.travel]\nmetric = \"haversine\"\n", "a scenario cannot change travel.metric"),
        ("[scenario.a.travel]\ntable = \"t.csv\"\n", "a scenario cannot change travel.table (found 't.csv'); allowed: table = false"),
        ("[scenario.a.contiguity]\nunits = \"u\"\n", "a scenario cannot change the units, only leave them out"),
        ("[scenario.a]\nlocks = true\n", "is neither a table, nor false, which leaves the rule out (found 'true')"),
        ("[scenario.a]\ninherits = \"b\"\n[scenario.bb]\n", "is not a scenario of this file (found 'b'); allowed: a, bb. Remedy: did you mean 'bb'?"),
        ("[scenario.a]\ninherits = \"a\"\n", "row 3, column 'scenario.a.inherits': inherits from itself"),
        ("[scenario.a]\nforecast = \"wrost\"\n[forecast.worst]\nrevenue = 0.8\n", "did you mean 'worst'?"),
        ("[scenario.a]\n[forecast.worst]\nrevenue = \"revenue_lo\"\n", "row 4, column 'forecast.worst.revenue': is not a column that could stand in"),
        ("[scenario.a]\n[forecast.worst]\nrevenu = 0.8\n", "did you mean 'revenue'?"),
        ("[scenario.a]\n[forecast.worst]\nrevenue = -0.8\n", "has a negative factor"),
        ("[scenario.a]\n[forecast.worst]\n", "says nothing"),
        ("[scenario.a]\n[forecast.realistic]\nrevenue = 0.8\n", "is not a name for an outlook"),
        ("[scenario.'../a']\n", "is not a name for a scenario"),
        ("[scenario.base]\n", "is what the plan without any scenario is called"),
        ("[scenario.a]\n[scenario.A]\n", "differs from 'a' in capitals alone"),
        ("", "has no scenarios"),
        ("scenario = 3\n", "is not a table of scenarios"),
        ("forecast = 3\n[scenario.a]\n", "is not a table of outlooks"),
        ("[scenario.a]\ngrowth = 3\n", "is not a table"),
        ("[scenario.a]\nrobust = 'yes'\n", "is not true or false"),
        ("[[scenario.a.growth]]\nfactor = 2\n", "needs either measure or measures"),
        ("[[scenario.a.growth]]\nfactor = 2\nmeasure = 'revenue'\ncolumn = 'segment'\n", "column and value go together"),
        ("[[scenario.a.growth]]\nfactor = 2\nmeasure = 'revenue'\nwithin_km = 3\n", "within_km needs one place"),
        ("[[scenario.a.growth]]\nfactor = 2\nmeasure = 'revenue'\nx = 3\ny = 3\n", "x and y has no effect without within_km"),
        ("[[scenario.a.growth]]\nfactor = 2\nmeasure = 'revenue'\nx = 3\nwithin = 1\n", "x and y go together"),
        ("[[scenario.a.growth]]\nfactor = 2\nmeasure = 'revenue'\ncolumn = 'segment'\nvalue = []\n", "is an empty list"),
        ("[[scenario.a.close]]\n", "all accounts cannot close"),
        ("[scenario.a]\nmerge_reps = { into = 'R1', from = ['R1'] }\n", "cannot be merged into itself"),
        ("[scenario.a]\nmerge_reps = { into = 'R1', from = ['R2', 'R2'] }\n", "names a rep twice"),
        ("[scenario.a.reps.R1]\n", "changes nothing"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_told_with_its_line_and_what_was_meant(scenario_file, text, expected):
    findings = refused(scenario_file(text))
    assert any(expected in finding for finding in findings), findings
    assert all(finding.startswith(("scenarios.toml", "accounts.csv", "reps.csv")) for finding in findings)


def test_everything_wrong_is_told_at_once(scenario_file, plan_files):
    (plan_files / "reps.csv").write_text("rep_id,x,y,capacity,quota,segments\nR1,0,0,lots,1,SMB\n")
    findings = refused(
        scenario_file("""
[scenario.a]
inherits = "nobody"
[scenario.b]
remove_rep = "R1"
[scenario.c]
inherits = "d"
[scenario.d]
inherits = "c"
""")
    )
    assert [f.split(":")[0] for f in [*findings[:3], findings[-1]]] == [
        "scenarios.toml, row 4, column 'scenario.a.inherits'",
        "scenarios.toml, row 6, column 'scenario.b.remove_rep'",
        "scenarios.toml, row 8, column 'scenario.c.inherits'",
        "reps.csv, row 2, column 'capacity'",
    ]
    assert "in a loop: c → d → c" in findings[2]


def test_all_scenarios_are_tried_and_a_parents_mistake_is_told_once(scenario_file):
    findings = refused(
        scenario_file("""
[scenario.a]
remove_reps = ["R7"]
[scenario.b]
inherits = "a"
[scenario.c]
close_accounts = ["a77"]
""")
    )
    assert len(findings) == 2
    assert findings[0].startswith("scenarios.toml, row 4, column 'scenario.a.remove_reps': is not the ID of a rep")
    assert "did you mean 'a7'" in findings[1]


@pytest.mark.parametrize(
    ("base", "expected"),
    [
        ("base = 3\n", "is not the path of a configuration (found '3')"),
        ("base = true\n", "found 'true'"),
        ('base = "confg.toml"\n', "did you mean 'config.toml'?"),
        ('base = "scenarios.toml"\n', "names a file that has a base itself"),
        ('base = "config.toml"\n[data]\naccounts = "accounts.csv"\n', "stands beside data"),
    ],
)
def test_a_base_that_cannot_be_is_told(scenario_file, base, expected):
    findings = refused(scenario_file('[scenario.a]\nremove_reps = ["R3"]\n', base=base))
    assert any(expected in finding for finding in findings), findings


def test_plan_takes_no_notice_of_scenarios_but_of_misspelt_tables(scenario_file, plan_files):
    config = (plan_files / "config.toml").read_text()
    path = scenario_file(f"{config}\n[scenario.a]\nwhatever = 3\n", base=None)
    assert load(path)
    path = scenario_file(f"{config}\n[scenaro.a]\nwhatever = 3\n", base=None)
    with pytest.raises(ConfigError, match="did you mean 'scenario'"):
        load(path)


def test_an_unknown_name_is_told_with_the_nearest(scenario_file):
    file = load_scenarios(scenario_file('[scenario.lose_r3]\nremove_reps = ["R3"]\n'))
    with pytest.raises(InputError, match="did you mean 'lose_r3'"):
        file["lose_r33"]


def test_equal_digests_are_equal_plans(scenario_file, plan_files, tmp_path):
    text = """
[scenario.a]
description = "one way to say it"
remove_reps = ["R3"]
[scenario.b]
inherits = "c"
[scenario.c]
remove_reps = ["R3"]
[scenario.d]
remove_reps = ["R2"]
"""
    file = load_scenarios(scenario_file(text))
    base = file.base_problem
    digests = {s.name: s.digest(base) for s in file.scenarios}
    assert digests["a"] == digests["c"]
    assert digests["a"] != digests["d"]
    moved = tmp_path / "moved"
    moved.mkdir()
    for name in ("accounts.csv", "reps.csv", "config.toml", "scenarios.toml"):
        shutil.copy(plan_files / name, moved / name)
    again = load_scenarios(moved / "scenarios.toml")
    assert {s.name: s.digest(again.base_problem) for s in again.scenarios} == digests
    accounts = (moved / "accounts.csv").read_text()
    (moved / "accounts.csv").write_text(accounts.replace("Alpha", "Alef"))
    other = load_scenarios(moved / "scenarios.toml")
    assert not {s.digest(other.base_problem) for s in other.scenarios} & set(digests.values())


def test_a_scenario_of_a_read_file_can_be_applied_without_checking_all(scenario_file):
    path = scenario_file('[scenario.a]\nremove_reps = ["R7"]\n[scenario.b]\nremove_reps = ["R3"]\n')
    file = load_scenarios(path, check=False)
    assert len(apply_scenario(file.base_problem, file["b"]).reps) == 2
    with pytest.raises(InputError, match="is not the ID of a rep"):
        apply_scenario(file.base_problem, file["a"])
