"""The labs with networks: each runs in a process of its own, where torch is."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from move37.core.errors import LabError

LONGEST_SECONDS = 600.0  # a minute of processor time each, on a machine with other work
SOURCE_ROOT = Path(__file__).parents[2]


def subliminal(*, n_seeds: int = 6) -> dict[str, Any]:
    """Train teachers and students; return rates by network and seed.

    Raises:
        LabError: the process that trains failed; says its last words.
    """
    return run_arena("subliminal", str(n_seeds))


def run_arena(name: str, *arguments: str, plan: dict[str, Any] | None = None) -> dict[str, Any]:
    """Run a lab of the arena in a process of its own; return what it prints.

    Args:
        name: of the lab's module.
        arguments: of its command line.
        plan: what it reads.

    Raises:
        LabError: it failed or took too long.
    """
    environment = {**os.environ, "PYTHONPATH": str(SOURCE_ROOT)}
    try:
        done = subprocess.run(
            [sys.executable, "-m", f"move37.arena.{name}", *arguments],
            capture_output=True,
            input=json.dumps(plan).encode(),
            timeout=LONGEST_SECONDS,
            check=False,
            env=environment,
        )
    except subprocess.TimeoutExpired as error:
        raise LabError(f"the {name} lab took more than {LONGEST_SECONDS:.0f} s") from error
    if done.returncode != 0:
        if b"No module named 'sklearn'" in done.stderr:
            raise LabError(f"the {name} lab needs scikit-learn: pip install 'move37[labs]'")
        words = done.stderr.decode("utf-8", "replace").strip().splitlines()[-1:]
        raise LabError(f"the {name} lab failed: {' '.join(words) or done.returncode}")
    return json.loads(done.stdout)
