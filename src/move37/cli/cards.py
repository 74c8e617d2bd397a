"""`move37 cards`: search, list, show, lint, add."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from move37.cli.shared import AsJson, app

if TYPE_CHECKING:
    from move37.cognition.cards import Card

cards_app = typer.Typer(no_args_is_help=True, help="Look up and add knowledge from papers.")
app.add_typer(cards_app, name="cards")

Folder = Annotated[
    Path | None,
    typer.Option(
        "--folder", help="Your own cards: a folder of Markdown. [default: cards, if it is there]"
    ),
]
OWN = Path("cards")


@cards_app.command()
def search(
    weakness: Annotated[str, typer.Argument(help="What is weak, in your words.")],
    limit: Annotated[int, typer.Option(min=1, max=50, help="How many.")] = 5,
    folder: Folder = None,
    as_json: AsJson = False,
) -> None:
    """Find the cards that would help with a weakness, best first.

    Example: move37 cards search "values written earlier under the same key come back"
    """
    from move37.cognition.library import Library
    from move37.cognition.shelf import all_cards
    from move37.core.errors import ConfigError

    if not weakness.strip():
        raise ConfigError('nothing was asked; say what is weak, such as "it forgets too slowly"')
    hits = Library(all_cards(_own(folder))).search(weakness, limit=limit)
    if as_json:
        _print_json([{**_record(h.card), "relevance": round(h.relevance, 4)} for h in hits])
        return
    if not hits:
        _print("no card has any of these words; say it in others, or see: move37 cards list")
    for hit in hits:
        _print(f"{hit.card.id}  ({hit.relevance:.2f}){_draft_mark(hit.card)}")
        _print(f"    {hit.card.claim}")
        _print(f"    {_source(hit.card)}")


@cards_app.command("list")
def list_(
    theme: Annotated[str | None, typer.Option(help="Only this theme.")] = None,
    folder: Folder = None,
    as_json: AsJson = False,
) -> None:
    """List all cards by theme.

    Example: move37 cards list --theme delta
    """
    from move37.cognition.shelf import all_cards
    from move37.core.errors import UnknownName

    cards = all_cards(_own(folder))
    themes = sorted({card.theme for card in cards})
    if theme is not None and theme not in themes:
        raise UnknownName.of("theme", theme, themes)
    chosen = [card for card in cards if theme in (None, card.theme)]
    if as_json:
        _print_json([_record(card) for card in chosen])
        return
    for card in sorted(chosen, key=lambda c: (c.theme, c.year, c.id)):
        _print(f"{card.theme:12} {card.year}  {card.id}{_draft_mark(card)}")
    papers = len({card.title for card in chosen})
    _print(f"{len(chosen)} cards of {papers} papers; themes: {', '.join(themes)}")


@cards_app.command()
def show(
    card: Annotated[str, typer.Argument(help="Id of a card.")],
    folder: Folder = None,
    as_json: AsJson = False,
) -> None:
    """Show one card: claim, mechanism, when and how to use it, pitfalls, cost, source.

    Example: move37 cards show gated-delta-rule
    """
    from move37.cognition.library import Library
    from move37.cognition.shelf import all_cards

    found = Library(all_cards(_own(folder))).get(card)
    if as_json:
        _print_json(_record(found))
        return
    _print(f"{found.id}{_draft_mark(found)}")
    for name in ("claim", "mechanism", "when", "how", "pitfalls", "cost"):
        _print(f"  {name + ':':11} {getattr(found, name)}")
    _print(f"  {'kernels:':11} {', '.join(found.kernels) or '-'}")
    _print(f"  {'edits:':11} {', '.join(found.edits) or '-'}")
    _print(f"  {'source:':11} {_source(found)}")
    if found.seen:
        _print(f"  {'checked:':11} against {found.checked} at {found.seen}")


@cards_app.command()
def lint(folder: Folder = None) -> None:
    """Examine all cards: form, sources, edits that exist, texts that stand twice, drafts.

    Exit code 0: nothing to say; 1: something is wrong; 2: a file cannot be read.

    Example: move37 cards lint --folder my-cards
    """
    from move37.campaign.cards import lint_cards

    n_cards, found = lint_cards(_own(folder))
    for fault in found:
        _print(fault)
    _print(f"{n_cards} cards, {len(found)} remarks")
    raise typer.Exit(1 if found else 0)


@cards_app.command()
def add(
    file: Annotated[Path, typer.Argument(help="A paper (PDF or text), or Markdown cards.")],
    campaign: Annotated[
        Path | None, typer.Option(help="Campaign file with [team.models]; for papers.")
    ] = None,
    folder: Annotated[
        Path, typer.Option("--folder", help="Where they go; made if it is not there.")
    ] = OWN,
) -> None:
    """Add your own cards, or have a language model draft cards from a paper.

    Drafts are marked unreviewed: no campaign uses them before you set reviewed = true.

    Example: move37 cards add paper.pdf --campaign my_campaign.toml
    """
    from move37.campaign.cards import add_cards

    added = add_cards(file, folder, campaign=campaign)
    ids = ", ".join(card.id for card in added.cards)
    _print(f"{added.file}: {ids}")
    if added.author:
        _print(f"drafted by {added.author}: read and correct them, then set reviewed = true")


def _own(folder: Path | None) -> Path:
    """Return the folder of the user's own cards; the usual one need not be there.

    Raises:
        ConfigError: a folder was given that is not there.
    """
    from move37.core.errors import ConfigError

    if folder is not None and not folder.is_dir():
        raise ConfigError(f"--folder: there is no folder {folder}; `move37 cards add` makes one")
    return folder or OWN


def _record(card: Card) -> dict[str, Any]:
    return card.model_dump(mode="json")


def _source(card: Card) -> str:
    place = f"arXiv {card.arxiv}" if card.arxiv else card.venue
    return f"{card.authors}: {card.title} ({card.year}), {place}"


def _draft_mark(card: Card) -> str:
    return "" if card.reviewed else "  [unreviewed draft]"


def _print(text: str) -> None:
    """Print a line; what a terminal would obey (papers are hostile) is replaced."""
    typer.echo("".join(c if c.isprintable() else "\ufffd" for c in text))


def _print_json(records: Iterable[Any] | dict[str, Any]) -> None:
    typer.echo(json.dumps(records, indent=2))
