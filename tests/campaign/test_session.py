"""A session and its stop: numbered as the promises they test.

S1  Ctrl-C while work is going on waits for the work to end, however long that takes.
S2  A session ends with a reason, and the ledger has it.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from pathlib import Path

from conftest import tiny

from move37.campaign import stages
from move37.campaign.assemble import RunFolder, open_workshop
from move37.campaign.session import Ending, work
from move37.campaign.workshop import Stopped
from move37.core.events import SessionClosed


def test_ctrl_c_waits_for_work_that_takes_its_time(tmp_path: Path, monkeypatch, request) -> None:
    """S1, S2: an interrupted `Thread.join` once took the working thread for a dead one."""
    main = os.getpid()
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored in a background job
    request.addfinalizer(lambda: signal.signal(signal.SIGINT, before))

    def slow_to_stop(workshop, pool) -> None:
        while not workshop.watch.is_stopped:
            time.sleep(0.01)
        time.sleep(1.5)
        raise Stopped("stopped in the test")

    monkeypatch.setattr(stages, "prepare", slow_to_stop)
    watched = threading.Event()

    def interrupt() -> None:
        watched.wait(60)
        time.sleep(0.2)  # the main thread waits for the work now
        os.kill(main, signal.SIGINT)

    threading.Thread(target=interrupt, daemon=True).start()
    with open_workshop(tiny(), RunFolder(path=tmp_path / "run")) as workshop:
        assert work(workshop, lambda *_: watched.set()).ending is Ending.STOPPED
        (closed,) = workshop.ledger.events([SessionClosed])
    assert closed.reason == "stopped by hand"
