"""The diagram of a layer's data flow.

F1  Every layer the house knows has a diagram that leads from its input through its memory to its
    output: from its description, and from its code.
F2  Whatever the layer, the drawing is well-formed, nothing lies on top of another box or outside,
    and every field of a description is either drawn or known not to be.
F3  Hostile text is shown and does nothing; what cannot be read gives words; time is bounded.
F4  It fits any page: no script, style, id or address, and it reads without colour.
"""

from __future__ import annotations

import random
import time
from dataclasses import fields
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from move37.insights.flow import data_flow, data_flow_svg, standalone
from move37.insights.flow.layout import lay_out
from move37.insights.flow.parts import MAX_BOXES, Draft, Part
from move37.lab.references import reference_names, reference_source
from move37.team.symbolic.crossover import random_description
from move37.team.symbolic.description import Description, to_json
from move37.team.symbolic.library import library_description, library_names
from move37.team.symbolic.render import render

TESTS = Path(__file__).parents[1]
FOREIGN = sorted((TESTS / "arena" / "fla_layers").glob("*.txt"))
CORPUS = sorted(f for f in (TESTS / "hostile" / "corpus").rglob("*") if f.is_file())
NOT_DRAWN = {"heads", "key_size", "value_size"}
"""Fields of a description that change sizes only."""
SVG = "{http://www.w3.org/2000/svg}"


def ways_to_the_output(flow) -> set[int]:
    """Boxes on a way from the first box, the input, to the last one, the output."""
    reached = {0}
    for arrow in sorted(flow.arrows, key=lambda a: a.target):
        if arrow.source in reached:
            reached.add(arrow.target)
    return reached


@pytest.mark.parametrize("name", reference_names())
def test_the_code_of_every_reference_leads_through_its_memory_to_its_output(name):
    """F1."""
    flow, origin = data_flow(reference_source(name))
    assert flow is not None
    assert origin == "its code"
    kinds = {flow.boxes[k].kind for k in ways_to_the_output(flow)}
    assert Part.END in kinds
    assert {Part.MEMORY, Part.CONVOLUTION} & kinds
    assert len(flow.boxes) - 1 in ways_to_the_output(flow)


@pytest.mark.parametrize("file", FOREIGN, ids=lambda f: f.name.split(".")[0])
def test_the_code_of_a_foreign_layer_leads_to_its_output(file):
    """F1."""
    flow, _ = data_flow(file.read_text())
    assert flow is not None
    assert len(flow.boxes) - 1 in ways_to_the_output(flow)
    assert len(flow.boxes) >= 3


def test_code_of_a_gated_delta_net_shows_its_parts():
    """F1: names and kinds, as read from the syntax tree."""
    flow, _ = data_flow(reference_source("gated_deltanet"))
    assert flow is not None
    found = {box.label: box.kind for box in flow.boxes}
    assert found["gated delta rule"] is Part.MEMORY
    assert found["beta"] is Part.GATE
    assert found["short convolution"] is Part.CONVOLUTION
    assert found["l2 norm"] is Part.NORM


@pytest.mark.parametrize("name", library_names())
def test_every_described_mixer_is_drawn_from_its_description(name):
    """F1."""
    flow, origin = data_flow("", to_json(library_description(name)))
    assert flow is not None
    assert origin == "its description"
    assert len(flow.boxes) - 1 in ways_to_the_output(flow)


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 10_000))
def test_a_drawing_is_well_formed_and_boxes_stand_apart(seed):
    """F2."""
    d = random_description(random.Random(seed))
    for flow, _ in (data_flow("", to_json(d)), data_flow(render(d))):
        assert flow is not None
        layout = lay_out(flow)
        spots = [(p.x - p.width / 2, p.x + p.width / 2, p.y - p.height / 2, p.y + p.height / 2)
                 for p in layout.places]  # fmt: skip
        for k, (left, right, top, low) in enumerate(spots):
            assert 0 <= left < right <= layout.width
            assert 0 <= top < low <= layout.height
            for other_left, other_right, other_top, other_low in spots[:k]:
                beside = right <= other_left or other_right <= left
                assert beside or low <= other_top or other_low <= top
    assert ET.fromstring(data_flow_svg("", to_json(d))).tag == f"{SVG}svg"


