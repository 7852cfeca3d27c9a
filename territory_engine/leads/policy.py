"""The routing policy: what the TOML file may say about who gets which lead, and what each key means.

Every default is a policy too, and documented: nothing about the split is implied.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from territory_engine.config_file import read_toml
from territory_engine.config_findings import findings_of
from territory_engine.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from territory_engine.errors import Finding

NonNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Fraction = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
Whole = Annotated[int, Field(ge=0, le=10**9)]
Name = Annotated[str, Field(pattern=r"\S")]
"""A column or a file: text with something in it."""
DateOrder = Literal["mdy", "dmy"]
"""Month or day first, in dates whose year comes last."""


class _Section(BaseModel):
    """A table of the policy: immutable, and unknown keys are errors rather than silently ignored."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Matching(_Section):
    """``[matching]``: known accounts first, then the place.

    ``owner`` and ``territory`` say whether the owner of the matched account, or of the territory the lead lies in,
    comes first, or whether that match is ignored. Where the one who comes first cannot take the lead (at capacity, on
    leave, not eligible), ``when_unavailable`` says whether the lead goes to the next in line or waits in the queue.
    """

    owner: Literal["first", "ignore"] = "first"
    territory: Literal["first", "ignore"] = "first"
    when_unavailable: Literal["next", "wait"] = "next"
    # Similarity of normalised company names, 0 to 100, from which a name counts as the same.
    company_threshold: Annotated[float, Field(ge=50, le=100, allow_inf_nan=False)] = 92.0
    # Another owner's account less than this below the best makes the match ambiguous: the lead is queued.
    company_margin: Annotated[float, Field(ge=0, le=50, allow_inf_nan=False)] = 4.0
    # Without units a lead lies in the territory of the nearest account, at most this far off.
    territory_reach_km: NonNegative = 100.0

    @model_validator(mode="after")
    def _somebody_to_wait_for(self) -> Matching:
        if self.when_unavailable == "wait" and self.owner == self.territory == "ignore":
            raise ValueError('when_unavailable = "wait" has no effect where both owner and territory are ignored')
        return self


class ListRule(_Section):
    """``[[eligibility]]``: every ``;``-separated value in the lead's ``column`` must be in the rep's ``reps_column``."""

    column: Name
    reps_column: Name


class Limits(_Section):
    """``[limits]``: the most a rep takes; a number for everyone, or the name of a reps column (blank: no limit)."""

    open_leads: Whole | Name | None = None
    per_day: Whole | Name | None = None
    per_week: Whole | Name | None = None
    travel_km: NonNegative | Name | None = None

    @model_validator(mode="after")
    def _day_within_week(self) -> Limits:
        if isinstance(self.per_day, int) and isinstance(self.per_week, int) and self.per_day > self.per_week:
            raise ValueError(f"per_day = {self.per_day} has no effect: per_week = {self.per_week} is reached first")
        return self


class Hours(_Section):
    """``[hours]``: a rep takes a lead only if at work within ``respond_within_h`` hours of the batch. Not set: any time.

    Working hours are the reps columns ``time_zone``, ``working_days`` and ``working_hours``; leave is ``leave``.
    """

    respond_within_h: Annotated[float, Field(ge=0, le=8760, allow_inf_nan=False)] | None = None


class Ramp(_Section):
    """``[ramp]``: a new rep's weight grows from ``start`` to 1 over ``days`` from the reps column ``started_on``."""

    days: Annotated[int, Field(ge=0, le=3650)] = 0
    start: Fraction = 0.25

    @model_validator(mode="after")
    def _over_some_days(self) -> Ramp:
        if self.days == 0 and self.start != type(self).model_fields["start"].default:
            raise ValueError(
                f"start = {self.start:g} has no effect without days: add days = 90, or however long it takes"
            )
        return self


class FairShare(_Section):
    """``[fair_share]``: what an equal share is, and what may come before it.

    ``weight`` names a reps column; without it, the column ``weight`` where reps have one, and blanks are 1. ``matched`` says whether leads that went to the owner of their account or
    territory count towards the rep's share. ``catch_up`` is the fraction of what a rep missed on leave that is made up
    afterwards: 0 none, 1 all. ``fairness_slack`` is how many leads a rep may be off the fairest split for the sake of
    value. ``then`` decides among equally fair splits: the best expected value, or the evenest.
    """

    weight: Name | None = None
    objective: Literal["squares", "leximin"] = "squares"
    matched: Literal["count", "free"] = "count"
    catch_up: Fraction = 0.0
    fairness_slack: Annotated[int, Field(ge=0, le=1000)] = 0
    then: Literal["value", "even_value"] = "value"


