"""The blind scorer against honest and hostile children.

B1 metrics equal plain ones; B2 the protocol: what each child sees; B3 honest children complete,
rounding included; B4 cheats are caught, or gain nothing; B5 garbage is an outcome; B6 large
vocabularies; B7 the statistics: intervals, cuts, escape.
"""

from __future__ import annotations

import math

import numpy as np
import pytest
from answerers import (
    LARGE,
    SECRET,
    Door,
    Garbler,
    Honest,
    Large,
    Rounding,
    bigram_logits,
    held_out,
    large_set,
    scored,
)
from scipy.special import log_softmax
from scipy.stats import kstest

from move37.core.errors import ConfigError
from move37.core.trial import Outcome
from move37.lab.blind import prepare_windows
from move37.lab.data import EvaluationSet
from move37.lab.metrics import log_probabilities, mean_over_windows, nats_and_hits
from move37.lab.scorer import score
from move37.lab.tasks import NO_TARGET, TASKS, VOCAB_SIZE
from move37.lab.wire import Message


def test_scores_are_those_of_a_plain_softmax():
    """B1: text and a task with few answers, against scipy, position by position."""
    sets = [held_out("text"), held_out("recall", pairs=8)]
    result = scored(Honest, *sets)
    assert result.outcome is Outcome.COMPLETED
    for one in sets:
        log_p = log_softmax(bigram_logits()[one.inputs_BT].astype(np.float64), axis=-1)
        graded = np.argwhere(one.targets_BT != NO_TARGET)
        nats = [-log_p[b, t, one.targets_BT[b, t]] for b, t in graded]
        right = [log_p[b, t].argmax() == one.targets_BT[b, t] for b, t in graded]
        assert result.scores[one.name].nats == pytest.approx(np.mean(nats), rel=1e-9)
        assert result.scores[one.name].accuracy == np.mean(right)
        assert result.scores[one.name].n_answers == len(graded)


def test_cross_entropy_survives_huge_logits():
    """B1: stable where a naive softmax overflows."""
    logits = np.array([[3e38, -3e38, 0], [-3e38, -3e38, -3e38], [1e4, 1e4 + 1, 0]], np.float32)
    nats, hits = nats_and_hits(logits, np.array([0, 1, 1]))
    assert nats == pytest.approx([0, math.log(3), math.log1p(math.exp(-1))])
    assert hits.tolist() == [True, False, True]
    assert np.isfinite(log_probabilities(logits)).all()


def test_standard_errors_are_the_spread_over_fresh_windows():
    """B7: across 60 draws of windows, for text and for recall."""
    for name, options in [("text", {}), ("recall", {"pairs": 4})]:
        results = [
            scored(Honest, held_out(name, windows=24, seed=seed, **options)).scores[name]
            for seed in range(60)
        ]
        spread = np.std([r.nats for r in results], ddof=1)
        claimed = np.mean([r.standard_error for r in results])
        assert claimed == pytest.approx(spread, rel=0.3), name


def test_the_ratio_mean_weighs_answers_and_its_error_windows():
    """B1: the textbook example by hand."""
    mean, error = mean_over_windows(np.array([2.0, 6.0]), np.array([1, 2]))
    assert mean == pytest.approx(8 / 3)
    assert error == pytest.approx(math.sqrt(2 * (2 - 8 / 3) ** 2 + 2 * (6 - 16 / 3) ** 2) / 3)


def seen_by(child: Honest) -> list[np.ndarray]:
    return [row for message in child.asked for row in message.arrays["tokens"]]


def test_child_a_sees_true_prefixes_and_child_b_true_windows_and_nobody_both():
    """B2."""
    sets = [held_out("text"), held_out("state_tracking", span=0)]
    door = Door(Honest)
    assert score(door, sets, secret=SECRET).outcome is Outcome.COMPLETED
    true = {row.tobytes() for one in sets for row in one.inputs_BT}
    a, b = (seen_by(child) for child in door.children)
    assert len(a) == len(true) == 64
    assert {row.tobytes() for row in b} == true
    assert len(b) == 64 + 4
    for row in a:
        assert row.tobytes() not in true
        shared = max(_common_prefix(row, other) for one in sets for other in one.inputs_BT)
        assert 1 <= shared < 64


def _common_prefix(first: np.ndarray, second: np.ndarray) -> int:
    differs = np.flatnonzero(first != second)
    return int(differs[0]) if len(differs) else len(first)


