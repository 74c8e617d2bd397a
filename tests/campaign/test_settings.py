"""Campaign and preset files: what is wrong is said in one message that names the way out."""

from __future__ import annotations

import contextlib
import traceback
from importlib import resources
from pathlib import Path

import pytest

from move37.campaign.assemble import check_names
from move37.campaign.guarding import read_team
from move37.campaign.settings import load_campaign, load_preset, parse_duration, preset_names
from move37.campaign.team_file import load_team
from move37.core.config import CampaignConfig
from move37.core.errors import ConfigError, UnknownName
from move37.core.team import TeamConfig


def write(tmp_path: Path, text: str) -> Path:
    file = tmp_path / "campaign.toml"
    file.write_text(text)
    return file


def test_without_a_file_the_default_campaign_is_loaded():
    assert load_campaign(None) == CampaignConfig()


def test_overrides_lie_over_the_file_key_by_key(tmp_path):
    file = write(tmp_path, 'name = "mine"\nseed = 3\n[budget]\nwall_seconds = 5\n')
    config = load_campaign(file, {"seed": None, "budget": {"max_candidates": 2}})
    assert (config.name, config.seed) == ("mine", 3)
    assert (config.budget.wall_seconds, config.budget.max_candidates) == (5, 2)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("sede = 3", "unknown key 'sede'; did you mean 'seed'?"),
        ("[budget]\nwall_second = 3", "did you mean 'wall_seconds'?"),
        ("[budget]\nwall_seconds = -3", "budget.wall_seconds"),
        ("seed = ", "not valid TOML"),
        ('budget = "8m"', "budget"),
        ("[evidence]\nconfirm_seeds_min = 10", "must be at most confirm_seeds_max=8"),
        ("[evidence]\ndrop_below = 0.7", "evidence.drop_below"),
        ("[evidence]\neffect_weight = 0\ntask_weight = 0", "fitness would be the judge's word"),
        ("roots = []", "roots"),
        ('name = "a b"', "name"),
        ("[evidence]\nlevel = 2", "evidence.level"),
    ],
)
def test_a_broken_file_is_refused_with_its_reason(tmp_path, text, words):
    with pytest.raises(ConfigError, match=words.replace("?", r"\?")):
        load_campaign(write(tmp_path, text))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[models.a]\nprovider = 'openai'\nmodle = 'gpt-5'", "did you mean 'model'"),
        ("[models.a]\nprovider = 'openai'\nmodel = 'm'\napi_key = 'sk-1'", "models.a.api_key"),
        ("[models.a]\nprovider = 'openai'\nmodel = 'm'\n[models.a.price]\ninptu = 1", "'input'"),
        ("[roles.judge]\nmodles = ['a']", "did you mean 'models'"),
        ("researchr = 'llm'", "did you mean 'researcher'"),
    ],
)
@pytest.mark.parametrize("read", [lambda file: load_team(str(file)), read_team])
def test_a_misspelt_key_of_a_team_is_named_and_no_value_told(tmp_path, text, words, read):
    file = write(tmp_path, text)
    with pytest.raises(ConfigError, match=words) as caught:
        read(file)
    told = "".join(traceback.format_exception(caught.value))
    assert "sk-1" not in told
    assert "pydantic" not in str(caught.value)


def test_a_team_file_with_a_stray_key_is_no_campaign_without_a_team(tmp_path):
    file = write(tmp_path, "name = 'x'\n[models.a]\nprovider = 'openai'\nmodel = 'm'")
    with pytest.raises(ConfigError, match="unknown key 'name'"):
        read_team(file)


def test_the_team_of_a_campaign_file_is_read_also_where_it_names_none(tmp_path):
    assert read_team(write(tmp_path, "name = 'x'")) == TeamConfig()
    named = "name = 'x'\n[team]\non_alarm = 'quarantine'"
    assert read_team(write(tmp_path, named)).on_alarm == "quarantine"
    assert read_team(write(tmp_path, "on_alarm = 'quarantine'")).on_alarm == "quarantine"


def test_a_budget_that_is_no_table_is_refused_beside_one_from_the_command_line(tmp_path):
    with pytest.raises(ConfigError, match="budget"):
        load_campaign(write(tmp_path, "budget = 480"), {"budget": {"wall_seconds": 5.0}})


def test_kernels_for_gpus_are_refused_on_a_cpu(tmp_path):
    file = tmp_path / "mine.toml"
    text = (resources.files("move37.core") / "presets" / "tiny.toml").read_text("utf-8")
    file.write_text(text.replace("[training]\n", "[training]\nfla = true\n", 1))
    with pytest.raises(ConfigError, match="fla = true needs device = 'cuda'"):
        load_preset(str(file))


@pytest.mark.parametrize(("n_warmup", "is_refused"), [(23, False), (24, True), (4000, True)])
def test_a_warmup_that_never_ends_is_refused(tmp_path, n_warmup, is_refused):
    file = tmp_path / "mine.toml"
    text = (resources.files("move37.core") / "presets" / "tiny.toml").read_text("utf-8")
    file.write_text(text.replace("warmup_steps = 4\n", f"warmup_steps = {n_warmup}\n", 1))
    config, preset = CampaignConfig(preset=str(file)), load_preset(str(file))
    check_names(config, preset, is_new=False)  # a run that began with it is gone on with
    words = f"preset tiny: training.warmup_steps must be below total_steps=24, got {n_warmup}"
    refused = pytest.raises(ConfigError, match=words)
    with refused if is_refused else contextlib.nullcontext():
        check_names(config, preset, is_new=True)


def test_kernels_that_are_not_installed_are_named_before_anything_runs():
    preset = load_preset("explore")
    training = preset.training.model_copy(update={"fla": True})
    with pytest.raises(ConfigError, match="pip install flash-linear-attention"):
        check_names(CampaignConfig(), preset.model_copy(update={"training": training}), is_new=True)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(ConfigError, match="no file"):
        load_campaign(tmp_path / "nothing.toml")


@pytest.mark.parametrize("name", preset_names())
def test_every_preset_that_ships_is_valid(name):
    assert load_preset(name).name == name


def test_an_unknown_preset_is_answered_with_the_nearest():
    with pytest.raises(UnknownName, match="did you mean 'tiny'"):
        load_preset("tinny")


def test_a_preset_file_with_rows_that_do_not_add_up_is_refused(tmp_path):
    text = (Path(__file__).parents[2] / "src/move37/core/presets/tiny.toml").read_text("utf-8")
    file = tmp_path / "mine.toml"
    file.write_text(text.replace("batch_size = 8", "batch_size = 9"))
    with pytest.raises(ConfigError, match="batch_size is 9"):
        load_preset(str(file))


@pytest.mark.parametrize(
    ("text", "seconds"), [("90", 90), ("90s", 90), ("8m", 480), ("1h", 3600), ("0.5d", 43200)]
)
def test_durations_are_read(text, seconds):
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "-3", "0", "8x", "1h30m", "nan"])
def test_what_is_no_duration_is_refused(text):
    with pytest.raises(ConfigError, match="above zero"):
        parse_duration(text)
