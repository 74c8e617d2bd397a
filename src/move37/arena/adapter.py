"""Layers written the fla way, as a Mixer.

Such a layer is built as `Layer(hidden_size=…, num_heads=…, layer_idx=…, **kwargs)` and called as
`forward(hidden_states, attention_mask, past_key_values, use_cache, output_attentions, **kwargs)`;
it returns `(output, something, past_key_values)`. Here its cache becomes the state that our
contract carries: what it does not put into the cache is forgotten, and then the streaming probe
says so.

B batch, T time, D model channels.
"""

from __future__ import annotations

import contextlib
import importlib
import inspect
from types import ModuleType
from typing import Any

import torch
from torch import Tensor, nn

from move37.arena.faults import ContractError
from move37.arena.instruments import WorkingDtype

WIDTH_NAMES = ("hidden_size", "d_model", "dim", "embed_dim", "n_embd", "model_dim")
HEADS_NAMES = ("num_heads", "n_heads", "heads", "n_head", "num_attention_heads")
INDEX_NAMES = ("layer_idx", "layer_index", "layer_id")
INPUT_NAMES = ("hidden_states", "x", "inputs", "input")
CACHE_NAMES = ("past_key_values", "past_key_value", "cache")
STATE_KEYS = ("recurrent_state", "attn_state", "conv_state", "ffn_state")


def find_fla_layer(module: ModuleType, name: str) -> type[nn.Module] | None:
    """Return the layer that a file written the fla way is about, or None.

    It is a module class defined in the file whose forward takes `hidden_states`; public names
    before private ones, those that take a cache before those that do not, later before earlier.

    Args:
        module: the executed file.
        name: what the file's own classes have as `__module__`.
    """
    found = [
        value
        for value in vars(module).values()
        if isinstance(value, type)
        and issubclass(value, nn.Module)
        and value.__module__ == name
        and "hidden_states" in _signature(value.forward)
    ]
    ranked = sorted(
        enumerate(found),
        key=lambda item: (
            not item[1].__name__.startswith("_"),
            any(n in _signature(item[1].forward) for n in CACHE_NAMES),
            item[0],
        ),
    )
    return ranked[-1][1] if ranked else None


def adapt(layer_class: type[nn.Module]) -> type[nn.Module]:
    """Return a class `Mixer(d_model, n_heads, layer_index)` around a layer written the fla way.

    Raises:
        ContractError: its constructor needs an argument whose meaning cannot be guessed.
    """
    takes = _signature(layer_class.__init__)
    _check_arguments(layer_class.__name__, takes)

    class Mixer(FlaMixer):
        claims_padding = "attention_mask" in _signature(layer_class.forward)

        def __init__(self, d_model: int, n_heads: int, layer_index: int) -> None:
            arguments = _arguments(takes, d_model, n_heads, layer_index)
            super().__init__(layer_class(**arguments), layer_index)

    Mixer.__qualname__ = Mixer.__name__ = layer_class.__name__
    return Mixer


class FlaMixer(nn.Module):
    """The layer, called through our contract.

    Args:
        layer: built.
        layer_index: its place in its cache.
    """

    style = "fla"
    claims_padding = False

    def __init__(self, layer: nn.Module, layer_index: int) -> None:
        super().__init__()
        self.layer = layer
        self.layer_index = layer_index
        self.takes = _signature(layer.forward)
        self.use_cache: bool | None = None
        """Whether to ask for a state; by default in evaluation only, as fla's models do."""
        self.replaced: set[torch.dtype] = set()
        """Narrow float types that the layer asked for on a CPU and did not get."""

    def forward(
        self, x_BTD: Tensor, state: Any = None, attention_mask: Tensor | None = None
    ) -> tuple[Tensor, Any]:
        """Apply the layer to x_BTD; the state is what it left in its cache."""
        wants_state = self.use_cache if self.use_cache is not None else not self.training
        cache = None
        if wants_state or state is not None:
            cache = _to_cache(state, self.layer_index)
        arguments = self._arguments(x_BTD, attention_mask, cache)
        with self._working_dtype(x_BTD):
            result = self.layer(**arguments)
        y_BTD = result[0] if isinstance(result, tuple | list) else result
        if not isinstance(y_BTD, Tensor):
            raise ContractError(
                f"forward must return the output first, got {type(y_BTD).__name__}; "
                "write return (output, None, past_key_values)"
            )
        returned = _find_cache(result, cache)
        return y_BTD, _to_state(returned, self.layer_index, x_BTD)

    def _arguments(
        self, x_BTD: Tensor, attention_mask: Tensor | None, cache: Any
    ) -> dict[str, Any]:
        arguments: dict[str, Any] = {"hidden_states": x_BTD}
        if attention_mask is not None:
            arguments["attention_mask"] = attention_mask
        if cache is not None:
            for name in CACHE_NAMES:
                if name in self.takes:
                    arguments[name] = cache
            if "use_cache" in self.takes:
                arguments["use_cache"] = True
        return arguments

    @contextlib.contextmanager
    def _working_dtype(self, x_BTD: Tensor) -> Any:
        """On a CPU, replace hard-coded bfloat16 by the dtype of the input."""
        if x_BTD.device.type != "cpu" or x_BTD.dtype not in (torch.float32, torch.float64):
            yield
            return
        mode = WorkingDtype(x_BTD.dtype)
        with mode:
            yield
        self.replaced |= mode.replaced


