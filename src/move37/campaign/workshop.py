"""Everything one campaign works with, in one record; and how a trial is run and kept.

The departments do not know each other: here their hands are joined.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

from move37.campaign import edges, going_on
from move37.campaign.archive import Archive
from move37.campaign.reached import Reached
from move37.campaign.settings import worker_count
from move37.campaign.stopping import Stopwatch
from move37.campaign.team import Team, arm_of
from move37.cognition.library import Library
from move37.core.budget import Limits
from move37.core.candidate import Candidate
from move37.core.claims import VerdictKind
from move37.core.config import CampaignConfig, Preset
from move37.core.errors import LabError, Move37Error, Stopped
from move37.core.events import CandidateProposed, SessionClosed, TrialFinished, TrialStarted
from move37.core.trial import Outcome, ProbeReport, Stage, Trial, TrialSpec
from move37.lab.laboratory import Laboratory
from move37.lab.probes import probe
from move37.lab.trials import Cut, TrialRequest, run_trial
from move37.memory.artefacts import Artefacts
from move37.memory.behaviours import Behaviours
from move37.memory.journal import Journal
from move37.memory.ledger import Ledger
from move37.memory.tally import Tally
from move37.team.models.desk import Desk

PROBE_LIMITS = Limits(wall_seconds=60.0, cpu_seconds=30.0, memory_bytes=2**30)
CAMPAIGN = -1
"""The index of events that belong to the campaign as a whole."""


class Overdue(Move37Error):
    """A trial at the larger scale reached its time limit, which says nothing about its layer."""


class OutOfBudget(Move37Error):
    """The clock ran out in the middle of a candidate: the next session goes on with it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Past:
    """What a recorded campaign found in the lab, or was handed: a replay does not ask again."""

    preset: Preset
    """As it was begun with."""
    trials: Mapping[TrialSpec, Trial]
    probes: Mapping[str, ProbeReport]
    """By candidate id."""
    handed_in: Mapping[int, CandidateProposed] = field(default_factory=dict)
    """By index: layers of people and of agents outside, who are not there to be asked again."""


