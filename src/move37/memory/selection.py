"""Which candidates the next one is made from: one pure, seeded function a rule, found by name.

A rule reads Contenders and a random generator and gives a Choice; the same snapshot, seed and index
give the same Choice. Fitness guides search only, it is never evidence.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Protocol

import numpy as np

from move37.core.errors import ConfigError, UnknownName
from move37.memory.contenders import EVERYWHERE, N_ISLANDS, Contender, Pull

POOL = 50
"""Ranks that take part; ASI-Arch's candidate pool (arXiv 2507.18074)."""
TOP_SHARE = 0.2
"""Share of the pool that may be a parent: 10 of 50 (ibid.); kept as a share for small pools."""
COLD_START = 4  # assumed: measured candidates before ranks mean anything
PSEUDO_SEEDS = 1.0  # assumed: one seed's noise is as wide as the spread between candidates
SHARPNESS = 10.0  # slope of the sigmoid in ShinkaEvolve's weighted rule (arXiv 2509.19349)
MIGRATION_EVERY = 10  # ShinkaEvolve's default interval, in proposals of one island
DISCOUNT = 0.95  # assumed: an operator's result counts half after 14 later ones


@dataclass(frozen=True, kw_only=True, slots=True)
class Choice:
    """What a rule chose."""

    parents: tuple[str, ...]
    """The first is the one the new candidate is compared with; a second is for crossover."""
    references: tuple[str, ...]
    """Others to learn from; never a parent."""
    rule: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Draw:
    """How much to choose, and for whom."""

    index: int
    """Of the candidate that is to be made."""
    n_parents: int = 1
    n_references: int = 4


class Rule(Protocol):
    """Choose parents and references among at least one Contender."""

    def __call__(
        self, pool: Sequence[Contender], draw: Draw, rng: np.random.Generator
    ) -> tuple[list[Contender], list[Contender]]:
        """Return parents and references; fewer than asked for when the pool is small."""
        ...


def choose(
    rule: str,
    pool: Sequence[Contender],
    *,
    seed: int,
    index: int,
    n_parents: int = 1,
    n_references: int = 4,
) -> Choice:
    """Choose what candidate `index` is made from.

    Raises:
        UnknownName: no such rule.
        ConfigError: nobody to choose from: a campaign needs a root.
    """
    select = rule_by_name(rule)
    if not pool:
        raise ConfigError(
            "there is no candidate to start from; give the campaign at least one root"
        )
    rng = np.random.default_rng([seed, index])
    draw = Draw(index=index, n_parents=n_parents, n_references=n_references)
    ordered = sorted(pool, key=lambda c: (c.index, c.id))
    parents, references = select(ordered, draw, rng)
    return Choice(
        parents=tuple(c.id for c in parents), references=tuple(c.id for c in references), rule=rule
    )


def top_ten(
    pool: Sequence[Contender],
    draw: Draw,
    rng: np.random.Generator,
    *,
    cold_start: int = COLD_START,
    batch: int = 1,
) -> tuple[list[Contender], list[Contender]]:
    """Draw the parent from the best fifth of the 50 best, references from the rest of them.

    With a full pool that is ASI-Arch's rule: ranks 1 to 10, and 11 to 50. Until `cold_start`
    candidates have a fitness, parents are roots. The ranking sees whole batches only.
    """
    seen = [c for c in pool if c.index < draw.index - draw.index % batch]
    if _n_measured(seen) < cold_start:
        return _from_roots(pool, draw, rng)
    return _from_ranks(_ranked(seen, _fitness), draw, rng)


def posterior_mean(
    pool: Sequence[Contender], draw: Draw, rng: np.random.Generator
) -> tuple[list[Contender], list[Contender]]:
    """Rank by fitness shrunk towards the mean of all, the fewer seeds the more; then as `top_ten`.

    The best of many noisy results is mostly luck; shrinkage takes back what is expected to be.
    """
    measured = [c for c in pool if c.fitness is not None]
    if _n_measured(measured) < COLD_START:
        return _from_roots(pool, draw, rng)
    mean = float(np.mean([_fitness(c) for c in measured]))

    def shrunk(c: Contender) -> float:
        n_seeds = max(c.n_seeds, 1)
        return mean + n_seeds / (n_seeds + PSEUDO_SEEDS) * (_fitness(c) - mean)

    return _from_ranks(_ranked(measured, shrunk), draw, rng)


