"""What all pages share, in a real browser: accessible, safe against added markup, and whole on paper."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.maps.every_page import KINDS, MAPS

pytestmark = pytest.mark.browser

POLICY = re.compile(r'<meta http-equiv="Content-Security-Policy" content="([^"]*)">')


# --- accessible ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_a_page_keeps_to_wcag_on_a_desk_and_on_a_phone(kind: str, pages: Any, visit: Any, axe: Any) -> None:
    with visit(pages[kind]) as seen:
        axe(seen.page)
        seen.page.set_viewport_size({"width": 400, "height": 800})
        axe(seen.page)


# --- safe ---------------------------------------------------------------------------------------------------------------

ADDED = """<script type="text/javascript">window.ran = "script"</script><style>:root { --added: 1 }</style>
<img src="data:," onerror="window.ran = 'onerror'"><button id="added" onclick="window.ran = 'onclick'">x</button>
<a id="link" href="javascript:window.ran = 'link'">x</a><img src="https://example.org/pixel.png" alt="">
<iframe srcdoc="<script>parent.ran = 'frame'</script>"></iframe><link rel="stylesheet" href="https://example.org/a.css">"""


@pytest.mark.parametrize("kind", KINDS)
def test_markup_that_was_added_to_a_page_neither_runs_nor_fetches(
    kind: str, pages: Any, visit: Any, tmp_path: Path
) -> None:
    text = pages[kind].read_text(encoding="utf-8")
    body = re.search("<body[^>]*>", text)
    assert body
    added = tmp_path / "added.html"
    added.write_text(text[: body.end()] + ADDED + text[body.end() :], encoding="utf-8")
    with visit(added) as seen:
        for name in ("added", "link"):
            seen.page.locator(f"#{name}").dispatch_event("click")
        assert seen.page.evaluate("window.ran ?? null") is None
        assert seen.page.evaluate("getComputedStyle(document.documentElement).getPropertyValue('--added')") == ""
        refused = [c for c in seen.complaints if "Content Security Policy" in c]
        assert len(refused) >= 6
        # A request that the policy stops is told as one, and as failed; none was sent.
        assert all("Content Security Policy" in c or "example.org" in c for c in seen.complaints)
        seen.complaints.clear()


@pytest.mark.parametrize("kind", KINDS)
def test_the_policy_of_a_page_allows_what_is_in_it_and_no_more(kind: str, pages: Any) -> None:
    text = pages[kind].read_text(encoding="utf-8")
    policy = POLICY.findall(text)
    assert len(policy) == 1
    assert text.index("Content-Security-Policy") < 200 + text.index("<head>")
    rules = dict(directive.split(" ", 1) for directive in policy[0].split("; "))
    assert rules["default-src"] == rules["script-src-attr"] == rules["base-uri"] == rules["form-action"] == "'none'"
    assert re.fullmatch(r"'none'|('sha256-[\w+/]+=' ?)+", rules["script-src"])
    assert re.fullmatch(r"('sha256-[\w+/]+=' ?)+", rules["style-src"])
    assert rules["style-src-attr"] == "'unsafe-inline'"
    assert rules["img-src"] in ("data:", "data: https://tiles.example.org")
    assert not re.search(r"""<[^>]*\son\w+\s*=""", re.sub(r"(?s)<(script|style)\b.*?</\1>", "", text))


# --- on paper -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_a_page_prints_whole_and_on_few_sheets(kind: str, pages: Any, visit: Any, printed: Callable[..., Any]) -> None:
    with visit(pages[kind]) as seen:
        sheets = printed(seen.page, kind, landscape=kind in MAPS)
        # A report has a page for each of the five reps besides.
        assert 1 <= len(sheets.texts) <= (8 + 5 if kind in ("report", "report_with_moves") else 8)
        assert "".join(sheets.texts).strip()
