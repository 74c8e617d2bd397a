"""Tests reach this machine and nothing else: a test that forgot its fake server fails here."""

from __future__ import annotations

import socket

import pytest


def test_nothing_beyond_this_machine_is_reached():
    with socket.socket() as caller, pytest.raises(UserWarning, match="allowed"):
        caller.connect(("192.0.2.1", 80))
