"""Probes of the one law, forward on a sequence = forward on its pieces, and what follows from it.

Causality, independence of total length, streaming, independence of the batch, left padding. All in
float64 (a float32 pass beside causality), by comparing outputs.

B batch, T time, D model channels.
"""

from __future__ import annotations

import numpy as np

from move37.core.trial import ProbeVerdict
from move37.lab.probes.child import Applied, Child, Raised, State
from move37.lab.probes.draws import WORST, deviation, inputs
from move37.lab.probes.subject import Finding, Subject, verdict

EXACT = 1e-9  # same shapes, same order of operations: only a real dependence shows
REORDERED = 1e-6  # float64 with another chunking, through decays and triangular solves
SINGLE = 1e-5  # the same for float32, where shapes agree
LOUD = 3.0  # size of a perturbation, in deviations of the input
NEAR_CHUNKS = (1, 15, 16, 31, 32, 63, 64, 127, 128)
CAUSAL_LENGTHS = (2, 5, 17, 33, 65, 130, 259)
PREFIXES = (1, 2, 16, 17, 33, 63, 64, 65, 127, 128, 129)
LENGTH = 130
PADDED = (40, 7)
PIECES = (
    (1, 1),
    (2, 1, 2),
    (1,) * 12,
    (3, 5, 9),
    (1, 1, 1, 1, 2, 3, 5, 16, 17, 31, 52),
    (64, 1, 63, 2),
)


def causality(subject: Subject) -> ProbeVerdict:
    """No output may depend on a later token: by perturbation, and by gradient."""
    findings: list[Finding] = []
    for length in CAUSAL_LENGTHS:
        findings += _perturbed(subject, length, "jittered")
    for weights in ("initial", "opened", "closed"):
        findings += _perturbed(subject, 65, weights)
    findings += _gradients(subject)
    findings += _single_precision(subject)
    return verdict("causality", findings, limit=EXACT)


