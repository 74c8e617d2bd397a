"""Run all admission probes on one candidate and report.

The order is from form to behaviour to cost; a layer that does not even keep the contract is not
asked the rest. A probe in which the candidate's code raises has failed, and the others go on. A
child that dies ends the probing with its outcome.
"""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Callable, Collection

import numpy as np

from move37.core.candidate import check_source
from move37.core.errors import SourceError
from move37.core.trial import Outcome, ProbeReport, ProbeVerdict
from move37.lab.probes import conduct, laws
from move37.lab.probes.child import ProbeSession, Raised
from move37.lab.probes.cost import cost, state_size
from move37.lab.probes.draws import inputs
from move37.lab.probes.subject import Subject
from move37.lab.session import ChildFailed

ACROSS_CALLS: dict[str, Callable[[Subject], ProbeVerdict]] = {
    "batch": laws.batch_independence,
    "length": laws.length_independence,
    "streaming": laws.streaming,
    "left_padding": laws.left_padding,
    "checkpoint": conduct.checkpoint,
    "dtype": conduct.dtype,
}
"""They compare outputs of several calls: they would only repeat that a layer has a memory."""

FINGERPRINT_LENGTH = 24
DIGITS = 4
WALL_SECONDS = 60.0
MAX_TRIES = 3  # as for trials: a child killed from outside says nothing about the candidate


def probe(
    open_session: Callable[[], contextlib.AbstractContextManager[ProbeSession]],
    source: str,
    *,
    d_model: int,
    n_heads: int,
    allow: Collection[str] = (),
    wall_seconds: float = WALL_SECONDS,
) -> ProbeReport:
    """Probe a candidate and say whether it may train.

    Args:
        open_session: opens a fresh sandboxed child, with limits, each time it is called.
        source: the candidate's text.
        d_model: width to probe at.
        n_heads: heads to probe with; divides d_model.
        allow: names of probes that may fail without the report failing: `cost` and `state_size` for
            softmax attention. Their verdicts are still told as they are.
        wall_seconds: for everything together.

    Returns:
        COMPLETED when every probe passed or is allowed to fail; PROBE_FAILED with the verdicts;
        or the way the child died, with the verdicts so far.

    Raises:
        LabError: the lab itself is broken.
    """
    try:
        check_source(source)
    except SourceError as error:
        failed = ProbeVerdict(name="contract", passed=False, detail=str(error))
        return ProbeReport(outcome=Outcome.PROBE_FAILED, verdicts=(failed,), reason=str(error))
    began = time.perf_counter()
    deadline = time.monotonic() + wall_seconds
    tries_left = MAX_TRIES
    while True:
        run, tries_left = _Run(allow), tries_left - 1
        try:
            _examine(run, open_session, source, d_model=d_model, n_heads=n_heads, deadline=deadline)
        except ChildFailed as failure:
            if failure.was_killed and tries_left:
                continue
            return run.report(failure.outcome, failure.reason, time.perf_counter() - began)
        break
    failed = [v for v in run.verdicts if not v.passed and v.name not in allow]
    outcome = Outcome.PROBE_FAILED if failed else Outcome.COMPLETED
    reason = f"{failed[0].name}: {failed[0].detail}" if failed else ""
    return run.report(outcome, reason, time.perf_counter() - began)


def _examine(
    run: _Run,
    open_session: Callable[[], contextlib.AbstractContextManager[ProbeSession]],
    source: str,
    *,
    d_model: int,
    n_heads: int,
    deadline: float,
) -> None:
    """Run all probes in one or two children; what they find is kept in `run`."""
    with contextlib.ExitStack() as stack:
        try:
            subject = Subject(
                open_session,
                source,
                stack=stack,
                d_model=d_model,
                n_heads=n_heads,
                deadline=deadline,
            )
        except Raised as error:
            run.verdicts.append(_raised("contract", error))
        else:
            run.everything(subject)


