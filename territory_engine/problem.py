"""A planning problem: validated accounts and reps with the rules between them. Frozen; nothing is solved here."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from territory_engine.grammar import counted

if TYPE_CHECKING:
    import geopandas as gpd
    from numpy.typing import NDArray

    from territory_engine.config import Config
    from territory_engine.geography.layer import UnitLayer

MONEY = ("revenue", "potential")
"""Accounts columns that maps and reports tell of although no rule names them."""


@dataclass(frozen=True)
class Source:
    """An input file as it was read.

    Attributes
    ----------
    role : str
        ``"accounts"``, ``"reps"``, ``"travel"``, ``"units"``, ``"adjacency"`` or ``"background"``.
    path : str
        The path as the planner wrote it in the configuration.
    sha256 : str
        Of the file's bytes.
    rows : int
        Records planned with: those read, less and plus what a scenario removed and added.
    rows_in_file : int or None
        Records read, where a scenario edited them; None where they are as read.
    """

    role: str
    path: str
    sha256: str
    rows: int
    rows_in_file: int | None = None

    @property
    def rows_in_words(self) -> str:
        """How many records, as a reader is told: ``"11 rows (12 in the file)"`` where a scenario edited them."""
        edited = self.rows_in_file is not None and self.rows_in_file != self.rows
        return counted(self.rows, "row") + (f" ({self.rows_in_file:,} in the file)" if edited else "")


@dataclass(frozen=True, eq=False)
class Origin:
    """How a table stood in its file, so that it can be edited and checked again as the file would be.

    Attributes
    ----------
    file : str
        The name that findings carry.
    rows : ndarray of int64, shape (n_records,)
        Each record's row as a spreadsheet shows it.
    shown : dict of str to str
        The planner's own name of each column that was renamed.
    decimal_comma : bool
    style : str
        How the file's numbers are written, as far as its unambiguous columns show it: ``"point"``, ``"comma"``,
        ``"plain"`` or ``"ambiguous"``.
    """

    file: str
    rows: NDArray[np.int64]
    shown: dict[str, str] = field(default_factory=dict)
    decimal_comma: bool = False
    style: str = "plain"


@dataclass(frozen=True)
class ScenarioRecord:
    """Which scenario edited the inputs, and how: what a plan directory keeps of it.

    Attributes
    ----------
    name, description : str
    file : str
        Name of the scenario file.
    sha256 : str
        Of its bytes.
    edits : dict
        Everything the scenario does, its parents' edits included, in types that JSON knows.
    removed, added : dict of str to list of str
        IDs by role, ``"accounts"`` and ``"reps"``: which records of the files are not planned with, and which are new.
    """

    name: str
    description: str
    file: str
    sha256: str
    edits: dict[str, Any]
    removed: dict[str, list[str]]
    added: dict[str, list[str]]


@dataclass(frozen=True, eq=False)
class BalanceRule:
    """Hard limits on one measure's load, per territory, and the target that it should be near.

    Attributes
    ----------
    measure : str
        Accounts column, a column of the travel table, or ``"count"``.
    lower, upper : ndarray of float64, shape (n_territories,)
        Limits; -inf and inf where there is none.
    target : ndarray of float64, shape (n_territories,)
        The territory's share of the total: its rep's, or equal shares where the rule has neither tolerance nor target
        weight. NaN where loads depend on the rep, since there is then no total to share.
    tolerance_fraction : float or None
        As configured; None when only absolute limits are set.
    target_weight : float or None
        As configured: what every unit of load off the target costs, in units of the objective. None when the target is
        only reported.
    """

    measure: str
    lower: NDArray[np.float64]
    upper: NDArray[np.float64]
    target: NDArray[np.float64]
    tolerance_fraction: float | None
    target_weight: float | None = None

    def off_target(self, loads: NDArray[np.float64]) -> float:
        """Return what loads, shape ``(n_reps,)``, cost for being off target: weight × Σ |load − target|."""
        return self.target_weight * float(np.abs(loads - self.target).sum()) if self.target_weight else 0.0


@dataclass(frozen=True, eq=False)
class PlanningProblem:
    """Everything a plan is made from.

    Attributes
    ----------
    config : Config
    accounts : DataFrame, index ``account_id`` (str), input order
        Canonical columns and the planner's own. Measures, weight and coordinates are float64. ``latitude`` and
        ``longitude`` (or ``x`` and ``y``) are NaN where ``location_source`` is ``"none"``. ``location_source`` is
        ``"given"``, ``"postal_code"`` or ``"none"``; ``location_precision_km`` is 0 for given coordinates and the
        typical distance from the postal code's centroid otherwise. Text columns hold ``""`` for blanks.
    reps : DataFrame, index ``rep_id`` (str), input order
        As for accounts. Without rows where there are no reps, which is possible with free centres; without a home
        (``location_source`` ``"none"``) where no travel starts from it.
    travel_table : DataFrame or None
        Columns ``rep_id``, ``account_id``, ``cost`` (float64; +inf never) and any measure. One row per allowed pair:
        a pair that is absent may not be assigned. With free centres ``center_id`` stands in for ``rep_id``: the place
        where a territory may be centred, an ``account_id``, or under contiguity the ID of a unit.
    background : GeoDataFrame or None
        WGS 84 outlines to draw behind the map.
    sources : tuple of Source
    notices : tuple of str
        What the planner should know about the data (accounts placed by postal code, renamed columns).
    base_dir : Path
        Folder of the configuration file.
    units : UnitLayer or None
        Geographic units, in whose graph every territory is connected and which are assigned whole; None without
        contiguity.
    origins : dict of str to Origin
        How accounts, reps and the travel table stood in their files, by role; empty for a problem read from a plan
        directory.
    scenario : ScenarioRecord or None
        The scenario that the inputs were edited by; None where they are as read.
    """

    config: Config
    accounts: pd.DataFrame
    reps: pd.DataFrame
    travel_table: pd.DataFrame | None = None
    background: gpd.GeoDataFrame | None = None
    sources: tuple[Source, ...] = ()
    notices: tuple[str, ...] = ()
    base_dir: Path = field(default_factory=Path)
    units: UnitLayer | None = None
    origins: dict[str, Origin] = field(default_factory=dict)
    scenario: ScenarioRecord | None = None

    @property
    def territory_ids(self) -> pd.Index[str]:
        """One territory per rep, named after the rep; without reps ``T01``, ``T02`` … up to the configured count."""
        if len(self.reps):
            return self.reps.index
        count = self.config.territories.count or 0
        digits = max(2, len(str(count)))
        return pd.Index([f"T{number:0{digits}d}" for number in range(1, count + 1)], dtype=str, name="territory_id")

    @property
    def centers_are_free(self) -> bool:
        """Whether centres are chosen too, instead of being the reps' homes."""
        return self.config.territories.centers == "free"

    @property
    def measures(self) -> tuple[str, ...]:
        """Balanced measures, each once, in the configuration's order."""
        return tuple(dict.fromkeys(b.measure for b in self.config.balance))

    def load_depends_on_rep(self, measure: str) -> bool:
        """Whether the travel table gives this measure, so that an account's load depends on who serves it."""
        return self.travel_table is not None and measure in self.travel_table.columns

    def measure_values(self, measure: str) -> NDArray[np.float64]:
        """Load of every account, shape ``(n_accounts,)``, in the measure's own unit; ones for ``"count"``."""
        if measure == "count":
            return np.ones(len(self.accounts))
        return self.accounts[measure].to_numpy(np.float64)

    def weights(self) -> NDArray[np.float64]:
        """Travel weight of every account, shape ``(n_accounts,)``; ones where none is configured."""
        column = self.config.travel.weight
        return np.ones(len(self.accounts)) if column is None else self.accounts[column].to_numpy(np.float64)

    def balance_rules(self) -> tuple[BalanceRule, ...]:
        """One rule per measure: entries on the same measure are intersected.

        Source: the tolerance is around shares, ``(1 ± tolerance) × share_t / Σ share × Σ_i load_i``.
        """
        rules: dict[str, BalanceRule] = {}
        n_territories = len(self.territory_ids)
        for entry in self.config.balance:
            total = (
                np.nan if self.load_depends_on_rep(entry.measure) else float(self.measure_values(entry.measure).sum())
            )
            shares = np.ones(n_territories) if entry.share is None else self.reps[entry.share].to_numpy(np.float64)
            target = total * shares / shares.sum()
            lower, upper = np.full(n_territories, -np.inf), np.full(n_territories, np.inf)
            if entry.tolerance is not None:
                lower, upper = target * (1 - entry.tolerance), target * (1 + entry.tolerance)
            if entry.min is not None:
                lower = np.maximum(lower, self._limit(entry.min))
            if entry.max is not None:
                upper = np.minimum(upper, self._limit(entry.max))
            known = rules.get(entry.measure)
            if known is not None:
                lower, upper = np.maximum(lower, known.lower), np.minimum(upper, known.upper)
                if entry.tolerance is None and entry.target_weight is None:
                    target = known.target
            tolerance = (
                entry.tolerance if entry.tolerance is not None else (known.tolerance_fraction if known else None)
            )
            weight = (
                entry.target_weight if entry.target_weight is not None else (known.target_weight if known else None)
            )
            rules[entry.measure] = BalanceRule(entry.measure, lower, upper, target, tolerance, weight)
        return tuple(rules.values())

    def _limit(self, value: float | str) -> Any:
        return self.reps[value].to_numpy(np.float64) if isinstance(value, str) else float(value)
