"""The reps' columns that routing reads, out of the plan's own table and the policy's file, cell by cell.

A file is checked where it stands, so that a finding names its row; then the two tables become one: the policy's file has
the word where it has a value, reps only in it are added, and reps that it does not list stay as the plan has them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import pandas as pd

from territory_engine.errors import Finding, InputError
from territory_engine.leads.reading.cells import FORMULA_AS_ID
from territory_engine.leads.reps.working_hours import CellError
from territory_engine.reading.columns import REP_ALIASES, Sheet, is_blank, sheet_of
from territory_engine.reading.identifiers import check_control_characters, check_ids, match_ids, mends_of
from territory_engine.reading.placement import place
from territory_engine.reading.tables import read_table
from territory_engine.reading.validation import error_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray

    from territory_engine.problem import PlanningProblem

PLACE_COLUMNS = ("latitude", "longitude", "postal_code", "country", "state", "location_source", "location_precision_km")

T = TypeVar("T")


@dataclass(eq=False)
class RepSheets:
    """The plan's reps, and the policy's, with where each stands in the roster.

    Attributes
    ----------
    plan : Sheet
        May have no rows.
    own : Sheet or None
        The policy's file; None where the policy names none.
    ids : Index of str
        The roster's reps: the plan's in their order, then those that only the policy's file has.
    at : ndarray of intp, shape (n_own,)
        Row of the roster of each record of the policy's file.
    sha256 : str
        Of the policy's file; "" where there is none.
    """

    plan: Sheet
    own: Sheet | None
    ids: pd.Index[Any]
    at: NDArray[np.intp]
    sha256: str = ""

    def sheets(self) -> tuple[Sheet, ...]:
        """Return the sheets that there are, the plan's first."""
        return (self.plan,) if self.own is None else (self.plan, self.own)

    def has(self, column: str) -> bool:
        """Whether any rep can have a value in a column."""
        return any(sheet.has(column) for sheet in self.sheets())

    def columns(self) -> list[str]:
        """Return the names of all columns."""
        return list(dict.fromkeys(str(c) for sheet in self.sheets() for c in sheet.frame.columns))

    def findings(self) -> list[Finding]:
        """Return everything that is wrong with either."""
        return [finding for sheet in self.sheets() for finding in sheet.findings]

    def _joined(self, of_sheet: Callable[[Sheet], NDArray[Any]], blank: Any) -> NDArray[Any]:
        """Return one value per rep of the roster, the policy's over the plan's; None stands for a blank."""
        values = np.full(len(self.ids), blank, object)
        values[: len(self.plan)] = of_sheet(self.plan)
        if self.own is not None:
            told = of_sheet(self.own)
            filled = np.array([v is not None for v in told], bool)
            values[self.at[filled]] = told[filled]
        values[[v is None for v in values]] = blank
        return values

    def cells(self, column: str, parse: Callable[[str], T]) -> list[T | None]:
        """Return what each rep's cell says, None where blank; a finding for each that ``parse`` refuses."""
        return list(self._joined(lambda sheet: _parsed(sheet, column, parse), None))

    def numbers(
        self, column: str, default: float, allowed: str, *, most: float | None = None, whole: bool = False
    ) -> NDArray[np.float64]:
        """Return each rep's number, ``default`` where blank, at least 0; shape ``(n_reps,)``."""

        def read(sheet: Sheet) -> NDArray[Any]:
            if not sheet.has(column) or not len(sheet):
                return np.full(len(sheet), None, object)
            values = sheet.numbers(column, blank=None, allowed=allowed)
            with np.errstate(invalid="ignore"):
                if most is not None:
                    remedy = f"write a fraction: 80 % is {0.8:g}" if most == 1 else None
                    sheet.flag(values > most, column, f"is above {most:g}", allowed=allowed, remedy=remedy)
                if whole:
                    sheet.flag(
                        (values != np.floor(values)) & ~np.isnan(values),
                        column,
                        "is not a whole number",
                        allowed=allowed,
                    )
            return np.array([None if np.isnan(v) else v for v in values], object)

        return self._joined(read, default).astype(np.float64)

    def frame(self) -> pd.DataFrame:
        """Return the reps with all their columns, index ``rep_id``."""
        columns: dict[str, Any] = {}
        for column in self.columns():
            if column == "rep_id" or column in PLACE_COLUMNS:
                continue
            holders = [sheet for sheet in self.sheets() if sheet.has(column)]
            if all(pd.api.types.is_numeric_dtype(sheet.frame[column].dtype) for sheet in holders):
                values = self._joined(lambda sheet, c=column: _filled_numbers(sheet, c), np.nan)  # type: ignore[misc]  # a default binds the loop's column
                columns[column] = values.astype(np.float64)
            else:
                columns[column] = self._joined(lambda sheet, c=column: _filled_text(sheet, c), "")  # type: ignore[misc]  # a default binds the loop's column
        placed = self.places()
        columns["latitude"], columns["longitude"] = placed[:, 0], placed[:, 1]
        if "name" not in columns:
            columns["name"] = np.full(len(self.ids), "", object)
        frame = pd.DataFrame(columns, index=self.ids)
        text = {c: str for c in frame.columns if frame[c].dtype == object}
        return frame.astype(text)

    def places(self) -> NDArray[np.float64]:
        """Return latitude and longitude of the reps' homes, shape ``(n_reps, 2)``, NaN where unknown."""

        def read(sheet: Sheet) -> NDArray[Any]:
            pairs = np.full(len(sheet), None, object)
            if sheet.has("latitude") and sheet.has("longitude"):
                degrees = sheet.frame[["latitude", "longitude"]].to_numpy(np.float64)
                for i in np.flatnonzero(~np.isnan(degrees).any(axis=1)):
                    pairs[i] = (degrees[i, 0], degrees[i, 1])
            return pairs

        joined = self._joined(read, None)
        return np.array([(np.nan, np.nan) if pair is None else pair for pair in joined], np.float64).reshape(-1, 2)


