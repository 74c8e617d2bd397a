"""Judgements that rest on somebody who may not judge (any more), and what takes their place.

A judge may be barred later than it judged: its family was quarantined, or a row of the graph has
come to say that it is the author's relative. Then its vote is dropped. Where no vote is left an
unrelated judge is asked; where there is none, fitness goes without. Written as JudgementRevised, at
the index of the candidate before whose choice of parents it is done, so the lag rule holds.
"""

from __future__ import annotations

import contextlib
import itertools
import statistics
from collections.abc import Iterable
from dataclasses import dataclass

from move37.campaign import brief, results, rules
from move37.campaign.edges import makers, record_judging, roster_at
from move37.campaign.workshop import Workshop
from move37.core.claims import Fitness
from move37.core.errors import OutOfFunds, ReplyError
from move37.core.events import JudgementGiven, JudgementRevised
from move37.guards.families import Roster
from move37.guards.firewall import Edge, EdgeKind, decide
from move37.memory.journal import Journal
from move37.memory.state import Entry, State


@dataclass(frozen=True, kw_only=True, slots=True)
class Tainted:
    """A judgement, and the votes of it that no longer count, with the reason of each."""

    entry: Entry
    votes: dict[str, float]
    reasons: dict[str, str]

    @property
    def left(self) -> dict[str, float]:
        """Votes that still count."""
        return {judge: q for judge, q in self.votes.items() if judge not in self.reasons}


def tainted_judgements(state: State, entries: Iterable[Entry], roster: Roster) -> list[Tainted]:
    """Return the judgements that rest on a vote which the firewall would not allow now.

    A vote counts no more where any of the candidate's makers may not be judged by its judge.
    """
    found = []
    for entry in entries:
        given = [e for e in entry.events if isinstance(e, JudgementGiven | JudgementRevised)]
        votes = given[-1].votes if given else {}
        reasons = {}
        for judge, author in itertools.product(votes, makers(state, entry.candidate, entry.index)):
            edge = Edge(producer=author, consumer=judge, kind=EdgeKind.JUDGING)
            decision = decide(edge, roster)
            if not decision.allowed:
                reasons.setdefault(judge, decision.reason)
        if reasons:
            found.append(Tainted(entry=entry, votes=dict(votes), reasons=reasons))
    return found


def rejudge(workshop: Workshop, journal: Journal, *, before: int) -> None:
    """Revise every judgement of candidates below an index that rests on somebody barred by now."""
    team = workshop.config.team
    roster = roster_at(team, workshop.ledger, journal.index)
    state = workshop.ledger.state()
    entries = [e for e in state.entries.values() if 0 <= e.index < before]
    for tainted in tainted_judgements(state, entries, roster):
        record_judging(team, journal, tainted.entry.candidate, home=tainted.entry.index)
        journal.once(
            JudgementRevised,
            lambda tainted=tainted: _revised(workshop, journal, tainted),
            match={"candidate_id": tainted.entry.id},
        )


def rejudge_all(workshop: Workshop) -> None:
    """Revise what is left after the search, before anything is confirmed.

    Where language models may use no more, the next session does.
    """
    if workshop.desk is not None:
        n = workshop.ledger.state().next_index
        with contextlib.suppress(OutOfFunds):
            rejudge(workshop, Journal(workshop.ledger, n), before=n)


def _revised(workshop: Workshop, journal: Journal, tainted: Tainted) -> JudgementRevised:
    how, quality, votes = "votes_dropped", None, tainted.left
    if votes:
        quality = round(statistics.median(votes.values()), 4)
    else:
        try:
            again = brief.assess(workshop, journal, tainted.entry.candidate, at=tainted.entry.index)
            how, quality, votes = "asked_again", again.quality, again.votes
        except ReplyError:  # nobody may judge, or nobody gave a usable reply: counted there
            how = "left_out"
    reasons = dict.fromkeys(tainted.reasons.values())
    return JudgementRevised(
        index=journal.index,
        candidate_id=tainted.entry.id,
        how=how,
        quality=quality,
        votes=votes,
        dropped={judge: tainted.votes[judge] for judge in tainted.reasons},
        reason="; ".join(reasons),
        fitness=_fitness(workshop, tainted.entry, quality),
    )


def _fitness(workshop: Workshop, entry: Entry, quality: float | None) -> Fitness | None:
    """Return a candidate's fitness with another quality; None if it has none."""
    state = workshop.ledger.state()
    final = results.final_comparison(workshop, state, entry.id)
    if entry.fitness is None or final is None:
        return None
    return rules.fitness_of(workshop, state, final, quality)
