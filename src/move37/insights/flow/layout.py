"""Places for a flow's boxes: ranks from the top down, few crossings, arrows around boxes.

The layered method of Sugiyama, Tagawa and Toda (1981): longest-path ranks, one bend per rank that
an arrow passes, order by means of neighbours, places by the same means kept apart.
"""

from __future__ import annotations

import itertools
from collections import defaultdict
from dataclasses import dataclass

from move37.insights.flow.parts import Box, Flow, Part

LABEL_WIDTH, DETAIL_WIDTH = 7.4, 6.1  # a character of 13 and 10.5 pixels, as measured in chromium
PADDING = 26.0
GAP_X, GAP_Y = 22.0, 34.0
BEND_WIDTH = 12.0
MARGIN = 14.0
LOOP_ROOM = 30.0
"""Beside a box that keeps state."""
SWEEPS = 12


@dataclass(frozen=True, kw_only=True, slots=True)
class Place:
    """Where a box stands: its middle, and its size."""

    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Layout:
    """Places of the boxes, and the points each arrow goes through."""

    places: tuple[Place, ...]
    routes: tuple[tuple[tuple[float, float], ...], ...]
    width: float
    height: float


def lay_out(flow: Flow) -> Layout:
    """Return places for a flow with at least one box."""
    grid = _Grid(flow)
    grid.order()
    grid.spread()
    return grid.layout()


def box_size(box: Box) -> tuple[float, float]:
    """Return width and height of a box."""
    if box.kind is Part.JOIN and len(box.label) <= 2:
        return 30.0, 30.0
    width = max(len(box.label) * LABEL_WIDTH, len(box.detail) * DETAIL_WIDTH) + PADDING
    return max(width, 56.0), 44.0 if box.detail else 32.0


