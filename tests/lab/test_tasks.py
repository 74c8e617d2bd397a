"""Every task against TaskContract, with a solver that reads rows symbol by symbol.

Besides the contract, T3: what is special about a task.
"""

from __future__ import annotations

import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from move37.core.config import TaskSetting
from move37.core.trial import Stage
from move37.lab.data import evaluation_set
from move37.lab.split import Split
from move37.lab.tasks import NO_TARGET, TASKS, Task, make_task
from move37.lab.tasks.vocabulary import (
    ASK,
    COPY,
    KEYS,
    NOISE,
    PAD,
    TAG_RANGE,
    TAGS,
    VALUES,
    render,
)
from move37.testing.task_contract import UNKNOWN, TaskContract


def solve_recall(inputs: list[int]) -> list[int]:
    """Noise is skipped; a key before the ask is bound to the next value, after it is a question."""
    targets, memory, asking, key = [], {}, False, None
    for token in inputs:
        answer = NO_TARGET
        if token in TAG_RANGE:
            memory, asking = {}, False
        elif token == ASK:
            asking = True
        elif token in KEYS and asking:
            answer = memory[token]
        elif token in KEYS:
            key = token
        elif token in VALUES:
            memory[key] = token
        targets.append(answer)
    return targets


class TestRecall(TaskContract):
    def make(self) -> Task:
        return make_task("recall")

    def solve(self, inputs: list[int], *, held_out: bool) -> list[int]:
        return solve_recall(inputs)


class TestRecallOfFewPairs(TestRecall):
    def make(self) -> Task:
        return make_task("recall", pairs=4, values=12)

    def test_several_instances_share_a_row_without_sharing_a_key(self) -> None:
        """T3."""
        inputs = self._draw(rows=1).inputs_BT[0].tolist()
        starts = [t for t, token in enumerate(inputs) if token == TAGS["recall"]]
        assert len(starts) == 7
        keys = [inputs[start + 1 + 2 * pair] for start in starts for pair in range(4)]
        assert len(set(keys)) == 28


class TestNoisyRecall(TaskContract):
    def make(self) -> Task:
        return make_task("noisy_recall")

    def solve(self, inputs: list[int], *, held_out: bool) -> list[int]:
        return solve_recall(inputs)

    def test_the_share_of_noise_is_the_one_asked_for(self) -> None:
        """T3: two places a unit, each taken half of the time, beside one or two signal symbols."""
        inputs = self._draw(rows=200).inputs_BT
        units = np.isin(inputs, list(KEYS)).sum()
        assert np.isin(inputs, list(NOISE)).sum() / units == pytest.approx(1.0, abs=0.05)


class TestNoisyRecallWithoutNoise(TestRecall):
    def make(self) -> Task:
        return make_task("noisy_recall", pairs=10, noise=0.0)


class TestFuzzyRecall(TaskContract):
    def make(self) -> Task:
        return make_task("fuzzy_recall")

    def solve(self, inputs: list[int], *, held_out: bool) -> list[int]:
        """Whole keys are looked up; what is graded is each symbol of a value after the ask."""
        ask = inputs.index(ASK)
        memory, key, value = {}, (), ()
        for token in [*inputs[1:ask], KEYS.start]:
            if token in KEYS and value:
                memory[key], key, value = value, (), ()
            if token in KEYS:
                key = (*key, token)
            else:
                value = (*value, token)
        targets = [NO_TARGET] * (ask + 1)
        key, value = (), ()
        for token in inputs[ask + 1 :]:
            if token in KEYS:
                key, value = (key, ()) if not value else ((), ())
                key = (*key, token)
            else:
                value = (*value, token)
            is_inside_longer_key = not value and self._goes_on(inputs, len(targets))
            full = memory.get(key, ()) if not is_inside_longer_key else ()
            targets.append(full[len(value)] if len(value) < len(full) else NO_TARGET)
        if not value:
            targets[-1] = UNKNOWN  # the row ends in a key: whether it would go on is not told
        return targets

    @staticmethod
    def _goes_on(inputs: list[int], position: int) -> bool:
        return position + 1 < len(inputs) and inputs[position + 1] in KEYS

    def test_keys_that_begin_other_keys_occur(self) -> None:
        """T3: recall by the first symbol alone must not be enough."""
        task = make_task("fuzzy_recall", pairs=8, alphabet=8)
        found = 0
        for row in task.batch(
            np.random.default_rng(0), rows=50, length=128, split=Split.TRAIN
        ).inputs_BT:
            words = render(row[1 : row.tolist().index(ASK)]).split()
            keys, key = [], []
            for word in words:
                if word[0] == "k":
                    key.append(word)
                elif key:
                    keys.append(tuple(key))
                    key = []
            assert len(set(keys)) == 8
            found += any(a != b and b[: len(a)] == a for a in keys for b in keys)
        assert found > 25


