"""What a batch reads and writes under the lock, in both databases."""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Callable
from datetime import timedelta

import numpy as np
import pandas as pd
import pytest
import sqlalchemy as sa

from territory_engine.errors import BatchConflictError, InputError, LedgerError, LedgerUnavailableError
from territory_engine.ledger import BatchWork, Ledger
from territory_engine.ledger.records import COUNTER_COLUMNS, DECISION_COLUMNS, LeadState
from territory_engine.ledger.schema import decisions
from tests.territory_engine.ledger.made_batches import (
    MOMENT,
    STEP,
    batch_record,
    counters_after,
    decision_table,
    faults,
    record,
)

LATER = MOMENT + timedelta(days=2)


def test_a_recorded_batch_comes_back_as_it_was(ledger: Ledger) -> None:
    made = decision_table(["Ünï'\"; DROP TABLE ledger_leads; --", "007", "=cmd|x"], ["R1", "", "R2"])
    record(ledger, "b1", made)
    stored = ledger.stored_batch("b1", "0" * 64)
    assert stored is not None
    assert dataclasses.asdict(stored.record) == dataclasses.asdict(batch_record("b1", made))
    pd.testing.assert_frame_equal(stored.decisions, made, check_dtype=False, check_index_type=False)
    numbers = ["position", "preference", "charged", "worth_charged"]
    assert [stored.decisions[name].dtype for name in numbers] == [np.int64] * 4
    assert faults(ledger) == []


def test_a_batch_that_was_recorded_is_handed_back_under_the_lock_and_cannot_be_recorded_again(ledger: Ledger) -> None:
    made = decision_table(["a"], ["R1"])
    record(ledger, "b1", made)
    with ledger.batch("b1", "0" * 64) as work:
        assert work.stored is not None
        assert work.stored.record.assigned == 1
        with pytest.raises(LedgerError, match="recorded already"):
            work.record(batch_record("b1", made), made, counters_after(work, made))
    assert len(ledger.batches()) == 1


def test_the_same_batch_id_with_other_content_is_refused(ledger: Ledger) -> None:
    record(ledger, "b1", decision_table(["a"], ["R1"]))
    with (
        pytest.raises(BatchConflictError, match=r"'b1' was recorded at .* with other content.*another batch ID"),
        ledger.batch("b1", "f" * 64),
    ):
        pytest.fail("must not get here")
    with pytest.raises(BatchConflictError):
        ledger.stored_batch("b1", "f" * 64)
    assert ledger.stored_batch("b2") is None


@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError, SystemExit])
def test_whatever_interrupts_a_batch_undoes_it(ledger: Ledger, error: type[BaseException]) -> None:
    made = decision_table(["a"], ["R1"])

    def interrupted(work: BatchWork) -> None:
        work.record(batch_record("b1", made), made, counters_after(work, made))
        raise error

    with pytest.raises(error):
        ledger.run("b1", "0" * 64, interrupted)
    assert ledger.batches().empty
    assert ledger.counters().empty
    record(ledger, "b1", made)
    assert faults(ledger) == []


def test_a_batch_that_records_nothing_changes_nothing(ledger: Ledger) -> None:
    with ledger.batch("b1", "0" * 64) as work:
        assert work.next_turn == 1
        assert work.states(["a"]) == {}
    assert ledger.batches().empty


def test_counters_keep_their_types_and_go_on_where_they_were(ledger: Ledger) -> None:
    empty = ledger.counters()
    record(ledger, "b1", decision_table(["a", "b", "c"], ["R2", "R1", "R2"]))
    record(ledger, "b2", decision_table(["d"], ["R2"]))
    full = ledger.counters()
    for frame in (empty, full):
        assert list(frame.columns) == list(COUNTER_COLUMNS)
        assert frame.index.name == "rep_id"
        whole = ["level", "worth_level", "open_leads", "day_leads", "week_leads", "last_turn"]
        assert {str(frame[name].dtype) for name in whole} == {"int64"}
        assert frame["away"].dtype == bool
    assert full["level"].to_dict() == {"R1": STEP, "R2": 3 * STEP}
    assert full.loc["R2", ["open_leads", "day", "week", "last_turn"]].tolist() == [3, "2026-11-29", "2026-W48", 4]
    with ledger.batch("b3", "0" * 64) as work:
        assert work.next_turn == 5
        pd.testing.assert_frame_equal(work.counters, full)


def test_reps_who_are_not_in_a_batch_stay_as_they_are(ledger: Ledger) -> None:
    record(ledger, "b1", decision_table(["a"], ["R1"]))
    before = ledger.counters().loc[["R1"]]
    record(ledger, "b2", decision_table(["b"], ["R2"]))
    pd.testing.assert_frame_equal(ledger.counters().loc[["R1"]], before)


