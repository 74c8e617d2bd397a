"""The pages behind the overview, as pure functions of the ledger's rows: JSON-ready dictionaries.

Not for rules: what a candidate is worth was decided by the campaign and stands in the ledger.
"""

from __future__ import annotations

import difflib
from collections import defaultdict
from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import Any

from move37.core.trial import Stage
from move37.dashboard.board import stage_of
from move37.insights.race import bar_words

Row = Mapping[str, Any]
View = dict[str, Any]
MAX_DIFF_LINES = 3_000
MAX_CURVES = 12
CONTEXT = 3
MAX_USERS = 40
MAX_READS = 40


def candidate(
    *, node: Row, history: Sequence[Row], trials: Sequence[Row], relatives: Mapping[str, Row],
    children: Sequence[Row], rivals: Mapping[str, Sequence[Row]], baseline: str,
) -> View:  # fmt: skip
    """Return everything about one candidate.

    Args:
        node: its row of the candidates table.
        history: the events that tell about it, in order.
        trials: its finished trials, whichever index ran them.
        relatives: rows of parents and of the sources of its elements, by id.
        children: rows of the candidates made from it.
        rivals: name -> finished trials of the baseline and the parent, for the curves.
        baseline: the baseline's name.
    """
    born = next((r for r in history if "candidate" in r["body"]), None)
    own = born["body"]["candidate"] if born else {}
    idea = own.get("idea", {})
    told: dict[str, list[View]] = defaultdict(list)
    for row in history:
        told[row["kind"]].append({**row["body"], "seq": row["seq"]})
    return {
        **{k: node[k] for k in ("id", "candidate_index", "role", "operator", "author", "quality")},
        "name": node["name"] or node["id"],
        "verdict": node["verdict"],
        "fitness": node["fitness"],
        "idea": {k: idea.get(k, "") for k in ("motivation", "mechanism")},
        "predictions": idea.get("predictions", []),
        "elements": [_element(e, relatives) for e in idea.get("elements", [])],
        "source": own.get("source", ""),
        "parents": [_relative(id_, relatives) for id_ in own.get("parents", [])],
        "children": [{"id": c["id"], "name": c["name"], "verdict": c["verdict"]} for c in children],
        "probes": (told["ProbesRan"] or [{}])[-1].get("report"),
        "verdicts": [_verdict(v) for v in told["VerdictReached"]],
        "decisions": told["RungDecided"],
        "novelty": (told["NoveltyJudged"] or [None])[-1],
        "judgements": told["JudgementGiven"],
        "lesson": (told["LessonWritten"] or [None])[-1],
        "imported": (told["RecordImported"] or [None])[-1],
        "trials": [_trial(r) for r in trials],
        "cost": _cost(trials),
        "curves": curves(node["name"] or node["id"], trials, rivals),
        "baseline": baseline,
        "calls": [_call(c) for c in told["ModelCalled"]],
        "proof": [{k: r[k] for k in ("seq", "time", "kind", "hash")} for r in history],
    }


def _element(element: Row, relatives: Mapping[str, Row]) -> View:
    source = element.get("source", "")
    name = relatives[source]["name"] if source in relatives else ""
    return {**element, "source_name": name}


def _relative(id_: str, relatives: Mapping[str, Row]) -> View:
    return {"id": id_, "name": relatives[id_]["name"] if id_ in relatives else id_}


def _verdict(event: Row) -> View:
    verdict = event["verdict"]
    return {
        **verdict,
        "stage": stage_of(verdict),
        "bar": bar_words(verdict["reason"]),
        "seq": event["seq"],
        "fitness": (event.get("fitness") or {}).get("value"),
    }


def _trial(row: Row) -> View:
    trial = row["body"]["trial"]
    cost = (trial.get("measurement") or {}).get("cost") or trial.get("cost") or {}
    return {
        **trial["spec"],
        "outcome": trial["outcome"],
        "reason": trial["reason"],
        "seq": row["seq"],
        "scores": (trial.get("measurement") or {}).get("scores", {}),
        "cpu_seconds": cost.get("cpu_seconds"),
    }


def _cost(trials: Sequence[Row]) -> View:
    """What all trials used; sizes and memory are of the search's size, not of a larger scale."""
    told = [row["body"]["trial"] for row in trials]
    costs = [((t.get("measurement") or {}).get("cost") or t.get("cost"), t) for t in told]
    known = [cost for cost, trial in costs if cost and trial["spec"]["stage"] != Stage.VERIFY]
    return {
        "cpu_seconds": sum(cost["cpu_seconds"] for cost, _ in costs if cost),
        "n_trials": len(trials),
        "peak_memory_bytes": max(
            (c["peak_memory_bytes"] for c in known if c.get("device", "cpu") == "cpu"), default=0
        ),
        "n_parameters": known[-1]["n_parameters"] if known else 0,
        "state_bytes": known[-1].get("state_bytes", 0) if known else 0,
    }


def _call(event: Row) -> View:
    wanted = (
        "role", "model", "family", "effort", "outcome", "reason", "input_tokens", "output_tokens",
        "dollars", "is_priced", "seconds", "turn", "seq", "call_id",
    )  # fmt: skip
    return {key: event.get(key) for key in wanted}


def curves(name: str, trials: Sequence[Row], rivals: Mapping[str, Sequence[Row]]) -> list[View]:
    """Return training curves as [name, seed, rung, points]; seeds in common with the candidate."""
    found = _curves(name, trials, set())
    seeds = {(c["stage"], c["seed"]) for c in found}
    for rival, rows in rivals.items():
        found += _curves(rival, rows, seeds)
    return found[: 3 * MAX_CURVES]


