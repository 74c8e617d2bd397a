"""Matched campaigns, with the real lab.

A1  An arm changes what it says and nothing else.
A2  A winner is declared from whole candidates in the order of their index, within the budget.
A3  All arms of a seed see the same data and held-out windows; winners share fresh seeds.
A4  What is finished is not run again; another plan under the same name is refused.
A5  The search ends by trained tokens, failed trials counted in full.
A6  Without campaigns that differ nothing is said about how campaigns differ.
"""

from __future__ import annotations

import itertools
import json
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
from conftest import N_CANDIDATES, tiny

from move37.campaign.ablation import Ablation, Plan, Result, run_ablation
from move37.campaign.ablation_tables import OverCampaigns, json_of, markdown_of, rows_of
from move37.campaign.arms import ARMS, arm_config, arms_by_name
from move37.campaign.comparing import ablate_campaign, parse_count
from move37.campaign.results import trained_tokens
from move37.campaign.session import Ending
from move37.campaign.settings import load_preset
from move37.campaign.winners import Declared, declare
from move37.core.candidate import Candidate, Idea
from move37.core.claims import Effect
from move37.core.config import CampaignConfig
from move37.core.errors import ConfigError, UnknownName
from move37.core.events import CandidateProposed, RootAdded, SessionClosed, TrialFinished
from move37.core.trial import Outcome, Stage, Trial, TrialSpec
from move37.evidence.effects import Comparison
from move37.memory.ledger import Ledger
from move37.memory.state import fold

TOKENS = 20_000
TINY_STEP = 8 * 48
"""Tokens of one step of the tiny preset."""


def plan(**changes) -> Plan:
    settings = {
        "base": tiny().model_copy(update={"opponents": ()}),
        "arms": arms_by_name(("random",)),
        "seeds": (1,),
        "tokens": TOKENS,
        "n_fresh": 2,
    }
    return Plan(**(settings | changes))


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("runs") / "ablation"


@pytest.fixture(scope="module")
def ablation(folder: Path) -> Ablation:
    return run_ablation(plan(), folder, lambda _: None)


def events_of(folder: Path, kind: type) -> list:
    with Ledger.open(folder / "ledger.db") as ledger:
        return list(ledger.events([kind]))


class TestArms:
    @pytest.mark.parametrize("arm", ARMS.values(), ids=str)
    def test_an_arm_changes_what_it_says_and_nothing_else(self, arm):
        """A1."""
        base, preset = CampaignConfig(), load_preset("cpu")
        settings = {"seed": 3, "tokens": 10**6}
        default = arm_config(base, ARMS["default"], preset, **settings).model_dump()
        changed = arm_config(base, arm, preset, **settings).model_dump()
        for section, changes in arm.changes.items():
            assert {k: changed[section][k] for k in changes} == changes
            default[section] |= changes
        assert changed == default | {"name": f"{arm.name}-3"}

    def test_every_arm_differs_from_the_default(self):
        """A1: a change that the default already has would be no comparison."""
        tree = CampaignConfig().model_dump()
        for arm in ARMS.values():
            for section, changes in arm.changes.items():
                assert all(tree[section][key] != value for key, value in changes.items())

    def test_an_unknown_arm_is_named_with_the_near_one(self):
        with pytest.raises(UnknownName, match="did you mean 'no_lessons'"):
            arms_by_name(("no_lesson",))


class TestDeclared:
    def declared(self, ledger: Ledger, tokens: int):
        roots = [e.candidate.id for e in ledger.events([RootAdded]) if e.role == "root"]
        return declare(ledger.state(), load_preset("tiny"), roots[0], tokens=tokens)

    def test_a_larger_budget_counts_no_fewer_candidates_and_is_never_passed(self, finished_ledger):
        """A2."""
        seen = [self.declared(finished_ledger, tokens) for tokens in range(0, 120_000, 3_000)]
        assert all(a.n_candidates <= b.n_candidates for a, b in itertools.pairwise(seen))
        assert all(d.tokens <= 3_000 * k for k, d in enumerate(seen))
        assert seen[0].winner is None
        assert seen[-1].n_candidates == N_CANDIDATES

    def test_the_winner_has_the_largest_effect_of_those_that_went_all_the_way(
        self, finished_ledger
    ):
        """A2. One seed each on this preset, so shrinkage changes no order."""
        found = self.declared(finished_ledger, 10**9)
        effects = [
            e.search_verdict.effect.mean
            for e in finished_ledger.state().candidates.values()
            if e.index >= 0 and e.fitness and e.search_verdict and e.search_verdict.effect
        ]
        assert found.search_effect == pytest.approx(max([*effects, 0.0]))
        assert (found.winner is not None) == (max(effects) > 0)


