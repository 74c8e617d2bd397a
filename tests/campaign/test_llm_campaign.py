"""A whole campaign with scripted language models, through the model layer.

M1  Both arms make candidates, in the stated share, and see their own results only.
M2  Every request is recorded with its texts, and paid; the purse and the ledger agree.
M3  A model that fails costs one candidate, never the campaign.
M4  A replay asks nobody and arrives at the same candidates and verdicts.
M5  Limits may be raised, a role's too; a replay has none but the record's end.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import tiny
from scripts import TEAM, scripted_team

from move37.campaign.assemble import RunFolder, open_workshop
from move37.campaign.commands import settle
from move37.campaign.loop import PATIENCE
from move37.campaign.progress import fold
from move37.campaign.replay import differences, journeys, replay
from move37.campaign.session import Ending, work
from move37.campaign.settings import load_campaign
from move37.campaign.tables import failure_words
from move37.core.config import CampaignConfig
from move37.core.errors import ConfigError, OutOfFunds
from move37.core.events import (
    CallEnded,
    CampaignStarted,
    CandidateProposed,
    CandidateRepaired,
    CandidateStarted,
    ModelCalled,
    ParentsChosen,
    ProposalFailed,
    SessionClosed,
)
from move37.core.team import Allowance, Role, TeamConfig
from move37.dashboard.reader import Reader
from move37.insights.report import write_report
from move37.memory.artefacts import Artefacts
from move37.memory.ledger import Ledger
from move37.team.models.scripted import scripted

N_CANDIDATES = 8


def llm_config(name: str = "llm", **changes: object) -> CampaignConfig:
    """A tiny campaign with the scripted team."""
    plain = tiny(name, candidates=N_CANDIDATES).model_dump()
    return CampaignConfig.model_validate({**plain, "team": TEAM, **changes})


@pytest.fixture(scope="session")
def llm_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a finished campaign of scripted models."""
    folder = tmp_path_factory.mktemp("runs") / "llm"
    with open_workshop(
        llm_config(), RunFolder(path=folder), make_model=scripted_team()
    ) as workshop:
        assert work(workshop, lambda *_: None).ending is Ending.CANDIDATES
    return folder


@pytest.fixture
def ledger(llm_run: Path) -> Iterator[Ledger]:
    with Ledger.open(llm_run / "ledger.db") as opened:
        yield opened


def test_each_arm_makes_its_share(ledger: Ledger) -> None:
    """M1."""
    arms = {e.index: e.arm for e in ledger.events([CandidateStarted])}
    assert [i for i, arm in sorted(arms.items()) if arm == "control"] == [3, 7]


def test_candidates_are_signed_by_who_made_them(ledger: Ledger) -> None:
    """M1."""
    authors = {e.index: e.candidate.author for e in ledger.events([CandidateProposed])}
    assert authors[0] == "openai-compatible:scribe"
    assert "symbolic" in authors[3]


def test_an_arm_has_parents_of_its_own_only(ledger: Ledger) -> None:
    """M1."""
    arms = {e.index: e.arm for e in ledger.events([CandidateStarted])}
    made = {e.candidate.id: e.index for e in ledger.events([CandidateProposed])}
    for chosen in ledger.events([ParentsChosen]):
        for parent in (*chosen.parents, *chosen.references):
            assert made.get(parent) is None or arms[made[parent]] == arms[chosen.index]


def test_every_request_and_reply_can_be_read_again(ledger: Ledger, llm_run: Path) -> None:
    """M2."""
    artefacts = Artefacts(llm_run / "artefacts")
    for event in ledger.events([ModelCalled]):
        assert artefacts.get(event.request)
        assert (event.outcome != "replied") == (event.reply == "")
        assert not event.reply or artefacts.get(event.reply)


def test_every_conversation_has_its_end(ledger: Ledger) -> None:
    """M2."""
    begun = {e.call_id for e in ledger.events([ModelCalled])}
    assert {e.call_id for e in ledger.events([CallEnded])} == begun


def test_dollars_are_tokens_times_price(ledger: Ledger) -> None:
    """M2."""
    for event in ledger.events([ModelCalled]):
        price = TEAM["models"]["one" if "scribe" in event.model else "two"]["price"]
        expected = event.input_tokens * price["input"] + event.output_tokens * price["output"]
        assert event.dollars == pytest.approx(expected / 1e6)


def test_prose_and_a_dead_server_cost_one_candidate_each(ledger: Ledger) -> None:
    """M3."""
    failed = {e.index: e.reason for e in ledger.events([ProposalFailed])}
    assert sorted(failed) == [2, 5]
    assert "cannot be reached" in failed[5]


def test_a_broken_layer_is_repaired_by_a_model(ledger: Ledger) -> None:
    """M3."""
    repaired = [e for e in ledger.events([CandidateRepaired]) if e.index == 1]
    assert [e.candidate.author for e in repaired] == ["openai-compatible:scribe"]


def test_a_tool_was_called_before_the_proposal(ledger: Ledger) -> None:
    """M3."""
    turns = [e.turn for e in ledger.events([ModelCalled]) if e.call_id == "4-researcher-0"]
    assert turns == [0, 1]


@pytest.mark.parametrize("page", ["report.md", "report.html"])
def test_the_report_says_what_the_models_cost_and_compares_the_arms(
    llm_run: Path, ledger: Ledger, page: str
) -> None:
    """M2: at the same candidates as the ledger's."""
    write_report(list(ledger.events()), llm_run)
    text = (llm_run / page).read_text("utf-8")
    n_requests = sum(1 for _ in ledger.events([ModelCalled]))
    assert f"{n_requests} requests, " in text
    assert "Language models against the symbolic team" in text


