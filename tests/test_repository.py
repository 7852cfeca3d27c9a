"""The habits of the repository: what is built, what may import what, and whether the documents say what is true."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel
from pydantic_core import PydanticUndefined
from typer.main import get_command

import territory_engine
from territory_engine.app.cli import app
from territory_engine.config import Config
from territory_engine.config_file import load_config, plan_file
from territory_engine.leads.policy import Policy, load_policy
from territory_engine.leads.reps.roster import REP_COLUMNS

ROOT = Path(__file__).resolve().parent.parent
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
PACKAGES = ["maps", "scenarios", "solvers", "territory_engine"]
DOCUMENTS = [
    path
    for folder in ("", "docs", "docs/decisions", "examples/iowa", "examples/bricks", "benchmarks")
    for path in sorted((ROOT / folder).glob("*.md"))
]


def run(*command: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)


# --- what is built ----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    out = tmp_path_factory.mktemp("wheel")
    built = run(sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(out), ".")
    assert built.returncode == 0, built.stdout + built.stderr
    return zipfile.ZipFile(next(out.glob("*.whl")))


def test_the_wheel_holds_the_four_packages_and_its_metadata_and_nothing_else(wheel: zipfile.ZipFile) -> None:
    top_level = {name.split("/")[0] for name in wheel.namelist()}
    assert top_level == {*PACKAGES, f"territory_engine-{territory_engine.__version__}.dist-info"}


def test_the_wheel_says_that_every_package_is_typed(wheel: zipfile.ZipFile) -> None:
    assert {f"{package}/py.typed" for package in PACKAGES} <= set(wheel.namelist())


def test_the_wheel_holds_every_file_of_the_packages(wheel: zipfile.ZipFile) -> None:
    on_disk = {
        path.relative_to(ROOT).as_posix()
        for package in PACKAGES
        for path in (ROOT / package).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert on_disk - set(wheel.namelist()) == set()
    assert any(name.startswith("maps/templates/") for name in on_disk), "the pages are made from templates"


def test_the_wheel_installs_the_command(wheel: zipfile.ZipFile) -> None:
    entry_points = next(name for name in wheel.namelist() if name.endswith("entry_points.txt"))
    assert "territory-engine = territory_engine.app.cli:main" in wheel.read(entry_points).decode()


def test_the_version_is_the_same_everywhere() -> None:
    assert PYPROJECT["project"]["version"] == territory_engine.__version__


# --- what may import what ---------------------------------------------------------------------------------------------


def test_the_layers_hold() -> None:
    linted = run(str(Path(sys.executable).parent / "lint-imports"), "--no-cache")
    assert linted.returncode == 0, linted.stdout + linted.stderr


def modules_of(package: str) -> set[str]:
    return {
        f"{package}.{path.stem}"
        for path in (ROOT / package).iterdir()
        if (path.suffix == ".py" and path.stem != "__init__") or (path / "__init__.py").is_file()
    }


def listed(contract: dict[str, Any]) -> set[str]:
    names = [name.strip(" ()") for layer in contract["layers"] for name in re.split(r"[|:]", layer)]
    prefix = f"{contract['containers'][0]}." if contract.get("containers") else ""
    return {prefix + name for name in names}


@pytest.mark.parametrize("number", [0, 1])
def test_every_module_of_the_domain_has_its_layer(number: int) -> None:
    contract = [c for c in PYPROJECT["tool"]["importlinter"]["contracts"] if c["type"] == "layers"][number]
    in_domain = {name for name in listed(contract) if name.startswith("territory_engine.")}
    assert in_domain == modules_of("territory_engine")


def test_the_audit_may_import_nothing_that_made_the_plan() -> None:
    contracts = PYPROJECT["tool"]["importlinter"]["contracts"]
    contract = next(
        c for c in contracts if c["type"] == "forbidden" and "territory_engine.auditing" in c["source_modules"]
    )
    auditing = {name for name in modules_of("territory_engine") if name.startswith("territory_engine.auditing")}
    assert set(contract["source_modules"]) == auditing
    assert {"solvers", "territory_engine.planner", "territory_engine.problem"} <= set(contract["forbidden_modules"])


def test_the_command_line_imports_nothing_heavy_until_a_command_runs() -> None:
    heavy = [
        "pandas",
        "numpy",
        "ortools",
        "geopandas",
        "folium",
        "numba",
        "scipy",
        "rich.live",
        "fastapi",
        "uvicorn",
        "limits",
    ]
    code = f"import sys, territory_engine.app.cli; print([m for m in {heavy} if m in sys.modules])"
    assert run(sys.executable, "-c", code).stdout.strip() == "[]"


# --- what may be skipped ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("marker", "promised", "outcome"),
    [
        ("browser", "chromium", "1 failed"),
        ("browser", "", "1 skipped"),
        ("browser", "postgresql", "1 skipped"),
        ("postgresql", "chromium,postgresql", "1 failed"),
    ],
)
def test_a_skip_for_want_of_a_promised_component_is_a_failure(
    tmp_path: Path, marker: str, promised: str, outcome: str
) -> None:
    (tmp_path / "conftest.py").write_text((ROOT / "tests" / "conftest.py").read_text())
    (tmp_path / "pytest.ini").write_text(f"[pytest]\nmarkers = {marker}: needs it\n")
    (tmp_path / "test_page.py").write_text(
        f"import pytest\n@pytest.mark.{marker}\ndef test_page():\n    pytest.skip('it is not there')\n"
    )
    environment = {**os.environ, "TERRITORY_ENGINE_REQUIRE": promised}
    command = [sys.executable, "-m", "pytest", "-p", "no:xdist", "-p", "no:cacheprovider", str(tmp_path)]
    result = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert outcome in result.stdout, result.stdout + result.stderr


# --- what the source says ---------------------------------------------------------------------------------------------

SOURCES = [path for package in [*PACKAGES, "tests", "benchmarks"] for path in sorted((ROOT / package).rglob("*.py"))]


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_every_exception_to_a_rule_carries_its_reason(path: Path) -> None:
    bare = re.compile(r"#\s*(noqa(:\s*[A-Z0-9, ]+)?|type:\s*ignore(\[[\w, -]+\])?)\s*$")
    unfinished = re.compile(r"\b(TO[D]O|FIX[M]E)\b")
    lines = path.read_text().splitlines()
    assert [line for line in lines if bare.search(line)] == []
    assert [line for line in lines if unfinished.search(line)] == []


def test_no_module_is_named_after_nothing() -> None:
    vague = {"utils", "util", "helpers", "helper", "manager", "common", "misc"}
    assert [path for path in SOURCES if path.stem in vague] == []


# --- whether the documents say what is true ---------------------------------------------------------------------------


def tables_by_heading(document: Path) -> dict[str, dict[str, list[str]]]:
    """Return heading → first cell → the other cells, for every table of a document."""
    found: dict[str, dict[str, list[str]]] = {}
    heading = ""
    for line in document.read_text().splitlines():
        if line.startswith("#"):
            heading = line.lstrip("# ").strip("`")
        elif line.startswith("| `"):
            first, *others = (cell.strip() for cell in line.strip("|").split(" | "))
            found.setdefault(heading, {})[first.strip(" `")] = others
    return found


def sections_of(root: type[BaseModel]) -> dict[str, type[BaseModel]]:
    """Return every table of a file by its heading in the documents."""
    sections: dict[str, type[BaseModel]] = {}

    def collect(model: type[BaseModel], prefix: str) -> None:
        for key, field in model.model_fields.items():
            inside = [m for m in models_in(field.annotation) if issubclass(m, BaseModel)]
            for section in inside:
                name = f"{prefix}{key}"
                repeated = "tuple[" in str(field.annotation)
                sections[f"[[{name}]]" if repeated else f"[{name}]"] = section
                collect(section, f"{name}.")

    collect(root, "")
    return sections


def models_in(annotation: Any) -> list[type[Any]]:
    parts = getattr(annotation, "__args__", ())
    return (
        [annotation] if not parts and isinstance(annotation, type) else [m for part in parts for m in models_in(part)]
    )


def default_as_documented(model: type[BaseModel], key: str) -> str:
    default = model.model_fields[key].default
    if default is PydanticUndefined:
        return "*required*"
    if default is None:
        return "*none*"
    if isinstance(default, str):
        return f'`"{default}"`'
    return "`{}`" if isinstance(default, BaseModel | dict) else f"`{default}`"


CONFIGURATION = ROOT / "docs" / "configuration.md"
EXPLANATIONS = ROOT / "docs" / "lead-explanations.md"
POLICY = ROOT / "docs" / "routing-policy.md"
TOP, COLUMNS = "Top of the file", "Columns of the reps file"


@pytest.mark.parametrize(
    ("document", "section", "model"),
    [
        *((CONFIGURATION, section, model) for section, model in sections_of(Config).items()),
        *((POLICY, section, model) for section, model in sections_of(Policy).items()),
        (POLICY, TOP, Policy),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_every_key_of_a_file_is_documented_with_its_default(
    document: Path, section: str, model: type[BaseModel]
) -> None:
    documented = tables_by_heading(document)[section]
    tables = [heading.strip("[]") for heading in sections_of(Policy)] if section == TOP else []
    assert {key: cells[0] for key, cells in documented.items()} == {
        key: default_as_documented(model, key) for key in model.model_fields if key not in tables
    }


def test_no_table_of_a_file_is_documented_that_does_not_exist() -> None:
    assert set(tables_by_heading(CONFIGURATION)) == set(sections_of(Config))
    assert set(tables_by_heading(POLICY)) == {*sections_of(Policy), TOP, COLUMNS}


def test_every_column_of_the_reps_that_routing_reads_is_documented() -> None:
    assert tuple(tables_by_heading(POLICY)[COLUMNS]) == REP_COLUMNS


def snippets(document: Path, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", document.read_text(), flags=re.DOTALL | re.MULTILINE)


@pytest.mark.parametrize(
    "snippet", [s for document in DOCUMENTS for s in snippets(document, "toml")], ids=lambda s: s.splitlines()[0]
)
def test_every_configuration_in_the_documents_is_valid(snippet: str, tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    if any(snippet in snippets(page, "toml") for page in (POLICY, EXPLANATIONS)):
        path.write_text(snippet, encoding="utf-8")
        assert load_policy(path)
        return
    smallest = '[data]\naccounts = "accounts.csv"\nreps = "reps.csv"\n'
    if re.search(r"^base = ", snippet, flags=re.MULTILINE):
        path.write_text(smallest)
        path = tmp_path / "scenarios.toml"
        path.write_text(snippet, encoding="utf-8")
        assert load_config(plan_file(path))
        return
    path.write_text(("" if "[data]" in snippet else smallest) + snippet, encoding="utf-8")
    assert load_config(path)


@pytest.mark.parametrize(
    "snippet", [s for document in DOCUMENTS for s in snippets(document, "python")], ids=lambda s: s.splitlines()[0]
)
def test_every_name_imported_in_the_documents_exists(snippet: str) -> None:
    for node in ast.walk(ast.parse(snippet)):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] in PACKAGES:
            module = __import__(node.module, fromlist=["_"])
            assert [alias.name for alias in node.names if not hasattr(module, alias.name)] == []
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "te":
            assert node.attr in territory_engine.__all__


def test_everything_the_package_exports_is_documented() -> None:
    rows = tables_by_heading(ROOT / "docs" / "python-api.md")["Python API"]
    assert {re.split(r"\W", name)[0] for name in rows} == set(territory_engine.__all__)


def commands_and_options() -> dict[str, set[str]]:
    """Return every command with its options; commands of a group are called by both words."""
    found: dict[str, set[str]] = {}

    def collect(group: Any, prefix: str) -> None:
        for name, command in group.commands.items():
            if hasattr(command, "commands"):
                collect(command, f"{prefix}{name} ")
            else:
                options = {o for parameter in command.params for o in parameter.opts if o.startswith("--")}
                found[f"{prefix}{name}"] = options

    collect(get_command(app), "")
    return found


def test_every_command_in_the_documents_exists_with_its_options() -> None:
    known = commands_and_options()
    for document in DOCUMENTS:
        for line in re.findall(r"territory-engine ([a-z][^`\n#|]*)", document.read_text()):
            words = line.split()
            name = next((n for n in (" ".join(words[:2]), words[0]) if n in known), None)
            if name is not None:
                given = {word for word in words if word.startswith("--")}
                assert given <= known[name] | {"--help"}, f"{document}: {line}"
            elif words != ["scenarios"]:  # the group's own name
                pytest.fail(f"{document.name} speaks of `territory-engine {line}`, which does not exist")


def test_every_command_and_option_is_documented() -> None:
    documented = (ROOT / "docs" / "commands.md").read_text()
    missing = [
        f"{name} {option}"
        for name, options in commands_and_options().items()
        for option in options
        if option not in documented.split(f"## `territory-engine {name}`")[1].split("\n## ")[0]
    ]
    assert missing == []


def test_every_dependency_has_its_reason_and_every_reason_its_dependency() -> None:
    text = (ROOT / "docs" / "decisions" / "0002-dependencies.md").read_text()
    reasons = set(re.findall(r"^\| ([a-z0-9-]+) \| [0-9]", text, flags=re.MULTILINE))
    assert reasons == {re.split(r"[<>=~!\[ ;]", requirement)[0] for requirement in declared_requirements()}


def declared_requirements() -> list[str]:
    optional = [r for requirements in PYPROJECT["project"]["optional-dependencies"].values() for r in requirements]
    return [*PYPROJECT["project"]["dependencies"], *optional]


def declared_imports() -> set[str]:
    """Return what the packages may import from outside: the standard library, and what pyproject.toml declares."""
    renamed = {
        "charset-normalizer": "charset_normalizer",
        "prometheus-client": "prometheus_client",
        "python-calamine": "python_calamine",
        "xstatic-leaflet": "xstatic",
    }
    names = [re.split(r"[<>=~!\[ ;]", requirement)[0] for requirement in declared_requirements()]
    # Parts of a declared dependency's own interface: folium's elements are branca's, jinja2's safe text is markupsafe's,
    # FastAPI's requests are starlette's, pydantic's JSON reader and custom errors are pydantic_core's.
    parts = {"branca", "markupsafe", "pydantic_core", "starlette"}
    return {*sys.stdlib_module_names, *PACKAGES, *parts, *(renamed.get(name, name) for name in names)}


@pytest.mark.parametrize("package", PACKAGES)
def test_nothing_is_imported_that_is_not_declared(package: str) -> None:
    imported = set()
    for path in (ROOT / package).rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                imported |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
                imported.add(node.module.split(".")[0])
    assert imported <= declared_imports()


def test_every_link_between_documents_leads_somewhere() -> None:
    broken = [
        f"{document.name}: {target}"
        for document in DOCUMENTS
        for target in re.findall(r"\]\((?!https?:|#|mailto:)([^)#]+)", document.read_text())
        if not (document.parent / target).exists()
    ]
    assert broken == []