def rep_sheets(problem: PlanningProblem, reps: str | None, base_dir: Path) -> RepSheets:
    """Read the policy's reps file, and put it over the plan's reps.

    Raises
    ------
    InputError
        The file cannot be read at all, or has no ``rep_id``. What is wrong with its cells is in the sheets' findings.
    """
    plan = _plan_sheet(problem)
    ids = problem.reps.index
    if reps is None:
        return RepSheets(plan, None, ids.rename("rep_id"), np.zeros(0, np.intp))
    table = read_table(base_dir / reps, reps)
    names = {c: own for c, own in problem.config.data.columns.reps.items() if own in table.frame.columns}
    own = sheet_of(table, names, REP_ALIASES, "reps")
    if not own.has("rep_id"):
        listed = ", ".join(map(str, own.frame.columns[:40]))
        remedy = "name the reps' ID column rep_id"
        own.findings.append(Finding("has no column 'rep_id'", own.file, allowed=listed, remedy=remedy))
        raise error_of(own.findings)
    if not len(own) and not own.findings:
        own.findings.append(Finding("has no reps: there are no rows below the header", own.file))
    told = check_ids(own, "rep_id")
    if own.has("name"):
        check_control_characters(own, "name")
    place(own, metric="haversine", required=False, on_unlocated="assign")
    at = match_ids(told, ids)
    _flag_damaged(own, told, at, ids)
    new = (at < 0) & (told != "").to_numpy(bool) & ~told.duplicated().to_numpy(bool)
    at[new] = len(ids) + np.arange(int(new.sum()))
    everyone = pd.Index([*ids, *told[new]], name="rep_id", dtype=object if not len(ids) and not new.any() else None)
    if (at < 0).any():  # blank or repeated: there is a finding, and no roster comes of it
        at = np.where(at < 0, 0, at)
        if not len(everyone):
            everyone = pd.Index([""], name="rep_id")
    return RepSheets(plan, own, everyone, at, table.sha256)


def _plan_sheet(problem: PlanningProblem) -> Sheet:
    origin = problem.origins.get("reps")
    file = origin.file if origin is not None else next((s.path for s in problem.sources if s.role == "reps"), "reps")
    frame = problem.reps.rename_axis("rep_id").reset_index()
    rows = origin.rows if origin is not None and len(origin.rows) == len(frame) else np.arange(len(frame)) + 2
    shown = dict(origin.shown) if origin is not None else dict(problem.config.data.columns.reps)
    sheet = Sheet(file, frame, np.asarray(rows, np.int64), shown, origin.decimal_comma if origin is not None else True)
    if problem.config.travel.metric == "euclidean" and len(frame):
        place(sheet, metric="haversine", required=False, on_unlocated="assign")
        sheet.notices.clear()
    return sheet


def _flag_damaged(own: Sheet, told: pd.Series[Any], at: NDArray[np.intp], ids: pd.Index[Any]) -> None:
    """Find reps who would be new only because their ID lost its zeros or its capitals."""
    unknown = at < 0
    mends = mends_of(dict.fromkeys(told[unknown].tolist()), ids)
    for i in np.flatnonzero(unknown):
        remedy = mends.get(told.iloc[i])
        if remedy is not None:
            what = "is not the ID of a rep of the plan, but nearly"
            name = own.own_name("rep_id")
            own.findings.append(
                Finding(
                    what, own.file, int(own.rows[i]), name, told.iloc[i], "a rep_id of the plan, or a new one", remedy
                )
            )


def _parsed(sheet: Sheet, column: str, parse: Callable[[str], Any]) -> NDArray[Any]:
    values = np.full(len(sheet), None, object)
    if not sheet.has(column) or not len(sheet):
        return values
    text = sheet.text(column)
    blank = is_blank(text)
    known: dict[str, Any] = {}
    for i in np.flatnonzero(~blank):
        cell = text.iloc[i]
        if cell not in known:
            try:
                known[cell] = parse(cell)
            except CellError as error:
                known[cell] = error
        value = known[cell]
        if isinstance(value, CellError):
            own = sheet.own_name(column)
            finding = Finding(value.what, sheet.file, int(sheet.rows[i]), own, cell, value.allowed, value.remedy)
            sheet.findings.append(finding)
        else:
            values[i] = value
    return values


def _filled_text(sheet: Sheet, column: str) -> NDArray[Any]:
    if not sheet.has(column) or not len(sheet):
        return np.full(len(sheet), None, object)
    text = sheet.text(column)
    cells: NDArray[Any] = text.to_numpy(object).copy()
    cells[is_blank(text)] = None
    return cells


def _filled_numbers(sheet: Sheet, column: str) -> NDArray[Any]:
    if not sheet.has(column):
        return np.full(len(sheet), None, object)
    return np.array([None if np.isnan(v) else float(v) for v in sheet.frame[column]], object).reshape(len(sheet))


def refuse_formulas(rep_ids: pd.Index[Any]) -> None:
    """Refuse rep IDs that a spreadsheet would run: they stand in every file of answers."""
    wrong = [str(rep) for rep in rep_ids if re.match(FORMULA_AS_ID, str(rep))]
    if wrong:
        raise InputError(
            Finding(
                "a spreadsheet would run this rep ID as a formula", column="rep_id", value=rep, remedy="rename the rep"
            )
            for rep in wrong
        )
