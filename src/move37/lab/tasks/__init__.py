"""The tasks by name. Generators and answers live here, on the host; the arena gets arrays.

`make_task("recall", pairs=8)` is the way in. A new task is a class that keeps the `Task` protocol
and passes `move37.testing.task_contract.TaskContract`, added to TASKS.
"""

from __future__ import annotations

import dataclasses
from types import MappingProxyType
from typing import Any

from move37.core.errors import ConfigError, UnknownName
from move37.lab.split import Split
from move37.lab.tasks.copying import Compression, SelectiveCopying
from move37.lab.tasks.extrapolation import LengthExtrapolation
from move37.lab.tasks.language import Text
from move37.lab.tasks.recall import FuzzyRecall, NoisyRecall, Recall
from move37.lab.tasks.state import StateTracking, StateUpdate
from move37.lab.tasks.task import Rows, Task
from move37.lab.tasks.vocabulary import NO_TARGET, VOCAB_SIZE

__all__ = ["NO_TARGET", "TASKS", "VOCAB_SIZE", "Rows", "Split", "Task", "make_task"]

TASKS: MappingProxyType[str, type[Any]] = MappingProxyType(
    {
        task.name: task
        for task in (
            Recall,
            FuzzyRecall,
            NoisyRecall,
            SelectiveCopying,
            Compression,
            StateTracking,
            StateUpdate,
            LengthExtrapolation,
            Text,
        )
    }
)


def make_task(name: str, **options: float | str) -> Task:
    """Make a task with its options; what is not given keeps its default.

    Raises:
        UnknownName: no task, or no option, of that name.
        ConfigError: an option of the wrong type or out of range.
    """
    if name not in TASKS:
        raise UnknownName.of("task", name, TASKS)
    task = TASKS[name]
    declared = {field.name for field in dataclasses.fields(task)}
    for given in options:
        if given not in declared:
            raise UnknownName.of(f"option of task {name!r}", given, declared)
    try:
        return task(**options)
    except TypeError as error:
        raise ConfigError(f"task {name!r}: {error}") from error
