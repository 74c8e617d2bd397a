"""What each member of the team is handed, and its answer as an event."""

from __future__ import annotations

import contextlib
import hashlib
import re
from dataclasses import replace

from move37.campaign import edges, rules, shown
from move37.campaign.bench import StateBench
from move37.campaign.results import Failure, known, last_cost
from move37.campaign.workshop import CAMPAIGN, Workshop
from move37.cognition.library import Hit, Library
from move37.core.candidate import Candidate
from move37.core.errors import ReplyError
from move37.core.events import (
    CandidateProposed,
    CandidateRepaired,
    CardsRead,
    JudgementGiven,
    LessonWritten,
    NoveltyJudged,
    ParentsChosen,
)
from move37.lab.references import kernel_vocabulary
from move37.memory.journal import Journal
from move37.memory.state import State
from move37.team.protocols import (
    Breakage,
    Brief,
    CardHint,
    Comparison,
    Exhibit,
    LessonHint,
    Mode,
    NoProposal,
    Study,
)
from move37.team.symbolic.analyst import weakness_words

N_CARDS = 4
SENTENCE = re.compile(r"(?<=[.!?])\s+")
NUMBER = re.compile(r"\d")
EARLIER = "earlier-campaign"
"""Stands for the candidates of the campaign that `run --lessons` brought in."""
N_TOLD = 40  # of its lessons, in words; all of them count


def read_cards(workshop: Workshop, state: State, parents: ParentsChosen) -> CardsRead:
    """Ask the library about the first parent's weaknesses."""
    query = weaknesses(workshop, state, parents) if workshop.config.search.use_cognition else ""
    hits = workshop.library.search(query, limit=N_CARDS)
    return CardsRead(
        index=parents.index,
        query=query,
        cards=tuple(hit.card.id for hit in hits),
        relevance=tuple(hit.relevance for hit in hits),
    )


def as_read(library: Library, cards: CardsRead) -> tuple[Hit, ...]:
    """Return the cards that the ledger names, but for those that have left the folder since."""
    if len(cards.relevance) != len(cards.cards):  # a ledger of an earlier version
        return library.search(cards.query, limit=N_CARDS)
    pairs = zip(cards.cards, cards.relevance, strict=True)
    return tuple(
        Hit(card=library.get(id_), relevance=relevance)
        for id_, relevance in pairs
        if id_ in library
    )


def weaknesses(workshop: Workshop, state: State, parents: ParentsChosen) -> str:
    """Say where the parent is worst: the tasks of the smallest effects, and its lesson in words.

    Sentences of a lesson that report numbers are left out: their words are of every task and name.
    """
    parent = state.candidates[parents.parents[0]]
    effects = known(workshop, state, parent).effects
    worst = sorted(effects, key=lambda task: effects[task].mean)[:2]
    words = [f"weak at {weakness_words(task)}" for task in worst]
    if parent.lesson:
        words += [s for s in SENTENCE.split(parent.lesson.text) if not NUMBER.search(s)]
    return "; ".join(words) or parent.candidate.idea.motivation


def propose(
    workshop: Workshop, state: State, parents: ParentsChosen, cards: CardsRead
) -> CandidateProposed:
    """Have the Researcher make the next candidate, from a reference if the parent gives nothing.

    Raises:
        NoProposal: nothing new was found from anybody.
    """
    mode = Mode(parents.mode or Mode.ANY)
    ways = [(parents.parents, mode)] if mode is not Mode.ANY else []
    ways += [(parents.parents, Mode.ANY)]
    ways += [((reference,), Mode.ANY) for reference in parents.references]
    *others, last = ways
    for chosen, how in others:
        with contextlib.suppress(NoProposal):
            return _propose(workshop, state, parents, chosen, cards, mode=how)
    return _propose(workshop, state, parents, last[0], cards, mode=last[1])


