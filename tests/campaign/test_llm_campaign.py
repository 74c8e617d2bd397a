"""A whole campaign with scripted language models, through the model layer.

M1  Both arms make candidates, in the stated share, and see their own results only.
M2  Every request is recorded with its texts, and paid; the purse and the ledger agree.
M3  A model that fails costs one candidate, never the campaign.
"""

from __future__ import annotations

from pathlib import Path

from conftest import tiny
from scripts import TEAM, scripted_team

from move37.campaign.assemble import RunFolder, open_workshop
from move37.campaign.session import Ending, work
from move37.core.config import CampaignConfig
from move37.core.events import (
    ModelCalled,
)

N_CANDIDATES = 8


def llm_config(name: str = "llm", **changes: object) -> CampaignConfig:
    """A tiny campaign with the scripted team."""
    plain = tiny(name, candidates=N_CANDIDATES).model_dump()
    return CampaignConfig.model_validate({**plain, "team": TEAM, **changes})


def test_funds_that_run_out_end_the_search(tmp_path: Path) -> None:
    """M3: the first request may pass 100 tokens, so none is sent."""
    config = llm_config("poor")
    poor = config.model_copy(update={"budget": config.budget.model_copy(update={"tokens": 100})})
    with open_workshop(
        poor, RunFolder(path=tmp_path / "poor"), make_model=scripted_team()
    ) as workshop:
        assert work(workshop, lambda *_: None) is Ending.FUNDS
        assert list(workshop.ledger.events([ModelCalled])) == []
