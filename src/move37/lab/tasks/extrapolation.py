"""Length extrapolation: trained on short rows, judged beyond the trained length."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from move37.core.errors import ConfigError
from move37.lab.tasks.recall import recall_rows
from move37.lab.tasks.state import permutation_moves, state_tracking_rows
from move37.lab.tasks.task import MechanismTask, Rows, option
from move37.lab.tasks.vocabulary import KEYS, TAGS, VALUES


@dataclass(frozen=True, kw_only=True)
class LengthExtrapolation(MechanismTask):
    """Recall or state tracking on rows `factor` times as long as those trained on.

        inputs   <length_extrapolation> k7 v30 k2 v11 ? k2  k7  | k7  k2  k7
        targets  .                      .  .   .  .   . v11 v30 | v30 v11 v30
                                  trained length up to here ->  | graded from here when held out

    One instance fills the row. `pairs` > 0 asks for recall of that many pairs; else the row is a
    shell game with `elements` cups. Training grades every answer, held-out rows only those beyond
    the trained length.

    Metric: accuracy (or nats) at graded positions. Chance: 1 / values, or 1 / elements.
    Source: O. Press et al., "Train short, test long", arXiv 2108.12409, for the protocol; Zoology,
    arXiv 2312.04927, and arXiv 2404.08819 for the rows.
    """

    name: ClassVar[str] = "length_extrapolation"
    pairs: int = option(12, 0, len(KEYS))
    values: int = option(len(VALUES), 2, len(VALUES))
    elements: int = option(0, 0, 5)
    factor: int = option(2, 2, 4)

    def __post_init__(self) -> None:
        super().__post_init__()
        if (self.pairs > 0) == (self.elements > 0) or self.elements == 1:
            raise ConfigError(
                "length_extrapolation: set either pairs > 0 (recall) or elements from 2 to 5 with "
                f"pairs=0 (shell game), got pairs={self.pairs}, elements={self.elements}"
            )

    @property
    def answers(self) -> int:
        """As in the task the rows are made of."""
        return self.values if self.pairs else self.elements

    def minimum_length(self) -> int:
        """Shortest training row."""
        return 2 * self.pairs + 3

    def evaluation_length(self, length: int) -> int:
        """Held-out rows are `factor` times as long."""
        return self.factor * length

    def first_graded(self, length: int) -> int:
        """Where the trained length ends in a held-out row."""
        return length // self.factor

    def draw(self, rng: np.random.Generator, *, rows: int, length: int) -> Rows:
        """Draw rows of one instance."""
        if self.pairs:
            return recall_rows(
                rng,
                rows=rows,
                length=length,
                tag=TAGS[self.name],
                pairs=self.pairs,
                values=self.values,
                instances=1,
            )
        return state_tracking_rows(
            rng,
            rows=rows,
            length=length,
            tag=TAGS[self.name],
            moves=permutation_moves(self.elements),
            span=length,
            every=1,
        )
