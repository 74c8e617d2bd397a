"""Descriptions of the known linear mixers, so that a campaign may start from any of them.

Simplified as everywhere in the house: what a description cannot say (initialisation tricks,
residual details) is left to `render`. Names are those of the reference mixers.
"""

from __future__ import annotations

from collections.abc import Callable

from move37.core.errors import UnknownName
from move37.team.symbolic.canonical import canonical
from move37.team.symbolic.description import (
    Convolution,
    Decay,
    Description,
    Feature,
    Gate,
    Memory,
)

CONV4 = Convolution(q=4, k=4, v=4)
SILU_GATE = Gate(range="silu", per="channel")
HEAD_GATE = Gate(range="unit", per="head")
CHANNEL_GATE = Gate(range="unit", per="channel")


def _linear_attention() -> Description:
    """Katharopoulos et al. 2020, arXiv 2006.16236."""
    return Description(feature=Feature(map="elu1"), normaliser=True)


def _retnet() -> Description:
    """Sun et al. 2023, arXiv 2307.08621."""
    return Description(
        memories=(Memory(decay=Decay(kind="fixed")),),
        rotary="fixed",
        output_norm="rms",
        output_gate=SILU_GATE,
    )


def _gla() -> Description:
    """Yang et al. 2023, arXiv 2312.06635: gated linear attention."""
    decay = Decay(kind="data", per="channel", form="root", rank=16)
    return Description(memories=(Memory(decay=decay),), output_norm="rms", output_gate=SILU_GATE)


def _mamba2() -> Description:
    """Dao & Gu 2024, arXiv 2405.21060: scalar decay, step-sized write, D skip."""
    memory = Memory(decay=Decay(kind="data", form="softplus"), dt_write=True)
    return Description(
        value_size="double",
        shared_keys=True,
        memories=(memory,),
        conv=CONV4,
        identity=True,
        output_norm="rms",
        output_gate=SILU_GATE,
    )


def _deltanet() -> Description:
    """Yang et al. 2024, arXiv 2406.06484."""
    return Description(
        memories=(Memory(update="delta", erase=HEAD_GATE),), conv=CONV4, output_norm="rms"
    )


def _gated_deltanet() -> Description:
    """Yang et al. 2024, arXiv 2412.06464."""
    memory = Memory(update="delta", decay=Decay(kind="data"), erase=HEAD_GATE)
    return Description(memories=(memory,), conv=CONV4, output_norm="rms", output_gate=SILU_GATE)


def _hgrn2() -> Description:
    """Qin et al. 2024, arXiv 2404.07904: keys are what the decay frees."""
    decay = Decay(kind="data", per="channel", form="bounded", tied_key=True)
    return Description(
        memories=(Memory(decay=decay),), feature=Feature(map="silu"), output_norm="rms"
    )


def _kimi_delta_attention() -> Description:
    """Kimi Team 2025, arXiv 2510.26692: gated delta rule, one decay per channel."""
    decay = Decay(kind="data", per="channel", form="softplus", rank=16)
    memory = Memory(update="delta", decay=decay, erase=HEAD_GATE)
    gate = Gate(range="unit", per="channel", rank=16)
    return Description(memories=(memory,), conv=CONV4, output_norm="rms", output_gate=gate)


def _gated_deltanet2() -> Description:
    """Gated DeltaNet 2 (arXiv 2605.22791): erase and write apart."""
    decay = Decay(kind="data", per="channel", form="softplus", rank=16)
    memory = Memory(update="delta", decay=decay, erase=CHANNEL_GATE, write=CHANNEL_GATE)
    return Description(memories=(memory,), conv=CONV4, output_norm="rms", output_gate=SILU_GATE)


def _rwkv7() -> Description:
    """Peng et al. 2025, arXiv 2503.14456: per-channel decay, erase per channel before the decay."""
    decay = Decay(kind="data", per="channel", form="capped", rank=16)
    memory = Memory(update="delta", decay=decay, erase=CHANNEL_GATE, erase_first=True)
    gate = Gate(range="unit", per="channel", rank=16)
    return Description(
        memories=(memory,), shift=True, bonus=True, output_norm="rms", output_gate=gate
    )


def _delta_product() -> Description:
    """Siems et al. 2025, arXiv 2502.10297: two Householder steps, negative eigenvalues."""
    erase = Gate(range="double", per="head")
    memory = Memory(update="delta", decay=Decay(kind="data"), erase=erase)
    return Description(
        memories=(memory,), n_writes=2, conv=CONV4, output_norm="rms", output_gate=SILU_GATE
    )


def _mamba3() -> Description:
    """Mamba-3 (arXiv 2603.15569): trapezoidal write, data-dependent rotation, normed keys."""
    memory = Memory(decay=Decay(kind="data", form="softplus"), dt_write=True, two_tap=True)
    return Description(
        value_size="double",
        shared_keys=True,
        memories=(memory,),
        qk_norm="rms",
        key_bias=True,
        rotary="data",
        identity=True,
        output_norm="rms",
        output_gate=SILU_GATE,
    )


def _short_conv() -> Description:
    """The anchor at the bottom: no memory beyond a short filter."""
    return Description(memories=(), firs=(4,), output_gate=SILU_GATE)


LIBRARY: dict[str, Callable[[], Description]] = {
    "linear_attention": _linear_attention,
    "retnet": _retnet,
    "gla": _gla,
    "mamba2": _mamba2,
    "deltanet": _deltanet,
    "gated_deltanet": _gated_deltanet,
    "hgrn2": _hgrn2,
    "kimi_delta_attention": _kimi_delta_attention,
    "gated_deltanet2": _gated_deltanet2,
    "rwkv7": _rwkv7,
    "delta_product": _delta_product,
    "mamba3": _mamba3,
    "short_conv": _short_conv,
}


def library_names() -> tuple[str, ...]:
    """Return the names of all mixers that have a description, in alphabetical order."""
    return tuple(sorted(LIBRARY))


def library_description(name: str) -> Description:
    """Return the description of a known mixer in canonical form.

    Raises:
        UnknownName: no description has this name (softmax attention is not a linear mixer).
    """
    if name not in LIBRARY:
        raise UnknownName.of("description", name, LIBRARY)
    return canonical(LIBRARY[name]())
