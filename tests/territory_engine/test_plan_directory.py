"""A plan directory: complete, exact, and there whole or not at all."""

from __future__ import annotations

import hashlib
import json
import math
import os
import string
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from shapely.geometry import MultiPolygon, box

from territory_engine import publishing as publishing_module
from territory_engine.config import Config
from territory_engine.errors import PlanDirectoryError
from territory_engine.geography.layer import LayerKind, UnitLayer, joined_frame
from territory_engine.plan import Plan
from territory_engine.plan_directory import check_destination, publishing, read_plan, write_plan_files
from territory_engine.problem import PlanningProblem, Source

IDS = st.text(alphabet=st.characters(blacklist_categories=("Cs", "Cc", "Zl", "Zp")), min_size=1, max_size=8)
NUMBERS = st.floats(allow_nan=False, allow_infinity=False)
SENTENCES = st.text(alphabet=st.characters(blacklist_categories=("Cs",), blacklist_characters="\r\n\0"), max_size=20)


def a_problem(account_ids: list[str], rep_ids: list[str], revenue: list[float], **extra: object) -> PlanningProblem:
    config = Config.model_validate(
        {
            "data": {"accounts": "accounts.csv", "reps": "reps.csv"},
            "balance": ({"measure": "revenue", "tolerance": 0.1, "share": "quota"}, {"measure": "count", "max": 9.0}),
            "travel": {"weight": "revenue", "power": 2},
        }
    )
    accounts = pd.DataFrame(
        {"name": [f"=cmd {a}" for a in account_ids], "revenue": revenue, "latitude": 1.5, "longitude": np.nan},
        index=pd.Index(account_ids, name="account_id"),
    )
    reps = pd.DataFrame({"latitude": 0.1, "longitude": 0.2, "quota": 1.0 / 3}, index=pd.Index(rep_ids, name="rep_id"))
    fields = {"sources": (Source("accounts", "../data/accounts.csv", "ab" * 32, len(account_ids)),), **extra}
    return PlanningProblem(config, accounts, reps, **fields)  # type: ignore[arg-type]  # the extras vary by test


def a_plan(problem: PlanningProblem, numbers: list[float], reasons: list[str], owners: list[str]) -> Plan:
    reps = problem.reps.index
    assignments = pd.DataFrame(
        {
            "territory_id": owners,
            "rep_id": owners,
            "travel": numbers,
            "previous_rep_id": ["", *owners[1:]],
            "moved": [i % 2 == 0 for i in range(len(owners))],
            "reason": reasons,
        },
        index=problem.accounts.index,
    )
    territories = pd.DataFrame(
        {
            "rep_id": list(reps),
            "accounts": np.arange(len(reps), dtype=np.int64),
            "travel": numbers[0],
            "revenue": 1 / 3,
            "revenue_target": np.nan,
            "revenue_deviation": -numbers[-1],
        },
        index=pd.Index(list(reps), name="territory_id"),
    )
    return Plan(
        status="feasible",
        assignments=assignments,
        territories=territories,
        objective=numbers[0],
        lower_bound=0.1 + 0.2,
        gap=1e-17,
        priced_bound=numbers[-1],
        objective_terms={"travel": numbers[0]},
        measures={"revenue": {"max_deviation": math.nan, "total": 5e-324}},
        prices={"revenue": {str(reps[0]): {"upper": abs(numbers[0])}}},
        proof={"kind": "search", "solver": "CP-SAT", "version": "9.12", "parameters": {"workers": 2}},
        termination="time_limit",
        rounds=7,
        solve_seconds=1.25,
        seed=3,
        notices=("Größe", "99 accounts were placed by postal code"),
        parent={"path": "../last-year", "sha256": "cd" * 32, "objective": 0.1, "moved": None},
    )


@pytest.fixture
def problem() -> PlanningProblem:
    return a_problem(["007", "A,1", "NA"], ["R1", "=R2"], [1.0, 0.1, 2.5])


@pytest.fixture
def plan(problem: PlanningProblem) -> Plan:
    return a_plan(problem, [0.1, np.nan, 1e-300], ["near", "=HYPERLINK(1)", ""], ["R1", "=R2", "R1"])


def same_problem(a: PlanningProblem, b: PlanningProblem) -> None:
    assert a.config == b.config
    assert a.sources == b.sources
    assert a.notices == b.notices
    pd.testing.assert_frame_equal(a.accounts, b.accounts, check_exact=True, check_index_type=False)
    pd.testing.assert_frame_equal(a.reps, b.reps, check_exact=True, check_index_type=False)
    assert (a.travel_table is None) == (b.travel_table is None)
    if a.travel_table is not None and b.travel_table is not None:
        pd.testing.assert_frame_equal(a.travel_table, b.travel_table, check_exact=True)


