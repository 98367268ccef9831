"""A headless Chromium for tests of the gallery's page, and a page that notes everything that a page that minds its own
business would not do.
"""

import os
import re
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from skipped import NO_CHROMIUM

CHROMIUM = shutil.which("chromium")
REQUIRED = os.environ.get("SEGQC_REQUIRE_BROWSER") == "1"
"""Set in continuous integration: there a test that finds no browser fails."""
OPTIONS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
]  # fmt: skip

needs_chromium = pytest.mark.skipif(CHROMIUM is None and not REQUIRED, reason=NO_CHROMIUM)


def launch() -> Iterator:
    """Body of a fixture: a browser, closed at the end."""
    if REQUIRED:
        assert CHROMIUM, NO_CHROMIUM
    else:
        pytest.importorskip("playwright", reason="playwright is not installed")
    from playwright import sync_api as api

    with api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=OPTIONS)
        yield browser
        browser.close()


class Opened:
    """A page opened from a file in a browser context of its own, or in the given one, whose storage it then shares.

    Attributes
    ----------
    complaints : list of str
        Console messages, errors, browser dialogs and requests to anything but files and the page's own data.
    files : list of str
        Addresses of the files that were asked for.
    """

    def __init__(self, browser, path: Path, address: str = "", context=None, **options) -> None:
        context = context or browser.new_context(**({"viewport": {"width": 1366, "height": 768}} | options))
        self.page = context.new_page()
        self.page.set_default_timeout(10_000)
        self.complaints: list[str] = []
        self.files: list[str] = []
        self.page.on("console", lambda message: self.complaints.append(f"console: {message.text}"))
        self.page.on("pageerror", lambda error: self.complaints.append(f"error: {error}"))
        self.page.on("dialog", lambda dialog: (self.complaints.append(f"dialog: {dialog.message}"), dialog.dismiss()))
        self.page.on("request", self._request)
        self.page.goto(path.as_uri() + address)

    def _request(self, request) -> None:
        if request.url.startswith("file:"):
            self.files.append(request.url)
        elif not request.url.startswith(("data:", "blob:")):
            self.complaints.append(f"request: {request.url}")

    def ids(self) -> list[str]:
        """Ids of the cards in the page, in their order."""
        return self.page.locator("#grid .id").all_text_contents()

    def count(self) -> str:
        return self.page.locator("#count").inner_text()

    def focused(self) -> str | None:
        """Id of the card that has the focus."""
        return self.page.evaluate("document.activeElement.querySelector('.id')?.textContent")

    def wait_until(self, condition: Callable[[], object]) -> None:
        """Playwright's own `wait_for_function` evaluates a string in the page, which the page's policy forbids."""
        deadline = time.monotonic() + 10
        while not condition() and time.monotonic() < deadline:
            self.page.wait_for_timeout(20)
        assert condition()

    def wait_for_address(self, ending: str) -> None:
        """The page writes its address with a pause between two changes."""
        self.page.wait_for_url(re.compile(re.escape(ending) + "$"), wait_until="commit")


def pair(*numbers: int) -> list[str]:
    """Ids as `gallery_pictures.Pictures` gives them."""
    return [f"pair_{number:04d}" for number in numbers]
