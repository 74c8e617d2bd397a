"""Records and a scripted seat for tests of the llm members."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from move37.core.candidate import Candidate, Element, Idea, Prediction
from move37.core.claims import Effect
from move37.core.errors import ReplyError
from move37.core.trial import Outcome
from move37.lab.references import reference_candidate, reference_source
from move37.team.llm.prompting import Prompt
from move37.team.llm.seat import Tool
from move37.team.protocols import KnownCandidate

T = TypeVar("T")


class ScriptedSeat:
    """Replies in order; the last is repeated; gives up after three that cannot be read."""

    def __init__(self, *replies: str, label: str = "scripted:one") -> None:
        self.label = label
        self.replies = list(replies)
        self.prompts: list[Prompt] = []
        self.complaints: list[str] = []
        self.tools: Sequence[Tool] = ()

    def ask(self, prompt: Prompt, read: Callable[[str], T], *, tools: Sequence[Tool] = ()) -> T:
        self.prompts.append(prompt)
        self.tools = tools
        for _ in range(3):
            reply = self.replies.pop(0) if len(self.replies) > 1 else self.replies[0]
            try:
                return read(reply)
            except ReplyError as error:
                self.complaints.append(str(error))
        raise ReplyError(self.complaints[-1])

    def __call__(self, index: int) -> ScriptedSeat:
        return self


def effect(mean: float, half: float = 0.3, n: int = 3) -> Effect:
    return Effect(mean=mean, low=mean - half, high=mean + half, n_pairs=n)


def known(name: str, *, mean: float | None = None, **more: object) -> KnownCandidate:
    """A reference mixer, measured or not."""
    return measured(reference_candidate(name), mean=mean, **more)


def measured(candidate: Candidate, *, mean: float | None = None, **more: object) -> KnownCandidate:
    if mean is None:
        return KnownCandidate(candidate=candidate, **more)  # type: ignore[arg-type]
    return KnownCandidate(
        candidate=candidate,
        combined=effect(mean),
        effects={"recall": effect(mean + 0.2), "text": effect(mean - 0.2)},
        outcome=Outcome.COMPLETED,
        **more,  # type: ignore[arg-type]
    )


def child(
    source: str,
    *,
    parent: Candidate,
    elements: Sequence[str] = (),
    predictions: Sequence[Prediction] = (),
    author: str = "scripted:one",
) -> Candidate:
    """A model's candidate."""
    idea = Idea(
        name="two-rate memory",
        motivation="The memory forgets at one rate only, so old and new compete.",
        mechanism="S = diag(a) S + k v^T with two rates",
        elements=tuple(Element(name=e) for e in elements),
        predictions=tuple(predictions),
    )
    return Candidate.of(source, idea, parents=(parent.id,), author=author)


def layer(name: str = "gla", *, note: str = "") -> str:
    """A layer that works, made another one by a note."""
    return reference_source(name) + (f"\nNOTE = {note!r}\n" if note else "")
