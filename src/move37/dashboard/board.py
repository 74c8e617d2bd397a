"""What a run has come to, kept in memory and grown: what is new is read, and no more.

A board is never changed: `grown` returns another one, so that several threads may look at one.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

from move37.dashboard.reader import Reader, Row

IN_GALLERY = ("confirmed", "verified")
LARGER = ("verified", "refuted")
"""Verdicts at another size, whose effects are not to be mixed with those of the search's."""
MAX_ASKED_FOR = 500
"""Candidates asked for by id; above it all are read again."""


class Results(NamedTuple):
    """A candidate's last verdict rows: of the search, and on fresh seeds."""

    search: Row | None = None
    fresh: Row | None = None


NO_RESULTS = Results()


def stage_of(verdict: Row) -> str:
    """Return what a verdict in an event rests on, as `Verdict.stage` says it."""
    if verdict["kind"] in LARGER:
        return "verify"
    return "search" if verdict.get("level") is None else "confirm"


@dataclass(frozen=True, kw_only=True, slots=True)
class Board:
    """Candidates, lineage and effects of one run as of event `n_events`."""

    n_events: int = 0
    nodes: dict[tuple[int, str], Row] = field(default_factory=dict)
    """In order of appearance, by index and id."""
    edges: dict[tuple[str, int], str] = field(default_factory=dict)
    """Parent by child and position."""
    results: dict[str, Results] = field(default_factory=dict)
    times: dict[int, float] = field(default_factory=dict)
    """When a verdict was reached that was a record of the search; by event."""
    cpu_seconds: dict[int, float] = field(default_factory=dict)
    """What all trials had used when a candidate entered the gallery; by event."""

    @property
    def searched(self) -> list[Row]:
        """What the search proposed, in order."""
        return [node for node in self.nodes.values() if node["candidate_index"] >= 0]

    def effect(self, id_: str) -> float | None:
        """Return a candidate's effect: on fresh seeds where it was tested there."""
        of = self.results.get(id_, NO_RESULTS)
        row = of.fresh if of.fresh and of.fresh["effect"] is not None else of.search
        return row["effect"] if row else None


def grown(board: Board, reader: Reader) -> Board:
    """Return the board as the ledger stands now.

    Raises:
        LedgerError: the ledger cannot be read.
    """
    n_events = reader.totals()["n_events"]
    if n_events == board.n_events:
        return board
    since = board.n_events if n_events > board.n_events else 0
    verdicts = reader.verdicts(since)
    touched = {row["candidate"] for row in verdicts}
    known = board if since else Board()
    nodes = reader.nodes(since=since if len(touched) <= MAX_ASKED_FOR else 0, also=touched)
    edges = dict(known.edges)
    for edge in reader.parents(since):
        edges.setdefault((edge["child"], edge["position"]), edge["parent"])
    more = Board(
        n_events=n_events,
        nodes=known.nodes | {(n["candidate_index"], n["id"]): n for n in nodes},
        edges=edges,
        results=_sorted_in(known.results, verdicts),
    )
    return _dated(more, known, reader)


def records(board: Board) -> list[tuple[Row, Row]]:
    """Return candidates that were the best in search when they were judged, with their verdicts."""
    told = [
        (row, node)
        for node in board.searched
        if node["verdict"] != "rejected"
        and (row := board.results.get(node["id"], NO_RESULTS).search)
        and row["effect"] is not None
    ]
    found, best = [], float("-inf")
    for row, node in sorted(told, key=lambda pair: pair[0]["seq"]):
        if row["effect"] > best:
            best = row["effect"]
            found.append((node, row))
    return found


def gallery(board: Board) -> list[tuple[Row, Row]]:
    """Return what is in the gallery, with the verdict on fresh seeds, in order of entry."""
    held = {n["id"]: n for n in board.nodes.values() if n["verdict"] in IN_GALLERY}
    pairs = [
        (node, row) for id_, node in held.items()
        if (row := board.results.get(id_, NO_RESULTS).fresh)
    ]  # fmt: skip
    return sorted(pairs, key=lambda pair: pair[1]["seq"])


def _sorted_in(results: dict[str, Results], verdicts: Iterable[Row]) -> dict[str, Results]:
    """A verdict with an e-value rests on fresh seeds; the last one of each sort counts."""
    told = dict(results)
    for row in verdicts:
        if row["kind"] in LARGER:
            continue
        before = told.get(row["candidate"], NO_RESULTS)
        is_fresh = row["e_value"] is not None
        told[row["candidate"]] = (
            Results(before.search, row) if is_fresh else Results(row, before.fresh)
        )
    return told


def _dated(board: Board, known: Board, reader: Reader) -> Board:
    wanted = [row["seq"] for _, row in records(board)]
    missing = [seq for seq in wanted if seq not in known.times]
    times = known.times | (reader.times(missing) if missing else {})
    entries = [row["seq"] for _, row in gallery(board)]
    cpu = {
        seq: known.cpu_seconds[seq] if seq in known.cpu_seconds else reader.cpu_until(seq)
        for seq in entries
    }
    return Board(
        n_events=board.n_events,
        nodes=board.nodes,
        edges=board.edges,
        results=board.results,
        times=times,
        cpu_seconds=cpu,
    )
