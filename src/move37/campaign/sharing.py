"""Several drivers, one campaign: who takes which candidate, and what becomes of the dead.

Nothing here does anything where a driver is alone (`ledger.leases` is None).
"""

from __future__ import annotations

from move37.campaign.workshop import Workshop
from move37.core.events import CandidateProposed, SessionClosed, SessionOpened
from move37.memory.leases import INDEX, Leases
from move37.memory.ledger import Ledger


def claim_index(workshop: Workshop, index: int) -> bool:
    """Say whether candidate `index` is this driver's to work on."""
    leases = workshop.ledger.leases
    return leases is None or leases.claim(f"{INDEX}{index}")


def release_index(workshop: Workshop, index: int) -> None:
    """Let others take candidate `index`, if there is anything left to do."""
    if (leases := workshop.ledger.leases) is not None:
        leases.release(f"{INDEX}{index}")


def is_proposed(workshop: Workshop, index: int) -> bool:
    """Say whether somebody has proposed candidate `index`: the next may be proposed then."""
    return bool(workshop.ledger.at_index(CandidateProposed, index))


def others_work(workshop: Workshop) -> bool:
    """Say whether another driver, alive, works on a candidate."""
    leases = workshop.ledger.leases
    return leases is not None and leases.others(INDEX)


def close_dead_sessions(ledger: Ledger, leases: Leases) -> None:
    """Write down the end of sessions whose drivers give no sign of life any more."""
    with leases.holding("sessions"):
        opened: dict[str, float] = {}
        for record in ledger.records([SessionOpened, SessionClosed]):
            match record.event:
                case SessionOpened(driver=driver):
                    opened[driver] = record.time / 1e6
                case SessionClosed(driver=driver):
                    opened.pop(driver, None)
        for driver, moment in opened.items():
            if (seen := leases.last_seen(f"driver {driver}")) is not None:
                lasted = max(0.0, seen - moment)
                closed = SessionClosed(driver=driver, reason="lost", wall_seconds=lasted)
                ledger.append(closed)
