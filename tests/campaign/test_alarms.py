"""`move37 guards alarms`: what rang, and what holds now.

A1  Every alarm is shown with its evidence; several caps of one role and model: the lowest holds.
A2  Where nothing rang, that is said, and no more is claimed.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from move37.campaign.canary_tables import show_alarms
from move37.campaign.guarding import caps_of
from move37.core.events import AlarmRaised, FamilyQuarantined
from move37.memory.ledger import Ledger


def alarm(index: int, model: str, *, cap: str = "", family: str = "") -> AlarmRaised:
    return AlarmRaised(
        index=index,
        guard="canary" if family else "inverse-scaling",
        role="" if family else "engineer",
        model=model,
        evidence=41.5,
        reason=f"it [rang] at {index}",
        cap=cap,
        family=family,
    )


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    with Ledger.open(tmp_path / "ledger.db", create=True) as opened:
        yield opened


def test_alarms_and_what_holds_are_shown(ledger, capsys):
    """A1: words of models are text, also where they look like markup."""
    ledger.append(
        alarm(3, "openai:a", cap="medium"),
        alarm(4, "openai:b", family="gpt-4"),
        FamilyQuarantined(index=4, family="gpt-4", reason="changed", by="canary"),
        alarm(9, "openai:a", cap="low"),
        alarm(11, "openai:a", cap="high"),
    )
    assert caps_of(ledger, until=8) == {("engineer", "openai:a"): "medium"}
    show_alarms(ledger, as_json=True)
    told = json.loads(capsys.readouterr().out)
    assert [a["index"] for a in told["alarms"]] == [3, 4, 9, 11]
    assert told["caps"] == [{"role": "engineer", "model": "openai:a", "cap": "low"}]
    assert told["quarantined"] == {"gpt-4": "changed"}
    show_alarms(ledger, as_json=False)
    said = " ".join(capsys.readouterr().out.split())
    assert "[rang]" in said
    assert "capped: engineer openai:a at low" in said
    assert "quarantined: gpt-4: changed" in said


def test_where_nothing_rang_no_more_is_claimed(ledger, capsys):
    """A2."""
    show_alarms(ledger, as_json=False)
    assert capsys.readouterr().out.startswith("no alarm was raised: that is no proof")