def same_plan(a: Plan, b: Plan) -> None:
    assert a.to_dict() == b.to_dict()
    for mine, theirs in ((a.assignments, b.assignments), (a.territories, b.territories)):
        pd.testing.assert_frame_equal(mine, theirs, check_exact=True, check_dtype=False, check_index_type=False)


def test_a_plan_and_its_problem_come_back_as_they_were_written(
    tmp_path: Path, problem: PlanningProblem, plan: Plan
) -> None:
    write_plan_files(problem, plan, tmp_path)
    read_problem, read = read_plan(tmp_path)
    same_problem(problem, read_problem)
    same_plan(plan, read)
    assert read_problem.base_dir == tmp_path / "inputs"


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_any_ids_numbers_and_sentences_survive_the_round_trip(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    accounts = data.draw(st.lists(IDS, min_size=1, max_size=5, unique=True))
    reps = data.draw(st.lists(IDS, min_size=1, max_size=3, unique=True))
    n = len(accounts)
    numbers = data.draw(st.lists(NUMBERS, min_size=n, max_size=n))
    problem = a_problem(accounts, reps, numbers)
    reasons = data.draw(st.lists(SENTENCES, min_size=n, max_size=n))
    plan = a_plan(problem, numbers, reasons, data.draw(st.lists(st.sampled_from(reps), min_size=n, max_size=n)))
    folder = tmp_path_factory.mktemp("plan")
    write_plan_files(problem, plan, folder)
    read_problem, read = read_plan(folder)
    same_problem(problem, read_problem)
    same_plan(plan, read)


def test_travel_tables_backgrounds_and_the_configuration_file_are_stored_with_the_plan(
    tmp_path: Path, plan: Plan
) -> None:
    (tmp_path / "config.toml").write_text("[data]\n", encoding="utf-8")
    digest = hashlib.sha256(b"[data]\n").hexdigest()
    background = gpd.GeoDataFrame({"fid": [5, 5]}, geometry=[box(0, 0, 1, 1), box(1, 0, 2, 1)], crs=4326)
    problem = a_problem(
        ["007", "A,1", "NA"],
        ["R1", "=R2"],
        [1.0, 0.1, 2.5],
        travel_table=pd.DataFrame({"rep_id": ["R1"], "account_id": ["007"], "cost": [0.1]}),
        background=background,
        base_dir=tmp_path,
        sources=(Source("background", "b.gpkg", "00", 2), Source("config", "config.toml", digest, 1)),
        notices=("read as is",),
    )
    folder = tmp_path / "plan"
    folder.mkdir()
    write_plan_files(problem, plan, folder)
    read_problem, _ = read_plan(folder)
    same_problem(problem, read_problem)
    assert read_problem.background is not None
    assert read_problem.background.geometry.geom_equals(background.geometry).all()
    assert list(read_problem.background["fid"]) == [5, 5]
    assert (folder / "inputs" / "config.toml").read_text(encoding="utf-8") == "[data]\n"
    stored = {source["role"]: source["stored"] for source in json.loads((folder / "plan.json").read_text())["inputs"]}
    assert stored == {"background": "inputs/background.gpkg", "config": "inputs/config.toml"}


def test_plan_json_has_every_key_of_the_contract_and_the_hash_of_every_file(
    tmp_path: Path, problem: PlanningProblem, plan: Plan
) -> None:
    write_plan_files(problem, plan, tmp_path)
    record = json.loads((tmp_path / "plan.json").read_text(encoding="utf-8"))
    assert set(record) >= {
        "status",
        "objective",
        "lower_bound",
        "gap",
        "priced_bound",
        "proof",
        "objective_terms",
        "measures",
        "prices",
        "seed",
        "config",
        "inputs",
        "parent",
        "engine_version",
        "solve_seconds",
        "termination",
        "rounds",
        "notices",
        "conflict",
        "files",
    }
    on_disk = {str(p.relative_to(tmp_path)) for p in tmp_path.rglob("*") if p.is_file()} - {"plan.json"}
    assert set(record["files"]) == on_disk
    assert record["inputs"] == [
        {
            "role": "accounts",
            "path": "../data/accounts.csv",
            "sha256": "ab" * 32,
            "rows": 3,
            "stored": "inputs/accounts.parquet",
        }
    ]


def test_the_tables_are_the_same_bytes_each_time(tmp_path: Path, problem: PlanningProblem, plan: Plan) -> None:
    for run in ("one", "two"):
        (tmp_path / run).mkdir()
        write_plan_files(problem, plan, tmp_path / run)
    for name in ("assignments.csv", "territories.csv", "inputs/accounts.parquet", "inputs/reps.parquet"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()
    assert (tmp_path / "one" / "assignments.csv").read_text(encoding="utf-8") == (
        "account_id,territory_id,rep_id,travel,previous_rep_id,moved,reason\n"
        "007,R1,R1,0.1,,true,near\n"
        '"A,1",=R2,=R2,,=R2,false,\'=HYPERLINK(1)\n'
        "NA,R1,R1,1e-300,R1,true,\n"
    )


def test_a_reason_stays_on_one_line(tmp_path: Path, problem: PlanningProblem) -> None:
    plan = a_plan(problem, [1.0, 2.0, 3.0], ["a\r\nb", "c\rd", "e\nf"], ["R1", "R1", "R1"])
    write_plan_files(problem, plan, tmp_path)
    _, read = read_plan(tmp_path)
    assert list(read.assignments["reason"]) == ["a b", "c d", "e f"]


def test_a_column_of_mixed_values_is_stored_as_text(tmp_path: Path, problem: PlanningProblem, plan: Plan) -> None:
    mixed = problem.accounts.assign(note=pd.Series([1, "two", None], index=problem.accounts.index, dtype=object))
    write_plan_files(PlanningProblem(problem.config, mixed, problem.reps), plan, tmp_path)
    assert list(read_plan(tmp_path)[0].accounts["note"]) == ["1", "two", ""]


def test_an_infeasible_plan_has_its_conflict_and_inputs_but_no_assignments(
    tmp_path: Path, problem: PlanningProblem
) -> None:
    plan = Plan.from_dict(
        {
            **dict.fromkeys(("objective", "lower_bound", "gap", "priced_bound", "parent")),
            "status": "infeasible",
            "objective_terms": {},
            "measures": {},
            "prices": {"revenue": {"R1": {"upper": 1.0}}},
            "proof": {"kind": "prices"},
            "termination": "infeasible",
            "rounds": 0,
            "solve_seconds": 0.5,
            "seed": 0,
            "conflict": {"rules": ["too much"], "relaxations": [], "accounts": ["007"], "certificate": 2.5},
            "notices": [],
        }
    )
    write_plan_files(problem, plan, tmp_path)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["inputs", "plan.json"]
    _, read = read_plan(tmp_path)
    same_plan(plan, read)
    assert read.assignments.empty


@pytest.mark.parametrize(
    "name", ["assignments.csv", "territories.csv", "inputs/accounts.parquet", "inputs/reps.parquet"]
)
def test_a_missing_or_edited_file_is_named(tmp_path: Path, problem: PlanningProblem, plan: Plan, name: str) -> None:
    write_plan_files(problem, plan, tmp_path)
    content = (tmp_path / name).read_bytes()
    (tmp_path / name).write_bytes(content + b" ")
    with pytest.raises(PlanDirectoryError, match=f"{name}: changed since the plan was written.*Remedy"):
        read_plan(tmp_path)
    (tmp_path / name).unlink()
    with pytest.raises(PlanDirectoryError, match=f"{name}: missing"):
        read_plan(tmp_path)
    (tmp_path / name).write_bytes(content)
    record = json.loads((tmp_path / "plan.json").read_text(encoding="utf-8"))
    del record["files"][name]
    (tmp_path / "plan.json").write_text(json.dumps(record), encoding="utf-8")
    with pytest.raises(PlanDirectoryError, match=f"{name}: no SHA-256"):
        read_plan(tmp_path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "no plan.json"),
        ("{not json", "not readable as JSON"),
        ("[]", "allowed: a JSON object"),
        ("{}", "key 'files' is missing"),
        ('{"files": {"../x": ""}, "status": "feasible"}', "lies outside"),
    ],
)
def test_what_is_no_plan_directory_is_said_to_be_none(tmp_path: Path, content: str | None, message: str) -> None:
    if content is not None:
        (tmp_path / "plan.json").write_text(content, encoding="utf-8")
    with pytest.raises(PlanDirectoryError, match=message):
        read_plan(tmp_path)


