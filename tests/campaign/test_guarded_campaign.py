"""A campaign with guards: models that are worse when they think, and judges that are relatives.

G1  Where more effort does harm, an alarm is raised, recorded and shown, and effort falls.
G2  A judge related to the author is not asked; an unrelated one of the team is.
G3  Diversity is said at the start.
G4  Nothing that a relative wrote or judged is exported for a student.
"""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from conftest import tiny
from scripts import judge, proposal

from move37.campaign.assemble import RunFolder, open_workshop
from move37.campaign.canary_tables import show_alarms
from move37.campaign.dataset import export_dataset
from move37.campaign.progress import fold
from move37.campaign.session import work
from move37.campaign.tables import progress_table
from move37.core.config import CampaignConfig
from move37.core.events import (
    AlarmRaised,
    CallEnded,
    CallJudged,
    DiversityStated,
    EdgeDecided,
    JudgementGiven,
    ModelCalled,
)
from move37.core.team import TeamConfig
from move37.guards.families import shipped_families
from move37.memory.ledger import Ledger
from move37.team.models.scripted import Heard, Reply, scripted

N_CANDIDATES = 20

pytestmark = pytest.mark.slow
SERVER = {"provider": "openai-compatible", "base_url": "http://127.0.0.1:9/v1"}
AUTHOR = "openai-compatible:DeepSeek-R1-Distill-Qwen-7B"
TEAM = {
    "researcher": "llm",
    "judge": "llm",
    "control_share": 0,
    "models": {
        "author": {**SERVER, "model": "DeepSeek-R1-Distill-Qwen-7B"},
        "cousin": {**SERVER, "model": "Qwen2.5-72B"},
        "stranger": {**SERVER, "model": "mistral-large"},
    },
    "roles": {
        "researcher": {"models": ["author"], "effort": ["medium", "high"], "corrections": 0},
        "judge": {"models": ["cousin", "stranger"], "effort": "low"},
    },
}


def overthinker(heard: Heard) -> Reply:
    """Propose well with little effort, talk with much."""
    if heard.call.effort == "high":
        return "On the other hand, one could also argue that attention is all one needs."
    return proposal("gla", heard.call.index, own=True)


@pytest.fixture(scope="module")
def ledger(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ledger]:
    """Of a campaign whose only Researcher thinks itself into trouble."""
    plain = tiny("guarded", candidates=N_CANDIDATES).model_dump()
    evidence = {**plain["evidence"], "confirm_most": 0}
    config = CampaignConfig.model_validate(
        {
            **plain,
            "opponents": [],
            "evidence": evidence,
            "search": {**plain["search"], "lag": 2},
            "team": TEAM,
        }
    )
    folder = RunFolder(path=tmp_path_factory.mktemp("runs") / "guarded")
    models = scripted({"researcher": overthinker, "judge": judge})
    with open_workshop(config, folder, make_model=models) as workshop:
        work(workshop, lambda *_: None)
    with Ledger.open(folder.ledger) as opened:
        yield opened


def test_every_call_of_the_researcher_is_judged_by_what_came_of_it(ledger):
    """G1: not by an opinion."""
    ended = {e.call_id: e for e in ledger.events([CallEnded]) if e.role == "researcher"}
    judged = {
        j.call_id: j.success for j in ledger.events([CallJudged]) if j.measure == "probes_passed"
    }
    assert judged == {id_: e.effort == "medium" for id_, e in ended.items()}


def test_an_inverse_trend_raises_one_alarm(ledger):
    """G1."""
    (alarm,) = ledger.events([AlarmRaised])
    assert (alarm.guard, alarm.role, alarm.cap) == ("inverse-scaling", "researcher", "medium")
    assert alarm.evidence >= 20


def test_after_the_alarm_no_call_asks_for_more_than_the_cap(ledger):
    """G1: before it, half of them did."""
    (alarm,) = ledger.events([AlarmRaised])
    calls = [e for e in ledger.events([ModelCalled]) if e.role == "researcher"]
    after = {e.effort for e in calls if e.index >= alarm.index}
    before = {e.effort for e in calls if e.index < alarm.index}
    assert after == {"medium"}
    assert before == {"medium", "high"}


def test_the_alarm_is_on_the_screen(ledger):
    """G1."""
    progress = fold(ledger.events())
    assert len(progress.alarms) == 1
    assert progress_table(progress).row_count


def test_the_alarm_and_its_cap_are_shown_by_the_verb(ledger, capsys):
    """G1."""
    show_alarms(ledger, as_json=True)
    told = json.loads(capsys.readouterr().out)
    assert told["caps"] == [{"role": "researcher", "model": AUTHOR, "cap": "medium"}]
    assert len(told["alarms"]) == 1


def test_a_related_judge_is_replaced_by_an_unrelated_one(ledger):
    """G2: a Qwen may not judge what a distillation into Qwen wrote."""
    asked = {e.model for e in ledger.events([ModelCalled]) if e.role == "judge"}
    voted = {judge for e in ledger.events([JudgementGiven]) for judge in e.votes}
    assert voted == asked == {"openai-compatible:mistral-large"}


def test_every_decision_on_a_judge_is_recorded_with_its_reason(ledger):
    """G2."""
    decided = [e for e in ledger.events([EdgeDecided]) if e.kind == "judging"]
    judged = {e.candidate_id for e in ledger.events([JudgementGiven])}
    assert {e.about for e in decided} >= judged
    assert {(e.consumer.rpartition(":")[2], e.allowed) for e in decided} == {
        ("Qwen2.5-72B", False),
        ("mistral-large", True),
    }
    assert all("qwen2.5" in e.reason for e in decided if not e.allowed)


def test_low_diversity_is_said_at_the_start(ledger):
    """G3: the cousins are one group."""
    (stated,) = ledger.events([DiversityStated])
    assert stated.level == "degraded"
    assert len(stated.groups) == 2


def test_the_guarded_ledger_verifies(ledger):
    """G1: alarms and decisions are part of the chain."""
    assert ledger.verify() is None


@pytest.mark.parametrize(
    "student",
    ["openai-compatible:qwen2.5-7b", "openai-compatible:deepseek-r1", "mistral-small"],
)
def test_nothing_is_exported_for_a_relative_of_author_or_judge(ledger, tmp_path, student):
    """G4: every layer here was written by one distillation, and judged by one Mistral."""
    exported = export_dataset(
        ledger,
        TeamConfig.model_validate(TEAM),
        shipped_families(),
        student=student,
        folder=tmp_path,
    )
    assert sum(exported.rows.values()) == 0
    assert sum(exported.refused.values()) > 0
    assert (tmp_path / "instruction.jsonl").read_text() == ""


def test_a_stranger_gets_the_data_with_its_provenance(ledger, tmp_path):
    """G4."""
    exported = export_dataset(
        ledger,
        TeamConfig.model_validate(TEAM),
        shipped_families(),
        student="anthropic:claude-sonnet-5",
        folder=tmp_path,
    )
    lines = (tmp_path / "instruction.jsonl").read_text().splitlines()
    assert exported.rows["instruction"] == len(lines) > 0
    assert all(AUTHOR in json.loads(line)["provenance"] for line in lines)
    assert json.loads((tmp_path / "manifest.json").read_text())["refused"] == {}
