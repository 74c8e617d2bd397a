"""`move37 verify`: a gallery entry at a larger scale, beside the baseline and known mixers.

The same step with another stage: each layer is tuned on a seed of its own, then trained with fresh
seeds; the verdict compares candidate and baseline, and the opponents have a table of their own.
Every trial is in the run's ledger: what is there is not run again.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from move37.campaign.larger import Larger, best_rate
from move37.campaign.lookup import find_entry
from move37.campaign.outside import own_seeds
from move37.campaign.results import compare_on, n_failed
from move37.campaign.stages import probe_beside
from move37.campaign.workshop import CAMPAIGN, Overdue, Stopped, Workshop, fresh_seed
from move37.core.candidate import Candidate
from move37.core.claims import Verdict, VerdictKind
from move37.core.errors import ConfigError
from move37.core.events import RootAdded, VerdictReached
from move37.core.trial import Stage, Trial, TrialSpec
from move37.evidence.verdicts import after_verification
from move37.lab.references import reference_candidate, reference_names
from move37.memory.journal import Journal
from move37.memory.state import Entry, State

MAY_BE_VERIFIED = (VerdictKind.CONFIRMED, VerdictKind.VERIFIED, VerdictKind.REFUTED)
Say = Callable[[str], None]


class OutOfTime(Stopped):
    """The time that was given is used; the same command with more goes on."""


class TooSlow(OutOfTime):
    """A layer's training did not end in the preset's time, here and today: nothing is decided."""


@dataclass(kw_only=True)
class Bench:
    """Runs the trials of one verification, says how far it is, and stops in time."""

    workshop: Workshop
    larger: Larger
    say: Say
    budget_seconds: float | None
    n_planned: int
    """Trials in all, for progress."""
    n_done: int = 0
    started: float = field(default_factory=time.monotonic)
    seconds: list[float] = field(default_factory=list)

    def run(
        self, pool: ThreadPoolExecutor, jobs: Iterable[tuple[Candidate, TrialSpec, bool]]
    ) -> list[Trial]:
        """Return the trials of all jobs (candidate, spec, keep the weights), in order."""
        return list(pool.map(lambda job: self._one(*job), jobs))

    def _one(self, candidate: Candidate, spec: TrialSpec, keep: bool) -> Trial:  # noqa: FBT001 - from a tuple
        known = self.workshop.ledger.trial(spec) is not None
        used = time.monotonic() - self.started
        if not known and self.budget_seconds is not None and used >= self.budget_seconds:
            raise OutOfTime("the time given to this verification is used")
        begun = time.monotonic()
        preset = self.larger.preset(spec.rung)
        try:
            trial = self.workshop.verify_trial(candidate, spec, preset, keep=keep)
        except Overdue as error:
            raise TooSlow(
                f"{candidate.idea.name or candidate.id} did not train within "
                f"{preset.trial_seconds:g} s at the larger scale ({error}), so nothing is decided; "
                "on a quieter machine it may"
            ) from error
        self.n_done += 1
        if not known:
            self.seconds.append(time.monotonic() - begun)
            self.say(self._words(candidate, trial))
        return trial

    def _words(self, candidate: Candidate, trial: Trial) -> str:
        larger, spec = self.larger, trial.spec
        kind = "tuning" if spec.rung < larger.n_rates else "training"
        left = (self.n_planned - self.n_done) * sum(self.seconds) / len(self.seconds)
        minutes = left / self.workshop.n_workers / 60
        ending = str(trial.outcome) + (f" ({trial.reason})" if trial.reason else "")
        return (
            f"{self.n_done}/{self.n_planned} {kind} {candidate.idea.name or candidate.id} at rate "
            f"{larger.learning_rate(spec.rung):.3g}: {ending}; about {minutes:.0f} min left"
        )


def entry_of(state: State, prefix: str) -> Entry:
    """Return the gallery entry whose id begins with `prefix`.

    Raises:
        UnknownName: none, or several.
        ConfigError: it never was in the gallery.
    """
    entry = find_entry(state, prefix)
    if entry.verdict is None or entry.verdict.kind not in MAY_BE_VERIFIED:
        standing = entry.verdict.kind if entry.verdict else "unfinished"
        raise ConfigError(
            f"{entry.id} is {standing}; only what held up on fresh seeds is verified: see the "
            "gallery"
        )
    return entry


def opponents_of(workshop: Workshop, asked: tuple[str, ...] | None) -> list[Candidate]:
    """Return the mixers that are trained beside, the baseline left out; all when None is asked.

    Raises:
        UnknownName: no such mixer.
    """
    names = reference_names() if asked is None else asked
    found = [reference_candidate(name) for name in names]
    return [candidate for candidate in found if candidate.id != workshop.baseline.id]


def verify(
    workshop: Workshop,
    entry: Entry,
    opponents: list[Candidate],
    say: Say,
    *,
    budget_seconds: float | None = None,
) -> Verdict:
    """Verify an entry, then train the opponents; return the verdict, which the ledger holds too.

    Raises:
        OutOfTime: the time is used, or a layer's training took too long; what was finished is kept.
        ConfigError: the baseline does not train at this scale, so nothing can be compared.
        KeyboardInterrupt: Ctrl-C; what was finished is kept.
    """
    larger = Larger(base=workshop.preset)
    per_layer = larger.n_rates + larger.base.verification.n_seeds
    bench = Bench(
        workshop=workshop,
        larger=larger,
        say=say,
        budget_seconds=budget_seconds,
        n_planned=per_layer * (2 + len(opponents)),
    )
    with ThreadPoolExecutor(workshop.n_workers) as pool:
        try:
            verdict = _decide(bench, pool, entry)
            for opponent in opponents:
                _bring_in(workshop, opponent)
                try:
                    _train(bench, pool, [opponent], of=own_seeds(entry))
                    probe_beside(workshop, Journal(workshop.ledger, CAMPAIGN), opponent)
                except TooSlow as error:
                    say(f"{error}; it is left out of the table")
        except KeyboardInterrupt:
            workshop.watch.stop()
            workshop.laboratory.close()
            raise
    return verdict


def _decide(bench: Bench, pool: ThreadPoolExecutor, entry: Entry) -> Verdict:
    workshop, baseline = bench.workshop, bench.workshop.baseline
    layers = [baseline, entry.candidate]
    trials = _train(bench, pool, layers, of=own_seeds(entry), keep=entry.id)
    theirs, ours = trials[baseline.id], trials[entry.id]
    if not theirs or not all(t.measurement for t in theirs):
        raise ConfigError(
            f"the baseline {baseline.idea.name} does not train on every seed at the larger scale "
            f"({_why(theirs)}), so pairs are missing and nothing can be decided; start another run "
            "with --name and a preset with more memory_megabytes or another learning rate"
        )
    verdict = after_verification(
        compare_on(bench.larger.base.tasks, ours, theirs),
        exam=compare_on(bench.larger.exam, ours, theirs),
        baseline=baseline.id,
        n_failed=n_failed(ours) if ours else None,
    )
    journal = Journal(workshop.ledger, entry.index)
    journal.once(
        VerdictReached,
        lambda: VerdictReached(index=entry.index, candidate_id=entry.id, verdict=verdict),
        match=lambda e: e.candidate_id == entry.id and e.verdict.seeds == verdict.seeds
        and e.verdict.stage is Stage.VERIFY,
    )  # fmt: skip
    return verdict


def _train(
    bench: Bench, pool: ThreadPoolExecutor, layers: list[Candidate], *, of: str, keep: str = ""
) -> dict[str, list[Trial]]:
    """Tune each layer, train it at its best rate; return whole trainings by candidate.

    Empty for a layer that completed no tuning run. `of`: whose seeds (`own_seeds`).
    """
    larger, secret = bench.larger, bench.workshop.secret
    rates = range(larger.n_rates)
    tuned = bench.run(
        pool, [(c, _spec(c, rate, fresh_seed(secret, Stage.VERIFY, 0, of=of)), False)
               for rate in rates for c in layers]
    )  # fmt: skip
    jobs: list[tuple[Candidate, TrialSpec, bool]] = []
    chosen: dict[str, int] = {}
    for c in layers:
        mine = {t.spec.rung: t for t in tuned if t.spec.candidate_id == c.id}
        if (rate := best_rate(mine, larger.tasks)) is not None:
            chosen[c.id] = larger.n_rates + rate
    for k in range(larger.base.verification.n_seeds):
        fresh = fresh_seed(secret, Stage.VERIFY, k + 1, of=of)
        jobs += [(c, _spec(c, chosen[c.id], fresh), c.id == keep) for c in layers if c.id in chosen]
    trained: dict[str, list[Trial]] = {c.id: [] for c in layers}
    for trial in bench.run(pool, jobs):
        trained[trial.spec.candidate_id].append(trial)
    return trained


def _spec(candidate: Candidate, rung: int, seed: int) -> TrialSpec:
    return TrialSpec(candidate_id=candidate.id, stage=Stage.VERIFY, rung=rung, seed=seed)


def _bring_in(workshop: Workshop, opponent: Candidate) -> None:
    if opponent.id in workshop.ledger.state().candidates:
        return
    Journal(workshop.ledger, CAMPAIGN).once(
        RootAdded,
        lambda: RootAdded(candidate=opponent, role="reference"),
        match={"candidate_id": opponent.id},
    )


def _why(trials: list[Trial]) -> str:
    return next((t.reason for t in trials if t.reason), "no learning rate completed")
