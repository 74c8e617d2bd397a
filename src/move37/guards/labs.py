"""The labs with networks: each runs in a process of its own, where torch is."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from move37.core.errors import LabError

SUBLIMINAL_SECONDS = 300.0
SOURCE_ROOT = Path(__file__).parents[2]


def subliminal(*, n_seeds: int = 6) -> dict[str, Any]:
    """Train teachers and students in a process of its own; return rates by network and seed.

    Raises:
        LabError: the process failed; says its last words.
    """
    environment = {**os.environ, "PYTHONPATH": str(SOURCE_ROOT)}
    try:
        done = subprocess.run(
            [sys.executable, "-m", "move37.arena.subliminal", str(n_seeds)],
            capture_output=True,
            timeout=SUBLIMINAL_SECONDS,
            check=False,
            env=environment,
        )
    except subprocess.TimeoutExpired as error:
        raise LabError(f"the subliminal lab took more than {SUBLIMINAL_SECONDS:.0f} s") from error
    if done.returncode != 0:
        if b"No module named 'sklearn'" in done.stderr:
            raise LabError("the subliminal lab needs scikit-learn: pip install 'move37[labs]'")
        words = done.stderr.decode("utf-8", "replace").strip().splitlines()[-1:]
        raise LabError(f"the subliminal lab failed: {' '.join(words) or done.returncode}")
    return json.loads(done.stdout)
