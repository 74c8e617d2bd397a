"""TaskContract: what every task must keep. Give a task and a slow solver, inherit the tests.

    class TestRecall(TaskContract):
        def make(self) -> Task:
            return make_task("recall", pairs=4)

        def solve(self, inputs: list[int], *, held_out: bool) -> list[int]:
            ...  # read the row symbol by symbol, as a person would

Invariants: C1 shape, dtype and range; C2 targets; C3 determinism; C4 answers equal the solver's;
C5 chance level; C6 splits keep apart; C7 rows too short are refused.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

import numpy as np
import pytest

from move37.core.errors import ConfigError
from move37.lab.split import Split
from move37.lab.tasks import NO_TARGET, VOCAB_SIZE, Rows, Task

UNKNOWN = -2
"""A solver's answer where the row itself does not hold it (the next byte of a text)."""


class TaskContract(ABC):
    """The suite; `lengths` may be widened or narrowed by a subclass."""

    lengths: ClassVar[tuple[int, ...]] = (64, 100, 128, 256)
    """Lengths the task must fill; 100 is there for not being a power of two."""

    @abstractmethod
    def make(self) -> Task:
        """Return the task under test."""

    @abstractmethod
    def solve(self, inputs: list[int], *, held_out: bool) -> list[int]:
        """Return the target at every position, found without the task's own code.

        NO_TARGET where nothing is asked, UNKNOWN where the row does not say. `held_out` rows may be
        graded in other places than training rows.
        """

    @pytest.mark.parametrize("split", list(Split))
    def test_rows_have_the_shape_dtype_and_range_that_were_agreed(self, split: Split) -> None:
        """C1."""
        for length in self.lengths:
            drawn = self._draw(length=length, rows=5, split=split)
            assert drawn.inputs_BT.shape == drawn.targets_BT.shape == (5, length)
            assert drawn.inputs_BT.dtype == np.uint16
            assert drawn.targets_BT.dtype == np.int32
            assert drawn.inputs_BT.max() < VOCAB_SIZE

    @pytest.mark.parametrize("split", list(Split))
    def test_every_row_has_targets_and_they_are_tokens(self, split: Split) -> None:
        """C2."""
        for length in self.lengths:
            targets_BT = self._draw(length=length, rows=20, split=split).targets_BT
            assert (targets_BT >= 0).any(axis=1).all()
            assert targets_BT.min() >= NO_TARGET
            assert targets_BT.max() < VOCAB_SIZE

    def test_the_same_generator_state_gives_the_same_rows_and_another_gives_others(self) -> None:
        """C3."""
        first, again, other = (self._draw(rows=4, seed=seed) for seed in (1, 1, 2))
        assert np.array_equal(first.inputs_BT, again.inputs_BT)
        assert np.array_equal(first.targets_BT, again.targets_BT)
        assert not np.array_equal(first.inputs_BT, other.inputs_BT)

    @pytest.mark.parametrize("split", list(Split))
    def test_answers_are_those_of_a_slow_and_plain_solver(self, split: Split) -> None:
        """C4."""
        for length in self.lengths:
            drawn = self._draw(length=length, rows=6, split=split, seed=length)
            for inputs, targets in zip(drawn.inputs_BT, drawn.targets_BT, strict=True):
                solved = np.array(self.solve(inputs.tolist(), held_out=split is not Split.TRAIN))
                assert len(solved) == length
                known = solved != UNKNOWN
                assert np.array_equal(solved[known], targets[known])

    def test_who_never_looks_at_the_row_scores_chance(self) -> None:
        """C5: the best constant answer and distribution, fitted on some rows, on other rows."""
        task = self.make()
        fitted = _answers(self._draw(rows=400, seed=3))
        tested = _answers(self._draw(rows=400, seed=4))
        frequencies = np.bincount(fitted, minlength=VOCAB_SIZE) / len(fitted)
        accuracy = float((tested == frequencies.argmax()).mean())
        nats = float(-np.log(np.maximum(frequencies, 1e-6))[tested].mean())
        error = np.sqrt(task.chance * (1 - task.chance) / 400)  # rows, not answers, are independent
        assert accuracy == pytest.approx(task.chance, abs=4 * error)
        assert nats == pytest.approx(task.chance_nats, rel=0.05)

    def test_no_row_of_one_split_is_found_in_another(self) -> None:
        """C6."""
        rows = {
            split: {row.tobytes() for row in self._draw(rows=200, split=split).inputs_BT}
            for split in Split
        }
        assert not rows[Split.TRAIN] & rows[Split.SEARCH]
        assert not rows[Split.TRAIN] & rows[Split.CONFIRM]
        assert not rows[Split.SEARCH] & rows[Split.CONFIRM]

    def test_one_position_is_refused_or_holds_a_target(self) -> None:
        """C7: a row without an answer would be a silent waste."""
        try:
            drawn = self._draw(length=1, rows=2)
        except ConfigError as error:
            assert self.make().name in str(error)  # noqa: PT017  # either way is right
        else:
            assert (drawn.targets_BT >= 0).all()

    def test_held_out_rows_are_at_least_as_long_as_training_rows(self) -> None:
        """C1: nothing is judged on less than it was trained on."""
        task = self.make()
        for length in self.lengths:
            assert task.evaluation_length(length) >= length

    def _draw(
        self, *, rows: int, length: int = 128, split: Split = Split.TRAIN, seed: int = 0
    ) -> Rows:
        rng = np.random.default_rng(seed)
        return self.make().batch(rng, rows=rows, length=length, split=split)


def _answers(drawn: Rows) -> np.ndarray:
    return drawn.targets_BT[drawn.targets_BT >= 0]
