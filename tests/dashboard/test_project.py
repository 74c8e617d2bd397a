"""The view model.

V1. What is shown agrees with the ledger: counts, best, gallery, work in flight.
V2. Nothing is invented: an empty campaign has no numbers, an imported one no effects.
V3. Size is bounded, and what matters survives thinning. Damaged lineage still draws.
"""

from __future__ import annotations

import subprocess
import sys
import time
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console
from watched_runs import (
    BASELINE,
    HOSTILE,
    PLAIN,
    SCRIPT,
    called,
    hostile_campaign,
    layer,
    opening,
    searched,
    seen,
    training,
    write,
)

from move37.campaign.folder import is_gone, name_driver
from move37.core.events import CampaignStarted, Event, SessionClosed, SessionOpened
from move37.dashboard.details import MAX_DIFF_LINES, difference
from move37.dashboard.project import Point, clip_ends, duration, thinned, without_circles
from move37.dashboard.terminal import screen, sparkline
from move37.dashboard.watched import Watched


def test_the_overview_counts_what_the_ledger_holds(tmp_path):
    """V1."""
    view = seen(tmp_path, hostile_campaign())
    assert (view.n_candidates, view.n_measured, view.n_trials) == (2, 2, 2)
    assert view.verdicts == {"explored": 1, "confirmed": 1}


def test_the_best_in_search_keeps_its_search_effect_after_it_was_confirmed(tmp_path):
    """V1."""
    best = seen(tmp_path, hostile_campaign()).best
    assert best is not None
    assert (best.id, best.effect, best.fresh) == (HOSTILE.id, 3.0, (2.5, 2.0, 3.0))


def test_a_trial_that_began_is_shown_with_its_seed(tmp_path):
    """V1."""
    view = seen(tmp_path, [*opening(), *training(PLAIN, 0)], later=5)
    assert [(w.who, "training, rung 0, seed 7" in w.what) for w in view.running] == [("#0", True)]


def test_an_empty_campaign_has_no_numbers(tmp_path):
    """V2."""
    view = seen(tmp_path, opening())
    assert (view.best, view.gallery, view.points, view.running) == (None, (), (), ())


def test_a_session_that_fell_silent_is_not_called_running(tmp_path):
    """V2."""
    assert seen(tmp_path, opening(), later=3600).state == "lost its driver"


def session(driver: str) -> list[Event]:
    return [e for e in opening() if not isinstance(e, SessionOpened)] + [
        SessionOpened(driver=driver, sandboxed=True, budget_seconds=480.0)
    ]


def test_a_driver_of_this_machine_is_looked_for_not_waited_for(tmp_path):
    """V2: alive, however long it is silent; gone, however short."""
    ours = name_driver()
    host = ours.rpartition(":")[0]
    assert seen(tmp_path / "a", session(ours), later=7200).state == "running"
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    assert seen(tmp_path / "b", session(f"{host}:{dead.pid}")).state == "lost its driver"
    long_ago = time.time() - 30 * 86400
    assert is_gone(ours, since=long_ago) is True  # a younger process with its number
    assert is_gone("elsewhere:1", since=long_ago) is None


@pytest.mark.parametrize(
    ("reason", "failed", "state"),
    [
        ("stopped by hand", False, "stopped"),
        ("all candidates were tried", False, "finished: all candidates were tried"),
        ("the server stopped answering", True, "failed: the server stopped answering"),
        ("lost", False, "lost its driver"),
    ],
)
def test_how_a_session_ended_is_told_apart(tmp_path, reason, failed, state):
    """V2: the word "stop" in a message does not make an error a stop."""
    closed = SessionClosed(driver="here:1", reason=reason, wall_seconds=1.0, failed=failed)
    assert seen(tmp_path, [*opening(), closed]).state == state


def test_an_imported_run_shows_neither_time_nor_a_setting_it_never_had(tmp_path):
    """V2."""
    first, *_ = opening()
    assert isinstance(first, CampaignStarted)
    view = seen(tmp_path, [replace(first, imported_from="asi-arch")])
    console = Console(record=True, width=120)
    console.print(screen(view))
    shown = console.export_text()
    assert "imported" in shown
    assert "left" not in shown
    assert "preset" not in shown


