"""Runs that are looked at: one reader each, and the answers that were given last.

An answer is kept until the ledger grows, so that ten open pages cost one question. Memory is
bounded: a fixed number of runs and answers is kept.
"""

from __future__ import annotations

import re
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

from move37.campaign.folder import RunFolder
from move37.core.errors import LedgerError, Move37Error, UnknownName
from move37.dashboard import details, questions
from move37.dashboard.board import Board, grown
from move37.dashboard.conversation import conversation
from move37.dashboard.project import Overview, overview, tree
from move37.dashboard.reader import Reader
from move37.dashboard.sessions import open_sessions

RUN_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
MAX_ANSWERS = 64
MAX_READERS = 16
EVENTS_A_PAGE = 100
MAX_LISTED = 50
View = dict[str, Any]
Identity = tuple[int, int]


class Watched:
    """Every run under one folder, by name. Safe for several threads."""

    def __init__(self, runs: Path, *, clock: Callable[[], float] = time.time) -> None:
        self.runs = runs
        self._clock = clock
        self._watches: OrderedDict[str, tuple[Identity, Watch]] = OrderedDict()
        self._answers: OrderedDict[tuple[Any, ...], tuple[int, View]] = OrderedDict()
        self._lock = threading.Lock()
        self._verifying = threading.Lock()

    def names(self) -> list[str]:
        """Return the runs that are there, the newest first."""
        if not self.runs.is_dir():
            return []
        files = [*self.runs.glob("*/ledger.db"), *self.runs.glob("*/database")]
        found = [f for f in files if RUN_NAME.fullmatch(f.parent.name)]
        ordered = sorted(found, key=_changed, reverse=True)
        return list(dict.fromkeys(f.parent.name for f in ordered))

    def watch(self, name: str) -> Watch:
        """Return what watches a run; a run that was deleted and made again gets a new one.

        Raises:
            UnknownName: no such run.
            LedgerError: its ledger cannot be read.
        """
        folder = RunFolder(path=self.runs / name)
        identity = _identity(folder) if RUN_NAME.fullmatch(name) else None
        if identity is None:
            with self._lock:
                self._forget(name)
            raise UnknownName.of("run", name[:80], self.names())
        with self._lock:
            known = self._watches.get(name)
            if known and known[0] == identity:
                self._watches.move_to_end(name)
                return known[1]
            self._forget(name)
        opened = Watch(Reader(folder))  # may wait for a database server: without the lock
        with self._lock:
            self._forget(name)
            self._watches[name] = (identity, opened)
            while len(self._watches) > MAX_READERS:
                self._forget(next(iter(self._watches)))
        return opened

    def reader(self, name: str) -> Reader:
        """Return a run's reader. See `watch`."""
        return self.watch(name).reader

    def pulse(self, name: str) -> View:
        """Return what tells whether anything is new."""
        totals = self.reader(name).totals()
        return {k: totals[k] for k in ("n_events", "head", "n_candidates", "n_trials")}

    def answer(self, name: str, question: str, make: Callable[[Watch], View], *key: Any) -> View:
        """Return a kept answer, or make it; kept until the ledger grows."""
        watch = self.watch(name)
        n_events = watch.reader.totals()["n_events"]
        place = (name, question, *key)
        with self._lock:
            kept = self._answers.get(place)
            if kept and kept[0] == n_events:
                self._answers.move_to_end(place)
                return kept[1]
        made = make(watch)
        with self._lock:
            self._answers[place] = (n_events, made)
            self._answers.move_to_end(place)
            while len(self._answers) > MAX_ANSWERS:
                self._answers.popitem(last=False)
        return made

    def overview(self, name: str) -> Overview:
        """Return a run on one screen, as of now."""
        return self.watch(name).overview(now=self._clock())

    def listing(self) -> list[View]:
        """Return a line for every run; one that cannot be read says why."""
        lines: list[View] = []
        for name in self.names()[:MAX_LISTED]:
            try:
                view = self.overview(name).as_view()
            except Move37Error as error:
                lines.append({"run": name, "problem": str(error)})
                continue
            for key in ("running", "verdicts", "failures", "points", "discoveries"):
                del view[key]
            view["records"] = [
                (p.order, p.effect) for p in questions.best_so_far(self.watch(name).board())
            ]
            lines.append({**view, "run": name})
        return lines

    def tree(self, name: str) -> View:
        """Return the lineage in columns."""
        return self.answer(
            name, "tree",
            lambda w: tree(w.board(), w.reader.of_kinds(["RecordImported"])).as_view(),
        )  # fmt: skip

    def candidate(self, name: str, prefix: str) -> View:
        """Return one candidate's page.

        Raises:
            UnknownName: none, or several, begin so.
        """
        return self.answer(
            name, "candidate", lambda w: questions.candidate(w.reader, w.board(), prefix), prefix
        )

    def diff(self, name: str, id_: str, other: str) -> View:
        """Return the line diff of a candidate's source to another's."""
        watch = self.watch(name)
        ids = [questions.found(watch.board(), given)["id"] for given in (id_, other)]
        born = watch.reader.introduced(ids)
        ours, theirs = (born[i]["body"]["candidate"]["source"] for i in ids)
        return {"lines": details.difference(ours, theirs), "other": ids[1]}

    def flow(self, name: str, wanted: str) -> str:
        """Return a drawing of a candidate's data flow, as an SVG file."""
        watch = self.watch(name)
        return questions.flow(watch.reader, watch.board(), wanted)

    def said(self, name: str, seq: int) -> View:
        """Return one request to a language model and its reply, as texts.

        Raises:
            UnknownName: the event is none.
        """
        reader = self.reader(name)
        row = reader.event(seq)
        if row is None or row["kind"] != "ModelCalled":
            raise UnknownName(f"event {seq} of run {name!r} is no request to a language model")
        return conversation(reader.folder, row["body"])

    def gallery(self, name: str) -> View:
        """Return the gallery's cards."""
        return self.answer(name, "gallery", lambda w: questions.gallery(w.reader, w.board()))

    def team(self, name: str) -> View:
        """Return who works and what it cost."""
        return self.answer(name, "team", lambda w: questions.team(w.reader, w.board()))

    def guards(self, name: str) -> View:
        """Return what the guards said, and the effort trends they watch."""
        return self.answer(name, "guards", lambda w: questions.guards(w.reader))

    def cognition(self, name: str) -> View:
        """Return the cards with their use."""
        return self.answer(name, "cognition", lambda w: questions.cognition(w.reader, w.board()))

    def ledger(self, name: str, *, before: int | None, kind: str) -> View:
        """Return one page of events, newest first."""
        reader = self.reader(name)
        rows = reader.page(before=before, kind=kind, limit=EVENTS_A_PAGE)
        return {"events": rows, "kinds": reader.kinds(), "total": reader.totals()}

    def verify(self, name: str) -> View:
        """Recompute the chain and the tables. One at a time."""
        if not self._verifying.acquire(blocking=False):
            raise LedgerError("a ledger is being verified already; wait for it to end")
        try:
            found = self.reader(name).verify()
        finally:
            self._verifying.release()
        return {"holds": found is None, "difference": str(found) if found else ""}

    def close(self) -> None:
        """Give every database back."""
        with self._lock:
            for name in list(self._watches):
                self._forget(name)

    def _forget(self, name: str) -> None:
        if known := self._watches.pop(name, None):
            known[1].reader.close()
        for key in [k for k in self._answers if k[0] == name]:
            del self._answers[key]