def test_questions_hold_tokens_and_places_and_nothing_else():
    """B2: no targets, no names, no cut, no phase; the places are all graded ones, cut or not."""
    one = held_out("recall", pairs=8)
    graded = {row.tobytes(): np.flatnonzero(row >= 0) for row in one.targets_BT}
    of_window = dict(zip((row.tobytes() for row in one.inputs_BT), graded.values(), strict=True))
    door = Door(Honest)
    score(door, [one], secret=SECRET)
    for child in door.children:
        for message in child.asked:
            assert (message.kind, message.fields, message.blobs) == ("ask", {}, {})
            assert sorted(message.arrays) == ["positions", "rows", "tokens"]
            assert message.arrays["tokens"].dtype == np.uint16
    for message in door.children[1].asked:
        for row, tokens in enumerate(message.arrays["tokens"]):
            asked = message.arrays["positions"][message.arrays["rows"] == row]
            assert (asked == of_window[tokens.tobytes()]).all()


def test_order_and_company_differ_between_the_children_and_tasks_are_mixed():
    """B2."""
    sets = [held_out("text", windows=40), held_out("recall", windows=40, pairs=8)]
    door = Door(Honest)
    score(door, sets, secret=SECRET)
    prefix_order = [[row[:2].tobytes() for row in seen_by(child)] for child in door.children]
    assert prefix_order[0] != prefix_order[1][: len(prefix_order[0])]
    main = [
        m.arrays["tokens"] for c in door.children for m in c.asked if len(m.arrays["tokens"]) > 9
    ]
    for tokens in main:
        assert 0 < (tokens[:, 0] < 256).mean() < 1
    sizes = {len(m.arrays["tokens"]) for m in door.children[1].asked}
    assert len(sizes) >= 3


def test_the_same_request_gives_the_same_questions_and_another_secret_others():
    """B2: a campaign can be replayed; a candidate cannot know the cuts of another campaign."""
    first, again, other = (Door(Honest) for _ in range(3))
    results = [
        score(door, [held_out()], secret=secret)
        for door, secret in [(first, SECRET), (again, SECRET), (other, b"x" * 16)]
    ]
    questions = [np.concatenate(seen_by(door.children[0])) for door in (first, again, other)]
    assert np.array_equal(questions[0], questions[1])
    assert not np.array_equal(questions[0], questions[2])
    assert results[0] == results[1]
    assert results[0].scores["text"].nats == pytest.approx(
        results[2].scores["text"].nats, rel=1e-12
    )


@pytest.mark.parametrize("name", sorted(TASKS))
def test_cuts_of_every_task_fall_evenly_on_answers_and_hide_the_next_token(name):
    """B2, B7: by Kolmogorov-Smirnov on the rank of the cut among the places it could have taken."""
    one = held_out(name, windows=200, length=128)
    windows = prepare_windows([one], vocab_size=VOCAB_SIZE, rng=np.random.default_rng(0))
    ranks = []
    for window in windows:
        assert 1 <= window.cut < len(window.true_T)
        assert (window.true_T[: window.cut] == window.foreign_T[: window.cut]).all()
        assert window.true_T[window.cut] != window.foreign_T[window.cut]
        assert window.cut - 1 in window.positions_P
        places = window.positions_P[window.eligible_P]
        rank = np.searchsorted(places, window.cut - 1)
        ranks.append((rank + np.random.default_rng(window.index).random()) / len(places))
    assert kstest(ranks, "uniform").pvalue > 1e-4


def test_every_task_can_be_scored_in_one_go():
    """B3: lengths differ (extrapolation is judged on longer rows)."""
    sets = [held_out(name, length=128, windows=8) for name in sorted(TASKS)]
    result = scored(Honest, *sets)
    assert result.outcome is Outcome.COMPLETED
    assert set(result.scores) == set(result.cuts) == set(TASKS)
    for name, cut in result.cuts.items():
        assert cut.n_answers == 8
        assert math.isfinite(cut.nats + cut.standard_error + result.scores[name].nats)


def test_rounding_is_no_crime():
    """B3: ten times the noise of float32, another in each child."""
    result = scored(Rounding)
    assert result.outcome is Outcome.COMPLETED
    honest = scored(Honest)
    assert result.scores["text"].nats == pytest.approx(honest.scores["text"].nats, abs=1e-4)


def message(array: np.ndarray, kind: str = "logits", name: str = "logits") -> Message:
    return Message(kind=kind, arrays={name: array})


def _with(value: float):
    def garble(logits: np.ndarray) -> Message:
        logits[-1, -1] = value
        return message(logits)

    return garble


