"""Selection rules and operator odds on made-up landscapes: how good is what a search would declare?

    python bench/selection.py [--landscapes 30] [--candidates 160] [--workers 1]

The researcher, its vocabulary, a lag of 4 and the noise are a campaign's own; only the training is
replaced: a layer's true effect is a random function of its design elements (weights, and a weight
for every pair of them), and a share of it is the layer's own; the spread is that of real searches.
So this says how rules deal with noise and with the shape of the vocabulary, and nothing about any
real layer. All rules see the same landscapes and the same noise for the same layer; differences are
paired. Minutes.
"""

from __future__ import annotations

import argparse
import random
import zlib
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field, replace
from itertools import combinations

import numpy as np

from move37.core.candidate import Candidate, Idea
from move37.core.config import CampaignConfig
from move37.evidence.intervals import t_interval
from move37.memory.contenders import EVERYWHERE, N_ISLANDS, Contender, Pull
from move37.memory.selection import RULES, choose, discounted_bandit
from move37.team.protocols import Brief, KnownCandidate, Mode, NoProposal
from move37.team.symbolic.crossover import random_description
from move37.team.symbolic.description import Description, from_json, to_json
from move37.team.symbolic.elements import elements
from move37.team.symbolic.library import library_description
from move37.team.symbolic.render import render
from move37.team.symbolic.researcher import SymbolicResearcher

N_TASKS = 5
SPREAD = 2.2  # of final effects in recorded searches, noise units (docs/log.md, 2026-11-26)
NOISE = 0.63  # of one pair, over all tasks (ibid.)
PAIR_SHARE = 0.5  # assumed: a pair's weight is half as wide as an element's
ROUGH_SHARE = 0.2
"""Of a true effect's variance, what elements do not tell: in a recorded search they predicted a
left-out layer's effect with correlation .87 (ibid.), and 4 % of the rest was noise."""
OWN_SHARE = 0.7  # assumed: of a task's weights, what it does not share with the others
SECOND_SEED_SHARE = 0.2  # candidates that a campaign trains with a second seed: the best fifth
MODES = tuple(mode.value for mode in Mode if mode is not Mode.ANY)
DEFAULT = "top_ten"
BANDIT = "top_ten, bandit over operators"
CONFIG = CampaignConfig()


@dataclass
class Landscape:
    """True effects per task of any description, fixed by a seed."""

    seed: int
    rough: float = ROUGH_SHARE
    scale: float = 1.0
    centre: float = 0.0
    _weights: dict[tuple[str, ...], np.ndarray] = field(default_factory=dict)

    def __post_init__(self) -> None:
        rng = random.Random(self.seed)  # noqa: S311 - a seeded landscape, no secret
        sample = [self._told(random_description(rng)).mean() for _ in range(200)]
        self.scale = SPREAD * np.sqrt(1 - self.rough) / float(np.std(sample))
        self.centre = float(self._told(library_description("linear_attention")).mean())

    def tasks(self, description: Description) -> np.ndarray:
        """Return effects over linear attention, one per task."""
        rng = np.random.default_rng([self.seed, zlib.crc32(to_json(description).encode())])
        own = rng.normal(scale=SPREAD * np.sqrt(self.rough))
        return (self._told(description) - self.centre) * self.scale + own

    def _told(self, description: Description) -> np.ndarray:
        """Return what the elements tell of the effects, before scaling."""
        names = sorted(set(elements(description)))
        keys = [(name,) for name in names] + list(combinations(names, 2))
        return sum((self._weight(key) for key in keys), np.zeros(N_TASKS))

    def _weight(self, key: tuple[str, ...]) -> np.ndarray:
        if key not in self._weights:
            rng = np.random.default_rng([self.seed, zlib.crc32("+".join(key).encode())])
            width = 1.0 if len(key) == 1 else PAIR_SHARE
            common, own = rng.normal(), rng.normal(size=N_TASKS)
            self._weights[key] = width * (np.sqrt(1 - OWN_SHARE**2) * common + OWN_SHARE * own)
        return self._weights[key]


