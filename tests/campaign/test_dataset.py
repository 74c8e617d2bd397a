"""What leaves a campaign for a student, counted by reason, and rows of a team's own that decide it.

D1  A layer that a relative judged is left out, and the manifest says by whom and why.
D2  A [[lines]] row of the team file reaches the firewall: judging and training follow it.
D3  A student that no row knows is refused, unless whoever asks says that it is a stranger.
D4  No file leaves of which the ledger does not know.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from move37.campaign.dataset import export_dataset
from move37.campaign.edges import may_not_judge
from move37.campaign.team_file import load_team
from move37.core.candidate import Candidate, Idea
from move37.core.claims import Fitness, Verdict, VerdictKind
from move37.core.errors import ConfigError
from move37.core.events import (
    CandidateProposed,
    DatasetExported,
    EdgeDecided,
    Event,
    JudgementGiven,
    ProbesRan,
    VerdictReached,
)
from move37.core.team import TeamConfig
from move37.core.trial import Outcome, ProbeReport
from move37.guards.families import shipped_families
from move37.memory.ledger import Ledger
from move37.testing.store_contract import EFFECT, opening

MISTRAL, QWEN, LLAMA = (
    f"openai-compatible:{name}" for name in ("mistral-large", "qwen2.5-72b", "llama-3.1-8b")
)
STUDENT = "openai-compatible:qwen2.5-7b"
JUDGES = ((QWEN,), (LLAMA,), (LLAMA, QWEN), ())
"""Who judged the layers, one after the other; an author of another family wrote all of them."""


def layer(index: int, judges: tuple[str, ...]) -> list[Event]:
    """A layer that passed, was measured, and was judged by these."""
    idea = Idea(name=f"layer {index}", motivation="it forgets", mechanism="S = a S + k v")
    made = Candidate.of(f"class Mixer: number = {index}\n", idea, author=MISTRAL)
    told: list[Event] = [
        CandidateProposed(index=index, candidate=made, operator="propose"),
        ProbesRan(index=index, candidate_id=made.id, report=ProbeReport(outcome=Outcome.COMPLETED)),
    ]
    if judges:
        votes = dict.fromkeys(judges, 0.5)
        told.append(
            JudgementGiven(
                index=index, candidate_id=made.id, quality=0.5, judge="llm", rubric={}, votes=votes
            )
        )
    fitness = Fitness(value=0.5, effect_part=0.5, task_part=0.5, judge_part=0.5)
    verdict = Verdict(kind=VerdictKind.EXPLORED, reason="level", effect=EFFECT, seeds=(0, 1))
    reached = VerdictReached(index=index, candidate_id=made.id, verdict=verdict, fitness=fitness)
    return [*told, reached]


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    with Ledger.open(tmp_path / "ledger.db", create=True) as opened:
        opened.append(*opening())
        for index, judges in enumerate(JUDGES):
            opened.append(*layer(index, judges))
        yield opened


def test_what_a_relative_judged_is_left_out_and_counted_by_reason(ledger, tmp_path):
    """D1: two of four layers, in each form that a layer makes a row of."""
    exported = export_dataset(
        ledger, TeamConfig(), shipped_families(), student=STUDENT, folder=tmp_path / "out"
    )
    why = f"{QWEN}: both are qwen2.5"
    assert exported.refused == {f"instruction: {why}": 2, f"distillation: {why}": 2}
    assert exported.rows == {"instruction": 2, "preference": 0, "distillation": 2}
    rows = [json.loads(r) for r in (tmp_path / "out/instruction.jsonl").read_text().splitlines()]
    assert [row["provenance"] for row in rows] == [sorted({MISTRAL, LLAMA}), [MISTRAL]]
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text())
    assert manifest["refused"] == exported.refused
    (event,) = ledger.events([DatasetExported])
    assert event.refused == exported.refused
    denied = {(e.producer, e.kind) for e in ledger.events([EdgeDecided]) if not e.allowed}
    assert denied == {(QWEN, "fine-tuning"), (QWEN, "distillation")}


TEAM = f"""
researcher = "llm"
judge = "llm"

[models.author]
provider = "openai-compatible"
base_url = "http://127.0.0.1:9/v1"
model = "{MISTRAL.partition(":")[2]}"

[models.judge]
provider = "openai-compatible"
base_url = "http://127.0.0.1:9/v1"
model = "ours-7b"

[roles.researcher]
models = ["author"]

