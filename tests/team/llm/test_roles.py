"""The llm members, with scripted replies.

L1  A Researcher's proposal is what was handed in, with claims checked: sources that do not exist
    become original, predictions are of known tasks only, code that was there is refused.
L2  An Engineer repairs by edits or whole file, and may not remove the idea.
L3  An Analyst's lesson begins with our numbers, holds no number of its own, and is never missing.
L4  A panel is blind and shuffled, asks nobody related to the author, and 0.5 is what each judge
    gives to the well-known layers.
L5  A critic can only point at what it was shown.
"""

from __future__ import annotations

import json
import statistics

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from llm_records import ScriptedSeat, child, known, layer, measured

from move37.core.candidate import Origin, Prediction
from move37.core.errors import ReplyError
from move37.core.trial import Outcome
from move37.team.llm.analyst import LlmAnalyst
from move37.team.llm.critic import LlmCritic
from move37.team.llm.edit_blocks import Edit, spell
from move37.team.llm.engineer import LlmEngineer
from move37.team.llm.judge import LlmJudge, calibrated, order_of
from move37.team.llm.researcher import LlmResearcher, mode_of
from move37.team.protocols import (
    Breakage,
    Brief,
    CardHint,
    Comparison,
    Exhibit,
    LessonHint,
    Mode,
    Study,
)
from move37.team.scoring import score_predictions

ROOT = known("linear_attention", mean=0.0)
IDEA = {
    "name": "Two-Rate   Memory",
    "motivation": "The memory forgets at one rate only, so old and new compete for room.",
    "mechanism": "S = diag(a) S + k v^T, two rates",
    "elements": [
        {"name": "Two Rates!", "origin": "card", "source": "gated-delta-rule"},
        {"name": "mixing", "origin": "card", "source": "no-such-card"},
        {"name": "l2 keys", "origin": "lesson", "source": "aaa"},
    ],
    "predictions": [
        {"task": "recall", "effect": 900, "confidence": 0.8},
        {"task": "no such task", "effect": 1, "confidence": 0.9},
    ],
}


def reply(source: str, **changes: object) -> str:
    fields = json.dumps(IDEA | changes)
    return f"I think.\n```json\n{fields}\n```\n\n```python\n{source}```\n"


def brief(**more: object) -> Brief:
    given = {
        "parents": (ROOT,),
        "seed": 3,
        "cards": (CardHint(id="gated-delta-rule", title="Gated", text="A claim."),),
        "lessons": (LessonHint(candidate_id="aaa", text="Keys of unit length help."),),
        "task_names": ("recall", "text"),
    }
    return Brief(**(given | more))  # type: ignore[arg-type]


