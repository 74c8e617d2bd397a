"""Start a program as nobody in particular, with files in its sight that only root can reach.

Run as a script by root: `drop_root.py NUMBER SOURCES PROGRAM ARGUMENTS...`. Bubblewrap started by
root would run candidates under root's own number, and the kernel lets root's number write what lies
under /proc/sys even without capabilities. So the lab gives root away first. The sources (JSON: name
-> path) are bound under STAGE in a mount namespace of this process alone, because a home of root's
is usually closed to others. Standard library only: it runs before anything is imported.
"""

from __future__ import annotations

import ctypes
import json
import os
import sys

STAGE = "/tmp"  # noqa: S108  # a mount point in a private namespace; nothing is written below it
NEW_MOUNT_NAMESPACE = 0x00020000
BIND, RECURSIVE, PRIVATE = 0x1000, 0x4000, 0x40000
_libc = ctypes.CDLL(None, use_errno=True)


def main(number: int, sources: dict[str, str], command: list[str]) -> None:
    """Stage the sources, become `number`, and turn into the command."""
    if sources:
        _stage(sources)
    os.chdir("/")
    os.setgroups([])
    os.setresgid(number, number, number)
    os.setresuid(number, number, number)
    os.execv(command[0], command)  # noqa: S606  # no shell on purpose


def _stage(sources: dict[str, str]) -> None:
    """Bind every source under STAGE, in a mount namespace of this process alone."""
    _check(_libc.unshare(NEW_MOUNT_NAMESPACE), "unshare the mount namespace")
    _mount("none", "/", None, RECURSIVE | PRIVATE)
    handles = {name: os.open(path, os.O_PATH | os.O_CLOEXEC) for name, path in sources.items()}
    _mount("tmpfs", STAGE, "tmpfs", 0, "mode=0755,size=4m")
    for name, handle in handles.items():
        target = f"{STAGE}/{name}"
        if os.path.isdir(f"/proc/self/fd/{handle}"):  # noqa: PTH112  # no pathlib: start-up time
            os.mkdir(target, 0o755)  # noqa: PTH102
        else:
            os.close(os.open(target, os.O_CREAT | os.O_WRONLY, 0o644))
        _mount(f"/proc/self/fd/{handle}", target, None, BIND | RECURSIVE)


def _mount(source: str, target: str, kind: str | None, flags: int, options: str = "") -> None:
    kind_bytes = kind.encode() if kind else None
    code = _libc.mount(
        source.encode(), target.encode(), kind_bytes, ctypes.c_ulong(flags), options.encode()
    )
    _check(code, f"mount {target}")


def _check(code: int, what: str) -> None:
    if code != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"cannot {what}: {os.strerror(number)}")


if __name__ == "__main__":
    main(int(sys.argv[1]), json.loads(sys.argv[2]), sys.argv[3:])
