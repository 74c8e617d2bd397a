"""The warm fork server and its sessions, with real children.

F1 a session is a private line           F2 sessions may run at once, from any thread
F3 many sessions leave nothing behind    F4 a dead server is an honest error, then replaced
F5 nothing survives the host             F6 deadlines hold in both directions
F7 a child's own word is never good news
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from move37.core.budget import Limits
from move37.core.errors import LabError
from move37.core.trial import Outcome
from move37.lab import payloads
from move37.lab.laboratory import MAX_RESTARTS, Laboratory
from move37.lab.session import ChildFailed
from move37.lab.wire import Message

LIMITS = Limits(wall_seconds=60.0, cpu_seconds=20.0, memory_bytes=256 * 2**20)
ECHO = """
def main(connection):
    from move37.lab.wire import receive
    while True:
        send(connection, receive(connection))
"""
OPEN_FILES = """
def main(connection):
    say(connection, files=sorted(int(name) for name in os.listdir("/proc/self/fd")))
"""


@pytest.fixture(scope="module")
def laboratory():
    opened = []
    opener = threading.Thread(target=lambda: opened.append(Laboratory()), name="opener")
    opener.start()
    opener.join()
    with opened[0]:
        yield opened[0]


def run(body, **arguments):
    return Message(kind="run", fields={"source": payloads.payload(body, **arguments)})


def open_echo(laboratory, limits=LIMITS):
    session = laboratory.session(limits)
    session.tell(run(ECHO))
    return session


def kill_server(laboratory):
    os.kill(laboratory.server.pid, signal.SIGKILL)
    while laboratory.server.is_alive:
        time.sleep(0.01)


def descendants(ancestor):
    """Return the live (not zombie) descendants of a process as {pid: (name, start time)}."""
    parents, found = {}, {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                name, _, rest = (folder / "stat").read_text().rpartition(")")
            except OSError:
                continue
            fields = rest.split()
            if fields[0] != "Z":
                parents[int(folder.name)] = int(fields[1])
                found[int(folder.name)] = (name.partition("(")[2], fields[19])
    inside = {ancestor}
    while more := {pid for pid, parent in parents.items() if parent in inside} - inside:
        inside |= more
    return {pid: found[pid] for pid in inside - {ancestor} if pid in found}


def test_arrays_and_blobs_come_back_unchanged(laboratory):
    """F1."""
    rng = np.random.default_rng(0)
    message = Message(
        kind="parcel",
        fields={"text": "é", "number": 1.5, "nested": [1, {"a": None}]},
        arrays={"x": rng.normal(size=(300, 1000)).astype(np.float32), "empty": np.zeros((0, 3))},
        blobs={"blob": rng.bytes(2**20)},
    )
    with open_echo(laboratory) as session:
        answer = session.ask(message, timeout_seconds=30)
    assert (answer.kind, answer.fields, answer.blobs) == (
        message.kind,
        message.fields,
        message.blobs,
    )
    assert all(np.array_equal(answer.arrays[name], x) for name, x in message.arrays.items())


def test_a_child_holds_its_own_line_and_nothing_else(laboratory):
    """F1: standard streams, the connection, and the listing itself."""
    with open_echo(laboratory), laboratory.session(LIMITS) as session:
        assert session.ask(run(OPEN_FILES), timeout_seconds=20).fields["files"] == [0, 1, 2, 3, 4]


def test_sessions_from_many_threads_do_not_mix(laboratory):
    """F2."""

    def converse(index):
        with open_echo(laboratory) as session:
            for turn in range(3):
                message = Message(kind="turn", fields={"index": index, "turn": turn})
                assert session.ask(message, timeout_seconds=60).fields == message.fields
            return session.close().status

    with ThreadPoolExecutor(4) as threads:
        assert list(threads.map(converse, range(8))) == [0] * 8


def test_a_laboratory_outlives_the_thread_that_opened_it(laboratory):
    """F2: the kernel's "die with your parent" means a thread, so the server has one of its own."""
    assert "opener" not in {thread.name for thread in threading.enumerate()}
    with open_echo(laboratory) as session:
        assert session.ask(Message(kind="still here"), timeout_seconds=20).kind == "still here"
    assert laboratory.server.is_alive


def test_forty_sessions_leave_no_file_process_or_group_behind(laboratory):
    """F3: the benchmark does it with 200 and memory."""

    def belongings():
        server = max(descendants(laboratory.server.pid))
        groups = laboratory.cgroups
        return (
            len(list(Path("/proc/self/fd").iterdir())),
            len(list(Path(f"/proc/{server}/fd").iterdir())),
            sorted(name for name, _ in descendants(os.getpid()).values()),
            sorted(groups.folder.glob("child-*")) if groups else [],
        )

    bodies = [payloads.NOTHING, "def main(connection): os._exit(3)", payloads.DAEMON, "1 / 0"]

    def one(index):
        try:
            with laboratory.session(LIMITS) as session:
                session.ask(run(bodies[index % 4], name="daemon"), timeout_seconds=30)
        except ChildFailed:
            pass

    one(0)
    before = belongings()
    for index in range(40):
        one(index)
    assert belongings() == before


