"""A whole campaign, with the real lab, ledger and team.

C1  Every candidate ends with a verdict and a lesson, whatever became of it.
C2  Search and confirmation share neither seeds nor trials; the gallery rests on confirmation only.
C3  Every effect is paired: the baseline has the same trial.
C4  A campaign killed at any moment goes on, runs no finished trial twice, and ends as the
    undisturbed one.
C5  The same seed and secret give the same candidates, whatever the number of workers.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest
from conftest import N_CANDIDATES, run_tiny, tiny

from move37.campaign.progress import fold
from move37.core.claims import VerdictKind
from move37.core.events import (
    CampaignStarted,
    CandidateProposed,
    LessonWritten,
    RootAdded,
    SessionClosed,
    TrialFinished,
    TrialStarted,
    VerdictReached,
)
from move37.core.trial import Outcome, Stage
from move37.memory.ledger import Ledger
from move37.memory.tally import Tally


def proposals(ledger: Ledger) -> dict[int, str]:
    return {e.index: e.candidate.id for e in ledger.events([CandidateProposed])}


def scores(ledger: Ledger) -> dict:
    return {
        e.trial.spec: (e.trial.outcome, e.trial.measurement and e.trial.measurement.scores)
        for e in ledger.events([TrialFinished])
    }


class TestFinishedCampaign:
    def test_every_candidate_has_a_verdict_and_a_lesson(self, finished_ledger):
        """C1."""
        for kind in (VerdictReached, LessonWritten):
            told = {e.candidate_id for e in finished_ledger.events([kind])}
            assert set(proposals(finished_ledger).values()) <= told
        assert Tally(finished_ledger).refresh().finished == set(range(N_CANDIDATES))

    def test_the_ledger_verifies(self, finished_ledger):
        assert finished_ledger.verify() is None

    def test_no_trial_is_run_twice(self, finished_ledger):
        specs = Counter(e.trial.spec for e in finished_ledger.events([TrialFinished]))
        assert max(specs.values()) == 1

    def test_search_and_confirmation_share_no_seed(self, finished_ledger):
        """C2."""
        seeds = {stage: set() for stage in Stage}
        for event in finished_ledger.events([TrialFinished]):
            seeds[event.trial.spec.stage].add(event.trial.spec.seed)
        assert seeds[Stage.SEARCH]
        assert not seeds[Stage.SEARCH] & seeds[Stage.CONFIRM]

    def test_the_largest_search_effects_are_tested_first(self, finished_ledger):
        """C2: not the fittest: fitness holds the judge's word."""
        entries = finished_ledger.state().candidates
        tested = list(dict.fromkeys(
            e.candidate_id
            for e in finished_ledger.events([VerdictReached])
            if e.verdict.stage is Stage.CONFIRM
        ))  # fmt: skip
        promoted = {
            id_: entry.search_verdict.effect.mean
            for id_, entry in entries.items()
            if entry.search_verdict and entry.search_verdict.kind is VerdictKind.PROMOTED
        }
        order = sorted(promoted, key=promoted.__getitem__, reverse=True)
        assert tested
        assert tested == order[: len(tested)]

    def test_verdicts_on_fresh_seeds_carry_them_with_e_value_and_level(self, finished_ledger):
        """C2."""
        search_seeds = {
            e.trial.spec.seed
            for e in finished_ledger.events([TrialFinished])
            if e.trial.spec.stage is Stage.SEARCH
        }
        verdicts = [e.verdict for e in finished_ledger.events([VerdictReached])]
        fresh = [v for v in verdicts if v.stage is Stage.CONFIRM]
        assert fresh
        for verdict in fresh:
            is_in = verdict.kind is VerdictKind.CONFIRMED
            assert is_in == (verdict.e_value >= 1 / verdict.level)
            assert verdict.seeds
            assert not set(verdict.seeds) & search_seeds

    def test_every_completed_trial_has_the_baselines_twin(self, finished_ledger):
        """C3."""
        (baseline,) = [
            e.candidate.id for e in finished_ledger.events([RootAdded]) if e.role == "root"
        ]
        done = {e.trial.spec for e in finished_ledger.events([TrialFinished])}
        for spec in done:
            assert any(
                (s.stage, s.rung, s.seed) == (spec.stage, spec.rung, spec.seed)
                and s.candidate_id == baseline
                for s in done
            )

    def test_every_model_has_the_same_size_within_one_percent(self, finished_ledger):
        sizes = [
            e.trial.measurement.cost.n_parameters
            for e in finished_ledger.events([TrialFinished])
            if e.trial.measurement
        ]
        assert max(sizes) <= 1.01 * 32_000
        assert min(sizes) >= 0.99 * 32_000

    def test_it_says_on_what_it_ran_and_that_it_was_sandboxed(self, finished_ledger):
        (started,) = finished_ledger.events([CampaignStarted])
        assert started.sandboxed
        assert started.machine["python"] == ".".join(map(str, sys.version_info[:3]))

    def test_progress_counts_what_the_ledger_holds(self, finished_ledger):
        progress = fold(finished_ledger.events())
        assert progress.n_candidates == N_CANDIDATES
        assert progress.n_trials == len(list(finished_ledger.events([TrialFinished])))
        assert progress.running == {}

    def test_running_it_again_adds_nothing_but_a_session(self, finished_run):
        with Ledger.open(finished_run / "ledger.db") as ledger:
            before = len(list(ledger.events([TrialFinished, CandidateProposed, VerdictReached])))
        run_tiny(tiny(), finished_run)
        with Ledger.open(finished_run / "ledger.db") as ledger:
            after = len(list(ledger.events([TrialFinished, CandidateProposed, VerdictReached])))
            assert len(list(ledger.events([SessionClosed]))) >= 2
        assert after == before


