"""A layer written by hand through the campaign's own door: `move37 propose`."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from rich.console import Console

from move37.campaign.assemble import RunFolder, open_workshop, read_layer
from move37.campaign.card_verbs import show_card
from move37.campaign.commands import UNSANDBOXED, announce, report_run, settle
from move37.campaign.folder import stored_config
from move37.campaign.outside import GivenResearcher
from move37.campaign.screen import Screen
from move37.campaign.session import End, Ending, work
from move37.campaign.tables import escape_markup
from move37.campaign.way_on import run_command, way_on
from move37.campaign.workshop import Workshop
from move37.core.candidate import Candidate, Idea
from move37.core.config import CampaignConfig
from move37.core.errors import ConfigError


def propose_layer(
    file: Path,
    idea: Idea,
    overrides: dict[str, Any],
    *,
    runs: Path,
    unsandboxed: bool,
) -> str:
    """Try one layer in a run, which is begun if it is not there; return the candidate's id.

    Ctrl-C stops it in good order, and it is said how to go on.

    It meets novelty, probes, racing, verdict and lesson as any other candidate; a winner is
    confirmed with fresh seeds. What an earlier session left in flight is taken up first.

    Raises:
        ConfigError: the run has this very layer, or no time left for it.
        SourceError: the file is no layer.
    """
    console = Console()
    candidate = Candidate.of(read_layer(file), idea)
    config, folder = settle(None, overrides, runs=runs)
    n_before = _check_new(candidate, folder)
    budget = config.budget.model_copy(update={"max_candidates": n_before + 1})
    config = config.model_copy(update={"budget": budget})
    announce(console, config, folder)
    with open_workshop(config, folder, unsandboxed=unsandboxed) as opened:
        if unsandboxed:
            console.print(UNSANDBOXED)
        workshop = _with(opened, candidate)
        with Screen(console, workshop) as screen:
            end = work(workshop, screen.show)
        stored = stored_config(workshop.ledger)
        is_proposed = candidate.id in workshop.ledger.state().candidates
        if end.ending is Ending.STOPPED:
            words = stopped_words(config, stored, runs, is_proposed=is_proposed)
            console.print(f"[bold]stopped[/]; {escape_markup(words)}", soft_wrap=True)
            return candidate.id
        if not is_proposed:
            raise ConfigError(_untried(end, config, way_on(end, config, stored=stored, runs=runs)))
        show_card(workshop.ledger, folder, candidate.id)
        console.print(f"report: {report_run(workshop.ledger, folder)}", soft_wrap=True)
    return candidate.id


def stopped_words(
    config: CampaignConfig, stored: CampaignConfig, runs: Path, *, is_proposed: bool
) -> str:
    """Say how to go on after Ctrl-C: a layer that the ledger has is not proposed again."""
    if not is_proposed:
        return "the layer was not tried yet; the same command goes on"
    return f"the layer is in the run; go on: {run_command(config, stored=stored, runs=runs)}"


def _untried(end: End, config: CampaignConfig, advice: str) -> str:
    if end.ending is Ending.BUDGET:
        return (
            f"run {config.name!r} has no time left to try a layer; give it more than "
            f"{config.budget.wall_seconds:g} s in all with --budget"
        )
    why = ": ".join(filter(None, (str(end.ending), end.note)))
    return f"run {config.name!r} ended before it tried the layer: {why}; {advice}"


def _check_new(candidate: Candidate, folder: RunFolder) -> int:
    """Return the index the layer will have."""
    if not folder.is_begun():
        return 0
    with folder.open_ledger() as ledger:
        state = ledger.state()
    if candidate.id in state.candidates:
        raise ConfigError(
            f"this very layer is in the run already; look at it with: move37 show {candidate.id} "
            f"--run {folder.path.name}"
        )
    return state.next_index


def _with(workshop: Workshop, candidate: Candidate) -> Workshop:
    team = replace(workshop.team, researcher=GivenResearcher(candidate))
    return replace(workshop, team=team)