def weighted(
    pool: Sequence[Contender], draw: Draw, rng: np.random.Generator
) -> tuple[list[Contender], list[Contender]]:
    """Draw parents by a sigmoid of fitness, fewer children weighing more.

    Fitness is measured in median absolute deviations from the median, so that one outlier does not
    take everything. Source: R. T. Lange et al., ShinkaEvolve, arXiv 2509.19349.
    """
    measured = [c for c in pool if c.fitness is not None]
    if not measured:
        return _from_roots(pool, draw, rng)
    fitness = np.array([_fitness(c) for c in measured])
    distance = fitness - np.median(fitness)
    spread = float(np.median(np.abs(distance))) or float(np.std(distance)) or 1.0
    slope = np.clip(SHARPNESS * distance / spread, -50.0, 50.0)
    n_children = np.array([c.n_children for c in measured])
    weights = 1.0 / (1.0 + np.exp(-slope)) / (1.0 + n_children)
    parents = _sample(measured, draw.n_parents, rng, weights)
    return parents, _others(pool, parents, draw.n_references, rng)


def islands(
    pool: Sequence[Contender],
    draw: Draw,
    rng: np.random.Generator,
    *,
    n_islands: int = N_ISLANDS,
    migration_every: int = MIGRATION_EVERY,
) -> tuple[list[Contender], list[Contender]]:
    """Let several populations evolve apart; now and then one takes a parent from its neighbour.

    Candidate n belongs to island n mod `n_islands` and is made from it by `top_ten`; roots belong
    to all. Every `migration_every`-th candidate of an island is made from the next one in the ring.
    """
    island = _source_island(draw.index, n_islands, migration_every)
    own = [c for c in pool if c.island in {island, EVERYWHERE}]
    return top_ten(own or pool, draw, rng)


def pareto(
    pool: Sequence[Contender], draw: Draw, rng: np.random.Generator
) -> tuple[list[Contender], list[Contender]]:
    """Draw parents from those whom nobody beats on every task, references from the best others.

    A task without a number counts as the worst.
    """
    measured = [c for c in pool if c.task_effects]
    if not measured:
        return _from_roots(pool, draw, rng)
    front = pareto_front(measured)
    parents = _sample(front, draw.n_parents, rng)
    rest = [c for c in _ranked(pool, _fitness)[:POOL] if c not in parents]
    return parents, _sample(rest, draw.n_references, rng)


def random(
    pool: Sequence[Contender], draw: Draw, rng: np.random.Generator
) -> tuple[list[Contender], list[Contender]]:
    """Draw everyone with equal odds: the control arm."""
    parents = _sample(pool, draw.n_parents, rng)
    return parents, _others(pool, parents, draw.n_references, rng)


def roots(
    pool: Sequence[Contender], draw: Draw, rng: np.random.Generator
) -> tuple[list[Contender], list[Contender]]:
    """Draw roots only, whatever was found since: best-of-N without memory, a control arm."""
    parents, references = _from_roots(pool, draw, rng)
    return parents, [c for c in references if c.index < 0]


def greedy(
    pool: Sequence[Contender], draw: Draw, rng: np.random.Generator
) -> tuple[list[Contender], list[Contender]]:
    """Take the fittest so far and nobody else: a (1+1) hill climb, a control arm."""
    measured = [c for c in pool if c.fitness is not None]
    if not measured:
        return _from_roots(pool, draw, rng)
    return _ranked(measured, _fitness)[: draw.n_parents], []


RULES: dict[str, Rule] = {
    "top_ten": top_ten,
    "asi_arch": partial(top_ten, cold_start=200, batch=50),
    "posterior_mean": posterior_mean,
    "weighted": weighted,
    "islands": islands,
    "pareto": pareto,
    "random": random,
    "roots": roots,
    "greedy": greedy,
}
"""`asi_arch` is `top_ten` with the published constants: 200 candidates from the roots, then a pool
refreshed every 50."""


_READS = {"top_ten": POOL, "asi_arch": 200 + 2 * POOL, "islands": POOL, "greedy": POOL}
# asi_arch: below 200 measured it draws from all; up to 50 of the best may be of an unfinished batch


def reads_best(rule: str) -> int | None:
    """Return how many of the best candidates, beside the roots, a rule needs to choose; None: all.

    Given those, of its island where it has islands, it chooses as it would from everyone.
    """
    return _READS.get(rule)


