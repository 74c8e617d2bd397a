"""Steps at the start on fewer rows (`Training.ramp_steps`): an early look that costs less.

R1  Those steps have their share of each task's rows, the rest is empty; any range of steps is that
    range of the whole, the end of the ramp included.
R2  Empty rows are no part of a batch.
R3  A trial counts the tokens that it trained on, and goes on over the end of the ramp as one that
    was never interrupted.
R4  A share without steps, or steps without a share, or more of them than there are, is refused.
R5  The larger scale of a verification has the same part of its steps on fewer rows.
"""

from __future__ import annotations

import numpy as np
import pytest
import torch

from move37.arena.backbone import Backbone, Shape
from move37.arena.contract import load_mixer
from move37.arena.train import Recipe, fit, make_optimizer
from move37.campaign.larger import Larger
from move37.campaign.settings import load_preset
from move37.core.config import Preset, Training, Verification
from move37.core.trial import Outcome, Stage, TrialSpec
from move37.lab.data import training_arrays
from move37.lab.laboratory import Laboratory
from move37.lab.references import reference_source
from move37.lab.tasks import NO_TARGET, VOCAB_SIZE
from move37.lab.trials import TrialRequest, TrialResult, run_trial

RAMP = 12
"""Between the rungs of the preset, 8 and 24."""


def ramped(preset: Preset) -> Preset:
    ramp = {"ramp_steps": RAMP, "ramp_share": 0.5}
    return preset.model_copy(update={"training": preset.training.model_copy(update=ramp)})


PRESET = ramped(load_preset("tiny"))


def arrays(first: int, last: int) -> tuple[np.ndarray, np.ndarray]:
    return training_arrays(PRESET.tasks, PRESET.training, seed=3, first_step=first, last_step=last)


def test_early_steps_have_their_share_of_every_tasks_rows():
    """R1."""
    _, targets = arrays(0, 24)
    n_live = (targets != NO_TARGET).any(axis=2).sum(axis=1)
    early = sum(max(1, round(task.rows / 2)) for task in PRESET.tasks)
    assert early < PRESET.training.batch_size
    assert n_live.tolist() == [early] * RAMP + [PRESET.training.batch_size] * (24 - RAMP)
    assert n_live.sum() * PRESET.training.length == PRESET.n_tokens(0, 24)
    assert PRESET.n_tokens(0, 8) + PRESET.n_tokens(8, 24) == PRESET.n_tokens(0, 24)
    assert PRESET.n_tokens(16, 24) == 8 * PRESET.training.batch_size * PRESET.training.length


@pytest.mark.parametrize(("first", "last"), [(0, 8), (8, 24), (11, 13), (12, 24)])
def test_any_range_of_steps_is_that_range_of_the_whole_ramp(first, last):
    """R1."""
    for part, whole in zip(arrays(first, last), arrays(0, 24), strict=True):
        assert np.array_equal(part, whole[first:last])


def test_empty_rows_are_no_part_of_a_batch():
    """R2: the same curve and weights as without them."""

    def trained(n_rows: int) -> tuple[list[tuple[int, float]], torch.Tensor]:
        shape = Shape(d_model=32, n_layers=1, n_heads=2, vocab_size=VOCAB_SIZE, ffn_width=32)
        model = Backbone(load_mixer(reference_source("linear_attention")), shape, seed=0)
        recipe = Recipe(**PRESET.training.recipe())
        inputs, targets = arrays(0, RAMP)
        curve = fit(
            model,
            make_optimizer(model, recipe),
            recipe,
            inputs_SBT=torch.from_numpy(inputs[:, :n_rows]).long(),
            targets_SBT=torch.from_numpy(targets[:, :n_rows]).long(),
            first_step=0,
            seed=0,
            report=lambda *_: None,
        )
        return curve, torch.cat([p.detach().flatten() for p in model.parameters()])

    (curve, weights), (same_curve, same_weights) = trained(100), trained(PRESET.rows_at(0))
    assert curve == same_curve
    assert torch.equal(weights, same_weights)


def test_a_trial_goes_on_over_the_end_of_the_ramp():
    """R3."""
    with Laboratory() as laboratory:

        def run(rung: int, before: TrialResult | None = None) -> TrialResult:
            request = TrialRequest(
                spec=TrialSpec(candidate_id="c", stage=Stage.SEARCH, rung=rung, seed=1),
                source=reference_source("linear_attention"),
                preset=PRESET,
                secret=b"a secret of a test",
                first_step=PRESET.rungs[0].steps if before else 0,
                snapshot=before.snapshot if before else None,
            )
            result = run_trial(laboratory, request)
            assert result.trial.outcome is Outcome.COMPLETED, result.trial.reason
            return result

        first, whole = run(0), run(1)
        second = run(1, before=first)
    measured = [r.trial.measurement for r in (first, second, whole) if r.trial.measurement]
    told = [PRESET.n_tokens(0, 8), PRESET.n_tokens(8, 24), PRESET.n_tokens(0, 24)]
    assert [m.cost.tokens for m in measured] == told
    assert measured[1].scores == measured[2].scores


@pytest.mark.parametrize(
    ("steps", "share"), [(0, 0.5), (12, 1.0), (25, 0.5)], ids=["no steps", "no share", "too many"]
)
def test_half_a_ramp_is_refused(steps, share):
    """R4."""
    half = PRESET.training.model_dump() | {"ramp_steps": steps, "ramp_share": share}
    with pytest.raises(ValueError, match=r"belong together: 1 to total_steps=24 steps"):
        Training.model_validate(half)


@pytest.mark.parametrize("steps", [1, RAMP])
def test_a_verification_has_the_same_ramp(steps):
    """R5: at least one step of it, however short a tuning run is."""
    ramp = {"ramp_steps": steps, "ramp_share": 0.5}
    training = PRESET.training.model_copy(update=ramp)
    verification = Verification(scale=1, tuning_share=0.25)
    base = PRESET.model_copy(update={"training": training, "verification": verification})
    larger = Larger(base=base)
    tuning, whole = (larger.preset(rung).training for rung in (0, larger.n_rates))
    assert (whole.total_steps, whole.ramp_steps) == (24, steps)
    assert (tuning.total_steps, tuning.ramp_steps) == (6, max(1, steps // 4))
