"""The grammar of a scenario: what its table in the TOML file may say, and what each key means.

The names are public API, like those of the configuration.
"""

from __future__ import annotations

import math
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    RootModel,
    field_validator,
    model_validator,
)


def _text_or_number(value: Any) -> Any:
    if isinstance(value, str) or (
        isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    ):
        return value
    raise ValueError("is neither text in quotes nor a number")


def _listed(value: Any) -> Any:
    """Return a single value as a list of one: where one is usual, a planner need not write brackets."""
    return value if value is None or isinstance(value, tuple) else (value,)


def _place_of(value: Any) -> Any:
    return {"id": value} if isinstance(value, str) else value


Names = Annotated[tuple[str, ...], BeforeValidator(_listed)]
Scalar = Annotated[Any, AfterValidator(_text_or_number)]
Number = Annotated[float, Field(allow_inf_nan=False)]
NonNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
CONFIG_TABLES = (
    "territories", "balance", "travel", "contiguity", "locks", "eligibility", "groups", "disruption", "solve",
)  # fmt: skip
"""Tables of the configuration that a scenario may change."""
REALISTIC = "realistic"
"""The outlook of the accounts' own values: it needs no stand-ins, and may be named wherever an outlook is."""


class _Table(BaseModel):
    """A table of a scenario: immutable, and unknown keys are errors rather than silently ignored."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Near(_Table):
    """The place of a rep or of an account; ``id`` is either's, and must not be both's."""

    id: str | None = None
    rep: str | None = None
    account: str | None = None

    @model_validator(mode="after")
    def _one(self) -> Near:
        if [self.id, self.rep, self.account].count(None) != 2:
            raise ValueError("needs one of rep and account")
        return self


Place = Annotated[Near, BeforeValidator(_place_of)]


class NewRep(BaseModel):
    """``[[scenario.NAME.add_reps]]``: a hire. Any further key is a column of the reps file.

    ``like`` names a rep whose columns are copied, home excepted; ``near`` a rep or an account whose place is the home.
    """

    model_config = ConfigDict(extra="allow", frozen=True, strict=True)
    __pydantic_extra__: dict[str, Scalar]

    rep_id: Annotated[str, Field(min_length=1)]
    like: str | None = None
    near: Place | None = None

    @property
    def columns(self) -> dict[str, Scalar]:
        """The columns that are given."""
        return dict(self.__pydantic_extra__)


class RepChanges(BaseModel):
    """``[scenario.NAME.reps.ID]``: new values of a rep's columns; ``near`` moves the home to a rep's or an account's place."""

    model_config = ConfigDict(extra="allow", frozen=True, strict=True)
    __pydantic_extra__: dict[str, Scalar]

    near: Place | None = None

    @property
    def columns(self) -> dict[str, Scalar]:
        """The columns that are changed."""
        return dict(self.__pydantic_extra__)

    @model_validator(mode="after")
    def _says_something(self) -> RepChanges:
        if self.near is None and not self.__pydantic_extra__:
            raise ValueError("changes nothing")
        return self


class Where(_Table):
    """Which accounts are meant: those that meet everything that is given, or all where nothing is.

    ``column`` with ``value`` (or a list of values) is a segment; ``within_km`` of a place (``latitude`` and
    ``longitude``, or ``near`` a rep or an account) is an area, ``within`` the same in units of x and y;
    ``postal_codes`` are codes or their beginnings.
    """

    column: str | None = None
    value: Annotated[tuple[Scalar, ...] | None, BeforeValidator(_listed)] = None
    within_km: NonNegative | None = None
    within: NonNegative | None = None
    latitude: Number | None = None
    longitude: Number | None = None
    x: Number | None = None
    y: Number | None = None
    near: Place | None = None
    postal_codes: Annotated[tuple[str, ...] | None, BeforeValidator(_listed)] = None

    @model_validator(mode="after")
    def _together(self) -> Where:
        if (self.column is None) != (self.value is None):
            raise ValueError("column and value go together: give both or neither")
        if self.value == () or self.postal_codes == ():
            raise ValueError(
                f"{'value' if self.value == () else 'postal_codes'} is an empty list, which means no account"
            )
        area = self.within_km is not None or self.within is not None
        places = {
            "latitude and longitude": (self.latitude, self.longitude), "x and y": (self.x, self.y), "near": (self.near,),
        }  # fmt: skip
        half = [name for name, values in places.items() if None in values and any(v is not None for v in values)]
        if half:
            raise ValueError(f"{half[0]} go together: give both or neither")
        given = [name for name, values in places.items() if None not in values]
        if self.within_km is not None and self.within is not None:
            raise ValueError(
                "has within_km and within: give one, within_km for latitude and longitude, within for x and y"
            )
        if area and len(given) != 1:
            raise ValueError("within_km needs one place: near, or latitude and longitude (with within: x and y)")
        if given and not area:
            raise ValueError(f"{given[0]} has no effect without within_km (or within, in units of x and y)")
        return self

    @property
    def everywhere(self) -> bool:
        """Whether all accounts are meant."""
        return self.column is None and self.postal_codes is None and self.within_km is None and self.within is None