def _propose(
    workshop: Workshop,
    state: State,
    parents: ParentsChosen,
    chosen: tuple[str, ...],
    cards: CardsRead,
    *,
    mode: Mode,
) -> CandidateProposed:
    hits = as_read(workshop.library, cards)
    everything, parent = workshop.ledger.state(), state.candidates[chosen[0]]
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
                    mechanism=hit.card.mechanism,
                    how=hit.card.how,
                    source=f"{hit.card.arxiv or hit.card.venue}, {hit.card.year}",
                )
                for hit in hits
            ),
            lessons=_lessons(workshop, state, parents),
            task_names=tuple(task.name for task in workshop.preset.tasks),
            known_ids=_known_ids(workshop, state, parents.index),
            seed=step_seed(workshop, parents.index, "propose"),
            index=parents.index,
            mode=mode,
            siblings=shown.siblings_of(workshop, state, parent.id),
            failures=shown.failures(workshop, state),
            baseline=known(workshop, state, state.candidates[workshop.baseline.id]),
            setting=shown.setting_words(workshop),
            vocabulary=kernel_vocabulary(),
            calibration=shown.calibration(workshop, state),
            remove=shown.asked_ablation(everything, parent, parents.index),
            bench=StateBench(workshop, state),
        )
    )
    return CandidateProposed(
        index=parents.index, candidate=proposal.candidate, operator=proposal.operator
    )


def authors_shown(workshop: Workshop, state: State, parents: ParentsChosen) -> set[str]:
    """Return whose words are in the Researcher's brief: layers and lessons.

    What it looks up by itself, with tools, is in the record of its calls.
    """
    ids = {*parents.parents, *parents.references}
    ids |= {id_ for id_, of in state.parents.items() if of[:1] == parents.parents[:1]}
    authors = {state.candidates[id_].candidate.author for id_ in ids if id_ in state.candidates}
    lessons = state.lessons if workshop.config.search.use_lessons else ()
    return authors | {lesson.author for lesson in lessons}


def authors_compared(state: State, candidate: Candidate) -> set[str]:
    """Return whose layers the Analyst is shown beside each other."""
    parent = state.candidates.get(next(iter(candidate.parents), ""))
    return {candidate.author} | ({parent.candidate.author} if parent else set())


def _lessons(workshop: Workshop, state: State, parents: ParentsChosen) -> tuple[LessonHint, ...]:
    """Return what is told of earlier results: of an earlier campaign first, then of this one."""
    search = workshop.config.search
    if not search.use_lessons:
        return ()
    own = shown.lessons_for(
        weaknesses(workshop, state, parents),
        state,
        workshop.archive,
        arm=workshop.arm(parents.index),
    )
    hints = [LessonHint(candidate_id=x.candidate_id, credits=x.credits, text=x.text) for x in own]
    if search.seed_lessons:
        text = "An earlier campaign, in units of noise: " + ", ".join(
            f"{name} {worth:+.2f}" for name, worth in search.seed_lessons[:N_TOLD]
        )
        worths = dict(search.seed_lessons)
        hints.insert(0, LessonHint(candidate_id=EARLIER, credits=worths, text=text))
    return tuple(hints)


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
    breakage = Breakage(
        candidate=broken,
        outcome=failure.outcome,
        reason=failure.reason,
        seed=step_seed(workshop, journal.index, f"repair {broken.id}"),
        index=journal.index,
        probe=failure.probes,
        parent=_made_from(journal, state, broken),
        known_ids=frozenset(state.candidates) | _at_index(workshop, journal.index),
        setting=shown.setting_words(workshop),
        vocabulary=kernel_vocabulary(),
        bench=StateBench(workshop, state),
    )
    try:
        repaired = workshop.team.engineer.repair(breakage)
    except ReplyError:  # counted where it was raised
        return None
    if repaired is None:
        return None
    event = CandidateRepaired(index=journal.index, candidate=repaired, because=failure.reason)
    return journal.once(CandidateRepaired, lambda: event, match={"parent": broken.id})


