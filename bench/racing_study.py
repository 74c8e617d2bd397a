"""How much compute does racing save, and how often does it lose one of the true top three?

    move37 run bench/racing/mixed.toml       (an hour; family.toml and forest.toml likewise)
    python bench/racing_study.py record runs/racing-mixed runs/racing-family --out FILE
    python bench/racing_study.py show FILE

The campaigns train every candidate to the end (they drop nobody). `record` takes each
candidate's combined paired effect at every rung from the ledgers. `show` replays them in random
orders under several rules. Compute is counted in training steps, scoring included; truth is the
mean of the final effects of all seeds, while a rule sees the first seed only until the last rung.
What a rung tells is measured on the candidates that are not in the race, unless a preset's own
numbers are named. The last table holds the compute equal and asks who finds the better one.
"""

from __future__ import annotations

import argparse
import itertools
import json
import math
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from scipy.stats import spearmanr

from move37.campaign.rules import best_of, parents_bar, rung_model
from move37.campaign.settings import load_preset
from move37.core.config import Rung
from move37.core.trial import Trial
from move37.evidence.effects import compare
from move37.evidence.racing import beat_probability
from move37.testing.races import (
    PAIR_NOISE,
    SCORING,
    STEPS,
    Cost,
    Curve,
    Race,
    cost_of,
    everyone,
    measured_on,
    race_in_turn,
    read_recorded,
)
from recorded import Recorded, read_run

Bar = Callable[[Sequence[float]], float]
"""The effect to beat, from the final effects so far."""

REPEATS = 400
POPULATION = 44
"""Candidates a race is held among: two thirds of those recorded, and no more."""
TOP = 3
EARLIEST = 0.3
"""Share of the training before which ranks say nothing."""
CPU = load_preset("cpu")
LAST = CPU.rungs[-1]
NOW = {CPU.rungs[0].steps: CPU.rungs[0], LAST.steps: LAST}
BEFORE = {200: Rung(steps=200, correlation=0.9, spread=1.4, growth=2.0), 400: LAST}
"""What the cpu preset stated on 2026-11-26; the bar was that of the parents."""
LONG_BEFORE = {
    120: Rung(steps=120, correlation=0.85, spread=1.1, growth=2.2),
    400: Rung(steps=400, correlation=1.0, spread=2.8),
}
"""Until then."""
STATED: tuple[tuple[str, dict[int, Rung], Bar], ...] = (
    ("long before", LONG_BEFORE, parents_bar),
    ("before", BEFORE, parents_bar),
    ("now", NOW, best_of),
)
BARS: dict[str, Bar] = {"of the best": best_of, "of the parents": parents_bar}
LADDERS = ((200,), (140, 200), (100, 200), (100, 140, 200))
"""Looks that are compared where the numbers come from other searches."""
PLAIN = ((2 / 3, 1 / 3, 1 / 6), (1 / 2, 1 / 4, 1 / 8), (0.4, 1 / 4, 1 / 15))
"""Shares of all that a plain schedule keeps at the looks of the last of LADDERS."""
RAMPED = "racing-ramp"
"""How recordings begin that were trained by the preset below; its early steps cost less."""
RAMP_PRESET = "bench/racing/ramp.toml"
BUDGETS = (5, 10, 15)
"""Whole trainings (two seeds) that an equal budget is worth."""


def main() -> None:
    parser = argparse.ArgumentParser(description=str(__doc__).split("\n\n")[0])
    verbs = parser.add_subparsers(dest="verb", required=True)
    record = verbs.add_parser("record")
    record.add_argument("runs", type=Path, nargs="+")
    record.add_argument("--out", type=Path, required=True)
    show = verbs.add_parser("show")
    show.add_argument("file", type=Path)
    arguments = parser.parse_args()
    if arguments.verb == "record":
        found = {run.name: _recorded(run) for run in arguments.runs}
        arguments.out.write_text(json.dumps(found, indent=1) + "\n")
        return
    found = read_recorded(arguments.file)
    for name, curves in found.items():
        if not name.startswith(RAMPED):  # its rules count steps
            _show(name, curves)
    looked = {name: curves for name, curves in found.items() if {*LADDERS[-1]} <= curves[0].keys()}
    ramped = {name: curves for name, curves in looked.items() if name.startswith(RAMPED)}
    _show_pairs({name: c for name, c in looked.items() if name not in ramped}, STEPS)
    _show_pairs(ramped, cost_of(load_preset(RAMP_PRESET)))


