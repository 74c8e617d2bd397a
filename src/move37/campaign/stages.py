"""The stages around the search: what is run before it, and what decides after it.

`prepare` trains what everyone is compared with. `confirm` tests the winners again with fresh seeds
and fresh text: only that is a claim. `meet_opponents` sets the best of the gallery beside known
mixers, with the same fresh seeds.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import replace

from move37.campaign import results, rules
from move37.campaign.outside import own_seeds
from move37.campaign.workshop import CAMPAIGN, OutOfBudget, Stopped, Workshop
from move37.core.candidate import Candidate
from move37.core.claims import RungChoice, RungDecision, VerdictKind
from move37.core.events import ProbesRan, TrialStarted, VerdictReached
from move37.core.trial import Outcome, ProbeReport, Stage, Trial
from move37.evidence.confirmation import ConfirmationChoice, ConfirmationRules, assess
from move37.evidence.fdr import OnlineTest, judge, next_level
from move37.evidence.verdicts import after_confirmation, after_race
from move37.memory.journal import Journal
from move37.memory.state import Entry

ATTENTION_MAY = ("cost", "state_size")
"""Probes that softmax attention cannot pass and, as a reference, need not."""


class BaselineFailed(Stopped):
    """The baseline itself did not train: nothing can be compared with it."""


def prepare(workshop: Workshop, pool: Executor) -> None:
    """Probe and train roots and baseline with every search seed; verdicts make roots parents.

    Raises:
        BaselineFailed: the baseline's trial did not complete.
    """
    journal = Journal(workshop.ledger, CAMPAIGN)
    references = {c.id: c for c in (*workshop.roots, workshop.baseline)}.values()
    seeds = {
        seed: None for r in range(len(workshop.preset.rungs)) for seed in workshop.rung_seeds(r)
    }
    plans = [(candidate, seed) for seed in seeds for candidate in references]
    for candidate in references:
        _probe_reference(workshop, journal, candidate)
    for trial in pool.map(lambda plan: _all_rungs(workshop, journal, plan), plans):
        if trial.outcome is not Outcome.COMPLETED:
            raise BaselineFailed(
                f"{trial.spec.candidate_id} did not train ({trial.outcome}: {trial.reason}); "
                "roots and baseline must, or nothing can be compared; mend it, or raise the "
                "preset's limits, and start another run with --name"
            )
    for root in workshop.roots:
        _root_verdict(workshop, journal, root)


def _all_rungs(workshop: Workshop, journal: Journal, plan: tuple[Candidate, int]) -> Trial:
    """Run one seed from rung to rung, each going on from the weights of the one below.

    The baseline's stop at every rung: each needs replicates for its noise floor (a replay has those
    of the record).
    """
    candidate, seed = plan
    rungs = range(len(workshop.preset.rungs))
    if candidate.id != workshop.baseline.id or workshop.past is not None:
        rungs = [r for r in rungs if seed in workshop.rung_seeds(r)]
    trials = [workshop.search_trial(journal, candidate, rung, seed) for rung in rungs]
    return next((t for t in trials if t.outcome is not Outcome.COMPLETED), trials[-1])


def _probe_reference(workshop: Workshop, journal: Journal, candidate: Candidate) -> None:
    report = probe_beside(workshop, journal, candidate)
    if not report.passed:
        raise BaselineFailed(
            f"{candidate.idea.name} fails the admission probes ({report.reason}); mend the layer "
            "(move37 check shows more) and start another run with --name"
        )


def probe_beside(workshop: Workshop, journal: Journal, candidate: Candidate) -> ProbeReport:
    """Return the probes' report of a layer beside the search, for its state and operations."""
    entry = workshop.ledger.state().candidates.get(candidate.id)
    if entry and entry.probes:  # somebody may have handed it in
        return entry.probes
    return journal.once(
        ProbesRan,
        lambda: ProbesRan(
            index=CAMPAIGN,
            candidate_id=candidate.id,
            report=workshop.probe(candidate, allow=ATTENTION_MAY),
        ),
        match={"candidate_id": candidate.id},
    ).report