def _made_from(journal: Journal, state: State, broken: Candidate) -> Candidate | None:
    """Return what a broken candidate's idea is to be told apart from: also of a second repair."""
    proposed = journal.recorded(CandidateProposed)
    for child in (broken, proposed.candidate if proposed else broken):
        entry = state.candidates.get(next(iter(child.parents), ""))
        if entry is not None:
            return entry.candidate
    return None


def judge_novelty(
    workshop: Workshop, state: State, index: int, candidate: Candidate
) -> NoveltyJudged:
    """Judge novelty by the normal form; then, where motivations are near, by a second opinion.

    A second opinion that cannot be had leaves the candidate new: the trial will tell.
    """
    judged = rules.judge_novelty(state, index, candidate)
    critic = workshop.team.critic
    if critic is None or not judged.is_novel or candidate.author in shown.CLOSED_FORMS:
        return judged
    nearest = shown.nearest_motivations(candidate, state, workshop.archive)
    if not nearest:
        return judged
    edges.record_judging(workshop.config.team, Journal(workshop.ledger, index), candidate)
    try:
        authors = edges.makers(workshop.ledger.state(), candidate, index)
        opinion = critic.compare(
            Comparison(candidate=candidate, nearest=nearest, index=index, authors=authors)
        )
    except ReplyError:  # counted where it was raised
        return judged
    if not opinion.same_as:
        return replace(judged, reason=f"{judged.reason}; second opinion: {opinion.reason}")
    reason = f"second opinion: the same idea as {opinion.same_as}: {opinion.reason}"
    return replace(judged, is_novel=False, nearest=opinion.same_as, reason=reason)


def assess(
    workshop: Workshop, journal: Journal, candidate: Candidate, *, at: int | None = None
) -> JudgementGiven:
    """Have the Judge assess a candidate, blind to author and private results.

    Args:
        workshop: whose Judge is asked.
        journal: of the index that asks.
        candidate: to be judged.
        at: the index that brought it in, where that is another.
    """
    home = Journal(workshop.ledger, journal.index if at is None else at)
    entry = workshop.ledger.state().entries[home.index, candidate.id]
    baseline = workshop.ledger.state().entries[CAMPAIGN, workshop.baseline.id]
    novelty = home.recorded(NoveltyJudged, candidate_id=candidate.id, by="source")
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
            anchors=shown.anchors(),
            seed=step_seed(workshop, journal.index, "judge"),
            authors=edges.makers(workshop.ledger.state(), candidate, home.index),
        )
    )
    return JudgementGiven(
        index=journal.index,
        candidate_id=candidate.id,
        quality=judgement.quality,
        judge=", ".join(judgement.votes) or workshop.config.team.judge,
        rubric=judgement.rubric,
        votes=judgement.votes,
    )


def explain(
    workshop: Workshop, journal: Journal, state: State, candidate: Candidate
) -> LessonWritten:
    """Have the Analyst explain a sealed result against parent and siblings."""
    subject = workshop.ledger.state().entries[journal.index, candidate.id]
    parent = state.candidates.get(next(iter(candidate.parents), ""))
    siblings = shown.siblings_of(workshop, state, parent.id, without=candidate.id) if parent else ()
    explanation = workshop.team.analyst.explain(
        Study(
            subject=known(workshop, workshop.ledger.state(), subject),
            parent=known(workshop, state, parent) if parent else None,
            siblings=siblings,
            baseline=workshop.config.baseline,
            index=journal.index,
            calibration=shown.calibration(workshop, state, without=candidate.id),
        )
    )
    return LessonWritten(
        index=journal.index,
        candidate_id=candidate.id,
        text=explanation.text,
        prediction_held=explanation.prediction_held,
        credits=explanation.credits,
        author=explanation.author or workshop.config.team.analyst,
        ablate=explanation.ablate,
    )


def step_seed(workshop: Workshop, index: int, purpose: str) -> int:
    """Return the seed of one random choice, from the campaign's seed, index and purpose."""
    text = f"{workshop.config.seed}/{index}/{purpose}"
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:6], "big")
