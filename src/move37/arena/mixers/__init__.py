"""The reference mixers, as text: what campaigns start from and are compared with.

One file each, self-contained given `move37.arena.kernels`, defining `class Mixer` after the
candidate contract. This package itself imports no torch: it reads the files, it does not run them.
A file put here registers itself under its name.
"""

from __future__ import annotations

from importlib import resources

from move37.core.errors import UnknownName


def names() -> tuple[str, ...]:
    """Return the names of all reference mixers, sorted."""
    files = (entry.name for entry in resources.files(__name__).iterdir())
    return tuple(
        sorted(
            name.removesuffix(".py")
            for name in files
            if name.endswith(".py") and not name.startswith("_")
        )
    )


def source(name: str) -> str:
    """Return the source of one reference mixer.

    Raises:
        UnknownName: there is no mixer of this name.
    """
    if name not in names():
        raise UnknownName.of("mixer", name, names())
    return resources.files(__name__).joinpath(f"{name}.py").read_text(encoding="utf-8")