def _perturbed(
    subject: Subject, length: int, weights: str, *, native: Child | None = None
) -> list[Finding]:
    """Change everything from a cut on, one row per cut, and look before the cut."""
    cuts = sorted({c for c in (*NEAR_CHUNKS, length // 2, length - 1) if 0 < c < length})
    x_BTD = np.repeat(inputs(1, length, subject.d_model), len(cuts) + 1, axis=0)
    noise_BTD = LOUD * inputs(len(cuts) + 1, length, subject.d_model, seed=1)
    for row, cut in enumerate(cuts, start=1):
        x_BTD[row, cut:] = noise_BTD[row, cut:]
    if native is None:
        y_BTD = subject.use(weights).apply(x_BTD).y_BTD
    else:
        y_BTD = native.apply(x_BTD, widen=False).y_BTD
    findings = []
    for row, cut in enumerate(cuts, start=1):
        change_T = deviation(y_BTD[:1, :cut], y_BTD[row : row + 1, :cut])[0]
        t = int(change_T.argmax())
        findings.append(
            Finding(
                breach=float(change_T[t]),
                detail=f"with {length} tokens and {weights} weights, changing tokens "
                f"{_span(cut, length)} moved output {t} by {_percent(change_T[t])}; "
                "output t may read tokens 0..t only",
            )
        )
    return findings


def _gradients(subject: Subject) -> list[Finding]:
    """Row b asks for the gradient of output t_b: it must vanish on all later tokens."""
    length = 66
    places = [0, 1, 15, 16, 31, 32, 63, 64]
    x_BTD = np.repeat(inputs(1, length, subject.d_model), len(places), axis=0)
    cotangent_BTD = np.zeros_like(x_BTD)
    for row, t in enumerate(places):
        cotangent_BTD[row, t] = inputs(1, 1, subject.d_model, seed=7)[0, 0]
    child = subject.use("jittered")
    norms_BT = np.linalg.norm(child.pull(x_BTD, cotangent_BTD).dx_BTD, axis=-1)
    findings = []
    for row, t in enumerate(places):
        later = norms_BT[row, t + 1 :]
        largest = float(np.nan_to_num(later.max(), nan=WORST, posinf=WORST))
        own = max(float(np.nan_to_num(norms_BT[row, : t + 1].max())), 1e-12)
        findings.append(
            Finding(
                breach=min(WORST, largest / own),
                detail=f"with {length} tokens in training mode, output {t} has a gradient with "
                f"respect to token {t + 1 + int(later.argmax())}, {_percent(largest / own)} of its "
                "largest; output t may read tokens 0..t only",
            )
        )
    return findings


def _single_precision(subject: Subject) -> list[Finding]:
    """A layer may look ahead only where it sees that it is not being probed in float64."""
    with subject.single_precision() as child:
        findings = _perturbed(subject, LENGTH, "jittered float32", native=child)
    return [Finding(breach=f.breach * EXACT / SINGLE, detail=f.detail) for f in findings]


def length_independence(subject: Subject) -> ProbeVerdict:
    """The outputs for a text must be the same when more text follows."""
    child = subject.use("jittered")
    x_BTD = inputs(2, LENGTH, subject.d_model)
    whole_BTD = child.apply(x_BTD).y_BTD
    findings = []
    for n in PREFIXES:
        change_BT = deviation(child.apply(x_BTD[:, :n]).y_BTD, whole_BTD[:, :n])
        t = int(change_BT.max(axis=0).argmax())
        size = _percent(change_BT.max())
        findings.append(
            Finding(
                breach=float(change_BT.max()),
                detail=f"output {t} for {n} tokens differs by {size} from that "
                f"for the same tokens with {LENGTH - n} more behind them; use no total length, and "
                "pad chunks so that padding has no effect",
            )
        )
    return verdict("length", findings, limit=REORDERED)


def streaming(subject: Subject) -> ProbeVerdict:
    """Forward in pieces with the state carried equals forward at once, also in another process."""
    child = subject.use("jittered")
    findings = []
    for pieces in PIECES:
        findings += _in_pieces(subject, [(child, n) for n in pieces])
    second = subject.second
    second.load(subject.weight_set("jittered"))
    findings += _in_pieces(subject, [(child, 33), (second, 1), (second, 96)])
    return verdict("streaming", findings, limit=REORDERED)


def _in_pieces(subject: Subject, pieces: list[tuple[Child, int]]) -> list[Finding]:
    sizes = [n for _, n in pieces]
    moved = len({id(child) for child, _ in pieces}) > 1
    x_BTD = inputs(2, sum(sizes), subject.d_model)
    whole_BTD = pieces[0][0].apply(x_BTD, stream=True).y_BTD
    state: State | None = None
    done = 0
    outputs = []
    for child, n in pieces:
        applied: Applied = child.apply(x_BTD[:, done : done + n], state, stream=True)
        if problem := _unbatched(applied.state, n_rows=2):
            return [Finding(breach=WORST, detail=problem)]
        outputs.append(applied.y_BTD)
        state, done = applied.state, done + n
    change_BT = deviation(whole_BTD, np.concatenate(outputs, axis=1))
    first = int((change_BT.max(axis=0) > REORDERED).argmax())
    where = ", the state moved to a fresh process after the first piece" if moved else ""
    size = _percent(change_BT[:, first].max())
    return [
        Finding(
            breach=float(change_BT.max()),
            detail=f"{sum(sizes)} tokens in pieces of {_runs(sizes)}{where}: output {first} "
            f"differs by {size} from one forward over all; carry everything "
            "that later outputs need (convolution tails, recurrent state, position) in the state",
        )
    ]


def _unbatched(state: State, *, n_rows: int) -> str:
    for name, array in state.arrays.items():
        if array.ndim == 0 or len(array) != n_rows:
            return (
                f"state tensor {name} has shape {array.shape} for a batch of {n_rows}; the first "
                "axis of every state tensor must be the batch"
            )
    return ""


def batch_independence(subject: Subject) -> ProbeVerdict:
    """A row's output may not depend on the other rows, in evaluation and in training mode."""
    child = subject.use("jittered")
    x_BTD = inputs(3, 65, subject.d_model)
    others_BTD = x_BTD.copy()
    others_BTD[[0, 2]] = LOUD * inputs(2, 65, subject.d_model, seed=1)
    findings = []
    for train in (False, True):
        mode = "training" if train else "evaluation"
        a = child.apply(x_BTD, train=train).y_BTD[1:2]
        b = child.apply(others_BTD, train=train).y_BTD[1:2]
        findings.append(_batch_finding(deviation(a, b), f"in {mode} mode, changing rows 0 and 2"))
    alone = child.apply(x_BTD[1:2]).y_BTD
    together = child.apply(x_BTD).y_BTD[1:2]
    # another batch size may run another matrix kernel: rounding is allowed here
    change = deviation(alone, together) * EXACT / REORDERED
    findings.append(_batch_finding(change, "giving the row alone"))
    return verdict("batch", findings, limit=EXACT)


def _batch_finding(change_BT: np.ndarray, what: str) -> Finding:
    return Finding(
        breach=float(change_BT.max()),
        detail=f"3 rows of 65 tokens: {what} moved the outputs of row 1 by "
        f"{_percent(change_BT.max())}; compute every row by itself",
    )


def left_padding(subject: Subject) -> ProbeVerdict:
    """A layer that takes an attention mask gives a left-padded row what it gives the row alone."""
    if not subject.claims_padding:
        return ProbeVerdict(
            name="left_padding", passed=True, detail="not claimed: no attention mask"
        )
    child = subject.use("jittered")
    length, pad = PADDED
    x_BTD = inputs(2, length, subject.d_model)
    mask_BT = np.ones((2, length), dtype=np.int64)
    mask_BT[1, :pad] = 0
    x_BTD[1, :pad] = LOUD * inputs(1, pad, subject.d_model, seed=1)[0]
    findings = []
    try:
        padded_BTD = child.apply(x_BTD, mask_BT=mask_BT).y_BTD
    except Raised as error:
        detail = f"not claimed: given a mask it raises {error}"
        return ProbeVerdict(name="left_padding", passed=True, detail=detail)
    for row, start in ((0, 0), (1, pad)):
        alone = child.apply(x_BTD[row : row + 1, start:]).y_BTD
        change = deviation(alone, padded_BTD[row : row + 1, start:]).max()
        findings.append(
            Finding(
                breach=float(change),
                detail=f"2 rows of {length} tokens, {pad} of row 1 masked on the left: outputs of "
                f"row {row} differ by {_percent(change)} from those of its tokens alone; reset the "
                "state at sequence borders (pass cu_seqlens on) or do not accept a mask",
            )
        )
    return verdict("left_padding", findings, limit=REORDERED)


def _span(first: int, length: int) -> str:
    return f"{first}..{length - 1}" if first < length - 1 else f"{first}"


def _percent(share: float) -> str:
    if share >= WORST:
        return "not a number"
    return f"{100 * share:.2g} %"


def _runs(sizes: list[int]) -> str:
    if len(sizes) > 3 and len(set(sizes)) == 1:
        return f"{sizes[0]} ({len(sizes)} times)"
    return " + ".join(str(n) for n in sizes)
