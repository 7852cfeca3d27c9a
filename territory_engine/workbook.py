"""``plan.xlsx``: the plan for those who live in a spreadsheet."""

from __future__ import annotations

import datetime
import math
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
import xlsxwriter

from territory_engine import __version__
from territory_engine.wording import (
    distance_unit,
    measure_label,
    objective_unit,
    price_conditions,
    price_list,
    proof_sentence,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from territory_engine.plan import Plan
    from territory_engine.problem import PlanningProblem

# What XML cannot hold; a spreadsheet would call the whole file damaged.
_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff\ud800-\udfff]")
_LONGEST_TEXT = 32_767
_MOST_ROWS = 1_048_575  # a worksheet's 1,048,576 less the header
# A fixed date, so that the same plan gives the same file.
_CREATED = datetime.datetime(2020, 1, 1)  # noqa: DTZ001 - the file format has no time zone
_OPTIONS = {
    "constant_memory": True,
    "strings_to_formulas": False,
    "strings_to_urls": False,
    "strings_to_numbers": False,
    "nan_inf_to_errors": False,
}


def write_workbook(
    problem: PlanningProblem, plan: Plan, path: Path | str, *, moves: pd.DataFrame | None = None
) -> None:
    """Write a plan as an Excel workbook: Summary, Territories, Assignments, Moves, Rules & prices, Notes.

    Text is always text: an account named ``=1+1`` is no formula and a web address no link. Numbers that are not known
    are empty cells. The same plan gives the same bytes.

    Parameters
    ----------
    problem : PlanningProblem
    plan : Plan
        Territories and assignments are empty when it is infeasible; the conflict is in Notes.
    path : path-like
    moves : DataFrame, optional
        The move list, as ``scenarios.move_list.ordered_moves`` returns it; no sheet of moves without it.

    Raises
    ------
    ValueError
        There are more accounts than a worksheet has rows (1,048,575 below the header).
    """
    if len(problem.accounts) > _MOST_ROWS:
        raise ValueError(
            f"{len(problem.accounts):,} accounts do not fit on a worksheet; allowed: {_MOST_ROWS:,}. "
            "Remedy: use assignments.csv, which has no limit"
        )
    book = xlsxwriter.Workbook(str(path), _OPTIONS)
    book.set_properties({"title": "Territory plan", "created": _CREATED, "comments": f"Territory Engine {__version__}"})
    sheets = _Sheets(book)
    sheets.write("Summary", _summary(problem, plan), filtered=False)
    sheets.write("Territories", _territories(problem, plan))
    sheets.write("Assignments", _assignments(problem, plan))
    if moves is not None:
        sheets.write("Moves", _moves(problem, moves))
    sheets.write("Rules & prices", _prices(problem, plan))
    sheets.write("Notes", _notes(problem, plan), filtered=False)
    book.close()


@dataclass(frozen=True)
class _Column:
    """One column of a sheet: text, or numbers in one of the formats of :class:`_Sheets`, or a pair of both."""

    title: str
    kind: str
    width: float
    values: Sequence[Any]


