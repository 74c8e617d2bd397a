"""Trained weights carry their origin, and nobody goes on from another's.

W1  Every trial that goes on from weights is decided and in the ledger, once a candidate and rung;
    killed and taken up again, or replayed, it is the same.
W2  A trial's weights say whose they are and how they began; all rungs of one seed began alike.
W3  Weights of another candidate, or that began otherwise than recorded, are refused.
W4  What older versions wrote, without origins, goes on.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from conftest import run_tiny, tiny
from safetensors.numpy import load, save
from typer.testing import CliRunner

from move37.campaign.assemble import RunFolder, open_workshop
from move37.campaign.going_on import own_weights
from move37.campaign.replay import replay
from move37.campaign.workshop import CAMPAIGN, Workshop
from move37.cli import app
from move37.core.candidate import Candidate
from move37.core.errors import LedgerError
from move37.core.events import EdgeDecided, RootAdded, TrialFinished, TrialStarted
from move37.core.trial import Outcome, Stage, Trial
from move37.lab.weights import INITIALISATION, Origin, origin_of, stamp
from move37.memory.artefacts import Artefacts
from move37.memory.codec import decode, encode
from move37.memory.journal import Journal
from move37.memory.ledger import Ledger


def warm_starts(ledger: Ledger) -> Counter[tuple[str, str, int | None, bool]]:
    edges = [e for e in ledger.events([EdgeDecided]) if e.kind == "warm-start"]
    return Counter((e.producer, e.consumer, e.rung, e.allowed) for e in edges)


def went_on(ledger: Ledger) -> set[tuple[str, str, int | None, bool]]:
    """Whoever has a search trial above the first rung."""
    specs = [e.trial.spec for e in ledger.events([TrialFinished])]
    searched = [s for s in specs if s.stage is Stage.SEARCH and s.rung > 0]
    return {(s.candidate_id, s.candidate_id, s.rung, True) for s in searched}


class TestFinishedCampaign:
    def test_every_trial_that_goes_on_is_decided_once_a_rung(self, finished_ledger):
        """W1."""
        found = warm_starts(finished_ledger)
        assert set(found) == went_on(finished_ledger)
        assert len(found) > 1
        assert set(found.values()) == {1}

    def test_a_replay_decides_the_same(self, finished_run, tmp_path):
        """W1."""
        again = tmp_path / "again"
        assert replay(RunFolder(path=finished_run), RunFolder(path=again)).is_same
        with (
            Ledger.open(finished_run / "ledger.db") as first,
            Ledger.open(again / "ledger.db") as second,
        ):
            assert warm_starts(second) == warm_starts(first)

    def test_taken_up_again_nothing_is_decided_twice(self, finished_run):
        """W1."""
        run_tiny(tiny(), finished_run)
        with Ledger.open(finished_run / "ledger.db") as ledger:
            assert set(warm_starts(ledger).values()) == {1}

    def test_rungs_of_one_seed_began_alike_and_others_did_not(self, finished_ledger):
        """W2: two candidates may begin alike, with one seed: what they differ in has no weights."""
        began: dict[tuple[str, Stage, int], set[str]] = {}
        for event in finished_ledger.events([TrialFinished]):
            if measured := event.trial.measurement:
                spec = event.trial.spec
                assert INITIALISATION.fullmatch(measured.initialisation)
                key = (spec.candidate_id, spec.stage, spec.seed)
                began.setdefault(key, set()).add(measured.initialisation)
        assert all(len(found) == 1 for found in began.values())
        by_candidate: dict[str, list[str]] = {}
        for (candidate_id, *_), found in began.items():
            by_candidate.setdefault(candidate_id, []).extend(found)
        assert max(map(len, by_candidate.values())) > 1
        assert all(len(set(found)) == len(found) for found in by_candidate.values())

    def test_kept_weights_say_whose_they_are(self, finished_run, finished_ledger):
        """W2."""
        artefacts = Artefacts(finished_run / "artefacts")
        n_kept = 0
        for event in finished_ledger.events([TrialFinished]):
            measured = event.trial.measurement
            if measured and artefacts.has(measured.weights):
                n_kept += 1
                assert origin_of(artefacts.get(measured.weights)) == Origin(
                    candidate_id=event.trial.spec.candidate_id,
                    initialisation=measured.initialisation,
                )
        assert n_kept

    def test_they_are_shown(self, finished_run, finished_ledger):
        """W1, W2."""
        runs = ["--runs", str(finished_run.parent)]
        said = CliRunner().invoke(app, ["guards", "edges", "tiny", "--json", *runs])
        (row,) = [r for r in json.loads(said.stdout) if r["kind"] == "warm-start"]
        assert row["allowed"]
        assert row["n"] == sum(warm_starts(finished_ledger).values())
        (root,) = {id_ for id_, *_ in warm_starts(finished_ledger)} & {
            e.candidate.id for e in finished_ledger.state().roots
        }
        shown = CliRunner().invoke(app, ["show", root, "--run", "tiny", *runs])
        assert "began as" in shown.stdout


@pytest.fixture
def workshop(tmp_path: Path) -> Iterator[Workshop]:
    """Of a campaign whose roots and baseline are being brought in."""
    with open_workshop(tiny("warm"), RunFolder(path=tmp_path / "warm")) as opened:
        yield opened


def trained(workshop: Workshop, candidate: Candidate, rung: int) -> Trial:
    journal = Journal(workshop.ledger, CAMPAIGN)
    return workshop.search_trial(journal, candidate, rung, workshop.search_seed(0))


def recorded_below(
    workshop: Workshop, *, of: Candidate, origin: Origin | None, initialisation: str | None = None
) -> Trial:
    """Record the baseline's lowest trial as another candidate's, with another origin in the file.

    Args:
        workshop: which runs the baseline's.
        of: whose trial it is recorded as.
        origin: what the file says; None: nothing, as older versions left it.
        initialisation: what the record says; None: the truth.
    """
    trial = trained(workshop, workshop.baseline, 0)
    assert trial.measurement is not None
    blob = workshop.artefacts.get(trial.measurement.weights)
    measured = replace(
        trial.measurement,
        weights=workshop.artefacts.put(stamp(blob, origin) if origin else unmarked(blob)),
        initialisation=(
            trial.measurement.initialisation if initialisation is None else initialisation
        ),
    )
    spec = replace(trial.spec, candidate_id=of.id)
    made = replace(trial, spec=spec, measurement=measured)
    workshop.ledger.append(TrialFinished(index=CAMPAIGN, trial=made))
    return made


def unmarked(blob: bytes) -> bytes:
    """The same tensors without remarks, by safetensors' own hand."""
    return save(load(blob))


