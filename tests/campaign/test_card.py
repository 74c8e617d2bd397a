"""A candidate's card: `move37 show`.

K1  Every candidate of a campaign has a card, and what it says is what the ledger says.
K2  The page is one file that loads nothing, runs nothing, and shows hostile words as words.
K3  The proof is true: each event has the hash that it names, each file its digest, and a missing
    file is said to be missing.
K4  A source that the author was not shown is said to be none.
K5  Formulas are derived or there are none: a hand-written loop, or a function of the layer's own
    that bears a kernel's name, gives none.
K6  Who cannot be found is answered with who could be meant, however hostile the names.
"""

from __future__ import annotations

import hashlib
import io
import json
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from move37.campaign.assemble import RunFolder
from move37.campaign.card import read_card
from move37.campaign.card_verbs import print_card, show_card
from move37.campaign.lookup import find_entry
from move37.campaign.settings import load_campaign, load_preset
from move37.core.candidate import Candidate, Element, Idea, Origin, Prediction
from move37.core.claims import Effect, Verdict, VerdictKind
from move37.core.errors import ConfigError, UnknownName
from move37.core.events import (
    CampaignStarted,
    CandidateProposed,
    CandidateStarted,
    CardsRead,
    RootAdded,
    VerdictReached,
)
from move37.evidence.evalues import sign_e_value
from move37.insights.card import card_page, verdict_lines
from move37.insights.flow import data_flow
from move37.insights.flow.formulas import formulas_of_code
from move37.lab.references import reference_candidate, reference_source
from move37.memory.artefacts import Artefacts
from move37.memory.ledger import Ledger
from move37.memory.state import State

EVIL = "</pre></text><script>alert(1)</script><img src=x onerror=alert(2)> [bold]\x1b[31m\u202e"


class Tags(HTMLParser):
    """Every tag of a page, and every address in it."""

    def __init__(self) -> None:
        super().__init__()
        self.names: set[str] = set()
        self.addresses: list[str] = []

    def handle_starttag(self, tag, attrs):
        self.names.add(tag)
        self.addresses += [
            v or "" for k, v in attrs if k in ("src", "href", "action") or k[:2] == "on"
        ]


def begin(path: Path, *candidates: Candidate) -> Ledger:
    """A campaign with roots only."""
    ledger = Ledger.open(path / "ledger.db", create=True)
    config = load_campaign(None, {"name": path.name, "preset": "tiny"})
    ledger.append(
        CampaignStarted(
            name=path.name, config=config.model_dump_json(), version="0", machine={},
            sandboxed=True, preset=load_preset("tiny").model_dump_json(),
        ),
        *(RootAdded(candidate=c, role="root") for c in candidates),
    )  # fmt: skip
    return ledger


def propose(ledger: Ledger, index: int, candidate: Candidate, *cards: str) -> None:
    ledger.append(
        CandidateStarted(index=index, driver="x"),
        CardsRead(index=index, query="q", cards=cards),
        CandidateProposed(index=index, candidate=candidate, operator="propose"),
    )


def evil_candidate(**more) -> Candidate:
    idea = Idea(name=EVIL, motivation=EVIL, mechanism=EVIL, **more)
    return Candidate.of(
        f"class Mixer:\n    def forward(self, x): return x  # {EVIL!a}\n", idea, author=EVIL
    )


def test_every_candidate_has_a_card_with_the_ledgers_numbers(finished_ledger, finished_run):
    """K1."""
    run = RunFolder(path=finished_run)
    for id_, entry in finished_ledger.state().candidates.items():
        card = read_card(finished_ledger, run, id_)
        assert card.verdict == entry.verdict
        assert card.probes == entry.probes
        assert "<svg" in card.mechanism.diagram
        measured = [e for r in card.effects for e in (r.search, r.fresh, r.larger)]
        assert not entry.verdict or entry.verdict.effect is None or entry.verdict.effect in measured
        assert {r.id for r in card.ancestors} >= set(entry.candidate.parents)
        assert [r.element for r in card.origins] == [e.name for e in entry.candidate.idea.elements]
        print_card(Console(file=io.StringIO()), card)


def test_a_symbolic_candidate_shows_its_recurrence(finished_ledger, finished_run):
    """K1."""
    entry = next(e for e in finished_ledger.state().candidates.values() if e.role == "proposed")
    card = read_card(finished_ledger, RunFolder(path=finished_run), entry.id)
    assert any("S_t = " in line for line in card.mechanism.formulas)
    assert "description" in card.mechanism.remark


