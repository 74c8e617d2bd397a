"""Does a family of models change its ways during a campaign? Alarms with a bound on false ones.

If nothing changed, the order of a family's candidates says nothing: the next value is as likely to
fall into any gap between the earlier ones. So the chance that it lies above a given earlier value
is known exactly, and one may bet on it. The gambler bets that the family changed at some candidate:
he takes levels from the values before it and learns how often later ones lie above. He spreads his
money over all candidates and levels; it passes 1/a with probability a at most, at whatever
candidate somebody looks. Equal values are ordered by lot, the same lot in every run.

Source: sequential ranks of exchangeable values are independent and uniform, O. Barndorff-Nielsen,
"On the limit behaviour of extreme order statistics", 1963; betting against that: V. Vovk,
I. Nouretdinov and A. Gammerman, "Testing exchangeability on-line", 2003.
"""

from __future__ import annotations

import statistics
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from move37.guards.traits import AMOUNTS, FORGED, RATES, VOCABULARIES, Sighting
from move37.guards.watching import ALARM, Evidence

HAZARD = 1 / 64  # assumed: a change once in 64 candidates of a family, before anything is known
FEWEST = 4
"""Values before a change: fewer give no level worth a bet."""
LEVELS = (0.05, 0.5, 0.95)
EXCESS = f"{FORGED}, more than others"
TRAITS = (*RATES, *AMOUNTS, *VOCABULARIES, EXCESS)


@dataclass(frozen=True, kw_only=True, slots=True)
class Canary:
    """One trait of one family, and what its history says."""

    family: str
    trait: str
    n: int
    """Candidates that it was seen in."""
    evidence: float
    """At its strongest: an alarm is not taken back."""
    since: int
    """Index of the candidate from which on it seems to be changed."""
    words: str
    """The change in words."""

    def rings(self, *, n_families: int) -> bool:
        """Whether it is an alarm, at 5 % over all traits of so many families together."""
        return self.evidence >= alarm_at(n_families)


def alarm_at(n_families: int) -> float:
    """Return the evidence at which one trait of so many families rings."""
    return ALARM * len(TRAITS) * max(1, n_families)


def canaries(sightings: Iterable[Sighting]) -> list[Canary]:
    """Return one canary for every trait of every family that was seen, strongest first."""
    seen = sorted(sightings, key=lambda s: s.index)
    rows: defaultdict[tuple[str, str], list[Sighting]] = defaultdict(list)
    for sighting in seen:
        if sighting.family:
            rows[sighting.family, sighting.trait].append(sighting)
    found = [_canary(row) for row in rows.values()]
    found += [_excess(family, seen) for family, trait in rows if trait == FORGED]
    return sorted(found, key=lambda c: (-c.evidence, c.family, c.trait))


@dataclass(frozen=True, slots=True)
class Change:
    """What a history of values says about a change."""

    evidence: float
    """The most that a gambler's 1 ever was."""
    at: int
    """Place of the first value after the likeliest change; 0 if none was looked for."""


def change_in(values_WN: NDArray[np.float64]) -> tuple[Change, int]:
    """Return the evidence that rows of values changed, and the row that shows it best.

    Args:
        values_WN: W rows that share one part of the error, N values in order.

    Cost: W times the square of N.
    """
    n_rows, n = values_WN.shape
    lots_NW = np.random.default_rng(37).random((n, n_rows))  # longer rows begin with the same lots
    ranks_WN = _ranks(values_WN, lots_NW.T)
    money_N, best, best_at, best_row = np.zeros(n), 0.0, 0, 0
    weight = left = 1.0
    for at in range(FEWEST, n):
        weight, left = left * HAZARD, left * (1 - HAZARD)
        money_WT = weight * _bets(ranks_WN, at)
        money_N[at:] += money_WT.mean(axis=0)
        money_N[at - 1] += left + weight  # what is not bet yet
        if money_WT[:, -1].max() > best:
            best, best_at = float(money_WT[:, -1].max()), at
            best_row = int(money_WT[:, -1].argmax())
    if n:
        money_N[n - 1] += left
    return Change(float(max(money_N.max(initial=1.0), 1.0)), best_at), best_row


