"""The three parts every source of data is cut into. They never overlap."""

from __future__ import annotations

from enum import StrEnum

from move37.core.trial import Stage


class Split(StrEnum):
    """Which part of the data a row comes from."""

    TRAIN = "train"
    """The only part that ever reaches a training child."""
    SEARCH = "search"
    """Held out; selection sees scores on it."""
    CONFIRM = "confirm"
    """Held out from selection too: what a claim rests on."""

    @classmethod
    def of_stage(cls, stage: Stage) -> Split:
        """Return the part a stage is evaluated on. VERIFY draws fresh windows from CONFIRM."""
        return cls.SEARCH if stage is Stage.SEARCH else cls.CONFIRM


N_SHARES = 10
"""Tenths: SEARCH and CONFIRM get one each, TRAIN the other eight."""


def split_of_share(share: int) -> Split:
    """Return the part that owns a tenth, numbered 0 to 9."""
    return {0: Split.SEARCH, 1: Split.CONFIRM}.get(share, Split.TRAIN)
