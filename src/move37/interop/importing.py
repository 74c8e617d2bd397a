"""Write a published campaign into a ledger of ours, so that every other verb can show it.

Published numbers stay what they are, somebody's words: no trial, no verdict and no fitness is made
of them.
"""

from __future__ import annotations

import contextlib
import hashlib
import platform
import shutil
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path

from move37 import __version__
from move37.campaign.folder import new_run
from move37.core.candidate import Candidate, Idea
from move37.core.config import CampaignConfig
from move37.core.errors import ConfigError
from move37.core.events import (
    CampaignStarted,
    CandidateProposed,
    Event,
    RecordImported,
    RootAdded,
)
from move37.interop.asi_arch import Published, Reading
from move37.memory.artefacts import Artefacts
from move37.memory.ledger import Ledger

ORIGIN = "asi-arch"
AUTHOR = "asi-arch"
BATCH = 500


def import_reading(reading: Reading, runs: Path, name: str) -> int:
    """Write records into a new run under a folder of runs; return how many.

    All of them, or no run is left.

    Raises:
        ConfigError: there is a run of this name already, or no run can have this name.
    """
    place = new_run(runs, name)
    folder = place.path
    if place.exists:
        raise ConfigError(f"run {name!r} is there already; choose another --name")
    config = CampaignConfig(name=name, opponents=())
    existed = folder.exists()
    try:
        with place.held(), Ledger.open(place.ledger, create=True) as ledger:
            batch: list[Event] = [_start(config, reading)]
            for event in events_of(reading):
                batch.append(event)
                if len(batch) >= BATCH:
                    ledger.append(*batch)
                    batch = []
            ledger.append(*batch)
            kept = Artefacts(folder / "artefacts")
            for record in reading.records:
                if record.picture:
                    kept.put(record.picture.encode())
    except BaseException:
        with contextlib.suppress(OSError):
            place.ledger.unlink(missing_ok=True) if existed else shutil.rmtree(folder)
        raise
    return len(reading.records)


def events_of(reading: Reading) -> Iterator[Event]:
    """Give the events of the published records, in the order of their numbers."""
    candidates = _candidates(reading)
    for record in reading.records:
        candidate = candidates[record.number]
        index = -1 if record.parent is None else record.number
        if record.parent is None:
            yield RootAdded(candidate=candidate, role="root")
        else:
            yield CandidateProposed(index=index, candidate=candidate, operator="published")
        yield RecordImported(
            index=index,
            candidate_id=candidate.id,
            label=str(record.number),
            display_name=record.display_name,
            score=record.score,
            n_parameters=record.n_parameters,
            curve=record.curve,
            results=dict(record.results or {}),
            summary=record.summary,
            has_program=bool(record.program),
            oddities=record.oddities,
            picture=_digest(record.picture),
        )


def _digest(picture: str) -> str:
    return hashlib.sha256(picture.encode()).hexdigest() if picture else ""


def _candidates(reading: Reading) -> Mapping[int, Candidate]:
    """Make a candidate of each record; parents are named by id, so ids are made first."""
    times = Counter(r.program for r in reading.records if r.program)
    sources = {r.number: _source(r, times[r.program] > 1) for r in reading.records}
    ids = {number: Candidate.of(text, _idea_of_none()).id for number, text in sources.items()}
    return {
        r.number: Candidate.of(
            sources[r.number],
            Idea(name=r.display_name or r.name, motivation=r.motivation, mechanism=r.summary),
            parents=() if r.parent is None else (ids[r.parent],),
            author=AUTHOR,
        )
        for r in reading.records
    }


def _idea_of_none() -> Idea:
    return Idea(name="", motivation="", mechanism="")


def _source(record: Published, is_repeated: bool) -> str:  # noqa: FBT001 - a fact, not a switch
    """Return the program; a repeated one is told apart by a line, a missing one is a placeholder.

    A candidate is known by its source, and a record must not lose itself in another.
    """
    name = "".join(c if c.isprintable() else "?" for c in record.name)
    if not record.program:
        return f"# {ORIGIN} record {record.number} ({name!a}): its program was not published\n"
    return f"# {ORIGIN} record {record.number}\n{record.program}" if is_repeated else record.program


def _start(config: CampaignConfig, reading: Reading) -> CampaignStarted:
    return CampaignStarted(
        name=config.name,
        config=config.model_dump_json(),
        version=__version__,
        machine={
            "system": platform.platform(),
            "files": ", ".join(reading.files),
            "remarks": "; ".join(reading.remarks),
        },
        sandboxed=True,
        imported_from=ORIGIN,
    )
