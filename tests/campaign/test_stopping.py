"""The clock of a campaign runs over all its sessions, killed ones included."""

from __future__ import annotations

from move37.campaign.stopping import Stopwatch, used_before
from move37.core.config import BudgetConfig
from move37.core.events import CandidateStarted, SessionClosed, SessionOpened

OPENED = SessionOpened(driver="a", sandboxed=True, budget_seconds=1.0)


def closed(seconds: float) -> SessionClosed:
    return SessionClosed(driver="a", reason="", wall_seconds=seconds)


def test_closed_sessions_count_what_they_said():
    assert (
        used_before([(0.0, OPENED), (10.0, closed(9.0)), (50.0, OPENED), (53.0, closed(2.5))])
        == 11.5
    )


def test_a_killed_session_counts_to_its_last_event():
    events = [
        (0.0, OPENED),
        (7.0, CandidateStarted(index=0, driver="a")),
        (100.0, OPENED),
        (104.0, CandidateStarted(index=1, driver="a")),
    ]
    assert used_before(events) == 7.0 + 4.0


def test_confirmation_keeps_its_share():
    now = [0.0]
    budget = BudgetConfig(wall_seconds=100.0, confirm_share=0.3)
    watch = Stopwatch(budget, used_seconds=10.0, clock=lambda: now[0])
    assert watch.search_left_seconds() == 60.0
    now[0] = 61.0
    assert not watch.may_search(0)
    assert watch.may_go_on()
    now[0] = 91.0
    assert not watch.may_go_on()


def test_a_confirmation_that_takes_longer_than_its_share_gets_more_but_never_all():
    watch = Stopwatch(BudgetConfig(wall_seconds=100.0, confirm_share=0.3), clock=lambda: 0.0)
    assert watch.search_left_seconds(reserve_seconds=20.0) == 70.0
    assert watch.search_left_seconds(reserve_seconds=45.0) == 55.0
    assert watch.search_left_seconds(reserve_seconds=1e6) == 40.0


def test_nothing_begins_after_a_stop_or_past_the_last_candidate():
    watch = Stopwatch(BudgetConfig(wall_seconds=100.0, max_candidates=2))
    assert watch.may_search(1)
    assert not watch.may_search(2)
    watch.stop()
    assert not watch.may_search(0)
    assert not watch.may_go_on()
