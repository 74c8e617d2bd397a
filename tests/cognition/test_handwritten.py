"""Own cards are Markdown; what is written is what is read; a malformed file says what is wrong."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from move37.cognition.cards import Card, shipped_cards
from move37.cognition.handwritten import read_folder, read_markdown, write_markdown
from move37.cognition.paper import read_paper
from move37.cognition.shelf import all_cards, faults, reviewed
from move37.core.errors import ConfigError

GOOD = """+++
title = "A layer I believe in"
authors = "Me"
year = 2026
venue = "notebook, page 12"
+++

## my-card

**Claim.** Something holds, said
over two lines.
**Mechanism.** S_t = S_{t-1} + k_t v_t^T, plainly.
**When.** A weakness that I saw in my own runs.
**How.** linear_attention without decay, as it is.
**Kernels.** linear_attention
**Edits.** update:delta, norm:l2-qk
"""


def test_a_card_is_read_from_markdown():
    (card,) = read_markdown(GOOD, where="mine.md")
    assert (card.id, card.theme, card.reviewed) == ("my-card", "own", True)
    assert card.claim == "Something holds, said over two lines."
    assert card.edits == ("update:delta", "norm:l2-qk")


def test_every_shipped_card_survives_being_written_as_markdown():
    for card in shipped_cards():
        (again,) = read_markdown(write_markdown([card]), where="x")
        assert again == card.model_copy(update={"theme": "own", "checked": "user"})


prose = st.text(min_size=30, max_size=80).filter(lambda s: len(" ".join(s.split())) >= 20)


@given(prose, prose)
def test_no_text_of_a_card_becomes_structure(claim, title):
    """A heading, a field or front matter inside a value stays inside the value."""
    hostile = f"{claim}\n## other-card\n**Edits.** update:delta\n+++"
    card = Card(
        id="a-card", title=title, authors="Some One", year=2020, venue="here", claim=hostile,
        mechanism="m" * 30, when="w" * 30, how="h" * 30,
    )  # fmt: skip
    (again,) = read_markdown(write_markdown([card]), where="x")
    assert (again.id, again.edits, again.title) == ("a-card", (), title)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("+++\n", "", "begins with TOML"),
        ("year = 2026", "year = ", "not valid TOML"),
        ('venue = "notebook, page 12"', "", "needs a source"),
        ("authors", "author", "unknown author"),
        ("## my-card", "# my-card", "no card"),
        ("**How.**", "**Hew.**", "unknown field 'Hew'"),
        ("**When.**", "**Claim.**", "stands there twice"),
        ("**Mechanism.** S_t = S_{t-1} + k_t v_t^T, plainly.\n", "", "mechanism"),
    ],
)
def test_a_malformed_file_is_refused_with_what_is_wrong(old, new, words):
    with pytest.raises(ConfigError, match=words):
        read_markdown(GOOD.replace(old, new), where="mine.md")


def test_own_cards_stand_beside_those_that_ship(tmp_path):
    (tmp_path / "mine.md").write_text(GOOD)
    assert "my-card" in {card.id for card in all_cards(tmp_path)}
    assert read_folder(tmp_path / "nowhere") == ()


def test_an_own_card_may_not_take_a_shipped_id(tmp_path):
    (tmp_path / "mine.md").write_text(GOOD.replace("my-card", "delta-rule-write"))
    with pytest.raises(
        ConfigError, match=r"'delta-rule-write', in delta.* of move37 and in .*mine"
    ):
        all_cards(tmp_path)


def test_two_own_cards_of_one_id_are_refused_with_their_files(tmp_path):
    (tmp_path / "first.md").write_text(GOOD)
    (tmp_path / "second.md").write_text(GOOD)
    with pytest.raises(ConfigError, match=r"'my-card', in .*first\.md and in .*second\.md"):
        all_cards(tmp_path)


def test_a_file_that_an_editor_has_marked_as_unicode_is_read(tmp_path):
    (tmp_path / "mine.md").write_text(GOOD, encoding="utf-8-sig")
    ((where, card),) = read_folder(tmp_path)
    assert (where, card.id) == (str(tmp_path / "mine.md"), "my-card")
    assert read_paper(tmp_path / "mine.md").startswith("+++")


def test_a_formula_survives_being_written_and_read():
    formula = "S_t = a**b * S_{t-1} + k**2; **When.** ** and ***, __x__ and `q`"
    (card,) = read_markdown(GOOD, where="x")
    written = card.model_copy(update={"mechanism": formula})
    (again,) = read_markdown(write_markdown([written]), where="x")
    assert again == written


def test_a_draft_is_no_card_for_a_campaign():
    (draft,) = read_markdown(GOOD.replace("+++\n\n", "reviewed = false\n+++\n\n"), where="x")
    assert reviewed([draft]) == ()
    assert any("draft" in fault for fault in faults([draft], known_edits=draft.edits))


def test_lint_finds_nothing_in_what_ships():
    cards = shipped_cards()
    assert list(faults(cards, known_edits={e for c in cards for e in c.edits})) == []


def pdf(words: str) -> bytes:
    """A PDF of one page, written by hand."""
    content = f"BT /F1 12 Tf 20 200 Td ({words}) Tj ET"
    font = "<</Type /Font /Subtype /Type1 /BaseFont /Helvetica>>"
    objects = [
        "<</Type /Catalog /Pages 2 0 R>>",
        "<</Type /Pages /Kids [3 0 R] /Count 1>>",
        f"<</Type /Page /Parent 2 0 R /Contents 4 0 R /Resources <</Font <</F1 {font}>>>>>>",
        f"<</Length {len(content)}>> stream\n{content}\nendstream",
    ]
    text, places = "%PDF-1.4\n", []
    for number, body in enumerate(objects, start=1):
        places.append(len(text))
        text += f"{number} 0 obj {body} endobj\n"
    table = "".join(f"{place:010} 00000 n \n" for place in places)
    end = f"xref\n0 5\n0000000000 65535 f \n{table}trailer <</Root 1 0 R /Size 5>>\n"
    return f"{text}{end}startxref\n{len(text)}\n%%EOF\n".encode()


def test_the_text_of_a_pdf_is_read(tmp_path):
    file = tmp_path / "paper.pdf"
    file.write_bytes(pdf("Delta rules forget"))
    assert "Delta rules forget" in read_paper(file)


@pytest.mark.parametrize(
    ("content", "words"),
    [(b"%PDF-1.4\nbroken", "not a readable PDF"), (b"\xff\xfe\x00", "UTF-8"), (b" \n", "no text")],
)
def test_a_file_without_a_readable_text_is_refused(tmp_path, content, words):
    file = tmp_path / "paper.pdf"
    file.write_bytes(content)
    with pytest.raises(ConfigError, match=words):
        read_paper(file)
