"""Canaries in a campaign: traits read off the ledger, alarms written into it.

Everything is read under the lag rule, so the same seed gives the same alarms.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator
from functools import lru_cache

from move37.campaign.edges import quarantines, roster_at
from move37.campaign.folder import stored_config
from move37.core.config import CampaignConfig
from move37.core.events import AlarmRaised, FamilyQuarantined, JudgementGiven, ModelCalled
from move37.core.team import Role, TeamConfig
from move37.guards.canaries import Canary, alarm_at, canaries
from move37.guards.families import NOT_MODELS, Roster
from move37.guards.traits import GRADES, REPLY, Sighting, outcome_traits, text_traits, words_used
from move37.memory.journal import Journal
from move37.memory.ledger import Ledger
from move37.memory.lineage import Lineage
from move37.memory.state import Entry, State

CANARY = "canary"


def watch_canaries(config: CampaignConfig, journal: Journal) -> None:
    """Look at every trait of every family; record what rings, and quarantine if so configured.

    Called before a candidate is begun, with what it may know of.
    """
    ledger, team = journal.ledger, config.team
    roster = roster_at(team, ledger, journal.index)
    families = families_of(team, roster)
    known = {(a.family, a.trait) for a in ledger.events([AlarmRaised]) if a.guard == CANARY}
    before = journal.index - config.search.lag
    for canary in canaries_of(ledger, team, roster, before=before):
        if (canary.family, canary.trait) in known or not canary.rings(n_families=len(families)):
            continue
        alarm = _alarm(journal.index, canary, families)
        if team.on_alarm == "quarantine":
            quarantine(journal, roster, canary.family, reason=alarm.reason, by=CANARY)
        journal.record(alarm)  # last: whoever is killed before it comes here again


def canaries_of(ledger: Ledger, team: TeamConfig, roster: Roster, *, before: int) -> list[Canary]:
    """Return every trait's canary, from what candidates below an index told."""
    return canaries(sightings_of(ledger, team, roster, before=before))


def families_of(team: TeamConfig, roster: Roster) -> dict[str, tuple[str, ...]]:
    """Return the lines of base models that play, each with the labels of its models."""
    found: dict[str, list[str]] = {}
    names = {name for role in team.llm_roles for name in team.models_of(role)}
    for label in sorted({team.models[name].label for name in names}):
        found.setdefault(roster.line(label).name, []).append(label)
    return {family: tuple(labels) for family, labels in found.items()}


def sightings_of(
    ledger: Ledger, team: TeamConfig, roster: Roster, *, before: int
) -> Iterator[Sighting]:
    """Yield the traits of all proposals and grades of candidates below an index."""
    state = ledger.state(before_index=before)
    tokens = Counter[int]()
    for call in ledger.events([ModelCalled]):
        if call.role == Role.RESEARCHER and call.index < before:
            tokens[call.index] += call.output_tokens
    for (index, _), entry in state.entries.items():
        if entry.role == "proposed":
            parent = _parent_source(state, entry)
            traits = _traits(entry, parent, tokens[index])
            family = _family(roster, entry.candidate.author)
            for trait, value in traits.items():
                yield Sighting(family=family, index=index, trait=trait, value=value)
            used = _words(entry.candidate, parent, team.watched_words)
            for trait, words in used.items():
                for word, is_used in words.items():
                    yield Sighting(
                        family=family, index=index, trait=trait, value=float(is_used), word=word
                    )
        yield from _grades(roster, entry, index)


def quarantine(journal: Journal, roster: Roster, family: str, *, reason: str, by: str) -> None:
    """Record that a family is quarantined, with its descendants; again, nothing happens."""
    if family not in quarantines(journal.ledger, journal.index):
        journal.record(
            FamilyQuarantined(
                index=journal.index,
                family=family,
                reason=reason,
                by=by,
                descendants=descendants_of(journal.ledger.state(), roster, family),
            )
        )


def descendants_of(state: State, roster: Roster, family: str) -> tuple[str, ...]:
    """Return what a family's models (and its heirs') wrote, and whatever was made from that."""
    lineage = Lineage(state.parents)
    found: dict[str, None] = {}
    for id_, entry in state.candidates.items():
        author = entry.candidate.author
        if author not in NOT_MODELS and family in _ancestry(roster, author):
            found |= dict.fromkeys([id_, *lineage.descendants(id_)])
    return tuple(found)


def marked(ledger: Ledger, state: State) -> dict[str, str]:
    """Return which candidates descend from a family that is quarantined now, and from which."""
    held = quarantines(ledger)
    if not held:
        return {}
    roster = roster_at(stored_config(ledger).team, ledger)
    return {id_: family for family in held for id_ in descendants_of(state, roster, family)}


def _ancestry(roster: Roster, author: str) -> frozenset[str]:
    line = roster.line(author)
    return (
        roster.families.ancestors(line.name)
        if line.name in roster.families.lines
        else (frozenset({line.name}))
    )


def _alarm(index: int, canary: Canary, families: dict[str, tuple[str, ...]]) -> AlarmRaised:
    return AlarmRaised(
        index=index,
        guard=CANARY,
        role="",
        model=", ".join(families.get(canary.family, ())),
        evidence=canary.evidence,
        family=canary.family,
        trait=canary.trait,
        reason=(
            f"{canary.family} has changed since candidate {canary.since}: {canary.words} "
            f"(e = {canary.evidence:.0f}, alarm at {alarm_at(len(families)):.0f})"
        ),
    )


def _traits(entry: Entry, parent_source: str, tokens: int) -> dict[str, float]:
    outcomes = [trial.outcome for trial in entry.trials.values()]
    outcomes += [entry.probes.outcome] if entry.probes else []
    found = dict(_texts(entry.candidate, parent_source))
    found |= outcome_traits(outcomes, is_probed=entry.probes is not None)
    if tokens:
        found[REPLY] = math.log1p(tokens)
    return found


_texts = lru_cache(maxsize=8192)(text_traits)
_words = lru_cache(maxsize=8192)(
    lambda candidate, parent, chosen: words_used(candidate, parent, chosen=chosen)
)


def _parent_source(state: State, entry: Entry) -> str:
    parent = state.candidates.get(next(iter(entry.candidate.parents), ""))
    return parent.candidate.source if parent else ""


def _family(roster: Roster, author: str) -> str:
    return "" if author in NOT_MODELS else roster.line(author).name


def _grades(roster: Roster, entry: Entry, index: int) -> Iterator[Sighting]:
    for event in entry.events:
        if isinstance(event, JudgementGiven):
            for judge, grade in event.votes.items():
                yield Sighting(
                    family=_family(roster, judge), index=index, trait=GRADES, value=grade
                )
