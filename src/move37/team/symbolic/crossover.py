"""Crossover of two descriptions, and descriptions drawn at random from the whole space."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import get_args

from move37.team.symbolic.canonical import canonical
from move37.team.symbolic.description import (
    Convolution,
    Decay,
    DecayForm,
    Description,
    Feature,
    FeatureMap,
    Gate,
    Memory,
    Per,
    Range,
    Routing,
)
from move37.team.symbolic.variation import Variation, random_expr

TRAITS: dict[str, tuple[str, ...]] = {
    "sizes": ("heads", "key_size", "value_size", "shared_keys"),
    "shift": ("shift",),
    "conv": ("conv",),
    "keys": ("feature", "qk_norm", "normaliser", "key_bias"),
    "rotary": ("rotary",),
    "writes": ("n_writes",),
    "paths": ("firs", "identity", "routing"),
    "bonus": ("bonus",),
    "output": ("output_norm", "output_gate"),
}
"""Top fields that only make sense together."""
MEMORY_TRAITS: dict[str, tuple[str, ...]] = {
    "update": ("update", "erase", "erase_first"),
    "decay": ("decay", "dt_write"),
    "write": ("write", "two_tap"),
    "read": ("read",),
    "initial": ("initial",),
}
"""Fields of the first memory that only make sense together."""


def crossover(first: Description, second: Description, rng: random.Random) -> Variation | None:
    """Return the first description with some traits of the second, or None if none can be taken.

    At least one trait is taken and at least one left, where two or more differ.
    """
    differing = differing_traits(first, second)
    if not differing:
        return None
    most = max(1, len(differing) - 1)
    child, moves, steps = first, [], []
    for name in sorted(rng.sample(differing, rng.randint(1, min(most, 4)))):
        taken = with_trait(child, second, name)
        if taken != child:
            child = taken
            moves.append(f"take:{name}")
            steps.append(child)
    if child in (first, second):
        return None
    return Variation(description=child, moves=tuple(moves), steps=tuple(steps))


def differing_traits(first: Description, second: Description) -> list[str]:
    """Return the traits of the second description that would change the first."""
    names = _trait_names(first, second)
    return [name for name in names if with_trait(first, second, name) != first]


def with_trait(child: Description, donor: Description, name: str) -> Description:
    """Return the child with one trait of the donor, in canonical form."""
    return canonical(_with_trait(child, donor, name))


def _trait_names(first: Description, second: Description) -> list[str]:
    if not first.memories or not second.memories:
        return [*TRAITS, "memories"]
    names = [*TRAITS, *(f"memory-{trait}" for trait in MEMORY_TRAITS)]
    return [*names, "second-memory"] if len(first.memories) != len(second.memories) else names


def _with_trait(child: Description, donor: Description, name: str) -> Description:
    if name in TRAITS:
        return replace(child, **{field: getattr(donor, field) for field in TRAITS[name]})
    if name == "memories":
        return replace(child, memories=donor.memories)
    if name == "second-memory":
        return replace(child, memories=(child.memories[0], *donor.memories[1:]))
    fields = MEMORY_TRAITS[name.removeprefix("memory-")]
    taken = {field: getattr(donor.memories[0], field) for field in fields}
    return replace(child, memories=(replace(child.memories[0], **taken), *child.memories[1:]))


def random_description(rng: random.Random) -> Description:
    """Return a description drawn from the whole space, every choice on its own."""
    n_memories = rng.choices((0, 1, 2), (1, 7, 3))[0]
    widths = rng.choice(((0, 0, 0), (4, 4, 4), tuple(rng.choice((0, 2, 3, 4, 8)) for _ in "qkv")))
    return canonical(
        Description(
            heads=rng.choice(("half", "same", "same", "double")),
            key_size=rng.choice(("half", "same", "same", "double")),
            value_size=rng.choice(("half", "same", "same", "double")),
            shared_keys=_chance(rng, 0.2),
            shift=_chance(rng, 0.3),
            conv=Convolution(
                q=widths[0], k=widths[1], v=widths[2], activation=rng.choice(("silu", None))
            ),
            feature=Feature(
                map=rng.choice(("identity", *get_args(FeatureMap))), temperature=_chance(rng, 0.3)
            ),
            qk_norm=rng.choice(("none", "l2", "rms")),
            key_bias=_chance(rng, 0.2),
            rotary=rng.choice(("none", "none", "none", "fixed", "data")),
            n_writes=rng.choices((1, 2, 3), (6, 2, 1))[0],
            normaliser=_chance(rng, 0.4),
            memories=tuple(_random_memory(rng) for _ in range(n_memories)),
            bonus=_chance(rng, 0.2),
            firs=tuple(rng.randint(2, 31) for _ in range(rng.choice((0, 0, 0, 1, 1, 2)))),
            identity=_chance(rng, 0.25),
            routing=Routing(
                kind=rng.choice(("sum", "weights", "softmax", "sigmoid")),
                expr=random_expr(rng, levels=2),
                temperature=_chance(rng, 0.3),
                floor=rng.choice((0.0, 0.05)),
            ),
            output_norm=rng.choice(("none", "rms", "rms")),
            output_gate=_random_gate(rng) if _chance(rng, 0.6) else None,
        )
    )


def _random_memory(rng: random.Random) -> Memory:
    return Memory(
        update=rng.choice(("additive", "delta")),
        decay=Decay(
            kind=rng.choice(("none", "fixed", "learned", "data", "data", "data")),
            per=rng.choice(get_args(Per)),
            form=rng.choice(get_args(DecayForm)),
            expr=random_expr(rng, levels=2),
            rank=rng.choice((0, 4, 16)),
            tied_key=_chance(rng, 0.2),
        ),
        erase=_random_gate(rng),
        write=_random_gate(rng) if _chance(rng, 0.3) else None,
        read=_random_gate(rng) if _chance(rng, 0.2) else None,
        erase_first=_chance(rng, 0.2),
        two_tap=_chance(rng, 0.2),
        dt_write=_chance(rng, 0.3),
        initial=_chance(rng, 0.25),
    )


def _random_gate(rng: random.Random) -> Gate:
    return Gate(
        expr=random_expr(rng, levels=2),
        range=rng.choice(get_args(Range)),
        per=rng.choice(get_args(Per)),
        rank=rng.choice((0, 0, 4, 16)),
        bias=rng.choice((-1.0, 0.0, 0.0, 1.0)),
    )


def _chance(rng: random.Random, share: float) -> bool:
    return rng.random() < share
