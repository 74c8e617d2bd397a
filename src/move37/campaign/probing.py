"""Probes put to a model at several efforts: asked, judged by facts, kept in a file, gone on with.

A reply is recorded as soon as it is there. The same plan and file ask only what is still open: a
sweep that was interrupted, or ran out of money, is not paid twice.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import ValidationError

from move37.campaign.workshop import PROBE_LIMITS
from move37.core.errors import ConfigError, OutOfFunds, ReplyError
from move37.core.events import ModelCalled
from move37.core.team import Allowance, Effort, TeamConfig
from move37.core.trial import ProbeReport
from move37.guards.probes.layers import is_same_program
from move37.guards.probes.probe import Probe, is_lured, is_right, patched, read_answer
from move37.guards.probes.sweep import Plan, Reply
from move37.lab.laboratory import Laboratory
from move37.lab.probes import probe as examine
from move37.memory.novelty import SAME_BEHAVIOUR, behavioural_distance
from move37.team.models.calls import MakeModel, MemoryClerk, Question
from move37.team.models.desk import Desk, EffortQuestion, Unusable

INSTRUCTIONS = (
    "You are given one question. Think about it as long as you need, then answer it. The question "
    "is complete: everything that you need is in it."
)
AT_FAULT = frozenset({"unusable", "truncated", "too_long"})
"""Ends of a conversation that are the model's doing: they count as wrong."""
MOST_LOST = (
    8  # assumed: as many requests in a row that no server answers, and nothing more is asked
)
WIDTH, HEADS = 16, 2
"""Repaired layers are run at this size."""
LONGEST_LINE = 4_096
Show = Callable[[int, int, float], None]
"""Told after each reply: how many there are, of how many, and dollars so far."""


@dataclass(slots=True)
class Repairs:
    """Judges repaired layers by what they do. Opens the laboratory when the first must be run."""

    unsandboxed: bool = False
    _reports: dict[str, ProbeReport] = field(default_factory=dict)
    _laboratory: Laboratory | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def are_right(self, probe: Probe, said: str) -> bool:
        """Return whether a layer with this line passes the probes and computes what it should.

        Raises:
            ReplyError: there is no such line.
            LabError: the lab itself is broken.
        """
        repaired, whole = patched(probe.source, said), patched(probe.source, probe.answer)
        if is_same_program(repaired, whole):
            return True
        if is_same_program(repaired, probe.source):
            return False
        report = self._report(repaired)
        if not report.passed:
            return False
        wanted = self._report(whole)
        return behavioural_distance(report.fingerprint, wanted.fingerprint) <= SAME_BEHAVIOUR

    def close(self) -> None:
        """Close the laboratory, if it was opened."""
        if self._laboratory is not None:
            self._laboratory.close()

    def _report(self, source: str) -> ProbeReport:
        with self._lock:
            if source not in self._reports:
                if self._laboratory is None:
                    self._laboratory = Laboratory(unsandboxed=self.unsandboxed)
                laboratory = self._laboratory
                self._reports[source] = examine(
                    lambda: laboratory.session(PROBE_LIMITS), source, d_model=WIDTH, n_heads=HEADS
                )
            return self._reports[source]


class Sheet:
    """A file of one plan and the replies to it, one JSON object a line."""

    def __init__(self, file: Path) -> None:
        """Read the file, if it is there.

        Raises:
            ConfigError: it is no such file. A last line that was cut off is dropped.
        """
        self.file = file
        self.plan: Plan | None = None
        self.replies: list[Reply] = []
        if file.exists():
            self._read()

    def begin(self, plan: Plan) -> None:
        """Write the plan, or see that it is the one that is there; it may have more questions.

        Raises:
            ConfigError: the file holds another plan.
        """
        known = self.plan or plan
        if known.model_copy(update={"n_items": plan.n_items}) != plan:
            raise ConfigError(
                f"{self.file} holds another sweep (other kinds, efforts, dial or model); say "
                "--into with another folder, or move the file away"
            )
        if self.plan is None or plan.n_items > self.plan.n_items:
            self.plan = plan
            self._write()

    def add(self, reply: Reply) -> None:
        """Append a reply."""
        self.replies.append(reply)
        with self.file.open("a", encoding="utf-8") as opened:
            opened.write(reply.model_dump_json() + "\n")

    def _read(self) -> None:
        try:
            text = self.file.read_text("utf-8")
            lines = [line[:LONGEST_LINE] for line in text.split("\n") if line.strip()]
            self.plan = Plan.model_validate_json(lines[0])
            whole = lines[1:] if text.endswith("\n") else lines[1:-1]
            self.replies = [Reply.model_validate_json(line) for line in whole]
        except (OSError, UnicodeDecodeError, IndexError, ValidationError) as error:
            first = str(error).splitlines()[0]
            raise ConfigError(f"{self.file} is no file of probes: {first}") from error
        if not text.endswith("\n"):
            self._write()

    def _write(self) -> None:
        """Write everything anew, into a file beside it that then takes its place."""
        assert self.plan is not None  # noqa: S101 - narrows a type
        self.file.parent.mkdir(parents=True, exist_ok=True)
        beside = self.file.with_suffix(".part")
        lines = [record.model_dump_json() for record in (self.plan, *self.replies)]
        beside.write_text("\n".join(lines) + "\n", "utf-8")
        beside.replace(self.file)