@pytest.mark.parametrize(
    ("key", "value"), [("config", {}), ("config", {"data": 3}), ("inputs", [{}]), ("measures", 4), ("notices", None)]
)
def test_a_broken_record_is_an_error_and_not_a_stack_trace(
    tmp_path: Path, problem: PlanningProblem, plan: Plan, key: str, value: object
) -> None:
    write_plan_files(problem, plan, tmp_path)
    record = json.loads((tmp_path / "plan.json").read_text(encoding="utf-8"))
    (tmp_path / "plan.json").write_text(json.dumps(record | {key: value}), encoding="utf-8")
    with pytest.raises(PlanDirectoryError):
        read_plan(tmp_path)


def test_a_folder_that_cannot_be_written_is_an_error_with_its_name(
    tmp_path: Path, problem: PlanningProblem, plan: Plan
) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(PlanDirectoryError, match="file: the plan cannot be written"):
        write_plan_files(problem, plan, tmp_path / "file")


# Publishing ---------------------------------------------------------------------------------------------------------


def write_marker(folder: Path, text: str) -> None:
    (folder / "plan.json").write_text(text, encoding="utf-8")
    (folder / "inputs").mkdir()
    (folder / "inputs" / "data").write_text(text, encoding="utf-8")


def published(out: Path) -> str:
    return (out / "plan.json").read_text(encoding="utf-8")


