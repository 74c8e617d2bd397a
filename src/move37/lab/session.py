"""The host's end of one shut-in child: ask, tell, listen, and the truth about how it ended.

What a child says is the candidate's word. How it ended is the kernel's: the outcome of a failure is
read from limits, signals and accounting first, and only then from the child's own message, which
can say nothing better than that it failed.
"""

from __future__ import annotations

import contextlib
import signal
import socket
import struct
import time
from dataclasses import dataclass
from typing import Any

from move37.core.budget import Limits
from move37.core.errors import LabError
from move37.core.trial import Outcome
from move37.lab.cgroups import Cgroup
from move37.lab.forkserver import EXIT_SECONDS, ChildExit, ForkServer
from move37.lab.wire import (
    MAX_BODY_BYTES,
    Message,
    WireClosed,
    WireError,
    WireTruncated,
    receive,
    send,
)

SHUT_IN_SECONDS = 60.0  # assumed: from request to a child behind its walls on a busy machine
LEAVE_SECONDS = 2.0  # how long a child may take to notice that the host has hung up
_OWN_WORDS = (Outcome.CRASHED, Outcome.DIVERGED, Outcome.OUT_OF_MEMORY)
_CREDENTIALS = struct.Struct("3i")


@dataclass(frozen=True, kw_only=True, slots=True)
class Exit:
    """How a child ended, by the kernel's accounting of it and all its descendants."""

    status: int
    """Exit code; negative: the signal that ended it."""
    cpu_seconds: float
    wall_seconds: float
    peak_memory_bytes: int
    """Beyond what the warm server holds: from the memory cgroup where there is one, else the
    largest resident set of any one process."""


class ChildFailed(Exception):
    """A child died, broke a limit or the protocol, or said that it failed. Not the lab's fault."""

    def __init__(
        self,
        outcome: Outcome,
        reason: str,
        exit: Exit | None,  # noqa: A002  # the contract's name
        *,
        was_killed: bool = False,
    ) -> None:
        super().__init__(f"{outcome}: {reason}")
        self.outcome = outcome
        self.reason = reason
        self.exit = exit
        self.was_killed = was_killed
        """SIGKILL ended it, and neither this lab nor a limit of the child's own sent that: somebody
        outside (a person, a machine short of memory), or the child itself."""


