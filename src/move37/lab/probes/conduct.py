"""Probes of a layer as a module: shapes, gradients, memory between calls, precision, device.

B batch, T time, D model channels.
"""

from __future__ import annotations

import numpy as np

from move37.core.trial import ProbeVerdict
from move37.lab.probes.child import Applied, Child, Raised
from move37.lab.probes.draws import WORST, deviation, inputs
from move37.lab.probes.subject import Finding, Subject, verdict

SAME = 1e-12
ROUND_TRIP = 1e-9
LOW_PRECISION = 1e-4  # float32 inside shows as 1e-7, bfloat16 as 4e-3
TWO_DEVICES = ("expected device", "same device", "two devices")


def contract(subject: Subject) -> ProbeVerdict:
    """Builds at any place of the stack, keeps shape, gives finite numbers and a legal state."""
    findings = []
    subject.child.build(layer_index=1)
    subject.restore()
    if not subject.built.n_parameters:
        findings.append(Finding(breach=1.0, detail="the layer has no parameters"))
    for weights in ("initial", "jittered"):
        child = subject.use(weights)
        for n_rows, length in ((2, 1), (2, 17), (1, 130)):
            applied = child.apply(inputs(n_rows, length, subject.d_model), stream=length == 17)
            findings.append(_finite(applied, f"{n_rows} x {length} tokens, {weights} weights"))
            findings.append(_batched(applied, n_rows))
    return verdict("contract", findings, limit=0.0)


def _finite(applied: Applied, what: str) -> Finding:
    n_bad = int(np.count_nonzero(~np.isfinite(applied.y_BTD)))
    return Finding(breach=float(n_bad), detail=f"{what}: {n_bad} outputs are not finite")


def _batched(applied: Applied, n_rows: int) -> Finding:
    for array in applied.state.arrays.values():
        if array.ndim == 0 or len(array) != n_rows:
            return Finding(
                breach=1.0,
                detail=f"a state tensor has shape {array.shape} for a batch of {n_rows}; the first "
                "axis of every state tensor must be the batch",
            )
    return Finding(breach=0.0, detail="")


def repeat_calls(subject: Subject) -> ProbeVerdict:
    """No call may leave a trace: the same input gives the same output, whatever came between."""
    child = subject.use("jittered")
    x_BTD = inputs(2, 33, subject.d_model)
    other_BTD = 2.0 * inputs(3, 40, subject.d_model, seed=5)
    before = child.weights()
    first = child.apply(x_BTD).y_BTD
    second = child.apply(x_BTD).y_BTD
    child.apply(other_BTD)
    third = child.apply(x_BTD).y_BTD
    child.apply(other_BTD, train=True)
    child.pull(other_BTD, inputs(3, 40, subject.d_model, seed=6))
    fourth = child.apply(x_BTD).y_BTD
    findings = [
        _repeat(first, second, "the same 33 tokens again"),
        _repeat(first, third, "the same 33 tokens after a call with other tokens"),
        _repeat(first, fourth, "the same 33 tokens after forward and backward in training mode"),
        _moved(before, child.weights()),
    ]
    subject.restore()
    return verdict("repeat", findings, limit=SAME)


def _repeat(a: np.ndarray, b: np.ndarray, what: str) -> Finding:
    change = float(deviation(a, b).max())
    return Finding(
        breach=change,
        detail=f"{what} gave outputs {100 * change:.2g} % away, in evaluation mode, weights "
        "untouched; keep no counter, cache or statistic in the module",
    )


def _moved(before: dict[str, np.ndarray], after: dict[str, np.ndarray]) -> Finding:
    moved = [
        name
        for name, array in before.items()
        if name not in after
        or after[name].shape != array.shape
        or not np.array_equal(after[name], array, equal_nan=array.dtype.kind == "f")
    ]
    return Finding(
        breach=float(len(moved)),
        detail=f"calls changed {', '.join(moved[:4])} in the module; a layer keeps no counter, "
        "cache or statistic",
    )


def determinism(subject: Subject) -> ProbeVerdict:
    """Evaluation draws no random numbers, and one seed gives one initialisation in any process."""
    child = subject.use("jittered")
    x_BTD = inputs(2, 33, subject.d_model)
    first, other, again = (child.apply(x_BTD, seed=seed).y_BTD for seed in (0, 1, 0))
    by_seed, by_call = deviation(first, other).max(), deviation(first, again).max()
    # what changes from call to call with one seed is memory, and `repeat` says so better
    change = float(by_seed) if by_call <= SAME else 0.0
    findings = [
        Finding(
            breach=change,
            detail=f"in evaluation mode, another random seed moved outputs by {100 * change:.2g} "
            "%; draw random numbers in training mode only (self.training)",
        )
    ]
    subject.second.build(seed=0)
    findings.append(_same_start(subject.weights["initial"], subject.second.weights()))
    return verdict("determinism", findings, limit=SAME)