class TestResearcher:
    def test_hands_in_what_the_model_wrote(self):
        """L1."""
        seat = ScriptedSeat(reply(layer()), label="openai:gpt")
        proposal = LlmResearcher(seat).propose(brief())
        assert proposal.candidate.source == layer()
        assert proposal.candidate.idea.name == "Two-Rate Memory"
        assert proposal.candidate.author == "openai:gpt"
        assert proposal.candidate.parents == (ROOT.candidate.id,)
        assert proposal.operator.startswith("llm:")

    def test_sources_that_do_not_exist_become_original(self):
        """L1."""
        elements = LlmResearcher(ScriptedSeat(reply(layer()))).propose(brief()).candidate.idea
        found = {e.name: (e.origin, e.source) for e in elements.elements}
        assert found == {
            "two-rates": (Origin.CARD, "gated-delta-rule"),
            "mixing": (Origin.ORIGINAL, ""),
            "l2-keys": (Origin.LESSON, "aaa"),
        }

    def test_predictions_are_bounded_and_of_known_tasks(self):
        """L1."""
        idea = LlmResearcher(ScriptedSeat(reply(layer()))).propose(brief()).candidate.idea
        assert idea.predictions == (Prediction(task="recall", effect=20.0, confidence=0.8),)

    def test_code_that_was_there_is_sent_back(self):
        """L1."""
        seat = ScriptedSeat(reply(ROOT.candidate.source), reply(layer()))
        proposal = LlmResearcher(seat).propose(brief(known_ids=frozenset({ROOT.candidate.id})))
        assert proposal.candidate.source == layer()
        assert "proposed before" in seat.complaints[0]

    def test_without_a_usable_reply_there_is_a_reply_error(self):
        seat = ScriptedSeat("no", "```python\nclass Other: ...\n```", '{"name": "x"}')
        with pytest.raises(ReplyError):
            LlmResearcher(seat).propose(brief())

    def test_an_ablation_takes_the_element_out_by_name(self):
        proposal = LlmResearcher(ScriptedSeat(reply(layer()))).propose(brief(remove="Two rates"))
        assert proposal.operator == "llm:ablate:two-rates"
        assert [e.name for e in proposal.candidate.idea.elements] == ["without-two-rates"]

    def test_every_mode_comes_up_and_recombining_needs_a_reference(self):
        modes = {mode_of(brief(seed=s)) for s in range(60)}
        assert modes == {"refine", "leap", "simplify"}
        assert "recombine" in {mode_of(brief(seed=s, references=(ROOT,))) for s in range(60)}
        assert mode_of(brief(mode=Mode.LEAP)) == "leap"


BROKEN = child(layer("gated_deltanet", note="broken"), parent=ROOT.candidate)


def breakage(**more: object) -> Breakage:
    given = {
        "candidate": BROKEN,
        "outcome": Outcome.CRASHED,
        "reason": "NameError: name 'k' is not defined",
        "seed": 1,
        "parent": ROOT.candidate,
    }
    return Breakage(**(given | more))  # type: ignore[arg-type]


class TestEngineer:
    def test_repairs_by_edit_blocks(self):
        """L2."""
        edits = spell([Edit(old="NOTE = 'broken'\n", new="NOTE = 'mended'\n")])
        repaired = LlmEngineer(ScriptedSeat(f"The note.\n{edits}")).repair(breakage())
        assert repaired is not None
        assert repaired.source == layer("gated_deltanet", note="mended")
        assert repaired.parents == (BROKEN.id,)

    def test_repairs_by_a_whole_file(self):
        """L2."""
        whole = layer("gated_deltanet", note="whole")
        repaired = LlmEngineer(ScriptedSeat(f"```python\n{whole}```")).repair(breakage())
        assert repaired is not None
        assert repaired.source == whole

    def test_may_not_remove_the_idea(self):
        """L2."""
        seat = ScriptedSeat(f"```python\n{layer('linear_attention', note='safe')}```")
        with pytest.raises(ReplyError, match="removes the idea"):
            LlmEngineer(seat).repair(breakage())

    def test_edits_that_do_not_fit_and_code_that_is_the_same_are_sent_back(self):
        """L2."""
        wrong = spell([Edit(old="NOTE = 'brokn'\n", new="NOTE = 'x'\n")])
        same = f"```python\n{BROKEN.source}```"
        right = spell([Edit(old="NOTE = 'broken'\n", new="NOTE = 'ok'\n")])
        seat = ScriptedSeat(wrong, same, right)
        assert LlmEngineer(seat).repair(breakage()) is not None
        assert "near it stands" in seat.complaints[0]
        assert "tried before" in seat.complaints[1]

    def test_forgery_is_not_repaired(self):
        assert LlmEngineer(ScriptedSeat("x")).repair(breakage(outcome=Outcome.FORGED)) is None


SUBJECT = measured(
    child(
        layer("gla"),
        parent=ROOT.candidate,
        elements=["two-rates"],
        predictions=[
            Prediction(task="recall", effect=1.0, confidence=0.9),
            Prediction(task="text", effect=-1.0, confidence=0.6),
        ],
    ),
    mean=0.5,
)
LESSON = "Two rates were tried beside one; recall rose by 0.70 and text hardly moved, for recall."


