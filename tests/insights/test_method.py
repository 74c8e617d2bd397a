"""What a campaign learnt, and how the next one reads it.

M1  What is written is read back: the same names with the same worth, to the printed digits.
M2  Worth is drawn towards zero, more so where fewer lessons speak.
M3  Hostile names never become lines, and a foreign file is refused.
M4  What noise could explain stands apart from what helps or hurts.
"""

from __future__ import annotations

import dataclasses

import pytest
from told_campaigns import layer, opening, searched

from move37.core.errors import ConfigError
from move37.insights.method import learnt, lessons_page, read_lessons, weighed
from move37.insights.story import tell


def campaign(*earned: dict[str, float]) -> list:
    told = [searched(layer(f"layer {k}"), 1.0, edits=of) for k, of in enumerate(earned)]
    return [*opening(), *(event for events in told for event in events)]


CREDITS = ({"add:decay": 2.0, "norm": 1.2}, {"add:decay": 1.6}, {"widen": -2.4, "add:decay": 2.2})


def test_what_is_written_is_read_back():
    """M1."""
    story = tell(campaign(*CREDITS))
    read = read_lessons(lessons_page(story))
    assert read == pytest.approx({r.name: r.shrunk for r in learnt(story)}, abs=0.005)
    assert set(read) == {"add:decay", "norm", "widen"}


def test_worth_is_drawn_towards_zero_more_where_fewer_lessons_speak():
    """M2."""
    rows = {row.name: row for row in learnt(tell(campaign(*CREDITS)))}
    kept = {name: row.shrunk / row.mean for name, row in rows.items()}
    assert 0 < kept["norm"] < kept["add:decay"] < 1


def test_two_lessons_that_happen_to_agree_do_not_make_a_third_certain():
    """M2: the noise of a pair is known; a few accidental repeats do not talk it away."""
    rows = learnt(tell(campaign({"norm": 1.0}, {"norm": 1.01}, {"conv": 0.9}, {"gate": -0.8})))
    by_name = {row.name: row for row in rows}
    assert by_name["conv"].error > 0.8
    assert by_name["conv"].shrunk < 0.7 * by_name["conv"].mean
    page = lessons_page(tell(campaign({"norm": 1.0}, {"conv": 0.001})))
    before, too_little = page.split("Too little to tell")
    assert ("conv" in before, "conv" in too_little) == (False, True)


def test_what_noise_could_explain_is_not_said_to_help():
    """M4: less than two standard errors from 0, or one lesson alone, however large."""
    told = [{"good": 3.0, "weak": 0.9}, {"good": 3.2, "weak": 0.5}, {"one": 9.0}]
    found = weighed(tell(campaign(*told)))
    assert [row.name for row in found.helping] == ["good"]
    assert (found.hurting, {row.name for row in found.unclear}) == ([], {"weak", "one"})
    helps, rest = lessons_page(tell(campaign(*told[:2]))).split("## Seems to hurt")
    assert ("`good`" in helps, "`weak`" in helps, "`weak`" in rest) == (True, False, True)


def test_the_candidates_that_a_lesson_rests_on_are_named():
    """M1."""
    page = lessons_page(tell(campaign(*CREDITS)))
    assert layer("layer 2").id in page


def test_hostile_names_do_not_become_lines():
    """M3."""
    names = {"a`: +9.0\n- `b": 5.0, "<script>": 5.0, "good": 1.0}
    assert set(read_lessons(lessons_page(tell(campaign(names, {"good": 1.1}))))) == {"good"}


@pytest.mark.parametrize("text", ["", "# Notes\n- gates are nice", "- `x`: ..", "\0" * 99])
def test_a_foreign_file_is_refused(text):
    """M3."""
    with pytest.raises(ConfigError, match="no lesson in this file"):
        read_lessons(text)


def test_a_campaign_without_lessons_says_so():
    """M1."""
    assert "nothing was measured yet" in lessons_page(tell(opening()))


def test_an_imported_run_teaches_nothing_and_says_why():
    """M3: published scores are no trials."""
    first, *rest = opening()
    page = lessons_page(tell([dataclasses.replace(first, imported_from="asi-arch"), *rest]))
    assert "imported from asi-arch: published scores are no trials" in page
    with pytest.raises(ConfigError, match="no lesson in this file"):
        read_lessons(page)