def island_of(rule: str, index: int) -> int | None:
    """Return the island that candidate `index` is made from; None where a rule has none."""
    return _source_island(index, N_ISLANDS, MIGRATION_EVERY) if rule == "islands" else None


def rule_by_name(name: str) -> Rule:
    """Return the rule that `SearchConfig.selection` names.

    Raises:
        UnknownName: no rule has this name.
    """
    if name not in RULES:
        raise UnknownName.of("selection rule", name, RULES)
    return RULES[name]


def pareto_front(pool: Sequence[Contender]) -> list[Contender]:
    """Return those whom no other equals or beats on every task while beating on one."""
    tasks = sorted({task for c in pool for task in c.task_effects})
    scores = np.array([[c.task_effects.get(t, -np.inf) for t in tasks] for c in pool])
    front: list[int] = []
    # Whoever dominates comes earlier in lexicographic order, so one pass over a growing front does.
    for i in np.lexsort(-scores.T[::-1]):
        ahead = scores[front]
        if not np.any(np.all(ahead >= scores[i], axis=1) & np.any(ahead > scores[i], axis=1)):
            front.append(int(i))
    return [pool[i] for i in sorted(front)]


def discounted_bandit(
    pulls: Sequence[Pull],
    arms: Sequence[str],
    rng: np.random.Generator,
    *,
    discount: float = DISCOUNT,
) -> str:
    """Choose an arm by Thompson sampling, older results fading: what helps early may not later.

    Each arm's chance of a reward has a Beta(1, 1) prior; a pull that was followed by n others
    counts discount**n.

    Source: V. Raj and S. Kalyani, "Taming Non-stationary Bandits", arXiv 1707.09727.

    Raises:
        ConfigError: no arms.
    """
    if not arms:
        raise ConfigError("a bandit needs at least one arm to choose from")
    wins = dict.fromkeys(arms, 1.0)
    losses = dict.fromkeys(arms, 1.0)
    for age, pull in enumerate(reversed(pulls)):
        if pull.arm in wins:
            wins[pull.arm] += discount**age * pull.reward
            losses[pull.arm] += discount**age * (1.0 - pull.reward)
    drawn = {arm: float(rng.beta(wins[arm], losses[arm])) for arm in arms}
    return max(drawn, key=lambda arm: drawn[arm])


def _source_island(index: int, n_islands: int, migration_every: int) -> int:
    generation, home = divmod(index, n_islands)
    migrates = generation % migration_every == migration_every - 1
    return (home + migrates) % n_islands


def _fitness(c: Contender) -> float:
    return -np.inf if c.fitness is None else c.fitness


def _n_measured(pool: Sequence[Contender]) -> int:
    return sum(c.index >= 0 and c.fitness is not None for c in pool)


def _ranked(pool: Sequence[Contender], key: Callable[[Contender], float]) -> list[Contender]:
    return sorted(pool, key=lambda c: (-key(c), c.index, c.id))


def _from_roots(
    pool: Sequence[Contender], draw: Draw, rng: np.random.Generator
) -> tuple[list[Contender], list[Contender]]:
    roots = [c for c in pool if c.index < 0] or list(pool)
    parents = _sample(roots, draw.n_parents, rng)
    return parents, _others(pool, parents, draw.n_references, rng)


def _from_ranks(
    ranked: list[Contender], draw: Draw, rng: np.random.Generator
) -> tuple[list[Contender], list[Contender]]:
    best = ranked[:POOL]
    n_top = max(int(np.ceil(TOP_SHARE * len(best))), draw.n_parents)
    parents = _sample(best[:n_top], draw.n_parents, rng)
    rest = best[n_top:]
    if len(rest) < draw.n_references:
        rest = [c for c in best if c not in parents]
    return parents, _sample(rest, draw.n_references, rng)


def _others(
    pool: Sequence[Contender], taken: list[Contender], n: int, rng: np.random.Generator
) -> list[Contender]:
    return _sample([c for c in pool if c not in taken], n, rng)


def _sample(
    pool: Sequence[Contender],
    n: int,
    rng: np.random.Generator,
    weights: np.ndarray | None = None,
) -> list[Contender]:
    """Draw without replacement, at most all."""
    odds = None if weights is None else weights / weights.sum()
    drawn = rng.choice(len(pool), size=min(n, len(pool)), replace=False, p=odds) if pool else []
    return [pool[int(i)] for i in drawn]
