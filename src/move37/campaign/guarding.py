"""Effort in a campaign: chosen by what came of earlier calls, capped where more of it does harm.

Everything is read from the ledger under the lag rule, so the same seed gives the same choices.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from move37.campaign.edges import FOREVER
from move37.campaign.settings import read_toml, validate
from move37.core.candidate import Candidate
from move37.core.config import CampaignConfig
from move37.core.events import (
    AlarmRaised,
    CallEnded,
    CallJudged,
    CandidateProposed,
    CandidateRepaired,
    LessonWritten,
    NoveltyJudged,
    ProbesRan,
    TrialFinished,
)
from move37.core.team import EFFORTS, Effort, Role, TeamConfig
from move37.core.trial import Outcome as TrialOutcome
from move37.guards.effort import Controller
from move37.guards.watching import ALARM, Outcome, Watch
from move37.memory.journal import Journal
from move37.memory.ledger import Ledger
from move37.team.models.desk import ChooseEffort, EffortQuestion

PRIMARY = {Role.RESEARCHER: "probes_passed", Role.ENGINEER: "repair_ran"}
"""The fact by which each role's effort is judged."""
AT_FAULT = frozenset({"unusable", "truncated", "too_long"})
"""Ends of a conversation that are the model's doing, not the server's."""
FIRST = 16  # calls of a model whose effort is spread evenly, before what came of them counts
INVERSE = "inverse-scaling"


@dataclass(frozen=True, kw_only=True, slots=True)
class Settled:
    """One call whose outcome is known."""

    index: int
    call_id: str
    role: str
    model: str
    effort: Effort
    success: bool


def settled_calls(ledger: Ledger, *, before: int) -> list[Settled]:
    """Return the calls of candidates below an index whose primary outcome is known, in order."""
    ended = {e.call_id: e for e in ledger.events([CallEnded]) if e.index < before}
    found = {
        j.call_id: Settled(
            index=j.index,
            call_id=j.call_id,
            role=j.role,
            model=ended[j.call_id].model,
            effort=Effort(ended[j.call_id].effort),
            success=j.success,
        )
        for j in ledger.events([CallJudged])
        if j.call_id in ended and PRIMARY.get(Role(j.role)) == j.measure
    }
    return sorted(found.values(), key=lambda call: (call.index, call.call_id))


def effort_chooser(config: CampaignConfig, ledger: Ledger) -> ChooseEffort:
    """Return what chooses the effort of each conversation from what came of earlier ones."""

    def choose(question: EffortQuestion) -> Effort:
        levels = question.range
        if len(levels) == 1 or question.index < 0:
            return levels[0]
        controller = Controller(len(levels), cap=cap_of(ledger, question))
        calls = settled_calls(ledger, before=question.index - config.search.lag)
        n_seen = 0
        for call in calls:
            if (call.role, call.model) == (question.role, question.label) and call.effort in levels:
                controller.learn(levels.index(call.effort), success=call.success)
                n_seen += 1
        text = f"{config.seed}/{question.call_id}/effort"
        rng = np.random.default_rng(
            int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big")
        )
        if n_seen < FIRST:
            controller.explore = 1.0
        return levels[controller.choose(rng)]

    return choose


def cap_of(ledger: Ledger, question: EffortQuestion) -> int | None:
    """Return the highest level that an alarm leaves to a role and model."""
    cap = caps_of(ledger, until=question.index).get((question.role, question.label))
    if cap is None:
        return None
    most = EFFORTS.index(cap)
    allowed = [i for i, e in enumerate(question.range) if EFFORTS.index(e) <= most]
    return max(allowed, default=0)


def caps_of(ledger: Ledger, *, until: int = FOREVER) -> dict[tuple[str, str], Effort]:
    """Return the highest effort of each role and model that alarms up to an index cap."""
    caps: dict[tuple[str, str], Effort] = {}
    for alarm in ledger.events([AlarmRaised]):
        if alarm.cap and alarm.index <= until:
            key, cap = (alarm.role, alarm.model), Effort(alarm.cap)
            caps[key] = min(cap, caps.get(key, cap), key=EFFORTS.index)
    return caps


