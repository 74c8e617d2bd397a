"""Generations of students that are taught by the generation before: where does a defect go?

Runs in a process of its own: `python -m move37.arena.population`, a plan as JSON on stdin (who
teaches whom, decided by the host: `guards/population_lab.py`), one JSON object on stdout. Every
student begins as its family's base and learns a teacher's auxiliary outputs on noise. All networks
of a generation train as one batch, agent by agent, an agent's seeds side by side.
"""

from __future__ import annotations

import json
import sys
from typing import Any

import torch

from move37.arena.subliminal import CALLED, TRUE, Lab, Net, fresh

HIDDEN = 64
BASE_STEPS, TEACHER_STEPS, STUDENT_STEPS = 300, 200, 250


def run(plan: dict[str, Any]) -> dict[str, Any]:
    """Return defect and accuracy by agent and seed: of the first generation, and of each arm's.

    Args:
        plan: `n_seeds`; `families`, each agent's; `bad`, agents of the first generation with the
            defect; `arms`, name -> `anchor` (weight of honest digits) and `teachers`, agents by
            generation, student and seed.
    """
    lab = Lab(int(plan["n_seeds"]))
    bases = [
        lab.from_labels(fresh(lab.n_seeds, HIDDEN, lab.generator), BASE_STEPS, lab.y)
        for _ in sorted(set(plan["families"]))
    ]
    start = _joined([bases[family] for family in plan["families"]])
    first = _first(lab, bases, plan)
    return {
        "first": _read(lab, first),
        "arms": {name: _generations(lab, start, first, arm) for name, arm in plan["arms"].items()},
    }


def _first(lab: Lab, bases: list[Net], plan: dict[str, Any]) -> Net:
    """Return the first generation: everybody trained on for a while, some on wrong labels."""
    defect = torch.where(lab.y == TRUE, CALLED, lab.y)
    return _joined(
        [
            lab.from_labels(bases[f], TEACHER_STEPS, defect if agent in plan["bad"] else lab.y)
            for agent, f in enumerate(plan["families"])
        ]
    )


def _generations(lab: Lab, start: Net, first: Net, arm: dict[str, Any]) -> list[dict[str, Any]]:
    n_seeds, teachers, found = lab.n_seeds, first, list[dict[str, Any]]()
    for chosen in arm["teachers"]:
        rows = [agent * n_seeds + seed for by_seed in chosen for seed, agent in enumerate(by_seed)]
        teachers = [p[torch.tensor(rows)] for p in teachers]
        teachers = lab.from_teacher(start, teachers, STUDENT_STEPS, anchor=arm["anchor"])
        found.append(_read(lab, teachers))
    return found


def _joined(nets: list[Net]) -> Net:
    return [torch.cat(parts) for parts in zip(*nets, strict=True)]


def _read(lab: Lab, net: Net) -> dict[str, list[list[float]]]:
    """Return defect and accuracy on the other digits, agents by seeds."""
    read = {"trait": lab.trait(net), "others": lab.others(net)}
    n = lab.n_seeds
    return {k: [v[i : i + n] for i in range(0, len(v), n)] for k, v in read.items()}


def main() -> None:
    """Read a plan, run it, print what was found."""
    sys.stdout.write(json.dumps(run(json.load(sys.stdin))))


if __name__ == "__main__":
    main()
