"""``territory-engine explain``: why a lead went where it did, from the ledger alone."""

from __future__ import annotations

from typing import Annotated

import typer

from territory_engine.app.exit_codes import answering, tell
from territory_engine.app.route_command import LEDGER, LedgerOption, Traceback


def explain(
    lead_id: Annotated[str, typer.Argument(metavar="LEAD_ID", help="The lead's ID.", show_default=False)],
    ledger: LedgerOption = LEDGER,
    batch_id: Annotated[
        str | None,
        typer.Option(
            "--batch-id", metavar="ID", help="By default the last batch that decided about it.", show_default=False
        ),
    ] = None,
    rep: Annotated[
        str | None,
        typer.Option("--rep", metavar="REP_ID", help="Why did this rep get it, or not?", show_default=False),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print everything as JSON, every rep included.")] = False,
    traceback: Traceback = False,
) -> None:
    """Say why a lead went where it did.

    Who could take it, why each other rep could not or was not chosen, and the exact price of choosing them.
    """
    with answering(traceback=traceback):
        from territory_engine.leads.explaining.explanation import explain as explained

        explanation = explained(ledger, lead_id, batch_id)
        if as_json:
            import json

            tell(json.dumps(explanation.to_dict(rep), indent=2))
        else:
            tell(explanation.text(rep))
