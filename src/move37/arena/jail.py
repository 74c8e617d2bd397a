"""How one child of the fork server is shut in: namespaces, mounts, limits, privileges, filter.

Every child gets its own user, mount, process, network, IPC and host-name namespace inside those
that bubblewrap made for the server. So it sees neither its siblings nor the server, cannot signal
or trace them, counts its processes by itself, and everything it starts dies with its first process.
All of this runs before a single byte of candidate code is read.
"""

from __future__ import annotations

import contextlib
import ctypes
import math
import os
import resource
import signal
import sys
from dataclasses import dataclass
from typing import NoReturn

from move37.arena import seccomp

SCRATCH = "/scratch"
SCRATCH_BYTES_PER_FILE = 16 * 2**10
"""One file or folder per so many bytes of scratch."""
STACK_BYTES = 8 * 2**20
LOCKED_BYTES = 2**20
INSIDE_ID = 65534

_NEW_NAMESPACES = 0x10000000 | 0x00020000 | 0x20000000 | 0x40000000 | 0x08000000 | 0x04000000
_READ_ONLY, _NO_SUID, _NO_DEVICES, _NO_PROGRAMS = 1, 2, 4, 8
_RECURSIVE, _PRIVATE = 0x4000, 0x40000
_SET_DUMPABLE, _DROP_BOUND, _SET_NO_NEW_PRIVILEGES, _AMBIENT, _AMBIENT_CLEAR = 4, 24, 38, 47, 4
_SET_PARENT_DEATH_SIGNAL, _SET_CHILD_SUBREAPER = 1, 36
_CAPABILITY_VERSION = 0x20080522
_libc = ctypes.CDLL(None, use_errno=True)


class JailError(Exception):
    """A wall could not be put up. The lab is at fault, never the candidate."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Confinement:
    """What one child may use; the fields of `core.budget.Limits` plus what the server knows."""

    cpu_seconds: float
    wall_seconds: float
    memory_bytes: int
    n_processes: int
    file_bytes: int
    scratch_bytes: int
    n_files: int
    device: str
    compilers: bool
    """Whether processes and programs may be started, so that compilers can run."""
    base_address_space: int
    """Bytes of address space that the warm server holds already."""


def adopt_orphans() -> None:
    """Become the parent of every descendant whose own parent ends."""
    _check(_libc.prctl(_SET_CHILD_SUBREAPER, 1, 0, 0, 0), "adopt orphans")


def leave_namespaces() -> None:
    """Enter new namespaces: processes forked from now on live in them. For one thread only.

    Raises:
        JailError: the kernel refuses.
    """
    user, group = os.getuid(), os.getgid()
    _write("/proc/self/oom_score_adj", "1000")  # a machine out of memory ends candidates first
    _check(_libc.unshare(_NEW_NAMESPACES), "enter new namespaces")
    _write("/proc/self/setgroups", "deny")
    _write("/proc/self/uid_map", f"{INSIDE_ID} {user} 1")
    _write("/proc/self/gid_map", f"{INSIDE_ID} {group} 1")


def furnish(confinement: Confinement) -> str:
    """Give the first process of the new namespaces its own /proc and scratch.

    Returns:
        `own` or `none`: what /proc shows (where a fresh one cannot be had it is covered up).

    Raises:
        JailError: the kernel refuses.
    """
    _mount("none", "/", None, _RECURSIVE | _PRIVATE)
    _forbid_user_namespaces()
    proc = _mount_proc(confinement.device)
    flags = _NO_SUID | _NO_DEVICES
    if not confinement.compilers:
        flags |= _NO_PROGRAMS
    n_files = max(1, confinement.scratch_bytes // SCRATCH_BYTES_PER_FILE)
    size = f"mode=0700,size={confinement.scratch_bytes},nr_inodes={n_files}"
    _mount("tmpfs", SCRATCH, "tmpfs", flags, size)
    os.chdir(SCRATCH)
    return proc


def _forbid_user_namespaces() -> None:
    """Let nothing inside gain a capability again through a namespace of its own.

    Where /proc/sys cannot be written (a lab inside another container), the system-call filter
    alone stands in the way.
    """
    with contextlib.suppress(JailError):
        _write("/proc/sys/user/max_user_namespaces", "0")


def _mount_proc(device: str) -> str:
    flags = _NO_SUID | _NO_DEVICES | _NO_PROGRAMS
    with contextlib.suppress(JailError):
        # processes only: no view of the machine. The CUDA driver reads more.
        _mount("proc", "/proc", "proc", flags, "subset=pid" if device == "cpu" else "")
        return "own"
    _mount("tmpfs", "/proc", "tmpfs", flags | _READ_ONLY, "size=4096")
    return "none"


def hide() -> None:
    """Make this process untraceable, even for others with its number."""
    _check(_libc.prctl(_SET_DUMPABLE, 0, 0, 0, 0), "become untraceable")


def give_up_privileges() -> None:
    """Drop every capability from every set, and the way to get one back.

    Raises:
        JailError: the kernel refuses.
    """
    for capability in range(64):
        if _libc.prctl(_DROP_BOUND, capability, 0, 0, 0) != 0:
            break  # past the last one this kernel knows
    _check(_libc.prctl(_AMBIENT, _AMBIENT_CLEAR, 0, 0, 0), "clear ambient capabilities")
    header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION, 0)
    _check(_libc.capset(header, (ctypes.c_uint32 * 6)()), "drop capabilities")
    _check(_libc.prctl(_SET_NO_NEW_PRIVILEGES, 1, 0, 0, 0), "refuse new privileges")


def limit(confinement: Confinement) -> None:
    """Set this process's resource limits; they pass on to all it starts."""
    cpu_seconds = math.ceil(confinement.cpu_seconds)
    _limit(resource.RLIMIT_CPU, cpu_seconds, cpu_seconds + 1)
    _limit(resource.RLIMIT_FSIZE, confinement.file_bytes)
    _limit(resource.RLIMIT_NOFILE, confinement.n_files)
    _limit(resource.RLIMIT_CORE, 0)
    _limit(resource.RLIMIT_STACK, STACK_BYTES)
    if confinement.device == "cpu":  # CUDA reserves hundreds of gigabytes of addresses
        space = confinement.base_address_space + confinement.memory_bytes
        _limit(resource.RLIMIT_AS, space)
        _limit(resource.RLIMIT_MEMLOCK, LOCKED_BYTES)
    if sys.platform == "linux":
        _limit(resource.RLIMIT_MSGQUEUE, 0)


