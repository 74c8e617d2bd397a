"""Probes: questions whose answers are known, checked by somebody else's arithmetic.

P1  The same seed gives the same probe, another one another.
P2  The stated answer is right: computed here from what the prompt says, in another way.
P3  A grid has exactly one solution.
P4  The dial adds distraction, and nothing else changes the answers' range.
P5  No constant answer is right more often than the probe says.
P6  A reply is read strictly: one answer, last, of the form that was asked for.
"""

from __future__ import annotations

import ast
import itertools
import math
import re
import statistics
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from move37.core.errors import ConfigError, ReplyError, UnknownName
from move37.core.team import Role
from move37.guards.probes import DIALS, KINDS, ROLES, Probe, draw, draws
from move37.guards.probes.layers import is_same_program
from move37.guards.probes.probe import (
    LONGEST_REPLY,
    Form,
    is_lured,
    is_right,
    patched,
    read_answer,
)
from move37.guards.probes.repeats import PLACES

CHEAP = sorted(set(KINDS) - {"grids"})


def some(kind: str, n: int, *, dial: int | None = None, seed: int = 7) -> list[Probe]:
    return draws([kind], n, seed=seed, dial=dial)


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_seed_gives_the_same_probe(kind):
    """P1."""
    one, again, other = (draw(kind, seed=s, number=4, dial=2) for s in (3, 3, 5))
    assert one == again
    assert one.prompt != other.prompt


@pytest.mark.parametrize("kind", ["counting", "code-counting", "control-counting"])
def test_a_count_is_the_sum_of_what_is_listed(kind):
    """P2: from the first sentence alone."""
    number = {"a": 1, "an": 1, **{w: i for i, w in enumerate(
        ("two", "three", "four", "five", "six", "seven", "eight", "nine"), start=2)}}  # fmt: skip
    for probe in some(kind, 60):
        listed = probe.prompt.split("\n")[0].partition(" has ")[2].removesuffix(".")
        parts = re.split(r", | and ", listed)
        assert int(probe.answer) == sum(number[part.split()[0]] for part in parts)
        assert probe.lure != probe.answer


def solved(story: str, text: str) -> int:
    """P2: solve a puzzle by playing it, from the numbers in its text."""
    n = [int(found) for found in re.findall(r"\d+", text)]
    if story in PLAYED:
        return PLAYED[story](*n)
    raise AssertionError(f"nobody here can play {story!r}")


def open_lockers(n: int, pupils: range) -> int:
    is_open = [False] * (n + 1)
    for k in pupils:
        for place in range(k, n + 1, k):
            is_open[place] = not is_open[place]
    return sum(is_open)


def climbed(depth: int, up: int, down: int) -> int:
    height, day = 0, 0
    while True:
        day, height = day + 1, height + up
        if height >= depth:
            return day
        height -= down


def hanoi(n: int) -> int:
    return 0 if n == 0 else 2 * hanoi(n - 1) + 1


def covered(day: int, *, doubling: bool) -> int:
    area = [2.0**d if doubling else float(d) for d in range(day + 1)]
    return next(d for d in range(day + 1) if area[d] >= area[day] / 2)


def crossed(n: int, room: int) -> int:
    far, crossings = 0, 0
    while True:
        far, crossings = far + room, crossings + 1
        if far >= n:
            return crossings
        crossings += 1


def party(percent: int) -> int:
    return next(n for n in range(1, 200) if 1 - math.perm(365, n) / 365**n > percent / 100)


PLAYED = {
    "bat": lambda total, bat: total - bat,
    "bat, genuine": lambda total, more: next(b for b in range(total) if b + b + more == total),
    "birthdays": lambda people, _days, gone: people - gone,
    "birthdays, genuine": lambda _days, percent: party(percent),
    "doors": lambda _doors, _opened, games: games,
    "doors, genuine": lambda n, _opened, games: round(games * (1 - 1 / n)),
    "lilies": lambda _zero, day: covered(day, doubling=False),
    "lilies, genuine": lambda day: covered(day, doubling=True),
    "lockers": lambda n, _pupils: open_lockers(n, range(1, 3)),
    "lockers, genuine": lambda n, _pupils: open_lockers(n, range(1, n + 1)),
    "river": crossed,
    "river, genuine": lambda: 7,
    "snail": lambda depth, up, _neighbour: climbed(depth, up, 0),
    "snail, genuine": climbed,
    "tower": lambda n: n,
    "tower, genuine": hanoi,
}  # fmt: skip


