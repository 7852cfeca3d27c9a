"""``territory-engine reps`` and ``queue``: where every rep stands, and which leads wait, between two batches."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any
from zoneinfo import ZoneInfo

import typer

from territory_engine.app.exit_codes import answering, tell
from territory_engine.app.route_command import LEDGER, LedgerOption, PlanOption, PolicyOption, Traceback, moment

if TYPE_CHECKING:
    from collections.abc import Sequence

JsonOption = Annotated[bool, typer.Option("--json", help="Print everything as JSON.")]


def reps(
    plan: PlanOption,
    ledger: LedgerOption = LEDGER,
    policy: PolicyOption = None,
    as_of: Annotated[
        str | None,
        typer.Option("--as-of", metavar="MOMENT", help="At this moment (ISO 8601), not now.", show_default=False),
    ] = None,
    as_json: JsonOption = False,
    traceback: Traceback = False,
) -> None:
    """Say where every rep stands: share, weight, open leads, room, and who takes no leads and why.

    It is what a batch routed at that moment would find. The ledger is only read.
    """
    at = moment(as_of) or datetime.now(UTC)
    with answering(traceback=traceback):
        from territory_engine.ledger import Ledger
        from territory_engine.routing import Router

        with Ledger.open(ledger, create=False) as opened:
            told = Router.open(plan, opened, policy).reps(at=at)
        tell(_json({"at": _iso(at), "reps": told}) if as_json else _reps_table(told, at))


def queue(ledger: LedgerOption = LEDGER, as_json: JsonOption = False, traceback: Traceback = False) -> None:
    """Say which leads wait, since when, why, and when they could go. The ledger is only read."""
    with answering(traceback=traceback):
        from territory_engine.leads.waiting import waiting_now
        from territory_engine.ledger import Ledger

        with Ledger.open(ledger, create=False) as opened:
            told = waiting_now(opened)
        tell(_json(told) if as_json else _queue_table(told))


def _reps_table(told: Sequence[dict[str, Any]], at: datetime) -> str:
    from territory_engine.leads.reps.availability import day_in_words

    def at_work(rep: dict[str, Any]) -> str:
        if rep["next_at_work"] is None:
            return "not within a year"
        there = datetime.fromisoformat(rep["next_at_work"])
        local = there.astimezone(ZoneInfo(rep["time_zone"]))
        return "now" if there <= at else f"{day_in_words(local.date())} {local:%H:%M} {local:%Z}"

    names = any(rep["name"] for rep in told)
    rows = [
        [
            rep["rep_id"],
            *([rep["name"]] if names else []),
            f"{rep['share']:,.2f}",
            f"{rep['weight']:g}",
            f"{rep['open_leads']:,}",
            f"{rep['leads_today']:,}",
            f"{rep['leads_this_week']:,}",
            "any" if rep["room"] is None else f"{rep['room']:,}",
            at_work(rep),
            "yes" if rep["takes_leads"] else f"no: {rep['why_not']}",
        ]
        for rep in told
    ]
    head = ["rep", *(["name"] if names else []), "share", "weight", "open", "today", "week", "room"]
    return _table([*head, "at work", "takes leads"], rows, left={"rep", "name", "at work", "takes leads"})


def _queue_table(told: dict[str, Any]) -> str:
    from territory_engine.grammar import counted

    if not told["leads"]:
        return "No lead waits."
    rows = [
        [one["lead_id"], _minute(one["since"]), _minute(one["could_go_at"]) or "unknown", one["reason"]]
        for one in told["leads"]
    ]
    number = told["total"]
    return "\n".join(
        [
            f"{counted(number, 'lead')} {'waits' if number == 1 else 'wait'}. Moments are in UTC.",
            "",
            _table(["lead", "since", "could go", "why"], rows, left={"lead", "since", "could go", "why"}),
        ]
    )


def _table(head: Sequence[str], rows: Sequence[Sequence[str]], left: set[str]) -> str:
    widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
    lines = []
    for row in (head, *rows):
        cells = [c.ljust(w) if name in left else c.rjust(w) for c, w, name in zip(row, widths, head, strict=True)]
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)


def _minute(text: str | None) -> str:
    return "" if text is None else text[:16].replace("T", " ")


def _iso(at: datetime) -> str:
    return f"{at:%Y-%m-%dT%H:%M:%SZ}"


def _json(told: Any) -> str:
    import json

    return json.dumps(told, ensure_ascii=False, indent=2)
