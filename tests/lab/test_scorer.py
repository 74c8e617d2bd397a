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
    BatchMixer,
    BatchSizeReader,
    CallCounter,
    Cheat,
    Door,
    Dropout,
    FarSighted,
    FutureMean,
    Garbler,
    Honest,
    Late,
    Learner,
    OnlyInPhaseA,
    OnlyInPhaseB,
    Quiet,
    Rememberer,
    Rounding,
    SeamDetector,
    Shifter,
    Sparse,
    Stretcher,
    Whisper,
    bigram_logits,
)
from scipy.special import log_softmax
from scipy.stats import kstest

from move37.core.config import TaskSetting
from move37.core.errors import ConfigError
from move37.core.trial import Outcome, Stage
from move37.lab.blind import prepare_windows
from move37.lab.data import EvaluationSet, evaluation_set
from move37.lab.metrics import disagreement, log_probabilities, mean_over_windows, nats_and_hits
from move37.lab.scorer import AGREEMENT_LIMIT, score
from move37.lab.scores import BIAS_LIMIT_NATS, ScoreResult
from move37.lab.tasks import NO_TARGET, TASKS, VOCAB_SIZE
from move37.lab.wire import Message

SECRET = b"a secret of 16 b"


def held_out(name: str = "text", *, windows: int = 32, length: int = 64, seed: int = 0, **options):
    setting = TaskSetting(
        name=name, rows=1, metric="nats", noise=1.0, windows=windows, options=options
    )
    return evaluation_set(setting, length=length, stage=Stage.SEARCH, seed=seed, secret=SECRET)


def scored(make, *sets: EvaluationSet, secret: bytes = SECRET, **options) -> ScoreResult:
    return score(Door(make), sets or (held_out(),), secret=secret, **options)


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


def test_disagreement_neither_shrinks_with_a_constant_nor_with_impossible_tokens():
    """B1: the two ways to stretch a tolerance."""
    rng = np.random.default_rng(0)
    first = rng.standard_normal((4, 50)).astype(np.float32)
    second = first.copy()
    second[:, 3] += 0.1
    plain = disagreement(log_probabilities(first), log_probabilities(second))
    shifted = disagreement(log_probabilities(first + 500), log_probabilities(second))
    assert shifted == pytest.approx(plain, rel=0.01)
    first[:, 0] = second[:, 0] = -1e30
    stretched = disagreement(log_probabilities(first), log_probabilities(second))
    assert (stretched > 0.09 / 30).all()


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


def test_questions_hold_tokens_and_nothing_else():
    """B2: no targets, no names, no cut, no phase."""
    door = Door(Honest)
    score(door, [held_out()], secret=SECRET)
    for child in door.children:
        for message in child.asked:
            assert (message.kind, message.fields, message.blobs) == ("ask", {}, {})
            assert list(message.arrays) == ["tokens"]
            assert message.arrays["tokens"].dtype == np.uint16


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
        assert window.targets_P[window.cut - 1] >= 0
        places = np.flatnonzero(window.eligible_P)
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


def test_honest_children_are_never_accused():
    """B3, B7: under 50 secrets, in three kinds of task; the cut score is unbiased."""
    excess = []
    for i in range(50):
        sets = [
            held_out("text", windows=16, seed=i),
            held_out("recall", windows=16, seed=i, pairs=4),
            held_out("state_tracking", windows=16, seed=i),
        ]
        result = scored(Honest, *sets, secret=i.to_bytes(16))
        assert result.outcome is Outcome.COMPLETED, result.reason
        excess += [cut.excess for cut in result.cuts.values()]
    assert abs(np.mean(excess)) < 4 / math.sqrt(len(excess))
    assert 0.7 < np.std(excess) < 1.4


@pytest.mark.parametrize(
    ("cheat", "checks"),
    [
        (Cheat, {"prefix"}),
        (OnlyInPhaseB, {"prefix"}),
        (OnlyInPhaseA, {"prefix"}),
        (SeamDetector, {"prefix"}),
        (Sparse, {"prefix"}),
        (Late, {"prefix"}),
        (FarSighted, {"prefix"}),
        (FutureMean, {"prefix"}),
        (BatchMixer, {"prefix"}),
        (BatchSizeReader, {"prefix", "repeat"}),
        (Rememberer, {"repeat", "prefix"}),
        (Learner, {"prefix", "repeat"}),
        (CallCounter, {"prefix", "repeat"}),
        (Dropout, {"prefix", "repeat"}),
        (Quiet, {"bias"}),
        (Stretcher, {"prefix"}),
        (Shifter, {"prefix"}),
    ],
)
def test_cheats_are_caught_with_evidence(cheat, checks):
    """B4: on text, under ten secrets each."""
    for i in range(10):
        result = scored(cheat, held_out(windows=64), secret=i.to_bytes(16))
        assert result.outcome is Outcome.FORGED
        assert result.forged is not None
        assert result.forged.check in checks
        assert result.forged.size > result.forged.limit > 0
        assert result.reason.startswith("text")
        assert result.scores == {}


def test_the_evidence_names_the_window_the_place_and_both_answers():
    """B4: it can be checked by hand."""
    one = held_out()
    result = scored(OnlyInPhaseB, one)
    assert result.forged is not None
    forged = result.forged
    token = one.inputs_BT[forged.window, forged.position + 1]
    assert forged.token == token
    assert forged.second > forged.first
    honest = log_softmax(bigram_logits()[one.inputs_BT[forged.window, forged.position]])
    assert forged.first == pytest.approx(honest[token], abs=1e-3)
    assert f"{forged.first:.4f}" in result.reason


