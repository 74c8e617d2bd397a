"""Every hostile candidate goes the whole way: text, probes, training, blind scoring.

Invariants:

H1 it ends as its file says, and no other way: no score better than an honest twin's;
H2 nobody else notices: a sibling child opened before goes on answering the same;
H3 nothing leaks: what spies find, they put into an error that would show;
H4 nothing is left behind: no process, no file, and the laboratory still gives an honest candidate
   its honest score.
"""

from __future__ import annotations

import os
import re
import socket
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import psutil
import pytest
from hostile_corpus import HONEST, Attack, generated_attacks, read_attacks

from move37.campaign.settings import load_preset
from move37.core.budget import Limits
from move37.core.candidate import check_source, source_id
from move37.core.errors import SourceError
from move37.core.trial import Outcome, Stage, Trial, TrialSpec
from move37.lab.laboratory import Laboratory
from move37.lab.probes import probe
from move37.lab.probes.child import Child
from move37.lab.probes.draws import inputs
from move37.lab.trials import TrialRequest, run_trial

MEGABYTE = 2**20
PATIENT = Limits(wall_seconds=60, cpu_seconds=30, memory_bytes=256 * MEGABYTE)
SHORT = Limits(wall_seconds=2.5, cpu_seconds=2, memory_bytes=256 * MEGABYTE)
SIBLING = Limits(wall_seconds=600, cpu_seconds=60, memory_bytes=256 * MEGABYTE)
CANARY = "move37-canary"
EVIDENCE = re.compile(
    r"window \d+: the same (prefix|window) was answered differently .*token \d+ -?[\d.]+, then "
)
"""What a trial keeps of a breach that the scorer found: where, and both answers."""
PRESET = load_preset("tiny").model_copy(update={"trial_seconds": 30.0, "memory_megabytes": 512})


@dataclass(frozen=True, kw_only=True, slots=True)
class Ending:
    """How a candidate ended, and everything it said on the way."""

    outcome: str
    """`refused`, or an Outcome."""
    words: str
    failed_probes: frozenset[str] = frozenset()
    trial: Trial | None = None


class Range:
    """The laboratory, an honest twin's score, a sibling, and an ear on the loopback."""

    def __init__(self, laboratory: Laboratory, folder: Path, ear: socket.socket) -> None:
        self.laboratory = laboratory
        self.folder = folder
        self.ear = ear
        self.port = ear.getsockname()[1]
        self.honest = self.run(HONEST).trial
        assert self.honest is not None
        assert self.honest.measurement is not None
        self.sibling_session = self.laboratory.session(SIBLING)
        self.sibling = Child(self.sibling_session, time.monotonic() + 600)
        self.sibling.open(HONEST, d_model=16, n_heads=2)
        self.sibling.build()
        self.expected = self.ask_sibling()

    def ask_sibling(self) -> np.ndarray:
        return self.sibling.apply(inputs(1, 20, 16)).y_BTD

    def run(self, source: str, *, limits: Limits = PATIENT) -> Ending:
        """Take a text the whole way, as a campaign does."""
        try:
            check_source(source)
        except SourceError as error:
            return Ending(outcome="refused", words=str(error))
        source = source.replace("@PORT@", str(self.port))
        report = probe(
            lambda: self.laboratory.session(limits),
            source,
            d_model=32,
            n_heads=2,
            wall_seconds=limits.wall_seconds,
        )
        words = report.reason + " ".join(v.detail for v in report.verdicts)
        if report.outcome is not Outcome.COMPLETED:
            failed = frozenset(v.name for v in report.verdicts if not v.passed)
            return Ending(outcome=report.outcome, words=words, failed_probes=failed)
        spec = TrialSpec(candidate_id=source_id(source), stage=Stage.SEARCH, rung=1, seed=3)
        request = TrialRequest(
            spec=spec, source=source, preset=PRESET, secret=b"nobody inside knows it"
        )
        trial = run_trial(self.laboratory, request).trial
        return Ending(outcome=trial.outcome, words=words + trial.reason, trial=trial)


