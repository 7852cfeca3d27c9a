"""What the documents say about scenarios is true, and Iowa's scenarios can be planned."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from scenarios import apply_scenario, load_scenarios
from scenarios.scenario_model import NewRep, ScenarioTable, Where

ROOT = Path(__file__).resolve().parents[2]
DOCUMENT = (ROOT / "docs" / "scenarios.md").read_text()
SNIPPETS = re.findall(r"^```toml\n(.*?)^```", DOCUMENT, flags=re.DOTALL | re.MULTILINE)


@pytest.fixture(scope="module")
def iowa(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("iowa")
    for name in ("accounts.csv", "reps.csv", "config.toml", "iowa_counties.gpkg"):
        shutil.copy(ROOT / "examples" / "iowa" / name, folder / name)
    return folder


@pytest.mark.parametrize("snippet", SNIPPETS, ids=lambda s: re.findall(r"scenario\.(\w+)", s)[0])
def test_every_scenario_in_the_document_can_be_planned_over_iowa(snippet: str, iowa: Path) -> None:
    path = iowa / "scenarios.toml"
    path.write_text(snippet)
    assert load_scenarios(path).scenarios


def test_iowas_scenarios_are_what_their_descriptions_say() -> None:
    file = load_scenarios(ROOT / "examples" / "iowa" / "scenarios.toml")
    problems = {s.name: apply_scenario(file.base_problem, s) for s in file.scenarios}
    assert {name: (len(p.accounts), len(p.reps)) for name, p in problems.items()} == {
        "lose_r03": (1868, 11),
        "replace_r03": (1868, 12),
        "join_north": (1868, 11),
        "grow_des_moines": (1868, 12),
        "lapsed": (1801, 12),
        "both_years": (1868, 12),
    }
    assert "R03" not in problems["replace_r03"].reps.index
    assert problems["join_north"].reps.at["R11", "quota"] == 2 * 29_860_090
    assert (
        problems["grow_des_moines"].accounts["revenue_2022"].sum()
        > 1.02 * file.base_problem.accounts["revenue_2022"].sum()
    )
    assert [b.measure for b in problems["both_years"].config.balance][-1] == "revenue_2022@last_year"
    assert all(s.description for s in file.scenarios)


def keys_in_tables() -> set[str]:
    cells = re.findall(r"^\| (.*?) \|", DOCUMENT, flags=re.MULTILINE)
    names = [name for cell in cells for name in re.findall(r"`([^`]*)`", cell)]
    return {re.sub(r"[\[\]]", "", name).split(".")[-1] for name in names} | {"reps"}


def test_every_key_of_a_scenario_is_documented() -> None:
    documented = keys_in_tables()
    assert set(ScenarioTable.model_fields) <= documented
    assert set(NewRep.model_fields) <= documented
    assert set(Where.model_fields) - {"latitude", "longitude", "x", "y"} <= documented
