"""Make a flow read from code shorter: chains of small steps become one box."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

from move37.insights.flow.parts import Arrow, Box, Flow, Part

STEPS = (Part.POINTWISE, Part.GATE, Part.NORM)
FIRST = (Part.LINEAR, Part.POINTWISE, Part.GATE, Part.CONVOLUTION, Part.OTHER)
MAX_DETAIL = 46


def fold_chains(flow: Flow) -> Flow:
    """Fold each function of a single box into that box, and leave out what leads nowhere.

    `beta` followed by a sigmoid becomes one gate `beta` with the sigmoid below its name.
    """
    flow = _without_dead_ends(flow)
    boxes, parent = list(flow.boxes), list(range(len(flow.boxes)))
    sources: dict[int, list[int]] = {k: [] for k in parent}
    for arrow in flow.arrows:
        sources[arrow.target].append(arrow.source)
    used = Counter(arrow.source for arrow in flow.arrows)
    for k, box in enumerate(boxes):
        if box.kind not in STEPS or len(sources[k]) != 1 or used[sources[k][0]] != 1:
            continue
        first = parent[sources[k][0]]
        before = boxes[first]
        detail = f"{before.detail} → {box.label}" if before.detail else box.label
        if before.kind not in FIRST or len(detail) > MAX_DETAIL or box.detail:
            continue
        is_gate = Part.GATE in (box.kind, before.kind) and before.kind is not Part.CONVOLUTION
        kind = Part.GATE if is_gate else before.kind
        keeps = before.keeps_state or box.keeps_state
        boxes[first] = replace(before, detail=detail, kind=kind, keeps_state=keeps)
        parent[k] = first
    return _renumbered(flow, boxes, parent)


def _without_dead_ends(flow: Flow) -> Flow:
    """Keep what the output depends on, and the input."""
    wanted = {len(flow.boxes) - 1}
    for arrow in sorted(flow.arrows, key=lambda a: -a.target):
        if arrow.target in wanted:
            wanted.add(arrow.source)
    wanted.add(0)
    place = {old: new for new, old in enumerate(sorted(wanted))}
    arrows = tuple(
        replace(a, source=place[a.source], target=place[a.target])
        for a in flow.arrows
        if a.target in wanted
    )
    return replace(flow, boxes=tuple(flow.boxes[k] for k in sorted(wanted)), arrows=arrows)


def _renumbered(flow: Flow, boxes: list[Box], parent: list[int]) -> Flow:
    kept = [k for k in range(len(boxes)) if parent[k] == k]
    place = {old: new for new, old in enumerate(kept)}
    found = {
        (place[parent[a.source]], place[parent[a.target]]): a.name
        for a in flow.arrows
        if parent[a.source] != parent[a.target]
    }
    arrows = tuple(Arrow(source=s, target=t, name=name) for (s, t), name in found.items())
    return replace(flow, boxes=tuple(boxes[k] for k in kept), arrows=arrows)
