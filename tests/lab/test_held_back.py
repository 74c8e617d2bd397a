"""Tasks that nobody was trained on, with a real lab.

H1  Confirmation scores them beside the others, the search does not.
H2  A layer that answers them with no numbers, or dies of them, keeps its scores on the others: they
    decide nothing.
H3  A pair needs both sides: a task that one side could not answer has no effect.
"""

from __future__ import annotations

import pytest

from move37.campaign.results import compare_on
from move37.campaign.settings import load_preset
from move37.core.config import TaskSetting
from move37.core.trial import Outcome, Stage, Trial, TrialSpec
from move37.lab.laboratory import Laboratory
from move37.lab.references import reference_source
from move37.lab.trials import TrialRequest, run_trial

TINY = load_preset("tiny")
LONG = TaskSetting(
    name="length_extrapolation", metric="accuracy", noise=0.1, windows=8, options={"pairs": 4}
)
PRESET = TINY.model_copy(update={"held_back": (LONG,)})
TRAINED = {task.name for task in TINY.tasks}
BREAKS_ON_LONG_ROWS = """
import torch
from torch import nn

class Mixer(nn.Module):
    def __init__(self, d_model, n_heads, layer_index):
        super().__init__()
        self.mix = nn.Linear(d_model, d_model)

    def forward(self, x_BTD, state=None):
        length = (0 if state is None else state) + x_BTD.shape[1]
        bad = float("inf") if length > 48 else 1.0
        return self.mix(x_BTD) * bad, length
"""

DIES_OF_LONG_ROWS = BREAKS_ON_LONG_ROWS.replace(
    "        bad = ", "        if length > 48: raise RuntimeError('too long')\n        bad = "
)


def train(laboratory: Laboratory, source: str, stage: Stage) -> Trial:
    spec = TrialSpec(candidate_id="c" * 16, stage=stage, rung=1, seed=3)
    request = TrialRequest(spec=spec, source=source, preset=PRESET, secret=b"a secret of a test")
    return run_trial(laboratory, request).trial


@pytest.fixture(scope="module")
def trials() -> dict[str, Trial]:
    plain = reference_source("linear_attention")
    with Laboratory() as laboratory:
        return {
            "searched": train(laboratory, plain, Stage.SEARCH),
            "fresh": train(laboratory, plain, Stage.CONFIRM),
            "breaks": train(laboratory, BREAKS_ON_LONG_ROWS, Stage.CONFIRM),
            "dies": train(laboratory, DIES_OF_LONG_ROWS, Stage.CONFIRM),
        }


def scored(trial: Trial) -> set[str]:
    assert trial.outcome is Outcome.COMPLETED, trial.reason
    assert trial.measurement is not None
    return set(trial.measurement.scores)


def test_they_are_scored_on_fresh_seeds_only(trials):
    """H1."""
    assert scored(trials["searched"]) == TRAINED
    assert scored(trials["fresh"]) == {*TRAINED, LONG.name}


def test_no_number_there_fails_no_training(trials):
    """H2."""
    assert scored(trials["breaks"]) == TRAINED
    assert scored(trials["dies"]) == TRAINED


def test_one_side_is_no_pair(trials):
    """H3."""
    ours, theirs = [trials["breaks"]], [trials["fresh"]]
    assert compare_on(PRESET.tasks, ours, theirs) is not None
    assert compare_on(PRESET.held_back, ours, theirs) is None
    found = compare_on(PRESET.held_back, theirs, theirs)
    assert found is not None
    assert found.combined.mean == 0.0
