"""An explanation on a terminal: what happened, who has the lead, who could have had it, who could not."""

from __future__ import annotations

from collections import Counter
from datetime import datetime
from typing import TYPE_CHECKING, Any

from solvers.fair_split.problem import LEVEL_UNIT
from territory_engine.grammar import counted
from territory_engine.leads.amounts import amount_text, share_text
from territory_engine.leads.reps.availability import day_in_words
from territory_engine.leads.suitability.obstacles import obstacle_clauses

if TYPE_CHECKING:
    from collections.abc import Sequence

    from territory_engine.leads.explaining.explanation import LeadExplanation
    from territory_engine.leads.explaining.rep_views import RepView

_SHOWN = 12
"""Reps told one by one in each group; more are summed up."""


def for_everyone(explanation: LeadExplanation) -> str:
    """Return the explanation as text."""
    lines = [*_heading(explanation), *_matching(explanation)]
    has, could, could_not = (explanation.of_group(group) for group in ("has_it", "could", "could_not"))
    everyone = len(explanation.reps)
    for view in has:
        lines += ["", f"{_called(view)} has it:", f"    {_figures(view)}"]
        if view.sentence != "has it":
            lines.append(f"    {_sentence(view.sentence.removeprefix('has it; '))}")
    if could:
        others = counted(len(could), "other rep" if has else "rep")
        able = f"{others} of {everyone:,} could have had it. With them instead:"
        lines += ["", able]
        shown, rest = _shown_of(could)
        for view in shown:
            lines += [f"  {_called(view)}: {_figures(view)}", f"    {_sentence(view.sentence)}"]
        lines += _more_who_could(rest)
    if _nobody_was_asked(explanation):
        lines += [
            "",
            _NOBODY.get(
                str(explanation.decision["reason_code"]), "Nobody was asked: it cannot go to anybody as it is."
            ),
        ]
    elif could_not:
        lines += [
            "",
            f"{counted(len(could_not), 'rep')} of {everyone:,} could not take it:",
            *_who_could_not(could_not),
        ]
    lines += _ending(explanation)
    return "\n".join(printable(line) for line in lines)


def for_rep(explanation: LeadExplanation, view: RepView) -> str:
    """Return one rep's point of view as text."""
    lead, rep = explanation.lead_id, view.rep_id
    lines = [*_heading(explanation), ""]
    if view.group == "has_it":
        lines += [f"Why {rep} got lead {lead}: {explanation.decision['reason']}", f"  {_figures(view)}"]
    elif view.group == "could":
        lines += [
            f"Why {rep} did not get lead {lead}: {rep} could have taken it.",
            f"  {_figures(view)}",
            f"  If {rep} had it, {view.sentence}.",
        ]
        lines += [f"  With {other.rep_id}, who has it: {_figures(other)}" for other in explanation.of_group("has_it")]
    else:
        until = f" It could be asked again from {_moment(view.until)}." if view.until else ""
        lines += [f"Why {rep} did not get lead {lead}: {rep} {view.sentence}.{until}", f"  {_figures(view)}"]
    lines += [f"Note: {notice}" for notice in explanation.notices]
    return "\n".join(printable(line) for line in lines)


def printable(line: str) -> str:
    """Return a line with everything that a terminal would obey, or hide, written out."""
    return "".join(c if c.isprintable() else " " if c.isspace() and ord(c) > _NBSP else _escaped(c) for c in line)


_NBSP = 0x9F


def _escaped(character: str) -> str:
    return character.encode("unicode_escape", "backslashreplace").decode()


def _heading(explanation: LeadExplanation) -> list[str]:
    decision, batch = explanation.decision, explanation.batch
    what = {"assigned": f"went to {decision['rep_id']}", "queued": "waits", "rejected": "was rejected"}
    lines = [
        f"Lead {explanation.lead_id} {what[explanation.status]}. "
        f"Routed {_moment(batch['routed_at'])}, in {_batch_named(batch)}.",
        str(decision["reason"]),
    ]
    asked = _asked(explanation)
    return [*lines, asked] if asked else lines


_FIELDS = ("account_id", "company", "domain", "segment", "language", "product", "skills", "country", "postal_code")


def _asked(explanation: LeadExplanation) -> str:
    lead = explanation.lead
    told = [f"{name} {lead[name]}" for name in _FIELDS if name in lead]
    if "latitude" in lead and "longitude" in lead:
        told.append(f"at {lead['latitude']:.4f}, {lead['longitude']:.4f}")
    if "value" in lead:
        told.append(f"value {amount_text(float(lead['value']))}")
    if lead.get("score") not in (None, 1, 1.0):
        told.append(f"score {lead['score']:g}")
    return f"The lead: {', '.join(told)}." if told else ""