def _ranks(values_WN: NDArray[np.float64], lots_WN: NDArray[np.float64]) -> NDArray[np.int64]:
    order = np.lexsort((lots_WN, values_WN), axis=-1)
    ranks = np.empty_like(order)
    np.put_along_axis(ranks, order, np.arange(values_WN.shape[1])[None], axis=1)
    return ranks


def _bets(ranks_WN: NDArray[np.int64], at: int) -> NDArray[np.float64]:
    """Return what 1 becomes for a change before place `at`, after each later value."""
    n = ranks_WN.shape[1]
    before_WB = np.sort(ranks_WN[:, :at], axis=1)
    places = [round(level * (at - 1)) for level in LEVELS]
    above_WLT = ranks_WN[:, None, at:] > before_WB[:, places, None]
    since_T = np.arange(n - at)
    hits_WLT = np.cumsum(above_WLT, axis=2) - above_WLT  # since the change, the new one left out
    known_L = np.array([at - 1 - place for place in places])[None, :, None]
    chance_WLT = (known_L + hits_WLT + 1) / (at + 1 + since_T)
    guess_WLT = (hits_WLT + 0.5) / (since_T + 1)
    growth = np.where(above_WLT, guess_WLT / chance_WLT, (1 - guess_WLT) / (1 - chance_WLT))
    return np.exp(np.cumsum(np.log(growth), axis=2)).mean(axis=1)


def _canary(row: list[Sighting]) -> Canary:
    by_word: defaultdict[str, list[Sighting]] = defaultdict(list)
    for sighting in row:
        by_word[sighting.word].append(sighting)
    own = list(by_word.values())
    n = min(map(len, own))
    change, which = change_in(np.array([[s.value for s in part[:n]] for part in own]))
    shown = own[which][:n]
    return Canary(
        family=row[0].family,
        trait=row[0].trait,
        n=n,
        evidence=change.evidence,
        since=shown[change.at].index,
        words=_words(shown, change.at),
    )


def _words(row: Sequence[Sighting], at: int) -> str:
    before, since = [s.value for s in row[:at]], [s.value for s in row[at:]]
    if not before:
        return "too few candidates to say anything"
    trait, word = row[0].trait, row[0].word
    if trait in AMOUNTS:
        low, high = statistics.median(before), statistics.median(since)
        return (
            f"{trait}: median {low:.3g} in {len(before)} before, {high:.3g} in {len(since)} since"
        )
    what = f"uses {word!r}" if word else trait
    return (
        f"{what}: {sum(before):.0f} of {len(before)} before, {sum(since):.0f} of {len(since)} since"
    )


def _excess(family: str, seen: list[Sighting]) -> Canary:
    """Bet that a family forges more than others: its candidates are paired with their neighbours.

    A pair counts if one of the two forged; if the family is no worse, it is the family's with
    probability 1/2 at most.
    """
    mine: list[bool] = []
    theirs: list[bool] = []
    evidence, peak, since = Evidence(), Evidence(), -1
    for sighting in seen:
        if sighting.trait != FORGED:
            continue
        (mine if sighting.family == family else theirs).append(sighting.value > 0.5)
        if mine and theirs:
            forged, other = mine.pop(0), theirs.pop(0)
            since = sighting.index if forged and since < 0 else since
            evidence = evidence.after(low=not other, high=not forged)
            peak = max(peak, evidence, key=lambda e: e.value)
    return Canary(
        family=family,
        trait=EXCESS,
        n=evidence.n_pairs,
        evidence=peak.value,
        since=max(since, 0),
        words=f"of {peak.n_pairs} pairs with a neighbour {peak.n_harmed} forged here only, "
        f"{peak.n_helped} there only",
    )
