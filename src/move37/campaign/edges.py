"""The firewall at work: every edge of a campaign is decided, and written into its ledger.

Text that a model reads, judging, and trials that go on from weights; training edges are decided in
`campaign/dataset.py`. What is decided alike about one candidate (and rung) is written once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace

from move37.core.candidate import Candidate
from move37.core.events import (
    DiversityStated,
    EdgeDecided,
    FamilyQuarantined,
    QuarantineLifted,
)
from move37.core.team import Role, TeamConfig
from move37.guards.families import NOT_MODELS, Roster, diversity_of, shipped_families
from move37.guards.firewall import Decision, Edge, EdgeKind, decide
from move37.memory.journal import Journal
from move37.memory.ledger import Ledger
from move37.memory.state import State

FOREVER = 2**31
"""An index beyond all: who asks from outside, after the fact."""


def roster_at(team: TeamConfig, ledger: Ledger, index: int = FOREVER) -> Roster:
    """Return a team's models and their relations, with the quarantines in force at an index."""
    return Roster(team, shipped_families(), quarantined=quarantines(ledger, index))


def quarantines(ledger: Ledger, index: int = FOREVER) -> dict[str, str]:
    """Return the families that are quarantined at an index, each with the reason."""
    found: dict[str, str] = {}
    for event in ledger.events([FamilyQuarantined, QuarantineLifted]):
        if event.index > index:
            continue
        if isinstance(event, FamilyQuarantined):
            found[event.family] = event.reason
        else:
            found.pop(event.family, None)
    return found


def barred(team: TeamConfig, ledger: Ledger) -> Callable[[str, int], bool]:
    """Return whether a model (first) has no turn at an index (second): it is quarantined."""
    return lambda label, index: roster_at(team, ledger, index).quarantine(label) is not None


def may_not_judge(team: TeamConfig) -> Callable[[str, str], bool]:
    """Return whether the firewall keeps a judge (second) from an author's (first) work."""
    roster = Roster(team, shipped_families())

    def related(author: str, judge: str) -> bool:
        edge = Edge(producer=author, consumer=judge, kind=EdgeKind.JUDGING)
        return not decide(edge, roster).allowed

    return related


def makers(state: State, candidate: Candidate, index: int) -> tuple[str, ...]:
    """Return whose work a candidate is: who repaired it, the last first, and who proposed it.

    A repair keeps the idea and most of the code, so all of them are its authors to a judge.

    Args:
        state: with everything that is recorded at the index.
        candidate: proposed or repaired there, recorded or just made.
        index: that brought it in; the same source may stand at another one, of other makers.
    """
    authors, seen = [candidate.author], {candidate.id}
    entry = state.entries.get((index, candidate.id))
    while entry is not None and entry.role == "repaired":
        entry = state.entries.get((index, next(iter(entry.candidate.parents), "")))
        if entry is None or entry.id in seen:
            break
        seen.add(entry.id)
        authors.append(entry.candidate.author)
    return tuple(dict.fromkeys(authors))


def record_judging(
    team: TeamConfig, journal: Journal, candidate: Candidate, *, home: int | None = None
) -> None:
    """Record, for every model that may judge, whether it may judge this candidate.

    `home` is the index that brought it in, where that is another than the journal's.
    """
    if Role.JUDGE in team.llm_roles:
        labels = [team.models[name].label for name in team.models_of(Role.JUDGE)]
        index = journal.index if home is None else home
        authors = makers(journal.ledger.state(), candidate, index)
        edges = [(author, label) for author in authors for label in labels]
        _record(team, journal, edges, EdgeKind.JUDGING, about=candidate.id)


def record_context(
    team: TeamConfig, journal: Journal, *, about: str, authors: Iterable[str], reader: str
) -> None:
    """Record whose text a model was shown when it wrote something about a candidate."""
    if reader not in NOT_MODELS:
        edges = [(author, reader) for author in sorted({*authors} - NOT_MODELS)]
        _record(team, journal, edges, EdgeKind.CONTEXT, about=about)


def record_warm_start(
    team: TeamConfig, journal: Journal, candidate: Candidate, *, producer: str, rung: int
) -> Decision:
    """Record whether a candidate may go on at a rung from the weights of a producer; return it."""
    edge = Edge(producer=producer, consumer=candidate.id, kind=EdgeKind.WARM_START)
    roster = Roster(team, shipped_families())
    if producer != candidate.id:
        known = journal.ledger.state().find(producer)
        roster = roster_at(team, journal.ledger, journal.index)
        edge = replace(edge, authors=(known.candidate.author if known else "", candidate.author))
    decision = decide(edge, roster)
    _write(journal, decision, about=candidate.id, rung=rung)
    return decision


def record_training(ledger: Ledger, decisions: Iterable[Decision]) -> None:
    """Record what was decided about training a student on everybody's work, each answer once."""
    for decision in decisions:
        _write(Journal(ledger, -1), decision, about="")


def state_diversity(team: TeamConfig, journal: Journal) -> None:
    """Record how diverse a team with language models is, and again if that changes."""
    if team.llm_roles:
        found = diversity_of(team, shipped_families())
        same = {"level": found.level, "groups": found.groups}
        journal.once(
            DiversityStated, lambda: DiversityStated(**same, reason=found.reason), match=same
        )


def _record(
    team: TeamConfig,
    journal: Journal,
    edges: Iterable[tuple[str, str]],
    kind: EdgeKind,
    *,
    about: str,
) -> list[Decision]:
    roster = roster_at(team, journal.ledger, journal.index)
    decisions = [
        decide(Edge(producer=producer, consumer=consumer, kind=kind), roster)
        for producer, consumer in edges
    ]
    for decision in decisions:
        _write(journal, decision, about=about)
    return decisions


def _write(journal: Journal, decision: Decision, *, about: str, rung: int | None = None) -> None:
    edge = decision.edge
    same = {"producer": edge.producer, "consumer": edge.consumer, "kind": str(edge.kind)}
    same |= {"about": about, "allowed": decision.allowed, "rung": rung}
    journal.once(
        EdgeDecided,
        lambda: EdgeDecided(
            index=journal.index,
            producer=edge.producer,
            consumer=edge.consumer,
            kind=str(edge.kind),
            allowed=decision.allowed,
            reason=decision.reason,
            about=about,
            rung=rung,
        ),
        match=same,
    )
