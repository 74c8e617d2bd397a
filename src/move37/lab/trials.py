"""Run one trial: train in one sandboxed child, score in others, count and measure from outside.

Everything in the result that can be compared between candidates comes from the host: metrics from
the scorer, size from the weights file, time and memory from the kernel. What the child says about
itself (its loss curve) is kept for pictures.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from move37.core.budget import Limits
from move37.core.config import Preset, TaskSetting
from move37.core.trial import Cost, Measurement, Outcome, Stage, TaskScore, Trial, TrialSpec
from move37.lab.data import evaluation_set, training_arrays
from move37.lab.laboratory import Laboratory
from move37.lab.recent import RecentArrays
from move37.lab.scorer import ScoreResult, score
from move37.lab.session import ChildFailed, Exit, Session
from move37.lab.tasks import VOCAB_SIZE
from move37.lab.weights import (
    INITIALISATION,
    MAX_SIZE,
    Origin,
    began_alike,
    count_weights,
    stamp,
)
from move37.lab.wire import Message, WireError

SIZE_TOLERANCE = 0.01
SCORING_SECONDS = 60.0  # assumed: scoring 64 windows a task takes well under a second of work
MEGABYTE = 2**20
GPU_ROOM = {"n_processes": 128, "n_files": 1024, "scratch_bytes": 2**30}
MAX_TRIES = 3  # assumed: a candidate that kills itself costs three trials, not the campaign
Cut = Callable[[Sequence[tuple[int, float]]], tuple[Outcome, str] | None]
"""Takes the training curve so far, (step, loss in nats); says how and why to end the run, or None.
The curve is the candidate's word: it can shorten a run, and never enters a score."""

_drawn = RecentArrays(max_bytes=64 * MEGABYTE)


@dataclass(frozen=True, kw_only=True, slots=True)
class TrialRequest:
    """What to run. Two requests with equal content give equal numbers on one machine."""

    spec: TrialSpec
    source: str
    preset: Preset
    secret: bytes
    """Mixed into the seeds of held-out data; never leaves the host."""
    first_step: int = 0
    snapshot: bytes | None = None
    """Where to go on from; None at step 0."""
    initialisation: str = ""
    """How this training began, as declared when it did; empty: not known."""

    @property
    def last_step(self) -> int:
        """Step of the schedule at which this trial ends."""
        return self.preset.rungs[self.spec.rung].steps

    @property
    def held_back(self) -> tuple[TaskSetting, ...]:
        """Untrained tasks to score beside the others: none in the search."""
        return () if self.spec.stage is Stage.SEARCH else self.preset.held_back


@dataclass(frozen=True, kw_only=True, slots=True)
class TrialResult:
    """A trial and, when it completed, the snapshot its numbers belong to."""

    trial: Trial
    snapshot: bytes = b""


@dataclass(frozen=True, kw_only=True, slots=True)
class _Trained:
    snapshot: bytes
    ffn_width: int
    curve: tuple[tuple[int, float], ...]
    initialisation: str
    exit: Exit


def run_trial(
    laboratory: Laboratory, request: TrialRequest, *, cut: Cut | None = None
) -> TrialResult:
    """Train and score one candidate; every failure of the candidate is an Outcome.

    A child that was killed from outside says nothing about the candidate: the trial begins anew,
    MAX_TRIES times in all.

    Args:
        laboratory: where it runs.
        request: what runs.
        cut: asked after every point of the training curve whether the run shall end there.

    Raises:
        LabError: the laboratory itself is broken.
    """
    for _ in range(MAX_TRIES - 1):
        result, was_killed = _try_trial(laboratory, request, cut)
        if not was_killed:
            return result
    return _try_trial(laboratory, request, cut)[0]


def _try_trial(
    laboratory: Laboratory, request: TrialRequest, cut: Cut | None
) -> tuple[TrialResult, bool]:
    """Return how the trial went, and whether a child of it was killed from outside."""
    try:
        return _train_and_score(laboratory, request, cut), False
    except ChildFailed as failure:
        cost = _partial_cost(request, failure.exit)
        return _failed(request, failure.outcome, failure.reason, cost), failure.was_killed


