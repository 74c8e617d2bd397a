"""The warm fork server: imports torch once, then forks a shut-in child for every request.

It is trusted and single-threaded, runs no candidate code and never reads what the host and a child
say to each other: the host hands it one end of a fresh socket, it hands that to the child. Requests
come as JSON lines over the control socket (`open` with the socket, `kill`); it answers with what
the kernel's accounting says about each child that ended. When the control socket closes it ends,
and with it everything it started.

A child is made in three forks: a doorman that enters new namespaces and leaves, the first process
of those namespaces, and the one that will run the candidate. See `move37.arena.jail`.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import json
import os
import selectors
import signal
import socket
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from move37.arena import jail, worker
from move37.core.errors import LabError
from move37.lab.wire import Message, send

HELLO, TROUBLE = b"\x01", b"\x00"
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True, kw_only=True, slots=True)
class _Child:
    id: int
    pid: int
    started: float
    deadline: float
    base_bytes: int
    """Memory a child starts with: what it shares with the server, program files aside."""


def main(settings: dict[str, Any]) -> None:
    """Warm up, say so, serve until the host leaves.

    Args:
        settings: `control` (file number of the control socket), `device`, `compilers` (whether
            children may start them), `jail` (whether children are shut in; False only where the
            user asked for it).
    """
    control = socket.socket(fileno=settings["control"])
    control.set_inheritable(False)
    facts = warm(settings["device"])
    _tell(control, {"event": "ready", **facts})
    _Server(control, settings).run()


def warm(device: str) -> dict[str, Any]:
    """Load everything a trial loads; take one training step on the CPU; stay single-threaded.

    CUDA is never touched here, not even by a backward pass, because a process that has is of no use
    to its children.

    Raises:
        LabError: threads have started; forking would be unsafe.
    """
    import torch

    torch.set_num_threads(1)
    torch.set_num_interop_threads(1)
    import safetensors.torch  # noqa: F401  # for the children

    for name in (*worker.JOBS.values(), "move37.arena.kernels", "torch._dynamo"):
        importlib.import_module(name)
    if device == "cpu":
        _one_step()
    if (n_threads := _n_threads()) > 1:
        raise LabError(f"the fork server has {n_threads} threads after warming up; forks need one")
    gc.collect()
    gc.freeze()
    return {"torch": torch.__version__, "cpu": torch.backends.cpu.get_cpu_capability()}


def _one_step() -> None:
    import torch
    from torch import nn

    model = nn.Sequential(nn.Linear(8, 8), nn.SiLU(), nn.Linear(8, 8))
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, foreach=True)
    loss = nn.functional.cross_entropy(model(torch.ones(2, 8)), torch.tensor([0, 1]))
    loss.backward()
    nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()


def _n_threads() -> int:
    tasks = Path("/proc/self/task")
    return len(list(tasks.iterdir())) if tasks.exists() else 1


def _own_memory() -> tuple[int, int]:
    """Return bytes of address space and of anonymous resident memory; zeros where unknown."""
    table = Path("/proc/self/statm")
    if not table.exists():
        return 0, 0
    size, resident, files = (int(n) * _PAGE_BYTES for n in table.read_text().split()[:3])
    return size, resident - files


class _Server:
    def __init__(self, control: socket.socket, settings: dict[str, Any]) -> None:
        self._control = control
        self._device: str = settings["device"]
        self._compilers: bool = settings["compilers"]
        self._jailed: bool = settings["jail"]
        self._children: dict[int, _Child] = {}
        self._unread = b""
        self._handed: list[int] = []
        self._wake, self._wake_end = socket.socketpair()
        self._wake.settimeout(0)
        self._wake_end.settimeout(0)

    def run(self) -> None:
        """Serve until the control socket closes, then end every child."""
        if self._jailed:
            jail.adopt_orphans()
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(self._wake_end.fileno(), warn_on_full_buffer=False)
        selector = selectors.DefaultSelector()
        selector.register(self._control, selectors.EVENT_READ)
        selector.register(self._wake, selectors.EVENT_READ)
        while True:
            ready = {key.fileobj for key, _ in selector.select(self._seconds_to_deadline())}
            self._end_overdue()
            if self._wake in ready:
                with contextlib.suppress(BlockingIOError):
                    self._wake.recv(4096)
                self._reap()
            if self._control in ready and not self._read_requests():
                break
        for child in self._children.values():
            _kill(child.pid)

    def _read_requests(self) -> bool:
        data, handed, _, _ = socket.recv_fds(self._control, 65536, 16)
        if not data:
            return False
        self._handed += handed
        *lines, self._unread = (self._unread + data).split(b"\n")
        for line in lines:
            request = json.loads(line)
            if request["do"] == "open":
                self._open(request, self._handed.pop(0))
            elif request["id"] in self._children:
                _kill(self._children[request["id"]].pid)
        return True

    def _open(self, request: dict[str, Any], connection: int) -> None:
        size, anonymous = _own_memory()
        confinement = jail.Confinement(
            **request["limits"],
            device=self._device,
            compilers=self._compilers,
            base_address_space=size,
        )
        try:
            pid = self._fork_child(confinement, connection)
        except OSError as error:
            _tell(self._control, {"event": "refused", "id": request["id"], "reason": str(error)})
            return
        finally:
            os.close(connection)
        now = time.monotonic()
        self._children[request["id"]] = _Child(
            id=request["id"],
            pid=pid,
            started=now,
            deadline=now + confinement.wall_seconds,
            base_bytes=anonymous,
        )

    def _fork_child(self, confinement: jail.Confinement, connection: int) -> int:
        """Fork the doorman, learn the first process's number from it, see it off."""
        if not self._jailed:
            pid = os.fork()
            if pid == 0:
                _first_process(confinement, connection, jailed=False)
            return pid
        read_end, write_end = os.pipe()
        doorman = os.fork()
        if doorman == 0:
            _doorman(confinement, connection, write_end)
        os.close(write_end)
        answer = os.read(read_end, 16)
        os.close(read_end)
        os.waitpid(doorman, 0)
        if not answer:
            raise OSError("the doorman failed")  # and told the host why over the connection
        return int(answer)

    def _reap(self) -> None:
        for child in list(self._children.values()):
            pid, status, usage = os.wait4(child.pid, os.WNOHANG)
            if pid == 0:
                continue
            now = time.monotonic()
            del self._children[child.id]
            code = os.waitstatus_to_exitcode(status)
            unit = 1 if sys.platform == "darwin" else 1024
            peak = max(0, usage.ru_maxrss * unit - child.base_bytes)
            exited = {
                "event": "exited",
                "id": child.id,
                "status": 128 - code if code > 128 else code,
                "cpu_seconds": usage.ru_utime + usage.ru_stime,
                "wall_seconds": now - child.started,
                "peak_memory_bytes": peak,
                "overdue": now >= child.deadline,
            }
            _tell(self._control, exited)

    def _seconds_to_deadline(self) -> float | None:
        if not self._children:
            return None
        soonest = min(child.deadline for child in self._children.values())
        return max(0.01, soonest - time.monotonic())

    def _end_overdue(self) -> None:
        now = time.monotonic()
        for child in self._children.values():
            if now >= child.deadline:
                _kill(child.pid)


