"""A real browser for the page's tests, and everything that went wrong on a visit."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
CHROMIUM = next(
    (p for name in ("chromium", "chromium-browser", "google-chrome")
     if (p := Path("/usr/bin") / name).exists()), None,
)  # fmt: skip
PICTURES = os.environ.get("MOVE37_SCREENSHOTS")
"""Folder that pictures of the pages are kept in; none are taken without one."""
PAGES = ("overview", "tree", "gallery", "team", "guards", "cognition", "ledger")


@contextmanager
def chromium() -> Iterator[Any]:
    """Start the browser; without one the tests are skipped, and say so."""
    with playwright.sync_playwright() as driver:
        try:
            browser = driver.chromium.launch(
                executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"]
            )
        except playwright.Error as error:
            pytest.skip(
                "NO BROWSER: the page was not tested; install chromium (apt-get install chromium, "
                f"or playwright install chromium): {str(error).splitlines()[0]}"
            )
        yield browser
        browser.close()


class Visit:
    """One page of the browser, and everything that went wrong on it."""

    def __init__(self, browser: Any, base: str, *, width: int = 1280, theme: str = "light") -> None:
        self.context = browser.new_context(
            viewport={"width": width, "height": 900}, color_scheme=theme
        )
        self.page = self.context.new_page()
        self.page.set_default_timeout(30_000)
        self.base = base
        self.complaints: list[str] = []
        self.asked: list[str] = []
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on(
            "console",
            lambda m: self.complaints.append(m.text) if m.type in {"error", "warning"} else None,
        )
        self.page.on("request", lambda request: self.asked.append(request.url))

    def see(self, place: str) -> None:
        """Open a page of the run's address and wait until it is drawn."""
        self.page.goto(f"{self.base}#/{place}")
        name = place.split("/")[1] if "/" in place else "runs"
        self.page.wait_for_selector(f"main[data-page={name}]")

    def keep(self, name: str) -> None:
        """Keep a picture where pictures are wanted."""
        if PICTURES is None:
            return
        folder = Path(PICTURES)
        folder.mkdir(parents=True, exist_ok=True)
        self.page.wait_for_timeout(200)
        self.page.screenshot(path=folder / f"{name}.png", full_page=True)

    @property
    def is_too_wide(self) -> bool:
        """Whether the page has to be scrolled sideways."""
        return self.page.evaluate("document.documentElement.scrollWidth > innerWidth")
