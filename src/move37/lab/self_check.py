"""What every sandbox must hold, tried out with hostile programs in real children.

Each check opens sessions in a Laboratory (or anything with its `session`), runs a payload that
tries to break one wall, and raises `Breach` with what got through. `move37 doctor` runs them all;
`move37.testing.SandboxContract` is the same as a test suite. Together they take a few seconds.
They refuse to run where there is no sandbox at all: some fill disks and process tables.
"""

from __future__ import annotations

import contextlib
import os
import platform
import secrets
import socket
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

from move37.core.budget import Limits
from move37.core.errors import SandboxUnavailable
from move37.core.trial import Outcome
from move37.lab import payloads
from move37.lab.session import ChildFailed, Exit, Session
from move37.lab.wire import Message

MEGABYTE = 2**20
LIMITS = Limits(
    wall_seconds=30.0,
    cpu_seconds=10.0,
    memory_bytes=192 * MEGABYTE,
    n_processes=8,
    file_bytes=4 * MEGABYTE,
    scratch_bytes=8 * MEGABYTE,
)
ANSWER_SECONDS = 30.0
HARMLESS_VARIABLES = frozenset(
    {"HOME", "LANG", "LC_ALL", "LC_CTYPE", "PATH", "PWD", "TMPDIR", "USER", "LOGNAME", "SHLVL"}
    | {"PYTHONDONTWRITEBYTECODE", "PYTHONHASHSEED", "MALLOC_ARENA_MAX"}
)


class Breach(Exception):
    """A wall did not hold. The message says what got through."""


class OpensSessions(Protocol):
    """What is checked."""

    @property
    def confines(self) -> bool:
        """Whether there is a sandbox at all."""
        ...

    def session(self, limits: Limits) -> Session:
        """Open a child behind its walls."""
        ...


@dataclass(frozen=True, kw_only=True, slots=True)
class Check:
    """One wall and the way to try it."""

    number: str
    name: str
    run: Callable[[OpensSessions], None]


def no_network(laboratory: OpensSessions) -> None:
    """S1: neither the world, nor the host's loopback, nor its abstract sockets."""
    abstract = f"\0move37-{secrets.token_hex(8)}"
    with socket.socket() as ear, socket.socket(socket.AF_UNIX) as abstract_ear:
        ear.bind(("127.0.0.1", 0))
        ear.listen()
        abstract_ear.bind(abstract)
        abstract_ear.listen()
        said = _say(laboratory, payloads.NETWORK, port=ear.getsockname()[1], abstract=abstract)
    _expect(not said["reached"], f"reached {said['reached']}")


def no_host_files(laboratory: OpensSessions) -> None:
    """S2: nothing of the host's files but the libraries it needs."""
    with tempfile.NamedTemporaryFile() as secret:
        paths = [secret.name, "/etc/passwd", "/etc/shadow", "/etc/hostname"]
        python = Path(sys.base_prefix).resolve()
        for folder in (Path.home(), Path.cwd()):
            if folder.is_dir() and folder != Path("/"):
                names = [path for path in folder.iterdir() if not python.is_relative_to(path)]
                paths += [str(path) for path in names[:100]]
        said = _say(laboratory, payloads.HOST_FILES, paths=paths)
    _expect(not said["readable"], f"can see {said['readable']}")


def no_host_environment(laboratory: OpensSessions) -> None:
    """S3: no variable of the host's."""
    variables = _say(laboratory, payloads.ENVIRONMENT)["variables"]
    leaked = [
        name
        for name, value in variables.items()
        if name not in HARMLESS_VARIABLES
        and value
        and os.environ.get(name) == value
        and not name.endswith("_NUM_THREADS")
    ]
    _expect(not leaked, f"knows {leaked}")


def read_only_system(laboratory: OpensSessions) -> None:
    """S4: nothing can be written but the scratch folder."""
    said = _say(laboratory, payloads.WRITE_EVERYWHERE)
    _expect(not said["written"], f"wrote to {said['written']}")
    _expect(said["scratch"], "cannot write its own scratch folder")


def scratch_is_limited(laboratory: OpensSessions) -> None:
    """S5."""
    size = LIMITS.scratch_bytes
    said = _say(laboratory, payloads.FILL_SCRATCH, n_files=40, file_bytes=MEGABYTE)
    _expect(said["stopped"] and said["total"] <= size, f"wrote {said['total']} of {size} bytes")


def scratch_is_private(laboratory: OpensSessions) -> None:
    """S6: empty at the start, invisible to siblings and successors."""
    request = _request(payloads.SCRATCH_CONTENTS)
    with _open(laboratory) as first, _open(laboratory) as second:
        for session in (first, second):
            before = session.ask(request, timeout_seconds=ANSWER_SECONDS).fields["before"]
            _expect(not before, f"found {before}")
    _expect(not _say(laboratory, payloads.SCRATCH_CONTENTS)["before"], "found a predecessor's file")


