"""The symbolic Researcher: from a brief to a candidate, by mutation, crossover or simplification.

Chance comes from the brief's seed alone. The odds of an edit are its prior weight, times what the
cards suggest, times what lessons credit on this very parent.
"""

from __future__ import annotations

import math
import random
from dataclasses import dataclass

from move37.core.candidate import Candidate, Idea, source_id
from move37.team.protocols import Brief, KnownCandidate, Mode, NoProposal, Proposal
from move37.team.symbolic.credits import Credits, gather
from move37.team.symbolic.crossover import crossover
from move37.team.symbolic.description import Description, to_json
from move37.team.symbolic.edits import EDITS, applicable
from move37.team.symbolic.rationale import Rationale, explain_elements, motivation, predictions
from move37.team.symbolic.reading import nearest_description, own_description
from move37.team.symbolic.render import render
from move37.team.symbolic.variation import Variation, mutate
from move37.team.symbolic.words import formulas, short_name, title

AUTHOR = "symbolic"
MAX_TRIES = 60
ADOPTION_SHARE = 0.35  # assumed: how often a card's edit comes first when there is one
CARD_FACTOR = 3.0  # assumed: a fully relevant card makes its edit this much more likely
MAX_CREDIT = 1.5  # lessons move the odds of an edit by at most e^1.5 either way
MODE_SHARES = {Mode.REFINE: 0.55, Mode.LEAP: 0.2, Mode.RECOMBINE: 0.15, Mode.SIMPLIFY: 0.1}


@dataclass(frozen=True, kw_only=True, slots=True)
class _Start:
    """Where a proposal begins."""

    parent: KnownCandidate
    description: Description
    note: str
    """Said in the motivation when the description is only near the parent."""


class SymbolicResearcher:
    """Proposes by evolving descriptions; implements `team.protocols.Researcher`."""

    def propose(self, brief: Brief) -> Proposal:
        """Return a candidate that no known one equals.

        Raises:
            NoProposal: the parent cannot be described, or nothing new was found in MAX_TRIES.
        """
        rng = random.Random(brief.seed)  # noqa: S311  # a seeded search, no secret
        start = _start(brief.parents[0])
        learnt = gather(brief.lessons)
        odds = edit_odds(start.description, brief, learnt)
        taken = _known_descriptions(brief)
        for attempt in range(MAX_TRIES):
            mode = brief.mode if brief.mode is not Mode.ANY else _choose_mode(rng, brief)
            variation, donor = _vary(start.description, brief, rng, odds, mode, attempt)
            if variation is None or not variation.moves or variation.description in taken:
                continue
            source = render(variation.description)
            if source_id(source) not in brief.known_ids:
                return _proposal(brief, start, variation, donor, learnt, source)
        raise NoProposal(
            f"nothing new within {MAX_TRIES} variations of {start.parent.candidate.id} "
            f"({start.parent.candidate.idea.name}); choose another parent"
        )


def edit_odds(description: Description, brief: Brief, learnt: Credits) -> dict[str, float]:
    """Return the factor on each applicable edit's prior weight, from cards and lessons."""
    odds = {}
    for name, result in applicable(description).items():
        credit = learnt.of_change(description, result, name)
        odds[name] = math.exp(max(-MAX_CREDIT, min(MAX_CREDIT, credit)))
    for card in brief.cards:
        for name in card.edits:
            if name in odds:
                odds[name] *= 1 + (CARD_FACTOR - 1) * max(0.0, min(1.0, card.relevance))
    return odds


def _start(parent: KnownCandidate) -> _Start:
    description = own_description(parent.candidate)
    if description is not None:
        return _Start(parent=parent, description=description, note="")
    near = nearest_description(parent.candidate)
    if near is None:
        raise NoProposal(
            f"candidate {parent.candidate.id} ({parent.candidate.idea.name}) is free code without "
            "a description, and no known mixer uses the same kernels; the symbolic team cannot "
            "vary it: choose a described parent or a language-model team"
        )
    name, description = near
    note = f"The parent is free code; its nearest described kin is {name}."
    return _Start(parent=parent, description=description, note=note)


def _known_descriptions(brief: Brief) -> set[Description]:
    known = (own_description(k.candidate) for k in (*brief.parents, *brief.references))
    return {description for description in known if description is not None}


