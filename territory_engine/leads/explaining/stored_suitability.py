"""A lead, the reps and the rules between them as they stood when a batch was routed, from what the ledger kept of it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import pandas as pd

from territory_engine.leads.batch import LeadBatch, Matches, Roster
from territory_engine.leads.policy import ListRule, Policy
from territory_engine.leads.suitability.choices import Suitability
from territory_engine.leads.suitability.eligibility import USUAL_RULES
from territory_engine.ledger.records import COUNTER_COLUMNS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from territory_engine.config import Config
    from territory_engine.ledger.records import BatchRecord

_MATCHED = ("account_id", "domain", "company", "unit", "postal_code", "nearest_account")


def stored_suitability(record: BatchRecord, roster: pd.DataFrame, decision: Mapping[str, Any]) -> Suitability:
    """Return a batch of one lead, as it stood when it was routed.

    Parameters
    ----------
    record : BatchRecord
    roster : DataFrame, index ``rep_id``
        As :func:`~territory_engine.leads.stored_tables.roster_table` made it.
    decision : mapping
        About the lead, :data:`~territory_engine.ledger.records.DECISION_COLUMNS`.
    """
    policy = Policy.model_validate(record.policy)
    reps = stored_roster(roster)
    if (stated := record.proof.get("rules")) is not None:
        rules = [(str(column), str(reps_column)) for column, reps_column in stated]
    else:
        rules = [rule for rule in USUAL_RULES if rule[1] in reps.frame.columns]
    if policy.eligibility is None:
        listed = tuple(ListRule(column=column, reps_column=reps_column) for column, reps_column in rules)
        policy = policy.model_copy(update={"eligibility": listed})
    fields = json.loads(decision["lead"]) if decision["lead"] else {}
    rejected = {0: ()} if decision["status"] == "rejected" else {}
    batch = LeadBatch(_lead_frame(str(decision["lead_id"]), fields), "", dict(rejected))
    # The policy states every rule now, so that the plan's configuration is not asked.
    config = cast("Config", None)
    return Suitability.of(batch, _matches(decision, reps), reps, policy, config, record.routed_at)


def stored_roster(table: pd.DataFrame) -> Roster:
    """Return the reps of a stored batch; their own columns are text."""
    own = {name.removeprefix("rep."): table[name] for name in table.columns if name.startswith("rep.")}
    frame = pd.DataFrame({**own, "latitude": table["latitude"], "longitude": table["longitude"]}, index=table.index)
    # Rows as a database or a file without the cell had them were stored as the words for "nothing".
    for column in own:
        frame[column] = frame[column].where(~frame[column].isin(["nan", "None", "<NA>", "NaT"]), "")
    away: dict[str, Any] = {}
    if "away_until" in table:
        away = {"away_until": _seconds(table["away_until"]), "away_because": table["away_because"].to_numpy(object)}
    return Roster(
        frame=frame,
        weight=table["weight"].to_numpy(np.float64),
        away=table["away"].to_numpy(bool),
        next_at_work=_seconds(table["next_at_work"]),
        local_day=table["local_day"].to_numpy(object),
        local_week=table["local_week"].to_numpy(object),
        open_leads=table["limit_open_leads"].to_numpy(np.float64),
        per_day=table["limit_per_day"].to_numpy(np.float64),
        per_week=table["limit_per_week"].to_numpy(np.float64),
        travel_km=table["limit_travel_km"].to_numpy(np.float64),
        **away,
    )


def counters_before(table: pd.DataFrame) -> pd.DataFrame:
    """Return the counters that a batch began with: index ``rep_id``; NaN of reps that the ledger did not know."""
    return pd.DataFrame({name: table[f"before.{name}"] for name in COUNTER_COLUMNS}, index=table.index)


def counters_with(table: pd.DataFrame, count: NDArray[np.int64]) -> pd.DataFrame:
    """Return the counters of leads that a batch ended with: those before, and the leads it gave each rep."""
    before = counters_before(table)
    after = before[["open_leads"]].fillna(0).add(count, axis=0)
    for span in ("day", "week"):
        told, now = before[span].to_list(), table[f"local_{span}"].to_list()
        still = np.array([isinstance(t, str) and t >= n for t, n in zip(told, now, strict=True)], bool)
        after[span] = [t if same else n for t, n, same in zip(told, now, still, strict=True)]
        after[f"{span}_leads"] = np.where(still, before[f"{span}_leads"].fillna(0), 0) + count
    return after


def _seconds(moments: pd.Series[Any]) -> NDArray[np.datetime64]:
    return pd.to_datetime(moments).to_numpy().astype("datetime64[s]")


def _lead_frame(lead_id: str, fields: dict[str, Any]) -> pd.DataFrame:
    numbers = {"latitude": np.nan, "longitude": np.nan, "score": np.nan, "value": np.nan}
    row: dict[str, Any] = {"lead_id": lead_id}
    for name, value in fields.items():
        if name not in numbers:
            row[name] = "" if value is None else str(value)
    for name, missing in numbers.items():
        value = fields.get(name)
        row[name] = missing if value is None else float(value)
    return pd.DataFrame({name: [value] for name, value in row.items()})


def _matches(decision: Mapping[str, Any], roster: Roster) -> Matches:
    """Return the match that was found; whose it is follows from the territory, which belongs to the account's rep."""
    kind, territory = str(decision["match_kind"]), str(decision["territory_id"])
    if kind not in _MATCHED:
        territory = ""
    held = roster.frame["territory_ids"].astype(str)
    rep = next((str(r) for r, ids in held.items() if territory and territory in ids.split(";")), "")

    def one(text: str) -> NDArray[np.object_]:
        return np.array([text], object)

    evidence, account = str(decision["match_evidence"]), str(decision["match_account_id"])
    return Matches(one(kind), one(rep), one(territory), one(account), one(evidence), np.array([np.nan]))
