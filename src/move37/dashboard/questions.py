"""What each page needs to know, asked of the ledger and handed to the functions that shape it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from typing import Any

from move37.core.errors import UnknownName
from move37.dashboard import crew, details
from move37.dashboard.board import Board, stage_of
from move37.dashboard.board import gallery as entries_of
from move37.dashboard.project import Point, config_of, points_of
from move37.dashboard.reader import Reader, Row
from move37.dashboard.relations import relations

MAX_CALLS = 5_000
MAX_VERDICTS = 20_000
MAX_GUARD_EVENTS = 400
MAX_CHILDREN = 60
GUARD_WORDS = (
    "Alarm", "Edge", "Diversity", "Quarantine", "Revised", "DatasetExported", "Guard", "Canary",
)  # fmt: skip
View = dict[str, Any]


def best_so_far(board: Board) -> list[Point]:
    """Return the candidates that were the best when they were proposed, in that order."""
    best, kept = float("-inf"), []
    for point in points_of(board):
        if point.effect is not None and point.kind != "rejected" and point.effect > best:
            best = point.effect
            kept.append(point)
    return kept


def found(board: Board, wanted: str) -> Row:
    """Return the one candidate whose id begins so; `#12` means the last one of index 12.

    Raises:
        UnknownName: none, or several, do.
    """
    nodes = list(board.nodes.values())
    if wanted.startswith("#") and wanted[1:].isdecimal():
        there = [n for n in nodes if n["candidate_index"] == int(wanted[1:])]
        if there:
            return there[-1]
    by_id = {n["id"]: n for n in reversed(nodes)}
    matches = [wanted] if wanted in by_id else [i for i in by_id if wanted and i.startswith(wanted)]
    if len(matches) != 1:
        raise UnknownName.of("single candidate", wanted[:80], matches or by_id)
    return by_id[matches[0]]


def candidate(reader: Reader, board: Board, wanted: str) -> View:
    """Return one candidate's page.

    Raises:
        UnknownName: none, or several, begin so.
    """
    place = found(board, wanted)
    node = reader.node(place["id"], place["candidate_index"])
    id_ = node["id"]
    by_id = {n["id"]: n for n in reversed(board.nodes.values())}
    baseline = _baseline(board, reader)
    first = board.edges.get((id_, 0), "")
    rivals = {
        by_id[rival]["name"]: reader.trials_of(rival)
        for rival in dict.fromkeys((baseline, first))
        if rival in by_id and rival != id_
    }
    children = [c for (c, _), p in board.edges.items() if p == id_ and c != id_ and c in by_id]
    return details.candidate(
        node=node,
        history=[r for r in reader.at_index(node["candidate_index"]) if _is_about(r, id_)],
        trials=reader.trials_of(id_),
        relatives=by_id,
        children=[by_id[c] for c in dict.fromkeys(children)][:MAX_CHILDREN],
        rivals=rivals,
        baseline=by_id[baseline]["name"] if baseline in by_id else "",
    )


def _baseline(board: Board, reader: Reader) -> str:
    name = config_of(reader.sessions()).get("baseline", "")
    roots = (n for n in board.nodes.values() if n["candidate_index"] < 0)
    return next((n["id"] for n in roots if n["name"] == name), "")


def _is_about(row: Row, id_: str) -> bool:
    body = row["body"]
    about = (
        body.get("candidate_id")
        or (body.get("candidate") or {}).get("id")
        or (body.get("spec") or (body.get("trial") or {}).get("spec") or {}).get("candidate_id")
    )
    return about == id_ or (about is None and row["candidate_index"] >= 0)


def flow(reader: Reader, board: Board, wanted: str) -> str:
    """Return a drawing of what flows where inside a candidate, as an SVG file.

    Raises:
        UnknownName: none, or several, begin so.
    """
    from move37.insights.flow import data_flow_svg, standalone

    id_ = found(board, wanted)["id"]
    own = reader.introduced([id_])[id_]["body"]["candidate"]
    return standalone(data_flow_svg(own["source"], own["idea"].get("description")))


def gallery(reader: Reader, board: Board) -> View:
    """Return the gallery's cards."""
    entries = entries_of(board)
    ids = [node["id"] for node, _ in entries]
    last = {
        row["body"]["candidate_id"]: row["body"]
        for row in (reader.event(row["seq"]) for _, row in entries)
        if row
    }
    qualities = reader.qualities(ids)
    nodes = [{**node, "quality": qualities.get(node["id"])} for node, _ in entries]
    return {"cards": details.gallery(nodes, last, reader.introduced(ids))}


def team(reader: Reader, board: Board) -> View:
    """Return who works and what it cost."""
    authors: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    is_imported = bool(reader.of_kinds(["RecordImported"], newest=1))
    for node in board.searched:
        open_words = "imported" if is_imported else "in flight"
        authors[node["author"]][node["verdict"] or open_words] += 1
    config = config_of(reader.sessions())
    calls = reader.of_kinds(["ModelCalled"], newest=MAX_CALLS)
    edges = reader.of_kinds(["EdgeDecided"], newest=MAX_CALLS)
    return {
        **crew.team(
            config,
            authors,
            calls,
            reader.of_kinds(["CallJudged"], newest=MAX_CALLS),
            crew.predictions_told(
                reader.declared("predictions"),
                {n["id"]: n["author"] for n in board.searched},
                _task_effects(reader),
            ),
        ),
        "relations": relations(config, calls, edges, reader.of_kinds(["DiversityStated"])),
        **({"roles": {}} if is_imported else {}),  # its authors worked elsewhere
    }


def _task_effects(reader: Reader) -> Mapping[str, Row]:
    """Candidate -> effects per task of its last verdict of the search."""
    return {
        row["body"]["candidate_id"]: row["body"]["verdict"].get("task_effects") or {}
        for row in reader.of_kinds(["VerdictReached"], newest=MAX_VERDICTS)
        if stage_of(row["body"]["verdict"]) == "search"
    }


def guards(reader: Reader) -> View:
    """Return what the guards said, and the trends they watch."""
    kinds = [k for k in reader.kinds() if any(word in k for word in GUARD_WORDS)]
    calls = reader.of_kinds(["ModelCalled"], newest=MAX_CALLS)
    judged = reader.of_kinds(["CallJudged"], newest=MAX_CALLS)
    ended = reader.of_kinds(["CallEnded"], newest=MAX_CALLS)
    failed = reader.of_kinds(["ProposalFailed"], newest=200)
    told = reader.of_kinds(kinds, newest=MAX_GUARD_EVENTS) if kinds else []
    return {
        "events": list(reversed(told)),
        "trends": crew.trends(config_of(reader.sessions()), ended, judged),
        "efforts": crew.efforts(calls, judged),
        "n_calls": len(calls),
        "failed": list(reversed(failed)),
    }


def cognition(reader: Reader, board: Board) -> View:
    """Return every card with its use."""
    from move37.cognition.cards import shipped_cards

    effects = {p.id: p.effect for p in points_of(board) if p.effect is not None}
    reads = reader.of_kinds(["CardsRead"], newest=MAX_VERDICTS)
    names = {n["id"]: n["name"] for n in board.nodes.values()}
    return details.cognition(shipped_cards(), reads, reader.declared("elements"), effects, names)
