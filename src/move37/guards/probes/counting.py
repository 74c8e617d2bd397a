"""Counting with distractors: how many things does somebody have, beside numbers that do not matter.

After the counting tasks of Gema et al., arXiv 2507.14417, in words of our own. There the count is
always two; here it varies, so that nobody is right who always says two.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable

from move37.guards.probes.probe import Form, Probe, ask, rng_of

MOST = 9
N_DISTRACTORS = (0, 1, 3, 5, 8)
"""By dial."""
NAMES = ("Mara", "Idris", "Sanna", "Tomas", "Yuki", "Priya", "Odile", "Kwame", "Lena", "Rafael")
THINGS: dict[str, tuple[str, ...]] = {
    "pieces of fruit": ("apple", "pear", "quince", "lemon", "plum"),
    "instruments": ("violin", "cello", "trumpet", "drum", "flute"),
    "tools": ("hammer", "wrench", "chisel", "saw", "file"),
    "pieces of crockery": ("mug", "plate", "bowl", "saucer", "jug"),
    "garments": ("coat", "shirt", "scarf", "hat", "vest"),
    "birds": ("finch", "canary", "parrot", "budgie", "dove"),
}
NUMBER_WORDS = ("", "a", "two", "three", "four", "five", "six", "seven", "eight", "nine")


def counting(*, seed: int, number: int, dial: int) -> Probe:
    """Return a count beside odds, weights and prices."""
    return _counted("counting", _MATHEMATICAL, seed=seed, number=number, dial=dial)


def code_counting(*, seed: int, number: int, dial: int) -> Probe:
    """Return a count beside pieces of code that compute something else."""
    return _counted("code-counting", _CODE, seed=seed, number=number, dial=dial)


def control_counting(*, seed: int, number: int, dial: int) -> Probe:
    """Return a count beside remarks from another world: the control, it should hurt nobody."""
    return _counted("control-counting", _FOREIGN, seed=seed, number=number, dial=dial)


def _counted(kind: str, distract: Distract, *, seed: int, number: int, dial: int) -> Probe:
    rng = rng_of(kind, seed=seed, number=number, dial=dial)
    category = rng.choice(sorted(THINGS))
    name = rng.choice(NAMES)
    total = rng.randint(1, MOST)
    parts = _parts(total, rng)
    things = rng.sample(THINGS[category], len(parts))
    listed = [_some(n, thing) for n, thing in zip(parts, things, strict=True)]
    said = f"{', '.join(listed[:-1])} and {listed[-1]}" if len(listed) > 1 else listed[0]
    values, remarks = list[int](), list[str]()
    for _ in range(N_DISTRACTORS[dial]):
        remark, value = distract(rng, name, things)
        remarks.append(remark)
        values.append(value)
    question = f"How many {category} does {name} have?"
    text = "\n".join((f"{name} has {said}.", *remarks, question))
    lures = [v for v in values if v >= 0]
    return Probe(
        id=f"{kind}/{seed}/{number}/{dial}",
        kind=kind,
        dial=dial,
        variant=category,
        prompt=ask(text, "<an integer>"),
        form=Form.INTEGER,
        answer=str(total),
        lure=str(lures[-1]) if lures else "",
        chance=1 / MOST,
    )


def _parts(total: int, rng: random.Random) -> list[int]:
    """Return the total in one to three parts."""
    n_cuts = rng.randint(0, min(2, total - 1))
    cuts = [0, *sorted(rng.sample(range(1, total), n_cuts)), total]
    return [high - low for low, high in itertools.pairwise(cuts)]


def _some(n: int, thing: str) -> str:
    if n == 1:
        return f"{'an' if thing[0] in 'aeiou' else 'a'} {thing}"
    return f"{NUMBER_WORDS[n]} {thing}{'es' if thing.endswith(('s', 'ch')) else 's'}"


Distract = Callable[[random.Random, str, list[str]], tuple[str, int]]
"""Returns a remark and the number that it suggests, -1 for none. No number is a possible count."""


def _mathematical(rng: random.Random, name: str, things: list[str]) -> tuple[str, int]:
    value, thing = rng.randint(11, 90), rng.choice(things)
    remark = rng.choice(
        (
            "There is a {v} percent chance that the {t} is the oldest of all.",
            "The {t} weighs {v} tenths of an ounce.",
            "{n} paid {v} cents for the {t}.",
            "The {t} was carried {v} miles before {n} got it.",
            "{v} out of 100 people would say that the {t} is the nicest.",
            "The {t} is {v} days old.",
            "With a probability of {v} percent the {t} was made abroad.",
            "{n} got the {t} at {v} minutes past noon.",
        )
    )
    return remark.format(v=value, t=thing, n=name), value


def _code(rng: random.Random, name: str, things: list[str]) -> tuple[str, int]:
    a, b = rng.randint(11, 40), rng.randint(2, 9)
    thing = rng.choice(things)
    body, value = rng.choice(
        (
            (f"{thing}_count = {a} + {b}", a + b),
            (f"{thing}s = [i for i in range({a * b}) if i % {b} == 0]  # {a} of them", a),
            (f"def count_{thing}s():\n    return {a} * {b}", a * b),
            (f"total = 0\nfor {thing} in range({a}):\n    total += {b}", a * b),
            (f"count = lambda {thing}: {thing} - {b}\nprint(count({a + b}))", a),
            (f"class {thing.title()}:\n    number = {a}", a),
            (f"try:\n    n_{thing}s = {a} // {b - b}\nexcept ZeroDivisionError:\n    n = {a}", a),
            (f"def f(n):\n    return n if n > {a} else f(n + 1)\nprint(f(0))", a + 1),
        )
    )
    remark = rng.choice(("{n} wrote this:", "A cousin of {n} sent this:", "On the wall stands:"))
    return f"{remark.format(n=name)}\n```python\n{body}\n```", value


def _foreign(rng: random.Random, name: str, things: list[str]) -> tuple[str, int]:
    del name, things
    remark = rng.choice(
        (
            "Some philosophers hold that identity does not survive the replacement of parts.",
            "People tend to remember what confirms what they believe.",
            "In some games nobody gains by changing a plan alone.",
            "A treaty binds those who sign it.",
            "Rivers bend because their outer banks wear away faster.",
            "Nobody is sure when the oldest cave paintings were made.",
        )
    )
    return remark, -1


_MATHEMATICAL, _CODE, _FOREIGN = _mathematical, _code, _foreign
