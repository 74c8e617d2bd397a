"""Going on with a run: what is kept, what may change, what is refused.

G1  A start that failed leaves nothing that stands in the way of the next one.
G2  One process works on a run at a time.
G3  A preset that has changed is refused; so are names that would be confused.
G4  What was not said anew stays as it was stored.
G5  A confirmation keeps its number and level, whatever came between.
"""

from __future__ import annotations

import dataclasses
import io
import json
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import run_tiny, tiny
from rich.console import Console

from move37.campaign import floor, stages
from move37.campaign.assemble import RunFolder, as_begun, check_code, check_names
from move37.campaign.commands import MAY_CHANGE, announce, settle
from move37.campaign.differing import differing_words
from move37.campaign.folder import stored_config
from move37.campaign.replay import replay
from move37.campaign.session import Ending
from move37.campaign.settings import choose_lag, load_campaign, load_preset
from move37.campaign.workshop import fresh_seed
from move37.core.candidate import Candidate, Idea
from move37.core.claims import Verdict, VerdictKind
from move37.core.config import CampaignConfig
from move37.core.errors import ConfigError, LedgerError
from move37.core.events import (
    CampaignStarted,
    CandidateProposed,
    CandidateStarted,
    SessionOpened,
    TrialStarted,
    VerdictReached,
)
from move37.core.trial import Stage, TrialSpec
from move37.memory.ledger import Ledger


def test_an_empty_ledger_is_no_campaign_yet(tmp_path):
    """G1."""
    folder = RunFolder(path=tmp_path / "first")
    assert not folder.is_begun()
    folder.path.mkdir()
    Ledger.open(folder.ledger, create=True).close()
    assert folder.exists
    assert not folder.is_begun()
    config, _ = settle(None, {"name": "first"}, runs=tmp_path)
    assert config.name == "first"


def test_half_a_secret_is_never_left_behind(tmp_path):
    """G1."""
    folder = RunFolder(path=tmp_path)
    (tmp_path / ".secret.new").write_bytes(b"half")
    secret = folder.secret()
    assert len(secret) == 32
    assert folder.secret() == secret
    assert (tmp_path / "secret").stat().st_mode & 0o077 == 0


def test_a_second_process_is_turned_away_and_the_lock_goes_with_its_holder(tmp_path):
    """G2."""
    folder = RunFolder(path=tmp_path / "first")
    program = (
        "import pathlib, sys, time\nfrom move37.campaign.assemble import RunFolder\n"
        "with RunFolder(path=pathlib.Path(sys.argv[1])).held():\n"
        "    print('held', flush=True)\n    time.sleep(60)\n"
    )
    holder = subprocess.Popen(
        [sys.executable, "-c", program, str(folder.path)], stdout=subprocess.PIPE, text=True
    )
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with (
            pytest.raises(LedgerError, match="another process works on run 'first'"),
            folder.held(),
        ):
            pass
    finally:
        holder.kill()
        holder.communicate()
    with folder.held():
        pass


def test_a_changed_preset_is_refused_with_what_differs(finished_ledger):
    """G3."""
    preset = load_preset("tiny")
    as_begun(finished_ledger, preset)
    training = preset.training.model_copy(update={"learning_rate": 1.0})
    changed = preset.model_copy(update={"training": training})
    with pytest.raises(ConfigError, match=r"preset 'tiny' has changed .*\(training differ\)"):
        as_begun(finished_ledger, changed)


def test_other_code_is_refused_with_what_differs(finished_ledger, monkeypatch):
    """G3: stored baseline trials would be compared with what another trainer makes."""
    check_code(finished_ledger)
    monkeypatch.setattr(floor, "versions", lambda: iter(["torch 0.1"]))
    with pytest.raises(ConfigError, match=r"torch \S+, now torch 0\.1\), .* another run with"):
        check_code(finished_ledger)


def test_a_session_that_did_not_say_what_made_its_numbers_is_gone_on_with(tmp_path):
    """G3: as in ledgers of older versions."""
    with Ledger.open(tmp_path / "ledger.db", create=True) as ledger:
        ledger.append(SessionOpened(driver="a", sandboxed=True, budget_seconds=1.0))
        check_code(ledger)


def test_what_rungs_tell_stays_as_it_was_when_the_run_began(tmp_path):
    """G3: a version may know better, but a run is raced as it was; so is what the bar was."""
    preset = load_preset("cpu")
    stored = json.loads(preset.model_dump_json())
    for rung in stored["rungs"]:
        del rung["gain"]
    stored["rungs"][0] |= {"correlation": 0.7, "growth": 2.0}
    config = json.loads(tiny().model_dump_json())
    del config["evidence"]["bar"]
    with Ledger.open(tmp_path / "ledger.db", create=True) as ledger:
        ledger.append(started(json.dumps(stored), config=json.dumps(config)))
        first, *_ = as_begun(ledger, preset).rungs
        bar = stored_config(ledger).evidence.bar
    assert (first.correlation, first.gain, first.growth) == (0.7, 1.0, 2.0)
    assert (bar, tiny().evidence.bar) == ("parents", "best")