class Growth(Where):
    """``[[scenario.NAME.growth]]``: a numeric accounts column, or several, times ``factor``, somewhere or everywhere."""

    measure: str | None = None
    measures: Annotated[tuple[str, ...] | None, BeforeValidator(_listed)] = None
    factor: NonNegative

    @model_validator(mode="after")
    def _measured(self) -> Growth:
        if (self.measure is None) == (not self.measures):
            raise ValueError("needs either measure or measures, a list")
        return self

    @property
    def columns(self) -> tuple[str, ...]:
        """What grows, each once."""
        return tuple(dict.fromkeys(self.measures or (self.measure or "",)))


class Close(Where):
    """``[[scenario.NAME.close]]``: accounts that are gone."""

    @model_validator(mode="after")
    def _somewhere(self) -> Close:
        if self.everywhere:
            raise ValueError("needs column and value, postal_codes, or within_km of a place: all accounts cannot close")
        return self


class Merge(_Table):
    """``merge_reps``: the ``from`` reps leave, and ``into`` takes over their shares, limits, locks and accounts."""

    into: str
    from_: Annotated[tuple[str, ...], Field(alias="from", min_length=1), BeforeValidator(_listed)]

    @model_validator(mode="after")
    def _others(self) -> Merge:
        if self.into in self.from_:
            raise ValueError(f"{self.into!r} cannot be merged into itself")
        if len(set(self.from_)) < len(self.from_):
            raise ValueError("from names a rep twice")
        return self


class ScenarioTable(_Table):
    """``[scenario.NAME]``."""

    description: str = ""
    inherits: Names = ()
    merge_reps: Annotated[tuple[Merge, ...], BeforeValidator(_listed)] = ()
    remove_reps: Names = ()
    add_reps: Annotated[tuple[NewRep, ...], BeforeValidator(_listed)] = ()
    reps: dict[str, RepChanges] = {}
    close_accounts: Names = ()
    close: Annotated[tuple[Close, ...], BeforeValidator(_listed)] = ()
    growth: Annotated[tuple[Growth, ...], BeforeValidator(_listed)] = ()
    forecast: str | None = None
    robust: bool | None = None
    territories: dict[str, Any] | None = None
    balance: dict[str, Any] | None = None
    travel: dict[str, Any] | None = None
    contiguity: Any = None
    locks: Any = None
    eligibility: Any = None
    groups: Any = None
    disruption: Any = None
    solve: dict[str, Any] | None = None

    @field_validator("locks", "eligibility", "groups", "disruption", "contiguity")
    @classmethod
    def _table_or_false(cls, value: Any) -> Any:
        if isinstance(value, dict) or value is False:
            return value
        raise ValueError("is neither a table, nor false, which leaves the rule out")

    @property
    def overrides(self) -> dict[str, Any]:
        """The tables of the configuration that are changed."""
        return {name: table for name in CONFIG_TABLES if (table := getattr(self, name)) is not None}


class OutlookTable(RootModel[dict[str, Scalar]]):
    """``[forecast.NAME]``: measure = the column that stands in for it, or a factor."""

    model_config = ConfigDict(frozen=True)

    @model_validator(mode="after")
    def _usable(self) -> OutlookTable:
        wrong = [measure for measure, stand_in in self.root.items() if not isinstance(stand_in, str) and stand_in < 0]
        if wrong:
            raise ValueError(f"{wrong[0]} has a negative factor")
        if not self.root:
            raise ValueError("says nothing: write the column or the factor that stands in for a measure")
        return self


def frozen(content: Any) -> Any:
    """Return what TOML says with its lists as tuples, which strict and immutable models want."""
    if isinstance(content, dict):
        return {key: frozen(value) for key, value in content.items()}
    return tuple(frozen(value) for value in content) if isinstance(content, list) else content
