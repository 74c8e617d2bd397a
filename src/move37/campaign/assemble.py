"""Join the departments into a workshop: open the run's folder, or make it; find what is in it."""

from __future__ import annotations

import contextlib
import hashlib
import importlib.machinery
import json
import os
import platform
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pydantic import ValidationError

from move37 import __version__
from move37.campaign.archive import Archive
from move37.campaign.edges import state_diversity
from move37.campaign.floor import what_makes_numbers
from move37.campaign.folder import RunFolder, name_driver
from move37.campaign.settings import load_preset
from move37.campaign.sharing import close_dead_sessions
from move37.campaign.stopping import Stopwatch, used_before, used_together
from move37.campaign.team import make_team, open_desk
from move37.campaign.workshop import CAMPAIGN, Past, Workshop
from move37.cognition.dense import embedder_named
from move37.cognition.library import Library
from move37.cognition.shelf import all_cards, reviewed
from move37.core.candidate import Candidate, Idea, check_source
from move37.core.config import CampaignConfig, Preset
from move37.core.errors import ConfigError, LedgerError, SourceError, UnknownName
from move37.core.events import CampaignStarted, RootAdded, SessionClosed, SessionOpened
from move37.core.parsing import parse
from move37.evidence.fitness import composite_by_name
from move37.lab.laboratory import Laboratory
from move37.lab.references import reference_candidate, reference_names
from move37.lab.tasks import make_task
from move37.memory.artefacts import Artefacts
from move37.memory.journal import Journal
from move37.memory.leases import LEASE_SECONDS
from move37.memory.ledger import Ledger
from move37.memory.selection import rule_by_name
from move37.team.models.calls import MakeModel
from move37.team.models.preflight import check_team
from move37.team.models.tape import Tape
from move37.team.symbolic.description import to_json
from move37.team.symbolic.library import library_description, library_names

NOISE = ".noise"
RUNG_TELLS = ("correlation", "spread", "gain", "growth")
"""What a rung is stated to tell of the last one."""
"""Folder beside the runs, shared by them: see `campaign/floor.py`."""


@contextmanager
def open_workshop(
    config: CampaignConfig,
    folder: RunFolder,
    *,
    unsandboxed: bool = False,
    make_model: MakeModel | None = None,
    tape: Tape | None = None,
    past: Past | None = None,
    purpose: str = "search",
    lease_seconds: float = LEASE_SECONDS,
) -> Iterator[Workshop]:
    """Open or begin a campaign and everything it works with; close all of it at the end.

    Args:
        config: the campaign.
        folder: where it lives.
        unsandboxed: candidates run with the user's rights.
        make_model: who answers in place of the team's providers.
        tape: of a replay; nobody else answers.
        past: of a replay; what it holds is not run again.
        purpose: `search` or `verify`: whether the session counts for the campaign's budget.
        lease_seconds: how long the work of a driver that died waits for another one.

    Raises:
        ConfigError: a name in the config means nothing.
        LedgerError, LabError: the ledger or the lab cannot be opened.
    """
    preset = load_preset(config.preset)
    check_names(config, preset, is_new=not folder.is_begun())
    if make_model is None and tape is None:
        check_team(config.team, needs_prices=config.budget.dollars is not None)
    training = preset.training
    with (
        Laboratory(  # first: where there is no sandbox nothing is written
            unsandboxed=unsandboxed, device=training.device, compilers=training.compile or None
        ) as laboratory,
        folder.held(),
        folder.open_ledger(create=True) as ledger,
        contextlib.closing(Archive(folder.url)) as archive,
    ):
        secret = folder.secret()
        check_secret(ledger, secret)
        preset = past.preset if past else as_begun(ledger, preset)
        check_code(ledger)
        driver = _join(ledger, folder, lease_seconds)
        stored = {e.candidate.idea.name: e.candidate for e in ledger.at_index(RootAdded, CAMPAIGN)}

        def member(name: str) -> Candidate:
            return stored.get(Path(name).stem) or find_candidate(name)

        artefacts = Artefacts(folder.path / "artefacts")
        watch = _clock(config, ledger)
        desk = open_desk(config, ledger, artefacts, watch, make_model=make_model, tape=tape)
        workshop = Workshop(
            config=config,
            preset=preset,
            ledger=ledger,
            artefacts=artefacts,
            laboratory=laboratory,
            team=make_team(config.team, desk),
            desk=desk,
            past=past,
            library=_open_library(config),
            watch=watch,
            roots=tuple(member(name) for name in config.roots),
            baseline=member(config.baseline),
            opponents=tuple(member(name) for name in config.opponents),
            secret=secret,
            archive=archive,
            noise_folder=folder.path.parent / NOISE,
            driver=driver,
        )
        _begin(workshop, sandboxed=not unsandboxed, purpose=purpose)
        folder.keep_url()
        with contextlib.closing(desk) if desk else contextlib.nullcontext():
            yield workshop


