"""What a campaign with language models will use, said before it starts: `move37 run --dry-run`.

From what the run has used so far, where it has; else from assumptions that are written down here.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from move37.core.config import CampaignConfig, Preset
from move37.core.events import ModelCalled
from move37.core.team import EFFORTS, ModelConfig, Role
from move37.team.models.prices import FREE, cost, price_of

USUAL = {
    Role.RESEARCHER: (4.0, 14_000, 1_500),
    Role.ENGINEER: (1.0, 9_000, 2_500),
    Role.ANALYST: (1.1, 7_000, 500),
    Role.JUDGE: (1.1, 6_000, 300),
}
"""Requests per candidate, input tokens and output tokens per request. Assumed: from the sizes of
prompts and of layers; no live provider was measured."""
REASONING = 900
"""Reasoning tokens per request at the lowest effort that reasons; doubles per level. Assumed."""
SPREAD = 2.5
"""The range that is given around the estimate, as a factor each way. Assumed."""
CANDIDATE_SHARE = 0.5
"""Of a trial's time limit that a candidate takes on one worker, all rungs, losers included; 30 s a
candidate of 60 at the cpu preset (docs/log.md)."""


@dataclass(frozen=True, kw_only=True, slots=True)
class RoleEstimate:
    """One role's part."""

    role: str
    models: tuple[str, ...]
    n_requests: float
    tokens: float
    dollars: float | None
    """None: a price is not known."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Estimate:
    """What a campaign is expected to use."""

    n_candidates: int
    """Of the team, without the control arm's."""
    n_control: int
    is_limit: bool
    """Whether the number of candidates is the config's; else it follows from time."""
    is_measured: bool
    roles: tuple[RoleEstimate, ...]

    @property
    def tokens(self) -> float:
        """Of all roles."""
        return sum(role.tokens for role in self.roles)

    @property
    def dollars(self) -> float | None:
        """Of all roles; None where a price is not known."""
        parts = [role.dollars for role in self.roles]
        return None if None in parts else sum(part or 0.0 for part in parts)


def estimate(
    config: CampaignConfig, preset: Preset, *, n_workers: int, seen: Iterable[ModelCalled] = ()
) -> Estimate:
    """Return what the whole campaign is expected to use.

    Args:
        config: the campaign.
        preset: its preset.
        n_workers: trials side by side.
        seen: requests that the run has made already.
    """
    team = config.team
    n_all = config.budget.max_candidates or _candidates_in_time(config, preset, n_workers)
    n_control = round(n_all * team.control_share) if team.llm_roles else n_all
    measured = _measured(seen)
    roles = []
    for role in team.llm_roles:
        n = n_all if role is Role.JUDGE else n_all - n_control
        roles.append(_of_role(config, role, n, measured.get(role)))
    return Estimate(
        n_candidates=n_all - n_control,
        n_control=n_control,
        is_limit=config.budget.max_candidates is not None,
        is_measured=bool(measured),
        roles=tuple(roles),
    )


def _candidates_in_time(config: CampaignConfig, preset: Preset, n_workers: int) -> int:
    seconds = config.budget.wall_seconds * (1.0 - config.budget.confirm_share)
    return max(1, round(seconds * n_workers / (preset.trial_seconds * CANDIDATE_SHARE)))


def _of_role(
    config: CampaignConfig, role: Role, n: int, measured: tuple[float, float, float] | None
) -> RoleEstimate:
    names = config.team.models_of(role)
    asked = len(names) if role is Role.JUDGE else 1
    effort = EFFORTS.index(config.team.seat(role).efforts[0])
    requests, n_input, n_output = measured or USUAL[role]
    if measured is None:
        n_output += REASONING * 2 ** (effort - 1) if effort else 0
    requests *= n if measured else n * asked
    prices = [_dollars(config.team.models[name], n_input, n_output) for name in names]
    known = [price for price in prices if price is not None]
    return RoleEstimate(
        role=role,
        models=tuple(config.team.models[name].label for name in names),
        n_requests=requests,
        tokens=requests * (n_input + n_output),
        dollars=requests * sum(known) / len(known) if len(known) == len(prices) else None,
    )


def _dollars(model: ModelConfig, n_input: float, n_output: float) -> float | None:
    price = price_of(model)
    if price is None:
        return None
    return cost(price or FREE, input_tokens=round(n_input), output_tokens=round(n_output))


def _measured(seen: Iterable[ModelCalled]) -> dict[str, tuple[float, float, float]]:
    """Return requests per candidate and tokens per request, by role, as far as seen."""
    events: dict[str, list[ModelCalled]] = defaultdict(list)
    for event in seen:
        events[event.role].append(event)
    return {
        role: (
            len(said) / len({e.index for e in said}),
            sum(e.input_tokens for e in said) / len(said),
            sum(e.output_tokens for e in said) / len(said),
        )
        for role, said in events.items()
    }
