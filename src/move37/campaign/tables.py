"""Tables for the terminal: a campaign's numbers, its gallery, a probe report. Text only."""

from __future__ import annotations

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from move37.campaign.estimate import Estimate
from move37.campaign.folder import stored_config
from move37.campaign.progress import Progress
from move37.core.claims import VerdictKind
from move37.core.events import CampaignStarted
from move37.core.trial import ProbeReport
from move37.insights.costs import LayerCost, layer_cost, on_front
from move37.insights.wording import effect_words
from move37.memory.ledger import Ledger
from move37.memory.state import Entry, State

SHORT_ID = 8  # digits; every verb takes the first digits of an id


def progress_table(progress: Progress) -> Table:
    """Return the numbers of a campaign as a small table."""
    table = Table.grid(padding=(0, 2))
    best = "none yet"
    if progress.best_effect:
        name = escape_markup(progress.names.get(progress.best_id, ""))
        best = f"{name} {effect_words(progress.best_effect)}"
    verdicts = ", ".join(f"{n} {kind}" for kind, n in sorted(progress.verdicts.items()))
    table.add_row("candidates", f"{progress.n_candidates} ({progress.n_repeats} repeats, "
                                f"{progress.n_repairs} repairs)")  # fmt: skip
    table.add_row("trials", str(progress.n_trials))
    table.add_row("verdicts", verdicts or "none yet")
    table.add_row("failures", failure_words(progress))
    if progress.diversity:
        table.add_row("diversity", escape(progress.diversity))
    for alarm in progress.alarms:
        table.add_row("[bold red]alarm[/]", escape(alarm))
    if progress.n_requests:
        table.add_row("language models", spend_words(progress))
    table.add_row("best in search", f"{best}   [dim](optimistic: chosen by search)[/]")
    table.add_row("gallery", f"{len(progress.gallery)} confirmed on fresh seeds")
    return table


def failure_words(progress: Progress) -> str:
    """Return the failures by kind, the most frequent first; a reason may be a model's words."""
    found = sorted(progress.failures.items(), key=lambda item: (-item[1], item[0]))
    return escape_markup(", ".join(f"{n} {kind}" for kind, n in found)) or "none"


def spend_words(progress: Progress) -> str:
    """Return what language models have used so far."""
    unpriced = "" if progress.is_priced else " and requests of unknown price"
    return (
        f"${progress.dollars:.2f}{unpriced}, {progress.tokens:,} tokens, {progress.n_requests} "
        f"requests, {progress.n_reply_errors} without a usable reply"
    )


def estimate_table(found: Estimate) -> Table:
    """Return what a campaign is expected to use, by role."""
    table = Table(title="Expected use of language models", title_justify="left", box=SIMPLE_HEAD)
    for heading in ("role", "models", "requests", "tokens", "dollars"):
        table.add_column(heading, justify="left" if heading in ("role", "models") else "right")
    for row in found.roles:
        dollars = "unknown" if row.dollars is None else f"{row.dollars:.2f}"
        models = escape_markup(", ".join(row.models))
        table.add_row(row.role, models, f"{row.n_requests:.0f}", f"{row.tokens:,.0f}", dollars)
    total = "unknown" if found.dollars is None else f"{found.dollars:.2f}"
    table.add_row("all", "", "", f"{found.tokens:,.0f}", total)
    return table


def gallery_entries(state: State) -> list[Entry]:
    """Return the confirmed candidates, the largest effect on fresh seeds first."""
    entries = [
        entry
        for entry in state.candidates.values()
        if entry.verdict and entry.verdict.kind in (VerdictKind.CONFIRMED, VerdictKind.VERIFIED)
    ]
    return sorted(entries, key=lambda e: -_mean(e))


def _mean(entry: Entry) -> float:
    fresh = entry.fresh_verdict
    return fresh.effect.mean if fresh and fresh.effect else 0.0