@dataclass(frozen=True, kw_only=True)
class Workshop:
    """A campaign's config, memory, laboratory, team and clock."""

    config: CampaignConfig
    preset: Preset
    ledger: Ledger
    artefacts: Artefacts
    laboratory: Laboratory
    team: Team
    library: Library
    watch: Stopwatch
    roots: tuple[Candidate, ...]
    baseline: Candidate
    """What everyone is compared with; may be one of the roots."""
    opponents: tuple[Candidate, ...]
    secret: bytes
    """Drawn once per campaign; seeds of held-out data depend on it."""
    driver: str
    desk: Desk | None = None
    """Where language models are asked; None for a team without."""
    past: Past | None = None
    """Of a replay."""
    reached: Reached = field(default_factory=Reached)
    """Combined search effects of finished candidates by level."""
    behaviours: Behaviours = field(default_factory=Behaviours)
    """Of finished candidates, for the search of the nearest."""
    archive: Archive = field(default_factory=Archive)
    """The campaign's lessons and motivations, searchable."""
    noise_folder: Path | None = None
    """Where runs share replicates of their baselines; None: nowhere."""

    @cached_property
    def tally(self) -> Tally:
        """What the loop asks at every turn; `refresh` it."""
        return Tally(self.ledger)

    @property
    def n_workers(self) -> int:
        """Trials side by side: one a core, unless the config says otherwise."""
        return worker_count(self.config)

    def arm(self, index: int) -> str:
        """Return which arm makes a candidate: `team`, `control`, or nothing where there is one."""
        return arm_of(self.config.team, index)

    def search_seed(self, k: int) -> int:
        """Return the k-th seed that search uses."""
        return derive_seed(self.config.seed, Stage.SEARCH, k)

    def confirm_seed(self, k: int, *, of: str = "") -> int:
        """Return the k-th fresh seed, never used by search; `of` one candidate's test alone."""
        return fresh_seed(self.secret, Stage.CONFIRM, k, of=of)

    def rung_seeds(self, rung: int) -> tuple[int, ...]:
        """Return the search seeds that must have reached a rung before racing decides."""
        return tuple(self.search_seed(k) for k in range(self.preset.rungs[rung].n_seeds))

    def level(self, rung: int) -> int:
        """Return the first rung with as many steps: trials are keyed by it."""
        steps = self.preset.rungs[rung].steps
        return next(i for i, r in enumerate(self.preset.rungs) if r.steps == steps)

    def search_trial(
        self,
        journal: Journal,
        candidate: Candidate,
        rung: int,
        seed: int,
        *,
        cut: Cut | None = None,
    ) -> Trial:
        """Return the trial of a candidate at a rung, run now unless it was run before.

        Args:
            journal: of the candidate's index.
            candidate: who trains.
            rung: how far.
            seed: one of `rung_seeds`.
            cut: ends the training early, from its curve.
        """
        level = self.level(rung)
        spec = TrialSpec(candidate_id=candidate.id, stage=Stage.SEARCH, rung=level, seed=seed)
        return self._trial(journal, candidate, spec, first=self._reached(spec), cut=cut)

    def confirm_trial(self, journal: Journal, candidate: Candidate, seed: int) -> Trial:
        """Return the trial of a candidate over the whole schedule with a fresh seed and text."""
        level = self.level(len(self.preset.rungs) - 1)
        spec = TrialSpec(candidate_id=candidate.id, stage=Stage.CONFIRM, rung=level, seed=seed)
        return self._trial(journal, candidate, spec, first=None)

    def verify_trial(
        self, candidate: Candidate, spec: TrialSpec, preset: Preset, *, keep: bool
    ) -> Trial:
        """Return the trial of a candidate at the larger scale that `preset` describes.

        It belongs to the campaign as a whole: no candidate's budget pays for it.

        Raises:
            Overdue: it reached its time limit; nothing is recorded, so it may be tried again.

        Args:
            candidate: anyone that the ledger knows.
            spec: of stage VERIFY.
            preset: made for this spec's rung (`campaign/larger.py`).
            keep: whether the weights are stored.
        """
        journal = Journal(self.ledger, CAMPAIGN)
        return self._trial(journal, candidate, spec, first=None, preset=preset, keep=keep)

    def probe(self, candidate: Candidate, *, allow: tuple[str, ...] = ()) -> ProbeReport:
        """Run the admission probes at the preset's width."""
        if self.past and (known := self.past.probes.get(candidate.id)):
            return known
        with self.stoppable():
            report = probe(
                lambda: self.laboratory.session(PROBE_LIMITS),
                candidate.source,
                d_model=self.preset.model.d_model,
                n_heads=self.preset.model.n_heads,
                allow=allow,
            )
        if self.watch.is_stopped and not report.passed:
            raise Stopped("stopped during the probes")
        return report

    @contextlib.contextmanager
    def stoppable(self) -> Iterator[None]:
        """Read the lab's complaints as Stopped once somebody has asked to stop and shut it."""
        try:
            yield
        except LabError as error:
            if self.watch.is_stopped:
                raise Stopped("stopped in the laboratory") from error
            raise

    def close_session(self, reason: str, *, failed: bool = False) -> None:
        """Record that this driver stopped, in good order or because an error ended its work.

        Without a reason an error did.
        """
        self.ledger.append(
            SessionClosed(
                driver=self.driver,
                reason=reason or "an error ended it",
                wall_seconds=self.watch.session_seconds,
                failed=failed or not reason,
            )
        )

    def forget_lost(self, candidate: Candidate) -> None:
        """Delete the weights of a candidate that was not promoted: nobody goes on from them."""
        entry = self.ledger.state().find(candidate.id)
        verdict = entry.search_verdict if entry else None
        if entry is None or (verdict and verdict.kind is VerdictKind.PROMOTED):
            return
        for trial in entry.trials.values():
            if trial.measurement and trial.measurement.weights:
                self.artefacts.discard(trial.measurement.weights)

    def _reached(self, spec: TrialSpec) -> Trial | None:
        """Return the completed trial one rung below with the same seed, if its weights are kept."""
        for level in range(spec.rung - 1, -1, -1):
            below = TrialSpec(
                candidate_id=spec.candidate_id, stage=spec.stage, rung=level, seed=spec.seed
            )
            event = self.ledger.trial(below)
            measured = event.trial.measurement if event else None
            is_past = self.past is not None and spec in self.past.trials
            if event and measured and (is_past or self.artefacts.has(measured.weights)):
                return event.trial
        return None

    def _trial(
        self,
        journal: Journal,
        candidate: Candidate,
        spec: TrialSpec,
        *,
        first: Trial | None,
        preset: Preset | None = None,
        keep: bool = True,
        cut: Cut | None = None,
    ) -> Trial:
        def run() -> TrialFinished:
            if self.watch.is_stopped:
                raise Stopped("stopped before a trial")
            if self.past and (known := self.past.trials.get(spec)):
                if first is not None:
                    edges.record_warm_start(
                        self.config.team,
                        journal,
                        candidate,
                        producer=first.spec.candidate_id,
                        rung=spec.rung,
                    )
                return TrialFinished(index=journal.index, trial=known)
            if journal.index != CAMPAIGN and not self.watch.may_go_on():
                raise OutOfBudget(f"no time left for {spec}")
            snapshot = first and going_on.snapshot_of(
                self.config.team, journal, self.artefacts, candidate, spec, below=first
            )
            journal.record(TrialStarted(index=journal.index, spec=spec))
            request = TrialRequest(
                spec=spec,
                source=candidate.source,
                preset=preset or self.preset,
                secret=self.secret,
                first_step=self.preset.rungs[first.spec.rung].steps if first else 0,
                snapshot=snapshot,
                initialisation=going_on.recorded_start(first),
            )
            with self.stoppable():
                result = run_trial(self.laboratory, request, cut=cut)
            if self.watch.is_stopped and result.trial.outcome is not Outcome.COMPLETED:
                raise Stopped("stopped during a trial")
            if spec.stage is Stage.VERIFY and result.trial.outcome is Outcome.OUT_OF_TIME:
                raise Overdue(result.trial.reason)  # not on record: it may be tried again
            trial = self._kept(result.trial, result.snapshot) if keep else result.trial
            return TrialFinished(index=journal.index, trial=trial)

        return journal.once(TrialFinished, run, match=spec).trial

    def _kept(self, trial: Trial, snapshot: bytes) -> Trial:
        """Store the weights and write their digest into the trial."""
        if trial.measurement is None:
            return trial
        digest = self.artefacts.put(snapshot)
        return replace(trial, measurement=replace(trial.measurement, weights=digest))


def fresh_seed(secret: bytes, stage: Stage, k: int, *, of: str = "") -> int:
    """Return a seed of 31 bits that nobody knows who does not know the campaign's secret.

    So no other campaign has trained with it, and nobody can have chosen a layer by it.
    """
    digest = hashlib.sha256(secret + f"/{stage}/{k}/{of}".encode()).digest()
    return int.from_bytes(digest[:4], "big") >> 1


def derive_seed(campaign_seed: int, stage: Stage, k: int) -> int:
    """Return a seed of 31 bits; stages never share one but by chance of 1 in 2^31."""
    digest = hashlib.sha256(f"{campaign_seed}/{stage}/{k}".encode()).digest()
    return int.from_bytes(digest[:4], "big") >> 1
