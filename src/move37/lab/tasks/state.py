"""State tasks: follow something that changes with every symbol.

B rows, I instances, T positions, O operations, K keys.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from functools import cache
from typing import ClassVar

import numpy as np

from move37.core.errors import ConfigError
from move37.lab.tasks.task import MechanismTask, Rows, draw_distinct, empty_rows, option
from move37.lab.tasks.vocabulary import ASK, KEYS, NO_TARGET, TAGS, VALUES


@dataclass(frozen=True, kw_only=True)
class StateTracking(MechanismTask):
    """The shell game: a ball under one of `elements` cups, every symbol permutes the cups.

        inputs   <state_tracking> v1 k3 k0 k5 k3
        targets  .                .  v2 v2 v0 v1      (elements=3, the six permutations in order)

    The symbol after the tag says where the ball starts. Up to four elements the steps are all
    permutations; with five they are the ten swaps and the identity. Two elements give parity. With
    `modulus` > 0 the state is a running sum instead: step number i adds i. Every `every`-th step is
    graded; a new game begins every `span` symbols (0: one game fills the row).

    Metric: accuracy (or nats) at graded steps. Chance: 1 / elements, or 1 / modulus.
    Source: W. Merrill et al., "The illusion of state in state-space models", arXiv 2404.08819 (word
    problems of S3, S5, Z60); here one point is followed instead of the whole permutation.
    """

    name: ClassVar[str] = "state_tracking"
    elements: int = option(3, 2, 5)
    modulus: int = option(0, 0, len(KEYS))
    span: int = option(32, 0, 4096)
    every: int = option(1, 1, 64)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.modulus == 1:
            raise ConfigError(
                "state_tracking: modulus must be 0 (permutations) or at least 2, got 1"
            )
        if 0 < self.span < self.every + 2:
            raise ConfigError(
                f"state_tracking: span={self.span} must be 0 or at least every + 2 = "
                f"{self.every + 2}, else no step is graded"
            )

    @property
    def answers(self) -> int:
        """The start is drawn evenly, and steps keep it even."""
        return self.modulus or self.elements

    def minimum_length(self) -> int:
        """Tag, start and steps to the first graded one; or one whole game."""
        return self.span or self.every + 2

    def draw(self, rng: np.random.Generator, *, rows: int, length: int) -> Rows:
        """Draw rows of one or more games."""
        return state_tracking_rows(
            rng,
            rows=rows,
            length=length,
            tag=TAGS[self.name],
            moves=cyclic_moves(self.modulus) if self.modulus else permutation_moves(self.elements),
            span=self.span or length,
            every=self.every,
        )


def state_tracking_rows(
    rng: np.random.Generator,
    *,
    rows: int,
    length: int,
    tag: int,
    moves: np.ndarray,
    span: int,
    every: int,
) -> Rows:
    """Draw games side by side; `moves[step, place]` is where a step takes the ball from a place."""
    n_games = length // span
    n_moves, n_places = moves.shape
    start_I = rng.integers(0, n_places, rows * n_games)
    steps_IT = rng.integers(0, n_moves, (rows * n_games, span - 2))
    places_IT = np.empty_like(steps_IT)
    place_I = start_I
    for t in range(span - 2):
        place_I = moves[steps_IT[:, t], place_I]
        places_IT[:, t] = place_I
    graded_T = np.arange(1, span - 1) % every == 0
    out = empty_rows(rows, length)
    inputs = np.column_stack(
        [np.full(rows * n_games, tag), start_I + VALUES.start, steps_IT + KEYS.start]
    )
    targets = np.full(inputs.shape, NO_TARGET)
    targets[:, 2:] = np.where(graded_T, places_IT + VALUES.start, NO_TARGET)
    out.inputs_BT[:, : n_games * span] = inputs.reshape(rows, -1)
    out.targets_BT[:, : n_games * span] = targets.reshape(rows, -1)
    return out


@cache
def permutation_moves(elements: int) -> np.ndarray:
    """Return the steps of the shell game, (moves, elements): all permutations; for five, swaps."""
    if elements <= 4:
        return np.array(list(itertools.permutations(range(elements))))
    moves = [list(range(elements))]
    for a, b in itertools.combinations(range(elements), 2):
        swapped = list(range(elements))
        swapped[a], swapped[b] = b, a
        moves.append(swapped)
    return np.array(moves)


@cache
def cyclic_moves(modulus: int) -> np.ndarray:
    """Return the steps of a running sum, (modulus, modulus): step i takes s to s + i."""
    index = np.arange(modulus)
    return (index[:, None] + index[None, :]) % modulus


@dataclass(frozen=True, kw_only=True)
class StateUpdate(MechanismTask):
    """Keys are overwritten again and again; the last value counts.

        inputs   <state_update> k1 v4 k0 v9 ? k1 k1 v7 ? k1 ? k0
        targets  .              .  .  .  .  . v4 .  .  . v7 . v9

    First every key is written once, in random order; then each operation is a question with
    probability `reads`, else it overwrites a key drawn evenly.

    Metric: accuracy (or nats) at question positions. Chance: 1 / values.
    Source: the overwriting case that motivates the delta rule: I. Schlag et al., "Linear
    transformers are secretly fast weight programmers", arXiv 2102.11174, section 4.2.
    """

    name: ClassVar[str] = "state_update"
    keys: int = option(8, 1, len(KEYS))
    values: int = option(len(VALUES), 2, len(VALUES))
    reads: float = option(0.5, 0.05, 0.95)

    @property
    def answers(self) -> int:
        """Values are drawn evenly."""
        return self.values

    def minimum_length(self) -> int:
        """Tag, one write per key, and one operation."""
        return 2 * self.keys + 3

    def draw(self, rng: np.random.Generator, *, rows: int, length: int) -> Rows:
        """Draw rows of one instance: a tag, then operations of two symbols each."""
        n_operations = (length - 1) // 2
        key_BO = rng.integers(0, self.keys, (rows, n_operations))
        key_BO[:, : self.keys] = draw_distinct(rng, rows=rows, count=self.keys, space=self.keys)
        value_BO = rng.integers(0, self.values, (rows, n_operations)) + VALUES.start
        is_read_BO = rng.random((rows, n_operations)) < self.reads
        is_read_BO[:, : self.keys] = False
        is_read_BO[:, self.keys] = True  # at least one question in every row
        answer_BO = np.take_along_axis(value_BO, _last_write(key_BO, is_read_BO, self.keys), axis=1)
        out = empty_rows(rows, length)
        end = 2 * n_operations + 1
        out.inputs_BT[:, 0] = TAGS[self.name]
        out.inputs_BT[:, 1:end:2] = np.where(is_read_BO, ASK, key_BO + KEYS.start)
        out.inputs_BT[:, 2:end:2] = np.where(is_read_BO, key_BO + KEYS.start, value_BO)
        out.targets_BT[:, 2:end:2] = np.where(is_read_BO, answer_BO, NO_TARGET)
        return out


def _last_write(key_BO: np.ndarray, is_read_BO: np.ndarray, n_keys: int) -> np.ndarray:
    """Return for each operation the index of the latest write of its key, itself included."""
    index_O = np.arange(key_BO.shape[1])
    writes_BOK = (key_BO[:, :, None] == np.arange(n_keys)) & ~is_read_BO[:, :, None]
    latest_BOK = np.maximum.accumulate(np.where(writes_BOK, index_O[:, None], 0), axis=1)
    return np.take_along_axis(latest_BOK, key_BO[:, :, None], axis=2)[:, :, 0]