def print_gallery(console: Console, ledger: Ledger) -> None:
    """Print the gallery as a table."""
    state = ledger.state()
    entries = gallery_entries(state)
    if not entries and (origin := imported_from(ledger)):
        console.print(f"gallery: empty; nothing of {origin} was tested here on fresh seeds")
        return
    if not entries:
        console.print("gallery: empty; nothing has held up on fresh seeds yet")
        return
    baseline = stored_config(ledger).baseline
    table = Table(
        title=f"Gallery: effect over {baseline} on fresh seeds and text, in noise units",
        title_justify="left",
        box=SIMPLE_HEAD,
        show_edge=False,
        pad_edge=False,
        collapse_padding=True,
    )
    table.add_column("id", no_wrap=True)
    table.add_column("name", overflow="fold", min_width=12)
    for heading in ("effect [95 %]", "seeds", "e-value", "cost", "state"):
        table.add_column(heading, justify="right", no_wrap=True)
    for entry, cost, is_best in priced(state, entries):
        verdict = entry.fresh_verdict
        if verdict is None or verdict.effect is None:
            continue
        table.add_row(
            entry.id[:SHORT_ID],
            escape_markup(entry.candidate.idea.name),
            effect_words(verdict.effect),
            str(verdict.effect.n_pairs),
            f"{verdict.e_value:.3g}" if verdict.e_value is not None else "",
            (f"{cost.relative:.2f}x" if cost.relative else "") + ("*" if is_best else " "),
            f"{cost.state_bytes:,} B" if cost.state_bytes else "",
        )
    console.print(table)
    for entry in entries:
        verdict = entry.verdict
        if verdict and verdict.kind is VerdictKind.VERIFIED and verdict.effect:
            effect = effect_words(verdict.effect)
            console.print(f"{entry.id[:SHORT_ID]}  verified at the larger scale: {effect}")
    console.print(
        "[dim]cost: time of training (processor; on a GPU the clock) over the baseline's; * on the "
        "front of effect against cost: nobody here has more for less[/]"
    )


def priced(state: State, entries: list[Entry]) -> list[tuple[Entry, LayerCost, bool]]:
    """Return each entry with its cost and whether it is on the front of effect against cost."""
    costs = [cost_of(state, entry) for entry in entries]
    front = on_front([(_mean(e), c.relative) for e, c in zip(entries, costs, strict=True)])
    return list(zip(entries, costs, front, strict=True))


def cost_of(state: State, entry: Entry) -> LayerCost:
    """Return what a candidate costs beside the baseline of its verdict."""
    baseline = entry.verdict.baseline if entry.verdict else ""
    return layer_cost(state.trials.get(entry.id, ()), state.trials.get(baseline, ()), entry.probes)


def cost_words(cost: LayerCost) -> str:
    """Return a cost as people read it; empty where nothing was measured."""
    words = []
    if cost.relative is not None:
        words.append(f"{cost.relative:.2f}x the baseline's time")
    if cost.microseconds_per_token is not None:
        words.append(f"{cost.microseconds_per_token:.1f} us a training token")
    if cost.flops_per_token is not None:
        words.append(f"{cost.flops_per_token / 1000:.1f} kFLOP a token in one mixer")
    if cost.peak_memory_bytes is not None:
        words.append(f"{cost.peak_memory_bytes / 2**20:.0f} MiB at the peak")
    if cost.state_bytes is not None:
        words.append(f"{cost.state_bytes:,} B of state a layer")
    if cost.n_parameters is not None:
        words.append(f"{cost.n_parameters:,} parameters in the model")
    return ", ".join(words)


def imported_from(ledger: Ledger) -> str:
    """Return which published campaign this is a copy of; empty for one that ran here."""
    started = next(iter(ledger.events([CampaignStarted])), None)
    return started.imported_from if started else ""


def published_lines(entry: Entry) -> list[tuple[str, str]]:
    """Return what another campaign published about a candidate, as labels and texts."""
    published = entry.published
    if published is None:
        return []
    results = ", ".join(f"{name} {value:.4g}" for name, value in published.results.items())
    lines = [
        ("published as", f"number {published.label}"),
        ("score there", "" if published.score is None else f"{published.score:.4f}"),
        ("parameters", f"{published.n_parameters:,}" if published.n_parameters else ""),
        ("last loss", f"{published.curve[-1][1]:.4f}" if published.curve else ""),
        ("results", results),
        ("odd", "; ".join(published.oddities)),
    ]
    return [(label, text) for label, text in lines if text]


def escape_markup(text: str) -> str:
    """Return untrusted text so that the terminal shows it and does nothing else."""
    return escape("".join(c if c.isprintable() else "�" for c in text))


def escape_lines(text: str) -> str:
    """Return untrusted text of several lines, such as a traceback: as `escape_markup`, by line."""
    return "\n".join(map(escape_markup, text.split("\n")))


def probe_table(report: ProbeReport) -> Table:
    """Return the probes' verdicts as a table, breaches first in words."""
    table = Table(title="Admission probes", title_justify="left")
    for heading in ("probe", "verdict", "breach", "limit", "smallest input that shows it"):
        table.add_column(heading)
    for verdict in report.verdicts:
        table.add_row(
            verdict.name,
            "[green]passed[/]" if verdict.passed else "[bold red]FAILED[/]",
            f"{verdict.breach:.3g}",
            f"{verdict.limit:.3g}",
            escape_lines(verdict.detail),
        )
    return table