class TestSelectiveCopying(TaskContract):
    def make(self) -> Task:
        return make_task("selective_copying")

    def solve(self, inputs: list[int], *, held_out: bool) -> list[int]:
        targets, waiting = [], []
        for token in inputs:
            if token in TAG_RANGE:
                assert not waiting
            if token in VALUES:
                waiting.append(token)
            targets.append(waiting.pop(0) if token == COPY else NO_TARGET)
        return targets


class TestLongSelectiveCopying(TestSelectiveCopying):
    lengths = (100, 128, 256)

    def make(self) -> Task:
        return make_task("selective_copying", tokens=33, values=5)


class TestCompression(TaskContract):
    def make(self) -> Task:
        return make_task("compression")

    def solve(self, inputs: list[int], *, held_out: bool) -> list[int]:
        targets, listed = [], []
        for token in inputs:
            if token in TAG_RANGE:
                listed = []
            if token in VALUES:
                listed.append(token)
            targets.append(listed[token - KEYS.start] if token in KEYS else NO_TARGET)
        return targets


class TestStateTracking(TaskContract):
    def make(self) -> Task:
        return make_task("state_tracking")

    def solve(self, inputs: list[int], *, held_out: bool) -> list[int]:
        """The six orders of three cups, written out: where does each step take cup 0, 1, 2."""
        orders = ["012", "021", "102", "120", "201", "210"]
        targets, ball = [], 0
        for token in inputs:
            answer = NO_TARGET
            if token in VALUES:
                ball = token - VALUES.start
            if token in KEYS:
                ball = int(orders[token - KEYS.start][ball])
                answer = VALUES.start + ball
            targets.append(answer)
        return targets


class TestParityAtEveryThirdStep(TaskContract):
    def make(self) -> Task:
        return make_task("state_tracking", elements=2, span=0, every=3)

    def solve(self, inputs: list[int], *, held_out: bool) -> list[int]:
        ball = inputs[1] - VALUES.start
        targets = [NO_TARGET, NO_TARGET]
        for n_steps, token in enumerate(inputs[2:], start=1):
            ball = (ball + token - KEYS.start) % 2
            targets.append(VALUES.start + ball if n_steps % 3 == 0 else NO_TARGET)
        return targets


class TestRunningSum(TaskContract):
    def make(self) -> Task:
        return make_task("state_tracking", modulus=7, span=20)

    def solve(self, inputs: list[int], *, held_out: bool) -> list[int]:
        targets, total = [], 0
        for token in inputs:
            answer = NO_TARGET
            if token in VALUES:
                total = token - VALUES.start
            if token in KEYS:
                total += token - KEYS.start
                answer = VALUES.start + total % 7
            targets.append(answer)
        return targets


class TestFiveCups(TaskContract):
    def make(self) -> Task:
        return make_task("state_tracking", elements=5)

    def solve(self, inputs: list[int], *, held_out: bool) -> list[int]:
        swaps = ["", "01", "02", "03", "04", "12", "13", "14", "23", "24", "34"]
        targets, ball = [], 0
        for token in inputs:
            answer = NO_TARGET
            if token in VALUES:
                ball = token - VALUES.start
            if token in KEYS:
                swap = swaps[token - KEYS.start]
                if str(ball) in swap:
                    ball = int(swap.replace(str(ball), ""))
                answer = VALUES.start + ball
            targets.append(answer)
        return targets


