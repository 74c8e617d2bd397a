"""Prompts within a budget.

Q1  What is quoted cannot end its quotation: the marks occur in no quoted text.
Q2  A prompt fits its budget where cuts can bring it there, and says every cut.
Q3  The weightiest is cut last; weight 9 never.
Q4  What a reader cannot see does not get in.
Q5  The same material gives the same prompt.
"""

from __future__ import annotations

import re

from hypothesis import given, settings
from hypothesis import strategies as st

from move37.team.llm.prompting import Section, clean, compose, fit, quote

TEXT = st.text(max_size=2000)
SECTIONS = st.lists(
    st.builds(Section, title=st.sampled_from(["a", "b", "c"]), text=TEXT, weight=st.integers(0, 9)),
    max_size=6,
)
MARK = re.compile(r"\[(data-[0-9a-f]{8}) begin: ")


@settings(deadline=None)
@given(TEXT, TEXT)
def test_marks_occur_in_no_quoted_text(first, second):
    """Q1."""
    once = quote([Section(title="x", text=first), Section(title="y", text=second)])
    mark = MARK.search(once)
    assert mark
    again = quote([Section(title="x", text=once), Section(title="y", text=mark[1])])
    marks = MARK.findall(again)
    assert marks[0] != mark[1]
    assert again.count(marks[0]) == 4


@settings(deadline=None)
@given(SECTIONS, st.integers(0, 4000))
def test_what_is_kept_and_what_is_cut_add_up(sections, room):
    """Q2."""
    kept, cuts = fit(sections, max_characters=room)
    before, after = sum(len(s.text) for s in sections), sum(len(s.text) for s in kept)
    assert before - after == sum(cut.n_characters for cut in cuts)
    assert all(cut.n_characters > 0 for cut in cuts)


@settings(deadline=None)
@given(st.lists(st.integers(0, 5000), min_size=1, max_size=6), st.integers(2500, 20000))
def test_light_material_is_brought_below_the_budget(sizes, room):
    """Q2."""
    sections = [Section(title=str(i), text="x" * n, weight=0) for i, n in enumerate(sizes)]
    kept, _ = fit(sections, max_characters=room)
    assert sum(len(s.text) for s in kept) <= room


def test_summaries_come_first_and_the_lightest_goes_first():
    """Q3."""
    sections = [
        Section(title="heavy", text="h" * 1000, short="h", weight=9),
        Section(title="middle", text="m" * 1000, short="m" * 10, weight=5),
        Section(title="light", text="l" * 1000, short="l" * 10, weight=1),
    ]
    kept, cuts = fit(sections, max_characters=2100)
    assert [len(s.text) for s in kept] == [1000, 1000, 10]
    assert [(c.title, c.how) for c in cuts] == [("light", "summarised")]
    kept, _ = fit(sections, max_characters=10)
    assert kept[0].text == "h" * 1000


def test_a_prompt_says_what_was_cut():
    """Q2."""
    sections = [Section(title="lessons", text="word " * 5000, weight=1)]
    prompt = compose("critic", sections, max_tokens=1500)
    assert prompt.n_tokens <= 1600
    assert prompt.cuts[0].title == "lessons"
    assert str(prompt.cuts[0]) in prompt.text


@settings(deadline=None)
@given(TEXT)
def test_hidden_characters_are_replaced(text):
    """Q4."""
    cleaned = clean(text + "\u202e\u200b\x1b[31m")
    assert not re.search(r"[\u202e\u200b\x00-\x08\x0b-\x1f]", cleaned)
    assert len(cleaned) == len(text) + 7


@settings(deadline=None)
@given(SECTIONS)
def test_the_same_material_gives_the_same_prompt(sections):
    """Q5."""
    first = compose("critic", sections, max_tokens=2000)
    assert first == compose("critic", list(sections), max_tokens=2000)
