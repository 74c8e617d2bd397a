"""Running rendered layers in tests: our own generated code, so exec in the test process is fine."""

from __future__ import annotations

import functools
import random
from typing import Any

import torch
from torch import Tensor

from move37.core.candidate import Candidate, Idea
from move37.core.claims import Effect
from move37.team.protocols import KnownCandidate
from move37.team.symbolic.crossover import random_description
from move37.team.symbolic.description import Description, to_json
from move37.team.symbolic.library import library_description, library_names
from move37.team.symbolic.render import render
from move37.team.symbolic.variation import mutate

D_MODEL, N_HEADS = 16, 2


def build(description: Description, *, seed: int = 0, jitter: float = 0.2) -> Any:
    """Return the rendered layer in float64, its weights moved away from their start."""
    names: dict[str, Any] = {}
    exec(compile(render(description), "<rendered>", "exec"), names)
    torch.manual_seed(seed)
    mixer = names["Mixer"](D_MODEL, N_HEADS, 0).double()
    with torch.no_grad():
        for parameter in mixer.parameters():
            parameter.add_(jitter * torch.randn_like(parameter))
    return mixer


def inputs(n_batch: int, n_time: int, *, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(n_batch, n_time, D_MODEL, dtype=torch.float64, generator=generator)


@functools.cache
def drawn(seed: int) -> Description:
    """Return a description: half of them from the whole space, half by walks from known mixers."""
    rng = random.Random(seed)
    if seed % 2:
        return random_description(rng)
    start = library_description(rng.choice(library_names()))
    return mutate(start, rng, n_moves=rng.randint(1, 8)).description


def described(description: Description, *, name: str = "layer", **known: Any) -> KnownCandidate:
    idea = Idea(name=name, motivation="", mechanism="", description=to_json(description))
    return KnownCandidate(candidate=Candidate.of(render(description), idea), **known)


def effect(mean: float, *, half_width: float = 0.2) -> Effect:
    return Effect(mean=mean, low=mean - half_width, high=mean + half_width, n_pairs=3)
