"""Pages in a real Chromium without a network: what tests, the benchmark of pages and the gallery open them with."""

from __future__ import annotations

import io
import shutil
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from PIL.Image import Image
    from playwright.sync_api import Browser, ConsoleMessage, Page, Request

_NAMES = ("chromium", "chromium-browser", "google-chrome")
# The same engine without windows: pages open in half the time.
_SHELL = "chromium-headless-shell"
# As root there is no sandbox; the others keep Chromium from talking to its maker's hosts, which would look like our requests.
_FLAGS = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--force-color-profile=srgb", "--font-render-hinting=none",
)  # fmt: skip

# What Chromium's own dialogue leaves around a page that does not say.
_MARGIN = "10mm"
# The margins in CSS pixels: those of the page's own @page, or the given one.
_MARGINS = """(otherwise) => {
  const own = [...document.styleSheets].flatMap((sheet) => [...sheet.cssRules]).filter((rule) => rule instanceof CSSPageRule).pop();
  return ["marginLeft", "marginRight"].map((side) => {
    const probe = document.body.appendChild(document.createElement("div"));
    probe.style.cssText = "position: absolute; visibility: hidden";
    probe.style.width = own?.style[side] || otherwise;
    const wide = probe.getBoundingClientRect().width;
    probe.remove();
    return wide;
  });
}"""


def chromium_path(*, shell: bool = False) -> str | None:
    """Return where Chromium is on the PATH, with `shell` its headless shell where there is one; None without either."""
    names = (_SHELL, *_NAMES) if shell else (*_NAMES, _SHELL)
    return next((found for found in map(shutil.which, names) if found), None)


@contextmanager
def chromium(*, shell: bool = False) -> Iterator[Browser]:
    """Start Chromium, headless; it ends with the block.

    Parameters
    ----------
    shell : bool
        Prefer the headless shell: the same engine, lighter; what is measured, though, is to be what people have.

    Raises
    ------
    FileNotFoundError
        There is none on the PATH.
    """
    from playwright.sync_api import sync_playwright

    path = chromium_path(shell=shell)
    if path is None:
        raise FileNotFoundError("no Chromium on the PATH. Remedy: apt-get install chromium, or your system's package")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=list(_FLAGS))
        try:
            yield browser
        finally:
            browser.close()


@dataclass
class Visit:
    """A page that is open, and everything the browser complained of.

    Attributes
    ----------
    page : playwright.sync_api.Page
    complaints : list of str
        Console errors and warnings, uncaught errors, failed requests, and every request beside the file itself.
    """

    page: Page
    complaints: list[str] = field(default_factory=list)

    def wait_until(self, expression: str, *, seconds: float = 20.0) -> None:
        """Wait until a JavaScript expression holds.

        Playwright's ``wait_for_function`` evaluates strings inside the page, which the pages' own policy forbids.

        Raises
        ------
        TimeoutError
            It does not hold in time.
        """
        step_s = 0.05
        for _ in range(round(seconds / step_s)):
            if self.page.evaluate(expression):
                return
            self.page.wait_for_timeout(1000 * step_s)
        raise TimeoutError(f"after {seconds:g} s this does not hold in the page: {expression}")

    def console(self, message: ConsoleMessage) -> None:
        """Note a message on the console that is more than information."""
        if message.type in {"error", "warning", "assert"}:
            self.complaints.append(f"console {message.type}: {message.text}")

    def request(self, request: Request, opened: str) -> None:
        """Note a request that is not the page itself."""
        if request.url.split("#")[0] != opened and not request.url.startswith(("data:", "blob:")):
            self.complaints.append(f"request: {request.url[:200]}")


@contextmanager
def visited(
    browser: Browser, path: Path, *, size: tuple[int, int] = (1400, 900), fragment: str = "", scale: float = 1.0
) -> Iterator[Visit]:
    """Open a file with the network off, in a context of its own.

    Parameters
    ----------
    browser : playwright.sync_api.Browser
    path : Path
        An HTML file. A page with a script says that it is ready by ``document.body.dataset.ready``.
    size : tuple of int
        Width and height of the window, in CSS pixels.
    fragment : str
        What follows the ``#`` of the address.
    scale : float
        Device pixels per CSS pixel.
    """
    context = browser.new_context(
        viewport={"width": size[0], "height": size[1]}, device_scale_factor=scale, reduced_motion="reduce", offline=True
    )
    address = path.resolve().as_uri()
    page = context.new_page()
    visit = Visit(page)
    page.on("console", visit.console)
    page.on("pageerror", lambda error: visit.complaints.append(f"uncaught: {error}"))
    page.on("request", lambda request: visit.request(request, address))
    page.on("requestfailed", lambda request: visit.complaints.append(f"failed: {request.url[:200]}"))
    try:
        page.goto(address + (f"#{fragment}" if fragment else ""))
        if page.locator("script:not([type])").count():
            page.wait_for_selector("body[data-ready=true]", state="attached")
        yield visit
    finally:
        context.close()


@dataclass(frozen=True)
class Print:
    """A page as it leaves the printer.

    Attributes
    ----------
    texts : tuple of str
        What can be read on each sheet.
    pictures : tuple of PIL.Image.Image
        Each sheet, at 100 dots per inch unless asked otherwise.
    width_px : float
        Room between the left and the right margin of the first sheet, in CSS pixels.
    """

    texts: tuple[str, ...]
    pictures: tuple[Image, ...]
    width_px: float


def print_page(
    page: Page, *, landscape: bool = False, dots_per_inch: int = 100, colours: bool = True, keep: Path | None = None
) -> Print:
    """Print an open page on A4, as a browser's own dialogue does, and read it back.

    Parameters
    ----------
    page : playwright.sync_api.Page
    landscape : bool
        Unless the page itself says how its sheets lie.
    dots_per_inch : int
    colours : bool
        Whether backgrounds are printed, which is a choice in the dialogue.
    keep : Path, optional
        Where to leave the sheets as pictures: ``keep-1.png`` and so on.
    """
    import pypdfium2

    paper = page.pdf(
        format="A4", landscape=landscape, print_background=colours, prefer_css_page_size=True,
        margin={"top": _MARGIN, "right": _MARGIN, "bottom": _MARGIN, "left": _MARGIN},
    )  # fmt: skip
    texts, pictures, widths = [], [], []
    with pypdfium2.PdfDocument(io.BytesIO(paper)) as document:
        for sheet in document:
            reader = sheet.get_textpage()
            texts.append(reader.get_text_bounded())
            reader.close()
            widths.append(sheet.get_width() / 72 * 96)
            drawn = sheet.render(scale=dots_per_inch / 72)
            pictures.append(drawn.to_pil().convert("RGB").copy())
            drawn.close()
            sheet.close()
    if keep is not None:
        keep.parent.mkdir(parents=True, exist_ok=True)
        for number, picture in enumerate(pictures, start=1):
            picture.save(keep.with_name(f"{keep.name}-{number}.png"))
    left, right = page.evaluate(_MARGINS, _MARGIN)
    return Print(tuple(texts), tuple(pictures), widths[0] - left - right)
