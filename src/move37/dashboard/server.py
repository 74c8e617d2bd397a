"""The page's server: a few files and JSON over HTTP, from this machine only unless told otherwise.

What it defends against: web pages of others (Host and Sec-Fetch-Site are checked, nothing can be
framed or embedded), other users of the network (a token beyond loopback), and candidates' and
models' texts (they leave as JSON only; the page writes them as text, and a strict
Content-Security-Policy lets nothing run but the page's own files). It reads, it changes nothing.
"""

from __future__ import annotations

import hmac
import ipaddress
import json
import secrets
import socket
import threading
from http import HTTPStatus
from http.cookies import CookieError, SimpleCookie
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib import resources
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from move37.core.errors import ConfigError, Move37Error
from move37.dashboard.watched import View, Watched

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}
SCRIPTS = (
    "app", "build", "candidate", "charts", "code", "cognition", "families", "gallery", "guards",
    "ledger", "lineage", "overview", "runs", "team", "tree",
)  # fmt: skip
FILES = {
    "": ("index.html", "text/html; charset=utf-8"),
    "favicon.svg": ("favicon.svg", "image/svg+xml"),
    "app.css": ("app.css", "text/css; charset=utf-8"),
    **{f"{name}.js": (f"{name}.js", "text/javascript; charset=utf-8") for name in SCRIPTS},
}
COOKIE = "move37_token"
IDLE_SECONDS = 20.0
MAX_CONNECTIONS = 64


class Server(ThreadingHTTPServer):
    """Serves the runs of one folder until `shutdown`."""

    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 64

    def __init__(self, runs: Path, *, host: str, port: int, token: str | None = None) -> None:
        self.watched = Watched(runs)
        self.host = host
        self.token = token if token or is_loopback(host) else secrets.token_urlsafe(24)
        self._slots = threading.BoundedSemaphore(MAX_CONNECTIONS)
        self.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        try:
            super().__init__((host, port), Handler)
        except (OSError, OverflowError) as error:
            raise ConfigError(
                f"{host}:{port} cannot be used ({getattr(error, 'strerror', None) or error}); is "
                "another dashboard open there? choose another --port (0 takes any that is free)"
            ) from error

    @property
    def url(self) -> str:
        """Where the page is; holds the token where one is asked for."""
        shown = f"[{self.host}]" if ":" in self.host else self.host
        query = f"?token={self.token}" if self.token else ""
        return f"http://{shown}:{self.server_port}/{query}"

    def server_bind(self) -> None:
        """Bind without asking the name service who we are."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(self.server_address)
        self.server_address = self.socket.getsockname()
        self.server_name, self.server_port = self.host, self.server_address[1]

    def process_request(self, request: Any, client_address: Any) -> None:
        """Take a connection if one is free; close it otherwise."""
        if not self._slots.acquire(blocking=False):
            self.shutdown_request(request)
            return
        super().process_request(request, client_address)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Serve one connection."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._slots.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of a connection that broke: clients come and go."""

    def server_close(self) -> None:
        """Close the socket and every database."""
        super().server_close()
        self.watched.close()


