"""The report's section on travel: per rep, over all accounts, and the farthest of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from maps.report.charts import MOST_BARS, Bar, load_chart
from maps.report.curves import Strip, histogram, strips
from territory_engine.wording import number, objective_unit

if TYPE_CHECKING:
    from maps.report.facts import ReportFacts

_FARTHEST = 10
_QUANTILES = (0.0, 0.25, 0.5, 0.75, 1.0)


def travel_section(facts: ReportFacts) -> dict[str, Any]:
    """Return what the section shows: a strip per rep, a histogram where places are known, and the farthest accounts."""
    totals = facts.plan.territories["travel"].to_numpy(np.float64)
    order = np.argsort(-totals, kind="stable")[:MOST_BARS].tolist()
    known = np.isfinite(facts.travel) & (facts.territory >= 0)
    found: dict[str, Any] = {
        "cut": len(totals) > MOST_BARS,
        "most": MOST_BARS,
        "histogram": None,
        "farthest": [],
        "today": False,
    }
    if not known.any():
        bars = [Bar(facts.names[t], float(totals[t])) for t in order]
        return found | {"chart": load_chart(bars, title="Travel per territory"), "strips": False}
    rows = []
    for t in order:
        mine = facts.travel[facts.members[t]]
        mine = mine[np.isfinite(mine)]
        if len(mine):
            quantiles = tuple(np.quantile(mine, _QUANTILES).tolist())
            figures = (number(float(totals[t])), number(float(mine.mean())), number(float(mine.max())))
            rows.append(Strip(facts.names[t], quantiles, figures))
    today = facts.travel_today[np.isfinite(facts.travel_today)]
    heads = (f"{objective_unit(facts.problem)}", f"mean {facts.unit}", f"longest {facts.unit}")
    far = facts.farthest(np.flatnonzero(known))[:_FARTHEST].tolist()
    return found | {
        "strips": True,
        "chart": strips(
            rows,
            heads,
            title=f"Travel of each territory's accounts, {facts.unit}: nearest, middle half, median and farthest",
        ),
        "histogram": histogram(
            facts.travel[known],
            today if len(today) else None,
            unit=facts.unit,
            title=f"Accounts by travel, {facts.unit}",
        ),
        "today": bool(len(today)),
        "today_accounts": number(len(today)),
        "all_today": len(today) == int(known.sum()),
        "farthest": [
            {
                "name": facts.account_names[i],
                "id": facts.account_ids[i] if facts.account_ids[i] != facts.account_names[i] else "",
                "rep": facts.names[facts.territory[i]],
                "travel": number(float(facts.travel[i])),
            }
            for i in far
        ],
    }
