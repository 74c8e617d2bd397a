"""The symbolic Researcher.

R1 a proposal is a function of the brief; another seed gives another proposal.
R2 nothing known is proposed again.
R3 origins are honest: a card or a lesson is named only where it was in the brief and speaks for it.
"""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from rendered_mixers import described, effect

from move37.core.candidate import Candidate, Idea, Origin
from move37.team.protocols import (
    Brief,
    CardHint,
    KnownCandidate,
    LessonHint,
    Mode,
    NoProposal,
    Researcher,
)
from move37.team.symbolic.canonical import check
from move37.team.symbolic.credits import gather
from move37.team.symbolic.description import from_json
from move37.team.symbolic.edits import EDITS
from move37.team.symbolic.elements import elements
from move37.team.symbolic.library import library_description
from move37.team.symbolic.render import render
from move37.team.symbolic.researcher import SymbolicResearcher, edit_odds

TASKS = ("recall", "text")
ROOT = described(library_description("linear_attention"), name="linear_attention")
DELTA = described(
    library_description("deltanet"),
    name="deltanet",
    effects={"recall": effect(2.0), "text": effect(0.5)},
    combined=effect(1.25),
)
researcher: Researcher = SymbolicResearcher()


def brief(seed: int = 0, **fields) -> Brief:
    return Brief(**({"parents": (ROOT,), "seed": seed, "task_names": TASKS} | fields))


def test_a_proposal_is_a_function_of_the_brief():
    """R1."""
    assert researcher.propose(brief(5)) == researcher.propose(brief(5))
    sources = {researcher.propose(brief(seed)).candidate.source for seed in range(10)}
    assert len(sources) >= 7


def test_a_candidate_carries_what_it_claims():
    for seed in range(20):
        proposal = researcher.propose(brief(seed, parents=(DELTA,)))
        candidate = proposal.candidate
        description = check(from_json(candidate.idea.description))
        assert candidate.source == render(description)
        assert candidate.parents[0] == DELTA.candidate.id
        assert candidate.author == "symbolic"
        assert [p.task for p in candidate.idea.predictions] == list(TASKS)
        assert all(0.5 <= p.confidence <= 1 for p in candidate.idea.predictions)
        assert "deltanet" in candidate.idea.motivation
        assert "effect +1.25 noise" in candidate.idea.motivation
        assert "S_t =" in candidate.idea.mechanism or "memories" in candidate.idea.description


def test_two_hundred_steps_propose_two_hundred_distinct_candidates():
    """R2: with a parent that changes, as in a campaign."""
    known, parents = {ROOT.candidate.id}, [ROOT]
    for step in range(200):
        parent = parents[step % len(parents)]
        references = tuple(parents[-3:])
        candidate = researcher.propose(
            brief(step, parents=(parent,), references=references, known_ids=frozenset(known))
        ).candidate
        assert candidate.id not in known
        known.add(candidate.id)
        parents = [*parents[-9:], KnownCandidate(candidate=candidate)]
    assert len(known) == 201


def test_even_one_parent_gives_hundreds_of_children():
    """R2."""
    known = {ROOT.candidate.id}
    for step in range(150):
        known.add(researcher.propose(brief(step, known_ids=frozenset(known))).candidate.id)
    assert len(known) == 151


def test_a_description_of_a_reference_is_not_proposed():
    """R2: a reference whose file differs from our rendering of the same description."""
    parent = described(library_description("deltanet"))
    gated = EDITS["gate:output-swish"].apply(library_description("deltanet"))
    assert gated is not None
    twin = described(gated)
    other_text = replace(twin, candidate=replace(twin.candidate, id="0" * 12))
    for seed in range(60):
        lessons = (LessonHint(candidate_id="a", credits={"gate:output-swish": 9.0}),)
        asked = brief(seed, parents=(parent,), references=(other_text,), lessons=lessons)
        assert from_json(researcher.propose(asked).candidate.idea.description) != gated


def test_a_cards_edit_is_adopted_and_named():
    """R3."""
    card = CardHint(id="card-shift", edits=("shift:token", "no:such-edit"), relevance=1.0)
    adopted = 0
    for seed in range(60):
        proposal = researcher.propose(brief(seed, cards=(card,), mode=Mode.REFINE))
        origins = {e.name: e for e in proposal.candidate.idea.elements}
        if "shift:token" in proposal.operator:
            adopted += 1
            assert origins["token-shift"].origin is Origin.CARD
            assert origins["token-shift"].source == "card-shift"
            assert "card card-shift" in proposal.candidate.idea.motivation
        assert all(e.source == "card-shift" for e in origins.values() if e.origin is Origin.CARD)
    assert 15 <= adopted <= 50


def test_without_cards_and_lessons_everything_is_original():
    """R3."""
    for seed in range(40):
        idea = researcher.propose(brief(seed, mode=Mode.LEAP)).candidate.idea
        assert {e.origin for e in idea.elements} <= {Origin.ORIGINAL}


