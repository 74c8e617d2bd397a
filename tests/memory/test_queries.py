"""Questions answered by SQL equal what the folded state says.

Q1  The best contenders are the best of all contenders.
Q2  Lines, counts and usage are those of the events.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest

from move37.core.claims import Verdict, VerdictKind
from move37.core.events import CandidateProposed, Event, RootAdded, VerdictReached
from move37.memory import queries
from move37.memory.contenders import N_ISLANDS, Contender, contenders
from move37.memory.ledger import Ledger
from move37.memory.lineage import Lineage
from move37.memory.selection import RULES, choose, island_of, reads_best
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


def best(ledger: Ledger, rule: str, index: int) -> list[Contender]:
    """What a campaign hands the rule, without folding."""
    island, limit = island_of(rule, index), reads_best(rule)
    assert limit is not None
    return queries.best_contenders(
        ledger,
        before_index=index - 4,
        limit=limit,
        in_full=False,
        wanted=None if island is None else lambda i: i % N_ISLANDS == island,
    )


@pytest.mark.parametrize("rule", [rule for rule in RULES if reads_best(rule)])
def test_a_rule_that_reads_the_best_chooses_as_it_would_from_everyone(ledger, rule):
    """Q1: cold start and islands with migration included."""
    for index in range(0, N + 4, 3):
        everyone = contenders(ledger.state(index - 4))
        assert choose(rule, best(ledger, rule, index), seed=1, index=index) == choose(
            rule, everyone, seed=1, index=index
        )


def test_a_long_cold_start_and_whole_batches_need_no_more_than_the_best(tmp_path):
    """Q1: `asi_arch`, with 200 from the roots and then batches of 50; fitness alone is told."""
    n = 340
    root = candidate("root")
    told: list[Event] = [RootAdded(candidate=root, role="root")]
    for k in range(n):
        made = candidate(f"candidate {k}", root.id)
        told.append(CandidateProposed(index=k, candidate=made, operator="mutate:decay"))
        reached = next(e for e in journey(k) if isinstance(e, VerdictReached) and e.fitness)
        told.append(with_fitness(replace(reached, candidate_id=made.id), (k * 89 % n) / n))
    with Ledger.open(tmp_path / "long" / "ledger.db", create=True) as ledger:
        ledger.append(*told)
        everyone = contenders(ledger.state())
        for index in [*range(180, 310, 4), 340, 344]:
            past = [c for c in everyone if c.index < index - 4]
            assert choose("asi_arch", best(ledger, "asi_arch", index), seed=1, index=index) == (
                choose("asi_arch", past, seed=1, index=index)
            )


def test_who_is_proposed_twice_counts_once_and_a_rejected_one_not(tmp_path):
    """Q1: with a better fitness the second time, which is not the candidate's."""
    fixed = candidate("fixed 1")
    reached = next(e for e in journey(1) if isinstance(e, VerdictReached) and e.fitness)
    again = CandidateProposed(index=9, candidate=fixed, operator="crossover")
    refuted = Verdict(kind=VerdictKind.REFUTED, reason="not with fresh seeds")
    with Ledger.open(tmp_path / "twice" / "ledger.db", create=True) as ledger:
        ledger.append(*opening(), *(e for k in range(6) for e in journey(k)))
        ledger.append(again, with_fitness(replace(reached, index=9), 5.0))
        ledger.append(
            VerdictReached(index=2, candidate_id=candidate("fixed 2").id, verdict=refuted)
        )
        found = queries.best_contenders(ledger)
        assert sorted(found, key=lambda c: c.id) == sorted(
            contenders(ledger.state()), key=lambda c: c.id
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


def test_usage_is_summed(ledger):
    """Q2."""
    (used,) = queries.used(ledger, index=4)
    assert (used.used_by, used.n_times, used.cpu_seconds) == ("trial search", 2, 2.5)
