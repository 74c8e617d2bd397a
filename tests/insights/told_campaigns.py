"""Campaigns for the report's tests, told directly in events."""

from __future__ import annotations

import random

from move37.core.candidate import Candidate, Idea, Prediction
from move37.core.claims import Effect, Fitness, Verdict, VerdictKind
from move37.core.config import CampaignConfig, TaskSetting
from move37.core.events import (
    CampaignStarted,
    CandidateProposed,
    Event,
    LessonWritten,
    NoveltyJudged,
    ProbesRan,
    RootAdded,
    SessionClosed,
    SessionOpened,
    TrialFinished,
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

TASKS = (
    TaskSetting(name="recall", rows=4, metric="nats", noise=0.05),
    TaskSetting(name="text", rows=4, metric="nats", noise=0.05),
)
"""As in preset `tiny`, which `opening` names."""
FRESH = (101, 102, 103, 104)
EXPLORED, PROMOTED = VerdictKind.EXPLORED, VerdictKind.PROMOTED


def layer(name: str, *parents: str, source: str = "") -> Candidate:
    """A candidate with a name and, unless given, a source of its own."""
    idea = Idea(
        name=name,
        motivation=f"why {name}",
        mechanism=f"how {name}",
        predictions=(Prediction(task="recall", effect=0.5),),
    )
    return Candidate.of(source or f"class Mixer: ...  # {name!a}\n", idea, parents=parents)


BASELINE, OPPONENT = layer("linear_attention"), layer("deltanet")


def opening(*, sandboxed: bool = True, stored: str = "", **changes: object) -> list[Event]:
    """Everything before the search: start, session, baseline, one opponent.

    `stored` is the preset in the ledger; "" as in ledgers of older versions.
    """
    values: dict[str, object] = {"name": "first", "preset": "tiny", "opponents": ("deltanet",)}
    config = CampaignConfig.model_validate({**values, **changes})
    return [
        CampaignStarted(
            name=config.name, config=config.model_dump_json(), version="0.1.0",
            machine={"system": "Linux", "cores": "2"}, sandboxed=sandboxed, preset=stored,
        ),
        SessionOpened(driver="here:1", sandboxed=sandboxed, budget_seconds=480.0),
        RootAdded(candidate=OPPONENT, role="opponent"),
        RootAdded(candidate=BASELINE, role="root"),
    ]  # fmt: skip


def trial(
    candidate: Candidate, seed: int, nats: float, *, stage: Stage = Stage.CONFIRM, cpu: float = 2.0
) -> TrialFinished:
    """A completed trial with the same loss on both tasks, and a falling curve."""
    scores = {t.name: TaskScore(nats=nats, accuracy=0.5, n_answers=9) for t in TASKS}
    cost = Cost(
        cpu_seconds=cpu, wall_seconds=cpu, peak_memory_bytes=1, n_parameters=31_987,
        ffn_width=64, tokens=1000,
    )  # fmt: skip
    curve = tuple((step, nats + 2 / (1 + step / 5)) for step in range(0, 25, 2))
    return TrialFinished(
        index=0,
        trial=Trial(
            spec=TrialSpec(candidate_id=candidate.id, stage=stage, rung=1, seed=seed),
            outcome=Outcome.COMPLETED,
            measurement=Measurement(scores=scores, cost=cost, curve=curve),
        ),
    )


def failed(
    candidate: Candidate, outcome: Outcome, reason: str, *, seed: int = 1,
    stage: Stage = Stage.SEARCH,
) -> TrialFinished:  # fmt: skip
    """A trial that ended without numbers."""
    rung = 1 if stage is Stage.CONFIRM else 0
    spec = TrialSpec(candidate_id=candidate.id, stage=stage, rung=rung, seed=seed)
    return TrialFinished(index=0, trial=Trial(spec=spec, outcome=outcome, reason=reason))


def effect(mean: float, half: float = 0.5, n: int = 4) -> Effect:
    """An effect with a symmetric interval."""
    return Effect(mean=mean, low=mean - half, high=mean + half, n_pairs=n)


def verdict(
    candidate: Candidate, kind: VerdictKind, found: Effect | None, *, reason: str = "because",
    e_value: float | None = None, level: float | None = None,
    index: int = 0,
) -> VerdictReached:  # fmt: skip
    """A verdict; with a level it is a test on fresh seeds."""
    fitness = Fitness(value=0.5, effect_part=0.5, task_part=0.5, judge_part=0.5)
    return VerdictReached(
        index=index,
        candidate_id=candidate.id,
        verdict=Verdict(
            kind=kind, reason=reason, effect=found, e_value=e_value, level=level,
            task_effects={t.name: found for t in TASKS} if found else None,
            baseline=BASELINE.id, seeds=FRESH if level else (1,),
        ),
        fitness=fitness if found and level is None else None,
    )  # fmt: skip


def searched(
    candidate: Candidate, mean: float, *, kind: VerdictKind = EXPLORED, lesson: str = "a lesson",
    edits: dict[str, float] | None = None,
) -> list[Event]:  # fmt: skip
    """A candidate that went through the search."""
    report = ProbeReport(
        outcome=Outcome.COMPLETED,
        verdicts=(ProbeVerdict(name="causality", passed=True, breach=1e-9, limit=1e-6),),
        state_bytes=4352,
    )
    return [
        CandidateProposed(index=0, candidate=candidate, operator="mutate:decay"),
        NoveltyJudged(index=0, candidate_id=candidate.id, is_novel=True, nearest="", reason=""),
        ProbesRan(index=0, candidate_id=candidate.id, report=report),
        trial(candidate, 1, 2.0 - mean * 0.05, stage=Stage.SEARCH),
        verdict(candidate, kind, effect(mean, 1.0, 1)),
        LessonWritten(index=0, candidate_id=candidate.id, text=lesson, prediction_held=True,
                      credits=edits or {"add:decay": mean / 4}),
    ]  # fmt: skip


def rejected(candidate: Candidate, outcome: Outcome, reason: str) -> list[Event]:
    """A candidate whose training failed."""
    return [
        CandidateProposed(index=0, candidate=candidate, operator="crossover"),
        failed(candidate, outcome, reason),
        verdict(candidate, VerdictKind.REJECTED, None, reason=reason),
    ]


def fresh_losses(candidate: Candidate, nats: tuple[float, ...]) -> list[Event]:
    """Trials on the fresh seeds."""
    return [trial(candidate, s, x, cpu=3.0) for s, x in zip(FRESH, nats, strict=False)]


BASELINE_NATS = (2.00, 2.04, 1.97, 2.02)
WINNER_NATS = (1.80, 1.82, 1.78, 1.81)
OPPONENT_NATS = (1.79, 1.84, 1.77, 1.80)
CONFIRMED_EFFECT = Effect(mean=4.1, low=3.29, high=4.91, n_pairs=4)


def closing(seconds: float = 400.0) -> list[Event]:
    """The session's end."""
    return [SessionClosed(driver="here:1", reason="budget", wall_seconds=seconds)]


def confirmed(
    winner: Candidate, found: Effect = CONFIRMED_EFFECT, *, in_search: float = 5.5,
    nats: tuple[float, ...] = WINNER_NATS,
) -> list[Event]:  # fmt: skip
    """A candidate that was found, tested, and held up."""
    return [
        *searched(winner, in_search, kind=PROMOTED, lesson="decay helps recall"),
        *fresh_losses(BASELINE, BASELINE_NATS),
        *fresh_losses(winner, nats),
        verdict(winner, VerdictKind.CONFIRMED, found, e_value=210.0, level=0.0304,
                reason="e-value 210 on 4 fresh seeds reaches 32.9"),
    ]  # fmt: skip


def winning(name: str = "decayed delta") -> list[Event]:
    """A campaign with one layer in the gallery and its opponent trained."""
    winner = layer(name, BASELINE.id)
    return [
        *opening(),
        *confirmed(winner),
        *fresh_losses(OPPONENT, OPPONENT_NATS),
        *closing(),
    ]


def long_campaign(n: int, *, seed: int = 0) -> list[Event]:
    """A campaign with every kind of ending, `n` candidates and a chain of ancestors."""
    draw = random.Random(seed)
    events = opening()
    events += [trial(BASELINE, 1, 2.0, stage=Stage.SEARCH)]
    line, level, best = BASELINE.id, 0.0, BASELINE.id
    for k in range(n):
        parents = (line,) if k % 3 else (line, best)
        candidate = layer(f"gated decay {k}", *dict.fromkeys(parents))
        if draw.random() < 0.2:
            outcome = draw.choice([Outcome.CRASHED, Outcome.DIVERGED, Outcome.OUT_OF_TIME])
            events += rejected(candidate, outcome, f"{outcome} at step {k}: loss 1e9 > limit")
            continue
        mean = draw.gauss(level - 1.0, 1.6) - (12 if draw.random() < 0.05 else 0)
        kind = PROMOTED if mean > level + 0.3 else EXPLORED
        edits = {draw.choice(["add:decay", "add:gate", "drop:norm", "widen:conv"]): mean / 5}
        events += searched(candidate, mean, kind=kind, edits=edits)
        if kind is PROMOTED:
            best, line, level = line, candidate.id, max(level, mean * 0.5)
            if k % 2:
                fresh, why = effect(mean * 0.3, 1.4), "not confirmed: e-value 1.3"
                events += [verdict(candidate, EXPLORED, fresh, e_value=1.3, level=0.03, reason=why)]
    events += confirmed(layer("delta rule with <slow> decay", line, best))
    return [*events, *fresh_losses(OPPONENT, OPPONENT_NATS), *closing()]
