"""Scripted solvers of probes: models whose accuracy over effort is known. No key, no network.

`--model scripted:falling`: what a sweep should find is known before it runs.
"""

from __future__ import annotations

import random
from collections.abc import Sequence

import numpy as np

from move37.core.errors import UnknownName
from move37.core.team import ModelConfig
from move37.guards.probes.probe import MARK, Form, Probe
from move37.guards.probes.sweep import Plan
from move37.guards.solvers import CURVES, SPREAD, intercept
from move37.team.models.calls import MakeModel
from move37.team.models.scripted import Heard, scripted

PREFIX = "scripted:"
SOLVERS = {
    "falling": "falling .90 to .70",
    "collapsing": "falling .70 to .30",
    "rising": "rising .50 to .80",
    "flat": "flat .80",
    "peak": "peak at the middle",
    "cliff": "cliff at the end",
}
"""Short names of curves."""
THOUGHT = "Let me look at that once more. "


def is_scripted(model: str) -> bool:
    """Return whether a name means a scripted solver."""
    return model.startswith(PREFIX)


def scripted_model(model: str) -> ModelConfig:
    """Return a scripted solver as a model of a team; it costs nothing and is never called.

    Raises:
        UnknownName: there is no such solver.
    """
    name = model.removeprefix(PREFIX)
    if name not in SOLVERS:
        raise UnknownName.of("scripted solver", name, SOLVERS)
    return ModelConfig(
        provider="openai-compatible", model=model, base_url="http://127.0.0.1:9/v1", family=PREFIX
    )


def solver_for(plan: Plan, model: str) -> MakeModel:
    """Return the solver: its accuracy at each effort is its curve's, its thoughts get longer."""
    curve = CURVES[SOLVERS[model.removeprefix(PREFIX)]]
    n_levels = len(plan.efforts)
    places = np.linspace(0, len(curve) - 1, n_levels)
    accuracies = np.interp(places, np.arange(len(curve)), curve)
    logits = [intercept(float(accuracy)) for accuracy in accuracies]
    probes = plan.probes()

    def reply(heard: Heard) -> str:
        item, level = divmod(heard.call.index, n_levels)
        rng = random.Random(f"{model}/{plan.seed}/{item}/{level}")  # noqa: S311 - a seeded script
        logit = logits[level] + SPREAD * _difficulty(model, plan.seed, item)
        right = rng.random() < 1 / (1 + np.exp(-logit))
        said = probes[item].answer if right else wrong_answer(probes[item])
        return f"{THOUGHT * 2 ** (level + 1)}\n{MARK} {said}"

    return scripted({plan.role: reply})


def wrong_answer(probe: Probe) -> str:
    """Return what a distracted solver says: the lure, where there is one."""
    if probe.form is Form.PATCH:
        lines = probe.source.split("\n")
        number = probe.lure or str(_last_line(lines))
        return f"{number}: {lines[int(number) - 1].strip()}"
    if probe.lure:
        return probe.lure
    match probe.form:
        case Form.INTEGER:
            return str(int(probe.answer) + 1)
        case Form.NUMBER:
            return f"{float(probe.answer) + 3 * probe.tolerance:.2f}"
    return next(choice for choice in probe.choices if choice != probe.answer)


def _last_line(lines: Sequence[str]) -> int:
    return max(number for number, line in enumerate(lines, start=1) if line.strip())


def _difficulty(model: str, seed: int, item: int) -> float:
    return random.Random(f"{model}/{seed}/{item}").gauss(0, 1)  # noqa: S311 - a seeded script
