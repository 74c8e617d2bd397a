"""What layers are made of: design elements by class, in the gallery against the rest.

Elements are those the author declared: what a layer changes against its parent, not all it has;
for layers without, they are read from code and motivation
by words. Usage is an association: it does not say that an element made a layer good.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from move37.insights.story import Record

CLASSES: dict[str, str] = {
    "output gate": r"output-gate|out(put)?_gate|o_gate|g_proj",
    "read gate": r"read-gate|read_gate",
    "write gate": r"write-gate|write_gate|input_gate",
    "erase strength": r"erase-gate|erase-first|\bbeta\b|beta_proj|b_proj",
    "gating, other": r"\bgat(e|es|ed|ing)\b",
    "fixed decay": r"decay-fixed|fixed decay|retention",
    "learned decay": r"decay-learned|learned decay",
    "data-dependent decay": r"decay-data|data-dependent decay|dt_bias|softplus",
    "decay per channel": r"decay-[a-z]+-channel|per-channel decay|channel-wise decay",
    "low rank": r"low-rank|low rank|lora",
    "tied keys": r"tied-key",
    "delta rule": r"delta-update|delta[ _-]rule",
    "additive update": r"additive-update",
    "several writes": r"^writes-|householder|delta.?product",
    "two-tap write": r"two-tap|trapezoid",
    "second memory": r"-(update|gate[a-z-]*)2\b|two memories|dual memory",
    "initial state": r"^initial$|initial state",
    "short convolution": r"^conv-|short.?conv",
    "long filter": r"^filter-|\bfir\b|depthwise",
    "dilated convolution": r"dilat",
    "token shift": r"token-shift|token shift",
    "feature map": r"^feature-|feature map|elu",
    "temperature": r"temperature",
    "key normalisation": r"(l2|rms)-keys|l2_?norm",
    "output normalisation": r"output-norm|rms_?norm|group_?norm",
    "normaliser": r"^normaliser$|sum of keys",
    "key bias": r"key-bias",
    "rotation": r"^rotation-|rotary|\brope\b",
    "position": r"positional|position encod",
    "identity path": r"identity-path|identity path|skip path",
    "bonus": r"^bonus$",
    "routing": r"^route-|rout(er|ing)|softmax gate",
    "floor": r"route-floor|\bfloor\b|epsilon",
    "entropy control": r"entropy",
    "sparsity": r"top-?k|spars",
    "head size": r"^(heads|key-size|value-size)-",
    "shared keys": r"shared-keys",
    "statistics": r"-hears-|statistic|variance of",
    "expression tree": r"-tree$",
    "pooling": r"pool(ing)?\b",
    "frequency domain": r"\bfft\b|spectral|wavelet",
    "attention": r"softmax attention|scaled_dot_product",
    "removal": r"^without-",
}
"""Class -> words by which it is known, in the names of elements or, failing those, in text."""
PATTERNS = {name: re.compile(words, re.IGNORECASE) for name, words in CLASSES.items()}
MAX_TEXT = 60_000
Z = 1.959964


@dataclass(frozen=True, kw_only=True, slots=True)
class ComponentRow:
    """How often one class is used in the gallery and by the rest."""

    name: str
    n_gallery: int
    n_rest: int
    share_gallery: float
    share_rest: float
    low: float
    high: float
    """95 % interval of the difference of shares (Newcombe 1998, method 10)."""
    p_value: float
    """Fisher's exact test, two-sided."""
    q_value: float = 1.0
    """False-discovery rate at which it would be called different (Benjamini & Hochberg 1995)."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Components:
    """Usage of classes over a campaign."""

    rows: tuple[ComponentRow, ...]
    n_gallery: int
    n_rest: int
    n_read_from_text: int
    """Layers that declared no element."""
    entropy: float
    """Of all uses over classes, in bits."""
    effective: float
    """Classes that would give this entropy if used alike."""
    gini: float
    """0: all used alike; towards 1: a few make up all."""


def classes_of(record: Record) -> frozenset[str]:
    """Return the classes of a layer's elements."""
    idea = record.candidate.idea
    if idea.elements:
        return classes_in(element.name for element in idea.elements)
    return classes_in([f"{idea.motivation}\n{idea.mechanism}\n{record.candidate.source}"])