def _join(ledger: Ledger, folder: RunFolder, lease_seconds: float) -> str:
    """Name this driver; where others may work on the campaign too, take part as one of them."""
    driver = name_driver()
    if folder.url is None:
        return driver
    leases = ledger.share(driver, seconds=lease_seconds)
    close_dead_sessions(ledger, leases)
    leases.claim(f"driver {leases.driver}")
    return leases.driver


def _clock(config: CampaignConfig, ledger: Ledger) -> Stopwatch:
    """Return the campaign's clock, which also ends the waiting for another driver."""
    watch = Stopwatch(config.budget, used_seconds=_used(ledger))
    if ledger.leases is not None:
        ledger.leases.is_stopped = lambda: watch.is_stopped
    return watch


def _used(ledger: Ledger) -> float:
    """Return the wall clock that the campaign has used."""
    if ledger.leases is not None:
        sessions = ledger.records([SessionOpened, SessionClosed])
        return used_together(((r.time / 1e6, r.event) for r in sessions), now=time.time())
    return used_before((r.time / 1e6, r.event) for r in ledger.records())


def check_secret(ledger: Ledger, secret: bytes) -> None:
    """Refuse to work with another secret than the campaign began with.

    Raises:
        LedgerError: the folder holds another; says what to copy.
    """
    started = next(iter(ledger.events([CampaignStarted])), None)
    known = started.secret if isinstance(started, CampaignStarted) else ""
    if known and known != hashlib.sha256(secret).hexdigest():
        raise LedgerError(
            "this folder's file `secret` is not the one the campaign began with, so its held-out "
            "data would be others; copy `secret` from the folder of the first driver"
        )


def check_code(ledger: Ledger) -> None:
    """Refuse to go on with other code or libraries than what made the run's numbers.

    Candidates are compared with the baseline's stored trials, so a change of the trainer, a task or
    torch would look like an effect of every new layer.

    Raises:
        ConfigError: names what differs.
    """
    now = what_makes_numbers()
    for opened in ledger.events([SessionOpened]):
        then = opened.makes
        if then and then != now:
            pairs = zip(then.split("; "), now.split("; "), strict=False)
            differing = "; ".join(f"{a}, now {b}" for a, b in pairs if a != b)
            raise ConfigError(
                f"this run's numbers were made by other code or libraries ({differing}), and new "
                "ones cannot be compared with them; start another run with --name (--lessons "
                "hands on what this one learnt), or go back to those versions"
            )


def as_begun(ledger: Ledger, preset: Preset) -> Preset:
    """Return the preset as it was when the run began, with what no trial of its search reads.

    That may have changed since: what rungs are stated to tell (racing and fitness read it), and the
    verification, of which the oldest ledgers hold nothing.

    Raises:
        ConfigError: the preset has come to mean something else; names the sections that differ.
    """
    started = next(iter(ledger.events([CampaignStarted])), None)
    if not isinstance(started, CampaignStarted) or not started.preset:
        return preset
    begun = _as_now(started.preset)
    now, then = (_what_trials_read(text) for text in (preset.model_dump_json(), begun))
    differing = sorted(key for key in now.keys() | then.keys() if now.get(key) != then.get(key))
    if differing:
        raise ConfigError(
            f"preset {preset.name!r} has changed since this run began with move37 "
            f"{started.version} ({', '.join(differing)} differ), and its trials cannot be compared "
            "with new ones; start another run with --name, or go back to that preset"
        )
    stored = Preset.model_validate_json(begun)
    if "verification" in json.loads(started.preset):
        return stored
    return stored.model_copy(update={"verification": preset.verification})


def _as_now(text: str) -> str:
    """Return a stored preset with the keys that this version has added, at what they default to."""
    try:
        return Preset.model_validate_json(text).model_dump_json()
    except ValidationError:
        return text


def _what_trials_read(text: str) -> dict[str, object]:
    """Return a preset as plain values, without what no trial of search or confirmation reads."""
    tree = json.loads(text)
    for rung in tree.get("rungs", ()):
        for told in RUNG_TELLS:
            rung.pop(told, None)
    return {key: value for key, value in tree.items() if key not in {"purpose", "verification"}}


