"""Questions answered by SQL equal what the folded state says.

Q1  The best contenders are the best of all contenders.
Q2  Lines, counts and usage are those of the events.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest

from move37.core.events import CandidateProposed, Event, VerdictReached
from move37.memory import queries
from move37.memory.contenders import contenders
from move37.memory.ledger import Ledger
from move37.memory.lineage import Lineage
from move37.memory.selection import RULES, choose
from move37.testing.store_contract import candidate, journey, opening

N = 70


def told() -> list[Event]:
    """Seventy journeys, each from one of the last; fitness rises and falls."""
    events = opening()
    for index in range(N):
        parent = candidate(f"fixed {index * 7 // 10}").id if index > 3 else None
        journeyed = journey(index, parent=parent if index > 3 else None)
        events += [with_fitness(event, (index * 37 % 101) / 101) for event in journeyed]
    return events


def with_fitness(event: Event, value: float) -> Event:
    if isinstance(event, VerdictReached) and event.fitness:
        return replace(event, fitness=replace(event.fitness, value=value))
    return event


@pytest.fixture(scope="module")
def ledger(tmp_path_factory: pytest.TempPathFactory):
    path = tmp_path_factory.mktemp("queries") / "first" / "ledger.db"
    with Ledger.open(path, create=True) as ledger:
        ledger.append(*told())
        yield ledger


@pytest.mark.parametrize("before", [None, 0, 3, 40, N])
def test_the_best_contenders_are_the_best_of_all(ledger, before):
    """Q1."""
    everyone = contenders(ledger.state(before))
    roots = [c for c in everyone if c.index < 0]
    ranked = sorted(
        (c for c in everyone if c.index >= 0), key=lambda c: (-(c.fitness or 0.0), c.index)
    )
    found = queries.best_contenders(ledger, before_index=before, with_effects=True)
    assert sorted(found, key=lambda c: c.id) == sorted(roots + ranked[:50], key=lambda c: c.id)


@pytest.mark.parametrize("rule", ["top_ten", "asi_arch"])
def test_a_rule_of_ranks_chooses_the_same_from_either(ledger, rule):
    """Q1: `asi_arch` would need its batches' whole past, so it is asked at a batch's end."""
    assert rule in RULES
    everyone = contenders(ledger.state(50))
    for index in range(50, 56):
        best = queries.best_contenders(ledger, before_index=50, with_effects=False)
        assert choose(rule, best, seed=1, index=index) == choose(
            rule, everyone, seed=1, index=index
        )


def test_a_line_is_that_of_the_lineage(ledger):
    """Q2."""
    lineage = Lineage(ledger.state().parents)
    youngest = list(ledger.events([CandidateProposed]))[-1].candidate.id
    line = queries.line(ledger, youngest)
    assert tuple(line) == lineage.line(youngest)
    assert len(line) > 5
    assert queries.line(ledger, youngest, depth=2) == line[:3]


def test_totals_count_what_the_state_holds(ledger):
    """Q2."""
    state, found = ledger.state(), queries.totals(ledger)
    assert (found.n_trials, found.n_candidates) == (state.spend.n_trials, state.spend.n_candidates)
    assert found.cpu_seconds == pytest.approx(state.spend.cpu_seconds)
    kinds = Counter(e.verdict.kind.value for e in state.entries.values() if e.verdict)
    assert found.standings == kinds


def test_the_latest_trials_come_first_and_usage_is_summed(ledger):
    """Q2."""
    latest = queries.latest_trials(ledger, limit=3)
    assert [ran.candidate_index for ran in latest] == [N - 1, N - 1, N - 2]
    (used,) = queries.used(ledger, index=4)
    assert (used.used_by, used.n_times, used.cpu_seconds) == ("trial search", 2, 2.5)
