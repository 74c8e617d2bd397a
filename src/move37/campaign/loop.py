"""The search: steps in parallel under the lag rule, until budget or patience is at its end."""

from __future__ import annotations

from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait

from move37.campaign import results
from move37.campaign.results import trained_tokens
from move37.campaign.step import propose, take_step
from move37.campaign.workshop import OutOfBudget, Workshop
from move37.core.errors import OutOfFunds
from move37.memory.state import State
from move37.team.protocols import NoProposal


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
    done = set(finished(workshop.ledger.state()))
    running: dict[Future[None], int] = {}
    exhausted: NoProposal | OutOfFunds | None = None
    index = 0
    while True:
        while index in done:
            index += 1
        if (
            exhausted is None
            and len(running) < workshop.n_workers
            and _may_begin(workshop, index, done)
        ):
            try:
                propose(workshop, index)
            except (NoProposal, OutOfFunds) as error:
                exhausted = error
                continue
            running[pool.submit(take_step, workshop, index)] = index
            index += 1
            continue
        if not running:
            break
        for future in wait(running, return_when=FIRST_COMPLETED).done:
            finished_index = running.pop(future)
            try:
                future.result()
                done.add(finished_index)
            except OutOfBudget:
                pass
            except OutOfFunds as error:
                exhausted = error
    if exhausted is not None:
        raise exhausted


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
