"""The symbolic Judge: a rubric of measured things, blind to names, authors and effects."""

from __future__ import annotations

import ast

from move37.core.parsing import parse
from move37.team.protocols import Exhibit, Judgement

WEIGHTS = {"novelty": 0.3, "size": 0.2, "cost": 0.25, "complexity": 0.25}  # assumed
UNKNOWN = 0.5  # a part that could not be measured says nothing either way
STATE_SIZE = "state_size"
"""The admission probe that measures the state; without it nothing is known."""
TYPICAL_NODES = 682  # measured: syntax nodes of the rendered gated delta rule


class SymbolicJudge:
    """Judges by rubric; implements `team.protocols.Judge`."""

    def assess(self, exhibit: Exhibit) -> Judgement:
        """Return quality in [0, 1] and its parts, each in [0, 1]: higher is better.

        A layer that keeps no state mixes nothing over time: its quality is 0, whatever it costs.
        """
        rubric = {
            "novelty": min(1.0, max(0.0, exhibit.novelty_distance)),
            "size": _size(exhibit),
            "cost": _cost(exhibit),
            "complexity": _complexity(exhibit),
        }
        quality = sum(WEIGHTS[part] * value for part, value in rubric.items())
        if _keeps_nothing(exhibit):  # small, cheap and short, and no sequence mixer
            rubric["memory"] = quality = 0.0
        return Judgement(
            quality=round(quality, 4), rubric={part: round(v, 4) for part, v in rubric.items()}
        )


def frugality(ratio: float) -> float:
    """Return 1 / (1 + ratio^2): 0.5 at the baseline's own, 0.8 at half of it, 0.2 at twice."""
    return 1 / (1 + ratio * ratio)


def count_nodes(source: str) -> int | None:
    """Return the number of syntax nodes, docstrings left out; None if it does not parse."""
    try:
        tree = parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    return sum(not _is_text(node) for node in ast.walk(tree))


def _is_text(node: ast.AST) -> bool:
    value = node.value if isinstance(node, ast.Expr) else node
    return isinstance(value, ast.Constant) and isinstance(value.value, str)


def _keeps_nothing(exhibit: Exhibit) -> bool:
    probe = exhibit.probe
    measured = probe is not None and any(v.name == STATE_SIZE for v in probe.verdicts)
    return probe is not None and measured and probe.state_bytes == 0


def _size(exhibit: Exhibit) -> float:
    """Judge the mixer's parameters beside the baseline's."""
    probe, baseline = exhibit.probe, exhibit.baseline_probe
    if probe is None or baseline is None or not (probe.n_parameters and baseline.n_parameters):
        return UNKNOWN
    return frugality(probe.n_parameters / baseline.n_parameters)


def _cost(exhibit: Exhibit) -> float:
    """Judge floating point operations per token.

    Never measured time: it differs from run to run, and the same seed must give the same search.
    """
    probe, reference = exhibit.probe, exhibit.baseline_probe
    if (
        probe is None
        or reference is None
        or not (probe.flops_per_token and reference.flops_per_token)
    ):
        return UNKNOWN
    return frugality(probe.flops_per_token / reference.flops_per_token)


def _complexity(exhibit: Exhibit) -> float:
    """Judge the length of the code beside the baseline's."""
    nodes = count_nodes(exhibit.candidate.source)
    if nodes is None:
        return 0.0
    reference = count_nodes(exhibit.baseline_source) if exhibit.baseline_source else None
    return frugality(nodes / (reference or TYPICAL_NODES))
