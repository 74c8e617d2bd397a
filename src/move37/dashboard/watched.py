"""Runs that are looked at: one reader each, and the answers that were given last.

An answer is kept until the ledger grows, so that ten open pages cost one question. Memory is
bounded: a fixed number of runs and answers is kept.
"""

from __future__ import annotations

import re
import threading
import time
from collections import OrderedDict, defaultdict
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from move37.core.errors import LedgerError, Move37Error, UnknownName
from move37.dashboard import details
from move37.dashboard.project import (
    IN_GALLERY,
    Overview,
    config_of,
    overview,
    points_of,
    tree,
)
from move37.dashboard.reader import Reader, Row

RUN_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
MAX_ANSWERS = 64
MAX_READERS = 16
EVENTS_A_PAGE = 100
MAX_CALLS = 5_000
GUARD_WORDS = ("Alarm", "Edge", "Diversity", "Quarantine", "Revised", "DatasetExported", "Guard")
View = dict[str, Any]


class Watched:
    """Every run under one folder, by name. Safe for several threads."""

    def __init__(self, runs: Path, *, clock: Callable[[], float] = time.time) -> None:
        self.runs = runs
        self._clock = clock
        self._readers: OrderedDict[str, tuple[tuple[int, int], Reader]] = OrderedDict()
        self._answers: OrderedDict[tuple[Any, ...], tuple[int, View]] = OrderedDict()
        self._lock = threading.Lock()
        self._verifying = threading.Lock()

    def names(self) -> list[str]:
        """Return the runs that are there, the newest first."""
        if not self.runs.is_dir():
            return []
        found = [f for f in self.runs.glob("*/ledger.db") if RUN_NAME.fullmatch(f.parent.name)]
        return [f.parent.name for f in sorted(found, key=_changed, reverse=True)]

    def reader(self, name: str) -> Reader:
        """Return a run's reader; a run that was deleted and made again gets a new one.

        Raises:
            UnknownName: no such run.
            LedgerError: its ledger cannot be read.
        """
        path = self.runs / name / "ledger.db"
        if not RUN_NAME.fullmatch(name) or not path.is_file():
            with self._lock:
                self._forget(name)
            raise UnknownName.of("run", name[:80], self.names())
        stat = path.stat()
        identity = (stat.st_dev, stat.st_ino)
        with self._lock:
            known = self._readers.get(name)
            if known and known[0] == identity:
                self._readers.move_to_end(name)
                return known[1]
            self._forget(name)
            reader = Reader(path)
            self._readers[name] = (identity, reader)
            while len(self._readers) > MAX_READERS:
                self._forget(next(iter(self._readers)))
            return reader

    def pulse(self, name: str) -> View:
        """Return what tells whether anything is new."""
        totals = self.reader(name).totals()
        return {k: totals[k] for k in ("n_events", "head", "n_candidates", "n_trials")}

    def answer(self, name: str, question: str, make: Callable[[Reader], View], *key: Any) -> View:
        """Return a kept answer, or make it; kept until the ledger grows."""
        reader = self.reader(name)
        n_events = reader.totals()["n_events"]
        place = (name, question, *key)
        with self._lock:
            kept = self._answers.get(place)
            if kept and kept[0] == n_events:
                self._answers.move_to_end(place)
                return kept[1]
        made = make(reader)
        with self._lock:
            self._answers[place] = (n_events, made)
            self._answers.move_to_end(place)
            while len(self._answers) > MAX_ANSWERS:
                self._answers.popitem(last=False)
        return made

    def overview(self, name: str) -> Overview:
        """Return a run on one screen, as of now."""
        return read_overview(self.reader(name), now=self._clock())

    def listing(self) -> list[View]:
        """Return a line for every run; one that cannot be read says why."""
        lines: list[View] = []
        for name in self.names()[:50]:
            try:
                view = asdict(self.overview(name))
                for key in ("running", "verdicts", "failures"):
                    view.pop(key)
                view["points"] = [(p["order"], p["effect"], p["kind"]) for p in view["points"]]
                lines.append({**view, "run": name})
            except Move37Error as error:
                lines.append({"run": name, "problem": str(error)})
        return lines

    def tree(self, name: str) -> View:
        """Return the lineage in columns."""
        return self.answer(
            name, "tree",
            lambda r: asdict(
                tree(r.nodes(), r.parents(), r.verdicts(), r.of_kinds(["RecordImported"]))
            ),
        )  # fmt: skip

    def candidate(self, name: str, prefix: str) -> View:
        """Return one candidate's page.

        Raises:
            UnknownName: none, or several, begin so.
        """
        return self.answer(name, "candidate", lambda r: _candidate(r, prefix), prefix)

    def diff(self, name: str, id_: str, other: str) -> View:
        """Return the line diff of a candidate's source to another's."""
        reader = self.reader(name)
        born = reader.introduced([id_, other])
        for wanted in (id_, other):
            if wanted not in born:
                raise UnknownName(f"no candidate {wanted[:80]!r} in run {name!r}")
        ours, theirs = (born[i]["body"]["candidate"]["source"] for i in (id_, other))
        return {"lines": details.difference(ours, theirs), "other": other}

    def gallery(self, name: str) -> View:
        """Return the gallery's cards."""
        return self.answer(name, "gallery", _gallery)

    def team(self, name: str) -> View:
        """Return who works and what it cost."""
        return self.answer(name, "team", _team)

    def guards(self, name: str) -> View:
        """Return what the guards said, and the effort trends they watch."""
        return self.answer(name, "guards", _guards)

    def cognition(self, name: str) -> View:
        """Return the cards with their use."""
        return self.answer(name, "cognition", _cognition)

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
            for name in list(self._readers):
                self._forget(name)

    def _forget(self, name: str) -> None:
        if known := self._readers.pop(name, None):
            known[1].close()
        for key in [k for k in self._answers if k[0] == name]:
            del self._answers[key]


