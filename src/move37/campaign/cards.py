"""What `move37 cards` does beyond looking up: examine cards, and draft new ones from a paper."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from move37.campaign.settings import load_campaign
from move37.cognition.cards import Card, unique
from move37.cognition.handwritten import FRONT, read_file, read_markdown, write_markdown
from move37.cognition.paper import read_paper
from move37.cognition.shelf import all_cards, all_places, faults
from move37.core.config import CampaignConfig
from move37.core.errors import ConfigError, ReplyError
from move37.core.team import Allowance, Role
from move37.team.llm.chairs import one_of
from move37.team.llm.reader import Reading, read_paper_with
from move37.team.models.calls import MakeModel, MemoryClerk
from move37.team.models.desk import Desk
from move37.team.models.preflight import check_team
from move37.team.symbolic.edits import EDITS

DRAFTS = Allowance(tokens=400_000)
"""What one paper may use where the campaign file sets no limit: several tries at its whole text."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Added:
    """A file of cards that is new in the user's folder."""

    file: Path
    cards: tuple[Card, ...]
    author: str
    """Which model drafted them; empty for hand-written ones."""


def lint_cards(folder: Path) -> tuple[int, tuple[str, ...]]:
    """Return the number of cards and everything that is wrong with them.

    Raises:
        ConfigError: a file is malformed.
    """
    cards = all_cards(folder)
    return len(cards), tuple(faults(cards, known_edits=EDITS))


def add_cards(
    file: Path, folder: Path, *, campaign: Path | None, make_model: MakeModel | None = None
) -> Added:
    """Take a file into the user's folder: cards as they are, a paper as drafts of a model.

    Args:
        file: Markdown cards, or a paper as PDF or text.
        folder: the user's cards.
        campaign: a campaign file whose team has language models; for papers only.
        make_model: who answers in place of the team's providers.

    Raises:
        ConfigError: the file cannot be read, its cards are malformed or there already, or a paper
            is given and no model.
        ReplyError: no model gave usable drafts.
    """
    text = read_paper(file)
    if FRONT.match(text.replace("\r\n", "\n")):
        cards, author = read_file(file), ""
        name, where = file.stem, str(file)
    else:
        reading, author = _draft(text, campaign, make_model)
        cards = _cards_of(reading)
        name, where = _slug(reading.title), f"the draft of {file}"
    unique([*all_places(folder), *((where, card) for card in cards)])
    return Added(file=_keep(cards, folder, name), cards=cards, author=author)


def _draft(paper: str, campaign: Path | None, make_model: MakeModel | None) -> tuple[Reading, str]:
    config = load_campaign(campaign)
    if not config.team.models:
        raise ConfigError(
            "drafting cards from a paper needs a language model: give --campaign FILE with a table "
            "[team.models]; cards that you write yourself need none (Markdown, see docs/cards.md)"
        )
    team = config.team.model_copy(update={"analyst": "llm"})
    if make_model is None:
        check_team(team, needs_prices=config.budget.dollars is not None)
    desk = Desk(team, MemoryClerk(), allowance=_allowance(config), make_model=make_model)
    try:
        seat = one_of(desk, Role.ANALYST)(0)
        return read_paper_with(seat, paper), seat.label
    except ReplyError as error:
        raise ReplyError(f"no usable draft of this paper: {error}") from error
    finally:
        desk.close()


def _allowance(config: CampaignConfig) -> Allowance:
    budget = config.budget
    if budget.tokens is None and budget.dollars is None:
        return DRAFTS
    return Allowance(tokens=budget.tokens, dollars=budget.dollars)


def _cards_of(reading: Reading) -> tuple[Card, ...]:
    """Return drafts as cards, unreviewed; what a model wrote is checked as any other card is."""
    source = reading.model_dump(exclude={"cards"})
    spelled = [
        Card(**source, **body.model_dump(), theme="own", checked="user", reviewed=False)
        for body in reading.cards
    ]
    return read_markdown(write_markdown(spelled), where="the draft")


def _keep(cards: Sequence[Card], folder: Path, name: str) -> Path:
    file = folder / f"{name}.md"
    if file.exists():
        raise ConfigError(f"{file} exists; remove or rename it first")
    folder.mkdir(parents=True, exist_ok=True)
    file.write_text(write_markdown(cards), encoding="utf-8")
    return file


def _slug(title: str) -> str:
    ascii_title = unicodedata.normalize("NFKD", title).encode("ascii", "ignore").decode()
    return "-".join(re.findall(r"[a-z0-9]+", ascii_title.lower()))[:60].strip("-") or "paper"
