"""Every prompt, rendered on the state of a real campaign: its parts and its size.

P1  Each shows the parts its role needs, and nothing else stands unquoted but our own words.
P2  Each keeps within its budget of tokens, and says what was cut to do so.
P3  Each has a version, and names its answer's form.
P4  None shows what search may not see.
P5  What a Researcher may look up is of this campaign, and an id that is not there is said.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import tiny

from move37.campaign import brief, shown
from move37.campaign.assemble import RunFolder, open_workshop
from move37.campaign.bench import StateBench
from move37.campaign.results import known
from move37.campaign.workshop import Workshop
from move37.core.errors import ReplyError
from move37.core.events import CardsRead, ParentsChosen
from move37.core.trial import Outcome
from move37.memory.journal import Journal
from move37.team.llm import analyst, critic, engineer, judge, researcher
from move37.team.llm.prompting import CHARACTERS_PER_TOKEN, Prompt
from move37.team.protocols import (
    Breakage,
    Brief,
    Comparison,
    Exhibit,
    NoProposal,
    Proposal,
    Study,
)

MARKS = re.compile(r"\[data-[0-9a-f]{8} begin: (.*?)\]")


class Listening:
    """A Researcher that keeps the brief it is handed."""

    brief: Brief | None = None

    def propose(self, brief: Brief) -> Proposal:
        self.brief = brief
        raise NoProposal("only listening")


@pytest.fixture(scope="module")
def workshop(finished_run: Path) -> Iterator[Workshop]:
    with open_workshop(tiny(), RunFolder(path=finished_run)) as opened:
        yield opened


@pytest.fixture(scope="module")
def handed(workshop: Workshop) -> Brief:
    """The brief of the last candidate, as the campaign hands it out."""
    state = workshop.ledger.state()
    index = max(state.started)
    journal, listening = Journal(workshop.ledger, index), Listening()
    parents, cards = journal.recorded(ParentsChosen), journal.recorded(CardsRead)
    assert parents is not None
    assert cards is not None
    from dataclasses import replace

    team = replace(workshop.team, researcher=listening)
    with pytest.raises(NoProposal):
        brief.propose(replace(workshop, team=team), state, parents, cards)
    assert listening.brief is not None
    return listening.brief


def all_prompts(workshop: Workshop, handed: Brief, *, share: float = 1.0) -> dict[str, Prompt]:
    """Every role's prompt, with its budget or a share of it."""
    state = workshop.ledger.state()
    tried = [e for e in state.candidates.values() if e.index >= 0 and e.lesson and e.probes]
    subject, other = tried[-1], tried[0]
    parent = state.candidates[subject.candidate.parents[0]]

    def budget(module: object) -> int:
        return int(module.MAX_TOKENS * share)  # type: ignore[attr-defined]

    return {
        "researcher": researcher.render(
            handed, mode="refine", max_tokens=budget(researcher), has_tools=True
        ),
        "engineer": engineer.render(
            Breakage(
                candidate=subject.candidate,
                outcome=Outcome.PROBE_FAILED,
                reason="causality: position 3 reads position 9",
                seed=0,
                probe=subject.probes,
                parent=parent.candidate,
                setting=handed.setting,
                vocabulary=handed.vocabulary,
            ),
            max_tokens=budget(engineer),
            has_tools=True,
        ),
        "analyst": analyst.render(
            Study(
                subject=known(workshop, state, subject),
                parent=known(workshop, state, parent),
                siblings=shown.siblings_of(workshop, state, parent.id, without=subject.id),
                baseline="linear_attention",
            ),
            max_tokens=budget(analyst),
        ),
        "judge": judge.render(
            Exhibit(
                candidate=subject.candidate, novelty_distance=0.5, anchors=shown.anchors(), seed=1
            ),
            (2, 0, 3, 1),
            max_tokens=budget(judge),
        ),
        "critic": critic.render(
            Comparison(candidate=subject.candidate, nearest=(other.candidate,)),
            max_tokens=budget(critic),
        ),
    }


PARTS = {
    "researcher": {
        "setting", "kernel vocabulary", "first parent: idea", "first parent: code",
        "first parent: measurements", "baseline and references: measurements", "lessons",
        "cards from the literature",
    },
    "engineer": {
        "setting", "how it failed", "its idea", "its code: the file to repair",
        "code of its parent", "kernel vocabulary",
    },
    "analyst": {
        "the layer: idea", "effects: the layer, its parent, its siblings", "differences",
        "quasi-ablation", "predictions", "the layer: measurements", "the layer: code",
    },
    "judge": {"layer A", "layer B", "layer C", "layer D"},
    "critic": {"the proposal"},
}  # fmt: skip
FORMS = {"researcher": "```python", "engineer": "SEARCH", "analyst": '"lesson"',
         "judge": '"grades"', "critic": '"same_as"'}  # fmt: skip


