"""A candidate's card: everything that is known of it, with proof, as a record and as a page.

The page is one file: no script, nothing loaded from elsewhere, light, dark and on paper. All words
of candidates are escaped.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape
from markupsafe import Markup

from move37.core.claims import Effect, Verdict
from move37.core.trial import ProbeReport
from move37.insights import wording
from move37.insights.costs import LayerCost
from move37.insights.race import bar_words


@dataclass(frozen=True, kw_only=True, slots=True)
class Mechanism:
    """How the layer works."""

    words: str
    """As its author says it."""
    formulas: tuple[str, ...]
    """Empty where none can be derived; `remark` says why."""
    remark: str
    """What the formulas rest on."""
    stated: tuple[str, ...]
    """Formulas in the author's own text: not checked."""
    diagram: str
    """SVG element."""


@dataclass(frozen=True, kw_only=True, slots=True)
class EffectRow:
    """Effects on one task, or on their mean, by what they were measured on."""

    task: str
    search: Effect | None = None
    fresh: Effect | None = None
    larger: Effect | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class FreshCheck:
    """What the fresh seeds say without Student's t: checks, on which no decision rests."""

    differences: tuple[float, ...]
    """Mean over the tasks of each pair, noise units, in order of the seeds."""
    bootstrap: Effect
    """Their mean with its expanded percentile interval."""
    sign_e_value: float
    """Of how many are better, and nothing else."""

    @property
    def words(self) -> str:
        """All of it in a line."""
        n, better = len(self.differences), sum(d > 0 for d in self.differences)
        pairs = ", ".join(map(wording.signed, self.differences))
        boot = f"[{wording.signed(self.bootstrap.low)}, {wording.signed(self.bootstrap.high)}]"
        return (
            f"{pairs}; by bootstrap {boot}; {better} of {n} better, "
            f"by signs alone e-value {self.sign_e_value:.3g}"
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class PredictionRow:
    """What the author declared before any trial, beside what was measured."""

    task: str
    declared: float
    confidence: float
    measured: Effect | None
    measured_on: str
    """`fresh seeds`, `search`, or empty."""

    @property
    def held(self) -> bool | None:
        """Whether the sign was right; None while nothing was measured."""
        return None if self.measured is None else (self.declared > 0) == (self.measured.mean > 0)


@dataclass(frozen=True, kw_only=True, slots=True)
class CostRow:
    """What all trainings of one stage used, and the layer's cost there."""

    stage: str
    n_trials: int
    n_failed: int
    cpu_seconds: float
    microseconds_per_token: float | None
    peak_memory_bytes: int | None
    n_parameters: int | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Relative:
    """An ancestor or a child."""

    id: str
    name: str
    words: str
    """Standing and effect."""


@dataclass(frozen=True, kw_only=True, slots=True)
class OriginRow:
    """Where one design element comes from, as declared and as checked."""

    element: str
    origin: str
    source: str
    about: str
    """Title of the card or name of the candidate it comes from."""
    check: str
    """`shown to the author`, `not shown: counts as original`, or empty."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ProofRow:
    """One event of the ledger that is about the candidate."""

    seq: int
    kind: str
    time: str
    """UTC."""
    hash: str


@dataclass(frozen=True, kw_only=True, slots=True)
class ArtefactRow:
    """A file that the ledger names by digest."""

    digest: str
    about: str
    """Which training's weights."""
    is_kept: bool
    initialisation: str
    """Digest of the weights before the first step, as declared; empty where nobody asked."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Proof:
    """How anybody can check the card against the ledger."""

    events: tuple[ProofRow, ...]
    n_events: int
    head: str
    """Hash of the ledger's last event."""
    artefacts: tuple[ArtefactRow, ...]
    source_digest: str
    """SHA-256 of the source; the id is its first 12 digits."""
    commands: tuple[tuple[str, str], ...]
    """What to run, and what it must say."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Card:
    """Everything about one candidate."""

    id: str
    name: str
    run: str
    role: str
    author: str
    operator: str
    index: int
    baseline: str
    motivation: str
    mechanism: Mechanism
    verdict: Verdict | None
    raced: Verdict | None
    """What the search called it."""
    effects: tuple[EffectRow, ...]
    fresh_check: FreshCheck | None
    """None: not tested on fresh seeds."""
    predictions: tuple[PredictionRow, ...]
    cost: LayerCost
    baseline_cost: LayerCost
    cost_exponent: float | None
    trials: tuple[CostRow, ...]
    probes: ProbeReport | None
    ancestors: tuple[Relative, ...]
    """Along first parents, nearest first; other parents of its own after those."""
    children: tuple[Relative, ...]
    n_children: int
    origins: tuple[OriginRow, ...]
    quality: float | None
    novelty: str
    lesson: str
    published: tuple[tuple[str, str], ...]
    """What another campaign published, of an imported candidate: labels and texts."""
    proof: Proof
    source: str


def verdict_lines(card: Card) -> list[tuple[str, str]]:
    """Return label and words: the standing, and what the search called it and over which bar."""
    lines, raced = [], card.raced
    if card.verdict:
        needed = ""
        if card.verdict.e_value is not None:
            needed = f"; e-value {card.verdict.e_value:.3g}"
            needed += f", needed {1 / card.verdict.level:.3g}" if card.verdict.level else ""
        lines.append(("verdict", f"{card.verdict.kind}: {card.verdict.reason}{needed}"))
    if card.fresh_check:
        lines.append(("its fresh pairs", card.fresh_check.words))
    if raced and raced != card.verdict:
        lines.append(("in the search", f"{raced.kind}: {raced.reason}"))
    if raced and (words := bar_words(raced.reason)):
        lines.append(("the bar", words))
    return lines


def cost_lines(card: Card) -> list[tuple[str, str, str]]:
    """Return label, the layer's number and the baseline's; only what was measured."""
    ours, theirs = card.cost, card.baseline_cost
    rows: list[tuple[str, Any, Any, str]] = [
        ("FLOPs a token, one mixer", ours.flops_per_token, theirs.flops_per_token, "{:,.0f}"),
        ("training CPU, ms a token", _milli(ours), _milli(theirs), "{:.4f}"),
        ("times the baseline's training time", ours.relative, theirs.relative, "{:.2f}"),
        ("peak memory of training, MiB", _mebi(ours), _mebi(theirs), "{:,.0f}"),
        ("state of a sequence in one layer, bytes", ours.state_bytes, theirs.state_bytes, "{:,}"),
        ("parameters of the model", ours.n_parameters, theirs.n_parameters, "{:,}"),
        ("cost grows with length to the power", card.cost_exponent, None, "{:.2f}"),
    ]  # fmt: skip
    return [
        (label, pattern.format(a), pattern.format(b) if b is not None else "")
        for label, a, b, pattern in rows
        if a is not None
    ]


def card_page(card: Card) -> str:
    """Return the card as one self-contained HTML page."""
    environment = Environment(
        loader=PackageLoader("move37.insights"),
        autoescape=select_autoescape(("html",)),
        finalize=lambda v: v if isinstance(v, Markup) else wording.clean(str(v)),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "effect": wording.effect_words,
        "signed": wording.signed,
        "shorten": wording.shorten,
    }
    return environment.get_template("card.html").render(
        card=card,
        verdicts=verdict_lines(card),
        costs=cost_lines(card),
        diagram=card.mechanism.diagram,
    )


def _milli(cost: LayerCost) -> float | None:
    per_token = cost.microseconds_per_token
    return None if per_token is None else per_token / 1000


def _mebi(cost: LayerCost) -> float | None:
    return None if cost.peak_memory_bytes is None else cost.peak_memory_bytes / 2**20
