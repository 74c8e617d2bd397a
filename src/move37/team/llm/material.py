"""From records to sections of a prompt: numbers as tables, code as it stands, each with a summary.

Only what the records hold is shown; who fills them decides what a role may see.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Sequence

from move37.core.claims import Effect
from move37.core.parsing import parse
from move37.core.trial import ProbeReport
from move37.team.llm.prompting import Section, shortened
from move37.team.protocols import (
    Calibration,
    CardHint,
    Curve,
    KnownCandidate,
    LessonHint,
)

N_POINTS = 8  # of a curve
MAX_LESSON = 700  # characters of one lesson in a list
MAX_REASON = 500


def code_section(title: str, known: KnownCandidate, *, weight: int) -> Section:
    """Show a candidate's whole source; its summary is an outline."""
    return source_section(title, known.candidate.source, weight=weight)


def source_section(title: str, source: str, *, weight: int) -> Section:
    """Show a source; its summary is an outline."""
    return Section(title=title, text=source, short=outline(source), weight=weight)


def idea_section(title: str, known: KnownCandidate, *, weight: int) -> Section:
    """Show what a candidate's author said about it."""
    idea = known.candidate.idea
    elements = ", ".join(e.name for e in idea.elements) or "none declared"
    text = (
        f"id: {known.candidate.id}\nname: {idea.name}\nmotivation: {idea.motivation}\n"
        f"mechanism: {idea.mechanism}\nelements changed: {elements}\n"
    )
    return Section(title=title, text=text, short=shortened(text, 600), weight=weight)


def result_section(title: str, known: KnownCandidate, *, weight: int) -> Section:
    """Show what was measured of a candidate: effects, probes, cost, curve."""
    parts = [
        effects_table([known]),
        failure_words(known),
        probe_words(known.probe),
        cost_words(known),
        curve_words(known.curve),
    ]
    return Section(title=title, text="\n".join(p for p in parts if p), weight=weight)


def effects_table(knowns: Sequence[KnownCandidate]) -> str:
    """Return one row a candidate: combined effect and each task's, with intervals."""
    if not knowns:
        return ""
    tasks = sorted({task for known in knowns for task in known.effects})
    rows = ["id | name | combined | " + " | ".join(tasks)]
    for known in knowns:
        cells = [effect_words(known.combined), *(effect_words(known.effects.get(t)) for t in tasks)]
        name = " ".join(known.candidate.idea.name.split())[:60]
        rows.append(" | ".join([known.candidate.id, name, *cells]))
    return (
        "effect against the baseline in units of seed noise, 95 % interval, positive is better\n"
        + ("\n".join(rows) + "\n")
    )


def effect_words(effect: Effect | None) -> str:
    """Return an effect as `+0.42 [+0.10, +0.74] n=3`."""
    if effect is None:
        return "not measured"
    return f"{effect.mean:+.2f} [{effect.low:+.2f}, {effect.high:+.2f}] n={effect.n_pairs}"


def failure_words(known: KnownCandidate) -> str:
    """Say how a candidate failed; empty if it did not."""
    if not known.reason or known.outcome is None:
        return ""
    return f"ended as {known.outcome}: {shortened(known.reason, MAX_REASON)}\n"


def probe_words(report: ProbeReport | None) -> str:
    """Say what the admission probes found."""
    if report is None:
        return ""
    failed = [v for v in report.verdicts if not v.passed]
    lines = [
        (
            f"probes: {report.outcome}; parameters {report.n_parameters}, state "
            f"{report.state_bytes} bytes, {report.flops_per_token:.0f} FLOPs a token, cost "
            f"exponent {report.cost_exponent:.2f}"
        )
    ]
    lines += [
        f"  failed {v.name}: breach {v.breach:.3g}, limit {v.limit:.3g}: "
        f"{shortened(v.detail, MAX_REASON)}"
        for v in failed
    ]
    if report.reason:
        lines.append(f"  {shortened(report.reason, 4 * MAX_REASON)}")
    return "\n".join(lines) + "\n"


