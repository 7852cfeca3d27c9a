"""What two batches have in common when they are the same: a hash of the leads' content, however they arrived."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from numpy.typing import NDArray

VERSION = b"territory-engine leads 1"
"""Part of the hash: another way of hashing is another version."""


def hash_of(
    texts: Mapping[str, pd.Series[Any]],
    numbers: Mapping[str, NDArray[np.float64]],
    moments: Mapping[str, NDArray[np.datetime64]],
    unread: Iterable[tuple[int, str, str]],
) -> str:
    """Return the SHA-256 of a batch's content: of its columns by name, and of its leads in their order.

    Numbers count as read (``5``, ``5.0`` and ``"5.00"`` are one value), moments as points in time, texts without
    surrounding blanks. A column that is blank throughout counts as absent.

    Parameters
    ----------
    texts, numbers, moments : mapping of column name to values, each of shape (n_leads,)
    unread : iterable of (position, column, text)
        Cells that could not be read, which are NaN above.
    """
    digest = hashlib.sha256(VERSION)
    for name in sorted(texts):
        column = texts[name]
        if (column != "").any():
            _add(digest, name, *_buffers(column))
    for name in sorted(numbers):
        values = numbers[name] + 0.0  # the other zero, −0.0, becomes this one
        if not np.isnan(values).all():
            _add(digest, name, np.where(np.isnan(values), np.nan, values).astype("<f8").tobytes())
    for name in sorted(moments):
        if not np.isnat(moments[name]).all():
            _add(digest, name, moments[name].astype("datetime64[us]").astype("<i8").tobytes())
    for position, name, text in sorted(unread):
        _add(digest, name, str(position).encode(), text.encode("utf-8", "replace"))
    return digest.hexdigest()


def _add(digest: Any, name: str, *parts: bytes) -> None:
    """Add a name and bytes, each with its length before it, so that nothing can pass for something else."""
    for part in (name.encode("utf-8", "replace"), *parts):
        digest.update(len(part).to_bytes(8, "little"))
        digest.update(part)


def _buffers(column: pd.Series[Any]) -> tuple[bytes, bytes]:
    """Return the lengths and the bytes of a column of text."""
    encoded = [str(cell).encode("utf-8", "replace") for cell in column]
    lengths = np.fromiter((len(cell) for cell in encoded), "<i8", len(encoded))
    return lengths.tobytes(), b"".join(encoded)
