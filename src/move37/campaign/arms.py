"""The arms of an ablation: what each changes in the campaign that is asked about."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from move37.core.config import CampaignConfig, Preset
from move37.core.errors import UnknownName

DEFAULT = "default"
FOREVER_SECONDS = 365 * 86400.0
"""Wall clock of an arm: never what ends it, so that the load of the machine does not matter."""
CANDIDATES_PER_RUNG = 4
"""Bound on proposals that never train (repeats, failed probes), in multiples of what the tokens
would pay for if everyone ended at the first rung."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Arm:
    """One way to run the campaign."""

    name: str
    purpose: str
    changes: Mapping[str, Mapping[str, object]] = field(default_factory=dict)
    """Section of the config -> key -> value."""


ARMS: dict[str, Arm] = {
    arm.name: arm
    for arm in (
        Arm(name=DEFAULT, purpose="the campaign as it is configured"),
        Arm(
            name="random",
            purpose="random edits of the roots with equal odds; reads nothing",
            changes={
                "team": {"researcher": "random"},
                "search": {"selection": "roots", "use_cognition": False, "use_lessons": False},
            },
        ),
        Arm(
            name="best_of_n",
            purpose="the researcher without memory: always from the roots, no lessons",
            changes={"search": {"selection": "roots", "use_lessons": False}},
        ),
        Arm(
            name="greedy",
            purpose="a (1+1) hill climb: always from the fittest so far, one result behind",
            changes={"search": {"selection": "greedy", "lag": 1}},
        ),
        Arm(
            name="no_cognition",
            purpose="without cards",
            changes={"search": {"use_cognition": False}},
        ),
        Arm(
            name="no_lessons",
            purpose="without earlier lessons",
            changes={"search": {"use_lessons": False}},
        ),
        Arm(
            name="no_judge",
            purpose="fitness without the judge's part",
            changes={"search": {"use_judge": False}},
        ),
        Arm(
            name="random_parents",
            purpose="everyone who was measured is a parent with equal odds",
            changes={"search": {"selection": "random"}},
        ),
        Arm(
            name="bandit",
            purpose="kinds of steps asked for by a bandit, in place of fixed odds",
            changes={"search": {"operators": "bandit"}},
        ),
        Arm(
            name="no_racing",
            purpose="every candidate is trained to the end with every seed",
            changes={"evidence": {"drop_below": 0.0, "cut_above": 0.0}},
        ),
    )
}


def arms_by_name(names: tuple[str, ...]) -> tuple[Arm, ...]:
    """Return arms, the default one first; all of them when none is named.

    Raises:
        UnknownName: no such arm.
    """
    for name in names:
        if name not in ARMS:
            raise UnknownName.of("arm", name, ARMS)
    chosen = {DEFAULT, *(names or ARMS)}
    return tuple(arm for arm in ARMS.values() if arm.name in chosen)


def arm_config(
    base: CampaignConfig, arm: Arm, preset: Preset, *, seed: int, tokens: int
) -> CampaignConfig:
    """Return the campaign of one arm and seed: it searches for that many tokens, and only that.

    Raises:
        ValueError: the changes do not fit the base.
    """
    first = preset.n_tokens(0, preset.rungs[0].steps)
    tree = base.model_dump()
    for section, changes in arm.changes.items():
        tree[section] |= changes
    tree["name"] = f"{arm.name}-{seed}"
    tree["seed"] = seed
    tree["opponents"] = ()
    tree["evidence"] |= {"confirm_most": 0}
    tree["budget"] = {
        "wall_seconds": FOREVER_SECONDS,
        "search_tokens": tokens,
        "max_candidates": CANDIDATES_PER_RUNG * max(1, -(-tokens // first)),
        "confirm_share": 0.0,
    }
    return CampaignConfig.model_validate(tree)