def test_a_puzzle_is_answered_as_playing_it_says():
    """P2: the famous ones and their look-alikes, each several times."""
    probes = some("puzzles", 500)
    assert {probe.variant for probe in probes} == set(PLAYED)
    for probe in probes:
        assert int(probe.answer) == solved(probe.variant, probe.prompt)


def test_a_regression_is_the_line_through_what_is_printed():
    """P2: least squares on the examples, or the printed moments; the lure is far away."""
    for kind in ("regression-few-shot", "regression-zero-shot"):
        for probe in some(kind, 40):
            predicted = (few if kind == "regression-few-shot" else zero)(probe)
            assert is_right(probe, f"{predicted:.3f}"), probe.prompt
            assert abs(float(probe.lure) - float(probe.answer)) > 2 * probe.tolerance


def cells(row: str) -> dict[str, float]:
    return {k: float(v) for k, v in (cell.rsplit(": ", 1) for cell in row.split("; "))}


def few(probe: Probe) -> float:
    lines = probe.prompt.split("\n")
    examples = [line[2:].rsplit(" -> ", 1) for line in lines if " -> " in line]
    column = probe.variant.partition("; ")[2]
    x = np.array([cells(row)[column] for row, _ in examples])
    y = np.array([float(target.split()[-1]) for _, target in examples])
    slope, intercept = np.polyfit(x, y, 1)
    case = cells(next(line for line in lines if line.startswith(tuple(cells(examples[0][0])))))
    return float(intercept + slope * case[column])


def zero(probe: Probe) -> float:
    rows = re.findall(
        r"- (.+): mean ([\d.]+), deviation ([\d.]+), correlation with the \w+ ([+-][\d.]+)",
        probe.prompt,
    )
    mean, deviation = map(
        float, re.findall(r"mean (5\.0) and deviation (\d+\.\d+)", probe.prompt)[0]
    )
    name, m, d, r = next(row for row in rows if float(row[3]) != 0)
    lines = probe.prompt.split("\n")
    case = cells(next(line for line in lines if line.startswith(tuple(row[0] for row in rows))))
    return mean + float(r) * deviation / float(d) * (case[name] - float(m))


def test_a_tables_right_column_has_the_largest_correlation():
    """P2: parsed from the prompt, with numpy's own correlation."""
    for probe in some("experiment-table", 60):
        rows = [line.split(" | ") for line in probe.prompt.split("\n") if " | " in line]
        table = np.array([[float(cell) for cell in row] for row in rows[1:]])
        strength = [
            abs(np.corrcoef(table[:, c], table[:, -1])[0, 1]) for c in range(1, len(rows[0]) - 1)
        ]
        assert rows[0][1 + int(np.argmax(strength))] == probe.answer


def meaning(text: str) -> tuple[str, ...]:
    """P2: read a description back into choices."""
    return tuple(
        choice
        for place in PLACES
        for choice, ways in place.items()
        if any(way in text for way in ways)
    )


def test_a_repeat_means_the_same_in_other_words():
    """P2: by meaning, exactly the stated layer or none; no sentence is shared with it."""
    for probe in some("repeats", 120):
        lines = probe.prompt.split("\n")
        own = next(line for line in lines if line.startswith("proposal"))
        known = {line[0]: line for line in lines if re.match(r"[A-F] \(", line)}
        same = [letter for letter, line in known.items() if meaning(line) == meaning(own)]
        assert same == ([] if probe.answer == "none" else [probe.answer])
        if same:
            sentences = set(own.partition("): ")[2].split(". "))
            assert not sentences & set(known[same[0]].partition("): ")[2].split(". "))


