"""The one vocabulary both sides of the process boundary share: messages over a socket.

A message is a kind, JSON fields, named numpy arrays and named byte strings. The other side is
hostile: reading is total, bounded, and never unpickles. Standard library and numpy only.

Frame: 4 bytes magic, 4 bytes header length, 8 bytes body length (big endian); the header as JSON;
the arrays and blobs back to back in the order the header lists them.
"""

from __future__ import annotations

import json
import math
import socket
import struct
from dataclasses import dataclass, field
from typing import Any

import numpy as np

MAGIC = b"m37\x01"
PREFIX = struct.Struct(">4sIQ")
MAX_HEADER_BYTES = 4 * 2**20
MAX_BODY_BYTES = 2**30
MAX_PARTS = 4096
DTYPES = frozenset({"float32", "float64", "int32", "int64", "uint8", "uint16", "bool"})


class WireError(Exception):
    """The other side sent something that is not a message, or closed the connection."""


class WireClosed(WireError):
    """The other side closed the connection between messages."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Message:
    """What crosses the boundary."""

    kind: str
    fields: dict[str, Any] = field(default_factory=dict)
    """JSON values only."""
    arrays: dict[str, np.ndarray] = field(default_factory=dict)
    """dtypes in DTYPES, C order."""
    blobs: dict[str, bytes] = field(default_factory=dict)


class WireTruncated(WireError):
    """The stream ended inside a message: the other side went away while it spoke."""


def send(connection: socket.socket, message: Message) -> None:
    """Write one message.

    Raises:
        WireError: an array's dtype is not in DTYPES, or the other side is gone.
    """
    parts: list[memoryview] = []
    arrays = []
    for name, array in message.arrays.items():
        if array.dtype.name not in DTYPES:
            raise WireError(f"array {name!r} has dtype {array.dtype}; allowed: {sorted(DTYPES)}")
        flat = np.ascontiguousarray(array)
        arrays.append([name, flat.dtype.name, list(array.shape)])
        parts.append(flat.reshape(-1).view(np.uint8).data)
    blobs = []
    for name, blob in message.blobs.items():
        blobs.append([name, len(blob)])
        parts.append(memoryview(blob))
    header = json.dumps(
        {"kind": message.kind, "fields": message.fields, "arrays": arrays, "blobs": blobs}
    ).encode()
    body = sum(part.nbytes for part in parts)
    try:
        connection.sendall(PREFIX.pack(MAGIC, len(header), body) + header)
        for part in parts:
            connection.sendall(part)
    except (BrokenPipeError, ConnectionError) as error:
        raise WireClosed("the other side closed the connection") from error


def receive(connection: socket.socket, *, max_body_bytes: int = MAX_BODY_BYTES) -> Message:
    """Read one message; bounded in size, total on any bytes.

    Raises:
        WireClosed: end of stream before the first byte.
        WireError: anything that is not a well-formed message of at most `max_body_bytes`.
        TimeoutError: the socket's timeout passed.
    """
    prefix = _read(connection, PREFIX.size, at_start=True)
    magic, n_header, n_body = PREFIX.unpack(prefix)
    if magic != MAGIC:
        raise WireError(f"expected a message, got bytes starting with {bytes(magic)!r}")
    if n_header > MAX_HEADER_BYTES or n_body > max_body_bytes:
        raise WireError(f"message too large: header {n_header} bytes, body {n_body} bytes")
    header = _parse_header(bytes(_read(connection, n_header)))
    sizes = _part_sizes(header)
    if sum(sizes) != n_body:
        raise WireError(f"header announces {sum(sizes)} bytes, frame holds {n_body}")
    body = _read(connection, n_body)
    return _assemble(header, body)


def _read(connection: socket.socket, n_bytes: int, *, at_start: bool = False) -> bytearray:
    buffer = bytearray(n_bytes)
    view = memoryview(buffer)
    done = 0
    while done < n_bytes:
        try:
            n = connection.recv_into(view[done:])
        except ConnectionError as error:
            raise WireClosed("the other side closed the connection") from error
        if n == 0:
            if at_start and done == 0:
                raise WireClosed("the other side closed the connection")
            raise WireTruncated(f"stream ended after {done} of {n_bytes} bytes")
        done += n
    return buffer


def _parse_header(raw: bytes) -> dict[str, Any]:
    try:
        header = json.loads(raw)
        if b"\\ud" in raw.lower():  # an escaped surrogate; half of a pair is text nobody can write
            json.dumps(header, ensure_ascii=False).encode()
    except (ValueError, RecursionError) as error:
        raise WireError(f"header is not JSON: {error}") from error
    match header:
        case {"kind": str(), "fields": dict(), "arrays": list(), "blobs": list()}:
            pass
        case _:
            raise WireError("header lacks kind, fields, arrays or blobs")
    if len(header["arrays"]) + len(header["blobs"]) > MAX_PARTS:
        raise WireError(f"more than {MAX_PARTS} arrays and blobs in one message")
    return header


def _part_sizes(header: dict[str, Any]) -> list[int]:
    sizes = []
    for entry in header["arrays"]:
        match entry:
            case [str(), str(dtype), list(shape)] if dtype in DTYPES and _is_shape(shape):
                sizes.append(math.prod(shape) * np.dtype(dtype).itemsize)
            case _:
                raise WireError(f"not an array description: {str(entry)[:200]}")
    for entry in header["blobs"]:
        match entry:
            case [str(), int(n)] if _is_shape([n]):
                sizes.append(n)
            case _:
                raise WireError(f"not a blob description: {str(entry)[:200]}")
    return sizes


def _is_shape(shape: list[Any]) -> bool:
    return len(shape) <= 8 and all(
        isinstance(n, int) and not isinstance(n, bool) and 0 <= n <= 2**40 for n in shape
    )


def _assemble(header: dict[str, Any], body: bytearray) -> Message:
    offset = 0
    arrays: dict[str, np.ndarray] = {}
    for name, dtype, shape in header["arrays"]:
        count = math.prod(shape)
        arrays[name] = np.frombuffer(body, dtype, count, offset).reshape(shape)
        offset += arrays[name].nbytes
    blobs: dict[str, bytes] = {}
    for name, n in header["blobs"]:
        blobs[name] = bytes(memoryview(body)[offset : offset + n])
        offset += n
    return Message(kind=header["kind"], fields=header["fields"], arrays=arrays, blobs=blobs)
