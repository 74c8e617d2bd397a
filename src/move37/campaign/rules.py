"""The rules of a campaign as events: whose child is next, what is new, who goes on, what it is.

Each takes numbers out of the state, asks one pure function of a department, and wraps the answer.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from move37.campaign import bandits, results
from move37.campaign.workshop import Workshop
from move37.core.candidate import Candidate
from move37.core.claims import BEST_SO_FAR, Fitness
from move37.core.config import Rung
from move37.core.events import (
    JudgementGiven,
    NoveltyJudged,
    ParentsChosen,
    RungDecided,
    VerdictReached,
)
from move37.core.trial import ProbeReport
from move37.evidence.effects import Comparison
from move37.evidence.fitness import FitnessRules, TaskResult, composite_by_name
from move37.evidence.racing import RacingRules, RungModel, decide
from move37.evidence.verdicts import after_race
from move37.memory.contenders import N_ISLANDS, Contender, contenders
from move37.memory.journal import Journal
from move37.memory.novelty import Nearest, nearest, nearest_behaviour
from move37.memory.queries import best_contenders
from move37.memory.selection import TOP_SHARE, choose, island_of, reads_best
from move37.memory.state import State
from move37.team.protocols import Mode

N_REFERENCES = 4
MIN_RIVALS = 3  # assumed: with fewer finished candidates the bar is the baseline itself


def choose_parents(workshop: Workshop, state: State, index: int) -> ParentsChosen:
    """Choose what the next candidate is made from, how, and by which model, as configured."""
    mode = bandits.choose_mode(workshop.config, state, index)
    choice = choose(
        workshop.config.search.selection,
        possible_parents(workshop, state, index),
        seed=workshop.config.seed,
        index=index,
        n_parents=2 if mode == Mode.RECOMBINE else 1,
        n_references=N_REFERENCES,
    )
    return ParentsChosen(
        index=index,
        parents=choice.parents,
        references=choice.references,
        rule=choice.rule,
        mode=mode,
        model=bandits.choose_model(workshop.config, state, index),
    )


def possible_parents(workshop: Workshop, state: State, index: int) -> Sequence[Contender]:
    """Return those whom the selection rule must see: the best few, or everyone.

    The best few come from the ledger's projections, so that a choice does not grow dearer with the
    campaign; the rule chooses the same from either.
    """
    rule = workshop.config.search.selection
    limit = reads_best(rule)
    if limit is None or workshop.arm(index):  # of two arms, each sees its own
        return contenders(state)
    island, lag = island_of(rule, index), workshop.config.search.lag
    found = best_contenders(
        workshop.ledger,
        before_index=index - lag,
        limit=limit,
        in_full=False,
        wanted=None if island is None else lambda i: i % N_ISLANDS == island,
    )
    return found if any(c.index < 0 for c in found) else contenders(state)


def judge_novelty(state: State, index: int, candidate: Candidate) -> NoveltyJudged:
    """Judge by the normalised source whether the candidate is anything new."""
    return _judged(nearest(candidate, state), index, candidate, by="source")


def judge_behaviour(
    workshop: Workshop, state: State, index: int, candidate: Candidate, report: ProbeReport
) -> NoveltyJudged:
    """Judge by what the probes saw it compute whether the candidate is anything new."""
    found = nearest_behaviour(candidate, report, state, workshop.behaviours)
    return _judged(found, index, candidate, by="behaviour")


def _judged(found: Nearest, index: int, candidate: Candidate, *, by: str) -> NoveltyJudged:
    return NoveltyJudged(
        index=index,
        candidate_id=candidate.id,
        is_novel=found.is_novel,
        nearest=found.id,
        reason=found.reason,
        distance=found.distance,
        by=by,
    )


def race(
    workshop: Workshop, state: State, index: int, candidate: Candidate, rung: int
) -> RungDecided:
    """Decide after a rung whether the candidate goes on, from paired differences only."""
    rungs = workshop.preset.rungs
    level, last_level = workshop.level(rung), workshop.level(len(rungs) - 1)
    here, final = _effects(workshop, state, level), _effects(workshop, state, last_level)
    is_last = rung == len(rungs) - 1
    is_best = not is_last and workshop.config.evidence.bar == "best"
    bar = (best_of if is_best else parents_bar)([*final.values()])
    decision = decide(
        list(_measured(workshop, candidate, level).differences.values()),
        bar=bar,
        whose=BEST_SO_FAR if bar and is_best else "",
        noise=pair_noise(workshop),
        rung=rung_model(
            rungs[level], rungs[last_level], here=here, final=final if level != last_level else {}
        ),
        is_last=is_last,
        rules=RacingRules(drop_below=workshop.config.evidence.drop_below),
    )
    return RungDecided(index=index, candidate_id=candidate.id, rung=rung, decision=decision)


def rung_model(
    rung: Rung, last: Rung, *, here: Mapping[str, float], final: Mapping[str, float]
) -> RungModel:
    """Return what a rung tells about the last one: the preset's word, corrected by the campaign.

    Args:
        rung: this rung's numbers in the preset.
        last: the last rung's.
        here: effect at this rung of every candidate that reached it, dropped ones included.
        final: effect after the last rung of those that reached it; empty at the last rung.
    """
    mean = math.fsum(here.values()) / len(here) if here else 0.0
    return RungModel(
        correlation=rung.correlation,
        mean=mean,
        spread=rung.spread,
        final_mean=rung.gain * mean + rung.growth,
        final_spread=last.spread,
        pairs=tuple((here[id_], final[id_]) for id_ in here if id_ in final),
    )


def search_verdict(workshop: Workshop, journal: Journal, candidate: Candidate) -> VerdictReached:
    """Reach the verdict of the search stage: EXPLORED or PROMOTED, with effect and fitness."""
    state = workshop.ledger.state()
    decided = [d for d in workshop.ledger.at_index(RungDecided, journal.index)
               if d.candidate_id == candidate.id]  # fmt: skip
    verdict = after_race(
        decided[-1].decision,
        results.best_comparison(workshop, state, candidate.id),
        baseline=workshop.baseline.id,
    )
    final = results.final_comparison(workshop, state, candidate.id)
    judged = journal.recorded(JudgementGiven, candidate_id=candidate.id)
    fitness = None
    if final is not None:  # whoever was dropped on the way is no parent: its numbers are of a
        # shorter training, and no fair comparison with the others
        fitness = fitness_of(workshop, state, final, judged.quality if judged else None)
    return VerdictReached(
        index=journal.index, candidate_id=candidate.id, verdict=verdict, fitness=fitness
    )


def fitness_of(
    workshop: Workshop, state: State, comparison: Comparison, quality: float | None
) -> Fitness:
    """Return what the search climbs, from effects after the whole schedule."""
    tasks = [
        TaskResult(
            metric=task.metric,
            effect=comparison.tasks[task.name],
            noise=task.noise,
            baseline=_baseline_metric(workshop, state, task.name, task.metric),
        )
        for task in workshop.preset.tasks
    ]
    compose = composite_by_name(workshop.config.evidence.fitness)
    rules = FitnessRules(
        pair_deviation=pair_noise(workshop),
        prior_spread=workshop.preset.rungs[-1].spread,
        effect_weight=workshop.config.evidence.effect_weight,
        task_weight=workshop.config.evidence.task_weight,
        judge_weight=workshop.config.evidence.judge_weight,
    )
    return compose(comparison.combined, tasks, quality, rules)


def pair_noise(workshop: Workshop) -> float:
    """Return the deviation of one combined paired difference, in units of noise.

    Each side has deviation 1 in each task; pairing is taken to buy nothing, tasks to be
    independent.
    """
    return math.sqrt(2.0 / len(workshop.preset.tasks))


def _baseline_metric(workshop: Workshop, state: State, task: str, metric: str) -> float:
    level = workshop.level(len(workshop.preset.rungs) - 1)
    values = [
        getattr(t.measurement.scores[task], metric)
        for t in results.searched_at(state, workshop.baseline.id, level)
        if t.measurement
    ]
    return max(math.fsum(values) / len(values), 1e-6)


def _measured(workshop: Workshop, candidate: Candidate, level: int) -> Comparison:
    found = results.comparison_at(workshop, workshop.ledger.state(), candidate.id, level=level)
    if found is None:
        raise AssertionError(f"{candidate.id} has completed a rung but has no pair")
    return found


def _effects(workshop: Workshop, state: State, level: int) -> dict[str, float]:
    """Return the combined effects at one level of all earlier candidates that reached it."""

    def effect(id_: str) -> float | None:
        found = results.comparison_at(workshop, state, id_, level=level)
        return found.combined.mean if found else None

    return workshop.reached.at(level, state.candidates, effect)


def best_of(finals: Sequence[float]) -> float:
    """Return the bar on the way: the best effect after the last rung, at least the baseline's, 0.

    Whoever will hardly beat the best so far is not worth the rest of its training: on recorded
    candidates an equal budget ends with a better one than with the bar of the parents
    (docs/decisions/015).
    """
    return max([0.0, *finals])


def parents_bar(finals: Sequence[float]) -> float:
    """Return the bar after the last rung: the effect of the last one among the leading parents."""
    if len(finals) < MIN_RIVALS:
        return 0.0
    place = max(MIN_RIVALS, math.ceil(TOP_SHARE * len(finals)))
    return max(0.0, sorted(finals, reverse=True)[place - 1])
