"""Open the page: in this process until Ctrl-C, or beside a campaign in a process of its own."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import threading
import webbrowser
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

from rich.console import Console

from move37.dashboard.server import Server, is_loopback

STOP_SECONDS = 5.0


def serve(runs: Path, name: str | None, *, host: str, port: int, browser: bool,
          with_parent: bool = False) -> None:  # fmt: skip
    """Serve the page until Ctrl-C; `with_parent`, until standard input closes.

    Raises:
        ConfigError: the address cannot be used.
    """
    console = Console()
    with Server(runs, host=host, port=port) as server:
        where = server.url + (f"#/{quote(name)}/overview" if name else "")
        print(f"dashboard: {where}", flush=True)  # noqa: T201 - `beside` reads this line
        if not is_loopback(host):
            console.print("anyone with this address can read every run; Ctrl-C ends it")
        if browser and sys.stdout.isatty():
            webbrowser.open(where)
        if with_parent:
            threading.Thread(target=_end_with_input, args=(server,), daemon=True).start()
        with contextlib.suppress(KeyboardInterrupt):
            server.serve_forever(poll_interval=0.5)


@contextmanager
def beside(runs: Path, name: str, console: Console) -> Iterator[None]:
    """Serve a run's page in another process while the block works: it cannot slow or stop it.

    Its address is printed on the console.
    """
    command = [
        sys.executable, "-m", "move37", "dashboard", "--runs", str(runs), "--port", "0",
        "--no-browser", "--with-parent",
    ]  # fmt: skip
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True
    )
    try:
        line = process.stdout.readline().strip() if process.stdout else ""
        console.print(f"{line}#/{quote(name)}/overview", soft_wrap=True, highlight=False)
        yield
    finally:
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(STOP_SECONDS)
        for stream in (process.stdin, process.stdout):
            if stream:
                stream.close()


def _end_with_input(server: Server) -> None:
    """A campaign that was killed must not leave its page behind."""
    sys.stdin.read()
    server.shutdown()
