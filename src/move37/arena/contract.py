"""From candidate text to a class `Mixer`: execute it, find the layer, say what is missing.

Runs only inside the sandboxed child: it executes what it is given. It judges form, not behaviour;
the probes (`move37.lab.probes`) judge behaviour, from outside.
"""

from __future__ import annotations

import inspect
import linecache
import sys
from types import CodeType, ModuleType

import torch
from torch import nn

from move37.arena import fla
from move37.arena.adapter import adapt, find_fla_layer
from move37.arena.faults import ContractError

FILENAME = "<candidate>"
MODULE_NAME = "move37_candidate"
ARGUMENTS = ("d_model", "n_heads", "layer_index")

__all__ = ["FILENAME", "ContractError", "load_mixer"]


def load_mixer(source: str, *, compiles: bool = False, fla_itself: bool = False) -> type[nn.Module]:
    """Execute candidate text; return its layer as a class `Mixer(d_model, n_heads, layer_index)`.

    A layer written the fla way (`forward(hidden_states, past_key_values, ...)`) comes back adapted.
    Exceptions that the candidate's own top-level code raises pass through; their tracebacks show
    its lines.

    Args:
        source: the candidate's text.
        compiles: whether torch.compile compiles; it does nothing otherwise.
        fla_itself: whether imports of fla get fla's own kernels (GPU, half precision), or ours.

    Raises:
        ContractError: it does not parse, imports what a candidate may not, or defines no layer.
    """
    code = _compile(source)
    if not fla_itself and ("fla" in source or "transformers" in source):
        fla.install()
    if not compiles and "compile" in source:
        _skip_compilation()
    module = _execute(code, source)
    mixer = getattr(module, "Mixer", None)
    if mixer is not None and not _reads_hidden_states(mixer):
        _check_class(mixer)
        return mixer
    layer = find_fla_layer(module, MODULE_NAME)
    if layer is None:
        raise ContractError(_nothing_found(module))
    if not fla_itself:
        fla.install()  # it is handed fla's cache, also when it imports nothing of fla
    return adapt(layer)


def _compile(source: str) -> CodeType:
    try:
        return compile(source, FILENAME, "exec", dont_inherit=True)
    except SyntaxError as error:
        line = (error.text or "").strip()[:200]
        raise ContractError(
            f"the source does not parse: line {error.lineno}: {error.msg}: {line}"
        ) from None
    except (ValueError, OverflowError) as error:
        raise ContractError(f"the source does not parse: {error}") from None
    except (MemoryError, RecursionError):
        raise ContractError("the source does not parse: it nests too deeply") from None


def _execute(code: CodeType, source: str) -> ModuleType:
    module = ModuleType(MODULE_NAME)
    module.__file__ = FILENAME
    sys.modules[MODULE_NAME] = module
    linecache.cache[FILENAME] = (len(source), None, source.splitlines(keepends=True), FILENAME)
    try:
        exec(code, module.__dict__)  # noqa: S102 - the sandboxed child exists to do this
    except ImportError as error:
        raise ContractError(
            f"an import failed: {error}; a candidate may import torch, math, einops, typing, "
            "move37.arena.kernels and the fla names listed in move37/arena/fla"
        ) from error
    return module


def _skip_compilation() -> None:
    """Make torch.compile return its argument where compiling costs more than a trial.

    Measured: 57 CPU seconds for a two-layer model, which saves 11 ms a step (docs/log.md).
    """

    def as_it_is(model: object = None, **_options: object) -> object:
        return (lambda later: later) if model is None else model

    torch.compile = as_it_is  # pyright: ignore[reportAttributeAccessIssue] - replaced on purpose
    torch.compiler.disable = (  # pyright: ignore[reportAttributeAccessIssue] - replaced on purpose
        lambda fn=None, recursive=True, **_options: (lambda later: later) if fn is None else fn  # noqa: ARG005 - torch's signature
    )


def _reads_hidden_states(candidate: object) -> bool:
    """Tell whether this is a layer written the fla way that happens to be called Mixer."""
    forward = getattr(candidate, "forward", None)
    return callable(forward) and "hidden_states" in _parameters(forward)


def _parameters(function: object) -> dict[str, inspect.Parameter]:
    try:
        return dict(inspect.signature(function).parameters)  # pyright: ignore[reportArgumentType] - anything may come
    except (TypeError, ValueError):
        return {}


def _check_class(mixer: object) -> None:
    if not (isinstance(mixer, type) and issubclass(mixer, nn.Module)):
        raise ContractError("Mixer must be a class deriving from torch.nn.Module")
    parameters = _parameters(mixer.__init__)
    takes_any = any(p.kind is p.VAR_KEYWORD for p in parameters.values())
    missing = [name for name in ARGUMENTS if name not in parameters]
    if missing and not takes_any:
        raise ContractError(
            f"Mixer.__init__ lacks {', '.join(missing)}; write "
            "def __init__(self, d_model: int, n_heads: int, layer_index: int)"
        )
    unknown = [
        name
        for name, p in parameters.items()
        if name not in (*ARGUMENTS, "self")
        and p.default is p.empty
        and p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)
    ]
    if unknown:
        raise ContractError(
            f"Mixer.__init__ needs {', '.join(unknown)}, which nobody gives; add a default"
        )
    if mixer.forward is nn.Module.forward or "state" not in _parameters(mixer.forward):
        raise ContractError(
            "Mixer needs def forward(self, x_BTD, state=None) that returns (y_BTD, state)"
        )


def _nothing_found(module: ModuleType) -> str:
    names = [
        name
        for name, value in vars(module).items()
        if isinstance(value, type)
        and issubclass(value, nn.Module)
        and value.__module__ == MODULE_NAME
    ]
    return (
        "no class Mixer(nn.Module), nor a layer whose forward takes hidden_states; "
        f"nn.Modules defined here: {', '.join(names) or 'none'}"
    )
