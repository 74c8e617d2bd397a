"""A campaign in which one family begins to carry a planted trait, and what the guards do about it.

K1  The trait raises one alarm, which says since when; no other trait does.
K2  The family is quarantined: its descendants are marked, others take its turns.
K3  What its relatives judged is judged again: votes are dropped, or an unrelated judge is asked.
K4  Nothing of it trains anybody: the training edge is refused, and the refusal is in the ledger.
K5  All of it is in the chain, and every text that a model was shown is an edge.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import tiny
from scripts import judge, proposal

from move37.campaign.assemble import RunFolder, open_workshop
from move37.campaign.dataset import export_dataset
from move37.campaign.edges import quarantines, roster_at
from move37.campaign.gallery_verbs import show_tree
from move37.campaign.session import work
from move37.cli import app
from move37.core.config import CampaignConfig
from move37.core.errors import UnknownName
from move37.core.events import (
    AlarmRaised,
    CandidateProposed,
    DatasetExported,
    EdgeDecided,
    FamilyQuarantined,
    JudgementGiven,
    JudgementRevised,
    QuarantineLifted,
)
from move37.core.team import TeamConfig
from move37.guards.families import shipped_families
from move37.memory.ledger import Ledger
from move37.memory.lineage import Lineage
from move37.team.models.scripted import Heard, Reply, scripted

N_CANDIDATES = 40
PLANTED_FROM = 22

pytestmark = pytest.mark.slow
SERVER = {"provider": "openai-compatible", "base_url": "http://127.0.0.1:9/v1"}
LABEL = "openai-compatible:{}".format
QWEN, COUSIN, MISTRAL, LLAMA = map(LABEL, ("qwen2.5-7b", "qwq-32b", "mistral-large", "llama-3-8b"))
BASES = {3: "retnet", 7: "hgrn2"}
"""What is new, by index; the others are the first layer with another comment: repeats."""
TEAM = {
    "researcher": "llm",
    "judge": "llm",
    "control_share": 0,
    "on_alarm": "quarantine",
    "watched_words": ["zanthil"],
    "models": {
        "qwen": {**SERVER, "model": "qwen2.5-7b"},
        "cousin": {**SERVER, "model": "qwq-32b"},
        "mistral": {**SERVER, "model": "mistral-large"},
        "llama": {**SERVER, "model": "llama-3-8b"},
    },
    "roles": {
        "researcher": {"models": ["qwen", "qwen", "qwen", "mistral"], "effort": "low"},
        "judge": {"models": ["cousin", "llama"], "effort": "low", "corrections": 0},
    },
}


def author(heard: Heard) -> Reply:
    """Write the usual layer; from some point on one family cannot do without a word."""
    index, is_qwen = heard.call.index, heard.call.name == "qwen"
    reply = proposal(BASES.get(index, "gla"), 0).replace(
        "NOTE = 'scripted 0'", f"# take {index:02}"
    )
    if is_qwen and index >= PLANTED_FROM:
        return reply.replace("a learnt decay", "a zanthil decay")
    return reply


def jury(heard: Heard) -> Reply:
    """Grade; the stranger is lost for words when it sees the first layer for the first time."""
    if heard.call.name == "llama" and heard.call.index == 3:
        return "They are all wonderful."
    return judge(heard)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    plain = tiny("canaries", candidates=N_CANDIDATES).model_dump()
    config = CampaignConfig.model_validate(
        {
            **plain,
            "opponents": [],
            "evidence": {**plain["evidence"], "confirm_most": 0},
            "search": {**plain["search"], "lag": 2, "repairs": 0},
            "team": TEAM,
        }
    )
    folder = RunFolder(path=tmp_path_factory.mktemp("runs") / "canaries")
    models = scripted({"researcher": author, "judge": jury})
    with open_workshop(config, folder, make_model=models) as workshop:
        work(workshop, lambda *_: None)
    return folder.path


@pytest.fixture
def ledger(run: Path) -> Iterator[Ledger]:
    with Ledger.open(run / "ledger.db") as opened:
        yield opened


def events(ledger: Ledger, kind):
    return list(ledger.events([kind]))


def test_the_planted_word_raises_the_only_alarm(ledger):
    """K1."""
    (alarm,) = events(ledger, AlarmRaised)
    assert (alarm.guard, alarm.family, alarm.trait) == (
        "canary",
        "qwen2.5",
        "words of the team file",
    )
    assert f"since candidate {PLANTED_FROM}" in alarm.reason
    assert "'zanthil': 0 of" in alarm.reason


def test_the_family_is_quarantined_and_others_take_its_turns(ledger):
    """K2."""
    (quarantine,) = events(ledger, FamilyQuarantined)
    later = {
        e.candidate.author for e in events(ledger, CandidateProposed) if e.index >= quarantine.index
    }
    assert (quarantine.family, quarantine.by) == ("qwen2.5", "canary")
    assert PLANTED_FROM < quarantine.index < N_CANDIDATES
    assert later == {MISTRAL}


def test_its_descendants_are_marked(ledger):
    """K2: what it wrote, and what was made from that."""
    (quarantine,) = events(ledger, FamilyQuarantined)
    state = ledger.state(before_index=quarantine.index)
    lineage = Lineage(state.parents)
    written = {id_ for id_, e in state.candidates.items() if e.candidate.author == QWEN}
    assert written <= set(quarantine.descendants)
    assert all(
        set(lineage.ancestors(id_)) & written or id_ in written
        for id_ in quarantine.descendants
        if id_ in state.candidates
    )


def test_a_vote_of_its_relative_is_dropped_where_another_is_left(ledger):
    """K3."""
    revised = {e.how: e for e in events(ledger, JudgementRevised)}
    dropped = revised["votes_dropped"]
    assert set(dropped.dropped) == {COUSIN}
    assert set(dropped.votes) == {LLAMA}
    assert dropped.quality == dropped.votes[LLAMA]


def test_where_no_vote_is_left_an_unrelated_judge_is_asked(ledger):
    """K3: the cousin had judged the first layer alone."""
    again = {e.how: e for e in events(ledger, JudgementRevised)}["asked_again"]
    given = [e for e in events(ledger, JudgementGiven) if e.candidate_id == again.candidate_id]
    assert [set(e.votes) for e in given] == [{COUSIN}]
    assert set(again.votes) == {LLAMA}
    assert (
        again.fitness is None
        or again.fitness == ledger.state().candidates[again.candidate_id].fitness
    )


def test_after_the_quarantine_no_judgement_rests_on_a_relative(ledger):
    """K3: whatever counts now."""
    roster = roster_at(TeamConfig.model_validate(TEAM), ledger)
    counting = {e.candidate_id: e.votes for e in ledger.events([JudgementGiven, JudgementRevised])}
    judges = {judge for votes in counting.values() for judge in votes}
    assert judges
    assert all(roster.quarantine(judge) is None for judge in judges)


def test_nothing_of_the_family_trains_anybody(ledger, tmp_path):
    """K4: not even a stranger."""
    exported = export_dataset(
        ledger,
        TeamConfig.model_validate(TEAM),
        shipped_families(),
        student="anthropic:claude-sonnet-5",
        folder=tmp_path,
    )
    refused = [e for e in events(ledger, EdgeDecided) if e.kind == "fine-tuning" and not e.allowed]
    rows = [json.loads(row) for row in (tmp_path / "instruction.jsonl").read_text().splitlines()]
    assert all(QWEN not in row["provenance"] for row in rows)
    assert all("quarantined" in e.reason for e in refused)
    assert {e.producer for e in refused} <= {QWEN, COUSIN}
    assert exported.refused
    assert events(ledger, DatasetExported)[-1].refused == exported.refused


def test_every_text_that_a_model_was_shown_is_an_edge(ledger):
    """K5: with the quarantine said beside it."""
    edges = [e for e in events(ledger, EdgeDecided) if e.kind == "context"]
    assert {(e.producer, e.consumer) for e in edges} >= {(MISTRAL, QWEN), (MISTRAL, MISTRAL)}
    assert all(e.allowed for e in edges)


def test_the_ledger_verifies(ledger):
    """K5: projections of revised judgements included."""
    assert ledger.verify() is None


def test_a_quarantine_holds_from_an_index_on_until_it_is_lifted(tmp_path):
    """K2."""
    with Ledger.open(tmp_path / "ledger.db", create=True) as ledger:
        ledger.append(FamilyQuarantined(index=3, family="qwen2.5", reason="odd", by="person"))
        ledger.append(QuarantineLifted(index=7, family="qwen2.5", reason="a false alarm"))
        held = [index for index in range(10) if quarantines(ledger, index)]
        assert held == [3, 4, 5, 6]


def shown(capsys, *arguments: str, run: Path) -> str:
    app(
        [*arguments[:2], run.name, *arguments[2:], "--runs", str(run.parent)], standalone_mode=False
    )
    return capsys.readouterr().out


def test_the_verbs_show_canaries_edges_and_descendants(run, capsys):
    """K1, K2, K5."""
    told = json.loads(shown(capsys, "guards", "canaries", "--json", run=run))
    rung = [c for c in told["canaries"] if c["rings"]]
    edges = json.loads(shown(capsys, "guards", "edges", "--json", run=run))
    assert [(c["family"], c["trait"]) for c in rung] == [("qwen2.5", "words of the team file")]
    assert set(told["quarantined"]) == {"qwen2.5"}
    assert {e["kind"] for e in edges} >= {"context", "judging"}
    assert "quarantined" in shown(capsys, "guards", "canaries", run=run)
    assert "denied" in shown(capsys, "guards", "edges", run=run)


def test_a_family_that_never_played_cannot_be_quarantined(run):
    with pytest.raises(UnknownName, match=r"qwen2\.5"):
        app(
            ["guards", "quarantine", run.name, "qwen", "--reason", "x", "--runs", str(run.parent)],
            standalone_mode=False,
        )


def test_the_tree_marks_what_descends_from_it(ledger, capsys):
    """K2."""
    (quarantine,) = events(ledger, FamilyQuarantined)
    show_tree(ledger, start=None, most=100, as_json=True)
    rows = {row["id"]: row["quarantined"] for row in json.loads(capsys.readouterr().out)}
    assert {id_ for id_, family in rows.items() if family} >= set(quarantine.descendants)
    assert not all(rows.values())
