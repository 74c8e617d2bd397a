"""What the verbs of the command line do: compute, then print with rich. No rule lives here."""

from __future__ import annotations

import json
import signal
import sys
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from rich.console import Console

from move37.campaign.assemble import RunFolder, open_workshop, read_layer
from move37.campaign.differing import differing_words
from move37.campaign.estimate import SPREAD, Estimate, estimate
from move37.campaign.folder import new_run, stored_config
from move37.campaign.progress import Progress, fold
from move37.campaign.screen import Screen
from move37.campaign.session import work
from move37.campaign.settings import (
    choose_lag,
    load_campaign,
    load_preset,
    says_lag,
    with_lag,
    worker_count,
)
from move37.campaign.stopping import used_seconds
from move37.campaign.tables import (
    escape_lines,
    escape_markup,
    estimate_table,
    gallery_entries,
    imported_from,
    priced,
    print_gallery,
    probe_table,
    progress_table,
)
from move37.campaign.way_on import ending_words, way_on
from move37.campaign.workshop import PROBE_LIMITS
from move37.core.config import CampaignConfig
from move37.core.errors import ConfigError, ReportError
from move37.core.events import Event, ModelCalled
from move37.insights.plain import report_json
from move37.insights.report import Others, write_report
from move37.lab.laboratory import Laboratory
from move37.lab.probes import probe
from move37.memory.ledger import Ledger
from move37.team.models.preflight import check_team
from move37.team.models.prices import shipped_prices

MAY_CHANGE = {"budget", "workers", "database"}
"""What a later session may set anew, beside the limits of a team's roles; anything else would make
it another campaign."""

UNSANDBOXED = "[bold red]candidates run WITHOUT a sandbox[/], with your rights"


def run_campaign(
    file: Path | None, overrides: dict[str, Any], *, runs: Path, unsandboxed: bool, as_json: bool
) -> None:
    """Start a campaign or go on with it; print the gallery and where the report is.

    As JSON, standard output is what it came to at the end and nothing else: the rest is printed on
    standard error.
    """
    console = Console(stderr=as_json)
    config, folder = settle(file, overrides, runs=runs)
    announce(console, config, folder)
    with open_workshop(config, folder, unsandboxed=unsandboxed) as workshop:
        if unsandboxed:
            console.print(UNSANDBOXED)
        else:
            console.print(f"[dim]candidates run inside {workshop.laboratory.sandbox.name}[/]")
        signal.signal(signal.SIGTERM, signal.default_int_handler)  # stops as Ctrl-C does
        with Screen(console, workshop) as screen:
            end = work(workshop, screen.show)
        ledger = workshop.ledger
        advice = way_on(end, config, stored=stored_config(ledger), runs=runs)
        console.print(ending_words(end, advice), soft_wrap=True, highlight=False)
        print_gallery(console, ledger)
        report = report_run(ledger, folder)
        console.print(f"report: {report}", soft_wrap=True)
        if as_json:
            told = {"name": config.name, "ending": end.ending, "note": end.note, "way_on": advice}
            _print_json(
                {
                    **told,
                    "progress": _progress_json(fold(ledger.events())),
                    "gallery": _gallery_json(ledger),
                    "report": str(report),
                }
            )


def announce(console: Console, config: CampaignConfig, folder: RunFolder) -> None:
    """Say which run it is, and whether it is begun or gone on with, before the wait."""
    preset = load_preset(config.preset)
    roots = escape_markup(", ".join(config.roots))
    console.print(
        f"[bold]{config.name}[/]: {'going on' if folder.is_begun() else 'starting'} from {roots}; "
        f"preset {preset.name} ({preset.purpose}); seed {config.seed}"
    )
    console.print(_idle_words(config), end="")
    console.print("[dim]opening the laboratory: a few seconds[/]")


def _idle_words(config: CampaignConfig) -> str:
    n_workers, lag = worker_count(config), config.search.lag
    if n_workers <= lag + 1:
        return ""
    return (
        f"[yellow]of {n_workers} workers {lag + 1} have something to do while it searches[/]: "
        f"search.lag is {lag}\n"
    )


