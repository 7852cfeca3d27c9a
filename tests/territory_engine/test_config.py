from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest
from pydantic import ValidationError

from territory_engine.config import Config, MapOptions, parse_config
from territory_engine.config_file import load_config, plan_file
from territory_engine.errors import ConfigError, Finding

SMALLEST = '[data]\naccounts = "accounts.csv"\nreps = "reps.csv"\n'


def written(folder: Path, text: str) -> Path:
    path = folder / "config.toml"
    path.write_text(text, encoding="utf-8")
    return path


def findings(folder: Path, text: str) -> dict[str | None, Finding]:
    with pytest.raises(ConfigError) as caught:
        load_config(written(folder, text))
    return {f.column: f for f in caught.value.findings}


def test_the_smallest_configuration_gets_the_documented_defaults(tmp_path: Path) -> None:
    config = load_config(written(tmp_path, SMALLEST))
    assert config.data.on_unlocated == "error"
    assert config.territories.centers == "reps"
    assert config.travel.metric == "haversine"
    assert config.solve.time_limit_s == 60
    assert config.balance == ()


def test_whole_numbers_are_fine_where_a_fraction_is_expected(tmp_path: Path) -> None:
    text = SMALLEST + '[[balance]]\nmeasure = "v"\ntolerance = 1\nmax = 120\n[solve]\ntime_limit_s = 5\ngap = 0\n'
    config = load_config(written(tmp_path, text))
    assert config.balance[0].tolerance == 1.0
    assert config.balance[0].max == 120.0
    assert (config.solve.time_limit_s, config.solve.gap) == (5.0, 0.0)


@pytest.mark.parametrize(
    ("line", "key"),
    [
        ("[solve]\ntime_limit_s = true", "solve.time_limit_s"),
        ("[solve]\nseed = true", "solve.seed"),
        ("[travel]\npower = true", "travel.power"),
        ('[[balance]]\nmeasure = "v"\ntolerance = false', "balance[1].tolerance"),
        ('[[balance]]\nmeasure = "v"\nmax = true', "balance[1].max"),
    ],
)
def test_true_and_false_are_never_numbers(tmp_path: Path, line: str, key: str) -> None:
    assert key in findings(tmp_path, SMALLEST + line + "\n")


def test_every_problem_is_listed_with_its_line_and_the_key_that_was_meant(tmp_path: Path) -> None:
    found = findings(
        tmp_path,
        '[data]\nacounts = "a.csv"\nreps = 3\non_unlocated = "asign"\n\n'
        '[[balance]]\nmeasure = "visits"\ntolerance = "10%"\n\n[[balance]]\nmeasure = "revenue"\nmax = -1\n\n'
        "[solve]\ngap = 2\n\n[solver]\nx = 1\n",
    )
    assert found["data.accounts"].what == "is missing"
    assert found["data.acounts"].row == 2
    assert found["data.acounts"].remedy == "did you mean 'accounts'?"
    assert (found["data.reps"].row, found["data.reps"].value) == (3, "3")
    assert found["data.on_unlocated"].remedy == "did you mean 'assign'?"
    assert found["balance[1].tolerance"].row == 8
    assert "0.10" in str(found["balance[1].tolerance"].remedy)
    assert (found["balance[2].max"].row, found["balance[2].max"].value) == (12, "-1")
    assert found["solve.gap"].allowed == "less than 1"
    assert found["solver"].remedy == "did you mean 'solve'?"
    assert len(found) == 8


def test_a_balance_rule_that_says_nothing_is_refused(tmp_path: Path) -> None:
    found = findings(tmp_path, SMALLEST + '[[balance]]\nmeasure = "visits"\n')
    assert found["balance[1]"].what == "needs at least one of tolerance, min, max, target_weight"
    assert found["balance[1]"].row == 4


