"""Normal forms of candidates' sources, made in a limited child process and remembered.

The child parses, it executes nothing; see `memory.syntax`. Remembered for as long as the process
lives: a form takes 0.01 s to make and two kilobytes to keep.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

from move37.core.candidate import Candidate
from move37.core.errors import SourceError
from move37.memory.likeness import Likeness
from move37.memory.state import Entry
from move37.memory.syntax.canonical import SKETCH, NormalForm

SOURCE_ROOT = Path(__file__).parents[2]
START = (
    "import sys; sys.path.insert(0, sys.argv[1]); "
    "from move37.memory.syntax import child; child.main()"
)
TIMEOUT_SECONDS = 60.0
BATCH = 50

_known: dict[str, int | SourceError] = {}
"""By candidate: the place of its form, or why there is none."""
_forms = Likeness()
_lock = threading.Lock()


def form_of(candidate: Candidate) -> NormalForm:
    """Return a candidate's normal form.

    Raises:
        SourceError: the source does not parse, or not within the child's limits.
    """
    form = forms_of([candidate])[0]
    if isinstance(form, SourceError):
        raise form
    return form


def forms_of(candidates: Sequence[Candidate]) -> list[NormalForm | SourceError]:
    """Return the normal form of each candidate, or why there is none."""
    with _lock:
        return _met(candidates)


def nearest_by_form(
    candidate: Candidate, known: Mapping[str, Entry]
) -> tuple[float, frozenset[str]]:
    """Return the smallest distance to known candidates, and who all is at that distance.

    Of those whose source parses; empty when there is none.

    Raises:
        SourceError: the candidate's own source does not parse.
    """
    with _lock:
        (form,) = _met([candidate])
        if isinstance(form, SourceError):
            raise form
        _met([known[id_].candidate for id_ in known.keys() - _known.keys()])
        smallest, ids = _forms.nearest(form, known)
        if not ids:  # nobody shares anything: all are equally far
            ids = {id_ for id_ in known if isinstance(_known[id_], int)}
    return smallest, frozenset(ids)


def _met(candidates: Sequence[Candidate]) -> list[NormalForm | SourceError]:
    """Return forms, the missing ones made now. Under the lock."""
    unknown = {c.id: c.source for c in candidates if c.id not in _known}
    ids = list(unknown)
    for start in range(0, len(ids), BATCH):
        batch = ids[start : start + BATCH]
        for id_, form in zip(batch, _ask([unknown[id_] for id_ in batch]), strict=True):
            _known[id_] = form if isinstance(form, SourceError) else _forms.add(id_, form)
    found = (_known[c.id] for c in candidates)
    return [_forms.at(form) if isinstance(form, int) else form for form in found]


def distance(a: NormalForm, b: NormalForm) -> float:
    """Return how unlike two programs are, in [0, 1]: 0 for one normal form, 1 for nothing shared.

    Between, the share of their runs of tokens that only one of them has, estimated from the
    smallest hashes. Source: A. Broder, "On the resemblance and containment of documents", 1997.
    """
    if a.digest == b.digest:
        return 0.0
    smallest = sorted({*a.sketch, *b.sketch})[:SKETCH]
    shared = set(a.sketch) & set(b.sketch)
    return 1.0 - sum(gram in shared for gram in smallest) / len(smallest)


def _ask(sources: list[str], *, may_be_killed: bool = True) -> list[NormalForm | SourceError]:
    """Ask a child about some sources; if that kills it, ask about each alone.

    Once more where SIGKILL ended it: somebody outside may have sent that.
    """
    try:
        done = subprocess.run(
            [sys.executable, "-I", "-S", "-W", "ignore", "-c", START, str(SOURCE_ROOT)],
            input=json.dumps(sources).encode(),
            capture_output=True,
            timeout=TIMEOUT_SECONDS,
            check=False,
        )
        if done.returncode == -signal.SIGKILL and may_be_killed:
            return _ask(sources, may_be_killed=False)
        failure = f"ended with status {done.returncode}"
        answer = done.stdout if done.returncode == 0 else None
    except subprocess.TimeoutExpired:
        failure, answer = f"took more than {TIMEOUT_SECONDS:.0f} s", None
    if answer is not None:
        return [_read(entry) for entry in json.loads(answer)]
    if len(sources) > 1:
        return [form for source in sources for form in _ask([source])]
    return [SourceError(f"source cannot be parsed within the limits: the parser {failure}")]


def _read(entry: dict[str, object]) -> NormalForm | SourceError:
    match entry:
        case {"digest": str(digest), "sketch": list(sketch)}:
            return NormalForm(digest=digest, sketch=tuple(sketch))
    return SourceError(f"source {entry.get('problem')}")
