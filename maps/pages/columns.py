"""Columns in a page: numbers and texts packed into one compressed text, which the page unpacks by itself.

A packed text is base64 of a gzip stream of: the length of a JSON text as four bytes (least first), the JSON, then the
bytes of every column. A column stands in the JSON as ``{"column": [type, first byte, rows]}``. Its bytes are sorted by
their place in a number (all first bytes, then all second ones, …), because like bytes together compress well. The same
columns always give the same text. ``templates/shared/page_data.js.jinja`` reads it.
"""

from __future__ import annotations

import base64
import gzip
import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

_NUMBER = re.compile(r"\d[\d,.]*")
_TYPES = {
    "<i2": "Int16Array",
    "<u1": "Uint8Array",
    "<u2": "Uint16Array",
    "<u4": "Uint32Array",
    "<f4": "Float32Array",
    "<f8": "Float64Array",
}
_STEPS = "steps"
# Whole numbers up to here are exact in single precision.
_EXACT_FLOAT32 = 2.0**24
# Pages show three digits, and whole numbers from a hundred on.
_WHOLE_FROM = 100.0
_DIGITS = 3


@dataclass(frozen=True)
class Column:
    """Numbers on their way into a packed text.

    Attributes
    ----------
    kind : str
        The typed array that the page makes of it; ``"steps"`` for whole numbers stored by their differences.
    n : int
    data : bytes
    """

    kind: str
    n: int
    data: bytes


def pack(columns: Mapping[str, Any]) -> str:
    """Pack columns, and whatever else JSON can hold, into one compressed text of letters, digits, ``+``, ``/`` and ``=``."""
    body = bytearray()

    def place(value: Any) -> dict[str, Any]:
        if not isinstance(value, Column):
            raise TypeError(f"a page cannot hold a {type(value).__name__}; numbers go in as columns")
        start = len(body)
        body.extend(value.data)
        return {"column": [value.kind, start, value.n]}

    head = json.dumps(columns, ensure_ascii=False, separators=(",", ":"), allow_nan=False, default=place).encode()
    packed = bytearray(gzip.compress(len(head).to_bytes(4, "little") + head + body, compresslevel=9, mtime=0))
    packed[9] = 255  # which system packed it says nothing about the plan
    return base64.b64encode(packed).decode("ascii")


def numbers(values: NDArray[Any], dtype: str) -> Column:
    """Return numbers as a column of a NumPy type such as ``"<f4"``."""
    stored = np.ascontiguousarray(values, dtype=np.dtype(dtype))
    return Column(_TYPES[dtype], len(stored), _by_place(stored))


def steps(values: NDArray[Any]) -> Column:
    """Return whole numbers of 32 bits, stored by their differences: small where neighbours in the column are alike."""
    whole = np.ascontiguousarray(values, dtype=np.int32)
    change = np.diff(whole, prepend=np.int32(0))  # wraps around, and so does the page's sum
    zigzag = ((change << np.int32(1)) ^ (change >> np.int32(31))).view(np.uint32)
    return Column(_STEPS, len(whole), _by_place(zigzag.astype("<u4")))


def as_shown(values: NDArray[np.float64]) -> Column:
    """Return numbers no finer than a page shows them: three digits, and whole numbers from a hundred on; NaN stays."""
    shown = rounded_as_shown(values)
    largest = np.abs(shown[np.isfinite(shown)]).max(initial=0.0)
    return numbers(shown, "<f4" if largest <= _EXACT_FLOAT32 else "<f8")


def rounded_as_shown(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Round to what :func:`as_shown` keeps, halves away from zero."""
    size = np.abs(np.asarray(values, dtype=np.float64))
    scale = np.ones(len(size))
    small = np.isfinite(size) & (size < _WHOLE_FROM) & (size > 1e-30)
    scale[small] = 10.0 ** (_DIGITS - 1 - np.floor(np.log10(size[small])))
    return np.asarray(np.copysign(np.floor(size * scale + 0.5) / scale, values), dtype=np.float64)


def _by_place(stored: NDArray[Any]) -> bytes:
    return stored.view(np.uint8).reshape(len(stored), stored.itemsize).T.tobytes()


def encode_sentences(sentences: Sequence[str], *, packed: bool = False) -> dict[str, Any]:
    """Split sentences into few patterns and their numbers.

    ``"R03 is 12 km nearer"`` becomes the pattern ``"R# is # km nearer"`` (a NUL for each #) with ``"03|12"``. Sentences that repeat as
    they are stay whole: whichever is smaller.

    Parameters
    ----------
    sentences : sequence of str
    packed : bool
        Whether the index becomes a :class:`Column` for :func:`pack` rather than base64.

    Returns
    -------
    dict
        ``values`` (distinct patterns), ``index`` (uint32 or uint16 per sentence) and ``numbers`` (one text per sentence,
        or None when the sentences are kept whole).
    """
    whole = pd.unique(pd.Series(list(sentences), dtype=object))
    if len(whole) * 20 < len(sentences) or any("\x00" in s or "|" in s for s in whole):
        return {**dictionary(sentences, packed=packed), "numbers": None}
    found = ["|".join(_NUMBER.findall(s)) for s in sentences]
    patterns = [_NUMBER.sub("\x00", s) for s in sentences]
    return {**dictionary(patterns, always=True, packed=packed), "numbers": found}


def dictionary(texts: Sequence[str], *, always: bool = False, packed: bool = False) -> dict[str, Any]:
    """Store each distinct text once, with an index per row; as a plain list where that would not pay."""
    codes, values = pd.factorize(np.array(texts, dtype=object))
    if len(values) * 2 > len(texts) and not always:
        return {"values": list(texts), "index": None}
    dtype = "<u4" if len(values) > 65_535 else "<u2"
    return {"values": [str(v) for v in values], "index": (numbers if packed else base64_of)(codes, dtype)}


def texts(column: pd.Series[Any]) -> list[str]:
    """Return a column as text, ``""`` where nothing is known."""
    present = column.notna().to_numpy()
    return [str(text) if there else "" for text, there in zip(column.tolist(), present, strict=True)]


def base64_of(values: NDArray[Any], dtype: str) -> str:
    """Return numbers in base64, as the pages' scripts unpack them."""
    return base64.b64encode(np.ascontiguousarray(values, dtype=np.dtype(dtype)).tobytes()).decode("ascii")
