"""What a past has beyond a shorter one: of two pasts of a campaign, the longer begins as the other.

The lag rule makes it so: what an index may know is all that lower ones brought in, by rising index.
So whoever keeps something ready for each candidate need only look at those that came since.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice

from move37.memory.state import Entry


def beyond(held: Sequence[str], known: dict[str, Entry]) -> list[Entry] | None:
    """Return those after the held ones, in order; none where fewer are known than held.

    None instead of a list where `known` does not begin as `held` does, or does not end as its
    beginning (it is another arm's, or a candidate came in between).

    Args:
        held: ids in the order of an earlier `known`.
        known: `State.candidates`.

    Cost: what is new.
    """
    n_common = min(len(held), len(known))
    backwards = reversed(known.values())
    new = [*islice(backwards, len(known) - n_common)]
    last = next(backwards, None)
    if last is not None and held[n_common - 1] != last.id:
        return None
    return new[::-1]
