"""The verbs that show a run: every one speaks JSON where it says so, and refuses what is no use.

V1  `--json` prints JSON and nothing else.
V2  A run is not set beside itself.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import told_campaigns as campaigns
from typer.testing import CliRunner

from move37.cli import app
from move37.core.errors import ConfigError
from move37.memory.ledger import Ledger

WINNER = campaigns.layer("decayed delta", campaigns.BASELINE.id)


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    """A folder of runs with one run, `first`."""
    (tmp_path / "first").mkdir()
    with Ledger.open(tmp_path / "first" / "ledger.db", create=True) as ledger:
        ledger.append(*campaigns.winning())
    return tmp_path


def told(*arguments: str):
    done = CliRunner().invoke(app, [*arguments, "--json"], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


def test_the_source_of_a_candidate_comes_as_json(runs: Path):
    """V1."""
    found = told("show", WINNER.id, "--source", "--runs", str(runs))
    assert found == {"id": WINNER.id, "name": "decayed delta", "source": WINNER.source}


def test_the_reference_mixers_come_as_json():
    """V1."""
    known = {row["name"]: row["what"] for row in told("mixers")}
    assert "linear_attention" in known
    assert all(known.values())


def test_what_verification_of_a_ledger_found_comes_as_json(runs: Path):
    """V1: a change too, with exit code 1."""
    found = told("ledger", "verify", "first", "--runs", str(runs))
    assert (found["holds"], found["difference"]) == (True, "")
    assert found["n_events"] == len(campaigns.winning())


def test_a_difference_comes_as_json(runs: Path):
    """V1."""
    found = told("diff", WINNER.id, campaigns.BASELINE.id, "--runs", str(runs))
    assert found["first"]["id"] == WINNER.id
    assert found["source"]


def test_a_run_is_not_set_beside_itself(runs: Path):
    """V2."""
    arguments = ["report", "first", "--beside", "first", "--runs", str(runs)]
    with pytest.raises(ConfigError, match="--beside first is the run of the report itself"):
        CliRunner().invoke(app, arguments, catch_exceptions=False)
