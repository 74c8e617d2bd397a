"""Probes of how cost and state grow with length.

Work below torch is counted in the child; because a candidate could hide work from the counter, the
host also times two lengths by its own clock, and where that looks steep it asks the kernel:
processor seconds of fresh children that did nothing else.

B batch, T time, D model channels.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from move37.core.trial import ProbeVerdict
from move37.lab.probes.child import Child
from move37.lab.probes.draws import inputs
from move37.lab.probes.subject import Finding, Subject, verdict

EXPONENT_LIMIT = 1.25  # n log n between 1024 and 2048 tokens is 1.15, quadratic 2
STEEP = 1.4  # by the clock: caches make linear layers up to 1.2; above this the kernel is asked
SLOW_SECONDS = 0.05  # for 256 tokens: a loop over time; shorter lengths will do
REPEATS = 3
SETTLED = 130  # tokens after which a state has its final size


@dataclass(frozen=True, kw_only=True, slots=True)
class Growth:
    """What was found about cost."""

    verdict: ProbeVerdict
    exponent: float
    flops_per_token: float


def cost(subject: Subject, *, confirm: bool = True) -> Growth:
    """Fit the exponents of work, memory and time over length.

    Args:
        subject: any layer.
        confirm: ask the kernel where the clock looks steep; needless for a layer that may be.
    """
    with subject.single_precision() as child:
        base = 512 if _seconds(child, subject, 256, repeats=1) < SLOW_SECONDS else 128
        counts = [child.cost(inputs(1, n, subject.d_model)) for n in (base, 2 * base, 4 * base)]
        clock = _clock_exponent(child, subject, 2 * base)
    (f1, _), (f2, m2), (f4, m4) = counts
    work = _log2((f4 - f2) / (f2 - f1)) if f2 > f1 else 0.0
    memory = _log2(m4 / m2) if m2 else 0.0
    lengths = f"from {2 * base} to {4 * base} tokens"
    findings = [
        Finding(
            breach=work,
            detail=f"{lengths}, work grows with exponent {work:.2f}: "
            f"{f2:.3g} to {f4:.3g} operations; linear cost is 1",
        ),
        Finding(
            breach=memory,
            detail=f"{lengths}, the largest intermediate grows with exponent "
            f"{memory:.2f}: {m2:.3g} to {m4:.3g} bytes; linear is 1",
        ),
    ]
    if clock > STEEP and max(work, memory) <= EXPONENT_LIMIT and confirm:
        clock = _kernel_exponent(subject, 2 * base)
        findings.append(
            Finding(
                breach=clock if clock > STEEP else 0.0,
                detail=f"from {2 * base} to {8 * base} tokens, processor time grows with exponent "
                f"{clock:.2f}, though the counted work does not; some work is done out of sight",
            )
        )
    return Growth(
        verdict=verdict("cost", findings, limit=EXPONENT_LIMIT),
        exponent=round(max(work, memory), 4),
        flops_per_token=f1 / base,
    )


def _clock_exponent(child: Child, subject: Subject, length: int) -> float:
    short = _seconds(child, subject, length, repeats=REPEATS)
    long = _seconds(child, subject, 4 * length, repeats=2)
    return _log2(long / short) / 2


def _seconds(child: Child, subject: Subject, length: int, *, repeats: int) -> float:
    x_BTD = inputs(1, length, subject.d_model)
    return max(1e-6, min(child.apply(x_BTD, widen=False).seconds for _ in range(repeats)))


def _kernel_exponent(subject: Subject, length: int) -> float:
    """Compare processor seconds of three fresh children: one idle, two that ran one length each."""
    idle = _processor_seconds(subject, length, n_calls=0)
    short = _processor_seconds(subject, length, n_calls=8) - idle
    long = _processor_seconds(subject, 4 * length, n_calls=8) - idle
    return _log2(max(1e-4, long) / max(1e-2, short)) / 2


def _processor_seconds(subject: Subject, length: int, *, n_calls: int) -> float:
    child = subject.open_child()
    child.build(dtype="float32")
    child.load(subject.weight_set("jittered"))
    child.apply(inputs(1, 16, subject.d_model))
    for _ in range(n_calls):
        child.apply(inputs(1, length, subject.d_model), widen=False)
    return child.session.close().cpu_seconds


@dataclass(frozen=True, kw_only=True, slots=True)
class StateSize:
    """What was found about the state."""

    verdict: ProbeVerdict
    state_bytes: int


def state_size(subject: Subject) -> StateSize:
    """The state of a sequence must not grow with the tokens it has seen."""
    child = subject.use("jittered")
    x_BTD = inputs(1, 4 * SETTLED, subject.d_model)
    first = child.apply(x_BTD[:, :SETTLED], stream=True)
    whole = child.apply(x_BTD, stream=True)
    carried = child.apply(x_BTD[:, SETTLED:], first.state, stream=True)
    before, after = first.state.n_bytes_per_sequence, whole.state.n_bytes_per_sequence
    later = carried.state.n_bytes_per_sequence
    findings = [
        Finding(
            breach=float(max(after, later) - before),
            detail=f"the state of one sequence grows from {before} bytes after {SETTLED} tokens to "
            f"{max(after, later)} after {4 * SETTLED} (as float32); keep a summary of fixed size",
        )
    ]
    return StateSize(verdict=verdict("state_size", findings, limit=0.0), state_bytes=after)


def _log2(ratio: float) -> float:
    return math.log2(ratio) if ratio > 0 else 0.0