def test_fresh_pairs_are_checked_without_students_t(finished_ledger, finished_run):
    n_checked = 0
    for id_ in finished_ledger.state().candidates:
        card = read_card(finished_ledger, RunFolder(path=finished_run), id_)
        fresh, check = card.effects[0].fresh if card.effects else None, card.fresh_check
        assert (fresh is None) == (check is None)
        if fresh is None or check is None:
            continue
        n_checked += 1
        assert np.mean(check.differences) == pytest.approx(fresh.mean)
        assert len(check.differences) == fresh.n_pairs
        assert min(check.differences) <= check.bootstrap.low <= fresh.mean <= check.bootstrap.high
        assert check.sign_e_value == pytest.approx(sign_e_value(check.differences))
        n_better = sum(d > 0 for d in check.differences)
        said = dict(verdict_lines(card))["its fresh pairs"]
        assert f"{n_better} of {fresh.n_pairs} better" in said
    assert n_checked


def test_search_and_fresh_effects_stand_in_columns_of_their_own(tmp_path):
    """K1: and the prediction is held against the fresh ones."""
    candidate = evil_candidate(predictions=(Prediction(task="recall", effect=0.5, confidence=0.8),))
    low, high = (Effect(mean=m, low=m - 1, high=m + 1, n_pairs=2) for m in (-2.0, 3.0))
    with begin(tmp_path / "r", reference_candidate("gla")) as ledger:
        propose(ledger, 0, candidate)
        for effect, level, kind in ((low, None, "promoted"), (high, 0.01, "confirmed")):
            verdict = Verdict(
                kind=VerdictKind(kind), reason="", effect=effect, task_effects={"recall": effect},
                level=level, e_value=level and 200.0,
            )  # fmt: skip
            ledger.append(VerdictReached(index=0, candidate_id=candidate.id, verdict=verdict))
        card = read_card(ledger, RunFolder(path=tmp_path / "r"), candidate.id)
    assert (card.effects[0].search, card.effects[0].fresh) == (low, high)
    (prediction,) = card.predictions
    assert (prediction.measured, prediction.measured_on, prediction.held) == (
        high,
        "fresh seeds",
        True,
    )


def test_the_page_shows_hostile_words_and_does_nothing(tmp_path):
    """K2."""
    candidate = evil_candidate(elements=(Element(name=EVIL, origin=Origin.CARD, source=EVIL),))
    with begin(tmp_path / "r", reference_candidate("gla")) as ledger:
        propose(ledger, 0, candidate)
        card = read_card(ledger, RunFolder(path=tmp_path / "r"), candidate.id)
    page = card_page(card)
    tags = Tags()
    tags.feed(page)
    assert not {"script", "img", "link", "iframe", "object"} & tags.names
    assert tags.addresses == []
    assert "&lt;script&gt;" in page
    assert not {"\x1b", "\u202e"} & set(page)
    assert re.findall(r"https?://(?!www\.w3\.org/2000/svg)", page) == []


def test_the_terminal_gets_no_control_characters(tmp_path, capsys):
    """K2."""
    candidate = evil_candidate(elements=(Element(name=EVIL, origin=Origin.CARD, source=EVIL),))
    with begin(tmp_path / "r", candidate) as ledger:
        show_card(ledger, RunFolder(path=tmp_path / "r"), candidate.id)
    printed = capsys.readouterr().out
    assert not {"\x1b", "\u202e"} & set(printed)
    assert "[bold]" in printed


def test_json_and_files_say_the_same(finished_ledger, finished_run, tmp_path, capsys):
    """K1."""
    id_ = next(iter(finished_ledger.state().candidates))
    page, drawing = tmp_path / "card.html", tmp_path / "flow.svg"
    show_card(
        finished_ledger, RunFolder(path=finished_run), id_, html=page, svg=drawing, as_json=True
    )
    told = json.loads(capsys.readouterr().out)
    assert told["id"] == id_
    assert id_ in page.read_text()
    assert drawing.read_text().startswith("<svg")
    assert told["proof"]["head"] == finished_ledger.head()[1]


def test_a_file_that_cannot_be_written_is_one_message(finished_ledger, finished_run, tmp_path):
    """K6."""
    id_ = next(iter(finished_ledger.state().candidates))
    with pytest.raises(ConfigError, match="--html"):
        show_card(finished_ledger, RunFolder(path=finished_run), id_, html=tmp_path)


def test_the_proof_names_events_and_files_that_are_there(finished_ledger, finished_run):
    """K3."""
    hashes = {r.seq: r.hash for r in finished_ledger.records()}
    run = RunFolder(path=finished_run)
    n_files = 0
    for id_ in finished_ledger.state().candidates:
        proof = read_card(finished_ledger, run, id_).proof
        assert proof.events
        assert all(hashes[row.seq] == row.hash for row in proof.events)
        assert proof.source_digest.startswith(id_)
        for row in proof.artefacts:
            path = Artefacts(finished_run / "artefacts").path(row.digest)
            assert row.is_kept == path.is_file()
            n_files += 1
            if row.is_kept:
                assert hashlib.sha256(path.read_bytes()).hexdigest() == row.digest
    assert n_files > 0


