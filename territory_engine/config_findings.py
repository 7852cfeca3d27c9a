"""What is wrong with a configuration, in the planner's words: the key, its line, and the name that was meant."""

from __future__ import annotations

import difflib
import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any, get_args

from pydantic import BaseModel, ValidationError

from territory_engine.errors import Finding

if TYPE_CHECKING:
    from collections.abc import Mapping


def syntax_finding(file: str, text: str, message: str) -> Finding:
    """Return the finding for a text that is not TOML, from the parser's message."""
    place = re.search(r"\(at line (\d+), column \d+\)", message)
    row = int(place[1]) if place else max(1, len(text.splitlines()))
    lines = text.splitlines()
    line = lines[row - 1].strip() if 0 < row <= len(lines) else None
    remedy = "correct this line; text stands in double quotes, a table's name in square brackets"
    if line and "\\" in line:
        remedy = "write Windows paths in single quotes, 'C:\\data\\accounts.csv', or with forward slashes"
    elif "overwrite" in message or "twice" in message:
        remedy = "the key or table stands twice: keep one (several balance rules are written [[balance]] each)"
    what = re.sub(r"\s*\(at .*\)$", "", message)
    return Finding(f"is not valid TOML: {what[:1].lower()}{what[1:]}", file=file, row=row, value=line, remedy=remedy)


def lines_of_keys(text: str) -> dict[tuple[str | int, ...], int]:
    """Map each table and key of a TOML text to its 1-based line.

    A light scan, not a parser: a key it cannot see (inside an inline table) is reported at its parent's line.
    """
    lines: dict[tuple[str | int, ...], int] = {}
    table: tuple[str | int, ...] = ()
    arrays: dict[tuple[str | int, ...], int] = {}
    closing = ""
    for number, line in enumerate(text.splitlines(), start=1):
        if closing:
            if closing in line:
                closing = ""
            continue
        if header := re.match(r"\s*(\[\[?)([^\[\]]+)\]", line):
            table = _dotted(header[2])
            if header[1] == "[[":
                arrays[table] = arrays.get(table, -1) + 1
                lines.setdefault(table, number)
                table = (*table, arrays[table])
            # A table that has only tables of its own is where the first of them is.
            for depth in range(1, len(table) + 1):
                lines.setdefault(table[:depth], number)
        elif key := re.match(r"""\s*((?:[\w-]+|"[^"]*"|'[^']*')(?:\s*\.\s*(?:[\w-]+|"[^"]*"|'[^']*'))*)\s*=""", line):
            where = (*table, *_dotted(key[1]))
            for depth in range(len(table) + 1, len(where) + 1):
                lines.setdefault(where[:depth], number)
            for quote in ('"""', "'''"):
                if line.count(quote) == 1:
                    closing = quote
    return lines


def line_of(lines: Mapping[tuple[str | int, ...], int], location: tuple[str | int, ...]) -> int | None:
    """Return the line of a key, or of the nearest table that it is in; None where neither is in the text."""
    return next((lines[location[:n]] for n in range(len(location), 0, -1) if location[:n] in lines), None)


def _dotted(name: str) -> tuple[str, ...]:
    return tuple(part.strip().strip("\"'") for part in re.findall(r"""[^."']+|"[^"]*"|'[^']*'""", name) if part.strip())


def findings_of(
    error: ValidationError, model: type[BaseModel], file: str, text: str, under: tuple[str, ...] = ()
) -> list[Finding]:
    """Translate a model's validation errors, one finding per key, in the order of the file.

    Parameters
    ----------
    error : pydantic.ValidationError
    model : type
        The model of the whole file, or of the table ``under``; its fields are the keys that are allowed.
    file : str
    text : str
        The TOML text, to find the keys' lines; may be empty.
    under : tuple of str
        The table that was validated; the whole file where it is empty.
    """
    lines = lines_of_keys(text)
    found: dict[tuple[str | int, ...], Finding] = {}
    for item in error.errors(include_url=False):
        # pydantic names the branch of a union after the key; the planner's file has no such level.
        location = tuple(part for part in item["loc"] if part not in _UNION_BRANCHES)
        row = line_of(lines, (*under, *location))
        finding = _translate(item, location, model)
        earlier = found.get(location)
        blank = finding.what == _BLANK  # says more than that it is no number either
        if not blank and earlier and earlier.allowed and finding.allowed and earlier.allowed != finding.allowed:
            finding = replace(earlier, allowed=f"{earlier.allowed}, or {finding.allowed}")
        found[location] = replace(finding, file=file, row=row, column=_show((*under, *location)) or None)
    return sorted(found.values(), key=lambda f: f.row or 0)