class TestTokens:
    def test_completed_trials_count_what_they_trained(self, finished_ledger):
        """A5."""
        used = trained_tokens(load_preset("tiny"), finished_ledger.state())
        for index, tokens in used.items():
            specs = [e.trial.spec for e in finished_ledger.at_index(TrialFinished, index)]
            steps = [(8, 24)[spec.rung] for spec in specs if spec.stage is Stage.SEARCH]
            assert tokens == max(steps, default=0) * TINY_STEP

    def test_a_failed_trial_counts_in_full(self):
        """A5: whoever crashes late has used the compute."""
        candidate = Candidate.of("class Mixer: ...", Idea(name="x", motivation="", mechanism=""))
        spec = TrialSpec(candidate_id=candidate.id, stage=Stage.SEARCH, rung=1, seed=3)
        state = fold(
            [
                CandidateProposed(index=0, candidate=candidate, operator="propose"),
                TrialFinished(
                    index=0, trial=Trial(spec=spec, outcome=Outcome.CRASHED, reason="boom")
                ),
            ]
        )
        assert trained_tokens(load_preset("tiny"), state) == {0: 24 * TINY_STEP}


class TestFailedWinners:
    """A3: a winner that fails a fresh seed is worth what nobody is worth, and counted as such."""

    def test_the_mean_over_its_other_seeds_is_not_its_quality(self):
        effect = Effect(mean=9.0, low=8.0, high=10.0, n_pairs=3)
        winner = Candidate.of("x = 1", Idea(name="x", motivation="", mechanism=""))
        declared = Declared(
            winner=winner, search_effect=9.0, n_candidates=3, tokens=1, cpu_seconds=1.0
        )

        def result(**changes) -> Result:
            settings = {"arm": "random", "seed": 1, "budget": 1, "declared": declared}
            return Result(**settings | changes)

        whole = Comparison(combined=effect, tasks={}, differences={1: 9.0}, missing=())
        assert (result(measured=whole).quality, result(measured=whole).has_failed) == (9.0, False)
        for measured in (replace(whole, missing=(4,)), None):
            failed = result(measured=measured)
            assert (failed.quality, failed.has_failed) == (0.0, True)
        nobody = result(declared=replace(declared, winner=None), measured=None)
        assert (nobody.quality, nobody.has_failed) == (0.0, False)


