"""The search: steps in parallel under the lag rule, until budget or patience is at its end."""

from __future__ import annotations

import time
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait

from move37.campaign import results, sharing
from move37.campaign.results import trained_tokens
from move37.campaign.step import propose, take_step
from move37.campaign.team import CONTROL
from move37.campaign.workshop import OutOfBudget, Workshop
from move37.core.errors import OutOfFunds
from move37.memory.state import State
from move37.team.protocols import NoProposal

POLL_SECONDS = 0.5
"""Between looks at what other drivers have done."""

PATIENCE = 12  # assumed: proposals in a row without anything usable


def search(workshop: Workshop, pool: ThreadPoolExecutor) -> None:
    """Take steps until the search's share of the budget is used.

    Candidates of an earlier session that have no lesson yet are taken up first. Candidate n begins
    when candidates 0..n-lag-1 are done (see `SearchConfig.lag`).

    Raises:
        NoProposal: the Researcher has nothing new; everything in flight was brought to its end.
        OutOfFunds: language models have used all they may; candidates that still need one are taken
            up when they may use more.
        Stopped: Ctrl-C; what was in flight is taken up again by the next session.
        LabError, LedgerError: the laboratory or the ledger is broken.
    """
    done, taken = set(finished(workshop.ledger.state())), set[int]()
    running: dict[Future[None], int] = {}
    exhausted: NoProposal | OutOfFunds | None = None
    is_shared = workshop.ledger.leases is not None
    while True:
        if is_shared:
            done |= finished(workshop.ledger.state())
        others_work = sharing.others_work(workshop)  # before the look at what they may leave us
        has_room = exhausted is None and len(running) < workshop.n_workers
        index = _claim_next(workshop, done, taken) if has_room else None
        if index is not None:
            taken.add(index)
            try:
                _check_patience(workshop, taken - {index})
                propose(workshop, index)
            except (NoProposal, OutOfFunds) as error:
                exhausted = error
                sharing.release_index(workshop, index)
            else:
                running[pool.submit(_step, workshop, index)] = index
        elif running:
            timeout = POLL_SECONDS if is_shared and has_room else None
            exhausted = _take_in(running, done, timeout=timeout) or exhausted
        elif others_work and workshop.watch.may_go_on():
            time.sleep(POLL_SECONDS)  # they may die, and leave their candidates to us
        else:
            break
    if exhausted is not None:
        raise exhausted


def _take_in(
    running: dict[Future[None], int], done: set[int], *, timeout: float | None
) -> OutOfFunds | None:
    """Wait for a step to end and note it; return what it ran out of, if anything."""
    exhausted = None
    for future in wait(running, timeout=timeout, return_when=FIRST_COMPLETED).done:
        index = running.pop(future)
        try:
            future.result()
            done.add(index)
        except OutOfBudget:
            pass
        except OutOfFunds as error:
            exhausted = error
    return exhausted


def _claim_next(workshop: Workshop, done: set[int], taken: set[int]) -> int | None:
    """Return the first candidate that may begin and is nobody's, now claimed; None if none is.

    Proposals are made in the order of indices, whoever makes them.
    """
    index = 0
    while True:
        while index in done or index in taken:
            index += 1
        if not _may_begin(workshop, index, done):
            return None
        if sharing.claim_index(workshop, index):
            return index
        if not sharing.is_proposed(workshop, index):
            return None
        index += 1


def _step(workshop: Workshop, index: int) -> None:
    try:
        take_step(workshop, index)
    finally:
        sharing.release_index(workshop, index)


def _check_patience(workshop: Workshop, taken: set[int]) -> None:
    """Give up on language models that give nothing: a key that expired fails at once, each time.

    Raises:
        NoProposal: the team's last PATIENCE proposals of this session failed.
    """
    failed = workshop.ledger.state().failed_proposals
    asked = [i for i in sorted(taken) if workshop.arm(i) != CONTROL][-PATIENCE:]
    if len(asked) == PATIENCE and all(i in failed for i in asked):
        raise NoProposal(
            f"{PATIENCE} proposals in a row gave nothing usable, the last: {failed[asked[-1]]}; "
            "mend the team or its server, and run again to go on"
        )


def _may_begin(workshop: Workshop, index: int, done: set[int]) -> bool:
    seen = index - workshop.config.search.lag
    reserve = results.confirmation_seconds(workshop)
    in_time = workshop.watch.may_search(index, reserve_seconds=reserve)
    if not in_time or not all(i in done for i in range(seen)):
        return False
    limit = workshop.config.budget.search_tokens
    state = workshop.ledger.state(before_index=seen)  # not what is in flight: the lag rule
    return limit is None or sum(trained_tokens(workshop.preset, state).values()) < limit


def finished(state: State) -> frozenset[int]:
    """Return the indices whose last candidate has its lesson, or that brought none: all is done."""
    last = {entry.index: entry for entry in state.entries.values() if entry.index >= 0}
    told = frozenset(index for index, entry in last.items() if entry.lesson is not None)
    return told | frozenset(state.failed_proposals)
