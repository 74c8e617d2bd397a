"""The server.

S1. It answers this machine only, unless told otherwise; then it asks for a token.
S2. Every answer carries the strict policy; nothing but GET and HEAD is answered.
S3. Bad input is an answer in words: no run, broken, newer, deleted while watched, port in use.
S4. It changes nothing, and a campaign writes while it reads.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import sqlite3
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from asking import get, problem, served
from watched_runs import PLAIN, hostile_campaign, layer, opening, searched, write

from move37.core.errors import ConfigError
from move37.dashboard.server import Server
from move37.memory.ledger import Ledger


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    write(tmp_path / "first", hostile_campaign())
    return tmp_path


@pytest.mark.parametrize("path", ["/", "/app.js", "/app.css", "/api/first/overview", "/nothing"])
def test_every_answer_forbids_foreign_scripts_and_inline_ones(runs, path):
    """S2."""
    with served(runs) as server:
        policy = get(server, path)[0].headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "script-src 'self';" in policy
    assert "unsafe" not in policy


def test_the_page_builds_no_markup_from_text():
    """S2. Text reaches the page as text nodes: no way to write HTML is used anywhere."""
    static = Path(sys.modules["move37.dashboard.server"].__file__ or "").parent / "static"
    for script in static.glob("*.js"):
        source = script.read_text("utf-8")
        for word in (
            "innerHTML",
            "outerHTML",
            "insertAdjacentHTML",
            "document.write",
            "eval(",
            "http://",
        ):
            assert word not in source.replace("http://www.w3.org/2000/svg", ""), (script, word)


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS"])
def test_nothing_but_reading_is_answered(runs, method):
    """S2."""
    with served(runs) as server:
        assert get(server, "/api/first/overview", method)[0].status == 501


def test_a_foreign_name_that_points_here_is_refused(runs):
    """S1."""
    with served(runs) as server:
        assert get(server, "/api/runs", Host="evil.example")[0].status == 403


def test_a_foreign_page_that_asks_is_refused(runs):
    """S1."""
    with served(runs) as server:
        assert get(server, "/api/runs", Sec_Fetch_Site="cross-site")[0].status == 403


def test_beyond_loopback_a_token_is_asked_for(runs):
    """S1."""
    with served(runs, host="0.0.0.0") as server:
        assert server.token
        assert f"token={server.token}" in server.url
        assert get(server, "/api/runs")[0].status == 401
        assert get(server, "/api/runs?token=guess")[0].status == 401
        assert get(server, f"/api/runs?token={server.token}")[0].status == 200


def test_the_token_moves_into_a_cookie_that_scripts_cannot_read(runs):
    """S1."""
    with served(runs, host="0.0.0.0") as server:
        cookie = get(server, f"/?token={server.token}")[0].headers["Set-Cookie"]
        assert "HttpOnly" in cookie
        assert "SameSite=Strict" in cookie
        assert get(server, "/api/runs", Cookie=cookie.split(";")[0])[0].status == 200


@pytest.mark.parametrize(
    "path", ["/api/..%2f..%2fetc/overview", "/api/%00/pulse", "/../app.py", "/api"]
)
def test_paths_that_lead_elsewhere_find_nothing(runs, path):
    """S3."""
    with served(runs) as server:
        assert get(server, path)[0].status == 404


def test_a_run_that_is_not_there_is_named_with_those_that_are(runs):
    """S3."""
    with served(runs) as server:
        assert "first" in problem(server, "/api/frist/overview")


def test_a_damaged_ledger_is_said_in_words_and_the_others_still_show(runs):
    """S3."""
    (runs / "broken").mkdir()
    (runs / "broken/ledger.db").write_bytes(b"SQLite format 3\0" + b"\1" * 5000)
    (runs / "text").mkdir()
    (runs / "text/ledger.db").write_text("hello")
    with served(runs) as server:
        lines = {line["run"]: line for line in json.loads(get(server, "/api/runs")[1])}
        assert "not a move37 ledger" in problem(server, "/api/text/overview")
    assert lines["broken"]["problem"]
    assert lines["first"]["n_candidates"] == 2


def mark(file: Path, revision: str) -> str:
    """Write another schema number into a ledger; return the one it had."""
    with sqlite3.connect(file) as database:
        (before,) = database.execute("select version_num from alembic_version").fetchone()
        database.execute("update alembic_version set version_num = ?", (revision,))
    database.close()
    return before


def test_a_ledger_of_a_newer_version_is_said_in_words(runs):
    """S3."""
    mark(runs / "first/ledger.db", "9999")
    with served(runs) as server:
        assert "newer move37" in problem(server, "/api/first/overview")


def test_a_ledger_of_an_older_version_names_the_command_that_brings_it_up_to_date(runs):
    """S3. The page itself migrates nothing; once the run is up to date it is shown."""
    mark(runs / "first/ledger.db", "0001")
    with served(runs) as server:
        assert "move37 status first" in problem(server, "/api/first/overview")
        assert mark(runs / "first/ledger.db", "0002") == "0001"
        assert get(server, "/api/first/overview")[0].status == 200


def test_a_campaign_deleted_while_watched_is_said_in_words(runs):
    """S3."""
    with served(runs) as server:
        assert get(server, "/api/first/pulse")[0].status == 200
        shutil.rmtree(runs / "first")
        assert "no run 'first'" in problem(server, "/api/first/pulse")


def test_a_campaign_made_again_under_its_name_is_read_anew(runs):
    """S3."""
    with served(runs) as server:
        get(server, "/api/first/overview")
        shutil.rmtree(runs / "first")
        write(runs / "first", opening())
        assert json.loads(get(server, "/api/first/overview")[1])["n_candidates"] == 0


def test_a_port_in_use_is_one_message(runs):
    """S3."""
    with served(runs) as server, pytest.raises(ConfigError, match="another dashboard"):
        Server(runs, host="127.0.0.1", port=server.server_port)


def test_looking_changes_no_byte_of_the_ledger(runs):
    """S4."""
    file = runs / "first/ledger.db"
    before = hashlib.sha256(file.read_bytes()).digest()
    pages = ("overview", "tree", "gallery", "team", "guards", "cognition", "ledger", "verify")
    with served(runs) as server:
        for page in (*pages, f"candidate/{PLAIN.id}", "pulse"):
            assert get(server, f"/api/first/{page}")[0].status == 200
    assert hashlib.sha256(file.read_bytes()).digest() == before


def test_a_campaign_appends_while_pages_are_asked_for_without_pause(runs):
    """S4. With a busy time-out of nothing, any lock that a reader held would refuse the append."""
    stop = threading.Event()

    def look(server: Server) -> None:
        while not stop.is_set():
            get(server, "/api/first/overview")
            get(server, "/api/first/tree")

    with served(runs) as server, Ledger.open(runs / "first/ledger.db", busy_seconds=0.0) as ledger:
        lookers = [threading.Thread(target=look, args=(server,)) for _ in range(3)]
        for thread in lookers:
            thread.start()
        try:
            for k in range(20):
                ledger.append(*searched(layer(f"new {k}"), 2 + k, 1.0))
        finally:
            stop.set()
            for thread in lookers:
                thread.join()
        assert json.loads(get(server, "/api/first/pulse")[1])["n_candidates"] == 22


def test_verify_tells_a_changed_event(runs):
    """S3."""
    with served(runs) as server:
        assert json.loads(get(server, "/api/first/verify")[1])["holds"]
        with sqlite3.connect(runs / "first/ledger.db") as database:
            database.execute(
                "update events set body = replace(body, 'lesson', 'lessen') where seq > 5"
            )
        database.close()
        assert not json.loads(get(server, "/api/first/verify")[1])["holds"]


def test_the_page_beside_a_campaign_ends_with_it(runs):
    """S4. A campaign that is killed closes the pipe; the page goes with it."""
    command = [
        sys.executable, "-m", "move37", "dashboard", "first", "--runs", str(runs), "--port", "0",
        "--no-browser", "--with-parent",
    ]  # fmt: skip
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout
        assert process.stdin
        assert process.stdout.readline().startswith("dashboard: http://127.0.0.1:")
        process.stdin.close()
        assert process.wait(20) == 0