def _show_pairs(looked: dict[str, list[Curve]], cost: Cost) -> None:
    # a family's mean effect is near 0, so no factor is told by it
    mixed = {name: curves for name, curves in looked.items() if not name.endswith("family")}
    for name, other in itertools.product(looked, mixed):
        if name != other:
            _show_whole(name, looked[name], other, mixed[other], cost)
    for name, curves in looked.items() if len(mixed) > 2 else ():
        others = [curve for other, theirs in mixed.items() if other != name for curve in theirs]
        _show_whole(name, curves, "all others", others, cost)


def _recorded(path: Path) -> list[dict[str, float]]:
    run = read_run(path)
    last = run.preset.training.total_steps
    theirs = _by_steps(run, run.baseline)
    rows = []
    for id_ in run.searched:
        ours = _by_steps(run, id_)
        if sum(steps == last for steps, _ in ours) < run.preset.rungs[-1].n_seeds:
            continue
        effects = {
            key: compare([trial], [theirs[key]], run.preset.tasks).combined.mean
            for key, trial in ours.items()
        }
        first = min(seed for steps, seed in effects if steps < last)
        row = {str(steps): effect for (steps, seed), effect in effects.items() if seed == first}
        row["0"] = float(np.mean([e for (steps, _), e in effects.items() if steps == last]))
        rows.append(row)
    return rows


def _by_steps(run: Recorded, candidate_id: str) -> dict[tuple[int, int], Trial]:
    """Steps and seed -> trial of the search that has numbers."""
    rungs = run.preset.rungs
    return {(rungs[t.spec.rung].steps, t.spec.seed): t for t in run.trained(candidate_id)}


Rule = Callable[[Sequence[Curve], dict[int, Rung]], Race]
"""Takes the population in its order, and what each rung tells, measured on other candidates."""


def schedule(*cuts: tuple[int, float]) -> Rule:
    """Keep a share of the whole population at each number of steps: (steps, share)."""

    def race(curves: Sequence[Curve], _: dict[int, Rung]) -> Race:
        last, left, steps, before = max(curves[0]), list(range(len(curves))), 0, 0
        for at, share in cuts:
            steps += (at - before + SCORING) * len(left)
            best_first = sorted(left, key=lambda i: curves[i][at], reverse=True)
            left, before = best_first[: max(1, math.ceil(share * len(curves)))], at
        steps += (2 * (last + SCORING) - before) * len(left)
        return Race(steps=steps, finals={i: curves[i][0] for i in left})

    return race


def by_probability(
    rungs: Sequence[int],
    *,
    drop_below: float,
    stated: dict[int, Rung] | None = None,
    bar_of: Bar = best_of,
    cost: Cost = STEPS,
) -> Rule:
    """Race as a campaign does; what the rungs tell is as stated, or measured on others."""

    def race(curves: Sequence[Curve], priors: dict[int, Rung]) -> Race:
        told = stated or priors
        rungs_told = [told[at] for at in (*rungs, max(curves[0]))]
        return race_in_turn(curves, rungs_told, drop_below=drop_below, bar_of=bar_of, cost=cost)

    return race


def waiting(at: int, *, share: float) -> Rule:
    """Let candidates wait after a rung until they are the most likely of all that wait.

    One goes on whenever fewer than `share` of those seen have: successive halving without a common
    start (L. Li et al., arXiv 1810.05934), by the forecast in place of the rank. No campaign does
    this: a step there ends with its candidate's verdict.
    """

    def race(curves: Sequence[Curve], priors: dict[int, Rung]) -> Race:
        last = max(curves[0])
        steps, waiting, seen, truths = 0, [], {}, {}
        for i, curve in enumerate(curves):
            steps += at + SCORING
            seen[str(i)] = curve[at]
            waiting.append(i)
            while len(truths) + 1 <= share * len(seen):
                model = rung_model(priors[at], priors[last], here=seen, final=truths)
                chances = [
                    beat_probability(
                        [curves[j][at]],
                        bar=best_of([*truths.values()]),
                        noise=PAIR_NOISE,
                        rung=model,
                    )
                    for j in waiting
                ]
                chosen = waiting.pop(int(np.argmax(chances)))
                truths[str(chosen)] = curves[chosen][0]
                steps += 2 * (last + SCORING) - at
        return Race(steps=steps, finals={int(i): effect for i, effect in truths.items()})

    return race


