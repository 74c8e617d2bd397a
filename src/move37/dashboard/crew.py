"""The team's and the guards' pages, as pure functions of the ledger's rows: JSON-ready views.

Not for the relations between base models, see `dashboard.relations`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from statistics import fmean
from typing import Any

from move37.guards.watching import ALARM, Outcome, Watch
from move37.insights.components import share_interval

Row = Mapping[str, Any]
View = dict[str, Any]
ROLES = ("researcher", "engineer", "analyst", "judge")
BINS = 5
MAX_STEPS = 400
"""Points of a curve that are sent."""
PRIMARY = {"researcher": "probes_passed", "engineer": "repair_ran"}
"""The fact by which the guards judge a role's effort, as in `campaign.guarding`."""
EFFORTS = ("none", "minimal", "low", "medium", "high", "max")


def team(config: Row, authors: Mapping[str, Mapping[str, int]], calls: Sequence[Row],
         judged: Sequence[Row], told: Sequence[tuple[str, float, bool]]) -> View:  # fmt: skip
    """Return who works, what each was asked, what it cost, and how often it was right."""
    models: dict[tuple[str, str], View] = {}
    for row in calls:
        call = row["body"]
        entry = models.setdefault(
            (call["role"], call["model"]),
            {"role": call["role"], "model": call["model"], "family": call["family"], "n": 0,
             "replied": 0, "input_tokens": 0, "output_tokens": 0, "dollars": 0.0, "seconds": 0.0,
             "unpriced": 0},
        )  # fmt: skip
        entry["n"] += 1
        entry["replied"] += call["outcome"] == "replied"
        for key in ("input_tokens", "output_tokens", "dollars", "seconds"):
            entry[key] += call[key]
        entry["unpriced"] += not call["is_priced"]
    return {
        "roles": _seats(config.get("team") or {}),
        "authors": {name: dict(kinds) for name, kinds in authors.items()},
        "models": list(models.values()),
        "efforts": efforts(calls, judged),
        "calibration": calibration(told),
        "spend": _spend(calls),
    }


def _seats(team: Row) -> dict[str, str]:
    """Return who plays what, in words; the control arm only where there is another."""
    seats = {role: str(team.get(role, "symbolic")) for role in ROLES}
    models = team.get("models") or {}
    for role, seat in (team.get("roles") or {}).items():
        asked = [models[name].get("model", "") for name in seat.get("models") or models]
        if seats.get(role) == "llm":
            seats[role] = ", ".join(asked) or "llm"
    if models:
        seats["of the candidates are the symbolic team's"] = f"{team.get('control_share', 0):.0%}"
    return seats


def efforts(calls: Sequence[Row], judged: Sequence[Row]) -> list[View]:
    """Return, by role, effort and measure, how often answers turned out well, with intervals."""
    effort_of = {r["body"]["call_id"]: r["body"]["effort"] for r in calls}
    tokens: dict[str, int] = defaultdict(int)
    for row in calls:
        tokens[row["body"]["call_id"]] += row["body"]["output_tokens"]
    groups: dict[tuple[str, str, str], list[tuple[bool, int]]] = defaultdict(list)
    for row in judged:
        body = row["body"]
        effort = effort_of.get(body["call_id"], "not known")
        groups[body["role"], body["measure"], effort].append(
            (body["success"], tokens[body["call_id"]])
        )
    found = []
    for (role, measure, effort), group in groups.items():
        low, high = share_interval(sum(s for s, _ in group), len(group))
        found.append(
            {"role": role, "measure": measure, "effort": effort, "n": len(group),
             "success": fmean(s for s, _ in group), "low": low, "high": high,
             "tokens": fmean(t for _, t in group)}
        )  # fmt: skip
    return sorted(found, key=lambda e: (e["role"], e["measure"], _level(e["effort"])))


def _level(effort: str) -> int:
    return EFFORTS.index(effort) if effort in EFFORTS else -1


