"""How a run stands by its sessions, and who is at work.

D1  The search's time is the search's: no verification, and overlapping drivers once.
D2  Work without a candidate's index is told by whose it is.
D3  Sizes on a candidate's page are the search's.
D4  A promotion is told with the bar that was passed.
"""

from __future__ import annotations

from typing import Any

from rich.console import Console
from watched_runs import BASELINE, PLAIN, layer, opening, searched, seen

from move37.campaign.folder import name_driver
from move37.core.events import RootAdded, SessionClosed, SessionOpened, TrialStarted
from move37.core.trial import Stage, TrialSpec
from move37.dashboard import reader
from move37.dashboard.details import candidate as page_of
from move37.dashboard.project import Overview, config_of
from move37.dashboard.sessions import open_sessions, standing
from move37.dashboard.terminal import screen

ELSEWHERE = "elsewhere:1"
NODE: dict[str, None] = dict.fromkeys(
    ("id", "candidate_index", "role", "operator", "author", "quality", "name", "verdict", "fitness")
)
Row = dict[str, Any]


def opened(at: float, driver: str, purpose: str = "search", *, before: float | None = None) -> Row:
    body = {"driver": driver, "budget_seconds": 480.0, "purpose": purpose}
    moment = at if before is None else before
    return {"kind": "SessionOpened", "time": at * 1e6, "before": moment, "body": body}


def closed(at: float, driver: str, seconds: float, reason: str = "the budget is used") -> Row:
    body = {"driver": driver, "reason": reason, "wall_seconds": seconds}
    return {"kind": "SessionClosed", "time": at * 1e6, "before": at, "body": body}


def shown(view: Overview) -> str:
    console = Console(record=True, width=160)
    console.print(screen(view))
    return console.export_text()


def test_a_verification_under_way_takes_nothing_from_the_search():
    """D1."""
    rows = [opened(0, "a"), closed(469, "a", 469.0), opened(480, ELSEWHERE, "verify")]
    found = standing(rows, is_shared=False, now=700, newest=690)
    assert (found.state, found.used_seconds) == ("verifying", 469.0)


def test_a_finished_verification_takes_nothing_either():
    """D1."""
    search = [opened(0, "a"), closed(469, "a", 469.0)]
    verification = [opened(480, "b", "verify"), closed(980, "b", 500.0, "verified")]
    found = standing([*search, *verification], is_shared=False, now=2000, newest=980)
    assert (found.state, found.used_seconds) == ("finished: verified", 469.0)


def test_a_session_that_was_killed_is_counted_to_its_last_event():
    """D1."""
    rows = [opened(0, "a"), opened(500, ELSEWHERE, before=40.0)]
    assert standing(rows, is_shared=False, now=510, newest=505).used_seconds == 40.0 + 10.0


def test_two_drivers_at_the_same_time_are_counted_once():
    """D1: and the run goes on while one of them does."""
    rows = [opened(100, "b"), opened(105, ELSEWHERE), closed(112, "b", 12.0)]
    found = standing(rows, is_shared=True, now=120, newest=119)
    assert (found.state, found.used_seconds) == ("running", 20.0)
    assert [r["body"]["driver"] for r in open_sessions(rows, is_shared=True)] == [ELSEWHERE]


def test_the_budget_shown_is_the_last_searchs():
    """D1."""
    started = {"kind": "CampaignStarted", "time": 0, "body": {"config": '{"name": "first"}'}}
    longer = opened(1, "a")
    longer["body"]["budget_seconds"] = 3600.0
    config = config_of([started, longer, opened(5, "b", "verify")])
    assert config["budget"]["wall_seconds"] == 3600.0


def test_a_verification_is_shown_beside_a_search_time_that_stands_still(tmp_path):
    """D1."""
    verifying = SessionOpened(
        driver=name_driver(), sandboxed=True, budget_seconds=480.0, purpose="verify"
    )
    ended = SessionClosed(driver="here:1", reason="the budget is used", wall_seconds=469.0)
    view = seen(tmp_path, [*opening(), ended, verifying], later=3600)
    assert (view.state, view.is_live, view.used_seconds) == ("verifying", True, 469.0)
    assert "7 min 49 s used, 11 s left" in shown(view)


def test_work_of_the_baseline_an_opponent_and_a_verified_candidate_is_named(tmp_path):
    """D2: all of it stands under index -1 in the ledger."""
    known = layer("mamba3")
    at_work = ((BASELINE, Stage.CONFIRM), (known, Stage.CONFIRM), (PLAIN, Stage.VERIFY))
    begun = [
        TrialStarted(index=-1, spec=TrialSpec(candidate_id=who.id, stage=stage, rung=0, seed=3))
        for who, stage in at_work
    ]
    events = [*opening(), RootAdded(candidate=known, role="opponent"), *searched(PLAIN, 0, 1.0)]
    view = seen(tmp_path, [*events, *begun])
    told = {work.who: work.what for work in view.running}
    assert set(told) == {"baseline linear_attention", "opponent mamba3", "#0"}
    assert "verification at a larger scale" in told["#0"]
    assert "fresh seeds" in told["opponent mamba3"]
    assert "#-1" not in shown(view)


def test_the_newest_trainings_are_shown_however_many_there_were(tmp_path, monkeypatch):
    """D2: a session may begin more than are read at once."""
    monkeypatch.setattr(reader, "MAX_EVENTS", 2)
    begun = [
        TrialStarted(
            index=0, spec=TrialSpec(candidate_id=PLAIN.id, stage=Stage.SEARCH, rung=0, seed=seed)
        )
        for seed in range(5)
    ]
    view = seen(tmp_path, [*opening(), *searched(PLAIN, 0, 1.0), *begun])
    assert ["seed 3" in work.what or "seed 4" in work.what for work in view.running] == [True, True]


def finished(stage: str, cost: dict[str, float]) -> Row:
    spec = {"candidate_id": PLAIN.id, "stage": stage, "rung": 0, "seed": 1}
    trial = {"spec": spec, "outcome": "completed", "reason": "", "measurement": {"cost": cost}}
    return {"seq": 1, "body": {"trial": trial}}


def test_a_promotion_is_shown_with_its_bar():
    """D4."""
    reason = "probability 0.53 of ending above +0.00, at least 0.50"
    verdict = {"kind": "promoted", "reason": reason}
    history = [
        {"seq": 1, "kind": "VerdictReached", "time": 0, "hash": "", "body": {"verdict": verdict}}
    ]
    (told,) = page_of(
        node=NODE, history=history, trials=[], relatives={}, children=[], rivals={}, baseline=""
    )["verdicts"]
    assert told["bar"].startswith("+0.00 is the baseline itself")


def test_the_size_on_a_candidates_page_is_not_that_of_the_larger_scale():
    """D3: neither parameters nor memory; processor time is everything's."""
    small = {"cpu_seconds": 2.0, "peak_memory_bytes": 1, "n_parameters": 9}
    large = {"cpu_seconds": 9.0, "peak_memory_bytes": 99, "n_parameters": 36}
    told = page_of(
        node=NODE,
        history=[],
        trials=[finished("search", small), finished("verify", large)],
        relatives={},
        children=[],
        rivals={},
        baseline="",
    )["cost"]
    assert (told["n_parameters"], told["peak_memory_bytes"], told["cpu_seconds"]) == (9, 1, 11.0)
