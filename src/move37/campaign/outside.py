"""Team members who sit elsewhere: a coding agent at the other end of a protocol, a person's file.

The campaign asks them as it asks any other member, by the same rules and within the same budget.
Asking blocks the step, never the campaign's other steps.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from move37.core.candidate import Candidate
from move37.core.errors import ReplyError
from move37.memory.state import Entry
from move37.team.llm.analyst import (
    LessonFields,
    by_tables,
    explanation_of,
    numbers_of,
    render,
)
from move37.team.llm.replies import check_layer_code
from move37.team.llm.researcher import IdeaFields, mode_of, proposal_of, slug
from move37.team.protocols import Brief, Explanation, NoProposal, Proposal, Study

LESSON_SECONDS = 300.0
"""How long a lesson is waited for before the tables speak for themselves."""
POLL_SECONDS = 0.2
LESSON_TOKENS = 12_000
GIVEN = "given"
"""Operator of a layer from a person's file."""
OUTSIDE = "outside:"
"""Beginning of the operators of what an agent handed in."""


def is_handed_in(operator: str) -> bool:
    """Tell whether a candidate came from outside the campaign: a person's file, an agent."""
    return operator == GIVEN or operator.startswith(OUTSIDE)


def own_seeds(entry: Entry) -> str:
    """Return whose fresh seeds a test of this layer uses: its own, or those common to the search.

    Whoever hands in a layer may have read what others came to on the common ones.
    """
    return entry.id if is_handed_in(entry.operator) else ""


class GivenResearcher:
    """Hands in one layer that was made elsewhere, and nothing after it."""

    def __init__(self, candidate: Candidate) -> None:
        self._candidate = candidate
        self._is_given = False

    def propose(self, brief: Brief) -> Proposal:
        """Return the layer, as a child of the brief's first parent.

        Raises:
            NoProposal: it was given already.
        """
        if self._is_given:
            raise NoProposal("the layer that was given has been tried")
        self._is_given = True
        given = self._candidate
        candidate = Candidate.of(
            given.source,
            given.idea,
            parents=(brief.parents[0].candidate.id,),
            author=given.author,
        )
        return Proposal(candidate=candidate, operator=GIVEN)


@dataclass(slots=True)
class _Waiting:
    """A study whose lesson is due."""

    study: Study
    told: Explanation | None = None


@dataclass(slots=True)
class Mailbox:
    """Researcher and Analyst for a team at the other end of a protocol.

    The campaign's threads call `propose` and `explain`, and wait; the protocol's threads look at
    what is wanted and hand it in. Whatever is handed in is checked as a model's reply is.
    """

    author: str
    """What candidates are signed with."""
    may_search: Callable[[], bool]
    """Asked while waiting: whether there is time for another candidate."""
    check_stop: Callable[[], None]
    """Called while waiting; raises Stopped once somebody asked to stop."""
    lesson_seconds: float = LESSON_SECONDS
    _changed: threading.Condition = field(default_factory=threading.Condition)
    _brief: Brief | None = None
    _proposal: Proposal | None = None
    _studies: dict[int, _Waiting] = field(default_factory=dict)

    def propose(self, brief: Brief) -> Proposal:
        """Wait for a proposal.

        Raises:
            NoProposal: the time for searching is over.
            Stopped: somebody asked to stop.
        """
        with self._changed:
            self._brief, self._proposal = brief, None
            self._changed.notify_all()
            try:
                while self._proposal is None:
                    self.check_stop()
                    if not self.may_search():
                        raise NoProposal("no proposal came before the time for searching was over")
                    self._changed.wait(POLL_SECONDS)
                return self._proposal
            finally:
                self._brief = None

    def explain(self, study: Study) -> Explanation:
        """Wait for a lesson, and let the tables speak where none comes.

        Raises:
            Stopped: somebody asked to stop.
        """
        waiting = _Waiting(study)
        deadline = time.monotonic() + self.lesson_seconds
        with self._changed:
            self._studies[study.index] = waiting
            self._changed.notify_all()
            try:
                while waiting.told is None:
                    self.check_stop()
                    if time.monotonic() > deadline:
                        return by_tables(study, f"{self.author} wrote no lesson in time")
                    self._changed.wait(POLL_SECONDS)
                return waiting.told
            finally:
                del self._studies[study.index]

    def wanted(self, *, seconds: float = 0.0) -> Brief | None:
        """Return the brief that waits for a proposal, waiting for one a while."""
        with self._changed:
            self._changed.wait_for(lambda: self._brief is not None, timeout=seconds)
            return self._brief

    def hand_in(self, index: int, fields: IdeaFields, source: str) -> Candidate:
        """Take a proposal for the brief that waits.

        Raises:
            ReplyError: no brief of this index waits, or the proposal cannot be used; says why.
        """
        with self._changed:
            brief = self._brief
            if brief is None or brief.index != index or self._proposal is not None:
                raise ReplyError(f"no brief for candidate {index} waits; get a brief first")
            mode = mode_of(brief)
            operator = (
                f"{OUTSIDE}{mode}:{slug(brief.remove)}" if brief.remove else f"{OUTSIDE}{mode}"
            )
            self._proposal = proposal_of(
                fields, check_layer_code(source), brief, author=self.author, operator=operator
            )
            self._changed.notify_all()
            return self._proposal.candidate

    @property
    def lessons_due(self) -> dict[int, str]:
        """Candidates by index whose lesson is waited for."""
        with self._changed:
            return {i: w.study.subject.candidate.id for i, w in sorted(self._studies.items())}

    def tables(self, index: int) -> str:
        """Return what a lesson may rest on.

        Raises:
            ReplyError: no lesson is due there.
        """
        return render(self._due(index).study, max_tokens=LESSON_TOKENS).text

    def tell(self, index: int, fields: LessonFields) -> None:
        """Take a lesson.

        Raises:
            ReplyError: none is due there, or it cannot be used; says why.
        """
        waiting = self._due(index)
        known = numbers_of(render(waiting.study, max_tokens=LESSON_TOKENS).text)
        told = explanation_of(fields, waiting.study, known, author=self.author)
        with self._changed:
            waiting.told = told
            self._changed.notify_all()

    def _due(self, index: int) -> _Waiting:
        with self._changed:
            if index not in self._studies:
                due = ", ".join(map(str, sorted(self._studies))) or "none"
                raise ReplyError(f"no lesson is due for candidate {index}; due: {due}")
            return self._studies[index]
