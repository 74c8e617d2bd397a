"""Where one campaign lives: a folder with its ledger (or the way to it), artefacts and secret."""

from __future__ import annotations

import fcntl
import json
import os
import re
import secrets
import socket
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from move37 import __version__
from move37.core.config import RUN_NAME, CampaignConfig
from move37.core.errors import ConfigError, LedgerError, NoCampaign
from move37.core.events import CampaignStarted
from move37.memory.ledger import Ledger

SECRET_BYTES = 32
LEDGER = "ledger.db"
STARTED = 19
"""Place of a process's start in /proc/PID/stat behind its name, in clock ticks since the boot."""
SLACK_SECONDS = 60.0  # assumed: clocks of kernel and ledger may differ by seconds
DATABASE = "database"
"""File that holds the URL of a ledger that is elsewhere."""


@dataclass(frozen=True, kw_only=True, slots=True)
class RunFolder:
    """Where one campaign lives: ledger, artefacts, secret, report.

    With a database URL the ledger is there, under the folder's name, and the folder keeps the URL
    from the moment a campaign was begun: a mistyped one is not kept.
    """

    path: Path
    database: str | None = None
    """URL that was asked for; `keep_url` writes it down once a campaign was begun there."""
    _begun: list[bool] = field(default_factory=list, repr=False, compare=False)
    """Filled once it is known that a campaign was begun here: that never changes."""

    @property
    def ledger(self) -> Path:
        """The database."""
        return self.path / LEDGER

    @property
    def url(self) -> str | None:
        """The database's URL, where it is not a file of this folder: the kept or the asked one.

        Raises:
            LedgerError: the file that keeps it cannot be read.
        """
        file = self.path / DATABASE
        try:
            return file.read_text("utf-8").strip() if file.exists() else self.database
        except (OSError, UnicodeDecodeError) as error:
            raise LedgerError(f"{file}, which says where the ledger is, does not read") from error

    def at(self, url: str) -> RunFolder:
        """Return this folder with its ledger at a URL; nothing is written.

        Raises:
            ConfigError: this run has its ledger elsewhere; says which file says so.
            LedgerError: the file that keeps the URL cannot be read.
        """
        if self.ledger.exists():
            raise ConfigError(
                f"run {self.path.name!r} has its ledger in {self.ledger}, not in a database; leave "
                "the database out to go on, or choose another --name"
            )
        if (self.url or url) != url:
            raise ConfigError(
                f"run {self.path.name!r} has its ledger elsewhere already: {self.path / DATABASE} "
                "holds another URL; leave the database out to go on there, choose another --name, "
                "or change that file if the ledger has moved"
            )
        return RunFolder(path=self.path, database=url)

    def keep_url(self) -> None:
        """Remember where the ledger is; only the owner may read the file, it may hold a password.

        Raises:
            LedgerError: the folder cannot be written.
        """
        if self.database is None:
            return
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            _publish(self.path / DATABASE, self.database.encode())
        except OSError as error:
            raise LedgerError(f"the run's folder {self.path} cannot be used: {error}") from error

    @property
    def exists(self) -> bool:
        """Whether a ledger was made here, or is known to be elsewhere."""
        return self.ledger.exists() or (self.path / DATABASE).exists()

    def open_ledger(self, *, create: bool = False) -> Ledger:
        """Open the ledger.

        Raises:
            LedgerError: see `Ledger.open`.
        """
        if (url := self.url) is None:
            return Ledger.open(self.ledger, create=create)
        return Ledger.open(url, create=create, campaign=self.path.name)

    def is_begun(self) -> bool:
        """Whether a campaign was begun here. A start that failed leaves an empty ledger at most.

        Raises:
            LedgerError: what lies here is no ledger that this version reads.
        """
        if self._begun:
            return True
        if not self.exists and self.database is None:
            return False
        with suppress(NoCampaign), self.open_ledger() as ledger:
            if ledger.head()[0] > 0:
                self._begun.append(True)
        return bool(self._begun)

    @contextmanager
    def held(self) -> Iterator[None]:
        """Keep other processes from working on this run; the lock goes with this process.

        Drivers that share a database keep out of each other's way by leases instead.

        Raises:
            LedgerError: another process works on it, or the folder cannot be written.
        """
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            lock = (self.path / "lock").open("a")
        except OSError as error:
            raise LedgerError(f"the run's folder {self.path} cannot be used: {error}") from error
        with lock:
            if self.url is not None:
                yield
                return
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                raise LedgerError(
                    f"another process works on run {self.path.name!r}; watch it with: move37 "
                    f"status {self.path.name}, or start another run with --name"
                ) from None
            yield

    def secret(self) -> bytes:
        """Return the campaign's secret, drawn at first use; only the owner may read the file.

        Raises:
            LedgerError: it cannot be written, or is not whole.
        """
        file = self.path / "secret"
        try:
            if not file.exists():
                _publish(file, secrets.token_bytes(SECRET_BYTES))
            secret = file.read_bytes()
        except OSError as error:
            raise LedgerError(f"the run's secret {file} cannot be kept: {error}") from error
        if len(secret) != SECRET_BYTES:
            raise LedgerError(
                f"{file} must hold {SECRET_BYTES} bytes, holds {len(secret)}; without it held-out "
                "data cannot be drawn again: start another campaign with --name"
            )
        return secret


