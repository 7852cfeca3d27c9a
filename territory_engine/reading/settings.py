"""What the configuration's tables need of each other, before any file is read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from territory_engine.errors import ConfigError, Finding

if TYPE_CHECKING:
    from territory_engine.config import Config


def check_settings(config: Config, file: str, *, has_reps: bool) -> None:
    """Refuse a configuration whose tables do not fit together, or that asks for what this version cannot do.

    Parameters
    ----------
    config : Config
    file : str
        What findings call the configuration.
    has_reps : bool
        Whether there are reps: with free centres there need not be any.

    Raises
    ------
    ConfigError
        Lists every finding. Never a plan that ignores a rule.
    """
    findings = [*_about_disruption(config), *_about_reps(config, has_reps)]
    if config.contiguity is not None and config.contiguity.kind == "cells" and config.travel.metric == "euclidean":
        remedy = (
            'give units or adjacency in [contiguity], or write metric = "haversine" and give latitude and longitude'
        )
        findings.append(
            Finding("cells need latitude and longitude, not x and y", column="contiguity.cells", remedy=remedy)
        )
    if findings:
        raise ConfigError([Finding(f.what, file, f.row, f.column, f.value, f.allowed, f.remedy) for f in findings])


def _about_disruption(config: Config) -> list[Finding]:
    """Find limits and prices on moves where territories are nobody's until the plan is made."""
    if config.disruption is None or config.territories.centers != "free":
        return []
    return [
        Finding(
            'what changes hands can be limited or priced only where each territory is a rep\'s, not with centers = "free"',
            column=f"disruption.{key}",
            value=f"{value:g}",
            remedy='use centers = "reps", with the places that territories are served from as the reps\' homes;'
            f" or remove {key}: disruption.current alone compares the plan with today's owners",
        )
        for key in ("max_moved", "weight")
        if (value := getattr(config.disruption, key)) is not None
    ]


def _about_reps(config: Config, has_reps: bool) -> list[Finding]:
    if has_reps:
        return []
    if config.territories.centers == "reps":
        remedy = (
            'add reps = "reps.csv": a row per rep, with the home; or let the engine choose the centres with'
            ' centers = "free" and a count in [territories]'
        )
        return [Finding("is missing", column="data.reps", remedy=remedy)]
    findings = []
    if config.territories.count is None:
        remedy = "add count = … to [territories]: without reps nothing else says how many territories there are"
        findings.append(Finding("is missing", column="territories.count", remedy=remedy))
    needs = [
        (f"balance[{i}].{key}", value)
        for i, rule in enumerate(config.balance, start=1)
        for key, value in (("share", rule.share), ("min", rule.min), ("max", rule.max))
        if isinstance(value, str)
    ]
    if config.locks is not None:
        needs.append(("locks.column", config.locks.column))
    if config.eligibility is not None and config.eligibility.reps_column is not None:
        needs.append(("eligibility.reps_column", config.eligibility.reps_column))
    if config.disruption is not None:
        needs.append(("disruption.current", config.disruption.current))
    findings.extend(
        Finding("needs reps, and there are none", column=key, value=value, remedy='add reps = "…" to [data]')
        for key, value in needs
    )
    return findings