class Value(_Section):
    """``[value]``: a lead's expected value with a rep is score × value × fit − ``travel_cost_per_km`` × km."""

    travel_cost_per_km: NonNegative = 1.0


class Fit(_Section):
    """``[[fit]]``: the value is multiplied by ``factor`` where the lead's ``column`` is in the rep's ``reps_column``."""

    column: Name
    reps_column: Name
    factor: Annotated[float, Field(gt=0, le=100, allow_inf_nan=False)]


class Policy(_Section):
    """A whole routing policy. ``reps`` is a file of the reps as they are now, which replaces and extends the plan's columns.

    ``columns`` gives leads' columns their names here: canonical name = the file's own, or several that it may be.
    ``date_order`` says what comes first in dates such as ``03/04/2026``; without it they are read only where other cells
    of their column show it.

    ``eligibility`` not given: the plan's own rule, and segment, language, product and skills where leads and reps have
    such columns (``segments``, ``languages``, ``products``, ``skills``).
    """

    reps: Name | None = None
    columns: dict[str, Name | Annotated[tuple[Name, ...], Field(min_length=1)]] = {}
    date_order: DateOrder | None = None
    seed: Annotated[int, Field(ge=0, le=2**31 - 1)] = 0
    matching: Matching = Matching()
    eligibility: tuple[ListRule, ...] | None = None
    limits: Limits = Limits()
    hours: Hours = Hours()
    ramp: Ramp = Ramp()
    fair_share: FairShare = FairShare()
    value: Value = Value()
    fit: tuple[Fit, ...] = ()

    @field_validator("eligibility", "fit", mode="before")
    @classmethod
    def _several(cls, value: Any) -> Any:
        return tuple(value) if isinstance(value, list) else value

    @field_validator("columns", mode="before")
    @classmethod
    def _alternatives(cls, value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        return {name: tuple(own) if isinstance(own, list) else own for name, own in value.items()}

    @field_validator("eligibility", "fit")
    @classmethod
    def _each_once(cls, rules: tuple[ListRule | Fit, ...] | None) -> Any:
        pairs = [(rule.column, rule.reps_column) for rule in rules or ()]
        twice = next((pair for pair in pairs if pairs.count(pair) > 1), None)
        if twice is not None:
            raise ValueError(f"compares {twice[0]!r} with {twice[1]!r} twice: give the rule once")
        return rules


def load_policy(path: str | Path) -> Policy:
    """Read and validate a policy file; every problem is found, each with its key and line.

    Raises
    ------
    ConfigError
        The file is missing, is not TOML, or says something that is not allowed.
    """
    content, text = read_toml(path)
    return parse_policy(content, file=Path(path).name, text=text)


def parse_policy(content: Mapping[str, Any], *, file: str = "policy", text: str = "") -> Policy:
    """Validate a policy given as nested dictionaries, as ``tomllib`` returns them.

    Raises
    ------
    ConfigError
        Lists every problem.
    """
    try:
        return Policy.model_validate(dict(content))
    except ValidationError as error:
        found = findings_of(error, Policy, file, text)
        raise ConfigError([_in_its_table(finding) for finding in found]) from None


def _in_its_table(finding: Finding) -> Finding:
    """Return the finding; where a key stands in the wrong table, with the right one as its remedy."""
    key = (finding.column or "").rpartition(".")[2]
    if finding.what != "is not a key this version knows":
        return finding
    tables = [name for name, keys in _keys_of_tables().items() if key in keys]
    if key in Policy.model_fields:
        return replace(finding, remedy=f"{key} stands at the top of the file, above the first table")
    return replace(finding, remedy=f"it belongs in {' or '.join(tables)}") if tables else finding


def _keys_of_tables() -> dict[str, set[str]]:
    """Return the keys of each table of the policy, by the table's heading."""
    found = {}
    for name, field in Policy.model_fields.items():
        section = field.annotation
        if isinstance(section, type) and issubclass(section, _Section):
            found[f"[{name}]"] = set(section.model_fields)
        for part in get_args(section):
            for model in (part, *get_args(part)):
                if isinstance(model, type) and issubclass(model, _Section):
                    found[f"[[{name}]]"] = set(model.model_fields)
    return found