def test_single_brackets_around_balance_are_explained(tmp_path: Path) -> None:
    found = findings(tmp_path, SMALLEST + '[balance]\nmeasure = "visits"\ntolerance = 0.1\n')
    assert "[[balance]]" in str(found["balance"].remedy)


def test_nan_and_infinity_are_not_limits(tmp_path: Path) -> None:
    assert "balance[1].max" in findings(tmp_path, SMALLEST + '[[balance]]\nmeasure = "v"\nmax = inf\n')
    assert "solve.gap" in findings(tmp_path, SMALLEST + "[solve]\ngap = nan\n")


def test_a_windows_path_in_double_quotes_gets_the_remedy(tmp_path: Path) -> None:
    (finding,) = findings(tmp_path, '[data]\naccounts = "C:\\data\\a.csv"\n').values()
    assert finding.row == 2
    assert "single quotes" in str(finding.remedy)


def test_a_syntax_error_names_the_line(tmp_path: Path) -> None:
    (finding,) = findings(tmp_path, SMALLEST + "[solve\n").values()
    assert finding.row == 4
    assert finding.what.startswith("is not valid TOML")


def test_a_missing_file_suggests_its_neighbour(tmp_path: Path) -> None:
    written(tmp_path, SMALLEST)
    with pytest.raises(ConfigError, match=r"did you mean 'config\.toml'"):
        load_config(tmp_path / "confg.toml")
    with pytest.raises(ConfigError, match="is a folder"):
        load_config(tmp_path)


def test_a_byte_order_mark_is_not_part_of_the_file_and_other_encodings_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_bytes(b"\xef\xbb\xbf" + SMALLEST.encode())
    assert load_config(path).data.accounts == "accounts.csv"
    path.write_bytes(SMALLEST.encode() + b"# caf\xe9\n")
    with pytest.raises(ConfigError, match="not UTF-8") as caught:
        load_config(path)
    assert caught.value.findings[0].row == 4


def test_a_dictionary_is_validated_like_a_file() -> None:
    config = parse_config({"data": {"accounts": "a", "reps": "r"}, "balance": [{"measure": "v", "tolerance": 0.1}]})
    assert isinstance(config, Config)
    with pytest.raises(ConfigError, match=r"balance\[1\]\.tolerence"):
        parse_config({"data": {"accounts": "a"}, "balance": [{"measure": "v", "tolerence": 0.1}]})


@pytest.mark.parametrize(
    ("table", "kind"),
    [
        ("", "cells"),
        ('cells = "h3"\nresolution = 7', "cells"),
        ('units = "u.gpkg"\nunit_id = "fips"', "polygons"),
        ('adjacency = "p.csv"', "pairs"),
    ],
)
def test_units_come_from_one_place_and_from_hexagons_where_none_is_named(tmp_path: Path, table: str, kind: str) -> None:
    config = load_config(written(tmp_path, f"{SMALLEST}[contiguity]\n{table}\n"))
    assert config.contiguity is not None
    assert config.contiguity.kind == kind


@pytest.mark.parametrize(
    ("table", "what"),
    [
        (
            'units = "u"\nadjacency = "p"\nunit_id = "i"',
            "has units and adjacency: give one of units, adjacency and cells",
        ),
        ('units = "u"', "needs unit_id with units: the layer's column that names the unit"),
        ('unit_id = "i"', "unit_id has no effect without units or adjacency: cells are named by their place"),
        ('adjacency = "p"\nresolution = 5', 'resolution has no effect without cells = "h3"'),
    ],
)
def test_keys_of_contiguity_that_contradict_each_other_are_refused(tmp_path: Path, table: str, what: str) -> None:
    finding = findings(tmp_path, f"{SMALLEST}[contiguity]\n{table}\n")["contiguity"]
    assert (finding.what, finding.row) == (what, 4)


def test_cells_and_their_resolution_have_a_range(tmp_path: Path) -> None:
    found = findings(tmp_path, SMALLEST + '[contiguity]\ncells = "s2"\nresolution = 16\n')
    assert found["contiguity.resolution"].allowed == "at most 15"
    assert found["contiguity.cells"].value == "s2"


