"""The arena's answers put to the scorer: the real model, with and without a sample of positions.

Q1 asked for positions, the model gives the rows it gives without    Q2 a large vocabulary is scored
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import pytest
from answerers import LARGE, SECRET, large_set
from layers import layer

from move37.arena import snapshot
from move37.arena.answer import serve
from move37.arena.backbone import Backbone, Shape
from move37.arena.contract import load_mixer
from move37.arena.train import Recipe, make_optimizer
from move37.core.trial import Outcome
from move37.lab.scorer import score
from move37.lab.wire import Message, receive, send

SHAPE = {"vocab_size": LARGE, "d_model": 8, "n_layers": 1, "n_heads": 2, "ffn_width": 8}
RECIPE = Recipe(
    learning_rate=1e-3,
    final_learning_rate=1e-4,
    warmup_steps=1,
    total_steps=2,
    weight_decay=0.0,
    gradient_clip=1.0,
)


class Line:
    """The host's end of a conversation with `serve`, which runs in a thread here."""

    def __init__(self, here: socket.socket) -> None:
        self.here = here

    def ask(self, message: Message, *, timeout_seconds: float) -> Message:
        self.here.settimeout(timeout_seconds)
        send(self.here, message)
        return receive(self.here)


@pytest.fixture(scope="module")
def request_for_answers() -> Message:
    model = Backbone(load_mixer(layer()), Shape(**SHAPE), seed=3)
    weights = snapshot.save(model, make_optimizer(model, RECIPE))
    return Message(
        kind="answer", fields={"source": layer(), "shape": SHAPE}, blobs={"weights": weights}
    )


@contextmanager
def answering(request: Message) -> Iterator[Line]:
    here, there = socket.socketpair()
    thread = threading.Thread(target=serve, args=(there, request))
    with here, there:
        thread.start()
        try:
            here.settimeout(60)
            assert receive(here).kind == "ready"
            yield Line(here)
        finally:
            here.shutdown(socket.SHUT_RDWR)
            thread.join(60)


def test_a_sample_of_positions_is_answered_as_in_the_whole(request_for_answers):
    """Q1."""
    rng = np.random.default_rng(0)
    tokens = rng.integers(0, LARGE, (3, 20)).astype(np.uint16)
    everywhere = [axis.ravel().astype(np.int32) for axis in np.indices(tokens.shape)]
    some = np.sort(rng.permutation(tokens.size)[:12])
    with answering(request_for_answers) as line:
        whole, sample = (
            line.ask(
                Message(kind="ask", arrays={"tokens": tokens, "rows": rows, "positions": places}),
                timeout_seconds=60,
            ).arrays["logits"]
            for rows, places in (everywhere, [axis[some] for axis in everywhere])
        )
    assert whole.shape == (3 * 20, LARGE)
    assert sample.dtype == np.float32
    np.testing.assert_allclose(sample, whole[some], rtol=1e-5, atol=1e-6)


def test_the_real_model_is_scored_on_a_sample_of_a_large_vocabulary(request_for_answers):
    """Q2: untrained, it knows nothing: about log V nats, and the interval says how surely."""
    result = score(
        lambda: answering(request_for_answers),
        [large_set(0, windows=6, length=60)],
        secret=SECRET,
        vocab_size=LARGE,
    )
    assert result.outcome is Outcome.COMPLETED, result.reason
    found = result.scores["large"]
    assert found.n_answers == 6 * 32
    assert found.standard_error > 0
    assert found.nats == pytest.approx(np.log(LARGE), abs=0.5)
