"""Candidates whose ending is known: the lab is tried with them as it tries candidates.

Each `*.py.txt` says in its first line how it must end, `# ends: OUTCOME [PROBE]`.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib import resources

from move37.core.budget import Limits
from move37.core.trial import Outcome, ProbeReport
from move37.lab.laboratory import Laboratory
from move37.lab.probes import probe
from move37.lab.references import reference_source

LIMITS = Limits(wall_seconds=20.0, cpu_seconds=4.0, memory_bytes=256 * 2**20)
WIDTH, HEADS = 32, 2
GOOD = ("linear_attention", "gated_deltanet", "mamba2")


@dataclass(frozen=True, kw_only=True, slots=True)
class Specimen:
    """A candidate and how it must end."""

    name: str
    source: str
    outcome: Outcome
    probe: str = ""
    """The probe that must be among the failed ones; empty if none must."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Finding:
    """A specimen and how it did end."""

    specimen: Specimen
    outcome: Outcome
    as_expected: bool
    reason: str


def specimens() -> tuple[Specimen, ...]:
    """Return the known-good and known-bad candidates, the good ones first."""
    good = [
        Specimen(name=name, source=reference_source(name), outcome=Outcome.COMPLETED)
        for name in GOOD
    ]
    folder = resources.files("move37.lab.specimens")
    files = sorted(
        (f for f in folder.iterdir() if f.name.endswith(".py.txt")), key=lambda file: file.name
    )
    return (*good, *(_read(f.name.removesuffix(".py.txt"), f.read_text("utf-8")) for f in files))


def _read(name: str, source: str) -> Specimen:
    outcome, _, failed = source.splitlines()[0].removeprefix("# ends: ").partition(" ")
    return Specimen(name=name, source=source, outcome=Outcome(outcome), probe=failed)


def try_specimen(laboratory: Laboratory, specimen: Specimen) -> Finding:
    """Probe one specimen and compare its ending with the expected one."""
    report = probe(
        lambda: laboratory.session(LIMITS), specimen.source, d_model=WIDTH, n_heads=HEADS
    )
    return Finding(
        specimen=specimen,
        outcome=report.outcome,
        as_expected=report.outcome is specimen.outcome and _has_failed(report, specimen.probe),
        reason=report.reason,
    )


def _has_failed(report: ProbeReport, name: str) -> bool:
    return not name or any(v.name == name and not v.passed for v in report.verdicts)