def limit_processes(n_processes: int) -> None:
    """Limit processes and threads; meaningful only where a user namespace counts them apart."""
    _limit(resource.RLIMIT_NPROC, n_processes + 1)  # the first process of the namespace counts too


def filter_system_calls(confinement: Confinement) -> None:
    """Install the system-call filter, for good.

    Raises:
        OSError: the kernel refuses, or the architecture is unknown.
    """
    gpu = confinement.device == "cuda"
    seccomp.install(seccomp.program(new_processes=confinement.compilers, gpu=gpu))


def keep_only(connection: int) -> int:
    """Close every other file and point the standard streams at nothing; return the new number."""
    nothing = os.open("/dev/null", os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(nothing, stream)
    if connection != 3:
        os.dup2(connection, 3)
    os.closerange(4, os.sysconf("SC_OPEN_MAX"))
    return 3


def forget_signals() -> None:
    """Give every signal the meaning it has in a fresh Python, bar SIGINT, and unblock it."""
    signal.set_wakeup_fd(-1)
    for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}:
        # the two that Python itself ignores, so that writing too much is an OSError
        ignored = number in {signal.SIGPIPE, signal.SIGXFSZ}
        with contextlib.suppress(OSError, ValueError):
            signal.signal(number, signal.SIG_IGN if ignored else signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, [])


def die_with_parent() -> None:
    """Ask the kernel to kill this process when its parent dies."""
    if sys.platform == "linux":
        _check(_libc.prctl(_SET_PARENT_DEATH_SIGNAL, signal.SIGKILL, 0, 0, 0), "follow the parent")


def wait_as_first(candidate: int) -> NoReturn:
    """Be the first process: reap what is orphaned, end when the candidate ends, with its status.

    The kernel then kills whatever else lives in the namespace. The status is the exit code (at most
    127), or 128 plus the signal.
    """
    while True:
        pid, status = os.wait()
        if pid == candidate:
            code = os.waitstatus_to_exitcode(status)
            os._exit(min(code, 127) if code >= 0 else 128 - code)


def _limit(kind: int, soft: int, hard: int | None = None) -> None:
    _, present = resource.getrlimit(kind)
    hard = soft if hard is None else hard
    if present != resource.RLIM_INFINITY:
        hard = min(hard, present)
    resource.setrlimit(kind, (min(soft, hard), hard))


def _mount(source: str, target: str, kind: str | None, flags: int, options: str = "") -> None:
    code = _libc.mount(
        source.encode(),
        target.encode(),
        kind.encode() if kind else None,
        ctypes.c_ulong(flags),
        options.encode(),
    )
    _check(code, f"mount {target}")


def _write(path: str, text: str) -> None:
    try:
        with open(path, "w") as file:  # noqa: PTH123  # in a forked child: as little as possible
            file.write(text)
    except OSError as error:
        raise JailError(f"cannot write {path}: {error}") from error


def _check(code: int, what: str) -> None:
    if code != 0:
        raise JailError(f"cannot {what}: {os.strerror(ctypes.get_errno())}")