@dataclass(frozen=True, kw_only=True, slots=True)
class Ending:
    """How a sweep came to its end."""

    n_lost: int
    """Questions that no server answered; they are asked again when the sweep is taken up."""
    reason: str = ""
    """Why it ended early."""


def run_sweep(
    sheet: Sheet,
    desk: Desk,
    repairs: Repairs,
    *,
    workers: int = 4,
    show: Show = lambda *_: None,
) -> Ending:
    """Ask what is still open in a sheet's plan, several questions at once.

    Args:
        sheet: begun; replies are added to it.
        desk: gives the model; see `open_desk`.
        repairs: judges layers.
        workers: questions that are under way at once.
        show: told after each reply.
    """
    assert sheet.plan is not None  # noqa: S101 - narrows a type
    plan, probes = sheet.plan, sheet.plan.probes()
    todo = iter(_open_questions(plan, sheet.replies))
    n_all = plan.n_items * len(plan.efforts)
    n_lost = lost_in_a_row = 0
    dollars = sum(reply.dollars for reply in sheet.replies)
    with ThreadPoolExecutor(max_workers=workers) as pool:

        def ask(question: tuple[int, int]) -> Reply:
            item, level = question
            return put(probes[item], plan, desk, repairs, item=item, level=level)

        try:
            for reply in _in_turn(pool, ask, todo, n=workers):
                if isinstance(reply, Unusable):
                    n_lost, lost_in_a_row = n_lost + 1, lost_in_a_row + 1
                    if lost_in_a_row == MOST_LOST:
                        return Ending(n_lost=n_lost, reason=f"no server answers: {reply}")
                    continue
                lost_in_a_row = 0
                sheet.add(reply)
                dollars += reply.dollars
                show(len(sheet.replies), n_all, dollars)
        except OutOfFunds as error:
            return Ending(n_lost=n_lost, reason=str(error))
    return Ending(n_lost=n_lost)


def open_desk(
    plan: Plan, config: TeamConfig, allowance: Allowance, *, make_model: MakeModel | None = None
) -> Desk:
    """Return a desk that asks each question at the effort of its plan."""

    def choose(question: EffortQuestion) -> Effort:
        return plan.efforts[question.index % len(plan.efforts)]

    return Desk(
        config, MemoryClerk(), allowance=allowance, make_model=make_model, choose_effort=choose
    )


def put(probe: Probe, plan: Plan, desk: Desk, repairs: Repairs, *, item: int, level: int) -> Reply:
    """Put one question, and judge the reply.

    Raises:
        Unusable: the server did not answer; nothing is known.
        OutOfFunds: a limit is reached.
    """
    seat = desk.seat(plan.role, index=item * len(plan.efforts) + level)
    question = Question(instructions=INSTRUCTIONS, prompt=probe.prompt, output=str, purpose="probe")
    said, problem, right = "", "", False
    try:
        said = read_answer(probe, seat.ask(question).output)
        judged = is_right(probe, said)
        right = repairs.are_right(probe, said) if judged is None else judged
    except Unusable as error:
        if error.outcome not in AT_FAULT:
            raise
        problem = f"{error.outcome}: {error}"
    except ReplyError as error:
        problem = str(error)
    used = _used(desk, seat.index)
    return Reply(
        item=item,
        level=level,
        is_right=right,
        is_lured=bool(said) and not right and is_lured(probe, said),
        said=said[:400],
        problem=problem[:400],
        tokens=sum(event.output_tokens for event in used),
        dollars=sum(event.dollars for event in used),
    )


def _used(desk: Desk, index: int) -> list[ModelCalled]:
    clerk = desk.clerk
    assert isinstance(clerk, MemoryClerk)  # noqa: S101 - `open_desk` made it
    return [e for e in list(clerk.events) if isinstance(e, ModelCalled) and e.index == index]


def _open_questions(plan: Plan, replies: Sequence[Reply]) -> list[tuple[int, int]]:
    """Return (item, level) of what is still to ask: item by item, its efforts in random order."""
    known = {(reply.item, reply.level) for reply in replies}
    rng = random.Random(f"order/{plan.seed}")  # noqa: S311 - a seeded order, no secret
    levels = range(len(plan.efforts))
    order = [(i, level) for i in range(plan.n_items) for level in rng.sample(levels, len(levels))]
    return [question for question in order if question not in known]


def _in_turn(
    pool: ThreadPoolExecutor,
    ask: Callable[[tuple[int, int]], Reply],
    todo: Iterator[tuple[int, int]],
    *,
    n: int,
) -> Iterator[Reply | Unusable]:
    """Yield replies as they come; at most n questions are under way.

    A request sets aside the most that it can cost, so several at once may meet a limit that one
    alone would not: then fewer are under way.

    Raises:
        OutOfFunds: not even one more may be asked; everything that was paid has been yielded.
    """
    under_way: dict[Future[Reply], tuple[int, int]] = {}
    refused: list[tuple[int, int]] = []
    while True:
        while len(under_way) < n:
            question = refused.pop() if refused else next(todo, None)
            if question is None:
                break
            under_way[pool.submit(ask, question)] = question
        if not under_way:
            return
        done, _ = wait(under_way, return_when=FIRST_COMPLETED)
        for future in done:
            question = under_way.pop(future)
            try:
                yield future.result()
            except Unusable as error:
                yield error
            except OutOfFunds:
                if n == 1:
                    raise
                refused.append(question)
                n -= 1