class _Sheets:
    """Sheets with a frozen, filtered header; rows are written once, top to bottom, and not kept in memory."""

    def __init__(self, book: Any) -> None:
        self.book = book
        self.head = book.add_format(
            {"bold": True, "bg_color": "#E4EFFA", "bottom": 1, "text_wrap": True, "valign": "top"}
        )
        self.wrap = book.add_format({"text_wrap": True, "valign": "top"})
        self.formats = {
            "integer": book.add_format({"num_format": "#,##0", "align": "right"}),
            "decimal": book.add_format({"num_format": "#,##0.00"}),
            "price": book.add_format({"num_format": "#,##0.0000####"}),
            "percent": book.add_format({"num_format": "+0.0%;-0.0%;0.0%"}),
            "gap": book.add_format({"num_format": "0.0000%"}),
        }

    def write(self, name: str, columns: Sequence[_Column], *, filtered: bool = True) -> None:
        """Write one sheet; empty texts and unknown numbers become empty cells."""
        sheet = self.book.add_worksheet(name)
        sheet.freeze_panes(1, 1 if filtered else 0)
        for place, column in enumerate(columns):
            sheet.set_column(place, place, column.width)
            sheet.write_string(0, place, _clean([column.title])[0], self.head)
        texts = None if filtered else self.wrap
        # Decided once per column, not per cell: this loop is most of the time a large workbook takes.
        parts: list[tuple[int, bool, Any, Sequence[Any]]] = [
            (
                place,
                c.kind == "text",
                self.formats.get(c.kind, texts),
                _clean(c.values) if c.kind == "text" else c.values,
            )
            for place, c in enumerate(columns)
        ]
        n_rows = len(columns[0].values)
        for i in range(n_rows):
            for place, is_text, style, values in parts:
                value = values[i]
                if is_text:
                    if value:
                        sheet.write_string(i + 1, place, value, style)
                elif isinstance(value, tuple):
                    self._write_mixed(sheet, i + 1, place, *value)
                elif value is not None and math.isfinite(value):
                    sheet.write_number(i + 1, place, value, style)
        if filtered:
            sheet.autofilter(0, 0, max(1, n_rows), len(columns) - 1)

    def _write_mixed(self, sheet: Any, row: int, place: int, kind: str, value: Any) -> None:
        if kind == "text":
            sheet.write_string(row, place, _clean([str(value)])[0], self.wrap)
        elif value is not None and math.isfinite(value):
            sheet.write_number(row, place, value, self.formats[kind])


def _summary(problem: PlanningProblem, plan: Plan) -> list[_Column]:
    unit = objective_unit(problem)
    rows: list[tuple[str, str, Any]] = [
        ("Status", "text", plan.status),
        ("Proof", "text", proof_sentence(problem, plan).replace("`", "")),
        ("Accounts", "integer", len(problem.accounts)),
        ("Territories", "integer", len(plan.territories)),
        (f"Objective, {unit}", "decimal", plan.objective),
        (f"Lower bound, {unit}", "decimal", plan.lower_bound),
        ("Gap", "gap", plan.gap),
    ]
    rows += [(f"Of which {term}", "decimal", value) for term, value in plan.objective_terms.items()]
    for measure, facts in plan.measures.items():
        label = measure_label(measure)
        rows.append((f"Total {label}", "decimal", facts.get("total")))
        rows.append((f"Furthest off target, {label}", "percent", facts.get("max_deviation")))
    if len(plan.assignments) and (plan.assignments["previous_rep_id"] != "").any():
        rows += _what_changes_hands(plan)
    rows += [("Search ended by", "text", plan.termination.replace("_", " ")), ("Seed", "integer", plan.seed)]
    return [
        _Column("What", "text", 34.0, [what for what, _, _ in rows]),
        _Column("Value", "mixed", 90.0, [(kind, value) for _, kind, value in rows]),
    ]


def _what_changes_hands(plan: Plan) -> list[tuple[str, str, Any]]:
    """Return how much changes hands, and how much may."""
    rows: list[tuple[str, str, Any]] = [("Accounts that change hands", "integer", int(plan.assignments["moved"].sum()))]
    told = plan.disruption
    if told is not None and told["total"] > 0:
        label = measure_label(told["measure"])
        rows.append((f"Of {label} with a rep today", "percent", told["moved_fraction"]))
        if told["counted"] > told["moved"]:
            rows.append(("With protection", "percent", told["counted"] / told["total"]))
        if told["limit"] is not None:
            rows.append(("At most", "percent", told["limit"] / told["total"]))
    if told is not None:
        rows.append(("Accounts without a rep today", "integer", told["accounts_assigned"]))
    return rows