def file_size_is_limited(laboratory: OpensSessions) -> None:
    """S7."""
    size = _say(laboratory, payloads.LARGE_FILE, n_blocks=8)["size"]
    _expect(size <= LIMITS.file_bytes, f"wrote a file of {size} bytes")


def memory_is_limited(laboratory: OpensSessions) -> None:
    """S8: in one process, over many processes, and where nobody looks."""
    failed = _fails(laboratory, payloads.MEMORY)
    _expect(failed.outcome is Outcome.OUT_OF_MEMORY, f"ended as {failed}")
    room = LIMITS.memory_bytes + LIMITS.scratch_bytes
    peak = _exit_of(failed).peak_memory_bytes
    _expect(peak <= 1.1 * room, f"held {peak} bytes of {room}")
    each = int(0.4 * LIMITS.memory_bytes)
    try:
        said = _say(laboratory, payloads.MEMORY_IN_MANY_PROCESSES, n_processes=6, each_bytes=each)
        _expect(said["processes"] <= 4, f"{said['processes']} processes hold {each} bytes each")
    except ChildFailed as many:
        _expect(many.outcome is Outcome.OUT_OF_MEMORY, f"ended as {many}")
    nothing_hidden_is_held(laboratory)


def nothing_hidden_is_held(laboratory: OpensSessions) -> None:
    """S8: no memory that belongs to no process and counts as no file."""
    ways = _say(laboratory, payloads.HIDDEN_MEMORY)["ways"]
    _expect(not ways, f"can put memory out of sight through {ways}")


def processor_time_is_limited(laboratory: OpensSessions) -> None:
    """S9: whatever the program does with its signals."""
    limits = replace(LIMITS, cpu_seconds=1.0)
    failed = _fails(laboratory, payloads.PROCESSOR_TIME, limits=limits)
    _expect(failed.outcome is Outcome.OUT_OF_TIME, f"ended as {failed}")
    used = _exit_of(failed).cpu_seconds
    _expect(used < 4.0, f"used {used:.1f} s of 1 s")


def wall_clock_is_limited(laboratory: OpensSessions) -> None:
    """S10: asleep, with signals ignored, or dripping a message byte by byte."""
    limits = replace(LIMITS, wall_seconds=1.0)
    for body in (payloads.WALL_CLOCK, payloads.DRIP):
        start = time.monotonic()
        failed = _fails(laboratory, body, limits=limits)
        _expect(failed.outcome is Outcome.OUT_OF_TIME, f"ended as {failed}")
        lasted = time.monotonic() - start
        _expect(lasted < 15.0, f"lasted {lasted:.1f} s of 1 s")


def processes_are_limited(laboratory: OpensSessions) -> None:
    """S11: processes and threads."""
    for body in (payloads.FORK_BOMB, payloads.THREAD_BOMB):
        made = _say(laboratory, body)["made"]
        _expect(made <= LIMITS.n_processes, f"made {made} of {LIMITS.n_processes}")


def siblings_are_out_of_reach(laboratory: OpensSessions) -> None:
    """S12: no sight of and no signal to siblings, server or host."""
    with _open(laboratory) as sibling:
        sibling.ask(_request(payloads.STAY), timeout_seconds=ANSWER_SECONDS)
        pids = [os.getpid(), os.getppid(), *_descendants(os.getpid())]
        seen = _say(laboratory, payloads.SIBLINGS, pids=pids)["seen"]
        _expect(set(seen) <= {1, 2}, f"sees or signals {seen}")
        _say(laboratory, payloads.NOTHING)
        sibling.close()


def nothing_can_be_traced(laboratory: OpensSessions) -> None:
    """S13."""
    done = _say(laboratory, payloads.TRACE)["done"]
    _expect(not done, f"can do {done}")


def no_new_namespaces(laboratory: OpensSessions) -> None:
    """S14: none, and no mounts, and no other root."""
    clone = {"x86_64": 56, "aarch64": 220}[platform.machine()]
    done = _say(laboratory, payloads.NAMESPACES, clone=clone)["done"]
    _expect(not done, f"can do {done}")


def no_privileges(laboratory: OpensSessions) -> None:
    """S15: not root, no capability, no way to gain one."""
    said = _say(laboratory, payloads.PRIVILEGES)
    _expect(not said["gained"], f"can do {said['gained']}")
    _expect(said["user"] != 0, "runs as user 0")
    capabilities = int(said["capabilities"], 16) | int(said["bound"], 16)
    _expect(capabilities == 0, f"has capabilities {capabilities:x}")
    _expect(said["no_new_privileges"] == "1", "may gain privileges")