@pytest.fixture(params=["one step", "two renames"])
def renaming(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Both ways into place: Linux's, and the one for systems without it."""
    if request.param == "two renames":
        monkeypatch.setattr(publishing_module, "_renameat2", lambda *_: False)
    return str(request.param)


@pytest.mark.usefixtures("renaming")
def test_a_directory_appears_when_the_block_ends_and_nothing_else_is_left(tmp_path: Path) -> None:
    out = tmp_path / "plans" / "2027"
    with publishing(out) as temporary:
        assert temporary.parent == out.parent
        assert not out.exists()
        write_marker(temporary, "first")
    assert published(out) == "first"
    assert [p.name for p in out.parent.iterdir()] == ["2027"]


def test_a_published_directory_has_the_permissions_of_any_new_folder(tmp_path: Path) -> None:
    (tmp_path / "ordinary").mkdir()
    with publishing(tmp_path / "out"):
        pass
    assert (tmp_path / "out").stat().st_mode == (tmp_path / "ordinary").stat().st_mode


@pytest.mark.usefixtures("renaming")
@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, RuntimeError])
@pytest.mark.parametrize("existing", [False, True])
def test_an_interrupted_writer_leaves_everything_as_it_was(
    tmp_path: Path, error: type[BaseException], existing: bool
) -> None:
    out = tmp_path / "new parent" / "out"
    if existing:
        out.mkdir(parents=True)
        write_marker(out, "old")

    def write_half(folder: Path) -> None:
        write_marker(folder, "half")
        raise error

    with pytest.raises(error), publishing(out, replace=True) as temporary:
        write_half(temporary)
    if existing:
        assert published(out) == "old"
        assert [p.name for p in out.parent.iterdir()] == ["out"]
    else:
        assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("renaming")
def test_replace_swaps_the_old_directory_for_the_new_one(tmp_path: Path) -> None:
    out = tmp_path / "out"
    for content in ("first", "second"):
        with publishing(out, replace=True) as temporary:
            write_marker(temporary, content)
            assert not out.exists() or published(out) == "first"
        assert published(out) == content
    assert [p.name for p in tmp_path.iterdir()] == ["out"]


