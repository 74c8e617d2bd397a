"""The system-call filter, against a plain interpreter of the kernel's filter language.

C1 what is refused is refused, on both architectures     C2 a foreign call ends the process
C3 threads may start, processes for compilers only    C4 the numbers are the kernel headers'
"""

from __future__ import annotations

import errno
import re
import struct
from pathlib import Path

import pytest

from move37.arena import seccomp

ALLOW, KILL, EPERM, ENOSYS = 0x7FFF0000, 0x80000000, 0x50000 | errno.EPERM, 0x50000 | errno.ENOSYS
AUDIT = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
COLUMN = {"x86_64": 0, "aarch64": 1}
ORDINARY = {"read": (0, 63), "write": (1, 64), "mmap": (9, 222), "futex": (202, 98)}
FORK_FLAGS = 17  # SIGCHLD alone
THREAD_FLAGS = 0x3D0F00  # what glibc's pthread_create passes to clone
machines = pytest.mark.parametrize("machine", ["x86_64", "aarch64"])


def decide(program, number, *, machine, argument=0, second=0, audit=None):
    """Run a classic BPF program over one system call; return its verdict."""
    data = struct.pack("=IIQ6Q", number, audit or AUDIT[machine], 0, argument, second, *[0] * 4)
    lines = list(struct.iter_unpack("=HBBI", program))
    accumulator, at = 0, 0
    while True:
        code, when_true, when_false, constant = lines[at]
        at += 1
        if code == 0x20:
            (accumulator,) = struct.unpack_from("=I", data, constant)
        elif code == 0x06:
            return constant
        else:
            holds = {
                0x15: accumulator == constant,
                0x35: accumulator >= constant,
                0x45: accumulator & constant != 0,
            }[code]
            at += when_true if holds else when_false


@machines
def test_the_list_is_refused_and_ordinary_calls_are_not(machine):
    """C1."""
    program = seccomp.program(new_processes=False, machine=machine)
    everything = seccomp.REFUSED | seccomp.REFUSED_PROCESSES
    for name, numbers in everything.items():
        if (number := numbers[COLUMN[machine]]) is not None:
            assert decide(program, number, machine=machine) == EPERM, name
    for name, numbers in ORDINARY.items():
        assert decide(program, numbers[COLUMN[machine]], machine=machine) == ALLOW, name
    assert decide(program, 435, machine=machine) == ENOSYS


@machines
def test_compilers_may_run_only_where_they_are_needed(machine):
    """C1."""
    program = seccomp.program(new_processes=True, machine=machine)
    execve = seccomp.REFUSED_PROCESSES["execve"][COLUMN[machine]]
    assert decide(program, execve, machine=machine) == ALLOW
    assert decide(program, seccomp.REFUSED["ptrace"][COLUMN[machine]], machine=machine) == EPERM


@machines
def test_the_cuda_driver_gets_what_it_needs_and_nothing_else(machine):
    """C1: which calls was measured on an H100, one after the other (docs/log.md, 2026-11-26)."""
    program = seccomp.program(new_processes=True, gpu=True, machine=machine)
    for name, numbers in seccomp.REFUSED.items():
        if (number := numbers[COLUMN[machine]]) is not None:
            assert decide(program, number, machine=machine) == EPERM, name
    socket, memory_file = (seccomp.REFUSED[name][COLUMN[machine]] for name in seccomp.FOR_GPUS)
    for family, expected in ((1, ALLOW), (2, EPERM), (16, EPERM), (38, EPERM), (40, EPERM)):
        assert decide(program, socket, machine=machine, argument=family) == expected
    for flags, expected in ((8, ALLOW), (9, ALLOW), (1, EPERM), (16, EPERM)):
        assert decide(program, memory_file, machine=machine, second=flags) == expected
    assert decide(program, ORDINARY["read"][COLUMN[machine]], machine=machine) == ALLOW


@machines
def test_a_call_of_another_architecture_ends_the_process(machine):
    """C2: 32-bit calls have other numbers."""
    program = seccomp.program(new_processes=True, machine=machine)
    assert decide(program, 0, machine=machine, audit=0x40000003) == KILL
    if machine == "x86_64":
        assert decide(program, 0x40000000 | 39, machine=machine) == KILL


@machines
def test_new_namespaces_are_refused_in_every_way_to_start_a_process(machine):
    """C3."""
    clone = (56, 220)[COLUMN[machine]]
    program = seccomp.program(new_processes=True, machine=machine)
    for bit in (17, 25, 26, 27, 28, 29, 30):
        assert decide(program, clone, machine=machine, argument=1 << bit | FORK_FLAGS) == EPERM
    assert decide(program, clone, machine=machine, argument=FORK_FLAGS) == ALLOW


@machines
def test_files_that_siblings_see_cannot_be_locked(machine):
    """C1: commands are F_GETFL, F_DUPFD_CLOEXEC, and then F_SETLK, F_OFD_SETLK, F_SETLEASE."""
    program = seccomp.program(new_processes=False, machine=machine)
    fcntl = (72, 25)[COLUMN[machine]]
    for command, verdict in {3: ALLOW, 1030: ALLOW, 6: EPERM, 37: EPERM, 1024: EPERM}.items():
        assert decide(program, fcntl, machine=machine, second=command) == verdict
    program = seccomp.program(new_processes=True, machine=machine)
    assert decide(program, fcntl, machine=machine, second=6) == ALLOW


@machines
def test_threads_start_and_processes_do_not(machine):
    """C3."""
    clone = (56, 220)[COLUMN[machine]]
    program = seccomp.program(new_processes=False, machine=machine)
    assert decide(program, clone, machine=machine, argument=THREAD_FLAGS) == ALLOW
    assert decide(program, clone, machine=machine, argument=FORK_FLAGS) == EPERM


@pytest.mark.parametrize(
    ("header", "column"),
    [("x86_64-linux-gnu/asm/unistd_64.h", 0), ("asm-generic/unistd.h", 1)],
    ids=["x86_64", "aarch64"],
)
def test_numbers_are_those_of_the_kernel_headers(header, column):
    """C4: calls newer than this machine's headers are left out."""
    path = Path("/usr/include", header)
    if not path.exists():
        pytest.skip(f"needs the kernel's headers ({path})")
    pattern = re.compile(r"#define __NR(?:3264)?_(\w+)\s+(\d+)")
    known = {name: int(number) for name, number in pattern.findall(path.read_text())}
    everything = seccomp.REFUSED | seccomp.REFUSED_PROCESSES
    ours = {name: numbers[column] for name, numbers in everything.items()}
    compared = {name: number for name, number in ours.items() if name in known}
    assert len(compared) > 50
    assert compared == {name: known[name] for name in compared}
    assert all(number is None or name in known or number > 440 for name, number in ours.items())


def test_an_unknown_architecture_is_refused():
    with pytest.raises(OSError, match="riscv64"):
        seccomp.program(new_processes=False, machine="riscv64")
