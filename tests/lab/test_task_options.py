"""The registry, options and building blocks of the tasks.

T1 the registry refuses what it does not know; T2 options are checked; T3 building blocks: distinct
draws, packing, the split of rows.
"""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from move37.core.errors import ConfigError, UnknownName
from move37.lab.split import Split
from move37.lab.tasks import NO_TARGET, VOCAB_SIZE, make_task
from move37.lab.tasks.task import belongs, draw_distinct, pack_left
from move37.lab.tasks.vocabulary import ASK, COPY, KEYS, NOISE, PAD, TAGS, VALUES, render


def test_unknown_tasks_and_options_are_refused_with_the_nearest_name():
    """T1."""
    with pytest.raises(UnknownName, match="did you mean 'recall'"):
        make_task("recal")
    with pytest.raises(UnknownName, match="did you mean 'pairs'"):
        make_task("recall", pair=3)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("recall", {"pairs": 0}),
        ("recall", {"pairs": 49}),
        ("recall", {"pairs": 2.5}),
        ("recall", {"pairs": True}),
        ("recall", {"pairs": "8"}),
        ("recall", {"values": 1}),
        ("noisy_recall", {"noise": 1.5}),
        ("noisy_recall", {"noise": float("nan")}),
        ("fuzzy_recall", {"pairs": 20, "alphabet": 10}),
        ("fuzzy_recall", {"symbols": 5}),
        ("selective_copying", {"tokens": 129}),
        ("compression", {"tokens": 49}),
        ("state_tracking", {"elements": 6}),
        ("state_tracking", {"modulus": 1}),
        ("state_tracking", {"span": 3, "every": 2}),
        ("state_update", {"reads": 1}),
        ("length_extrapolation", {"factor": 1}),
        ("length_extrapolation", {"pairs": 4, "elements": 3}),
        ("length_extrapolation", {"pairs": 0}),
        ("text", {"folder": "/no/such/folder"}),
        ("text", {"folder": 3}),
    ],
)
def test_options_out_of_range_are_refused(name, options):
    """T2."""
    with pytest.raises(ConfigError, match=name):
        make_task(name, **options)


@pytest.mark.parametrize(
    ("name", "options", "length"),
    [
        ("recall", {"pairs": 24}, 50),
        ("noisy_recall", {"pairs": 12}, 50),
        ("fuzzy_recall", {"pairs": 8}, 52),
        ("selective_copying", {"tokens": 32}, 64),
        ("compression", {"tokens": 24}, 26),
        ("state_tracking", {"span": 32}, 31),
        ("state_update", {"keys": 8}, 18),
    ],
)
def test_rows_too_short_for_the_options_are_refused(name, options, length):
    """T2: one shorter than the shortest that works, which does work."""
    task, rng = make_task(name, **options), np.random.default_rng(0)
    with pytest.raises(ConfigError, match=f"{name}.*at least {length + 1}"):
        task.batch(rng, rows=2, length=length, split=Split.TRAIN)
    drawn = task.batch(rng, rows=200, length=length + 1, split=Split.TRAIN)
    assert (drawn.targets_BT >= 0).any(axis=1).all()


def test_a_task_with_too_few_different_rows_is_refused_instead_of_leaking():
    """T2: parity in four symbols has 8 rows; some split has none of them."""
    task = make_task("state_tracking", elements=2, span=0)
    steps = [[VALUES.start + i, KEYS.start + j, KEYS.start + k] for i, j, k in np.ndindex(2, 2, 2)]
    all_rows = np.array([[TAGS["state_tracking"], *step] for step in steps], dtype=np.uint16)
    empty = [split for split in Split if not belongs(all_rows, split).any()]
    assert empty
    for split in empty:
        with pytest.raises(ConfigError, match="too few different rows"):
            task.batch(np.random.default_rng(0), rows=5, length=4, split=split)


@given(st.integers(0, 2**32), st.sampled_from([(5, 5), (8, 100), (40, 600), (300, 520)]))
@settings(deadline=None, max_examples=30)
def test_distinct_draws_are_distinct_and_in_range(seed, shape):
    count, space = shape
    drawn = draw_distinct(np.random.default_rng(seed), rows=6, count=count, space=space)
    assert drawn.shape == (6, count)
    assert all(len(set(row)) == count for row in drawn.tolist())
    assert drawn.min() >= 0
    assert drawn.max() < space


def test_distinct_draws_are_even():
    for space in (20, 600):
        drawn = draw_distinct(np.random.default_rng(0), rows=4000, count=10, space=space)
        counts = np.bincount(drawn.ravel(), minlength=space)
        expected = 40_000 / space
        assert np.abs(counts - expected).max() < 6 * np.sqrt(expected)


def test_packing_closes_gaps_cuts_and_pads():
    tokens = np.array([[1, 2, 3, 4], [5, 6, 7, 8]])
    keep = np.array([[True, False, True, False], [True, True, True, True]])
    packed = pack_left(tokens, tokens * 10, keep, length=3)
    assert packed.inputs_BT.tolist() == [[1, 3, PAD], [5, 6, 7]]
    assert packed.targets_BT.tolist() == [[10, 30, NO_TARGET], [50, 60, 70]]


def test_the_three_splits_share_all_rows_as_agreed():
    rows = np.random.default_rng(0).integers(0, VOCAB_SIZE, (20_000, 16)).astype(np.uint16)
    shares = {split: belongs(rows, split) for split in Split}
    assert (sum(shares.values(), np.zeros(20_000, int)) == 1).all()
    assert shares[Split.TRAIN].mean() == pytest.approx(0.8, abs=0.015)
    assert shares[Split.SEARCH].mean() == pytest.approx(0.1, abs=0.012)


def test_rendered_rows_read_like_the_docstrings():
    row = [TAGS["recall"], KEYS.start + 7, VALUES.start + 30, ASK, PAD, COPY, NOISE.start, 65, 32]
    assert render(row) == r"<recall> k7 v30 ? _ c n0 A \x20"