_BLANK = "is blank"

_UNION_BRANCHES = ("str", "constrained-str", "constrained-float", "float", "constrained-int", "int")


def _translate(item: Any, location: tuple[str | int, ...], model: type[BaseModel]) -> Finding:
    kind, context, value = item["type"], item.get("ctx", {}), item["input"]
    shown: str | None = None
    if not isinstance(value, dict | list | tuple):
        shown = str(value).lower() if isinstance(value, bool) else str(value)
    match kind:
        case "extra_forbidden":
            names = _keys_at(location[:-1], model)
            near = difflib.get_close_matches(str(location[-1]), names, n=1)
            remedy = f"did you mean {near[0]!r}?" if near else "remove it"
            return Finding("is not a key this version knows", allowed=", ".join(names), remedy=remedy)
        case "missing":
            return Finding("is missing", remedy=f"add {location[-1]} = … to {_show(location[:-1]) or 'the file'}")
        case "literal_error":
            allowed = str(context["expected"])
            near = difflib.get_close_matches(str(value), re.findall(r"'([^']*)'", allowed), n=1)
            return Finding(
                "is not one of the choices",
                value=shown,
                allowed=allowed,
                remedy=f"did you mean {near[0]!r}?" if near else None,
            )
        case "greater_than_equal":
            return Finding("is too small", value=shown, allowed=f"at least {context['ge']:g}")
        case "greater_than":
            return Finding("is too small", value=shown, allowed=f"more than {context['gt']:g}")
        case "less_than_equal":
            # Whoever writes 5 where a fraction is asked for means 5 %.
            percent = isinstance(value, int | float) and context["le"] <= 10 and value <= 100
            fraction = f"write a fraction: {value:g} % is {value / 100:g}" if percent else None
            return Finding("is too large", value=shown, allowed=f"at most {context['le']:g}", remedy=fraction)
        case "less_than":
            return Finding("is too large", value=shown, allowed=f"less than {context['lt']:g}")
        case "string_pattern_mismatch" if context["pattern"] == r"\S":
            return Finding(_BLANK, value=shown, allowed="text in quotes", remedy="fill it in, or remove the key")
        case "value_error":
            return Finding(str(context["error"]), value=shown)
        case "tuple_type":
            if isinstance(value, dict):
                remedy = f"write [[{_show(location)}]] with double brackets"
                return Finding("is one table where a list is expected", remedy=remedy)
            return Finding("is not a list", value=shown, allowed='a list, such as ["…", "…"]')
    expected = _TYPE_NAMES.get(kind)
    if expected is None:
        message = str(item["msg"])
        return Finding(f"{message[:1].lower()}{message[1:]}", value=shown)
    hint: str | None = None
    if (isinstance(value, str) and expected.endswith("number") and re.fullmatch(r"[\d.]+", value)) or (
        isinstance(value, str) and kind == "date_type" and re.fullmatch(r"\d{4}-\d\d-\d\d", value)
    ):
        hint = f"write {value} without quotes"
    elif isinstance(value, str) and value.strip().endswith("%"):
        hint = "write a fraction: 10 % is 0.10"
        if location and location[-1] == "factor":
            hint = "write a factor: 10 % more is 1.10, 10 % less 0.90"
    return Finding(f"is not {expected}", value=shown, allowed=expected, remedy=hint)


_TYPE_NAMES = {
    "string_type": "text in quotes",
    "float_type": "a number",
    "float_parsing": "a number",
    "finite_number": "a finite number",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "int_parsing": "a whole number",
    "bool_type": "true or false",
    "model_type": "a table",
    "model_attributes_type": "a table",
    "dict_type": "a table",
    "date_type": "a date such as 2026-07-01, without a time",
}


def _keys_at(location: tuple[str | int, ...], root: type[BaseModel]) -> list[str]:
    """Return the keys that the model at ``location`` has."""
    model: Any = root
    for part in location:
        if isinstance(part, int) or part not in model.model_fields:
            continue  # an entry of a list, or of a table whose keys are names
        model = _models_in(model.model_fields[part].annotation)[0]
    return [field.alias or name for name, field in model.model_fields.items()]


def _models_in(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for part in get_args(annotation) for model in _models_in(part)]


def _show(location: tuple[str | int, ...]) -> str:
    """Return ``balance[2].tolerance`` for ``("balance", 1, "tolerance")``: entries are counted from 1."""
    text = ""
    for part in location:
        text += f"[{part + 1}]" if isinstance(part, int) else f".{part}" if text else part
    return text