def _choose_mode(rng: random.Random, brief: Brief) -> Mode:
    modes = [mode for mode in MODE_SHARES if mode is not Mode.RECOMBINE or brief.references]
    return rng.choices(modes, [MODE_SHARES[mode] for mode in modes])[0]


def _vary(
    description: Description,
    brief: Brief,
    rng: random.Random,
    odds: dict[str, float],
    mode: Mode,
    attempt: int,
) -> tuple[Variation | None, KnownCandidate | None]:
    """Return one variation and, for a crossover, whom it took from. Later attempts go farther."""
    if mode is Mode.RECOMBINE and (brief.references or len(brief.parents) > 1):
        return _recombine(description, brief, rng)
    if mode is Mode.SIMPLIFY:
        return _simplify(description, rng, odds), None
    farther = attempt // 12
    n_moves = rng.choice((2, 3, 3)) if mode is Mode.LEAP else rng.choice((1, 1, 2))
    adopted = _adopt(description, brief, rng)
    if adopted is None:
        return mutate(description, rng, n_moves=n_moves + farther, odds=odds), None
    rest = mutate(adopted.description, rng, n_moves=n_moves - 1 + farther, odds=odds)
    return _joined(adopted, rest), None


def _adopt(description: Description, brief: Brief, rng: random.Random) -> Variation | None:
    """Return the parent after an edit that a card suggests, some of the time."""
    if rng.random() > ADOPTION_SHARE:
        return None
    weights: dict[str, float] = {}
    for card in brief.cards:
        for name in card.edits:
            if name in EDITS and EDITS[name].apply(description) is not None:
                weight = max(0.01, card.relevance) * EDITS[name].weight
                weights[name] = weights.get(name, 0.0) + weight
    if not weights:
        return None
    names = sorted(weights)
    (name,) = rng.choices(names, [weights[n] for n in names])
    changed = EDITS[name].apply(description)
    if changed is None:
        return None
    return Variation(description=changed, moves=(name,), steps=(changed,))


def _recombine(
    description: Description, brief: Brief, rng: random.Random
) -> tuple[Variation | None, KnownCandidate | None]:
    donor = brief.parents[1] if len(brief.parents) > 1 else rng.choice(brief.references)
    other = own_description(donor.candidate)
    if other is None:
        return None, None
    return crossover(description, other, rng), donor


def _simplify(
    description: Description, rng: random.Random, odds: dict[str, float]
) -> Variation | None:
    results = {n: r for n, r in applicable(description).items() if EDITS[n].simplifies}
    if not results:
        return None
    names = sorted(results)
    (name,) = rng.choices(names, [odds.get(n, 1.0) for n in names])
    return Variation(description=results[name], moves=(name,), steps=(results[name],))


def _joined(first: Variation, second: Variation) -> Variation:
    return Variation(
        description=second.description,
        moves=first.moves + second.moves,
        steps=first.steps + second.steps,
    )


def _proposal(
    brief: Brief,
    start: _Start,
    variation: Variation,
    donor: KnownCandidate | None,
    learnt: Credits,
    source: str,
) -> Proposal:
    d = variation.description
    why = Rationale(
        start=start.description,
        variation=variation,
        parent=start.parent,
        donor=donor,
        note=start.note,
        cards=brief.cards,
        learnt=learnt,
    )
    idea = Idea(
        name=short_name(d),
        motivation=motivation(why),
        mechanism=f"{title(d)}.\n{formulas(d)}",
        elements=explain_elements(why),
        predictions=predictions(why, brief.task_names),
        description=to_json(d),
    )
    parents = (start.parent.candidate.id, *((donor.candidate.id,) if donor else ()))
    candidate = Candidate.of(source, idea, parents=parents, author=AUTHOR)
    return Proposal(candidate=candidate, operator=_operator(variation, donor))


def _operator(variation: Variation, donor: KnownCandidate | None) -> str:
    moves = "+".join(variation.moves)
    if donor is not None:
        return f"crossover:{moves}"
    only_simplifies = all(m.startswith("simplify:") for m in variation.moves)
    return moves if only_simplifies else f"mutate:{moves}"
