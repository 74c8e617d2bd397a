"""Which installed packages the arena needs, and where they are: what the sandbox may see of them.

The sandbox shows candidates these packages and no others, because a whole site-packages directory
holds what a candidate must not read: the text collection that held-out data is cut from, for one.
Nothing is imported to find out.
"""

from __future__ import annotations

import importlib.util
import re
from importlib import metadata
from pathlib import Path

ARENA_NEEDS = ("torch", "numpy", "safetensors", "einops")
GPU_NEEDS = ("flash-linear-attention", "fla-core", "transformers", "triton")
_NAME = re.compile(r"^[A-Za-z0-9][A-Za-z0-9._-]*")


def find_packages(roots: tuple[str, ...]) -> dict[str, Path]:
    """Return name in site-packages -> path, for these distributions and all they require.

    Distributions that are not installed are left out: the arena says at import what it lacks.
    """
    entries: dict[str, Path] = {}
    seen: set[str] = set()
    waiting = list(roots)
    while waiting:
        name = waiting.pop()
        if _normal(name) in seen:
            continue
        seen.add(_normal(name))
        try:
            distribution = metadata.distribution(name)
        except metadata.PackageNotFoundError:
            continue
        entries |= _entries(distribution)
        waiting += _required(distribution)
    for name in roots:  # installed for development: the metadata lists no modules
        if name not in entries and (spec := importlib.util.find_spec(name.replace("-", "_"))):
            for location in spec.submodule_search_locations or ():
                entries[name] = Path(location)
    return entries


def _entries(distribution: metadata.Distribution) -> dict[str, Path]:
    names = {file.parts[0] for file in distribution.files or () if len(file.parts) > 0}
    found = {}
    for name in names - {"..", "__pycache__", "bin", "share"}:
        path = Path(str(distribution.locate_file(name)))
        if path.exists() and path.suffix not in {".pth", ".egg-link"}:
            found[name] = path
    return found


def _required(distribution: metadata.Distribution) -> list[str]:
    names = []
    for requirement in distribution.requires or ():
        name = _NAME.match(requirement)
        if name and "extra ==" not in requirement.replace("'", '"').replace(
            'extra=="', 'extra =="'
        ):
            names.append(name[0])
    return names


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
