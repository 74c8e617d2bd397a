"""The lab's front door: a Laboratory starts one warm fork server and opens sessions in it."""

from __future__ import annotations

import tempfile
import threading
import warnings

from move37.core.budget import Limits
from move37.core.errors import LabError
from move37.lab import sandbox as sandboxes
from move37.lab.cgroups import CgroupHome, find_home
from move37.lab.forkserver import ForkServer, ServerDied
from move37.lab.session import Session

MAX_RESTARTS = 3  # assumed: a server that dies more often than this has a reason to


class UnsandboxedWarning(UserWarning):
    """Candidates run with the rights of this account."""


class Laboratory:
    """Opens sandboxed children, several at once from several threads if you like.

    The first session pays for the warm start (seconds), every later one a fork (milliseconds).
    A context manager; leaving it ends every child.
    """

    def __init__(
        self, *, unsandboxed: bool = False, device: str = "cpu", compilers: bool | None = None
    ) -> None:
        """Find a sandbox and start the fork server in it.

        Args:
            unsandboxed: run candidates with the rights of this account; limits on memory, time and
                file size still hold. Write it into every report.
            device: `cpu` or `cuda`; `cuda` lets the children see the GPUs.
            compilers: let children see the system's programs and start processes, as torch.compile
                and Triton must; None: on `cuda` only. A child is one process otherwise.

        Raises:
            SandboxUnavailable: this machine offers none; the message says what to install.
            LabError: the server does not start.
        """
        if unsandboxed:
            warnings.warn(
                "candidates run without a sandbox: their code can do all that this account can",
                UnsandboxedWarning,
                stacklevel=2,
            )
        compilers = device == "cuda" if compilers is None else compilers
        self._lock = threading.Lock()
        self._n_restarts = 0
        self._closed = False
        self._folder = tempfile.TemporaryDirectory(prefix="move37-") if unsandboxed else None
        self._server = (
            ForkServer.start(sandboxes.bare(self._folder.name, device=device))
            if self._folder
            else _first_that_starts(sandboxes.available(device=device, compilers=compilers))
        )
        self.sandbox = self._server.sandbox
        """How children are shut in."""
        self.cgroups: CgroupHome | None = None if unsandboxed else find_home()
        """Where memory and processes are summed; None where this account may not."""

    @property
    def confines(self) -> bool:
        """Whether candidates are kept from anything; False only by the user's explicit wish."""
        return self.sandbox.confines

    @property
    def server(self) -> ForkServer:
        """The fork server that the next session will use."""
        return self._server

    def session(self, limits: Limits) -> Session:
        """Open a child behind its walls, waiting for its first message.

        Raises:
            LabError: the child could not be shut in, or the server cannot be kept alive.
        """
        server = self._living_server()
        try:
            cgroup = self.cgroups.make(limits) if self.cgroups else None
        except OSError as error:
            raise LabError(f"cannot make a control group: {error}") from error
        try:
            return Session(server, limits, cgroup=cgroup)
        except BaseException:
            if cgroup:
                cgroup.remove()
            raise

    def close(self) -> None:
        """End every child and the server."""
        with self._lock:
            self._closed = True
            self._server.close()
            if self.cgroups:
                self.cgroups.close()
            if self._folder:
                self._folder.cleanup()

    def __enter__(self) -> Laboratory:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _living_server(self) -> ForkServer:
        with self._lock:
            if self._closed:
                raise LabError("this laboratory is closed")
            if not self._server.is_alive:
                if self._n_restarts == MAX_RESTARTS:
                    raise LabError(f"the fork server died {MAX_RESTARTS + 1} times; giving up")
                self._n_restarts += 1
                self._server.close()
                self._server = ForkServer.start(self.sandbox)
            return self._server


def _first_that_starts(candidates: list[sandboxes.Sandbox]) -> ForkServer:
    reasons = []
    for sandbox in candidates:
        try:
            return ForkServer.start(sandbox)
        except ServerDied as error:
            reasons.append(f"{sandbox.details.get('program', sandbox.name)}: {error}")
    raise sandboxes.unavailable(reasons)
