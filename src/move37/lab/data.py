"""What a training child gets, and what only the scorer holds: arrays from a mixture of tasks.

Every batch and every window follows from names and numbers alone, so that a candidate and its
baseline meet the same data, and any range of steps equals that range of the whole.

S steps, B sequences, T positions.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from move37.core.config import TaskSetting, Training
from move37.core.errors import ConfigError
from move37.core.trial import Stage
from move37.lab.split import Split
from move37.lab.tasks import NO_TARGET, Task, make_task


@dataclass(frozen=True, kw_only=True, slots=True)
class EvaluationSet:
    """Held-out windows of one task, with other rows to put behind a cut. Stays on the host."""

    name: str
    """Of the task."""
    inputs_BT: np.ndarray  # noqa: N815  # axes in the name
    """uint16, the true windows."""
    targets_BT: np.ndarray  # noqa: N815  # axes in the name
    """int32, NO_TARGET where nothing is graded."""
    foreign_BT: np.ndarray  # noqa: N815  # axes in the name
    """uint16, rows drawn apart from the windows: what a child is shown behind a secret cut."""


def make_tasks(settings: Sequence[TaskSetting]) -> dict[str, Task]:
    """Make the tasks of a mixture.

    Raises:
        UnknownName, ConfigError: from `make_task`; or a task is listed twice, and its scores and
            data could not be told apart.
    """
    tasks: dict[str, Task] = {}
    for setting in settings:
        if setting.name in tasks:
            raise ConfigError(
                f"task {setting.name!r} is listed twice; list it once, with the rows it shall have"
            )
        tasks[setting.name] = make_task(setting.name, **setting.options)
    return tasks


def training_arrays(
    settings: Sequence[TaskSetting],
    training: Training,
    *,
    seed: int,
    first_step: int,
    last_step: int,
) -> tuple[np.ndarray, np.ndarray]:
    """Return the batches of steps first_step..last_step-1; rows stand in the order of the settings.

    Where a step has fewer rows (`Training.ramp_steps`), the last ones are empty: no row has a
    target there.

    Returns:
        inputs (S, B, T) uint16 and targets (S, B, T) int32.

    Raises:
        ConfigError: see `make_tasks`; or a task does not fit into `training.length`.
        ValueError: not 0 <= first_step <= last_step.
    """
    if not 0 <= first_step <= last_step:
        raise ValueError(f"steps must rise from 0 or more, got {first_step} to {last_step}")
    tasks = make_tasks(settings)
    n_rows = sum(setting.rows for setting in settings)
    shape = (last_step - first_step, n_rows, training.length)
    inputs = np.zeros(shape, dtype=np.uint16)
    targets = np.full(shape, NO_TARGET, dtype=np.int32)
    for s in range(shape[0]):
        row = 0
        for setting in settings:
            n = training.rows_at(first_step + s, setting.rows)
            rng = stream("train", seed, setting.name, first_step + s)
            drawn = tasks[setting.name].batch(
                rng, rows=n, length=training.length, split=Split.TRAIN
            )
            inputs[s, row : row + n], targets[s, row : row + n] = drawn.inputs_BT, drawn.targets_BT
            row += n
    return inputs, targets


def evaluation_set(
    setting: TaskSetting, *, length: int, stage: Stage, seed: int, secret: bytes
) -> EvaluationSet:
    """Return the held-out windows of a task for one stage and seed: the same for every candidate.

    Args:
        setting: `windows` of them are drawn.
        length: of training rows; a task may judge on longer ones.
        stage: SEARCH draws from one split, CONFIRM and VERIFY from another, apart from each other.
        seed: of the trial.
        secret: drawn once per campaign and kept on the host, so that no candidate can generate the
            windows (the generators are public); at least 16 bytes.

    Raises:
        ConfigError: see `make_task`; or fewer than 2 windows (no standard error without spread).
        ValueError: the secret is too short.
    """
    if len(secret) < 16:
        raise ValueError(f"the secret must have at least 16 bytes, got {len(secret)}")
    if setting.windows < 2:
        raise ConfigError(
            f"task {setting.name!r}: windows must be at least 2, got {setting.windows}"
        )
    task = make_task(setting.name, **setting.options)
    long, split = task.evaluation_length(length), Split.of_stage(stage)
    parts = ("evaluate", secret, stage, seed, setting.name)
    true = task.batch(stream(*parts, "true"), rows=setting.windows, length=long, split=split)
    foreign = task.batch(stream(*parts, "foreign"), rows=setting.windows, length=long, split=split)
    return EvaluationSet(
        name=setting.name,
        inputs_BT=true.inputs_BT,
        targets_BT=true.targets_BT,
        foreign_BT=foreign.inputs_BT,
    )


def stream(*parts: str | int | bytes) -> np.random.Generator:
    """Return a generator of its own for these names and numbers; others share nothing with it."""
    digest = hashlib.sha256()
    for part in parts:
        raw = part if isinstance(part, bytes) else f"{type(part).__name__[0]}{part}".encode()
        digest.update(len(raw).to_bytes(8) + raw)
    return np.random.default_rng(np.random.SeedSequence(int.from_bytes(digest.digest())))