def _doorman(confinement: jail.Confinement, connection: int, report: int) -> NoReturn:
    """Enter new namespaces, fork their first process, say its number, leave it to the server."""
    try:
        jail.leave_namespaces()
        pid = os.fork()
    except (OSError, jail.JailError) as error:
        _report_trouble(connection, error)
        os._exit(1)
    if pid == 0:
        _first_process(confinement, connection, jailed=True)
    os.write(report, str(pid).encode())
    os._exit(0)


def _first_process(confinement: jail.Confinement, connection: int, *, jailed: bool) -> NoReturn:
    """Furnish the namespaces, wait for the host's word, fork the candidate, outlive it."""
    try:
        os.setsid()
        jail.forget_signals()
        connection = jail.keep_only(connection)
        proc = jail.furnish(confinement) if jailed else "host"
        os.write(connection, HELLO)
        if not os.read(connection, 1):
            os._exit(0)  # the host has changed its mind
        candidate = os.fork()
    except (OSError, jail.JailError) as error:
        _report_trouble(connection, error)
        os._exit(1)
    if candidate == 0:
        _candidate(confinement, connection, jailed=jailed, proc=proc)
    os.close(connection)
    if jailed:
        jail.hide()
        jail.give_up_privileges()
    jail.wait_as_first(candidate)


def _candidate(confinement: jail.Confinement, number: int, *, jailed: bool, proc: str) -> NoReturn:
    """Put up the last walls, say so, and serve the host until it leaves."""
    try:
        jail.die_with_parent()
        jail.limit(confinement)
        if jailed:
            jail.limit_processes(confinement.n_processes)
            jail.give_up_privileges()
            jail.filter_system_calls(confinement)
    except (OSError, jail.JailError, ValueError) as error:
        _report_trouble(number, error)
        os._exit(1)
    connection = socket.socket(fileno=number)
    send(connection, Message(kind="shut_in", fields={"proc": proc}))
    worker.serve(connection)
    os._exit(0)  # no exit handlers: they would be the candidate's


def _report_trouble(connection: int, error: Exception) -> None:
    """Tell the host that the lab, not the candidate, has failed; it may be gone."""
    with contextlib.suppress(OSError):
        os.write(connection, TROUBLE + f"{type(error).__name__}: {error}".encode()[:4096])


def _kill(pid: int) -> None:
    """Kill the first process of a child, and its group where it has no namespace of its own."""
    for kill in (os.killpg, os.kill):
        with contextlib.suppress(ProcessLookupError):
            kill(pid, signal.SIGKILL)


def _tell(control: socket.socket, event: dict[str, Any]) -> None:
    control.sendall(json.dumps(event).encode() + b"\n")
