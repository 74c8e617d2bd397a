"""Blind scoring: held-out scores that a hostile layer can spoil but not improve.

The scorer owns the windows and computes every number. It talks to two children, each fresh, each
with class and weights, neither with a way to reach the other:

    A  gets every window true up to a secret cut, with foreign tokens behind it;
    B  gets the true windows, in another order and company, and some of them twice.

Both are asked at the graded positions only: elsewhere nothing can be gained. Before the cut both
must have answered alike, position `cut - 1` included, whose next token is foreign for A and true
for B. The metrics come from B; what A said at `cut - 1` is honest by
construction and stands beside them (`CutScore`; a Trial keeps the metrics only). No child ever
holds both versions of a window, and the cut is told to none.

Why evasions fail, in the order a clever author would try them:

- *Look ahead, by one token or many.* At `cut - 1` B has the true next token in reach and A has not.
  To agree, A would need it, or B must not use it; and B does not know where the cut is.
- *Guess the phase.* A may notice the seam and behave. That helps nothing: B's answers before the
  cut are then compared with honest ones, and differ wherever B did not behave.
- *Cheat rarely.* Every answer that leans on what follows is found with the probability that the cut
  falls there, and cuts are drawn evenly over the graded positions. A cheat that lifts the score
  over N windows by G nats, D nats per answer it touches, escapes with probability exp(-N G / D) or
  less: the more it gains, the surer it is caught.
- *Cheat only late,* where few cuts are behind. The same bound: the share of late answers is the
  share of cuts that expose them. Behind the last position nothing follows.
- *Cheat below the tolerance.* A single gap may be as large as rounding, relative to the spread of
  log-probabilities; the spread is bounded, so it cannot be stretched. The mean gain of B over A at
  the cuts is tested besides (BIAS_LIMIT_NATS): rounding has no direction, cheating has.
- *Remember earlier calls,* or learn from them: order and company differ between A and B, and some
  windows come twice to B. Answers that depend on what was asked before contradict themselves.
- *Mix the rows of a batch:* company differs between A and B, and size between first and second ask.
- *Answer garbage:* another message is FORGED, a wrong shape or dtype CRASHED, a number that is not
  finite DIVERGED: no score either way.

Residual. (1) The bound above: with 64 windows, a gain of 0.01 nats from answers worth 2 nats each
escapes 7 times in 10 in one trial, once in 13 over the eight trials of a confirmation. (2) A next
token that is the same in the foreign row hides nothing; text agrees by luck at one position in 15.
(3) Windows of text may overlap (one pair in three sets of 64) and be remembered for it. (4) A
layer that is discontinuous (hard routing) can be failed by rounding at a tie; main asks of A and B
have one shape, so that rounding repeats. What the weights learnt from training data is fair game.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from move37.core.errors import ConfigError
from move37.core.trial import Outcome
from move37.lab.blind import Window, draw_asks, prepare_windows
from move37.lab.data import EvaluationSet, stream
from move37.lab.metrics import disagreement, log_probabilities, nats_and_hits
from move37.lab.scores import Forged, ScoreResult, conclude, refused
from move37.lab.tasks import VOCAB_SIZE
from move37.lab.wire import Message

AGREEMENT_LIMIT = 1e-3
"""Gap between two answers to one prefix, in spreads of log-probability. Measured on 14 reference
mixers: 0 between batches on a CPU; float32 is 3e-5 nats from float64, at a spread of 4 or more."""
BATCH_ROWS = 32
MAX_REPLY_BYTES = 64 * 2**20
REPEATED_SHARE = 1 / 16


class Answerer(Protocol):
    """A child that has class and weights and is ready to be asked, such as a `Session`."""

    def ask(self, message: Message, *, timeout_seconds: float) -> Message:
        """Send and wait for the reply; raises when the child dies or is late."""
        ...


class _NoScoreError(Exception):
    """Carries the result out of the conversation with a child."""

    def __init__(self, result: ScoreResult) -> None:
        super().__init__(result.reason)
        self.result = result


def score(
    open_answerer: Callable[[], AbstractContextManager[Answerer]],
    evaluation_sets: Sequence[EvaluationSet],
    *,
    secret: bytes,
    vocab_size: int = VOCAB_SIZE,
    timeout_seconds: float = 60.0,
) -> ScoreResult:
    """Score a candidate on held-out windows; two children are opened, one after the other.

    Args:
        open_answerer: opens a fresh child, ready to be asked.
        evaluation_sets: one per task.
        secret: cuts, order and company follow from it and the windows. Mix in something of the
            trial (a digest of the weights), so that evidence from one trial says nothing about the
            cuts of the next.
        vocab_size: above 4096 a sample of each window's positions is scored.
        timeout_seconds: for one reply.

    Returns:
        Scores with standard errors over windows; or an Outcome that says why there are none.

    Raises:
        ConfigError: see `prepare_windows`; or two sets of one name.
        ValueError: no evaluation set.
        Whatever `open_answerer` and `ask` raise when a child dies or is late.
    """
    _check_names([held_out.name for held_out in evaluation_sets])
    shown = hashlib.sha256(b"".join(s.inputs_BT.tobytes() for s in evaluation_sets)).digest()
    rng = stream("score", secret, shown)
    windows = prepare_windows(evaluation_sets, vocab_size=vocab_size, rng=rng)
    examiner = _Examiner(windows, vocab_size, timeout_seconds, rng)
    try:
        with open_answerer() as child:
            before_cut = examiner.ask_foreign(child)
        with open_answerer() as child:
            nats, hits = examiner.ask_true(child, before_cut)
    except _NoScoreError as refusal:
        return refusal.result
    return conclude(windows, nats, hits, [answer.cut_nats for answer in before_cut])


@dataclass(frozen=True, slots=True)
class _BeforeCut:
    """Child A's answers to one window."""

    log_probabilities: np.ndarray
    """(positions before the cut, V)."""
    cut_nats: float
    """At cut - 1; NaN where nothing is graded there."""