def rules_for(recorded: Sequence[int]) -> dict[str, Rule]:
    """Name the rules that are compared: those that look where effects were recorded."""
    last = max(recorded)
    looks = [at for at in recorded if at < last]
    late = [at for at in looks if at >= EARLIEST * last]
    rules: dict[str, Rule] = {"everyone to the end": lambda curves, _: everyone(curves)}
    for name, rungs, bar_of in STATED:
        first = min(rungs)
        if first in recorded and last in rungs:
            rules[f"the cpu preset {name}: < 0.1 at {first / last:.0%}"] = by_probability(
                [first], drop_below=0.1, stated=rungs, bar_of=bar_of
            )
    for at, n in itertools.product(late, (3, 4, 6, 8)):
        rules[f"keep 1/{n} at {at / last:.0%}"] = schedule((at, 1 / n))
        rules[f"wait at {at / last:.0%}, 1/{n} go on"] = waiting(at, share=1 / n)
    for at, drop_below, whose in itertools.product(looks, (0.05, 0.1, 0.2), BARS):
        rules[f"probability < {drop_below} at {at / last:.0%}, bar {whose}"] = by_probability(
            [at], drop_below=drop_below, bar_of=BARS[whose]
        )
    for rungs in itertools.combinations(looks, 2):
        name = ", ".join(f"{at / last:.0%}" for at in rungs)
        rules[f"probability < 0.1 at {name}, bar of the best"] = by_probability(
            rungs, drop_below=0.1
        )
    return rules


def _show(name: str, curves: list[Curve]) -> None:
    grid = sorted(at for at in curves[0] if at)
    truth = np.array([curve[0] for curve in curves])
    print(f"\n## {name}: {len(curves)} candidates, true effect {truth.mean():+.2f}, "
          f"spread {truth.std(ddof=1):.2f}\n")  # fmt: skip
    print("| steps | mean effect | spread | correlation with the final | rank correlation |")
    print("|---|---|---|---|---|")
    for at in grid:
        here = np.array([curve[at] for curve in curves])
        rho, (rank, _) = np.corrcoef(here, truth)[0, 1], spearmanr(here, truth)
        print(f"| {at} | {here.mean():+.2f} | {here.std(ddof=1):.2f} | {rho:.2f} | {rank:.2f} |")
    columns = ("rule", "compute", "saved", "best lost", "a top three lost", "all of them lost",
               "declared in the top three", "declared short of the best",
               "dropped that would have beaten the bar")  # fmt: skip
    print(f"\n| {' | '.join(columns)} |\n{'|---' * len(columns)}|")
    for label, rule in rules_for(grid).items():
        _print_row(label, rule, curves)
    print("\nThe same, candidates in the order in which the search made them:\n")
    print(f"| {' | '.join(columns)} |\n{'|---' * len(columns)}|")
    for label, rule in rules_for(grid).items():
        _print_row(label, rule, curves, in_order=True)
    _print_budgets(curves)


