"""Copying tasks: hold a list and give it back, in order or by position.

B rows, I instances in a row, N tokens of the list, Q questions, T positions.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from move37.lab.tasks.task import MechanismTask, Rows, draw_distinct, empty_rows, option
from move37.lab.tasks.vocabulary import ASK, COPY, KEYS, NO_TARGET, NOISE, TAGS, VALUES


@dataclass(frozen=True, kw_only=True)
class SelectiveCopying(MechanismTask):
    """Pick the values out of noise and give them back in order.

        inputs   <selective_copying> n3 v5 n1 n1 v9 v5 n7 c  c  c
        targets  .                   .  .  .  .  .  .  .  v5 v9 v5

    Positions of the values are drawn evenly; the answer slots show nothing, so the layer must
    count. Instances are about four times as long as the list; several share a row where they fit.

    Metric: accuracy (or nats) at answer slots. Chance: 1 / values.
    Source: A. Gu and T. Dao, "Mamba", arXiv 2312.00752; MAD, arXiv 2403.17844.
    """

    name: ClassVar[str] = "selective_copying"
    tokens: int = option(16, 1, 128)
    values: int = option(16, 2, len(VALUES))

    @property
    def answers(self) -> int:
        """Values are drawn evenly."""
        return self.values

    def minimum_length(self) -> int:
        """Tag, the list without any noise, and its answer slots."""
        return 2 * self.tokens + 1

    def draw(self, rng: np.random.Generator, *, rows: int, length: int) -> Rows:
        """Draw rows of one or more instances."""
        n_instances = max(1, length // (4 * self.tokens))
        span = length // n_instances
        if span < self.minimum_length():
            n_instances, span = 1, length
        n_all, n_region = rows * n_instances, span - 1 - self.tokens
        list_IN = rng.integers(0, self.values, (n_all, self.tokens)) + VALUES.start
        places_IN = draw_distinct(rng, rows=n_all, count=self.tokens, space=n_region)
        places_IN.sort(axis=1)
        inputs = rng.integers(NOISE.start, NOISE.stop, (n_all, span))
        inputs[:, 0] = TAGS[self.name]
        np.put_along_axis(inputs, places_IN + 1, list_IN, axis=1)
        inputs[:, n_region + 1 :] = COPY
        targets = np.full((n_all, span), NO_TARGET)
        targets[:, n_region + 1 :] = list_IN
        return _side_by_side(inputs, targets, rows=rows, length=length)


@dataclass(frozen=True, kw_only=True)
class Compression(MechanismTask):
    """Read a list, then give back the entry at any position asked for.

        inputs   <compression> v5 v9 v2 ? k1 k0 k2 k1
        targets  .             .  .  .  . v9 v5 v2 v9

    Key symbol number i asks for entry i. No key stands beside an entry when it is read, so the
    layer must store by position. Questions are drawn evenly; several instances share a row where
    they fit.

    Metric: accuracy (or nats) at question positions. Chance: 1 / values.
    Source: MAD, arXiv 2403.17844, compression. There an encoder's last output is decoded by
    position embeddings; here the question is a symbol, so that a causal backbone can be asked.
    """

    name: ClassVar[str] = "compression"
    tokens: int = option(24, 1, len(KEYS))
    values: int = option(16, 2, len(VALUES))

    @property
    def answers(self) -> int:
        """Values are drawn evenly."""
        return self.values

    def minimum_length(self) -> int:
        """Tag, list, ask and one question."""
        return self.tokens + 3

    def draw(self, rng: np.random.Generator, *, rows: int, length: int) -> Rows:
        """Draw rows of one or more instances."""
        n_instances = max(1, length // (2 * self.tokens + 2))
        span = length // n_instances
        n_all, n_head = rows * n_instances, self.tokens + 2
        list_IN = rng.integers(0, self.values, (n_all, self.tokens)) + VALUES.start
        asked_IQ = rng.integers(0, self.tokens, (n_all, span - n_head))
        inputs = np.empty((n_all, span), dtype=np.int64)
        inputs[:, 0] = TAGS[self.name]
        inputs[:, 1 : self.tokens + 1] = list_IN
        inputs[:, self.tokens + 1] = ASK
        inputs[:, n_head:] = asked_IQ + KEYS.start
        targets = np.full((n_all, span), NO_TARGET)
        targets[:, n_head:] = np.take_along_axis(list_IN, asked_IQ, axis=1)
        return _side_by_side(inputs, targets, rows=rows, length=length)


def _side_by_side(inputs: np.ndarray, targets: np.ndarray, *, rows: int, length: int) -> Rows:
    """Put consecutive instances into rows, padded to `length`."""
    out = empty_rows(rows, length)
    used = inputs.size // rows
    out.inputs_BT[:, :used] = inputs.reshape(rows, used)
    out.targets_BT[:, :used] = targets.reshape(rows, used)
    return out
