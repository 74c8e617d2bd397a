"""Audit an imported campaign: run our admission probes on its programs, weigh its numbers.

Probe verdicts go into the ledger, so an audit that was stopped goes on; the report is made from the
ledger alone.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from move37.campaign.workshop import PROBE_LIMITS
from move37.core.errors import ConfigError, ReportError
from move37.core.events import ProbesRan
from move37.core.trial import Outcome, ProbeReport
from move37.insights.wording import Ready, clean, escape_markdown, shorten, signed
from move37.interop.benchmarks import (
    Gain,
    SpreadRow,
    accuracies,
    gain,
    gain_over_mean,
    spread_rows,
)
from move37.lab.laboratory import Laboratory
from move37.lab.probes import probe
from move37.memory.journal import Journal
from move37.memory.ledger import Ledger
from move37.memory.state import Entry

PUBLISHED_MEANS = {"DeltaNet": 41.16, "Gated DeltaNet": 42.10}
"""Mean of seven benchmarks at 340M and 1B tokens, arXiv 2507.18074, Table 2; one run each."""
PUBLISHED_LOSSES = {"DeltaNet": 3.5055, "Gated DeltaNet": 3.4768}
"""Training loss of the same runs, same table."""
BASELINE_PARAMETERS = 411_800_000
"""DeltaNet in that table's shape: 24 layers of width 1024, GPT-2's vocabulary, untied. Computed,
the paper gives none."""
SIGMAS = (2.0, 3.0)
SIZE_STEPS = (0.05, 0.10, 0.20, 0.50)


@dataclass(frozen=True, kw_only=True, slots=True)
class AuditRow:
    """One record: what the probes say, and what its published gain is worth."""

    label: str
    name: str
    id: str
    report: ProbeReport | None
    failed: tuple[str, ...]
    gains: dict[str, Gain]
    """Baseline -> gain of the mean."""
    loss: float | None
    size_ratio: float | None
    """Published parameters over the baseline's."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Audit:
    """Everything an audit says."""

    rows: tuple[AuditRow, ...]
    n_records: int
    spreads: tuple[SpreadRow, ...]
    probe_counts: dict[str, tuple[int, int, int]]
    """Probe -> passed, failed, not reached."""
    beyond: dict[str, dict[str, int]]
    """Baseline -> threshold in words -> records above it."""
    n_gains: int
    larger: dict[str, int]
    n_sizes: int


def run_probes(
    ledger: Ledger,
    laboratory: Laboratory,
    *,
    d_model: int,
    n_heads: int,
    most: int | None,
    watch: Callable[[int, int], None],
) -> None:
    """Probe every program that has not been probed yet; verdicts go into the ledger."""
    waiting = [e for e in imported(ledger) if e.published and e.published.has_program]
    waiting = [e for e in waiting if e.probes is None][:most]
    for n_done, entry in enumerate(waiting):
        watch(n_done, len(waiting))
        Journal(ledger, entry.index).once(
            ProbesRan,
            lambda entry=entry: ProbesRan(
                index=entry.index,
                candidate_id=entry.id,
                report=probe(
                    lambda: laboratory.session(PROBE_LIMITS),
                    entry.candidate.source,
                    d_model=d_model,
                    n_heads=n_heads,
                ),
            ),
            match={"candidate_id": entry.id},
        )
    watch(len(waiting), len(waiting))


def imported(ledger: Ledger) -> list[Entry]:
    """Return the imported records.

    Raises:
        ConfigError: the campaign ran here, so its own report says all of this.
    """
    entries = [e for e in ledger.state().candidates.values() if e.published]
    if not entries:
        raise ConfigError(
            "this run was not imported: its candidates passed the probes when they were proposed; "
            "see move37 report"
        )
    return entries


def audit(ledger: Ledger, *, baseline: str | None = None) -> Audit:
    """Return what the records' probes and published numbers amount to.

    Args:
        ledger: of an imported campaign.
        baseline: number of the record to compare accuracies with; without one, the published means.

    Raises:
        ConfigError: not imported, or no such record with results.
    """
    entries = imported(ledger)
    against = _baseline_row(entries, baseline)
    rows = tuple(_row(e, against) for e in entries if _has_something(e))
    gains = [row for row in rows if row.gains]
    sizes = [row.size_ratio for row in rows if row.size_ratio is not None]
    return Audit(
        rows=rows,
        n_records=len(entries),
        spreads=tuple(spread_rows([_accuracies(e) for e in entries])),
        probe_counts=_probe_counts(rows),
        beyond=_beyond(gains),
        n_gains=len(gains),
        larger={f"+{step:.0%}": sum(r > 1 + step for r in sizes) for step in SIZE_STEPS},
        n_sizes=len(sizes),
    )


def write_audit(found: Audit, name: str, folder: Path) -> Path:
    """Write audit.html, audit.md and audit.json into the run's folder; return the first.

    Raises:
        ReportError: the folder cannot be written.
    """
    plain = json.dumps(audit_json(found), indent=2, sort_keys=True)
    texts = {
        "audit.md": render(found, name),
        "audit.json": plain + "\n",
        "audit.html": render_page(found, name),
    }
    try:
        for file, text in texts.items():
            (folder / file).write_text(text, encoding="utf-8")
    except OSError as error:
        raise ReportError(f"the audit cannot be written to {folder}: {error}") from error
    return folder / "audit.html"


