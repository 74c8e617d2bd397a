"""What this machine has, and whether its sandbox holds. For `move37 doctor`; torch-free.

Gathers facts without starting anything, then opens a laboratory and tries every wall with the
programs of `move37.lab.self_check`. The known-good and known-bad candidates are the caller's.
"""

from __future__ import annotations

import os
import platform
import subprocess
import sys
import time
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from move37.core.errors import LabError
from move37.lab.bubblewrap import find_bwrap
from move37.lab.laboratory import Laboratory
from move37.lab.self_check import CHECKS, LIMITS, Breach, Check, OpensSessions
from move37.lab.session import ChildFailed

PACKAGES = ("move37", "torch", "numpy", "safetensors", "triton", "flash-linear-attention")
QUICK_MEMORY_BYTES = 2 * 2**30  # assumed: one trial of the cpu preset beside a desktop


@dataclass(frozen=True, kw_only=True, slots=True)
class MachineFacts:
    """What can be known without starting anything."""

    system: str
    python: str
    versions: dict[str, str]
    """Package -> version; packages that are not installed are missing."""
    cores: int
    """Cores this process may use."""
    memory_bytes: int
    """Memory that can still be had; 0 where unknown."""
    gpus: tuple[str, ...]
    """Names; drivers are asked, torch is not."""
    bubblewrap: tuple[str, ...]
    """Programs found, with their versions."""
    is_root: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class CheckResult:
    """One wall, tried."""

    number: str
    name: str
    held: bool
    detail: str = ""
    seconds: float = 0.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Examination:
    """Everything the doctor found out about the lab."""

    facts: MachineFacts
    sandbox: str
    """`bubblewrap`; empty when none can be had, and then `advice` says what to do."""
    control_groups: str
    """`version 1`, `version 2`, or why not."""
    process_view: str
    """`own`: children see their own processes; `none`: they see no /proc at all."""
    cpu_capability: str
    """The vector instructions torch uses inside."""
    start_seconds: float
    """From nothing to a warm fork server."""
    session_seconds: float
    """From request to a child behind its walls; the median of five."""
    checks: tuple[CheckResult, ...]
    advice: str
    """One line a person can act on."""

    @property
    def is_healthy(self) -> bool:
        """Whether candidates can be run and every wall held."""
        return bool(self.sandbox) and all(check.held for check in self.checks)


def examine(*, device: str = "cpu", checks: tuple[Check, ...] = CHECKS) -> Examination:
    """Gather the facts, open a laboratory, try its walls. Under half a minute."""
    facts = gather_facts()
    start = time.monotonic()
    try:
        with Laboratory(device=device) as laboratory:
            start_seconds = time.monotonic() - start
            return _examine_open(facts, laboratory, checks, start_seconds=start_seconds)
    except LabError as error:
        return Examination(
            facts=facts,
            sandbox="",
            control_groups="not looked at",
            process_view="",
            cpu_capability="",
            start_seconds=0.0,
            session_seconds=0.0,
            checks=(),
            advice=" ".join(str(error).split()),  # a server's last words may have many lines
        )


def gather_facts() -> MachineFacts:
    """Look around without starting a lab."""
    return MachineFacts(
        system=f"{platform.system()} {platform.release()} {platform.machine()}",
        python=platform.python_version(),
        versions=_versions(),
        cores=len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1,
        memory_bytes=_available_memory(),
        gpus=_gpus(),
        bubblewrap=tuple(_bubblewrap_versions()),
        is_root=os.geteuid() == 0,
    )


def self_check(
    laboratory: OpensSessions, checks: tuple[Check, ...] = CHECKS
) -> tuple[CheckResult, ...]:
    """Try the walls of a laboratory.

    Raises:
        SandboxUnavailable: it has none.
        LabError: it broke down on the way.
    """
    return tuple(_try(laboratory, check) for check in checks)


def advise(facts: MachineFacts, checks: tuple[CheckResult, ...]) -> str:
    """Return one line a person can act on."""
    if broken := [check for check in checks if not check.held]:
        first = broken[0]
        return (
            f"do not run candidates here: {len(broken)} of {len(checks)} walls did not hold, first "
            f"{first.number} ({first.name}: {first.detail}); please report this"
        )
    if 0 < facts.memory_bytes < QUICK_MEMORY_BYTES:
        free = facts.memory_bytes / 2**30
        return f"the sandbox holds; only {free:.1f} GiB of memory are free, close something first"
    return "ready: the sandbox holds; `move37 run` starts a campaign"


def _try(laboratory: OpensSessions, check: Check) -> CheckResult:
    start = time.monotonic()
    detail = ""
    try:
        check.run(laboratory)
    except (Breach, ChildFailed) as error:
        detail = str(error)
    seconds = time.monotonic() - start
    return CheckResult(
        number=check.number, name=check.name, held=not detail, detail=detail, seconds=seconds
    )


def _examine_open(
    facts: MachineFacts,
    laboratory: Laboratory,
    checks: tuple[Check, ...],
    *,
    start_seconds: float,
) -> Examination:
    seconds = []
    walls = {}
    for _ in range(5):
        start = time.monotonic()
        with laboratory.session(LIMITS) as session:
            seconds.append(time.monotonic() - start)
            walls = session.walls
    results = self_check(laboratory, checks)
    home = laboratory.cgroups
    return Examination(
        facts=facts,
        sandbox=laboratory.sandbox.name,
        control_groups=f"version {home.version}" if home else "not writable by this account",
        process_view=str(walls.get("proc", "")),
        cpu_capability=str(laboratory.server.facts.get("cpu", "")),
        start_seconds=start_seconds,
        session_seconds=sorted(seconds)[2],
        checks=results,
        advice=advise(facts, results),
    )


def _versions() -> dict[str, str]:
    found = {}
    for name in PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def _available_memory() -> int:
    table = Path("/proc/meminfo")
    if not table.exists():
        return 0
    for line in table.read_text().splitlines():
        name, _, value = line.partition(":")
        if name == "MemAvailable":
            return int(value.split()[0]) * 1024
    return 0


def _gpus() -> tuple[str, ...]:
    names = []
    for card in sorted(Path("/proc/driver/nvidia/gpus").glob("*/information")):
        for line in card.read_text().splitlines():
            name, _, value = line.partition(":")
            if name == "Model":
                names.append(value.strip())
    return tuple(names)


def _bubblewrap_versions() -> list[str]:
    found = []
    for program in find_bwrap():
        try:
            done = subprocess.run(
                [program, "--version"], capture_output=True, text=True, check=False, timeout=10
            )
            words = done.stdout.strip()
        except (OSError, subprocess.TimeoutExpired):  # of another machine, say
            words = ""
        found.append(f"{words or 'does not run'} ({program})")
    return found
