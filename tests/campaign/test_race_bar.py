"""Which effect a candidate has to beat, and whose failures count.

B1  On the way to the last rung it is that of the best so far, after it that of the last one among
    the leading parents; `evidence.bar` says so, and the decision names it.
B2  A failed probe of a layer beside the search is no failure of a candidate.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from conftest import tiny

from move37.campaign import rules
from move37.campaign.assemble import RunFolder, open_workshop
from move37.campaign.progress import Progress, advance
from move37.core.claims import BEST_SO_FAR
from move37.core.events import ProbesRan
from move37.core.trial import Outcome, ProbeReport

FINALS = {"a": 5.25, "b": 3.5, "c": 1.75}


@pytest.mark.parametrize(
    ("bar", "rung", "words"),
    [
        ("best", 0, f"above +5.25 ({BEST_SO_FAR}),"),
        ("best", -1, "above +1.75,"),
        ("parents", 0, "above +1.75,"),
    ],
)
def test_the_bar_of_a_decision(bar, rung, words, finished_run: Path, tmp_path: Path, monkeypatch):
    """B1."""
    shutil.copytree(finished_run, tmp_path / "tiny")
    evidence = tiny().evidence.model_copy(update={"bar": bar})
    config = tiny().model_copy(update={"evidence": evidence})
    monkeypatch.setattr(rules, "_effects", lambda *_: FINALS)
    with open_workshop(config, RunFolder(path=tmp_path / "tiny")) as workshop:
        state = workshop.ledger.state()
        last = len(workshop.preset.rungs) - 1
        entry = next(e for e in state.candidates.values() if e.index >= 0 and e.fitness)
        at = last if rung < 0 else rung
        told = rules.race(workshop, state, entry.index, entry.candidate, at).decision
    assert words in told.reason
    assert (BEST_SO_FAR in told.reason) is (BEST_SO_FAR in words)


@pytest.mark.parametrize(("index", "n_failures"), [(-1, 0), (3, 1)])
def test_a_probe_of_a_layer_beside_the_search_is_no_failure_of_a_candidate(index, n_failures):
    """B2."""
    failed = ProbeReport(outcome=Outcome.PROBE_FAILED, reason="state grows")
    event = ProbesRan(index=index, candidate_id="c", report=failed)
    assert advance(Progress(), event).failures.total() == n_failures