@dataclass(frozen=True, slots=True)
class _Answer:
    """What a child said about one window, at its P graded positions."""

    log_probabilities_PV: np.ndarray  # noqa: N815  # axes in the name
    nats_P: np.ndarray  # noqa: N815  # axes in the name
    hits_P: np.ndarray  # noqa: N815  # axes in the name


@dataclass(frozen=True, slots=True)
class _Examiner:
    windows: Sequence[Window]
    vocab_size: int
    timeout_seconds: float
    rng: np.random.Generator

    def ask_foreign(self, child: Answerer) -> list[_BeforeCut]:
        """Phase A: every window once, true up to its cut."""
        answers: dict[int, _BeforeCut] = {}
        for index, answer in self._answers(child, foreign=True, repeats=0):
            window = self.windows[index]
            n = window.n_compared
            cut_nats = float(answer.nats_P[n - 1]) if window.eligible_P.any() else math.nan
            answers[index] = _BeforeCut(answer.log_probabilities_PV[:n], cut_nats)
        return [answers[index] for index in range(len(self.windows))]

    def ask_true(
        self, child: Answerer, before_cut: Sequence[_BeforeCut]
    ) -> tuple[list[np.ndarray], list[np.ndarray]]:
        """Phase B: the true windows; returns nats and hits at the graded positions of each."""
        seen: dict[int, _Answer] = {}
        repeats = max(2, round(REPEATED_SHARE * len(self.windows)))
        for index, answer in self._answers(child, foreign=False, repeats=repeats):
            window, found_PV = self.windows[index], answer.log_probabilities_PV
            if index in seen:
                self._agree("repeat", window, seen[index].log_probabilities_PV, found_PV)
                continue
            self._agree("prefix", window, before_cut[index].log_probabilities, found_PV)
            seen[index] = answer
        every = [seen[index] for index in range(len(self.windows))]
        return [answer.nats_P for answer in every], [answer.hits_P for answer in every]

    def _answers(
        self, child: Answerer, *, foreign: bool, repeats: int
    ) -> Iterator[tuple[int, _Answer]]:
        """Ask in a drawn order; yield each window's index and answer."""
        longest = max(len(window.positions_P) for window in self.windows)
        affordable = MAX_REPLY_BYTES // (longest * self.vocab_size * 4)
        asks = draw_asks(
            self.windows,
            batch_rows=max(1, min(BATCH_ROWS, affordable)),
            repeats=repeats,
            rng=self.rng,
        )
        for ask in asks:
            windows = [self.windows[index] for index in ask]
            logits_NV = self._logits(child, windows, foreign=foreign)
            yield from zip(ask, _answers_to(windows, logits_NV), strict=True)

    def _logits(self, child: Answerer, windows: Sequence[Window], *, foreign: bool) -> np.ndarray:
        counts = [len(window.positions_P) for window in windows]
        arrays = {
            "tokens": np.stack([w.foreign_T if foreign else w.true_T for w in windows]),
            "rows": np.repeat(np.arange(len(windows), dtype=np.int32), counts),
            "positions": np.concatenate([window.positions_P for window in windows]),
        }
        reply = child.ask(Message(kind="ask", arrays=arrays), timeout_seconds=self.timeout_seconds)
        return _checked(reply, (sum(counts), self.vocab_size))

    def _agree(
        self, check: str, window: Window, first_PV: np.ndarray, second_PV: np.ndarray
    ) -> None:
        """Compare two answers to one prefix; the second may be longer."""
        if not len(first_PV):
            return  # a sample of positions, all behind a cut that had to fall early
        second_PV = second_PV[: len(first_PV)]
        size_P = disagreement(first_PV, second_PV)
        worst = int(size_P.argmax())
        if size_P[worst] <= AGREEMENT_LIMIT:
            return
        token = int(np.abs(np.exp(first_PV[worst]) - np.exp(second_PV[worst])).argmax())
        forged = Forged(
            check=check,
            task=window.task,
            window=window.index,
            position=int(window.positions_P[worst]),
            size=float(size_P[worst]),
            limit=AGREEMENT_LIMIT,
            token=token,
            first=float(first_PV[worst, token]),
            second=float(second_PV[worst, token]),
        )
        raise _NoScoreError(refused(forged))