[roles.judge]
models = ["judge"]
"""
ROW = """
[[lines]]
name = "ours"
match = ["ours-*"]
vendor = "us"
behaviour_from = ["mistral"]
evidence = "declared"
source = "we distilled it"
date = "2026-11-26"
"""
OURS = "openai-compatible:ours-7b"


def team(tmp_path: Path, text: str) -> TeamConfig:
    file = tmp_path / "team.toml"
    file.write_text(text)
    return load_team(str(file))


@pytest.mark.parametrize(("text", "is_related"), [(TEAM, False), (TEAM + ROW, True)])
def test_a_row_of_the_team_file_decides(ledger, tmp_path, text, is_related):
    """D2: a distillation may judge its teacher, and learn from it, while no row says what it is."""
    mine = team(tmp_path, text)
    assert may_not_judge(mine)(MISTRAL, OURS) is is_related
    exported = export_dataset(
        ledger,
        mine,
        shipped_families(),
        student=OURS,
        folder=tmp_path / "out",
        unknown_student=not is_related,
    )
    assert (sum(exported.rows.values()) == 0) is is_related
    reasons = {e.reason for e in ledger.events([EdgeDecided]) if not e.allowed}
    assert reasons == ({"both descend from mistral"} if is_related else set())


def test_a_row_that_descends_from_nobody_known_is_refused_by_name(tmp_path):
    """D2."""
    mine = team(tmp_path, TEAM + ROW.replace('"mistral"', '"atlantis"'))
    with pytest.raises(ConfigError, match="atlantis"):
        may_not_judge(mine)


@pytest.mark.parametrize(
    ("student", "words"),
    [
        ("foo", "provider:model"),
        ("a:b", "--families FILE"),
        ("openai-compatible:qwne2.5-7b", "begins with 'qwen2.5'"),
        ("openai-compatible:mystral-7b", "begins with 'mistral'"),
        ("human", "--unknown-student"),
        ("", "--unknown-student"),
    ],
)
def test_a_student_that_no_row_knows_is_refused(ledger, tmp_path, student, words):
    """D3: one slip would let everything out."""
    with pytest.raises(ConfigError, match=words):
        export_dataset(
            ledger, TeamConfig(), shipped_families(), student=student, folder=tmp_path / "out"
        )
    assert not (tmp_path / "out").exists()
    assert list(ledger.events([DatasetExported])) == []


def test_a_student_whose_family_the_team_declares_is_known(ledger, tmp_path):
    """D3."""
    text = TEAM.replace('model = "ours-7b"', 'model = "ours-7b"\nfamily = "our-base"')
    exported = export_dataset(
        ledger, team(tmp_path, text), shipped_families(), student=OURS, folder=tmp_path / "out"
    )
    assert exported.family == "our-base"


@pytest.mark.parametrize(
    ("student", "family"), [("openai-compatible:mystery", None), (STUDENT, "qwen2.5")]
)
def test_the_manifest_says_of_which_family_the_student_is(ledger, tmp_path, student, family):
    """D3: what was said of a stranger does not make one of a relative."""
    export_dataset(
        ledger,
        TeamConfig(),
        shipped_families(),
        student=student,
        folder=tmp_path,
        unknown_student=True,
    )
    manifest = json.loads((tmp_path / "manifest.json").read_text())
    assert manifest["student_family"] == family
    assert manifest["unknown_student"] is (family is None)
    assert bool(manifest["refused"]) is (family is not None)


@pytest.mark.parametrize("broken", ["instruction.jsonl", "manifest.json"])
def test_an_export_that_is_cut_short_is_in_the_ledger_and_can_be_done_again(
    ledger, tmp_path, broken
):
    """D4: the disk fails at the first file, and at the last."""
    (tmp_path / broken).symlink_to(tmp_path / "no such folder" / broken)
    with pytest.raises(ConfigError, match="cannot be written"):
        export_dataset(ledger, TeamConfig(), shipped_families(), student=STUDENT, folder=tmp_path)
    assert len(list(ledger.events([DatasetExported]))) == 1
    assert {e.kind for e in ledger.events([EdgeDecided])} >= {"fine-tuning", "distillation"}
    (tmp_path / broken).unlink()
    export_dataset(ledger, TeamConfig(), shipped_families(), student=STUDENT, folder=tmp_path)
    digest = hashlib.sha256((tmp_path / "manifest.json").read_bytes()).hexdigest()
    assert list(ledger.events([DatasetExported]))[-1].manifest == digest
