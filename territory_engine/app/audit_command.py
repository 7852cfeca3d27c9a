"""``territory-engine audit``: recheck a plan, or batches routed by it, without any solver."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from territory_engine.app.exit_codes import BAD_INPUT, answering, tell

if TYPE_CHECKING:
    from territory_engine.app.rerun import Rerun
    from territory_engine.auditing.audit import AuditReport


def audit(
    folder: Annotated[
        Path | None,
        typer.Argument(
            metavar="DIR",
            help="A plan directory; with --ledger the one that leads were routed by, or none.",
            show_default=False,
        ),
    ] = None,
    ledger: Annotated[
        str | None,
        typer.Option("--ledger", metavar="URL", help="Recheck the batches of this ledger.", show_default=False),
    ] = None,
    batch_id: Annotated[
        str | None,
        typer.Option("--batch-id", metavar="ID", help="Only this batch of the ledger.", show_default=False),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print every check as JSON.")] = False,
    again: Annotated[
        bool, typer.Option("--rerun", help="Also repeat the search from the stored inputs, and compare the results.")
    ] = False,
    traceback: Annotated[
        bool, typer.Option("--traceback", help="Show the Python traceback of an unexpected error.")
    ] = False,
) -> None:
    """Recheck a plan from its inputs, or routed batches from their ledger, without any solver.

    Every rule, the objective and the bound are computed again; of a batch every counter, every pair, and the proof that it
    is fair.

    Exits 0 when every check holds and 2 when one does not.
    """
    if ledger is not None:
        if again:
            raise typer.BadParameter("--rerun repeats the search of a plan: leave out --ledger.")
        _audit_ledger(ledger, batch_id, folder, as_json=as_json, traceback=traceback)
        return
    if batch_id is not None:
        raise typer.BadParameter("--batch-id names a batch of a ledger: add --ledger URL.")
    if folder is None:
        raise typer.BadParameter("give a plan directory, --ledger URL, or both.")
    _audit_plan(folder, again=again, as_json=as_json, traceback=traceback)


def _audit_plan(folder: Path, *, again: bool, as_json: bool, traceback: bool) -> None:
    from territory_engine.app.interruption import Interruption
    from territory_engine.app.progress import progress_display

    display = progress_display(quiet=as_json)
    with Interruption() as interruption, answering(interruption=interruption, traceback=traceback):
        from territory_engine.auditing.audit import audit as recheck

        report = recheck(folder)
        repetition = None
        if again and report.passed:
            from territory_engine.app.rerun import rerun

            with display:
                display.stage("repeating the search")
                repetition = rerun(folder, on_progress=display.solving)
        if as_json:
            tell(_as_json(report, repetition))
        else:
            tell(report.summary())
            if repetition is not None:
                tell(repetition.summary())
        failures = [f"{check.name}: {check.message}" for check in report.failed]
        if repetition is not None and not repetition.passed:
            failures.append("the search, repeated, did not give the stored plan")
        _answer(str(folder), failures)


def _audit_ledger(url: str, batch_id: str | None, plan: Path | None, *, as_json: bool, traceback: bool) -> None:
    with answering(traceback=traceback):
        import json

        from territory_engine.auditing.routed.batch_audit import audit_ledger

        found = audit_ledger(url, batch_id=batch_id, plan=plan)
        tell(json.dumps(found.to_dict(), indent=2) if as_json else found.summary())
        failures = [
            f"{report.folder}: {check.name}: {check.message}" for report in found.reports for check in report.failed
        ]
        _answer(found.ledger.folder, failures)


def _answer(what: str, failures: list[str]) -> None:
    if failures:
        tell("\n".join([f"{what} does not check out:", *(f"  {text}" for text in failures)]), error=True)
        raise typer.Exit(BAD_INPUT)


def _as_json(report: AuditReport, repetition: Rerun | None) -> str:
    import dataclasses
    import json

    answer = report.to_dict()
    if repetition is not None:
        answer["rerun"] = {**dataclasses.asdict(repetition), "passed": repetition.passed}
    return json.dumps(answer, indent=2)
