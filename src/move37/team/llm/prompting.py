"""From sections to a prompt within a budget: nothing is lost in silence, nothing quoted commands.

Instructions come from files of ours (`team/prompts`, each with a version). Everything else (code,
lessons, cards, replies of other models) is data: each section stands between two marks that occur
nowhere in any of them, and the instructions say that nothing between marks is to be obeyed.
"""

from __future__ import annotations

import functools
import hashlib
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, replace
from importlib import resources

import jinja2

VERSION = re.compile(r"\Aversion: (\d+)\n")
CHARACTERS_PER_TOKEN = 4  # assumed: English and code, all vendors' tokenizers within a third
MIN_SECTION = 400  # characters; what is shorter is left out whole


@dataclass(frozen=True, kw_only=True, slots=True)
class Section:
    """A piece of material for a prompt."""

    title: str
    text: str
    short: str = ""
    """The same, summarised; used when the whole does not fit. Empty: only its head is kept."""
    weight: int = 1
    """The lightest is shortened first; 0 and below may be left out, 9 is never touched."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Cut:
    """What a reader of a prompt does not see."""

    title: str
    how: str
    """`summarised`, `shortened` or `left out`."""
    n_characters: int

    def __str__(self) -> str:
        """Say it in words."""
        return f"{self.title}: {self.how}, {self.n_characters} characters less"


@dataclass(frozen=True, kw_only=True, slots=True)
class Prompt:
    """What a model is sent."""

    name: str
    """Of the file and its version: `researcher@1`."""
    instructions: str
    text: str
    cuts: tuple[Cut, ...] = ()

    @property
    def n_tokens(self) -> int:
        """About how many tokens it has."""
        return (len(self.instructions) + len(self.text)) // CHARACTERS_PER_TOKEN


def compose(
    name: str,
    sections: Sequence[Section],
    *,
    max_tokens: int,
    **values: object,
) -> Prompt:
    """Return the prompt of a role from its file and its material.

    Args:
        name: of a file in `team/prompts`.
        sections: the material, in the order in which it is shown; empty ones are left out.
        max_tokens: of instructions and material together, estimated. What no cut can bring below
            it stays above.
        values: for the file's variables; our own words only, never quoted text.
    """
    version, instructions = instructions_of(name, **values)
    room = max_tokens * CHARACTERS_PER_TOKEN - len(instructions)
    cleaned = [replace(s, text=clean(s.text), short=clean(s.short)) for s in sections if s.text]
    kept, cuts = fit(cleaned, max_characters=room)
    body = quote(kept)
    if cuts:
        body += "\nNot all material fits. Cut: " + "; ".join(map(str, cuts)) + ".\n"
    return Prompt(name=f"{name}@{version}", instructions=instructions, text=body, cuts=tuple(cuts))


def instructions_of(name: str, **values: object) -> tuple[int, str]:
    """Return version and text of one of our prompt files.

    Raises:
        jinja2.UndefinedError: a variable of the file was not given.
    """
    text = _environment().get_template(f"{name}.md").render(values)
    match = VERSION.match(text)
    if match is None:
        raise AssertionError(f"prompts/{name}.md must begin with a line such as 'version: 1'")
    return int(match[1]), text[match.end() :].strip() + "\n"


def fit(sections: Sequence[Section], *, max_characters: int) -> tuple[list[Section], list[Cut]]:
    """Shorten sections, the lightest first, until all fit; say what was cut.

    Three rounds: summaries, then heads, then leaving out what has weight 0 or less.
    """
    kept, cuts = list(sections), list[Cut]()
    by_weight = sorted(range(len(kept)), key=lambda i: (kept[i].weight, -i))
    for how in (_summary, _head, _nothing):
        for i in by_weight:
            excess = sum(len(s.text) for s in kept) - max_characters
            if excess <= 0:
                return [s for s in kept if s.text], cuts
            less = how(kept[i], excess)
            if less is not None and len(less.text) < len(kept[i].text):
                n = len(kept[i].text) - len(less.text)
                words = {_summary: "summarised", _head: "shortened"}.get(how, "left out")
                cuts.append(Cut(title=less.title, how=words, n_characters=n))
                kept[i] = less
    return [s for s in kept if s.text], cuts


def quote(sections: Sequence[Section]) -> str:
    """Write sections one below the other, each between marks that occur in none of them."""
    everything = "\n".join(s.title + "\n" + s.text for s in sections)
    mark = _mark(everything)
    parts = [f"[{mark} begin: {s.title}]\n{s.text.rstrip()}\n[{mark} end]\n" for s in sections]
    return "\n".join(parts)


def clean(text: str) -> str:
    """Replace what a reader cannot see (controls, direction marks, zero widths) by U+FFFD."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(c if c in "\n\t" or not _is_hidden(c) else "\ufffd" for c in text)


def shortened(text: str, limit: int) -> str:
    """Return a text's head, with a word on what is missing."""
    if len(text) <= limit:
        return text
    words = f"\n[… {len(text) - limit} characters left out]"
    return text[: max(0, limit)] + words


def _is_hidden(character: str) -> bool:
    return unicodedata.category(character) in {"Cc", "Cf", "Cs", "Co", "Zl", "Zp"}


def _mark(text: str) -> str:
    """Return a mark that does not occur in a text; the same text gives the same mark."""
    seed = text.encode("utf-8", "replace")
    while True:
        seed = hashlib.sha256(seed).digest()
        mark = f"data-{seed.hex()[:8]}"
        if mark not in text:
            return mark


def _summary(section: Section, excess: int) -> Section | None:
    del excess
    if section.weight >= 9 or not section.short:
        return None
    return replace(section, text=section.short, short="")


def _head(section: Section, excess: int) -> Section | None:
    if section.weight >= 9 or len(section.text) <= MIN_SECTION:
        return None
    limit = max(MIN_SECTION, len(section.text) - excess - 60)
    return replace(section, text=shortened(section.text, limit))


def _nothing(section: Section, excess: int) -> Section | None:
    del excess
    return replace(section, text="") if section.weight <= 0 else None


@functools.cache
def _environment() -> jinja2.Environment:
    return jinja2.Environment(
        loader=jinja2.FunctionLoader(_file),
        undefined=jinja2.StrictUndefined,
        autoescape=False,  # noqa: S701 - no HTML, and only our own words are filled in
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )


def _file(name: str) -> str | None:
    file = resources.files("move37.team") / "prompts" / name
    return file.read_text("utf-8") if file.is_file() else None
