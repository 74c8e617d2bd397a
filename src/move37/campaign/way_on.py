"""What is said when a session has ended: why, and the option that is the way on."""

from __future__ import annotations

import math
import shlex
from collections.abc import Mapping
from pathlib import Path

from move37.campaign.session import End, Ending
from move37.campaign.tables import escape_markup
from move37.core.config import BudgetConfig, CampaignConfig
from move37.core.errors import OutOfFunds
from move37.core.team import Role

OPTIONS = {
    "wall_seconds": "--budget",
    "max_candidates": "--candidates",
    "search_tokens": "--search-tokens",
    "tokens": "--tokens",
    "dollars": "--dollars",
}
"""Limit -> the option of `move37 run` that sets it."""


def ending_words(end: End, way_on: str) -> str:
    """Say how a session ended and how to go on, with markup."""
    if end.ending is Ending.STOPPED:
        return f"[bold]stopped[/]; {escape_markup(way_on)}"
    why = ": ".join(filter(None, (str(end.ending), end.note)))
    return f"[bold]done[/]: {escape_markup(f'{why}; {way_on}')}"


def way_on(end: End, config: CampaignConfig, *, stored: CampaignConfig, runs: Path) -> str:
    """Say how to go on after a session; plain text.

    Args:
        end: from `work`.
        config: of the session.
        stored: what the campaign began with, whose limits count where no option is given.
        runs: the folder of all runs.
    """
    budget = config.budget
    match end.ending:
        case Ending.STOPPED:
            return "the same command goes on where it was"
        case Ending.EXHAUSTED:
            return "start another run from other roots"
        case Ending.UNUSABLE:
            return (
                "mend the key or the server, and the same command goes on; a run keeps its team, "
                "so another team needs another --name"
            )
        case Ending.TRAINED:
            larger: dict[str, float] = {"search_tokens": 2 * (budget.search_tokens or 1)}
        case Ending.CANDIDATES:
            larger = {"max_candidates": 2 * (budget.max_candidates or 1)}
        case Ending.FUNDS if isinstance(end.cause, OutOfFunds):
            cause = end.cause
            if cause.role:
                return (
                    f"for more: a larger {cause.what} under [roles.{cause.role}.limits] in the "
                    f"team file ([team.roles.{cause.role}.limits] in a campaign's file), and "
                    f"move37 run --name {config.name} --team FILE"
                )
            larger = {cause.what: max(2 * getattr(budget, cause.what), cause.needed)}
        case _:
            larger = {"wall_seconds": max(3600, 2 * budget.wall_seconds)}
    return f"for more: {run_command(config, stored=stored, runs=runs, larger=larger)}"


def run_command(
    config: CampaignConfig,
    *,
    stored: CampaignConfig,
    runs: Path,
    larger: Mapping[str, float] | None = None,
) -> str:
    """Return the command that goes on with a session's limits, some of them larger."""
    where = "" if runs == Path("runs") else f" --runs {shlex.quote(str(runs))}"
    options = _options(config.budget, stored.budget, larger or {})
    was, now = stored.team, config.team
    if any(now.seat(role).limits != was.seat(role).limits for role in Role):
        options += " --team FILE"  # the team's file with these limits
    return f"move37 run --name {config.name}{options}{where}"


def _options(budget: BudgetConfig, stored: BudgetConfig, larger: Mapping[str, float]) -> str:
    """Spell every limit that is not as stored: one that is left out falls back to that."""
    wanted = budget.model_dump() | dict(larger)
    return "".join(
        f" {option} {_spell(key, wanted[key])}"
        for key, option in OPTIONS.items()
        if wanted[key] is not None and wanted[key] != getattr(stored, key)
    )


def _spell(key: str, value: float) -> str:
    if key == "wall_seconds":
        return f"{math.ceil(value / 3600)}h" if value >= 3600 else f"{value:g}s"
    if key == "dollars":
        return f"{math.ceil(100 * value) / 100:.2f}"
    return str(math.ceil(value))
