"""The symbolic Engineer: repairs by rule, keyed on how the candidate failed.

Each rule is a list of edits that take the likely cause away, mildest first. Where none applies, one
of the changes against the parent is undone, never all of them: the parent is no repair.
"""

from __future__ import annotations

from collections.abc import Iterator

from move37.core.candidate import Candidate, Element, Idea, source_id
from move37.core.trial import Outcome
from move37.team.protocols import Breakage
from move37.team.symbolic.crossover import differing_traits, with_trait
from move37.team.symbolic.description import Description, to_json
from move37.team.symbolic.edits import EDITS
from move37.team.symbolic.elements import elements
from move37.team.symbolic.reading import own_description
from move37.team.symbolic.render import render
from move37.team.symbolic.words import formulas, short_name, title

AUTHOR = "symbolic"

BOUND = (
    "norm:l2-qk",
    "norm:output-rms",
    "beta:unit",
    "simplify:two-tap",
    "simplify:erase-first",
    "simplify:bonus",
    "simplify:initial",
    "simplify:temperature",
    "simplify:normaliser",
    "simplify:write-gate",
    "simplify:statistics",
    "gate:output-sigmoid",
    "decay:per-head",
)
"""Against divergence: bound keys, then the output, then what multiplies."""

FASTER = (
    "simplify:writes",
    "simplify:two-tap",
    "simplify:second-memory",
    "beta:per-head",
    "simplify:erase-first",
    "simplify:firs",
    "value-size:same",
    "key-size:same",
    "simplify:conv-q",
    "simplify:rotary",
    "simplify:feature",
    "simplify:conv",
)
"""Against the time limit: the most expensive parts first."""

SMALLER = (
    "value-size:same",
    "key-size:same",
    "simplify:writes",
    "gate:output-low-rank",
    "decay:low-rank",
    "beta:per-head",
    "simplify:second-memory",
    "key-size:half",
    "value-size:half",
    "simplify:firs",
)
"""Against memory limits and mixers too large for the model: fewer and narrower parts."""

PROBE_SUSPECTS: dict[str, tuple[str, ...]] = {
    "stream": ("simplify:rotary", "simplify:shift", "simplify:firs", "simplify:conv"),
    "caus": ("simplify:firs", "simplify:conv", "simplify:shift", "simplify:statistics"),
    "length": ("simplify:rotary", "simplify:normaliser"),
    "gradient": ("simplify:normaliser", "feature:silu", "simplify:temperature", *BOUND),
    "finite": BOUND,
    "cost": FASTER,
    "state": ("simplify:second-memory", "simplify:rotary", "simplify:firs"),
    "dtype": ("simplify:rotary", "simplify:initial"),
    "determin": ("simplify:statistics",),
}
"""Part of a probe's name -> what may cause its breach."""


class SymbolicEngineer:
    """Repairs described candidates; implements `team.protocols.Engineer`."""

    def repair(self, breakage: Breakage) -> Candidate | None:
        """Return a changed candidate whose parent is the broken one, or None.

        None for free code (nothing to reason about), for forgery (nothing to keep), and when every
        rule is used up.
        """
        broken = breakage.candidate
        if not broken.idea.description or breakage.outcome in (Outcome.FORGED, Outcome.COMPLETED):
            return None
        description = own_description(broken)
        if description is None:
            return None
        parent = None if breakage.parent is None else own_description(breakage.parent)
        refused = {broken.id, *breakage.known_ids}
        for how, repaired in _repairs(description, parent, breakage):
            if repaired in (description, parent):
                continue
            source = render(repaired)
            if source_id(source) not in refused:
                return _candidate(broken, description, repaired, source, how, breakage)
        return None


def _repairs(
    d: Description, parent: Description | None, breakage: Breakage
) -> Iterator[tuple[str, Description]]:
    """Yield repairs in the order to try: by rule, then by undoing one change."""
    for name in _edits_against(breakage):
        changed = EDITS[name].apply(d)
        if changed is not None:
            yield name, changed
    if parent is not None:
        for trait in differing_traits(d, parent):
            yield f"undo:{trait}", with_trait(d, parent, trait)
    for name in sorted(EDITS):
        if EDITS[name].simplifies:
            changed = EDITS[name].apply(d)
            if changed is not None:
                yield name, changed


def _edits_against(breakage: Breakage) -> tuple[str, ...]:
    match breakage.outcome:
        case Outcome.DIVERGED:
            return BOUND
        case Outcome.OUT_OF_TIME:
            return FASTER
        case Outcome.OUT_OF_MEMORY:
            return SMALLER
        case Outcome.PROBE_FAILED:
            return _suspects(breakage)
        case _:  # a crash: too large for the model's size, or unknown
            return SMALLER if "parameters" in breakage.reason else ()


def _suspects(breakage: Breakage) -> tuple[str, ...]:
    """Return the edits that may take a failed probe's cause away."""
    names = [breakage.reason]
    if breakage.probe is not None:
        names += [verdict.name for verdict in breakage.probe.verdicts if not verdict.passed]
    text = " ".join(names).lower()
    return tuple(edit for part, edits in PROBE_SUSPECTS.items() if part in text for edit in edits)


def _candidate(
    broken: Candidate,
    before: Description,
    after: Description,
    source: str,
    how: str,
    breakage: Breakage,
) -> Candidate:
    summary = EDITS[how].summary if how in EDITS else f"undoes {how.removeprefix('undo:')}"
    kept = set(elements(after)) & set(elements(before))
    lost = sorted(set(elements(before)) - set(elements(after)))
    inherited = [e for e in broken.idea.elements if e.name in kept]
    new = [Element(name=f"without-{name}") for name in lost]
    idea = Idea(
        name=short_name(after),
        motivation=(
            f"Repair of {broken.idea.name}, which ended as {breakage.outcome.value}"
            f"{': ' + breakage.reason if breakage.reason else ''}. "
            f"The repaired layer {summary} ({how})."
        ),
        mechanism=f"{title(after)}.\n{formulas(after)}",
        elements=tuple(inherited + new),
        predictions=broken.idea.predictions,
        description=to_json(after),
    )
    return Candidate.of(source, idea, parents=(broken.id,), author=AUTHOR)