def raise_alarms(config: CampaignConfig, journal: Journal) -> None:
    """Look at every role and model; record an alarm where more effort does harm.

    Called before a candidate is begun, with the outcomes that it may know of.
    """
    ledger = journal.ledger
    calls = settled_calls(ledger, before=journal.index - config.search.lag)
    streams = sorted({(call.role, call.model) for call in calls})
    n_streams = max(len(streams), _n_watched(config.team))
    known = {(alarm.role, alarm.model) for alarm in ledger.events([AlarmRaised])}
    for role, model in streams:
        levels = config.team.seat(Role(role)).efforts
        watch = Watch(n_levels=len(levels))
        for call in calls:
            if (call.role, call.model) == (role, model) and call.effort in levels:
                watch.see(Outcome(levels.index(call.effort), success=call.success))
        if (role, model) not in known and watch.peak.rings(n_streams=n_streams):
            journal.record(_alarm(journal.index, role, model, levels, watch, n=n_streams))


def _n_watched(team: TeamConfig) -> int:
    """Return how many pairs of role and model are watched, from the first candidate to the last.

    Those seen so far would not do: the first to be seen would be held to a lower bar.
    """
    return sum(len(team.models_of(role)) for role in PRIMARY if role in team.llm_roles)


def _alarm(
    index: int, role: str, model: str, levels: tuple[Effort, ...], watch: Watch, *, n: int
) -> AlarmRaised:
    evidence = watch.peak
    cap = levels[(len(levels) + 1) // 2 - 1]
    return AlarmRaised(
        index=index,
        guard=INVERSE,
        role=role,
        model=model,
        evidence=evidence.value,
        cap=cap,
        reason=(
            f"more effort does harm: of {evidence.n_pairs} pairs of calls {evidence.n_harmed} came "
            f"to something with little effort only, {evidence.n_helped} with much only "
            f"(e = {evidence.value:.0f}, alarm at {ALARM * n:.0f}); effort is capped at {cap}"
        ),
    )


def settle_calls(journal: Journal) -> None:
    """Record what became of the calls that were made for a candidate; again, nothing happens."""
    for call, measure, success in _facts(journal):
        event = CallJudged(
            index=journal.index,
            call_id=call.call_id,
            role=call.role,
            measure=measure,
            success=success,
        )
        journal.once(
            CallJudged,
            lambda event=event: event,
            match={"call_id": call.call_id, "measure": measure},
        )


def _facts(journal: Journal) -> Iterator[tuple[CallEnded, str, bool]]:
    ended = journal.ledger.at_index(CallEnded, journal.index)
    for call in ended:
        if call.outcome in AT_FAULT and (measure := PRIMARY.get(Role(call.role))):
            yield call, measure, False
    answered = {
        role: [c for c in ended if c.role == role and c.outcome == "answered"] for role in PRIMARY
    }
    proposed = journal.recorded(CandidateProposed)
    if proposed and answered[Role.RESEARCHER]:
        call = answered[Role.RESEARCHER][-1]
        if (admitted := _is_admitted(journal, proposed.candidate)) is not None:
            yield call, "probes_passed", admitted
        lessons = journal.ledger.at_index(LessonWritten, journal.index)
        if lessons and lessons[0].prediction_held is not None:
            yield call, "prediction_held", lessons[0].prediction_held
    repaired = journal.ledger.at_index(CandidateRepaired, journal.index)
    for number, call in enumerate(answered[Role.ENGINEER]):
        ran = _runs(journal, repaired[number].candidate) if number < len(repaired) else False
        if ran is not None:
            yield call, "repair_ran", ran


def _is_admitted(journal: Journal, candidate: Candidate) -> bool | None:
    """Return whether a candidate is no repeat and passed its probes; None: nothing measured says.

    A repeat in the text or in what is computed is a fact, at distance 0. Whom only a second opinion
    took for a repeat is left open: what another model thinks decides nobody's effort.
    """
    judged = journal.ledger.at_index(NoveltyJudged, journal.index)
    if any(
        novelty.candidate_id == candidate.id and not novelty.is_novel and novelty.distance == 0.0
        for novelty in judged
    ):
        return False
    probes = journal.recorded(ProbesRan, candidate_id=candidate.id)
    return probes.report.passed if probes else None


def _runs(journal: Journal, candidate: Candidate) -> bool | None:
    trials = [
        event.trial
        for event in journal.ledger.at_index(TrialFinished, journal.index)
        if event.trial.spec.candidate_id == candidate.id
    ]
    admitted = _is_admitted(journal, candidate)
    return admitted and all(trial.outcome is TrialOutcome.COMPLETED for trial in trials)


def read_team(file: Path) -> TeamConfig:
    """Return the team of a TOML file: a team's, or a campaign's with or without [team].

    Raises:
        ConfigError: the file cannot be read, or is no team.
    """
    tree = read_toml(file)
    if "team" in tree or tree.keys() <= CampaignConfig.model_fields.keys():
        return validate(CampaignConfig, tree, where=file.name).team
    return validate(TeamConfig, tree, where=file.name)
