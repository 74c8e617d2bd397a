"""Where this machine keeps what a child needs to reach a GPU: NVIDIA's driver beside the system."""

from __future__ import annotations

import os
from pathlib import Path

DRIVER = "libcuda.so.1"
_FOLDERS = (
    "/usr/lib/x86_64-linux-gnu",
    "/usr/lib/aarch64-linux-gnu",
    "/usr/lib64",
    "/usr/lib",
    "/usr/local/nvidia/lib64",
    "/usr/local/nvidia/lib",
    "/run/opengl-driver/lib",
    "/usr/lib/wsl/lib",
)
"""Distributions, container runtimes, NixOS and WSL."""


def driver_folder() -> Path | None:
    """Return the folder with the CUDA driver's library, or None: no driver is installed.

    What LD_LIBRARY_PATH names comes first, as it does for the loader.
    """
    named = os.environ.get("LD_LIBRARY_PATH", "").split(os.pathsep)
    for name in (*named, *_FOLDERS):
        if name and Path(name, DRIVER).exists():
            return Path(name)
    return None


def gpu_environment() -> dict[str, str]:
    """Return the variables with which the loader and Triton find the driver inside the sandbox."""
    folder = driver_folder()
    if folder is None:
        return {}
    return {"LD_LIBRARY_PATH": str(folder), "TRITON_LIBCUDA_PATH": str(folder)}
