"""How often would the learning-curve cut have stopped a run that turned out well?

    python bench/curve_study.py runs/racing-mixed runs/first ...

Takes every search training of finished runs, seed by seed, beside the baseline's with the same
seed, and asks the rule after every point. A stop is false where the run went on to beat
the baseline at its last rung. Steps saved count from the stop to the end of the last rung trained.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

from scipy.stats import beta

from move37.core.trial import Trial
from move37.evidence.curves import CurveRules, decide_curve
from move37.evidence.effects import compare
from recorded import read_run

LIMITS = (0.1, 0.15, 0.2, 0.3, 0.5)
Curve = list[tuple[int, float]]


@dataclass(frozen=True, kw_only=True, slots=True)
class Run:
    """One training with one seed, to the last rung that it reached."""

    effect: float
    """Combined paired effect there, in noise units."""
    curve: Curve
    baseline: Curve
    total_steps: int


def main() -> None:
    parser = argparse.ArgumentParser(description=str(__doc__).split("\n\n")[0])
    parser.add_argument("runs", type=Path, nargs="+")
    found = [run for path in parser.parse_args().runs for run in _runs(path)]
    good = [run for run in found if run.effect > 0]
    print(f"{len(found)} trainings, {len(good)} of them ended above the baseline\n")
    columns = ("nats above", "stopped", "of those below the baseline", "false",
               "false-stop rate, 95 % bound", "steps saved")  # fmt: skip
    print(f"| {' | '.join(columns)} |\n{'|---' * len(columns)}|")
    for limit in LIMITS:
        stops = {i: step for i, run in enumerate(found) if (step := _stop(run, limit))}
        false = sum(found[i].effect > 0 for i in stops)
        bound = beta.ppf(0.95, false + 1, len(good) - false)  # Clopper and Pearson, 1934
        saved = sum(found[i].curve[-1][0] - step for i, step in stops.items())
        steps = sum(run.curve[-1][0] for run in found)
        print(f"| {limit} | {len(stops)} | {len(stops) - false} of {len(found) - len(good)} "
              f"| {false} of {len(good)} | {bound:.2%} | {saved / steps:.1%} |")  # fmt: skip


def _stop(run: Run, limit: float) -> int | None:
    rules = CurveRules(hopeless_above=limit)
    for n in range(1, len(run.curve) + 1):
        decision = decide_curve(
            run.curve[:n], run.baseline, total_steps=run.total_steps, rules=rules
        )
        if decision.stop:
            return run.curve[n - 1][0]
    return None


def _runs(path: Path) -> list[Run]:
    run = read_run(path)
    theirs = _by_seed(run.trained(run.baseline))
    found = []
    for id_ in run.searched:
        for seed, ours in _by_seed(run.trained(id_)).items():
            rung = max(ours)
            if rung not in theirs.get(seed, {}):
                continue
            twin = theirs[seed][rung]
            found.append(
                Run(
                    effect=compare([ours[rung]], [twin], run.preset.tasks).combined.mean,
                    curve=_curve(ours),
                    baseline=_curve(theirs[seed]),
                    total_steps=run.preset.training.total_steps,
                )
            )
    return found


def _by_seed(trials: list[Trial]) -> dict[int, dict[int, Trial]]:
    found: dict[int, dict[int, Trial]] = defaultdict(dict)
    for trial in trials:
        found[trial.spec.seed][trial.spec.rung] = trial
    return found


def _curve(trials: dict[int, Trial]) -> Curve:
    points = {
        step: loss for t in trials.values() if t.measurement for step, loss in t.measurement.curve
    }
    return sorted(points.items())


if __name__ == "__main__":
    main()
