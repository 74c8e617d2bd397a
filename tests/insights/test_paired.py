"""The report's paired effects are those of `evidence`, and its TOML is that of the config."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
import told_campaigns as campaigns
from hypothesis import given, settings
from hypothesis import strategies as st

from move37.campaign.settings import load_campaign, load_preset
from move37.core.config import CampaignConfig, SearchConfig
from move37.core.events import SessionOpened
from move37.core.trial import Trial
from move37.evidence.effects import compare as evidence_compare
from move37.evidence.noise import pooled_noise
from move37.insights.paired import compare, spread
from move37.insights.setting import command, config_text, read_setting
from move37.insights.story import tell

NATS = st.lists(st.floats(0.1, 9.0), min_size=1, max_size=4)


def trials(name: str, nats: list[float]) -> list[Trial]:
    candidate = campaigns.layer(name)
    return [campaigns.trial(candidate, seed, x).trial for seed, x in enumerate(nats)]


@settings(deadline=None)  # the first call imports scipy
@given(NATS, NATS)
def test_paired_effects_equal_those_of_the_evidence_department(ours, theirs):
    a, b = trials("a", ours), trials("b", theirs)
    expected = evidence_compare(a, b, campaigns.TASKS)
    found = compare(
        {t.spec.seed: t.measurement for t in a if t.measurement},
        {t.spec.seed: t.measurement for t in b if t.measurement},
        campaigns.TASKS,
        planned=range(len(ours)),
    )
    assert found is not None
    pairs = [(found.combined, expected.combined)]
    pairs += [(found.tasks[name], expected.tasks[name]) for name in expected.tasks]
    for one, other in pairs:
        assert (one.n_pairs, one.missing) == (other.n_pairs, other.missing)
        assert [one.mean, one.low, one.high] == pytest.approx([other.mean, other.low, other.high])


def test_no_common_seed_is_no_comparison():
    (trial,) = trials("a", [1.0])
    assert trial.measurement
    ours, theirs = {1: trial.measurement}, {2: trial.measurement}
    assert compare(ours, theirs, campaigns.TASKS, planned=(1, 2)) is None


def test_seeds_that_were_not_planned_are_no_pairs():
    ours = {t.spec.seed: t.measurement for t in trials("a", [1.0, 1.1, 5.0]) if t.measurement}
    theirs = {t.spec.seed: t.measurement for t in trials("b", [1.2, 1.2, 1.2]) if t.measurement}
    found = compare(ours, theirs, campaigns.TASKS, planned=(0, 1, 7))
    assert found
    assert found.combined.mean == pytest.approx(3.0)  # (0.2 + 0.1) / 2 over 0.05
    assert (found.combined.n_pairs, found.combined.missing) == (2, 1)


def test_the_spread_equals_that_of_the_evidence_department():
    groups = [[1.0, 1.2, 0.9], [3.0, 3.3]]
    expected = pooled_noise([dict(enumerate(g)) for g in groups])
    found = spread([*groups, [7.0]])
    assert found is not None
    assert (found.deviation, found.low, found.high) == pytest.approx(
        (expected.deviation, expected.low, expected.high)
    )
    assert found.n_seeds == 5
    assert spread([[1.0], []]) is None


@pytest.mark.parametrize(
    "config",
    [
        CampaignConfig(),
        CampaignConfig.model_validate(
            {
                "name": "odd-1",
                "roots": ['a "quoted" \\ file.py', "deltanet"],
                "budget": {"wall_seconds": 12.5, "max_candidates": 3},
                "workers": 2,
            }
        ),
    ],
)
def test_the_shown_config_loads_as_the_same_campaign(config: CampaignConfig, tmp_path: Path):
    file = tmp_path / "campaign.toml"
    file.write_text(config_text(config), "utf-8")
    assert tomllib.loads(file.read_text("utf-8"))["name"] == config.name
    assert load_campaign(file) == config


def test_the_command_line_names_a_file_only_where_flags_do_not_suffice():
    words = "move37 run --name first --preset cpu --seed 3 --budget 480s --workers 12"
    for workers in (12, None):  # None: one a core, of which there were as many as the lag
        usual = CampaignConfig(seed=3, search=SearchConfig(lag=12), workers=workers)
        assert command(usual, sandboxed=True) == words
    for special in (CampaignConfig(baseline="gla"), CampaignConfig(workers=2)):
        assert command(special, sandboxed=False) == "move37 run campaign.toml --unsandboxed"


def test_the_budget_is_that_of_the_last_session():
    more = SessionOpened(driver="here:2", sandboxed=True, budget_seconds=3600.0)
    setting = read_setting(tell([*campaigns.opening(), more]))
    assert setting.config is not None
    assert setting.config.budget.wall_seconds == 3600.0


def test_the_preset_is_the_one_that_campaigns_load():
    setting = read_setting(tell(campaigns.opening(preset="cpu")))
    assert setting.preset == load_preset("cpu")


def test_the_stored_preset_counts_and_not_what_its_name_means_today(tmp_path: Path):
    then = load_preset("tiny").model_copy(update={"purpose": "as it was then"})
    for name in ("tiny", str(tmp_path / "gone.toml")):
        events = campaigns.opening(preset=name, stored=then.model_dump_json())
        assert read_setting(tell(events)).preset == then


@pytest.mark.parametrize("stored", ["{", "{}", '"tiny"', '{"name": "tiny"}', "\ud800"])
def test_a_stored_preset_that_cannot_be_read_is_not_replaced_by_its_name(stored: str):
    setting = read_setting(tell(campaigns.opening(preset="tiny", stored=stored)))
    assert setting.config
    assert setting.preset is None
