"""The report of a campaign: one self-contained page, and the same in Markdown.

Everything in it follows from the events. No script, nothing loaded from elsewhere; all words of
candidates are escaped.
"""

from __future__ import annotations

import functools
import os
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape
from markupsafe import Markup

from move37.core.claims import Effect
from move37.core.events import Event
from move37.core.trial import Stage
from move37.insights import wording
from move37.insights.components import components
from move37.insights.discovery import Discovery, discovery
from move37.insights.findings import (
    GalleryRow,
    best_searched,
    declared_best,
    gallery_rows,
    headline,
    known_layers,
    meaning,
    opponent_rows,
    outcome_of,
    standing,
    tested_rows,
)
from move37.insights.flow import data_flow_svg
from move37.insights.judging import agreement_rows, calibration_rows
from move37.insights.larger import verified_rows
from move37.insights.lessons import failure_rows, noise_rows, worst_lessons
from move37.insights.matched import Matched, matched
from move37.insights.method import UNCLEAR, weighed
from move37.insights.missed import missed
from move37.insights.provenance import provenance, share_rows
from move37.insights.published import published
from move37.insights.race import race_words
from move37.insights.safeguards import safeguards
from move37.insights.setting import Setting, command, config_text, read_setting
from move37.insights.spend import spending
from move37.insights.story import Record, Story, tell
from move37.insights.trends import trend_rows

Others = Sequence[tuple[str, Sequence[Event]]]
"""Names and events of runs that stand beside this one."""
FILES = ("report.md", "report.html")
N_CREDITS = 8
"""Edits in each table of what they seem to be worth."""
N_FLOWS = 20
"""Layers of the gallery whose data flow is drawn; the others have their source."""


def write_report(
    events: list[Event], folder: Path, *, beside: Others = (), used_seconds: float | None = None
) -> Path:
    """Write report.html and report.md of a campaign into `folder`; return the page's path.

    Each file is replaced whole or not at all. The preset, which holds the noise units, is the
    ledger's; one of an older version has its name only. If it cannot be read, what needs it is left
    out and said.

    Args:
        events: of the campaign.
        folder: must exist.
        beside: other runs whose discoveries over compute are drawn beside this one's.
        used_seconds: wall clock of the search, which events alone do not tell; None: not said.

    Raises:
        ConfigError: a run beside has another preset or baseline.
        OSError: the folder cannot be written; files that were there are as they were.
    """
    context = report_context(events, beside=beside) | {"used_seconds": used_seconds}
    for name in FILES:
        _replace(folder / name, render(name, context))
    return folder / FILES[-1]


def report_context(
    events: list[Event],
    *,
    beside: Others = (),
    with_pictures: bool = True,
) -> dict[str, Any]:
    """Return what the templates show. Cost: linear in the number of events."""
    story = tell(events)
    setting = read_setting(story)
    if story.started and story.started.imported_from:
        return _imported_context(story, setting, with_pictures=with_pictures)
    config = setting.config
    baseline = story.baseline(config.baseline if config else "")
    gallery, tested = gallery_rows(story, baseline), tested_rows(story)
    best = declared_best(gallery)
    opponents = opponent_rows(story, setting, best)
    baseline_name = baseline.name if baseline else (config.baseline if config else "the baseline")
    found, effects = discovery(events, beside), matched(story, setting)
    origins = provenance(story, events)
    context = {
        "story": story,
        "setting": setting,
        "published": None,
        "baseline": baseline_name,
        "headline": headline(gallery, tested, baseline_name),
        "meaning": meaning(gallery, tested, config.evidence.level if config else None),
        "gallery": gallery,
        "details": [
            _details(row, draws=with_pictures and k < N_FLOWS) for k, row in enumerate(gallery)
        ],
        "best": best,
        "opponents": opponents,
        "tested": tested,
        "race": race_words(story.searched, len(setting.preset.rungs) if setting.preset else None),
        "known": known_layers(story, setting, baseline),
        "larger": verified_rows(story, setting, baseline),
        "spending": spending(events, story),
        "failures": failure_rows(story),
        "worst": worst_lessons(story),
        "noise": noise_rows(setting, baseline),
        "agreement": agreement_rows(events),
        "calibration": calibration_rows(story.searched),
        "found": found,
        "parts": components(story.records.values()),
        "effects": effects,
        "origins": origins,
        "origin_shares": share_rows(origins),
        "trends": trend_rows(story.searched),
        "missed": missed(story, gallery, tested, opponents),
        "guards": safeguards(events),
        "shown": best or best_searched(story),
        "pictures": (
            _pictures(story, baseline, best) | _more_pictures(story, found, effects)
            if with_pictures
            else {}
        ),
        **_credit_words(story),
        **_session_words(story, setting),
    }
    return context | {"contents": [(id_, title) for id_, title, key in CONTENTS if context[key]]}


