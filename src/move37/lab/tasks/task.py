"""What a task is, and what all mechanism tasks share: checked options, rows of one split.

B rows, T positions, N columns before packing.
"""

from __future__ import annotations

import dataclasses
import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar, Protocol, overload

import numpy as np

from move37.core.errors import ConfigError
from move37.lab.split import N_SHARES, Split, split_of_share
from move37.lab.tasks.vocabulary import NO_TARGET, PAD

MAX_ROUNDS = 64
"""Draws of `batch` before a row space counts as too small; one round yields 10 % or more."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Rows:
    """A batch, every row exactly as long as asked for."""

    inputs_BT: np.ndarray  # noqa: N815  # axes in the name
    """uint16, token ids below VOCAB_SIZE."""
    targets_BT: np.ndarray  # noqa: N815  # axes in the name
    """int32; `[b, t]` is what is to be predicted from inputs `[b, :t + 1]`, or NO_TARGET."""


class Task(Protocol):
    """A generator of rows and what a score on them means."""

    @property
    def name(self) -> str:
        """The name in the registry and in every score."""
        ...

    @property
    def chance(self) -> float:
        """Accuracy of the best answer that never looks at the row."""
        ...

    @property
    def chance_nats(self) -> float:
        """Cross-entropy of the best distribution that never looks at the row, in nats."""
        ...

    def evaluation_length(self, length: int) -> int:
        """Return the length of held-out rows when training rows have `length`."""
        ...

    def batch(self, rng: np.random.Generator, *, rows: int, length: int, split: Split) -> Rows:
        """Draw rows of one split; the same rng state gives the same rows.

        Raises:
            ConfigError: rows of this length cannot hold the task.
        """
        ...


@overload
def option(default: int, low: int, high: int) -> int: ...
@overload
def option(default: float, low: float, high: float) -> float: ...
def option(default: float, low: float, high: float) -> float:
    """Declare an option with its closed range, checked by `check_options`."""
    return dataclasses.field(default=default, metadata={"range": (low, high)})


def check_options(task: str, instance: object) -> None:
    """Check every field declared with `option`.

    Raises:
        ConfigError: an option has another type than its default, or is out of its range.
    """
    for declared in dataclasses.fields(instance):  # pyright: ignore[reportArgumentType]  # a dataclass
        if "range" not in declared.metadata:
            continue
        low, high = declared.metadata["range"]
        value = getattr(instance, declared.name)
        wants_int = isinstance(declared.default, int)
        allowed = (int,) if wants_int else (int, float)
        if isinstance(value, bool) or not isinstance(value, allowed) or not low <= value <= high:
            kind = "a whole number" if wants_int else "a number"
            raise ConfigError(
                f"{task}: {declared.name} must be {kind} from {low} to {high}, got {value!r}"
            )


@dataclass(frozen=True, kw_only=True)
class MechanismTask(ABC):
    """A generated task whose rows are told apart by content: a row belongs to exactly one split.

    Subclasses are frozen dataclasses with `option` fields; they say how rows are drawn and what
    `answers` (the number of equally likely answers) is.
    """

    name: ClassVar[str]

    def __post_init__(self) -> None:
        check_options(self.name, self)

    @property
    @abstractmethod
    def answers(self) -> int:
        """Number of symbols an answer is drawn from, evenly."""

    @property
    def chance(self) -> float:
        """One in `answers`."""
        return 1 / self.answers

    @property
    def chance_nats(self) -> float:
        """The logarithm of `answers`."""
        return math.log(self.answers)

    @abstractmethod
    def minimum_length(self) -> int:
        """Return the shortest row with at least one answer."""

    @abstractmethod
    def draw(self, rng: np.random.Generator, *, rows: int, length: int) -> Rows:
        """Draw rows regardless of the split they belong to."""

    def evaluation_length(self, length: int) -> int:
        """Held-out rows are as long as training rows, unless a task says otherwise."""
        return length

    def first_graded(self, length: int) -> int:  # noqa: ARG002  # a hook
        """Return the position in a held-out row from which answers count: 0 unless a task says."""
        return 0

    def batch(self, rng: np.random.Generator, *, rows: int, length: int, split: Split) -> Rows:
        """Draw rows whose content belongs to `split`; see `Task.batch`.

        Raises:
            ConfigError: rows too short for the options, or so few different rows exist that this
                split is nearly empty.
        """
        if length < self.minimum_length():
            raise ConfigError(
                f"{self.name}: rows need at least {self.minimum_length()} positions with "
                f"{_described(self)}, got {length}; lower the options or lengthen the rows"
            )
        share = 1 / N_SHARES if split is not Split.TRAIN else 1 - 2 / N_SHARES
        inputs, targets, found = [], [], 0
        for _ in range(MAX_ROUNDS):
            drawn = self.draw(rng, rows=math.ceil((rows - found) / share) + 4, length=length)
            mine = np.flatnonzero(belongs(drawn.inputs_BT, split))[: rows - found]
            inputs.append(drawn.inputs_BT[mine])
            targets.append(drawn.targets_BT[mine])
            found += len(mine)
            if found == rows:
                break
        else:
            raise ConfigError(
                f"{self.name}: with {_described(self)} at length {length} too few different rows "
                f"exist to keep the {split} split apart; raise the options or the length"
            )
        out = Rows(inputs_BT=np.concatenate(inputs), targets_BT=np.concatenate(targets))
        if split is not Split.TRAIN:
            out.targets_BT[:, : self.first_graded(length)] = NO_TARGET
        return out


def belongs(inputs_BT: np.ndarray, split: Split) -> np.ndarray:
    """Return for each row whether its content belongs to `split`; a hash decides.

    Multiply-add hashing by odd 64-bit constants with a final mix (Steele et al., "Fast splittable
    pseudorandom number generators", OOPSLA 2014, for the constants).
    """
    n_positions = inputs_BT.shape[1]
    index_T = np.arange(1, n_positions + 1, dtype=np.uint64)
    weight_T = _mix(index_T * np.uint64(0x9E3779B97F4A7C15)) | np.uint64(1)
    hash_B = _mix(((inputs_BT.astype(np.uint64) + np.uint64(1)) * weight_T).sum(axis=1))
    share_B = hash_B % np.uint64(N_SHARES)
    mine = [share for share in range(N_SHARES) if split_of_share(share) is split]
    return np.isin(share_B, np.array(mine, dtype=np.uint64))


def _mix(x: np.ndarray) -> np.ndarray:
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


def draw_distinct(rng: np.random.Generator, *, rows: int, count: int, space: int) -> np.ndarray:
    """Return (rows, count) int64 from 0..space-1, distinct within a row; count <= space."""
    if space <= 512:
        return np.argsort(rng.random((rows, space)), axis=1)[:, :count]
    drawn = rng.integers(0, space, (rows, count))
    while True:
        order = np.argsort(drawn, axis=1, kind="stable")
        ascending = np.take_along_axis(drawn, order, axis=1)
        again = np.zeros(drawn.shape, dtype=bool)
        np.put_along_axis(again, order[:, 1:], ascending[:, 1:] == ascending[:, :-1], axis=1)
        if not again.any():
            return drawn
        drawn[again] = rng.integers(0, space, int(again.sum()))


def pack_left(
    tokens_BN: np.ndarray, targets_BN: np.ndarray, keep_BN: np.ndarray, *, length: int
) -> Rows:
    """Close the gaps: keep the columns marked in each row, in order, cut or padded to `length`."""
    order = np.argsort(~keep_BN, axis=1, kind="stable")[:, :length]
    kept = np.take_along_axis(keep_BN, order, axis=1)
    rows = empty_rows(len(tokens_BN), length)
    width = order.shape[1]
    rows.inputs_BT[:, :width] = np.where(kept, np.take_along_axis(tokens_BN, order, axis=1), PAD)
    rows.targets_BT[:, :width] = np.where(
        kept, np.take_along_axis(targets_BN, order, axis=1), NO_TARGET
    )
    return rows


def empty_rows(rows: int, length: int) -> Rows:
    """Return rows of padding without targets, to be written into."""
    return Rows(
        inputs_BT=np.full((rows, length), PAD, dtype=np.uint16),
        targets_BT=np.full((rows, length), NO_TARGET, dtype=np.int32),
    )


def _described(task: object) -> str:
    declared = dataclasses.fields(task)  # pyright: ignore[reportArgumentType]  # a dataclass
    return ", ".join(f"{field.name}={getattr(task, field.name)}" for field in declared)