def _signature(function: Any) -> dict[str, inspect.Parameter]:
    try:
        return dict(inspect.signature(function).parameters)
    except (TypeError, ValueError):
        return {}


def _takes_any(parameters: dict[str, inspect.Parameter]) -> bool:
    return any(p.kind is p.VAR_KEYWORD for p in parameters.values())


def _check_arguments(name: str, takes: dict[str, inspect.Parameter]) -> None:
    known = {"self", "head_dim", *WIDTH_NAMES, *HEADS_NAMES, *INDEX_NAMES}
    unknown = [
        n
        for n, p in takes.items()
        if n not in known
        and p.default is p.empty
        and p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)
    ]
    if unknown:
        raise ContractError(
            f"{name}.__init__ needs {', '.join(unknown)}, which nobody gives; add a default "
            "(given are hidden_size or d_model, num_heads, layer_idx)"
        )
    if not _takes_any(takes) and not any(n in takes for n in WIDTH_NAMES):
        raise ContractError(
            f"{name}.__init__ takes no width; add hidden_size (or d_model) as an argument"
        )


def _arguments(
    takes: dict[str, inspect.Parameter], d_model: int, n_heads: int, layer_index: int
) -> dict[str, Any]:
    """Fill in what the constructor calls by whatever name; fall back on fla's own names."""
    given: dict[str, Any] = {}
    for names, value in (
        (WIDTH_NAMES, d_model),
        (HEADS_NAMES, n_heads),
        (INDEX_NAMES, layer_index),
    ):
        present = [n for n in names if n in takes]
        if not present and _takes_any(takes):
            present = [names[0]]
        given |= dict.fromkeys(present, value)
    if "head_dim" in takes:
        given["head_dim"] = d_model // n_heads
    return given


def _to_cache(state: Any, layer_index: int) -> Any:
    """Return a cache of whichever fla is installed that holds this state for this layer."""
    cache = importlib.import_module("fla.models.utils").Cache()
    if state is None:
        return cache
    seen_B, stored = state
    stored = {key: value for key, value in stored.items() if value is not None}
    for index in range(layer_index + 1):
        cache.update(layer_idx=index, offset=int(seen_B[0]), **stored)
    return cache


def _find_cache(result: Any, cache: Any) -> Any:
    """Return the cache among what came back; a layer may also have written into the given one."""
    if cache is None:
        return None
    for part in result if isinstance(result, tuple | list) else ():
        if isinstance(part, type(cache)):
            return part
    return cache


def _to_state(cache: Any, layer_index: int, x_BTD: Tensor) -> Any:
    """Return (tokens seen, what the layer stored), or None where it stored nothing."""
    if cache is None or len(cache) <= layer_index:
        return None
    stored = cache[layer_index]
    if not isinstance(stored, dict):
        stored = {"recurrent_state": stored}
    seen = cache.get_seq_length(layer_index)
    seen_B = torch.full((len(x_BTD),), int(seen), dtype=torch.int64, device=x_BTD.device)
    return seen_B, {key: stored.get(key) for key in STATE_KEYS}
