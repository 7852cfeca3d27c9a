"""The configuration of a plan: what the TOML file may say, and what each key means.

The names are public API. Adding a key is free; renaming or dropping one needs a new major version.
"""

from __future__ import annotations

import re
from datetime import date
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from territory_engine.config_findings import findings_of
from territory_engine.errors import ConfigError

NonNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]

DATED_LOCKS = "locked_to"
"""The accounts column with all locks, where some of them hold until a date."""


_TILES = re.compile(
    r"https?://(?:\{s\}\.(?=[\w-]+\.))?[A-Za-z0-9_](?:[A-Za-z0-9_.-]*[A-Za-z0-9_])?(?::\d{1,5})?/"
    r"(?:[!#-&(-;=?-z~]|\{(?:s|z|x|y|-y|r)\})*",
    re.ASCII,
)
"""A URL of tiles whose server is known, and in which nothing is to be filled in but what Leaflet knows."""


class _Section(BaseModel):
    """A table of the configuration: immutable, and unknown keys are errors rather than silently ignored."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class ColumnNames(_Section):
    """``[data.columns]``: canonical name = the file's own, per table."""

    accounts: dict[str, str] = {}
    reps: dict[str, str] = {}


class Data(_Section):
    """``[data]``: where the accounts and the reps are.

    ``on_unlocated`` says what happens to an account without coordinates or a known postal code: ``"error"`` lists
    them all, ``"assign"`` assigns them by the other rules, without travel.
    """

    accounts: str
    reps: str | None = None
    columns: ColumnNames = ColumnNames()
    on_unlocated: Literal["error", "assign"] = "error"


class Territories(_Section):
    """``[territories]``: how many, and where their centres are."""

    count: Annotated[int, Field(ge=1)] | None = None
    centers: Literal["reps", "free"] = "reps"


class Balance(_Section):
    """``[[balance]]``: hard limits on one measure, or a soft target beside or instead of them. All entries count."""

    measure: str
    # A fraction. Ten times the share is no limit any more: whoever writes 20 means 20 %.
    tolerance: Annotated[float, Field(ge=0, le=10, allow_inf_nan=False)] | None = None
    share: str | None = None
    min: NonNegative | str | None = None
    max: NonNegative | str | None = None
    # Objective units per unit of the measure off the share, above or below.
    target_weight: NonNegative | None = None

    @model_validator(mode="after")
    def _says_something(self) -> Balance:
        if self.tolerance is None and self.min is None and self.max is None and self.target_weight is None:
            raise ValueError("needs at least one of tolerance, min, max, target_weight")
        if self.share is not None and self.tolerance is None and self.target_weight is None:
            raise ValueError("share has no effect without tolerance or target_weight")
        return self


class Travel(_Section):
    """``[travel]``: what it costs to serve an account from a territory's centre."""

    metric: Literal["haversine", "euclidean"] = "haversine"
    power: Literal[1, 2] = 1
    weight: str | None = None
    table: str | None = None

    @field_validator("power", mode="before")
    @classmethod
    def _no_truth_value(cls, value: Any) -> Any:
        # Python takes true for 1; a planner who writes power = true meant something else.
        return str(value).lower() if isinstance(value, bool) else value


class Contiguity(_Section):
    """``[contiguity]``: territories are connected sets of geographic units.

    Units are polygons (``units``), named in a list of neighbours (``adjacency``), or hexagons around the accounts
    (``cells``, which is meant where neither is given).
    """

    units: str | None = None
    adjacency: str | None = None
    cells: Literal["h3"] | None = None
    unit_id: str | None = None
    resolution: Annotated[int, Field(ge=0, le=15)] | None = None

    @model_validator(mode="after")
    def _one_kind(self) -> Contiguity:
        given = [key for key in ("units", "adjacency", "cells") if getattr(self, key) is not None]
        if len(given) > 1:
            raise ValueError(f"has {' and '.join(given)}: give one of units, adjacency and cells")
        if self.units is not None and self.unit_id is None:
            raise ValueError("needs unit_id with units: the layer's column that names the unit")
        if self.kind == "cells" and self.unit_id is not None:
            raise ValueError("unit_id has no effect without units or adjacency: cells are named by their place")
        if self.kind != "cells" and self.resolution is not None:
            raise ValueError('resolution has no effect without cells = "h3"')
        return self

    @property
    def kind(self) -> Literal["polygons", "pairs", "cells"]:
        """Where the units come from."""
        if self.units is not None:
            return "polygons"
        return "pairs" if self.adjacency is not None else "cells"