def estimate_campaign(
    file: Path | None, overrides: dict[str, Any], *, runs: Path, as_json: bool
) -> None:
    """Print what a campaign will use, check that its team can play, and start nothing."""
    config, folder = settle(file, overrides, runs=runs)
    preset = load_preset(config.preset)
    seen: list[ModelCalled] = []
    if folder.is_begun():
        with folder.open_ledger() as ledger:
            seen = list(ledger.events([ModelCalled]))
    found = estimate(config, preset, n_workers=worker_count(config), seen=seen)
    if as_json:
        whole = {"tokens": found.tokens, "dollars": found.dollars}
        _print_json(asdict(found) | whole | {"prices_of": shipped_prices().date})
        return
    console = Console()
    source = "the config says so" if found.is_limit else "about as many fit into the time"
    console.print(
        f"[bold]{config.name}[/]: {found.n_candidates + found.n_control} candidates ({source}), "
        f"{found.n_control} of them by the symbolic team; "
        f"{config.budget.wall_seconds / 60:.0f} minutes"
    )
    console.print(_idle_words(config), end="")
    if not found.roles:
        console.print("no language models: nothing to pay; run it with the same command")
        return
    console.print(estimate_table(found))
    basis = "what this run has used so far" if found.is_measured else "assumed sizes of requests"
    console.print(
        f"[dim]From {basis}; expect between 1/{SPREAD:g} and {SPREAD:g} times as much. Prices of "
        f"{shipped_prices().date}. Effort above the lowest of its range costs more.[/]"
    )
    console.print(_limit_words(config, found), highlight=False)
    check_team(config.team, needs_prices=config.budget.dollars is not None)
    console.print("keys are set and servers answer; nothing was started")


def _limit_words(config: CampaignConfig, found: Estimate) -> str:
    budget = config.budget
    if budget.dollars is None and budget.tokens is None:
        return "no limit is set on dollars or tokens: set one with --dollars or --tokens"
    passed = [
        f"{what} {limit:,.6g}"
        for what, limit, expected in (
            ("dollars", budget.dollars, found.dollars),
            ("tokens", budget.tokens, found.tokens),
        )
        if limit is not None and expected is not None and expected > limit
    ]
    if passed:
        return f"the search is expected to end early, at {' or '.join(passed)}"
    return "within its limits; where one is reached all the same, the search ends"


def settle(
    file: Path | None, overrides: dict[str, Any], *, runs: Path
) -> tuple[CampaignConfig, RunFolder]:
    """Return the config to run with: the stored one for a run that exists, else the asked one.

    Raises:
        ConfigError: a run of this name exists and is another campaign.
    """
    asked = load_campaign(file, overrides)
    folder = new_run(runs, asked.name)
    if asked.database:
        folder = folder.at(asked.database)
    if not folder.is_begun():
        return choose_lag(asked), folder
    with folder.open_ledger() as ledger:
        stored = stored_config(ledger)
        if origin := imported_from(ledger):
            raise ConfigError(
                f"run {asked.name!r} was imported from {origin}: it can be shown and audited, not "
                "gone on with; choose another --name"
            )
    said = {key for key, value in overrides.items() if value is not None}
    wanted = set(CampaignConfig.model_fields) if file else said
    if not says_lag(asked):
        asked = with_lag(asked, stored.search.lag)
    if "team" in wanted:
        stored, asked = _limited_alike(stored, asked)
    if differing := differing_words(asked, stored, wanted - MAY_CHANGE):
        raise ConfigError(
            f"run {asked.name!r} is another campaign: its {'; its '.join(differing)}; choose "
            f"another --name, or leave {'it' if len(differing) == 1 else 'them'} out to go on"
        )
    changes: dict[str, Any] = {"workers": overrides.get("workers") or stored.workers}
    given = {k: v for k, v in (overrides.get("budget") or {}).items() if v is not None}
    changes["budget"] = stored.budget.model_copy(update=given)
    if file:
        changes = {key: getattr(asked, key) for key in MAY_CHANGE}
    return stored.model_copy(update=changes), folder


def _limited_alike(
    stored: CampaignConfig, asked: CampaignConfig
) -> tuple[CampaignConfig, CampaignConfig]:
    """Return both with the limits of roles that count: as asked, or else as stored."""
    limits = {
        role: stored.team.seat(role).limits.changed_by(asked.team.seat(role).limits)
        for role in (stored.team.roles | asked.team.roles)
    }
    return (
        stored.model_copy(update={"team": stored.team.with_limits(limits)}),
        asked.model_copy(update={"team": asked.team.with_limits(limits)}),
    )


