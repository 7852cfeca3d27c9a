"""Pages in a real Chromium without a network: what tests, the benchmark of pages and the gallery open them with."""

from __future__ import annotations

import shutil
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from playwright.sync_api import Browser, ConsoleMessage, Page, Request

_NAMES = ("chromium", "chromium-browser", "google-chrome")
# As root there is no sandbox; the others keep Chromium from talking to its maker's hosts, which would look like our requests.
_FLAGS = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--force-color-profile=srgb", "--font-render-hinting=none",
)  # fmt: skip


def chromium_path() -> str | None:
    """Return where Chromium is on the PATH; None without one."""
    return next((found for found in map(shutil.which, _NAMES) if found), None)


@contextmanager
def chromium() -> Iterator[Browser]:
    """Start Chromium, headless; it ends with the block.

    Raises
    ------
    FileNotFoundError
        There is none on the PATH.
    """
    from playwright.sync_api import sync_playwright

    path = chromium_path()
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
            page.wait_for_function("document.body.dataset.ready === 'true'")
        yield visit
    finally:
        context.close()
