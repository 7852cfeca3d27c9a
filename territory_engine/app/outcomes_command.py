"""``territory-engine outcomes``: what became of leads, from a file of the CRM's or one at a time."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from territory_engine.app.exit_codes import answering, tell
from territory_engine.app.route_command import LEDGER, LedgerOption, Traceback, moment

if TYPE_CHECKING:
    from collections.abc import Sequence

    from territory_engine.leads.told_outcomes import ToldOutcomes

_NOTICES_SHOWN = 8


def outcomes(
    file: Annotated[
        Path | None, typer.Argument(metavar="FILE", help="The file of outcomes.", show_default=False)
    ] = None,
    ledger: LedgerOption = LEDGER,
    lead: Annotated[
        str | None,
        typer.Option("--lead", metavar="LEAD_ID", help="Instead of a file, one lead.", show_default=False),
    ] = None,
    kind: Annotated[
        str | None,
        typer.Option("--kind", metavar="KIND", help="accepted, contacted, won, lost or returned.", show_default=False),
    ] = None,
    at: Annotated[
        str | None, typer.Option("--at", metavar="MOMENT", help="When; now unless given.", show_default=False)
    ] = None,
    value: Annotated[
        float | None, typer.Option("--value", metavar="N", help="What it brought.", show_default=False)
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Show no summary.")] = False,
    traceback: Traceback = False,
) -> None:
    """Record what became of leads: all of it, or nothing where anything is wrong.

    Won, lost and returned leads are no longer open; a returned one may be routed again. Telling the same again changes
    nothing.
    """
    when = moment(at)
    if (file is None) == (lead is None):
        given = "neither" if file is None else "both"
        raise typer.BadParameter(f"found {given}, allowed: either a file of outcomes or --lead", param_hint="FILE")
    if lead is None and not (kind is None and at is None and value is None):
        raise typer.BadParameter("--kind, --at and --value go with --lead, not with a file", param_hint="FILE")
    if lead is not None and kind is None:
        allowed = "accepted, contacted, won, lost or returned"
        raise typer.BadParameter(f"found none, allowed: {allowed}", param_hint="--kind")
    with answering(traceback=traceback):
        from territory_engine.leads.reading.outcomes import read_outcomes
        from territory_engine.ledger import Ledger

        if file is not None:
            told = read_outcomes(file)
        else:
            from territory_engine.leads.reading.outcomes import one_outcome

            told = one_outcome(str(lead), str(kind), when, value)
        with Ledger.open(ledger, create=False) as opened:
            results = told.record(opened)
        if not quiet:
            tell("\n".join([_summary(told, results), *(f"- {notice}" for notice in told.notices[:_NOTICES_SHOWN])]))


def _summary(told: ToldOutcomes, results: Sequence[str]) -> str:
    from territory_engine.grammar import counted

    new = [one.kind for one, result in zip(told.outcomes, results, strict=True) if result == "recorded"]
    kinds = ", ".join(f"{new.count(kind):,} {kind}" for kind in dict.fromkeys(sorted(new)))
    lines = [f"{counted(len(new), 'outcome')} recorded{f': {kinds}' if kinds else ''}."]
    known = len(results) - len(new)
    if known:
        lines.append(f"{counted(known, 'outcome')} known already.")
    if "returned" in new:
        lines.append("Returned leads are routed again once a batch brings them.")
    return " ".join(lines)