class TestStateUpdate(TaskContract):
    def make(self) -> Task:
        return make_task("state_update")

    def solve(self, inputs: list[int], *, held_out: bool) -> list[int]:
        memory: dict[int, int] = {}
        targets, previous = [], PAD
        for token in inputs:
            answer = NO_TARGET
            if token in VALUES:
                memory[previous] = token
            elif token in KEYS and previous == ASK:
                answer = memory[token]
            targets.append(answer)
            previous = token
        return targets

    def test_keys_are_overwritten(self) -> None:
        """T3: the first value is often wrong, else this would be plain recall."""
        drawn = self._draw(rows=50)
        first_value_right = 0
        for inputs, targets in zip(
            drawn.inputs_BT.tolist(), drawn.targets_BT.tolist(), strict=True
        ):
            first: dict[int, int] = {}
            for t in range(1, len(inputs) - 1):
                if inputs[t] in KEYS and inputs[t + 1] in VALUES:
                    first.setdefault(inputs[t], inputs[t + 1])
            first_value_right += sum(
                first[inputs[t]] == target for t, target in enumerate(targets) if target >= 0
            )
        assert first_value_right / (drawn.targets_BT >= 0).sum() < 0.6


class TestLengthExtrapolation(TaskContract):
    def make(self) -> Task:
        return make_task("length_extrapolation")

    def solve(self, inputs: list[int], *, held_out: bool) -> list[int]:
        targets = solve_recall(inputs)
        ungraded = len(inputs) // 2 if held_out else 0
        return [NO_TARGET] * ungraded + targets[ungraded:]

    def test_held_out_rows_are_longer_and_graded_beyond_the_trained_length_only(self) -> None:
        """T3."""
        setting = TaskSetting(
            name="length_extrapolation", rows=1, metric="nats", noise=1.0, options={"factor": 3}
        )
        held_out = evaluation_set(setting, length=40, stage=Stage.SEARCH, seed=0, secret=bytes(16))
        assert held_out.inputs_BT.shape == (64, 120)
        assert (held_out.targets_BT[:, :40] == NO_TARGET).all()
        assert (held_out.targets_BT[:, 40:] >= 0).all()


class TestLongShellGame(TestStateTracking):
    def make(self) -> Task:
        return make_task("length_extrapolation", pairs=0, elements=3, factor=4)

    def solve(self, inputs: list[int], *, held_out: bool) -> list[int]:
        targets = super().solve(inputs, held_out=held_out)
        ungraded = len(inputs) // 4 if held_out else 0
        return [NO_TARGET] * ungraded + targets[ungraded:]


class TestText(TaskContract):
    def make(self) -> Task:
        return make_task("text")

    def solve(self, inputs: list[int], *, held_out: bool) -> list[int]:
        return [*inputs[1:], UNKNOWN]

    def test_every_position_is_graded_with_a_byte(self) -> None:
        """T3."""
        drawn = self._draw(rows=50)
        assert drawn.targets_BT.min() >= 0
        assert drawn.targets_BT.max() < 256


def test_every_task_is_under_contract():
    """A task added to the registry without its solver fails here."""
    under_contract = {
        suite().make().name for suite in _subclasses(TaskContract) if suite.__module__ == __name__
    }
    assert under_contract >= set(TASKS)


def _subclasses(suite: type) -> list[type]:
    return [s for child in suite.__subclasses__() for s in (child, *_subclasses(child))]


def test_a_batch_of_any_task_is_drawn_in_a_few_milliseconds():
    """Generous tenfold bound on what was measured (0.04-0.6 ms), for slow and shared machines."""
    for name in TASKS:
        task, rng = make_task(name), np.random.default_rng(0)
        task.batch(rng, rows=16, length=128, split=Split.TRAIN)
        start = time.process_time()
        for _ in range(10):
            task.batch(rng, rows=16, length=128, split=Split.TRAIN)
        assert (time.process_time() - start) / 10 < 0.01, name


@given(st.sampled_from(sorted(TASKS)), st.integers(0, 2**32), st.integers(1, 9))
@settings(deadline=None, max_examples=40)
def test_tags_tell_tasks_apart_and_padding_is_last(name, seed, rows):
    """T3: the first symbol of a mechanism row names its task; text has none."""
    drawn = make_task(name).batch(
        np.random.default_rng(seed), rows=rows, length=128, split=Split.TRAIN
    )
    for row in drawn.inputs_BT.tolist():
        assert (row[0] == TAGS[name]) if name in TAGS else (max(row) < 256)
        padding = row.count(PAD)
        assert row[len(row) - padding :] == [PAD] * padding
