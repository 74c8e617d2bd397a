"""The host's end of one probe child: typed requests, and replies that are checked before use.

Every array that comes back may be a lie; its shape and kind are checked here, so that the probes
only ever compare numbers with numbers.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from move37.core.trial import Outcome
from move37.lab.session import ChildFailed, Exit
from move37.lab.wire import Message

MAX_WEIGHTS = 2**26
"""Numbers in a state dict; more would not fit into the child beside its gradients anyway."""
MAX_AXES = 16
MAX_FLOPS = 1e30
MAX_BYTES = 2**60


class ProbeSession(Protocol):
    """What the probes need of `lab.session.Session`."""

    def ask(self, message: Message, *, timeout_seconds: float) -> Message:
        """Send a request and return the reply; raises ChildFailed."""
        ...

    def close(self) -> Exit:
        """End the child and return what it used."""
        ...


class Raised(Exception):
    """The candidate's code raised; the message is for a repairer."""


@dataclass(frozen=True, kw_only=True, slots=True)
class State:
    """A packed state: its structure as JSON and its tensors."""

    structure: Any
    arrays: dict[str, np.ndarray]

    @property
    def n_bytes_per_sequence(self) -> int:
        """Size in float32 bytes, whatever the dtype it came in; leaves must be batch first."""
        return sum(4 * a.size // max(1, len(a)) for a in self.arrays.values() if a.ndim)


@dataclass(frozen=True, kw_only=True, slots=True)
class Applied:
    """What one forward pass gave."""

    y_BTD: np.ndarray  # noqa: N815 - axes
    state: State
    dtype: str
    """The dtype y had in the child."""
    replaced: tuple[str, ...]
    """Narrow float types the layer asked for and did not get."""
    seconds: float
    """By the host's clock."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Pulled:
    """What one backward pass gave."""

    y_BTD: np.ndarray  # noqa: N815 - axes
    dx_BTD: np.ndarray  # noqa: N815 - axes
    parameter_gradients: np.ndarray
    """Norm per parameter, in the order of `Built.parameters`; -1 where there is none."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Built:
    """The layer's parameters, as (name, shape, trainable), and its buffers, as (name, shape)."""

    parameters: tuple[tuple[str, tuple[int, ...], bool], ...]
    buffers: tuple[tuple[str, tuple[int, ...]], ...]

    @property
    def n_parameters(self) -> int:
        """Numbers in all parameters."""
        return sum(math.prod(shape) for _, shape, _ in self.parameters)


class Child:
    """One probe child.

    Args:
        session: freshly opened.
        deadline: on `time.monotonic`; whoever has not answered by then is out of time.
    """

    def __init__(self, session: ProbeSession, deadline: float) -> None:
        self.session = session
        self.deadline = deadline
        self.d_model = 0

    def open(self, source: str, *, d_model: int, n_heads: int) -> tuple[str, bool]:
        """Hand over the source; return (style, whether it claims to support left padding)."""
        self.d_model = d_model
        reply = self._ask(
            "probe",
            "ready",
            {"source": source, "d_model": d_model, "n_heads": n_heads, "dtype": "float64"},
        )
        match reply.fields:
            case {"style": str(style), "claims_padding": bool(claims)}:
                return style[:40], claims
        raise self._forged("'ready' without style")

    def build(self, *, seed: int = 0, layer_index: int = 0, dtype: str = "float64") -> Built:
        """Construct the layer anew."""
        reply = self._ask(
            "build", "built", {"seed": seed, "layer_index": layer_index, "dtype": dtype}
        )
        try:
            built = Built(
                parameters=tuple(
                    (str(name), tuple(int(n) for n in shape), bool(trainable))
                    for name, shape, trainable in reply.fields["parameters"]
                ),
                buffers=tuple(
                    (str(name), tuple(int(n) for n in shape))
                    for name, shape in reply.fields["buffers"]
                ),
            )
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            raise self._forged("'built' without parameters") from error
        shapes = [shape for _, shape, _ in built.parameters]
        if any(len(shape) > MAX_AXES or min(shape, default=0) < 0 for shape in shapes):
            raise self._forged("'built' with shapes that are none")
        if built.n_parameters > MAX_WEIGHTS:
            raise self._too_large()
        return built

    def weights(self) -> dict[str, np.ndarray]:
        """Return the state dict."""
        arrays = self._ask("weights", "weights").arrays
        if sum(array.size for array in arrays.values()) > MAX_WEIGHTS:
            raise self._too_large()
        return dict(arrays)

    def load(self, weights: dict[str, np.ndarray]) -> None:
        """Load a state dict, strictly."""
        self._ask("load", "loaded", arrays=weights)

    def apply(
        self,
        x_BTD: np.ndarray,
        state: State | None = None,
        *,
        mask_BT: np.ndarray | None = None,
        **fields: Any,
    ) -> Applied:
        """Run forward. Fields: seed, train, stream (carry a state), widen, foreign."""
        arrays = {"x": x_BTD, **({} if state is None else state.arrays)}
        if mask_BT is not None:
            arrays["mask"] = mask_BT
        structure = None if state is None else state.structure
        fields = {"widen": True, **fields, "state": structure}
        start = time.perf_counter()
        reply = self._ask("apply", "applied", fields, arrays)
        seconds = time.perf_counter() - start
        state_arrays = dict(reply.arrays)
        y_BTD = self._floats(state_arrays.pop("y", None), x_BTD.shape)
        replaced = reply.fields.get("replaced")
        if not isinstance(replaced, list):
            raise self._forged("'applied' without a list of dtypes")
        return Applied(
            y_BTD=y_BTD,
            state=State(structure=reply.fields.get("state"), arrays=state_arrays),
            dtype=str(reply.fields.get("dtype"))[:20],
            replaced=tuple(str(name)[:20] for name in replaced[:10]),
            seconds=seconds,
        )

    def pull(self, x_BTD: np.ndarray, cotangent_BTD: np.ndarray, *, seed: int = 0) -> Pulled:
        """Run forward and backward in training mode."""
        arrays = {"x": x_BTD, "cotangent": cotangent_BTD}
        reply = self._ask("pull", "pulled", {"seed": seed}, arrays)
        norms = reply.arrays.get("parameter_gradients")
        if norms is None or norms.ndim != 1:
            raise self._forged("'pulled' without parameter gradients")
        return Pulled(
            y_BTD=self._floats(reply.arrays.get("y"), x_BTD.shape),
            dx_BTD=self._floats(reply.arrays.get("dx"), x_BTD.shape),
            parameter_gradients=norms,
        )

    def cost(self, x_BTD: np.ndarray) -> tuple[float, float]:
        """Return (flops, bytes of the largest intermediate) of one forward pass."""
        match self._ask("cost", "costed", arrays={"x": x_BTD}).fields:
            case {"flops": int() | float() as flops, "largest_bytes": int(largest)} if (
                0 <= flops <= MAX_FLOPS and 0 <= largest <= MAX_BYTES
            ):
                return float(flops), float(largest)
        raise self._forged("'costed' without flops")

    def _ask(
        self,
        kind: str,
        expected: str,
        fields: dict[str, Any] | None = None,
        arrays: dict[str, np.ndarray] | None = None,
    ) -> Message:
        reply = self.session.ask(
            Message(kind=kind, fields=fields or {}, arrays=arrays or {}),
            timeout_seconds=max(0.01, self.deadline - time.monotonic()),
        )
        if reply.kind == expected:
            return reply
        reason = str(reply.fields.get("reason", ""))[:2000]
        if reply.kind == "raised":
            raise Raised(reason)
        raise self._forged(f"{reply.kind!r:.80} where {expected!r} was due")

    def _floats(self, array: np.ndarray | None, shape: tuple[int, ...]) -> np.ndarray:
        if array is None or array.shape != shape or array.dtype.kind != "f":
            raise self._forged("an array of another shape or type than asked for")
        return array.astype(np.float64)

    def _too_large(self) -> ChildFailed:
        reason = f"the layer has more than {MAX_WEIGHTS} weights at width {self.d_model}"
        return ChildFailed(Outcome.OUT_OF_MEMORY, reason, self.session.close())

    def _forged(self, what: str) -> ChildFailed:
        reason = f"the child broke the protocol: it sent {what}"
        return ChildFailed(Outcome.FORGED, reason, self.session.close())