def test_when_the_server_dies_open_sessions_say_so_and_new_ones_work():
    """F4: a bounded number of times; closing refuses what comes after."""
    with Laboratory() as laboratory:
        with open_echo(laboratory) as session:
            session.ask(Message(kind="before"), timeout_seconds=20)
            kill_server(laboratory)
            with pytest.raises(LabError, match="fork server ended"):
                session.ask(Message(kind="after"), timeout_seconds=20)
        with open_echo(laboratory) as session:
            assert session.ask(Message(kind="again"), timeout_seconds=20).kind == "again"
        laboratory._n_restarts = MAX_RESTARTS  # each restart costs seconds
        kill_server(laboratory)
        with pytest.raises(LabError, match="giving up"):
            laboratory.session(LIMITS)
    with pytest.raises(LabError, match="closed"):
        laboratory.session(LIMITS)


def test_nothing_survives_the_host():
    """F5: the host is killed in the middle of a session."""
    program = f"""
import sys
from move37.lab import payloads
from move37.lab.laboratory import Laboratory
from move37.lab.wire import Message
from move37.core.budget import Limits
limits = {LIMITS!r}
laboratory = Laboratory()
session = laboratory.session(limits)
stay = payloads.DAEMON + "    time.sleep(60)\\n"  # else the child's end takes the daemon along
source = payloads.payload(stay, name="m37-orphan")
session.ask(Message(kind="run", fields={{"source": source}}), timeout_seconds=30)
print("ready", flush=True)
sys.stdin.read()
"""
    with subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as host:
        assert host.stdout
        assert host.stdout.readline() == "ready\n"
        started = descendants(host.pid)
        assert len(started) >= 4
        host.kill()
    deadline = time.monotonic() + 10
    while left := started.items() & descendants(1).items():
        assert time.monotonic() < deadline, f"still alive: {left}"
        time.sleep(0.05)


@pytest.mark.parametrize(
    "message",
    [Message(kind="small"), Message(kind="large", blobs={"blob": bytes(2**24)})],
    ids=["the child does not answer", "the child does not read"],
)
def test_a_silent_child_is_out_of_time(laboratory, message):
    """F6."""
    with laboratory.session(LIMITS) as session:
        session.tell(run(payloads.WALL_CLOCK))
        with pytest.raises(ChildFailed) as failed:
            session.ask(message, timeout_seconds=0.5)
    assert failed.value.outcome is Outcome.OUT_OF_TIME
    assert failed.value.exit
    assert failed.value.exit.wall_seconds < 20


def test_the_wall_clock_runs_while_the_host_does_not_listen(laboratory):
    """F6: the server ends an overdue child by itself."""
    with open_echo(laboratory, replace(LIMITS, wall_seconds=0.5)) as session:
        time.sleep(1.5)
        with pytest.raises(ChildFailed) as failed:
            session.ask(Message(kind="late"), timeout_seconds=10)
    assert failed.value.outcome is Outcome.OUT_OF_TIME


def test_a_message_larger_than_the_childs_memory_is_a_forgery(laboratory):
    """F6: the host does not set aside what a child cannot have."""
    body = """
def main(connection):
    connection.sendall(b"m37\\x01" + (2).to_bytes(4, "big") + (2**29).to_bytes(8, "big") + b"{}")
    time.sleep(60)
"""
    with laboratory.session(LIMITS) as session, pytest.raises(ChildFailed) as failed:
        session.ask(run(body), timeout_seconds=20)
    assert failed.value.outcome is Outcome.FORGED


def test_the_reason_of_a_crash_ends_in_the_candidates_own_line(laboratory):
    """F7."""
    body = "def main(connection):\n    raise ValueError('chunk 64 does not divide T=70')"
    with laboratory.session(LIMITS) as session, pytest.raises(ChildFailed) as failed:
        session.ask(run(body), timeout_seconds=20)
    assert failed.value.reason.endswith("ValueError: chunk 64 does not divide T=70")
    assert "raise ValueError" in failed.value.reason


def test_last_words_are_heard_although_the_child_is_gone(laboratory):
    """F7: the host is still sending when the child has failed and left."""
    message = Message(kind="parcel", blobs={"blob": bytes(2**24)})
    with laboratory.session(LIMITS) as session:
        session.tell(run("raise FloatingPointError('the loss is nan at step 3')"))
        with pytest.raises(ChildFailed) as failed:
            session.ask(message, timeout_seconds=20)
    assert failed.value.outcome is Outcome.DIVERGED
    assert failed.value.reason == "the loss is nan at step 3"


def test_an_unknown_job_is_a_crash_that_names_the_known_ones(laboratory):
    """F7."""
    with laboratory.session(LIMITS) as session, pytest.raises(ChildFailed, match="known: run, ans"):
        session.ask(Message(kind="dance"), timeout_seconds=20)
