"""A gallery entry at a larger scale, with the real lab.

V1  The larger scale has so many times the parameters and steps, the search's tasks and the exam's.
V2  Its seeds were never used before; candidate, baseline and opponents share them.
V3  The verdict is in the ledger once, and in the report with its table.
V4  It goes on where it was, and nothing is trained twice.
V5  Only what was in the gallery is verified.
V6  The search learns nothing from it, and the campaign's budget does not pay for it.
V7  An export has the weights of the verified run, and the shape that goes with them.
"""

from __future__ import annotations

import io
import json
import os
import shutil
import subprocess
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from conftest import tiny
from rich.console import Console

from move37.campaign import verification, workshop
from move37.campaign.assemble import RunFolder, open_workshop
from move37.campaign.larger import Larger, best_rate
from move37.campaign.settings import load_preset
from move37.campaign.stopping import used_before
from move37.campaign.tables import print_gallery
from move37.campaign.verification import OutOfTime, entry_of
from move37.campaign.verifying import found_at_larger_scale, verify_candidate
from move37.core.claims import Effect, Verdict, VerdictKind
from move37.core.errors import ConfigError, UnknownName
from move37.core.events import SessionClosed, SessionOpened, TrialFinished, VerdictReached
from move37.core.trial import Cost, Measurement, Outcome, Stage, TaskScore, Trial, TrialSpec
from move37.interop.exporting import export_candidate
from move37.lab.trials import TrialResult
from move37.memory.ledger import Ledger
from move37.memory.tally import Tally

OPPONENTS = ("short_conv",)
N_TRIALS = 3 * (2 + 2)
"""Baseline, candidate and one opponent: two tuning runs and two seeds each."""


def promising(ledger: Ledger) -> tuple[int, str]:
    """Index and id of the candidate with the best search effect."""
    entries = [e for e in ledger.state().candidates.values() if e.index >= 0 and e.fitness]
    best = max(entries, key=lambda e: e.fitness.value if e.fitness else 0.0)
    return best.index, best.id


def with_one_in_the_gallery(finished_run: Path, folder: Path) -> tuple[Path, str]:
    """Copy a finished run into `folder`, its best candidate in the gallery; return both."""
    shutil.copytree(finished_run, folder)
    with Ledger.open(folder / "ledger.db") as ledger:
        index, id_ = promising(ledger)
        verdict = Verdict(kind=VerdictKind.CONFIRMED, reason="", e_value=40.0, level=0.03)
        ledger.append(VerdictReached(index=index, candidate_id=id_, verdict=verdict))
    return folder, id_


def run_verify(folder: Path, prefix: str, *, budget_seconds: float | None = None) -> None:
    verify_candidate(
        RunFolder(path=folder),
        prefix,
        opponents=OPPONENTS,
        budget_seconds=budget_seconds,
        workers=2,
        unsandboxed=False,
        as_json=False,
    )


@pytest.fixture(scope="module")
def verified(finished_run: Path, tmp_path_factory) -> tuple[Path, str]:
    """A verified gallery entry; its verification was out of time at first."""
    folder, id_ = with_one_in_the_gallery(finished_run, tmp_path_factory.mktemp("verify") / "tiny")
    run_verify(folder, id_, budget_seconds=1e-9)
    run_verify(folder, id_)
    return folder, id_


def trials_of(folder: Path) -> list[Trial]:
    with Ledger.open(folder / "ledger.db") as ledger:
        return [e.trial for e in ledger.events([TrialFinished])]


class TestScale:
    @pytest.mark.parametrize("name", ["cpu", "tiny", "explore"])
    def test_parameters_steps_and_tasks(self, name):
        """V1."""
        base = load_preset(name)
        larger, scale = Larger(base=base), base.verification.scale
        for rate in range(larger.n_rates):
            preset = larger.preset(larger.n_rates + rate)
            assert preset.model.n_parameters == scale * base.model.n_parameters
            assert preset.training.total_steps == scale * base.training.total_steps
            assert preset.tasks == base.tasks + base.verification.exam
            width = base.model.d_model // base.model.n_heads
            assert preset.model.d_model // preset.model.n_heads == width

    def test_the_cpu_preset_has_four_times_everything_three_rates_and_an_exam(self):
        """V1: what the page promises."""
        preset = load_preset("cpu")
        larger = Larger(base=preset)
        assert preset.verification.scale == 4
        assert larger.n_rates == 3
        assert larger.preset(3).model.d_model == 2 * preset.model.d_model
        searched = {task.name for task in preset.tasks}
        assert {task.name for task in larger.exam}
        assert not searched & {task.name for task in larger.exam}

    def test_rates_differ_and_tuning_is_shorter_with_a_schedule_of_its_own(self):
        """V1."""
        larger = Larger(base=load_preset("cpu"))
        rates = {larger.preset(r).training.learning_rate for r in range(6)}
        assert len(rates) == 3
        assert larger.preset(0).training.total_steps == 400
        assert larger.preset(0).rungs[0].steps == 400