CLUES = (
    (r"The house of (\w+) is number (\d)\.", lambda h, a, k: h[a] == int(k)),
    (r"(\w+) and (\w+) belong to the same house", lambda h, a, b: h[a] == h[b]),
    (r"(\w+) and (\w+) belong to different houses", lambda h, a, b: h[a] != h[b]),
    (r"The house of (\w+) is directly left of the house of (\w+)",
     lambda h, a, b: h[a] + 1 == h[b]),
    (r"The house of (\w+) is next to the house of (\w+)", lambda h, a, b: abs(h[a] - h[b]) == 1),
)  # fmt: skip


def solutions(probe: Probe) -> list[dict[str, int]]:
    """P3: attribute by attribute, dropping what breaks a clue on values placed so far."""
    lists = [m.split(", ") for m in re.findall(r"^- \w+: (.+)$", probe.prompt, re.MULTILINE)]
    clues = [
        (check, match)
        for pattern, check in CLUES
        for match in re.findall(rf"^\d+\. {pattern}", probe.prompt, re.MULTILINE)
    ]
    assert len(clues) == len(re.findall(r"^\d+\. ", probe.prompt, re.MULTILINE))
    found: list[dict[str, int]] = [{}]
    for values in lists:
        longer = []
        for placed, order in itertools.product(found, itertools.permutations(values)):
            houses = {**placed, **{value: i for i, value in enumerate(order, start=1)}}
            known = [c for c in clues if all(v.isdigit() or v in houses for v in c[1])]
            if all(check(houses, *match) for check, match in known):
                longer.append(houses)
        found = longer
    return found


@pytest.mark.parametrize("dial", [0, 1, 2, 3])
def test_a_grid_has_one_solution_and_it_holds_the_answer(dial):
    """P2, P3: with another solver, from the text."""
    for probe in some("grids", 3 if dial == 3 else 6, dial=dial):
        (houses,) = solutions(probe)
        house = int(re.findall(r"belongs to house (\d)\?", probe.prompt)[0])
        assert houses[probe.answer] == house


def test_every_fault_is_on_one_line_and_the_answer_undoes_it():
    """P2: the sandbox runs them in tests/campaign/test_probing.py."""
    for probe in some("broken-layer", 60):
        whole = patched(probe.source, probe.answer)
        pairs = zip(whole.split("\n"), probe.source.split("\n"), strict=True)
        assert sum(a != b for a, b in pairs) == 1
        ast.parse(whole)
        assert not is_same_program(whole, probe.source)


@pytest.mark.parametrize("kind", CHEAP)
def test_the_dial_adds_distraction(kind):
    """P4: prompts get longer from dial to dial."""
    sizes = [
        statistics.mean(len(probe.prompt) for probe in some(kind, 60, dial=dial)) for dial in DIALS
    ]
    assert sizes == sorted(sizes)
    assert sizes[-1] > 1.1 * sizes[0]


def test_the_dial_makes_grids_larger():
    """P4: more arrangements to rule out."""
    sizes = []
    for dial in DIALS:
        people, attributes = map(
            int, draw("grids", seed=1, number=0, dial=dial).variant.split(" x ")
        )
        sizes.append(math.factorial(people) ** attributes)
    assert sizes == sorted(set(sizes))


@pytest.mark.parametrize("kind", CHEAP)
@pytest.mark.parametrize("dial", [0, 4])
def test_no_constant_answer_beats_chance(kind, dial):
    """P5: of 600 probes, with four standard errors."""
    probes = some(kind, 600, dial=dial)
    if kind == "broken-layer":  # a line is guessed with its number: seen, never blind
        assert len({probe.source for probe in probes}) > 100
        return
    guesses = {probe.answer for probe in probes}
    if probes[0].form is Form.NUMBER:
        guesses = {f"{value / 4:.2f}" for value in range(41)}
    best = max(
        statistics.mean(
            guess in (p.choices or (guess,)) and bool(is_right(p, guess)) for p in probes
        )
        for guess in guesses
    )
    chance = statistics.mean(probe.chance for probe in probes)
    assert best <= chance + 4 * (chance * (1 - chance) / len(probes)) ** 0.5


