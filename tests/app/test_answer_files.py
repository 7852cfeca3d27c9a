"""Files of answers: what is told where one cannot be written."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from territory_engine.app.answer_files import write_whole
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