class TestAblation:
    def test_searches_end_by_tokens(self, ablation, folder):
        """A5: nobody begins once those that it may see have used the budget."""
        for arm in ("default", "random"):
            with Ledger.open(folder / f"{arm}-1" / "ledger.db") as ledger:
                assert [e.reason for e in ledger.events([SessionClosed])] == [Ending.TRAINED]
                used = trained_tokens(load_preset("tiny"), ledger.state())
                lag = 4
                last = max(used)
                assert sum(t for i, t in used.items() if i < last - lag) < TOKENS
                assert sum(t for i, t in used.items() if i <= last - lag) >= TOKENS

    def test_nothing_but_the_search_is_run_and_winners_are_measured_elsewhere(
        self, ablation, folder
    ):
        """A3."""
        stages = Counter(e.trial.spec.stage for e in events_of(folder / "default-1", TrialFinished))
        assert set(stages) == {Stage.SEARCH}
        fresh = events_of(folder / "winners", TrialFinished)
        assert {e.trial.spec.stage for e in fresh} <= {Stage.CONFIRM}

    def test_arms_of_one_seed_meet_the_same_baseline_numbers(self, ablation, folder):
        """A3: same seeds, same data, same held-out windows, so the very same scores."""

        def scores(arm: str) -> dict:
            return {
                e.trial.spec: e.trial.measurement.scores
                for e in events_of(folder / f"{arm}-1", TrialFinished)
                if e.index < 0
            }

        assert scores("default")
        assert scores("default") == scores("random")

    def test_random_proposals_come_from_the_roots_and_read_no_cards(self, ablation, folder):
        """A1."""
        root = next(e.candidate.id for e in events_of(folder / "random-1", RootAdded))
        proposed = events_of(folder / "random-1", CandidateProposed)
        assert {e.candidate.parents for e in proposed} == {(root,)}
        assert {e.candidate.author for e in proposed} == {"random"}

    def test_the_default_has_no_difference_and_each_arm_one(self, ablation):
        rows = {row["arm"]: row for row in rows_of(ablation, budget=TOKENS)}
        assert rows["default"]["difference"] is None
        quality = {r.arm: r.quality for r in ablation.results}
        expected = quality["random"] - quality["default"]
        assert rows["random"]["difference"].mean == pytest.approx(expected)

    def test_one_campaign_tells_no_arm_from_another(self, ablation):
        """A6."""
        row = next(r for r in rows_of(ablation, budget=TOKENS) if r["arm"] == "random")
        assert (row["difference"].low, row["difference"].high) == (None, None)
        assert row["standing"] == "not known"

    def test_again_it_gives_the_same_answer_and_runs_nothing(self, ablation, folder):
        """A4."""
        runs = [folder / name for name in ("default-1", "random-1")]
        before = [(run / "ledger.db").read_bytes() for run in runs]
        again = run_ablation(plan(), folder, lambda _: None)
        assert json_of(again) == json_of(ablation)
        assert [(run / "ledger.db").read_bytes() for run in runs] == before

    def test_a_plan_of_an_earlier_version_goes_on_with_any_number_of_workers(
        self, ablation, folder
    ):
        """A4: what it did not know yet is as it was; nothing of it depends on the machine."""
        file = folder / "plan.json"
        known = json.loads(file.read_text("utf-8"))
        del known["base"]["search"]["lag"], known["preset"]["training"]["ramp_steps"]
        file.write_text(json.dumps(known), "utf-8")
        more = plan().base.model_copy(update={"workers": 5})
        again = run_ablation(replace(plan(), base=more), folder, lambda _: None)
        assert json_of(again) == json_of(ablation)

    def test_another_plan_under_the_same_name_is_refused_by_what_differs(self, ablation, folder):
        """A4."""
        with pytest.raises(ConfigError, match=r"another ablation: tokens differ"):
            run_ablation(plan(tokens=TOKENS + 1), folder, lambda _: None)

    def test_the_answer_is_plain_json_and_names_every_campaign(self, ablation):
        told = json.loads(json.dumps(json_of(ablation), allow_nan=False))
        assert [(c["arm"], c["seed"]) for c in told["campaigns"]] == [("default", 1), ("random", 1)]
        assert markdown_of(ablation).count("\n| ") == 2 * 2 + 2 + 2


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({1: 3.0}, "+3.00 (one campaign)"),
        ({1: 0.0, 2: 0.0}, "0.00 (all alike)"),
        ({1: 2.0, 2: 4.0}, "+3.00 [-9.71, +15.71]"),
    ],
)
def test_an_interval_needs_campaigns_that_differ(values, words):
    """A6: 12.71 is Student's t at one degree of freedom."""
    assert OverCampaigns.of(values).words == words


def test_counts_are_read_with_their_unit():
    assert [parse_count(t, option="--tokens") for t in ("500000", "500k", "4M", "1.5m")] == [
        500_000, 500_000, 4_000_000, 1_500_000,
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"tokens": "0"}, "--search-tokens"),
        ({"tokens": "-4M"}, "--search-tokens"),
        ({"n_campaigns": 0}, "--campaigns"),
        ({"n_fresh": 0}, "--fresh"),
        ({"shares": "0,1"}, "--at"),
        ({"shares": "half"}, "--at"),
        ({"arms": "luck"}, "no arm 'luck'"),
    ],
)
def test_bad_settings_are_refused_before_anything_is_written(tmp_path, changes, words):
    settings = {
        "folder": tmp_path / "ablation", "tokens": "1k", "n_campaigns": 1, "arms": "", "n_fresh": 1,
        "shares": "1", "unsandboxed": False, "as_json": False,
    }  # fmt: skip
    with pytest.raises((ConfigError, UnknownName), match=words):
        ablate_campaign(None, {"preset": "tiny"}, **(settings | changes))
    assert not (tmp_path / "ablation").exists()
