"""SIGKILL at a random moment, of the driver, the fork server or a child, and on to the end.

X1  No finished trial is lost or run twice.
X2  No process outlives its driver.
X3  The ledger verifies.
X4  The result is that of the undisturbed campaign.

A few crashes by default; MOVE37_CRASHES=100 runs a hundred, MOVE37_CRASHES=25:50 the second quarter
of them, and MOVE37_CRASHES_LOG=FILE keeps a line of JSON for each (docs/log.md has the last
hundred).
"""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import numpy as np
import pytest
from conftest import run_tiny
from crashes import (
    PATIENCE_SECONDS,
    VICTIMS,
    Result,
    begun,
    family,
    kill_one,
    n_events,
    orphans,
    small,
    start_driver,
    wait_for_events,
)

from move37.core.claims import VerdictKind
from move37.core.trial import Stage
from move37.memory.ledger import Ledger

CRASHES = range(*map(int, os.environ.get("MOVE37_CRASHES", "3").split(":")))
SECRET = bytes(range(32))  # or held-out text is drawn anew, and some draws confirm nobody
LOG = os.environ.get("MOVE37_CRASHES_LOG")


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a campaign that nobody killed."""
    folder = tmp_path_factory.mktemp("crashes") / "undisturbed"
    folder.mkdir()
    (folder / "secret").write_bytes(SECRET)
    run_tiny(small(folder.parent), folder)
    return folder


def test_the_undisturbed_campaign_goes_through_every_stage(undisturbed):
    """Or else the crashes below would spare some."""
    result = Result.of(undisturbed)
    stages = {(spec.stage, spec.candidate_id) for spec in result.scores}
    assert {kind for v in result.verdicts.values() if v for kind in [v.kind]} >= {
        VerdictKind.CONFIRMED
    }
    assert len({id_ for stage, id_ in stages if stage is Stage.CONFIRM}) >= 3  # with an opponent


@pytest.mark.timeout(4 * PATIENCE_SECONDS)
@pytest.mark.parametrize("crash", CRASHES)
def test_a_campaign_killed_at_a_random_moment_ends_as_the_undisturbed_one(
    undisturbed: Path, tmp_path: Path, crash: int
):
    began = time.monotonic()
    rng = np.random.default_rng([37, crash])
    victim = VICTIMS[crash % len(VICTIMS)]
    folder = tmp_path / "crash"
    folder.mkdir()
    (folder / "secret").write_bytes((undisturbed / "secret").read_bytes())
    driver = start_driver(folder)
    try:
        moment = int(rng.integers(int(0.95 * n_events(undisturbed))))
        wait_for_events(folder, driver, moment)
        time.sleep(float(rng.uniform(0, 0.3)))
        processes = family(driver)
        killed = kill_one(driver, victim, rng)
        if victim != "driver":  # it notices, and stops or goes on
            driver.wait(PATIENCE_SECONDS)
        driver.wait()
    finally:
        driver.kill()
        driver.wait()
    assert orphans(processes) == []  # X2

    finished = Result.of(folder).scores if n_events(folder) else {}
    before = begun(folder)
    run_tiny(small(undisturbed.parent), folder)
    after = begun(folder)
    assert all(after[spec] == before[spec] for spec in finished)  # X1
    with Ledger.open(folder / "ledger.db") as ledger:
        assert ledger.verify() is None  # X3
    assert Result.of(folder) == Result.of(undisturbed)  # X4
    note(
        crash=crash, killed=killed, at_event=moment, finished_before=len(finished),
        seconds=round(time.monotonic() - began, 1),
    )  # fmt: skip


def note(**facts: object) -> None:
    if LOG:
        with Path(LOG).open("a", encoding="utf-8") as file:
            file.write(json.dumps(facts) + "\n")
