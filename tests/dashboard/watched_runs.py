"""A small campaign told in events, some of whose texts want to be markup."""

from __future__ import annotations

import time
from pathlib import Path

from move37.campaign.folder import RunFolder
from move37.core.candidate import Candidate, Element, Idea, Origin, Prediction
from move37.core.claims import Effect, Fitness, Verdict, VerdictKind
from move37.core.config import CampaignConfig
from move37.core.events import (
    CampaignStarted,
    CandidateProposed,
    CandidateStarted,
    CardsRead,
    Event,
    LessonWritten,
    ModelCalled,
    ProbesRan,
    RootAdded,
    SessionOpened,
    TrialFinished,
    TrialStarted,
    VerdictReached,
)
from move37.core.trial import (
    Cost,
    Measurement,
    Outcome,
    ProbeReport,
    ProbeVerdict,
    Stage,
    TaskScore,
    Trial,
    TrialSpec,
)
from move37.dashboard.project import Overview
from move37.dashboard.reader import Reader
from move37.dashboard.watched import Watch
from move37.memory.ledger import Ledger

SCRIPT = "<script>window.stolen=1</script><img src=x onerror='window.stolen=1'>"
OUTSIDE = "<link rel=stylesheet href=http://evil.example/x.css>"


def layer(name: str, *parents: str, text: str = "why") -> Candidate:
    """A candidate whose every text holds `text`."""
    idea = Idea(
        name=name,
        motivation=text,
        mechanism=text,
        elements=(Element(name=text, origin=Origin.CARD, source=text),),
        predictions=(Prediction(task="recall", effect=0.5),),
    )
    return Candidate.of(
        f"class Mixer:\n    # {text}\n    name = {name!r}\n", idea, parents=parents, author=text
    )


BASELINE = layer("linear_attention")


def opening(name: str = "first") -> list[Event]:
    """Everything before the search."""
    config = CampaignConfig.model_validate({"name": name, "preset": "tiny"})
    return [
        CampaignStarted(
            name=name, config=config.model_dump_json(), version="0.1.0", machine={}, sandboxed=True
        ),
        SessionOpened(driver="here:1", sandboxed=True, budget_seconds=480.0),
        RootAdded(candidate=BASELINE, role="root"),
    ]


def trial(candidate: Candidate, index: int, *, outcome: Outcome = Outcome.COMPLETED) -> Event:
    """One search trial."""
    spec = TrialSpec(candidate_id=candidate.id, stage=Stage.SEARCH, rung=0, seed=1)
    cost = Cost(
        cpu_seconds=2.0, wall_seconds=2.0, peak_memory_bytes=1, n_parameters=9, ffn_width=1,
        tokens=9,
    )  # fmt: skip
    measurement = Measurement(
        scores={"recall": TaskScore(nats=2.0, accuracy=0.5, n_answers=9)}, cost=cost,
        curve=((0, 4.0), (10, 2.0)),
    )  # fmt: skip
    is_done = outcome is Outcome.COMPLETED
    reason = "" if is_done else SCRIPT
    return TrialFinished(
        index=index,
        trial=Trial(
            spec=spec, outcome=outcome, reason=reason, measurement=measurement if is_done else None
        ),
    )


def searched(
    candidate: Candidate, index: int, mean: float, *, text: str = "a lesson"
) -> list[Event]:
    """A candidate that was proposed, trained and judged."""
    effect = Effect(mean=mean, low=mean - 1, high=mean + 1, n_pairs=1)
    verdict = Verdict(
        kind=VerdictKind.EXPLORED, reason=text, effect=effect, task_effects={"recall": effect},
        baseline=BASELINE.id,
    )  # fmt: skip
    report = ProbeReport(
        outcome=Outcome.COMPLETED,
        verdicts=(ProbeVerdict(name="causality", passed=True, detail=text),),
    )  # fmt: skip
    fitness = Fitness(value=0.5, effect_part=0.5, task_part=0.5, judge_part=0.5)
    return [
        CandidateStarted(index=index, driver="here:1"),
        CardsRead(index=index, query=text, cards=(text,)),
        CandidateProposed(index=index, candidate=candidate, operator="mutate:decay"),
        ProbesRan(index=index, candidate_id=candidate.id, report=report),
        trial(candidate, index),
        VerdictReached(index=index, candidate_id=candidate.id, verdict=verdict, fitness=fitness),
        LessonWritten(
            index=index, candidate_id=candidate.id, text=text, prediction_held=True, credits={}
        ),
    ]


def confirmed(candidate: Candidate, index: int, mean: float, *, text: str = "it held") -> Event:
    """A verdict on fresh seeds."""
    effect = Effect(mean=mean, low=mean - 0.5, high=mean + 0.5, n_pairs=4)
    verdict = Verdict(
        kind=VerdictKind.CONFIRMED, reason=text, effect=effect, task_effects={"recall": effect},
        e_value=200.0, level=0.03, baseline=BASELINE.id,
    )  # fmt: skip
    return VerdictReached(index=index, candidate_id=candidate.id, verdict=verdict)


def called(index: int, text: str) -> Event:
    """One request to a model."""
    return ModelCalled(
        index=index, call_id="c", turn=0, role="researcher", model=text, served_by=text,
        family=text,
        effort="low", outcome="replied", reason=text, input_tokens=10, cached_tokens=0,
        output_tokens=5, reasoning_tokens=0, dollars=0.01, is_priced=True, seconds=1.0, key="",
        request="", reply="",
    )  # fmt: skip


def training(candidate: Candidate, index: int) -> list[Event]:
    """A candidate whose trial is going on."""
    spec = TrialSpec(candidate_id=candidate.id, stage=Stage.SEARCH, rung=0, seed=7)
    return [
        CandidateStarted(index=index, driver="here:1"),
        CandidateProposed(index=index, candidate=candidate, operator="crossover"),
        TrialStarted(index=index, spec=spec),
    ]


PLAIN = layer("decayed-delta", BASELINE.id)
HOSTILE = layer(f"evil {SCRIPT}{OUTSIDE}", PLAIN.id, text=SCRIPT + OUTSIDE)


def hostile_campaign() -> list[Event]:
    """A campaign with a plain candidate, and one whose every text is markup."""
    return [
        *opening(),
        *searched(PLAIN, 0, 2.0),
        *searched(HOSTILE, 1, 3.0, text=SCRIPT + OUTSIDE),
        confirmed(HOSTILE, 1, 2.5, text=SCRIPT),
        called(1, SCRIPT),
    ]


def write(folder: Path, events: list[Event]) -> Path:
    """Write a run; return its ledger's path."""
    with Ledger.open(folder / "ledger.db", create=True) as ledger:
        ledger.append(*events)
    return folder / "ledger.db"


def seen(tmp_path: Path, events: list[Event], *, later: float = 0.0) -> Overview:
    """Write a campaign and look at it on one screen, `later` seconds from now."""
    write(tmp_path / "first", events)
    reader = Reader(RunFolder(path=tmp_path / "first"))
    try:
        return Watch(reader).overview(now=time.time() + later)
    finally:
        reader.close()
