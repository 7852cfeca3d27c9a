"""Where a file of answers can be written is found out before anything is routed."""

from __future__ import annotations

from pathlib import Path

import pytest

from territory_engine.app.answer_files import check_out
from territory_engine.errors import InputError


@pytest.mark.parametrize("length", [300, 245])
def test_a_name_that_is_too_long_is_refused_before_anything_is_routed(tmp_path: Path, length: int) -> None:
    with pytest.raises(InputError, match=r"has a name of more than 240 bytes.*give it a shorter one"):
        check_out(tmp_path / ("x" * length + ".csv"), None)
    check_out(tmp_path / ("x" * 236 + ".csv"), None)
