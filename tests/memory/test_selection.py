"""Choosing parents and operators.

Invariants, for every rule: R1 same snapshot, seed and index, same choice, whatever the order of the
pool; R2 parents and references are known, distinct and never the same; R3 it works from one root.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from move37.core.claims import Effect, Fitness, Verdict, VerdictKind
from move37.core.errors import ConfigError, UnknownName
from move37.core.events import (
    CandidateProposed,
    CandidateStarted,
    ParentsChosen,
    ProposalFailed,
    RootAdded,
    TrialFinished,
    VerdictReached,
)
from move37.memory.contenders import EVERYWHERE, Contender, Pull, contenders, pulls
from move37.memory.selection import (
    RULES,
    Choice,
    choose,
    discounted_bandit,
    pareto_front,
)
from move37.memory.state import fold
from move37.testing.store_contract import candidate, journey, opening, trial

ROOT = Contender(id="root", index=-1, fitness=None)


def population(fitness: list[float], **same) -> list[Contender]:
    return [ROOT] + [
        Contender(id=f"c{i}", index=i, fitness=f, n_seeds=1, island=i % 4, **same)
        for i, f in enumerate(fitness)
    ]


def draws(rule: str, pool: list[Contender], n: int = 400, index: int = 10_000, **more):
    """Choose many times, as for many seeds."""
    return [choose(rule, pool, seed=seed, index=index, **more) for seed in range(n)]


def parents(choices: list[Choice]) -> Counter[str]:
    return Counter(parent for choice in choices for parent in choice.parents)


@st.composite
def pools(draw: st.DrawFn) -> list[Contender]:
    fitness = st.none() | st.floats(-1, 1)
    effects = st.dictionaries(st.sampled_from("ab"), st.floats(-2, 2))
    found = [
        Contender(
            id=f"c{i}",
            index=i,
            fitness=draw(fitness),
            n_seeds=draw(st.integers(0, 4)),
            task_effects=draw(effects),
            n_children=draw(st.integers(0, 30)),
            island=i % 4,
        )
        for i in range(draw(st.integers(0, 12)))
    ]
    return [ROOT, *found]


@pytest.mark.parametrize("rule", RULES)
@settings(deadline=None, max_examples=40)
@given(pool=pools(), seed=st.integers(0, 2**32), n_parents=st.integers(1, 2))
def test_a_choice_is_sound_and_follows_from_snapshot_seed_and_index(rule, pool, seed, n_parents):
    """R1, R2."""
    index = len(pool) + 3
    choice = choose(rule, pool, seed=seed, index=index, n_parents=n_parents)
    assert choice == choose(rule, pool[::-1], seed=seed, index=index, n_parents=n_parents)
    chosen = [*choice.parents, *choice.references]
    assert 1 <= len(choice.parents) <= n_parents
    assert len(choice.references) <= 4
    assert len(chosen) == len(set(chosen))
    assert set(chosen) <= {c.id for c in pool}
    assert choice.rule == rule


@pytest.mark.parametrize("rule", RULES)
def test_a_campaign_can_begin_from_one_root(rule):
    """R3."""
    assert choose(rule, [ROOT], seed=0, index=0) == Choice(
        parents=("root",), references=(), rule=rule
    )


@pytest.mark.parametrize("rule", sorted(RULES.keys() - {"greedy", "roots"}))  # no chance in them
def test_another_seed_or_index_may_choose_otherwise(rule):
    pool = population(list(np.linspace(0, 1, 60)), task_effects={"a": 1.0})
    by_seed = {choose(rule, pool, seed=s, index=1000) for s in range(30)}
    by_index = {choose(rule, pool, seed=0, index=1000 + i) for i in range(30)}
    assert len(by_seed) > 5
    assert len(by_index) > 5


@pytest.mark.parametrize("rule", ["top_ten", "asi_arch", "posterior_mean"])
def test_of_many_the_ten_best_are_parents_and_ranks_to_fifty_are_references(rule):
    fitness = list(np.random.default_rng(0).permutation(300) / 300)
    pool = population(fitness)
    ranked = [c.id for c in sorted(pool[1:], key=lambda c: -(c.fitness or 0))]
    choices = draws(rule, pool)
    seen = parents(choices)
    assert set(seen) == set(ranked[:10])
    assert min(seen.values()) > 20, "uniform: 40 of 400 expected for each"
    references = {r for choice in choices for r in choice.references}
    assert references == set(ranked[10:50])


def test_few_candidates_choose_among_the_best_fifth_once_the_start_is_over():
    few = population([0.1, 0.9, 0.5])
    assert set(parents(draws("top_ten", few, 50))) == {"root"}
    enough = population([0.1, 0.9, 0.5, 0.4, 0.3, 0.2])
    assert set(parents(draws("top_ten", enough, 200))) == {"c1", "c2"}


def test_the_published_rule_starts_with_two_hundred_from_the_root_and_sees_batches_of_fifty():
    pool = population(list(np.linspace(0, 1, 249)))
    assert set(parents(draws("asi_arch", pool[:200], 50, index=200))) == {"root"}
    in_batch = parents(draws("asi_arch", pool, 200, index=249))
    assert set(in_batch) == {f"c{i}" for i in range(190, 200)}, "249 sees 0..199 only"


def test_shrinkage_puts_a_sure_result_before_a_lucky_one():
    luck = [Contender(id="luck", index=0, fitness=0.9, n_seeds=1)]
    sure = [Contender(id="sure", index=1, fitness=0.8, n_seeds=8)]
    rest = [Contender(id=f"r{i}", index=2 + i, fitness=0.0, n_seeds=1) for i in range(3)]
    pool = [ROOT, *luck, *sure, *rest]
    assert set(parents(draws("posterior_mean", pool, 40))) == {"sure"}
    assert set(parents(draws("top_ten", pool, 40))) <= {"luck", "sure"}


def test_weights_favour_fitness_and_punish_offspring():
    pool = population([0.0, 0.1, 0.2, 0.3, 0.4])
    seen = parents(draws("weighted", pool, 600))
    assert seen["c4"] > 5 * seen["c1"]
    assert seen["c0"] < 10
    busy = [
        Contender(id="busy", index=0, fitness=0.5, n_children=9),
        Contender(id="idle", index=1, fitness=0.5, n_children=0),
    ]
    seen = parents(draws("weighted", busy, 600))
    assert 5 < seen["idle"] / seen["busy"] < 20, "ten to one"


def test_one_outlier_does_not_take_every_draw():
    pool = population([0.0, 0.1, 0.2, 0.3, 1e6])
    seen = parents(draws("weighted", pool, 400))
    assert seen["c3"] > 100


def test_islands_keep_to_themselves_but_for_the_roots_and_the_migrant():
    pool = population(list(np.random.default_rng(1).permutation(80) / 80))
    for index in (81, 82, 83, 84):
        chosen = parents(draws("islands", pool, 60, index=index))
        assert {int(id_[1:]) % 4 for id_ in chosen} == {index % 4}
    migrant = 4 * 29 + 1
    chosen = parents(draws("islands", pool, 60, index=migrant))
    assert {int(id_[1:]) % 4 for id_ in chosen} == {2}


def test_a_front_holds_whoever_nobody_beats_everywhere():
    effects = [(1, 0), (0, 1), (0.5, 0.5), (0.4, 0.4), (1, 0), (-1, 0.9)]
    pool = [
        Contender(id=str(i), index=i, fitness=0.0, task_effects={"a": a, "b": b})
        for i, (a, b) in enumerate(effects)
    ]
    lacking = Contender(id="lacking", index=9, fitness=0.0, task_effects={"b": 2.0})
    assert [c.id for c in pareto_front(pool)] == ["0", "1", "2", "4"]
    assert [c.id for c in pareto_front([*pool, lacking])] == ["0", "1", "2", "4", "lacking"]
    chosen = parents(draws("pareto", [ROOT, *pool], 100))
    assert set(chosen) == {"0", "1", "2", "4"}


@settings(deadline=None, max_examples=60)
@given(
    st.lists(
        st.tuples(st.integers(0, 3), st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=20
    )
)
def test_a_front_equals_its_definition(effects):
    pool = [
        Contender(id=str(i), index=i, fitness=0.0, task_effects=dict(zip("abc", e, strict=True)))
        for i, e in enumerate(effects)
    ]

    def beats(x, y):
        return x != y and all(a >= b for a, b in zip(x, y, strict=True))

    expected = [str(i) for i, e in enumerate(effects) if not any(beats(o, e) for o in effects)]
    assert [c.id for c in pareto_front(pool)] == expected


def test_an_unknown_rule_names_the_nearest_and_an_empty_pool_the_way_out():
    with pytest.raises(UnknownName, match="did you mean 'top_ten'"):
        choose("topten", [ROOT], seed=0, index=0)
    with pytest.raises(ConfigError, match="at least one root"):
        choose("top_ten", [], seed=0, index=0)


def test_a_bandit_finds_the_better_operator():
    rng = np.random.default_rng(0)
    pulls: list[Pull] = []
    for _ in range(400):
        arm = discounted_bandit(pulls, ["good", "bad"], rng)
        pulls.append(Pull(arm=arm, reward=float(rng.random() < {"good": 0.5, "bad": 0.1}[arm])))
    assert Counter(p.arm for p in pulls[-200:])["good"] > 120


def test_a_bandit_forgets_what_no_longer_helps():
    pulls = [Pull(arm="old", reward=1.0)] * 100 + [Pull(arm="old", reward=0.0)] * 40
    rng = np.random.default_rng(0)
    chosen = Counter(discounted_bandit(pulls, ["old", "new"], rng) for _ in range(300))
    assert chosen["new"] > 225
    remembering = Counter(
        discounted_bandit(pulls, ["old", "new"], rng, discount=1.0) for _ in range(300)
    )
    assert remembering["old"] > 150


def test_a_bandit_needs_an_arm_and_tries_those_it_does_not_know():
    rng = np.random.default_rng(0)
    with pytest.raises(ConfigError):
        discounted_bandit([], [], rng)
    pulls = [Pull(arm="gone", reward=1.0)] * 50
    chosen = Counter(discounted_bandit(pulls, ["a", "b"], rng) for _ in range(200))
    assert min(chosen["a"], chosen["b"]) > 60


class TestContenders:
    """What selection sees of a state."""

    def test_roots_and_measured_candidates_may_be_parents_and_nobody_else(self):
        baseline = RootAdded(candidate=candidate("opponent"), role="opponent")
        state = fold([*opening(), baseline, *journey(0), *journey(1)])
        refuted = Verdict(kind=VerdictKind.REFUTED, reason="")
        worse = VerdictReached(index=1, candidate_id=candidate("fixed 1").id, verdict=refuted)
        assert [c.id for c in contenders(state)] == [
            candidate(name).id for name in ("root", "fixed 0", "fixed 1")
        ]
        assert candidate("fixed 1").id not in {c.id for c in contenders(fold([worse], start=state))}

    def test_numbers_are_those_of_the_ledger(self):
        fixed = candidate("fixed 5")
        effects = {"recall": Effect(mean=1.5, low=1, high=2, n_pairs=2)}
        verdict = Verdict(kind=VerdictKind.PROMOTED, reason="", task_effects=effects)
        events = [
            *journey(5),
            TrialFinished(index=5, trial=trial(fixed.id, seed=2)),
            VerdictReached(
                index=5,
                candidate_id=fixed.id,
                verdict=verdict,
                fitness=Fitness(value=0.7, effect_part=0, task_part=0, judge_part=0),
            ),
            *journey(6, parent=fixed.id),
        ]
        root, fifth, _ = contenders(fold([*opening(), *events]))
        assert (root.fitness, root.island) == (None, EVERYWHERE)
        assert fifth.fitness == 0.7
        assert fifth.n_seeds == 2
        assert dict(fifth.task_effects) == {"recall": 1.5}
        assert fifth.n_children == 2, "the broken proposal and its repair"
        assert fifth.island == 1

    def test_a_choice_earns_one_for_a_child_that_beats_its_parent(self):
        def step(index: int, name: str, parent: str, fitness: float | None) -> list:
            child = candidate(name, parent)
            kind = VerdictKind.REJECTED if fitness is None else VerdictKind.EXPLORED
            got = None
            if fitness is not None:
                got = Fitness(value=fitness, effect_part=0, task_part=0, judge_part=0)
            return [
                CandidateStarted(index=index, driver="a"),
                ParentsChosen(
                    index=index,
                    parents=(parent,),
                    references=(),
                    rule="top_ten",
                    mode=f"way {name}",
                ),
                CandidateProposed(index=index, candidate=child, operator="mutate:decay"),
                VerdictReached(
                    index=index,
                    candidate_id=child.id,
                    verdict=Verdict(kind=kind, reason=""),
                    fitness=got,
                ),
            ]

        root = candidate("root").id
        first = candidate("a", root).id
        failed = ParentsChosen(index=4, parents=(root,), references=(), rule="roots", mode="way e")
        told = [
            *opening(),
            *step(0, "a", root, 0.5),
            *step(2, "c", first, 0.4),
            *step(1, "b", first, 0.6),
            *step(3, "d", first, None),
            CandidateStarted(index=4, driver="a"),
            failed,
            ProposalFailed(index=4, reason="only prose"),
            CandidateStarted(index=5, driver="a"),
            replace(failed, index=5),
        ]
        earned = [("b", 1.0), ("c", 0.0), ("d", 0.0), ("e", 0.0)]  # of a nothing can be said
        expected = tuple(Pull(arm=f"way {name}", reward=reward) for name, reward in earned)
        assert pulls(fold(told), lambda chosen: chosen.mode) == expected
        assert pulls(fold(told), lambda chosen: chosen.mode, most=2) == expected[2:]
        assert pulls(fold(told), lambda chosen: chosen.model) == ()


def test_the_rule_without_memory_takes_roots_only():
    pool = population([1.0, 2.0, 3.0, 4.0, 5.0, 6.0])
    choices = draws("roots", pool, 50)
    assert set(parents(choices)) == {"root"}
    assert all(choice.references == () for choice in choices)


def test_the_greedy_rule_takes_the_fittest_and_nobody_else():
    pool = population([1.0, 6.0, 3.0])
    choices = draws("greedy", pool, 50)
    assert set(parents(choices)) == {"c1"}
    assert all(choice.references == () for choice in choices)
