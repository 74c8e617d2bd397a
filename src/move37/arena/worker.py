"""What a shut-in child does: read the first message, do that job, say so if it fails.

The only place with a catch-all: whatever a candidate raises becomes a `failed` message with a
reason an Engineer can act on. That message is a word of the candidate's and can only hurt itself.
"""

from __future__ import annotations

import contextlib
import importlib
import linecache
import socket
import traceback

from move37.lab.wire import Message, WireClosed, receive, send

JOBS = {
    "train": "move37.arena.train",
    "answer": "move37.arena.answer",
    "probe": "move37.arena.probing",
}
MAX_REASON = 4000  # characters
_ALLOCATION_ERRORS = ("can't allocate memory", "out of memory", "cannot allocate memory")
_PAYLOAD = "<payload>"


def serve(connection: socket.socket) -> None:
    """Do the one job the host asks for over this connection."""
    with contextlib.suppress(WireClosed):  # the host left; there is nobody to tell
        try:
            _dispatch(connection, receive(connection))
        except WireClosed:
            raise
        except BaseException as error:  # noqa: BLE001  # candidates raise anything, SystemExit too
            send(connection, failure(error))


def failure(error: BaseException) -> Message:
    """Describe an exception as a `failed` message: outcome, and the traceback's end last."""
    outcome = "crashed"
    if isinstance(error, FloatingPointError):
        outcome = "diverged"
    elif isinstance(error, MemoryError) or _says_no_memory(error):
        outcome = "out_of_memory"
    return Message(kind="failed", fields={"outcome": outcome, "reason": _reason(error)})


def _dispatch(connection: socket.socket, request: Message) -> None:
    if request.kind == "run":
        _run(connection, request.fields["source"])
        return
    if request.kind not in JOBS:
        raise ValueError(f"no job {request.kind!r}; known: run, {', '.join(sorted(JOBS))}")
    importlib.import_module(JOBS[request.kind]).serve(connection, request)


def _run(connection: socket.socket, source: str) -> None:
    """Execute a source and call its `main(connection)`: how conformance suites get inside.

    Gives a payload nothing that a candidate's own top-level code has not.
    """
    linecache.cache[_PAYLOAD] = (len(source), None, source.splitlines(keepends=True), _PAYLOAD)
    names: dict[str, object] = {"__name__": "payload"}
    exec(compile(source, _PAYLOAD, "exec"), names)  # noqa: S102  # this is what the jail is for
    main = names["main"]
    if not callable(main):
        raise TypeError("a payload defines main(connection)")
    main(connection)


def _says_no_memory(error: BaseException) -> bool:
    """Recognise torch's allocation failures, which are RuntimeErrors."""
    return isinstance(error, RuntimeError) and any(
        words in str(error).lower() for words in _ALLOCATION_ERRORS
    )


def _reason(error: BaseException) -> str:
    if isinstance(error, FloatingPointError):
        words = str(error)[:MAX_REASON]
    else:
        words = "".join(traceback.format_exception(error, limit=-8))[-MAX_REASON:].strip()
    return words.encode("utf-8", "replace").decode()
