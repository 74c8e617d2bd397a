"""The search: steps in parallel under the lag rule, until budget or patience is at its end."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Collection, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait

from move37.campaign import results, sharing
from move37.campaign.results import trained_tokens
from move37.campaign.step import propose, take_step
from move37.campaign.team import CONTROL
from move37.campaign.workshop import OutOfBudget, Workshop
from move37.core.errors import OutOfFunds
from move37.core.events import ProposalFailed
from move37.memory.state import State
from move37.team.protocols import NoProposal

POLL_SECONDS = 0.5
"""Between looks at what other drivers have done."""

PATIENCE = 12  # assumed: proposals in a row without anything usable


class NothingUsable(NoProposal):
    """The team's last PATIENCE proposals of this session failed: a key expired, a server is off."""


def search(workshop: Workshop, pool: ThreadPoolExecutor) -> None:
    """Take steps until the search's share of the budget is used.

    Candidates of an earlier session that have no lesson yet are taken up first. Candidate n begins
    when candidates 0..n-lag-1 are done (see `SearchConfig.lag`).

    Raises:
        NoProposal: the Researcher has nothing new, or (NothingUsable) language models give nothing;
            everything in flight was brought to its end.
        OutOfFunds: language models have used all they may; candidates that still need one are taken
            up when they may use more.
        Stopped: Ctrl-C; what was in flight is taken up again by the next session.
        LabError, LedgerError: the laboratory or the ledger is broken.
    """
    taken: set[int] = set()
    asked: deque[int] = deque(maxlen=PATIENCE)
    running: dict[Future[None], int] = {}
    exhausted: NoProposal | OutOfFunds | None = None
    is_shared = workshop.ledger.leases is not None
    while True:
        workshop.tally.refresh()
        others_work = sharing.others_work(workshop)  # before the look at what they may leave us
        has_room = exhausted is None and len(running) < workshop.n_workers
        index = _claim_next(workshop, taken, in_hand=running.values()) if has_room else None
        if index is not None:
            taken.add(index)
            try:
                _check_patience(workshop, asked)
                propose(workshop, index)
            except (NoProposal, OutOfFunds) as error:
                exhausted = error
                sharing.release_index(workshop, index)
            else:
                running[pool.submit(_step, workshop, index)] = index
                if workshop.arm(index) != CONTROL:
                    asked.append(index)
        elif running:
            timeout = POLL_SECONDS if is_shared and has_room else None
            exhausted = _take_in(running, timeout=timeout) or exhausted
        elif others_work and workshop.watch.may_go_on():
            time.sleep(POLL_SECONDS)  # they may die, and leave their candidates to us
        else:
            break
    if exhausted is not None:
        raise exhausted


def _take_in(running: dict[Future[None], int], *, timeout: float | None) -> OutOfFunds | None:
    """Wait for a step to end; return what it ran out of, if anything."""
    exhausted = None
    for future in wait(running, timeout=timeout, return_when=FIRST_COMPLETED).done:
        del running[future]
        try:
            future.result()
        except OutOfBudget:
            pass
        except OutOfFunds as error:
            exhausted = error
    return exhausted


def _claim_next(workshop: Workshop, taken: set[int], *, in_hand: Collection[int]) -> int | None:
    """Return the first candidate that may begin and is nobody's, now claimed; None if none is.

    Proposals are made in the order of indices, whoever makes them.
    """
    tally = workshop.tally
    index = tally.n_whole
    while True:
        while tally.is_finished(index) or index in taken:
            index += 1
        if not _may_begin(workshop, index, in_hand):
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


def _check_patience(workshop: Workshop, asked: Sequence[int]) -> None:
    """Give up on language models that give nothing: a key that expired fails at once, each time.

    Raises:
        NothingUsable: the team's last PATIENCE proposals of this session failed.
    """
    if len(asked) < PATIENCE or not all(map(workshop.tally.has_failed, asked)):
        return
    (last, *_) = workshop.ledger.at_index(ProposalFailed, asked[-1])
    raise NothingUsable(
        f"{PATIENCE} proposals in a row gave nothing usable, the last: {last.reason}"
    )


def _may_begin(workshop: Workshop, index: int, in_hand: Collection[int]) -> bool:
    seen = index - workshop.config.search.lag
    if workshop.tally.n_whole < seen or any(i < seen for i in in_hand):
        return False
    reserve = results.confirmation_seconds(workshop)
    if not workshop.watch.may_search(index, reserve_seconds=reserve):
        return False
    if workshop.config.budget.search_tokens is None:
        return True
    state = workshop.ledger.state(before_index=seen)  # not what is in flight: the lag rule
    return not has_trained_all(workshop, state)


def has_trained_all(workshop: Workshop, state: State) -> bool:
    """Whether the candidates of a state have used the training tokens of the search."""
    limit = workshop.config.budget.search_tokens
    return limit is not None and sum(trained_tokens(workshop.preset, state).values()) >= limit
