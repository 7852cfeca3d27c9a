"""The routing policy: what the TOML file may say about who gets which lead, and what each key means.

Every default is a policy too, and documented: nothing about the split is implied.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from territory_engine.config import read_toml
from territory_engine.config_findings import findings_of
from territory_engine.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping

NonNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Fraction = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]


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
    company_margin: NonNegative = 4.0
    # Without units a lead lies in the territory of the nearest account, at most this far off.
    territory_reach_km: NonNegative = 100.0


class ListRule(_Section):
    """``[[eligibility]]``: every ``;``-separated value in the lead's ``column`` must be in the rep's ``reps_column``."""

    column: str
    reps_column: str


class Limits(_Section):
    """``[limits]``: the most a rep takes; a number for everyone, or the name of a reps column (blank: no limit)."""

    open_leads: NonNegative | str | None = None
    per_day: NonNegative | str | None = None
    per_week: NonNegative | str | None = None
    travel_km: NonNegative | str | None = None


class Hours(_Section):
    """``[hours]``: a rep takes a lead only if at work within ``respond_within_h`` hours of the batch. Not set: any time.

    Working hours are the reps columns ``time_zone``, ``working_days`` and ``working_hours``; leave is ``leave``.
    """

    respond_within_h: NonNegative | None = None


class Ramp(_Section):
    """``[ramp]``: a new rep's weight grows from ``start`` to 1 over ``days`` from the reps column ``started_on``."""

    days: Annotated[int, Field(ge=0)] = 0
    start: Fraction = 0.25


class FairShare(_Section):
    """``[fair_share]``: what an equal share is, and what may come before it.

    ``weight`` is a number or a reps column. ``matched`` says whether leads that went to the owner of their account or
    territory count towards the rep's share. ``catch_up`` is the fraction of what a rep missed on leave that is made up
    afterwards: 0 none, 1 all. ``fairness_slack`` is how many leads a rep may be off the fairest split for the sake of
    value. ``then`` decides among equally fair splits: the best expected value, or the evenest.
    """

    weight: str | None = None
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

    column: str
    reps_column: str
    factor: Positive


class Policy(_Section):
    """A whole routing policy. ``reps`` is a file of the reps as they are now, which replaces and extends the plan's columns.

    ``eligibility`` not given: the plan's own rule, and segment, language, product and skills where leads and reps have
    such columns (``segments``, ``languages``, ``products``, ``skills``).
    """

    reps: str | None = None
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
        raise ConfigError(findings_of(error, Policy, file, text)) from None