def _curves(name: str, trials: Sequence[Row], seeds: set[tuple[str, int]]) -> list[View]:
    joined: dict[tuple[str, int], dict[float, float]] = {}
    for row in trials:
        trial = row["body"]["trial"]
        spec = trial["spec"]
        key = (spec["stage"], spec["seed"])
        if (seeds and key not in seeds) or not (trial.get("measurement") or {}).get("curve"):
            continue
        joined.setdefault(key, {}).update(dict(trial["measurement"]["curve"]))
    return [
        {"name": name, "stage": stage, "seed": seed, "points": sorted(points.items())}
        for (stage, seed), points in list(joined.items())[:MAX_CURVES]
    ]


def difference(ours: str, theirs: str) -> list[list[Any]]:
    """Return the line diff from `theirs` to `ours` as [sign, old number, new number, text].

    Long programs are cut at MAX_DIFF_LINES a side: the matcher's time grows with the square.
    """
    old, new = theirs.splitlines()[:MAX_DIFF_LINES], ours.splitlines()[:MAX_DIFF_LINES]
    matcher = difflib.SequenceMatcher(None, old, new, autojunk=True)
    lines: list[list[Any]] = []
    for group in matcher.get_grouped_opcodes(CONTEXT):
        if lines:
            lines.append(["…", None, None, ""])
        for tag, i1, i2, j1, j2 in group:
            if tag == "equal":
                lines += [
                    [" ", i + 1, j + 1, old[i]]
                    for i, j in zip(range(i1, i2), range(j1, j2), strict=True)
                ]
                continue
            lines += [["-", i + 1, None, old[i]] for i in range(i1, i2)]
            lines += [["+", None, j + 1, new[j]] for j in range(j1, j2)]
    return lines


def gallery(
    entries: Sequence[Row], last: Mapping[str, Row], births: Mapping[str, Row]
) -> list[View]:
    """Return a card for each candidate that held up, the largest effect first."""
    cards = []
    for node in entries:
        verdict = (last.get(node["id"]) or {}).get("verdict") or {}
        idea = births.get(node["id"], {}).get("body", {}).get("candidate", {}).get("idea", {})
        cards.append(
            {
                "id": node["id"],
                "name": node["name"] or node["id"],
                "kind": node["verdict"],
                "effect": verdict.get("effect"),
                "tasks": verdict.get("task_effects") or {},
                "e_value": verdict.get("e_value"),
                "level": verdict.get("level"),
                "reason": verdict.get("reason", ""),
                "motivation": idea.get("motivation", ""),
                "mechanism": idea.get("mechanism", ""),
                "elements": idea.get("elements", []),
                "quality": node["quality"],
            }
        )
    return sorted(cards, key=lambda c: -(c["effect"] or {}).get("mean", 0.0))


def cognition(
    cards: Sequence[Any],
    reads: Sequence[Row],
    elements: Sequence[Row],
    effects: Mapping[str, float],
    names: Mapping[str, str],
) -> View:
    """Return every card with where it was offered, who used it, and how those fared.

    Args:
        cards: the library.
        reads: CardsRead events.
        elements: id and declared elements of every candidate.
        effects: candidate -> effect, where there is one.
        names: candidate -> name.
    """
    offered: dict[str, int] = defaultdict(int)
    for row in reads:
        for card in row["body"]["cards"]:
            offered[card] += 1
    users: dict[str, list[str]] = defaultdict(list)
    origins: dict[str, int] = defaultdict(int)
    for row in elements:
        for element in row["body"] or []:
            origins[element.get("origin", "original")] += 1
            if element.get("origin") == "card" and row["id"] not in users[element["source"]]:
                users[element["source"]].append(row["id"])
    known = [
        {
            **_card(card),
            "offered": offered.get(card.id, 0),
            **_use(users.get(card.id, []), effects, names),
        }
        for card in cards
    ]
    lost = sorted(set(users) - {card.id for card in cards})
    known += [
        {"id": id_, "title": "(not among the shipped cards)", "claim": "", "when": "", "year": 0,
         "link": "", "mechanism": "", "offered": offered.get(id_, 0),
         **_use(users[id_], effects, names)}
        for id_ in lost
    ]  # fmt: skip
    return {
        "cards": sorted(known, key=lambda c: (-c["used"], -c["offered"], c["id"])),
        "origins": dict(origins),
        "n_reads": len(reads),
        "reads": [
            {
                "index": r["candidate_index"],
                "query": r["body"]["query"][:400],
                "cards": r["body"]["cards"],
            }
            for r in reversed(reads[-MAX_READS:])
        ],
        "mean_effect": fmean(effects.values()) if effects else None,
    }


def _use(users: Sequence[str], effects: Mapping[str, float], names: Mapping[str, str]) -> View:
    used = set(users)
    theirs = [effects[id_] for id_ in users if id_ in effects]
    others = [effect for id_, effect in effects.items() if id_ not in used]
    return {
        "used": len(users),
        "users": [
            {"id": id_, "name": names.get(id_, id_), "effect": effects.get(id_)}
            for id_ in users[:MAX_USERS]
        ],
        "effect": fmean(theirs) if theirs else None,
        "others": fmean(others) if others and theirs else None,
        "n_effects": len(theirs),
    }


def _card(card: Any) -> View:
    source = card.source if hasattr(card, "source") else card
    arxiv = source.arxiv or ""
    return {
        "id": card.id,
        "claim": card.claim,
        "mechanism": card.mechanism,
        "when": card.when,
        "title": source.title,
        "year": source.year,
        "link": f"arXiv {arxiv}" if arxiv else source.venue,
    }