def _root_verdict(workshop: Workshop, journal: Journal, root: Candidate) -> None:
    def reach() -> VerdictReached:
        state = workshop.ledger.state()
        found = results.final_comparison(workshop, state, root.id)
        if found is None:
            raise BaselineFailed(f"root {root.id} has no pair with the baseline")
        decision = RungDecision(
            choice=RungChoice.DROP, reason="a root: where the search starts", probability=0.0
        )
        return VerdictReached(
            index=CAMPAIGN,
            candidate_id=root.id,
            verdict=after_race(decision, found, baseline=workshop.baseline.id),
            fitness=rules.fitness_of(workshop, state, found, None),
        )

    journal.once(VerdictReached, reach, match={"candidate_id": root.id})


def confirm(workshop: Workshop, pool: Executor) -> None:
    """Test the most promising candidates with fresh seeds, until time or candidates run out.

    Candidates come by shrunk search effect; each is one test of the online false-discovery control,
    whose level is fixed when the test starts and counts every earlier test of the campaign.
    """
    for entry in _to_confirm(workshop)[: workshop.config.evidence.confirm_most]:
        if not _has_time(workshop, n_trainings=_one_more(workshop)):
            return
        try:
            _confirm_one(workshop, pool, entry)
        except OutOfBudget:
            return


def _to_confirm(workshop: Workshop) -> list[Entry]:
    """List promoted candidates without a confirmation: one begun before, then by search effect.

    Not by fitness: that is what the search climbs, and a third of it is the judge's word. All have
    the same seeds, so shrinking changes no order.
    """
    begun = _tests(workshop).keys()
    entries = [
        entry
        for entry in workshop.ledger.state().candidates.values()
        if entry.verdict and entry.verdict.kind is VerdictKind.PROMOTED
    ]
    return sorted(
        entries,
        key=lambda e: (e.id not in begun, -_searched_effect(e), e.index),
    )


def _confirm_one(workshop: Workshop, pool: Executor, entry: Entry) -> None:
    """Add fresh seeds until the e-value decides; record the verdict."""
    journal = Journal(workshop.ledger, entry.index)
    evidence = workshop.config.evidence
    limits = ConfirmationRules(
        seeds_min=evidence.confirm_seeds_min, seeds_max=evidence.confirm_seeds_max
    )
    n_seeds = limits.seeds_min
    while True:
        ours, theirs = _fresh_trials(workshop, pool, journal, entry, n_seeds)
        # read now: where several drivers begin tests at once, the ledger says which came first
        level = _level(workshop, entry.id, alpha=evidence.level)
        found = results.compare_trials(workshop, ours, theirs)
        decision = assess(
            list(found.differences.values()) if found else [],
            level=level,
            rules=limits,
            n_failed=results.n_failed(ours),
        )
        if decision.choice is not ConfirmationChoice.NEED_SEED:
            break
        n_seeds += 1
        if n_seeds > 2 * limits.seeds_max:
            raise BaselineFailed(
                f"the baseline failed on {results.n_failed(theirs)} of {len(theirs)} fresh seeds, "
                "so no candidate can be confirmed; mend it, or raise the preset's limits, and "
                "start another run with --name"
            )
    baseline = workshop.baseline.id
    held_back = results.compare_on(workshop.preset.held_back, ours, theirs)
    verdict = after_confirmation(decision, found, baseline=baseline, held_back=held_back)
    journal.once(
        VerdictReached,
        lambda: VerdictReached(index=entry.index, candidate_id=entry.id, verdict=verdict),
        match=lambda e: e.candidate_id == entry.id and e.verdict.stage is Stage.CONFIRM,
    )


def _level(workshop: Workshop, candidate_id: str, *, alpha: float) -> float:
    """Return the level of a candidate's confirmation: fixed when it started, kept over sessions."""
    tests = _tests(workshop)
    mine = tests.get(candidate_id)
    if mine is None:
        return next_level(tests.values(), alpha=alpha)
    return next(r.level for r in judge(tests.values(), alpha=alpha) if r.id == candidate_id)