def predictions_told(
    born: Iterable[Row], authors: Mapping[str, str], effects: Mapping[str, Row]
) -> list[tuple[str, float, bool]]:
    """Return (author, confidence, held) of every prediction whose task was measured in search.

    Args:
        born: id and declared predictions of candidates.
        authors: who wrote each.
        effects: candidate -> effects per task of its last search verdict.
    """
    told = []
    for row in born:
        measured = effects.get(row["id"]) or {}
        for said in row["body"] or []:
            effect = measured.get(said.get("task"))
            if effect and said.get("effect"):
                held = said["effect"] * effect["mean"] > 0
                told.append((authors.get(row["id"], ""), float(said["confidence"]), held))
    return told


def calibration(told: Sequence[tuple[str, float, bool]]) -> list[View]:
    """Return, by author, how sure it was and how often it was right; also in bins of confidence."""
    by_author: dict[str, list[tuple[float, bool]]] = defaultdict(list)
    for author, confidence, held in told:
        by_author[author].append((confidence, held))
    rows = []
    for author, said in sorted(by_author.items()):
        bins: dict[int, list[tuple[float, bool]]] = defaultdict(list)
        for confidence, held in said:
            bins[min(BINS - 1, int(confidence * BINS))].append((confidence, held))
        rows.append(
            {
                "author": author,
                "n": len(said),
                "held": sum(h for _, h in said),
                "confidence": fmean(c for c, _ in said),
                "brier": fmean((c - h) ** 2 for c, h in said),
                "bins": [_bin(group) for _, group in sorted(bins.items())],
            }
        )
    return rows


def _bin(group: Sequence[tuple[float, bool]]) -> View:
    held = sum(h for _, h in group)
    low, high = share_interval(held, len(group))
    said = fmean(c for c, _ in group)
    return {"said": said, "held": held / len(group), "low": low, "high": high, "n": len(group)}


def trends(config: Row, ended: Sequence[Row], judged: Sequence[Row]) -> list[View]:
    """Return the evidence that more effort does harm, pair by pair, of every role and model."""
    calls = {r["body"]["call_id"]: r["body"] for r in ended}
    streams: dict[tuple[str, str], list[tuple[str, bool]]] = defaultdict(list)
    for row in judged:
        call = calls.get(row["body"]["call_id"])
        if call and PRIMARY.get(row["body"]["role"]) == row["body"]["measure"]:
            streams[call["role"], call["model"]].append((call["effort"], row["body"]["success"]))
    found = []
    for (role, model), outcomes in sorted(streams.items()):
        levels = _levels(config, role, outcomes)
        watch, values = Watch(n_levels=len(levels)), [1.0]
        for effort, success in outcomes:
            if effort not in levels:
                continue
            before = watch.evidence.n_pairs
            evidence = watch.see(Outcome(levels.index(effort), success=success))
            if evidence.n_pairs > before:
                values.append(evidence.value)
        found.append(
            {
                "role": role,
                "model": model,
                "levels": levels,
                "n_calls": len(outcomes),
                "n_harmed": watch.evidence.n_harmed,
                "n_helped": watch.evidence.n_helped,
                "values": values[-MAX_STEPS:],
                "first": max(0, len(values) - MAX_STEPS),
                "alarm": ALARM * len(streams),
            }
        )
    return found


def _levels(config: Row, role: str, outcomes: Sequence[tuple[str, bool]]) -> list[str]:
    seat = ((config.get("team") or {}).get("roles") or {}).get(role) or {}
    known = list(seat.get("efforts") or [])
    return known or sorted({effort for effort, _ in outcomes}, key=_level)


def _spend(calls: Sequence[Row]) -> list[list[float]]:
    total, points = 0.0, []
    for row in calls:
        total += row["body"]["dollars"]
        points.append([row["time"] / 1e6, total])
    step = max(1, len(points) // MAX_STEPS)
    return points[::step] + points[-1:]
