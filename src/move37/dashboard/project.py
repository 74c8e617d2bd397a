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

from move37.core.trial import Stage
from move37.dashboard.board import IN_GALLERY, NO_RESULTS, Board, gallery, records
from move37.dashboard.sessions import LIVE, standing

Row = Mapping[str, Any]
MAX_POINTS = 800
"""About as many as a chart of this page has pixels across."""
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
    "TrialFinished": "being scored",
    "RungDecided": "between rungs",
}


STAGES = {Stage.CONFIRM: "fresh seeds, ", Stage.VERIFY: "verification at a larger scale, "}


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


class Work(NamedTuple):
    """Something that is going on."""

    candidate: int
    """Its index; -1 for the baseline and for opponents."""
    who: str
    """`#7`, `baseline linear_attention`, `opponent mamba3`."""
    what: str


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
    """See `sessions.Standing`."""
    budget_seconds: float
    used_seconds: float
    """By the search."""
    n_events: int
    n_candidates: int
    n_measured: int
    n_trials: int
    cpu_seconds: float
    best: Point | None
    gallery: tuple[Point, ...]
    verdicts: dict[str, int]
    failures: dict[str, int]
    running: tuple[Work, ...]
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
    is_shared: bool = False,
) -> Overview:
    """Fold a run's rows into one screen. See `dashboard.reader` for what the rows hold."""
    config = config_of(sessions)
    started = sessions[0]["time"] / 1e6 if sessions else now
    newest = max(newest, started)
    stands = standing(sessions, is_shared=is_shared, now=now, newest=newest)
    is_live = stands.state in LIVE
    points = points_of(board)
    verdicts = Counter(r["verdict"] for r in board.searched if r["verdict"])
    best = records(board)[-1:]
    shown = thinned(points)
    return Overview(
        name=str(config.get("name") or totals["campaign"]),
        preset=str(config.get("preset", "")),
        baseline=str(config.get("baseline", "the baseline")),
        seed=int(config.get("seed", 0)),
        is_sandboxed=all(r["body"].get("sandboxed", True) for r in sessions),
        is_live=is_live,
        state=stands.state,
        budget_seconds=float((config.get("budget") or {}).get("wall_seconds") or 0.0),
        used_seconds=stands.used_seconds,
        n_events=totals["n_events"],
        n_candidates=totals["n_candidates"],
        n_measured=sum(p.effect is not None for p in points),
        n_trials=totals["n_trials"],
        cpu_seconds=totals["cpu_seconds"],
        best=next((p for p in points if best and p.id == best[0][0]["id"]), None),
        gallery=tuple(p for p in points if p.kind in IN_GALLERY),
        verdicts=dict(verdicts),
        failures=dict(failures),
        running=running(trials, latest, names_of(board, config), now=now) if is_live else (),
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
    """Return the campaign's config with the last search's budget; empty if it does not read."""
    first = next((r["body"] for r in sessions if r["kind"] == "CampaignStarted"), {})
    try:
        config = json.loads(first.get("config") or "{}")
    except ValueError:
        return {}
    if not isinstance(config, dict):
        return {}
    opened = [
        r["body"] for r in sessions
        if r["kind"] == "SessionOpened" and r["body"].get("purpose", "search") == "search"
    ]  # fmt: skip
    if opened:
        budget = config.get("budget") or {}
        config["budget"] = {**budget, "wall_seconds": opened[-1]["budget_seconds"]}
    return config


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


def names_of(board: Board, config: Mapping[str, Any]) -> dict[str, tuple[int, str]]:
    """Return index and name of every candidate, as a list of what is going on shows them."""
    names: dict[str, tuple[int, str]] = {}
    for node in board.nodes.values():
        index, name = node["candidate_index"], node["name"] or node["id"]
        role = "baseline" if name == config.get("baseline") else node["role"]
        names.setdefault(node["id"], (index, f"#{index}" if index >= 0 else f"{role} {name}"))
    return names


def running(
    trials: Sequence[Row],
    latest: Sequence[Row],
    names: Mapping[str, tuple[int, str]],
    *,
    now: float,
) -> tuple[Work, ...]:
    """Say for each training, and for each candidate between two, what is going on and how long."""
    training = [_training(row, names, now=now) for row in trials]
    at_work = {work.candidate for work in training}
    between = [
        Work(
            row["candidate_index"],
            f"#{row['candidate_index']}",
            f"{DOING.get(row['kind'], row['kind'])}, {duration(now - row['time'] / 1e6)}",
        )
        for row in latest
        if row["candidate_index"] not in at_work and row["kind"] != "TrialStarted"
    ]
    return tuple(sorted([*training, *between]))


def _training(row: Row, names: Mapping[str, tuple[int, str]], *, now: float) -> Work:
    spec, index = row["body"]["spec"], row["candidate_index"]
    known = names.get(spec["candidate_id"], (index, spec["candidate_id"]))
    index, who = (index, f"#{index}") if index >= 0 else known
    stage = STAGES.get(spec["stage"], "")
    return Work(
        index,
        who,
        f"training, {stage}rung {spec['rung']}, seed {spec['seed']}, "
        f"{duration(now - row['time'] / 1e6)}",
    )


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
