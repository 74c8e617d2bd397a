"""The system calls a candidate may not make: a classic BPF program, written here by hand.

A list of refusals, not of permissions: what a candidate needs (memory, threads, clocks, its own
files) goes on working on any C library, and what reaches for other processes, mounts, namespaces,
the network or rarely used kernel code is answered with EPERM. A call from a foreign architecture
ends the process. The list follows what container engines refuse, plus what a trial never needs.

Format: Linux, Documentation/userspace-api/seccomp_filter.rst.
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import struct

_X86_64, _AARCH64 = 0xC000003E, 0xC00000B7  # AUDIT_ARCH_*
_ARCHITECTURES = {"x86_64": _X86_64, "aarch64": _AARCH64}

# name -> number on x86_64, number on aarch64; None where the call does not exist
REFUSED: dict[str, tuple[int | None, int | None]] = {
    # other processes
    "ptrace": (101, 117),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "kcmp": (312, 272),
    "pidfd_open": (434, 434),
    "pidfd_send_signal": (424, 424),
    "pidfd_getfd": (438, 438),
    "process_madvise": (440, 440),
    "process_mrelease": (448, 448),
    # mounts
    "mount": (165, 40),
    "umount2": (166, 39),
    "pivot_root": (155, 41),
    "chroot": (161, 51),
    "open_tree": (428, 428),
    "move_mount": (429, 429),
    "fsopen": (430, 430),
    "fsconfig": (431, 431),
    "fsmount": (432, 432),
    "fspick": (433, 433),
    "mount_setattr": (442, 442),
    "statmount": (457, 457),
    "listmount": (458, 458),
    "open_tree_attr": (467, 467),
    "name_to_handle_at": (303, 264),
    "open_by_handle_at": (304, 265),
    # namespaces (clone is looked at below)
    "unshare": (272, 97),
    "setns": (308, 268),
    # network and what outlives or escapes the memory limit
    "socket": (41, 198),
    "socketpair": (53, 199),
    "shmget": (29, 194),
    "msgget": (68, 186),
    "semget": (64, 190),
    "mq_open": (240, 180),
    "memfd_create": (319, 279),
    "memfd_secret": (447, 447),
    # what siblings could talk through over files that all of them see
    "inotify_init": (253, None),
    "inotify_init1": (294, 26),
    "inotify_add_watch": (254, 27),
    "mincore": (27, 232),
    "cachestat": (451, 451),
    "readahead": (187, 213),
    "fadvise64": (221, 223),
    "preadv2": (327, 286),
    # kernel code that trials never need
    "bpf": (321, 280),
    "perf_event_open": (298, 241),
    "add_key": (248, 217),
    "request_key": (249, 218),
    "keyctl": (250, 219),
    "io_uring_setup": (425, 425),
    "io_uring_enter": (426, 426),
    "io_uring_register": (427, 427),
    "io_setup": (206, 0),
    "userfaultfd": (323, 282),
    "fanotify_init": (300, 262),
    "vmsplice": (278, 75),
    "move_pages": (279, 239),
    "migrate_pages": (256, 238),
    "lookup_dcookie": (212, 18),
    "personality": (135, 92),
    "modify_ldt": (154, None),
    "iopl": (172, None),
    "ioperm": (173, None),
    "uselib": (134, None),
    # the machine
    "kexec_load": (246, 104),
    "kexec_file_load": (320, 294),
    "init_module": (175, 105),
    "finit_module": (313, 273),
    "delete_module": (176, 106),
    "reboot": (169, 142),
    "acct": (163, 89),
    "swapon": (167, 224),
    "swapoff": (168, 225),
    "quotactl": (179, 60),
    "quotactl_fd": (443, 443),
    "syslog": (103, 116),
    "settimeofday": (164, 170),
    "clock_settime": (227, 112),
    "clock_adjtime": (305, 266),
    "adjtimex": (159, 171),
    "sethostname": (170, 161),
    "setdomainname": (171, 162),
    "vhangup": (153, 58),
}
# Refused as well unless compilers must run. A layer needs no process but its own, and with one
# process alone the kernel's limits on memory and time hold for the whole trial. A lock on a file
# that siblings see as well is a message; compilers lock their caches.
REFUSED_PROCESSES: dict[str, tuple[int | None, int | None]] = {
    "fork": (57, None),
    "vfork": (58, None),
    "flock": (73, 32),
    "execve": (59, 221),
    "execveat": (322, 281),
}
FOR_GPUS = ("socket", "memfd_create")
"""Of all these, what CUDA drivers cannot do without: a local socket to hand on a descriptor (on the
H100 that was tried the only one), and with some drivers memory files that can never be executed."""
_AF_UNIX = 1
_MFD_NOEXEC_SEAL = 8
_CLONE = (56, 220)
_FCNTL = (72, 25)
_FCNTL_LOCKS = (5, 6, 7, 36, 37, 38, 1024, 1025, 1026)  # locks, leases, notices
_CLONE3 = 435
_NEW_NAMESPACES = 0x7E020000  # CLONE_NEW{NS,CGROUP,UTS,IPC,USER,PID,NET}
_CLONE_THREAD = 0x00010000
_X32_CALLS = 0x40000000

_LOAD, _JUMP_EQUAL, _JUMP_AT_LEAST, _JUMP_ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_OFFSET_NUMBER, _OFFSET_ARCHITECTURE, _OFFSET_FIRST_ARGUMENT = 0, 4, 16
_OFFSET_SECOND_ARGUMENT = 24
_ALLOW, _KILL = 0x7FFF0000, 0x80000000
_EPERM, _ENOSYS = 0x00050000 | errno.EPERM, 0x00050000 | errno.ENOSYS

_PR_SET_SECCOMP, _FILTER_MODE = 22, 2
_libc = ctypes.CDLL(None, use_errno=True)


def program(*, new_processes: bool, gpu: bool = False, machine: str | None = None) -> bytes:
    """Assemble the filter for this machine.

    Args:
        new_processes: whether processes and programs may be started; threads always may.
        gpu: whether the CUDA driver must work.
        machine: as `platform.machine()` says it.

    Raises:
        OSError: the architecture is neither x86_64 nor aarch64.
    """
    machine = machine or platform.machine()
    if machine not in _ARCHITECTURES:
        raise OSError(errno.ENOSYS, f"no system-call table for {machine}; known: x86_64, aarch64")
    column = 0 if machine == "x86_64" else 1
    refused = dict(REFUSED)
    refused |= {} if new_processes else REFUSED_PROCESSES
    for name in FOR_GPUS if gpu else ():
        del refused[name]
    lines = [
        (_LOAD, 0, 0, _OFFSET_ARCHITECTURE),
        (_JUMP_EQUAL, 1, 0, _ARCHITECTURES[machine]),
        (_RETURN, 0, 0, _KILL),
        (_LOAD, 0, 0, _OFFSET_NUMBER),
    ]
    if machine == "x86_64":
        lines += [(_JUMP_AT_LEAST, 0, 1, _X32_CALLS), (_RETURN, 0, 0, _KILL)]
    for numbers in refused.values():
        if (number := numbers[column]) is not None:
            lines += [(_JUMP_EQUAL, 0, 1, number), (_RETURN, 0, 0, _EPERM)]
    lines += _gpu_lines(column) if gpu else []
    # glibc falls back from clone3, whose flags a filter cannot see, to clone
    lines += [(_JUMP_EQUAL, 0, 1, _CLONE3), (_RETURN, 0, 0, _ENOSYS)]
    lines += _clone_lines(_CLONE[column], new_processes=new_processes)
    lines += [] if new_processes else _fcntl_lines(_FCNTL[column])
    lines += [(_RETURN, 0, 0, _ALLOW)]
    return b"".join(struct.pack("=HBBI", *line) for line in lines)


def _gpu_lines(column: int) -> list[tuple[int, int, int, int]]:
    """Allow local sockets, and memory files that are sealed against execution; no others of either.

    A virtual machine's host can be reached by a socket that no namespace shuts in.
    """
    socket, memory_file = (REFUSED[name][column] for name in FOR_GPUS)
    return [
        *_only_if(socket, _OFFSET_FIRST_ARGUMENT, _JUMP_EQUAL, _AF_UNIX),
        *_only_if(memory_file, _OFFSET_SECOND_ARGUMENT, _JUMP_ANY_BIT, _MFD_NOEXEC_SEAL),
    ]


def _only_if(
    number: int | None, offset: int, test: int, constant: int
) -> list[tuple[int, int, int, int]]:
    if number is None:
        return []
    checks = [(_LOAD, 0, 0, offset), (test, 1, 0, constant), (_RETURN, 0, 0, _EPERM)]
    checks += [(_RETURN, 0, 0, _ALLOW)]
    return [(_JUMP_EQUAL, 0, len(checks), number), *checks]


def _clone_lines(number: int, *, new_processes: bool) -> list[tuple[int, int, int, int]]:
    checks = [
        (_LOAD, 0, 0, _OFFSET_FIRST_ARGUMENT),
        (_JUMP_ANY_BIT, 0, 1, _NEW_NAMESPACES),
        (_RETURN, 0, 0, _EPERM),
    ]
    if not new_processes:
        checks += [(_JUMP_ANY_BIT, 1, 0, _CLONE_THREAD), (_RETURN, 0, 0, _EPERM)]
    checks += [(_RETURN, 0, 0, _ALLOW)]
    return [(_JUMP_EQUAL, 0, len(checks), number), *checks]


def _fcntl_lines(number: int) -> list[tuple[int, int, int, int]]:
    checks = [(_LOAD, 0, 0, _OFFSET_SECOND_ARGUMENT)]
    for command in _FCNTL_LOCKS:
        checks += [(_JUMP_EQUAL, 0, 1, command), (_RETURN, 0, 0, _EPERM)]
    return [(_JUMP_EQUAL, 0, len(checks), number), *checks]


def install(filter_program: bytes) -> None:
    """Put this thread and all it starts under the filter, for good. Needs no_new_privs.

    Raises:
        OSError: the kernel refuses (built without seccomp filters, or privileges not given up).
    """
    instructions = ctypes.create_string_buffer(filter_program, len(filter_program))

    class Header(ctypes.Structure):
        _fields_ = (("length", ctypes.c_ushort), ("instructions", ctypes.c_void_p))

    header = Header(len(filter_program) // 8, ctypes.addressof(instructions))
    mode = ctypes.c_ulong(_FILTER_MODE)
    if _libc.prctl(_PR_SET_SECCOMP, mode, ctypes.byref(header), 0, 0) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"cannot install the system-call filter: {os.strerror(number)}")
