"""A weights file as the host sees it: how many numbers it holds, whose it is, and how they began.

Reads and writes the header of a safetensors file only; the other side is hostile, so reading is
total. Whose weights they are is the host's own word. How they began is what the child declared
(a digest of the initial weights, and what built them): provenance, not proof.
"""

from __future__ import annotations

import json
import math
import re
import struct
from dataclasses import dataclass
from typing import Any

from move37.lab.wire import WireError

MAX_SIZE = 2**40
"""Of any number of weights, width or step a child may speak of."""
MAX_AXES = 16
MAX_HEADER_BYTES = 16 * 2**20
METADATA = "__metadata__"
INITIALISATION = re.compile(r"[0-9a-f]{64} torch-[\w.+-]{1,40}/[\w.+-]{1,40}", re.ASCII)
"""Digest of the initial weights, then what built them: another build may round otherwise."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Origin:
    """Where weights come from."""

    candidate_id: str
    initialisation: str
    """As declared, see INITIALISATION; empty where nothing was declared."""


def count_weights(snapshot: bytes) -> int:
    """Count the numbers under `model.` in a safetensors blob, from its header alone.

    Raises:
        WireError: the blob is not safetensors.
    """
    header, _ = _read_header(snapshot)
    try:
        shapes = [entry["shape"] for name, entry in header.items() if name.startswith("model.")]
        if not all(len(shape) <= MAX_AXES and all(map(_is_size, shape)) for shape in shapes):
            raise WireError("snapshot has tensors whose sizes are no whole numbers")
        n_weights = sum(math.prod(shape) for shape in shapes)
    except (KeyError, TypeError) as error:
        raise WireError(f"snapshot is not a safetensors file: {error}") from error
    if n_weights > MAX_SIZE:
        raise WireError(f"snapshot claims to hold more than {MAX_SIZE} numbers")
    return n_weights


def stamp(snapshot: bytes, origin: Origin, **more: str) -> bytes:
    """Return the same tensors with their origin in the header, and no remarks but those given.

    Raises:
        WireError: the blob is not safetensors.
    """
    header, body = _read_header(snapshot)
    remarks = {"candidate": origin.candidate_id, "initialisation": origin.initialisation}
    try:
        text = json.dumps({**header, METADATA: remarks | more}, separators=(",", ":")).encode()
    except RecursionError as error:
        raise WireError("snapshot has a header that is nested too deeply") from error
    text += b" " * (-len(text) % 8)  # the format asks for tensors that begin at a multiple of 8
    return b"".join((struct.pack("<Q", len(text)), text, memoryview(snapshot)[body:]))


def origin_of(snapshot: bytes) -> Origin | None:
    """Return what `stamp` wrote; None for a file of a version that did not stamp.

    Raises:
        WireError: the blob is not safetensors.
    """
    match _read_header(snapshot)[0].get(METADATA):
        case {"candidate": str(candidate_id), "initialisation": str(initialisation)}:
            return Origin(candidate_id=candidate_id, initialisation=initialisation)
    return None


def began_alike(first: str, second: str) -> bool:
    """Whether two declared initialisations may be one: unequal digests of one build may not.

    An empty one says nothing, and what another torch or processor built may differ in a last bit.
    """
    digests, builds = zip(*(text.partition(" ")[::2] for text in (first, second)), strict=True)
    return digests[0] == digests[1] or builds[0] != builds[1] or "" in digests


def _read_header(snapshot: bytes) -> tuple[dict[str, Any], int]:
    """Return the header and where the tensors begin."""
    try:
        (n_header,) = struct.unpack_from("<Q", snapshot)
        if n_header > MAX_HEADER_BYTES:
            raise WireError(f"snapshot announces a header of {n_header} bytes")
        header = json.loads(snapshot[8 : 8 + n_header])
    except (struct.error, ValueError, RecursionError) as error:
        raise WireError(f"snapshot is not a safetensors file: {error}") from error
    if not isinstance(header, dict):
        raise WireError("snapshot is not a safetensors file: its header is no list of names")
    return header, 8 + n_header


def _is_size(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= MAX_SIZE
