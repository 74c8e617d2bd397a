"""Cards as Markdown, for people: a user's own knowledge in a folder of files, one paper a file.

    +++
    title = "Some Layer That I Believe In"
    authors = "Me"
    year = 2026
    venue = "notebook, page 12"
    +++

    ## my-first-card

    **Claim.** What holds, in a sentence.
    **Mechanism.** S_t = …
    **When.** The weakness it cures, as an Analyst would say it.
    **How.** With which kernels.
    **Pitfalls.** …
    **Cost.** …
    **Kernels.** delta_rule
    **Edits.** update:delta, norm:l2-qk

The part between the `+++` lines is TOML. `reviewed = false` there keeps cards out of campaigns.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterable, Sequence
from pathlib import Path

from move37.cognition.cards import Card, make_cards
from move37.core.errors import ConfigError

FRONT = re.compile(r"\A\+\+\+\n(.*?)\n\+\+\+\n(.*)\Z", re.DOTALL)
HEADING = re.compile(r"^## +(\S+) *$", re.MULTILINE)
FIELD = re.compile(r"^\*\*([A-Z][a-z]+)\.\*\* *", re.MULTILINE)
LISTS = ("kernels", "edits")
PROSE = ("claim", "mechanism", "when", "how", "pitfalls", "cost")
SOURCE = ("title", "authors", "year", "arxiv", "venue", "reviewed", "seen")
MAX_BYTES = 1_000_000


def read_folder(folder: Path) -> tuple[tuple[str, Card], ...]:
    """Return the cards of all Markdown files of a folder, each with its file, in name order.

    Raises:
        ConfigError: a file is malformed; the message names it.
    """
    files = sorted(folder.glob("*.md")) if folder.is_dir() else []
    return tuple((str(file), card) for file in files for card in read_file(file))


def read_file(file: Path) -> tuple[Card, ...]:
    """Return the cards of one Markdown file.

    Raises:
        ConfigError: not readable, too large, or of another form.
    """
    try:
        if file.stat().st_size > MAX_BYTES:
            raise ConfigError(f"{file.name}: a file of cards has at most {MAX_BYTES} bytes")
        text = file.read_text("utf-8-sig")  # some editors put a mark at the start
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{file}: cannot be read: {error}") from error
    return read_markdown(text, where=file.name)


def read_markdown(text: str, *, where: str) -> tuple[Card, ...]:
    """Return the cards of a Markdown text.

    Raises:
        ConfigError: no front matter, no card, or a field missing, doubled or unknown.
    """
    match = FRONT.match(text.replace("\r\n", "\n"))
    if match is None:
        raise ConfigError(
            f"{where}: a file of cards begins with TOML between two lines of +++ "
            "(title, authors, year, arxiv or venue)"
        )
    try:
        source = tomllib.loads(match[1])
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{where}: the part between +++ is not valid TOML: {error}") from error
    if unknown := sorted(set(source) - set(SOURCE)):
        raise ConfigError(f"{where}: unknown {', '.join(unknown)}; known: {', '.join(SOURCE)}")
    _, *sections = HEADING.split(match[2])
    if not sections:
        raise ConfigError(
            f"{where}: no card; a card begins with a heading such as ## my-first-card"
        )
    bodies = [
        {"id": id_, **_fields(body, where=f"{where}: {id_}")}
        for id_, body in zip(sections[::2], sections[1::2], strict=True)
    ]
    return make_cards({**source, "theme": "own", "checked": "user"}, bodies, where=where)


def _fields(body: str, *, where: str) -> dict[str, object]:
    _, *parts = FIELD.split(body)
    fields: dict[str, object] = {}
    for name, value in zip(parts[::2], parts[1::2], strict=True):
        key = name.lower()
        if key not in (*PROSE, *LISTS):
            raise ConfigError(f"{where}: unknown field {name!r}; known: {', '.join(PROSE + LISTS)}")
        if key in fields:
            raise ConfigError(f"{where}: {name} stands there twice")
        words = " ".join(value.split())
        fields[key] = tuple(re.findall(r"[^\s,]+", words)) if key in LISTS else words
    return fields


def write_markdown(cards: Sequence[Card]) -> str:
    """Return cards of one source as the Markdown that `read_markdown` reads."""
    first = cards[0]
    source = {name: getattr(first, name) for name in SOURCE}
    lines = [
        f"{name} = {_toml(value)}" for name, value in source.items() if value not in (None, "")
    ]
    parts = ["+++", *lines, "+++", ""]
    for card in cards:
        parts += [f"## {card.id}", "", *_spelled(card), ""]
    return "\n".join(parts)


def _spelled(card: Card) -> Iterable[str]:
    for name in PROSE:
        if value := getattr(card, name):
            yield f"**{name.capitalize()}.** {_one_line(value)}"
    for name in LISTS:
        if values := getattr(card, name):
            yield f"**{name.capitalize()}.** {_one_line(', '.join(values))}"


def _one_line(text: str) -> str:
    """Keep a value from looking like structure: that begins a line, and this begins none."""
    return " ".join(_encodable(text).split())


def _toml(value: object) -> str:
    """Spell a string, number or boolean: its JSON is TOML too, but for one character."""
    text = _encodable(value) if isinstance(value, str) else value
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def _encodable(text: str) -> str:
    return text.encode("utf-8", "replace").decode()
