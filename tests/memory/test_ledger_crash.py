"""kill -9 while several threads append: what was acknowledged is there, and the ledger verifies.

Invariant K1: every event whose append returned is in the ledger after the kill, in the order in
which its thread wrote it, and at most one more per thread.
"""

from __future__ import annotations

import signal
import subprocess
import sys
import time

import pytest

from move37.memory.ledger import Ledger
from move37.testing.store_contract import journey, opening

APPEND_FOR_EVER = """
import os, sys, threading
from move37.memory.ledger import Ledger
from move37.testing.store_contract import journey, opening
ledger = Ledger.open(sys.argv[1], create=True)
ledger.append(*opening())

def work(thread):
    for index in range(thread, 10_000, 3):
        for place, event in enumerate(journey(index)):
            ledger.append(event)
            os.write(1, f"{index} {place}\\n".encode())  # the acknowledgement

for thread in range(3):
    threading.Thread(target=work, args=(thread,)).start()
"""

CREATE_AND_TELL = """
import os, sys
from move37.memory.ledger import Ledger
os.write(1, b"go\\n")
Ledger.open(sys.argv[1], create=True)
"""


@pytest.mark.parametrize("n_acknowledged", [1, 20, 61])
def test_a_killed_driver_loses_nothing_that_was_acknowledged(tmp_path, n_acknowledged):
    """K1."""
    path = tmp_path / "ledger.db"
    child = subprocess.Popen([sys.executable, "-c", APPEND_FOR_EVER, path], stdout=subprocess.PIPE)
    assert child.stdout is not None
    lines = [child.stdout.readline() for _ in range(n_acknowledged)]
    child.send_signal(signal.SIGKILL)
    lines += child.stdout.read().splitlines()
    child.stdout.close()
    assert child.wait() == -signal.SIGKILL

    with Ledger.open(path) as ledger:
        assert ledger.verify() is None
        written = list(ledger.events())
        acknowledged = dict[int, int]()
        for line in lines:
            index, place = map(int, line.split())
            acknowledged[index] = place + 1
        for index in {e.index for e in written if e.index >= 0} | set(acknowledged):
            there = [e for e in written if e.index == index]
            assert there == journey(index)[: len(there)]
            assert acknowledged.get(index, 0) <= len(there) <= acknowledged.get(index, 0) + 1
        assert written[: len(opening())] == opening()
        ledger.append(*journey(9_000))
        assert ledger.verify() is None


def test_a_driver_killed_while_it_makes_a_ledger_leaves_none_or_a_whole_one(tmp_path):
    """K1 for the first moment: at no time is there half a ledger."""
    for delay_ms in (0, 150, 300):
        path = tmp_path / str(delay_ms) / "ledger.db"
        child = subprocess.Popen(
            [sys.executable, "-c", CREATE_AND_TELL, path], stdout=subprocess.PIPE
        )
        assert child.stdout is not None
        child.stdout.readline()
        time.sleep(delay_ms / 1000)
        child.send_signal(signal.SIGKILL)
        child.wait()
        child.stdout.close()
        with Ledger.open(path, create=True) as ledger:
            ledger.append(*opening())
            assert ledger.verify() is None


def test_several_processes_that_make_the_same_ledger_share_it(tmp_path):
    """K1."""
    path = tmp_path / "runs" / "ledger.db"
    children = [subprocess.Popen([sys.executable, "-c", CREATE_AND_TELL, path]) for _ in range(3)]
    assert [child.wait() for child in children] == [0] * 3
    assert sorted(p.name for p in path.parent.iterdir()) == ["ledger.db"]
    with Ledger.open(path) as ledger:
        ledger.append(*opening())
        assert ledger.verify() is None