def tuning(rate: int, nats: float | None) -> Trial:
    spec = TrialSpec(candidate_id="c", stage=Stage.VERIFY, rung=rate, seed=1)
    if nats is None:
        return Trial(spec=spec, outcome=Outcome.DIVERGED, reason="loss inf")
    cost = Cost(cpu_seconds=1, wall_seconds=1, peak_memory_bytes=1, n_parameters=1, ffn_width=1,
                tokens=1)  # fmt: skip
    score = TaskScore(nats=nats, accuracy=0.5, n_answers=9)
    scores = {task.name: score for task in load_preset("tiny").tasks}
    return Trial(
        spec=spec, outcome=Outcome.COMPLETED, measurement=Measurement(scores=scores, cost=cost)
    )


def test_the_best_tuning_run_decides_and_failed_ones_do_not():
    tasks = load_preset("tiny").tasks
    runs = {0: tuning(0, 2.0), 1: tuning(1, 1.0), 2: tuning(2, None)}
    assert best_rate(runs, tasks) == 1
    assert best_rate({0: tuning(0, None)}, tasks) is None


class TestVerified:
    def test_every_layer_is_tuned_alike_and_trained_with_the_same_fresh_seeds(self, verified):
        """V2."""
        folder, id_ = verified
        trials = trials_of(folder)
        larger = [t.spec for t in trials if t.spec.stage is Stage.VERIFY]
        assert len(larger) == N_TRIALS
        by_layer = {
            candidate: {(s.rung < 2, s.seed) for s in larger if s.candidate_id == candidate}
            for candidate in {s.candidate_id for s in larger}
        }
        assert id_ in by_layer
        assert len({frozenset(seeds) for seeds in by_layer.values()}) == 1
        before = {t.spec.seed for t in trials if t.spec.stage is not Stage.VERIFY}
        assert not before & {s.seed for s in larger}

    def test_tuning_seeds_do_not_count_for_the_verdict(self, verified):
        """V2."""
        folder, id_ = verified
        with Ledger.open(folder / "ledger.db") as ledger:
            verdict = ledger.state().candidates[id_].verdict
        assert verdict is not None
        tuned = {t.spec.seed for t in trials_of(folder)
                 if t.spec.stage is Stage.VERIFY and t.spec.rung < 2}  # fmt: skip
        assert verdict.seeds
        assert not tuned & set(verdict.seeds)

    def test_the_verdict_is_there_once_and_covers_exam_tasks(self, verified):
        """V3."""
        folder, id_ = verified
        with Ledger.open(folder / "ledger.db") as ledger:
            reached = [e.verdict for e in ledger.events([VerdictReached]) if e.candidate_id == id_]
            assert ledger.verify() is None
        final = [v for v in reached if v.kind in (VerdictKind.VERIFIED, VerdictKind.REFUTED)]
        assert len(final) == 1
        assert final[0].task_effects is not None
        assert set(final[0].task_effects) == {"recall", "text", "noisy_recall"}

    def test_models_have_the_larger_size_within_one_percent(self, verified):
        """V1."""
        folder, _ = verified
        sizes = [t.measurement.cost.n_parameters for t in trials_of(folder)
                 if t.spec.stage is Stage.VERIFY and t.measurement]  # fmt: skip
        assert 0.99 * 64_000 <= min(sizes) <= max(sizes) <= 1.01 * 64_000

    def test_the_report_has_the_table(self, verified):
        """V3."""
        folder, id_ = verified
        page = (folder / "report.md").read_text()
        assert "## At a larger scale" in page
        assert f"({id_})" in page
        assert "linear\\_attention (baseline)" in page
        with Ledger.open(folder / "ledger.db") as ledger:
            found = found_at_larger_scale(ledger, id_)
        assert found is not None
        assert [row.name for row in found.rows] == ["linear_attention", "short_conv"]
        assert all(row.cost.time and row.cost.memory and row.cost.flops for row in found.rows)

    def test_the_table_agrees_with_the_verdict(self, verified):
        """V3: two rooms compute it apart."""
        folder, id_ = verified
        with Ledger.open(folder / "ledger.db") as ledger:
            found = found_at_larger_scale(ledger, id_)
        assert found is not None
        row, verdict = found.rows[0], found.verdict
        assert row.search is not None
        assert row.exam is not None
        assert verdict.effect is not None
        assert verdict.task_effects is not None
        assert row.search.combined.mean == pytest.approx(verdict.effect.mean)
        assert row.exam.tasks["noisy_recall"].low == pytest.approx(
            verdict.task_effects["noisy_recall"].low
        )

    def test_again_it_trains_nothing(self, verified):
        """V4."""
        folder, id_ = verified
        before = trials_of(folder)
        run_verify(folder, id_[:6])
        assert trials_of(folder) == before
        assert max(Counter(t.spec for t in before).values()) == 1

    def test_what_chooses_parents_still_reads_the_search_alone(self, verified, finished_ledger):
        """V6."""
        folder, id_ = verified
        with Ledger.open(folder / "ledger.db") as ledger:
            entry = ledger.state().candidates[id_]
            before = finished_ledger.state()
            assert entry.search_verdict == before.candidates[id_].search_verdict
            assert entry.n_seeds == before.candidates[id_].n_seeds
            seconds = Tally(ledger).refresh().longest_training_seconds()
            assert seconds == Tally(finished_ledger).refresh().longest_training_seconds()

    def test_the_campaigns_budget_does_not_pay(self, verified):
        """V6."""
        folder, _ = verified
        with Ledger.open(folder / "ledger.db") as ledger:
            events = [(r.time / 1e6, r.event) for r in ledger.records()]
        searched = [e for e in events if getattr(e[1], "purpose", "search") == "search"]
        first = next(i for i, (_, e) in enumerate(events)
                     if isinstance(e, SessionOpened) and e.purpose == "verify")  # fmt: skip
        assert used_before(events) == used_before(events[:first])
        assert len(searched) < len(events)
        assert [e.reason for _, e in events if isinstance(e, SessionClosed)][-1] == "verified"


