"""One tiny campaign, run once for all tests that look at a finished one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from move37.campaign.assemble import RunFolder, open_workshop
from move37.campaign.session import Ending, work
from move37.campaign.settings import load_campaign
from move37.core.config import CampaignConfig
from move37.memory.ledger import Ledger

N_CANDIDATES = 10  # with lag 4, the last two are past the cold start of selection


def tiny(name: str = "tiny", *, seed: int = 1, candidates: int = N_CANDIDATES) -> CampaignConfig:
    """A campaign of seconds: every stage, few candidates."""
    return load_campaign(
        None,
        {
            "name": name,
            "preset": "tiny",
            "seed": seed,
            "opponents": ["deltanet"],
            "budget": {"wall_seconds": 600, "max_candidates": candidates},
            "evidence": {"confirm_seeds_min": 2, "confirm_seeds_max": 3},
            "workers": 2,
        },
    )


def run_tiny(config: CampaignConfig, folder: Path) -> Ending:
    """Run a campaign to its end."""
    with open_workshop(config, RunFolder(path=folder)) as workshop:
        return work(workshop, lambda *_: None).ending


@pytest.fixture(scope="session")
def finished_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a finished tiny campaign."""
    folder = tmp_path_factory.mktemp("runs") / "tiny"
    assert run_tiny(tiny(), folder) is Ending.CANDIDATES
    return folder


@pytest.fixture
def finished_ledger(finished_run: Path) -> Iterator[Ledger]:
    """Its ledger, open."""
    with Ledger.open(finished_run / "ledger.db") as ledger:
        yield ledger