class _Run:
    """What has been found so far."""

    def __init__(self, allow: Collection[str]) -> None:
        self.allow = allow
        self.verdicts: list[ProbeVerdict] = []
        self.n_parameters = 0
        self.state_bytes = 0
        self.flops_per_token = 0.0
        self.cost_exponent = 0.0
        self.fingerprint: tuple[float, ...] = ()
        self.start: tuple[tuple[float, float, float], ...] = ()

    def everything(self, subject: Subject) -> None:
        """Run the probes in order."""
        self.n_parameters = subject.built.n_parameters
        self._one("contract", lambda: conduct.contract(subject))
        if not self.verdicts[0].passed:
            return
        self._one("determinism", lambda: conduct.determinism(subject))
        if self.verdicts[-1].passed:
            self._comparisons(subject)
        self._one("gradients", lambda: conduct.gradients(subject))
        self._one("device", lambda: conduct.device(subject))
        self._one("state_size", lambda: self._state_size(subject))
        self._one("cost", lambda: self._cost(subject))
        with contextlib.suppress(Raised):  # a layer that raises here has failed a probe above
            self.fingerprint = fingerprint(subject)
        self.start = start(subject)

    def _comparisons(self, subject: Subject) -> None:
        """Compare outputs with outputs, which says nothing about a layer that draws numbers."""
        self._one("repeat", lambda: conduct.repeat_calls(subject))
        if self.verdicts[-1].passed:
            for name, judge in ACROSS_CALLS.items():
                self._one(name, lambda judge=judge: judge(subject))
        self._one("causality", lambda: laws.causality(subject))

    def _one(self, name: str, judge: Callable[[], ProbeVerdict]) -> None:
        try:
            self.verdicts.append(judge())
        except Raised as error:
            self.verdicts.append(_raised(name, error))

    def _cost(self, subject: Subject) -> ProbeVerdict:
        growth = cost(subject, confirm="cost" not in self.allow)
        self.cost_exponent, self.flops_per_token = growth.exponent, growth.flops_per_token
        return growth.verdict

    def _state_size(self, subject: Subject) -> ProbeVerdict:
        size = state_size(subject)
        self.state_bytes = size.state_bytes
        return size.verdict

    def report(self, outcome: Outcome, reason: str, seconds: float) -> ProbeReport:
        """Return what was found, with this ending."""
        return ProbeReport(
            outcome=outcome,
            verdicts=tuple(self.verdicts),
            reason=reason,
            n_parameters=self.n_parameters,
            state_bytes=self.state_bytes,
            flops_per_token=self.flops_per_token,
            cost_exponent=self.cost_exponent,
            seconds=seconds,
            fingerprint=self.fingerprint,
            start=self.start,
        )


def fingerprint(subject: Subject) -> tuple[float, ...]:
    """Return numbers that agree for layers that compute the same, whatever their text says.

    Fixed input, weights fixed by each parameter's place and shape; projections of the output and
    norms of the input gradient, to DIGITS significant digits. Empty when any is not finite.
    """
    x_BTD = inputs(1, FINGERPRINT_LENGTH, subject.d_model, seed=11)
    directions = inputs(12, FINGERPRINT_LENGTH, subject.d_model, seed=12)
    pulled = subject.use("fixed").pull(x_BTD, directions[:1])
    projections = np.tensordot(directions, pulled.y_BTD[0], axes=([1, 2], [0, 1]))
    slopes = np.linalg.norm(pulled.dx_BTD[0], axis=-1)[::2]
    numbers = np.concatenate([projections, slopes])
    if not np.isfinite(numbers).all():
        return ()
    return tuple(_rounded(number) for number in numbers)


def start(subject: Subject) -> tuple[tuple[float, float, float], ...]:
    """Return size, mean and deviation of each trainable parameter's initial values.

    What `fingerprint` leaves out on purpose: two layers that compute the same may start elsewhere.
    Empty when any is not finite.
    """
    initial = [subject.weights["initial"][name] for name in subject.trainable]
    sums = [(float(w.size), float(w.mean()), float(w.std())) for w in initial if w.size]
    if not all(math.isfinite(number) for parameter in sums for number in parameter):
        return ()
    return tuple((size, _rounded(mean), _rounded(deviation)) for size, mean, deviation in sums)


def _rounded(number: float) -> float:
    return float(f"{number:.{DIGITS}g}")


def _raised(name: str, error: Raised) -> ProbeVerdict:
    return ProbeVerdict(name=name, passed=False, detail=f"the candidate's code raised {error}")
