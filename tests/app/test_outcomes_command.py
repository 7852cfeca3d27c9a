"""``territory-engine outcomes``: files as CRMs export them, one outcome by options, all or none."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from typer.testing import CliRunner

from territory_engine.app.cli import app
from territory_engine.leads.reading.outcomes import KIND_ALIASES, kind_of
from territory_engine.leads.told_outcomes import KINDS
from territory_engine.ledger import Ledger


def run(*arguments: str | Path) -> Any:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.fixture
def ledger(planned: tuple[Path, Any], tmp_path: Path) -> str:
    """Return the address of a ledger with five assigned leads."""
    (tmp_path / "leads.csv").write_text("lead_id\nL-1\nL-2\nL-3\nL-4\nL-5\n", encoding="utf-8")
    address = f"sqlite:///{tmp_path / 'ledger.db'}"
    routed = run(
        "route", tmp_path / "leads.csv", "--plan", planned[0], "--ledger", address, "--out", tmp_path / "a.csv"
    )
    assert routed.exit_code == 0, routed.stderr
    return address


def states(address: str, *leads: str) -> list[str]:
    with Ledger.open(address) as opened:
        known = opened.lead_states(leads)
    return [known[lead].state for lead in leads]


CRM = (
    "Lead ID,Status,Closed Date,Amount,Owner\n"
    "L-1,Closed - Converted,2026-11-20,11500,Ann\n"
    "L-2,Closed - Not Converted,2026-11-20T10:00:00Z,,Ann\n"
    "L-3,Working - Contacted,2026-11-21 09:30,,Bo\n"
    "L-4,returned,2026-11-21,,Bo\n"
    "L-5,New,,,Bo\n"
)


def test_a_crms_export_is_recorded_and_telling_it_again_changes_nothing(ledger: str, tmp_path: Path) -> None:
    (tmp_path / "crm.csv").write_text(CRM, encoding="utf-8")
    result = run("outcomes", tmp_path / "crm.csv", "--ledger", ledger)
    assert (result.exit_code, result.stderr) == (0, "")
    assert "4 outcomes recorded: 1 contacted, 1 lost, 1 returned, 1 won." in result.stdout
    assert "1 row left out, because there is no outcome yet: 'New'." in result.stdout
    assert "'Closed - Converted' as won" in result.stdout
    assert states(ledger, "L-1", "L-2", "L-3", "L-4", "L-5") == ["won", "lost", "assigned", "returned", "assigned"]
    with Ledger.open(ledger) as opened:
        told = opened.outcomes().set_index("lead_id")
    assert told.loc["L-1", "value"] == 11500
    assert told.loc["L-1", "outcome_id"] == "L-1 won 2026-11-20T00:00:00Z"
    again = run("outcomes", tmp_path / "crm.csv", "--ledger", ledger)
    assert again.stdout.startswith("0 outcomes recorded. 4 outcomes known already.")


@pytest.mark.parametrize("kind", ["xlsx", "parquet"])
def test_workbooks_and_parquet_are_read_too(ledger: str, tmp_path: Path, kind: str) -> None:
    frame = pd.DataFrame(
        {"outcome_id": ["o1"], "lead_id": ["L-1"], "kind": ["won"], "at": pd.to_datetime(["2026-11-20 10:00"])}
    )
    path = tmp_path / f"told.{kind}"
    if kind == "xlsx":
        frame.to_excel(path, index=False, engine="xlsxwriter")
    else:
        frame.to_parquet(path)
    assert run("outcomes", path, "--ledger", ledger).exit_code == 0
    with Ledger.open(ledger) as opened:
        told = opened.outcomes().iloc[0]
    assert (told["outcome_id"], told["at"]) == ("o1", pd.Timestamp("2026-11-20 10:00", tz="UTC"))


def test_every_finding_is_told_with_its_row_and_column_and_nothing_is_recorded(ledger: str, tmp_path: Path) -> None:
    (tmp_path / "crm.csv").write_text(
        "Id,Status,Date,Amount\n"
        "L-1,won,2026-11-20,\n"
        "L-9,won,2026-11-20,\n"
        "L-2,thinking,soon,\n"
        ",won,,many\n"
        "L-3,won,03/04/2026,\n",
        encoding="utf-8",
    )
    result = run("outcomes", tmp_path / "crm.csv", "--ledger", ledger)
    assert result.exit_code == 2
    lines = [line.strip().removeprefix(f"{tmp_path / 'crm.csv'}, ") for line in result.stderr.splitlines()]
    assert lines[0] == "7 problems in the input; nothing was written."
    for begin in (
        "row 3, column 'Id': the ledger knows no such lead (found 'L-9')",
        "row 4, column 'Status': is no kind of outcome (found 'thinking'); allowed: accepted, contacted",
        "row 4, column 'Date': is not a moment (found 'soon')",
        "row 5, column 'Id': is blank",
        "row 5, column 'Date': is blank",
        "row 5, column 'Amount': is not a number (found 'many')",
        "row 6, column 'Date': can be read with the day or the month first (found '03/04/2026')",
    ):
        assert any(line.startswith(begin) for line in lines), (begin, result.stderr)
    assert states(ledger, "L-1") == ["assigned"]


def test_a_file_without_what_an_outcome_needs_names_the_columns(ledger: str, tmp_path: Path) -> None:
    (tmp_path / "crm.csv").write_text("name,when\nx,y\n", encoding="utf-8")
    result = run("outcomes", tmp_path / "crm.csv", "--ledger", ledger)
    assert result.exit_code == 2
    assert result.stderr.count("has no column") == 3


def test_one_lead_is_returned_by_options_and_may_be_routed_again(
    ledger: str, planned: tuple[Path, Any], tmp_path: Path
) -> None:
    (tmp_path / "again.csv").write_text("lead_id\nL-1\n", encoding="utf-8")
    route = ("route", tmp_path / "again.csv", "--plan", planned[0], "--ledger", ledger, "--out", tmp_path / "b.csv")
    refused = run(*route, "--batch-id", "second")
    assert (
        "record the outcome 'returned' first (territory-engine outcomes --lead L-1 --kind returned)" in refused.stdout
    )
    result = run("outcomes", "--lead", "L-1", "--kind", "returned", "--ledger", ledger)
    assert result.stdout.startswith("1 outcome recorded: 1 returned. Returned leads are routed again")
    assert "1 assigned" in run(*route, "--batch-id", "third", "--replace").stdout
    twice = run("outcomes", "--lead", "L-9", "--kind", "returned", "--ledger", ledger)
    assert twice.exit_code == 2
    assert "column '--lead': the ledger knows no such lead (found 'L-9')" in twice.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "found neither"),
        (("f.csv", "--lead", "L-1", "--kind", "won"), "found both"),
        (("f.csv", "--kind", "won"), "go with --lead"),
        (("--lead", "L-1"), "accepted, contacted, won, lost or returned"),
        (("--lead", "L-1", "--kind", "sold"), "is no kind of outcome"),
        (("--lead", "L-1", "--kind", "won", "--at", "soon"), "a moment in ISO 8601"),
    ],
)
def test_wrong_usage_is_exit_code_2(ledger: str, arguments: tuple[str, ...], said: str) -> None:
    result = run("outcomes", *arguments, "--ledger", ledger)
    assert result.exit_code == 2
    assert said in " ".join(result.stderr.split())


def test_a_ledger_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    result = run("outcomes", "--lead", "L-1", "--kind", "won", "--ledger", f"sqlite:///{tmp_path / 'none.db'}")
    assert result.exit_code == 2
    assert "there is no ledger at" in result.stderr


def test_every_name_of_a_stage_stands_for_one_kind() -> None:
    names = [name for own in KIND_ALIASES.values() for name in own]
    assert len(set(names)) == len(names)
    assert {kind_of(kind) for kind in KINDS} == set(KINDS)
    assert [kind_of(text) for text in ("CLOSED_WON", "Closed – Not Converted", "NEW", "hm")] == [
        "won",
        "lost",
        "",
        None,
    ]
