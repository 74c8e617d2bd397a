"""The larger scale of a verification, derived from the campaign's own preset.

A verification has 2 L rungs where L is the number of learning rates: rung r < L is a tuning run at
rate r, rung L + r the whole training at rate r. Everyone is tuned alike.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from move37.core.config import ModelShape, Preset, Rung, TaskSetting
from move37.core.trial import Trial
from move37.evidence.effects import combined_scores, oriented_scores


@dataclass(frozen=True, kw_only=True, slots=True)
class Larger:
    """What is trained at the larger scale."""

    base: Preset

    @property
    def n_rates(self) -> int:
        """Learning rates that each layer is tried with."""
        return len(self.base.verification.learning_rates)

    @property
    def tasks(self) -> tuple[TaskSetting, ...]:
        """The search's tasks, then the exam's."""
        return (*self.base.tasks, *self.exam)

    @property
    def exam(self) -> tuple[TaskSetting, ...]:
        """Tasks that the search never saw."""
        return self.base.verification.exam

    def learning_rate(self, rung: int) -> float:
        """Return the peak learning rate of a rung."""
        factor = self.base.verification.learning_rates[rung % self.n_rates]
        return factor * self.base.training.learning_rate

    def preset(self, rung: int) -> Preset:
        """Return what a trial of this rung is run with."""
        base, scale = self.base, self.base.verification.scale
        is_tuning = rung < self.n_rates
        share = base.verification.tuning_share if is_tuning else 1.0
        steps = max(1, round(share * scale * base.training.total_steps))
        n_early = min(1, base.training.ramp_steps)
        factor = self.learning_rate(rung) / base.training.learning_rate
        training = base.training.model_copy(
            update={
                "batch_size": sum(task.rows for task in self.tasks),
                "learning_rate": factor * base.training.learning_rate,
                "final_learning_rate": factor * base.training.final_learning_rate,
                "warmup_steps": round(share * scale * base.training.warmup_steps),
                "ramp_steps": max(n_early, round(share * scale * base.training.ramp_steps)),
                "total_steps": steps,
            }
        )
        return Preset(
            name=f"{base.name}-x{scale}",
            purpose=f"verification of {base.name} at {scale} times its size and training",
            model=widened(base.model, scale),
            training=training,
            rungs=tuple(Rung(steps=steps) for _ in range(2 * self.n_rates)),
            tasks=self.tasks,
            trial_seconds=base.trial_seconds * scale * scale,
            memory_megabytes=base.memory_megabytes * scale,
        )


def widened(model: ModelShape, scale: int) -> ModelShape:
    """Return a model of `scale` times the parameters: wider by its root, heads of the same size."""
    n_heads = max(1, round(model.n_heads * math.sqrt(scale)))
    return ModelShape(
        d_model=n_heads * (model.d_model // model.n_heads),
        n_layers=model.n_layers,
        n_heads=n_heads,
        n_parameters=scale * model.n_parameters,
    )


def best_rate(tuning: Mapping[int, Trial], tasks: Sequence[TaskSetting]) -> int | None:
    """Return the rate whose tuning run has the best mean over tasks in noise units; None: none ran.

    Args:
        tuning: index of the learning rate -> its tuning run.
        tasks: metric and noise; all of them count.
    """
    noise = {task.name: task.noise for task in tasks}
    values = {
        rate: next(iter(combined_scores(oriented_scores([trial], tasks), noise).values()))
        for rate, trial in tuning.items()
        if trial.measurement
    }
    return max(sorted(values), key=lambda rate: values[rate], default=None)
