"""A finished run as the studies read it: preset, folded state, who everyone is compared with."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from move37.campaign.settings import load_preset
from move37.core.config import CampaignConfig, Preset
from move37.core.events import CampaignStarted
from move37.core.trial import Outcome, Stage, Trial
from move37.memory.ledger import Ledger
from move37.memory.state import State


@dataclass(frozen=True, kw_only=True, slots=True)
class Recorded:
    """What a study needs of one run."""

    preset: Preset
    state: State
    baseline: str
    """Its id."""

    def trained(self, candidate_id: str) -> list[Trial]:
        """Return the search trials of a candidate that have numbers, in order."""
        return [
            trial
            for trial in self.state.trials.get(candidate_id, ())
            if trial.spec.stage is Stage.SEARCH and trial.outcome is Outcome.COMPLETED
        ]

    @property
    def searched(self) -> list[str]:
        """Ids of the candidates, roots left out, in order."""
        return [id_ for id_, entry in self.state.candidates.items() if entry.index >= 0]


def read_run(path: Path) -> Recorded:
    """Read a run's folder."""
    with Ledger.open(path / "ledger.db") as ledger:
        (started,) = ledger.events([CampaignStarted])
        config = CampaignConfig.model_validate_json(started.config)
        kept = started.preset  # the oldest ledgers name the preset only
        preset = Preset.model_validate_json(kept) if kept else load_preset(config.preset)
        state = ledger.state()
    baseline = next(id_ for id_, e in state.candidates.items()
                    if e.index < 0 and e.candidate.idea.name == config.baseline)  # fmt: skip
    return Recorded(preset=preset, state=state, baseline=baseline)
