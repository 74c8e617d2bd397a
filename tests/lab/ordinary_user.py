"""Run a command as somebody without rights, on a machine where the tests run as root.

Root's home is closed to others and Python may live in it. In a mount namespace of this process
alone, directories on the way that others may not enter are replaced by open ones that hold nothing
but what is needed; then root is given away.
"""

from __future__ import annotations

import ctypes
import os
import stat
import sys
from pathlib import Path

NUMBER = 1_370_038
_libc = ctypes.CDLL(None, use_errno=True)


def main(command: list[str], needed: list[Path]) -> None:
    _check(_libc.unshare(0x00020000))
    _mount("none", "/", 0x4000 | 0x40000)
    for path in needed:
        closed = [up for up in reversed(path.parents) if not up.stat().st_mode & stat.S_IXOTH]
        if closed:
            handle = os.open(path, os.O_PATH)
            _mount("tmpfs", str(closed[0]), 0, "tmpfs")
            path.mkdir(parents=True)
            _mount(f"/proc/self/fd/{handle}", str(path), 0x1000 | 0x4000)
            os.close(handle)
    os.chdir("/")
    os.setgroups([])
    os.setresgid(NUMBER, NUMBER, NUMBER)
    os.setresuid(NUMBER, NUMBER, NUMBER)
    os.environ["HOME"] = "/nonexistent"
    os.execv(command[0], command)


def _mount(source: str, target: str, flags: int, kind: str = "") -> None:
    options = b"mode=0755" if kind else None
    _check(
        _libc.mount(source.encode(), target.encode(), kind.encode(), ctypes.c_ulong(flags), options)
    )


def _check(code: int) -> None:
    if code != 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


if __name__ == "__main__":
    main(sys.argv[1:], [Path(sys.base_prefix).resolve(), Path(sys.prefix).resolve()])
