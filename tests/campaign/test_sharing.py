"""Several drivers, one campaign, on a real PostgreSQL.

D1  The work is shared: no trial, proposal or verdict twice, and the result is that of one driver.
D2  A driver that dies leaves its work to the others.
D3  Whoever was only slow drops what another has taken over.
D4  One budget for all.
D5  A run keeps the place of its ledger once it was begun there, and no other place.
"""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import run_tiny, tiny
from crashes import family, orphans
from sqlalchemy import inspect

from move37.campaign.assemble import open_workshop
from move37.campaign.commands import estimate_campaign, settle
from move37.campaign.folder import RunFolder
from move37.campaign.stopping import used_together
from move37.core.config import CampaignConfig
from move37.core.errors import ConfigError, LedgerError, Stopped
from move37.core.events import (
    CandidateProposed,
    CandidateStarted,
    LessonWritten,
    SessionClosed,
    SessionOpened,
    TrialFinished,
    TrialStarted,
    VerdictReached,
)
from move37.memory.database import connect, locate
from move37.memory.journal import Journal
from move37.memory.leases import LeaseLost, Leases
from move37.memory.ledger import Ledger
from move37.testing.store_contract import opening

pytest_plugins = ("move37.testing.postgres",)

Fresh = Callable[[], str]
LEASE_SECONDS = 4.0


def config() -> CampaignConfig:
    return tiny(candidates=4)