def _same_start(first: dict[str, np.ndarray], second: dict[str, np.ndarray]) -> Finding:
    differ = [
        name
        for name, array in first.items()
        if name not in second or not np.array_equal(array, second[name], equal_nan=True)
    ]
    return Finding(
        breach=float(len(differ)),
        detail=f"two processes with one seed gave different initial {', '.join(differ[:4])}; draw "
        "initial weights from torch's generator only",
    )


def checkpoint(subject: Subject) -> ProbeVerdict:
    """The state dict is the whole layer: loaded into a fresh process it gives the same outputs."""
    child = subject.use("jittered")
    x_BTD = inputs(2, 40, subject.d_model)
    child.apply(x_BTD, train=True)
    expected = child.apply(x_BTD).y_BTD
    second = subject.second
    second.build(seed=3)
    second.load(child.weights())
    change = float(deviation(expected, second.apply(x_BTD).y_BTD).max())
    finding = Finding(
        breach=change,
        detail=f"saved and loaded into a fresh process, the layer's outputs moved by "
        f"{100 * change:.2g} %; register every tensor as parameter or persistent buffer",
    )
    return verdict("checkpoint", [finding], limit=ROUND_TRIP)


def gradients(subject: Subject) -> ProbeVerdict:
    """Every trainable parameter gets a gradient, and all are finite."""
    child = subject.use("jittered")
    x_BTD = inputs(2, 65, subject.d_model)
    pulled = child.pull(x_BTD, inputs(2, 65, subject.d_model, seed=3))
    norms = pulled.parameter_gradients
    names = [name for name, _, _ in subject.built.parameters]
    trainable = [is_trainable for _, _, is_trainable in subject.built.parameters]
    if len(norms) != len(names):
        detail = f"the layer has {len(names)} parameters but {len(norms)} gradients"
        return verdict("gradients", [Finding(breach=1.0, detail=detail)], limit=0.0)
    broken = [n for n, norm in zip(names, norms, strict=True) if not np.isfinite(norm)]
    unused = [
        n for n, norm, t in zip(names, norms, trainable, strict=True) if t and norm in (-1.0, 0.0)
    ]
    n_bad = int(np.count_nonzero(~np.isfinite(pulled.dx_BTD)))
    findings = [
        Finding(
            breach=float(len(broken)),
            detail=f"2 x 65 tokens: the gradient of {', '.join(broken[:4])} is not finite",
        ),
        Finding(breach=float(n_bad), detail=f"{n_bad} gradients on the input are not finite"),
        Finding(
            breach=float(len(unused)),
            detail=f"no gradient ever reaches {', '.join(unused[:4])}; use it or remove it",
        ),
    ]
    return verdict("gradients", findings, limit=0.0)


def dtype(subject: Subject) -> ProbeVerdict:
    """Works in the dtype it is given, float32 and float64, and rounds to no narrower one inside."""
    x_BTD = inputs(2, 17, subject.d_model)
    child = subject.use("jittered")
    wide = child.apply(x_BTD)
    findings = [_dtype_of(child, x_BTD, "float64", wide)]
    with subject.single_precision() as child:
        findings.append(_dtype_of(child, x_BTD, "float32", wide))
    result = verdict("dtype", findings, limit=LOW_PRECISION)
    if result.passed and wide.replaced and subject.style == "fla":
        note = f"hard-coded {', '.join(wide.replaced)} was replaced by the working dtype"
        return ProbeVerdict(name="dtype", passed=True, limit=LOW_PRECISION, detail=note)
    return result


def _dtype_of(child: Child, x_BTD: np.ndarray, name: str, wide: Applied) -> Finding:
    try:
        native = child.apply(x_BTD, widen=False)
    except Raised as error:
        return Finding(breach=WORST, detail=f"in {name} it raises {error}")
    if native.dtype != name:
        detail = f"given {name} it returns {native.dtype}; create tensors with dtype=x.dtype"
        return Finding(breach=WORST, detail=detail)
    change = float(deviation(wide.y_BTD, native.y_BTD).max())
    return Finding(
        breach=change,
        detail=f"in {name} outputs are {100 * change:.2g} % away from exact; a narrower dtype is "
        "hard-coded inside (or the layer is unstable); cast to x.dtype",
    )


def device(subject: Subject) -> ProbeVerdict:
    """Creates tensors where its input lives, and keeps them where its parameters do."""
    child = subject.use("jittered")
    try:
        child.apply(inputs(1, 17, subject.d_model), foreign=True)
    except Raised as error:
        if any(sign in str(error) for sign in TWO_DEVICES):
            detail = (
                "a tensor is created without device=x.device (or kept outside of parameters and "
                f"buffers) and meets the input; on a GPU this fails: {error}"
            )
            return ProbeVerdict(name="device", passed=False, breach=1.0, detail=detail)
        raise
    return ProbeVerdict(name="device", passed=True)
