"""A campaign whose Researcher is hostile: every attack is an Outcome, and the honest layer wins.

H1  None stops the campaign; each ends with a verdict, a lesson and its reason.
H2  None gets to the end of training or gets a fitness; what is honest beside them does both.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
from conftest import tiny

from move37.campaign.assemble import RunFolder, open_workshop
from move37.campaign.session import Ending, work
from move37.campaign.settings import load_preset
from move37.core.candidate import Candidate, Idea
from move37.core.claims import VerdictKind
from move37.core.events import TrialFinished
from move37.core.trial import Outcome
from move37.lab.references import reference_source
from move37.memory.ledger import Ledger
from move37.team.protocols import Brief, Proposal

CORPUS = Path(__file__).parents[1] / "hostile" / "corpus"
HONEST = (CORPUS / "honest.py.txt").read_text("utf-8")
ATTACKS = (
    "forging/forged_trained_message",
    "forging/weights_that_are_not_numbers",
    "forging/garbage_on_the_socket",
    "peeking/future_mean",
    "harming/kills_everyone",
    "harming/memory_hog",
    "harming/segmentation_fault",
    "harming/not_a_number_at_step_12",
)


class HostileResearcher:
    """Proposes the attacks in order, then one honest layer."""

    def __init__(self) -> None:
        texts = [(CORPUS / f"{name}.py.txt").read_text("utf-8") for name in ATTACKS]
        attacks = [t if "class Mixer" in t else f"{t}\n{HONEST}" for t in texts]
        self.sources = [*attacks, reference_source("gla")]
        self.asked = 0

    def propose(self, brief: Brief) -> Proposal:
        source = self.sources[self.asked]
        name = [*ATTACKS, "honest"][self.asked]
        self.asked += 1
        idea = Idea(name=name, motivation="to win", mechanism="see the source")
        parents = (brief.parents[0].candidate.id,)
        candidate = Candidate.of(source, idea, parents=parents, author="hostile")
        return Proposal(candidate=candidate, operator="propose")


@pytest.fixture(scope="module")
def besieged(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "besieged"
    config = tiny("besieged", candidates=len(ATTACKS) + 1).model_copy(update={"opponents": ()})
    config = config.model_copy(
        update={"search": config.search.model_copy(update={"repairs": 0, "lag": 1})}
    )
    with open_workshop(config, RunFolder(path=folder)) as workshop:
        team = dataclasses.replace(workshop.team, researcher=HostileResearcher())
        end = work(dataclasses.replace(workshop, team=team), lambda *_: None)
    assert end.ending is Ending.CANDIDATES
    return folder


def test_every_attack_ends_with_verdict_lesson_and_reason(besieged):
    """H1."""
    with Ledger.open(besieged / "ledger.db") as ledger:
        by_name = {e.candidate.idea.name: e for e in ledger.state().candidates.values()}
        assert ledger.verify() is None
    for name in ATTACKS:
        entry = by_name[name]
        assert entry.lesson is not None
        assert entry.verdict is not None
        assert entry.verdict.kind is VerdictKind.REJECTED, name
        assert entry.verdict.reason


def test_no_attack_gets_to_the_end_or_gets_a_fitness_and_the_honest_layer_does(besieged):
    """H2. One attack shows itself in the second rung only."""
    last_rung = len(load_preset("tiny").rungs) - 1
    with Ledger.open(besieged / "ledger.db") as ledger:
        entries = {e.candidate.idea.name: e for e in ledger.state().candidates.values()}
        trials = [e.trial for e in ledger.events([TrialFinished])]
    completed = {
        t.spec.candidate_id
        for t in trials
        if t.outcome is Outcome.COMPLETED and t.spec.rung == last_rung
    }
    assert entries["honest"].id in completed
    assert entries["honest"].fitness is not None
    for name in ATTACKS:
        assert entries[name].id not in completed, name
        assert entries[name].fitness is None, name
