"""Nearest documents among tens of thousands, by short forms first.

K1  What it finds is what comparing with everyone finds.
K2  A document that is replaced is found where it is now.
"""

from __future__ import annotations

import numpy as np

from move37.cognition.dense import VectorIndex
from move37.cognition.lexical import Document
from move37.cognition.sketch import EXACT_UP_TO

N_DIMENSIONS = 160
N = EXACT_UP_TO + 3_000


class Directions:
    """An embedder of numbers: some directions matter more than others, as in texts."""

    n_dimensions = N_DIMENSIONS

    def __init__(self) -> None:
        rng = np.random.default_rng(3)
        rows = rng.standard_normal((N + 10, N_DIMENSIONS)) / np.sqrt(1 + np.arange(N_DIMENSIONS))
        self.rows = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)

    def embed(self, texts):
        return self.rows[[int(text) for text in texts]]


def test_short_forms_find_what_a_comparison_with_everyone_finds():
    """K1, K2."""
    embedder = Directions()
    index = VectorIndex(embedder)
    documents = [Document(id=f"d{k}", fields=(str(k),)) for k in range(N)]
    index.add(documents[:-1_000])
    index.search("0", limit=1)  # short forms are made here, and grow below
    index.add(documents[-1_000:])
    hits = []
    for asked in range(N, N + 10):
        cosines = embedder.rows[:N] @ embedder.rows[asked]
        exact = {f"d{k}" for k in np.argsort(-cosines)[:5]}
        hits.append(len(exact & {hit.id for hit in index.search(str(asked), limit=5)}) / 5)
    assert np.mean(hits) >= 0.95
    index.add([Document(id="d7", fields=(str(N + 1),))])
    assert index.search(str(N + 1), limit=1)[0].id == "d7"
    assert index.search(str(N - 1), limit=1)[0].id == f"d{N - 1}"
