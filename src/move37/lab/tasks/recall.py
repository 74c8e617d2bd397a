"""Associative recall: bind keys to values, then answer questions about them.

B rows, I instances in a row, P pairs, Q questions, T positions.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from move37.core.errors import ConfigError
from move37.lab.tasks.task import (
    MechanismTask,
    Rows,
    draw_distinct,
    empty_rows,
    option,
    pack_left,
)
from move37.lab.tasks.vocabulary import ASK, KEYS, NO_TARGET, NOISE, TAGS, VALUES


@dataclass(frozen=True, kw_only=True)
class Recall(MechanismTask):
    """Multi-query associative recall.

        inputs   <recall> k7 v30 k2 v11 ? k2  k7  k7  k2
        targets  .        .  .   .  .   . v11 v30 v30 v11

    Keys of a row are distinct, values are drawn with replacement, questions are drawn evenly from
    the keys; answers are not shown. The row is filled with questions; where several instances fit,
    each with as many questions as twice its pairs, they follow each other without sharing a key.

    Metric: accuracy (or nats) at question positions. Chance: 1 / values; a layer that only knows
    which values occurred gets the share of the commonest one (about 0.11 with 24 pairs).
    Source: S. Arora et al., "Zoology" (MQAR), arXiv 2312.04927. There the questions are spaced by a
    power law; here they are dense, so that a short row carries more answers.
    """

    name: ClassVar[str] = "recall"
    pairs: int = option(24, 1, len(KEYS))
    values: int = option(len(VALUES), 2, len(VALUES))

    @property
    def answers(self) -> int:
        """Values are drawn evenly."""
        return self.values

    def minimum_length(self) -> int:
        """Tag, pairs, ask and one question."""
        return 2 * self.pairs + 3

    def draw(self, rng: np.random.Generator, *, rows: int, length: int) -> Rows:
        """Draw rows of one or more instances."""
        fitting = length // (4 * self.pairs + 2)
        return recall_rows(
            rng,
            rows=rows,
            length=length,
            tag=TAGS[self.name],
            pairs=self.pairs,
            values=self.values,
            instances=max(1, min(fitting, len(KEYS) // self.pairs)),
        )


def recall_rows(
    rng: np.random.Generator,
    *,
    rows: int,
    length: int,
    tag: int,
    pairs: int,
    values: int,
    instances: int,
) -> Rows:
    """Draw `instances` recall problems per row, evenly long, without a common key."""
    span = length // instances
    start_of_questions = 2 * pairs + 2
    keys_BIP = draw_distinct(rng, rows=rows, count=instances * pairs, space=len(KEYS)).reshape(
        rows, instances, pairs
    )
    values_BIP = rng.integers(0, values, (rows, instances, pairs)) + VALUES.start
    asked_BIQ = rng.integers(0, pairs, (rows, instances, span - start_of_questions))
    out = empty_rows(rows, length)
    inputs = out.inputs_BT[:, : instances * span].reshape(rows, instances, span)
    inputs[:, :, 0] = tag
    inputs[:, :, 1 : 2 * pairs + 1 : 2] = keys_BIP + KEYS.start
    inputs[:, :, 2 : 2 * pairs + 2 : 2] = values_BIP
    inputs[:, :, 2 * pairs + 1] = ASK
    inputs[:, :, start_of_questions:] = np.take_along_axis(keys_BIP, asked_BIQ, 2) + KEYS.start
    targets = np.full((rows, instances, span), NO_TARGET, dtype=np.int32)
    targets[:, :, start_of_questions:] = np.take_along_axis(values_BIP, asked_BIQ, 2)
    out.inputs_BT[:, : instances * span] = inputs.reshape(rows, -1)
    out.targets_BT[:, : instances * span] = targets.reshape(rows, -1)
    return out


NOISE_SLOTS = 2
"""Places for a noise symbol after each pair and each question."""


@dataclass(frozen=True, kw_only=True)
class NoisyRecall(MechanismTask):
    """Associative recall with meaningless symbols between the pairs and between the questions.

        inputs   <noisy_recall> k7 v30 n4 k2 v11 n9 n1 ? k2  n3 k7
        targets  .              .  .   .  .  .   .  .  . v11 .  v30

    Each of the two places after a pair or question holds noise with probability `noise`.

    Metric: accuracy (or nats) at question positions. Chance: 1 / values.
    Source: M. Poli et al., "Mechanistic design and scaling of hybrid architectures" (MAD),
    arXiv 2403.17844, noisy in-context recall; there noise takes the place of a pair.
    """

    name: ClassVar[str] = "noisy_recall"
    pairs: int = option(12, 1, len(KEYS))
    values: int = option(len(VALUES), 2, len(VALUES))
    noise: float = option(0.5, 0.0, 1.0)

    @property
    def answers(self) -> int:
        """Values are drawn evenly."""
        return self.values

    def minimum_length(self) -> int:
        """Tag, pairs with all places taken, ask and one question."""
        return (2 + NOISE_SLOTS) * self.pairs + 3

    def draw(self, rng: np.random.Generator, *, rows: int, length: int) -> Rows:
        """Draw rows of one instance, filled with questions."""
        n_questions = length - 2 * self.pairs - 2
        keys_BP = draw_distinct(rng, rows=rows, count=self.pairs, space=len(KEYS))
        values_BP = rng.integers(0, self.values, (rows, self.pairs)) + VALUES.start
        asked_BQ = rng.integers(0, self.pairs, (rows, n_questions))
        pair_columns = self._with_noise(rng, np.stack([keys_BP + KEYS.start, values_BP], axis=2))
        questions_BQ = np.take_along_axis(keys_BP, asked_BQ, 1) + KEYS.start
        question_columns = self._with_noise(rng, questions_BQ[:, :, None])
        tag = np.full((rows, 1), TAGS[self.name])
        ask = np.full((rows, 1), ASK)
        answers_BQN = np.full((rows, n_questions, 1 + NOISE_SLOTS), NO_TARGET)
        answers_BQN[:, :, 0] = np.take_along_axis(values_BP, asked_BQ, 1)
        tokens_BN = np.concatenate([tag, pair_columns, ask, question_columns], axis=1)
        targets_BN = np.full(tokens_BN.shape, NO_TARGET)
        targets_BN[:, -question_columns.shape[1] :] = answers_BQN.reshape(rows, -1)
        return pack_left(tokens_BN, targets_BN, tokens_BN != ABSENT, length=length)

    def _with_noise(self, rng: np.random.Generator, unit_BNk: np.ndarray) -> np.ndarray:
        """Return the units side by side, each followed by its noise places; ABSENT where empty."""
        shape = (*unit_BNk.shape[:2], NOISE_SLOTS)
        noise = rng.integers(NOISE.start, NOISE.stop, shape)
        noise[rng.random(shape) >= self.noise] = ABSENT
        return np.concatenate([unit_BNk, noise], axis=2).reshape(len(unit_BNk), -1)


ABSENT = -2
"""A column that is dropped when a row is packed."""


@dataclass(frozen=True, kw_only=True)
class FuzzyRecall(MechanismTask):
    """Associative recall whose keys and values are one to `symbols` symbols long.

        inputs   <fuzzy_recall> k7 v30 v2 k7 k4 v11 ? k7 k4  v11 k7  v30 v2
        targets  .              .  .   .  .  .  .   . .  v11 .   v30 v2  .

    Keys of a row are distinct as wholes, but may share symbols, and one may begin with another. A
    question is a whole key, then its answer, which is shown after it was predicted.

    Metric: accuracy (or nats) per answer symbol. Chance: 1 / values.
    Source: MAD, arXiv 2403.17844, fuzzy in-context recall.
    """

    name: ClassVar[str] = "fuzzy_recall"
    pairs: int = option(8, 1, 24)
    values: int = option(len(VALUES), 2, len(VALUES))
    symbols: int = option(3, 1, 4)
    alphabet: int = option(24, 2, len(KEYS))

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.alphabet < self.pairs:
            raise ConfigError(
                f"fuzzy_recall: alphabet={self.alphabet} must be at least pairs={self.pairs}, so "
                "that all keys of a row may be one symbol long and still differ"
            )

    @property
    def answers(self) -> int:
        """Values are drawn evenly, symbol by symbol."""
        return self.values

    def minimum_length(self) -> int:
        """Tag, pairs at their longest, ask and one question of the longest key."""
        return 2 * self.symbols * self.pairs + 2 + self.symbols

    def draw(self, rng: np.random.Generator, *, rows: int, length: int) -> Rows:
        """Draw rows of one instance, filled with questions; the last may be cut short."""
        keys_BPk = self._keys(rng, rows)
        values_BPk = rng.integers(0, self.values, keys_BPk.shape) + VALUES.start
        n_symbols = rng.integers(1, self.symbols + 1, (rows, self.pairs, 1))
        values_BPk[np.arange(self.symbols) >= n_symbols] = ABSENT
        unit_BPN = np.concatenate([keys_BPk, values_BPk], axis=2)
        n_questions = (length - 2 * self.pairs - 2) // 2 + 1
        asked_BQ = rng.integers(0, self.pairs, (rows, n_questions))
        question_BQN = np.take_along_axis(unit_BPN, asked_BQ[:, :, None], axis=1)
        tag, ask = np.full((rows, 1), TAGS[self.name]), np.full((rows, 1), ASK)
        questions_BN = question_BQN.reshape(rows, -1)
        tokens_BN = np.concatenate([tag, unit_BPN.reshape(rows, -1), ask, questions_BN], axis=1)
        targets_BN = np.full(tokens_BN.shape, NO_TARGET)
        targets_BN[:, -questions_BN.shape[1] :] = self._answers(question_BQN).reshape(rows, -1)
        return pack_left(tokens_BN, targets_BN, tokens_BN != ABSENT, length=length)

    def _keys(self, rng: np.random.Generator, rows: int) -> np.ndarray:
        """Return (rows, pairs, symbols) tokens, ABSENT behind each key's end."""
        keys = np.full((rows, self.pairs, self.symbols), ABSENT)
        n_symbols = rng.integers(1, self.symbols + 1, (rows, self.pairs))
        for n in range(1, self.symbols + 1):
            codes = draw_distinct(rng, rows=rows, count=self.pairs, space=self.alphabet**n)
            digits = codes[:, :, None] // self.alphabet ** np.arange(n) % self.alphabet
            keys[:, :, :n] = np.where(
                (n_symbols == n)[:, :, None], digits + KEYS.start, keys[:, :, :n]
            )
        return keys

    def _answers(self, question_BQN: np.ndarray) -> np.ndarray:
        """Return what follows: the first value symbol from the key's end, then the next ones."""
        n = self.symbols
        targets = np.full(question_BQN.shape, NO_TARGET)
        key_lengths_BQ = (question_BQN[:, :, :n] != ABSENT).sum(axis=2)
        np.put_along_axis(targets, key_lengths_BQ[:, :, None] - 1, question_BQN[:, :, n : n + 1], 2)
        following = question_BQN[:, :, n + 1 :]
        targets[:, :, n:-1] = np.where(following == ABSENT, NO_TARGET, following)
        return targets