def test_a_card_that_was_not_shown_is_no_source(tmp_path):
    """K4."""
    elements = tuple(
        Element(name=n, origin=Origin.CARD, source=n) for n in ("shown-card", "unseen-card")
    )
    candidate = evil_candidate(elements=elements)
    with begin(tmp_path / "r") as ledger:
        propose(ledger, 0, candidate, "shown-card")
        card = read_card(ledger, RunFolder(path=tmp_path / "r"), candidate.id)
    assert [row.check for row in card.origins] == [
        "shown to the author", "not shown: counts as original",
    ]  # fmt: skip


def test_formulas_come_from_the_kernels_that_are_called():
    """K5."""
    source = reference_source("gated_deltanet")
    found = formulas_of_code(source, data_flow(source)[0])
    assert "S_t = (I - b_t k_t k_t^T) exp(g_t) S_(t-1) + b_t k_t v_t^T" in found.lines
    assert "beta_t = sigmoid(W x_t)" in found.lines
    assert any("alpha_t" in line for line in found.stated)


LOOP = """
class Mixer(nn.Module):
    def forward(self, x, state=None):
        S = state
        for t in range(x.shape[1]):
            S = S * 0.9 + x[:, t]
        return S, S
"""
OWN = """
def delta_rule(q, k):
    for t in range(9):
        k = k + q
    return k

class Mixer(nn.Module):
    def forward(self, x, state=None):
        return delta_rule(x, x), state
"""


@pytest.mark.parametrize("source", [LOOP, OWN, "class Mixer: ...", "("], ids=range(4))
def test_no_formula_is_made_up(source):
    """K5."""
    found = formulas_of_code(source, data_flow(source)[0])
    assert found.lines == ()
    assert "no formula can be derived" in found.remark


def test_a_candidate_that_was_raced_is_told_with_the_bar(finished_ledger, finished_run):
    """K1: in the terminal and on the page, also where a later verdict stands above it."""
    raced = [
        e for e in finished_ledger.state().candidates.values()
        if e.search_verdict and "of ending above" in e.search_verdict.reason
    ]  # fmt: skip
    assert raced
    for entry in raced:
        card = read_card(finished_ledger, RunFolder(path=finished_run), entry.id)
        assert "the bar" in dict(verdict_lines(card))
        assert "the bar: " in card_page(card)


def test_an_empty_campaign_says_how_to_begin():
    """K6."""
    with pytest.raises(UnknownName, match="no candidate yet"):
        find_entry(State(), "ab")


def test_several_that_could_be_meant_are_named(finished_ledger):
    """K6: also by the empty word."""
    state = finished_ledger.state()
    by_digit: dict[str, list[str]] = {}
    for id_ in state.candidates:
        by_digit.setdefault(id_[0], []).append(id_)
    digit, ids = max(by_digit.items(), key=lambda item: len(item[1]))
    with pytest.raises(UnknownName, match="are called so") as told:
        find_entry(state, digit)
    assert all(id_ in str(told.value) for id_ in ids[:8])
    with pytest.raises(UnknownName, match="among"):
        find_entry(state, " ")


def test_who_is_not_there_is_answered_with_the_nearest(finished_ledger):
    """K6: by a digit that is wrong, and by a name that is."""
    state = finished_ledger.state()
    entry = next(e for e in state.candidates.values() if e.role == "proposed")
    wrong = entry.id[:-1] + ("0" if entry.id[-1] != "0" else "1")
    with pytest.raises(UnknownName, match=entry.id):
        find_entry(state, wrong)
    with pytest.raises(UnknownName, match=entry.id):
        find_entry(state, entry.candidate.idea.name[:-1])


def test_nobody_is_called_near_who_is_not(finished_ledger):
    """K6."""
    with pytest.raises(UnknownName, match="no id begins so") as told:
        find_entry(finished_ledger.state(), "zzzz")
    assert "nearest" not in str(told.value)
    assert "move37 tree lists all" in str(told.value)


def test_an_exact_name_will_do(finished_ledger):
    """K6."""
    state = finished_ledger.state()
    assert find_entry(state, "linear_attention").role == "root"


def test_hostile_names_in_a_message_stay_words(tmp_path):
    """K6."""
    with begin(tmp_path / "r", evil_candidate()) as ledger, pytest.raises(UnknownName) as told:
        find_entry(ledger.state(), "zz\x1b[31m" * 400)
    assert "\x1b" not in str(told.value)
    assert len(str(told.value)) < 1000
