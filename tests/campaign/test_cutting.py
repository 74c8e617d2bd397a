"""The learning-curve cut, with a real lab.

C1  A cut is asked after every point, in the order of steps, and ends the run with its own words.
C2  What is cut has no numbers and is charged for what it trained.
C3  A campaign cuts a layer that forgets everything beside a baseline that does not, and repairs
    nothing of it; with the cut off the same layer trains to the end.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from conftest import tiny

from move37.campaign.assemble import RunFolder, open_workshop
from move37.campaign.cutting import cut_of, recorded_curve
from move37.campaign.results import Failure
from move37.campaign.settings import load_preset
from move37.campaign.workshop import CAMPAIGN, Workshop
from move37.core.candidate import Candidate, Idea
from move37.core.events import CandidateProposed
from move37.core.trial import Outcome, ProbeReport, Stage, Trial, TrialSpec
from move37.lab.laboratory import Laboratory
from move37.lab.references import reference_source
from move37.lab.trials import TrialRequest, run_trial
from move37.memory.journal import Journal

LENGTH = 120
DEAF = """
import torch
from torch import nn

class Mixer(nn.Module):
    def __init__(self, d_model, n_heads, layer_index):
        super().__init__()
        self.gain = nn.Parameter(torch.tensor(30.0))

    def forward(self, x_BTD, state=None):
        return self.gain * torch.randn_like(x_BTD), state
"""


@pytest.fixture(scope="module")
def workshop(tmp_path_factory):
    """An open campaign whose baseline has trained once."""
    folder: Path = tmp_path_factory.mktemp("cut")
    file = folder / "longer.toml"
    text = (Path(__file__).parents[2] / "src/move37/core/presets/tiny.toml").read_text("utf-8")
    text = text.replace("[[rungs]]\nsteps = 8\n\n", "").replace("steps = 24", f"steps = {LENGTH}")
    file.write_text(text.replace('name = "tiny"', 'name = "longer"'), "utf-8")
    config = tiny("cut").model_copy(update={"preset": str(file), "opponents": ()})
    with open_workshop(config, RunFolder(path=folder / "run")) as workshop:
        journal = Journal(workshop.ledger, CAMPAIGN)
        workshop.search_trial(journal, workshop.baseline, 0, workshop.search_seed(0))
        yield workshop


def deaf(workshop: Workshop, name: str) -> tuple[Journal, Candidate]:
    idea = Idea(name=name, motivation="", mechanism="drowns everything in noise")
    candidate = Candidate.of(f"# {name}\n{DEAF}", idea)
    journal = Journal(workshop.ledger, 0 if name == "cut" else 1)
    journal.record(CandidateProposed(index=journal.index, candidate=candidate, operator="by hand"))
    return journal, candidate


@pytest.fixture(scope="module")
def asked():
    """Points that the cut was shown, and what came of the trial."""
    preset = load_preset("tiny")
    spec = TrialSpec(candidate_id="c" * 16, stage=Stage.SEARCH, rung=1, seed=3)
    source = reference_source("linear_attention")
    request = TrialRequest(spec=spec, source=source, preset=preset, secret=b"s")
    shown: list[list[tuple[int, float]]] = []

    def cut(points):
        shown.append(list(points))
        return (Outcome.HOPELESS, "enough") if len(points) == 2 else None

    with Laboratory() as laboratory:
        return shown, run_trial(laboratory, request, cut=cut)


class TestTrials:
    def test_it_is_asked_after_every_point_in_order(self, asked):
        """C1."""
        shown, _ = asked
        assert [[step for step, _ in points] for points in shown] == [[10], [10, 20]]

    def test_it_ends_the_run_with_its_words_and_no_numbers(self, asked):
        """C1, C2."""
        _, result = asked
        assert (result.trial.outcome, result.trial.reason) == (Outcome.HOPELESS, "enough")
        assert result.trial.measurement is None
        assert result.trial.cost.cpu_seconds > 0
        assert result.snapshot == b""


def test_a_training_that_begins_anew_is_judged_by_its_own_points(workshop):
    """C1: where the weights of a rung are lost, steps that are on record come again."""
    seed = workshop.search_seed(0)
    recorded = recorded_curve(workshop, workshop.baseline.id, seed)
    cut = cut_of(workshop, workshop.baseline, seed)
    assert cut is not None
    assert len(recorded) > 1
    for n in range(1, len(recorded) + 1):
        assert cut(recorded[:n]) is None


class TestCampaigns:
    def test_a_layer_that_hears_nothing_is_cut(self, workshop):
        """C3."""
        journal, candidate = deaf(workshop, "cut")
        seed = workshop.search_seed(0)
        trial = workshop.search_trial(
            journal, candidate, 0, seed, cut=cut_of(workshop, candidate, seed)
        )
        assert trial.outcome in (Outcome.HOPELESS, Outcome.DIVERGED)
        assert "nats above" in trial.reason

    def test_what_is_hopeless_is_not_repaired(self):
        """C3."""
        spec = TrialSpec(candidate_id="c" * 16, stage=Stage.SEARCH, rung=0, seed=3)
        report = ProbeReport(outcome=Outcome.COMPLETED)
        for outcome, repairable in ((Outcome.HOPELESS, False), (Outcome.DIVERGED, True)):
            trial = Trial(spec=spec, outcome=outcome, reason="why")
            assert Failure.of_trial(trial, report).repairable is repairable

    def test_whoever_learns_like_the_baseline_is_left_alone(self, workshop):
        """C3."""
        seed = workshop.search_seed(0)
        curve = recorded_curve(workshop, workshop.baseline.id, seed)
        cut = cut_of(workshop, deaf(workshop, "twin")[1], seed)
        assert len(curve) == LENGTH // 10
        assert cut is not None
        assert not any(cut(curve[:n]) for n in range(len(curve) + 1))

    def test_with_the_cut_off_nobody_is_asked(self, workshop):
        """C3."""
        evidence = workshop.config.evidence.model_copy(update={"cut_above": 0.0})
        off = replace(workshop, config=workshop.config.model_copy(update={"evidence": evidence}))
        assert cut_of(off, workshop.baseline, workshop.search_seed(0)) is None
