"""Control groups: memory and process counts summed over a child and all it starts.

Used where this account may write them (root, delegated systemd units, most cluster jobs), in
version 2 or version 1 of the kernel's interface; where it may not, resource limits alone are in
force and `move37 doctor` says so.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from move37.core.budget import Limits

REMOVE_SECONDS = 2.0  # a group whose last process is gone stays busy for a moment
_FOLDER = "move37-"


@dataclass(frozen=True, kw_only=True, slots=True)
class _Names:
    """What the two versions call the same things."""

    memory_limit: str
    memory_and_swap_limit: str
    memory_peak: str
    memory_events: str
    process_limit: str = "pids.max"


_V1 = _Names(
    memory_limit="memory.limit_in_bytes",
    memory_and_swap_limit="memory.memsw.limit_in_bytes",
    memory_peak="memory.max_usage_in_bytes",
    memory_events="memory.oom_control",
)
_V2 = _Names(
    memory_limit="memory.max",
    memory_and_swap_limit="memory.swap.max",
    memory_peak="memory.peak",
    memory_events="memory.events",
)


class Cgroup:
    """The control group of one child."""

    def __init__(self, *, memory: Path, processes: Path, names: _Names) -> None:
        self._memory = memory
        self._processes = processes
        self._names = names

    def add(self, pid: int) -> None:
        """Put a process in; what it starts from then on is in as well.

        Raises:
            OSError: the kernel refuses.
        """
        for folder in {self._memory, self._processes}:
            (folder / "cgroup.procs").write_text(str(pid))

    def memory_kills(self) -> int:
        """Return how many processes the kernel has killed for memory."""
        for line in _read(self._memory / self._names.memory_events).splitlines():
            name, _, number = line.partition(" ")
            if name == "oom_kill":
                return int(number)
        return 0

    def peak_bytes(self) -> int:
        """Return the largest memory use so far, page cache of scratch files included."""
        return int(_read(self._memory / self._names.memory_peak) or 0)

    def remove(self) -> None:
        """Remove the group; its processes are gone, or will be in a moment."""
        for folder in {self._memory, self._processes}:
            _remove(folder)


class CgroupHome:
    """Where this process may make control groups. A context manager; leaving it removes its own."""

    def __init__(self, *, memory: Path, processes: Path, version: int) -> None:
        self.version = version
        self._names = _V1 if version == 1 else _V2
        self._memory = memory
        self._processes = processes
        self._numbers = itertools.count(1)
        self.folder = memory
        """Holds the groups of the children that are alive."""

    def __enter__(self) -> CgroupHome:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def make(self, limits: Limits) -> Cgroup:
        """Make the group of one child.

        Raises:
            OSError: the kernel refuses.
        """
        name = f"child-{next(self._numbers)}"
        memory, processes = self._memory / name, self._processes / name
        for folder in {memory, processes}:
            folder.mkdir()
        room = limits.memory_bytes + limits.scratch_bytes  # what lies in scratch is memory too
        (memory / self._names.memory_limit).write_text(str(room))
        with contextlib.suppress(OSError):  # kernels without swap accounting lack the file
            swap = room if self.version == 1 else 0
            (memory / self._names.memory_and_swap_limit).write_text(str(swap))
        first_process = 1
        (processes / self._names.process_limit).write_text(str(limits.n_processes + first_process))
        return Cgroup(memory=memory, processes=processes, names=self._names)

    def close(self) -> None:
        """Remove the folder that held the groups."""
        for folder in {self._memory, self._processes}:
            _remove(folder)


def find_home(
    *, own: Path = Path("/proc/self/cgroup"), root: Path | None = None
) -> CgroupHome | None:
    """Return a place for control groups with memory and process limits, or None.

    Args:
        own: the kernel's list of this process's groups.
        root: where the control group file systems are mounted; None: the usual place.
    """
    home = _home(own, root or Path("/sys/fs/cgroup"))
    if home and not _takes_processes(home):
        home.close()
        return None
    return home


def _home(own: Path, base: Path) -> CgroupHome | None:
    groups = {}
    for line in _read(own).splitlines():
        _, controllers, path = line.split(":", 2)
        for controller in controllers.split(","):
            groups[controller] = path
    if "memory" in groups and "pids" in groups:
        return _home_v1(
            base / "memory" / _below(groups["memory"]), base / "pids" / _below(groups["pids"])
        )
    if "" in groups:
        return _home_v2(base / _below(groups[""]), base)
    return None


def _takes_processes(home: CgroupHome) -> bool:
    """Try it out: making a group may be allowed where moving a process into it is not."""
    limits = Limits(wall_seconds=1, cpu_seconds=1, memory_bytes=2**24)
    with subprocess.Popen(["cat"], stdin=subprocess.PIPE) as process:  # noqa: S607  # any will do
        try:
            group = home.make(limits)
        except OSError:
            return False
        try:
            group.add(process.pid)
        except OSError:
            return False
        finally:
            process.kill()
            process.wait()
            group.remove()
    return True


def _home_v1(memory: Path, processes: Path) -> CgroupHome | None:
    try:
        _sweep(memory)
        _sweep(processes)
        name = _own_folder()
        folders = [parent / name for parent in (memory, processes)]
        for folder in folders:
            folder.mkdir()
    except OSError:
        return None
    return CgroupHome(memory=folders[0], processes=folders[1], version=1)


def _home_v2(own: Path, base: Path) -> CgroupHome | None:
    """Look for a writable group that hands both controllers down: our own, else the one above.

    Version 2 allows no processes beside groups with controllers, so below systemd it is the one
    above; in the root of a container it is our own.
    """
    name = _own_folder()
    for parent in (own, own.parent):
        if not parent.is_relative_to(base):
            continue
        folder = parent / name
        try:
            _sweep(parent)
            _hand_down(parent)
            folder.mkdir()
        except OSError:
            continue
        try:
            _hand_down(folder)
        except OSError:
            _remove(folder)
            continue
        return CgroupHome(memory=folder, processes=folder, version=2)
    return None


def _hand_down(parent: Path) -> None:
    """Make sure that groups below have memory and pids.

    Raises:
        OSError: they cannot have them.
    """
    control = parent / "cgroup.subtree_control"
    if not {"memory", "pids"} <= set(control.read_text().split()):
        control.write_text("+memory +pids")


_n_homes = 0


def _own_folder() -> str:
    global _n_homes  # noqa: PLW0603  # several laboratories in one process each need a folder
    _n_homes += 1
    return f"{_FOLDER}{os.getpid()}-{_n_homes}"


def _sweep(parent: Path) -> None:
    """Remove what killed laboratories left behind."""
    for folder in parent.glob(f"{_FOLDER}*"):
        owner = folder.name.removeprefix(_FOLDER).partition("-")[0]
        if owner.isdigit() and not Path("/proc", owner).exists():
            for child in folder.glob("child-*"):
                _remove(child, patient=False)
            _remove(folder, patient=False)


def _remove(folder: Path, *, patient: bool = True) -> None:
    deadline = time.monotonic() + (REMOVE_SECONDS if patient else 0)
    while folder.exists():
        try:
            folder.rmdir()
        except OSError:
            if time.monotonic() >= deadline:
                return  # the next laboratory's sweep takes it
            time.sleep(0.005)


def _below(path: str) -> str:
    return path.lstrip("/")


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""
