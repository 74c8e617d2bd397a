"""Campaigns of seconds that go through every stage, and ways to kill a part of one.

What is killed: the driver, the fork server (or the sandbox around it), or one of its children.
"""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import psutil

from move37.campaign.settings import load_campaign
from move37.core.config import CampaignConfig
from move37.core.events import CandidateProposed, TrialFinished, TrialStarted
from move37.memory.ledger import Ledger

VICTIMS = ("driver", "server", "child")
PATIENCE_SECONDS = 900.0  # assumed: a campaign of 20 s takes minutes where ten jobs share two cores
GONE_SECONDS = 30.0

PRESET = """
name = "crash"
purpose = "crash tests: every stage in seconds"
trial_seconds = 60.0
memory_megabytes = 1024
[model]
d_model = 16
n_layers = 1
n_heads = 2
n_parameters = 16_000
[training]
batch_size = 4
length = 32
learning_rate = 1e-2
total_steps = 12
[[rungs]]
steps = 4
[[rungs]]
steps = 12
[[tasks]]
name = "text"
rows = 4
metric = "nats"
noise = 0.001 # assumed: nothing is claimed on this preset
windows = 6
"""


def small(folder: Path) -> CampaignConfig:
    """A campaign of one candidate, which is confirmed and meets an opponent."""
    preset = folder / "crash.toml"
    if not preset.exists():
        preset.write_text(PRESET)
    return load_campaign(
        None,
        {
            "name": "crash",
            "preset": str(preset),
            "seed": 1,
            "baseline": "deltanet",
            "opponents": ["short_conv"],
            "budget": {"wall_seconds": 3600, "max_candidates": 1},
            "evidence": {"level": 0.9, "confirm_seeds_min": 2, "confirm_seeds_max": 2},
            "workers": 2,
        },
    )


@dataclass(frozen=True, kw_only=True)
class Result:
    """What a campaign came to: everything in it that does not depend on time."""

    proposals: dict[int, str]
    scores: dict
    verdicts: dict

    @classmethod
    def of(cls, folder: Path) -> Result:
        with Ledger.open(folder / "ledger.db") as ledger:
            return cls(
                proposals={e.index: e.candidate.id for e in ledger.events([CandidateProposed])},
                scores={
                    e.trial.spec: (
                        e.trial.outcome,
                        e.trial.measurement and e.trial.measurement.scores,
                    )
                    for e in ledger.events([TrialFinished])
                },
                verdicts={id_: e.verdict for id_, e in ledger.state().candidates.items()},
            )


def start_driver(folder: Path) -> subprocess.Popen:
    """Run the campaign of `folder` in a process of its own."""
    program = (
        "import pathlib, sys\nfrom conftest import run_tiny\nfrom crashes import small\n"
        "folder = pathlib.Path(sys.argv[1])\nrun_tiny(small(folder.parent), folder)\n"
    )
    return subprocess.Popen(
        [sys.executable, "-c", program, str(folder)],
        cwd=Path(__file__).parent,
        stderr=subprocess.DEVNULL,
    )


def n_events(folder: Path) -> int:
    """Count the events of a ledger that somebody else is writing."""
    path = folder / "ledger.db"
    if not path.exists():
        return 0
    connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=30)
    try:
        return connection.execute("SELECT count(*) FROM events").fetchone()[0]
    finally:
        connection.close()


def wait_for_events(folder: Path, driver: subprocess.Popen, least: int) -> None:
    """Wait until a running campaign has written so many events."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while n_events(folder) < least:
        assert driver.poll() is None, "the driver ended before the moment to kill"
        assert time.monotonic() < deadline, "the driver stalled"
        time.sleep(0.02)


def family(driver: subprocess.Popen) -> list[psutil.Process]:
    """List a driver's living descendants."""
    try:
        return psutil.Process(driver.pid).children(recursive=True)
    except psutil.NoSuchProcess:
        return []


def kill_one(driver: subprocess.Popen, victim: str, rng: np.random.Generator) -> str:
    """SIGKILL the driver, its fork server, or a child; return what was killed.

    Waits for a server or child to be there.
    """
    if victim == "driver":
        driver.kill()
        return "driver"
    while driver.poll() is None:
        try:
            for process in _victims(driver, victim, rng):
                name = process.name()
                process.kill()
                return f"{victim} ({name})"
        except psutil.NoSuchProcess:
            continue
        time.sleep(0.005)
    return "nothing: the campaign was at its end"


def _victims(
    driver: subprocess.Popen, victim: str, rng: np.random.Generator
) -> list[psutil.Process]:
    outermost = [p for p in psutil.Process(driver.pid).children() if p.name() == "bwrap"]
    if not outermost:
        return []
    walls = [outermost[0]]
    while walls[-1].name() == "bwrap" and (inside := walls[-1].children()):
        walls.append(inside[0])
    if walls[-1].name() == "bwrap":
        return []
    found = walls if victim == "server" else walls[-1].children(recursive=True)
    return [found[int(rng.integers(len(found)))]] if found else []


def orphans(processes: list[psutil.Process]) -> list[psutil.Process]:
    """Return those that are still there after a while."""
    deadline = time.monotonic() + GONE_SECONDS
    while (left := [p for p in processes if _lives(p)]) and time.monotonic() < deadline:
        time.sleep(0.1)
    return left


def _lives(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def begun(folder: Path) -> dict:
    """Return how often each trial was begun, so far."""
    counts: dict = {}
    with Ledger.open(folder / "ledger.db", create=True) as ledger:
        for event in ledger.events([TrialStarted]):
            counts[event.spec] = counts.get(event.spec, 0) + 1
    return counts
