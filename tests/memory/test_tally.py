"""The loop's numbers, read from tables, equal a plain count over the folded state.

T1  Finished and failed indices.
T2  The longest training, over all and of one candidate, without trainings at a larger scale.
T3  However the reading was cut.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st
from memory_events import histories

from move37.core.events import ProposalFailed, TrialFinished
from move37.core.trial import Stage
from move37.memory.ledger import Ledger
from move37.memory.state import State
from move37.memory.tally import Tally
from move37.testing.store_contract import candidate, journey, opening, trial


def finished(state: State) -> frozenset[int]:
    """Indices whose last candidate has its lesson, or that brought none."""
    last = {entry.index: entry for entry in state.entries.values() if entry.index >= 0}
    told = frozenset(index for index, entry in last.items() if entry.lesson is not None)
    return told | frozenset(state.failed_proposals)


def longest(state: State, id_: str | None = None) -> float:
    """Wall clock of the longest training, rungs of one seed added."""
    seconds = defaultdict[tuple, float](float)
    for trials in [state.trials.get(id_, [])] if id_ else state.trials.values():
        for t in trials:
            cost = t.measurement.cost if t.measurement else t.cost
            if cost and t.spec.stage is not Stage.VERIFY:
                seconds[t.spec.candidate_id, t.spec.stage, t.spec.seed] += cost.wall_seconds
    return max(seconds.values(), default=0.0)


@settings(deadline=None, max_examples=15)
@given(histories(), st.integers(1, 9))
def test_a_tally_equals_a_count_over_the_state(tmp_path_factory, history, pace):
    """T1, T2, T3."""
    place = tmp_path_factory.mktemp("tally") / "ledger.db"
    with Ledger.open(place, create=True) as ledger:
        tally = Tally(ledger)
        for start in range(0, len(history), pace):
            ledger.append(*history[start : start + pace])
            state = ledger.state()
            assert tally.refresh().finished == finished(state)
            assert tally.longest_training_seconds() == longest(state)
        assert Tally(ledger).refresh().finished == tally.finished


def test_an_index_without_a_candidate_is_finished_and_has_failed(tmp_path):
    """T1."""
    with Ledger.open(tmp_path / "ledger.db", create=True) as ledger:
        ledger.append(*opening(), *journey(0), ProposalFailed(index=1, reason="only prose"))
        tally = Tally(ledger).refresh()
        assert (tally.n_whole, tally.is_finished(2)) == (2, False)
        assert (tally.has_failed(0), tally.has_failed(1)) == (False, True)


def test_rungs_of_a_seed_are_one_training_and_a_larger_scale_is_none(tmp_path):
    """T2."""
    id_ = candidate("fixed 0").id
    rungs = [replace(trial(id_, seed=9), spec=replace(trial(id_, seed=9).spec, rung=r))
             for r in (0, 1)]  # fmt: skip
    large = replace(rungs[0], spec=replace(rungs[0].spec, stage=Stage.VERIFY, seed=77))
    other = candidate("fixed 1").id
    with Ledger.open(tmp_path / "ledger.db", create=True) as ledger:
        ledger.append(*opening(), *journey(0), *journey(1))
        before = Tally(ledger).refresh().longest_training_seconds(other)
        ledger.append(*(TrialFinished(index=0, trial=t) for t in (*rungs, large, large_two(large))))
        tally = Tally(ledger).refresh()
        assert tally.longest_training_seconds() == longest(ledger.state()) == 2 * before
        assert tally.longest_training_seconds(other) == before
        assert tally.longest_training_seconds("nobody") == 2 * before


def large_two(large):
    return replace(large, spec=replace(large.spec, rung=1))
