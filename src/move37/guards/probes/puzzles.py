"""Look-alikes of famous puzzles: the story is known, the question is simple.

Every fourth is the genuine question, so that nobody is right who always takes the simple way.
The lure of a look-alike is the famous answer, that of a genuine question the simple one.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from dataclasses import dataclass

from move37.guards.probes.probe import Form, Probe, ask, rng_of

KIND = "puzzles"
GENUINE_SHARE = 0.25
N_REMARKS = (0, 1, 2, 3, 4)
"""By dial: remarks that recall the famous puzzle."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Told:
    """A story with its question."""

    facts: str
    question: str
    answer: int
    lure: int


def puzzle(*, seed: int, number: int, dial: int) -> Probe:
    """Return a puzzle; every story is as frequent."""
    rng = rng_of(KIND, seed=seed, number=number, dial=dial)
    name = rng.choice(sorted(STORIES))
    is_genuine = rng.random() < GENUINE_SHARE
    told = STORIES[name](rng, is_genuine)
    remarks = rng.sample(REMARKS, N_REMARKS[dial])
    text = "\n".join((told.facts, *remarks, told.question))
    return Probe(
        id=f"{KIND}/{seed}/{number}/{dial}",
        kind=KIND,
        dial=dial,
        variant=f"{name}{', genuine' if is_genuine else ''}",
        prompt=ask(text, "<an integer>"),
        form=Form.INTEGER,
        answer=str(told.answer),
        lure=str(told.lure) if told.lure != told.answer else "",
        chance=0.09,  # measured: of 4,000 answers .083 are 7
    )


REMARKS = (
    "Many people know a problem of this kind, and most get it wrong at first.",
    "A famous columnist once gave an answer to it that angered thousands of readers.",
    "Whole books were written about the paradox that hides here.",
    "Intuition is said to fail badly in such cases.",
    "Mathematicians have argued about it for decades.",
    "The well-known solution surprises everybody who hears of it for the first time.",
)


def _birthdays(rng: random.Random, is_genuine: bool) -> Told:  # noqa: FBT001 - one signature for all stories
    if is_genuine:
        percent = rng.choice((5, 10, 20, 30, 40, 60, 70, 80, 90, 95, 99))
        return Told(
            facts="People enter a room one by one. Each has a birthday on one of 365 days, all "
            "days as likely, independent of the others.",
            question="How many people must be in the room at least, for the probability that two "
            f"of them share a birthday to be above {percent} percent?",
            answer=birthday_number(percent / 100),
            lure=23,
        )
    n, gone = rng.randint(40, 70), rng.randint(2, 15)
    return Told(
        facts=f"In a room there are {n} people. Each has a birthday on one of 365 days. Then "
        f"{gone} of them, all born in spring, leave the room.",
        question="How many people are in the room now?",
        answer=n - gone,
        lure=23,
    )


def birthday_number(probability: float) -> int:
    """Return how many people share a birthday with more than this probability."""
    apart, n = 1.0, 0
    while 1 - apart <= probability:
        apart *= (365 - n) / 365
        n += 1
    return n


def _doors(rng: random.Random, is_genuine: bool) -> Told:  # noqa: FBT001
    n, rounds = rng.randint(3, 8), rng.randint(3, 15)
    games = n * rounds
    if is_genuine:
        return Told(
            facts=f"Behind one of {n} doors is a car, placed at random anew for each game. You "
            f"choose a door; the host, who knows where the car is, opens {n - 2} other doors "
            "without a car and offers you the last closed one instead.",
            question=f"You play {games} games and always change to the other door. How many cars "
            "do you win on average?",
            answer=rounds * (n - 1),
            lure=rounds,
        )
    return Told(
        facts=f"Behind one of {n} doors is a car. All doors are made of clear glass, and you "
        "always choose the door with the car, which you can see. The host "
        f"opens {n - 2} of the other doors and offers you the last closed one instead.",
        question=f"You play {games} games and always stay with your door. How many cars do you "
        "win?",
        answer=games,
        lure=rounds,
    )