DISRUPTION = SMALLEST + '[disruption]\ncurrent = "owner"\n'
LINE = DISRUPTION.count("\n") + 1


def test_a_disruption_says_everything_it_can(tmp_path: Path) -> None:
    rules = 'measure = "revenue"\nmax_moved = 1\nweight = 2\nlocked_until = "until"\nas_of = 2026-07-01\n'
    protect = (
        '[[disruption.protect]]\ncolumn = "key"\nweight = 3\n[[disruption.protect]]\ncolumn = "years"\nweight = 0.5\n'
    )
    rule = load_config(written(tmp_path, DISRUPTION + rules + protect)).disruption
    assert rule is not None
    assert (rule.max_moved, rule.weight, rule.as_of) == (1.0, 2.0, date(2026, 7, 1))
    assert [(p.column, p.weight) for p in rule.protect] == [("key", 3.0), ("years", 0.5)]
    # A plan directory stores it as JSON, and reads the same back.
    config = load_config(tmp_path / "config.toml")
    assert Config.model_validate_json(config.model_dump_json()) == config


@pytest.mark.parametrize("rule", ["max_moved = 0", "weight = 0", "max_moved = 0.1\nweight = 3"])
def test_moves_may_be_limited_and_priced_at_once_or_cost_nothing(tmp_path: Path, rule: str) -> None:
    assert load_config(written(tmp_path, f"{DISRUPTION}{rule}\n")).disruption is not None


@pytest.mark.parametrize(
    ("text", "key", "row", "value", "allowed", "remedy"),
    [
        ("max_moved = 5", "max_moved", 0, "5", "at most 1", "write a fraction: 5 % is 0.05"),
        ("max_moved = 1.01", "max_moved", 0, "1.01", "at most 1", "write a fraction: 1.01 % is 0.0101"),
        ("max_moved = -0.1", "max_moved", 0, "-0.1", "at least 0", None),
        ("max_moved = nan", "max_moved", 0, "nan", "a finite number", None),
        ("max_moved = true", "max_moved", 0, "true", "a number", None),
        ('max_moved = "5%"', "max_moved", 0, "5%", "a number", "write a fraction: 10 % is 0.10"),
        ("weight = -1", "weight", 0, "-1", "at least 0", None),
        ("weight = inf", "weight", 0, "inf", "a finite number", None),
        ("max_move = 0.1", "max_move", 0, None, None, "did you mean 'max_moved'?"),
        ("locked_untill = 'x'", "locked_untill", 0, None, None, "did you mean 'locked_until'?"),
        (
            '[disruption.protect]\ncolumn = "key"\nweight = 1',
            "protect",
            0,
            None,
            None,
            "write [[disruption.protect]] with double brackets",
        ),
        ('[[disruption.protect]]\ncolumn = "key"\nweight = 0', "protect[1].weight", 2, "0", "more than 0", None),
        (
            '[[disruption.protect]]\ncolumn = "key"',
            "protect[1].weight",
            0,
            None,
            None,
            "add weight = … to disruption.protect[1]",
        ),
        (
            '[[disruption.protect]]\ncolumn = "key"\nweight = 1\n[[disruption.protect]]\ncolum = "years"\ncolumn = "y"\nweight = 1',
            "protect[2].colum",
            4,
            None,
            "column, weight",
            "did you mean 'column'?",
        ),
    ],
)
def test_what_is_wrong_with_a_disruption_is_told_with_its_line(
    tmp_path: Path, text: str, key: str, row: int, value: str | None, allowed: str | None, remedy: str | None
) -> None:
    (finding,) = findings(tmp_path, f"{DISRUPTION}{text}\n").values()
    assert (finding.column, finding.row, finding.value) == (f"disruption.{key}", LINE + row, value)
    assert allowed is None or finding.allowed == allowed
    assert finding.remedy == remedy


