"""What a watcher sees, as pure functions of the ledger's rows: for the page and for the terminal.

Nothing here reads a file, a clock or a network; `now` is always handed in (seconds since 1970).
Texts are handed on as they are: whoever shows them escapes them.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, NamedTuple

from move37.campaign.folder import is_gone
from move37.dashboard.board import IN_GALLERY, NO_RESULTS, Board, gallery, records

Row = Mapping[str, Any]
MAX_POINTS = 800
"""About as many as a chart of this page has pixels across."""
QUIET_SECONDS = 900.0
"""Silence after which a driver of another machine is taken for dead; one of this machine is looked
for."""
IMPORTED = "imported"
LOST = "lost its driver"
BY_HAND = "stopped by hand"
"""A session that was not closed and has told nothing for so long counts as lost."""
DOING = {
    "CandidateStarted": "choosing parents",
    "ParentsChosen": "reading cards",
    "CardsRead": "being proposed",
    "ModelCalled": "talking to a model",
    "CallEnded": "being written",
    "CandidateProposed": "compared with what is known",
    "CandidateRepaired": "repaired, to be probed",
    "NoveltyJudged": "being probed",
    "ProbesRan": "waiting to train",
    "TrialStarted": "training",
    "TrialFinished": "being scored",
    "RungDecided": "between rungs",
}


class Point(NamedTuple):
    """One candidate's effect, as the charts draw it."""

    id: str
    name: str
    order: int
    """1 for the first candidate of the search."""
    kind: str
    """Its last verdict."""
    effect: float | None
    low: float | None
    high: float | None
    fresh: tuple[float, float, float] | None = None
    """Effect on fresh seeds with its interval, where it was tested."""


class Record(NamedTuple):
    """The search had nothing better so far."""

    minutes: float
    """Since the campaign started."""
    effect: float
    low: float
    high: float
    id: str
    name: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Overview:
    """A campaign on one screen."""

    name: str
    preset: str
    baseline: str
    seed: int
    is_sandboxed: bool
    is_live: bool
    state: str
    """In words: `running`, `finished: …`, `failed: …`, `stopped`, `lost its driver`, `imported`,
    `not begun`."""
    budget_seconds: float
    used_seconds: float
    n_events: int
    n_candidates: int
    n_measured: int
    n_trials: int
    cpu_seconds: float
    best: Point | None
    gallery: tuple[Point, ...]
    verdicts: dict[str, int]
    failures: dict[str, int]
    running: tuple[tuple[int, str], ...]
    """Index of a candidate and what is going on with it."""
    started: float
    minutes: float
    """From the start to the last event."""
    points: tuple[Point, ...] = field(default=(), repr=False)
    n_points_left_out: int = 0
    records: tuple[Record, ...] = field(default=(), repr=False)
    discoveries: tuple[tuple[float, str, str], ...] = ()
    """CPU hours at which each of the gallery entered, its id and name."""

    @property
    def left_seconds(self) -> float:
        """What the budget still holds."""
        return max(0.0, self.budget_seconds - self.used_seconds)

    def as_view(self) -> dict[str, Any]:
        """Return it ready for JSON: points and records as arrays."""
        view = {f.name: getattr(self, f.name) for f in fields(self)}
        return {**view, "left_seconds": self.left_seconds}


def overview(
    *,
    totals: Row,
    sessions: Sequence[Row],
    board: Board,
    failures: Mapping[str, int],
    trials: Sequence[Row],
    latest: Sequence[Row],
    newest: float,
    now: float,
) -> Overview:
    """Fold a run's rows into one screen. See `dashboard.reader` for what the rows hold."""
    config = config_of(sessions)
    started = sessions[0]["time"] / 1e6 if sessions else now
    newest = max(newest, started)
    state, used = _state(sessions, now=now, newest=newest)
    points = points_of(board)
    standing = Counter(r["verdict"] for r in board.searched if r["verdict"])
    best = records(board)[-1:]
    shown = thinned(points)
    return Overview(
        name=str(config.get("name") or totals["campaign"]),
        preset=str(config.get("preset", "")),
        baseline=str(config.get("baseline", "the baseline")),
        seed=int(config.get("seed", 0)),
        is_sandboxed=all(r["body"].get("sandboxed", True) for r in sessions),
        is_live=state == "running",
        state=state,
        budget_seconds=float((config.get("budget") or {}).get("wall_seconds") or 0.0),
        used_seconds=used,
        n_events=totals["n_events"],
        n_candidates=totals["n_candidates"],
        n_measured=sum(p.effect is not None for p in points),
        n_trials=totals["n_trials"],
        cpu_seconds=totals["cpu_seconds"],
        best=next((p for p in points if best and p.id == best[0][0]["id"]), None),
        gallery=tuple(p for p in points if p.kind in IN_GALLERY),
        verdicts=dict(standing),
        failures=dict(failures),
        running=running(trials, latest, now=now) if state == "running" else (),
        started=started,
        minutes=(newest - started) / 60,
        points=shown,
        n_points_left_out=len(points) - len(shown),
        records=_records(board, started),
        discoveries=tuple(
            (board.cpu_seconds[row["seq"]] / 3600, node["id"], node["name"] or node["id"])
            for node, row in gallery(board)
        ),
    )


