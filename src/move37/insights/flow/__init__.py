"""What flows where inside a layer, as a drawing: from its description, or from its code.

    svg = data_flow_svg(candidate.source, candidate.idea.description)

Pure: text in, text out; a candidate's code is parsed, never executed.
"""

from __future__ import annotations

from move37.insights.flow.coded import coded_flow
from move37.insights.flow.described import described_flow
from move37.insights.flow.drawing import draw, draw_words, standalone
from move37.insights.flow.parts import Flow

__all__ = ["Flow", "data_flow", "data_flow_svg", "standalone"]


def data_flow(program: str, description: str | None = None) -> tuple[Flow | None, str]:
    """Return the data flow of a layer, and what it was read from or why there is none."""
    flow = described_flow(description or "")
    if flow is not None:
        return flow, "its description"
    flow, problem = coded_flow(program)
    return (flow, "its code") if flow is not None else (None, problem)


def data_flow_svg(program: str, description: str | None = None) -> str:
    """Return a diagram of a layer as an SVG element that is safe to put into a page as it is.

    Args:
        program: source of the layer; used where there is no description.
        description: the symbolic team's JSON (`Idea.description`), if there is one.
    """
    flow, origin = data_flow(program, description)
    if flow is None:
        return draw_words(f"no diagram: {origin}", "No diagram of this layer")
    return draw(flow, f"Data flow of the layer, drawn from {origin}")