@pytest.mark.parametrize("name", [f.name for f in fields(Description) if f.name not in NOT_DRAWN])
def test_every_field_of_a_description_changes_the_drawing(name):
    """F2: two random descriptions that differ in it do not look alike."""
    seen: dict[object, Description] = {}
    for seed in range(300):
        d = random_description(random.Random(seed))
        seen.setdefault(getattr(d, name), d)
        if len(seen) > 1:
            break
    one, two = list(seen.values())[:2]
    assert data_flow_svg("", to_json(one)) != data_flow_svg("", to_json(two))


@pytest.mark.parametrize("file", CORPUS, ids=lambda f: f.name)
def test_hostile_programs_are_read_or_refused_in_time(file):
    """F3."""
    start = time.process_time()
    svg = data_flow_svg(file.read_text(errors="replace"))
    assert time.process_time() - start < 3.0
    assert ET.fromstring(svg).tag == f"{SVG}svg"


@pytest.mark.parametrize(
    "program",
    [
        "", "x = (", "\0", "def f(): pass", "class A: pass", "(" * 5000, "-" * 9000 + "1",
        "import " + ".".join(["a"] * 20_000),
        "class M:\n def forward(self, x): return " + "f(" * 100 + "x" + ")" * 100,
        "class M:\n def forward(self, x): return x" + " + x" * 1500,
    ],
    ids=range(10),
)  # fmt: skip
def test_what_cannot_be_read_gives_words(program):
    """F3: an SVG all the same."""
    start = time.process_time()
    assert ET.fromstring(data_flow_svg(program, "{}")).tag == f"{SVG}svg"
    assert time.process_time() - start < 3.0


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"memories": 3}', "[" * 50_000, '{"memories":[1]}']
)
def test_what_is_no_description_is_drawn_from_the_code(text):
    """F3."""
    assert data_flow(reference_source("gla"), text)[1] == "its code"


def test_code_that_doubles_itself_is_bounded():
    """F3: helpers that call each other twice."""
    helpers = "".join(f" def h{k}(self, x): return self.h{k + 1}(x) + self.h{k + 1}(x * 2)\n"
                      for k in range(40))  # fmt: skip
    lines = "".join(f"  a{k} = self.l{k}(x) * self.m{k}(x)\n  x = x + a{k}\n" for k in range(300))
    program = f"class M:\n{helpers} def forward(self, x):\n{lines}  return self.h0(x)\n"
    start = time.process_time()
    flow, _ = data_flow(program)
    svg = data_flow_svg(program)
    assert time.process_time() - start < 6.0
    assert flow is None or len(flow.boxes) <= MAX_BOXES + 1
    assert ET.fromstring(svg).tag == f"{SVG}svg"


def test_names_cannot_leave_their_place():
    """F3: a description may hold any text where the house expects a word."""
    bad = to_json(library_description("gated_deltanet")).replace(
        '"of":"x"', '"of":"</text><script>alert(1)</script>"'
    )
    svg = data_flow_svg("", bad)
    assert "<script" not in svg
    assert ET.fromstring(svg).find(f".//{SVG}script") is None


def test_it_fits_any_page():
    """F4."""
    svg = data_flow_svg(reference_source("mamba3"))
    foreign = (" id=", "<style", "<script", "href", "url(", "style=")
    assert [part for part in foreign if part in svg] == []
    assert "currentColor" in svg
    words = "".join(ET.fromstring(svg).itertext())
    assert all(kind in words for kind in ("memory", "gate", "linear map"))


def test_a_file_of_its_own_brings_its_page_colour():
    """F4."""
    svg = standalone(data_flow_svg(reference_source("gla")))
    assert ET.fromstring(svg).tag == f"{SVG}svg"
    assert "prefers-color-scheme:dark" in svg


def test_a_single_box_can_be_laid_out():
    """F2."""
    draft = Draft()
    draft.add("x", Part.END)
    assert len(lay_out(draft.done()).places) == 1