def read_overview(reader: Reader, *, now: float) -> Overview:
    """Read what one screen needs, and fold it."""
    sessions = reader.sessions()
    opened = [r["seq"] for r in sessions if r["kind"] == "SessionOpened"]
    is_open = bool(opened) and sessions[-1]["kind"] == "SessionOpened"
    return overview(
        totals=reader.totals(),
        sessions=sessions,
        nodes=reader.nodes(),
        verdicts=reader.verdicts(),
        failures=reader.failures(),
        trials=reader.unfinished_trials(opened[-1]) if is_open else [],
        latest=reader.latest_by_index() if is_open else [],
        now=now,
    )


def _candidate(reader: Reader, prefix: str) -> View:
    nodes = reader.nodes()
    by_id = {n["id"]: n for n in reversed(nodes)}
    matches = [id_ for id_ in by_id if id_ == prefix] or [i for i in by_id if i.startswith(prefix)]
    if len(matches) != 1:
        raise UnknownName.of("single candidate", prefix[:80], matches[:9])
    node = by_id[matches[0]]
    history = [r for r in reader.at_index(node["candidate_index"]) if _is_about(r, node["id"])]
    edges = reader.parents()
    first = next((e["parent"] for e in edges if e["child"] == node["id"]), "")
    baseline = _baseline(nodes, reader)
    rivals = {
        by_id[id_]["name"]: reader.trials_of(id_)
        for id_ in dict.fromkeys((baseline, first))
        if id_ in by_id and id_ != node["id"]
    }
    return details.candidate(
        node=node,
        history=history,
        trials=reader.trials_of(node["id"]),
        relatives=by_id,
        children=[
            by_id[e["child"]]
            for e in edges
            if e["parent"] == node["id"] and e["child"] != node["id"] and e["child"] in by_id
        ][:60],
        rivals=rivals,
    )


def _baseline(nodes: list[Row], reader: Reader) -> str:
    name = config_of(reader.sessions()).get("baseline", "")
    return next((n["id"] for n in nodes if n["name"] == name and n["candidate_index"] < 0), "")


def _is_about(row: Row, id_: str) -> bool:
    body = row["body"]
    about = (
        body.get("candidate_id")
        or (body.get("candidate") or {}).get("id")
        or (body.get("spec") or (body.get("trial") or {}).get("spec") or {}).get("candidate_id")
    )
    return about == id_ or (about is None and row["candidate_index"] >= 0)


def _gallery(reader: Reader) -> View:
    entries = [n for n in reader.nodes() if n["verdict"] in IN_GALLERY]
    ids = {n["id"] for n in entries}
    last = {
        r["body"]["candidate_id"]: r["body"]
        for r in reader.of_kinds(["VerdictReached"], newest=20_000)
        if r["body"]["candidate_id"] in ids
    } if ids else {}  # fmt: skip
    return {"cards": details.gallery(entries, last, reader.introduced(sorted(ids)))}


def _team(reader: Reader) -> View:
    authors: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    for node in reader.nodes():
        if node["candidate_index"] >= 0:
            authors[node["author"]][node["verdict"] or "in flight"] += 1
    return details.team(
        config_of(reader.sessions()),
        authors,
        reader.of_kinds(["ModelCalled"], newest=MAX_CALLS),
        reader.of_kinds(["CallJudged"], newest=MAX_CALLS),
        reader.of_kinds(["LessonWritten"], newest=MAX_CALLS),
    )


def _guards(reader: Reader) -> View:
    kinds = [k for k in reader.kinds() if any(word in k for word in GUARD_WORDS)]
    calls = reader.of_kinds(["ModelCalled"], newest=MAX_CALLS)
    judged = reader.of_kinds(["CallJudged"], newest=MAX_CALLS)
    failed = reader.of_kinds(["ProposalFailed"], newest=200)
    return {
        "events": list(reversed(reader.of_kinds(kinds, newest=400))) if kinds else [],
        "efforts": details.efforts(calls, judged),
        "n_calls": len(calls),
        "failed": list(reversed(failed)),
    }


def _cognition(reader: Reader) -> View:
    from move37.cognition.cards import shipped_cards

    points = points_of(reader.nodes(), reader.verdicts(), started=0.0)
    effects = {p.id: p.effect for p in points if p.effect is not None}
    reads = reader.of_kinds(["CardsRead"], newest=20_000)
    return details.cognition(shipped_cards(), reads, reader.elements(), effects)


def _changed(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0
