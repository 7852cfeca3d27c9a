"""A problem's tables while a scenario edits them: which columns and records are meant, and what is wrong with that."""

from __future__ import annotations

import difflib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from territory_engine.config_findings import line_of
from territory_engine.errors import Finding
from territory_engine.problem import Origin
from territory_engine.reading.columns import Sheet
from territory_engine.reading.identifiers import match_ids, mends_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from scenarios.scenario_file import Scenario
    from scenarios.scenario_model import Near
    from territory_engine.config import Config
    from territory_engine.problem import PlanningProblem

_SHOWN = 40
_SUGGESTED = 20


@dataclass(eq=False)
class Draft:
    """The tables of a problem under edit.

    Attributes
    ----------
    base : PlanningProblem
        What is edited; it stays as it is.
    scenario : Scenario
    config : Config
        The scenario's.
    accounts, reps : DataFrame
        As in a problem.
    travel_table : DataFrame or None
        Indexed by position; rows that were added have the index −1.
    findings : list of Finding
    notices : list of str
    rep_rows : dict of str to int
        Line in the scenario file of every rep that is not in the reps file, negative, so that it is no row of that file.
    gone : dict of str to str
        Reps who left, and into whom they were merged; ``""`` for nobody.
    left : DataFrame
        Those reps as they were: a hire may be like them, or live near them.
    """

    base: PlanningProblem
    scenario: Scenario
    config: Config
    accounts: pd.DataFrame
    reps: pd.DataFrame
    travel_table: pd.DataFrame | None
    findings: list[Finding] = field(default_factory=list)
    notices: list[str] = field(default_factory=list)
    rep_rows: dict[str, int] = field(default_factory=dict)
    gone: dict[str, str] = field(default_factory=dict)
    left: pd.DataFrame = field(default_factory=pd.DataFrame)

    @classmethod
    def of(cls, base: PlanningProblem, scenario: Scenario, config: Config) -> Draft:
        """Return a draft in which nothing has been edited yet."""
        return cls(base, scenario, config, base.accounts, base.reps, base.travel_table)

    @property
    def planar(self) -> bool:
        """Whether places are x and y."""
        return self.config.travel.metric == "euclidean"

    @property
    def axes(self) -> tuple[str, str]:
        """Names of the two coordinates."""
        return ("x", "y") if self.planar else ("latitude", "longitude")

    def frame(self, role: str) -> pd.DataFrame:
        """Return the accounts, the reps or the travel table as they are now."""
        found = {"accounts": self.accounts, "reps": self.reps, "travel": self.travel_table}[role]
        assert found is not None
        return found

    def origin(self, role: str) -> Origin:
        """Return how a table stood in its file."""
        known = self.base.origins.get(role)
        if known is not None:
            return known
        names = {} if role == "travel" else dict(getattr(self.config.data.columns, role))
        return Origin(role, np.arange(len(self.frame(role)), dtype=np.int64) + 2, names)

    # What is wrong ---------------------------------------------------------------------------------------------------

    def row(self, place: tuple[str | int, ...]) -> int | None:
        """Return the line of a key, or of the nearest table around it."""
        return line_of(self.scenario.lines, place)

    def flag(
        self,
        place: tuple[str | int, ...],
        what: str,
        value: Any = None,
        allowed: str | None = None,
        remedy: str | None = None,
    ) -> None:
        """Add a finding about a key of the scenario file."""
        shown = None if value is None else str(value)
        self.findings.append(Finding(what, self.scenario.file, self.row(place), dotted(place), shown, allowed, remedy))

    def known_reps(self) -> pd.DataFrame:
        """Return the reps as they are now, and below them those who left."""
        left = self.left.loc[~self.left.index.isin(self.reps.index)] if len(self.left) else self.left
        return pd.concat([self.reps, left]) if len(left) else self.reps

    def find(self, role: str, name: str, place: tuple[str | int, ...]) -> int | None:
        """Return the position of an account or rep as it is now; a finding where there is none of that ID."""
        frame = self.frame(role)
        noun = "rep" if role == "reps" else "account"
        at = int(match_ids(pd.Series([name], dtype=str), pd.Index(frame.index))[0])
        if at >= 0:
            return at
        original = self.base.reps.index if role == "reps" else self.base.accounts.index
        if role == "reps" and name in self.gone:
            into = f" into {self.gone[name]!r}" if self.gone[name] else ""
            how = f"merged{into}" if into else "removed"
            remedy = "take one of the two edits out: edits are made in the order of inheritance"
            self.flag(place, f"has been {how} before", name, self.some(role), remedy)
        elif name in original:
            self.flag(place, "has been closed before", name, remedy="take one of the two edits out")
        else:
            self.flag(place, f"is not the ID of {'an' if noun == 'account' else 'a'} {noun}", name, self.some(role),
                      closest(name, frame.index))  # fmt: skip
        return None

    def find_all(self, role: str, names: Sequence[str], place: tuple[str | int, ...]) -> list[int]:
        """Return the positions of accounts or reps, in order; a finding for each that is not there."""
        at = match_ids(pd.Series(list(names), dtype=str), pd.Index(self.frame(role).index))
        missing = [name for name, position in zip(names, at, strict=True) if position < 0]
        for name in missing[:_SUGGESTED]:
            self.find(role, name, place)
        for name in missing[_SUGGESTED:]:
            # To look for what was meant takes as long as all the rest, and a long list is from another system.
            self.flag(place, f"is not the ID of {'a rep' if role == 'reps' else 'an account'}", name)
        return [int(position) for position in at if position >= 0]

    def some(self, role: str) -> str:
        """Return the IDs that there are, or the first of them."""
        ids = [str(i) for i in self.frame(role).index[:_SHOWN]]
        more = len(self.frame(role)) - len(ids)
        return ", ".join(ids) + (f" and {more:,} more" if more > 0 else "")

    # Columns ---------------------------------------------------------------------------------------------------------

    def columns_named(self, role: str, name: str) -> list[str]:
        """Return the columns that a name stands for: canonical, the planner's own, or both where both are kept."""
        return columns_named(self.frame(role), self.origin(role), name)

    def column_names(self, role: str) -> list[str]:
        """Return the columns' names as the planner knows them."""
        shown = self.origin(role).shown
        added = {"location_source", "location_precision_km"}
        return list(dict.fromkeys(shown.get(str(c), str(c)) for c in self.frame(role).columns if c not in added))

    def numbers(self, role: str, column: str) -> NDArray[np.float64] | None:
        """Return a column as numbers, read as its file writes them; None and findings where a cell is none."""
        values, findings = read_numbers_of(self.frame(role), column, self.origin(role), self._rows(role))
        self.findings += findings
        return None if findings else values

    def _rows(self, role: str) -> NDArray[np.int64]:
        frame, origin = self.frame(role), self.origin(role)
        if role == "travel":
            at = frame.index.to_numpy()
        else:
            at = (self.base.accounts if role == "accounts" else self.base.reps).index.get_indexer(frame.index)
        rows = np.zeros(len(frame), np.int64)
        known = (at >= 0) & (at < len(origin.rows))
        rows[known] = origin.rows[at[known]]
        return rows

    # Places ----------------------------------------------------------------------------------------------------------

    def near(self, near: Near, place: tuple[str | int, ...]) -> tuple[str, str] | None:
        """Return the table and the ID that ``near`` names; None and a finding where it names nothing, or two things."""
        if near.rep is not None or near.account is not None:
            role, name = ("reps", near.rep) if near.rep is not None else ("accounts", near.account)
            assert name is not None
            if name in self._placed(role).index:
                return role, name
            at = self.find(role, name, place)
            return None if at is None else (role, str(self.frame(role).index[at]))
        name = str(near.id)
        known = [role for role in ("reps", "accounts") if name in self._placed(role).index]
        if len(known) == 2:
            what = "is the ID of a rep and of an account"
            self.flag(place, what, name, remedy=f'write near = {{ rep = "{name}" }} or near = {{ account = "{name}" }}')
            return None
        if not known:
            everybody = self.known_reps().index.append(self.accounts.index)
            self.flag(place, "is the ID of neither a rep nor an account", name, None, closest(name, everybody))
            return None
        return known[0], name

    def _placed(self, role: str) -> pd.DataFrame:
        return self.known_reps() if role == "reps" else self.accounts

    def home_of(self, role: str, name: str, columns: Sequence[str]) -> dict[str, Any]:
        """Return those of the columns that an account, or a rep who may have left, has."""
        frame = self._placed(role)
        return {column: frame.at[name, column] for column in columns if column in frame.columns}

    def place_of(self, role: str, name: str, place: tuple[str | int, ...]) -> tuple[float, float] | None:
        """Return the coordinates of an account or a rep; None and a finding where they are not known."""
        frame = self._placed(role)
        found = [float(frame[axis].loc[name]) if axis in frame.columns else np.nan for axis in self.axes]
        if np.isnan(found).any():
            noun = "rep" if role == "reps" else "account"
            self.flag(place, f"has no place: the {noun}'s is not known", name, remedy="give a place in numbers")
            return None
        return found[0], found[1]