class Handler(BaseHTTPRequestHandler):
    """One connection."""

    server: Server  # pyright: ignore[reportIncompatibleVariableOverride]
    protocol_version = "HTTP/1.1"
    timeout = IDLE_SECONDS
    server_version = "move37"
    sys_version = ""

    def do_GET(self) -> None:
        """Answer a file or a question."""
        parts = urlsplit(self.path)
        query = {k: v[-1] for k, v in parse_qs(parts.query, max_num_fields=20).items()}
        if not self._is_our_host() or self.headers.get("Sec-Fetch-Site") == "cross-site":
            self._words(HTTPStatus.FORBIDDEN, "this page answers only to its own address")
            return
        if self.server.token and not self._is_known(query):
            self._words(
                HTTPStatus.UNAUTHORIZED, "open the address that move37 dashboard printed: it "
                "holds the token that this page asks for",
            )  # fmt: skip
            return
        path = parts.path.strip("/")
        if path in FILES:
            self._file(path, query)
            return
        self._api([unquote(p) for p in path.split("/")], query)

    do_HEAD = do_GET  # noqa: N815 - the name that http.server calls

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """Refuse in plain text, under the same policy."""
        self.close_connection = True
        self._words(HTTPStatus(code), message or explain or HTTPStatus(code).phrase)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """Say nothing: the terminal may show the campaign."""

    def _api(self, path: list[str], query: dict[str, str]) -> None:
        try:
            if path[:1] == ["api"] and path[2:3] == ["flow"] and len(path) == 4:
                drawing = self.server.watched.flow(path[1], path[3])
                self._send(HTTPStatus.OK, "image/svg+xml", drawing.encode())
                return
            view = answer(self.server.watched, path, query)
        except ConfigError as error:
            self._json(HTTPStatus.NOT_FOUND, {"problem": str(error)})
        except Move37Error as error:
            self._json(HTTPStatus.SERVICE_UNAVAILABLE, {"problem": str(error)})
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            words = f"the ledger holds something that cannot be shown here: {error!r}"
            self._json(HTTPStatus.SERVICE_UNAVAILABLE, {"problem": words})
        else:
            self._json(HTTPStatus.OK, view)

    def _file(self, path: str, query: dict[str, str]) -> None:
        name, kind = FILES[path]
        body = resources.files("move37.dashboard").joinpath("static", name).read_bytes()
        cookie = {}
        if self.server.token and "token" in query:
            cookie["Set-Cookie"] = (
                f"{COOKIE}={self.server.token}; HttpOnly; SameSite=Strict; Path=/"
            )
        self._send(HTTPStatus.OK, kind, body, cookie)

    def _json(self, status: HTTPStatus, view: View | list[View]) -> None:
        body = json.dumps(view, ensure_ascii=True, separators=(",", ":"), allow_nan=False)
        self._send(status, "application/json", body.encode())

    def _words(self, status: HTTPStatus, words: str) -> None:
        self._send(status, "text/plain; charset=utf-8", words.encode())

    def _send(
        self, status: HTTPStatus, kind: str, body: bytes, more: dict[str, str] | None = None
    ) -> None:
        self.send_response(status)
        for name, value in {**HEADERS, **(more or {})}.items():
            self.send_header(name, value)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def _is_our_host(self) -> bool:
        """Refuse names that a stranger's page could have pointed here (DNS rebinding)."""
        if self.server.token:
            return True
        name = urlsplit(f"//{self.headers.get('Host', '')}").hostname or ""
        return is_loopback(name)

    def _is_known(self, query: dict[str, str]) -> bool:
        try:
            cookie = SimpleCookie(self.headers.get("Cookie", ""))
        except CookieError:
            cookie = SimpleCookie()
        kept = cookie[COOKIE].value if COOKIE in cookie else ""
        bearer = self.headers.get("Authorization", "").removeprefix("Bearer ")
        ours = (self.server.token or "").encode()
        return any(
            hmac.compare_digest(given.encode(), ours)
            for given in (query.get("token", ""), kept, bearer)
        )


def answer(watched: Watched, path: list[str], query: dict[str, str]) -> View | list[View]:
    """Answer one question of the page.

    Raises:
        ConfigError: no such question, run or candidate.
        LedgerError: the run cannot be read.
    """
    match path:
        case ["api", "runs"]:
            return watched.listing()
        case ["api", run, "pulse"]:
            return watched.pulse(run)
        case ["api", run, "overview"]:
            return watched.overview(run).as_view()
        case ["api", run, "tree" | "gallery" | "team" | "guards" | "cognition" as question]:
            ask = {
                "tree": watched.tree,
                "gallery": watched.gallery,
                "team": watched.team,
                "guards": watched.guards,
                "cognition": watched.cognition,
            }
            return ask[question](run)
        case ["api", run, "ledger"]:
            before = query.get("before", "")
            number = int(before) if before.isdecimal() and len(before) < 16 else None
            return watched.ledger(run, before=number, kind=query.get("kind", "")[:64])
        case ["api", run, "verify"]:
            return watched.verify(run)
        case ["api", run, "candidate", id_]:
            return watched.candidate(run, id_)
        case ["api", run, "said", seq] if seq.isdecimal() and len(seq) < 16:
            return watched.said(run, int(seq))
        case ["api", run, "diff", id_, other]:
            return watched.diff(run, id_, other)
    raise ConfigError("there is nothing at this address")


def is_loopback(host: str) -> bool:
    """Say whether a host is this machine, as seen from itself."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
