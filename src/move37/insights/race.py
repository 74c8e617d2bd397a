"""The race in words: which bar a candidate had to beat, who was dropped on the way, and when."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

from move37.core.claims import BEST_SO_FAR, RungChoice
from move37.core.events import RungDecided
from move37.insights.story import Record

BAR = re.compile(r"\bof ending above ([+-][0-9]+\.[0-9]+)")
"""As `evidence.racing` words its reason, in ledgers of every version."""


def bar_of(reason: str) -> float | None:
    """Return the effect that a decision of the race measured a candidate against."""
    found = BAR.search(reason)
    return float(found[1]) if found else None


def bar_words(reason: str) -> str:
    """Say what the bar in a decision's reason is; empty where the reason names none."""
    bar = bar_of(reason)
    if bar is None:
        return ""
    if bar == 0:
        return (
            "+0.00 is the baseline itself: too few better candidates counted by then to set a "
            "higher bar"
        )
    whose = (
        "the best candidate"
        if BEST_SO_FAR in reason
        else "the last one among the leading candidates"
    )
    return f"{bar:+.2f} is the effect of {whose} by then"


def race_words(searched: Sequence[Record], n_looks: int | None) -> str:
    """Say how many were dropped before the end, at which look, of how many; empty without a race.

    Args:
        searched: the candidates.
        n_looks: rungs of the preset; None if it cannot be read.
    """
    raced = [record.looks for record in searched if record.looks]
    if not raced:
        return ""
    last = n_looks - 1 if n_looks else max(look.rung for looks in raced for look in looks)
    ends = [looks[-1] for looks in raced]
    dropped = Counter(
        end.rung for end in ends if end.decision.choice is RungChoice.DROP and end.rung < last
    )
    promoted = [end for end in ends if end.decision.choice is RungChoice.PROMOTE]
    at = ", ".join(f"{n} at look {rung + 1}" for rung, n in sorted(dropped.items()))
    return (
        f"Of {len(raced)} candidates that came to a look, {dropped.total() or 'none'} "
        f"{'was' if dropped.total() <= 1 else 'were'} dropped before the last of {last + 1} looks"
        f"{f' ({at})' if at else ''}; {len(promoted)} {'was' if len(promoted) == 1 else 'were'} "
        f"promoted{_over_the_baseline(promoted)}."
    )


def _over_the_baseline(promoted: Sequence[RungDecided]) -> str:
    n = sum(bar_of(end.decision.reason) == 0 for end in promoted)
    return f", {n} of them over no higher bar than the baseline itself" if n else ""
