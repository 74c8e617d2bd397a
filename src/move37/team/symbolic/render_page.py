"""The page that rendering writes on: collects modules, statements and what they need.

Axes in the rendered code: B batch, T time, N writes per position, H heads, K key channels, V value
channels, P paths, D model channels, W filter width, J pairs of channels.
"""

from __future__ import annotations

from dataclasses import dataclass, field

INDENT = "        "
MAX_LINE = 100


@dataclass(slots=True)
class Page:
    """Parts of one file, in the order they were added."""

    kernels: set[str] = field(default_factory=set)
    """Names to import from move37.arena.kernels."""
    helpers: set[str] = field(default_factory=set)
    """Names of module-level functions that the layer calls (`HELPERS`)."""
    init: list[str] = field(default_factory=list)
    forward: list[str] = field(default_factory=list)
    members: set[str] = field(default_factory=set)

    def define(self, name: str, code: str) -> str:
        """Add `self.name = code` to `__init__`; returns how `forward` refers to it."""
        unique, number = name, 1
        while unique in self.members:
            number += 1
            unique = f"{name}{number}"
        self.members.add(unique)
        self.init.extend(wrapped(f"self.{unique} = {code}"))
        return f"self.{unique}"

    def buffer(self, name: str, code: str) -> str:
        """Add a constant that moves with the module and is not saved."""
        self.members.add(name)
        self.init.extend(wrapped(f'self.register_buffer("{name}", {code}, persistent=False)'))
        return f"self.{name}"

    def say(self, *lines: str) -> None:
        """Add statements to `forward`."""
        for line in lines:
            self.forward.extend(wrapped(line))

    def heading(self, text: str) -> None:
        """Start a paragraph of `forward` with a comment."""
        if self.forward:
            self.forward.append("")
        words, line = text.split(), "#"
        for word in words:
            if len(INDENT) + len(line) + 1 + len(word) > MAX_LINE:
                self.forward.append(line)
                line = "#"
            line += f" {word}"
        self.forward.append(line)

    def kernel(self, name: str) -> str:
        """Import a kernel; returns its name."""
        self.kernels.add(name)
        return name

    def helper(self, name: str) -> str:
        """Emit a helper function; returns its name."""
        self.helpers.add(name)
        return name


def wrapped(statement: str) -> list[str]:
    """Return a statement as lines of at most MAX_LINE with the indent of a method body.

    A long statement is broken inside its longest brackets: the arguments on one line if they fit,
    else one a line.
    """
    if len(INDENT) + len(statement) <= MAX_LINE:
        return [statement]
    opened = _longest_bracket(statement)
    if opened is None:
        return [statement]
    closed = _matching(statement, opened)
    head, inner, tail = statement[: opened + 1], statement[opened + 1 : closed], statement[closed:]
    if len(INDENT) + 4 + len(inner) <= MAX_LINE:
        return [head, f"    {inner}", tail]
    return [head, *(f"    {part}," for part in _split(inner)), tail]


def _longest_bracket(text: str) -> int | None:
    """Return where the longest top-level bracket of the right-hand side opens."""
    start = text.find("= ") + 1
    spans, position = [], start
    while position < len(text):
        if text[position] in "([":
            closed = _matching(text, position)
            spans.append((closed - position, position))
            position = closed
        position += 1
    return max(spans)[1] if spans else None


def _matching(text: str, opened: int) -> int:
    level = 0
    for position in range(opened, len(text)):
        level += (text[position] in "([{") - (text[position] in ")]}")
        if level == 0:
            return position
    raise ValueError(f"unbalanced brackets in rendered code: {text}")


def _split(arguments: str) -> list[str]:
    parts, level, start = [], 0, 0
    for position, character in enumerate(arguments):
        level += (character in "([{") - (character in ")]}")
        if character == "," and level == 0:
            parts.append(arguments[start:position].strip())
            start = position + 1
    parts.append(arguments[start:].strip())
    return [part for part in parts if part]


HELPERS: dict[str, str] = {
    "delay": '''
def delay(x, last):
    """Shift by one position; `last` is the final position of the piece before, or None."""
    first = torch.zeros_like(x[:, :1]) if last is None else last
    return torch.cat([first, x[:, :-1]], dim=1), x[:, -1:]
''',
    "rotate": '''
def rotate(x, angle):
    """Turn pairs of channels (first half with second half) by an angle."""
    first, second = x.chunk(2, dim=-1)
    cos, sin = angle.cos(), angle.sin()
    return torch.cat([first * cos - second * sin, first * sin + second * cos], dim=-1)
''',
    "interleave": '''
def interleave(parts):
    """Lay (B, T, ...) tensors side by side in time: (B, T * n, ...)."""
    return torch.stack(parts, dim=2).flatten(1, 2)
''',
    "step_bias": '''
def step_bias(*shape):
    """Return pre-activations whose softplus is log-uniform in [0.001, 0.1] (arXiv 2405.21060)."""
    dt = torch.empty(shape).uniform_(math.log(1e-3), math.log(0.1)).exp()
    return dt + torch.log(-torch.expm1(-dt))
''',
}
