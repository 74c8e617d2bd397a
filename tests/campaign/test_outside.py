"""Layers that come from outside: a file by hand, a mailbox for an agent.

O1  A layer by hand goes through every stage and is recorded like any other.
O5  A replay takes it from the record: its author is not there to be asked.
O2  It cannot be tried twice, and is not tried in a run without time; both are said.
O3  A mailbox hands a brief out and a checked proposal in, and gives up when time is over.
O4  A lesson that does not come leaves the tables; one with invented numbers is not taken.
"""

from __future__ import annotations

import os
import shutil
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from move37.campaign import stages
from move37.campaign.folder import RunFolder
from move37.campaign.handwork import propose_layer, stopped_words
from move37.campaign.outside import Mailbox
from move37.campaign.replay import replay
from move37.campaign.workshop import Workshop
from move37.core.candidate import Idea
from move37.core.config import CampaignConfig
from move37.core.errors import ConfigError, ReplyError, Stopped
from move37.core.events import SessionClosed
from move37.core.trial import Stage
from move37.lab.references import reference_candidate, reference_source
from move37.memory.ledger import Ledger
from move37.team.llm.analyst import LessonFields
from move37.team.llm.researcher import IdeaFields
from move37.team.protocols import Brief, KnownCandidate, NoProposal, Study

IDEA = Idea(name="by hand", motivation="Two rates remember longer than one.", mechanism="")
ROOT = KnownCandidate(candidate=reference_candidate("linear_attention"))
BRIEF = Brief(parents=(ROOT,), seed=1, index=7, task_names=("recall",))
FIELDS = IdeaFields(
    name="an agent's layer",
    motivation="One rate of forgetting is too few for two kinds of content.",
    mechanism="S = diag(a) S + k v^T",
)


def by_hand(folder: Path, **budget: float) -> str:
    file = folder / "layer.py"
    file.write_text(reference_source("hgrn2"), "utf-8")
    overrides = {"name": "tiny", "budget": budget}
    return propose_layer(file, IDEA, overrides, runs=folder, unsandboxed=False)


def test_a_layer_by_hand_goes_through_every_stage(finished_run, tmp_path):
    """O1, O2, O5."""
    shutil.copytree(finished_run, tmp_path / "tiny")
    id_ = by_hand(tmp_path, wall_seconds=900.0)
    with Ledger.open(tmp_path / "tiny" / "ledger.db") as ledger:
        state = ledger.state()
        entry = state.candidates[id_]
        assert ledger.verify() is None
    others = {s.seed for e in state.candidates.values() if e.role == "proposed" and e.id != id_
              for s in e.trials if s.stage is Stage.CONFIRM}  # fmt: skip
    own = {spec.seed for spec in entry.trials if spec.stage is Stage.CONFIRM}
    assert not own & others  # whoever wrote it may have read what the others got on theirs
    assert entry.candidate.author == "human"
    assert entry.candidate.idea.motivation == IDEA.motivation
    assert entry.role == "proposed"
    assert entry.probes is not None
    assert entry.trials
    assert entry.verdict is not None
    assert entry.lesson is not None
    again = replay(RunFolder(path=tmp_path / "tiny"), RunFolder(path=tmp_path / "again"))
    assert again.differences == ()
    with Ledger.open(tmp_path / "again" / "ledger.db") as ledger:
        assert id_ in ledger.state().candidates
        assert [e.reason for e in ledger.events([SessionClosed])] == ["the replay is over"]
    with pytest.raises(ConfigError, match="in the run already"):
        by_hand(tmp_path, wall_seconds=900.0)