@pytest.fixture(scope="module")
def field(tmp_path_factory):
    folder = tmp_path_factory.mktemp("host")
    (folder / f"{CANARY}.txt").write_text("canary: nobody may read this")
    patch = pytest.MonkeyPatch()
    patch.setenv("MOVE37_TEST_API_KEY", "canary")
    patch.chdir(folder)
    try:
        with Laboratory() as laboratory, socket.create_server(("127.0.0.1", 0)) as ear:
            ear.setblocking(False)
            field = Range(laboratory, folder, ear)
            with field.sibling_session:
                yield field
            again = Attack(name="again", source=HONEST, endings=frozenset({"completed honest"}))
            check_ending(again, field.run(HONEST), field)  # H4, whatever order they came in
    finally:
        patch.undo()


def is_slow(attack: Attack) -> bool:
    return bool(attack.endings & {"out_of_time", "any"})


@pytest.mark.parametrize(
    "attack", [*read_attacks(), *generated_attacks()], ids=lambda attack: attack.name
)
def test_a_hostile_candidate_ends_as_it_must_and_harms_nobody(attack: Attack, field: Range):
    ending = field.run(attack.source, limits=SHORT if is_slow(attack) else PATIENT)
    check_ending(attack, ending, field)
    assert "SPIED" not in ending.words, "H3"
    assert np.array_equal(field.ask_sibling(), field.expected), "H2"


def check_ending(attack: Attack, ending: Ending, field: Range) -> None:
    """H1."""
    if ending.outcome == "completed":
        check_completed(attack, ending, field)
    elif "any" not in attack.endings:
        told = (ending.outcome, sorted(ending.failed_probes), ending.words[:1500])
        assert ending.outcome in attack.endings, told
        if ending.outcome == "forged" and attack.name.startswith("peeking/"):
            assert EVIDENCE.search(ending.words), told
        if ending.outcome == "probe_failed":
            assert attack.probes <= ending.failed_probes, told


def check_completed(attack: Attack, ending: Ending, field: Range) -> None:
    assert ending.trial is not None
    assert ending.trial.measurement is not None
    assert field.honest is not None
    assert field.honest.measurement is not None
    scores, honest = ending.trial.measurement.scores, field.honest.measurement.scores
    if "completed honest" in attack.endings or "any" in attack.endings:
        for name in honest:
            assert scores[name].nats == pytest.approx(honest[name].nats, abs=1e-4)
    elif "completed no better" in attack.endings:
        for name in honest:
            assert scores[name].nats > honest[name].nats - 1e-4
    else:
        assert "completed costly" in attack.endings, ending.words[:500]
        cost, honest_cost = ending.trial.measurement.cost, field.honest.measurement.cost
        assert cost.cpu_seconds > 2 * honest_cost.cpu_seconds


def test_nothing_reached_the_host(field: Range):
    """H3 and H4: nobody knocked, nothing was written where the host would find it."""
    for name in ("forging/writes_result_files", "spying/network", "forging/pickled_weights"):
        (attack,) = [a for a in read_attacks() if a.name == name]
        field.run(attack.source)
    with pytest.raises(BlockingIOError):
        field.ear.accept()
    assert [path.name for path in field.folder.iterdir()] == [f"{CANARY}.txt"]
    assert not Path("/tmp/move37-pickle-was-opened").exists()


def test_no_process_outlives_its_trial(field: Range):
    """H4: daemons, fork bombs and stopped processes end with the child that made them."""
    before = descendants()
    for name in ("harming/daemon", "harming/fork_bomb", "harming/stops_everyone"):
        (attack,) = [a for a in read_attacks() if a.name == name]
        field.run(attack.source, limits=SHORT)
    deadline = time.monotonic() + 10
    while len(descendants()) > len(before) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert len(descendants()) == len(before)


def descendants() -> list[psutil.Process]:
    return [
        process
        for process in psutil.Process(os.getpid()).children(recursive=True)
        if process.status() != psutil.STATUS_ZOMBIE
    ]


def test_the_corpus_covers_what_the_threat_model_lists():
    names = {attack.name for attack in [*read_attacks(), *generated_attacks()]}
    assert len(names) >= 90
    kinds = {re.split("/", name)[0] for name in names}
    assert kinds >= {"peeking", "forging", "spying", "harming", "form", "generated"}
