"""What language models have used and may use: tokens, dollars, seconds; per role and in all.

A request is reserved before it is sent, at the most it can cost, and settled at what it did cost:
so a limit is not passed, however many workers ask at once. What earlier sessions used is paid in
from the ledger.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from move37.core.errors import OutOfFunds
from move37.core.events import ModelCalled
from move37.core.team import Allowance

CAMPAIGN = "the campaign"


@dataclass(frozen=True, kw_only=True, slots=True)
class Used:
    """What some requests used."""

    n_requests: int = 0
    tokens: int = 0
    dollars: float = 0.0
    wall_seconds: float = 0.0

    def __add__(self, other: Used) -> Used:
        """Add field by field."""
        return Used(
            n_requests=self.n_requests + other.n_requests,
            tokens=self.tokens + other.tokens,
            dollars=self.dollars + other.dollars,
            wall_seconds=self.wall_seconds + other.wall_seconds,
        )

    def __sub__(self, other: Used) -> Used:
        """Subtract field by field."""
        return Used(
            n_requests=self.n_requests - other.n_requests,
            tokens=self.tokens - other.tokens,
            dollars=self.dollars - other.dollars,
            wall_seconds=self.wall_seconds - other.wall_seconds,
        )

    @classmethod
    def of(cls, event: ModelCalled) -> Used:
        """Return what one request used."""
        return cls(
            n_requests=1,
            tokens=event.input_tokens + event.output_tokens,
            dollars=event.dollars,
            wall_seconds=event.seconds,
        )


class Purse:
    """Holds the limits. Safe for several threads.

    Args:
        campaign: what all roles together may use.
        roles: what each role may use.
        used: requests of earlier sessions.
    """

    def __init__(
        self,
        campaign: Allowance,
        roles: Mapping[str, Allowance],
        used: Iterable[ModelCalled] = (),
    ) -> None:
        self._limits = {CAMPAIGN: campaign, **{str(role): a for role, a in roles.items()}}
        self._used: dict[str, Used] = {}
        self._reserved: dict[str, Used] = {}
        self._lock = threading.Lock()
        for event in used:
            self._add(self._used, event.role, Used.of(event))

    def used(self, role: str = CAMPAIGN) -> Used:
        """Return what was used: by a role, or in all."""
        with self._lock:
            return self._used.get(role, Used())

    def reserve(self, role: str, most: Used) -> None:
        """Set aside the most that a request can use.

        Raises:
            OutOfFunds: a limit would be passed; says which, and what was used.
        """
        with self._lock:
            self._check(role, most)
            self._add(self._reserved, role, most)

    def settle(self, role: str, most: Used, used: Used) -> None:
        """Free what was set aside, and pay what was used."""
        with self._lock:
            for name in (role, CAMPAIGN):
                self._reserved[name] = self._reserved.get(name, Used()) - most
            self._add(self._used, role, used)

    def pay(self, role: str, used: Used) -> None:
        """Pay what was used without setting it aside: a replayed request."""
        with self._lock:
            self._add(self._used, role, used)

    def _add(self, books: dict[str, Used], role: str, used: Used) -> None:
        for name in (role, CAMPAIGN):
            books[name] = books.get(name, Used()) + used

    def _check(self, role: str, more: Used) -> None:
        for name in (role, CAMPAIGN):
            limit = self._limits.get(name, Allowance())
            used = self._used.get(name, Used())
            then = used + self._reserved.get(name, Used()) + more
            for what, unit in (("tokens", ""), ("dollars", "$"), ("wall_seconds", "")):
                allowed = getattr(limit, what)
                if allowed is not None and getattr(then, what) > allowed:
                    raise OutOfFunds(
                        f"language models may use {unit}{allowed:,.6g} {what} for {name}, have "
                        f"used {unit}{getattr(used, what):,.6g}, and the next request may pass "
                        "that",
                        what=what,
                        role="" if name == CAMPAIGN else name,
                        needed=getattr(then, what),
                    )
