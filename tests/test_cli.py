"""The command line as a user meets it: real processes, real exit codes.

U1  Bad input: one message on standard error, exit code 2, no traceback, nothing lost.
U2  Ctrl-C stops a run in good order; the same command goes on.
U3  Help is instant and torch-free, and every verb shows an example.
"""

from __future__ import annotations

import json
import os
import re
import resource
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

from move37.core.errors import LedgerError
from move37.core.events import CandidateProposed, SessionClosed, TrialFinished
from move37.memory.ledger import Ledger

TINY = ("run", "--preset", "tiny", "--workers", "2")
VERBS = (
    ["run"], ["replay"], ["status"], ["gallery"], ["show"], ["report"], ["check"], ["doctor"],
    ["mixers"], ["propose"], ["mcp"], ["import", "asi-arch"], ["audit"], ["export"],
    ["tree"], ["diff"], ["lessons"],
    ["ablate"], ["verify"], ["ledger", "verify"], ["ledger", "export"],
    ["cards", "search"], ["cards", "list"], ["cards", "show"], ["cards", "lint"], ["cards", "add"],
    ["guards", "families"], ["guards", "lab"], ["guards", "probe"], ["dataset"],
    ["guards", "canaries"], ["guards", "quarantine"], ["guards", "edges"], ["guards", "alarms"],
    ["watch"], ["dashboard"],
)  # fmt: skip


def move37(*arguments: str, cwd: Path, **more) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-m", "move37", *arguments],
        cwd=cwd, check=False, capture_output=True, text=True, timeout=240, **more,
    )  # fmt: skip


def refused(done: subprocess.CompletedProcess) -> str:
    """U1: return the one message."""
    assert done.returncode == 2, done.stderr
    assert "Traceback" not in done.stderr
    assert done.stderr.startswith("move37: ")
    return " ".join(done.stderr.split())


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> Path:
    """A folder in which `move37 run` has ended once: runs/small."""
    folder = tmp_path_factory.mktemp("user")
    done = move37(*TINY, "--name", "small", "--candidates", "2", "--budget", "5m", cwd=folder)
    assert done.returncode == 0, done.stderr
    (folder / "output.txt").write_text(done.stdout)
    return folder


def events_of(folder: Path, kind: type) -> list:
    with Ledger.open(folder / "ledger.db") as ledger:
        return list(ledger.events([kind]))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("run", "--preset", "cpus"), "no preset 'cpus'; did you mean 'cpu'?"),
        (("run", "--budget", "-3"), "a time above zero"),
        (("run", "--budget", "8x"), "a time above zero"),
        (("run", "--candidates", "-1"), "budget.max_candidates"),
        (("run", "--seed", "-1"), "seed"),
        (("run", "nothing.toml"), "no file nothing.toml"),
        (("status", "nothing"), "no run 'nothing'"),
        (("run", "--name", "../evil"), "name: String should match pattern"),
        (("ablate", "--name", "../evil"), "a run cannot be called '../evil'"),
        (("check", "nothing.py"), "no file nothing.py"),
        (("check", "nothing.py", "--width", "7"), "must divide"),
    ],
)
def test_bad_arguments_are_refused_with_the_way_out(tmp_path, arguments, words):
    """U1."""
    assert words in refused(move37(*arguments, cwd=tmp_path))
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("seed = ", "not valid TOML"),
        ("sede = 3", "unknown key 'sede'; did you mean 'seed'?"),
        ('roots = ["linear_atention"]', "did you mean 'linear_attention'?"),
        ('roots = ["broken.py"]', "broken.py"),
        ('opponents = ["nothing.py"]', "nothing.py"),
        ("[budget]\nwall_seconds = -1", "budget.wall_seconds"),
        ('[search]\nselection = "best"', "no selection rule 'best'"),
        ('[evidence]\nfitness = "luck"', "no fitness 'luck'"),
        ('[team]\nresearcher = "genius"', "no researcher 'genius'"),
    ],
)
def test_broken_campaign_files_are_refused_before_anything_runs(tmp_path, text, words):
    """U1."""
    (tmp_path / "broken.py").write_text("class Mixer(:\n")
    (tmp_path / "mine.toml").write_text(f'name = "mine"\npreset = "tiny"\n{text}\n'.replace(
        'name = "mine"\npreset = "tiny"\nroots', 'name = "mine"\nroots'))  # fmt: skip
    message = refused(move37("run", "mine.toml", cwd=tmp_path))
    assert words in message
    assert not list(tmp_path.glob("runs/*/ledger.db"))