def start_driver(folder: Path) -> subprocess.Popen:
    program = (
        "import pathlib, sys\nfrom move37.campaign.assemble import open_workshop\n"
        "from move37.campaign.folder import RunFolder\nfrom move37.campaign.session import work\n"
        "from test_sharing import LEASE_SECONDS, config\n"
        "folder = RunFolder(path=pathlib.Path(sys.argv[1]))\n"
        "with open_workshop(config(), folder, lease_seconds=LEASE_SECONDS) as workshop:\n"
        "    work(workshop, lambda *_: None)\n"
    )
    return subprocess.Popen([sys.executable, "-c", program, str(folder)], cwd=Path(__file__).parent)


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the same campaign, run by one driver on SQLite."""
    folder = tmp_path_factory.mktemp("alone") / "tiny"
    run_tiny(config(), folder)
    return folder


def result(ledger: Ledger) -> dict:
    trials = {e.trial.spec: e.trial.outcome for e in ledger.events([TrialFinished])}
    proposals = {e.index: e.candidate.id for e in ledger.events([CandidateProposed])}
    verdicts = {id_: e.verdict for id_, e in ledger.state().candidates.items()}
    return {"trials": trials, "proposals": proposals, "verdicts": verdicts}


def shared_folder(alone: Path, folder: Path, url: str) -> Path:
    RunFolder(path=folder).at(url).keep_url()
    (folder / "secret").write_bytes((alone / "secret").read_bytes())
    return folder


@pytest.mark.slow
def test_two_drivers_share_the_work_and_one_is_killed(alone: Path, tmp_path: Path, postgres: Fresh):
    """D1, D2: killed as soon as it has a candidate of its own in training."""
    folder = shared_folder(alone, tmp_path / "tiny", postgres())
    drivers = [start_driver(folder), start_driver(folder)]
    try:
        victim = kill_one_at_work(folder, drivers)
        survivor = next(driver for driver in drivers if driver is not victim)
        assert survivor.wait(240) == 0
    finally:
        for driver in drivers:
            driver.kill()
            driver.wait()
    with RunFolder(path=folder).open_ledger() as ledger, Ledger.open(alone / "ledger.db") as one:
        assert ledger.verify() is None
        assert result(ledger) == result(one)
        for kind in (CandidateStarted, CandidateProposed):
            assert max(Counter(e.index for e in ledger.events([kind])).values()) == 1
        said = [(e.candidate_id, e.verdict) for e in ledger.events([VerdictReached])]
        assert all(said.count(verdict) == 1 for verdict in said)
        lessons = Counter(e.candidate_id for e in ledger.events([LessonWritten]))
        assert max(lessons.values()) == 1
        begun = Counter(e.spec for e in ledger.events([TrialStarted]))
        # twice is only what the victim had in hand
        assert sum(n - 1 for n in begun.values()) <= 2
        assert max(begun.values()) <= 2
        assert len({e.driver for e in ledger.events([SessionOpened])}) == 2


def kill_one_at_work(folder: Path, drivers: list[subprocess.Popen]) -> subprocess.Popen:
    """Kill the driver that began the last candidate, once it trains."""
    deadline = time.monotonic() + 200
    with RunFolder(path=folder).open_ledger(create=True) as ledger:
        while time.monotonic() < deadline:
            training = {e.index for e in ledger.events([TrialStarted]) if e.index >= 0}
            both = {e.driver for e in ledger.events([SessionOpened])}
            started = [e for e in ledger.events([CandidateStarted]) if e.index in training]
            if started and len(both) == 2:
                name = started[-1].driver.split("/")[0]
                victim = next(d for d in drivers if name.endswith(f":{d.pid}"))
                children = family(victim)
                victim.kill()
                victim.wait()
                assert orphans(children) == []
                return victim
            assert all(driver.poll() is None for driver in drivers)
            time.sleep(0.1)
    raise AssertionError("no driver came to train a candidate")


@pytest.fixture(params=["sqlite", "postgres"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return str(tmp_path / "first" / "ledger.db")
    return request.getfixturevalue("postgres")()


class TestLeases:
    @pytest.fixture
    def ledger(self, place: str):
        with Ledger.open(place, create=True, campaign="first") as ledger:
            ledger.append(*opening())
            yield ledger

    def other(self, ledger: Ledger, seconds: float = 60.0) -> Leases:
        return Leases(ledger.engine, ledger.campaign, "other", seconds=seconds)

    def test_a_claim_is_one_drivers_until_it_gives_it_back(self, ledger):
        """D1."""
        mine, other = ledger.share("me"), self.other(ledger)
        assert mine.claim("index 3")
        assert mine.claim("index 3")
        assert not other.claim("index 3")
        assert other.others("index ")
        assert not mine.others("index ")
        mine.release("index 3")
        assert other.claim("index 3")
        other.close()
        assert mine.claim("index 3")

    def test_a_heartbeat_keeps_a_claim_and_silence_loses_it(self, ledger):
        """D2."""
        mine, other = ledger.share("me", seconds=0.9), self.other(ledger)
        assert mine.claim("a")
        time.sleep(2.0)
        assert not other.claim("a")
        mine._closed.set()  # the heart stops, as after SIGKILL
        mine._beating.join()
        time.sleep(1.2)
        assert mine.last_seen("a") is not None
        assert other.claim("a")
        other.close()

    def test_who_is_stopped_waits_no_longer_for_another(self, ledger):
        """D1."""
        mine, other = ledger.share("me"), self.other(ledger)
        assert other.claim("a")
        stop = threading.Event()
        mine.is_stopped = stop.is_set
        threading.Timer(0.5, stop.set).start()
        with pytest.raises(Stopped), mine.holding("a"):
            raise AssertionError("it is another's")
        other.release("a")
        with mine.holding("a"):  # nobody waits: what is at hand is finished
            assert mine.others("") is False
        other.close()

    def test_what_another_has_taken_over_is_dropped_and_its_result_counts(self, ledger):
        """D3: the slow one's append is refused; it returns what the other one recorded."""
        mine, other = ledger.share("me"), self.other(ledger)

        def make(driver: str) -> CandidateStarted:
            if driver == "me" and not taken:
                steal(ledger, "other")
                taken.append(1)
            return CandidateStarted(index=5, driver=driver)

        def steal(ledger: Ledger, thief: str) -> None:
            mine._closed.set()
            mine._beating.join()
            from sqlalchemy import update

            from move37.memory.database import writing
            from move37.memory.schema import leases

            with writing(ledger.engine) as connection:
                connection.execute(update(leases).values(holder=other.driver, expires=0.0))
            ledger.leases = None
            ledger.append(CandidateStarted(index=5, driver=thief))
            ledger.leases = mine

        taken: list[int] = []
        got = Journal(ledger, 5).once(CandidateStarted, lambda: make("me"))
        assert got.driver == "other"
        assert [e.driver for e in ledger.events([CandidateStarted])] == ["other"]
        other.close()

    def test_an_append_under_a_lost_claim_changes_nothing(self, ledger):
        """D3."""
        ledger.share("me")
        before = ledger.head()
        with pytest.raises(LeaseLost):
            ledger.append(CandidateStarted(index=1, driver="me"), under="never held")
        assert ledger.head() == before

    def test_threads_of_two_drivers_do_one_thing_once(self, place, ledger):
        """D1."""
        made: list[str] = []
        with Ledger.open(place, campaign="first") as second:
            second.share("b")
            ledger.share("a")

            def want(which: Ledger, name: str) -> None:
                def make() -> CandidateStarted:
                    time.sleep(0.1)
                    made.append(name)
                    return CandidateStarted(index=0, driver=name)

                Journal(which, 0).once(CandidateStarted, make)

            threads = [
                threading.Thread(target=want, args=pair)
                for pair in [(ledger, "a"), (second, "b")] * 2
            ]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        assert len(made) == 1