def started(preset: str, *, config: str) -> CampaignStarted:
    """The first event of a campaign of an older version."""
    return CampaignStarted(
        name="old", config=config, version="0.0.9", machine={}, sandboxed=True, preset=preset
    )


def test_a_key_that_this_version_has_added_is_no_change_of_the_preset(tmp_path):
    """G3."""
    preset = load_preset("tiny")
    stored = json.loads(preset.model_dump_json())
    del stored["training"]["fla"]
    with Ledger.open(tmp_path / "ledger.db", create=True) as ledger:
        ledger.append(started(json.dumps(stored), config=tiny().model_dump_json()))
        as_begun(ledger, preset)


def test_fresh_seeds_are_of_one_campaign_and_one_stage():
    """G3: what another campaign was selected on is not fresh here."""
    seeds = {
        fresh_seed(secret, stage, k, of=of)
        for secret in (b"one", b"two")
        for stage in (Stage.CONFIRM, Stage.VERIFY)
        for k in range(8)
        for of in ("", "abc")
    }
    assert len(seeds) == 64


def test_two_layers_of_one_name_are_refused():
    """G3."""
    config = tiny().model_copy(update={"roots": ("mine/linear_attention.py",)})
    with pytest.raises(ConfigError, match="would have one name"):
        check_names(config, load_preset("tiny"), is_new=True)


def test_a_run_whose_tokens_were_raised_is_replayed_whole(tmp_path):
    """G4: what is repeated is what all its sessions did, not what the first one might do."""
    config, folder = tiny(candidates=30), RunFolder(path=tmp_path / "tiny")
    searched = []
    for n_trainings in (2, 5):
        tokens = n_trainings * 24 * 8 * 48
        budget = {"search_tokens": tokens, "confirm_share": 0.0}
        enough = config.budget.model_copy(update=budget)
        ending = run_tiny(config.model_copy(update={"budget": enough}), folder.path)
        assert ending is Ending.TRAINED
        with folder.open_ledger() as ledger:
            searched.append(sum(1 for _ in ledger.events([CandidateStarted])))
    found = replay(folder, RunFolder(path=tmp_path / "again"))
    assert found.is_same, found.differences
    assert found.n_indices == searched[1] > searched[0]


class TestSettings:
    @pytest.fixture
    def runs(self, finished_run: Path) -> Path:
        return finished_run.parent

    def test_only_what_is_said_changes(self, runs, finished_ledger):
        """G4."""
        stored = stored_config(finished_ledger)
        config, _ = settle(None, {"name": "tiny", "budget": {"wall_seconds": 7200.0}}, runs=runs)
        assert config.budget == stored.budget.model_copy(update={"wall_seconds": 7200.0})
        assert config.workers == stored.workers == 2
        assert settle(None, {"name": "tiny"}, runs=runs)[0] == stored

    def test_a_lag_that_nobody_says_is_that_of_the_run(self, runs, finished_ledger, tmp_path):
        """G4: so it goes on with any number of workers, told where some have nothing to do."""
        lag = stored_config(finished_ledger).search.lag
        many = {"name": "tiny", "workers": lag + 3, "search": {"seed_lessons": None}}
        config, folder = settle(None, many, runs=runs)
        assert (config.search.lag, config.workers) == (lag, lag + 3)
        said = io.StringIO()
        announce(Console(file=said, width=200), config, folder)
        assert (
            f"of {lag + 3} workers {lag + 1} have something to do while it searches"
            in said.getvalue()
        )
        file = tmp_path / "other.toml"
        file.write_text(f"[search]\nlag = {lag + 1}\n")
        with pytest.raises(ConfigError, match=f"search.lag is {lag}, not {lag + 1}"):
            settle(file, {"name": "tiny"}, runs=runs)

    @pytest.mark.parametrize(("workers", "lag", "counted"), [(1, 1, 1), (4, 4, 4), (12, 12, 4)])
    def test_a_run_begins_with_the_lag_that_suits_its_workers(
        self, tmp_path, workers, lag, counted
    ):
        """G4: unless the file says one; where time ends it, one driver begins it, on a CPU."""
        asked = {"workers": workers}
        assert settle(None, asked, runs=tmp_path)[0].search.lag == lag
        for limit in ({"max_candidates": 9}, {"search_tokens": 9}):
            assert settle(None, asked | {"budget": limit}, runs=tmp_path)[0].search.lag == counted
        for other in ({"database": "postgresql://localhost/x"}, {"preset": "explore"}):
            assert choose_lag(load_campaign(None, asked | other)).search.lag == 4
        file = tmp_path / "said.toml"
        file.write_text("[search]\nlag = 2\n")
        assert settle(file, {"workers": workers}, runs=tmp_path)[0].search.lag == 2

    def test_another_seed_is_refused_zero_included(self, runs):
        """G4."""
        with pytest.raises(ConfigError, match="another campaign: its seed is 1, not 0; choose"):
            settle(None, {"name": "tiny", "seed": 0}, runs=runs)