class Locks(_Section):
    """``[locks]``: an accounts column naming the rep the account stays with; blank means free.

    ``own`` is written by the engine where some locks hold until a date: ``column`` then has all of them, and ``own`` is
    the planner's own column, ``""`` where there is none.
    """

    column: str
    own: str | None = None

    @model_validator(mode="after")
    def _own_beside_all(self) -> Locks:
        if self.own is not None and self.column != DATED_LOCKS:
            raise ValueError(f"own is written by the engine, with column = {DATED_LOCKS!r}: leave it out")
        return self


class Eligibility(_Section):
    """``[eligibility]``: who may serve whom.

    ``column``'s value must be in the rep's ``;``-separated ``reps_column``; travel may not exceed ``max_travel``
    (km, or the unit of the travel table or of x and y).
    """

    column: str | None = None
    reps_column: str | None = None
    max_travel: NonNegative | None = None

    @model_validator(mode="after")
    def _column_pair(self) -> Eligibility:
        if (self.column is None) != (self.reps_column is None):
            raise ValueError("column and reps_column go together: give both or neither")
        if self.column is None and self.max_travel is None:
            raise ValueError("needs column with reps_column, or max_travel")
        return self


class Groups(_Section):
    """``[groups]``: accounts with the same value in ``column`` go to the same rep; blank means alone."""

    column: str


class Protection(_Section):
    """``[[disruption.protect]]``: moving an account counts 1 + weight × its value in ``column`` times as much."""

    column: str
    weight: Positive


class Disruption(_Section):
    """``[disruption]``: today's alignment, and what changing it may cost.

    ``max_moved`` is the most that may change hands, a fraction of the measure of the accounts that have a rep today;
    ``weight`` a price per unit that does, in units of the objective. An account stays with its owner while its date in
    ``locked_until`` is after ``as_of``.
    """

    current: str
    measure: str = "count"
    max_moved: Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)] | None = None
    # Beyond this a plan's travel would be lost in the rounding of its price.
    weight: Annotated[float, Field(ge=0, le=1e12, allow_inf_nan=False)] | None = None
    protect: tuple[Protection, ...] = ()
    locked_until: str | None = None
    as_of: date | None = None

    @field_validator("protect", mode="before")
    @classmethod
    def _several(cls, value: Any) -> Any:
        return tuple(value) if isinstance(value, list) else value

    @model_validator(mode="after")
    def _dates_together(self) -> Disruption:
        if (self.locked_until is None) != (self.as_of is None):
            raise ValueError(
                "locked_until and as_of go together: as_of = 2026-07-01 is the day on which accounts change hands"
            )
        return self

    @model_validator(mode="after")
    def _each_column_once(self) -> Disruption:
        columns = [protection.column for protection in self.protect]
        twice = sorted({column for column in columns if columns.count(column) > 1})
        if twice:
            raise ValueError(f"protect names {twice[0]!r} twice: give its weight once")
        return self


NO_BACKGROUND = "none"
"""``[map] background``: shapes are clipped to no land at all, only to the surroundings of the accounts."""


class MapOptions(_Section):
    """``[map]``: the background of ``map.html``, a file or :data:`NO_BACKGROUND`. ``tiles`` is a URL template used only when the reader is online."""

    background: str | None = None
    tiles: str | None = None
    attribution: str | None = None

    @field_validator("tiles")
    @classmethod
    def _one_server(cls, value: str | None) -> str | None:
        # The page allows pictures from this server and from no other: so it must be clear which it is.
        if value is not None and not _TILES.fullmatch(value):
            raise ValueError(
                f"'{value}' is no template of tiles. Allowed: http:// or https://, a host in ASCII letters before which only"
                " {s}. may stand, and a path with {z}, {x}, {y} or {-y} and, for sharp screens, {r}, such as"
                " https://tile.openstreetmap.org/{z}/{x}/{y}.png. Remedy: write a key into the address itself; for a host in"
                " other letters, its xn-- name"
            )
        return value