def test_the_budget_is_the_time_in_which_anybody_worked():
    """D4: overlapping sessions count once, pauses do not, a living one counts until now."""
    told = [
        (100.0, SessionOpened(driver="a", sandboxed=True, budget_seconds=480.0)),
        (105.0, SessionOpened(driver="b", sandboxed=True, budget_seconds=480.0)),
        (112.0, SessionClosed(driver="a", reason="", wall_seconds=10.0)),
        (116.0, SessionClosed(driver="b", reason="lost", wall_seconds=8.0)),
        (200.0, SessionOpened(driver="c", sandboxed=True, budget_seconds=480.0)),
    ]
    assert used_together(told, now=207.0) == (113.0 - 100.0) + 7.0


def test_a_folder_with_another_secret_is_refused(alone, tmp_path, postgres):
    url = postgres()
    first = shared_folder(alone, tmp_path / "a" / "tiny", url)
    with RunFolder(path=first).open_ledger(create=True) as ledger:
        from move37.campaign.assemble import check_secret
        from move37.core.events import CampaignStarted

        ledger.append(
            CampaignStarted(
                name="tiny", config="{}", version="0", machine={}, sandboxed=True, secret="0" * 64
            )
        )
        with pytest.raises(LedgerError, match="copy `secret` from the folder"):
            check_secret(ledger, RunFolder(path=first).secret())


def test_a_run_keeps_its_place(tmp_path):
    """D5."""
    folder = RunFolder(path=tmp_path / "first")
    folder.at("postgresql://me:hunter2@localhost/a").keep_url()
    assert (folder.path / "database").stat().st_mode & 0o077 == 0
    assert folder.at("postgresql://me:hunter2@localhost/a").url == folder.url
    with pytest.raises(ConfigError, match="has its ledger elsewhere") as caught:
        folder.at("postgresql://me:hunter2@localhost/b")
    assert "hunter2" not in str(caught.value)
    assert str(folder.path / "database") in str(caught.value)


def test_a_mistyped_place_is_not_kept_and_a_right_one_is_once_the_run_began(
    tmp_path, postgres, capsys
):
    """D5: neither by a start that fails nor by a dry run."""
    asked = {"name": "first", "preset": "tiny"}
    wrong = {**asked, "database": "postgresql://me@127.0.0.1:1/x?connect_timeout=2"}
    for start in (
        lambda: settle(None, wrong, runs=tmp_path),
        lambda: estimate_campaign(None, wrong, runs=tmp_path, as_json=False),
    ):
        with pytest.raises(LedgerError, match="cannot be reached"):
            start()
        assert not (tmp_path / "first").exists()
    right = {**asked, "database": postgres()}
    estimate_campaign(None, right, runs=tmp_path, as_json=False)
    assert "nothing to pay" in capsys.readouterr().out
    assert not (tmp_path / "first").exists()
    config, folder = settle(None, right, runs=tmp_path)
    assert not folder.exists
    engine = connect(locate(right["database"]), busy_seconds=5.0)
    assert not inspect(engine).get_table_names()  # a dry run makes none
    engine.dispose()
    with open_workshop(config, folder):
        assert RunFolder(path=tmp_path / "first").url == right["database"]
    _, again = settle(None, asked, runs=tmp_path)
    assert again.is_begun()
