"""A campaign in which there is nothing to find: every candidate is the baseline in disguise.

N1  A disguise computes the baseline's class of functions: the same sizes, the same probes passed.
N2  Disguises differ from each other and from the baseline as programs and as trainings.
N3  Repeats are judged and said, and trained all the same, where the config says so.
N4  The gallery stays empty.
"""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from conftest import run_tiny

from move37.campaign.assemble import RunFolder, open_workshop
from move37.campaign.session import Ending
from move37.campaign.settings import load_campaign
from move37.core.candidate import Candidate
from move37.core.claims import VerdictKind
from move37.core.config import CampaignConfig
from move37.core.events import CandidateProposed, NoveltyJudged, TrialFinished, VerdictReached
from move37.core.trial import Outcome, Stage
from move37.lab.references import reference_candidate, reference_names, reference_source
from move37.memory.ledger import Ledger
from move37.team.protocols import Brief, KnownCandidate, NoProposal
from move37.team.symbolic.disguise import DisguiseResearcher, disguise

NULL = Path(__file__).parents[2] / "campaigns" / "null.toml"
N_CANDIDATES = 6


def tiny_null() -> CampaignConfig:
    return load_campaign(
        NULL,
        {
            "preset": "tiny",
            "seed": 1,
            "workers": 2,
            "budget": {"wall_seconds": 900, "max_candidates": N_CANDIDATES},
            "evidence": {"confirm_seeds_min": 4, "confirm_seeds_max": 5, "confirm_most": 2},
        },
    )


@pytest.fixture(scope="module")
def null_run(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "null"
    assert run_tiny(tiny_null(), folder) is Ending.CANDIDATES
    return folder


@pytest.fixture
def ledger(null_run: Path):
    with Ledger.open(null_run / "ledger.db") as opened:
        yield opened


def proposed(brief: Brief) -> Candidate:
    return DisguiseResearcher().propose(brief).candidate


def brief(seed: int, name: str = "linear_attention") -> Brief:
    return Brief(parents=(KnownCandidate(candidate=reference_candidate(name)),), seed=seed)


class TestDisguise:
    def test_the_same_seed_gives_the_same_disguise_and_others_do_not(self):
        """N2."""
        assert proposed(brief(3)) == proposed(brief(3))
        assert len({proposed(brief(seed)).id for seed in range(40)}) == 40

    def test_nothing_of_the_baselines_words_is_left(self):
        source = disguise(reference_source("linear_attention"), random.Random(0))
        assert "qkv" not in source
        assert "Katharopoulos" not in source

    @pytest.mark.parametrize("name", reference_names())
    def test_any_reference_mixer_can_be_disguised(self, name):
        compile(disguise(reference_source(name), random.Random(5)), name, "exec")

    @pytest.mark.parametrize("source", ["x = 1\n", "class Mixer:\n    pass\n", "class ("])
    def test_what_is_no_layer_is_no_proposal(self, source):
        with pytest.raises(NoProposal, match="cannot be disguised"):
            disguise(source, random.Random(0))


class TestNullCampaign:
    def test_every_candidate_is_admitted_at_the_baselines_size(self, ledger):
        """N1."""
        for event in ledger.events([TrialFinished]):
            assert event.trial.outcome is Outcome.COMPLETED
            assert event.trial.measurement is not None
        entries = list(ledger.state().candidates.values())
        assert {e.probes.n_parameters for e in entries if e.probes} == {4 * 32 * 32}

    def test_trainings_differ_from_the_baselines(self, ledger):
        """N2: a copy with the same draws would be no draw of the null."""
        finals: dict[str, tuple] = {}
        for event in ledger.events([TrialFinished]):
            spec, measured = event.trial.spec, event.trial.measurement
            if (spec.stage, spec.rung) == (Stage.SEARCH, 0) and measured:
                finals[spec.candidate_id] = tuple(s.nats for s in measured.scores.values())
        assert len(set(finals.values())) == len(finals) >= N_CANDIDATES

    def test_novelty_is_judged_for_all_and_all_are_trained(self, ledger):
        """N3."""
        ids = {e.candidate.id for e in ledger.events([CandidateProposed])}
        assert {e.candidate_id for e in ledger.events([NoveltyJudged])} == ids
        trained = {e.trial.spec.candidate_id for e in ledger.events([TrialFinished])}
        assert ids <= trained

    def test_the_gallery_is_empty(self, ledger):
        """N4: somebody was tested on fresh seeds, and nobody held up."""
        verdicts = [e.verdict for e in ledger.events([VerdictReached])]
        assert any(v.stage is Stage.CONFIRM for v in verdicts)
        assert VerdictKind.CONFIRMED not in {v.kind for v in verdicts}

    def test_the_report_says_that_repeats_were_not_refused(self, null_run):
        """N3."""
        with open_workshop(tiny_null(), RunFolder(path=null_run)) as workshop:
            from move37.campaign.commands import report_run

            page = report_run(workshop.ledger, RunFolder(path=null_run))
        assert "refuse_repeats = false" in page.read_text().split("Gallery")[0]
        assert "refuse_repeats = false" in page.with_suffix(".md").read_text()


def test_a_repeat_that_is_not_refused_is_still_called_one(tmp_path):
    """N3: the baseline itself, to the letter, goes to the trials and is said to be a repeat."""
    config = tiny_null().model_copy(update={"name": "same"})
    with open_workshop(config, RunFolder(path=tmp_path / "same")) as workshop:
        from move37.campaign.rules import judge_novelty

        found = judge_novelty(workshop.ledger.state(), 0, workshop.baseline)
    assert not found.is_novel
    assert "to the letter" in found.reason
