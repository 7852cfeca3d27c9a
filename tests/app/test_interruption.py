"""Ctrl-C and SIGTERM, sent to this very process."""

from __future__ import annotations

import signal
import threading

import pytest

from territory_engine.app.interruption import Interruption

SIGNALS = [signal.SIGINT, signal.SIGTERM]


@pytest.mark.parametrize("number", SIGNALS)
def test_the_first_signal_of_a_search_is_a_request(number: signal.Signals) -> None:
    told: list[bool] = []
    with Interruption(lambda: told.append(True)) as interruption:
        interruption.graceful = True
        assert not interruption.requested
        signal.raise_signal(number)
        assert interruption.requested
    assert told == [True]


@pytest.mark.parametrize("number", SIGNALS)
def test_the_second_signal_aborts(number: signal.Signals) -> None:
    with Interruption() as interruption:
        interruption.graceful = True
        signal.raise_signal(signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(number)


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_with_nothing_to_save_aborts_at_once(number: signal.Signals) -> None:
    with Interruption(), pytest.raises(KeyboardInterrupt):
        signal.raise_signal(number)


def test_the_third_signal_has_the_systems_effect() -> None:
    with Interruption():
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
        assert [signal.getsignal(number) for number in SIGNALS] == [signal.SIG_DFL, signal.SIG_DFL]


def test_the_handlers_of_before_come_back() -> None:
    before = [signal.getsignal(number) for number in SIGNALS]
    with Interruption():
        assert [signal.getsignal(number) for number in SIGNALS] != before
    assert [signal.getsignal(number) for number in SIGNALS] == before


def test_outside_the_main_thread_signals_are_left_to_their_owner() -> None:
    before = [signal.getsignal(number) for number in SIGNALS]
    seen: list[object] = []

    def work() -> None:
        with Interruption() as interruption:
            seen.extend(signal.getsignal(number) for number in SIGNALS)
            assert not interruption.requested

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == before
