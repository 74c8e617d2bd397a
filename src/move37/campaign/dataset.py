"""Training data of a campaign for a named student, without anything that a relative had a hand in.

Three forms: instruction (an idea, the layer that was written for it), preference (of two layers
from one parent, the one with the better measured effect), distillation (motivation and mechanism,
as the author's own words). Preferences come from measured effects. A row is left out if an author
in the ancestry of its layers, or a judge of them, is related to the student or quarantined. Every
refusal is counted in the manifest, with its reason; the ledger holds each decision and the export,
written there before the files: a kill may leave an export without files, never files without it.
"""

from __future__ import annotations

import hashlib
import itertools
import json
from collections import Counter
from collections.abc import Iterable, Iterator
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
    family: str | None
    """The student's, in the graph; None: no row knows it, and whoever asked said so."""
    head: str
    """Of the ledger."""


def export_dataset(
    ledger: Ledger,
    team: TeamConfig,
    families: Families,
    *,
    student: str,
    folder: Path,
    unknown_student: bool = False,
) -> Exported:
    """Write instruction.jsonl, preference.jsonl, distillation.jsonl and, last, manifest.json.

    Args:
        ledger: of the campaign.
        team: of the campaign; its own rows count.
        families: the graph.
        student: the model that will be trained, `provider:model`.
        folder: to write to; made if it is not there.
        unknown_student: whoever asks says that a student that no row of the graph knows has no
            relatives here.

    Raises:
        ConfigError: no row knows the student; the folder cannot be written, or holds a dataset.
    """
    roster = Roster(team, families, quarantined=quarantines(ledger))
    family = _family_of(student, roster, unknown_student=unknown_student)
    state = ledger.state()
    decided = dict[Edge, Decision]()
    by_family, refused = Counter[str](), Counter[str]()
    lines: dict[str, list[str]] = {form: [] for form in FORMS}
    for form, kind in FORMS.items():
        for row, hands in _rows(state, form):
            denied = _denied(hands, student, kind, roster, decided)
            if denied is not None:
                refused[f"{form}: {denied.edge.producer}: {denied.reason}"] += 1
                continue
            whole = {**row, "provenance": sorted(hands)}
            lines[form].append(json.dumps(whole, ensure_ascii=False) + "\n")
            by_family.update({roster.line(hand).name for hand in hands})
    exported = Exported(
        rows={form: len(rows) for form, rows in lines.items()},
        by_family=dict(by_family),
        refused=dict(refused),
        student=student,
        family=family,
        head=ledger.head()[1],
    )
    files = {f"{form}.jsonl": "".join(rows) for form, rows in lines.items()}
    files["manifest.json"] = _manifest(exported)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if (folder / "manifest.json").exists():
            raise ConfigError(f"{folder} holds a dataset already; give another --out")
        _record(ledger, exported, decided.values(), files["manifest.json"])
        for name, text in files.items():
            (folder / name).write_text(text, "utf-8")
    except OSError as error:
        raise ConfigError(f"{folder} cannot be written: {error}") from error
    return exported


def _family_of(student: str, roster: Roster, *, unknown_student: bool) -> str | None:
    """Return the student's line of the graph; None if none is known, and that was said.

    Raises:
        ConfigError: no row knows the student, and nobody said that it has no relatives.
    """
    line = roster.line(student)
    if line.name in roster.families.lines or line.evidence == "declared":
        return line.name
    if unknown_student:
        return None
    near = roster.families.near(student)
    hint = f"Did you mean a name that begins with {near!r}? " if near else ""
    raise ConfigError(
        f"no row of the graph of families knows the student {student!r}, so nothing says whose "
        f"work it may not learn from. {hint}Name it as provider:model, such as "
        "openai-compatible:qwen2.5-7b, or say what it descends from (family in the team file, or a "
        "[[line]] row in --families FILE), or say --unknown-student if it has no relatives here"
    )


def _record(
    ledger: Ledger, exported: Exported, decisions: Iterable[Decision], manifest: str
) -> None:
    record_training(ledger, decisions)
    ledger.append(
        DatasetExported(
            student=exported.student,
            rows=exported.rows,
            refused=exported.refused,
            manifest=hashlib.sha256(manifest.encode()).hexdigest(),
        )
    )


def _manifest(exported: Exported) -> str:
    manifest = {
        "student": exported.student,
        "student_family": exported.family,
        "unknown_student": exported.family is None,
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
    return json.dumps(manifest, indent=2) + "\n"


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
