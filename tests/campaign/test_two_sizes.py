"""Whoever reads verdicts keeps those of the search, of fresh seeds and of the larger scale apart.

S1  An export shows what was measured on fresh seeds and at the larger scale, each as such.
S2  A replay compares the search alone.
S3  Opponents meet the gallery's best on its fresh seeds, not on those of the larger scale; they
    are probed once, for their state and operations.
S4  The dashboard's search effects are the search's.
S5  The table of a verification fits a terminal of 80 columns.
S6  A layer that somebody handed in is verified on seeds of its own; those of the search share them.
"""

from __future__ import annotations

import io
import shutil
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest
from conftest import tiny
from rich.console import Console

from move37.campaign import stages, verification
from move37.campaign.assemble import RunFolder, open_workshop
from move37.campaign.outside import GIVEN, own_seeds
from move37.campaign.replay import journeys
from move37.campaign.verifying import print_verified
from move37.campaign.workshop import Workshop, fresh_seed
from move37.core.claims import Effect, Verdict, VerdictKind
from move37.core.events import ProbesRan, VerdictReached
from move37.core.trial import Cost, Measurement, Outcome, Stage, TaskScore, Trial
from move37.dashboard.board import Board, grown
from move37.dashboard.reader import Reader
from move37.insights.costs import RelativeCost
from move37.insights.larger import LargerRow, Verified
from move37.insights.paired import Paired
from move37.insights.story import tell
from move37.interop.exporting import _measured
from move37.lab.references import reference_candidate, reference_names
from move37.memory.ledger import Ledger
from move37.memory.state import Entry

FRESH, LARGER = (101, 102, 103), (9001, 9002)


def reached(
    kind: VerdictKind,
    mean: float,
    seeds: tuple[int, ...],
    *,
    e_value: float | None = None,
    level: float | None = None,
) -> Verdict:
    effect = Effect(mean=mean, low=mean - 1, high=mean + 1, n_pairs=len(seeds))
    return Verdict(kind=kind, reason="told", effect=effect, seeds=seeds, e_value=e_value,
                   level=level, task_effects={"text": effect})  # fmt: skip


@pytest.fixture
def told(finished_run: Path, tmp_path: Path) -> tuple[Path, str]:
    """A finished run whose best candidate is confirmed, then verified; and its id."""
    folder = tmp_path / "tiny"
    shutil.copytree(finished_run, folder)
    with Ledger.open(folder / "ledger.db") as ledger:
        entries = [e for e in ledger.state().candidates.values() if e.index >= 0 and e.fitness]
        best = max(entries, key=lambda e: e.fitness.value if e.fitness else 0.0)
        for verdict in (
            reached(VerdictKind.CONFIRMED, 2.5, FRESH, e_value=40.0, level=0.03),
            reached(VerdictKind.VERIFIED, 17.0, LARGER),
        ):
            ledger.append(VerdictReached(index=best.index, candidate_id=best.id, verdict=verdict))
    return folder, best.id


MEASURED = Measurement(
    scores={name: TaskScore(nats=1.0, accuracy=0.5, n_answers=10)
            for name in ("recall", "text", "noisy_recall")},
    cost=Cost(cpu_seconds=1.0, wall_seconds=1.0, peak_memory_bytes=1, n_parameters=1, ffn_width=1,
              tokens=1),
)  # fmt: skip


def entry_in(folder: Path, id_: str) -> Entry:
    with Ledger.open(folder / "ledger.db") as ledger:
        return ledger.state().candidates[id_]


def test_the_stage_of_a_verdict():
    assert reached(VerdictKind.PROMOTED, 1.0, (1,)).stage is Stage.SEARCH
    assert reached(VerdictKind.EXPLORED, 1.0, (1,), level=0.03).stage is Stage.CONFIRM
    assert reached(VerdictKind.CONFIRMED, 1.0, (1,), level=0.03).stage is Stage.CONFIRM
    assert reached(VerdictKind.REFUTED, 1.0, (1,)).stage is Stage.VERIFY


def test_an_export_shows_both(told):
    """S1."""
    (fresh_words, fresh), (larger_words, larger) = _measured(entry_in(*told))
    assert fresh.effect is not None
    assert larger.effect is not None
    assert (fresh.effect.mean, larger.effect.mean) == (2.5, 17.0)
    assert "the search never saw" in fresh_words
    assert "larger size" in larger_words


def test_an_export_of_what_was_only_searched_is_no_claim(finished_ledger):
    """S1."""
    entry = next(e for e in finished_ledger.state().candidates.values()
                 if e.index >= 0 and e.verdict and e.verdict.stage is Stage.SEARCH
                 and e.verdict.effect)  # fmt: skip
    ((words, verdict),) = _measured(entry)
    assert "No claim" in words
    assert verdict is entry.verdict