def _tower(rng: random.Random, is_genuine: bool) -> Told:  # noqa: FBT001
    n = rng.randint(3, 9)
    rule = (
        "a disc may never lie on a smaller one, and the tower must be built as it was"
        if is_genuine
        else "any disc may lie on any other, and in the end the order of the discs does not matter"
    )
    whole = 2**n - 1
    return Told(
        facts=f"{n} discs of different sizes lie on the first of three pegs. One disc is moved at "
        f"a time, from the top of a peg to another; {rule}.",
        question="How many moves does it take at least to bring all discs to the third peg?",
        answer=whole if is_genuine else n,
        lure=n if is_genuine else whole,
    )


def _lockers(rng: random.Random, is_genuine: bool) -> Told:  # noqa: FBT001
    n = rng.randint(20, 120)
    who = (
        f"{n} pupils come one after the other; pupil number k changes every k-th locker: opens it "
        "if it is closed, closes it if it is open."
        if is_genuine
        else f"{n} pupils were to come; only two do. The first opens every locker, the second "
        "closes every second one. The others are ill."
    )
    simple, famous = n - n // 2, math.isqrt(n)
    return Told(
        facts=f"In a school there are {n} closed lockers in a row. {who}",
        question="How many lockers are open in the end?",
        answer=famous if is_genuine else simple,
        lure=simple if is_genuine else famous,
    )


def _snail(rng: random.Random, is_genuine: bool) -> Told:  # noqa: FBT001
    up = rng.randint(3, 6)
    down = rng.randint(1, up - 1)
    depth = rng.randint(3 * up, 60)
    famous = max(1, math.ceil((depth - up) / (up - down)) + 1)
    simple = math.ceil(depth / up)
    night = (
        f"each night it slides back {down} feet"
        if is_genuine
        else f"each night it rests where it is; a snail in the next well slides back {down} feet"
    )
    return Told(
        facts=f"A snail sits at the bottom of a well, {depth} feet deep. Each day it climbs {up} "
        f"feet, {night}.",
        question="On which day does the snail reach the top?",
        answer=famous if is_genuine else simple,
        lure=simple if is_genuine else famous,
    )


def _lilies(rng: random.Random, is_genuine: bool) -> Told:  # noqa: FBT001
    day = 2 * rng.randint(6, 40)
    growth = (
        "Every day the lilies cover twice as much of the lake as the day before"
        if is_genuine
        else "On day 0 there are none, and every day the lilies cover the same additional area"
    )
    return Told(
        facts=f"Water lilies grow on a lake. {growth}. On day {day} the whole lake is covered.",
        question="On which day was half of the lake covered?",
        answer=day - 1 if is_genuine else day // 2,
        lure=day // 2 if is_genuine else day - 1,
    )


def _bat(rng: random.Random, is_genuine: bool) -> Told:  # noqa: FBT001
    ball = rng.randint(3, 60)
    more = 10 * rng.randint(5, 20)
    total = more + 2 * ball
    price = f"The bat costs {more} cents{' more than the ball' if is_genuine else ''}."
    return Told(
        facts=f"A bat and a ball cost {total} cents together. {price}",
        question="How many cents does the ball cost?",
        answer=ball if is_genuine else 2 * ball,
        lure=2 * ball if is_genuine else ball,
    )


def _river(rng: random.Random, is_genuine: bool) -> Told:  # noqa: FBT001
    if is_genuine:
        return Told(
            facts="A farmer must bring a wolf, a goat and a cabbage across a river. The boat holds "
            "the farmer and one of them. Left alone, the wolf eats the goat and the goat eats the "
            "cabbage.",
            question="How many times does the boat cross the river at least?",
            answer=7,
            lure=5,
        )
    n, room = rng.randint(2, 12), rng.randint(1, 3)
    return Told(
        facts=f"A farmer must bring {n} goats across a river. The boat holds the farmer, who "
        f"rows, and {_goats(room)}. There is no wolf and no cabbage.",
        question="How many times does the boat cross the river at least, until all are over?",
        answer=2 * math.ceil(n / room) - 1,
        lure=7,
    )


def _goats(n: int) -> str:
    return "1 goat" if n == 1 else f"up to {n} goats"


STORIES: dict[str, Callable[[random.Random, bool], Told]] = {
    "bat": _bat,
    "birthdays": _birthdays,
    "doors": _doors,
    "lilies": _lilies,
    "lockers": _lockers,
    "river": _river,
    "snail": _snail,
    "tower": _tower,
}
