"""Windows without room, links that say nonsense, pages whose data are damaged: a page never ends blank or in an error."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.browser

NONSENSE = (
    "territory=%", "%E0%A4%A", "&&=&", "#", "territory=__proto__&colour=constructor&account=toString", "a=" + "%" * 5000,
    "at=NaN,1e99,99", "at=85,1e20,3", "at=41,-93,1e308", "at=-85,180,-99", "at=41,-93,Infinity", "at=0x10,,",
    "divider=NaN", "divider=1e99", "left=__proto__&right=constructor", "measure=%&scenario=__proto__",
)  # fmt: skip
SEES_ALL = "map.getBounds().contains(plan.bounds) && Math.abs(map.getZoom() - plan.fitZoom) < 0.01"


@pytest.mark.parametrize("kind", ["map", "planar_map", "diff", "comparison_map"])
def test_a_link_that_says_nonsense_leaves_the_page_in_use(kind: str, pages: dict[str, Path], visit: Any) -> None:
    for fragment in ("at=85,1e20,3", "territory=%&colour=__proto__&account=%00"):
        with visit(pages[kind], fragment=fragment) as seen:
            assert seen.page.evaluate(SEES_ALL)
    with visit(pages[kind]) as seen:
        for fragment in NONSENSE:
            seen.page.evaluate("(hash) => { location.hash = hash; }", fragment)
            seen.page.wait_for_timeout(20)
        assert seen.page.evaluate("map.getBounds().intersects(plan.bounds)")


@pytest.mark.parametrize("kind", ["map", "planar_map", "diff", "comparison_map"])
def test_a_map_that_opens_without_room_shows_all_once_it_has_some(
    kind: str, pages: dict[str, Path], visit: Any
) -> None:
    with visit(pages[kind], size=(30, 30)) as seen:
        seen.page.set_viewport_size({"width": 1300, "height": 850})
        seen.wait_until(f"map.getSize().x > 300 && {SEES_ALL}")
        closer = "plan.bounds[0], plan.fitZoom + 2, {animate: false}"
        seen.page.evaluate(f"() => {{ map.setView({closer}); }}")
        seen.page.set_viewport_size({"width": 900, "height": 700})
        seen.page.wait_for_timeout(300)
        assert seen.page.evaluate(
            "Math.abs(map.getZoom() - plan.fitZoom - 2) < 0.06"
        )  # who came closer stays where they are


@pytest.mark.parametrize("kind", ["map", "diff", "comparison_map"])
def test_a_page_whose_data_are_damaged_says_so(kind: str, pages: dict[str, Path], browser: Any, tmp_path: Path) -> None:
    text = pages[kind].read_text(encoding="utf-8")
    end = text.index("</script>", text.index('id="plan-data">'))
    (tmp_path / "damaged.html").write_text(text[: end - 500] + text[end:], encoding="utf-8")
    page = browser.new_page()
    page.goto((tmp_path / "damaged.html").as_uri())
    assert "damaged" in page.get_by_role("alert").inner_text()
    page.close()


def test_a_comparison_is_no_wider_than_a_telephone(pages: dict[str, Path], visit: Any) -> None:
    with visit(pages["comparison"], size=(320, 640)) as seen:
        assert seen.page.evaluate("document.documentElement.scrollWidth") <= 320