@pytest.mark.parametrize(
    ("garble", "outcome", "reason"),
    [
        (_with(math.nan), Outcome.DIVERGED, "not finite"),
        (_with(math.inf), Outcome.DIVERGED, "not finite"),
        (lambda x: message(x[:, :-1]), Outcome.CRASHED, "shape"),
        (lambda x: message(x[:0]), Outcome.CRASHED, "shape"),
        (lambda x: message(x[..., :256]), Outcome.CRASHED, "shape"),
        (lambda x: message(x[0]), Outcome.CRASHED, "shape"),
        (lambda x: message(x.astype(np.float64)), Outcome.CRASHED, "float64"),
        (lambda x: message(x.astype(np.uint8)), Outcome.CRASHED, "uint8"),
        (lambda x: message(x, kind="trained"), Outcome.FORGED, "trained"),
        (lambda x: message(x, kind="x" * 10_000), Outcome.FORGED, "protocol"),
        (lambda x: message(x, name="loss"), Outcome.FORGED, "protocol"),
        (lambda x: Message(kind="logits", fields={"loss": 0.0}), Outcome.FORGED, "protocol"),
    ],
)
@pytest.mark.parametrize("phase", ["foreign", "true"])
def test_garbage_is_an_outcome_and_never_a_score(garble, outcome, reason, phase):
    """B5: from either child."""

    def make(this: str) -> Honest:
        return Garbler(this, garble) if this == phase else Honest(this)

    result = scored(make)
    assert result.outcome is outcome
    assert reason in result.reason
    assert len(result.reason) < 300
    assert result.scores == {}


class GoneError(Exception):
    """What a session raises when its child has died."""


class Dying(Honest):
    def ask(self, message: Message, *, timeout_seconds: float) -> Message:
        if self.asked:
            raise GoneError
        return super().ask(message, timeout_seconds=timeout_seconds)


def test_a_child_that_dies_is_the_callers_to_judge_and_no_child_stays_open():
    """B5: the session knows why it died; the scorer passes that on."""
    door = Door(Dying)
    with pytest.raises(GoneError):
        score(door, [held_out(windows=64)], secret=SECRET)
    assert door.n_open == 0


def test_nothing_to_score_and_names_used_twice_are_refused():
    """B5."""
    with pytest.raises(ValueError, match="nothing to score"):
        score(Door(Honest), [], secret=SECRET)
    with pytest.raises(ConfigError, match="listed twice: text"):
        score(Door(Honest), [held_out(), held_out(seed=1)], secret=SECRET)


def test_windows_that_equal_what_stands_behind_their_cut_are_refused():
    """B5: a cut that hides nothing would prove nothing."""
    same = np.full((4, 16), 65, dtype=np.uint16)
    one = EvaluationSet(
        name="constant", inputs_BT=same, targets_BT=same.astype(np.int32), foreign_BT=same
    )
    with pytest.raises(ConfigError, match=r"constant.*window 0"):
        scored(Honest, one)


def late_answers(length: int, windows: int = 6) -> EvaluationSet:
    """Answers in the second half only, where nothing that follows them can be replaced."""
    inputs = np.full((windows, length), 65, dtype=np.uint16)
    inputs[:, : length // 2] = np.arange(windows * (length // 2)).reshape(windows, -1) % 60
    targets = np.full(inputs.shape, NO_TARGET, dtype=np.int32)
    targets[:, length // 2 :] = 66
    foreign = np.full_like(inputs, 65)
    return EvaluationSet(name="late", inputs_BT=inputs, targets_BT=targets, foreign_BT=foreign)


@pytest.mark.parametrize("vocab_size", [VOCAB_SIZE, 4100])
def test_answers_that_nothing_can_be_hidden_from_are_scored_without_a_cut_score(vocab_size):
    """B2: the cut then falls on a position that is not graded, or not even asked about."""
    result = scored(
        lambda phase: Honest(phase, vocab_size), late_answers(100), vocab_size=vocab_size
    )
    assert result.outcome is Outcome.COMPLETED
    assert result.cuts == {}
    assert result.scores["late"].n_answers == (300 if vocab_size == VOCAB_SIZE else 6 * 32)


def test_windows_without_answers_are_refused():
    """B5."""
    one = late_answers(20)
    one.targets_BT[3] = NO_TARGET
    with pytest.raises(ConfigError, match="nothing is graded in window 3"):
        scored(Honest, one)


def test_large_vocabularies_are_scored_on_a_sample_with_an_honest_interval():
    """B6: 32 positions a window are asked for; the full score is within reach."""
    one = large_set(0)
    door = Door(Large)
    result = score(door, [one], secret=SECRET, vocab_size=LARGE)
    assert result.outcome is Outcome.COMPLETED
    for child in door.children:
        for asked in child.asked:
            n_rows = len(asked.arrays["tokens"])
            assert (asked.arrays["rows"] == np.repeat(np.arange(n_rows), 32)).all()
            assert n_rows * 32 * LARGE * 4 <= 64 * 2**20
            assert (np.diff(asked.arrays["positions"].reshape(n_rows, 32), axis=1) > 0).all()
    sampled = result.scores["large"]
    assert sampled.n_answers == 24 * 32
    log_p = log_softmax(door.children[0].table.astype(np.float64), axis=-1)
    full = -log_p[one.inputs_BT % 7, one.targets_BT].mean()
    assert abs(sampled.nats - full) < 4 * sampled.standard_error
    assert 0 < sampled.standard_error < 0.2
