"""How a team's base models are related, and what flowed between them: a graph ready to be drawn."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Any

from pydantic import ValidationError

from move37.core.team import TeamConfig
from move37.guards.families import NOT_MODELS, Families, Line, Roster, shipped_families
from move37.guards.firewall import EdgeKind

Row = Mapping[str, Any]
View = dict[str, Any]
NOBODY = frozenset({"reference", *NOT_MODELS})


def relations(
    config: Row, calls: Sequence[Row], edges: Sequence[Row], stated: Sequence[Row]
) -> View:
    """Return models, the lines they descend from, their relations, and the firewall's decisions.

    Args:
        config: the campaign's.
        calls: ModelCalled events.
        edges: EdgeDecided events.
        stated: DiversityStated events.
    """
    families = shipped_families()
    roster = Roster(_team(config), families)
    roles: dict[str, set[str]] = {}
    for row in calls:
        roles.setdefault(row["body"]["model"], set()).add(row["body"]["role"])
    for label in roster_labels(config):
        roles.setdefault(label, set())
    labels = sorted(roles)
    lines = {label: roster.line(label) for label in labels}
    return {
        "models": [
            {"label": label, "line": lines[label].name, "roles": sorted(roles[label])}
            for label in labels
        ],
        "lines": _origins(lines.values(), families),
        "pairs": [_pair(roster, first, second) for first, second in combinations(labels, 2)],
        "flows": _flows(edges),
        "stated": stated[-1]["body"] if stated else None,
    }


def roster_labels(config: Row) -> list[str]:
    """Return the labels of the models that the team file names."""
    return sorted(model.label for model in _team(config).models.values())


def _team(config: Row) -> TeamConfig:
    try:
        return TeamConfig.model_validate(config.get("team") or {})
    except ValidationError:  # a team of another version: its relations are told from the names
        return TeamConfig()


def _origins(lines: Any, families: Families) -> list[View]:
    """Return the lines and all they descend from."""
    found: dict[str, Line] = {}
    for line in lines:
        found[line.name] = line
        if line.name in families.lines:
            found |= {name: families.lines[name] for name in families.ancestors(line.name)}
    return [
        {"name": line.name, "vendor": line.vendor, "root_known": line.root_known,
         "weights_from": list(line.weights_from), "answers_from": list(line.behaviour_from),
         "evidence": line.evidence, "source": line.source, "date": line.date}
        for line in found.values()
    ]  # fmt: skip


def _pair(roster: Roster, first: str, second: str) -> View:
    relation = roster.relation(first, second, judging=True)
    return {"pair": [first, second], "related": relation.related, "reason": relation.reason}


def _flows(edges: Sequence[Row]) -> list[View]:
    """Count the firewall's decisions by who, to whom, what and how."""
    counts: Counter[tuple[str, str, str, bool, str]] = Counter()
    for row in edges:
        body = row["body"]
        is_own = body["kind"] == EdgeKind.WARM_START and body["allowed"]
        ends = ("a candidate", "itself") if is_own else (body["producer"], body["consumer"])
        counts[*ends, body["kind"], body["allowed"], body["reason"]] += 1
    return [
        {"producer": producer, "consumer": consumer, "kind": kind, "allowed": allowed,
         "reason": reason, "n": n}
        for (producer, consumer, kind, allowed, reason), n in counts.most_common(100)
    ]  # fmt: skip
