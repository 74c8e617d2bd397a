"""A typed description of a mixer: what the symbolic team evolves and `render` turns into PyTorch.

Every well-typed description means something: `canonical` (in `canonical.py`) resolves choices that
have no effect or contradict each other. A description is the layer without its motivation.

Notation of the formulas: per head, state S is K x V, keys k and queries q have K entries, values v
have V entries, log decay g <= 0.
"""

from __future__ import annotations

from dataclasses import fields
from typing import Annotated, Literal, TypeAlias

from pydantic import Field, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass

from move37.core.errors import Move37Error
from move37.team.symbolic.expressions import LINEAR, RECORD, Expr, statistics

Per: TypeAlias = Literal["head", "channel"]
Range: TypeAlias = Literal["unit", "double", "softplus", "silu"]
DecayKind: TypeAlias = Literal["none", "fixed", "learned", "data"]
DecayForm: TypeAlias = Literal["softplus", "root", "bounded", "capped"]
FeatureMap: TypeAlias = Literal[
    "identity", "elu1", "relu", "relu2", "softmax", "silu", "hedgehog", "dpfp"
]
RouteKind: TypeAlias = Literal["sum", "weights", "softmax", "sigmoid"]
Rank: TypeAlias = Annotated[int, Field(ge=0, le=64)]
ConvWidth: TypeAlias = Annotated[int, Field(ge=0, le=8)]
FirWidth: TypeAlias = Annotated[int, Field(ge=2, le=31)]

POSITIVE_MAPS: frozenset[str] = frozenset({"elu1", "relu", "relu2", "softmax", "hedgehog", "dpfp"})
DOUBLING_MAPS: frozenset[str] = frozenset({"hedgehog", "dpfp"})
"""Feature maps that give 2K features from K entries."""


class DescriptionError(Move37Error):
    """Text that is not a description of a mixer."""


@dataclass(frozen=True, kw_only=True, slots=True, config=RECORD)
class Gate:
    """A learned number in a range, one per head or per channel and position."""

    expr: Expr = LINEAR
    range: Range = "unit"
    """`unit` sigmoid in (0, 1); `double` twice that; `softplus` above 0; `silu` for outputs."""
    per: Per = "head"
    rank: Rank = 0
    """Inner width of the matrices behind a channel-wise gate; 0 is full."""
    bias: float = 0.0
    """Initial bias of the pre-activation."""


@dataclass(frozen=True, kw_only=True, slots=True, config=RECORD)
class Decay:
    """How a memory forgets: S is scaled by exp(g) at every position."""

    kind: DecayKind = "none"
    """`fixed` as RetNet's heads; `learned` constants; `data` depends on the position."""
    per: Per = "head"
    form: DecayForm = "softplus"
    """Of data decays, e the gate's pre-activation: `softplus` g = -A softplus(e) (Mamba-2); `root`
    g = log sigmoid(e) / 16 (GLA); `bounded` exp(g) = b + (1 - b) sigmoid(e) (HGRN2); `capped`
    g = -0.6065 sigmoid(e) (RWKV-7)."""
    expr: Expr = LINEAR
    rank: Rank = 0
    tied_key: bool = False
    """Keys are 1 - exp(g) instead of a projection (HGRN2)."""


@dataclass(frozen=True, kw_only=True, slots=True, config=RECORD)
class Memory:
    """One recurrent memory S, written and read at every position."""

    update: Literal["additive", "delta"] = "additive"
    """`additive` S += k v^T; `delta` first erases what S holds under k."""
    decay: Decay = Decay()
    erase: Gate | None = None
    """Strength of erasing (delta only): beta. Per channel: one strength per key channel."""
    write: Gate | None = None
    """Gate on what is written, per head or per value channel. For delta: on top of a per-head erase
    strength, in place of a per-channel one. None: 1, and for delta the erase strength."""
    read: Gate | None = None
    """Gate on the query, per head or per key channel."""
    erase_first: bool = False
    """Erase from the stored S before it decays, as RWKV-7 (delta only)."""
    two_tap: bool = False
    """Also write the previous k v^T, shares learned per position (Mamba-3's trapezoid)."""
    dt_write: bool = False
    """Write strength is the softplus(e) of the decay (Mamba-2)."""
    initial: bool = False
    """The state at the start is learned instead of zero."""


@dataclass(frozen=True, kw_only=True, slots=True, config=RECORD)
class Convolution:
    """Short causal depthwise convolutions behind the projections; width 0 is none."""

    q: ConvWidth = 0
    k: ConvWidth = 0
    v: ConvWidth = 0
    activation: Literal["silu"] | None = "silu"


@dataclass(frozen=True, kw_only=True, slots=True, config=RECORD)
class Feature:
    """What is applied to queries and keys before they meet the memory."""

    map: FeatureMap = "identity"
    temperature: bool = False
    """A learned factor per head in front of the map."""