def test_a_lead_that_is_with_a_rep_cannot_be_assigned_again(ledger: Ledger) -> None:
    record(ledger, "b1", decision_table(["a"], ["R1"]))
    with pytest.raises(
        LedgerError, match=r"'a' would be assigned twice: it is assigned with rep 'R1' since batch 'b1'"
    ):
        record(ledger, "b2", decision_table(["b", "a"], ["R2", "R2"]))
    with pytest.raises(LedgerError, match="twice in one batch"):
        record(ledger, "b2", decision_table(["b", "b"], ["R2", "R3"]))
    assert list(ledger.batches()["batch_id"]) == ["b1"]
    assert faults(ledger) == []


def test_the_database_itself_refuses_a_second_assignment_that_stands(ledger: Ledger) -> None:
    record(ledger, "b1", decision_table(["a", "b"], ["R1", ""]))
    change = sa.update(decisions).where(decisions.c.position == 1).values(lead_id="a", status="assigned", rep_id="R2")
    with pytest.raises(LedgerError, match="answered with an error"), ledger._database.writing() as connection:
        connection.execute(change.values(stands=True))


def test_a_queued_lead_waits_since_it_was_queued_first_until_it_is_assigned(ledger: Ledger) -> None:
    record(ledger, "b1", decision_table(["a", "b"], ["", ""]))
    record(ledger, "b2", decision_table(["c", "a"], ["", ""]), at=LATER)
    queued = ledger.queued()
    assert list(queued["lead_id"]) == ["b", "a", "c"]
    assert list(queued["since"]) == [MOMENT, MOMENT, LATER]
    assert list(queued["batch_id"]) == ["b1", "b2", "b2"]
    assert queued["could_go_at"].iloc[0] == "2026-11-30T08:00:00+00:00"
    record(ledger, "b3", decision_table(["a", "b"], ["R1", "R1"]), at=LATER)
    assert list(ledger.queued()["lead_id"]) == ["c"]
    assert ledger.lead_states(["a", "c", "nobody"]) == {
        "a": LeadState("a", "assigned", "R1", "b3", LATER),
        "c": LeadState("c", "queued", "", "b2", LATER),
    }


def test_a_rejected_row_takes_nothing_from_a_lead_that_is_assigned_or_queued(ledger: Ledger) -> None:
    record(ledger, "b1", decision_table(["a", "b"], ["R1", ""]))
    rejected = ["rejected"] * 5
    record(ledger, "b2", decision_table(["a", "b", "c", "", ""], [""] * 5, rejected))
    states = ledger.lead_states(["a", "b", "c", ""])
    assert {one: state.state for one, state in states.items()} == {"a": "assigned", "b": "queued", "c": "rejected"}
    record(ledger, "b3", decision_table(["c", "c"], ["R1", ""], ["assigned", "rejected"]))
    assert ledger.lead_states(["c"])["c"].state == "assigned"


def test_every_decision_about_a_lead_is_told_newest_last(ledger: Ledger) -> None:
    record(ledger, "b1", decision_table(["x", "a"], ["R1", ""]))
    record(ledger, "b2", decision_table(["a"], ["R2"]), at=LATER)
    told = ledger.decisions_of("a")
    assert [(one["batch_id"], one["status"], one["rep_id"], one["routed_at"]) for one in told] == [
        ("b1", "queued", "", MOMENT),
        ("b2", "assigned", "R2", LATER),
    ]
    assert set(told[0]) == {*DECISION_COLUMNS, "batch_id", "routed_at", "stands"}
    assert np.isnan(told[0]["expected_value"])
    assert [one["stands"] for one in told] == [False, True]
    assert ledger.decisions_of("nobody") == ledger.decisions_of("\x00") == []