class Solve(_Section):
    """``[solve]``: when to stop.

    ``gap`` is the proved gap (a fraction of the objective) at which the search ends; 0 asks for proved optimality.
    ``rounds`` ends the search after that many rounds of improvement: with the number a time-limited plan reports,
    the same plan comes back on any machine, however fast.
    """

    time_limit_s: Positive = 60.0
    seed: Annotated[int, Field(ge=0, le=2**31 - 1)] = 0
    gap: Annotated[float, Field(ge=0, lt=1, allow_inf_nan=False)] = 1e-4
    rounds: Annotated[int, Field(ge=0)] | None = None

    @field_validator("time_limit_s", mode="before")
    @classmethod
    def _whole_seconds(cls, value: Any) -> Any:
        return float(value) if isinstance(value, int) and not isinstance(value, bool) else value


class Config(_Section):
    """The whole configuration file, validated. Paths stay as written; :func:`territory_engine.config_file.load_config` knows their folder."""

    data: Data
    territories: Territories = Territories()
    balance: tuple[Balance, ...] = ()
    travel: Travel = Travel()
    contiguity: Contiguity | None = None
    locks: Locks | None = None
    eligibility: Eligibility | None = None
    groups: Groups | None = None
    disruption: Disruption | None = None
    map: MapOptions = MapOptions()
    solve: Solve = Solve()

    def as_written(self) -> Config:
        """Return the configuration as the planner wrote it: the engine's column of all locks gives way to the planner's own."""
        if self.locks is None or self.locks.own is None:
            return self
        own = Locks(column=self.locks.own) if self.locks.own else None
        return self.model_copy(update={"locks": own})

    @field_validator("balance")
    @classmethod
    def _one_target_each(cls, entries: tuple[Balance, ...]) -> tuple[Balance, ...]:
        """A measure has one target: it is what the plan reports, and what its tolerance is around."""
        for position, entry in enumerate(entries, start=1):
            if entry.target_weight is None:
                continue
            for other_position, other in enumerate(entries, start=1):
                if other is entry or other.measure != entry.measure:
                    continue
                if other.target_weight is not None:
                    raise ValueError(
                        f"balance[{position}] and balance[{other_position}] both give {entry.measure!r} a target_weight:"
                        " give it once"
                    )
                if other.tolerance is not None and other.share != entry.share:
                    raise ValueError(
                        f"balance[{position}].target_weight and balance[{other_position}].tolerance are around different"
                        f" shares of {entry.measure!r}: a measure has one target, so give both the same share"
                    )
        return entries


class PlanFile(Config):
    """What a configuration file may hold beside the configuration: scenarios, which a plan takes no notice of.

    Here for the names of its keys alone. :mod:`scenarios` reads these tables.
    """

    scenario: Any = None
    forecast: Any = None
    base: Any = None


SCENARIO_KEYS = tuple(key for key in PlanFile.model_fields if key not in Config.model_fields)
"""Top-level keys of a file of scenarios that are not the plan's."""


def parse_config(content: dict[str, Any], *, file: str = "configuration", text: str = "") -> Config:
    """Validate a configuration given as nested dictionaries, as ``tomllib`` returns them.

    Parameters
    ----------
    content : dict
    file : str
        The name that findings carry.
    text : str
        The TOML text, to find the line of each key; without it findings have no row.

    Raises
    ------
    ConfigError
        Lists every problem.
    """
    prepared = dict(content)
    if isinstance(prepared.get("balance"), list):
        # TOML has arrays only; strict models want the tuple that keeps the configuration immutable.
        prepared["balance"] = tuple(prepared["balance"])
    try:
        return Config.model_validate(prepared)
    except ValidationError as error:
        raise ConfigError(findings_of(error, PlanFile, file, text)) from None
