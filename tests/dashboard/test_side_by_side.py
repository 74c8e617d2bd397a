"""Comparing gallery entries, and playing the growth of the tree, in a real browser.

S1. Up to four entries stand side by side; a fifth is refused in words, and the four stay.
S2. Sorting changes the order and keeps what was chosen.
S3. The growth plays to its end, can be paused, and a hidden candidate cannot be pointed at.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from asking import served
from browsing import Visit, chromium
from watched_runs import BASELINE, confirmed, layer, opening, searched, write

from move37.dashboard.server import Server

WINNERS = [layer(f"winner-{k}", BASELINE.id) for k in range(5)]


@pytest.fixture(scope="module")
def server(tmp_path_factory) -> Iterator[Server]:
    runs = tmp_path_factory.mktemp("runs")
    events = opening("five")
    for k, winner in enumerate(WINNERS):
        events += [*searched(winner, k, 1.0 + k), confirmed(winner, k, 1.0 + k)]
    write(runs / "five", events)
    with served(runs) as server:
        yield server


@pytest.fixture
def page(server):
    with chromium() as browser:
        visit = Visit(browser, server.url)
        yield visit
        assert visit.complaints == []


def choose(visit: Visit, name: str, *, click: bool = True) -> None:
    box = visit.page.locator(f"article.card:has-text('{name}') input[type=checkbox]")
    box.click() if click else box.uncheck()


def compared(visit: Visit) -> list[str]:
    cells = visit.page.locator("#compared thead th").all_inner_texts()
    return [cell.strip() for cell in cells if cell.strip()]


def test_up_to_four_stand_side_by_side_and_a_fifth_is_refused(page):
    """S1 and S2."""
    page.see("five/gallery")
    choose(page, "winner-0")
    assert "Choose another one" in page.page.inner_text("main")
    for k in (1, 2, 3):
        choose(page, f"winner-{k}")
    four = [f"winner-{k}" for k in (3, 2, 1, 0)]  # best first
    assert compared(page) == four
    assert "+4.00" in page.page.inner_text("#compared")
    choose(page, "winner-4")
    assert "4 are being compared already" in page.page.inner_text("main")
    assert compared(page) == four
    choose(page, "winner-0", click=False)
    choose(page, "winner-4")
    assert compared(page) == ["winner-4", *four[:3]]

    page.page.select_option("select[aria-label='Sort by']", "name")
    titles = page.page.locator("article.card h2").all_inner_texts()
    assert titles == sorted(titles)
    assert page.page.locator("article.card input:checked").count() == 4


def test_the_growth_plays_pauses_and_hides_what_is_not_there_yet(page):
    """S3."""
    page.see("five/tree")
    page.page.wait_for_timeout(300)
    slider = page.page.locator("input[aria-label='Play back the growth']")
    slider.fill("1")
    assert "first 1 of 6" in page.page.inner_text("main")
    page.page.focus("canvas")
    page.page.keyboard.press("ArrowDown")
    page.page.keyboard.press("ArrowDown")
    spot = page.page.get_attribute(".treebox", "data-chosen")
    assert spot
    x, y = (float(part) for part in spot.split(","))
    page.page.mouse.move(5, 5)
    canvas = page.page.locator(".treebox canvas").bounding_box()
    page.page.mouse.click(canvas["x"] + x, canvas["y"] + y)
    page.page.wait_for_timeout(200)
    assert page.page.locator("main[data-page=tree]").count() == 1  # nothing there to open yet

    page.page.click("#play")
    assert "Pause" in page.page.inner_text("#play")
    page.page.click("#play")
    assert "Play growth" in page.page.inner_text("#play")
    page.page.click("#play")
    page.page.wait_for_selector("[role=status]:has-text('first 6 of 6')")
    page.page.wait_for_selector("#play:has-text('Play growth')")
    page.page.mouse.click(canvas["x"] + x, canvas["y"] + y)
    page.page.wait_for_selector("main[data-page=candidate]")
