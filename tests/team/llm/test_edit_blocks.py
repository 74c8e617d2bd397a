"""Edit blocks.

E1  Edits that are spelled and read again are the same.
E2  An edit whose old lines stand once is applied, and nothing else changes.
E3  Old lines that stand nowhere, or more than once, are refused with a word that helps.
E4  Total: any text gives edits or a ReplyError.
"""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from move37.core.errors import ReplyError
from move37.team.llm.edit_blocks import Edit, apply_edits, read_edits, spell
from move37.team.llm.replies import joined, rows

LINE = st.text(st.characters(exclude_characters="\n\r", exclude_categories=["Cs"]), max_size=12)
LINES = st.lists(LINE.filter(lambda x: x.strip() not in {"=======", ">>>>>>> REPLACE"}), max_size=5)
MARKS = ["<<<<<<< SEARCH\n", "=======\n", ">>>>>>> REPLACE\n", "a\n", "b\n", "\n"]
SOURCE = "a = 1\nb = 2\nc = 3\nb = 2\n"


@settings(deadline=None)
@given(st.lists(st.builds(Edit, old=LINES.map(joined), new=LINES.map(joined)), max_size=4))
def test_spelled_edits_are_read_again(edits):
    """E1."""
    assert read_edits("Because of this:\n\n" + spell(edits) + "\nDone.") == edits


@settings(deadline=None)
@given(st.lists(LINE, min_size=1, max_size=12), st.data())
def test_an_edit_changes_its_lines_and_nothing_else(lines, data):
    """E2."""
    start = data.draw(st.integers(0, len(lines) - 1))
    end = data.draw(st.integers(start + 1, len(lines)))
    old, new = lines[start:end], data.draw(LINES)
    n = len(old)
    assume(sum(lines[i : i + n] == old for i in range(len(lines) - n + 1)) == 1)
    changed = apply_edits(joined(lines), [Edit(old=joined(old), new=joined(new))])
    assert changed == joined([*lines[:start], *new, *lines[end:]])


def test_edits_are_applied_one_after_the_other():
    edits = [Edit(old="a = 1\n", new="a = 5\n"), Edit(old="a = 5\nb = 2\n", new="a = b = 5\n")]
    assert apply_edits(SOURCE, edits) == "a = b = 5\nc = 3\nb = 2\n"


@pytest.mark.parametrize(
    ("old", "complaint"),
    [
        ("c = 4\n", "near it stands 'c = 3'"),
        ("b = 2\n", "fits 2 places"),
        ("b  = 2\n", "fits nowhere"),
        ("", "searches for nothing"),
    ],
)
def test_old_lines_that_do_not_stand_there_once_are_refused(old, complaint):
    """E3."""
    with pytest.raises(ReplyError, match=complaint):
        apply_edits(SOURCE, [Edit(old=old, new="x\n")])


@settings(deadline=None)
@given(st.lists(st.sampled_from(MARKS), max_size=30).map("".join))
def test_any_text_gives_edits_or_a_reply_error(text):
    """E4."""
    with contextlib.suppress(ReplyError):
        assert len(rows(apply_edits(SOURCE, read_edits(text)))) >= 0


def test_a_block_that_is_cut_off_is_refused():
    with pytest.raises(ReplyError, match="block 1 is not closed"):
        read_edits("<<<<<<< SEARCH\na = 1\n=======\na = 2\n")