def _answers_to(windows: Sequence[Window], logits_NV: np.ndarray) -> Iterator[_Answer]:
    """Take a reply apart, window by window."""
    targets_N = np.concatenate([window.targets_P for window in windows])
    nats_N, hits_N = nats_and_hits(logits_NV, targets_N)
    edges = np.cumsum([len(window.targets_P) for window in windows])[:-1]
    parts = (np.split(array, edges) for array in (log_probabilities(logits_NV), nats_N, hits_N))
    for log_probabilities_PV, nats_P, hits_P in zip(*parts, strict=True):
        yield _Answer(log_probabilities_PV, nats_P, hits_P)


def _check_names(names: Sequence[str]) -> None:
    if not names:
        raise ValueError("nothing to score: no evaluation set given")
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise ConfigError(f"tasks listed twice: {', '.join(twice)}; their scores would be mixed")


def _checked(reply: Message, shape: tuple[int, ...]) -> np.ndarray:
    """Return the logits of a reply, whatever the child sent.

    Raises:
        _NoScoreError: not finite float32 logits of this shape.
    """
    logits = reply.arrays.get("logits")
    if reply.kind != "logits" or logits is None:
        raise _no_score(
            Outcome.FORGED, f"broke the protocol: asked for logits, got a reply {reply.kind[:40]!r}"
        )
    if logits.shape != shape or logits.dtype != np.float32:
        raise _no_score(
            Outcome.CRASHED,
            f"logits must be float32 of shape {shape}, got {logits.dtype} of shape {logits.shape}",
        )
    if not np.isfinite(logits).all():
        where = tuple(int(i) for i in np.argwhere(~np.isfinite(logits))[0])
        raise _no_score(Outcome.DIVERGED, f"held-out logits are not finite, first at {where}")
    return logits


def _no_score(outcome: Outcome, reason: str) -> _NoScoreError:
    return _NoScoreError(ScoreResult(outcome=outcome, reason=reason))