def test_a_replay_compares_the_search_alone(told, finished_ledger):
    """S2."""
    with Ledger.open(told[0] / "ledger.db") as ledger:
        assert journeys(ledger) == journeys(finished_ledger)


def test_opponents_meet_the_best_on_its_fresh_seeds(told, monkeypatch):
    """S3."""
    asked: list[int] = []

    def note(_workshop: Workshop, _journal: object, _candidate: object, seed: int) -> None:
        asked.append(seed)

    monkeypatch.setattr(Workshop, "confirm_trial", note)
    monkeypatch.setattr(stages, "_has_time", lambda *_args, **_options: True)
    with (
        open_workshop(tiny(), RunFolder(path=told[0])) as workshop,
        ThreadPoolExecutor(1) as pool,
    ):
        best = stages.best_confirmed(workshop)
        assert best is not None
        assert best.fresh_verdict is not None
        for _ in range(2):
            stages.meet_opponents(workshop, pool)
        (opponent,) = workshop.opponents
        probed = [e for e in workshop.ledger.events([ProbesRan]) if e.candidate_id == opponent.id]
    assert [(e.index, e.report.passed) for e in probed] == [(-1, True)]
    assert probed[0].report.flops_per_token > 0
    assert probed[0].report.state_bytes > 0
    assert sorted(asked) == sorted(2 * best.fresh_verdict.seeds)
    assert not set(asked) & set(LARGER)


def test_the_dashboard_shows_the_searchs_effects(told, finished_run):
    """S4."""
    folder, id_ = told
    with (
        closing(Reader(RunFolder(path=folder))) as after,
        closing(Reader(RunFolder(path=finished_run))) as before,
    ):
        ours, theirs = grown(Board(), after).results[id_], grown(Board(), before).results[id_]
    assert ours.search is not None
    assert theirs.search is not None
    assert ours.search["effect"] == theirs.search["effect"]
    assert ours.fresh is not None
    assert ours.fresh["effect"] == 2.5


def test_the_table_of_a_verification_fits_a_terminal(told):
    """S5."""
    wide = Effect(mean=-15.94, low=-16.39, high=-15.49, n_pairs=4)
    paired = Paired(combined=wide, tasks={})
    rows = tuple(
        LargerRow(name=name, is_baseline=name == "linear_attention", words="behind",
                  learning_rate=0.001, search=paired, exam=paired, failed="1 crashed",
                  cost=RelativeCost(time=12.34, memory=1.0))
        for name in reference_names()
    )  # fmt: skip
    with Ledger.open(told[0] / "ledger.db") as ledger:
        record = tell(list(ledger.events())).records[told[1]]
    console = Console(width=80, record=True, file=io.StringIO())
    verdict = reached(VerdictKind.REFUTED, -15.94, LARGER)
    print_verified(
        console,
        Verified(record=record, verdict=verdict, learning_rate=0.004, scale=4, n_seeds=4, rows=rows,
                 task_names=("text",), exam_names=("noisy_recall",)),
    )  # fmt: skip
    text = console.export_text()
    assert "…" not in text
    assert text.count("-15.94 [-16.39, -15.49]") == 2 * len(rows)
    assert text.count("12.34x") == len(rows)
    assert "short_conv 1 crashed" in " ".join(text.split())


@pytest.mark.parametrize(("operator", "is_own"), [(GIVEN, True), ("mutate:decay", False)])
def test_whose_seeds_verify(told, monkeypatch, operator, is_own):
    """S6: in tuning and whole trainings, of candidate, baseline and opponent."""
    folder, id_ = told
    seen: dict[str, set[int]] = {}

    def note(_bench: object, _pool: object, jobs: list[tuple]) -> list[Trial]:
        for candidate, spec, _ in jobs:
            seen.setdefault(candidate.id, set()).add(spec.seed)
        return [Trial(spec=spec, outcome=Outcome.COMPLETED, measurement=MEASURED)
                for _, spec, _ in jobs]  # fmt: skip

    monkeypatch.setattr(verification.Bench, "run", note)
    monkeypatch.setattr(Entry, "operator", operator)
    with open_workshop(tiny(), RunFolder(path=folder), purpose="verify") as workshop:
        entry = workshop.ledger.state().candidates[id_]
        of = own_seeds(entry)
        assert of == (id_ if is_own else "")
        opponent = reference_candidate("short_conv")
        verification.verify(workshop, entry, [opponent], lambda _: None)
        n_seeds = 1 + workshop.preset.verification.n_seeds
        expected = {fresh_seed(workshop.secret, Stage.VERIFY, k, of=of) for k in range(n_seeds)}
        assert seen == dict.fromkeys([workshop.baseline.id, id_, opponent.id], expected)
