"""Which encoding a text without a byte-order mark is in, when it is not UTF-8.

Statistics need long texts; a customer list has a few accented names. So each candidate is tried, and the one whose
words look like words is taken: no symbol inside a word, no capital after a small letter, one script per word.
"""

from __future__ import annotations

import re
import unicodedata

_SINGLE_BYTE = ("cp1252", "cp1250", "cp1254", "cp1251", "cp1253", "cp1257", "cp1255", "cp1256")
_MULTI_BYTE = ("shift_jis", "gb18030", "big5", "euc_kr")
_OPENING = "“‘„«»›‹¿¡†§©®™€£$¥°º ª"
_INSIDE = "’‘'´`·‑–—\u00ad"
# Letters of Icelandic in Western Europe's code page, where Turkish has its own: Turkish is the likelier reading.
_SELDOM = "ÐÝÞðýþ"
_SAMPLE_LINES = 400
_TOLERATED = 0.15


def guess_encoding(content: bytes) -> str:
    """Return the most plausible encoding of a text that is not UTF-8.

    Parameters
    ----------
    content : bytes

    Returns
    -------
    str
        A Python codec. Ties go to the more common one; Western Europe's ``cp1252`` first.
    """
    telling = b"\n".join([line for line in content.split(b"\n") if not line.isascii()][:_SAMPLE_LINES])
    strange = sum(byte > 127 for byte in telling)
    faults = {encoding: _faults(telling.decode(encoding, errors="replace")) for encoding in _SINGLE_BYTE}
    best = min(faults, key=faults.__getitem__)
    if faults[best] <= _TOLERATED * strange:
        return best
    import charset_normalizer

    match = charset_normalizer.from_bytes(telling, cp_isolation=list(_MULTI_BYTE)).best()
    return match.encoding if match is not None else best


def _faults(text: str) -> float:
    """Count what no word has: the fewer, the likelier the reading."""
    faults = 5.0 * text.count("\ufffd")
    for word in re.findall(r"[^\s,;|\t\"]*[^\x00-\x7f][^\s,;|\t\"]*", text):
        accented = sum(c.isalpha() and not c.isascii() and "LATIN" in unicodedata.name(c, "") for c in word)
        if accented >= 4 and accented > 0.75 * len(word):
            faults += accented
        for before, char, after in zip(f" {word[:-1]}", word, f"{word[1:]} ", strict=True):
            if not char.isascii():
                faults += _fault(before, char, after)
    return faults


def _fault(before: str, char: str, after: str) -> float:
    if not char.isalpha():
        if unicodedata.category(char) == "Cc":
            return 1.0
        glued = after.isalpha() and char not in _OPENING + _INSIDE
        return 1.0 if glued or (before.isalpha() and after.isalpha() and char not in _INSIDE) else 0.0
    fault = 0.5 if char in _SELDOM else 0.0
    if char.isupper() and before.islower():
        fault += 1.0
    if any(other.isalpha() and _script(other) != _script(char) for other in (before, after)):
        fault += 1.0
    return fault


def _script(letter: str) -> str:
    return unicodedata.name(letter, "?").split()[0]
