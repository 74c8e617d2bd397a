"""Texts as vectors, so that what means the same is near although it shares no word.

`Embedder` is the plug-in: anything that turns texts into unit vectors. A campaign names one as
`search.embedder = "module:factory"`, and its cards are searched with it. Two need nothing installed
and no network: `LatentSemantic`, fitted on the cards themselves, and `HashedNgrams`, which needs no
fitting and so serves texts that arrive one by one.
"""

from __future__ import annotations

import importlib
import math
import re
import sqlite3
import threading
import zlib
from collections import Counter
from collections.abc import Iterable, Sequence
from functools import cache, lru_cache
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from move37.cognition.lexical import Document, Found
from move37.cognition.sketch import EXACT_UP_TO, Sketch
from move37.core.errors import ConfigError

Vectors = NDArray[np.float32]
MOST_NEAR = 100
"""Neighbours that may be asked of short forms; for more, every row is compared."""
MAX_CHARACTERS = 20_000
FACTORY_ERRORS = (
    ImportError,
    SyntaxError,
    AttributeError,
    LookupError,
    ValueError,
    TypeError,
    OSError,
    RuntimeError,
)
"""How somebody's embedder fails: not there, wants arguments, finds no file or no device."""
STOPWORDS = frozenset(
    re.findall(
        r"\w+",
        "a an and are as at be but by for from has have in into is it its no not of on or so than "
        "that the then their there they this to was what when where which while with without",
    )
)


class Embedder(Protocol):
    """Turns texts into vectors of one dimension."""

    @property
    def n_dimensions(self) -> int:
        """Return the length of every vector."""
        ...

    def embed(self, texts: Sequence[str]) -> Vectors:
        """Return one row per text: of unit length, or zero where nothing is known of the text."""
        ...


class HashedNgrams:
    """Character n-grams of words, hashed with signs into a fixed number of dimensions."""

    def __init__(self, n_dimensions: int = 512, *, sizes: tuple[int, ...] = (3, 4, 5)) -> None:
        self._n_dimensions = n_dimensions
        self._sizes = sizes

    @property
    def n_dimensions(self) -> int:
        """Return the length of every vector."""
        return self._n_dimensions

    def embed(self, texts: Sequence[str]) -> Vectors:
        """Return one row per text: of unit length, or zero for a text without words."""
        if not texts:
            return np.zeros((0, self._n_dimensions), dtype=np.float32)
        return np.stack([_hashed(text, self._n_dimensions, self._sizes) for text in texts])


@lru_cache(maxsize=4096)  # a campaign asks for the same texts at every step
def _hashed(text: str, n_dimensions: int, sizes: tuple[int, ...]) -> Vectors:
    row = np.zeros((1, n_dimensions), dtype=np.float32)
    for gram, count in _grams(text, sizes).items():
        digest = zlib.crc32(gram.encode("utf-8", "replace"))
        sign = 1.0 if digest & 1 else -1.0
        row[0, (digest >> 1) % n_dimensions] += sign * (1 + math.log(count))
    return _unit(row)[0]


def _grams(text: str, sizes: tuple[int, ...]) -> Counter[str]:
    words = [w for w in text[:MAX_CHARACTERS].lower().split() if w not in STOPWORDS]
    grams: Counter[str] = Counter()
    for word in words:
        padded = f" {word} "
        for size in sizes:
            grams.update(padded[i : i + size] for i in range(len(padded) - size + 1))
    return grams


class LatentSemantic:
    """TF-IDF over stems, projected on the main directions of the texts it was fitted on (LSI).

    Words that occur in the same cards come to point the same way, so a query finds a card that says
    it in other words. Stems are those of SQLite's Porter tokenizer. Deterministic.
    """

    def __init__(self, texts: Sequence[str], *, n_dimensions: int = 96) -> None:
        self._stemmer = _Stemmer()
        documents = self._stemmer.stems(texts)
        frequency = Counter(stem for document in documents for stem in set(document))
        self._column = {stem: i for i, stem in enumerate(sorted(frequency))}
        counts = np.array([frequency[stem] for stem in self._column], dtype=np.float64)
        self._idf = np.log((1 + len(texts)) / (1 + counts)) + 1.0
        weighted = self._weighted(documents)
        energies, mixtures = np.linalg.eigh(weighted @ weighted.T)  # few texts, many stems: small
        kept = [i for i in np.argsort(-energies)[:n_dimensions] if energies[i] > 1e-9]
        self._directions = weighted.T @ mixtures[:, kept] / np.sqrt(energies[kept])

    @property
    def n_dimensions(self) -> int:
        """Return the length of every vector."""
        return self._directions.shape[1]

    def embed(self, texts: Sequence[str]) -> Vectors:
        """Return one row per text; words that were never seen count for nothing."""
        projected = self._weighted(self._stemmer.stems(texts)) @ self._directions
        return _unit(projected.astype(np.float32))

    def _weighted(self, documents: Sequence[Sequence[str]]) -> NDArray[np.float64]:
        rows = np.zeros((len(documents), len(self._column)))
        for row, document in zip(rows, documents, strict=True):
            for stem, count in Counter(document).items():
                if stem in self._column:
                    row[self._column[stem]] = 1 + math.log(count)
        rows *= self._idf
        return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)