def new_run(runs: Path, name: str, *, option: str = "--name") -> RunFolder:
    """Return the folder of a run that is to be made: under the folder of all runs, nowhere else.

    Args:
        runs: the folder of all runs.
        name: whole, as it was given.
        option: that gives it, for the message.

    Raises:
        ConfigError: no run can have this name.
    """
    if not re.fullmatch(RUN_NAME, name):
        raise ConfigError(
            f"a run cannot be called {name!r}: up to 64 small letters, digits, dots, dashes and "
            f"underscores, the first a letter or digit; choose another {option}"
        )
    return RunFolder(path=runs / name)


def name_driver() -> str:
    """Return the name under which this process works on a run."""
    return f"{socket.gethostname()}:{os.getpid()}"


def is_gone(driver: str, *, since: float) -> bool | None:
    """Say whether a driver's process is gone; None where that cannot be told from this machine.

    Args:
        driver: as `name_driver` made it; drivers that share a campaign have more to their name.
        since: when it was at work, in seconds since 1970: a younger process only has its number.
    """
    host, _, number = driver.rpartition(":")
    if host != socket.gethostname() or not number.isdigit():
        return None
    try:
        boot = next(int(line.split()[1]) for line in Path("/proc/stat").read_text().splitlines()
                    if line.startswith("btime"))  # fmt: skip
        fields = Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()
    except FileNotFoundError:
        return True if Path("/proc/stat").exists() else None
    except (OSError, StopIteration):
        return None
    began = boot + int(fields[STARTED]) / os.sysconf("SC_CLK_TCK")
    return began > since + SLACK_SECONDS


def _publish(file: Path, content: bytes) -> None:
    """Write a file whole, for its owner only, unless another process was faster."""
    draft = file.with_name(f".{file.name}.{uuid.uuid4().hex}.new")
    try:
        draft.touch(mode=0o600)  # before a byte of it is there
        draft.write_bytes(content)
        try:
            os.link(draft, file)
        except FileExistsError:
            return
        except OSError:  # a file system without hard links
            draft.replace(file)
    finally:
        draft.unlink(missing_ok=True)


def _as_it_meant(text: str) -> str:
    """Return a stored config with what versions before a key did without it."""
    config = json.loads(text)
    if isinstance(config, dict) and isinstance(config.get("evidence"), dict):
        config["evidence"].setdefault("bar", "parents")
    return json.dumps(config)


def stored_config(ledger: Ledger) -> CampaignConfig:
    """Return the config that a campaign was started with.

    Raises:
        LedgerError: the campaign never started, or by a version with another config.
    """
    started = next(iter(ledger.events([CampaignStarted])), None)
    if not isinstance(started, CampaignStarted):
        raise LedgerError("this ledger holds no campaign: its first event is missing")
    try:
        return CampaignConfig.model_validate_json(_as_it_meant(started.config))
    except ValueError as error:
        raise LedgerError(
            f"this campaign was started by move37 {started.version} with another config than "
            f"{__version__} knows: {error}"
        ) from error
