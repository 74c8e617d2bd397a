"""Names of flash-linear-attention and transformers that layers import, as pure torch.

`install` answers `import fla…` and `import transformers…` inside the sandboxed child with the
modules here, which follow fla's contracts (argument names, layouts, what comes back) and compute
with `move37.arena.kernels`. Any submodule path works (`fla.modules.l2norm`,
`fla.ops.delta_rule.chunk`): what counts is the name. Where a preset says `fla = true`, training on
a GPU gets fla itself instead; probes and scoring (float32, which fla's kernels refuse) never do.
"""

from __future__ import annotations

import importlib.abc
import importlib.machinery
import importlib.util
import sys
from collections.abc import Callable, Sequence
from types import ModuleType
from typing import Any

PARTS = {
    "fla.modules": "move37.arena.fla.modules",
    "fla.ops": "move37.arena.fla.ops",
    "fla.layers.utils": "move37.arena.fla.padding",
    "fla.layers": "move37.arena.fla.padding",
    "fla.models": "move37.arena.fla.cache",
    "fla.utils": "move37.arena.fla.decorators",
    "transformers": "move37.arena.fla.transformers_names",
}


def install() -> None:
    """Answer imports of fla and transformers from here on. Only ever called in a child."""
    if any(isinstance(finder, StandIns) for finder in sys.meta_path):
        return
    sys.meta_path.insert(0, StandIns())


class StandIns(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Finds and makes the stand-in modules."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        """Answer for fla, transformers and everything below."""
        del path, target
        if fullname.partition(".")[0] not in ("fla", "transformers"):
            return None
        if fullname != "fla" and _part(fullname) is None:
            raise ModuleNotFoundError(
                f"no {fullname} here; there are: {', '.join(PARTS)}",
                name=fullname,
            )
        return importlib.machinery.ModuleSpec(fullname, self, is_package=True)

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType:
        """Make a module that has the names of its part, and says so when asked for others."""
        module = ModuleType(spec.name)
        module.__path__ = []
        part = _part(spec.name)
        names = {} if part is None else _public(importlib.import_module(part))
        vars(module).update(names)
        vars(module)["__getattr__"] = _explain(spec.name, names)
        return module

    def exec_module(self, module: ModuleType) -> None:
        """Do nothing: the module is complete."""


def _part(fullname: str) -> str | None:
    matching = [p for p in PARTS if fullname == p or fullname.startswith(p + ".")]
    return PARTS[max(matching, key=len)] if matching else None


def _public(module: ModuleType) -> dict[str, Any]:
    return {name: getattr(module, name) for name in module.__all__}


def _explain(fullname: str, names: dict[str, Any]) -> Callable[[str], Any]:
    def missing(name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        if fullname == "fla":
            return importlib.import_module(f"fla.{name}")
        raise ImportError(f"{fullname} has no {name!r} here; there are: {', '.join(sorted(names))}")

    return missing
