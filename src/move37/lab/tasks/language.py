"""Language modelling in bytes, so that no tokenizer has a say."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import ClassVar

import numpy as np

from move37.core.errors import ConfigError
from move37.lab.split import Split
from move37.lab.tasks.task import Rows
from move37.lab.text import Corpus, folder_corpus, sotu_corpus


@dataclass(frozen=True, kw_only=True)
class Text:
    r"""Predict the next byte of a speech (or of a file in the user's folder).

        inputs   F e l l o w - C i t i z e n
        targets  e l l o w - C i t i z e n s

    A row is a window that lies inside one document; documents are whole members of one split.

    Metric: nats per byte over all positions. Chance: the byte frequencies of the training part,
    about 3.0 nats and 0.17 accuracy (always a space) on the speeches.
    Source: annual messages of US presidents 1790-2026, package `sotu` (UC Santa Barbara, American
    Presidency Project).
    """

    name: ClassVar[str] = "text"
    folder: str = field(default="")
    """A folder of .txt files to read instead of the speeches."""

    def __post_init__(self) -> None:
        if not isinstance(self.folder, str):
            raise ConfigError(f"text: folder must be a path as text, got {self.folder!r}")
        _ = (
            self._corpus
        )  # a folder that cannot be used is refused now, not in the middle of a trial

    @cached_property
    def _corpus(self) -> Corpus:
        return folder_corpus(self.folder) if self.folder else sotu_corpus()

    @cached_property
    def _frequencies(self) -> np.ndarray:
        return self._corpus.byte_frequencies(Split.TRAIN)

    @property
    def chance(self) -> float:
        """Share of the commonest byte."""
        return float(self._frequencies.max())

    @property
    def chance_nats(self) -> float:
        """Entropy of the byte frequencies."""
        seen = self._frequencies[self._frequencies > 0]
        return float(-(seen * np.log(seen)).sum())

    def evaluation_length(self, length: int) -> int:
        """Held-out windows are as long as training windows."""
        return length

    def batch(self, rng: np.random.Generator, *, rows: int, length: int, split: Split) -> Rows:
        """Draw windows, every place in the split equally likely; see `Task.batch`.

        Raises:
            ConfigError: no document of the split is longer than `length` bytes.
        """
        windows = self._corpus.windows(rng, rows=rows, length=length + 1, split=split)
        return Rows(
            inputs_BT=windows[:, :-1].astype(np.uint16), targets_BT=windows[:, 1:].astype(np.int32)
        )
