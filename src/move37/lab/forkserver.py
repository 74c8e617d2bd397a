"""The host's side of the warm fork server: one process, one control socket, one listening thread.

Knows processes, not messages: what host and child say to each other goes over the session's own
socket, which the server only passes on. See `move37.arena.server` for the other side.
"""

from __future__ import annotations

import contextlib
import json
import socket
import subprocess
import tempfile
import threading
from dataclasses import asdict, dataclass
from typing import IO, Any

from move37.core.budget import Limits
from move37.core.errors import LabError
from move37.lab.sandbox import Sandbox

START_SECONDS = 180.0  # assumed: importing torch on a busy machine with a cold disk
STOP_SECONDS = 5.0
EXIT_SECONDS = 20.0  # assumed: a killed child of a gigabyte is gone in well under a second
STDERR_BYTES = 2000


class ServerDied(LabError):
    """The fork server is gone, and with it every child. Open sessions cannot be judged."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ChildExit:
    """The kernel's accounting of one child, as the server saw it."""

    status: int
    """Exit code; negative: the signal that ended it."""
    cpu_seconds: float
    wall_seconds: float
    peak_memory_bytes: int
    overdue: bool
    """The server ended it at its wall-clock limit."""


class ForkServer:
    """A running fork server. Start it with `start`; close it, or use it as a context manager.

    A thread of its own starts the process and listens to it, so that the process ends when this
    object does and not when the thread that happened to create it does (the kernel ties "die with
    your parent" to threads).
    """

    def __init__(self, sandbox: Sandbox) -> None:
        self.sandbox = sandbox
        self.facts: dict[str, Any] = {}
        """What the server said when it was ready: torch's version, the CPU's capability."""
        self._changed = threading.Condition()
        self._exits: dict[int, ChildExit | str] = {}
        self._open: set[int] = set()
        self._ended = ""
        self._next_id = 0
        self._control, self._far_end = socket.socketpair()
        self._stderr: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115  # closed in close
        self._process: subprocess.Popen[bytes] | None = None
        self._keeper = threading.Thread(target=self._keep, name="fork server", daemon=True)

    @classmethod
    def start(cls, sandbox: Sandbox) -> ForkServer:
        """Start a server and wait until it is warm.

        Raises:
            ServerDied: it did not come up; the message holds the end of what it wrote.
        """
        server = cls(sandbox)
        server._keeper.start()
        with server._changed:
            ready = server._changed.wait_for(
                lambda: server.facts or server._ended, timeout=START_SECONDS
            )
        if not ready or server._ended:
            server.close()
            raise ServerDied(server._ended or f"not ready after {START_SECONDS:.0f} s")
        return server

    @property
    def is_alive(self) -> bool:
        """Whether children can be opened."""
        return not self._ended

    @property
    def pid(self) -> int:
        """Number of the outermost process."""
        return self._process.pid if self._process else 0

    def open(self, limits: Limits, connection: socket.socket) -> int:
        """Ask for a child that holds this end of a connection; return its id.

        Raises:
            ServerDied: the server is gone.
        """
        with self._changed:
            child_id = self._next_id
            self._next_id += 1
            request = {"do": "open", "id": child_id, "limits": asdict(limits)}
            self._say(request, [connection.fileno()])
            self._open.add(child_id)
        return child_id

    def kill(self, child_id: int) -> None:
        """Kill a child and everything it started; does nothing when it is gone already."""
        with self._changed:
            if child_id in self._open and not self._ended:
                self._say({"do": "kill", "id": child_id}, [])

    def wait(self, child_id: int, *, timeout_seconds: float) -> ChildExit | None:
        """Return how a child ended, or None if it is still running after the timeout. Ask once.

        Raises:
            ServerDied: the server is gone, so nobody knows.
            LabError: the child could not be made.
        """
        with self._changed:
            self._changed.wait_for(
                lambda: child_id in self._exits or self._ended, timeout=timeout_seconds
            )
            if child_id in self._exits:
                found = self._exits.pop(child_id)
                if isinstance(found, str):
                    raise LabError(f"the fork server could not make a child: {found}")
                return found
            if self._ended:
                raise ServerDied(self._ended)
            return None

    def close(self) -> None:
        """End the server and every child, and wait until they are gone."""
        with contextlib.suppress(OSError):  # the other side may have closed already
            self._control.shutdown(socket.SHUT_WR)
        if self._keeper.ident is not None:
            self._keeper.join()
        self._control.close()
        self._far_end.close()
        self._stderr.close()

    def __enter__(self) -> ForkServer:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _say(self, request: dict[str, Any], handed: list[int]) -> None:
        if self._ended:
            raise ServerDied(self._ended)
        line = json.dumps(request).encode() + b"\n"
        try:
            socket.send_fds(self._control, [line], handed)
        except OSError as error:
            raise ServerDied(f"the fork server does not take requests: {error}") from error

    def _keep(self) -> None:
        """Start the process, take in its events, see it off. Runs in the keeper thread."""
        try:
            self._process = self._launch()
        except OSError as error:
            self._finish(f"cannot start {self.sandbox.name}: {error}")
            return
        unread = b""
        while data := _receive(self._control):
            *lines, unread = (unread + data).split(b"\n")
            for line in lines:
                self._take(json.loads(line))
        status = self._see_off(self._process)
        self._stderr.seek(0)
        words = self._stderr.read()[-STDERR_BYTES:].decode(errors="replace").strip()
        self._finish(f"the fork server ended with status {status}: {words or 'it wrote nothing'}")

    def _launch(self) -> subprocess.Popen[bytes]:
        settings: dict[str, object] = {"control": self._far_end.fileno()}
        process = subprocess.Popen(
            self.sandbox.command(settings),
            env=self.sandbox.environment(),
            cwd="/" if self.sandbox.confines else self.sandbox.scratch,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=self._stderr,
            pass_fds=[self._far_end.fileno()],
            start_new_session=True,
        )
        self._far_end.close()
        return process

    def _take(self, event: dict[str, Any]) -> None:
        with self._changed:
            match event:
                case {"event": "exited", "id": int(child_id)}:
                    rest = {
                        key: value for key, value in event.items() if key not in {"event", "id"}
                    }
                    self._exits[child_id] = ChildExit(**rest)
                    self._open.discard(child_id)
                case {"event": "refused", "id": int(child_id), "reason": str(reason)}:
                    self._exits[child_id] = reason
                    self._open.discard(child_id)
                case _:
                    self.facts = event
            self._changed.notify_all()

    def _see_off(self, process: subprocess.Popen[bytes]) -> int:
        try:
            return process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            return process.wait()

    def _finish(self, reason: str) -> None:
        with self._changed:
            self._ended = reason
            self._changed.notify_all()


def _receive(control: socket.socket) -> bytes:
    try:
        return control.recv(65536)
    except ConnectionError:
        return b""
