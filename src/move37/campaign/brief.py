"""What each member of the team is handed, and its answer as an event."""

from __future__ import annotations

import contextlib
import hashlib

from move37.campaign.results import Failure, known, last_cost
from move37.campaign.workshop import Workshop
from move37.core.candidate import Candidate
from move37.core.events import (
    CandidateProposed,
    CandidateRepaired,
    CardsRead,
    JudgementGiven,
    LessonWritten,
    NoveltyJudged,
    ParentsChosen,
)
from move37.memory.journal import Journal
from move37.memory.state import State
from move37.team.protocols import (
    Breakage,
    Brief,
    CardHint,
    Exhibit,
    LessonHint,
    NoProposal,
    Study,
)

N_CARDS = 4
N_LESSONS = 40  # the newest; older ones are in the credits of their relatives


def read_cards(workshop: Workshop, state: State, parents: ParentsChosen) -> CardsRead:
    """Ask the library about the first parent's weaknesses."""
    query = _weaknesses(workshop, state, parents) if workshop.config.search.use_cognition else ""
    hits = workshop.library.search(query, limit=N_CARDS)
    return CardsRead(index=parents.index, query=query, cards=tuple(hit.card.id for hit in hits))


def _weaknesses(workshop: Workshop, state: State, parents: ParentsChosen) -> str:
    """Describe where the parent is worst: its lesson, and the task with the smallest effect."""
    parent = state.candidates[parents.parents[0]]
    effects = known(workshop, state, parent).effects
    worst = sorted(effects, key=lambda task: effects[task].mean)[:2]
    words = [f"weak at {task.replace('_', ' ')}" for task in worst]
    if parent.lesson:
        words.append(parent.lesson.text)
    return "; ".join(words) or parent.candidate.idea.motivation


def propose(
    workshop: Workshop, state: State, parents: ParentsChosen, cards: CardsRead
) -> CandidateProposed:
    """Have the Researcher make the next candidate, from a reference if the parent gives nothing.

    Raises:
        NoProposal: nothing new was found from anybody.
    """
    *others, last = [parents.parents, *((reference,) for reference in parents.references)]
    for chosen in others:
        with contextlib.suppress(NoProposal):
            return _propose(workshop, state, parents, chosen, cards)
    return _propose(workshop, state, parents, last, cards)


def _propose(
    workshop: Workshop,
    state: State,
    parents: ParentsChosen,
    chosen: tuple[str, ...],
    cards: CardsRead,
) -> CandidateProposed:
    hits = workshop.library.search(cards.query, limit=N_CARDS)
    lessons = state.lessons[-N_LESSONS:] if workshop.config.search.use_lessons else ()
    proposal = workshop.team.researcher.propose(
        Brief(
            parents=tuple(known(workshop, state, state.candidates[p]) for p in chosen),
            references=tuple(
                known(workshop, state, state.candidates[r]) for r in parents.references
            ),
            cards=tuple(
                CardHint(
                    id=hit.card.id,
                    edits=hit.card.edits,
                    relevance=hit.relevance,
                    title=hit.card.title,
                    text=hit.card.claim,
                )
                for hit in hits
            ),
            lessons=tuple(
                LessonHint(candidate_id=x.candidate_id, credits=x.credits, text=x.text)
                for x in lessons
            ),
            task_names=tuple(task.name for task in workshop.preset.tasks),
            known_ids=_known_ids(workshop, state, parents.index),
            seed=step_seed(workshop, parents.index, "propose"),
            index=parents.index,
        )
    )
    return CandidateProposed(
        index=parents.index, candidate=proposal.candidate, operator=proposal.operator
    )


def _known_ids(workshop: Workshop, state: State, index: int) -> frozenset[str]:
    """Return what may not be proposed again: all that is visible, and earlier proposals in flight.

    Proposals are made in the order of indices, so this does not depend on who was faster.
    """
    entries = workshop.ledger.state().entries.values()
    in_flight = {e.id for e in entries if e.role == "proposed" and e.index < index}
    return frozenset(state.candidates) | in_flight


def _at_index(workshop: Workshop, index: int) -> frozenset[str]:
    return frozenset(id_ for i, id_ in workshop.ledger.state().entries if i == index)


def repair(
    workshop: Workshop, journal: Journal, state: State, broken: Candidate, failure: Failure
) -> CandidateRepaired | None:
    """Have the Engineer repair a broken candidate; None if it is beyond repair."""
    if not failure.repairable:
        return None
    parent = state.candidates.get(next(iter(broken.parents), ""))
    repaired = workshop.team.engineer.repair(
        Breakage(
            candidate=broken,
            outcome=failure.outcome,
            reason=failure.reason,
            seed=step_seed(workshop, journal.index, f"repair {broken.id}"),
            index=journal.index,
            probe=failure.probes,
            parent=parent.candidate if parent else None,
            known_ids=frozenset(state.candidates) | _at_index(workshop, journal.index),
        )
    )
    if repaired is None:
        return None
    event = CandidateRepaired(index=journal.index, candidate=repaired, because=failure.reason)
    return journal.once(CandidateRepaired, lambda: event, match={"parent": broken.id})


def assess(workshop: Workshop, journal: Journal, candidate: Candidate) -> JudgementGiven:
    """Have the Judge assess a candidate, blind to author and private results."""
    entry = workshop.ledger.state().entries[journal.index, candidate.id]
    baseline = workshop.ledger.state().candidates[workshop.baseline.id]
    novelty = journal.recorded(NoveltyJudged, candidate_id=candidate.id)
    judgement = workshop.team.judge.assess(
        Exhibit(
            candidate=candidate,
            novelty_distance=novelty.distance if novelty else 1.0,
            probe=entry.probes,
            baseline_probe=baseline.probes,
            cost=last_cost(entry),
            baseline_cost=last_cost(baseline),
            baseline_source=baseline.candidate.source,
            index=journal.index,
        )
    )
    return JudgementGiven(
        index=journal.index,
        candidate_id=candidate.id,
        quality=judgement.quality,
        judge=workshop.config.team.judge,
        rubric=judgement.rubric,
    )


def explain(
    workshop: Workshop, journal: Journal, state: State, candidate: Candidate
) -> LessonWritten:
    """Have the Analyst explain a sealed result against parent and siblings."""
    subject = workshop.ledger.state().entries[journal.index, candidate.id]
    parent = state.candidates.get(next(iter(candidate.parents), ""))
    siblings = [
        entry
        for entry in state.candidates.values()
        if parent and parent.id in entry.candidate.parents and entry.id != candidate.id
    ]
    explanation = workshop.team.analyst.explain(
        Study(
            subject=known(workshop, workshop.ledger.state(), subject),
            parent=known(workshop, state, parent) if parent else None,
            siblings=tuple(known(workshop, state, entry) for entry in siblings[-8:]),
            baseline=workshop.config.baseline,
            index=journal.index,
        )
    )
    return LessonWritten(
        index=journal.index,
        candidate_id=candidate.id,
        text=explanation.text,
        prediction_held=explanation.prediction_held,
        credits=explanation.credits,
        author=workshop.config.team.analyst,
    )


def step_seed(workshop: Workshop, index: int, purpose: str) -> int:
    """Return the seed of one random choice, from the campaign's seed, index and purpose."""
    text = f"{workshop.config.seed}/{index}/{purpose}"
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:6], "big")
