"""The house keeps its rules: no torch on the host, small files, a quick --help, no dead ends."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src" / "move37"
HOST = sorted(
    path
    for path in SOURCE.rglob("*.py")
    if not path.is_relative_to(SOURCE / "arena") and not path.is_relative_to(SOURCE / "testing")
)
MAX_LINES = 400
MAX_FUNCTION_LINES = 60


def test_every_host_module_imports_where_torch_cannot_be_imported():
    modules = [
        ".".join(path.relative_to(SOURCE.parent).with_suffix("").parts).removesuffix(".__init__")
        for path in HOST
        if "migrations" not in path.parts
    ]
    program = (
        "import importlib, sys\n"
        "sys.modules['torch'] = None\n"
        f"for name in {modules!r}:\n"
        "    importlib.import_module(name)\n"
        "assert not any(name.startswith('move37.arena') for name in sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=120)


def test_no_file_of_ours_is_longer_than_four_hundred_lines():
    long = {
        str(path.relative_to(ROOT)): n
        for path in SOURCE.rglob("*.py")
        if (n := path.read_text("utf-8").count("\n")) > MAX_LINES
    }
    assert long == {}


def test_no_function_is_longer_than_sixty_lines_of_code():
    long = []
    for path in SOURCE.rglob("*.py"):
        if "versions" in path.parts:  # a migration lists tables, however many there are
            continue
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                docstring = ast.get_docstring(node, clean=False) or ""
                n = (node.end_lineno or node.lineno) - node.lineno - docstring.count("\n")
                if n > MAX_FUNCTION_LINES:
                    long.append(f"{path.relative_to(ROOT)}:{node.name} {n}")
    assert long == []


def test_broad_excepts_stand_only_where_an_outcome_or_another_thread_takes_them():
    allowed = {"arena/worker.py", "arena/probing.py", "campaign/session.py"}
    found = set()
    for path in SOURCE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if not isinstance(node, ast.ExceptHandler):
                continue
            name = getattr(node.type, "id", "bare" if node.type is None else "")
            re_raises = any(isinstance(x, ast.Raise) and x.exc is None for x in ast.walk(node))
            if name in {"bare", "Exception", "BaseException"} and not re_raises:
                found.add(str(path.relative_to(SOURCE)))
    assert found <= allowed


@pytest.mark.parametrize(
    "verb",
    ["run", "status", "gallery", "show", "report", "check", "doctor", "mixers", "ledger verify"],
)
def test_every_verb_has_an_example_in_its_help(verb: str):
    command = [sys.executable, "-m", "move37", *verb.split(), "--help"]
    shown = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    assert "Example" in shown
    assert f"move37 {verb.split()[0]}" in re.sub(r"\s+", " ", shown)
