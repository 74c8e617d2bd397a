"""What is wrong with a candidate, said to whoever repairs it."""

from __future__ import annotations

from move37.core.errors import Move37Error


class ContractError(Move37Error):
    """The text is not a candidate. The message says what to write instead."""
