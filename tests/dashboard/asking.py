"""A server on a free port for the time of a test, and what it answers."""

from __future__ import annotations

import http.client
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from move37.dashboard.server import Server


@contextmanager
def served(runs: Path, host: str = "127.0.0.1", token: str | None = None) -> Iterator[Server]:
    with Server(runs, host=host, port=0, token=token) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


def get(server: Server, path: str, method: str = "GET", **headers: str):
    connection = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=20)
    connection.request(method, path, headers={k.replace("_", "-"): v for k, v in headers.items()})
    reply = connection.getresponse()
    body = reply.read()
    connection.close()
    return reply, body


def problem(server: Server, path: str) -> str:
    reply, body = get(server, path)
    assert reply.status in {404, 503}
    return json.loads(body)["problem"]