def report_run(ledger: Ledger, folder: RunFolder, *, beside: Others = ()) -> Path:
    """Write the report of a run and return the path of its page.

    Raises:
        ConfigError: a run beside has another preset or baseline.
        ReportError: the folder cannot be written.
    """
    try:
        events, used = _read(ledger, folder)
        return write_report(events, folder.path, beside=beside, used_seconds=used)
    except OSError as error:
        raise ReportError(
            f"the report cannot be written: {error}; the ledger has everything: make room, then "
            f"move37 report {folder.path.name}"
        ) from error


def _read(ledger: Ledger, folder: RunFolder) -> tuple[list[Event], float]:
    """Return a run's events and the wall clock that its search used by the last of them."""
    records = list(ledger.records())
    told = [(record.time / 1e6, record.event) for record in records]
    last = told[-1][0] if told else 0.0
    used = used_seconds(told, is_shared=folder.url is not None, now=last)
    return [record.event for record in records], used


def print_report(ledger: Ledger, *, beside: Others = ()) -> None:
    """Print the report's numbers as JSON.

    Raises:
        ConfigError: a run beside has another preset or baseline.
    """
    _print_json(report_json(list(ledger.events()), beside=beside))


def show_status(ledger: Ledger, *, as_json: bool) -> None:
    """Print a run's progress."""
    progress = fold(ledger.events())
    if as_json:
        _print_json(_progress_json(progress))
        return
    console = Console()
    config = stored_config(ledger)
    if origin := imported_from(ledger):
        words = f"imported from {origin}: published records, nothing was measured here"
        console.print(f"[bold]{config.name}[/]: {words}; see move37 tree, move37 audit")
    else:
        console.print(f"[bold]{config.name}[/]: preset {config.preset}, seed {config.seed}")
    console.print(progress_table(progress))
    print_gallery(console, ledger)


def show_gallery(ledger: Ledger, *, as_json: bool) -> None:
    """Print the gallery."""
    if as_json:
        _print_json(_gallery_json(ledger))
    else:
        print_gallery(Console(), ledger)


def _gallery_json(ledger: Ledger) -> list[dict[str, Any]]:
    state = ledger.state()
    return [
        {
            "id": e.id,
            "name": e.candidate.idea.name,
            "verdict": asdict(e.verdict),
            "fresh": asdict(e.fresh_verdict) if e.fresh_verdict else None,
            "cost": asdict(cost),
            "on_front": is_best,
        }
        for e, cost, is_best in priced(state, gallery_entries(state))
        if e.verdict
    ]


def check_layer(
    file: Path, *, d_model: int, n_heads: int, unsandboxed: bool, as_json: bool
) -> bool:
    """Probe a layer file; return whether every probe passed.

    Raises:
        ConfigError: no such file, or heads do not divide the width.
        SourceError: the file is not Python.
    """
    if d_model < 1 or n_heads < 1 or d_model % n_heads:
        raise ConfigError(f"--heads {n_heads} must divide --width {d_model}")
    source = read_layer(file)
    with Laboratory(unsandboxed=unsandboxed) as laboratory:
        report = probe(
            lambda: laboratory.session(PROBE_LIMITS), source, d_model=d_model, n_heads=n_heads
        )
    if as_json:
        _print_json({**asdict(report), "sandboxed": not unsandboxed})
    else:
        console = Console()
        if unsandboxed:
            console.print(UNSANDBOXED)
        console.print(probe_table(report))
        words = "every probe passed" if report.passed else f"{report.outcome}: {report.reason}"
        console.print(escape_lines(words), highlight=False)
    return report.passed


def _progress_json(progress: Progress) -> dict[str, Any]:
    # asdict() would rebuild a Counter from its pairs, and count the pairs
    plain = replace(progress, failures=dict(progress.failures))
    return {**asdict(plain), "verdicts": dict(progress.verdicts)}


def _print_json(value: Any) -> None:
    json.dump(value, sys.stdout, indent=2, sort_keys=True, ensure_ascii=False)
    sys.stdout.write("\n")