def test_an_existing_directory_is_refused_before_anything_is_done(tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    with pytest.raises(PlanDirectoryError, match=r"exists already.*--replace"), publishing(out):
        pytest.fail("the block must not run")
    assert list(tmp_path.iterdir()) == [out]


def test_an_empty_directory_may_be_replaced(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    with publishing(tmp_path / "out", replace=True) as temporary:
        write_marker(temporary, "new")
    assert published(tmp_path / "out") == "new"


def test_a_folder_that_holds_something_else_is_never_replaced(tmp_path: Path) -> None:
    (tmp_path / "thesis.docx").write_text("years of work", encoding="utf-8")
    with pytest.raises(PlanDirectoryError, match="no plan directory"), publishing(tmp_path, replace=True):
        pytest.fail("the block must not run")
    assert (tmp_path / "thesis.docx").exists()


def test_a_folder_that_fills_up_meanwhile_is_not_replaced(tmp_path: Path) -> None:
    out = tmp_path / "out"

    def write_mine_while_they_write_theirs(folder: Path) -> None:
        write_marker(folder, "mine")
        out.mkdir()
        (out / "theirs").write_text("", encoding="utf-8")

    with pytest.raises(PlanDirectoryError, match="exists already"), publishing(out) as temporary:
        write_mine_while_they_write_theirs(temporary)
    assert [p.name for p in tmp_path.iterdir()] == ["out"]
    assert [p.name for p in out.iterdir()] == ["theirs"]


@pytest.mark.parametrize("replace", [False, True])
def test_a_symbolic_link_is_never_followed(tmp_path: Path, replace: bool) -> None:
    (tmp_path / "real").mkdir()
    write_marker(tmp_path / "real", "real")
    (tmp_path / "link").symlink_to(tmp_path / "real")
    (tmp_path / "dangling").symlink_to(tmp_path / "nowhere")
    for name in ("link", "dangling"):
        with pytest.raises(PlanDirectoryError, match="symbolic link"):
            check_destination(tmp_path / name, replace=replace)
    assert published(tmp_path / "real") == "real"


def test_a_link_inside_the_old_plan_is_deleted_and_not_what_it_points_to(tmp_path: Path) -> None:
    (tmp_path / "precious").mkdir()
    write_marker(tmp_path / "precious", "kept")
    out = tmp_path / "out"
    out.mkdir()
    write_marker(out, "old")
    (out / "map.html").symlink_to(tmp_path / "precious")
    with publishing(out, replace=True) as temporary:
        write_marker(temporary, "new")
    assert published(tmp_path / "precious") == "kept"
    assert published(out) == "new"


@pytest.mark.parametrize("replace", [False, True])
def test_a_file_is_never_replaced_nor_used_as_a_folder(tmp_path: Path, replace: bool) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(PlanDirectoryError, match="a file with this name"):
        check_destination(tmp_path / "file", replace=replace)
    with pytest.raises(PlanDirectoryError, match="is not a folder"):
        check_destination(tmp_path / "file" / "out", replace=replace)
    with pytest.raises(PlanDirectoryError, match="not a name"):
        check_destination(tmp_path / "out" / "..", replace=replace)


def test_a_second_rename_that_fails_brings_the_old_plan_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(publishing_module, "_renameat2", lambda *_: False)
    out = tmp_path / "out"
    out.mkdir()
    write_marker(out, "old")
    rename = Path.rename

    def refuse_partial(self: Path, target: Path) -> Path:
        if self.name.endswith(".partial"):
            raise OSError(28, os.strerror(28))
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", refuse_partial)
    with pytest.raises(PlanDirectoryError, match="cannot be moved into place"), publishing(out, replace=True) as new:
        write_marker(new, "new")
    assert published(out) == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["out"]


def test_an_old_plan_that_cannot_be_deleted_is_told_and_the_new_one_stands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: Path) -> None:
        raise PermissionError(13, os.strerror(13))

    out = tmp_path / "out"
    out.mkdir()
    write_marker(out, "old")
    monkeypatch.setattr(publishing_module.shutil, "rmtree", refuse)
    with pytest.warns(UserWarning, match="safe to delete by hand"), publishing(out, replace=True) as temporary:
        write_marker(temporary, "new")
    assert published(out) == "new"


@settings(max_examples=20, deadline=None)
@given(name=st.text(alphabet=string.ascii_letters + " .é-", min_size=1, max_size=12).filter(lambda n: n.strip(". ")))
def test_any_ordinary_name_can_be_published_to(tmp_path_factory: pytest.TempPathFactory, name: str) -> None:
    parent = tmp_path_factory.mktemp("names")
    with publishing(parent / name) as temporary:
        write_marker(temporary, name)
    assert published(parent / name) == name


# Units ----------------------------------------------------------------------------------------------------------------


def with_units(
    problem: PlanningProblem, kind: LayerKind, table: dict[str, object], axes: str = "haversine"
) -> PlanningProblem:
    ids = pd.Index(["01001", "1e3", "é", "NA"], dtype=str, name="unit_id")
    shapes = [
        box(0, 0, 1 / 3, 1),
        MultiPolygon([box(1 / 3, 0, 1, 1), box(5, 0, 6, 1)]),
        box(1, 0, 2, 1),
        box(9, 9, 9.1, 10),
    ]
    geometry = None if kind == "pairs" else gpd.GeoSeries(shapes, index=ids, crs=4326)
    joined = joined_frame(ids, np.array([[0, 3]]), np.array([0.1 + 0.2 if axes == "haversine" else np.nan]))
    places = np.array([[0.1, 0.2], [1 / 3, -180.0], [5e-324, 2.0], [1.0, 1e300]])
    pairs = np.array([[0, 1], [0, 3], [1, 2]])
    layer = UnitLayer(ids, pairs, joined, np.array([3, 0, 3]), places, geometry, kind)
    config = problem.config.model_dump()
    config["contiguity"], config["travel"]["metric"] = table, axes
    sources = (*problem.sources, Source("units" if geometry is not None else "adjacency", "u", "cd" * 32, 4))
    return PlanningProblem(Config.model_validate(config), problem.accounts, problem.reps, sources=sources, units=layer)


KINDS: list[tuple[LayerKind, dict[str, object], str]] = [
    ("polygons", {"units": "u.gpkg", "unit_id": "fips"}, "haversine"),
    ("polygons", {"units": "u.gpkg", "unit_id": "fips"}, "euclidean"),
    ("pairs", {"adjacency": "p.csv"}, "euclidean"),
    ("cells", {}, "haversine"),
]


@pytest.mark.parametrize(("kind", "table", "metric"), KINDS)
def test_units_come_back_as_they_were_written(
    tmp_path: Path, problem: PlanningProblem, plan: Plan, kind: LayerKind, table: dict[str, object], metric: str
) -> None:
    written = with_units(problem, kind, table, metric)
    write_plan_files(written, plan, tmp_path)
    read, _ = read_plan(tmp_path)
    mine, theirs = written.units, read.units
    assert mine is not None
    assert theirs is not None
    same_problem(written, read)
    assert (theirs.kind, theirs.ids.tolist(), theirs.ids.name) == (kind, mine.ids.tolist(), "unit_id")
    for a, b in ((mine.pairs, theirs.pairs), (mine.unit_of, theirs.unit_of), (mine.places, theirs.places)):
        assert a.dtype == b.dtype
        np.testing.assert_array_equal(a, b)
    pd.testing.assert_frame_equal(mine.joined, theirs.joined, check_exact=True)
    if mine.geometry is None or theirs.geometry is None:
        assert mine.geometry is theirs.geometry
    else:
        assert mine.geometry.crs == theirs.geometry.crs
        assert mine.geometry.to_wkb().tolist() == theirs.geometry.to_wkb().tolist()
        assert theirs.geometry.index.equals(theirs.ids)


def test_the_record_says_where_the_units_are_and_hashes_them(
    tmp_path: Path, problem: PlanningProblem, plan: Plan
) -> None:
    for kind, table, metric in KINDS[1:3]:
        folder = tmp_path / kind
        write_plan_files(with_units(problem, kind, table, metric), plan, folder)
        record = json.loads((folder / "plan.json").read_text(encoding="utf-8"))
        stored = {entry["role"]: entry["stored"] for entry in record["inputs"]}
        units = "inputs/units.gpkg" if kind == "polygons" else "inputs/units.parquet"
        assert stored["units" if kind == "polygons" else "adjacency"] == (
            units if kind == "polygons" else "inputs/unit_pairs.parquet"
        )
        assert {units, "inputs/unit_pairs.parquet", "inputs/unit_members.parquet"} <= set(record["files"])
        (folder / "inputs" / "unit_members.parquet").unlink()
        with pytest.raises(PlanDirectoryError, match=r"unit_members\.parquet: missing"):
            read_plan(folder)


def test_units_that_are_not_recorded_are_missed(tmp_path: Path, problem: PlanningProblem, plan: Plan) -> None:
    write_plan_files(with_units(problem, "cells", {}), plan, tmp_path)
    path = tmp_path / "plan.json"
    record = json.loads(path.read_text(encoding="utf-8"))
    del record["files"]["inputs/units.gpkg"]
    path.write_text(json.dumps(record), encoding="utf-8")
    with pytest.raises(PlanDirectoryError, match=r"inputs/units\.gpkg: no SHA-256"):
        read_plan(tmp_path)


def test_a_problem_without_reps_comes_back(tmp_path: Path, problem: PlanningProblem, plan: Plan) -> None:
    config = Config.model_validate({"data": {"accounts": "a"}, "territories": {"centers": "free", "count": 2}})
    none = pd.DataFrame(index=pd.Index([], dtype=str, name="rep_id"))
    written = PlanningProblem(config, problem.accounts, none)
    write_plan_files(written, plan, tmp_path)
    read, _ = read_plan(tmp_path)
    assert read.territory_ids.tolist() == ["T01", "T02"]
    assert (len(read.reps), read.reps.index.name) == (0, "rep_id")