def descendants_die(laboratory: OpensSessions) -> None:
    """S16: a daemonised grandchild ends with the session."""
    name = f"m37{secrets.token_hex(4)}"
    with _open(laboratory) as session:
        session.ask(_request(payloads.DAEMON, name=name), timeout_seconds=ANSWER_SECONDS)
        session.close()
    alive = [pid for pid in _all_processes() if _process_name(pid) == name]
    _expect(not alive, f"processes {alive} live on")


def exits_are_accounted(laboratory: OpensSessions) -> None:
    """S17: exit code, processor time of all descendants, memory: the kernel's word."""
    held = 64 * MEGABYTE
    with _open(laboratory) as session:
        request = _request(payloads.BURN_AND_LEAVE, held_bytes=held)
        session.ask(request, timeout_seconds=ANSWER_SECONDS)
        exited = session.close()
    _expect(exited.status == 7, f"status is {exited.status}, left with 7")
    _expect(0.5 <= exited.cpu_seconds <= 3.0, f"counted {exited.cpu_seconds} s of 0.6 s")
    _expect(exited.peak_memory_bytes >= 0.9 * held, f"counted {exited.peak_memory_bytes} bytes")


def deaths_are_outcomes(laboratory: OpensSessions) -> None:
    """S18: every way to die has its outcome, and the next child is served."""
    deaths = {
        "def main(connection): 1 / 0": Outcome.CRASHED,
        "def main(connection): os._exit(0)": Outcome.CRASHED,
        "def main(connection): os.kill(os.getpid(), signal.SIGSEGV)": Outcome.CRASHED,
        "def main(connection): connection.sendall(b'not a message at all')": Outcome.FORGED,
        "def main(connection): send(connection, Message(kind='failed', "
        "fields={'outcome': 'completed', 'reason': ''}))": Outcome.FORGED,
        "def main(connection): raise MemoryError": Outcome.OUT_OF_MEMORY,
        "def main(connection): raise FloatingPointError('loss is nan')": Outcome.DIVERGED,
    }
    for body, outcome in deaths.items():
        failed = _fails(laboratory, body)
        _expect(failed.outcome is outcome, f"{body!r} ended as {failed}")
    _say(laboratory, payloads.NOTHING)


def siblings_cannot_talk(laboratory: OpensSessions) -> None:
    """S19: not over locks and notices on files all of them see, nor over any kind of message.

    Timing remains; docs/threat-model.md says what that means.
    """
    doors = _say(laboratory, payloads.SIDE_DOORS)["doors"]
    _expect(not doors, f"can use {doors}")


CHECKS: tuple[Check, ...] = tuple(
    Check(number=f"S{index}", name=run.__name__.replace("_", " "), run=run)
    for index, run in enumerate(
        (
            no_network,
            no_host_files,
            no_host_environment,
            read_only_system,
            scratch_is_limited,
            scratch_is_private,
            file_size_is_limited,
            memory_is_limited,
            processor_time_is_limited,
            wall_clock_is_limited,
            processes_are_limited,
            siblings_are_out_of_reach,
            nothing_can_be_traced,
            no_new_namespaces,
            no_privileges,
            descendants_die,
            exits_are_accounted,
            deaths_are_outcomes,
            siblings_cannot_talk,
        ),
        start=1,
    )
)


def _open(laboratory: OpensSessions, limits: Limits = LIMITS) -> Session:
    if not laboratory.confines:
        raise SandboxUnavailable("hostile programs are tried in a sandbox only; there is none here")
    return laboratory.session(limits)


def _request(body: str, **arguments: object) -> Message:
    return Message(kind="run", fields={"source": payloads.payload(body, **arguments)})


def _say(laboratory: OpensSessions, body: str, **arguments: object) -> dict[str, Any]:
    with _open(laboratory) as session:
        return session.ask(_request(body, **arguments), timeout_seconds=ANSWER_SECONDS).fields


def _fails(laboratory: OpensSessions, body: str, *, limits: Limits = LIMITS) -> ChildFailed:
    try:
        with _open(laboratory, limits) as session:
            answer = session.ask(_request(body), timeout_seconds=ANSWER_SECONDS)
    except ChildFailed as failed:
        return failed
    raise Breach(f"answered {answer.kind!r} where it had to fail")


def _exit_of(failed: ChildFailed) -> Exit:
    if failed.exit is None:
        raise Breach("a failure without accounting")
    return failed.exit


def _expect(holds: object, words: str) -> None:
    if not holds:
        raise Breach(words)


def _all_processes() -> Iterator[int]:
    return (int(folder.name) for folder in Path("/proc").iterdir() if folder.name.isdigit())


def _process_name(pid: int) -> str:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/comm").read_text().strip()
    return ""


def _descendants(ancestor: int) -> list[int]:
    parents = {}
    for pid in _all_processes():
        with contextlib.suppress(OSError, IndexError):
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            parents[pid] = int(fields[1])
    found = {ancestor}
    while more := {pid for pid, parent in parents.items() if parent in found} - found:
        found |= more
    return sorted(found - {ancestor})