def test_an_export_is_the_verified_model_at_its_larger_size(verified, tmp_path):
    """V7."""
    folder, id_ = verified
    run = RunFolder(path=folder)
    with Ledger.open(folder / "ledger.db") as ledger:
        to, weights = export_candidate(ledger, run, id_, to=tmp_path / "out", unsandboxed=False)
    assert weights.trial.spec.stage is Stage.VERIFY
    assert not weights.is_anew
    config = json.loads((to / "config.json").read_text())
    shape = Larger(base=load_preset("tiny")).preset(weights.trial.spec.rung).model
    assert (config["hidden_size"], config["num_attention_heads"]) == (shape.d_model, shape.n_heads)
    assert f"{shape.n_layers} layers of width {shape.d_model}" in (to / "README.md").read_text()
    done = subprocess.run(
        [sys.executable, "self_test.py"], cwd=to, capture_output=True, text=True, check=False,
        env=os.environ | {"HF_HOME": str(tmp_path / "cache")},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]


def test_the_gallery_keeps_both_sizes_apart(finished_run, tmp_path):
    """V3: its column is the search's size, and it is sorted by it; the larger one has a line."""
    folder, id_ = with_one_in_the_gallery(finished_run, tmp_path / "tiny")
    with Ledger.open(folder / "ledger.db") as ledger:
        index, _ = promising(ledger)
        for kind, mean, level in (
            (VerdictKind.CONFIRMED, 2.5, 0.03),
            (VerdictKind.VERIFIED, 17.0, None),
        ):
            effect = Effect(mean=mean, low=mean - 1, high=mean + 1, n_pairs=4)
            verdict = Verdict(kind=kind, reason="", effect=effect, level=level)
            ledger.append(VerdictReached(index=index, candidate_id=id_, verdict=verdict))
        console = Console(width=100, record=True, file=io.StringIO())
        print_gallery(console, ledger)
    row, line = [text for text in console.export_text().splitlines() if text.startswith(id_[:8])]
    assert "+2.50 [+1.50, +3.50]" in row
    assert "+17.00" not in row
    assert line == f"{id_[:8]}  verified at the larger scale: +17.00 [+16.00, +18.00]"


def test_a_training_that_took_too_long_decides_nothing_and_may_be_tried_again(
    finished_run, tmp_path, monkeypatch, capsys
):
    """V3, V4: a loaded machine refutes nobody."""
    folder, id_ = with_one_in_the_gallery(finished_run, tmp_path / "tiny")
    before = len(trials_of(folder))

    def overdue(_laboratory, request, **_options) -> TrialResult:
        reason = "9 s of 8 s"
        return TrialResult(
            trial=Trial(spec=request.spec, outcome=Outcome.OUT_OF_TIME, reason=reason)
        )

    monkeypatch.setattr(workshop, "run_trial", overdue)
    run_verify(folder, id_)
    assert "nothing is decided" in " ".join(capsys.readouterr().out.split())
    assert len(trials_of(folder)) == before
    with Ledger.open(folder / "ledger.db") as ledger:
        verdict = ledger.state().candidates[id_].verdict
        assert verdict is not None
        assert verdict.kind is VerdictKind.CONFIRMED


def test_only_what_was_in_the_gallery_is_verified(finished_ledger):
    """V5."""
    state = finished_ledger.state()
    explored = next(e.id for e in state.candidates.values() if e.index >= 0)
    with pytest.raises(ConfigError, match="only what held up on fresh seeds"):
        entry_of(state, explored)
    with pytest.raises(UnknownName, match="no single candidate"):
        entry_of(state, "zzzz")


def test_no_time_at_all_trains_nothing_and_says_so(finished_run, tmp_path):
    """V4."""
    folder, id_ = with_one_in_the_gallery(finished_run, tmp_path / "tiny")
    with open_workshop(tiny(), RunFolder(path=folder), purpose="verify") as workshop:
        entry = workshop.ledger.state().candidates[id_]
        with pytest.raises(OutOfTime), ThreadPoolExecutor(1):
            verification.verify(workshop, entry, [], lambda _: None, budget_seconds=0.0)
