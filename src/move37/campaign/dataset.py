"""Training data of a campaign for a named student, without anything that a relative had a hand in.

Three forms: instruction (an idea, the layer that was written for it), preference (of two layers
from one parent, the one with the better measured effect), distillation (motivation and mechanism,
as the author's own words). Preferences come from measured effects. A row is left out if an author
in the ancestry of its layers, or a judge of them, is related to the student or quarantined. Every
refusal is counted in the manifest, with its reason; the ledger holds each decision and the export.
"""

from __future__ import annotations

import hashlib
import itertools
import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from move37.campaign.edges import quarantines, record_training
from move37.core.errors import ConfigError
from move37.core.events import DatasetExported, JudgementGiven, JudgementRevised
from move37.core.team import TeamConfig
from move37.guards.families import Families, Roster
from move37.guards.firewall import Decision, Edge, EdgeKind, decide
from move37.memory.ledger import Ledger
from move37.memory.state import Entry, State

FORMS = {
    "instruction": EdgeKind.FINE_TUNING,
    "preference": EdgeKind.PREFERENCE,
    "distillation": EdgeKind.DISTILLATION,
}
ANCHOR_SHARE = 0.5
"""Of each batch, honest data that nobody of the campaign wrote. Measured in the subliminal lab:
at equal weight a defect falls from .91 to between .03 and .55, the less the better the student
knows the data already (docs/guards.md); small networks, no promise."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Exported:
    """What was written, and what was left out."""

    rows: dict[str, int]
    """By form."""
    by_family: dict[str, int]
    refused: dict[str, int]
    """Rows left out, by reason."""
    student: str
    head: str
    """Of the ledger."""


def export_dataset(
    ledger: Ledger, team: TeamConfig, families: Families, *, student: str, folder: Path
) -> Exported:
    """Write instruction.jsonl, preference.jsonl, distillation.jsonl and manifest.json.

    Raises:
        ConfigError: the folder cannot be written, or holds a dataset already.
    """
    roster = Roster(team, families, quarantined=quarantines(ledger))
    state = ledger.state()
    decided = dict[Edge, Decision]()
    written, by_family, refused = Counter[str](), Counter[str](), Counter[str]()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if (folder / "manifest.json").exists():
            raise ConfigError(f"{folder} holds a dataset already; give another --out")
        for form, kind in FORMS.items():
            lines = list[str]()
            for row, hands in _rows(state, form):
                denied = _denied(hands, student, kind, roster, decided)
                if denied is not None:
                    refused[f"{form}: {denied.edge.producer}: {denied.reason}"] += 1
                    continue
                lines.append(json.dumps({**row, "provenance": sorted(hands)}, ensure_ascii=False))
                written[form] += 1
                by_family.update({roster.line(hand).name for hand in hands})
            (folder / f"{form}.jsonl").write_text("".join(f"{line}\n" for line in lines), "utf-8")
        exported = Exported(
            rows={form: written[form] for form in FORMS},
            by_family=dict(by_family),
            refused=dict(refused),
            student=student,
            head=ledger.head()[1],
        )
        manifest = _write_manifest(exported, folder)
    except OSError as error:
        raise ConfigError(f"{folder} cannot be written: {error}") from error
    record_training(ledger, decided.values())
    ledger.append(
        DatasetExported(
            student=student, rows=exported.rows, refused=exported.refused, manifest=manifest
        )
    )
    return exported


def _write_manifest(exported: Exported, folder: Path) -> str:
    """Write the manifest; return its SHA-256."""
    manifest = {
        "student": exported.student,
        "ledger_head": exported.head,
        "rows": exported.rows,
        "rows_by_family": exported.by_family,
        "refused": exported.refused,
        "anchor_share": ANCHOR_SHARE,
        "note": (
            "Mix in at least this share of data that no member of the campaign wrote, and on which "
            "the student still makes mistakes: what it knows by heart corrects nothing. Leaving "
            "relatives out lowers the risk of hidden traits and leaves evidence; it does not "
            "prove that there are none."
        ),
    }
    text = json.dumps(manifest, indent=2) + "\n"
    (folder / "manifest.json").write_text(text, "utf-8")
    return hashlib.sha256(text.encode()).hexdigest()


def _denied(
    hands: frozenset[str],
    student: str,
    kind: EdgeKind,
    roster: Roster,
    decided: dict[Edge, Decision],
) -> Decision | None:
    """Return the first refusal of a row's hands; what was decided is kept in `decided`."""
    for hand in sorted(hands):
        edge = Edge(producer=hand, consumer=student, kind=kind)
        decided.setdefault(edge, decide(edge, roster))
    found = [decided[Edge(producer=hand, consumer=student, kind=kind)] for hand in sorted(hands)]
    return next((decision for decision in found if not decision.allowed), None)


def _rows(state: State, form: str) -> Iterator[tuple[dict[str, str], frozenset[str]]]:
    """Yield rows of a form, each with the authors that had a hand in it."""
    made = [entry for entry in state.candidates.values() if entry.index >= 0]
    good = [entry for entry in made if entry.probes and entry.probes.passed and entry.fitness]
    if form == "preference":
        yield from _preferences(state, good)
        return
    for entry in good:
        idea = entry.candidate.idea
        hands = _hands(state, entry)
        if form == "instruction":
            asked = f"Write a causal sequence mixer as PyTorch. {idea.motivation}"
            yield {"prompt": asked, "completion": entry.candidate.source}, hands
        elif idea.mechanism:
            asked = f"What mechanism would you try? {idea.motivation}"
            yield {"prompt": asked, "completion": idea.mechanism}, hands


def _preferences(
    state: State, good: list[Entry]
) -> Iterator[tuple[dict[str, str], frozenset[str]]]:
    by_parent = dict[str, list[Entry]]()
    for entry in good:
        by_parent.setdefault(next(iter(entry.candidate.parents), ""), []).append(entry)
    for siblings in by_parent.values():
        ranked = sorted(siblings, key=_measured, reverse=True)
        for better, worse in itertools.pairwise(ranked):
            if _measured(better) > _measured(worse):
                row = {
                    "prompt": "Write a causal sequence mixer as PyTorch.",
                    "chosen": better.candidate.source,
                    "rejected": worse.candidate.source,
                }
                yield row, _hands(state, better) | _hands(state, worse)


def _measured(entry: Entry) -> float:
    """Return the combined measured effect: the judge's part of fitness is left out."""
    effect = entry.search_verdict.effect if entry.search_verdict else None
    return effect.mean if effect else float("-inf")


def _hands(state: State, entry: Entry) -> frozenset[str]:
    """Return every author in a candidate's ancestry, and who judged the candidate itself."""
    judged = (e for e in entry.events if isinstance(e, JudgementGiven | JudgementRevised))
    judges = {judge for event in judged for judge in event.votes}
    hands, waiting, seen = set[str](), [entry.id], set[str]()
    while waiting:
        id_ = waiting.pop()
        if id_ in seen or id_ not in state.candidates:
            continue
        seen.add(id_)
        candidate = state.candidates[id_].candidate
        hands.add(candidate.author)
        waiting += candidate.parents
    return frozenset(hands | judges)
