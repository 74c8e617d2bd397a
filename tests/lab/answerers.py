"""Children for the scorer that live in this process: an honest bigram model, and its hostile heirs.

Each keeps the protocol of a sandboxed child (`ask` in, `logits` out). The hostile ones are given
more than a real child has: `phase` tells them whether they are child A ("foreign") or B ("true").
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import contextmanager
from functools import cache

import numpy as np

from move37.core.config import TaskSetting
from move37.core.trial import Stage
from move37.lab.data import EvaluationSet, evaluation_set
from move37.lab.scorer import score
from move37.lab.scores import ScoreResult
from move37.lab.split import Split
from move37.lab.tasks import VOCAB_SIZE
from move37.lab.text import sotu_corpus
from move37.lab.wire import Message

BONUS = 6.0
"""Logits added to what a cheat knows: worth about two nats where the honest model is unsure."""


@cache
def bigram_logits(vocab_size: int = VOCAB_SIZE) -> np.ndarray:
    """Log-frequencies of byte pairs in the training speeches; noise for all other tokens."""
    rng = np.random.default_rng(37)
    logits = rng.standard_normal((vocab_size, vocab_size)).astype(np.float32)
    text = sotu_corpus().shelves[Split.TRAIN].bytes_N[:1_000_000].astype(np.int64)
    counts = np.bincount(text[:-1] * 256 + text[1:], minlength=65_536).reshape(256, 256)
    logits[:256, :256] = np.log(counts + 0.1)
    return logits


class Honest:
    """Predicts from the last token; answers depend on nothing else."""

    def __init__(self, phase: str, vocab_size: int = VOCAB_SIZE) -> None:
        self.phase = phase
        self.table = bigram_logits(vocab_size)
        self.asked: list[Message] = []

    def ask(self, message: Message, *, timeout_seconds: float) -> Message:
        assert timeout_seconds > 0
        self.asked.append(message)
        tokens_BT = message.arrays["tokens"]
        logits = self.logits(tokens_BT)
        logits = logits[message.arrays["rows"], message.arrays["positions"]]
        return Message(kind="logits", arrays={"logits": logits})

    def logits(self, tokens_BT: np.ndarray) -> np.ndarray:
        return self.table[tokens_BT]


class Cheat(Honest):
    """Adds BONUS to the next token, at the positions that `where` marks."""

    def logits(self, tokens_BT: np.ndarray) -> np.ndarray:
        logits = super().logits(tokens_BT)
        add_to_next(logits, tokens_BT, BONUS * self.where(tokens_BT))
        return logits

    def where(self, tokens_BT: np.ndarray) -> np.ndarray:
        return np.ones(tokens_BT.shape)


def add_to_next(logits: np.ndarray, tokens_BT: np.ndarray, bonus_BT: np.ndarray) -> None:
    rows, times = np.indices((len(tokens_BT), tokens_BT.shape[1] - 1))
    logits[rows, times, tokens_BT[:, 1:]] += bonus_BT[:, :-1].astype(np.float32)


class OnlyInPhaseB(Cheat):
    """Knows which child it is and behaves as A."""

    def where(self, tokens_BT: np.ndarray) -> np.ndarray:
        return np.full(tokens_BT.shape, self.phase == "true")


class OnlyInPhaseA(Cheat):
    """The other way round."""

    def where(self, tokens_BT: np.ndarray) -> np.ndarray:
        return np.full(tokens_BT.shape, self.phase == "foreign")


class SeamDetector(Cheat):
    """Looks ahead, but not across the first pair of tokens it has hardly ever seen together."""

    def where(self, tokens_BT: np.ndarray) -> np.ndarray:
        surprise = (
            self.table.max(axis=1)[tokens_BT[:, :-1]]
            - self.table[tokens_BT[:, :-1], tokens_BT[:, 1:]]
        )
        where = np.ones(tokens_BT.shape)
        where[np.arange(len(tokens_BT)), surprise.argmax(axis=1)] = 0
        return where


class Sparse(Cheat):
    """Cheats as B, at a tenth of the positions, chosen by what stands there."""

    def where(self, tokens_BT: np.ndarray) -> np.ndarray:
        mark = (tokens_BT.astype(np.int64) * 31 + np.arange(tokens_BT.shape[1]) * 17) % 10 == 0
        return mark & (self.phase == "true")


class Late(Cheat):
    """Cheats as B, in the last tenth of each window."""

    def where(self, tokens_BT: np.ndarray) -> np.ndarray:
        n = tokens_BT.shape[1]
        return np.tile((np.arange(n) > 0.9 * n) & (self.phase == "true"), (len(tokens_BT), 1))


class FarSighted(Honest):
    """Favours all tokens that come later in the window, however far."""

    def logits(self, tokens_BT: np.ndarray) -> np.ndarray:
        logits = super().logits(tokens_BT)
        for row, tokens in enumerate(tokens_BT):
            for t in range(len(tokens) - 1):
                logits[row, t, np.unique(tokens[t + 1 :])] += 2.0
        return logits


class FutureMean(Honest):
    """The classic slip: a normalisation over the whole sequence."""

    def logits(self, tokens_BT: np.ndarray) -> np.ndarray:
        logits = super().logits(tokens_BT)
        return logits - 0.1 * logits.mean(axis=1, keepdims=True)


class BatchMixer(Honest):
    """Subtracts the mean over the batch, as batch statistics would."""

    def logits(self, tokens_BT: np.ndarray) -> np.ndarray:
        logits = super().logits(tokens_BT)
        return logits - 0.1 * logits.mean(axis=(0, 1), keepdims=True)


class BatchSizeReader(Honest):
    """Answers by the number of rows: the company does not matter, its size does."""

    def logits(self, tokens_BT: np.ndarray) -> np.ndarray:
        logits = super().logits(tokens_BT)
        return logits * np.float32(1 + 0.01 * len(tokens_BT))


class Rememberer(Honest):
    """Recognises a window by its beginning and then knows how it goes on."""

    def __init__(self, phase: str) -> None:
        super().__init__(phase)
        self.known: dict[bytes, np.ndarray] = {}

    def logits(self, tokens_BT: np.ndarray) -> np.ndarray:
        logits = super().logits(tokens_BT)
        for row, tokens in enumerate(tokens_BT):
            if (known := self.known.get(tokens[:2].tobytes())) is not None:
                add_to_next(logits[row : row + 1], known[None], np.full((1, len(known)), BONUS))
            self.known[tokens[:2].tobytes()] = tokens
        return logits


class Learner(Honest):
    """Goes on training on what it is asked about."""

    def __init__(self, phase: str) -> None:
        super().__init__(phase)
        self.table = self.table.copy()

    def logits(self, tokens_BT: np.ndarray) -> np.ndarray:
        logits = super().logits(tokens_BT)
        np.add.at(self.table, (tokens_BT[:, :-1], tokens_BT[:, 1:]), np.float32(0.01))
        return logits


class CallCounter(Honest):
    """A step counter that moves in evaluation."""

    def __init__(self, phase: str) -> None:
        super().__init__(phase)
        self.n_calls = 0

    def logits(self, tokens_BT: np.ndarray) -> np.ndarray:
        self.n_calls += 1
        return super().logits(tokens_BT) * np.float32(1 + 0.02 * self.n_calls)


class Dropout(Honest):
    """Random in evaluation."""

    def __init__(self, phase: str) -> None:
        super().__init__(phase)
        self.rng = np.random.default_rng(0)

    def logits(self, tokens_BT: np.ndarray) -> np.ndarray:
        logits = super().logits(tokens_BT)
        return logits * (self.rng.random(logits.shape) > 0.1).astype(np.float32)


class Quiet(OnlyInPhaseB):
    """A bonus so small that no single answer moves by more than rounding may."""

    bonus = 0.006

    def logits(self, tokens_BT: np.ndarray) -> np.ndarray:
        logits = Honest.logits(self, tokens_BT)
        add_to_next(logits, tokens_BT, self.bonus * self.where(tokens_BT))
        return logits


class Whisper(Quiet):
    """So small that nobody notices: allowed, because it gains nothing."""

    bonus = 0.0005


class Stretcher(Quiet):
    """Inflates the spread of its logits by impossible tokens, hoping that the tolerance grows."""

    bonus = 0.5

    def logits(self, tokens_BT: np.ndarray) -> np.ndarray:
        logits = super().logits(tokens_BT)
        logits[:, :, 300:310] = -1e30
        return logits


class Shifter(Quiet):
    """Adds a constant to all logits, hoping that the tolerance grows with it."""

    bonus = 0.5

    def logits(self, tokens_BT: np.ndarray) -> np.ndarray:
        return super().logits(tokens_BT) + np.float32(1e4)


class Rounding(Honest):
    """Honest, with ten times the rounding of float32 matrix products."""

    def __init__(self, phase: str) -> None:
        super().__init__(phase)
        self.rng = np.random.default_rng(0 if phase == "true" else 1)

    def logits(self, tokens_BT: np.ndarray) -> np.ndarray:
        logits = super().logits(tokens_BT)
        return logits + 1e-4 * self.rng.standard_normal(logits.shape).astype(np.float32)


class Garbler(Honest):
    """Replies with whatever `garble` makes of an honest reply."""

    def __init__(self, phase: str, garble: Callable[[np.ndarray], Message]) -> None:
        super().__init__(phase)
        self.garble = garble

    def ask(self, message: Message, *, timeout_seconds: float) -> Message:
        honest = super().ask(message, timeout_seconds=timeout_seconds)
        return self.garble(honest.arrays["logits"].copy())


class Door:
    """Opens fresh children: the first is A, the second B."""

    def __init__(self, make: Callable[[str], Honest]) -> None:
        self.make = make
        self.children: list[Honest] = []
        self.n_open = 0

    @contextmanager
    def __call__(self):
        assert self.n_open == 0, "the second child is opened only after the first has gone"
        self.n_open += 1
        child = self.make(["foreign", "true"][len(self.children)])
        self.children.append(child)
        try:
            yield child
        finally:
            self.n_open -= 1


SECRET = b"a secret of 16 b"


def held_out(name: str = "text", *, windows: int = 32, length: int = 64, seed: int = 0, **options):
    setting = TaskSetting(
        name=name, rows=1, metric="nats", noise=1.0, windows=windows, options=options
    )
    return evaluation_set(setting, length=length, stage=Stage.SEARCH, seed=seed, secret=SECRET)


def scored(make, *sets: EvaluationSet, secret: bytes = SECRET, **options) -> ScoreResult:
    return score(Door(make), sets or (held_out(),), secret=secret, **options)


LARGE = 6000


def large_set(seed: int, windows: int = 24, length: int = 200) -> EvaluationSet:
    rng = np.random.default_rng(seed)
    rows = rng.integers(0, LARGE, (2, windows, length + 1)).astype(np.uint16)
    return EvaluationSet(
        name="large",
        inputs_BT=rows[0, :, :-1],
        targets_BT=rows[0, :, 1:].astype(np.int32),
        foreign_BT=rows[1, :, :-1],
    )


class Large(Honest):
    def __init__(self, phase: str) -> None:
        super().__init__(phase)
        rng = np.random.default_rng(0)
        self.table = rng.standard_normal((7, LARGE)).astype(np.float32) * 2

    def logits(self, tokens_BT: np.ndarray) -> np.ndarray:
        return self.table[tokens_BT % 7]


class LargeCheat(Large):
    def logits(self, tokens_BT: np.ndarray) -> np.ndarray:
        logits = super().logits(tokens_BT)
        add_to_next(logits, tokens_BT, np.full(tokens_BT.shape, BONUS))
        return logits
