"""Hypothesis strategies for events, read off the annotations: new fields are covered too."""

from __future__ import annotations

import dataclasses
import types
import typing
from enum import StrEnum

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from move37.core.candidate import Candidate, Idea
from move37.core.claims import Fitness, TaskFloor
from move37.core.events import (
    AlarmRaised,
    CallEnded,
    CallJudged,
    DatasetExported,
    DiversityStated,
    EdgeDecided,
    Event,
    FamilyQuarantined,
    JudgementRevised,
    ModelCalled,
    NoiseMeasured,
    ProposalFailed,
    QuarantineLifted,
    RecordImported,
)
from move37.core.trial import Outcome, Trial
from move37.memory.codec import KINDS
from move37.testing.store_contract import candidate, journey, opening

FLOATS = st.floats(allow_nan=False, allow_infinity=False)
TEXT = st.text(max_size=8)  # without surrogates, with null bytes


def of_type(annotation: object) -> SearchStrategy[typing.Any]:
    """A strategy for any annotation that core uses."""
    simple = {int: st.integers(-(2**62), 2**62), float: FLOATS, str: TEXT, bool: st.booleans()}
    if annotation in simple:
        return simple[annotation]
    origin, args = typing.get_origin(annotation), typing.get_args(annotation)
    if origin in (types.UnionType, typing.Union):
        return st.one_of(*(st.none() if a is type(None) else of_type(a) for a in args))
    if origin is tuple and args[1:] == (Ellipsis,):
        return st.lists(of_type(args[0]), max_size=3).map(tuple)
    if origin is tuple:
        return st.tuples(*map(of_type, args))
    if origin is dict:
        return st.dictionaries(TEXT, of_type(args[1]), max_size=3)
    assert isinstance(annotation, type)
    if issubclass(annotation, StrEnum):
        return st.sampled_from(annotation)
    return records(annotation)


def records(kind: type) -> SearchStrategy[typing.Any]:
    """A strategy for any record of core."""
    hints = typing.get_type_hints(kind)
    names = {f.name: of_type(hints[f.name]) for f in dataclasses.fields(kind)}
    if kind is Trial:
        measured = names.pop("measurement")
        outcome = names.pop("outcome").filter(lambda o: o is not Outcome.COMPLETED)
        some = measured.filter(lambda m: m is not None)
        done = st.builds(kind, outcome=st.just(Outcome.COMPLETED), measurement=some, **names)
        return st.one_of(done, st.builds(kind, outcome=outcome, **names))
    return st.builds(kind, **names)


def asking() -> list[Event]:
    """A conversation with a language model, and a proposal that came to nothing: later kinds."""
    floor = TaskFloor(task="text", rung=0, deviation=0.1, low=0.05, high=0.4, n_replicates=3)
    noise = NoiseMeasured(baseline="b", key="k", floors=(floor,))
    said = ModelCalled(
        index=0,
        call_id="0-researcher-0",
        role="researcher",
        turn=0,
        model="openai:gpt",
        served_by="gpt-1",
        family="gpt",
        effort="low",
        outcome="replied",
        reason="",
        input_tokens=900,
        cached_tokens=0,
        output_tokens=80,
        reasoning_tokens=20,
        dollars=0.0125,
        is_priced=True,
        seconds=1.5,
        key="aa",
        request="bb",
        reply="cc",
    )
    whose = {"index": 0, "call_id": said.call_id, "role": said.role}
    ended = CallEnded(
        **whose, model=said.model, effort="low", outcome="answered", reason="", n_requests=1
    )
    judged = CallJudged(**whose, measure="probes_passed", success=False)
    published = RecordImported(index=0, candidate_id=candidate("fixed 0").id, label="17", score=1.5)
    guards = [
        DiversityStated(level="full", groups=(("a",), ("b",)), reason=""),
        EdgeDecided(
            index=0, producer="a", consumer="b", kind="judging", allowed=False, reason="related"
        ),
        AlarmRaised(
            index=0, guard="canary", role="judge", model="b", evidence=40.0, reason="found"
        ),
        FamilyQuarantined(index=0, family="b", reason="found", by="canary"),
        JudgementRevised(
            index=1,
            candidate_id=candidate("fixed 0").id,
            how="left_out",
            quality=None,
            votes={},
            dropped={"b": 0.9},
            reason="b is quarantined",
            fitness=Fitness(value=0.25, effect_part=0.5, task_part=0.25, judge_part=0.0),
        ),
        QuarantineLifted(index=1, family="b", reason="a false alarm"),
        DatasetExported(student="a", rows={"instruction": 3}, refused={"b": 1}, manifest="dd"),
    ]
    rest = [ProposalFailed(index=1, reason="only prose"), published, noise]
    return [said, ended, judged, *guards, *rest]


def any_events() -> SearchStrategy[Event]:
    """One event of any kind, with any content."""
    return st.sampled_from(sorted(KINDS)).flatmap(lambda name: records(KINDS[name]))


@st.composite
def histories(draw: st.DrawFn) -> list[Event]:
    """A campaign of up to five indices, interleaved as threads would, cut off anywhere."""
    n = draw(st.integers(0, 5))
    told = [journey(i, parent=draw(parents(i))) for i in range(n)]
    history = opening()
    while any(told):
        index = draw(st.sampled_from([i for i, rest in enumerate(told) if rest]))
        history.append(told[index].pop(0))
    return history[: draw(st.integers(0, len(history)))]


def parents(index: int) -> SearchStrategy[str]:
    """Anyone who came before, or the root."""
    before = [f"fixed {i}" for i in range(index)]
    return st.sampled_from(["root", *before]).map(lambda name: candidate(name).id)


def layer(source: str, name: str = "layer", *parents: str) -> Candidate:
    """A candidate with this source."""
    return Candidate.of(source, Idea(name=name, motivation="", mechanism=""), parents=parents)