def test_ctrl_c_is_said_to_be_that_and_how_to_go_on(tmp_path, monkeypatch, capsys, request):
    """O2: with all its time left; nothing says that time is short. A new run is said to begin."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored in a background job
    request.addfinalizer(lambda: signal.signal(signal.SIGINT, before))
    main = os.getpid()

    def interrupted(workshop: Workshop, pool: object) -> None:
        time.sleep(0.5)  # the main thread waits for the work now
        os.kill(main, signal.SIGINT)
        while not workshop.watch.is_stopped:
            time.sleep(0.01)
        raise Stopped("stopped in the test")

    monkeypatch.setattr(stages, "prepare", interrupted)
    file = tmp_path / "layer.py"
    file.write_text(reference_source("hgrn2"), "utf-8")
    overrides = {"name": "typo", "preset": "tiny", "budget": {"wall_seconds": 600.0}}
    propose_layer(file, IDEA, overrides, runs=tmp_path, unsandboxed=False)
    said = " ".join(capsys.readouterr().out.split())
    assert "typo: starting from linear_attention; preset tiny" in said
    assert "stopped; the layer was not tried yet; the same command goes on" in said
    assert "time left" not in said


def test_a_layer_that_was_stopped_half_way_is_gone_on_with_by_run():
    """O2: proposing it again would be refused."""
    stored = CampaignConfig(name="tiny")
    budget = stored.budget.model_copy(update={"max_candidates": 3})
    config = stored.model_copy(update={"budget": budget})
    said = stopped_words(config, stored, Path("runs"), is_proposed=True)
    assert said == "the layer is in the run; go on: move37 run --name tiny --candidates 3"


def mailbox(*, seconds: float = 60.0, has_time: bool = True) -> Mailbox:
    return Mailbox(
        author="agent", may_search=lambda: has_time, check_stop=lambda: None, lesson_seconds=seconds
    )


def test_a_proposal_is_taken_for_the_brief_that_waits():
    """O3."""
    box = mailbox()
    with pytest.raises(ReplyError, match="get a brief first"):
        box.hand_in(7, FIELDS, reference_source("gla"))
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(box.propose, BRIEF)
        assert box.wanted(seconds=30) == BRIEF
        with pytest.raises(ReplyError, match="class Mixer"):
            box.hand_in(7, FIELDS, "x = 1\n")
        with pytest.raises(ReplyError, match="no brief for candidate 8"):
            box.hand_in(8, FIELDS, reference_source("gla"))
        candidate = box.hand_in(7, FIELDS, reference_source("gla"))
        assert asked.result().candidate == candidate
    assert (candidate.author, candidate.parents) == ("agent", (ROOT.candidate.id,))
    assert box.wanted() is None


def test_waiting_for_a_proposal_ends_with_the_time_and_with_a_stop():
    """O3."""
    with pytest.raises(NoProposal, match="time for searching"):
        mailbox(has_time=False).propose(BRIEF)
    stop = threading.Event()

    def check() -> None:
        if stop.is_set():
            raise Stopped("by hand")

    box = Mailbox(author="agent", may_search=lambda: True, check_stop=check)
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(box.propose, BRIEF)
        box.wanted(seconds=30)
        stop.set()
        with pytest.raises(Stopped):
            asked.result()


def test_a_lesson_is_taken_and_invented_numbers_are_not():
    """O4."""
    box, study = mailbox(), Study(subject=ROOT, index=3)
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(box.explain, study)
        while not box.lessons_due:
            time.sleep(0.01)
        assert box.lessons_due == {3: ROOT.candidate.id}
        words = "The plain layer was tried; nothing was measured of it, so nothing is learnt."
        with pytest.raises(ReplyError, match=r"4\.25"):
            box.tell(3, LessonFields(lesson=f"{words} It gains 4.25."))
        box.tell(3, LessonFields(lesson=words))
        told = asked.result()
    assert words in told.text
    assert told.author == "agent"
    with pytest.raises(ReplyError, match="no lesson is due"):
        box.tell(3, LessonFields(lesson=words))


def test_without_a_lesson_the_tables_speak():
    """O4."""
    told = mailbox(seconds=0.0).explain(Study(subject=ROOT, index=3))
    assert told.author == "symbolic"
    assert "no lesson in time" in told.text