def test_lessons_shift_the_odds_and_are_named():
    """R3: credit for an element speaks for every edit that brings it."""
    good = LessonHint(candidate_id="feed", credits={"delta-update": 4.0})
    bad = LessonHint(candidate_id="beef", credits={"conv-q-4": -4.0, "conv-k-4": -4.0})
    learnt = gather((good, bad))
    root = library_description("linear_attention")
    odds = edit_odds(root, brief(lessons=(good, bad)), learnt)
    assert odds["update:delta"] == pytest.approx(math.exp(4 / 3))
    assert odds["conv:qkv-4"] == pytest.approx(math.exp(-1.5))
    assert odds["shift:token"] == 1.0
    for seed in range(80):
        proposal = researcher.propose(brief(seed, lessons=(good, bad), mode=Mode.REFINE))
        if proposal.operator == "mutate:update:delta":
            origins = {e.name: e for e in proposal.candidate.idea.elements}
            assert origins["delta-update"].origin is Origin.LESSON
            assert origins["delta-update"].source == "feed"
            return
    pytest.fail("a strongly credited edit was never drawn in 80 proposals")


def test_crossover_takes_from_the_reference_and_says_so():
    """R3."""
    operators = set()
    for seed in range(20):
        asked = brief(seed, references=(DELTA,), mode=Mode.RECOMBINE)
        proposal = researcher.propose(asked)
        operators.add(proposal.operator)
        assert proposal.operator.startswith("crossover:take:")
        assert proposal.candidate.parents == (ROOT.candidate.id, DELTA.candidate.id)
        for element in proposal.candidate.idea.elements:
            assert (element.origin, element.source) == (Origin.LESSON, DELTA.candidate.id)
            assert element.name in elements(library_description("deltanet")) or (
                element.name not in elements(library_description("linear_attention"))
            )
    assert len(operators) > 3


def test_simplification_only_takes_away():
    rich = library_description("rwkv7")
    for seed in range(12):
        proposal = researcher.propose(brief(seed, parents=(described(rich),), mode=Mode.SIMPLIFY))
        assert proposal.operator.startswith("simplify:")
        names = [element.name for element in proposal.candidate.idea.elements]
        gone = set(elements(rich)) - set(elements(from_json(proposal.candidate.idea.description)))
        assert {name for name in names if name.startswith("without-")} == {
            f"without-{name}" for name in gone
        }


def test_predictions_follow_the_parent_and_the_credits():
    lesson = LessonHint(candidate_id="feed", credits={"token-shift": 6.0})
    card = CardHint(id="c", edits=("shift:token",))
    for seed in range(40):
        asked = brief(seed, parents=(DELTA,), lessons=(lesson,), cards=(card,), mode=Mode.REFINE)
        proposal = researcher.propose(asked)
        if proposal.operator == "mutate:shift:token":
            by_task = {p.task: p for p in proposal.candidate.idea.predictions}
            assert by_task["recall"].effect == pytest.approx(0.6 * 2.0 + 2.0)
            assert by_task["text"].effect == pytest.approx(0.6 * 0.5 + 2.0)
            assert by_task["recall"].confidence > by_task["text"].confidence > 0.9
            return
    pytest.fail("the card's edit was never drawn alone")


def free_code(source: str) -> KnownCandidate:
    return KnownCandidate(
        candidate=Candidate.of(source, Idea(name="mine", motivation="", mechanism=""))
    )


def test_free_code_falls_back_to_its_nearest_known_kin():
    source = "from move37.arena.kernels import gated_delta_rule, l2_norm, short_convolution\n"
    proposal = researcher.propose(brief(3, parents=(free_code(source),)))
    assert "nearest described kin is gated_deltanet" in proposal.candidate.idea.motivation


@pytest.mark.parametrize("source", ["import torch\n", "this does not parse ("])
def test_free_code_that_resembles_nothing_is_refused_with_the_way_out(source):
    with pytest.raises(NoProposal, match="choose a described parent"):
        researcher.propose(brief(parents=(free_code(source),)))


def test_a_reference_mixer_is_known_by_its_name():
    root = KnownCandidate(
        candidate=Candidate.of(
            "class Mixer: ...\n",
            Idea(name="retnet", motivation="", mechanism=""),
            author="reference",
        )
    )
    assert researcher.propose(brief(parents=(root,))).candidate.parents == (root.candidate.id,)


def test_free_code_that_borrows_the_name_of_a_reference_is_not_taken_for_it():
    candidate = Candidate.of(
        "class Mixer: ...\n", Idea(name="retnet", motivation="", mechanism=""), author="openai:x"
    )
    with pytest.raises(NoProposal, match="free code"):
        researcher.propose(brief(parents=(KnownCandidate(candidate=candidate),)))


def test_a_greedy_search_with_forty_trials_finds_the_strong_parts():
    """What an 8-minute campaign needs: from linear attention to delta rule, decay and convolution.

    A made-up fitness counts three parts that the literature shows to matter; a parent is the best
    of the results that are four trials old, as in a campaign.
    """
    found = 0
    for campaign in range(10):
        results: list[tuple[float, KnownCandidate]] = [(0.0, ROOT)]
        for trial in range(40):
            visible = results[: max(1, len(results) - 4)]
            parent = max(visible, key=lambda pair: pair[0])[1]
            candidate = researcher.propose(
                brief(1000 * campaign + trial, parents=(parent,))
            ).candidate
            names = set(elements(from_json(candidate.idea.description)))
            parts = (
                "delta-update" in names,
                any(name.startswith("decay-data") for name in names),
                any(name.startswith("conv-k") for name in names),
            )
            results.append((sum(parts), KnownCandidate(candidate=candidate)))
        found += max(score for score, _ in results) == 3
    assert found >= 8