@pytest.mark.parametrize(
    ("day", "remedy"),
    [
        ('"2026-07-01"', "write 2026-07-01 without quotes"),
        ("2026-07-01T00:00:00", None),
        ("2026-07-01T08:00:00", None),
        ("12:00:00", None),
        ("20260701", None),
    ],
)
def test_as_of_is_a_date(tmp_path: Path, day: str, remedy: str | None) -> None:
    (finding,) = findings(tmp_path, f'{DISRUPTION}locked_until = "until"\nas_of = {day}\n').values()
    assert (finding.column, finding.row) == ("disruption.as_of", LINE + 1)
    assert finding.allowed == "a date such as 2026-07-01, without a time"
    assert finding.remedy == remedy


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ('locked_until = "until"', "locked_until and as_of go together"),
        ("as_of = 2026-07-01", "locked_until and as_of go together"),
        (
            '[[disruption.protect]]\ncolumn = "key"\nweight = 1\n[[disruption.protect]]\ncolumn = "key"\nweight = 2',
            "protect names 'key' twice",
        ),
    ],
)
def test_keys_of_a_disruption_that_need_or_repeat_each_other_are_refused(tmp_path: Path, text: str, what: str) -> None:
    (finding,) = findings(tmp_path, f"{DISRUPTION}{text}\n").values()
    assert what in finding.what
    assert finding.row == LINE - 2


def test_scenarios_beside_a_configuration_are_left_to_those_who_read_them(tmp_path: Path) -> None:
    text = SMALLEST + "[forecast.worst]\nvisits = 0.5\n[scenario.a]\nanything = 1\n"
    path = written(tmp_path, text)
    assert load_config(path) == load_config(written(tmp_path, SMALLEST))
    assert plan_file(path) == path
    assert "did you mean 'forecast'?" in str(
        findings(tmp_path, SMALLEST + "[forecasts.worst]\nvisits = 0.5\n")["forecasts"]
    )


def test_a_base_is_the_file_that_holds_the_plan(tmp_path: Path) -> None:
    written(tmp_path, SMALLEST)
    path = tmp_path / "scenarios.toml"
    path.write_text('base = "config.toml"\n[scenario.a]\n')
    assert plan_file(path) == tmp_path / "config.toml"
    path.write_text('base = "config.toml"\n[scenarios.a]\n[solve]\nseed = 1\n')
    with pytest.raises(ConfigError) as caught:
        plan_file(path)
    assert [(f.column, f.row) for f in caught.value.findings] == [("scenarios", 2), ("base", 1)]
    assert caught.value.findings[0].remedy == "did you mean 'scenario'?"


@pytest.mark.parametrize(
    "template",
    [
        "https://tile.openstreetmap.org/{z}/{x}/{y}.png", "https://{s}.tiles.example.org/{z}/{x}/{y}{r}.png?key=a-B_1%20&x=1",
        "http://localhost:8080/{z}/{x}/{-y}",
    ],
)  # fmt: skip
def test_tiles_come_from_one_server_that_is_known(template: str) -> None:
    assert MapOptions(tiles=template).tiles == template


@pytest.mark.parametrize(
    "template",
    [
        "javascript:alert(1)", "http://{s}x.org/{z}", "https://{s}/{z}", "https://{s}.com/{z}", "https://münchen.de/{z}",
        "https://[::1/{z}", "https://*/{z}", "https://u:p@h.org/{z}", "https://h.org:{p}/{z}", "https://a.b;script-src */{z}",
        "https://h.org/{foo}", "https://h.org/{constructor}", 'https://h.org/"onload={z}', "https://h.org/{z}\n", "https://h.org",
    ],
)  # fmt: skip
def test_a_template_of_tiles_that_could_ask_another_server_or_breaks_the_page_is_refused(template: str) -> None:
    with pytest.raises(ValidationError, match="is no template of tiles"):
        MapOptions(tiles=template)