def test_a_layer_that_does_not_parse_is_named_with_its_line(tmp_path):
    """U1."""
    (tmp_path / "layer.py").write_text("import torch\n\nclass Mixer(:\n    pass\n")
    message = refused(move37("check", "layer.py", cwd=tmp_path))
    assert "line 3" in message


def test_a_layer_that_leaves_is_told_with_its_own_line_and_readably(tmp_path):
    """U1: no traceback of ours, and lines are lines."""
    (tmp_path / "layer.py").write_text(
        "from torch import nn\n\n\nclass Mixer(nn.Module):\n"
        "    def __init__(self, d_model, n_heads, layer_index):\n"
        "        raise SystemExit('[bold]enough[/]')\n\n"
        "    def forward(self, x_BTD, state=None):\n"
        "        return x_BTD, state\n"
    )
    done = move37("check", "layer.py", cwd=tmp_path, env={**os.environ, "COLUMNS": "160"})
    assert done.returncode == 1, done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    assert "�" not in done.stdout
    assert "contract" in done.stdout
    last = done.stdout.rstrip().splitlines()[-2:]
    assert last[0].endswith("SystemExit: [bold]enough[/]")
    assert last[1] == "  line 6, in __init__: raise SystemExit('[bold]enough[/]')"


class TestAnotherCampaign:
    def test_other_settings_under_the_same_name_are_refused(self, finished):
        before = events_of(finished / "runs/small", CandidateProposed)
        message = refused(move37(*TINY, "--name", "small", "--seed", "9", cwd=finished))
        assert "another campaign: its seed is 0, not 9; choose another --name" in message
        assert events_of(finished / "runs/small", CandidateProposed) == before

    def test_a_run_of_another_version_is_refused_and_left_alone(self, finished, tmp_path):
        """U1: its config has a key that this version does not know."""
        copy = tmp_path / "runs/old"
        shutil.copytree(finished / "runs/small", copy)
        database = sqlite3.connect(copy / "ledger.db")
        with database:
            database.execute("update alembic_version set version_num = '9999'")
        database.close()
        before = (copy / "ledger.db").read_bytes()
        for verb in (("run", "--name", "old"), ("status", "old"), ("report", "old")):
            message = refused(move37(*verb, cwd=tmp_path))
            assert "newer move37" in message
        assert (copy / "ledger.db").read_bytes() == before


def limit_files(n_bytes: int):
    def set_limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (n_bytes, n_bytes))

    return set_limit


