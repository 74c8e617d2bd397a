"""Origins in a weights file: written by the host, read again, and nothing else is changed.

O1  What is stamped is read back, whatever the child wrote there; the tensors are the same bytes.
O2  A header that lies is a WireError, never another error.
O3  Two starts are told apart only where one build drew both.
"""

from __future__ import annotations

import json
import struct

import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import load, save

from move37.lab.weights import Origin, began_alike, count_weights, origin_of, stamp
from move37.lab.wire import WireError

ORIGIN = Origin(candidate_id="abc", initialisation="a" * 64 + " torch-2.13.0+cpu/AVX2")


@pytest.mark.parametrize(
    "remarks", [None, {"candidate": "another", "initialisation": "b"}, {"x": "é" * 1001}]
)
def test_what_is_stamped_is_read_back_and_the_tensors_stay(remarks, tmp_path):
    """O1: odd lengths too; safetensors itself reads both."""
    tensors = {
        "model.w": np.arange(21, dtype=np.float32).reshape(3, 7),
        "optimizer.step": np.array(3.0, dtype=np.float32),
    }
    blob = stamp(save(tensors, metadata=remarks), ORIGIN)
    assert origin_of(blob) == ORIGIN
    assert stamp(blob, ORIGIN) == blob
    assert count_weights(blob) == 21
    read = load(blob)
    assert read.keys() == tensors.keys()
    assert all(np.array_equal(read[name], value) for name, value in tensors.items())
    (tmp_path / "w").write_bytes(blob)
    with safe_open(tmp_path / "w", framework="numpy") as file:
        assert file.metadata() == {"candidate": "abc", "initialisation": ORIGIN.initialisation}


def test_a_file_without_remarks_says_nothing():
    """O1: as older versions wrote them."""
    assert origin_of(save({"model.w": np.zeros(3, np.float32)})) is None
    assert origin_of(save({"model.w": np.zeros(3, np.float32)}, metadata={"format": "pt"})) is None


def blob_of(header: str) -> bytes:
    return struct.pack("<Q", len(header)) + header.encode()


@pytest.mark.parametrize(
    "blob",
    [
        b"", b"1234567", b"\xff" * 8, struct.pack("<Q", 2**40), blob_of("{"), blob_of("[]"),
        blob_of("7"),
        blob_of("[" * 100_000), blob_of('{"a":' * 100_000), blob_of("null"), blob_of("9" * 5000),
    ],
    ids=range(11),
)  # fmt: skip
def test_a_header_that_is_none_is_a_wire_error(blob):
    """O2."""
    for read in (origin_of, count_weights, lambda b: stamp(b, ORIGIN)):
        with pytest.raises(WireError, match="snapshot"):
            read(blob)


@pytest.mark.parametrize(
    "remarks", [None, 7, [], {}, {"candidate": 1, "initialisation": "a"}, {"candidate": "c"}]
)
def test_remarks_that_are_none_say_nothing(remarks):
    """O2."""
    assert origin_of(blob_of(json.dumps({"__metadata__": remarks}))) is None


def test_two_starts_are_told_apart_where_one_build_drew_both():
    """O3."""
    here, there = " torch-2.13.0/AVX2", " torch-2.13.0/AVX512"
    assert began_alike("a" + here, "a" + here)
    assert not began_alike("a" + here, "b" + here)
    assert began_alike("a" + here, "b" + there)
    assert began_alike("", "b" + here)