def _train_and_score(laboratory: Laboratory, request: TrialRequest, cut: Cut | None) -> TrialResult:
    trained = _train(laboratory, request, cut)
    cost = _cost(request, trained)
    trained = _with_origin(request, trained)
    if problem := _size_problem(cost.n_parameters, request.preset.model.n_parameters):
        return _failed(request, Outcome.FORGED, problem, cost)
    result = _score(laboratory, request, trained, request.preset.tasks)
    if result.outcome is not Outcome.COMPLETED:
        return _failed(request, result.outcome, result.reason, cost)
    measurement = Measurement(
        scores={**result.scores, **_untrained_scores(laboratory, request, trained)},
        cost=cost,
        curve=trained.curve,
        initialisation=trained.initialisation,
    )
    trial = Trial(spec=request.spec, outcome=Outcome.COMPLETED, measurement=measurement)
    return TrialResult(trial=trial, snapshot=trained.snapshot)


def _untrained_scores(
    laboratory: Laboratory, request: TrialRequest, trained: _Trained
) -> dict[str, TaskScore]:
    """Score held-back tasks, apart: what nobody was trained on fails no training."""
    if not request.held_back:
        return {}
    try:
        return _score(laboratory, request, trained, request.held_back).scores
    except ChildFailed as failure:
        if failure.was_killed:  # it says nothing about the layer: the trial begins anew
            raise
        return {}


def _score(
    laboratory: Laboratory,
    request: TrialRequest,
    trained: _Trained,
    tasks: tuple[TaskSetting, ...],
) -> ScoreResult:
    return score(
        lambda: _open_answerer(laboratory, request, trained),
        [
            evaluation_set(
                setting,
                length=request.preset.training.length,
                stage=request.spec.stage,
                seed=request.spec.seed,
                secret=request.secret,
            )
            for setting in tasks
        ],
        secret=_cut_secret(request),
    )


def _train(laboratory: Laboratory, request: TrialRequest, cut: Cut | None) -> _Trained:
    preset = request.preset
    inputs_SBT, targets_SBT = _training_arrays(request)
    message = Message(
        kind="train",
        fields={
            "source": request.source,
            "shape": _shape(preset),
            "n_parameters": preset.model.n_parameters,
            "recipe": preset.training.recipe(),
            "seed": request.spec.seed,
            "first_step": request.first_step,
        },
        arrays={"inputs": inputs_SBT, "targets": targets_SBT},
        blobs={"snapshot": request.snapshot} if request.snapshot else {},
    )
    with laboratory.session(_limits(preset, preset.trial_seconds)) as session:
        session.tell(message)
        reply = session.listen(preset.trial_seconds)
        points: list[tuple[int, float]] = []
        while reply.kind == "progress":
            points += _progress(reply, request, points)
            if cut and (end := cut(points)):
                outcome, reason = end
                raise ChildFailed(outcome, reason, session.close())
            reply = session.listen(preset.trial_seconds)
        return _read_trained(reply, session, request)


def _training_arrays(request: TrialRequest) -> tuple[np.ndarray, ...]:
    preset, seed = request.preset, request.spec.seed
    first, last = request.first_step, request.last_step
    return _drawn.get(
        (preset.model_dump_json(), seed, first, last),
        lambda: training_arrays(
            preset.tasks, preset.training, seed=seed, first_step=first, last_step=last
        ),
    )


def _read_trained(reply: Message, session: Session, request: TrialRequest) -> _Trained:
    """Take the reply apart; anything else than an honest trainer's reply is a forgery."""
    match reply:
        case Message(
            kind="trained",
            fields={
                "ffn_width": int(ffn_width),
                "curve": list(raw_curve),
                "initialisation": str(initialisation),
            },
            blobs={"snapshot": bytes(snapshot)},
        ) if 0 < ffn_width <= MAX_SIZE and INITIALISATION.fullmatch(initialisation):
            return _Trained(
                snapshot=snapshot,
                ffn_width=ffn_width,
                curve=_curve(raw_curve, request),
                initialisation=initialisation,
                exit=session.close(),
            )
    raise ChildFailed(
        Outcome.FORGED, f"expected the reply 'trained', got {reply.kind!r:.80}", session.close()
    )


def _with_origin(request: TrialRequest, trained: _Trained) -> _Trained:
    """Write whose weights they are into the file; what goes on must have begun where it says."""
    if not began_alike(request.initialisation, trained.initialisation):
        raise ChildFailed(
            Outcome.CRASHED,
            f"the initial weights are {trained.initialisation:.12}, at the rung below they were "
            f"{request.initialisation:.12}: one source and seed must give one start; draw initial "
            "weights from torch's generator only",
            trained.exit,
        )
    origin = Origin(
        candidate_id=request.spec.candidate_id,
        initialisation=request.initialisation or trained.initialisation,
    )
    try:
        snapshot = stamp(trained.snapshot, origin)
    except WireError as error:
        raise ChildFailed(Outcome.FORGED, str(error), trained.exit) from error
    return replace(trained, snapshot=snapshot, initialisation=origin.initialisation)


