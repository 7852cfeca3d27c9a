"""What there is to know about leads' scores and values before they are multiplied."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from territory_engine.grammar import counted

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from territory_engine.reading.columns import Sheet


def note_values(sheet: Sheet, score: NDArray[np.float64], value: NDArray[np.float64]) -> None:
    """Tell of a batch most of whose leads have no value beside others that do, and of scores that are no chances.

    Parameters
    ----------
    sheet : Sheet
        Takes the notices.
    score, value : ndarray of float64, shape (n_leads,)
        NaN where blank.
    """
    blank = np.isnan(value)
    if not blank.all():
        if 2 * blank.sum() > len(value):
            sheet.note(
                f"column {sheet.own_name('value')!r} is blank in {int(blank.sum()):,} of {counted(len(value), 'lead')}; each"
                f" of these counts as worth 1, beside others worth up to {np.nanmax(value):,.6g}."
            )
        return
    if (~np.isnan(score)).any() and np.nanmax(score) > 1:
        sheet.note(
            f"no lead has a value, and column {sheet.own_name('score')!r} goes up to {np.nanmax(score):,.6g}: a lead's expected"
            " value is its score × 1."
        )
