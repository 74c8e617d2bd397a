"""Weights are used again: whose they are is checked, decided by the firewall, and recorded.

Weights carry the candidate they belong to and a digest of how they began (`lab/weights.py`). The
ledger's record of their trial must say the same.
"""

from __future__ import annotations

from move37.campaign import edges
from move37.core.candidate import Candidate
from move37.core.errors import LedgerError
from move37.core.team import TeamConfig
from move37.core.trial import Trial, TrialSpec
from move37.lab.weights import Origin, origin_of
from move37.lab.wire import WireError
from move37.memory.artefacts import Artefacts
from move37.memory.journal import Journal

WAY_OUT = "restore the run from a copy, or begin a new one"


def snapshot_of(
    team: TeamConfig,
    journal: Journal,
    artefacts: Artefacts,
    candidate: Candidate,
    spec: TrialSpec,
    *,
    below: Trial,
) -> bytes:
    """Return the weights of the rung below, once the firewall has let them through.

    Args:
        team: whose models are related how.
        journal: of the candidate's index; the decision is written there, once a rung.
        artefacts: where the weights are kept.
        candidate: who goes on.
        spec: of the trial that goes on.
        below: the completed trial that the weights are recorded for.

    Raises:
        LedgerError: they are another candidate's, or began in another way than recorded; they are
            missing or damaged.
    """
    blob, found = _read(artefacts, below)
    decision = edges.record_warm_start(
        team, journal, candidate, producer=found.candidate_id, rung=spec.rung
    )
    if not decision.allowed:
        raise LedgerError(
            f"{candidate.id} would go on at rung {spec.rung} from weights of candidate "
            f"{found.candidate_id}, denied: {decision.reason}; the ledger names the wrong file: "
            f"{WAY_OUT}"
        )
    _check(found, below)
    return blob


def own_weights(artefacts: Artefacts, trial: Trial) -> bytes:
    """Return a trial's weights, to be handed over.

    Raises:
        LedgerError: they are another candidate's, or began in another way than recorded; they are
            missing or damaged.
    """
    blob, found = _read(artefacts, trial)
    if found.candidate_id != trial.spec.candidate_id:
        raise LedgerError(
            f"the weights recorded for {trial.spec.candidate_id} are those of candidate "
            f"{found.candidate_id}: {WAY_OUT}"
        )
    _check(found, trial)
    return blob


def recorded_start(trial: Trial | None) -> str:
    """Return how a trial's weights began, as recorded; empty where nothing is."""
    return trial.measurement.initialisation if trial and trial.measurement else ""


def _read(artefacts: Artefacts, trial: Trial) -> tuple[bytes, Origin]:
    """Return a trial's weights and their origin: of an unmarked file the record alone says it."""
    digest = trial.measurement.weights if trial.measurement else ""
    blob = artefacts.get(digest)
    try:
        found = origin_of(blob)
    except WireError as error:
        raise LedgerError(f"artefact {digest}: {error}; {WAY_OUT}") from error
    return blob, found or Origin(candidate_id=trial.spec.candidate_id, initialisation="")


def _check(found: Origin, trial: Trial) -> None:
    if found.initialisation != (recorded := recorded_start(trial)):
        raise LedgerError(
            f"the weights of {trial.spec.candidate_id} at rung {trial.spec.rung} began as "
            f"{found.initialisation[:12] or 'nobody says'}, the ledger says "
            f"{recorded[:12] or 'nothing'}: {WAY_OUT}"
        )