@dataclass(frozen=True, kw_only=True, slots=True, config=RECORD)
class Routing:
    """How several paths become one output, per head."""

    kind: RouteKind = "sum"
    """`sum`; `weights` learned constants; `softmax` or `sigmoid` gates of the position."""
    expr: Expr = LINEAR
    temperature: bool = False
    """A learned temperature per head (softmax only)."""
    floor: Annotated[float, Field(ge=0, le=0.1)] = 0.0
    """Share that every path keeps (softmax only)."""


@dataclass(frozen=True, kw_only=True, slots=True, config=RECORD)
class Description:
    """A whole mixer."""

    heads: Literal["half", "same", "double"] = "same"
    """Heads relative to the backbone's n_heads; fewer heads have larger memories."""
    key_size: Literal["half", "same", "double"] = "same"
    """Key channels relative to d_model."""
    value_size: Literal["half", "same", "double"] = "same"
    shared_keys: bool = False
    """One query and one key for all heads (Mamba-2's B and C)."""
    shift: bool = False
    """Inputs of all projections are mixed with the previous position, per channel (RWKV)."""
    conv: Convolution = Convolution()
    feature: Feature = Feature()
    qk_norm: Literal["none", "l2", "rms"] = "none"
    key_bias: bool = False
    """Learned vectors are added to normed queries and keys, per head (Mamba-3)."""
    rotary: Literal["none", "fixed", "data"] = "none"
    """Rotation of queries and keys: by position, or by a learned cumulative angle (Mamba-3)."""
    n_writes: Annotated[int, Field(ge=1, le=3)] = 1
    """Key-value pairs written per position, one after the other (DeltaProduct)."""
    normaliser: bool = False
    """Divide by the same memory's sum of keys (linear attention)."""
    memories: Annotated[tuple[Memory, ...], Field(max_length=2)] = (Memory(),)
    """They share queries, keys and values."""
    bonus: bool = False
    """The current position is read with its own weights: + (q . (u * k)) v (RWKV-6)."""
    firs: Annotated[tuple[FirWidth, ...], Field(max_length=2)] = ()
    """Paths beside the memory: depthwise filters of these widths over the values."""
    identity: bool = False
    """A path that is the value itself."""
    routing: Routing = Routing()
    output_norm: Literal["none", "rms"] = "none"
    """Per head, before the output gate."""
    output_gate: Gate | None = None

    @property
    def n_paths(self) -> int:
        """Number of paths that routing joins."""
        return len(self.memories) + len(self.firs) + self.identity


_ADAPTER = TypeAdapter(Description)


def to_json(description: Description) -> str:
    """Return the description as one line of JSON, every field written out."""
    return _ADAPTER.dump_json(description).decode()


def from_json(text: str) -> Description:
    """Return the description that `to_json` wrote.

    Raises:
        DescriptionError: not JSON, an unknown or missing field, or a value out of its range.
    """
    try:
        return _ADAPTER.validate_json(text)
    except ValidationError as error:
        problem = error.errors()[0]
        where = ".".join(str(part) for part in problem["loc"]) or "description"
        raise DescriptionError(
            f"not a description of a mixer: {where}: {problem['msg']} "
            f"({error.error_count()} problem(s) in all)"
        ) from error


def gates(description: Description) -> dict[str, Gate]:
    """Return all gates that exist, by place: `erase`, `write2`, `output`, ... in a fixed order."""
    found: dict[str, Gate] = {}
    for number, memory in enumerate(description.memories):
        for role in ("erase", "write", "read"):
            gate = getattr(memory, role)
            if gate is not None:
                found[role + suffix(number)] = gate
    if description.output_gate is not None:
        found["output"] = description.output_gate
    return found


def expressions(description: Description) -> dict[str, Expr]:
    """Return all expression trees that have an effect, by place, in a fixed order."""
    found: dict[str, Expr] = {}
    for number, memory in enumerate(description.memories):
        if memory.decay.kind == "data":
            found["decay" + suffix(number)] = memory.decay.expr
    found |= {place: gate.expr for place, gate in gates(description).items()}
    if description.routing.kind in ("softmax", "sigmoid"):
        found["route"] = description.routing.expr
    return found


def listens_to(description: Description) -> frozenset[str]:
    """Return all statistics that some gate uses."""
    return frozenset().union(*(statistics(e) for e in expressions(description).values()))


def suffix(number: int) -> str:
    """Return what distinguishes the second memory's parts in names: nothing for the first."""
    return "" if number == 0 else str(number + 1)


def differences(first: Description, second: Description) -> tuple[str, ...]:
    """Return the names of the top fields in which two descriptions differ."""
    return tuple(
        field.name
        for field in fields(Description)
        if getattr(first, field.name) != getattr(second, field.name)
    )