def config_of(sessions: Sequence[Row]) -> dict[str, Any]:
    """Return the campaign's config with the last session's budget; empty if it does not read."""
    first = next((r["body"] for r in sessions if r["kind"] == "CampaignStarted"), {})
    try:
        config = json.loads(first.get("config") or "{}")
    except ValueError:
        return {}
    if not isinstance(config, dict):
        return {}
    opened = [r["body"] for r in sessions if r["kind"] == "SessionOpened"]
    if opened:
        budget = config.get("budget") or {}
        config["budget"] = {**budget, "wall_seconds": opened[-1]["budget_seconds"]}
    return config


def _state(sessions: Sequence[Row], *, now: float, newest: float) -> tuple[str, float]:
    used, opened, state = 0.0, None, "not begun"
    for row in sessions:
        at = row["time"] / 1e6
        if row["kind"] == "CampaignStarted":
            state = IMPORTED
        elif row["kind"] == "SessionOpened":
            opened, state = at, "running"
        else:
            used += row["body"]["wall_seconds"]
            opened, state = None, _ending(row["body"])
    if opened is None:
        return state, used
    gone = is_gone(str(sessions[-1]["body"].get("driver", "")), since=opened)
    if gone or (gone is None and now - max(newest, opened) > QUIET_SECONDS):
        return LOST, used + max(0.0, newest - opened)
    return state, used + max(0.0, now - opened)


def _ending(closed: Row) -> str:
    reason = str(closed["reason"])
    if closed.get("failed"):
        return f"failed: {reason}"
    if reason.startswith(BY_HAND):
        return "stopped"
    return LOST if reason == "lost" else f"finished: {reason}"


def points_of(board: Board) -> list[Point]:
    """Return one point a searched candidate: effect in the search, and on fresh seeds if tested."""
    nothing = {"effect": None, "effect_low": None, "effect_high": None}
    points = []
    for order, node in enumerate(board.searched, start=1):
        of = board.results.get(node["id"], NO_RESULTS)
        row = of.search or nothing
        points.append(
            Point(
                node["id"], node["name"] or node["id"], order, node["verdict"] or "in flight",
                row["effect"], row["effect_low"], row["effect_high"], _interval(of.fresh),
            )
        )  # fmt: skip
    return points


def _records(board: Board, started: float) -> tuple[Record, ...]:
    return tuple(
        Record(
            (board.times.get(row["seq"], started) - started) / 60,
            row["effect"], row["effect_low"], row["effect_high"],
            node["id"], node["name"] or node["id"],
        )
        for node, row in records(board)
    )  # fmt: skip


def _interval(row: Row | None) -> tuple[float, float, float] | None:
    if row is None or row["effect"] is None:
        return None
    return row["effect"], row["effect_low"], row["effect_high"]


