"""Columns in a page: numbers as base64, texts stored once each, sentences as patterns with their numbers taken out."""

from __future__ import annotations

import base64
import re
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

_NUMBER = re.compile(r"\d[\d,.]*")


def encode_sentences(sentences: Sequence[str]) -> dict[str, Any]:
    """Split sentences into few patterns and their numbers.

    ``"R03 is 12 km nearer"`` becomes the pattern ``"R# is # km nearer"`` (a NUL for each #) with ``"03|12"``. Sentences that repeat as
    they are stay whole: whichever is smaller.

    Returns
    -------
    dict
        ``values`` (distinct patterns), ``index`` (base64 of uint32 per sentence) and ``numbers`` (one text per sentence,
        or None when the sentences are kept whole).
    """
    whole = pd.unique(pd.Series(list(sentences), dtype=object))
    if len(whole) * 20 < len(sentences) or any("\x00" in s or "|" in s for s in whole):
        return {**dictionary(sentences), "numbers": None}
    numbers = ["|".join(_NUMBER.findall(s)) for s in sentences]
    patterns = [_NUMBER.sub("\x00", s) for s in sentences]
    return {**dictionary(patterns, always=True), "numbers": numbers}


def dictionary(texts: Sequence[str], *, always: bool = False) -> dict[str, Any]:
    """Store each distinct text once, with an index per row; as a plain list where that would not pay."""
    codes, values = pd.factorize(np.array(texts, dtype=object))
    if len(values) * 2 > len(texts) and not always:
        return {"values": list(texts), "index": None}
    return {"values": [str(v) for v in values], "index": base64_of(codes, "<u4" if len(values) > 65_535 else "<u2")}


def texts(column: pd.Series[Any]) -> list[str]:
    """Return a column as text, ``""`` where nothing is known."""
    present = column.notna().to_numpy()
    return [str(text) if there else "" for text, there in zip(column.tolist(), present, strict=True)]


def base64_of(values: NDArray[Any], dtype: str) -> str:
    """Return numbers in base64, as the pages' scripts unpack them."""
    return base64.b64encode(np.ascontiguousarray(values, dtype=np.dtype(dtype)).tobytes()).decode("ascii")