def _progress(
    message: Message, request: TrialRequest, points: list[tuple[int, float]]
) -> list[tuple[int, float]]:
    """Return the point of a progress message; nothing where it is no later step with a number."""
    before = points[-1][0] if points else request.first_step
    match message.fields:
        case {"step": int(step), "loss": float(loss)} if math.isfinite(loss):
            return [(step, loss)] if before < step <= request.last_step else []
    return []


def _curve(raw: list, request: TrialRequest) -> tuple[tuple[int, float], ...]:
    """Return the points that lie in this training and come in order; the rest is no curve."""
    points: list[tuple[int, float]] = []
    last = request.first_step
    for point in raw[:10_000]:
        match point:
            case [int(step), float(loss)] if last < step <= request.last_step:
                if math.isfinite(loss):
                    points.append((step, loss))
                    last = step
    return tuple(points)


def _open_answerer(laboratory: Laboratory, request: TrialRequest, trained: _Trained) -> Session:
    session = laboratory.session(_limits(request.preset, SCORING_SECONDS))
    ready = session.ask(
        Message(
            kind="answer",
            fields={
                "source": request.source,
                "shape": {**_shape(request.preset), "ffn_width": trained.ffn_width},
                "device": request.preset.training.device,
            },
            blobs={"weights": trained.snapshot},
        ),
        timeout_seconds=SCORING_SECONDS,
    )
    if ready.kind != "ready":
        raise ChildFailed(
            Outcome.FORGED, f"expected the reply 'ready', got {ready.kind!r:.80}", session.close()
        )
    return session


def _limits(preset: Preset, seconds: float) -> Limits:
    memory_bytes = preset.memory_megabytes * MEGABYTE
    limits = Limits(wall_seconds=seconds, cpu_seconds=seconds, memory_bytes=memory_bytes)
    # a driver and compilers take threads, and keep what they compiled in thousands of small files
    return limits if preset.training.device == "cpu" else replace(limits, **GPU_ROOM)


def _cut_secret(request: TrialRequest) -> bytes:
    """Return a secret of this trial alone: one breach shown says nothing about other cuts."""
    return hashlib.sha256(request.secret + repr(request.spec).encode()).digest()


def _shape(preset: Preset) -> dict[str, int]:
    shape = preset.model.model_dump(exclude={"n_parameters"})
    return {**shape, "vocab_size": VOCAB_SIZE}


def _size_problem(n_parameters: int, target: int) -> str:
    if abs(n_parameters - target) <= SIZE_TOLERANCE * target:
        return ""
    return (
        f"the weights file holds {n_parameters} numbers; everyone has {target} "
        f"within {SIZE_TOLERANCE:.0%}"
    )


def _cost(request: TrialRequest, trained: _Trained) -> Cost:
    try:
        n_parameters = count_weights(trained.snapshot)
    except WireError as error:
        raise ChildFailed(Outcome.FORGED, str(error), trained.exit) from error
    return Cost(
        cpu_seconds=trained.exit.cpu_seconds,
        wall_seconds=trained.exit.wall_seconds,
        peak_memory_bytes=trained.exit.peak_memory_bytes,
        n_parameters=n_parameters,
        ffn_width=trained.ffn_width,
        tokens=request.preset.n_tokens(request.first_step, request.last_step),
        device=request.preset.training.device,
    )


def _partial_cost(request: TrialRequest, exit_: Exit | None) -> Cost | None:
    if exit_ is None:
        return None
    return Cost(
        cpu_seconds=exit_.cpu_seconds,
        wall_seconds=exit_.wall_seconds,
        peak_memory_bytes=exit_.peak_memory_bytes,
        n_parameters=0,
        ffn_width=0,
        tokens=0,
        device=request.preset.training.device,
    )


def _failed(request: TrialRequest, outcome: Outcome, reason: str, cost: Cost | None) -> TrialResult:
    trial = Trial(spec=request.spec, outcome=outcome, reason=reason, cost=cost)
    return TrialResult(trial=trial)
