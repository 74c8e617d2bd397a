"""A proposal and known layers: which of them does it repeat in other words, or none?

A layer is one choice in each of five places. The repeat makes the same choices in other words and
under a new name. The lures take over the proposal's words, and differ in a choice.
"""

from __future__ import annotations

import random

from move37.guards.probes.probe import Form, Probe, ask, rng_of

KIND = "repeats"
NONE = "none"
N_KNOWN = (2, 3, 4, 5, 6)
N_DIFFERENT = (3, 2, 2, 1, 1)
"""By dial: in how many places the nearest lure differs."""
PLACES: tuple[dict[str, tuple[str, str, str]], ...] = (
    {
        "added": (
            "Each token's key-value product is added to a matrix.",
            "The memory is a sum of outer products of keys and values.",
            "It writes by adding k v^T to its state.",
        ),
        "corrected": (
            "It first reads what is stored under the key and writes only the difference.",
            "The write is the error of the memory's prediction, as in the delta rule.",
            "What the key already recalls is subtracted before the value is written.",
        ),
        "averaged": (
            "The memory is a moving average of the values.",
            "It keeps a running mean of values and no keys.",
            "Values are blended into one vector, key or no key.",
        ),
    },
    {
        "kept": (
            "Nothing is ever forgotten.",
            "The state is carried over undiminished.",
            "There is no decay.",
        ),
        "fixed": (
            "Each head forgets at a rate that never changes.",
            "The state shrinks by a constant factor per head and step.",
            "Decay is a fixed number for every head.",
        ),
        "gated": (
            "How much is forgotten depends on the current token.",
            "A gate computed from the input sets the decay at every step.",
            "The state shrinks by a factor that the token itself decides.",
        ),
    },
    {
        "plain": (
            "Keys are used as they are projected.",
            "The key projection is not processed further.",
            "No feature map or norm is applied to keys.",
        ),
        "unit": (
            "Keys are scaled to length one.",
            "Every key is divided by its norm.",
            "Keys lie on the unit sphere.",
        ),
        "positive": (
            "Keys pass through a map that makes them positive.",
            "A positive feature map is applied to keys.",
            "No key has a negative entry, by an exponential-linear map.",
        ),
    },
    {
        "no filter": (
            "Tokens enter one by one, without a view of their neighbours.",
            "There is no convolution before the projections.",
            "The projections see single tokens.",
        ),
        "filter": (
            "A short causal convolution precedes the projections.",
            "Each channel is first filtered over the last few tokens.",
            "Before projecting, neighbouring past tokens are mixed by a small kernel.",
        ),
    },
    {
        "bare": (
            "What is read goes straight to the output projection.",
            "The read-out is projected and nothing else.",
            "No gate stands between memory and output.",
        ),
        "output gate": (
            "The read-out is multiplied by a gate of the input.",
            "A sigmoid of the token scales what leaves the memory.",
            "Before the last projection the result is gated by the current token.",
        ),
    },
)
TITLES = (
    "Lattice Echo", "Quiet Ledger", "Tidal Store", "Prism Recall", "Amber Loom", "Drift Anchor",
    "Hollow Spiral", "Copper Thread",
)  # fmt: skip


def repeat(*, seed: int, number: int, dial: int) -> Probe:
    """Return a proposal, known layers under letters, and the question which one it repeats."""
    rng = rng_of(KIND, seed=seed, number=number, dial=dial)
    own = tuple(rng.choice(sorted(place)) for place in PLACES)
    spoken = tuple(rng.randrange(3) for _ in PLACES)
    letters = "ABCDEF"[: N_KNOWN[dial]]
    answer = rng.choice((*letters, NONE))
    lure = rng.choice([letter for letter in letters if letter != answer])
    title, *titles = rng.sample(TITLES, len(letters) + 1)
    known, used = list[str](), {own}
    for letter, name in zip(letters, titles, strict=True):
        if letter == answer:
            others = tuple((s + rng.choice((1, 2))) % 3 for s in spoken)
            known.append(_said(letter, name, own, others))
            continue
        is_lure = letter == lure
        choices = _changed(own, N_DIFFERENT[dial] if is_lure else rng.randint(2, 4), used, rng)
        used.add(choices)
        ways = spoken if is_lure else tuple(rng.randrange(3) for _ in PLACES)
        known.append(_said(letter, f"{title} II" if is_lure else name, choices, ways))
    text = "\n".join(
        (
            "A proposal for a sequence-mixing layer:",
            _said("proposal", title, own, spoken),
            "",
            "Layers that are known already:",
            *known,
            "",
            "Two layers are the same if they agree in how they write, forget, treat keys, filter",
            "the input and gate the output. Names and wording do not count. Which known layer is",
            f"the same as the proposal? Say {NONE} if there is no such layer.",
        )
    )
    return Probe(
        id=f"{KIND}/{seed}/{number}/{dial}",
        kind=KIND,
        dial=dial,
        variant="new" if answer == NONE else "repeat",
        prompt=ask(text, f"<one of: {', '.join(letters)}, {NONE}>"),
        form=Form.CHOICE,
        answer=answer,
        lure=lure,
        choices=(*letters, NONE),
        chance=1 / (len(letters) + 1),
    )


def _changed(
    own: tuple[str, ...], n: int, used: set[tuple[str, ...]], rng: random.Random
) -> tuple[str, ...]:
    """Return choices that differ in n places and are unlike all that were used."""
    while True:
        places = set(rng.sample(range(len(PLACES)), min(n, len(PLACES))))
        choices = tuple(
            rng.choice([c for c in sorted(PLACES[i]) if c != choice]) if i in places else choice
            for i, choice in enumerate(own)
        )
        if choices not in used:
            return choices


def _said(label: str, title: str, choices: tuple[str, ...], ways: tuple[int, ...]) -> str:
    sentences = [
        place[choice][way] for place, choice, way in zip(PLACES, choices, ways, strict=True)
    ]
    return f"{label} ({title}): {' '.join(sentences)}"