def classes_in(texts: Iterable[str]) -> frozenset[str]:
    """Return the classes whose words occur in names of elements, or in other text."""
    texts = [text[:MAX_TEXT] for text in texts]
    return frozenset(n for n, p in PATTERNS.items() if any(p.search(text) for text in texts))


def components(records: Iterable[Record]) -> Components | None:
    """Return usage in the gallery against the rest; None without a searched layer."""
    layers = [r for r in records if r.place]
    if not layers:
        return None
    used = {r.id: classes_of(r) for r in layers}
    gallery = [used[r.id] for r in layers if r.in_gallery]
    rest = [used[r.id] for r in layers if not r.in_gallery]
    rows = [_row(name, gallery, rest) for name in CLASSES]
    rows = [row for row in rows if row.n_gallery + row.n_rest]
    rates = false_discovery_rates([row.p_value for row in rows])
    rows = [replace(row, q_value=q) for row, q in zip(rows, rates, strict=True)]
    counts = [row.n_gallery + row.n_rest for row in rows]
    entropy = _entropy(counts)
    return Components(
        rows=tuple(sorted(rows, key=lambda r: (r.q_value, -r.n_gallery - r.n_rest))),
        n_gallery=len(gallery),
        n_rest=len(rest),
        n_read_from_text=sum(not r.candidate.idea.elements for r in layers),
        entropy=entropy,
        effective=2**entropy,
        gini=_gini(counts),
    )


def _row(name: str, gallery: list[frozenset[str]], rest: list[frozenset[str]]) -> ComponentRow:
    a, b = sum(name in of for of in gallery), sum(name in of for of in rest)
    m, n = len(gallery), len(rest)
    low, high = difference_of_shares(a, m, b, n)
    return ComponentRow(
        name=name,
        n_gallery=a,
        n_rest=b,
        share_gallery=a / m if m else 0.0,
        share_rest=b / n if n else 0.0,
        low=low,
        high=high,
        p_value=fisher(a, m, b, n),
    )


def fisher(a: int, m: int, b: int, n: int) -> float:
    """Return the two-sided exact p-value of a of m against b of n."""
    k = a + b
    weights = [math.comb(m, i) * math.comb(n, k - i) for i in range(max(0, k - n), min(k, m) + 1)]
    seen = math.comb(m, a) * math.comb(n, b)
    return min(1.0, sum(w for w in weights if w <= seen) / sum(weights))


def share_interval(a: int, m: int) -> tuple[float, float]:
    """Return the 95 % interval of a share (Wilson 1927)."""
    if m == 0:
        return 0.0, 1.0
    p, z2 = a / m, Z * Z / m
    middle, half = p + z2 / 2, Z * math.sqrt(p * (1 - p) / m + z2 / (4 * m))
    return max(0.0, (middle - half) / (1 + z2)), min(1.0, (middle + half) / (1 + z2))


def difference_of_shares(a: int, m: int, b: int, n: int) -> tuple[float, float]:
    """Return the 95 % interval of a of m less b of n, as shares (Newcombe 1998, method 10)."""
    (low1, high1), (low2, high2) = share_interval(a, m), share_interval(b, n)
    p1, p2 = a / m if m else 0.5, b / n if n else 0.5
    below = math.hypot(p1 - low1, high2 - p2)
    above = math.hypot(high1 - p1, p2 - low2)
    return max(-1.0, p1 - p2 - below), min(1.0, p1 - p2 + above)


def false_discovery_rates(p_values: Sequence[float]) -> list[float]:
    """Return each test's q-value (Benjamini & Hochberg 1995), in the order of the p-values."""
    falling = sorted(range(len(p_values)), key=lambda k: -p_values[k])
    found, q = [1.0] * len(p_values), 1.0
    for n_before, k in enumerate(falling):
        q = min(q, p_values[k] * len(falling) / (len(falling) - n_before))
        found[k] = q
    return found


def _entropy(counts: Sequence[int]) -> float:
    total = sum(counts)
    return -math.fsum(c / total * math.log2(c / total) for c in counts if c) if total else 0.0


def _gini(counts: Sequence[int]) -> float:
    ordered, total = sorted(counts), sum(counts)
    if not total:
        return 0.0
    weighted = sum((2 * k - len(ordered) - 1) * c for k, c in enumerate(ordered, start=1))
    return weighted / (len(ordered) * total)
