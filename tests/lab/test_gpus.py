"""What a sandbox for a GPU sees and is told, on a machine without one.

D1 the driver is found where the loader finds it    D2 a sandbox for a GPU sees driver and compilers
"""

from __future__ import annotations

import sysconfig

import pytest

from move37.lab import gpus
from move37.lab.bubblewrap import arena_view
from move37.lab.sandbox import Sandbox


@pytest.fixture
def driver(tmp_path, monkeypatch):
    (tmp_path / gpus.DRIVER).touch()
    monkeypatch.setenv("LD_LIBRARY_PATH", f"/nowhere:{tmp_path}")
    return tmp_path


def sandbox(*, device: str, compilers: bool) -> Sandbox:
    return Sandbox(
        name="bubblewrap", prefix=(), python=(), path=(), device=device, compilers=compilers
    )


def test_the_driver_is_where_the_loader_is_told_to_look(driver):
    """D1."""
    assert gpus.driver_folder() == driver


def test_without_a_driver_nothing_is_said_of_one(monkeypatch):
    """D1."""
    monkeypatch.delenv("LD_LIBRARY_PATH", raising=False)
    monkeypatch.setattr(gpus, "_FOLDERS", ("/nowhere",))
    assert gpus.driver_folder() is None
    assert gpus.gpu_environment() == {}


def test_a_child_on_a_gpu_is_told_where_the_driver_is(driver):
    """D2: and compiles in its own process, because its processes are counted."""
    environment = sandbox(device="cuda", compilers=True).environment()
    assert environment["LD_LIBRARY_PATH"] == environment["TRITON_LIBCUDA_PATH"] == str(driver)
    assert environment["TORCHINDUCTOR_COMPILE_THREADS"] == "1"
    assert "CUDA_VISIBLE_DEVICES" not in environment


def test_a_child_on_the_cpu_is_told_nothing_of_gpus(driver):
    """D2."""
    environment = sandbox(device="cpu", compilers=False).environment()
    assert environment["CUDA_VISIBLE_DEVICES"] == ""
    assert str(driver) not in environment.values()


def test_a_sandbox_for_a_gpu_sees_the_driver_and_what_compilers_read(driver):
    """D2: gcc keeps its parts in /usr/libexec, and Triton builds against Python's headers."""
    seen = arena_view(device="cuda", compilers=True).read_only
    assert str(driver) in seen
    headers = sysconfig.get_path("include")
    assert any(headers.startswith(path) for path in seen)
    assert str(driver) not in arena_view().read_only