@dataclass
class Search:
    """One campaign without training: `rule` chooses parents on a landscape."""

    arm: str
    landscape: Landscape
    known: dict[str, KnownCandidate] = field(default_factory=dict)
    pool: list[Contender] = field(default_factory=list)
    true: dict[str, float] = field(default_factory=dict)
    pulls: list[tuple[int, Pull]] = field(default_factory=list)

    def run(self, n_candidates: int, marks: Sequence[int]) -> list[float]:
        """Return the true effect of the declared best after each number of candidates."""
        for name in CONFIG.roots:
            self._measure(library_description(name), -1, name, ())
        found = []
        for index in range(n_candidates):
            self._step(index)
            if index + 1 in marks:
                best = max(self.pool, key=lambda c: (_shrunk(c), -c.index))
                found.append(self.true[best.id])
        return found

    def _step(self, index: int) -> None:
        seen = [c for c in self.pool if c.index < max(0, index - CONFIG.search.lag)]
        mode = self._mode(index)
        choice = choose(
            DEFAULT if self.arm == BANDIT else self.arm,
            seen,
            seed=self.landscape.seed,
            index=index,
            n_parents=2 if mode == Mode.RECOMBINE else 1,
        )
        brief = Brief(
            parents=tuple(self.known[id_] for id_ in choice.parents),
            references=tuple(self.known[id_] for id_ in choice.references),
            seed=1000 * self.landscape.seed + index,
            known_ids=frozenset(self.known),
            mode=Mode(mode or "any"),
        )
        try:
            candidate = SymbolicResearcher().propose(brief).candidate
        except NoProposal:
            self.pulls.append((index, Pull(arm=mode, reward=0.0)))
            return
        got = self._measure(from_json(candidate.idea.description), index, candidate.idea.name,
                            choice.parents)  # fmt: skip
        parent = next(c for c in self.pool if c.id == choice.parents[0])
        won = float(_shrunk(got) > _shrunk(parent))
        self.pulls.append((index, Pull(arm=mode, reward=won)))

    def _mode(self, index: int) -> str:
        if self.arm != BANDIT:
            return ""
        past = [pull for n, pull in self.pulls if n < index - CONFIG.search.lag]
        return discounted_bandit(
            past, MODES, np.random.default_rng([self.landscape.seed, index, 1])
        )

    def _measure(
        self, description: Description, index: int, name: str, parents: tuple[str, ...]
    ) -> Contender:
        idea = Idea(name=name, motivation="", mechanism="", description=to_json(description))
        candidate = Candidate.of(render(description), idea, parents=parents)
        truth = self.landscape.tasks(description)
        rng = np.random.default_rng([self.landscape.seed, int(candidate.id[:12], 16)])
        noise = rng.normal(scale=NOISE * np.sqrt(N_TASKS), size=(2, N_TASKS))
        once = truth + noise[0]
        rivals = sorted((c.fitness or 0.0 for c in self.pool if c.index >= 0), reverse=True)
        bar = rivals[int(SECOND_SEED_SHARE * len(rivals))] if rivals else -np.inf
        twice = once.mean() >= bar
        seen = truth + noise.mean(axis=0) if twice else once
        contender = Contender(
            id=candidate.id, index=index, fitness=float(seen.mean()), n_seeds=1 + twice,
            task_effects={f"t{k}": float(x) for k, x in enumerate(seen)},
            n_children=0, island=EVERYWHERE if index < 0 else index % N_ISLANDS,
        )  # fmt: skip
        self.known[candidate.id] = KnownCandidate(candidate=candidate)
        self.true[candidate.id] = float(truth.mean())
        self.pool.append(contender)
        self._count_child(parents)
        return contender

    def _count_child(self, parents: tuple[str, ...]) -> None:
        self.pool = [
            replace(c, n_children=c.n_children + 1) if c.id in parents else c for c in self.pool
        ]


def _shrunk(c: Contender) -> float:
    """Fitness as the posterior mean of a true effect whose spread and noise are known."""
    n = max(c.n_seeds, 1)
    return (c.fitness or 0.0) * SPREAD**2 / (SPREAD**2 + NOISE**2 / n)


def _one(task: tuple[str, int, float, int, tuple[int, ...]]) -> list[float]:
    arm, seed, rough, n_candidates, marks = task
    return Search(arm, Landscape(seed, rough)).run(n_candidates, marks)


def main() -> None:
    parser = argparse.ArgumentParser(description=str(__doc__).split("\n\n")[0])
    parser.add_argument("--landscapes", type=int, default=30)
    parser.add_argument("--candidates", type=int, default=160)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--rough", type=float, default=ROUGH_SHARE, help="share of the layer's own")
    parser.add_argument("--rules", default="", help="by comma; default: all, and the bandit")
    chosen = parser.parse_args()
    marks = tuple(n for n in (10, 20, 40, 80, 160, 320) if n <= chosen.candidates)
    arms = [DEFAULT, *filter(None, chosen.rules.split(","))] if chosen.rules else [*RULES, BANDIT]
    jobs = [(arm, seed, chosen.rough, chosen.candidates, marks)
            for seed in range(chosen.landscapes) for arm in arms]  # fmt: skip
    with ProcessPoolExecutor(chosen.workers) as pool:
        answers = list(pool.map(_one, jobs))
    found = {arm: np.array([a for job, a in zip(jobs, answers, strict=True) if job[0] == arm])
             for arm in arms}  # fmt: skip
    print(f"{chosen.landscapes} landscapes, rough share {chosen.rough}")
    print("true effect of the declared best, noise units\n")
    print("| rule | " + " | ".join(f"after {n}" for n in marks) + " | less the default's, "
          f"after {marks[-1]} [95 %] |")  # fmt: skip
    print("|---" * (len(marks) + 2) + "|")
    for arm, values in found.items():
        less = t_interval((values - found[DEFAULT])[:, -1], confidence=0.95, floor=NOISE)
        words = "" if arm == DEFAULT else f"{less.mean:+.2f} [{less.low:+.2f}, {less.high:+.2f}]"
        cells = " | ".join(f"{x:+.2f}" for x in values.mean(axis=0))
        print(f"| `{arm}` | {cells} | {words} |")


if __name__ == "__main__":
    main()
