"""The index finds texts by words, by meaning, and fused; it is one for cards, lessons, motivations.

R1 any text is a query. R2 results are best first and never more than asked for. R3 adding an id
again replaces it. R4 the same input gives the same result. R5 a text is nearest to itself.
"""

from __future__ import annotations

import numpy as np
import pytest

from move37.cognition.dense import HashedNgrams, LatentSemantic, embedder_named
from move37.cognition.lexical import Document, Found
from move37.cognition.retrieval import Index, fuse
from move37.core.errors import ConfigError

TEXTS = {
    "forget": "the layer forgets stale pairs because every head has its own rate of decay",
    "erase": "the memory erases what it holds under a key before it writes a new value",
    "rotate": "queries and keys are rotated by an angle so that order is known",
    "filter": "a short causal filter mixes each channel with its neighbours",
}


def index() -> Index:
    return Index(
        [Document(id=id_, fields=(text,)) for id_, text in TEXTS.items()], embedder=HashedNgrams()
    )


@pytest.mark.parametrize("how", ["lexical", "dense", "fused"])
def test_words_of_a_text_find_it_first(how):
    assert index().search("erases before writing a value", how=how)[0].id == "erase"


def test_other_forms_of_a_word_are_near_by_characters():
    assert index().nearest("filtering neighbouring channels")[0].id == "filter"


def test_every_text_is_nearest_to_itself():
    """R5."""
    built = index()
    for id_, text in TEXTS.items():
        (found,) = built.nearest(text)
        assert found.id == id_
        assert found.score == pytest.approx(1.0, abs=1e-5)


@pytest.mark.parametrize("how", ["lexical", "dense", "fused"])
def test_an_id_added_again_is_replaced(how):
    """R3."""
    built = index()
    built.add([Document(id="filter", fields=("eigenvalues below zero flip a state",))])
    assert len(built) == len(TEXTS)
    assert built.search("negative eigenvalues flip", how=how)[0].id == "filter"
    assert "filter" not in [f.id for f in built.search("causal filter neighbours", how="lexical")]


@pytest.mark.parametrize("how", ["lexical", "dense", "fused"])
@pytest.mark.parametrize("query", ["", "\"' OR", "NEAR(", "the", "\x00", "a" * 100_000, "ключ"])
def test_any_text_is_a_query(how, query):
    """R1, R2."""
    found = index().search(query, limit=2, how=how)
    assert len(found) <= 2
    assert [f.score for f in found] == sorted((f.score for f in found), reverse=True)


def test_an_index_holds_more_documents_than_it_started_with():
    built = index()
    built.add(Document(id=f"n{i}", fields=(f"motivation number{i}x",)) for i in range(500))
    assert built.nearest("motivation number321x")[0].id == "n321"


def test_no_document_no_result():
    assert Index(embedder=HashedNgrams()).search("memory") == ()


def test_fusing_prefers_what_both_lists_hold():
    one = [Found(id="a", score=9), Found(id="b", score=8)]
    two = [Found(id="b", score=0.3), Found(id="c", score=0.2)]
    assert [f.id for f in fuse([one, two])] == ["b", "a", "c"]


def test_latent_directions_join_words_that_are_used_together():
    fitted_on = [
        "recall of pairs fails",
        "recall lookup of pairs",
        "lookup fails",
        "training diverges with infinite gradients",
        "gradients explode, training stops",
    ]
    recall, lookup, gradients = LatentSemantic(fitted_on, n_dimensions=2).embed(
        ["recall", "lookup", "gradients"]
    )
    assert recall @ lookup > 0.9 > 0.5 > abs(recall @ gradients)


@pytest.mark.parametrize("made", [HashedNgrams(), LatentSemantic(list(TEXTS.values()))])
def test_vectors_are_of_unit_length_and_deterministic(made):
    """R4."""
    vectors = made.embed(list(TEXTS.values()))
    assert vectors.shape == (len(TEXTS), made.n_dimensions)
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(1.0, abs=1e-5)
    assert (vectors == made.embed(list(TEXTS.values()))).all()


def test_an_embedder_is_loaded_by_name():
    assert embedder_named("move37.cognition.dense:HashedNgrams").n_dimensions == 512


@pytest.mark.parametrize("name", ["nowhere:Thing", "json:loads_x", "", "builtins:dict"])
def test_a_name_that_gives_no_embedder_is_refused(name):
    with pytest.raises(ConfigError, match=r"embedder"):
        embedder_named(name)
