"""Replies of a child that owns its process: absurd numbers and text must not reach the host's own.

L1 every lie is an Outcome, whatever number or type it uses    L2 no lie makes the host work or hold
"""

from __future__ import annotations

import json
import socket
import struct
from typing import Any

import numpy as np
import pytest

from move37.arena.worker import failure
from move37.campaign.settings import load_preset
from move37.core.trial import Outcome, Stage, TrialSpec
from move37.lab import trials
from move37.lab.probes.child import MAX_WEIGHTS, Child
from move37.lab.session import ChildFailed, Exit
from move37.lab.weights import count_weights
from move37.lab.wire import PREFIX, Message, WireError, receive

HUGE = 10**400
INFINITE = float("inf")
EXIT = Exit(status=0, cpu_seconds=0.0, wall_seconds=0.0, peak_memory_bytes=0)
X = np.zeros((1, 2, 4))


class Liar:
    """Gives one reply to everything."""

    def __init__(self, reply: Message) -> None:
        self.reply = reply

    def ask(self, message: Message, *, timeout_seconds: float) -> Message:
        return self.reply

    def close(self) -> Exit:
        return EXIT


def asked(action: str, *arguments: Any, reply: Message) -> ChildFailed:
    child = Child(Liar(reply), deadline=0.0)
    with pytest.raises(ChildFailed) as failed:
        getattr(child, action)(*arguments)
    return failed.value


@pytest.mark.parametrize("flops", [HUGE, INFINITE, float("nan"), -1, "1", None])
def test_work_that_no_machine_does_is_a_forgery(flops):
    """L1."""
    reply = Message(kind="costed", fields={"flops": flops, "largest_bytes": 8})
    assert asked("cost", X, reply=reply).outcome is Outcome.FORGED


@pytest.mark.parametrize("largest", [HUGE, -1, 1.5])
def test_memory_that_no_machine_has_is_a_forgery(largest):
    """L1."""
    reply = Message(kind="costed", fields={"flops": 1.0, "largest_bytes": largest})
    assert asked("cost", X, reply=reply).outcome is Outcome.FORGED


@pytest.mark.parametrize("replaced", [5, None, {"a": 1}, "bfloat16"])
def test_dtypes_that_are_no_list_are_a_forgery(replaced):
    """L1."""
    fields = {"state": None, "dtype": "float64", "replaced": replaced}
    reply = Message(kind="applied", fields=fields, arrays={"y": X})
    assert asked("apply", X, reply=reply).outcome is Outcome.FORGED


@pytest.mark.parametrize("size", [INFINITE, float("nan"), -3, "many", None, [2]])
def test_parameters_of_no_size_are_a_forgery(size):
    """L1."""
    reply = Message(kind="built", fields={"parameters": [["w", [size], True]], "buffers": []})
    assert asked("build", reply=reply).outcome is Outcome.FORGED


@pytest.mark.parametrize("shape", [[HUGE], [2**40, 2**40], [MAX_WEIGHTS + 1]])
def test_more_parameters_than_fit_are_out_of_memory(shape):
    """L2."""
    reply = Message(kind="built", fields={"parameters": [["w", shape, True]], "buffers": []})
    assert asked("build", reply=reply).outcome is Outcome.OUT_OF_MEMORY


def test_small_numbers_by_the_million_are_not_jittered_as_large_ones():
    """L2: a byte each on the wire would be many bytes each on the host."""
    many = np.broadcast_to(np.uint8(0), MAX_WEIGHTS + 1)
    reply = Message(kind="weights", arrays={"w": many})
    assert asked("weights", reply=reply).outcome is Outcome.OUT_OF_MEMORY


def snapshot(shape: str) -> bytes:
    header = f'{{"model.w": {{"shape": {shape}}}}}'.encode()
    return struct.pack("<Q", len(header)) + header


@pytest.mark.parametrize(
    "shape",
    [
        *("[NaN]", "[Infinity]", "[59999.5]", "[-2, -30000]", "[true]", "[[2]]", '"12"', "7"),
        *("null", "[" + "9" * 4000 + "]", "[" + ", ".join(["1000000000000"] * 15) + "]"),
        "[" + ", ".join(["1000000000000"] * 1_000_000) + "]",
    ],
    ids=lambda shape: shape[:12],
)
def test_a_weights_file_with_sizes_that_are_none_is_no_weights_file(shape):
    """L1: also where a number is too long to be printed."""
    with pytest.raises(WireError, match="snapshot") as error:
        count_weights(snapshot(shape))
    assert len(str(error.value)) < 300
    assert count_weights(snapshot("[3, 4]")) == 12


def request(*, first_step: int) -> trials.TrialRequest:
    spec = TrialSpec(candidate_id="a", stage=Stage.SEARCH, rung=1, seed=0)
    return trials.TrialRequest(
        spec=spec, source="", preset=load_preset("tiny"), secret=b"s" * 16, first_step=first_step
    )


def started(start: object) -> str:
    fields = {"ffn_width": 8, "curve": [], "initialisation": start}
    reply = Message(kind="trained", fields=fields, blobs={"snapshot": b""})
    liar: Any = Liar(reply)
    return trials._read_trained(reply, liar, request(first_step=0)).initialisation


START = "a" * 64 + " torch-2.13.0+cpu/AVX2"


@pytest.mark.parametrize(
    "start",
    [
        *(5, None, "", "a" * 64, START.upper(), START + "\n", f"{START} and more", ["a"]),
        f"{'a' * 64} torch-{'9' * 4000}/AVX2",
        f"{'a' * 64} torch-2/\u0967",
    ],
    ids=range(10),
)
def test_a_start_that_is_no_digest_is_a_forgery(start):
    """L1: it goes into the ledger and onto pages."""
    with pytest.raises(ChildFailed) as failed:
        started(start)
    assert failed.value.outcome is Outcome.FORGED


def test_a_start_that_is_one_is_kept_as_it_was_said():
    """L1."""
    assert started(START) == START


def test_a_curve_keeps_points_that_can_be_drawn():
    """L1."""
    raw = [[1, 2.0], [HUGE, 2.0], [-1, 2.0], [2, float("nan")], [3, "low"], None, [4, 1.5]]
    assert trials._curve(raw, request(first_step=0)) == ((1, 2.0), (4, 1.5))


def test_a_curve_keeps_points_of_its_own_training_in_order():
    """L1: what later rungs add to it must rise."""
    last = request(first_step=10).last_step
    raw = [[10, 2.0], [12, 1.9], [12, 1.0], [11, 1.0], [last, 1.5], [last + 1, 1.0]]
    assert trials._curve(raw, request(first_step=10)) == ((12, 1.9), (last, 1.5))


@pytest.mark.parametrize(("text", "is_whole"), [("\U0001f600 \u00e9", True), ("a\ud800b", False)])
def test_half_characters_do_not_come_through_and_whole_ones_do(text, is_whole):
    """L1: they could be neither stored nor printed."""
    header = json.dumps({"kind": "said", "fields": {"t": text}, "arrays": [], "blobs": []}).encode()
    here, there = socket.socketpair()
    with here, there:
        there.sendall(PREFIX.pack(b"m37\x01", len(header), 0) + header)
        if is_whole:
            assert receive(here).fields["t"] == text
            return
        with pytest.raises(WireError, match="not JSON"):
            receive(here)


def test_an_error_with_half_a_character_is_still_told():
    """L1: by the worker's own hand, so that an odd text is no forgery."""
    reason = failure(ValueError("odd \ud800 text")).fields["reason"]
    assert reason.endswith("ValueError: odd ? text")