def _territories(problem: PlanningProblem, plan: Plan) -> list[_Column]:
    frame = plan.territories
    rep_ids = _strings(frame["rep_id"])
    place = problem.territory_ids.get_indexer(frame.index)
    unknown = pd.Series(math.nan, index=frame.index)
    columns = [
        _Column("Territory", "text", 14.0, _strings(frame.index)),
        _Column("Rep", "text", 14.0, rep_ids),
        _Column("Rep name", "text", 24.0, _rep_names(problem, rep_ids)),
        _Column("Accounts", "integer", 10.0, frame["accounts"].tolist()),
        _Column(f"Travel, {objective_unit(problem)}", "decimal", 16.0, frame["travel"].tolist()),
    ]
    for rule in problem.balance_rules():
        label = measure_label(rule.measure).capitalize()
        if rule.measure != "count":
            columns.append(_Column(label, "decimal", 15.0, frame.get(rule.measure, unknown).tolist()))
        deviation = frame.get(f"{rule.measure}_deviation", unknown).tolist()
        columns += [
            _Column(f"{label}: target", "decimal", 15.0, rule.target[place].tolist()),
            _Column(f"{label}: off target", "percent", 11.0, deviation),
            _Column(f"{label}: at least", "decimal", 15.0, rule.lower[place].tolist()),
            _Column(f"{label}: at most", "decimal", 15.0, rule.upper[place].tolist()),
        ]
    return columns


def _assignments(problem: PlanningProblem, plan: Plan) -> list[_Column]:
    accounts = problem.accounts
    frame = plan.assignments.reindex(accounts.index)
    rep_ids, territory_ids = _strings(frame["rep_id"]), _strings(frame["territory_id"])
    columns = [
        _Column("Account", "text", 14.0, _strings(accounts.index)),
        _Column("Name", "text", 34.0, _strings(accounts["name"]) if "name" in accounts else [""] * len(accounts)),
        _Column("Rep", "text", 12.0, rep_ids),
        _Column("Rep name", "text", 22.0, _rep_names(problem, rep_ids)),
    ]
    if territory_ids != rep_ids:  # a territory named after its rep needs no column of its own
        columns.append(_Column("Territory", "text", 12.0, territory_ids))
    columns.append(
        _Column(f"Travel, {distance_unit(problem)}", "decimal", 12.0, frame["travel"].astype(float).tolist())
    )
    measures = (*problem.measures, problem.config.travel.weight)
    for measure in dict.fromkeys(m for m in measures if m and m in accounts):
        values = accounts[measure].astype(float).tolist()
        columns.append(_Column(measure_label(measure).capitalize(), "decimal", 14.0, values))
    previous = _strings(frame["previous_rep_id"])
    if any(previous):
        moved = ["yes" if there and bool(m) else "" for there, m in zip(previous, frame["moved"].tolist(), strict=True)]
        columns += [_Column("Previous rep", "text", 12.0, previous), _Column("Moved", "text", 8.0, moved)]
    columns.append(_Column("Reason", "text", 90.0, _strings(frame["reason"])))
    return columns


def _moves(problem: PlanningProblem, moves: pd.DataFrame) -> list[_Column]:
    unit = distance_unit(problem)
    titles = {
        "account_id": ("Account", 14.0),
        "name": ("Name", 34.0),
        "kind": ("Kind", 9.0),
        "from": ("From", 12.0),
        "to": ("To", 12.0),
        "buys": ("What it buys", 70.0),
        "why": ("Why", 90.0),
    }
    travel = {"travel_before": "Travel before", "travel_after": "Travel after", "travel_saved": "Travel saved"}
    columns = []
    for column in moves.columns:
        if column == "step":
            columns.append(_Column("Step", "integer", 8.0, moves[column].tolist()))
        elif column in titles:
            columns.append(_Column(titles[column][0], "text", titles[column][1], _strings(moves[column])))
        else:
            title = f"{travel[column]}, {unit}" if column in travel else measure_label(column).capitalize()
            columns.append(_Column(title, "decimal", 14.0, moves[column].astype(float).tolist()))
    return columns


