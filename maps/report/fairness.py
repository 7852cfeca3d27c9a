"""The report's section on fairness: work, money and potential per rep against their shares, in the plan and today."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from maps.report.curves import lorenz_chart
from maps.report.facts import heading
from scenarios.fairness import lorenz_curve, spread
from territory_engine.grammar import counted
from territory_engine.problem import MONEY
from territory_engine.wording import noun, percent

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from maps.report.facts import ReportFacts
    from scenarios.fairness import Spread


@dataclass(frozen=True, eq=False)
class Topic:
    """Something that should be even: a measure, per rep or per unit of a reps column.

    Attributes
    ----------
    measure : str
    who : str
        ``"rep"`` or ``"territory"``.
    share_column : str
        ``""``: each has an equal share.
    load, share : ndarray of float64, shape (n_territories,)
    today : ndarray of float64, shape (n_territories,), or None
    """

    measure: str
    who: str
    share_column: str
    load: NDArray[np.float64]
    share: NDArray[np.float64]
    today: NDArray[np.float64] | None

    @property
    def equal(self) -> bool:
        """Whether all shares are the same."""
        return bool(np.ptp(self.share) <= 1e-12 * float(np.abs(self.share).max()))

    @property
    def per(self) -> str:
        """What it is per, in words."""
        return f"per {self.who}" if self.equal else f"per unit of “{self.share_column}”"


def fairness_topics(facts: ReportFacts) -> list[Topic]:
    """Return what should be even: every balanced measure by its shares, and what columns say by their very names.

    ``potential`` among the accounts is compared per rep; a reps column ``quota`` that shares nothing out, with
    ``revenue``, else ``potential``; ``capacity``, with the travel weight, else with the number of accounts. Nothing where there is nobody to compare with.
    """
    problem = facts.problem
    if len(facts.ids) < 2:
        return []
    shares: dict[str, str] = {}
    for entry in problem.config.balance:
        shares[entry.measure] = entry.share or shares.get(entry.measure, "")
    pairs = list(shares.items())
    told = {a.measure for a in facts.amounts}
    if "potential" in told and "potential" not in shares:
        pairs.append(("potential", ""))
    weight = problem.config.travel.weight
    for column, measures in (("quota", MONEY), ("capacity", (weight if weight in told else "count",))):
        if column in problem.reps and column not in shares.values() and problem.reps[column].dtype.kind in "iuf":
            pairs += [(m, column) for m in measures if m in told or m == "count"][:1]
    place = problem.territory_ids.get_indexer(facts.plan.territories.index)
    found = []
    for measure, column in pairs:
        share = problem.reps[column].to_numpy(np.float64)[place] if column else np.ones(len(facts.ids))
        found.append(Topic(measure, facts.who, column, facts.loads(measure), share, facts.loads_today(measure)))
    return [t for t in found if _comparable(t.load) and _comparable(t.share)]


def fairness_section(facts: ReportFacts, topics: list[Topic]) -> list[dict[str, Any]]:
    """Return what the section shows of every topic: figures, a sentence and the Lorenz curve."""
    return [_shown(facts, topic) for topic in topics]


def fairness_sentence(facts: ReportFacts, topic: Topic) -> str:
    """Say how far apart the reps with most and least for their share are; nothing where there is nothing to have."""
    now = spread(topic.load, topic.share)
    if now.lowest < 0 or math.isclose(now.ratio, 1.0, rel_tol=1e-9):
        return ""
    most, least = (_and_alike(facts, topic, row) for row in (now.highest, now.lowest))
    what = noun(topic.measure).removeprefix("of ")
    for_what = "" if topic.equal else f" for each unit of “{topic.share_column}”"
    if not math.isfinite(now.ratio):
        text = f"{least[0]} {least[1]} no {what} at all; {most[0]} {most[1]} the most{for_what}"
    else:
        text = f"{most[0]} {most[1]} the most {what}{for_what}: {_times(now)} what {least[0]} {least[1]}, the least"
    before = _today(topic)
    if before is not None:
        text += (
            f"; today the most is {_times(before)} the least"
            if math.isfinite(before.ratio)
            else "; today somebody has none"
        )
    return text + "."


def _shown(facts: ReportFacts, topic: Topic) -> dict[str, Any]:
    now, before = spread(topic.load, topic.share), _today(topic)
    name = f"{heading(topic.measure)} {topic.per}"
    curve = lorenz_curve(topic.load, topic.share)
    today = None if before is None or topic.today is None else lorenz_curve(topic.today, topic.share)
    across = (
        f"of the {counted(2, topic.who).removeprefix('2 ')}, least first"
        if topic.equal
        else f"of “{topic.share_column}”, least first"
    )
    said = f"Lorenz curve of {name}: Gini coefficient {now.gini:.3f}"
    if before is not None:
        said += f", today {before.gini:.3f}"
    return {
        "name": name,
        "same_shares": topic.share_column if topic.share_column and topic.equal else "",
        "sentence": fairness_sentence(facts, topic),
        "rows": _rows(facts, topic, now, before),
        "today": before is not None,
        "chart": lorenz_chart(curve, today, title=said, axes=(across, f"of {noun(topic.measure).removeprefix('of ')}")),
    }


def _and_alike(facts: ReportFacts, topic: Topic, row: int, *, today: bool = False) -> tuple[str, str]:
    """Return who a row is, with how many have as much for their share, and the verb that goes with them."""
    load = topic.today if today and topic.today is not None else topic.load
    here = topic.share > 0
    alike = int(np.isclose(load[here] * topic.share[row], load[row] * topic.share[here], rtol=1e-9, atol=0.0).sum()) - 1
    if alike < 1:
        return facts.names[row], "has"
    return f"{facts.names[row]} and {counted(alike, 'other')}", "have"


def _rows(facts: ReportFacts, topic: Topic, now: Spread, before: Spread | None) -> list[tuple[str, str, str]]:
    """Label, plan and today."""

    def who(row: int, ratio: float, *, today: bool = False) -> str:
        if row < 0:
            return "–"
        return f"{percent(round(ratio - 1, 9), signed=True)}, {_and_alike(facts, topic, row, today=today)[0]}"

    then, past = before or now, before is not None
    return [
        ("Most for its share", who(now.highest, now.highest_ratio), who(then.highest, then.highest_ratio, today=past)),
        ("Least for its share", who(now.lowest, now.lowest_ratio), who(then.lowest, then.lowest_ratio, today=past)),
        ("Most ÷ least", _times(now), _times(then)),
        ("Gini coefficient", f"{now.gini:.3f}", f"{then.gini:.3f}"),
        ("Coefficient of variation", percent(now.variation), percent(then.variation)),
    ]


def _today(topic: Topic) -> Spread | None:
    if topic.today is None or not _comparable(topic.today):
        return None
    return spread(topic.today, topic.share)


def _times(found: Spread) -> str:
    return f"{found.ratio:,.2f} ×" if math.isfinite(found.ratio) else "–"


def _comparable(values: NDArray[np.float64]) -> bool:
    return bool(len(values) and np.isfinite(values).all() and (values >= 0).all() and values.sum() > 0)