def check_names(config: CampaignConfig, preset: Preset, *, is_new: bool) -> None:
    """Refuse names that mean nothing, before anything is written or run.

    Raises:
        ConfigError, SourceError: which name, and what is known instead.
    """
    make_team(config.team)
    rule_by_name(config.search.selection)
    composite_by_name(config.evidence.fitness)
    if config.search.embedder is not None:
        embedder_named(config.search.embedder)
    for task in (*preset.tasks, *preset.held_back, *preset.verification.exam):
        make_task(task.name, **task.options)
    if preset.training.fla and importlib.machinery.PathFinder.find_spec("fla") is None:
        raise ConfigError(
            f"the preset {preset.name} trains with fla's kernels (fla = true), and fla is not "
            "installed: pip install flash-linear-attention, or say fla = false"
        )
    asked = {*config.roots, config.baseline, *config.opponents}
    if len({Path(name).stem for name in asked}) < len(asked):
        raise ConfigError(f"two of {', '.join(sorted(asked))} would have one name; rename a file")
    if is_new:
        for name in sorted(asked):
            find_candidate(name)
        _check_warmup(preset)


def _check_warmup(preset: Preset) -> None:
    """Refuse a learning rate that never reaches its peak; no rule of Preset: ledgers hold some."""
    n_warmup, n_steps = preset.training.warmup_steps, preset.training.total_steps
    if n_warmup >= n_steps:
        raise ConfigError(
            f"preset {preset.name}: training.warmup_steps must be below total_steps={n_steps}, got "
            f"{n_warmup}: the learning rate would never reach its peak; a tenth, {n_steps // 10}, "
            "is usual"
        )


def _begin(workshop: Workshop, *, sandboxed: bool, purpose: str) -> None:
    journal = Journal(workshop.ledger, CAMPAIGN)
    journal.once(
        CampaignStarted,
        lambda: CampaignStarted(
            name=workshop.config.name,
            config=workshop.config.model_dump_json(),
            version=__version__,
            machine=machine(),
            sandboxed=sandboxed,
            preset=workshop.preset.model_dump_json(),
            secret=hashlib.sha256(workshop.secret).hexdigest(),
        ),
    )
    members = [("opponent", c) for c in workshop.opponents]
    members += [("baseline", workshop.baseline), *(("root", c) for c in workshop.roots)]
    by_id = {c.id: (c, role) for role, c in members}  # a root above a baseline of one source
    for candidate, role in by_id.values():
        journal.once(
            RootAdded,
            lambda role=role, candidate=candidate: RootAdded(candidate=candidate, role=role),
            match={"candidate_id": candidate.id},
        )
    state_diversity(workshop.config.team, journal)
    journal.record(
        SessionOpened(
            driver=workshop.driver,
            sandboxed=sandboxed,
            budget_seconds=workshop.config.budget.wall_seconds,
            purpose=purpose,
            makes=what_makes_numbers(),
        )
    )


def find_candidate(name: str) -> Candidate:
    """Return a reference mixer by name, or a candidate from a file ending in `.py`.

    Raises:
        UnknownName: no such reference mixer.
        ConfigError: no such file.
        SourceError: the file is not acceptable source.
    """
    if not name.endswith(".py"):
        if name not in reference_names():
            raise UnknownName.of("mixer", name, reference_names())
        known = name in library_names()
        description = to_json(library_description(name)) if known else ""
        return reference_candidate(name, description=description)
    path = Path(name)
    source = read_layer(path)
    idea = Idea(name=path.stem, motivation=f"given by hand in {path.name}", mechanism="")
    return Candidate.of(source, idea)


def read_layer(path: Path) -> str:
    """Return the source of a layer's file.

    Raises:
        ConfigError: no such file.
        SourceError: not text, too large, or not Python.
    """
    try:
        source = path.read_text("utf-8")
        check_source(source)
        parse(source)
    except FileNotFoundError:
        raise ConfigError(f"no file {path}; give the path of a layer") from None
    except SyntaxError as error:
        raise SourceError(
            f"{path} does not parse: line {error.lineno}: {error.msg}; a layer is one Python file "
            "that defines class Mixer"
        ) from error
    except (OSError, ValueError, RecursionError, MemoryError) as error:
        raise SourceError(f"{path} cannot be read as Python: {error}") from error
    return source


def machine() -> dict[str, str]:
    """Describe this machine for the ledger: what matters for comparing numbers."""
    return {
        "system": platform.platform(),
        "python": platform.python_version(),
        "cores": str(os.cpu_count()),
        "processor": _processor(),
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
    except OSError:
        return platform.processor()
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()


def _open_library(config: CampaignConfig) -> Library:
    search = config.search
    folder = Path(search.cards_folder) if search.cards_folder else None
    if folder is not None and not folder.is_dir():
        raise ConfigError(f"search.cards_folder: there is no folder {folder}")
    embedder = embedder_named(search.embedder) if search.embedder is not None else None
    return Library(reviewed(all_cards(folder)), embedder=embedder)
