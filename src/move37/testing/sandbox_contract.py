"""The conformance suite for sandboxes: subclass it, say how to open yours, inherit the tests.

    class TestMyContainers(SandboxContract):
        @classmethod
        def open_laboratory(cls):
            return MyLaboratory()

Needs pytest. One test for each of the promises S1 to S19 in `move37.lab.self_check`, where the
programs that try to break them live; they run in real children.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager

import pytest

from move37.lab import self_check
from move37.lab.self_check import OpensSessions


class SandboxContract:
    """What every sandbox must hold."""

    @classmethod
    def open_laboratory(cls) -> AbstractContextManager[OpensSessions]:
        """Return a laboratory that is closed when its context ends; opened once per class."""
        raise NotImplementedError(f"{cls.__name__} must say how to open its laboratory")

    @pytest.fixture(scope="class")
    @classmethod
    def laboratory(cls) -> Iterator[OpensSessions]:
        """Open the sandbox under test."""
        with cls.open_laboratory() as opened:
            yield opened

    @pytest.mark.parametrize("check", self_check.CHECKS, ids=lambda check: check.name)
    def test_it_holds(self, laboratory: OpensSessions, check: self_check.Check) -> None:
        """S1 to S19."""
        check.run(laboratory)
