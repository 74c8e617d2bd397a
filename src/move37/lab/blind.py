"""The secret side of blind scoring: where windows are cut, what is put behind, what is asked when.

Nothing here talks to a child; `scorer.py` does. T positions of a window, P of them asked for.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from move37.core.errors import ConfigError
from move37.lab.data import EvaluationSet

MAX_KEPT_BYTES = 256 * 2**20
"""Bound on the answers held for comparison."""
LARGE_VOCABULARY = 4096
"""Above it a sample of positions is scored."""
SAMPLED_POSITIONS = 32
"""Of each window, at most, when a sample is scored; the standard error shows what that costs."""
ROLLS = 8
"""Shifts of the foreign row that are tried for one whose cut falls on a graded position."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Window:
    """One held-out window with its secret."""

    task: str
    index: int
    """Within its evaluation set."""
    true_T: np.ndarray  # noqa: N815  # axes in the name
    """uint16, the window."""
    foreign_T: np.ndarray  # noqa: N815  # axes in the name
    """uint16, the window up to the cut and something else behind it."""
    cut: int
    """First foreign position, 1..T-1; the answer at cut - 1 is given without its next token."""
    positions_P: np.ndarray  # noqa: N815  # axes in the name
    """int32, ascending: where answers are asked for; all of them are graded."""
    targets_P: np.ndarray  # noqa: N815  # axes in the name
    """int32, the tokens that are right there."""
    eligible_P: np.ndarray  # noqa: N815  # axes in the name
    """bool: where the cut could have fallen, drawn from evenly; empty of True if the cut had to
    fall elsewhere."""

    @property
    def n_compared(self) -> int:
        """How many of the positions lie before the cut."""
        return int(np.searchsorted(self.positions_P, self.cut))


def prepare_windows(
    evaluation_sets: Sequence[EvaluationSet], *, vocab_size: int, rng: np.random.Generator
) -> list[Window]:
    """Draw the positions and the cut of every window.

    Raises:
        ConfigError: a window and all that could stand behind its cut are the same, or nothing in
            a window is graded.
    """
    n_windows = sum(len(held_out.inputs_BT) for held_out in evaluation_sets)
    most = _most_positions(n_windows, vocab_size)
    return [
        _prepare(held_out, index, most=most, rng=rng)
        for held_out in evaluation_sets
        for index in range(len(held_out.inputs_BT))
    ]


def _most_positions(n_windows: int, vocab_size: int) -> int:
    affordable = max(2, MAX_KEPT_BYTES // max(1, n_windows * vocab_size * 4))
    return min(affordable, SAMPLED_POSITIONS) if vocab_size > LARGE_VOCABULARY else affordable


def _prepare(held_out: EvaluationSet, index: int, *, most: int, rng: np.random.Generator) -> Window:
    true_T, targets_T = held_out.inputs_BT[index], held_out.targets_BT[index]
    if not (targets_T >= 0).any():
        raise ConfigError(f"task {held_out.name!r}: nothing is graded in window {index}")
    graded_T = _asked(targets_T, most=most, rng=rng)
    foreign_T, rolls = held_out.foreign_BT[index], rng.integers(0, len(true_T), ROLLS)
    hides = (r for r in rolls if (_hidden_by_cut(true_T, np.roll(foreign_T, r)) & graded_T).any())
    other_T = np.roll(foreign_T, next(hides, rolls[0]))
    hidden_T = _hidden_by_cut(true_T, other_T)
    eligible_T = hidden_T & graded_T
    places = np.flatnonzero(eligible_T if eligible_T.any() else hidden_T)
    if not len(places):
        raise ConfigError(
            f"task {held_out.name!r}: window {index} equals the rows that should stand behind its "
            "cut; raise the task's options or length so that rows differ"
        )
    cut = int(rng.choice(places)) + 1
    positions_P = np.flatnonzero(graded_T)
    return Window(
        task=held_out.name,
        index=index,
        true_T=true_T,
        foreign_T=np.concatenate([true_T[:cut], other_T[cut:]]),
        cut=cut,
        positions_P=positions_P.astype(np.int32),
        targets_P=targets_T[positions_P],
        eligible_P=eligible_T[positions_P],
    )


def _asked(targets_T: np.ndarray, *, most: int, rng: np.random.Generator) -> np.ndarray:
    """Mark the graded positions, or an even sample of them where they are too many."""
    graded = np.flatnonzero(targets_T >= 0)
    asked_T = np.zeros(len(targets_T), dtype=bool)
    asked_T[graded if len(graded) <= most else rng.permutation(graded)[:most]] = True
    return asked_T


def _hidden_by_cut(true_T: np.ndarray, other_T: np.ndarray) -> np.ndarray:
    """Mark positions whose next token would change: only there does a cut hide something."""
    hidden_T = np.zeros(len(true_T), dtype=bool)
    hidden_T[:-1] = true_T[1:] != other_T[1:]
    return hidden_T


def draw_asks(
    windows: Sequence[Window], *, batch_rows: int, repeats: int, rng: np.random.Generator
) -> list[list[int]]:
    """Return which windows are asked together and in which order: indices into `windows`.

    Every window once, shuffled over tasks, in batches of one size; `repeats` of them once more, in
    batches of other sizes, anywhere in between.
    """
    once = _batches(windows, rng.permutation(len(windows)), sizes=[batch_rows])
    again = rng.permutation(len(windows))[:repeats]
    sizes = [1, max(1, batch_rows // 3), max(1, batch_rows // 2)]
    asks = once + _batches(windows, again, sizes=sizes)
    return [asks[i] for i in rng.permutation(len(asks))]


def _batches(
    windows: Sequence[Window], order: np.ndarray, *, sizes: Sequence[int]
) -> list[list[int]]:
    """Group by length, in order; sizes are used in turn."""
    lengths: dict[int, list[int]] = {}
    for index in order.tolist():
        lengths.setdefault(len(windows[index].true_T), []).append(index)
    batches: list[list[int]] = []
    for members in lengths.values():
        while members:
            size = sizes[len(batches) % len(sizes)]
            batches.append(members[:size])
            del members[:size]
    return batches