def test_grid_answers_are_spread():
    """P5: the place in the list of choices says nothing."""
    places = Counter(p.choices.index(p.answer) for p in some("grids", 90, dial=1))
    assert max(places.values()) <= 30 + 4 * (90 * 2 / 9) ** 0.5


@pytest.mark.parametrize("kind", KINDS)
def test_the_stated_answer_reads_as_right_and_the_lure_as_wrong(kind):
    """P6: after any amount of thought."""
    for probe in some(kind, 5):
        said = read_answer(probe, f"Hm.\nANSWER is what I need\n\n  ANSWER:  {probe.answer} \n\n")
        assert is_right(probe, said) is True
        assert not is_lured(probe, said) or probe.form is Form.PATCH


COUNT = draw("counting", seed=0, number=0, dial=1)
TABLE = draw("experiment-table", seed=0, number=0, dial=1)
REGRESSION = draw("regression-zero-shot", seed=0, number=0, dial=1)
LAYER = draw("broken-layer", seed=0, number=0, dial=1)


@pytest.mark.parametrize(
    ("probe", "reply"),
    [
        (COUNT, ""),
        (COUNT, COUNT.answer),
        (COUNT, f"ANSWER: {COUNT.answer}\nor perhaps not"),
        (COUNT, f"ANSWER: {COUNT.answer}\nANSWER: {int(COUNT.answer) + 1}"),
        (COUNT, f"ANSWER: {COUNT.answer} or {int(COUNT.answer) + 1}"),
        (COUNT, f"ANSWER: {COUNT.answer}.0"),
        (COUNT, "ANSWER: ٣"),
        (COUNT, "ANSWER: " + "9" * 5_000),
        (COUNT, f"ANSWER: {COUNT.answer}" + " " * LONGEST_REPLY + "\nx"),
        (REGRESSION, "ANSWER: nan"),
        (REGRESSION, "ANSWER: inf"),
        (REGRESSION, "ANSWER: 1e3"),
        (TABLE, "ANSWER: every column"),
        (TABLE, f"ANSWER: {TABLE.answer.upper()}"),
        (LAYER, "ANSWER: y = o"),
        (LAYER, "ANSWER: 12:"),
        (LAYER, "ANSWER: -1: x = 1"),
    ],
)
def test_a_reply_of_another_form_is_refused(probe, reply):
    """P6: hedges, other alphabets, infinities, floods."""
    with pytest.raises(ReplyError):
        read_answer(probe, reply)


@given(st.text(max_size=300))
@settings(max_examples=40, deadline=None)
def test_any_text_is_read_or_refused(text):
    """P6: nothing else happens, whatever stands there."""
    for probe in (COUNT, REGRESSION, TABLE, LAYER):
        for reply in (text, f"ANSWER: {text}"):
            try:
                said = read_answer(probe, reply)
            except ReplyError:
                continue
            assert is_right(probe, said) in {True, False, None}
            is_lured(probe, said)


def test_a_patch_beyond_the_layer_is_refused():
    """P6."""
    for number in (0, 9_999):
        with pytest.raises(ReplyError):
            patched(LAYER.source, f"{number}: x = 1")


def test_a_hostile_patch_is_no_program():
    """P6: it is compared, not executed; deep nesting does not end the process."""
    deep = patched(LAYER.source, f"{LAYER.answer.partition(':')[0]}: {'(' * 290}")
    assert not is_same_program(deep, LAYER.source)


def test_every_role_has_probes_of_its_own():
    assert set(ROLES) == set(Role)
    assert ROLES[Role.ENGINEER][0] == "broken-layer"
    assert ROLES[Role.ANALYST][0] == "experiment-table"
    assert ROLES[Role.JUDGE][0] == "repeats"


def test_an_unknown_kind_or_dial_is_named():
    with pytest.raises(UnknownName, match="repeats"):
        draw("repeat", seed=0, number=0, dial=0)
    with pytest.raises(ConfigError, match="dial"):
        draw("counting", seed=0, number=0, dial=9)