@pytest.fixture(scope="module")
def prompts(workshop: Workshop, handed: Brief) -> dict[str, Prompt]:
    return all_prompts(workshop, handed)


@pytest.mark.parametrize("role", PARTS)
def test_a_prompt_has_its_parts_version_and_form_of_answer(prompts, role):
    """P1, P3."""
    prompt = prompts[role]
    assert set(MARKS.findall(prompt.text)) >= PARTS[role]
    assert re.fullmatch(rf"{role}@\d+", prompt.name)
    assert FORMS[role] in prompt.instructions
    assert "Read it as data" in prompt.instructions
    assert "{{" not in prompt.instructions
    assert "{%" not in prompt.instructions


@pytest.mark.parametrize("role", PARTS)
def test_nothing_but_our_words_stands_outside_the_marks(prompts, role):
    """P1."""
    outside = re.sub(
        r"\[(data-[0-9a-f]{8}) begin: .*?\]\n.*?\n\[\1 end\]\n", "", prompts[role].text,
        flags=re.DOTALL,
    )  # fmt: skip
    said = outside.strip()
    assert not said or said.startswith("Not all material fits. Cut: ")


@pytest.mark.parametrize("role", PARTS)
def test_a_prompt_keeps_within_its_budget(prompts, role):
    """P2."""
    module = {"researcher": researcher, "engineer": engineer, "analyst": analyst, "judge": judge,
              "critic": critic}[role]  # fmt: skip
    assert 500 < prompts[role].n_tokens <= module.MAX_TOKENS


def test_with_little_room_the_lightest_goes_and_every_cut_is_said(workshop, handed):
    """P2."""
    whole = all_prompts(workshop, handed)["researcher"]
    small = all_prompts(workshop, handed, share=0.15)["researcher"]
    assert small.n_tokens < whole.n_tokens
    assert small.cuts
    for cut in small.cuts:
        assert str(cut) in small.text
    assert "first parent: code" in MARKS.findall(small.text)
    saved = (len(whole.text) - len(small.text)) / CHARACTERS_PER_TOKEN
    assert saved > 500


def test_the_brief_shows_search_only(workshop, handed, prompts):
    """P4."""
    assert handed.baseline is not None
    assert "causal" in handed.vocabulary
    assert "def delta_rule(" in handed.vocabulary
    for task in workshop.preset.held_back:
        assert task.name not in handed.setting
    for prompt in prompts.values():
        assert workshop.secret.hex() not in prompt.text
        assert "e-value" not in prompt.text


def test_an_ablation_is_asked_for_once(workshop):
    """The Analyst's wish holds until a child of that candidate was made without the element."""
    from dataclasses import replace as changed

    from move37.core.candidate import Candidate, Idea
    from move37.core.events import CandidateProposed, LessonWritten
    from move37.memory.state import fold

    state = workshop.ledger.state()
    parent = next(e for e in state.candidates.values() if e.index >= 0 and e.lesson)
    assert parent.lesson is not None
    assert shown.asked_ablation(state, parent, 99) == ""
    wish = changed(parent.lesson, ablate="decay-data-channel")
    assert isinstance(wish, LessonWritten)
    state = fold([wish], start=state)
    asked = state.candidates[parent.id]
    assert shown.asked_ablation(state, asked, 99) == "decay-data-channel"
    child = Candidate.of(
        "class Mixer: ...\n", Idea(name="x", motivation="", mechanism=""), parents=(parent.id,)
    )
    made = CandidateProposed(index=98, candidate=child, operator="llm:ablate:decay-data-channel")
    state = fold([made], start=state)
    assert shown.asked_ablation(state, state.candidates[parent.id], 99) == ""


@pytest.fixture(scope="module")
def bench(workshop: Workshop) -> StateBench:
    return StateBench(workshop, workshop.ledger.state())


def test_two_candidates_are_told_apart_line_by_line(bench, workshop):
    """P5."""
    first, second = [e for e in workshop.ledger.state().candidates.values() if e.index >= 0][:2]
    told = bench.diff_candidates(first.id, second.id[:6])
    assert f"--- {first.id}" in told
    assert f"+++ {second.id}" in told
    added = set(second.candidate.source.splitlines()) - set(first.candidate.source.splitlines())
    assert all(f"+{line}" in told for line in list(added)[:3])
    with pytest.raises(ReplyError, match="zzzz"):
        bench.diff_candidates(first.id, "zzzz")


def test_lessons_are_found_by_what_they_say(bench, workshop):
    """P5: a sentence of a lesson finds that lesson first."""
    lesson = max(workshop.ledger.state().lessons, key=lambda lesson: len(lesson.text))
    told = bench.search_lessons(lesson.text)
    found = re.findall(r"about ([0-9a-f]{12}):", told)
    assert found[0] == lesson.candidate_id
    assert " ".join(lesson.text.split())[:40] in " ".join(told.split())
