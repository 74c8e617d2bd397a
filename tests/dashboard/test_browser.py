"""The page in a real browser.

B1. Everything can be reached, and a click on a candidate of the tree opens its code and diff.
B2. Nothing that a candidate or a model wrote runs, nothing is fetched from elsewhere, no error.
B3. A new trial appears within two seconds, without a reload.
B4. Nothing is wider than the window at 1280 and 390 pixels, in light and dark.

With MOVE37_SCREENSHOTS=FOLDER pictures of every page are kept there, as .ci/run does.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from asking import served
from browsing import PAGES, Visit, chromium
from watched_runs import (
    HOSTILE,
    PLAIN,
    hostile_campaign,
    layer,
    opening,
    searched,
    training,
    write,
)

from move37.dashboard.server import Server
from move37.memory.ledger import Ledger

LIVE_MS = 2000


@pytest.fixture(scope="module")
def browser():
    with chromium() as browser:
        yield browser


@pytest.fixture(scope="module")
def runs(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("runs")
    write(folder / "first", hostile_campaign())
    write(folder / "empty", opening("empty"))
    write(folder / "live", [*opening("live"), *searched(PLAIN, 0, 1.0)])
    return folder


@pytest.fixture(scope="module")
def server(runs) -> Iterator[Server]:
    with served(runs) as server:
        yield server


@pytest.fixture
def visit(browser, server) -> Iterator[Visit]:
    visit = Visit(browser, server.url)
    yield visit
    visit.context.close()


@pytest.mark.parametrize("page", [*PAGES, f"candidate/{HOSTILE.id}"])
def test_hostile_texts_are_shown_and_do_nothing(visit, server, page):
    """B2."""
    visit.see(f"first/{page}")
    visit.page.wait_for_timeout(300)
    assert visit.page.evaluate("window.stolen") is None
    assert visit.page.evaluate("document.querySelectorAll('main script').length") == 0
    pictures = "[...document.querySelectorAll('main img')].map((one) => one.getAttribute('src'))"
    shown = visit.page.evaluate(pictures)  # the page's own: the data flow, from its own server
    assert all(source.startswith("/api/first/flow/") for source in shown)
    assert visit.complaints == []
    assert all(url.startswith(server.url) for url in visit.asked)


def test_the_texts_of_a_hostile_candidate_are_legible(visit):
    """B2. The escape shows the text itself; it does not swallow it."""
    visit.see(f"first/candidate/{HOSTILE.id}")
    shown = visit.page.inner_text("main")
    assert shown.count("<script>window.stolen=1</script>") >= 5


def test_inline_scripts_are_stopped_even_if_markup_slipped_in(visit):
    """B2. The policy holds by itself: a page that did write markup would still not run it."""
    visit.see("first/overview")
    visit.page.evaluate(
        "document.body.insertAdjacentHTML('beforeend', '<img src=/x onerror=\"window.stolen=1\">')"
    )
    visit.page.wait_for_timeout(300)
    assert visit.page.evaluate("window.stolen") is None


def test_every_page_is_reached_by_its_link(visit):
    """B1."""
    visit.see("first/overview")
    for name in PAGES:
        visit.page.click(f"nav a:text-is('{name.capitalize()}')")
        visit.page.wait_for_selector(f"main[data-page={name}] h1")
    visit.page.click("nav a:text-is('Runs')")
    visit.page.wait_for_selector("main[data-page=runs] .card")


def test_a_click_in_the_tree_opens_the_candidate_with_code_and_diff(visit):
    """B1. The search puts the candidate under the keys; Enter opens it."""
    visit.see("first/tree")
    visit.page.fill("#find", PLAIN.id)
    visit.page.focus("canvas")
    visit.page.keyboard.press("Enter")
    visit.page.wait_for_selector(
        f"main[data-page=candidate] pre#source:has-text('{PLAIN.idea.name}')"
    )
    visit.page.select_option("#against", index=1)
    visit.page.wait_for_selector("pre#diff .add")
    assert "linear_attention" in visit.page.inner_text("pre#diff .cut >> nth=0")


def test_a_pointer_on_the_tree_names_the_candidate_and_a_click_opens_it(visit):
    """B1."""
    visit.see("empty/tree")
    box = visit.page.locator(".treebox canvas").bounding_box()
    assert box
    visit.page.wait_for_timeout(300)
    middle = (box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    visit.page.mouse.move(*middle)
    assert "linear_attention" in visit.page.inner_text(".treebox .tip")
    visit.page.mouse.click(*middle)
    visit.page.wait_for_selector("main[data-page=candidate] h1:text-is('linear_attention')")


def test_the_tree_is_walked_with_the_arrow_keys(visit):
    """B1."""
    visit.see("first/tree")
    visit.page.focus("canvas")
    for key in ("ArrowDown", "ArrowDown"):
        visit.page.keyboard.press(key)
    assert PLAIN.idea.name in visit.page.inner_text(".treebox .tip")


def test_a_new_trial_appears_within_two_seconds(visit, runs):
    """B3."""
    visit.see("live/overview")
    visit.page.wait_for_selector(".live.on:has-text('events')")
    visit.page.wait_for_timeout(1100)
    with Ledger.open(runs / "live/ledger.db") as ledger:
        ledger.append(*searched(layer("the newcomer"), 1, 7.5), *training(layer("next"), 2))
        start = time.monotonic()
        visit.page.wait_for_selector("main a:text-is('the newcomer')")
        took = time.monotonic() - start
    assert took * 1000 < LIVE_MS
    assert "training, rung 0, seed 7" in visit.page.inner_text("main")


def test_verify_says_that_the_ledger_holds(visit):
    """B1."""
    visit.see("first/ledger")
    visit.page.click("#verify")
    visit.page.wait_for_selector(".good:has-text('verifies')")


def test_the_theme_changes_and_is_remembered(visit):
    """B4."""
    visit.see("first/overview")
    light = visit.page.evaluate("getComputedStyle(document.body).backgroundColor")
    visit.page.click("#theme")
    visit.page.reload()
    visit.page.wait_for_selector("main[data-page]")
    assert visit.page.evaluate("getComputedStyle(document.body).backgroundColor") != light


def test_a_run_that_is_not_there_is_said_in_words(visit):
    """B1."""
    visit.see("nothing/overview")
    assert "no run 'nothing'" in visit.page.inner_text("main")


@pytest.mark.parametrize(("width", "theme"), [(1280, "light"), (390, "dark")])
def test_no_page_is_wider_than_the_window(browser, server, width, theme):
    """B4."""
    visit = Visit(browser, server.url, width=width, theme=theme)
    wide = []
    for place in (
        "", *(f"{run}/{page}" for run in ("first", "empty") for page in PAGES),
        f"first/candidate/{HOSTILE.id}",
    ):  # fmt: skip
        visit.see(place)
        visit.keep(f"{place.replace('/', '-') or 'runs'}-{width}-{theme}")
        if visit.is_too_wide:
            wide.append(place)
    visit.context.close()
    assert wide == []
