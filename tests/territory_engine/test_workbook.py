from __future__ import annotations

import zipfile

import numpy as np
import pandas as pd
import pytest
from python_calamine import CalamineWorkbook

from territory_engine.config import Config
from territory_engine.plan import Plan
from territory_engine.problem import PlanningProblem
from territory_engine.workbook import write_workbook

HOSTILE = ["=1+1", '=HYPERLINK("http://evil")', "http://example.org", "@SUM(A1)", "007", "bell\x07 \ufffe", "{=1}", ""]


def problem_and_plan(names=HOSTILE, **changes):
    n = len(names)
    accounts = pd.DataFrame(
        {"name": names, "visits": np.arange(n) + 0.5}, index=pd.Index([f"0{i}" for i in range(n)], name="account_id")
    )
    accounts.loc["01", "visits"] = np.nan
    reps = pd.DataFrame({"name": ["Ann", "Bo"]}, index=pd.Index(["R1", "R2"], name="rep_id"))
    config = Config.model_validate(
        {
            "data": {"accounts": "a.csv", "reps": "r.csv"},
            "travel": {"weight": "visits"},
            "balance": ({"measure": "visits", "max": 20},),
        }
    )
    problem = PlanningProblem(config, accounts, reps, notices=("A notice.",))
    rep = np.where(np.arange(n) % 2 == 0, "R1", "R2")
    assignments = pd.DataFrame(
        {
            "territory_id": rep,
            "rep_id": rep,
            "travel": np.arange(n) * 1.5,
            "previous_rep_id": "",
            "moved": False,
            "reason": "nearest",
        },
        index=accounts.index,
    )
    assignments.loc["02", "travel"] = np.nan
    territories = pd.DataFrame(
        {
            "rep_id": ["R1", "R2"],
            "accounts": [4, 4],
            "travel": [10.0, 20.0],
            "visits": [14.0, 16.0],
            "visits_target": [np.nan] * 2,
            "visits_deviation": [np.nan] * 2,
        },
        index=pd.Index(["R1", "R2"], name="territory_id"),
    )
    values = {
        "status": "feasible", "assignments": assignments, "territories": territories, "objective": 30.0, "lower_bound": 29.7,
        "gap": 0.01, "priced_bound": 29.7, "objective_terms": {"travel": 30.0}, "measures": {"visits": {"total": 30.0, "max_deviation": np.nan}},
        "prices": {"visits": {"R2": {"upper": 0.25}}}, "proof": {"kind": "prices"}, "termination": "time_limit", "rounds": 1,
        "solve_seconds": 1.0, "seed": 7,
    }  # fmt: skip
    return problem, Plan(**(values | changes))


def read(path):
    book = CalamineWorkbook.from_path(path)
    return {name: book.get_sheet_by_name(name).to_python() for name in book.sheet_names}


@pytest.fixture
def written(tmp_path):
    write_workbook(*problem_and_plan(), tmp_path / "plan.xlsx")
    return tmp_path / "plan.xlsx"


def test_the_sheets_are_those_promised(written):
    assert list(read(written)) == ["Summary", "Territories", "Assignments", "Rules & prices", "Notes"]


def test_every_account_is_there_in_input_order_with_its_text_as_it_was(written):
    header, *rows = read(written)["Assignments"]
    assert header[:5] == ["Account", "Name", "Rep", "Rep name", "Travel, km"]
    assert [row[0] for row in rows] == [f"0{i}" for i in range(len(HOSTILE))]
    assert [row[1] for row in rows] == [*HOSTILE[:5], "bell\ufffd \ufffd", *HOSTILE[6:]]
    assert [row[3] for row in rows[:2]] == ["Ann", "Bo"]
    assert rows[3][header.index("Visits")] == 3.5


def test_nothing_is_a_live_formula_or_a_link(written):
    with zipfile.ZipFile(written) as archive:
        sheets = [archive.read(n).decode() for n in archive.namelist() if n.startswith("xl/worksheets")]
    assert not any("<f>" in s or "<hyperlink" in s for s in sheets)


def test_unknown_numbers_are_empty_cells(written):
    header, *rows = read(written)["Assignments"]
    assert rows[2][header.index("Travel, km")] == ""
    assert rows[1][header.index("Visits")] == ""


def test_prices_come_first_and_rules_with_room_after(written):
    header, *rows = read(written)["Rules & prices"]
    assert header[5] == "Price, km-visits per unit"
    assert rows[0][:7] == ["visits", "R2", "Bo", "at most", 20, 0.25, 0.05]
    assert rows[0][7] == "Room for one more visit at R2 would save 0.25 km-visits."
    assert rows[1][1:6] == ["R1", "Ann", "at most", 20, 0]


def test_the_summary_holds_the_proof_and_the_notes_the_notices(written):
    sheets = read(written)
    summary = dict(sheets["Summary"][1:])
    assert summary["Status"] == "feasible"
    assert "can travel less than 29.7 km-visits" in summary["Proof"]
    assert summary["Gap"] == 0.01
    assert ["Data", "A notice."] in sheets["Notes"]


def test_headers_are_frozen_and_filtered(written):
    with zipfile.ZipFile(written) as archive:
        sheet = archive.read("xl/worksheets/sheet3.xml").decode()
    assert 'state="frozen"' in sheet
    assert f'<autoFilter ref="A1:G{len(HOSTILE) + 1}"/>' in sheet


def test_the_same_plan_gives_the_same_bytes(written, tmp_path):
    write_workbook(*problem_and_plan(), tmp_path / "again.xlsx")
    assert (tmp_path / "again.xlsx").read_bytes() == written.read_bytes()


def test_a_territory_not_named_after_its_rep_gets_a_column(tmp_path):
    problem, plan = problem_and_plan()
    plan.assignments["territory_id"] = "T1"
    write_workbook(problem, plan, tmp_path / "plan.xlsx")
    assert read(tmp_path / "plan.xlsx")["Assignments"][0][4] == "Territory"


def test_an_infeasible_plan_keeps_all_accounts_and_tells_the_conflict(tmp_path):
    problem, plan = problem_and_plan(
        status="infeasible", objective=None, lower_bound=None, gap=None, objective_terms={}, measures={},
        conflict={"rules": ["R1 needs more than it may have."], "relaxations": ["A tolerance of 13 %."]},
    )  # fmt: skip
    empty = Plan(**{**vars(plan), "assignments": plan.assignments.iloc[:0], "territories": plan.territories.iloc[:0]})
    write_workbook(problem, empty, tmp_path / "plan.xlsx")
    sheets = read(tmp_path / "plan.xlsx")
    assert len(sheets["Assignments"]) == len(HOSTILE) + 1
    assert sheets["Notes"][1:3] == [
        ["Conflict", "R1 needs more than it may have."],
        ["Would resolve it", "A tolerance of 13 %."],
    ]
    assert dict(sheets["Summary"][1:])["Proof"].startswith("No plan can keep all these rules.")


def test_text_longer_than_a_cell_is_cut_with_a_mark(tmp_path):
    write_workbook(*problem_and_plan(["x" * 40_000, "b", "c"]), tmp_path / "plan.xlsx")
    name = read(tmp_path / "plan.xlsx")["Assignments"][1][1]
    assert len(name) == 32_767
    assert name.endswith("…")