def test_one_worker_makes_the_same_candidates_as_two(finished_run, tmp_path):
    """C5."""
    folder = with_the_secret_of(finished_run, tmp_path / "tiny")
    run_tiny(tiny().model_copy(update={"workers": 1}), folder)
    with (
        Ledger.open(finished_run / "ledger.db") as two,
        Ledger.open(folder / "ledger.db") as one,
    ):
        assert len(proposals(one)) == N_CANDIDATES
        assert proposals(one) == proposals(two)


@pytest.mark.parametrize("kill_after_trials", [5, 15])
def test_a_killed_campaign_goes_on_and_ends_as_the_undisturbed_one(
    finished_run: Path, tmp_path: Path, kill_after_trials: int
):
    """C4."""
    folder = with_the_secret_of(finished_run, tmp_path / "tiny")
    program = (
        "from conftest import run_tiny, tiny\nimport pathlib, sys\n"
        "run_tiny(tiny(), pathlib.Path(sys.argv[1]))\n"
    )
    driver = subprocess.Popen(
        [sys.executable, "-c", program, str(folder)], cwd=Path(__file__).parent
    )
    try:
        wait_for_trials(folder, kill_after_trials, driver)
    finally:
        os.kill(driver.pid, signal.SIGKILL)
        driver.wait()
    with Ledger.open(folder / "ledger.db") as ledger:
        kept = scores(ledger)
        begun = Counter(e.spec for e in ledger.events([TrialStarted]))
    run_tiny(tiny(), folder)
    with (
        Ledger.open(folder / "ledger.db") as ledger,
        Ledger.open(finished_run / "ledger.db") as undisturbed,
    ):
        assert ledger.verify() is None
        again = Counter(e.spec for e in ledger.events([TrialStarted]))
        assert all(again[spec] == begun[spec] for spec in kept)
        assert proposals(ledger) == proposals(undisturbed)
        assert scores(ledger) == scores(undisturbed)


def with_the_secret_of(run: Path, folder: Path) -> Path:
    """Make a run's folder whose held-out windows will be those of another run."""
    folder.mkdir()
    (folder / "secret").write_bytes((run / "secret").read_bytes())
    return folder


def wait_for_trials(folder: Path, n_trials: int, driver: subprocess.Popen) -> None:
    deadline = time.monotonic() + 400
    while time.monotonic() < deadline and driver.poll() is None:
        if (folder / "ledger.db").exists():
            with Ledger.open(folder / "ledger.db", create=True) as ledger:
                if len(list(ledger.events([TrialFinished]))) >= n_trials:
                    return
        time.sleep(0.2)
    raise AssertionError(f"the driver ended or stalled before {n_trials} trials")


def test_a_candidate_that_cannot_train_is_an_outcome_and_the_campaign_goes_on(finished_ledger):
    """C1: whatever failed has its reason; the campaign reached its end nevertheless."""
    for event in finished_ledger.events([TrialFinished]):
        if event.trial.outcome is not Outcome.COMPLETED:
            assert event.trial.reason
