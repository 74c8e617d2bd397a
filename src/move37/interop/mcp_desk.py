"""What a coding agent may do in a campaign, as plain functions from text to text.

The functions of one session of `move37 run`, whose Researcher and Analyst are at the other end. The
protocol around them is `mcp_server`. Everything an agent hands in is checked as a model's reply is;
everything it is shown is search's public side: no confirmation, no held-back task, no secret.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from typing import Any

from pydantic import ValidationError

from move37.campaign.bench import StateBench
from move37.campaign.outside import Mailbox
from move37.campaign.progress import fold
from move37.campaign.results import known
from move37.campaign.session import End, Ending, Session, work
from move37.campaign.workshop import Workshop
from move37.core.claims import VerdictKind
from move37.core.errors import ReplyError, Stopped
from move37.core.events import LessonWritten
from move37.memory.state import Entry
from move37.team.llm.analyst import LessonFields
from move37.team.llm.material import effects_table, failure_words, probe_words
from move37.team.llm.prompting import Section, quote
from move37.team.llm.researcher import IdeaFields, mode_of, render

BRIEF_TOKENS = 20_000
MAX_WAIT_SECONDS = 600.0
POLL_SECONDS = 0.2
N_BEST = 12


class AgentDesk:
    """One session of a campaign with an agent as its team. A context manager.

    Args:
        workshop: from `open_workshop`.
        author: what the agent's candidates are signed with.
        lesson_seconds: how long a lesson is waited for.
    """

    def __init__(self, workshop: Workshop, *, author: str, lesson_seconds: float) -> None:
        self.mailbox = Mailbox(
            author=author,
            may_search=lambda: workshop.watch.search_left_seconds() > 0,
            check_stop=self._check_stop,
            lesson_seconds=lesson_seconds,
        )
        team = replace(workshop.team, researcher=self.mailbox, analyst=self.mailbox)
        self._workshop = replace(workshop, team=team)
        self._stage = "preparing"
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="session")
        self._session: Future[End] | None = None

    def __enter__(self) -> AgentDesk:
        self._session = self._pool.submit(work, self._workshop, self._watch)
        return self

    def __exit__(self, *_: object) -> None:
        """Stop the session in good order; what was in flight is taken up by the next one."""
        if self.goes_on:
            self._workshop.watch.stop()
            self._workshop.laboratory.close()
        self._pool.shutdown()

    @property
    def goes_on(self) -> bool:
        """Whether the session has not ended."""
        return self._session is not None and not self._session.done()

    def ending(self) -> Ending | None:
        """Return how the session ended; None while it goes on.

        Raises:
            LabError, LedgerError, BaselineFailed: what ended it, where it was no good end.
        """
        return None if self._session is None or self.goes_on else self._session.result().ending

    def read_state(self) -> str:
        """Say how the campaign stands: stage, time, counts, the best so far, what waits for you."""
        workshop = self._workshop
        progress = fold(workshop.ledger.events())
        state = workshop.ledger.state()
        records = [known(workshop, state, entry) for entry in state.candidates.values()]
        measured = [r for r in records if r.combined is not None]
        measured.sort(key=lambda r: -(r.combined.mean if r.combined else 0.0))
        failures = ", ".join(f"{n} {kind}" for kind, n in sorted(progress.failures.items()))
        lines = [
            f"stage: {self._where()}; {workshop.watch.left_seconds:.0f} s left of the budget",
            f"{progress.n_candidates} candidates, {progress.n_trials} trials",
            f"failures: {failures or 'none'}",
            f"baseline: {workshop.baseline.id} {workshop.baseline.idea.name}",
            self._due_words(),
        ]
        table = Section(title="best by search", text=effects_table(measured[:N_BEST]))
        return "\n".join(lines) + "\n\n" + quote([table] if table.text else [])

    def get_brief(self, wait_seconds: float) -> str:
        """Return what the next candidate is to be made from, or why there is none yet."""
        deadline = time.monotonic() + _bounded(wait_seconds)
        while True:
            brief = self.mailbox.wanted(seconds=POLL_SECONDS)
            if brief is not None:
                prompt = render(brief, mode=mode_of(brief), max_tokens=BRIEF_TOKENS, has_tools=True)
                return (
                    f"This is candidate {brief.index}. Hand it in with submit_candidate and this "
                    f"number, not as text.\n\n{prompt.instructions}\n{prompt.text}"
                )
            if not self.goes_on or time.monotonic() > deadline:
                return f"no brief waits now. Stage: {self._where()}. {self._due_words()}"

    def check_draft(self, source: str) -> str:
        """Run the admission probes on a draft; nothing is recorded."""
        return self._bench().probe_draft(source)

    def submit(
        self,
        index: int,
        *,
        name: str,
        motivation: str,
        mechanism: str,
        source: str,
        elements: Sequence[dict[str, Any]] = (),
        predictions: Sequence[dict[str, Any]] = (),
    ) -> str:
        """Hand in a candidate; it is tried at once."""
        fields = _validated(
            IdeaFields,
            {
                "name": name,
                "motivation": motivation,
                "mechanism": mechanism,
                "elements": list(elements),
                "predictions": list(predictions),
            },
        )
        candidate = self.mailbox.hand_in(index, fields, source)
        return (
            f"candidate {index} is taken as {candidate.id}; wait_for_result({index}) says what "
            "becomes of it"
        )

    def wait_for_result(self, index: int, wait_seconds: float) -> str:
        """Return a candidate's result as search sees it, once there is one."""
        deadline = time.monotonic() + _bounded(wait_seconds)
        while True:
            entries = [e for e in self._workshop.ledger.state().entries.values()
                       if e.index == index]  # fmt: skip
            last = entries[-1] if entries else None
            is_told = index in self.mailbox.lessons_due or (last is not None and last.lesson)
            if last is not None and last.verdict is not None and is_told:
                return self._result(index, entries)
            if not self.goes_on or time.monotonic() > deadline:
                doing = fold(self._workshop.ledger.events()).running.get(index, "not begun")
                return f"candidate {index} has no result yet ({doing}). Stage: {self._where()}"
            time.sleep(POLL_SECONDS)

    def write_lesson(
        self, index: int, lesson: str, *, weaknesses: Sequence[str], ablate: str
    ) -> str:
        """Write what a candidate taught; no number that was not measured is taken."""
        fields = {"lesson": lesson, "weaknesses": list(weaknesses), "ablate": ablate}
        self.mailbox.tell(index, _validated(LessonFields, fields))
        deadline = time.monotonic() + 10.0
        while time.monotonic() < deadline:
            for event in self._workshop.ledger.at_index(LessonWritten, index):
                if event.author == self.mailbox.author:
                    return f"recorded: {event.text}"
            time.sleep(POLL_SECONDS)
        return "taken; it is being recorded"

    def bench(self) -> StateBench:
        """Return the look-ups of the brief that waits, else of everything search has measured."""
        return self._bench()

    def _bench(self) -> StateBench:
        return StateBench(self._workshop, self._workshop.ledger.state())

    def _result(self, index: int, entries: Sequence[Entry]) -> str:
        workshop, state = self._workshop, self._workshop.ledger.state()
        parts = [
            Section(
                title=f"{entry.id} {entry.role}",
                text=_verdict_words(entry)
                + failure_words(known(workshop, state, entry))
                + probe_words(entry.probes),
            )
            for entry in entries
        ]
        if index in self.mailbox.lessons_due:
            tables = self.mailbox.tables(index)
            return (
                f"{quote(parts)}\nIts lesson is due: write_lesson({index}, …). On it:\n\n{tables}"
            )
        return quote(parts)

    def _due_words(self) -> str:
        due = self.mailbox.lessons_due
        if not due:
            return "No lesson is due."
        listed = ", ".join(f"{index} ({id_})" for index, id_ in due.items())
        return f"Lessons are due for candidates {listed}: a step waits for each."

    def _where(self) -> str:
        if self._session is None or self.goes_on:
            return self._stage
        error = self._session.exception()
        return f"ended by an error: {error}" if error else f"over: {self._session.result().ending}"

    def _watch(self, session: Session, _: object) -> None:
        self._stage = session.stage

    def _check_stop(self) -> None:
        if self._workshop.watch.is_stopped:
            raise Stopped("the agent has gone")


def _verdict_words(entry: Entry) -> str:
    """Say the verdict of search; later ones are private."""
    verdict = entry.search_verdict
    if verdict is None:
        return "no verdict yet\n"
    effect = verdict.effect
    words = f"{verdict.kind}: {verdict.reason}\n"
    if effect is None or verdict.kind is VerdictKind.REJECTED:
        return words
    return f"{words}combined effect {effect.mean:+.2f} [{effect.low:+.2f}, {effect.high:+.2f}]\n"


def _validated(kind: type[Any], fields: dict[str, Any]) -> Any:
    try:
        return kind.model_validate(fields)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise ReplyError(f"{where}: {first['msg']}") from error


def _bounded(seconds: float) -> float:
    return min(MAX_WAIT_SECONDS, max(0.0, seconds))