class VectorIndex:
    """Documents near a text in an embedder's space, by cosine; fields are weighed and added up.

    Beyond EXACT_UP_TO documents the nearest are sought by short forms first and may miss one.
    """

    def __init__(self, embedder: Embedder, weights: Sequence[float] = (1.0,)) -> None:
        self._embedder = embedder
        self._weights = np.array(weights, dtype=np.float32)
        self._rows: Vectors = np.zeros((64, embedder.n_dimensions), dtype=np.float32)
        self._ids: list[str] = []
        self._place: dict[str, int] = {}
        self._sketch: Sketch | None = None

    def __len__(self) -> int:
        return len(self._ids)

    def add(self, documents: Iterable[Document]) -> None:
        """Add documents; an id that is there already is replaced."""
        batch = list(documents)
        if not batch:
            return
        fields = self._embedder.embed([field for d in batch for field in d.fields])
        shaped = fields.reshape(len(batch), len(self._weights), -1)
        vectors = _unit(np.einsum("nfd,f->nd", shaped, self._weights))
        for document, vector in zip(batch, vectors, strict=True):
            place = self._place.setdefault(document.id, len(self._ids))
            if place == len(self._ids):
                self._ids.append(document.id)
                self._grow(place + 1)
            self._rows[place] = vector
            if self._sketch is not None:
                self._sketch.replace(place, vector)

    def search(self, query: str, *, limit: int, among: int | None = None) -> tuple[Found, ...]:
        """Return the documents nearest to the query with their cosine, best first; ties by id.

        Args:
            query: any text.
            limit: at most so many.
            among: the first so many documents only, as if no others had been added; None: all.
        """
        n_rows = len(self._ids) if among is None else min(among, len(self._ids))
        if limit < 1 or n_rows < 1:
            return ()
        vector = self._embedder.embed([query])[0]
        places = self._near(vector, limit, n_rows)
        if places is None:
            cosines = self._rows[:n_rows] @ vector
        else:
            cosines = np.einsum("nd,d->n", self._rows[places], vector)  # see Sketch.near
        n = min(limit, len(cosines))
        best = np.argpartition(-cosines, n - 1)[:n]
        found = [
            Found(id=self._ids[i if places is None else places[i]], score=float(cosines[i]))
            for i in best
            if cosines[i] > 0
        ]
        return tuple(sorted(found, key=lambda f: (-f.score, f.id)))

    def _near(self, vector: Vectors, limit: int, n_rows: int) -> NDArray[np.intp] | None:
        """Return the places that are worth a comparison; None: all of them."""
        if n_rows <= EXACT_UP_TO or limit > MOST_NEAR:
            return None
        rows = self._rows[: len(self._ids)]
        if self._sketch is None:
            self._sketch = Sketch(rows)
        self._sketch.add(rows)
        return self._sketch.near(vector, among=n_rows)

    def _grow(self, n_rows: int) -> None:
        if n_rows > len(self._rows):
            more = np.zeros((len(self._rows), self._rows.shape[1]), dtype=np.float32)
            self._rows = np.concatenate([self._rows, more])


@cache  # it may be a large model: a process loads it once
def embedder_named(name: str) -> Embedder:
    """Return the embedder that `module:factory` gives when called without arguments.

    Raises:
        ConfigError: the name has another form, cannot be imported, or gives no embedder.
    """
    module_name, _, factory_name = name.partition(":")
    try:
        made = getattr(importlib.import_module(module_name), factory_name)()
        tried = made.embed(["one text", "another"])
        is_array = isinstance(tried, np.ndarray) and bool(np.isfinite(tried).all())
        found, wanted = np.shape(tried), (2, made.n_dimensions)
    except FACTORY_ERRORS as error:
        raise ConfigError(
            f"embedder {name!r} cannot be used ({type(error).__name__}: {error}); give "
            "module:factory, such as move37.cognition.dense:HashedNgrams: a module that is "
            "installed or on PYTHONPATH, and what it makes has n_dimensions and embed(texts)"
        ) from error
    if not is_array or found != wanted:
        raise ConfigError(
            f"embedder {name!r}: embed(two texts) must give a numpy array of finite numbers of "
            f"shape {wanted}; it gave {type(tried).__name__} of shape {found}"
        )
    return made


class _Stemmer:
    """Cuts texts into stems with the tokenizer that full-text search uses. Threadsafe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._base = sqlite3.connect(":memory:", check_same_thread=False)
        self._base.execute("CREATE VIRTUAL TABLE t USING fts5(x, tokenize='porter unicode61')")
        self._base.execute("CREATE VIRTUAL TABLE v USING fts5vocab('t', 'instance')")

    def stems(self, texts: Sequence[str]) -> list[list[str]]:
        """Return the stems of each text in order, stopwords left out."""
        kept = (
            " ".join(w for w in text[:MAX_CHARACTERS].lower().split() if w not in STOPWORDS)
            for text in texts
        )
        documents: list[list[str]] = [[] for _ in texts]
        with self._lock:
            self._base.execute("DELETE FROM t")
            self._base.executemany("INSERT INTO t (rowid, x) VALUES (?, ?)", enumerate(kept))
            for stem, row in self._base.execute("SELECT term, doc FROM v ORDER BY doc, offset"):
                documents[row].append(stem)
        return documents


def _unit(rows: Vectors) -> Vectors:
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    return (rows / np.where(lengths > 1e-12, lengths, 1.0)).astype(np.float32)
