"""Run a campaign again from what its ledger holds: recorded replies, recorded trials, no network.

Every choice is made anew by this version of move37: parents, cards, prompts, parsing, novelty,
racing, verdicts, lessons. What cost money or processor time is taken from the record: replies of
language models, the answers of the probes, trials, and the layers that people or outside agents
handed in. So a replay takes seconds, and any difference is one of choice. Confirmation depends on
the time that was left and is not replayed.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from move37.campaign.assemble import RunFolder, as_begun, open_workshop
from move37.campaign.folder import stored_config
from move37.campaign.loop import search
from move37.campaign.outside import is_handed_in
from move37.campaign.settings import load_preset
from move37.campaign.stages import prepare
from move37.campaign.workshop import Past
from move37.core.config import BudgetConfig, CampaignConfig
from move37.core.errors import ConfigError, LedgerError
from move37.core.events import (
    CallEnded,
    CandidateProposed,
    CandidateRepaired,
    ModelCalled,
    ProbesRan,
    ProposalFailed,
    TrialFinished,
    VerdictReached,
)
from move37.core.team import Allowance
from move37.core.trial import Stage
from move37.memory.ledger import Ledger
from move37.memory.tally import Tally
from move37.team.models.tape import Tape
from move37.team.protocols import NoProposal

LONGEST_SECONDS = 86_400.0
Journey = tuple[str, ...]
"""What happened at one index, a word for each step."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Replayed:
    """How a replay compares with the campaign that it repeats."""

    n_indices: int
    n_candidates: int
    n_requests: int
    """To language models, all answered from the record."""
    differences: tuple[str, ...] = ()
    drifted: tuple[str, ...] = field(default=())
    """Requests that were worded otherwise than the recorded ones."""

    @property
    def is_same(self) -> bool:
        """Whether the same candidates came out, with the same verdicts of the search."""
        return not self.differences


def replay(source: RunFolder, target: RunFolder, *, unsandboxed: bool = False) -> Replayed:
    """Replay a run into another folder and compare.

    Args:
        source: the run; it is only read.
        target: where the replay is written; must not be there.
        unsandboxed: drafts that a model's tools tried are tried again, with the user's rights.

    Raises:
        ConfigError: the target is there already, the run holds nothing to repeat, or its preset has
            come to mean something else.
        LedgerError, LabError: the ledger or the lab cannot be used.
    """
    if target.path.exists():
        raise ConfigError(f"{target.path} is there already; delete it, or give another --into")
    with source.open_ledger() as ledger:
        config = stored_config(ledger)
        n_indices = _whole_indices(ledger)
        tape = Tape(ledger.events([ModelCalled, CallEnded]), is_replay=True)
        past = Past(
            preset=as_begun(ledger, load_preset(config.preset)),
            trials={e.trial.spec: e.trial for e in ledger.events([TrialFinished])},
            probes={e.candidate_id: e.report for e in ledger.events([ProbesRan])},
            handed_in={
                e.index: e for e in ledger.events([CandidateProposed]) if is_handed_in(e.operator)
            },
        )
        told = journeys(ledger)
    _copy(source, target)
    config = _bounded(config, n_indices, name=target.path.name)
    with (
        open_workshop(config, target, unsandboxed=unsandboxed, tape=tape, past=past) as workshop,
        ThreadPoolExecutor(workshop.n_workers) as pool,
    ):
        prepare(workshop, pool)
        # where the record ends so, or else the comparison shows what is missing
        with contextlib.suppress(NoProposal):
            search(workshop, pool)
        workshop.close_session("the replay is over")
        again = journeys(workshop.ledger)
        n_requests = sum(1 for _ in workshop.ledger.events([ModelCalled]))
    return Replayed(
        n_indices=n_indices,
        n_candidates=sum(step.startswith("candidate") for way in again.values() for step in way),
        n_requests=n_requests,
        differences=differences(told, again, n_indices),
        drifted=tape.drifted,
    )


def journeys(ledger: Ledger) -> dict[int, Journey]:
    """Return what happened at each index: candidates by id, failures, verdicts of the search."""
    ways: dict[int, list[str]] = defaultdict(list)
    kinds = (CandidateProposed, CandidateRepaired, ProposalFailed, VerdictReached)
    for event in ledger.events(kinds):
        match event:
            case CandidateProposed() | CandidateRepaired():
                ways[event.index].append(f"candidate {event.candidate.id}")
            case ProposalFailed():
                ways[event.index].append("no proposal")
            case VerdictReached() if event.verdict.stage is Stage.SEARCH:
                ways[event.index].append(f"{event.candidate_id} {event.verdict.kind}")
    return {index: tuple(way) for index, way in ways.items() if index >= 0}


def differences(
    told: dict[int, Journey], again: dict[int, Journey], n_indices: int
) -> tuple[str, ...]:
    """Say in words where two accounts of the same campaign differ."""
    found = []
    for index in range(n_indices):
        then, now = told.get(index, ()), again.get(index, ())
        if then != now:
            found.append(
                f"#{index}: was {', '.join(then) or 'nothing'}; is {', '.join(now) or 'nothing'}"
            )
    return tuple(found)


def _whole_indices(ledger: Ledger) -> int:
    """Return how many indices, from 0 on, were brought to their end.

    Raises:
        ConfigError: none was.
    """
    n = Tally(ledger).refresh().n_whole
    if n == 0:
        raise ConfigError("this run has finished no candidate yet: there is nothing to replay")
    return n


def _copy(source: RunFolder, target: RunFolder) -> None:
    """Give the replay the run's secret and its artefacts, as links: they are never rewritten."""
    try:
        target.path.mkdir(parents=True)
        secret = target.path / "secret"
        secret.touch(mode=0o600)
        secret.write_bytes(source.secret())
        kept = source.path / "artefacts"
        if kept.is_dir():
            shutil.copytree(kept, target.path / "artefacts", copy_function=_link)
    except OSError as error:
        raise LedgerError(f"the replay's folder {target.path} cannot be made: {error}") from error


def _link(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:  # another file system, or one without links
        shutil.copy2(source, target)


def _bounded(config: CampaignConfig, n_indices: int, *, name: str) -> CampaignConfig:
    """Return the campaign with as many candidates as there are to repeat, and no other limit.

    Later sessions may have had larger limits than the campaign began with.
    """
    budget = BudgetConfig(
        max_candidates=n_indices,
        wall_seconds=LONGEST_SECONDS,
        confirm_share=config.budget.confirm_share,
    )
    team = config.team.with_limits(dict.fromkeys(config.team.roles, Allowance()))
    return config.model_copy(update={"budget": budget, "team": team, "name": name})
