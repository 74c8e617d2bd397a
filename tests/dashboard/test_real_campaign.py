"""The page in a browser beside a campaign that really runs, and on what that campaign left.

R1. Watched or not, a campaign ends with the same candidates, scores and verdicts.
R2. A finished trial is on the open page within two seconds of the ledger's commit.
R3. Every page of the finished campaign is complete: a click in the tree opens code and diff.
R4. Dark and narrow, nothing is wider than the window and nothing complains.

The campaigns are of the tiny preset, two candidates each; the first, unwatched one is the twin.
"""

from __future__ import annotations

import contextlib
import shutil
import statistics
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from browsing import PAGES, Visit, chromium

from move37.campaign.folder import RunFolder
from move37.core.events import CandidateProposed, TrialFinished, VerdictReached

pytestmark = pytest.mark.slow  # two campaigns: 40 s of a quiet core
LIVE_SECONDS = 2.0
LIMIT_SECONDS = 240
WATCHER = """
window.log = [];
new MutationObserver(() => {
  const told = document.querySelector('main .stats')?.textContent.match(/([0-9,]+)trials/);
  const n = told ? Number(told[1].replace(',', '')) : 0;
  if (n > (window.log.at(-1)?.[1] ?? 0)) window.log.push([Date.now() / 1000, n]);
}).observe(document.querySelector('main'), {childList: true, subtree: true});
"""


@dataclass(frozen=True)
class Watched:
    """What came of the watched campaign."""

    runs: Path
    visit: Visit
    log: list[tuple[float, int]]
    """When the open page first showed so many trials."""
    complaints: list[str]


def command(name: str, runs: Path, *more: str) -> list[str]:
    return [
        sys.executable, "-m", "move37", "run", "--preset", "tiny", "--candidates", "2", "--budget",
        "4m", "--seed", "3", "--name", name, "--runs", str(runs), *more,
    ]  # fmt: skip


@pytest.fixture(scope="module")
def campaign(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    """Run the twin alone, then the same campaign with its page open from the start."""
    runs = tmp_path_factory.mktemp("runs")
    with chromium() as browser:
        subprocess.run(
            command("twin", runs), check=True, capture_output=True, timeout=LIMIT_SECONDS
        )
        (runs / "watched").mkdir()  # held-out data are drawn with the secret
        shutil.copy(runs / "twin/secret", runs / "watched/secret")
        process = subprocess.Popen(
            command("watched", runs, "--dashboard"), stdout=subprocess.PIPE, text=True
        )
        with process:
            assert process.stdout
            said = process.stdout.readline()
            base = said.removeprefix("dashboard: ").split("#")[0].strip()
            visit = Visit(browser, base)
            visit.see("watched/overview")
            visit.page.evaluate(WATCHER)
            while process.poll() is None:
                with contextlib.suppress(Exception):  # the page's server ends with the campaign
                    visit.page.wait_for_timeout(200)
            process.stdout.read()
            assert process.returncode == 0
            log = [(at, n) for at, n in visit.page.evaluate("window.log")]
        visit.context.close()
        with serving(runs) as address:
            later = Visit(browser, address)
            yield Watched(runs, later, log, visit.complaints)
            later.context.close()


@contextlib.contextmanager
def serving(runs: Path) -> Iterator[str]:
    """Serve a folder of runs from a process of its own, as a user does."""
    asked = [
        sys.executable, "-m", "move37", "dashboard", "--runs", str(runs), "--port", "0",
        "--no-browser", "--with-parent",
    ]  # fmt: skip
    with subprocess.Popen(
        asked, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout
        assert process.stdin
        yield process.stdout.readline().removeprefix("dashboard: ").strip()
        process.stdin.close()


def outcome(folder: Path) -> list[Any]:
    """What a campaign came to, without times and costs."""
    with RunFolder(path=folder).open_ledger() as ledger:
        proposed = [e.candidate.id for e in ledger.events([CandidateProposed])]
        trials = {
            (e.trial.spec.candidate_id, e.trial.spec.stage, e.trial.spec.rung, e.trial.spec.seed):
            (e.trial.outcome, e.trial.measurement and dict(e.trial.measurement.scores))
            for e in ledger.events([TrialFinished])
        }  # fmt: skip
        verdicts = sorted((e.index, e.verdict.kind) for e in ledger.events([VerdictReached]))
    return [sorted(proposed), trials, verdicts]


def test_a_watched_campaign_ends_as_its_unwatched_twin(campaign: Watched) -> None:
    """R1."""
    assert outcome(campaign.runs / "watched") == outcome(campaign.runs / "twin")


def test_finished_trials_were_on_the_page_within_two_seconds(campaign: Watched) -> None:
    """R2. The median of all that finished with the page open: one may meet a busy machine."""
    with RunFolder(path=campaign.runs / "watched").open_ledger() as ledger:
        committed = [r.time / 1e6 for r in ledger.records([TrialFinished])]
    delays = []
    for n, at in enumerate(committed, start=1):
        seen = next((when for when, shown in campaign.log if shown >= n), None)
        if seen is not None:
            delays.append(seen - at)
    assert len(delays) >= len(committed) / 2, (campaign.log, committed)
    assert statistics.median(delays) < LIVE_SECONDS, delays


def test_a_click_on_a_node_shows_code_and_the_diff_to_its_parent(campaign: Watched) -> None:
    """R3."""
    page = campaign.visit.page
    with RunFolder(path=campaign.runs / "watched").open_ledger() as ledger:
        made = next(iter(ledger.events([CandidateProposed]))).candidate
    campaign.visit.see("watched/tree")
    page.fill("#find", made.id)
    page.wait_for_timeout(300)
    place = page.evaluate("document.querySelector('.treebox').dataset.chosen").split(",")
    box = page.locator(".treebox canvas").bounding_box()
    assert box
    page.mouse.click(box["x"] + float(place[0]), box["y"] + float(place[1]))
    page.wait_for_selector(f"main[data-page=candidate] h1:text-is('{made.idea.name}')")
    assert "class Mixer" in page.inner_text("pre#source")
    page.select_option("#against", index=1)
    page.wait_for_selector("pre#diff .add")


@pytest.mark.parametrize(("width", "theme"), [(1280, "dark"), (390, "light")])
def test_every_page_of_the_campaign_fits_and_nothing_complains(
    campaign: Watched, width: int, theme: str
) -> None:
    """R4."""
    visit = Visit(campaign.visit.context.browser, campaign.visit.base, width=width, theme=theme)
    wide = []
    for page in (*PAGES, "candidate/%230"):
        visit.see(f"watched/{page}")
        visit.page.wait_for_selector("main h1")
        visit.keep(f"real-{page.split('/')[0]}-{width}-{theme}")
        if visit.is_too_wide:
            wide.append(page)
    visit.context.close()
    assert wide == []
    assert visit.complaints == []
    assert all(url.startswith(campaign.visit.base) for url in visit.asked)


def test_the_open_page_did_not_complain_while_the_campaign_ran(campaign: Watched) -> None:
    """R4. Before the ledger is made and after the server ended, its questions have no answer."""
    assert [c for c in campaign.complaints if "Failed to load resource" not in c] == []
