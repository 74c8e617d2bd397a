"""From ledger entries to what the departments are handed: effects, and records for the team."""

from __future__ import annotations

import math
from dataclasses import dataclass

from move37.campaign.workshop import Workshop
from move37.core.claims import Effect
from move37.core.config import Preset, TaskSetting
from move37.core.trial import Cost, Outcome, ProbeReport, Stage, Trial
from move37.evidence.effects import Comparison, compare
from move37.memory.state import Entry, State
from move37.team.protocols import KnownCandidate

ALLOWANCE = 1.25  # of the time of training, for start and scoring; 1.1 seen on two cores


@dataclass(frozen=True, kw_only=True, slots=True)
class Failure:
    """Why a candidate did not get through."""

    reason: str
    outcome: Outcome = Outcome.PROBE_FAILED
    probes: ProbeReport | None = None
    repairable: bool = True

    @classmethod
    def of_probes(cls, report: ProbeReport) -> Failure:
        """The admission probes said no, or died; the worst breach is the reason."""
        failed = [v for v in report.verdicts if not v.passed]
        reason = report.reason or "; ".join(f"{v.name}: {v.detail}" for v in failed)
        return cls(reason=reason, outcome=report.outcome, probes=report)

    @classmethod
    def of_trial(cls, trial: Trial, report: ProbeReport) -> Failure:
        """A trial ended without numbers. What is hopeless is not broken: there is no repair."""
        return cls(
            reason=trial.reason,
            outcome=trial.outcome,
            probes=report,
            repairable=trial.outcome is not Outcome.HOPELESS,
        )


def searched_at(state: State, candidate_id: str, level: int) -> list[Trial]:
    """Return a candidate's search trials at one rung, failed ones included."""
    return [
        t
        for t in state.trials_of(candidate_id)
        if t.spec.stage is Stage.SEARCH and t.spec.rung == level
    ]


def comparison_at(
    workshop: Workshop, state: State, candidate_id: str, *, level: int
) -> Comparison | None:
    """Compare with the baseline seed by seed at one rung of search; None without a pair."""
    ours = searched_at(state, candidate_id, level)
    return compare_trials(workshop, ours, searched_at(state, workshop.baseline.id, level))


def compare_trials(workshop: Workshop, ours: list[Trial], theirs: list[Trial]) -> Comparison | None:
    """Compare trials seed by seed on the search tasks; None without a complete pair."""
    return compare_on(workshop.preset.tasks, ours, theirs)


def compare_on(
    tasks: tuple[TaskSetting, ...], ours: list[Trial], theirs: list[Trial]
) -> Comparison | None:
    """Compare trials seed by seed on these tasks; None without a task or a complete pair."""
    names = {task.name for task in tasks}

    def scored(trials: list[Trial]) -> set[int]:
        return {
            t.spec.seed for t in trials if t.measurement and names <= t.measurement.scores.keys()
        }

    if not tasks or not scored(ours) & scored(theirs):
        return None
    return compare(ours, theirs, tasks)


def n_failed(trials: list[Trial]) -> int:
    """Count the trainings that gave no numbers."""
    return sum(t.outcome is not Outcome.COMPLETED for t in trials)


def best_comparison(workshop: Workshop, state: State, candidate_id: str) -> Comparison | None:
    """Compare with the baseline at the highest rung that was reached in search."""
    for level in range(len(workshop.preset.rungs) - 1, -1, -1):
        if found := comparison_at(workshop, state, candidate_id, level=level):
            return found
    return None


def final_comparison(workshop: Workshop, state: State, candidate_id: str) -> Comparison | None:
    """Compare with the baseline after the whole schedule; None if it never got there."""
    level = workshop.level(len(workshop.preset.rungs) - 1)
    return comparison_at(workshop, state, candidate_id, level=level)


def trained_tokens(preset: Preset, state: State) -> dict[int, int]:
    """Return the training tokens of search trials by candidate's index; roots (-1) left out.

    A failed trial counts in full, up to the rung that it was on its way to.
    """
    tokens: dict[int, int] = {}
    for entry in state.entries.values():
        if entry.index >= 0:
            used = sum(_tokens_of(preset, entry, trial) for trial in entry.trials.values())
            tokens[entry.index] = tokens.get(entry.index, 0) + used
    return tokens


def _tokens_of(preset: Preset, entry: Entry, trial: Trial) -> int:
    spec = trial.spec
    if spec.stage is not Stage.SEARCH:
        return 0
    if trial.measurement:
        return trial.measurement.cost.tokens
    below = [
        preset.rungs[s.rung].steps
        for s, t in entry.trials.items()
        if (s.stage, s.seed) == (spec.stage, spec.seed) and s.rung < spec.rung and t.measurement
    ]
    return preset.n_tokens(max(below, default=0), preset.rungs[spec.rung].steps)


def known(workshop: Workshop, state: State, entry: Entry) -> KnownCandidate:
    """Return what the team may know about an entry: search results only, never a confirmation."""
    found = best_comparison(workshop, state, entry.id)
    effects: dict[str, Effect] = found.tasks if found else {}
    outcome, reason = _last_outcome(entry)
    return KnownCandidate(
        candidate=entry.candidate,
        effects=effects,
        combined=found.combined if found else None,
        fitness=entry.fitness,
        verdict=entry.search_verdict.kind if entry.search_verdict else None,
        outcome=outcome,
        reason=reason,
        probe=entry.probes,
        cost=last_cost(entry),
        curve=last_curve(entry),
    )


def last_cost(entry: Entry) -> Cost | None:
    """Return the cost of the last search trial that has one."""
    for trial in reversed(entry.trials.values()):
        if trial.measurement and trial.spec.stage is Stage.SEARCH:
            return trial.measurement.cost
    return None


def last_curve(entry: Entry) -> tuple[tuple[int, float], ...]:
    """Return the training curve of the last search trial that has one."""
    for trial in reversed(entry.trials.values()):
        if trial.measurement and trial.spec.stage is Stage.SEARCH:
            return trial.measurement.curve
    return ()


def confirmation_seconds(workshop: Workshop) -> float:
    """Return the wall clock to end what is in flight and to confirm one candidate after it.

    From the longest training so far: the seeds of a candidate in flight and its probes, then the
    fresh seeds of a winner and of the baseline, side by side.
    """
    n_in_flight = max(rung.n_seeds for rung in workshop.preset.rungs)
    n_fresh = 2 * workshop.config.evidence.confirm_seeds_min
    rounds = n_in_flight + 1 + math.ceil(n_fresh / workshop.n_workers)
    longest = workshop.tally.refresh().longest_training_seconds()
    return ALLOWANCE * rounds * longest


def _last_outcome(entry: Entry) -> tuple[Outcome | None, str]:
    searched = [t for s, t in entry.trials.items() if s.stage is Stage.SEARCH]
    if searched:
        return searched[-1].outcome, searched[-1].reason
    if entry.probes:
        return entry.probes.outcome, entry.probes.reason
    return None, ""
