"""An embedder of the user's own: named in a campaign file, used by the search for cards.

M1  What the campaign names is what its cards are searched with.
M2  A name that gives no embedder is refused before anything is written, with what failed.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from conftest import tiny

from move37.campaign.assemble import RunFolder, open_workshop
from move37.core.config import CampaignConfig
from move37.core.errors import ConfigError

PROGRAM = '''
import numpy as np


class Pointing:
    """Knows one word that stands in no card, and takes it to mean the Reformer."""

    n_dimensions = 2

    def embed(self, texts):
        near = [("xyzzy" in text) or ("Reformer" in text) for text in texts]
        return np.array([[1.0, 0.0] if is_near else [0.0, 1.0] for is_near in near], np.float32)


class Narrow(Pointing):
    n_dimensions = 3


class Broken:
    def __init__(self):
        raise OSError("no weights in /nowhere")


class Listing(Pointing):
    def embed(self, texts):
        return [[1.0, 0.0]] * len(texts)
'''


@pytest.fixture
def on_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A module of the user's, where Python finds it."""
    (tmp_path / "pointing.py").write_text(PROGRAM)
    (tmp_path / "unfinished.py").write_text("class Embedder(:\n")
    monkeypatch.syspath_prepend(tmp_path)


def naming(embedder: str | None) -> CampaignConfig:
    config = tiny()
    return config.model_copy(
        update={"search": config.search.model_copy(update={"embedder": embedder})}
    )


def found(config: CampaignConfig, folder: Path) -> list[str]:
    with open_workshop(config, RunFolder(path=folder)) as workshop:
        return [hit.card.id for hit in workshop.library.search("xyzzy")]


@pytest.mark.usefixtures("on_path")
def test_cards_are_searched_with_the_embedder_that_the_campaign_names(tmp_path):
    """M1: no words in common, so without it nothing is found."""
    assert found(naming("pointing:Pointing"), tmp_path / "own")[0] == "shared-query-key-hashing"
    assert found(naming(None), tmp_path / "plain") == []


@pytest.mark.usefixtures("on_path")
@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("pointing:Nobody", "has no attribute 'Nobody'"),
        ("pointing:Broken", "OSError: no weights in /nowhere"),
        ("pointing:Narrow", r"shape \(2, 3\); it gave ndarray of shape \(2, 2\)"),
        ("pointing:Listing", "numpy array .* gave list"),
        ("unfinished:Embedder", "SyntaxError"),
        ("nowhere_at_all:Embedder", "PYTHONPATH"),
    ],
)
def test_a_name_that_gives_no_embedder_is_refused_before_anything_is_written(tmp_path, name, words):
    """M2."""
    with (
        pytest.raises(ConfigError, match=f"embedder '{name}'.*{words}"),
        open_workshop(naming(name), RunFolder(path=tmp_path / "run")),
    ):
        pass
    assert not (tmp_path / "run").exists()