def _print_row(label: str, rule: Rule, curves: list[Curve], *, in_order: bool = False) -> None:
    """Print means over random populations, in random orders or that of the search."""
    rng = np.random.default_rng(0)
    size = min(POPULATION, 2 * len(curves) // 3)
    rows, n_wrong, n_dropped = [], 0, 0
    for _ in range(REPEATS):
        order = rng.permutation(len(curves))
        mine = sorted(order[:size]) if in_order else order[:size]
        chosen = [curves[i] for i in mine]
        race = rule(chosen, measured_on([curves[i] for i in order[size:]]))
        truth = np.array([curve[0] for curve in chosen])
        top = np.argsort(-truth)[:TOP].tolist()
        kept = [i in race.finals for i in top]
        declared = max(race.finals, key=race.finals.__getitem__, default=-1)
        short = truth.max() - (truth[declared] if race.finals else 0.0)
        n_wrong += sum(bool(truth[i] > bar) for i, bar in race.bars.items())
        n_dropped += len(race.bars)
        share = race.steps / everyone(chosen).steps
        rows.append((share, not kept[0], not all(kept), not any(kept), declared in top, short))
    share, best, one, every, found, short = np.mean(np.array(rows, dtype=float), axis=0)
    print(f"| {label} | {share:.2f} | {1 / share:.1f}x | {best:.1%} | {one:.1%} | {every:.1%} "
          f"| {found:.1%} | {short:.2f} | {_share(n_wrong, n_dropped)} |")  # fmt: skip


def _print_budgets(curves: list[Curve]) -> None:
    """Print whom an equal number of training steps finds, by bar, in random orders of all."""
    if min(NOW) not in curves[0]:
        return
    rules = {"nobody is dropped": (0.0, best_of)} | {
        f"probability < {drop_below}, bar {whose}": (drop_below, bar_of)
        for drop_below, (whose, bar_of) in itertools.product((0.05, 0.1, 0.2, 0.4), BARS.items())
    }
    print("\nBy the cpu preset, the best one found for an equal budget, and candidates seen:\n")
    _print_budget_header()
    for label, (drop_below, bar_of) in rules.items():
        _print_budget_row(label, curves, [*NOW.values()], drop_below, bar_of)


def _print_budget_header() -> None:
    columns = ("rule", *(f"worth {n} whole trainings: best, seen" for n in BUDGETS))
    print(f"| {' | '.join(columns)} |\n{'|---' * len(columns)}|")


def _print_budget_row(
    label: str,
    curves: list[Curve],
    rungs: list[Rung],
    drop_below: float,
    bar_of: Bar,
    beside: list[list[float]] | None = None,
    cost: Cost = STEPS,
) -> list[list[float]]:
    """Print and return, by budget, what each order finds; `beside`: of a rule to compare with."""
    all_found, cells, whole = [], [], everyone(curves[:1]).steps
    for n in BUDGETS:
        rng, found, seen = np.random.default_rng(0), [], []
        for _ in range(REPEATS):
            order = [curves[i] for i in rng.permutation(len(curves))]
            raced = race_in_turn(
                order, rungs, drop_below=drop_below, bar_of=bar_of, budget=n * whole, cost=cost
            )
            found.append(max(raced.finals.values(), default=0.0))
            seen.append(len(raced.finals) + len(raced.bars))
        cells.append(f"{_mean(found)}, {np.mean(seen):.0f}")
        if beside:
            gains = np.subtract(found, beside[len(all_found)])
            cells[-1] += f" ({_mean(gains)})"
        all_found.append(found)
    print(f"| {label} | {' | '.join(cells)} |")
    return all_found


def _mean(values: Sequence[float] | np.ndarray) -> str:
    return f"{np.mean(values):+.2f} ± {np.std(values) / math.sqrt(len(values)):.2f}"


def _show_whole(
    name: str, curves: list[Curve], other: str, measured: list[Curve], cost: Cost
) -> None:
    """Print races of everybody, where what the rungs tell was measured on another search."""
    told, last = measured_on(measured, by_factor=True), max(curves[0])
    print(f"\n## All {len(curves)} of {name}, rungs measured on {other}\n")
    columns = ("rule", "saved", "best lost", "all of the top three lost",
               "declared short of the best", "saved in the order of the search")  # fmt: skip
    print(f"| {' | '.join(columns)} |\n{'|---' * len(columns)}|")
    for looks, drop_below in itertools.product(LADDERS, (0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4)):
        rule = by_probability(looks, drop_below=drop_below, stated=told, cost=cost)
        _print_whole_row(f"{_percents(looks, last)}: < {drop_below}", rule, curves)
    for shares in PLAIN if cost is STEPS else ():
        cuts = [*zip(LADDERS[-1], shares, strict=True)]
        words = ", ".join(f"{share:.2g}" for share in shares)
        label = f"{_percents(LADDERS[-1], last)}: keep {words}"
        _print_whole_row(label, schedule(*cuts), curves)
    print("\nFor an equal budget (less what the first rule finds in the same orders):\n")
    _print_budget_header()
    first = None
    for looks, drop_below in itertools.product(LADDERS, (0.1, 0.15, 0.2)):
        rungs = [told[at] for at in (*looks, last)]
        label = f"{_percents(looks, last)}: < {drop_below}"
        found = _print_budget_row(label, curves, rungs, drop_below, best_of, first, cost)
        first = first or found


def _print_whole_row(label: str, rule: Rule, curves: list[Curve]) -> None:
    whole, rng, rows = everyone(curves).steps, np.random.default_rng(0), []
    for _ in range(REPEATS):
        order = [curves[i] for i in rng.permutation(len(curves))]
        raced = rule(order, {})
        truth = np.array([curve[0] for curve in order])
        kept = [i in raced.finals for i in np.argsort(-truth)[:TOP].tolist()]
        short = truth.max() - max(raced.finals.values(), default=0.0)
        rows.append((raced.steps / whole, not kept[0], not any(kept), short))
    share, best, every, short = np.mean(np.array(rows, dtype=float), axis=0)
    print(f"| {label} | {1 / share:.1f}x | {best:.1%} | {every:.1%} | {short:.2f} "
          f"| {whole / rule(curves, {}).steps:.1f}x |")  # fmt: skip


def _percents(looks: Sequence[int], last: int) -> str:
    return ", ".join(f"{at / last:.0%}" for at in looks)


def _share(part: int, whole: int) -> str:
    return f"{part / whole:.1%} of {whole}" if whole else ""


if __name__ == "__main__":
    main()
