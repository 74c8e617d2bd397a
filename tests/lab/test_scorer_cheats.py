"""Cheats against the blind scorer: each is caught with evidence, or gains nothing.

B3 honest children are not accused; B4 cheats are caught, or gain nothing; B6 large vocabularies; B7
the statistics of cuts and escapes. The cheats themselves are in `answerers.py`.
"""

from __future__ import annotations

import math

import numpy as np
import pytest
from answerers import (
    LARGE,
    BatchMixer,
    BatchSizeReader,
    CallCounter,
    Cheat,
    Dropout,
    FarSighted,
    FutureMean,
    Honest,
    LargeCheat,
    Late,
    Learner,
    OnlyInPhaseA,
    OnlyInPhaseB,
    Quiet,
    Rememberer,
    SeamDetector,
    Shifter,
    Sparse,
    Stretcher,
    Whisper,
    bigram_logits,
    held_out,
    large_set,
    scored,
)
from scipy.special import log_softmax

from move37.core.trial import Outcome
from move37.lab.metrics import disagreement, log_probabilities
from move37.lab.scorer import AGREEMENT_LIMIT
from move37.lab.scores import BIAS_LIMIT_NATS


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


def test_looking_ahead_in_a_large_vocabulary_is_caught():
    """B6."""
    result = scored(LargeCheat, large_set(1), vocab_size=LARGE)
    assert result.outcome is Outcome.FORGED


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
