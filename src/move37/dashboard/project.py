"""What a watcher sees, as pure functions of the ledger's rows: for the page and for the terminal.

Nothing here reads a file, a clock or a network; `now` is always handed in (seconds since 1970).
Texts are handed on as they are: whoever shows them escapes them.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

Row = Mapping[str, Any]
IN_GALLERY = ("confirmed", "verified")
MAX_POINTS = 1_200
QUIET_SECONDS = 900.0
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


@dataclass(frozen=True, kw_only=True, slots=True)
class Point:
    """One candidate's effect, as the charts draw it."""

    id: str
    name: str
    order: int
    """1 for the first candidate of the search."""
    minutes: float
    """Since the campaign started."""
    kind: str
    """Its last verdict."""
    effect: float | None
    low: float | None
    high: float | None
    fresh: tuple[float, float, float] | None = None
    """Effect on fresh seeds with its interval, where it was tested."""


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
    """In words: `running`, `finished`, `stopped`, `lost its driver`, `imported`, `not begun`."""
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
    points: tuple[Point, ...] = field(default=(), repr=False)
    n_points_left_out: int = 0

    @property
    def left_seconds(self) -> float:
        """What the budget still holds."""
        return max(0.0, self.budget_seconds - self.used_seconds)


def overview(
    *,
    totals: Row,
    sessions: Sequence[Row],
    nodes: Sequence[Row],
    verdicts: Sequence[Row],
    failures: Mapping[str, int],
    trials: Sequence[Row],
    latest: Sequence[Row],
    now: float,
) -> Overview:
    """Fold a run's rows into one screen. See `dashboard.reader` for what the rows hold."""
    config = config_of(sessions)
    started = sessions[0]["time"] / 1e6 if sessions else now
    newest = max((r["time"] / 1e6 for r in (*latest, *trials, *verdicts[-1:])), default=started)
    state, used = _state(sessions, now=now, newest=newest)
    points = points_of(nodes, verdicts, started=started)
    standing = Counter(r["verdict"] for r in nodes if r["verdict"] and r["candidate_index"] >= 0)
    searched = [p for p in points if p.effect is not None and p.kind != "rejected"]
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
        best=max(searched, key=lambda p: p.effect or 0.0, default=None),
        gallery=tuple(p for p in points if p.kind in IN_GALLERY),
        verdicts=dict(standing),
        failures=dict(failures),
        running=running(trials, latest, now=now) if state == "running" else (),
        started=started,
        points=shown,
        n_points_left_out=len(points) - len(shown),
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
            state = "imported"
        elif row["kind"] == "SessionOpened":
            opened, state = at, "running"
        else:
            used += row["body"]["wall_seconds"]
            reason = str(row["body"]["reason"])
            opened, state = None, "stopped" if "stop" in reason.lower() else f"finished: {reason}"
    if opened is None:
        return state, used
    if now - max(newest, opened) > QUIET_SECONDS:
        return "lost its driver", used + max(0.0, newest - opened)
    return state, used + max(0.0, now - opened)


def points_of(nodes: Sequence[Row], verdicts: Sequence[Row], *, started: float) -> list[Point]:
    """Return one point a searched candidate: effect in the search, and on fresh seeds if tested.

    A verdict with an e-value rests on fresh seeds; the last one without is the search's.
    """
    told: dict[str, list[Row]] = defaultdict(list)
    for row in verdicts:
        told[row["candidate"]].append(row)
    points = []
    searched = [node for node in nodes if node["candidate_index"] >= 0]
    for order, node in enumerate(searched, start=1):
        own = told.get(node["id"], [])
        search = next((r for r in reversed(own) if r["e_value"] is None), None)
        fresh = next((r for r in reversed(own) if r["e_value"] is not None), None)
        at = search or fresh
        points.append(
            Point(
                id=node["id"],
                name=node["name"] or node["id"],
                order=order,
                minutes=(at["time"] / 1e6 - started) / 60 if at else 0.0,
                kind=node["verdict"] or "in flight",
                effect=search["effect"] if search else None,
                low=search["effect_low"] if search else None,
                high=search["effect_high"] if search else None,
                fresh=_interval(fresh),
            )
        )
    return points


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


def tree(
    nodes: Sequence[Row], edges: Sequence[Row], verdicts: Sequence[Row], imported: Sequence[Row]
) -> Tree:
    """Fold candidates and edges into columns. A candidate proposed twice stands once."""
    unique = list({n["id"]: n for n in reversed(nodes)}.values())[::-1]
    place = {node["id"]: k for k, node in enumerate(unique)}
    parents, seconds = [-1] * len(unique), []
    for edge in edges:
        child, parent = place.get(edge["child"], -1), place.get(edge["parent"], -1)
        if child < 0 or parent < 0 or child == parent:
            continue
        if edge["position"] == 0 and parents[child] < 0:
            parents[child] = parent
        elif edge["position"]:
            seconds.append([child, parent])
    effects = {
        p.id: (p.fresh[0] if p.fresh else p.effect) for p in points_of(unique, verdicts, started=0)
    }
    scores = {r["body"]["candidate_id"]: r["body"].get("score") for r in imported}
    values = [scores.get(n["id"]) if scores else effects.get(n["id"]) for n in unique]
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