def lesson_reply(lesson: str = LESSON, **more: object) -> str:
    return f"```json\n{json.dumps({'lesson': lesson, **more})}\n```"


class TestAnalyst:
    study = Study(subject=SUBJECT, parent=ROOT, baseline="linear_attention")

    def test_the_lesson_begins_with_our_numbers_and_scores_the_prediction(self):
        """L3."""
        told = LlmAnalyst(ScriptedSeat(lesson_reply(weaknesses=["text"]))).explain(self.study)
        assert told.text.startswith("two-rate memory: against linear_attention: +0.50")
        assert LESSON in told.text
        assert "Weak at: text." in told.text
        assert "1 of 2 predicted signs came true" in told.text

    def test_an_element_gets_the_difference_to_the_parent(self):
        """A child that declares one element differs from its parent in that element alone."""
        told = LlmAnalyst(ScriptedSeat(lesson_reply())).explain(self.study)
        assert told.credits == {"two-rates": 0.5}

    def test_a_trial_without_the_element_gives_it_the_opposite_difference(self):
        without = measured(
            child(layer("retnet"), parent=SUBJECT.candidate, elements=["without-two-rates"]),
            mean=0.1,
        )
        study = Study(subject=without, parent=SUBJECT)
        told = LlmAnalyst(ScriptedSeat(lesson_reply("A" * 50))).explain(study)
        assert told.credits == {"two-rates": 0.4}

    def test_a_number_that_no_table_holds_is_sent_back(self):
        """L3."""
        seat = ScriptedSeat(lesson_reply(LESSON + " It is 3.71 times faster."), lesson_reply())
        told = LlmAnalyst(seat).explain(self.study)
        assert "3.71" in seat.complaints[0]
        assert "3.71" not in told.text

    def test_rounding_is_no_invention(self):
        seat = ScriptedSeat(lesson_reply(LESSON + " About 0.5 overall, [0.2, 0.8]."))
        LlmAnalyst(seat).explain(self.study)
        assert seat.complaints == []

    def test_without_a_usable_reply_the_tables_speak_and_say_so(self):
        """L3."""
        told = LlmAnalyst(ScriptedSeat("I'm sorry.")).explain(self.study)
        assert told.author == "symbolic"
        assert "gave no usable lesson" in told.text
        assert told.credits == {"two-rates": 0.5}

    def test_only_a_declared_element_can_be_put_to_trial(self):
        ask = LlmAnalyst(ScriptedSeat(lesson_reply(ablate="Two Rates"))).explain(self.study)
        other = LlmAnalyst(ScriptedSeat(lesson_reply(ablate="the moon"))).explain(self.study)
        assert (ask.ablate, other.ablate) == ("two-rates", "")


def test_predictions_are_scored_by_sign_and_confidence():
    score = score_predictions([SUBJECT, ROOT])
    assert score is not None
    assert (score.n, score.hits) == (2, 1)
    assert score.brier == pytest.approx((0.1**2 + 0.6**2) / 2)
    assert score_predictions([ROOT]) is None


EXHIBIT = Exhibit(
    candidate=SUBJECT.candidate,
    novelty_distance=0.5,
    anchors=tuple(layer(n) for n in ("linear_attention", "gated_deltanet", "mamba2")),
    seed=5,
)


def sheet(own: float, others: float, order: tuple[int, ...]) -> str:
    grades = {
        label: dict.fromkeys(
            ("novelty", "elegance", "complexity", "soundness"), own if place == 0 else others
        )
        for label, place in zip("ABCD", order, strict=True)
    }
    return json.dumps({"grades": grades})


