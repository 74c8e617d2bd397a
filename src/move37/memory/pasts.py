"""What was known before an index, made from what was known before a lower one.

Of two pasts of a campaign the longer begins as the shorter: what an index may know is all that
lower ones brought in, by rising index. So a past costs what came since, and whoever keeps something
ready for each candidate need only look at those that came since (`beyond`).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from itertools import islice

from move37.core.events import Event
from move37.memory.state import Conversation, Entry, State
from move37.memory.subject import introduces, subject

KEPT = 16  # assumed: a step asks for its own past a few times; lag is the number of workers
NEAR = 64
"""Indices from one past to the next; a longer way is made from the state itself."""


class Pasts:
    """The last pasts of one growing state, valid as long as nothing below them is told."""

    def __init__(self) -> None:
        self._kept: dict[int, State] = {}
        """By index, what was known before it."""
        self._brought: defaultdict[int, list[str]] = defaultdict(list)
        """By index, the candidates that it brought in, in order."""
        self._touched: defaultdict[int, set[str]] = defaultdict(set)
        """By index, candidates of other indices that it told something about."""

    def tell(self, events: Iterable[Event]) -> None:
        """Take note of events, in the order in which the state folds them."""
        told = [event for event in events if not isinstance(event, Conversation)]
        for event in told:
            id_, brought = subject(event), self._brought[event.index]
            if id_ is None or id_ in brought:
                continue
            if introduces(event):
                brought.append(id_)
            else:
                self._touched[event.index].add(id_)
        if told:
            earliest = min(event.index for event in told)
            self._kept = {n: past for n, past in self._kept.items() if n <= earliest}

    def before(self, state: State, index: int) -> State:
        """Return `state.before(index)`, `state` being the fold of all that was told."""
        index = max(index, 0)
        if index not in self._kept:
            lower = max((n for n in self._kept if n <= index), default=-1)
            is_near = 0 <= index - lower <= NEAR and lower >= 0
            past = self._grown(state, lower, index) if is_near else state.before(index)
            while len(self._kept) >= KEPT:
                del self._kept[next(iter(self._kept))]
            self._kept[index] = past
        return self._kept[index]

    def _grown(self, state: State, lower: int, index: int) -> State:
        """Return the past of an index, from that of a lower one."""
        past, since, opened = self._kept[lower], range(lower, index), state.openings
        entries, first = dict(past.entries), dict(past.candidates)
        for id_ in {id_ for i in since for id_ in self._touched.get(i, ())}:
            for known in past.appearances(id_):
                entry = state.entries[known.index, id_].before(index)
                entries[entry.index, id_] = entry
                if first[id_].index == entry.index:
                    first[id_] = entry
        for i in since:
            for id_ in self._brought.get(i, ()):
                entries[i, id_] = state.entries[i, id_].before(index)
                first.setdefault(id_, entries[i, id_])
        grown = State(
            entries=entries,
            openings={**past.openings, **{i: opened[i] for i in since if i in opened}},
            sessions=state.sessions,
            places=state.places,
        )
        grown.__dict__["candidates"] = first  # what the cached property would sort all for
        return grown


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