def test_a_full_disk_is_one_message_and_the_run_goes_on_afterwards(tmp_path):
    """U1. The kernel refuses writes beyond 250 kB a file, which weights need more than."""
    arguments = (*TINY, "--name", "full", "--candidates", "1", "--budget", "5m")
    message = refused(move37(*arguments, cwd=tmp_path, preexec_fn=limit_files(250_000)))
    assert re.search("disk|room|space", message)
    kept = events_of(tmp_path / "runs/full", TrialFinished)
    done = move37(*arguments, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    now = events_of(tmp_path / "runs/full", TrialFinished)
    assert now[: len(kept)] == kept
    assert len(events_of(tmp_path / "runs/full", CandidateProposed)) == 1


def listen_to_ctrl_c() -> None:
    """Shells make background jobs deaf to it, and children inherit that."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def n_finished(folder: Path) -> int:
    """Trials finished so far; 0 while the run is being created."""
    if not (folder / "ledger.db").exists():
        return 0
    try:
        return len(events_of(folder, TrialFinished))
    except LedgerError:
        return 0


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM], ids=["ctrl-c", "terminate"])
def test_a_stop_is_in_good_order_and_the_same_command_goes_on(tmp_path, stop):
    """U2."""
    arguments = [sys.executable, "-m", "move37", *TINY, "--name", "stopped", "--candidates", "3",
                 "--budget", "5m"]  # fmt: skip
    driver = subprocess.Popen(
        arguments, cwd=tmp_path, stdout=subprocess.PIPE, text=True,
        preexec_fn=listen_to_ctrl_c,  # noqa: PLW1509  # this process has no other thread
    )  # fmt: skip
    ledger = tmp_path / "runs/stopped/ledger.db"
    deadline = time.monotonic() + 120
    while not n_finished(ledger.parent):
        assert time.monotonic() < deadline
        assert driver.poll() is None
        time.sleep(0.2)
    os.kill(driver.pid, stop)
    output, _ = driver.communicate(timeout=60)
    assert driver.returncode == 0
    assert "goes on where it was" in output
    (closed,) = events_of(ledger.parent, SessionClosed)
    assert closed.reason == "stopped by hand"
    before = events_of(ledger.parent, TrialFinished)
    done = move37(*arguments[3:], cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    after = events_of(ledger.parent, TrialFinished)
    assert after[: len(before)] == before
    assert len(events_of(ledger.parent, CandidateProposed)) == 3


class TestAfterARun:
    def test_it_prints_the_gallery_and_the_path_of_a_report(self, finished):
        output = (finished / "output.txt").read_text()
        assert "allery" in output
        path = re.search(r"report: (\S+)", output)
        assert path
        assert (finished / path[1]).stat().st_size > 10_000

    def test_it_names_the_option_that_is_the_way_on(self, finished):
        output = (finished / "output.txt").read_text()
        assert "all candidates were tried; for more: move37 run --name small --candidates 4" in (
            output
        )

    def test_status_gallery_and_show_speak_json_and_words(self, finished):
        status = json.loads(move37("status", "small", "--json", cwd=finished).stdout)
        assert status["n_candidates"] == 2
        assert isinstance(
            json.loads(move37("gallery", "small", "--json", cwd=finished).stdout), list
        )
        candidate = events_of(finished / "runs/small", CandidateProposed)[0].candidate
        shown = move37("show", candidate.id[:8], "--run", "small", cwd=finished).stdout
        assert candidate.id in shown
        source = move37("show", candidate.id, "--run", "small", "--source", cwd=finished).stdout
        assert source == candidate.source

    @pytest.mark.parametrize("name", ["../out", "a/b", "..", "Again"])
    def test_a_replay_stays_in_the_folder_of_all_runs(self, finished, name):
        """U1."""
        before = sorted(finished.rglob("*"))
        message = refused(move37("replay", "small", "--into", name, cwd=finished))
        assert f"a run cannot be called '{name}'" in message
        assert "choose another --into" in message
        assert sorted(finished.rglob("*")) == before

    def test_run_with_json_prints_the_end_on_standard_output_alone(self, finished):
        again = move37("run", "--name", "small", "--json", cwd=finished)
        assert again.returncode == 0
        told = json.loads(again.stdout)
        assert (told["name"], told["ending"]) == ("small", "all candidates were tried")
        assert told["way_on"].endswith("move37 run --name small --candidates 4")
        status = json.loads(move37("status", "small", "--json", cwd=finished).stdout)
        assert told["progress"] == status
        assert (finished / told["report"]).is_file()
        assert "going on from linear_attention" in again.stderr

    def test_the_ledger_verifies_and_exports(self, finished):
        verified = move37("ledger", "verify", "small", cwd=finished)
        assert verified.returncode == 0
        n_events = int(verified.stdout.split()[0])
        exported = move37("ledger", "export", "small", cwd=finished).stdout
        assert len(exported.splitlines()) == n_events

    def test_a_changed_ledger_does_not_verify(self, finished, tmp_path):
        shutil.copytree(finished / "runs/small", tmp_path / "runs/small")
        database = sqlite3.connect(tmp_path / "runs/small/ledger.db")
        with database:
            database.execute("update events set body = replace(body, 'recall', 'recoll')")
        database.close()
        done = move37("ledger", "verify", "small", cwd=tmp_path)
        assert done.returncode == 1
        assert "does not verify" in done.stdout


@pytest.mark.parametrize("verb", VERBS, ids=" ".join)
def test_every_verb_teaches_itself_with_an_example(tmp_path, verb):
    """U3."""
    done = move37(*verb, "--help", cwd=tmp_path)
    assert done.returncode == 0
    assert "Example: move37" in " ".join(done.stdout.split())


def test_help_loads_neither_torch_nor_the_database(tmp_path):
    """U3: that is what keeps it instant."""
    program = (
        "import sys\nfrom typer.testing import CliRunner\nfrom move37.cli import app\n"
        "assert CliRunner().invoke(app, ['--help']).exit_code == 0\n"
        "print(sorted({'torch', 'numpy', 'scipy', 'sqlalchemy', 'pydantic'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], check=False, capture_output=True, text=True
    )
    assert done.stdout.strip() == "[]", done.stderr
