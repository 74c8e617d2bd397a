"""One candidate's page of the ledger: do a thing once, whatever kills the driver in between.

    journal = Journal(ledger, index=7)
    finished = journal.once(TrialFinished, lambda: run(spec), match=spec)

The first call runs the trial and records it; every later call, in this process or after a kill,
returns the recorded event.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import TypeVar, cast

from move37.core.errors import LedgerError
from move37.core.events import Event, TrialFinished
from move37.core.trial import TrialSpec
from move37.memory.leases import LeaseLost
from move37.memory.ledger import Ledger
from move37.memory.subject import facts

E = TypeVar("E", bound=Event)
Match = Mapping[str, object] | TrialSpec | Callable[[E], bool] | None


class Journal:
    """What is recorded for one index, and the way to record more.

    A trial's spec is its key in the whole campaign: a TrialFinished asked for by spec is found
    whichever index recorded it. Everything else is looked for under this index only.
    """

    def __init__(self, ledger: Ledger, index: int) -> None:
        self.ledger = ledger
        self.index = index

    def once(self, event_type: type[E], make: Callable[[], E], *, match: Match[E] = None) -> E:
        """Return the recorded event, or make it, record it and return it.

        Threads that ask for the same thing wait for each other, and so do drivers that share the
        campaign; `make` runs in one of them, and again only if that one dies. The
        returned event is the one a later reading gives (mappings in sorted order), so a resumed
        campaign computes with exactly the same values.

        Args:
            event_type: which kind of event.
            make: does the work; called only if nothing fitting is recorded.
            match: tells several events of this kind apart: fields by name (`{"rung": 1}`;
                `candidate_id`, `parent` and `spec` work wherever they make sense), a TrialSpec,
                or a predicate. The first recorded event that fits counts.

        Raises:
            LedgerError: the made event is of another kind or index or does not fit `match`.
        """
        key = work_key(event_type.__name__, _spec(match) or self.index)
        while True:
            with self.ledger.holding(key), suppress(LeaseLost):  # lost: another driver makes it
                if (known := self._find(event_type, match)) is not None:
                    return known
                made = make()
                self._check(made, event_type, match)
                return cast("E", self.ledger.append(made, under=key)[0])

    def recorded(self, event_type: type[E], **match: object) -> E | None:
        """Return the first recorded event of this kind whose fields have these values, or None."""
        return self._find(event_type, match)

    def record(self, event: Event) -> Event:
        """Append an event that may happen many times."""
        return self.ledger.append(event)[0]

    def _find(self, event_type: type[E], match: Match[E]) -> E | None:
        spec = _spec(match)
        if event_type is TrialFinished and spec is not None:
            return cast("E | None", self.ledger.trial(spec))
        known = self.ledger.at_index(event_type, self.index)
        return next((event for event in known if _fits(event, match)), None)

    def _check(self, made: E, event_type: type[E], match: Match[E]) -> None:
        if type(made) is not event_type or made.index != self.index or not _fits(made, match):
            raise LedgerError(
                f"asked for a {event_type.__name__} of index {self.index} with {match!r}, "
                f"was given {made!r}"
            )


def work_key(kind: str, of: TrialSpec | int) -> tuple[str, TrialSpec | int]:
    """Return what `Ledger.holding` holds while an event of a trial or of an index is made."""
    return kind, of


def _spec(match: object) -> TrialSpec | None:
    if isinstance(match, Mapping):
        match = match.get("spec")
    return match if isinstance(match, TrialSpec) else None


def _fits(event: E, match: Match[E]) -> bool:
    match match:
        case None:
            return True
        case TrialSpec():
            return facts(event).get("spec") == match
        case Mapping():
            known = facts(event)
            return all(name in known and known[name] == value for name, value in match.items())
    return match(event)
