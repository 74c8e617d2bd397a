"""The one vocabulary of all tasks: 256 bytes of text, then 128 symbols for the mechanism tasks.

    0-255    bytes of UTF-8 text
    256      padding: never a target, follows the last instance of a row
    257-269  tags: the first symbol of an instance says which task it belongs to
    270      ask: what follows are questions
    271      copy: one answer slot of selective copying
    272-287  noise
    288-335  keys (also positions and steps)
    336-383  values (also answers)

Not for tokenizing text of real models: those bring their own vocabulary.
"""

from __future__ import annotations

from collections.abc import Iterable

VOCAB_SIZE = 384
NO_TARGET = -1
"""In a targets array: nothing is to be predicted from this position."""

PAD = 256
ASK = 270
COPY = 271
NOISE = range(272, 288)
KEYS = range(288, 336)
VALUES = range(336, 384)

TAGS = {
    "recall": 257,
    "fuzzy_recall": 258,
    "noisy_recall": 259,
    "selective_copying": 260,
    "compression": 261,
    "state_tracking": 262,
    "state_update": 263,
    "length_extrapolation": 264,
}
TAG_RANGE = range(257, 270)

_TAG_NAMES = {token: f"<{name}>" for name, token in TAGS.items()}
_SINGLE = {PAD: "_", ASK: "?", COPY: "c", NO_TARGET: "."}


def render(tokens: Iterable[int]) -> str:
    """Return a row for people: `<recall> k3 v17 ? k3`; a dot where there is no target."""
    return " ".join(_name(int(token)) for token in tokens)


def _name(token: int) -> str:
    if token in _SINGLE:
        return _SINGLE[token]
    if token in _TAG_NAMES:
        return _TAG_NAMES[token]
    for letter, symbols in (("n", NOISE), ("k", KEYS), ("v", VALUES)):
        if token in symbols:
            return f"{letter}{token - symbols.start}"
    if 0 <= token < 256:
        return chr(token) if 32 < token < 127 else f"\\x{token:02x}"
    return f"<{token}>"