def render(found: Audit, name: str) -> str:
    """Return the audit as Markdown; words of others are escaped."""
    environment = Environment(
        loader=PackageLoader("move37.interop"),
        autoescape=False,  # noqa: S701 - Markdown; `finalize` escapes
        finalize=lambda v: v if isinstance(v, Ready) else escape_markdown(str(v)),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= FILTERS
    return environment.get_template("audit.md").render(_context(found, name))


def render_page(found: Audit, name: str) -> str:
    """Return the audit as one self-contained page: no script, nothing loaded from elsewhere."""
    from move37.interop.audit_charts import gains_chart, probes_chart  # matplotlib: late

    baselines = dict.fromkeys(name for row in found.rows for name in row.gains)
    gains = {of: [row.gains[of] for row in found.rows if of in row.gains] for of in baselines}
    environment = Environment(
        loader=ChoiceLoader([PackageLoader("move37.interop"), PackageLoader("move37.insights")]),
        autoescape=True,
        finalize=lambda v: v if isinstance(v, Markup) else clean(str(v)),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= FILTERS
    pictures = {"probes": probes_chart(found.probe_counts), "gains": gains_chart(gains)}
    context = _context(found, name) | {"pictures": pictures}
    return environment.get_template("audit.html").render(context)


FILTERS = {"signed": lambda v: Ready(signed(v)), "shorten": shorten}


def _context(found: Audit, name: str) -> dict[str, Any]:
    return {
        "found": found,
        "name": name,
        "probed": [row for row in found.rows if row.report],
        "means": PUBLISHED_MEANS,
        "losses": PUBLISHED_LOSSES,
        "baseline_parameters": BASELINE_PARAMETERS,
    }


def audit_json(found: Audit) -> dict[str, Any]:
    """Return the audit as plain values."""
    plain = asdict(found)
    for row, of in zip(plain["rows"], found.rows, strict=True):
        row["gains"] = {
            k: {"points": g.points, "standard_error": g.standard_error, "z": g.z}
            for k, g in of.gains.items()
        }
    return plain


def _has_something(entry: Entry) -> bool:
    published = entry.published
    return bool(published and (published.has_program or published.results or entry.probes))


def _accuracies(entry: Entry) -> dict[str, float]:
    return accuracies(entry.published.results) if entry.published else {}


def _baseline_row(entries: list[Entry], label: str | None) -> tuple[str, dict[str, float]] | None:
    if label is None:
        return None
    for entry in entries:
        if entry.published and entry.published.label == label and _accuracies(entry):
            return f"#{label} {entry.candidate.idea.name}", _accuracies(entry)
    raise ConfigError(f"no record {label!r} with benchmark results; leave --baseline out")


def _row(entry: Entry, against: tuple[str, dict[str, float]] | None) -> AuditRow:
    ours = _accuracies(entry)
    if against:
        found = {against[0]: gain(ours, against[1])}
    else:
        found = {name: gain_over_mean(ours, mean) for name, mean in PUBLISHED_MEANS.items()}
    published, report = entry.published, entry.probes
    n = published.n_parameters if published else 0
    failed = tuple(v.name for v in report.verdicts if not v.passed) if report else ()
    return AuditRow(
        label=published.label if published else "",
        name=entry.candidate.idea.name,
        id=entry.id,
        report=report,
        failed=failed,
        gains={name: g for name, g in found.items() if g is not None},
        loss=published.curve[-1][1] if published and published.curve else None,
        size_ratio=n / BASELINE_PARAMETERS if n else None,
    )


def _probe_counts(rows: tuple[AuditRow, ...]) -> dict[str, tuple[int, int, int]]:
    reports = [row.report for row in rows if row.report]
    names = dict.fromkeys(v.name for r in reports for v in r.verdicts)
    counts = {}
    for name in names:
        asked = [v.passed for r in reports for v in r.verdicts if v.name == name]
        counts[name] = (sum(asked), len(asked) - sum(asked), len(reports) - len(asked))
    died = sum(r.outcome not in (Outcome.COMPLETED, Outcome.PROBE_FAILED) for r in reports)
    if died:
        counts["probing came to its end"] = (len(reports) - died, died, 0)
    return counts


def _beyond(rows: list[AuditRow]) -> dict[str, dict[str, int]]:
    """Count records above thresholds; the last is Bonferroni over the records that have a gain."""
    names = dict.fromkeys(name for row in rows for name in row.gains)
    found: dict[str, dict[str, int]] = {}
    for name in names:
        gains = [row.gains[name] for row in rows if name in row.gains]
        found[name] = {
            "above": sum(g.points > 0 for g in gains),
            **{f"{s:g} standard errors": sum(g.z > s for g in gains) for s in SIGMAS},
            "5 % over all (Bonferroni)": sum(g.p_value < 0.05 / len(gains) for g in gains),
        }
    return found
