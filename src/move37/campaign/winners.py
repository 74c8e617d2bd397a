"""Who a search declares as its winner, and what that winner is worth when it is measured afresh."""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

from move37.campaign.assemble import RunFolder, open_workshop
from move37.campaign.results import compare_trials, searched_at, trained_tokens
from move37.campaign.workshop import CAMPAIGN, Stopped, Workshop
from move37.core.candidate import Candidate
from move37.core.config import CampaignConfig, Preset
from move37.core.errors import LabError
from move37.core.events import RootAdded
from move37.core.trial import Stage, Trial
from move37.evidence.effects import Comparison, compare
from move37.evidence.fitness import FitnessRules, shrunk_mean
from move37.memory.journal import Journal
from move37.memory.state import Entry, State


@dataclass(frozen=True, kw_only=True, slots=True)
class Declared:
    """What a search has to show after so many tokens."""

    winner: Candidate | None
    """None: nobody went all the way, or nobody beat the baseline; the user is left with it."""
    search_effect: float
    """Mean over search seeds, noise units: the largest of many, so optimistic. 0 for no winner."""
    n_candidates: int
    tokens: int
    cpu_seconds: float
    """Of search trials, roots and baseline left out."""


def declare(state: State, preset: Preset, baseline_id: str, *, tokens: int) -> Declared:
    """Return the candidate with the largest shrunk search effect among the first `tokens` tokens.

    Candidates count in the order of their index, whole or not at all, so that the answer does not
    depend on who was faster.
    """
    used = trained_tokens(preset, state)
    spent, last = 0, -1
    for index in sorted(used):
        if spent + used[index] > tokens:
            break
        spent, last = spent + used[index], index
    entries = [e for e in state.entries.values() if 0 <= e.index <= last]
    best, shrunk, mean = None, 0.0, 0.0
    for entry in sorted(entries, key=lambda e: e.index):
        found = _final(state, preset, entry, baseline_id)
        if found is None:
            continue
        rules = FitnessRules(
            pair_deviation=(2.0 / len(preset.tasks)) ** 0.5, prior_spread=preset.rungs[-1].spread
        )
        value = shrunk_mean(found.combined.mean, found.combined.n_pairs, rules)
        if value > shrunk:
            best, shrunk, mean = entry, value, found.combined.mean
    trials = [t for e in entries for t in e.trials.values() if t.spec.stage is Stage.SEARCH]
    costs = [t.measurement.cost if t.measurement else t.cost for t in trials]
    return Declared(
        winner=best.candidate if best else None,
        search_effect=mean,
        n_candidates=last + 1,
        tokens=spent,
        cpu_seconds=sum(cost.cpu_seconds for cost in costs if cost),
    )


def _final(state: State, preset: Preset, entry: Entry, baseline_id: str) -> Comparison | None:
    """Compare after the whole schedule of the search; None without a complete pair."""
    steps = preset.rungs[-1].steps
    level = next(i for i, rung in enumerate(preset.rungs) if rung.steps == steps)
    ours, theirs = searched_at(state, entry.id, level), searched_at(state, baseline_id, level)
    done = {t.spec.seed for t in theirs if t.measurement}
    if not any(t.measurement and t.spec.seed in done for t in ours):
        return None
    return compare(ours, theirs, preset.tasks)


def measure_afresh(
    config: CampaignConfig,
    folder: RunFolder,
    winners: Iterable[Candidate],
    *,
    n_seeds: int,
    unsandboxed: bool = False,
) -> dict[str, Comparison | None]:
    """Train winners and baseline with fresh seeds, and return each winner's effect by id.

    What the folder's ledger holds is not run again. None: no fresh seed of it completed.

    Raises:
        LabError, LedgerError: the lab or the ledger is broken.
        Stopped: somebody asked to stop; what was finished is kept.
    """
    found: dict[str, Comparison | None] = {}
    with open_workshop(config, folder, unsandboxed=unsandboxed) as workshop:
        reason = ""
        try:
            found = _measured(workshop, {w.id: w for w in winners}, n_seeds)
            reason = "every winner is measured"
        except (KeyboardInterrupt, Stopped):
            reason = "stopped by hand"
            raise
        finally:
            workshop.close_session(reason)
    return found


def _measured(
    workshop: Workshop, winners: dict[str, Candidate], n_seeds: int
) -> dict[str, Comparison | None]:
    journal = Journal(workshop.ledger, CAMPAIGN)
    for winner in winners.values():
        if winner.id != workshop.baseline.id:
            _bring_in(journal, winner)
    members = {workshop.baseline.id: workshop.baseline} | winners
    jobs = [(m, workshop.confirm_seed(k)) for k in range(n_seeds) for m in members.values()]
    with ThreadPoolExecutor(workshop.n_workers) as pool:
        try:
            trials = list(pool.map(lambda job: workshop.confirm_trial(journal, *job), jobs))
        except KeyboardInterrupt:
            workshop.watch.stop()
            workshop.laboratory.close()
            raise
    by_id: dict[str, list[Trial]] = {id_: [] for id_ in members}
    for trial in trials:
        by_id[trial.spec.candidate_id].append(trial)
    theirs = by_id[workshop.baseline.id]
    if failed := [t for t in theirs if t.measurement is None]:
        raise LabError(
            f"the baseline failed on {len(failed)} of {len(theirs)} fresh seeds "
            f"({failed[0].outcome}: {failed[0].reason}), so winners cannot be compared; raise the "
            "preset's limits under another --name"
        )
    return {id_: compare_trials(workshop, by_id[id_], theirs) for id_ in winners}


def _bring_in(journal: Journal, winner: Candidate) -> None:
    """Let the measuring ledger know a winner, under a name that no reference mixer has."""
    named = replace(winner, idea=replace(winner.idea, name=f"winner-{winner.id}"), parents=())
    journal.once(
        RootAdded,
        lambda: RootAdded(candidate=named, role="opponent"),
        match={"candidate_id": winner.id},
    )