def _prices(problem: PlanningProblem, plan: Plan) -> list[_Column]:
    unit = objective_unit(problem)
    reps = _strings(problem.territory_ids)
    names = dict(zip(reps, _rep_names(problem, reps), strict=True))
    words = {"upper": "at most", "lower": "at least", "target": "target"}
    rows: list[tuple[Any, ...]] = [
        (
            measure_label(p.measure),
            p.rep_id,
            words[p.side],
            p.limit,
            p.price,
            p.saving if p.tight else math.nan,
            p.sentence,
        )
        for p in price_list(problem, plan)
    ]
    priced = {row[:3] for row in rows}
    for rule in problem.balance_rules():
        label = measure_label(rule.measure)
        for rep_id, lower, upper in zip(reps, rule.lower.tolist(), rule.upper.tolist(), strict=True):
            rows += [
                (label, rep_id, word, limit, 0.0, 0.0, "More room here alone would save nothing.")
                for word, limit in (("at least", lower), ("at most", upper))
                if math.isfinite(limit) and (label, rep_id, word) not in priced
            ]
    measure, rep, word, limit, price, saving, sentence = zip(*rows, strict=True) if rows else [()] * 7
    return [
        _Column("Measure", "text", 14.0, measure),
        _Column("Rep", "text", 12.0, rep),
        _Column("Rep name", "text", 22.0, [names.get(r, "") for r in rep]),
        _Column("Rule", "text", 10.0, word),
        _Column("Limit", "decimal", 16.0, limit),
        _Column(f"Price, {unit} per unit", "price", 16.0, price),
        _Column(f"1 % more room saves, {unit}", "decimal", 18.0, saving),
        _Column("In words", "text", 80.0, sentence),
    ]


def _notes(problem: PlanningProblem, plan: Plan) -> list[_Column]:
    conflict = plan.conflict or {}
    rows = [("Conflict", str(rule)) for rule in conflict.get("rules", ())]
    rows += [("Would resolve it", str(relaxation)) for relaxation in conflict.get("relaxations", ())]
    rows += [("Search", notice) for notice in dict.fromkeys(plan.notices)]
    rows += [("Data", notice) for notice in dict.fromkeys(problem.notices)]
    rows += [("Input", f"{s.role}: {s.path}, {s.rows_in_words}, SHA-256 {s.sha256}") for s in problem.sources]
    marginal = "Marginal: they hold for a small change of one limit and do not add up over many changes"
    rows.append(("Prices", f"{marginal}. They are what more room would save {price_conditions(problem)}."))
    topics, notes = zip(*rows, strict=True)
    return [_Column("Topic", "text", 16.0, topics), _Column("Note", "text", 120.0, notes)]


def _rep_names(problem: PlanningProblem, rep_ids: list[str]) -> list[str]:
    if "name" not in problem.reps:
        return [""] * len(rep_ids)
    names = dict(zip(_strings(problem.reps.index), _strings(problem.reps["name"]), strict=True))
    return [names.get(rep_id, "") for rep_id in rep_ids]


def _strings(column: pd.Series[Any] | pd.Index[Any]) -> list[str]:
    """Text of every value; empty where there is none."""
    return [str(v) if there else "" for v, there in zip(column.tolist(), column.notna().tolist(), strict=True)]


def _clean(texts: Sequence[str]) -> Sequence[str]:
    """Texts that a workbook can hold: control characters become a visible mark, overlong texts are cut."""
    if not _CONTROL.search("\n".join(texts)) and max(map(len, texts), default=0) <= _LONGEST_TEXT:
        return texts
    marked = [_CONTROL.sub("\ufffd", text) for text in texts]
    return [text if len(text) <= _LONGEST_TEXT else text[: _LONGEST_TEXT - 1] + "…" for text in marked]
