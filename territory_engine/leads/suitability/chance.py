"""Telling equals apart without any order, and yet in the same way every time."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


def at_random(lead: NDArray[np.int64], rep: NDArray[np.int64], seed: int) -> NDArray[np.float64]:
    """Return a fraction per pair without any order, the same for the same seed, on any machine.

    Source: the finaliser of Steele, Lea & Flood 2014, "Fast splittable pseudorandom number generators" (SplitMix64).
    """
    with np.errstate(over="ignore"):
        x = lead.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15)
        x += rep.astype(np.uint64) + np.uint64((seed << 32) & (2**64 - 1))
        x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return np.asarray((x >> np.uint64(11)) * 2.0**-53)
