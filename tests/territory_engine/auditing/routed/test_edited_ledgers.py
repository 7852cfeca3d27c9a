"""Whoever edits a ledger, in whatever way, is found out by the check that is there for it."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import territory_engine as te
from territory_engine.errors import LedgerError
from territory_engine.routing import Router
from tests.territory_engine.auditing.routed.editing import Edit
from tests.territory_engine.auditing.routed.ledgers import START, leads, policy, route, tell

POOL = {"owner": "ignore", "territory": "ignore"}
BASES: dict[str, dict[str, Any]] = {
    "matched": {"limits": {"per_day": 3, "open_leads": "most"}},
    "pool": {"matching": POOL},
    "free": {"fair_share": {"matched": "free"}},
    "even": {"matching": POOL, "fair_share": {"then": "even_value"}},
    "slack": {"matching": POOL, "fair_share": {"fairness_slack": 1}},
}


@pytest.fixture(scope="module")
def ledgers(plan: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("ledgers")

    def between(router: Router, batch: int) -> None:
        if batch == 0:
            tell(router, ["won", "returned", "lost"], seed=2)

    batches = [(leads(20, seed=11), START), (leads(12, 12, 100), START + timedelta(days=1))]
    for name, rules in BASES.items():
        route(plan, f"sqlite:///{folder}/{name}.db", batches, policy(**rules), between)
    return {name: folder / f"{name}.db" for name in BASES}


def cell(column: str, change: Callable[[Any], Any], row: int = 0) -> Callable[[pd.DataFrame], None]:
    """Return an edit of one cell of a table."""

    def edit(table: pd.DataFrame) -> None:
        values = table[column].to_numpy().copy()
        values[row] = change(values[row])
        table[column] = values

    return edit


def more(value: Any) -> Any:
    return value + 1


def shared(key: str, change: Callable[[Any], Any]) -> Callable[[dict[str, Any]], None]:
    """Return an edit of what the proof tells of the last part."""

    def edit(proof: dict[str, Any]) -> None:
        proof["parts"][-1][key] = change(proof["parts"][-1][key])

    return edit


def swap_values(edit: Edit) -> None:
    first = "SELECT position, expected_value AS v FROM ledger_decisions WHERE batch_no = 1 AND status = 'assigned'"
    a = edit.one(first + " ORDER BY position")
    b = edit.one(first + " AND position > :at ORDER BY position", at=a.position)
    for row, value in ((a, b.v), (b, a.v)):
        where = "WHERE batch_no = 1 AND position = :at"
        edit.sql(f"UPDATE ledger_decisions SET expected_value = :v {where}", v=value, at=row.position)


def assign_twice(edit: Edit) -> None:
    columns = "position, lead_id, status, rep_id, territory_id, reason, reason_code, could_go_at, match_kind, \
        match_account_id, match_evidence, preference, charged, worth_charged, lead"
    chosen = "batch_no = 1 AND stands"
    edit.sql(
        f"INSERT INTO ledger_decisions (batch_no, stands, {columns}) SELECT 2, 0, 12, {columns[9:]} FROM ledger_decisions"
        f" WHERE {chosen} ORDER BY position LIMIT 1"
    )
    edit.sql("UPDATE ledger_batches SET leads = leads + 1, assigned = assigned + 1 WHERE batch_no = 2")


def move_two(edit: Edit) -> None:
    """Give somebody two leads of somebody who could take as many."""
    for _ in range(2):
        edit.decision("status = 'assigned' AND rep_id = 'R0'", rep_id="R4")


def queue_one(edit: Edit) -> None:
    edit.decision(
        "status = 'assigned'", status="queued", rep_id="", reason_code="full", preference=-1, expected_value=None,
        travel_km=None, fair_share_before=None, fair_share_after=None, charged=0, worth_charged=0, stands=0,
    )  # fmt: skip
    edit.sql("UPDATE ledger_batches SET assigned = assigned - 1, queued = queued + 1 WHERE batch_no = 1")


def no_room(table: pd.DataFrame) -> None:
    table["limit_per_day"], table["capacity"] = 0.0, 0


def other_weight(table: pd.DataFrame) -> None:
    table["weight"], table["step"] = table["weight"] * 2, table["step"] // 2


def without_an_unused_pair(table: pd.DataFrame) -> pd.DataFrame:
    return table.drop(index=int(np.flatnonzero(table["rank"] == 2)[-1])).reset_index(drop=True)


def with_one_pair_more(table: pd.DataFrame) -> pd.DataFrame:
    have = set(zip(table["lead"], table["rep"], strict=True))
    lead, rep = next((i, r) for i in table["lead"] for r in range(5) if (i, r) not in have)
    row = pd.DataFrame({"lead": [lead], "rep": [rep], "rank": [2], "value": [0.0], "travel_km": [np.nan]})
    longer = pd.concat([table, row.astype(table.dtypes)])
    return longer.sort_values(["lead", "rep"]).reset_index(drop=True)


def some(value: str) -> str:
    return "R1" if value == "R0" else "R0"


EDITS: dict[str, tuple[str, Callable[[Edit], None], str]] = {
    "a decision is deleted": (
        "pool", lambda e: e.sql("DELETE FROM ledger_decisions WHERE batch_no = 1 AND position = 3"), "leads",
    ),
    "a batch counts one more": (
        "pool", lambda e: e.sql("UPDATE ledger_batches SET leads = leads + 1, queued = queued + 1 WHERE batch_no = 1"),
        "leads",
    ),
    "a lead is in a batch twice": (
        "pool", lambda e: e.decision("position = 5", lead_id="L003", stands=0), "leads",
    ),
    "a lead goes to somebody unknown": ("pool", lambda e: e.decision("status = 'assigned'", rep_id="R9"), "assignments"),
    "the pair of an assigned lead is gone": (
        "pool", lambda e: e.pairs(lambda t: t[t["lead"] != t["lead"].iloc[0]].reset_index(drop=True)), "assignments",
    ),
    "pairs are out of order": ("pool", lambda e: e.pairs(lambda t: t[::-1].reset_index(drop=True)), "assignments"),
    "a lead is assigned twice": ("pool", assign_twice, "once"),
    "an assignment stands no more": ("pool", lambda e: e.decision("stands", stands=0), "once"),
    "a lead is with another rep now": (
        "pool", lambda e: e.sql("UPDATE ledger_leads SET rep_id = 'R9' WHERE state = 'assigned'"), "once",
    ),
    "a lead is not known any more": (
        "pool", lambda e: e.sql("DELETE FROM ledger_leads WHERE state = 'won'"), "once",
    ),
    "a return is deleted": ("pool", lambda e: e.sql("DELETE FROM ledger_outcomes WHERE kind = 'returned'"), "once"),
    "a lead counts more": ("pool", lambda e: e.decision("charged > 0", charged=7), "charged"),
    "a lead's worth counts more": ("pool", lambda e: e.decision("charged > 0", worth_charged=7), "charged"),
    "a share after is higher": ("pool", lambda e: e.decision("charged > 0", fair_share_after=9.5), "shares"),
    "a lead is moved to another rep": (
        "pool", lambda e: e.decision("status = 'assigned' AND rep_id = 'R0'", rep_id="R4"), "told_values",
    ),
    "two leads are moved, and the prices show it": (
        "pool", move_two, "fair_counts:shared",
    ),
    "two leads are moved, and without any price a chain shows it": (
        "pool", move_two, "no_better_chain:shared",
    ),
    "a lead goes to another rep than its match, and its rank shows it": (
        "matched", lambda e: e.decision("preference = 0", rep_id="R4"), "rank_prices:shared",
    ),
    "two leads' values are swapped": ("pool", swap_values, "told_values"),
    "a rep is not away": ("pool", lambda e: e.roster(cell("away", lambda v: not v)), "presence"),
    "a rep's day is another": ("pool", lambda e: e.roster(cell("local_day", lambda v: "2026-11-29")), "presence"),
    "a rep's leave is edited": (
        "pool", lambda e: e.roster(cell("rep.leave", lambda v: "2026-11-29..2026-12-02")), "presence",
    ),
    "a weight is edited": ("pool", lambda e: e.roster(cell("weight", more)), "weights"),
    "weights and steps are edited": ("pool", lambda e: e.roster(other_weight), "weights"),
    "a limit is edited": ("matched", lambda e: e.roster(cell("limit_per_day", more)), "limits"),
    "a level is edited": ("pool", lambda e: e.roster(cell("level", more)), "levels"),
    "a rep is said to have returned": ("pool", lambda e: e.roster(cell("change", lambda v: "returned")), "levels"),
    "the fair level is edited": ("pool", lambda e: e.proof(lambda p: p.update(fair_level=5)), "levels"),
    "room is edited": ("matched", lambda e: e.roster(cell("capacity", more)), "capacity"),
    "there was no room": ("matched", lambda e: e.roster(no_room), "counts"),
    "a counter before is edited": ("pool", lambda e: e.roster(cell("before.level", lambda v: 5.0)), "chain"),
    "a level of the ledger is edited": ("pool", lambda e: e.sql("UPDATE ledger_reps SET level = level + 1"), "totals"),
    "open leads are edited": ("pool", lambda e: e.sql("UPDATE ledger_reps SET open_leads = 0"), "totals"),
    "the leads of a day are edited": ("pool", lambda e: e.sql("UPDATE ledger_reps SET day_leads = 0"), "totals"),
    "whose turn it was is edited": ("pool", lambda e: e.sql("UPDATE ledger_reps SET last_turn = 1"), "totals"),
    "the next turn is edited": ("pool", lambda e: e.sql("UPDATE ledger_head SET next_turn = 7"), "totals"),
    "a rep appears": (
        "pool",
        lambda e: e.sql("INSERT INTO ledger_reps SELECT 'R9', 0, 0, 0, day, 0, week, 0, 0, 0 FROM ledger_reps LIMIT 1"),
        "totals",
    ),
    "a rep's counters are gone": ("pool", lambda e: e.sql("DELETE FROM ledger_reps WHERE rep_id = 'R0'"), "totals"),
    "a rule is edited": ("pool", lambda e: e.proof(lambda p: p.update(rules=[["size", "sizes"]])), "rules"),
    "a pair is missing": ("pool", lambda e: e.pairs(without_an_unused_pair), "pairs"),
    "a pair is added": ("pool", lambda e: e.pairs(with_one_pair_more), "pairs"),
    "what a rep serves is edited": ("pool", lambda e: e.roster(cell("rep.segments", lambda v: "none")), "pairs"),
    "a distance is edited": ("pool", lambda e: e.pairs(cell("travel_km", more)), "travel"),
    "a pair's value is edited": ("pool", lambda e: e.pairs(cell("value", more)), "values"),
    "a lead's score is edited": (
        "pool",
        lambda e: e.sql("UPDATE ledger_decisions SET lead = replace(lead, :a, :b)", a='"score":0', b='"score":1'),
        "values",
    ),
    "a rank is edited": ("matched", lambda e: e.pairs(cell("rank", lambda v: 2 - v)), "ranks"),
    "a matched account is another": (
        "matched", lambda e: e.decision("match_kind = 'account_id'", match_account_id="A99"), "matches",
    ),
    "the nearest account is another": (
        "matched", lambda e: e.decision("match_kind = 'nearest_account'", lead='{"latitude":10,"longitude":10}'),
        "nearest_accounts",
    ),
    "the proof has another unit": ("pool", lambda e: e.proof(lambda p: p.update(value_unit=1.0)), "proof"),
    "the proof has another slack": ("pool", lambda e: e.proof(lambda p: p.update(slack=3)), "proof"),
    "the order of ties is edited": ("pool", lambda e: e.roster(cell("tie_order", more)), "tie_order"),
    "a rank price is edited": ("pool", lambda e: e.roster(cell("shared_rank_price", more)), "rank_counts:shared"),
    "a price of staying unassigned is given": (
        "pool", lambda e: e.proof(shared("unassigned_price", more)), "rank_prices:shared",
    ),
    "a fair price is lower": (
        "pool", lambda e: e.roster(cell("shared_fair_price", lambda v: v - 10**7)), "fair_prices:shared",
    ),
    "a fair price is higher": (
        "pool", lambda e: e.roster(cell("shared_fair_price", lambda v: v + 10**7)), "fair_counts:shared",
    ),
    "a fair price is edited where there is slack": (
        "slack", lambda e: e.roster(cell("shared_fair_price", lambda v: v - 10**7)), "fair_prices:shared",
    ),
    "the fairest cost is edited": (
        "slack", lambda e: e.proof(shared("fairest_cost", lambda v: v - 1)), "fair_prices:shared",
    ),
    "how many a rep may have is edited": ("pool", lambda e: e.roster(cell("shared_least", more)), "fair_bounds:shared"),
    "a value price is edited": (
        "pool", lambda e: e.roster(cell("shared_value_price", lambda v: v + 10**7)), "value_prices:shared",
    ),
    "the value is edited": ("pool", lambda e: e.proof(shared("value_sum", more)), "objectives:shared"),
    "the fairness is edited": ("pool", lambda e: e.proof(shared("fairness_cost", lambda v: v - 1)), "objectives:shared"),
    "the number of leads is edited": ("pool", lambda e: e.roster(cell("shared_count", more)), "objectives:shared"),
    "more is claimed than can be proved": (
        "even", lambda e: e.proof(shared("proved", lambda v: [*v, "value"])), "objectives:shared",
    ),
    "a lead's worth is edited where values are to be even": (
        "even", lambda e: e.sql("UPDATE ledger_decisions SET worth_charged = worth_charged * 5 WHERE rep_id = 'R0'"),
        "even_value:shared",
    ),
    "a free lead was not with its match": ("free", lambda e: e.pairs(cell("matched", lambda v: not v)), "kept_by_match"),
    "a free lead counts": ("free", lambda e: e.decision("preference = 0", charged=1000000), "kept_by_match"),
    "a reason is another": ("pool", lambda e: e.decision("status = 'assigned'", reason_code="owner"), "reasons"),
    "a reason is gone": ("pool", lambda e: e.decision("status = 'assigned'", reason=""), "reasons"),
    "a lead waits though there is room": ("pool", queue_one, "queue"),
    "a lead could have gone yesterday": (
        "matched", lambda e: e.decision("could_go_at <> ''", could_go_at="2026-11-29T08:00:00Z"), "moments",
    ),
    "an assigned lead could go later": (
        "pool", lambda e: e.decision("status = 'assigned'", could_go_at="2026-12-29T08:00:00Z"), "moments",
    ),
    "a waiting lead is lost": (
        "matched", lambda e: e.sql("DELETE FROM ledger_leads WHERE lead_id = (SELECT min(lead_id) FROM ledger_leads WHERE state = 'queued')"),
        "once",
    ),
    "a waiting lead is said to be with a rep": (
        "matched", lambda e: e.sql("UPDATE ledger_leads SET state = 'assigned', rep_id = 'R0' WHERE state = 'queued'"), "once",
    ),
    "a lead stands by another batch": (
        "matched", lambda e: e.sql("UPDATE ledger_leads SET batch_no = 9 WHERE state = 'assigned'"), "once",
    ),
    "a waiting lead is marked as standing": (
        "matched", lambda e: e.sql("UPDATE ledger_decisions SET stands = 1 WHERE status = 'queued'"), "once",
    ),
    "the number of the next batch is taken": ("pool", lambda e: e.sql("UPDATE ledger_head SET next_batch_no = 2"), "totals"),
    "the roster is damaged": ("pool", lambda e: e.sql("UPDATE ledger_batches SET roster = 'x' WHERE batch_no = 1"), "batch"),
    "the proof is damaged": ("pool", lambda e: e.sql("UPDATE ledger_batches SET proof = '[' WHERE batch_no = 1"), "batch"),
    "a column of the roster is gone": ("pool", lambda e: e.roster(lambda t: t.drop(columns="step")), "standing"),
    "the policy is edited": (
        "pool", lambda e: e.policy(lambda p: p["fair_share"].update(objective="leximin")), "proof",
    ),
    "the seed is edited": ("pool", lambda e: e.policy(lambda p: p.update(seed=12345)), "tie_order"),
}  # fmt: skip


@pytest.mark.parametrize("what", EDITS)
def test_an_edit_is_found_by_the_check_that_is_there_for_it(
    what: str, ledgers: dict[str, Path], plan: Path, tmp_path: Path
) -> None:
    base, change, expected = EDITS[what]
    copy = tmp_path / "copy.db"
    shutil.copy(ledgers[base], copy)
    url = f"sqlite:///{copy}"
    edit = Edit(url)
    change(edit)
    edit.close()
    found = te.audit_ledger(url, plan=plan)
    failed = {check.name for report in found.reports for check in report.failed}
    assert expected in failed, found.summary()
    assert not found.passed


def test_the_ledgers_pass_before_they_are_edited(ledgers: dict[str, Path], plan: Path) -> None:
    for path in ledgers.values():
        found = te.audit_ledger(f"sqlite:///{path}", plan=plan)
        assert found.passed, found.summary()


@pytest.mark.parametrize("column", ["routed_at", "recorded_at", "forgotten_at"])
def test_a_moment_that_is_none_is_said_to_be_the_ledgers_fault(
    column: str, ledgers: dict[str, Path], tmp_path: Path
) -> None:
    copy = tmp_path / "copy.db"
    shutil.copy(ledgers["pool"], copy)
    edit = Edit(f"sqlite:///{copy}")
    edit.sql(f"UPDATE ledger_batches SET {column} = 'noon'")
    edit.close()
    with pytest.raises(LedgerError, match=f"cannot be read: {column} is no moment"):
        te.audit_ledger(f"sqlite:///{copy}")