def test_a_cheat_below_all_limits_gains_nothing():
    """B4: it completes, and its score moves by less than the limit on bias."""
    whisper, honest = scored(Whisper), scored(Honest)
    assert whisper.outcome is Outcome.COMPLETED
    gain = honest.scores["text"].nats - whisper.scores["text"].nats
    assert 0 < gain < BIAS_LIMIT_NATS


class OneWindowInMany(Cheat):
    """As rare as can be: one answer in a quarter of the windows, and both children do the same."""

    def where(self, tokens_BT: np.ndarray) -> np.ndarray:
        mark = np.zeros(tokens_BT.shape, dtype=bool)
        mark[chosen_windows(tokens_BT), 20] = True
        return mark


def chosen_windows(tokens_BT: np.ndarray) -> np.ndarray:
    return tokens_BT[:, :8].astype(np.int64).sum(axis=1) % 4 == 0


def test_who_cheats_rarely_escapes_only_for_as_much_as_the_bound_says():
    """B4, B7: escapes fit exp(-N G / D); what an escape gains is less than the standard error."""
    escaped, chances = 0, []
    n_tries = 80
    for i in range(n_tries):
        one = held_out(windows=32, length=32, seed=i)
        cheating = scored(OneWindowInMany, one, secret=i.to_bytes(16))
        honest = scored(Honest, one, secret=i.to_bytes(16))
        chances.append(math.exp(-chosen_windows(one.inputs_BT).sum() / 31))
        if cheating.outcome is Outcome.COMPLETED:
            escaped += 1
            gain = honest.scores["text"].nats - cheating.scores["text"].nats
            assert gain < honest.scores["text"].standard_error
    deviation = math.sqrt(sum(chance * (1 - chance) for chance in chances))
    assert abs(escaped - sum(chances)) < 4 * deviation
    assert escaped < n_tries


def test_the_cut_score_of_a_cheat_is_honest():
    """B4: what A said at the cuts equals what an honest layer says there."""
    honest = scored(Honest).cuts["text"]
    whisper = scored(Whisper).cuts["text"]
    assert whisper.nats == honest.nats


def message(array: np.ndarray, kind: str = "logits", name: str = "logits") -> Message:
    return Message(kind=kind, arrays={name: array})


def _with(value: float):
    def garble(logits: np.ndarray) -> Message:
        logits[-1, -1, -1] = value
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
        (lambda x: message(x[0, 0]), Outcome.CRASHED, "shape"),
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


LARGE = 6000


def large_set(seed: int, windows: int = 24, length: int = 200) -> EvaluationSet:
    rng = np.random.default_rng(seed)
    rows = rng.integers(0, LARGE, (2, windows, length + 1)).astype(np.uint16)
    return EvaluationSet(
        name="large",
        inputs_BT=rows[0, :, :-1],
        targets_BT=rows[0, :, 1:].astype(np.int32),
        foreign_BT=rows[1, :, :-1],
    )


class Large(Honest):
    def __init__(self, phase: str) -> None:
        super().__init__(phase)
        rng = np.random.default_rng(0)
        self.table = rng.standard_normal((7, LARGE)).astype(np.float32) * 2

    def logits(self, tokens_BT: np.ndarray) -> np.ndarray:
        return self.table[tokens_BT % 7]


class LargeCheat(Large):
    def logits(self, tokens_BT: np.ndarray) -> np.ndarray:
        logits = super().logits(tokens_BT)
        add = np.full(tokens_BT.shape, 6.0)
        rows, times = np.indices((len(tokens_BT), tokens_BT.shape[1] - 1))
        logits[rows, times, tokens_BT[:, 1:]] += add[:, :-1].astype(np.float32)
        return logits


def test_large_vocabularies_are_scored_on_a_sample_with_an_honest_interval():
    """B6: 32 positions a window are asked for; the full score is within reach."""
    one = large_set(0)
    door = Door(Large)
    result = score(door, [one], secret=SECRET, vocab_size=LARGE)
    assert result.outcome is Outcome.COMPLETED
    for child in door.children:
        for asked in child.asked:
            n_rows = len(asked.arrays["tokens"])
            assert asked.arrays["positions"].shape == (n_rows, 32)
            assert n_rows * 32 * LARGE * 4 <= 64 * 2**20
            assert (np.diff(asked.arrays["positions"], axis=1) > 0).all()
    sampled = result.scores["large"]
    assert sampled.n_answers == 24 * 32
    log_p = log_softmax(door.children[0].table.astype(np.float64), axis=-1)
    full = -log_p[one.inputs_BT % 7, one.targets_BT].mean()
    assert abs(sampled.nats - full) < 4 * sampled.standard_error
    assert 0 < sampled.standard_error < 0.2


def test_looking_ahead_in_a_large_vocabulary_is_caught():
    """B6."""
    result = score(Door(LargeCheat), [large_set(1)], secret=SECRET, vocab_size=LARGE)
    assert result.outcome is Outcome.FORGED


def test_the_agreement_limit_is_far_from_rounding_and_from_cheating():
    """B3, B4: the gap of `Rounding` and of `Quiet` on both sides of the limit that matters."""
    table = bigram_logits()[:256]
    noise = 1e-4 * np.random.default_rng(0).standard_normal(table.shape).astype(np.float32)
    rounding = disagreement(log_probabilities(table), log_probabilities(table + noise))
    assert rounding.max() < AGREEMENT_LIMIT / 5
    cheating = table.copy()
    cheating[:, 101] += 0.1
    gaps = disagreement(log_probabilities(table), log_probabilities(cheating))
    assert gaps.min() > AGREEMENT_LIMIT * 2
