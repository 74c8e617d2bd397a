"""Which kind of step is asked for next, and of which model: fixed odds, turns, or a bandit.

A bandit's past is what the ledger holds of finished indices that the candidate may know of, so a
resumed campaign chooses the same.
"""

from __future__ import annotations

import numpy as np

from move37.campaign.team import CONTROL, arm_of
from move37.core.config import CampaignConfig
from move37.core.team import Role
from move37.memory.contenders import pulls
from move37.memory.selection import discounted_bandit
from move37.memory.state import State
from move37.team.protocols import Mode

MODES = tuple(mode.value for mode in Mode if mode is not Mode.ANY)
MODE, MODEL = 1, 2
"""Streams of random numbers, apart from each other and from that of the selection rule."""


def choose_mode(config: CampaignConfig, state: State, index: int) -> str:
    """Return the kind of step for a candidate; empty: the Researcher draws one.

    Args:
        config: of the campaign.
        state: what the candidate may know.
        index: of the candidate.
    """
    rng = np.random.default_rng([config.seed, index, MODE])
    if config.search.crossovers and rng.random() < config.search.crossovers:
        return Mode.RECOMBINE.value
    if config.search.operators == "drawn":
        return ""
    return discounted_bandit(pulls(state, lambda chosen: chosen.mode), MODES, rng)


def choose_model(config: CampaignConfig, state: State, index: int) -> str:
    """Return the name of the model that proposes; empty: the one whose turn it is, or none does."""
    is_asked = Role.RESEARCHER in config.team.llm_roles and arm_of(config.team, index) != CONTROL
    if not is_asked or config.search.models == "turn":
        return ""
    names = config.team.models_of(Role.RESEARCHER)
    rng = np.random.default_rng([config.seed, index, MODEL])
    return discounted_bandit(pulls(state, lambda chosen: chosen.model), names, rng)
