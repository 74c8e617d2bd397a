"""Whether a repair keeps the idea.

M1  Renamed, reordered, reformatted: the mechanism is the same.
M2  A repair that mends around the idea keeps it; one that falls back to the parent, or drops the
    kernel that is new, has removed it.
M3  Total: any text has a mechanism.
"""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from move37.lab.references import reference_source
from move37.team.llm.mechanism import compare, mechanism_of

PARENT = reference_source("linear_attention")
IDEA = reference_source("gated_deltanet")


def test_names_and_order_do_not_matter():
    """M1."""
    renamed = IDEA.replace("q_BTHK", "query").replace("self.beta", "self.write_strength")
    assert mechanism_of(renamed) == mechanism_of(IDEA)


def test_a_local_alias_of_a_kernel_is_the_kernel():
    """M1."""
    source = "from move37.arena.kernels import delta_rule as d\nd(q, k, v, scale=1)\n"
    assert set(mechanism_of(source)) == {"kernel:delta_rule", "kernel:delta_rule.scale"}


def test_a_repair_around_the_idea_keeps_it():
    """M2."""
    mended = IDEA.replace("self.beta(x_BTD).sigmoid()", "self.beta(x_BTD).sigmoid().clamp(max=0.9)")
    kept = compare(IDEA, mended, parent=PARENT)
    assert kept.is_kept
    assert kept.share == 1.0


def test_falling_back_to_the_parent_removes_the_idea():
    """M2."""
    kept = compare(IDEA, PARENT, parent=PARENT)
    assert not kept.is_kept
    assert kept.lost[0].startswith("kernel:")


def test_putting_another_kernel_in_the_place_of_the_new_one_removes_the_idea():
    """M2."""
    swapped = IDEA.replace("gated_delta_rule", "delta_rule")
    assert not compare(IDEA, swapped, parent=PARENT).is_kept


def test_without_a_parent_the_whole_layer_is_the_idea():
    """M2."""
    assert compare(IDEA, IDEA).is_kept
    assert not compare(IDEA, reference_source("retnet")).is_kept


@settings(deadline=None)
@given(st.text(max_size=200))
def test_any_text_has_a_mechanism(text):
    """M3."""
    assert 0.0 <= compare(text, text).share <= 1.0