class TestJudge:
    def test_a_harsh_and_a_kind_judge_say_the_same(self):
        """L4."""
        harsh = ScriptedSeat(sheet(0.2, 0.2, order_of(EXHIBIT, number=0)), label="a:x")
        kind = ScriptedSeat(sheet(0.9, 0.9, order_of(EXHIBIT, number=1)), label="b:y")
        judgement = LlmJudge(lambda _: [harsh, kind]).assess(EXHIBIT)
        assert judgement.votes == {"a:x": 0.5, "b:y": 0.5}

    @settings(deadline=None)
    @given(st.floats(0, 1), st.lists(st.floats(0, 1), min_size=1, max_size=4))
    def test_quality_rises_with_the_grade_and_stays_in_bounds(self, raw, anchors):
        """L4."""
        quality = calibrated(raw, anchors)
        assert 0 <= quality <= 1
        assert (quality >= 0.5) == (raw >= statistics.fmean(anchors) - 1e-3) or quality == 0.5

    def test_the_panel_is_blind(self):
        """L4: no name, no author, no comment, no number that was measured."""
        seat = ScriptedSeat(sheet(0.5, 0.5, order_of(EXHIBIT, number=0)))
        LlmJudge(lambda _: [seat], related=lambda *_: False).assess(EXHIBIT)
        seen = seat.prompts[0].text
        assert "class Mixer" in seen
        for word in ("two-rate", "scripted", "GLA", "Gated Linear", "arXiv", "#", '"""'):
            assert word not in seen

    def test_the_order_differs_between_judges_and_exhibits(self):
        """L4."""
        orders = {
            order_of(Exhibit(candidate=EXHIBIT.candidate, novelty_distance=0, seed=s,
                             anchors=EXHIBIT.anchors), number=n)
            for s in range(5) for n in range(2)
        }  # fmt: skip
        assert len(orders) > 4
        assert {order.index(0) for order in orders} == {0, 1, 2, 3}

    def test_a_judge_of_the_authors_provider_is_not_asked(self):
        """L4."""
        related = ScriptedSeat(sheet(1, 0, order_of(EXHIBIT, number=0)), label="scripted:two")
        other = ScriptedSeat(sheet(0.5, 0.5, order_of(EXHIBIT, number=0)), label="other:one")
        assert set(LlmJudge(lambda _: [related, other]).assess(EXHIBIT).votes) == {"other:one"}
        assert related.prompts == []
        with pytest.raises(ReplyError, match="related to the author"):
            LlmJudge(lambda _: [related]).assess(EXHIBIT)

    def test_a_sheet_that_leaves_a_layer_out_is_sent_back(self):
        order = order_of(EXHIBIT, number=0)
        short = json.dumps({"grades": {"A": dict.fromkeys(
            ("novelty", "elegance", "complexity", "soundness"), 1)}})  # fmt: skip
        seat = ScriptedSeat(short, sheet(0.5, 0.5, order), label="o:x")
        LlmJudge(lambda _: [seat]).assess(EXHIBIT)
        assert "no grades for B, C, D" in seat.complaints[0]

    def test_one_judge_that_fails_does_not_silence_the_others(self):
        bad = ScriptedSeat("", label="a:x")
        good = ScriptedSeat(sheet(0.5, 0.5, order_of(EXHIBIT, number=1)), label="b:y")
        assert set(LlmJudge(lambda _: [bad, good]).assess(EXHIBIT).votes) == {"b:y"}


class TestCritic:
    comparison = Comparison(candidate=SUBJECT.candidate, nearest=(ROOT.candidate,))

    def test_points_at_a_known_layer_or_at_none(self):
        """L5."""
        same = json.dumps({"same_as": ROOT.candidate.id, "reason": "the same update"})
        assert LlmCritic(ScriptedSeat(same)).compare(self.comparison).same_as == ROOT.candidate.id
        new = json.dumps({"same_as": "", "reason": "another update"})
        assert LlmCritic(ScriptedSeat(new)).compare(self.comparison).same_as == ""

    def test_cannot_point_at_what_it_was_not_shown(self):
        """L5."""
        wrong = json.dumps({"same_as": "deadbeef", "reason": "I remember it"})
        with pytest.raises(ReplyError, match="must be empty or one of"):
            LlmCritic(ScriptedSeat(wrong)).compare(self.comparison)
