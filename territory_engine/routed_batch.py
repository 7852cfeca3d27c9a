"""The answer to a batch of leads: one row per lead, and what is proved of the whole."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from territory_engine.grammar import counted

if TYPE_CHECKING:
    from datetime import datetime

    from territory_engine.ledger.records import StoredBatch

ANSWER_COLUMNS = (
    "lead_id",
    "rep_id",
    "territory_id",
    "status",
    "reason",
    "fair_share_before",
    "fair_share_after",
    "reason_code",
    "could_go_at",
    "expected_value",
    "travel_km",
)
"""Columns of the file of answers; the first seven are public API in this order."""

DIGITS = {"fair_share_before": 6, "fair_share_after": 6, "expected_value": 2, "travel_km": 1}
"""Digits after the point that answers have: values to the hundredth, km to the tenth."""

_REPS_SHOWN = 10


@dataclass(frozen=True, eq=False)
class RoutedBatch:
    """A batch that has been routed.

    Attributes
    ----------
    batch_id : str
    at : datetime
        UTC moment that it was routed for.
    repeated : bool
        Whether this is the stored answer to a batch routed before.
    decisions : DataFrame
        One row per lead in input order: :data:`~territory_engine.ledger.records.DECISION_COLUMNS`.
    proof : dict
        What is proved of the split.
    """

    batch_id: str
    at: datetime
    repeated: bool
    decisions: pd.DataFrame
    proof: dict[str, Any]

    @classmethod
    def as_stored(cls, stored: StoredBatch) -> RoutedBatch:
        """Return a stored batch as the answer to a retry."""
        record = stored.record
        return cls(record.batch_id, record.routed_at, True, stored.decisions, record.proof)

    def __len__(self) -> int:
        return len(self.decisions)

    def number(self, status: str) -> int:
        """Return how many leads are ``"assigned"``, ``"queued"`` or ``"rejected"``."""
        return int((self.decisions["status"] == status).sum())

    @property
    def assigned(self) -> int:
        """How many leads have a rep."""
        return self.number("assigned")

    @property
    def queued(self) -> int:
        """How many leads wait."""
        return self.number("queued")

    @property
    def rejected(self) -> int:
        """How many leads cannot be routed as they are."""
        return self.number("rejected")

    @property
    def answers(self) -> pd.DataFrame:
        """One row per lead in input order, with :data:`ANSWER_COLUMNS`; values to the hundredth, km to the tenth."""
        chosen = self.decisions[list(ANSWER_COLUMNS)]
        # What was just decided and what was read back are the same table, down to the types.
        return chosen.astype({c: float if c in DIGITS else str for c in ANSWER_COLUMNS}).round(DIGITS)

    def summary(self) -> str:
        """Return what somebody who sent the batch wants to know first, in some twenty lines."""
        size = counted(len(self), "lead")
        lines = [f"{size}: {self.assigned:,} assigned, {self.queued:,} queued, {self.rejected:,} rejected."]
        if self.repeated:
            lines.insert(0, f"Routed before, at {self.at:%Y-%m-%d %H:%M} UTC; this is the answer given then.")
        if alarm := self.alarm():
            lines.append(alarm)
        lines += self._not_applied()
        lines += [self.proof_sentence(), *self._rep_table()]
        for status in ("queued", "rejected"):
            chosen = self.decisions[self.decisions["status"] == status]
            if len(chosen):
                codes = chosen["reason_code"].value_counts(sort=True)
                told = ", ".join(_counted_code(str(code), int(number)) for code, number in codes.items())
                first = chosen.iloc[0]
                lines += ["", f"{status.capitalize()}: {told}. The first, {first['lead_id']}: {first['reason']}"]
        return "\n".join(lines)

    def alarm(self) -> str:
        """Return what somebody must hear of a batch all of whose leads were rejected for one reason; "" elsewhere."""
        told = self.proof.get("all_rejected")
        if not told:
            return ""
        every = f"all {len(self):,} leads were" if len(self) != 1 else "the only lead was"
        column = f"{told['column']} " if "column" in told else ""
        remedy = (
            f" Remedy: {told['remedy']}; if it is the policy that you change, give --batch-id."
            if "remedy" in told
            else ""
        )
        return f"NOTHING WAS ROUTED: {every} rejected for the same reason: {column}{told['what']}.{remedy}"

    def _not_applied(self) -> list[str]:
        """Say which rules asked for nothing, since no lead has their column."""
        none = f"none of the {len(self):,} leads has it" if len(self) != 1 else "the lead does not have it"
        return [
            f"Rule {column} → {reps_column} was not applied: {none}."
            for column, reps_column in self.proof.get("not_applied") or ()
            if len(self)
        ]

    def proof_sentence(self) -> str:
        """Return what is proved of the split, in a sentence or two."""
        parts = self.proof.get("parts") or []
        if not parts or not self.assigned:
            return "Nothing was split."
        shared, unit = parts[-1], self.proof.get("value_unit", 1.0)
        proved = set.intersection(*(set(part["proved"]) for part in parts))
        over = " over the pairs that were kept" if self.proof.get("truncated") else ""
        slack = " but for the slack" if self.proof.get("slack") else ""
        least = (
            "in squares of leads per weight" if self.proof.get("objective") == "squares" else "by the fullest rep first"
        )
        its = "its"
        if not {"assigned", "rank", "fairness"} <= proved:
            text = "Found by exchanges, not proved: a more even split may exist"
        elif len(parts) == 1:
            text = f"Proved{over}: no split assigns more leads, follows the matches better, or is more even{slack} ({least})"
        else:
            # Matched leads were settled first: what is even is the rest, with the room that they left.
            text, its = f"Proved{over}: no split assigns more leads or follows the matches better", "their"
            if not shared["assigned"]:
                return f"{text}. No other leads were split."
            others = counted(shared["assigned"], "other lead")
            text += f"; beside the matched leads, none splits the {others} more evenly{slack} ({least})"
        if slack:
            gain = (shared["value_sum"] - shared["fairest_value"]) * unit
            return f"{text}; the slack is worth {gain:,.2f}."
        if self.proof.get("then") == "even_value":
            return f"{text}; no exchange of two leads makes the shares of value more even."
        value = shared["value_sum"] * unit
        if "value" in proved:
            return f"{text}; of all that are as even, none is worth more than {its} {value:,.2f}."
        return f"{text}; it is worth {value:,.2f}."

    def _rep_table(self) -> list[str]:
        """Return who got how much, most leads first."""
        given = self.decisions[self.decisions["status"] == "assigned"]
        if not len(given):
            return []
        by_rep = given.groupby("rep_id", sort=True).agg(
            leads=("lead_id", "size"),
            value=("expected_value", "sum"),
            before=("fair_share_before", "min"),
            after=("fair_share_after", "max"),
        )
        by_rep = by_rep.iloc[np.argsort(-by_rep["leads"].to_numpy(), kind="stable")]
        shown = by_rep.head(_REPS_SHOWN)
        columns = [
            ["rep", *map(str, shown.index)],
            ["leads", *(f"{n:,}" for n in shown["leads"])],
            ["expected value", *(f"{v:,.2f}" for v in shown["value"])],
            ["share before", *(f"{v:,.2f}" for v in shown["before"])],
            ["after", *(f"{v:,.2f}" for v in shown["after"])],
        ]
        widths = [max(map(len, column)) for column in columns]
        rows = zip(*columns, strict=True)
        lines = [
            "  ".join(c.ljust(w) if k == 0 else c.rjust(w) for k, (c, w) in enumerate(zip(row, widths, strict=True)))
            for row in rows
        ]
        if len(by_rep) > _REPS_SHOWN:
            lines.append(f"… and {len(by_rep) - _REPS_SHOWN:,} more")
        return ["", *lines]

    def __str__(self) -> str:
        return self.summary()


def _counted_code(code: str, number: int) -> str:
    """Return how many leads wait, or were set aside, for one reason."""
    if code == "already_routed":
        return f"{number:,} {'has' if number == 1 else 'have'} been given to a rep before"
    one = {
        "bad_data": "with bad data", "ambiguous": "could be several owners'", "full": "for lack of room",
        "match": "for its match alone" if number == 1 else "for their matches alone",
        "unavailable": "until somebody is there", "ineligible": "that nobody may take",
    }.get(code, code.replace("_", " "))  # fmt: skip
    return f"{number:,} {one}"
