"""The nearest of many candidates: by motivation, by source, by behaviour. A part of `memory.py`.

    python bench/nearest.py [--sizes 1000 100000 1000000] [--repeats 30]

Sizes are trials, four a candidate. Motivations are three sentences of our cards each; of the five
nearest it counts how many a comparison with everyone finds too. Sources are mutants of reference
layers' normal forms; behaviours are drawn. All as a campaign asks, of pasts that grew.
"""

from __future__ import annotations

import argparse
import itertools
import re
from collections.abc import Callable

import numpy as np

from clocks import HEAD, once, say, timed
from move37.campaign.archive import Archive
from move37.cognition.cards import shipped_cards
from move37.cognition.dense import MOST_NEAR
from move37.core.candidate import Candidate, Idea
from move37.core.events import ProbesRan
from move37.core.trial import Outcome, ProbeReport
from move37.memory.behaviours import Behaviours
from move37.memory.likeness import Likeness
from move37.memory.novelty import nearest_behaviour
from move37.memory.state import Entry, State
from move37.memory.syntax.canonical import SKETCH, NormalForm, normal_form
from move37.team.symbolic.library import library_description, library_names
from move37.team.symbolic.render import render

TRIALS_EACH = 4
N_NEAREST = 5
FINGERPRINT = 24
SENTENCE = re.compile(r"(?<=[.!?;])\s+")


def main() -> None:
    parser = argparse.ArgumentParser(description=str(__doc__).split("\n\n")[0])
    parser.add_argument("--sizes", type=int, nargs="+", default=[1_000, 10_000, 100_000, 1_000_000])
    parser.add_argument("--repeats", type=int, default=30)
    arguments = parser.parse_args()
    print(HEAD)
    for size in arguments.sizes:
        measure(size, arguments.repeats)


def measure(n_trials: int, repeats: int) -> None:
    rng = np.random.default_rng(1)
    n = n_trials // TRIALS_EACH
    draw = drawing(rng)
    made = [draw(k) for k in range(n)]
    state = State(entries={(k, e.id): e for k, e in enumerate(made)})
    asked = [draw(n + k).candidate for k in range(repeats + 1)]
    motivations(n_trials, state.candidates, asked, repeats)
    forms(n_trials, state.candidates, rng, repeats)
    behaviours(n_trials, state, asked, rng, repeats)


def drawing(rng: np.random.Generator) -> Callable[[int], Entry]:
    texts = [f"{card.claim} {card.mechanism} {card.how}" for card in shipped_cards()]
    sentences = [s for text in texts for s in SENTENCE.split(text) if len(s) > 30]

    def draw(k: int) -> Entry:
        words = " ".join(sentences[i] for i in rng.integers(len(sentences), size=3))
        candidate = Candidate.of(f"# {k}", Idea(name=f"{k}", motivation=words, mechanism=""))
        row = tuple(rng.standard_normal(FINGERPRINT).tolist())
        report = ProbeReport(outcome=Outcome.COMPLETED, fingerprint=row)
        probed = ProbesRan(index=k, candidate_id=candidate.id, report=report)
        return Entry(index=k, candidate=candidate, events=(probed,))

    return draw


def motivations(
    n_trials: int, known: dict[str, Entry], asked: list[Candidate], repeats: int
) -> None:
    archive, turn = Archive(), itertools.cycle(asked)

    def fill() -> None:
        for n in range(5_000, len(known), 5_000):
            archive.motivations(dict(itertools.islice(known.items(), n)), asked[0], limit=1)
        archive.motivations(known, asked[0], limit=1)

    say(n_trials, "nearest motivations, once at a start", [once(fill)])

    def ask(candidate: Candidate, limit: int = N_NEAREST) -> list[str]:
        return [id_ for id_, _ in archive.motivations(known, candidate, limit=limit)][:N_NEAREST]

    say(n_trials, "nearest motivations", timed(lambda: ask(next(turn)), repeats))
    found = [set(ask(candidate)) & set(ask(candidate, MOST_NEAR)) for candidate in asked]
    recall = sum(map(len, found)) / (N_NEAREST * len(asked))
    print(f"| {n_trials} | recall of the {N_NEAREST} nearest | {recall:.3f} | |", flush=True)


def forms(n_trials: int, known: dict[str, Entry], rng: np.random.Generator, repeats: int) -> None:
    bases = [set(normal_form(render(library_description(x))).sketch) for x in library_names()]
    likeness, names = Likeness(), list(known)

    def mutant() -> NormalForm:
        one, other = (bases[i] for i in rng.integers(len(bases), size=2))
        kept = rng.permutation(sorted(one))[: int(len(one) * rng.uniform(0.7, 1.0))].tolist()
        taken = sorted(other)[: int(rng.integers(40))]
        grams = {*kept, *taken, *rng.integers(0, 2**32, 3).tolist()}
        return NormalForm(digest=f"{rng.integers(2**60)}", sketch=tuple(sorted(grams)[:SKETCH]))

    for name in names:
        likeness.add(name, mutant())
    held, turn = dict.fromkeys(names), itertools.cycle([mutant() for _ in range(repeats + 1)])

    def ask() -> object:
        assert not known.keys() - held.keys()  # a campaign looks for whom it has not read yet
        return likeness.nearest(next(turn), known)

    say(n_trials, "nearest source", timed(ask, repeats))


def behaviours(
    n_trials: int, state: State, asked: list[Candidate], rng: np.random.Generator, repeats: int
) -> None:
    kept, turn = Behaviours(), itertools.cycle(asked)

    def ask() -> object:
        row = tuple(rng.standard_normal(FINGERPRINT).tolist())
        report = ProbeReport(outcome=Outcome.COMPLETED, fingerprint=row)
        return nearest_behaviour(next(turn), report, state, kept)

    say(n_trials, "nearest behaviour", timed(ask, repeats))


if __name__ == "__main__":
    main()