def twin(workshop: Workshop) -> Candidate:
    """The baseline in other words: its weights would fit."""
    known = workshop.baseline
    made = Candidate.of(known.source + "\n# a twin\n", known.idea, author="symbolic")
    workshop.ledger.append(RootAdded(candidate=made, role="root"))
    return made


def test_weights_of_another_candidate_are_refused(workshop):
    """W3: though they fit, and though the ledger's record names the file."""
    other = twin(workshop)
    below = recorded_below(workshop, of=other, origin=Origin(
        candidate_id=workshop.baseline.id, initialisation="a" * 64
    ))  # fmt: skip
    with pytest.raises(LedgerError, match=f"from weights of candidate {workshop.baseline.id}"):
        trained(workshop, other, 1)
    assert warm_starts(workshop.ledger) == {(workshop.baseline.id, other.id, 1, False): 1}
    begun = [e.spec for e in workshop.ledger.events([TrialStarted])]
    assert not [s for s in begun if s.candidate_id == other.id]
    with pytest.raises(LedgerError, match="are those of candidate"):
        own_weights(workshop.artefacts, below)


@pytest.mark.parametrize("lie", ["b" * 64, ""])
def test_weights_that_began_otherwise_than_recorded_are_refused(workshop, lie):
    """W3: also where nothing is said any more."""
    other = twin(workshop)
    below = recorded_below(
        workshop, of=other, origin=Origin(candidate_id=other.id, initialisation=lie)
    )
    with pytest.raises(LedgerError, match="the ledger says"):
        trained(workshop, other, 1)
    with pytest.raises(LedgerError, match="the ledger says"):
        own_weights(workshop.artefacts, below)


def test_a_start_that_changed_between_rungs_is_an_outcome(workshop):
    """W3: file and record agree, but this source and seed begin otherwise."""
    other = twin(workshop)
    first = trained(workshop, workshop.baseline, 0)
    assert first.measurement is not None
    _, build = first.measurement.initialisation.split(" ")
    lie = f"{'c' * 64} {build}"
    origin = Origin(candidate_id=other.id, initialisation=lie)
    recorded_below(workshop, of=other, origin=origin, initialisation=lie)
    trial = trained(workshop, other, 1)
    assert trial.outcome is Outcome.CRASHED
    assert "one source and seed must give one start" in trial.reason


def test_another_build_may_begin_otherwise(workshop):
    """W3: another torch or processor draws numbers that differ in a last bit."""
    other = twin(workshop)
    lie = f"{'c' * 64} torch-1.0/NEON"
    origin = Origin(candidate_id=other.id, initialisation=lie)
    recorded_below(workshop, of=other, origin=origin, initialisation=lie)
    trial = trained(workshop, other, 1)
    assert trial.outcome is Outcome.COMPLETED
    assert trial.measurement is not None
    assert trial.measurement.initialisation == lie


def test_weights_of_an_older_version_go_on(workshop):
    """W4: neither file nor record says how they began."""
    other = twin(workshop)
    below = recorded_below(workshop, of=other, origin=None, initialisation="")
    trial = trained(workshop, other, 1)
    assert trial.outcome is Outcome.COMPLETED
    assert warm_starts(workshop.ledger) == {(other.id, other.id, 1, True): 1}
    assert own_weights(workshop.artefacts, below)


def test_an_event_of_an_older_version_reads(workshop):
    """W4: without the new fields."""
    recorded_below(workshop, of=twin(workshop), origin=None, initialisation="")
    (*_, event) = workshop.ledger.events([TrialFinished])
    body = json.loads(encode(event))
    del body["trial"]["measurement"]["initialisation"]
    assert decode("TrialFinished", 1, json.dumps(body)) == event