def _matching(explanation: LeadExplanation) -> list[str]:
    evidence = str(explanation.decision["match_evidence"])
    if not evidence or evidence.casefold() in explanation.decision["reason"].casefold():
        return []
    return [f"{'No match' if explanation.decision['match_kind'] == 'none' else 'Match'}: {evidence}."]


def _called(view: RepView) -> str:
    return f"{view.rep_id} ({view.name})" if view.name and view.name != view.rep_id else view.rep_id


_PREFERENCES = {"owner": "has its account", "territory": "the lead lies in their territory"}


def _figures(view: RepView) -> str:
    """Return share, leads, distance and value of a rep on a line."""
    step = round(LEVEL_UNIT / view.weight) if view.weight else LEVEL_UNIT
    before, after = (share_text(round(share * LEVEL_UNIT), step) for share in (view.share_before, view.share_after))
    told = [
        f"share {before}, then {after} with {counted(view.leads_in_batch, 'lead')} of this batch"
        if view.leads_in_batch
        else f"share {before}, with no lead of this batch"
    ]
    if view.travel_km is not None:
        told.append(f"{view.travel_km:,.1f} km")
    if view.expected_value is not None:
        told.append(f"worth {amount_text(view.expected_value)}")
    if view.preference in _PREFERENCES:
        told.append(_PREFERENCES[view.preference])
    return ", ".join(told)


_NOBODY = {
    "ambiguous": "No rep was asked: whose it is has to be settled first.",
    "already_routed": "No rep was asked: it was routed before.",
}

_SUMMARY = {
    "assigned": "fewer leads would find a rep",
    "match": "a match would be passed over",
    "evenness": "shares would be less even",
    "value": "the batch would be worth less",
    "tie": "nothing would be better or worse",
    "": "the price is not known",
}


def _shown_of(could: Sequence[RepView]) -> tuple[list[RepView], list[RepView]]:
    """Return who is told one by one, and who is summed up: of many who would do as well, a few say it all."""
    ties = [view for view in could if view.code == "tie"]
    others = [view for view in could if view.code != "tie"]
    kept = len(ties) if len(ties) <= _FEW + 1 else _FEW
    room = max(_SHOWN - kept, 0)
    return ties[:kept] + others[:room], ties[kept:] + others[room:]


def _more_who_could(rest: Sequence[RepView]) -> list[str]:
    counts = Counter(view.code for view in rest)
    return [f"  With {number:,} more, {_SUMMARY[code]}." for code, number in counts.items()]


def _who_could_not(views: Sequence[RepView]) -> list[str]:
    if len(views) <= _SHOWN:
        return [f"  {_called(view)} {view.sentence}" for view in views]
    counts = Counter(view.code for view in views)
    lines = []
    for code, number in counts.most_common():
        if number <= _FEW:
            lines += [f"  {_called(view)} {view.sentence}" for view in views if view.code == code]
        else:
            lines.append(f"  {obstacle_clauses(code, number)}")
    return lines


_FEW = 3


def _ending(explanation: LeadExplanation) -> list[str]:
    lines: list[str] = []
    if explanation.advice:
        lines += ["", "What would help:", *(f"  {text}" for text in explanation.advice)]
    if len(explanation.history) > 1:
        lines += ["", "So far:", *(f"  {_moment(one['at'])}: {one['what']}" for one in explanation.history)]
    if not _nobody_was_asked(explanation):
        lines += ["", "Share: leads per unit of weight, with credit for time before joining and away."]
    return lines + [f"Note: {notice}" for notice in explanation.notices]


def _nobody_was_asked(explanation: LeadExplanation) -> bool:
    return all(view.code in ("lead", "already_routed") for view in explanation.reps)


def _sentence(clause: str) -> str:
    return f"{clause[:1].upper()}{clause[1:]}."


def _moment(text: str) -> str:
    moment = datetime.fromisoformat(text)
    return f"{day_in_words(moment.date())} {moment:%H:%M} UTC"


_HASH = 64


def _batch_named(batch: dict[str, Any]) -> str:
    """Return a batch as people call it: that of the queue by its moment, others by their ID."""
    batch_id, leads = str(batch["batch_id"]), counted(int(batch["leads"]), "lead")
    if batch_id.startswith("queue ") and len(batch_id.split(" ")) == _QUEUE_WORDS:
        return f"the batch of waiting leads of {_moment(batch_id.split(' ')[1])} ({leads})"
    return f"batch {_short(batch_id)} of {leads}"


_QUEUE_WORDS = 3


def _short(batch_id: str) -> str:
    """Return a batch's ID, a hash by its first figures."""
    is_hash = len(batch_id) == _HASH and all(c in "0123456789abcdef" for c in batch_id)
    return f"{batch_id[:12]}…" if is_hash else batch_id
