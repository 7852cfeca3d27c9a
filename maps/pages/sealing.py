"""What a finished page may do: run the scripts and use the styles that were written into it, and nothing else.

The policy names every script and every style sheet by its SHA-256 (Content Security Policy Level 3, section 2.3.1), so
that markup which slips into a page, or is added to the file later, neither runs nor fetches.
"""

from __future__ import annotations

import base64
import hashlib
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

# The charset must be within the first kilobyte of the file, so the policy, which grows with the page, follows it.
_HEAD = re.compile(r"<head>\s*(<meta charset=[^>]*>|<meta http-equiv=\"content-type\"[^>]*>)?", re.IGNORECASE)
_OPENING = re.compile(r"<(script|style)\b([^<>]*)>", re.IGNORECASE)
_CLOSING = {name: re.compile(rf"</{name}\b[^<>]*>", re.IGNORECASE) for name in ("script", "style")}
_DATA = re.compile(r"""\btype=["']?(?:application/(?!javascript)|text/plain)""", re.IGNORECASE)
_BEFORE_STYLES = 4096
_NOTHING = "'none'"


def sealed(page: str, *, image_source: str = "") -> str:
    """Return a finished page with the policy that lets it do what is in it, as the first thing in its head.

    Parameters
    ----------
    page : str
        A whole page. Text from data is escaped in it already: what looks like a script here is one of ours.
    image_source : str
        Where images may come from besides the page itself, as a policy names it; ``""`` for nowhere.

    Returns
    -------
    str
        Inline scripts and style sheets are allowed by their hashes; ``style`` attributes are, event handlers are not;
        nothing is fetched, embedded or sent.

    Raises
    ------
    ValueError
        The page has no head, a script or style sheet without an end, a script of another file, or a policy already.
    """
    head = _HEAD.search(page, 0, _BEFORE_STYLES)
    if head is None:
        raise ValueError("a page to be sealed starts with <head>")
    if "Content-Security-Policy" in page[: head.end() + _BEFORE_STYLES]:
        raise ValueError("the page has a content security policy already. Remedy: leave it to maps.pages.sealing")
    hashes: dict[str, dict[str, None]] = {"script": {}, "style": {}}
    for name, content in _inlined(page):
        hashes[name][_hash(content)] = None
    directives = [
        "default-src 'none'",
        f"script-src {' '.join(hashes['script']) or _NOTHING}",
        "script-src-attr 'none'",
        f"style-src {' '.join(hashes['style']) or _NOTHING}",
        "style-src-attr 'unsafe-inline'",
        f"img-src data: {image_source}".rstrip(),
        "base-uri 'none'",
        "form-action 'none'",
    ]
    meta = f'<meta http-equiv="Content-Security-Policy" content="{"; ".join(directives)}">'
    charset = head[0] if head[1] else '<head>\n<meta charset="utf-8">'
    return f"{page[: head.start()]}{charset}\n{meta}{page[head.end() :]}"


def _inlined(page: str) -> Iterator[tuple[str, str]]:
    """Yield what the page runs and is styled by: ``script`` or ``style``, and the text between the tags."""
    place = 0
    while opening := _OPENING.search(page, place):
        name = opening[1].lower()
        closing = _CLOSING[name].search(page, opening.end())
        if closing is None:
            raise ValueError(f"a <{name}> of the page does not end: {page[opening.start() : opening.start() + 80]!r}")
        place = closing.end()
        if name == "script" and _DATA.search(opening[2]):
            continue
        if re.search(r"\bsrc\s*=", opening[2], re.IGNORECASE):
            raise ValueError(f"a page fetches nothing, but this script is in another file: {opening[0]!r}")
        yield name, page[opening.end() : closing.start()]


def _hash(content: str) -> str:
    """Name a script as a policy does: the hash of its text as a browser reads it, line ends and NUL replaced."""
    read = content.replace("\r\n", "\n").replace("\r", "\n").replace("\x00", "\ufffd")
    return f"'sha256-{base64.b64encode(hashlib.sha256(read.encode('utf-8')).digest()).decode('ascii')}'"