def test_what_differs_is_named_with_both_values_and_no_secret():
    """G4."""
    stored = CampaignConfig(preset="cpu")
    model = {"provider": "openai-compatible", "model": "m", "base_url": "http://127.0.0.1:9/hidden"}
    changed = {
        "preset": "tiny",
        "search": {"lag": 2},
        "team": {"researcher": "llm", "models": {"one": model}},
    }
    asked = CampaignConfig.model_validate(changed)
    words = differing_words(asked, stored, set(CampaignConfig.model_fields) - MAY_CHANGE)
    assert words == (
        'preset is "cpu", not "tiny"',
        "search.lag is 4, not 2",
        "team.models.one is another",
        'team.researcher is "symbolic", not "llm"',
    )
    model["base_url"] = "http://127.0.0.1:9/also"
    other = CampaignConfig.model_validate(changed)
    assert differing_words(other, asked, ["team"]) == ("team.models.one.base_url is another",)


@dataclasses.dataclass
class Bench:
    """As much of a workshop as the levels look at."""

    ledger: Ledger


def brought_in(ledger: Ledger, index: int) -> str:
    source = f"class Mixer:\n    size = {index}\n"
    candidate = Candidate.of(source, Idea(name=f"layer {index}", motivation="", mechanism=""))
    ledger.append(
        CandidateStarted(index=index, driver="a"),
        CandidateProposed(index=index, candidate=candidate, operator="propose"),
    )
    return candidate.id


def begin(ledger: Ledger, index: int, candidate_id: str) -> None:
    spec = TrialSpec(candidate_id=candidate_id, stage=Stage.CONFIRM, rung=1, seed=5)
    ledger.append(TrialStarted(index=index, spec=spec))


def end(ledger: Ledger, index: int, candidate_id: str, kind: VerdictKind, e_value: float) -> None:
    verdict = Verdict(kind=kind, reason="", e_value=e_value, level=0.03)
    ledger.append(VerdictReached(index=index, candidate_id=candidate_id, verdict=verdict))


class TestLevels:
    @pytest.fixture
    def bench(self, tmp_path):
        with Ledger.open(tmp_path / "ledger.db", create=True) as ledger:
            yield Bench(ledger=ledger)

    def level(self, bench: Bench, candidate_id: str) -> float:
        return stages._level(bench, candidate_id, alpha=0.05)  # pyright: ignore[reportArgumentType]

    def test_a_confirmation_that_was_interrupted_keeps_its_level(self, bench):
        """G5."""
        a, b = brought_in(bench.ledger, 0), brought_in(bench.ledger, 1)
        first = self.level(bench, a)
        begin(bench.ledger, 0, a)
        second = self.level(bench, b)
        assert second == pytest.approx(first / 4)
        begin(bench.ledger, 1, b)
        end(bench.ledger, 1, b, VerdictKind.CONFIRMED, 500.0)
        assert self.level(bench, a) == first

    def test_what_was_refused_for_a_failed_seed_is_no_discovery(self, bench):
        """G5: whatever the seeds that completed would have given."""
        a, b = brought_in(bench.ledger, 0), brought_in(bench.ledger, 1)
        begin(bench.ledger, 0, a)
        end(bench.ledger, 0, a, VerdictKind.EXPLORED, 101.0)
        refused = self.level(bench, b)
        begin(bench.ledger, 1, b)
        end(bench.ledger, 1, b, VerdictKind.CONFIRMED, 500.0)
        c = brought_in(bench.ledger, 2)
        assert self.level(bench, c) == pytest.approx(2 * 0.05 * 6 / (3.141592653589793 * 3) ** 2)
        assert refused == pytest.approx(0.05 * 6 / (3.141592653589793 * 2) ** 2)


def test_going_on_with_a_finished_run_keeps_the_gallery(finished_run):
    with Ledger.open(finished_run / "ledger.db") as ledger:
        before = {id_: e.verdict for id_, e in ledger.state().candidates.items()}
    run_tiny(tiny(), finished_run)
    with Ledger.open(finished_run / "ledger.db") as ledger:
        assert {id_: e.verdict for id_, e in ledger.state().candidates.items()} == before
