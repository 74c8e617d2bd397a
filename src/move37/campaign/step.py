"""One candidate's journey, from the choice of its parents to the lesson. The file to read first.

Every stage is `journal.once(event, make)`: what the ledger holds is reused, what it lacks is made.
So a step that was killed anywhere is simply taken again.
"""

from __future__ import annotations

import contextlib

from move37.campaign import brief, canary_watch, edges, guarding, rejudging, results, rules
from move37.campaign.cutting import cut_of
from move37.campaign.workshop import Workshop
from move37.core.candidate import Candidate
from move37.core.claims import RungChoice
from move37.core.errors import ReplyError
from move37.core.events import (
    CandidateProposed,
    CandidateRepaired,
    CandidateStarted,
    CardsRead,
    JudgementGiven,
    LessonWritten,
    NoveltyJudged,
    ParentsChosen,
    ProbesRan,
    ProposalFailed,
    RungDecided,
    VerdictReached,
)
from move37.core.trial import Outcome
from move37.evidence.verdicts import rejected
from move37.memory.journal import Journal
from move37.memory.state import State


def take_step(workshop: Workshop, index: int) -> None:
    """Take candidate `index` all the way; afterwards the ledger holds its verdict and lesson.

    Raises:
        Stopped: somebody asked to stop; take the step again to go on.
        NoProposal: the Researcher has nothing new to offer.
        LabError, LedgerError: the laboratory or the ledger is broken.
    """
    journal = Journal(workshop.ledger, index)
    state = visible(workshop, index)
    candidate = propose(workshop, index)
    if candidate is not None:
        _try_and_repair(workshop, journal, state, candidate)
    guarding.settle_calls(journal)


def _try_and_repair(
    workshop: Workshop, journal: Journal, state: State, candidate: Candidate
) -> None:
    failure = try_out(workshop, journal, state, candidate)
    for _ in range(workshop.config.search.repairs):
        if failure is None:
            break
        broken = candidate
        repaired = journal.recorded(CandidateRepaired, parent=broken.id) or brief.repair(
            workshop, journal, state, broken, failure
        )
        if repaired is None:
            break
        edges.record_context(
            workshop.config.team,
            journal,
            about=repaired.candidate.id,
            authors=[broken.author],
            reader=repaired.candidate.author,
        )
        conclude(workshop, journal, state, broken, failure)
        candidate = repaired.candidate
        failure = try_out(workshop, journal, state, candidate)
    conclude(workshop, journal, state, candidate, failure)


def visible(workshop: Workshop, index: int) -> State:
    """Return what candidate `index` may know: results of its arm, of those far enough before it."""
    state = workshop.ledger.state(before_index=index - workshop.config.search.lag)
    arm = workshop.arm(index)
    return state.only(lambda i: workshop.arm(i) == arm) if arm else state


def propose(workshop: Workshop, index: int) -> Candidate | None:
    """Choose parents, read cards, propose. Done in the order of indices: no proposal twice.

    None where the Researcher gave nothing that can be used; recorded with its reason.
    """
    journal, state = Journal(workshop.ledger, index), visible(workshop, index)
    journal.once(
        CandidateStarted,
        lambda: CandidateStarted(index=index, driver=workshop.driver, arm=workshop.arm(index)),
    )
    if workshop.desk is not None:
        _look_around(workshop, journal)
    parents = journal.once(ParentsChosen, lambda: rules.choose_parents(workshop, state, index))
    cards = journal.once(CardsRead, lambda: brief.read_cards(workshop, state, parents))
    if journal.recorded(ProposalFailed) is not None:
        return None
    try:
        made = journal.once(
            CandidateProposed,
            lambda: _handed_in(workshop, index) or brief.propose(workshop, state, parents, cards),
        )
    except ReplyError as error:
        journal.record(ProposalFailed(index=index, reason=str(error)))
        return None
    edges.record_context(
        workshop.config.team,
        journal,
        about=made.candidate.id,
        authors=brief.authors_shown(workshop, state, parents),
        reader=made.candidate.author,
    )
    return made.candidate


