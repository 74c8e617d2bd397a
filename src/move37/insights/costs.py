"""What a layer costs beside the baseline, and who is worth its price: effect against cost.

Time and memory are the kernel's accounting of whole trainings (on a GPU the time is the clock's,
and memory is left out), state and floating point operations the probes' of one mixer. Cost is never
folded into an effect.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from move37.core.trial import Cost, Measurement, ProbeReport, Stage, Trial

MICRO = 1e6
K = TypeVar("K", bound=Hashable)


@dataclass(frozen=True, kw_only=True, slots=True)
class LayerCost:
    """Numbers of one layer; None where nothing was measured."""

    relative: float | None = None
    """Time (`Cost.seconds`) a training token over the baseline's, on seeds that both completed."""
    microseconds_per_token: float | None = None
    """Time of training, mean over seeds."""
    peak_memory_bytes: int | None = None
    """Of a training process, the largest over seeds; None on a GPU, where the host's is not it."""
    flops_per_token: float | None = None
    """Forward pass of one mixer at the probed width."""
    state_bytes: int | None = None
    """Of one sequence in one layer, float32."""
    n_parameters: int | None = None
    """Of the whole model: everyone's within 1 %."""


def layer_cost(
    ours: Iterable[Trial], theirs: Iterable[Trial], probes: ProbeReport | None
) -> LayerCost:
    """Return a layer's cost from its fresh trainings, or from the search's where there are none.

    Args:
        ours: trials of the layer.
        theirs: trials of the baseline.
        probes: the admission probes' report of the layer.
    """
    ours, theirs = list(ours), list(theirs)
    stage = Stage.CONFIRM if _whole(ours, Stage.CONFIRM) else Stage.SEARCH
    mine, baseline = _whole(ours, stage), _whole(theirs, stage)
    costs = [m.cost for m in mine.values()]
    times = [_seconds_per_token(m) for m in mine.values()]
    return LayerCost(
        relative=relative_cost(mine, baseline).time,
        microseconds_per_token=MICRO * math.fsum(times) / len(times) if times else None,
        peak_memory_bytes=peak_memory(costs),
        flops_per_token=probes.flops_per_token or None if probes else None,
        state_bytes=probes.state_bytes or None if probes else None,
        n_parameters=costs[0].n_parameters if costs else None,
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class RelativeCost:
    """What training one layer took over what training another took; None: not measured on both."""

    time: float | None = None
    """`Cost.seconds` per training token."""
    memory: float | None = None
    """Peak memory of a training process, the largest over seeds."""
    flops: float | None = None
    """Of the forward pass of one mixer, as probed at the width of the search."""
    state: float | None = None
    """State of one sequence in one layer, as probed after several hundred tokens; None too where
    either keeps none."""


def relative_cost(
    ours: Mapping[K, Measurement],
    theirs: Mapping[K, Measurement],
    probes: tuple[ProbeReport | None, ProbeReport | None] = (None, None),
) -> RelativeCost:
    """Return the cost of one layer over another's on the trainings that both completed.

    Args:
        ours: what pairs two trainings (the seed; rung and seed) -> measurement of the layer.
        theirs: the same of the other.
        probes: the admission probes' reports of the two.
    """
    mine, other = probes
    probed = RelativeCost(
        flops=_times(mine.flops_per_token, other.flops_per_token) if mine and other else None,
        state=_times(mine.state_bytes, other.state_bytes) if mine and other else None,
    )
    shared = [
        key for key in ours.keys() & theirs.keys()
        if ours[key].cost.tokens > 0 and theirs[key].cost.tokens > 0
    ]  # fmt: skip
    if not shared:
        return probed
    our_time = math.fsum(_seconds_per_token(ours[key]) for key in shared)
    their_time = math.fsum(_seconds_per_token(theirs[key]) for key in shared)
    our_memory = peak_memory([ours[key].cost for key in shared])
    their_memory = peak_memory([theirs[key].cost for key in shared])
    return replace(
        probed, time=_times(our_time, their_time), memory=_times(our_memory, their_memory)
    )


def _times(ours: float | None, theirs: float | None) -> float | None:
    return ours / theirs if ours and theirs else None


def on_front(points: Sequence[tuple[float, float | None]]) -> list[bool]:
    """Say of each (effect, cost) whether no other has as large an effect for as low a cost.

    Equal points share their place. A point without a cost is on no front: it cannot be compared.
    """
    known = [(effect, cost) for effect, cost in points if cost is not None]
    return [
        cost is not None
        and not any(
            other >= effect and price <= cost and (other > effect or price < cost)
            for other, price in known
        )
        for effect, cost in points
    ]


def _whole(trials: Iterable[Trial], stage: Stage) -> Mapping[tuple[int, int], Measurement]:
    """(rung, seed) -> measurement of the completed trials of one stage."""
    return {
        (t.spec.rung, t.spec.seed): t.measurement
        for t in trials
        if t.spec.stage is stage and t.measurement and t.measurement.cost.tokens > 0
    }


def peak_memory(costs: Sequence[Cost]) -> int | None:
    """Return the largest peak of processes whose memory is the layer's: those of the processor."""
    return max((c.peak_memory_bytes for c in costs if c.device == "cpu"), default=None)


def _seconds_per_token(measurement: Measurement) -> float:
    return measurement.cost.seconds / measurement.cost.tokens
