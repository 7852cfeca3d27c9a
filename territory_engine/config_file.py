"""The configuration's file: which one holds the plan's configuration, and what it says."""

from __future__ import annotations

import difflib
import tomllib
from pathlib import Path
from typing import Any

from territory_engine.config import SCENARIO_KEYS, Config, PlanFile, parse_config
from territory_engine.config_findings import lines_of_keys, syntax_finding
from territory_engine.errors import ConfigError, Finding


def load_config(path: str | Path) -> Config:
    """Read and validate a configuration file; every problem is found, each with its key and line.

    Parameters
    ----------
    path : str or Path
        A TOML file, UTF-8. Tables of scenarios in it are left to :mod:`scenarios`.

    Returns
    -------
    Config
        Paths in it stay as written, relative to the file's folder.

    Raises
    ------
    ConfigError
        The file is missing, is not TOML, or says something that is not allowed.
    """
    content, text = read_toml(path)
    plan = {key: value for key, value in content.items() if key not in ("scenario", "forecast")}
    return parse_config(plan, file=Path(path).name, text=text)


def plan_file(path: str | Path) -> Path:
    """Return the file that holds the plan's configuration: the one given, or the one that its ``base`` names.

    Raises
    ------
    ConfigError
        The file cannot be read, ``base`` is not a path, or it stands beside a configuration or leads to another base.
    """
    path = Path(path)
    content, text = read_toml(path)
    if "base" not in content:
        return path
    lines = lines_of_keys(text)
    row, base = lines.get(("base",)), content["base"]
    findings = [_unknown_key(key, path.name, lines) for key in content if key not in PlanFile.model_fields]
    beside = [key for key in content if key in Config.model_fields]
    if not isinstance(base, str) or not base.strip():
        shown = str(base).lower() if isinstance(base, bool) else str(base)
        remedy = 'write base = "config.toml"'
        what = "is not the path of a configuration"
        findings.append(Finding(what, path.name, row, "base", shown, "a path in quotes", remedy))
    elif beside:
        what = f"stands beside {', '.join(beside)}: the plan is either in this file or in the base's"
        remedy = "move them into the base's own file, or remove base"
        findings.append(Finding(what, path.name, row, "base", base, ", ".join(SCENARIO_KEYS), remedy))
    if findings:
        raise ConfigError(findings)
    target = path.parent / str(base)
    if "base" in read_toml(target)[0]:
        remedy = "name the file with the plan itself, or inherit between scenarios of one file"
        raise ConfigError(Finding("names a file that has a base itself", path.name, row, "base", base, None, remedy))
    return target


def read_toml(path: str | Path) -> tuple[dict[str, Any], str]:
    """Return what a TOML file says, and its text.

    Raises
    ------
    ConfigError
        The file is missing or is not TOML.
    """
    path = Path(path)
    text = _read_text(path)
    try:
        return tomllib.loads(text), text
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(syntax_finding(path.name, text, str(error))) from None


def _unknown_key(key: str, file: str, lines: dict[tuple[str | int, ...], int]) -> Finding:
    near = difflib.get_close_matches(key, SCENARIO_KEYS, n=1)
    remedy = f"did you mean {near[0]!r}?" if near else "remove it"
    what = "is not a key this version knows"
    return Finding(what, file, lines.get((key,)), key, allowed=", ".join(SCENARIO_KEYS), remedy=remedy)


def _read_text(path: Path) -> str:
    """Return the file's text; a byte-order mark, which Windows editors add, is not part of it."""
    try:
        return path.read_bytes().decode("utf-8-sig")
    except FileNotFoundError:
        siblings = sorted(p.name for p in path.parent.glob("*.toml")) if path.parent.is_dir() else []
        near = difflib.get_close_matches(path.name, siblings, n=1)
        remedy = (
            f"did you mean {near[0]!r}?" if near else "check the path, or write one: the README shows a short example"
        )
        raise ConfigError(Finding("no such configuration file", file=str(path), remedy=remedy)) from None
    except IsADirectoryError:
        remedy = f"name the TOML file in it, such as {str(path / 'config.toml')!r}"
        raise ConfigError(Finding("is a folder, not a configuration file", file=str(path), remedy=remedy)) from None
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        finding = Finding(
            "is not UTF-8 text",
            file=path.name,
            row=line,
            value=repr(error.object[error.start : error.start + 1]),
            allowed="TOML, saved as UTF-8",
            remedy="save the file again as UTF-8",
        )
        raise ConfigError(finding) from None
    except OSError as error:
        raise ConfigError(Finding(f"cannot be read: {error.strerror}", file=str(path))) from None