def test_ids_that_cannot_be_stored_are_refused_with_every_one_named(ledger: Ledger) -> None:
    made = decision_table(["nul\x00", "x" * 501, "half \ud800", "good"], ["R1"] * 4)
    with pytest.raises(InputError) as refused:
        record(ledger, "b1", made)
    assert [finding.what for finding in refused.value.findings] == [
        "lead_id of lead 0 holds the character NUL",
        "lead_id of lead 1 has 501 characters",
        "lead_id of lead 2 holds half a character (a lone surrogate)",
    ]
    for batch_id in ("", "b\x00", "b" * 501, "two\nlines", "\x1b[31m"):
        with pytest.raises(InputError, match="the batch's ID"), ledger.batch(batch_id, "0" * 64):
            pytest.fail("must not get here")
    assert ledger.lead_states(["nul\x00", "half \ud800", "x" * 501]) == {}
    longest = "\U0001f600" * 500
    record(ledger, "b1", decision_table([longest], ["R1"]))
    assert ledger.lead_states([longest])[longest].rep_id == "R1"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda made: made.assign(rep_id=["", "R1"]), "lead 'a' is assigned, and its rep is ''"),
        (lambda made: made.assign(position=[1, 0]), "0, 1, 2"),
        (lambda made: made.drop(columns="lead"), r"lack the columns \['lead'\]"),
        (lambda made: made.assign(reason=[1, "x"]), "'reason' holds what is no text"),
        (lambda made: made.assign(status=["assigned", "lost"]), "its decisions are 2"),
        (lambda made: made.iloc[:1], "its decisions are 1"),
    ],
)
def test_tables_that_do_not_fit_together_are_refused(
    change: Callable[[pd.DataFrame], pd.DataFrame], message: str
) -> None:
    made = decision_table(["a", "b"], ["R1", ""])
    with Ledger.open("sqlite://") as ledger, ledger.batch("b1", "0" * 64) as work:
        counters = counters_after(work, made)
        wrong = change(made)
        with pytest.raises(ValueError, match=message):
            work.record(batch_record("b1", made), wrong, counters)


def test_many_leads_are_looked_up_and_recorded_at_once(ledger: Ledger) -> None:
    lead_ids = [f"lead {number}" for number in range(3000)]
    made = decision_table(lead_ids, [f"R{number % 50}" if number % 3 else "" for number in range(3000)])
    record(ledger, "b1", made)
    states = ledger.lead_states([*lead_ids, *(f"other {number}" for number in range(3000))])
    assert {one: state.state for one, state in states.items()} == dict(zip(lead_ids, made["status"], strict=True))
    assert faults(ledger) == []


def test_a_second_batch_waits_for_the_first_and_sees_what_it_wrote(ledger: Ledger) -> None:
    seen: list[int] = []

    def second() -> None:
        with ledger.batch("b2", "0" * 64) as work:
            seen.append(work.next_turn)

    made = decision_table(["a"], ["R1"])
    with ledger.batch("b1", "0" * 64) as work:
        thread = threading.Thread(target=second)
        thread.start()
        assert ledger.batches().empty, "readers do not wait"
        work.record(batch_record("b1", made), made, counters_after(work, made))
        assert seen == []
    thread.join(20)
    assert seen == [2]


def test_waiting_for_the_lock_ends_with_a_message(url: str) -> None:
    with Ledger.open(url) as first, Ledger.open(url, lock_timeout_s=0.05) as second, first.batch("b1", "s"):
        with (
            pytest.raises(
                LedgerUnavailableError, match=r"locked by another process for 0.05 s.*nothing was recorded"
            ) as told,
            second.batch("b2", "s"),
        ):
            pytest.fail("must not get here")
        assert not told.value.transient


def test_batches_are_summed_up(ledger: Ledger) -> None:
    assert list(ledger.batches().columns[:3]) == ["batch_id", "content_sha256", "routed_at"]
    record(ledger, "b1", decision_table(["a", "b"], ["R1", ""]))
    summary = ledger.batches().iloc[0]
    assert summary[["batch_id", "leads", "assigned", "queued", "rejected"]].tolist() == ["b1", 2, 1, 1, 0]
    assert summary["routed_at"] == MOMENT


def test_old_batches_are_forgotten_but_never_routed_again(ledger: Ledger) -> None:
    record(ledger, "old", decision_table(["a"], ["R1"]))
    record(ledger, "waiting", decision_table(["b"], [""]))
    record(ledger, "new", decision_table(["c"], ["R1"]), at=LATER)
    before = ledger.counters()
    assert ledger.forget(MOMENT + timedelta(days=1)) == 1
    assert ledger.forget(MOMENT + timedelta(days=1)) == 0
    assert ledger.decisions_of("a") == []
    assert list(ledger.queued()["lead_id"]) == ["b"]
    with pytest.raises(LedgerError, match=r"decisions were deleted.*not routed again"):
        ledger.stored_batch("old")
    with pytest.raises(LedgerError, match="would be assigned twice"):
        record(ledger, "next", decision_table(["a"], ["R2"]))
    pd.testing.assert_frame_equal(ledger.counters(), before)


def test_a_batch_works_in_memory() -> None:
    with Ledger.open("sqlite://") as ledger:
        record(ledger, "b1", decision_table(["a"], ["R1"]))
        assert faults(ledger) == []


def test_what_an_answer_needs_can_be_returned_from_a_run(ledger: Ledger) -> None:
    made = decision_table(["a"], ["R1"])

    def work(open_batch: BatchWork) -> str:
        if open_batch.stored is None:
            open_batch.record(batch_record("b1", made), made, counters_after(open_batch, made))
            return "new"
        return "stored"

    assert [ledger.run("b1", "0" * 64, work) for _ in range(2)] == ["new", "stored"]
