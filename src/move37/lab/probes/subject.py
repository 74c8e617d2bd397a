"""The layer under probe: two children that hold it, its weight sets, and findings about it."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from move37.core.trial import ProbeVerdict
from move37.lab.probes.child import Built, Child, ProbeSession, Raised
from move37.lab.probes.draws import OPENING, fixed, jittered

WEIGHT_SETS = ("initial", "jittered", "opened", "closed", "fixed")


@dataclass(frozen=True, kw_only=True, slots=True)
class Finding:
    """One comparison a probe made: how large the breach is, and the input that shows it."""

    breach: float
    detail: str


class Subject:
    """What the probes ask.

    Args:
        open_session: gives a fresh sandboxed child each time.
        stack: ends the children when it is closed.
        source: of the candidate.
        d_model: width to build it at.
        n_heads: heads to build it with.
        deadline: on `time.monotonic`.
    """

    def __init__(
        self,
        open_session: Callable[[], contextlib.AbstractContextManager[ProbeSession]],
        source: str,
        *,
        stack: contextlib.ExitStack,
        d_model: int,
        n_heads: int,
        deadline: float,
    ) -> None:
        self.open_session = open_session
        self.source = source
        self.d_model = d_model
        self.n_heads = n_heads
        self.deadline = deadline
        self.stack = stack
        self.style = ""
        self.claims_padding = False
        self.child = self.open_child()
        self.built: Built = self.child.build()
        self.weights: dict[str, dict[str, np.ndarray]] = {"initial": self.child.weights()}
        self.in_use = "initial"
        self._second: Child | None = None

    def open_child(self) -> Child:
        """Open another child that holds the same source."""
        session = self.stack.enter_context(self.open_session())
        child = Child(session, self.deadline)
        self.style, self.claims_padding = child.open(
            self.source, d_model=self.d_model, n_heads=self.n_heads
        )
        return child

    @property
    def second(self) -> Child:
        """A child that shares nothing with the first but the source; opened when first used."""
        if self._second is None:
            self._second = self.open_child()
            self._second.build(seed=2)
        return self._second

    @property
    def trainable(self) -> list[str]:
        """Names of the parameters that are in the state dict."""
        initial = self.weights["initial"]
        return [
            name for name, _, trainable in self.built.parameters if trainable and name in initial
        ]

    def weight_set(self, name: str) -> dict[str, np.ndarray]:
        """Return one of WEIGHT_SETS."""
        if name not in self.weights:
            initial = self.weights["initial"]
            self.weights[name] = {
                "jittered": lambda: jittered(initial, self.trainable),
                "opened": lambda: jittered(initial, self.trainable, vectors=OPENING),
                "closed": lambda: jittered(initial, self.trainable, vectors=-OPENING),
                "fixed": lambda: fixed(initial, self.trainable),
            }[name]()
        return self.weights[name]

    def use(self, name: str) -> Child:
        """Return the first child with this weight set loaded."""
        if self.in_use != name:
            self.child.load(self.weight_set(name))
            self.in_use = name
        return self.child

    @contextlib.contextmanager
    def single_precision(self) -> Iterator[Child]:
        """Give the first child with its layer built in float32, with the jittered weights."""
        self.child.build(dtype="float32")
        self.child.load(self.weight_set("jittered"))
        try:
            yield self.child
        except Raised:
            self.restore()
            raise
        self.restore()

    def restore(self) -> None:
        """Build the first child's layer anew in float64, with its initial weights."""
        self.child.build()
        self.in_use = "initial"


def verdict(name: str, findings: list[Finding], *, limit: float) -> ProbeVerdict:
    """Judge: passed when no breach exceeds the limit.

    The size is that of the largest breach; the detail that of the first, so list the smallest
    inputs first.
    """
    worst = max((f.breach for f in findings), default=0.0)
    first = next((f.detail for f in findings if not f.breach <= limit), "")
    return ProbeVerdict(name=name, passed=not first, breach=float(worst), limit=limit, detail=first)