class Session:
    """A conversation with one shut-in child. A context manager; leaving it ends the child."""

    def __init__(
        self,
        server: ForkServer,
        limits: Limits,
        *,
        cgroup: Cgroup | None = None,
    ) -> None:
        self._server = server
        self._limits = limits
        self._cgroup = cgroup
        self._exit: Exit | None = None
        self._overdue = False
        self._ended_by_host = False
        self._memory_kills = 0
        self._lost: LabError | None = None
        host_end, child_end = socket.socketpair()
        self._connection = _DeadlineSocket(fileno=host_end.detach())
        try:
            with child_end:
                if hasattr(socket, "SO_PASSCRED"):
                    self._connection.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
                self._deadline = time.monotonic() + limits.wall_seconds
                self._child_id = server.open(limits, child_end)
            self.walls = self._shut_in()
            """What the child said about its walls before it read anything."""
        except BaseException:
            self._connection.close()
            raise

    def ask(self, message: Message, *, timeout_seconds: float) -> Message:
        """Send a message and return the next one from the child.

        Raises:
            ChildFailed: see `listen`.
            LabError: the lab is broken.
        """
        deadline = time.monotonic() + timeout_seconds
        self.tell(message, timeout_seconds=timeout_seconds)
        return self.listen(max(0.001, deadline - time.monotonic()))

    def tell(self, message: Message, *, timeout_seconds: float | None = None) -> None:
        """Send a message.

        Raises:
            ChildFailed: the child is gone, or does not read within the timeout.
            LabError: the lab is broken.
        """
        self._set_deadline(
            self._limits.wall_seconds if timeout_seconds is None else timeout_seconds
        )
        try:
            send(self._connection, message)
        except TimeoutError as error:
            raise self._too_late() from error
        except WireClosed as error:
            raise self._death() from error

    def listen(self, timeout_seconds: float) -> Message:
        """Return the next message from the child.

        Raises:
            ChildFailed: the child said that it failed, died, broke a limit or the protocol, or said
                nothing within the timeout. The child is gone then.
            LabError: the lab is broken.
        """
        self._set_deadline(timeout_seconds)
        try:
            message = self._receive()
        except TimeoutError as error:
            raise self._too_late() from error
        except (WireClosed, WireTruncated) as error:
            raise self._death(str(error)) from error
        except WireError as error:
            raise self._failure(
                Outcome.FORGED, f"broke the protocol: {error}", kill=True
            ) from error
        if message.kind == "failed":
            raise self._own_word(message)
        return message

    def close(self) -> Exit:
        """Hang up, end the child if it does not leave by itself, and return how it ended.

        Raises:
            LabError: the lab is broken.
        """
        return self._end(kill=False)

    def __enter__(self) -> Session:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if self._lost is not None:
            return  # said already, inside
        try:
            self._end(kill=True)
        except LabError:
            if kind is None:
                raise  # otherwise the error raised inside says more

    def _shut_in(self) -> dict[str, Any]:
        """Wait for the child's first process, put it into its cgroup, wait for its walls."""
        self._connection.deadline = time.monotonic() + SHUT_IN_SECONDS
        try:
            pid = self._hello()
            if self._cgroup:
                self._cgroup.add(pid)
            self._connection.sendall(b"\x01")  # what it starts from here on is in the cgroup
            message = receive(self._connection)
        except (WireError, OSError) as error:
            self._server.kill(self._child_id)
            self._server.wait(self._child_id, timeout_seconds=EXIT_SECONDS)
            raise LabError(f"a child could not be shut in: {error}") from error
        return message.fields

    def _hello(self) -> int:
        """Return the number of the child's first process as seen from here; 0 where unknown."""
        self._connection.settimeout(SHUT_IN_SECONDS)
        space = socket.CMSG_SPACE(_CREDENTIALS.size)
        data, extra, _, _ = self._connection.recvmsg(1, space)
        for level, kind, body in extra:
            if (level, kind) == (socket.SOL_SOCKET, socket.SCM_CREDENTIALS):
                pid, _, _ = _CREDENTIALS.unpack(body[: _CREDENTIALS.size])
                break
        else:
            pid = 0
        if data != b"\x01":
            words = self._connection.recv(4096).decode(errors="replace") if data else "it is gone"
            raise WireError(words)
        return pid

    def _receive(self) -> Message:
        # an honest child cannot send more than it may hold
        return receive(
            self._connection, max_body_bytes=min(MAX_BODY_BYTES, self._limits.memory_bytes)
        )

    def _set_deadline(self, timeout_seconds: float) -> None:
        if self._exit is not None:
            raise LabError("this session is closed")
        self._connection.deadline = min(self._deadline, time.monotonic() + timeout_seconds)

    def _too_late(self) -> ChildFailed:
        return self._failure(Outcome.OUT_OF_TIME, "did not answer in time", kill=True)

    def _death(self, words: str = "") -> ChildFailed:
        """Explain why the child has hung up, after hearing what it still had to say."""
        self._connection.deadline = time.monotonic() + LEAVE_SECONDS
        with contextlib.suppress(WireError, TimeoutError):
            while True:
                if (message := self._receive()).kind == "failed":
                    return self._own_word(message)
        exited = self._end(kill=False)
        if exited.status == 0:
            reason = f"left without an answer, exit code 0 ({words or 'hung up'})"
        else:
            reason = f"died: {describe_status(exited.status)}"
        return self._failure(Outcome.CRASHED, reason, kill=False)

    def _own_word(self, message: Message) -> ChildFailed:
        match message.fields:
            case {"outcome": str(outcome), "reason": str(reason)} if outcome in _OWN_WORDS:
                return self._failure(Outcome(outcome), reason, kill=False)
        return self._failure(
            Outcome.FORGED,
            f"claimed an outcome it cannot claim: {message.fields!r:.200}",
            kill=True,
        )

    def _failure(self, outcome: Outcome, reason: str, *, kill: bool) -> ChildFailed:
        exited = self._end(kill=kill)
        was_killed = exited.status == -signal.SIGKILL and not self._ended_by_host
        if (breach := self._breach(exited)) is not None:
            outcome, reason = breach
        return ChildFailed(outcome, reason, exited, was_killed=was_killed and breach is None)

    def _breach(self, exited: Exit) -> tuple[Outcome, str] | None:
        """Return the limit that ended the child, by the kernel's evidence."""
        limits = self._limits
        if self._memory_kills > 0:
            return (
                Outcome.OUT_OF_MEMORY,
                f"used more than the {limits.memory_bytes / 2**20:.0f} MiB it may",
            )
        if self._overdue:
            return Outcome.OUT_OF_TIME, f"ran for the {limits.wall_seconds:g} s it may"
        # the kernel's limit counts ticks, its accounting is finer: they differ by a few percent
        used_up = exited.cpu_seconds >= 0.9 * limits.cpu_seconds
        if exited.status == -signal.SIGXCPU or (exited.status == -signal.SIGKILL and used_up):
            return (
                Outcome.OUT_OF_TIME,
                f"used the {limits.cpu_seconds:g} s of processor time it may",
            )
        return None

    def _end(self, *, kill: bool) -> Exit:
        if self._exit is not None:
            return self._exit
        if self._lost is not None:
            raise self._lost
        self._connection.close()
        try:
            return self._settle(self._await_exit(kill=kill))
        except LabError as error:
            self._lost = error
            raise
        finally:
            if self._cgroup:
                self._cgroup.remove()

    def _await_exit(self, *, kill: bool) -> ChildExit:
        found = None
        if not kill:
            found = self._server.wait(self._child_id, timeout_seconds=LEAVE_SECONDS)
        if found is None:
            self._ended_by_host = True
            self._server.kill(self._child_id)
            found = self._server.wait(self._child_id, timeout_seconds=EXIT_SECONDS)
        if found is None:
            raise LabError(f"child {self._child_id} does not end; is the machine stuck?")
        return found

    def _settle(self, found: ChildExit) -> Exit:
        self._overdue = found.overdue
        self._memory_kills = self._cgroup.memory_kills() if self._cgroup else 0
        peak = self._cgroup.peak_bytes() if self._cgroup else found.peak_memory_bytes
        self._exit = Exit(
            status=found.status,
            cpu_seconds=found.cpu_seconds,
            wall_seconds=found.wall_seconds,
            peak_memory_bytes=peak,
        )
        return self._exit


class _DeadlineSocket(socket.socket):
    """A socket whose reads and writes end at one moment, however slowly the other side drips."""

    deadline: float = 0.0

    def recv_into(self, *arguments: Any, **options: Any) -> int:
        self._arm()
        return super().recv_into(*arguments, **options)

    def sendall(self, *arguments: Any, **options: Any) -> None:
        self._arm()
        super().sendall(*arguments, **options)

    def _arm(self) -> None:
        left = self.deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError("the deadline has passed")
        self.settimeout(left)


def describe_status(status: int) -> str:
    """Say in words how a process ended."""
    if status >= 0:
        return f"exit code {status}"
    try:
        return f"signal {signal.Signals(-status).name}"
    except ValueError:
        return f"signal {-status}"