class Watch:
    """One run that is looked at: its reader, and what it has come to."""

    def __init__(self, reader: Reader) -> None:
        self.reader = reader
        self._board = Board()
        self._lock = threading.Lock()

    def board(self) -> Board:
        """Return what the run has come to by now."""
        with self._lock:
            self._board = grown(self._board, self.reader)
            return self._board

    def overview(self, *, now: float) -> Overview:
        """Return the run on one screen.

        Raises:
            LedgerError: its ledger cannot be read.
        """
        reader = self.reader
        sessions = reader.sessions()
        opened = open_sessions(sessions, is_shared=reader.is_shared)
        since = min((row["seq"] for row in opened), default=None)
        return overview(
            totals=reader.totals(),
            sessions=sessions,
            board=self.board(),
            failures=reader.failures(),
            trials=[] if since is None else reader.unfinished_trials(since),
            latest=[] if since is None else reader.latest_by_index(),
            newest=reader.newest(),
            now=now,
            is_shared=reader.is_shared,
        )


def _identity(folder: RunFolder) -> Identity | None:
    """Tell one making of a run from another; None where there is none."""
    for file in (folder.path / "database", folder.ledger):
        try:
            stat = file.stat()
        except OSError:
            continue
        return stat.st_dev, stat.st_ino
    return None


def _changed(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0