def _handed_in(workshop: Workshop, index: int) -> CandidateProposed | None:
    """Return what somebody outside handed in here when the campaign that is replayed was run."""
    return workshop.past.handed_in.get(index) if workshop.past else None


def _look_around(workshop: Workshop, journal: Journal) -> None:
    """Let the guards look, once, at what this candidate may know of."""
    if journal.recorded(ParentsChosen) is None:
        guarding.raise_alarms(workshop.config, journal)
        canary_watch.watch_canaries(workshop.config, journal)
        rejudging.rejudge(workshop, journal, before=journal.index - workshop.config.search.lag)


def try_out(
    workshop: Workshop, journal: Journal, state: State, candidate: Candidate
) -> results.Failure | None:
    """Judge novelty, probe, and train rung by rung; return why it failed, if it failed."""
    novelty = journal.once(
        NoveltyJudged,
        lambda: brief.judge_novelty(workshop, state, journal.index, candidate),
        match={"candidate_id": candidate.id, "by": "source"},
    )
    if not novelty.is_novel and workshop.config.search.refuse_repeats:
        return results.Failure(reason=novelty.reason, repairable=False)
    probes = journal.once(
        ProbesRan,
        lambda: ProbesRan(
            index=journal.index,
            candidate_id=candidate.id,
            report=workshop.probe(candidate),
        ),
        match={"candidate_id": candidate.id},
    )
    if not probes.report.passed:
        return results.Failure.of_probes(probes.report)
    behaviour = journal.once(
        NoveltyJudged,
        lambda: rules.judge_behaviour(workshop, state, journal.index, candidate, probes.report),
        match={"candidate_id": candidate.id, "by": "behaviour"},
    )
    if not behaviour.is_novel and workshop.config.search.refuse_repeats:
        return results.Failure(reason=behaviour.reason, repairable=False)
    for rung in range(len(workshop.preset.rungs)):
        for seed in workshop.rung_seeds(rung):
            cut = cut_of(workshop, candidate, seed)
            trial = workshop.search_trial(journal, candidate, rung, seed, cut=cut)
            if trial.outcome is not Outcome.COMPLETED:
                return results.Failure.of_trial(trial, probes.report)
        decided = journal.once(
            RungDecided,
            lambda rung=rung: rules.race(workshop, state, journal.index, candidate, rung),
            match={"candidate_id": candidate.id, "rung": rung},
        )
        if decided.decision.choice is not RungChoice.GO_ON:
            return None
    return None


def conclude(
    workshop: Workshop,
    journal: Journal,
    state: State,
    candidate: Candidate,
    failure: results.Failure | None,
) -> None:
    """Judge, reach the verdict, seal it, and only then explain."""
    same = {"candidate_id": candidate.id}
    is_new = journal.recorded(VerdictReached, **same) is None
    if failure is None and workshop.config.search.use_judge and is_new:
        edges.record_judging(workshop.config.team, journal, candidate)
        with contextlib.suppress(ReplyError):  # counted where it was raised; fitness goes without
            journal.once(
                JudgementGiven, lambda: brief.assess(workshop, journal, candidate), match=same
            )
    journal.once(
        VerdictReached,
        lambda: _verdict(workshop, journal, candidate, failure),
        match=same,
    )
    lesson = journal.once(
        LessonWritten, lambda: brief.explain(workshop, journal, state, candidate), match=same
    )
    edges.record_context(
        workshop.config.team,
        journal,
        about=candidate.id,
        authors=brief.authors_compared(state, candidate),
        reader=lesson.author,
    )
    workshop.forget_lost(candidate)


def _verdict(
    workshop: Workshop,
    journal: Journal,
    candidate: Candidate,
    failure: results.Failure | None,
) -> VerdictReached:
    if failure is not None:
        return VerdictReached(
            index=journal.index, candidate_id=candidate.id, verdict=rejected(failure.reason)
        )
    return rules.search_verdict(workshop, journal, candidate)