def cost_words(known: KnownCandidate) -> str:
    """Say what size it has. No times: a replay must ask the very same."""
    cost = known.cost
    if cost is None:
        return ""
    return (
        f"whole model: {cost.n_parameters} parameters, feed-forward width {cost.ffn_width}, "
        f"{cost.tokens} training tokens\n"
    )


def curve_words(curve: Curve) -> str:
    """Return a few points of a training curve."""
    if not curve:
        return ""
    step = max(1, len(curve) // N_POINTS)
    points = list(curve[::step])
    if points[-1] != curve[-1]:
        points.append(curve[-1])
    return "training loss by step: " + ", ".join(f"{s}: {loss:.3f}" for s, loss in points) + "\n"


def failures_section(title: str, failures: Iterable[KnownCandidate], *, weight: int) -> Section:
    """List what gave no result and why, the newest first."""
    lines = [
        f"- {k.candidate.id} {k.candidate.idea.name}: "
        f"{k.outcome}: {shortened(k.reason, MAX_REASON)}"
        for k in reversed(list(failures))
    ]
    return _list_section(title, lines, weight=weight)


def lessons_section(title: str, lessons: Iterable[LessonHint], *, weight: int) -> Section:
    """List lessons, the newest first."""
    lines = [
        f"- about {x.candidate_id}: {shortened(' '.join(x.text.split()), MAX_LESSON)}"
        for x in reversed(list(lessons))
    ]
    return _list_section(title, lines, weight=weight)


def cards_section(title: str, cards: Iterable[CardHint], *, weight: int) -> Section:
    """Show cards from the literature."""
    parts, short = [], []
    for card in cards:
        head = f"- card {card.id} ({card.title}; {card.source or 'source in the library'})"
        short.append(f"{head}: {shortened(card.text, 200)}")
        more = [("mechanism", card.mechanism), ("how", card.how)]
        lines = [f"  {label}: {text}" for label, text in more if text]
        parts.append("\n".join([f"{head}: {card.text}", *lines]))
    return Section(title=title, text="\n".join(parts), short="\n".join(short), weight=weight)


def calibration_words(calibration: Calibration | None) -> str:
    """Say how earlier predictions fared."""
    if calibration is None or not calibration.n:
        return ""
    return (
        f"{calibration.hits} of {calibration.n} predicted signs came true; mean stated confidence "
        f"{calibration.confidence:.2f}; Brier score {calibration.brier:.3f} "
        "(always saying 0.5 scores 0.250; lower is better)\n"
    )


def outline(source: str) -> str:
    """Return imports, docstrings' first lines and signatures; a plain head if it does not parse."""
    try:
        tree = parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return shortened(source, 1_500)
    lines = ["(outline only)"]
    lines += [_signature(node) for node in ast.walk(tree) if isinstance(node, _DEFINITIONS)]
    return shortened("\n".join(lines) + "\n", 3_000)


_DEFINITIONS = (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef, ast.ImportFrom)


def _signature(node: ast.AST) -> str:
    match node:
        case ast.ImportFrom(module=module, names=names):
            return f"from {module} import {', '.join(n.name for n in names)}"
        case ast.ClassDef(name=name):
            words = _first_line(node)
            return f"class {name}: {words}"
        case ast.FunctionDef(name=name, args=args) | ast.AsyncFunctionDef(name=name, args=args):
            return f"def {name}({', '.join(a.arg for a in args.args)}): {_first_line(node)}"
    return ""


def _first_line(node: ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) -> str:
    words = (ast.get_docstring(node) or "").strip()
    return words.splitlines()[0] if words else ""


def _list_section(title: str, lines: list[str], *, weight: int) -> Section:
    shorter = [shortened(line, 160).replace("\n", " ") for line in lines[:12]]
    if len(lines) > 12:
        shorter.append(f"[… {len(lines) - 12} older ones left out]")
    return Section(title=title, text="\n".join(lines), short="\n".join(shorter), weight=weight)