def thinned(points: Sequence[Point], limit: int = MAX_POINTS) -> tuple[Point, ...]:
    """Keep at most about `limit` points: every record and test, and an even share of the rest."""
    if len(points) <= limit:
        return tuple(points)
    step = -(-len(points) // limit)
    best = float("-inf")
    kept = []
    for k, point in enumerate(points):
        is_record = point.effect is not None and point.effect > best
        if is_record and point.effect is not None:
            best = point.effect
        if is_record or point.fresh or k % step == 0:
            kept.append(point)
    return tuple(kept)


def running(
    trials: Sequence[Row], latest: Sequence[Row], *, now: float
) -> tuple[tuple[int, str], ...]:
    """Say for each candidate in work what is going on with it, and for how long."""
    doing: dict[int, str] = {}
    for row in latest:
        words = DOING.get(row["kind"], row["kind"])
        doing[row["candidate_index"]] = f"{words}, {duration(now - row['time'] / 1e6)}"
    for row in trials:
        spec = row["body"]["spec"]
        stage = "fresh seeds, " if spec["stage"] == "confirm" else ""
        doing[row["candidate_index"]] = (
            f"training, {stage}rung {spec['rung']}, seed {spec['seed']}, "
            f"{duration(now - row['time'] / 1e6)}"
        )
    return tuple(sorted(doing.items()))


def duration(seconds: float) -> str:
    """Return a time as people say it: 8 s, 3 min 5 s, 2 h 7 min."""
    whole = max(0, round(seconds))
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    if minutes < 60:
        return f"{minutes} min {rest} s" if rest else f"{minutes} min"
    return f"{minutes // 60} h {minutes % 60} min"


@dataclass(frozen=True, kw_only=True, slots=True)
class Tree:
    """The lineage in columns, small enough to send whole for several thousand candidates."""

    ids: list[str]
    names: list[str]
    parents: list[int]
    """Place of the first parent; -1 for a root."""
    seconds: list[list[int]]
    """[child, parent] of second parents."""
    kinds: list[str]
    families: list[str]
    """How each was made, without its details: `mutate`, `crossover`, `repair`, `root`."""
    values: list[float | None]
    """Effect, or the published score of an imported record."""
    low: float
    high: float
    """Quantiles 2 % and 98 % of the values: ends of the colour scale."""
    unit: str

    def as_view(self) -> dict[str, Any]:
        """Return it ready for JSON."""
        return {f.name: getattr(self, f.name) for f in fields(self)}


def tree(board: Board, imported: Sequence[Row]) -> Tree:
    """Fold candidates and edges into columns. A candidate proposed twice stands once."""
    unique = list({n["id"]: n for n in reversed(board.nodes.values())}.values())[::-1]
    place = {node["id"]: k for k, node in enumerate(unique)}
    parents, seconds = [-1] * len(unique), []
    for (child_id, position), parent_id in board.edges.items():
        child, parent = place.get(child_id, -1), place.get(parent_id, -1)
        if child < 0 or parent < 0 or child == parent:
            continue
        if position:
            seconds.append([child, parent])
        else:
            parents[child] = parent
    scores = {r["body"]["candidate_id"]: r["body"].get("score") for r in imported}
    values = [scores.get(n["id"]) if scores else board.effect(n["id"]) for n in unique]
    low, high = clip_ends([v for v in values if v is not None])
    return Tree(
        ids=[n["id"] for n in unique],
        names=[(n["name"] or n["id"])[:80] for n in unique],
        parents=without_circles(parents),
        seconds=seconds,
        kinds=[n["verdict"] or ("root" if n["candidate_index"] < 0 else "none") for n in unique],
        families=[(n["operator"] or n["role"]).split(":")[0][:24] for n in unique],
        values=values,
        low=low,
        high=high,
        unit="published score" if scores else "effect, noise units",
    )


def clip_ends(values: Iterable[float]) -> tuple[float, float]:
    """Return the 2 % and 98 % quantiles: one diverged candidate must not flatten the colours."""
    ordered = sorted(values)
    if not ordered:
        return -1.0, 1.0
    low = ordered[int(0.02 * (len(ordered) - 1))]
    high = ordered[-1 - int(0.02 * (len(ordered) - 1))]
    return (low, high) if high > low else (low - 1.0, high + 1.0)


def without_circles(parents: Sequence[int]) -> list[int]:
    """Return the edges of a forest: an edge that would close a circle is cut."""
    clean = list(parents)
    state = [0] * len(clean)
    for start in range(len(clean)):
        path, k = [], start
        while k >= 0 and state[k] == 0:
            state[k] = 1
            path.append(k)
            k = clean[k]
        if k >= 0 and state[k] == 1:
            clean[path[-1]] = -1
        for seen in path:
            state[seen] = 2
    return clean
