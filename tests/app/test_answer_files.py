"""Files of answers: where they can be written, and what is told where one cannot be."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from territory_engine.app.answer_files import check_out, write_whole
from territory_engine.errors import InputError


def test_where_the_queues_answers_cannot_be_written_the_batch_that_holds_them_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(InputError, match='--batch-id "queue 1"'):
        write_whole(b"answers", tmp_path / "out.csv", 'run again with --batch-id "queue 1" for the same answer')
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("length", [300, 245])
def test_a_name_that_is_too_long_is_refused_before_anything_is_routed(tmp_path: Path, length: int) -> None:
    with pytest.raises(InputError, match=r"has a name of more than 240 bytes.*give it a shorter one"):
        check_out(tmp_path / ("x" * length + ".csv"), None)
    check_out(tmp_path / ("x" * 236 + ".csv"), None)


def test_a_mistyped_year_is_refused_before_it_fills_every_limit_until_then() -> None:
    from datetime import UTC, datetime, timedelta

    import typer

    from territory_engine.app.route_command import moment

    soon, late = (datetime.now(UTC) + timedelta(days=days) for days in (30, 400))
    assert moment(soon.isoformat()) == soon
    with pytest.raises(typer.BadParameter, match="at most 31 days from now"):
        moment(late.isoformat())