def _tests(workshop: Workshop) -> dict[str, OnlineTest]:
    """Return all confirmations by candidate. One starts with its first fresh trial.

    What was refused counts as e-value 0, whatever the seeds that did complete would have given.
    """
    tests: dict[str, OnlineTest] = {}
    for record in workshop.ledger.records([TrialStarted, VerdictReached]):
        match record.event:
            case TrialStarted(index=index, spec=spec) if spec.stage is Stage.CONFIRM and index >= 0:
                known = OnlineTest(id=spec.candidate_id, started=record.seq)
                tests.setdefault(spec.candidate_id, known)
            case VerdictReached(candidate_id=id_, verdict=verdict) if (
                verdict.stage is Stage.CONFIRM
            ):
                admitted = verdict.kind is VerdictKind.CONFIRMED
                e_value = verdict.e_value if admitted else 0.0
                tests[id_] = replace(tests[id_], finished=record.seq, e_value=e_value)
    return tests


def _fresh_trials(
    workshop: Workshop, pool: Executor, journal: Journal, entry: Entry, n_seeds: int
) -> tuple[list[Trial], list[Trial]]:
    """Return the candidate's and the baseline's trials on the first `n_seeds` fresh seeds.

    Candidates of the search share them: no choice of the search reads their scores. Whoever hands
    in a layer has read those of the layers before, so it gets seeds of its own.
    """
    candidate, own = entry.candidate, own_seeds(entry)
    seeds = [workshop.confirm_seed(k, of=own) for k in range(n_seeds)]
    campaign = Journal(workshop.ledger, CAMPAIGN)
    baseline = workshop.baseline
    jobs: list[Callable[[], Trial]] = []
    for seed in seeds:
        jobs.append(lambda s=seed: _if_time(workshop, journal, candidate, s))
        jobs.append(lambda s=seed: _if_time(workshop, campaign, baseline, s))
    trials = list(pool.map(lambda job: job(), jobs))
    return trials[0::2], trials[1::2]


def _if_time(workshop: Workshop, journal: Journal, candidate: Candidate, seed: int) -> Trial:
    if not _has_time(workshop, candidate_id=candidate.id):
        raise OutOfBudget("no time left for another fresh seed")
    return workshop.confirm_trial(journal, candidate, seed)


def _has_time(workshop: Workshop, *, n_trainings: int = 1, candidate_id: str | None = None) -> bool:
    """Whether that many trainings can end in the budget, each as long as the longest so far.

    Of that candidate, if one is named and has trained before.
    """
    longest = workshop.tally.refresh().longest_training_seconds(candidate_id)
    rounds = math.ceil(n_trainings / workshop.n_workers)
    return workshop.watch.may_go_on() and workshop.watch.left_seconds >= rounds * longest


def _one_more(workshop: Workshop) -> int:
    """Trainings that confirming one more candidate takes, without the time to meet opponents."""
    if best_confirmed(workshop) is None:
        return 1  # a first one is begun whenever it can be: the next session goes on with it
    n_seeds = workshop.config.evidence.confirm_seeds_min
    return n_seeds * (1 + len(workshop.opponents))


def meet_opponents(workshop: Workshop, pool: Executor) -> None:
    """Train the opponents with the fresh seeds of the gallery's best, as far as time allows."""
    best = best_confirmed(workshop)
    if best is None or best.fresh_verdict is None:
        return
    campaign = Journal(workshop.ledger, CAMPAIGN)
    seeds = best.fresh_verdict.seeds  # its last verdict may rest on those of the larger scale
    jobs = [(opponent, seed) for seed in seeds for opponent in workshop.opponents]

    def run(job: tuple[Candidate, int]) -> None:
        opponent, seed = job
        if _has_time(workshop, candidate_id=opponent.id):
            workshop.confirm_trial(campaign, opponent, seed)
            if seed == seeds[0]:
                probe_beside(workshop, campaign, opponent)

    list(pool.map(run, jobs))


def best_confirmed(workshop: Workshop) -> Entry | None:
    """Return the gallery's entry with the largest effect in the search.

    Not on fresh seeds: those are what it is compared on next, and a maximum of them is biased.
    """
    confirmed = [
        entry
        for entry in workshop.ledger.state().candidates.values()
        if entry.verdict and entry.verdict.kind in (VerdictKind.CONFIRMED, VerdictKind.VERIFIED)
    ]
    return max(confirmed, key=_searched_effect, default=None)


def _searched_effect(entry: Entry) -> float:
    verdict = entry.search_verdict
    return verdict.effect.mean if verdict and verdict.effect else 0.0
