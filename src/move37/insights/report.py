"""The report of a campaign: one self-contained page, and the same in Markdown.

Everything in it follows from the events. No script, nothing loaded from elsewhere; all words of
candidates are escaped.
"""

from __future__ import annotations

import os
import uuid
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape
from markupsafe import Markup

from move37.core.claims import Effect
from move37.core.events import Event
from move37.core.trial import Stage
from move37.insights import wording
from move37.insights.components import components, provenance
from move37.insights.discovery import discovery
from move37.insights.findings import (
    GalleryRow,
    best_searched,
    declared_best,
    gallery_rows,
    headline,
    meaning,
    opponent_rows,
    outcome_of,
    standing,
    tested_rows,
)
from move37.insights.judging import agreement_rows, calibration_rows
from move37.insights.larger import verified_rows
from move37.insights.lessons import credit_rows, failure_rows, noise_rows, worst_lessons
from move37.insights.setting import Setting, command, config_text, read_setting
from move37.insights.spend import spending
from move37.insights.story import Record, Story, tell

FILES = ("report.md", "report.html")


def write_report(events: list[Event], folder: Path) -> Path:
    """Write report.html and report.md of a campaign into `folder`; return the page's path.

    Each file is replaced whole or not at all. The preset, which holds the noise units, is the
    ledger's; one of an older version has its name only. If it cannot be read, what needs it is left
    out and said.

    Raises:
        OSError: the folder cannot be written; files that were there are as they were.
    """
    context = report_context(events)
    for name in FILES:
        _replace(folder / name, render(name, context))
    return folder / FILES[-1]


def report_context(events: list[Event]) -> dict[str, Any]:
    """Return what the templates show. Cost: linear in the number of events."""
    story = tell(events)
    setting = read_setting(story)
    config = setting.config
    baseline = story.baseline(config.baseline if config else "")
    gallery, tested = gallery_rows(story, baseline), tested_rows(story)
    best = declared_best(gallery)
    helping, hurting = credit_rows(story)
    baseline_name = baseline.name if baseline else (config.baseline if config else "the baseline")
    return {
        "story": story,
        "setting": setting,
        "baseline": baseline_name,
        "headline": headline(gallery, tested, baseline_name),
        "meaning": meaning(gallery, config.evidence.level if config else None),
        "gallery": gallery,
        "details": [_details(row) for row in gallery],
        "best": best,
        "opponents": opponent_rows(story, setting, best),
        "tested": tested,
        "larger": verified_rows(story, setting, baseline),
        "spending": spending(events, story),
        "failures": failure_rows(story),
        "helping": helping,
        "hurting": hurting,
        "worst": worst_lessons(story),
        "noise": noise_rows(setting, baseline),
        "agreement": agreement_rows(events),
        "calibration": calibration_rows(story.searched),
        "found": discovery(events),
        "parts": components(story),
        "origins": provenance(story, events),
        "imported": story.started.imported_from if story.started else "",
        "shown": best or best_searched(story),
        "pictures": _pictures(story, baseline, best),
        **_session_words(story, setting),
    }


def render(name: str, context: dict[str, Any]) -> str:
    """Return one of the files as text."""
    is_page = name.endswith(".html")
    environment = Environment(
        loader=PackageLoader("move37.insights"),
        autoescape=select_autoescape(("html",)),
        finalize=_page_value if is_page else _markdown_value,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "effect": wording.effect_words,
        "rate": lambda rate: wording.rate_words(rate.low, rate.mean, rate.high),
        "signed": lambda value: wording.Ready(wording.signed(value)),
        "shorten": wording.shorten,
        "fenced": wording.fenced,
        "duration": wording.duration,
        "outcome": outcome_of,
        "standing": standing,
    }
    return environment.get_template(name).render(context)


def _page_value(value: Any) -> Any:
    """Clean every text before jinja2 escapes it; Markup is a picture of ours, marked `safe`."""
    return value if isinstance(value, Markup) else wording.clean(str(value))


def _markdown_value(value: Any) -> str:
    return value if isinstance(value, wording.Ready) else wording.escape_markdown(str(value))


def _pictures(story: Story, baseline: Record | None, best: Record | None) -> dict[str, Any]:
    """Draw the pictures; matplotlib is imported here, so that `move37 status` stays quick."""
    from move37.insights.ancestry import ancestors, lineage_chart
    from move37.insights.charts import curves_chart, discovery_chart, effects_chart

    shown = best or best_searched(story)
    lineage = ancestors(story.records, shown) if shown else None
    return {
        "discovery": discovery_chart(story.searched),
        "effects": effects_chart(_effect_lines(shown, best), on_fresh_seeds=best is not None),
        "lineage": lineage_chart(lineage) if lineage else None,
        "n_left_out": lineage.n_left_out if lineage else 0,
        "curves": curves_chart(shown, baseline) if shown and baseline else None,
    }


def _effect_lines(shown: Record | None, best: Record | None) -> list[tuple[str, Effect]]:
    verdict = None
    if shown:
        verdict = best.test if best else (shown.search.verdict if shown.search else None)
    if verdict is None or verdict.effect is None:
        return []
    return [("mean of the tasks", verdict.effect), *(verdict.task_effects or {}).items()]


def _details(row: GalleryRow) -> dict[str, Any]:
    record = row.record
    tasks = (record.test.task_effects if record.test else None) or {}
    return {
        "row": row,
        "record": record,
        "idea": record.candidate.idea,
        "tasks": tasks,
        "predictions": [(p, tasks.get(p.task)) for p in record.candidate.idea.predictions],
        "n_fresh": len(record.measurements(Stage.CONFIRM)),
    }


def _session_words(story: Story, setting: Setting) -> dict[str, Any]:
    config = setting.config
    return {
        "name": story.started.name if story.started else "a campaign that has not started",
        "used_seconds": sum(session.wall_seconds for session in story.closed),
        "n_lost_sessions": max(len(story.opened) - len(story.closed), 0),
        "command": command(config, sandboxed=story.is_sandboxed) if config else "",
        "config_text": config_text(config) if config else (
            story.started.config if story.started else ""
        ),
    }  # fmt: skip


def _replace(path: Path, text: str) -> None:
    draft = path.with_name(f".{path.name}.{uuid.uuid4().hex}.new")
    try:
        with draft.open("x", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)
