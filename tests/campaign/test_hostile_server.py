"""A whole campaign at the command line, with a model server that misbehaves in every other reply.

H1  The campaign goes on: it ends as any other, its ledger verifies.
H2  The key is used, and is afterwards nowhere: ledger, artefacts, reports, screen, messages.
H3  What the server did is counted: replies that gave nothing are failed proposals with a reason.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from scripts import proposal
from tests.team.models import fault_server
from tests.team.models.fault_server import FaultServer, completion, says

from move37.core.events import CandidateProposed, CandidateStarted, ModelCalled, ProposalFailed
from move37.memory.artefacts import Artefacts
from move37.memory.ledger import Ledger

KEY = "sk-test-5f1d0c9be2a34f6d8e77"
FAULTS = [
    "echo_key", "layer-0", "error_with_key", "prose", "rate_limited", "cut", "layer-1", "truncated",
    "wrong_key_echo", "injection", "malformed_json", "echo_key",
]  # fmt: skip
TEAM = """
researcher = "llm"
engineer = "symbolic"
analyst = "symbolic"
judge = "symbolic"
control_share = 0.25

[models.local]
provider = "openai-compatible"
model = "hostile"
family = "hostile"
base_url = "{url}"
key_env = "MOVE37_TEST_KEY"

[models.local.price]
input = 0.0
output = 0.0

[roles.researcher]
models = ["local"]
backoff_seconds = 0
attempts = 2
corrections = 1
"""


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str, FaultServer]:
    """The folder after `move37 run`, all that was printed, and the server."""
    folder = tmp_path_factory.mktemp("hostile")
    for index in (0, 1):
        fault_server.FAULTS[f"layer-{index}"] = says(completion(proposal("gla", index)))
    fault_server.FAULTS["wrong_key_echo"] = fault_server.fails(
        401, f'{{"error": {{"message": "no such key: {KEY}"}}}}'.encode()
    )
    with FaultServer(FAULTS) as server:
        (folder / "team.toml").write_text(TEAM.format(url=server.url))
        done = subprocess.run(
            [sys.executable, "-m", "move37", "run", "--team", "team.toml", "--preset", "tiny",
             "--name", "hostile", "--candidates", "4", "--budget", "5m", "--workers", "2"],
            cwd=folder, env={**os.environ, "MOVE37_TEST_KEY": KEY}, check=False,
            capture_output=True, text=True, timeout=280,
        )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return folder, done.stdout + done.stderr, server


def test_the_campaign_ends_as_any_other(played) -> None:
    """H1."""
    folder, printed, _ = played
    assert "report:" in printed
    with Ledger.open(folder / "runs/hostile/ledger.db") as ledger:
        assert ledger.verify() is None
        assert {e.index for e in ledger.events([CandidateStarted])} >= {0, 1, 2, 3}
        authors = [e.candidate.author for e in ledger.events([CandidateProposed])]
    assert any("hostile" in author for author in authors)


def test_the_key_was_used_and_is_nowhere(played) -> None:
    """H2: every byte of the run's folder, every artefact as it reads, and all that was printed."""
    folder, printed, server = played
    assert set(server.keys) == {f"Bearer {KEY}"}
    assert KEY not in printed
    run = folder / "runs/hostile"
    files = [path for path in run.rglob("*") if path.is_file()]
    assert len(files) > 5
    assert not [path for path in files if KEY.encode() in path.read_bytes()]
    artefacts = Artefacts(run / "artefacts")
    with Ledger.open(run / "ledger.db") as ledger:
        for call in ledger.events([ModelCalled]):
            for digest in filter(None, (call.request, call.reply)):
                assert KEY.encode() not in artefacts.get(digest)


def test_replies_that_gave_nothing_are_counted_with_their_reason(played) -> None:
    """H3."""
    folder, _, _ = played
    with Ledger.open(folder / "runs/hostile/ledger.db") as ledger:
        failed = list(ledger.events([ProposalFailed]))
        outcomes = [call.outcome for call in ledger.events([ModelCalled])]
    assert failed
    assert all(event.reason for event in failed)
    assert any(outcome != "replied" for outcome in outcomes)