class _Grid:
    """Boxes and bends by rank. Bends are numbered after the boxes."""

    def __init__(self, flow: Flow) -> None:
        self.flow = flow
        n_boxes = len(flow.boxes)
        self.rank = _ranks(flow)
        self.sizes = [box_size(box) for box in flow.boxes]
        self.sizes = [
            (w + (LOOP_ROOM if flow.boxes[k].keeps_state else 0.0), h)
            for k, (w, h) in enumerate(self.sizes)
        ]
        self.chains: list[list[int]] = []
        self.up: dict[int, list[int]] = defaultdict(list)
        self.down: dict[int, list[int]] = defaultdict(list)
        for arrow in flow.arrows:
            chain = [arrow.source]
            for rank in range(self.rank[arrow.source] + 1, self.rank[arrow.target]):
                self.rank.append(rank)
                self.sizes.append((BEND_WIDTH, 0.0))
                chain.append(len(self.rank) - 1)
            chain.append(arrow.target)
            self.chains.append(chain)
            for above, below in itertools.pairwise(chain):
                self.down[above].append(below)
                self.up[below].append(above)
        self.n_boxes = n_boxes
        self.rows: list[list[int]] = [[] for _ in range(max(self.rank) + 1)]
        for node, rank in enumerate(self.rank):
            self.rows[rank].append(node)
        self.x: list[float] = [0.0] * len(self.rank)

    def order(self) -> None:
        """Order each row by the mean place of its neighbours, down and up in turn."""
        best, fewest = [list(row) for row in self.rows], self._crossings()
        for sweep in range(SWEEPS):
            rows = self.rows if sweep % 2 == 0 else self.rows[::-1]
            near = self.up if sweep % 2 == 0 else self.down
            for row in rows:
                spot = {n: k / max(1, len(r)) for r in self.rows for k, n in enumerate(r)}
                mean = {
                    n: sum(spot[m] for m in near[n]) / len(near[n]) if near[n] else spot[n]
                    for n in row
                }
                row.sort(key=lambda n: mean[n])
            crossings = self._crossings()
            if crossings < fewest:
                best, fewest = [list(row) for row in self.rows], crossings
        self.rows = best

    def _crossings(self) -> int:
        total = 0
        for row in self.rows[:-1]:
            spot = {n: k for r in self.rows for k, n in enumerate(r)}
            ends = [(spot[a], spot[b]) for a in row for b in self.down[a]]
            total += sum(
                (a - c) * (b - d) < 0 for k, (a, b) in enumerate(ends) for c, d in ends[:k]
            )
        return total

    def spread(self) -> None:
        """Give each row its places: as near to its neighbours' mean as sizes allow."""
        for row in self.rows:
            self._place(row, dict.fromkeys(row, 0.0))
        for sweep in range(2 * SWEEPS):
            near = (self.up, self.down, None)[sweep % 3]
            for row in self.rows if sweep % 2 == 0 else self.rows[::-1]:
                wanted = {}
                for n in row:
                    around = near[n] if near else [*self.up[n], *self.down[n]]
                    wanted[n] = (
                        sum(self.x[m] for m in around) / len(around) if around else self.x[n]
                    )
                self._place(row, wanted)

    def _place(self, row: list[int], wanted: dict[int, float]) -> None:
        """Least squares with gaps kept: boxes that touch move as one block."""
        blocks: list[tuple[float, list[int], list[float]]] = []  # middle wanted, nodes, offsets
        for n in row:
            blocks.append((wanted[n], [n], [0.0]))
            while len(blocks) > 1:
                (a, nodes_a, off_a), (b, nodes_b, off_b) = blocks[-2], blocks[-1]
                gap = self._gap(nodes_a[-1], nodes_b[0])
                if a + off_a[-1] + gap <= b + off_b[0]:
                    break
                shift = off_a[-1] + gap - off_b[0]
                n_a, n_b = len(nodes_a), len(nodes_b)
                middle = (a * n_a + (b - shift) * n_b) / (n_a + n_b)
                blocks[-2:] = [(middle, nodes_a + nodes_b, off_a + [o + shift for o in off_b])]
        for start, nodes, offsets in blocks:
            for node, offset in zip(nodes, offsets, strict=True):
                self.x[node] = start + offset

    def _gap(self, left: int, right: int) -> float:
        return (self.sizes[left][0] + self.sizes[right][0]) / 2 + GAP_X

    def layout(self) -> Layout:
        """Turn rows into places and arrows into points."""
        left = min(self.x[n] - self.sizes[n][0] / 2 for n in range(len(self.x))) - MARGIN
        width = max(self.x[n] + self.sizes[n][0] / 2 for n in range(len(self.x))) - left + MARGIN
        y, middles = MARGIN, []
        for row in self.rows:
            height = max(self.sizes[n][1] for n in row)
            middles.append(y + height / 2)
            y += height + GAP_Y
        places = []
        for k, box in enumerate(self.flow.boxes):
            w, h = box_size(box)
            shift = LOOP_ROOM / 2 if box.keeps_state else 0.0
            places.append(
                Place(x=self.x[k] - left - shift, y=middles[self.rank[k]], width=w, height=h)
            )
        routes = self._routes(places, middles, left)
        return Layout(places=tuple(places), routes=routes, width=width, height=y - GAP_Y + MARGIN)

    def _routes(
        self, places: list[Place], middles: list[float], left: float
    ) -> tuple[tuple[tuple[float, float], ...], ...]:
        """Arrows enter a box side by side, in the order they come from."""
        entering: dict[int, list[int]] = defaultdict(list)
        for k, chain in enumerate(self.chains):
            entering[chain[-1]].append(k)
        port: dict[int, float] = {}
        for target, arrows in entering.items():
            arrows.sort(key=lambda k: self.x[self.chains[k][-2]])
            room = places[target].width * (0.5 if places[target].width < 40 else 0.8)
            for spot, k in enumerate(arrows):
                port[k] = places[target].x + room * ((spot + 0.5) / len(arrows) - 0.5)
        routes = []
        for k, chain in enumerate(self.chains):
            first, last = places[chain[0]], places[chain[-1]]
            bends = [(self.x[n] - left, middles[self.rank[n]]) for n in chain[1:-1]]
            start = (first.x, first.y + first.height / 2)
            routes.append((start, *bends, (port[k], last.y - last.height / 2)))
        return tuple(routes)


def _ranks(flow: Flow) -> list[int]:
    """Longest way from the top; boxes without a source move down to just above their user."""
    ranks = [0] * len(flow.boxes)
    for arrow in sorted(flow.arrows, key=lambda a: a.target):
        ranks[arrow.target] = max(ranks[arrow.target], ranks[arrow.source] + 1)
    targets: dict[int, list[int]] = defaultdict(list)
    for arrow in flow.arrows:
        targets[arrow.source].append(ranks[arrow.target])
    fed = {arrow.target for arrow in flow.arrows}
    for k in range(1, len(ranks)):
        if k not in fed and targets[k]:
            ranks[k] = min(targets[k]) - 1
    return ranks
