"""What the report says of time.

W1  A verification has a part neither in the search's time nor in its budget.
W2  Two drivers that work at the same time use it once.
"""

from __future__ import annotations

from pathlib import Path

import told_campaigns as campaigns
from pages import written

from move37.campaign.commands import report_run
from move37.campaign.folder import RunFolder
from move37.campaign.stopping import used_seconds
from move37.core.events import SessionClosed, SessionOpened
from move37.insights.setting import read_setting
from move37.insights.story import tell


def opened(driver: str, purpose: str = "search", budget: float = 480.0) -> SessionOpened:
    return SessionOpened(driver=driver, sandboxed=True, budget_seconds=budget, purpose=purpose)


def closed(driver: str, seconds: float) -> SessionClosed:
    return SessionClosed(driver=driver, reason="", wall_seconds=seconds)


def test_the_report_of_a_verified_run_counts_the_search_alone(tmp_path: Path):
    """W1."""
    folder = RunFolder(path=tmp_path / "first")
    folder.path.mkdir()
    with folder.open_ledger(create=True) as ledger:
        ledger.append(*campaigns.winning(), opened("here:2", "verify"), closed("here:2", 3600.0))
        report_run(ledger, folder)
    markdown = (folder.path / "report.md").read_text("utf-8")
    assert "Of a budget of 8 min, 7 min were used (verification is not counted)" in markdown


def test_a_report_that_was_told_no_time_says_none(tmp_path: Path):
    """W1."""
    page, markdown = written(campaigns.winning(), tmp_path)
    assert "were used" not in page.text + markdown
    assert "Budget 8 min" in page.text


def test_the_budget_is_the_last_searchs_not_a_verifications():
    """W1: `verify` opens its session with the budget that the run began with."""
    events = [*campaigns.opening(), opened("here:2", budget=3600.0), opened("here:3", "verify")]
    config = read_setting(tell(events)).config
    assert config is not None
    assert config.budget.wall_seconds == 3600.0


def test_drivers_that_overlap_use_the_time_once():
    """W2."""
    told = [
        (100.0, opened("a")),
        (105.0, opened("b")),
        (110.0, closed("a", 10.0)),
        (113.0, closed("b", 8.0)),
        (200.0, opened("c", "verify")),
    ]
    assert used_seconds(told, is_shared=True, now=900.0) == 13.0


def test_drivers_one_after_the_other_use_it_each():
    """W2: a killed one to its last event, a living one until now."""
    told = [
        (100.0, opened("a")),
        (110.0, None),
        (200.0, opened("b")),
        (208.0, closed("b", 8.0)),
        (300.0, opened("c")),
    ]
    assert used_seconds(told, is_shared=False, now=305.0) == 10.0 + 8.0 + 5.0
