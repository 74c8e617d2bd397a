"""The noise floor, shared by runs.

F1  Its key changes with whatever matters, and with nothing else.
F2  Replicates of several runs are pooled, each counted once, in any order.
F3  A file that is not whole is set aside and made anew.
F4  A campaign records it, and the report shows it.
F5  The baseline trains to every rung with every seed of the search.
"""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from importlib import resources
from pathlib import Path

import pytest
from conftest import tiny

from move37.campaign.assemble import RunFolder, open_workshop
from move37.campaign.commands import report_run
from move37.campaign.floor import Replicate, floor_key, floors_of, read, replicates, share
from move37.campaign.settings import load_preset
from move37.campaign.stages import prepare
from move37.core.candidate import Candidate, Idea
from move37.core.config import Preset
from move37.core.events import NoiseMeasured
from move37.evidence.noise import pooled_noise

TINY = load_preset("tiny")
KEY = "k" * 32


def layer(source: str) -> Candidate:
    return Candidate.of(source, Idea(name="x", motivation="", mechanism=""))


def replicate(number: int, text: float, *, rung: int = 0, stage: str = "search") -> Replicate:
    scores = {"text": text, "recall": -1.0 * number}
    return Replicate(id=f"r{number}", stage=stage, rung=rung, scores=scores)


def changed(**sections) -> Preset:
    return TINY.model_copy(update=sections)


def test_the_key_changes_with_source_and_recipe():
    """F1."""
    longer = TINY.training.model_copy(update={"learning_rate": 1e-3})
    keys = {
        floor_key(layer("a = 1"), TINY),
        floor_key(layer("a = 2"), TINY),
        floor_key(layer("a = 1"), changed(training=longer)),
        floor_key(layer("a = 1"), changed(tasks=TINY.tasks[:1])),
    }
    assert len(keys) == 4


def test_the_key_does_not_change_with_words(monkeypatch):
    """F1."""
    same = changed(purpose="another", name="mine")
    assert floor_key(layer("a = 1"), same) == floor_key(layer("a = 1"), TINY)


def test_replicates_of_several_runs_are_pooled_and_counted_once(tmp_path):
    """F2."""
    first = share(tmp_path, KEY, [replicate(1, 2.0), replicate(2, 2.1)])
    assert len(first) == 2
    both = share(tmp_path, KEY, [replicate(2, 2.1), replicate(3, 2.3)])
    assert {r.id for r in both} == {"r1", "r2", "r3"}
    (floor,) = [f for f in floors_of(TINY, both) if f.task == "text"]
    expected = pooled_noise([{1: 2.0, 2: 2.1, 3: 2.3}])
    assert floor.n_replicates == 3
    assert floor.deviation == pytest.approx(expected.deviation)
    assert floor.high == pytest.approx(expected.high)
    assert floors_of(TINY, reversed(both)) == floors_of(TINY, both)


def test_each_rung_has_replicates_of_the_baseline(tmp_path):
    """F5: whatever rung the second seed of a candidate first reaches."""
    text = (resources.files("move37.core") / "presets" / "tiny.toml").read_text("utf-8")
    more = text.replace("[[tasks]]", "[[rungs]]\nsteps = 24\nn_seeds = 2\n\n[[tasks]]", 1)
    (tmp_path / "two.toml").write_text(more, "utf-8")
    config = tiny().model_copy(update={"preset": str(tmp_path / "two.toml"), "opponents": ()})
    with (
        open_workshop(config, RunFolder(path=tmp_path / "run")) as workshop,
        ThreadPoolExecutor(2) as pool,
    ):
        prepare(workshop, pool)
        trials = workshop.ledger.state().trials[workshop.baseline.id]
    floors = floors_of(workshop.preset, replicates(workshop.preset, trials))
    assert {(f.task, f.rung) for f in floors} == {
        (task.name, rung) for task in workshop.preset.tasks for rung in (0, 1)
    }
    assert {f.n_replicates for f in floors} == {2}


def test_runs_that_search_with_one_seed_count_its_training_once(finished_ledger, tmp_path):
    """F2: another secret scores it on other windows, which is no other training."""
    baseline = finished_ledger.at_index(NoiseMeasured, -1)[-1].baseline
    trials = list(finished_ledger.state().trials_of(baseline))
    first = share(tmp_path, KEY, replicates(TINY, trials))
    again = share(tmp_path, KEY, replicates(TINY, trials))
    assert len(first) == len(again)
    seeds = {(t.spec.stage, t.spec.rung, t.spec.seed) for t in trials if t.measurement}
    assert len(first) == len(seeds)


def test_one_replicate_has_no_floor_and_stages_are_not_mixed(tmp_path):
    """F2: the two stages judge on other texts, so their difference is no seed noise."""
    assert floors_of(TINY, [replicate(1, 2.0)]) == ()
    assert floors_of(TINY, [replicate(1, 2.0), replicate(2, 9.0, stage="confirm")]) == ()


@pytest.mark.parametrize(
    "damage",
    [
        lambda text: text[:-20],
        lambda text: text.replace("2.1", "7.1"),
        lambda text: text.replace("2.1", "NaN"),
        lambda text: text.replace(KEY, "z" * 32),
        lambda text: "[]",
        lambda text: "",
        lambda text: json.dumps({"key": KEY, "digest": "", "replicates": [{"id": 1}]}),
    ],
    ids=["cut", "changed", "nan", "other key", "a list", "empty", "half a row"],
)
def test_a_file_that_is_not_whole_is_set_aside_and_made_anew(tmp_path: Path, damage):
    """F3."""
    share(tmp_path, KEY, [replicate(1, 2.0), replicate(2, 2.1)])
    file = tmp_path / f"{KEY}.json"
    file.write_text(damage(file.read_text()))
    after = share(tmp_path, KEY, [replicate(5, 2.0)])
    assert [r.id for r in after] == ["r5"]
    assert [r.id for r in read(file, KEY)] == ["r5"]
    assert file.with_suffix(".broken").exists()


def test_a_folder_that_cannot_be_made_leaves_the_runs_own_replicates(tmp_path):
    (tmp_path / "file").write_text("")
    assert share(tmp_path / "file" / "noise", KEY, [replicate(1, 2.0)]) == [replicate(1, 2.0)]


def test_a_campaign_records_the_floor_of_its_baseline(finished_ledger, finished_run):
    """F4."""
    measured = list(finished_ledger.events([NoiseMeasured]))
    assert measured
    assert {f.task for f in measured[-1].floors} == {"recall", "text"}
    assert all(0 <= f.low <= f.deviation <= f.high for f in measured[-1].floors)
    assert (finished_run.parent / ".noise" / f"{measured[-1].key}.json").exists()


def test_the_report_shows_it_with_its_replicates(finished_ledger, finished_run):
    """F4."""
    page = report_run(finished_ledger, RunFolder(path=finished_run)).with_suffix(".md").read_text()
    key = list(finished_ledger.events([NoiseMeasured]))[-1].key
    assert key in page
    assert "| task | rung | deviation [95 %] | replicates |" in page
