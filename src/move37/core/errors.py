"""Everything move37 raises on purpose. A candidate's failure is an Outcome, never one of these."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

MOST_NAMES = 40
"""In a message; a campaign has thousands of candidates."""


class Move37Error(Exception):
    """A failure with a message for a person: what failed, the rule, the value, the way out."""


class ConfigError(Move37Error):
    """A campaign, preset or command line that cannot mean anything."""


class UnknownName(ConfigError):
    """A name that is not in the list it was looked up in."""

    @classmethod
    def of(cls, kind: str, name: str, known: Iterable[str]) -> UnknownName:
        """Build the message: what was asked for, the nearest known name, the whole list."""
        names = sorted(known)
        near = difflib.get_close_matches(name, names, n=1)
        hint = f"; did you mean {near[0]!r}?" if near else ";"
        listed = ", ".join(names[:MOST_NAMES]) or "none"
        more = f" and {len(names) - MOST_NAMES} more" if len(names) > MOST_NAMES else ""
        return cls(f"no {kind} {name!r}{hint} known: {listed}{more}")


class SourceError(Move37Error):
    """A candidate file that cannot be taken in at all (not text, too large, does not parse)."""


class ShapeError(Move37Error, ValueError):
    """Arrays whose axes do not fit each other."""


class LabError(Move37Error):
    """The lab itself is broken (no sandbox, server gone). The campaign stops; nothing is scored."""


class SandboxUnavailable(LabError):
    """This machine offers no sandbox. Says what to install."""


class LedgerError(Move37Error):
    """The ledger cannot be read, written or trusted."""


class NoCampaign(LedgerError):
    """Nothing is wrong with what is there, but the campaign was never begun in it."""


class ReportError(Move37Error):
    """A report cannot be written. The ledger it is made from is not touched."""


class ReplyError(Move37Error):
    """A language model's reply that cannot be used. Counted and bounded, never fatal."""


class Stopped(Move37Error):
    """Somebody asked to stop: whatever was going on is dropped, and taken up again on resume."""


class OutOfFunds(Move37Error):
    """Language models have used all they may: tokens, money or time. The search ends.

    Args:
        words: what is to be said.
        what: the limit by its name in the config: tokens, dollars or wall_seconds.
        role: whose limit it is; empty: all roles' together.
        needed: how large it must be at least for the next request.
    """

    def __init__(self, words: str, *, what: str = "", role: str = "", needed: float = 0.0) -> None:
        super().__init__(words)
        self.what = what
        self.role = role
        self.needed = needed
