"""Mixtures and held-out windows.

D1 any range of steps is that range of the whole; D2 rows stand in order and tasks do not disturb
each other; D3 windows follow from stage, seed and secret alone; D4 refusals.
"""

from __future__ import annotations

import numpy as np
import pytest

from move37.core.config import TaskSetting, Training
from move37.core.errors import ConfigError
from move37.core.trial import Stage
from move37.lab.data import evaluation_set, make_tasks, stream, training_arrays
from move37.lab.tasks.vocabulary import TAGS

RECIPE = Training(batch_size=6, length=64, learning_rate=1e-3, total_steps=10)
MIXTURE = (
    TaskSetting(name="recall", rows=4, metric="nats", noise=0.1, options={"pairs": 4}),
    TaskSetting(name="text", rows=2, metric="nats", noise=0.1, windows=8),
)


def arrays(seed: int, first: int, last: int, mixture=MIXTURE):
    return training_arrays(mixture, RECIPE, seed=seed, first_step=first, last_step=last)


def test_any_range_of_steps_is_that_range_of_the_whole():
    """D1: a trial that goes on from a snapshot sees what it would have seen."""
    whole_inputs, whole_targets = arrays(3, 0, 10)
    assert whole_inputs.shape == whole_targets.shape == (10, 6, 64)
    assert whole_inputs.dtype == np.uint16
    assert whole_targets.dtype == np.int32
    for first, last in [(0, 4), (4, 10), (7, 8), (5, 5)]:
        inputs, targets = arrays(3, first, last)
        assert np.array_equal(inputs, whole_inputs[first:last])
        assert np.array_equal(targets, whole_targets[first:last])


def test_steps_and_seeds_differ_and_rows_stand_in_the_order_of_the_tasks():
    """D2."""
    inputs, _ = arrays(3, 0, 3)
    assert (inputs[:, :4, 0] == TAGS["recall"]).all()
    assert inputs[:, 4:].max() < 256
    assert not np.array_equal(inputs[0], inputs[1])
    assert not np.array_equal(inputs, arrays(4, 0, 3)[0])


def test_a_tasks_rows_do_not_depend_on_its_company():
    """D2: adding a task leaves the data of the others alone."""
    alone, _ = arrays(3, 0, 3, mixture=MIXTURE[1:])
    both, _ = arrays(3, 0, 3)
    assert np.array_equal(alone, both[:, 4:])


def test_steps_that_do_not_rise_are_refused():
    with pytest.raises(ValueError, match="rise"):
        arrays(0, 5, 4)


def test_a_task_listed_twice_is_refused():
    with pytest.raises(ConfigError, match="'text' is listed twice"):
        make_tasks((*MIXTURE, MIXTURE[1]))


def held_out(stage=Stage.SEARCH, seed=0, secret=b"a secret of 16 b"):
    return evaluation_set(MIXTURE[1], length=64, stage=stage, seed=seed, secret=secret)


def test_windows_are_shared_by_stage_seed_and_secret_and_by_nothing_else():
    """D3: paired by construction, and not to be had by knowing the generator."""
    same, again = held_out(), held_out()
    assert np.array_equal(same.inputs_BT, again.inputs_BT)
    assert np.array_equal(same.foreign_BT, again.foreign_BT)
    others = [
        held_out(seed=1),
        held_out(stage=Stage.CONFIRM),
        held_out(stage=Stage.VERIFY),
        held_out(secret=b"another secret!!"),
    ]
    windows = [s.inputs_BT.tobytes() for s in (same, *others)] + [same.foreign_BT.tobytes()]
    assert len(set(windows)) == len(windows)


def test_weak_secrets_and_single_windows_are_refused():
    with pytest.raises(ValueError, match="16 bytes"):
        held_out(secret=b"short")
    with pytest.raises(ConfigError, match="windows must be at least 2"):
        evaluation_set(
            TaskSetting(name="text", rows=1, metric="nats", noise=1.0, windows=1),
            length=64,
            stage=Stage.SEARCH,
            seed=0,
            secret=bytes(16),
        )


def test_streams_of_different_names_differ_even_if_their_letters_line_up():
    draws = {
        stream(*parts).integers(2**60)
        for parts in [("a", 1), ("a1",), ("a", "1"), (b"a", 1), ("a", 1, ""), ("a",)]
    }
    assert len(draws) == 6
