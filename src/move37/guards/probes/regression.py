"""Regression with one genuine and one spurious feature: shown as statistics, or as examples.

Zero-shot: the population is described by means, deviations and the one correlation that is not
zero. Few-shot: rows of it. The answer is the conditional mean given the genuine feature; the lure
is what the spurious feature would predict in its place.
"""

from __future__ import annotations

import random
from dataclasses import dataclass

from move37.guards.probes.probe import Form, Probe, ask, rng_of

LOW, HIGH = 0.5, 9.5
"""Between these the answers are spread evenly."""
TOLERANCE = 0.75
N_EXAMPLES = 12
N_FEATURES = (2, 3, 4, 5, 6)
"""By dial: one is genuine, one spurious, the others mean nothing."""
NOISE = 0.15  # of the target among examples, in points


@dataclass(frozen=True, kw_only=True, slots=True)
class Feature:
    """A column."""

    name: str
    mean: float
    deviation: float


SETTINGS: dict[str, tuple[str, str, tuple[Feature, ...]]] = {
    "students": (
        "a student",
        "grade",
        (
            Feature(name="hours of study a day", mean=4.0, deviation=1.2),
            Feature(name="hours of sleep", mean=7.0, deviation=0.9),
            Feature(name="stress (1 to 20)", mean=9.0, deviation=2.4),
            Feature(name="hours of sport a week", mean=6.0, deviation=1.7),
            Feature(name="pages read a day", mean=24.0, deviation=6.0),
            Feature(name="minutes to school", mean=30.0, deviation=8.0),
        ),
    ),
    "training runs": (
        "a training run",
        "score",
        (
            Feature(name="million parameters", mean=60.0, deviation=14.0),
            Feature(name="billion tokens", mean=12.0, deviation=3.1),
            Feature(name="layers", mean=18.0, deviation=4.2),
            Feature(name="warm-up percent", mean=6.0, deviation=1.5),
            Feature(name="attention heads", mean=11.0, deviation=2.6),
            Feature(name="tokens per batch, in thousands", mean=90.0, deviation=22.0),
        ),
    ),
}


def zero_shot(*, seed: int, number: int, dial: int) -> Probe:
    """Return a prediction from statistics of the population."""
    return _regression("regression-zero-shot", seed=seed, number=number, dial=dial)


def few_shot(*, seed: int, number: int, dial: int) -> Probe:
    """Return a prediction from examples."""
    return _regression("regression-few-shot", seed=seed, number=number, dial=dial)


def _regression(kind: str, *, seed: int, number: int, dial: int) -> Probe:
    rng = rng_of(kind, seed=seed, number=number, dial=dial)
    setting = rng.choice(sorted(SETTINGS))
    who, target, columns = SETTINGS[setting]
    chosen = rng.sample(columns, N_FEATURES[dial])
    genuine, spurious, *_ = chosen
    shown = rng.sample(chosen, len(chosen))
    slope = rng.choice((-1.0, 1.0)) * 4.5 / (2.2 * genuine.deviation)
    wanted, lured = _apart(rng)
    z = {f.name: rng.uniform(-1.5, 1.5) for f in chosen}
    z[genuine.name] = (wanted - 5.0) / (slope * genuine.deviation)
    z[spurious.name] = (lured - 5.0) / (slope * genuine.deviation)
    case = {f.name: round(f.mean + f.deviation * z[f.name], 1) for f in chosen}
    # what is printed is what counts: the answer is computed from the rounded numbers
    answer = 5.0 + slope * (case[genuine.name] - genuine.mean)
    told = (
        _statistics(shown, genuine, target, slope)
        if kind == "regression-zero-shot"
        else _examples(rng, shown, genuine, target, slope)
    )
    row = "; ".join(f"{f.name}: {case[f.name]:.1f}" for f in shown)
    text = (
        f"You predict the {target} of {who}, a number from 0 to 10.\n{told}\n"
        f"Predict the {target} of this one, by the line through what is known:\n{row}"
    )
    return Probe(
        id=f"{kind}/{seed}/{number}/{dial}",
        kind=kind,
        dial=dial,
        variant=f"{setting}; {genuine.name}",
        prompt=ask(text, "<a number with one decimal>"),
        form=Form.NUMBER,
        answer=f"{answer:.3f}",
        lure=f"{lured:.3f}",
        tolerance=TOLERANCE,
        chance=2 * TOLERANCE / (HIGH - LOW),
    )


def _apart(rng: random.Random) -> tuple[float, float]:
    """Return two predictions that cannot be mistaken for each other; the first is uniform."""
    wanted = rng.uniform(LOW, HIGH)
    gap = rng.uniform(3 * TOLERANCE, 6 * TOLERANCE)
    return wanted, wanted + gap if wanted < (LOW + HIGH) / 2 else wanted - gap


def _statistics(shown: list[Feature], genuine: Feature, target: str, slope: float) -> str:
    deviation = abs(slope) * genuine.deviation / 0.9
    lines = [f"In this population the {target} has mean 5.0 and deviation {deviation:.2f}."]
    for f in shown:
        r = 0.9 * (1 if slope > 0 else -1) if f is genuine else 0.0
        lines.append(
            f"- {f.name}: mean {f.mean:.1f}, deviation {f.deviation:.1f}, correlation with the "
            f"{target} {r:+.1f}"
        )
    return "\n".join(lines)


def _examples(
    rng: random.Random, shown: list[Feature], genuine: Feature, target: str, slope: float
) -> str:
    lines = ["Known cases:"]
    for place in range(N_EXAMPLES):
        row = {f.name: f.mean + f.deviation * rng.uniform(-1.8, 1.8) for f in shown}
        # the genuine feature covers its range evenly, so that the line can be read off
        row[genuine.name] = genuine.mean + genuine.deviation * (-1.9 + 3.8 * place / 11)
        value = 5.0 + slope * (round(row[genuine.name], 1) - genuine.mean) + rng.gauss(0, NOISE)
        cells = "; ".join(f"{f.name}: {row[f.name]:.1f}" for f in shown)
        lines.append(f"- {cells} -> {target} {min(10.0, max(0.0, value)):.1f}")
    head, *cases = lines
    rng.shuffle(cases)
    return "\n".join((head, *cases))