def test_a_replay_arrives_at_the_same_candidates(llm_run: Path, tmp_path: Path) -> None:
    """M4: the models' addresses answer nobody, and no trial is run again."""
    target = RunFolder(path=tmp_path / "again")
    found = replay(RunFolder(path=llm_run), target)
    assert found.differences == ()
    assert (found.drifted, found.n_indices) == ((), N_CANDIDATES)
    with Ledger.open(llm_run / "ledger.db") as then, Ledger.open(target.ledger) as now:
        assert journeys(now) == journeys(then)
        first, again = (sorted(repr(e) for e in x.events([ModelCalled])) for x in (then, now))
        assert first == again


def test_a_replay_says_where_the_campaign_differs(llm_run: Path) -> None:
    """M4."""
    with Ledger.open(llm_run / "ledger.db") as ledger:
        told = journeys(ledger)
    changed = {**told, 1: ("candidate other",)}
    assert [line.split(":")[0] for line in differences(told, changed, N_CANDIDATES)] == ["#1"]


def test_funds_that_run_out_end_the_search(tmp_path: Path) -> None:
    """M3: the first request may pass 100 tokens, so none is sent."""
    config = llm_config("poor")
    poor = config.model_copy(update={"budget": config.budget.model_copy(update={"tokens": 100})})
    with open_workshop(
        poor, RunFolder(path=tmp_path / "poor"), make_model=scripted_team()
    ) as workshop:
        end = work(workshop, lambda *_: None)
        assert end.ending is Ending.FUNDS
        assert isinstance(end.cause, OutOfFunds)
        assert (end.cause.what, end.cause.role) == ("tokens", "")
        assert end.cause.needed > 100
        (closed,) = workshop.ledger.events([SessionClosed])
        assert closed.reason == f"{Ending.FUNDS}: {end.note}"
        assert list(workshop.ledger.events([ModelCalled])) == []


def test_the_limit_of_a_role_is_raised_by_the_same_command(tmp_path: Path) -> None:
    """M5: and no other part of the team; the replay is not bounded by what the run began with."""
    roles = TEAM["roles"] | {"analyst": {"limits": {"tokens": 100}}}
    asked = llm_config("role", team=TEAM | {"roles": roles}).model_dump(exclude_unset=True)
    poor, folder = settle(None, asked, runs=tmp_path)
    with open_workshop(poor, folder, make_model=scripted_team()) as workshop:
        end = work(workshop, lambda *_: None)
        assert isinstance(end.cause, OutOfFunds)
        assert end.cause.role == "analyst"
    larger = TEAM | {"roles": TEAM["roles"] | {"analyst": {"limits": {"tokens": 10_000_000}}}}
    another = {"name": "role", "team": larger | {"control_share": 0.9}}
    with pytest.raises(ConfigError, match=r"its team\.control_share is"):
        settle(None, another, runs=tmp_path)
    rich, folder = settle(None, {"name": "role", "team": larger}, runs=tmp_path)
    with open_workshop(rich, folder, make_model=scripted_team()) as workshop:
        assert work(workshop, lambda *_: None).ending is Ending.CANDIDATES
    found = replay(folder, RunFolder(path=tmp_path / "again"))
    assert (found.differences, found.n_indices) == ((), N_CANDIDATES)


def test_a_limit_that_is_left_out_stays_as_the_run_began(tmp_path: Path) -> None:
    """M5: by a team file and by a campaign file; a limit of another role may be added."""
    file = tmp_path / "campaign.toml"
    file.write_text('name = "kept"\npreset = "tiny"\n')
    team = TeamConfig.model_validate(TEAM)
    bounded = team.with_limits({Role.JUDGE: Allowance(tokens=5)})
    began = load_campaign(file, {"team": bounded.model_dump()}).model_dump_json()
    start = CampaignStarted(name="kept", config=began, version="", machine={}, sandboxed=True)
    with Ledger.open(tmp_path / "kept" / "ledger.db", create=True) as ledger:
        ledger.append(start)
    more = team.with_limits({Role.ANALYST: Allowance(dollars=9.0)}).model_dump()
    for asked in (None, file):
        limited, _ = settle(asked, {"name": "kept", "team": more}, runs=tmp_path)
        assert limited.team.seat(Role.JUDGE).limits == Allowance(tokens=5)
        assert limited.team.seat(Role.ANALYST).limits == Allowance(dollars=9.0)


def test_models_that_never_give_anything_usable_end_the_search(tmp_path: Path) -> None:
    """M3: a key that expired fails at once, for every index."""
    team = {**TEAM, "control_share": 0.0}
    config = llm_config("hopeless", team=team)
    plenty = config.budget.model_copy(update={"max_candidates": 100})
    make_model = scripted({"researcher": ["I cannot help with this."]})
    folder = RunFolder(path=tmp_path / "hopeless")
    with open_workshop(
        config.model_copy(update={"budget": plenty}), folder, make_model=make_model
    ) as workshop:
        end = work(workshop, lambda *_: None)
        assert end.ending is Ending.UNUSABLE
        assert "12 proposals in a row" in end.note
        assert len(list(workshop.ledger.events([ProposalFailed]))) == PATIENCE
        counted = {"no proposal: the model refuses": PATIENCE}
        progress = fold(workshop.ledger.events())
        assert progress.failures == counted
        assert failure_words(progress) == f"{PATIENCE} no proposal: the model refuses"
    assert Reader(folder).failures() == counted
