"""Researchers to compare with: what a search is worth is what it gains over them.

`RandomResearcher` looks at nothing but where it starts: the control arm of `move37 ablate`.
"""

from __future__ import annotations

import random

from move37.core.candidate import Candidate, Idea, source_id
from move37.team.protocols import Brief, NoProposal, Proposal
from move37.team.symbolic.description import Description, to_json
from move37.team.symbolic.edits import EDITS
from move37.team.symbolic.reading import own_description
from move37.team.symbolic.render import render
from move37.team.symbolic.variation import Variation, mutate
from move37.team.symbolic.words import formulas, short_name, title

MAX_TRIES = 60
MOST_MOVES = 6  # assumed: published mixers lie 3 to 6 edits from linear attention

EQUAL_ODDS = {name: 1.0 / edit.weight for name, edit in EDITS.items() if edit.weight > 0}
"""Undoes the prior weights, which are what the literature knows."""


class RandomResearcher:
    """Proposes one to MOST_MOVES random edits of the parent, each edit with equal odds.

    Implements `team.protocols.Researcher`. Cards, lessons, references and effects are not read.
    """

    def propose(self, brief: Brief) -> Proposal:
        """Return a random candidate that no known one equals.

        Raises:
            NoProposal: the parent is free code, or nothing new was found in MAX_TRIES.
        """
        parent = brief.parents[0].candidate
        start = own_description(parent)
        if start is None:
            raise NoProposal(
                f"candidate {parent.id} ({parent.idea.name}) is free code without a description; "
                "the random researcher needs a described parent"
            )
        rng = random.Random(brief.seed)  # noqa: S311  # a seeded search, no secret
        for _ in range(MAX_TRIES):
            n_moves = rng.randint(1, MOST_MOVES)
            variation = mutate(start, rng, n_moves=n_moves, odds=EQUAL_ODDS)
            if not variation.moves or variation.description == start:
                continue
            source = render(variation.description)
            if source_id(source) not in brief.known_ids:
                return _proposal(parent, variation, source)
        raise NoProposal(f"nothing new within {MAX_TRIES} random variations of {parent.id}")


def _proposal(parent: Candidate, variation: Variation, source: str) -> Proposal:
    d: Description = variation.description
    idea = Idea(
        name=short_name(d),
        motivation=f"Drawn at random from {parent.idea.name}; nothing is expected of it.",
        mechanism=f"{title(d)}.\n{formulas(d)}",
        description=to_json(d),
    )
    candidate = Candidate.of(source, idea, parents=(parent.id,), author="random")
    return Proposal(candidate=candidate, operator=f"random:{'+'.join(variation.moves)}")