def test_time_left_is_what_the_budget_holds_less_the_open_session(tmp_path):
    """V1."""
    view = seen(tmp_path, opening(), later=80)
    assert abs(view.left_seconds - 400) < 5


def test_thinning_keeps_every_record_and_every_test():
    """V3."""
    points = [
        Point(id=str(k), name="", order=k, kind="explored",
              effect=float(k % 97) + (k == 4001) * 500, low=0.0, high=0.0,
              fresh=(1.0, 0.0, 2.0) if k == 5003 else None)
        for k in range(10_000)
    ]  # fmt: skip
    kept = {p.order for p in thinned(points)}
    assert {4001, 5003} <= kept
    assert len(kept) < 2300


@given(st.lists(st.integers(-1, 40), max_size=41))
def test_a_damaged_lineage_becomes_a_forest(parents):
    """V3."""
    parents = [p if p < len(parents) else -1 for p in parents]
    clean = without_circles(parents)
    for k in range(len(clean)):
        for _ in range(len(clean) + 1):
            if k < 0:
                break
            k = clean[k]  # noqa: PLW2901
        assert k < 0


def test_one_wild_value_does_not_set_the_colour_scale():
    """V3."""
    assert clip_ends([*range(100), 1e9]) == (2, 98)


def test_the_tree_gives_the_first_parent_of_each_and_the_effect_on_fresh_seeds(tmp_path):
    """V1."""
    write(tmp_path / "first", hostile_campaign())
    watched = Watched(tmp_path)
    tree = watched.tree("first")
    watched.close()
    assert tree["ids"] == [BASELINE.id, PLAIN.id, HOSTILE.id]
    assert (tree["parents"], tree["values"]) == ([-1, 0, 1], [None, 2.0, 2.5])


def test_a_card_is_credited_with_the_effects_of_those_who_used_it(tmp_path):
    """V1."""
    write(tmp_path / "first", [*opening(), *searched(layer("a", text="some-card"), 0, 2.0)])
    watched = Watched(tmp_path)
    cards = {c["id"]: c for c in watched.cognition("first")["cards"]}
    watched.close()
    assert (cards["some-card"]["used"], cards["some-card"]["effect"]) == (1, 2.0)


def test_spend_and_tokens_are_summed_by_role_and_model(tmp_path):
    """V1."""
    write(tmp_path / "first", [*opening(), called(0, "m"), called(0, "m")])
    watched = Watched(tmp_path)
    (model,) = watched.team("first")["models"]
    watched.close()
    assert (model["n"], model["input_tokens"], model["dollars"]) == (2, 20, 0.02)


def test_a_diff_names_both_line_numbers():
    """V1."""
    assert difference("a\nb\n", "a\nc\n") == [
        [" ", 1, 1, "a"], ["-", 2, None, "c"], ["+", None, 2, "b"]
    ]  # fmt: skip


def test_the_diff_of_huge_programs_ends_in_time():
    """V3."""
    start = time.monotonic()
    difference("\n".join(f"x{k}" for k in range(90_000)), "\n".join("x" for _ in range(90_000)))
    assert time.monotonic() - start < 20
    assert MAX_DIFF_LINES <= 5_000


def test_the_terminal_shows_markup_as_text(tmp_path):
    """V1."""
    events = [*opening(), *searched(layer("[red]evil\x1b[2J[/]", text=SCRIPT), 0, 2.0)]
    console = Console(record=True, width=120, file=open("/dev/null", "w"))  # noqa: PTH123, SIM115
    with console.file:
        console.print(screen(seen(tmp_path, events)))
    shown = console.export_text()
    assert "[red]evil" in shown
    assert "\x1b" not in shown


def test_durations_are_said_in_words():
    """V1."""
    assert [duration(s) for s in (8, 60, 185, 7620)] == ["8 s", "1 min", "3 min 5 s", "2 h 7 min"]


def test_the_history_of_the_best_never_falls(tmp_path):
    """V1."""
    points = tuple(
        Point(id="", name="", order=k, kind="explored", effect=e, low=e, high=e)
        for k, e in enumerate([1.0, -3.0, 2.0, 0.0])
    )
    line = sparkline(points)
    assert list(line) == sorted(line)