CONTENTS = (
    ("gallery", "Gallery", "story"),
    ("compute", "Discoveries over compute", "found"),
    ("opponents", "Against known layers", "story"),
    ("missed", "What was not found", "missed"),
    ("made-of", "What layers are made of", "parts"),
    ("origins", "Where elements come from", "origins"),
    ("failures", "What did not work", "story"),
    ("models", "Language models", "spending"),
    ("guards", "Guards", "story"),
    ("noise", "Noise floor", "story"),
    ("entries", "Layers one by one", "details"),
    ("reproduce", "How to reproduce", "story"),
)
"""Sections to jump to: id, title, and what must be there for them to be shown."""


def _imported_context(story: Story, setting: Setting, *, with_pictures: bool) -> dict[str, Any]:
    """Return what is shown of somebody else's campaign: nothing in it was measured here."""
    from move37.insights.charts_search import scores_chart

    records = list(story.records.values())
    return {
        "story": story,
        "setting": setting,
        "published": published(story),
        "imported": story.started.imported_from if story.started else "",
        "parts": components(r for r in records if r.published and r.published.has_program),
        "trends": trend_rows(story.searched),
        "pictures": {"scores": scores_chart(records) if with_pictures else None},
        **_session_words(story, setting),
    }


def render(name: str, context: dict[str, Any]) -> str:
    """Return one of the files as text."""
    return _environment(is_page=name.endswith(".html")).get_template(name).render(context)


@functools.cache
def _environment(*, is_page: bool) -> Environment:
    """Keep the compiled templates: compiling takes as long as drawing three pictures."""
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
        "times": wording.times_words,
        "rate": lambda rate: wording.rate_words(rate.low, rate.mean, rate.high),
        "signed": lambda value: wording.Ready(wording.signed(value)),
        "number": wording.plain_number,
        "shorten": wording.shorten,
        "fenced": wording.fenced,
        "duration": wording.duration,
        "outcome": outcome_of,
        "standing": standing,
    }
    return environment


def _page_value(value: Any) -> Any:
    """Clean every text before jinja2 escapes it; Markup is a picture of ours, marked `safe`."""
    return value if isinstance(value, Markup) else wording.clean(str(value))


def _markdown_value(value: Any) -> str:
    return value if isinstance(value, wording.Ready) else wording.escape_markdown(str(value))


def _pictures(story: Story, baseline: Record | None, best: Record | None) -> dict[str, Any]:
    """Draw the pictures; matplotlib is imported here, so that `move37 status` stays quick."""
    from move37.insights.ancestry import ancestors, lineage_chart
    from move37.insights.charts import curves_chart, effects_chart, search_chart

    shown = best or best_searched(story)
    lineage = ancestors(story.records, shown) if shown else None
    return {
        "search": search_chart(story.searched),
        "effects": effects_chart(_effect_lines(shown, best), on_fresh_seeds=best is not None),
        "lineage": lineage_chart(lineage) if lineage else None,
        "n_left_out": lineage.n_left_out if lineage else 0,
        "curves": curves_chart(shown, baseline) if shown and baseline else None,
    }


def _more_pictures(
    story: Story, found: Discovery | None, effects: Matched | None
) -> dict[str, Any]:
    from move37.insights.charts_search import compute_chart, matched_chart, trends_chart

    return {
        "compute": compute_chart(found) if found else None,
        "matched": matched_chart(effects.classes) if effects else None,
        "trends": trends_chart(story.searched),
    }


def _effect_lines(shown: Record | None, best: Record | None) -> list[tuple[str, Effect]]:
    verdict = None
    if shown:
        verdict = best.test if best else (shown.search.verdict if shown.search else None)
    if verdict is None or verdict.effect is None:
        return []
    return [("mean of the tasks", verdict.effect), *(verdict.task_effects or {}).items()]


def _details(row: GalleryRow, *, draws: bool) -> dict[str, Any]:
    record, idea = row.record, row.record.candidate.idea
    tasks = (record.test.task_effects if record.test else None) or {}
    return {
        "row": row,
        "record": record,
        "idea": idea,
        "flow": data_flow_svg(record.candidate.source, idea.description) if draws else "",
        "tasks": tasks,
        "predictions": [(p, tasks.get(p.task)) for p in idea.predictions],
        "n_fresh": len(record.measurements(Stage.CONFIRM)),
    }


def _credit_words(story: Story) -> dict[str, Any]:
    earned = weighed(story)
    return {
        "helping": earned.helping,
        "hurting": earned.hurting,
        "unclear": earned.unclear,
        "unclear_words": UNCLEAR,
        "n_credits": N_CREDITS,
    }


def _session_words(story: Story, setting: Setting) -> dict[str, Any]:
    config = setting.config
    return {
        "name": story.started.name if story.started else "a campaign that has not started",
        "used_seconds": None,
        "was_verified": any(session.purpose == "verify" for session in story.opened),
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