def columns_named(frame: pd.DataFrame, origin: Origin, name: str) -> list[str]:
    """Return the columns of a frame that a name stands for: canonical, the planner's own, or both where both are kept."""
    partners = {name, *(c for c, own in origin.shown.items() if own == name)}
    if name in origin.shown and origin.shown[name] not in origin.shown:
        partners.add(origin.shown[name])
    return [str(c) for c in frame.columns if c in partners]


def read_numbers_of(
    frame: pd.DataFrame, column: str, origin: Origin, rows: NDArray[np.int64]
) -> tuple[NDArray[np.float64], list[Finding]]:
    """Return a column as numbers, read as its file writes them, and a finding for each cell that is none.

    Parameters
    ----------
    frame : DataFrame
    column : str
    origin : Origin
    rows : ndarray of int64, shape (n_records,)
        What findings say where each record stands.
    """
    if pd.api.types.is_numeric_dtype(frame[column].dtype):
        return frame[column].to_numpy(np.float64), []
    sheet = Sheet(origin.file, frame.reset_index(drop=True), rows, origin.shown, origin.decimal_comma)
    sheet.style = origin.style  # type: ignore[assignment]  # an origin keeps the same words as text
    values = sheet.numbers(column, blank="fill the cell; write 0 where there is nothing")
    return values, sheet.findings


def dotted(place: tuple[str | int, ...]) -> str:
    """Return ``scenario.grow.growth[2].factor`` for a key's path; entries are counted from 1."""
    text = ""
    for part in place:
        text += f"[{part + 1}]" if isinstance(part, int) else f".{part}" if text else part
    return text


def closest(name: str, known: pd.Index[Any]) -> str | None:
    """Return a remedy that names the ID that was probably meant."""
    mends = mends_of([name], [str(i) for i in known])
    if mends:
        return mends[name]
    near = difflib.get_close_matches(name, [str(i) for i in known], n=1, cutoff=0.6) if len(known) < 100_000 else []
    return f"did you mean {near[0]!r}?" if near else None
