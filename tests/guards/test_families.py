"""Relations of base models and the firewall that stands on them.

F1  Relatedness follows weights and answers, over any number of steps, both ways.
F2  What is not known counts as related within a vendor.
F3  One function decides every edge: training and judging between relatives are denied.
F4  Users add rows; a wrong row is refused with its name.
"""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest

from move37.core.errors import ConfigError
from move37.core.team import TeamConfig
from move37.guards.families import (
    Roster,
    diversity_of,
    families_with,
    shipped_families,
)
from move37.guards.firewall import TRAINING, Edge, EdgeKind, decide


def roster() -> Roster:
    return Roster(TeamConfig(), shipped_families())


def related(first: str, second: str, *, judging: bool = False) -> bool:
    return roster().relation(first, second, judging=judging).related


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("openai-compatible:DeepSeek-R1-Distill-Qwen-7B", "openai-compatible:Qwen2.5-7B-Instruct"),
        ("openai-compatible:DeepSeek-R1-Distill-Qwen-7B", "openai-compatible:deepseek-r1"),
        ("openai-compatible:DeepSeek-R1-Distill-Qwen-7B", "openai-compatible:deepseek-v3"),
        (
            "openai-compatible:DeepSeek-R1-Distill-Qwen-7B",
            "openai-compatible:deepseek-r1-distill-llama-8b",
        ),
        ("openai:gpt-4.1", "openai:gpt-4o-mini"),
        ("openai:gpt-4.1-nano", "openai:gpt-5.4"),
        ("google:gemini-3-pro", "openai-compatible:google/gemma-3-27b"),
        ("openai-compatible:QwQ-32B", "openai-compatible:qwen2.5-32b"),
        ("openai-compatible:mystery", "openai-compatible:enigma"),
        ("openai-compatible:qwen2.5:7b", "Qwen/Qwen2.5-7B-Instruct"),
        ("openai-compatible:hf.co/bartowski/Qwen2.5-7B-Instruct-GGUF:Q4_K_M", "qwen2.5:7b"),
        ("openai-compatible:127.0.0.1:5000/ours/qwen2.5:7b", "qwen2.5:7b"),
        ("ollama:qwen2.5-coder:7b-q8", "openai-compatible:QwQ:latest"),
        ("openai-compatible:deepseek-r1:7b", "openai-compatible:deepseek-v3:671b"),
        ("openai-compatible:deepseek-r1:7b", "openai-compatible:qwen2.5:7b"),
        ("openai-compatible:deepseek-r1:70b", "openai-compatible:llama3.3:70b"),
        ("openai-compatible:deepseek-r1:8b", "openai-compatible:llama3.1:8b"),
        ("openai-compatible:deepseek-r1:8b", "openai-compatible:qwen3:8b"),
        ("openai-compatible:deepseek-r1", "openai-compatible:qwen3:8b"),
        ("openai-compatible:deepseek-r1-tuners/Qwen2.5-7B-x", "openai-compatible:qwen2.5:7b"),
        ("openai-compatible:claude-fans/qwen3-8b", "openai-compatible:qwen3:14b"),
        ("openai-compatible:deepseek-ai/DeepSeek-R1-0528-Qwen3-8B", "openai-compatible:qwen3:8b"),
        ("openai:ft:gpt-4o-2024-08-06:acme::id", "openai-compatible:gpt-4.1"),
        ("openai-compatible:ft:gpt-4o-2024-08-06:acme::id", "openai:gpt-4o-mini"),
        ("openai-compatible:anthropic/claude-sonnet-5:beta", "anthropic:claude-opus-5"),
    ],
)
def test_relatives_are_found_both_ways(first, second):
    """F1, F2."""
    assert related(first, second)
    assert related(second, first)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("anthropic:claude-sonnet-5", "openai:gpt-5.4"),
        ("openai-compatible:qwen2.5-7b", "openai-compatible:deepseek-ai/DeepSeek-R1"),
        ("openai-compatible:claude-fans/qwen3-8b", "anthropic:claude-opus-5"),
        ("openai-compatible:O1-OPEN/OpenO1-LLama-8B-v0.1", "openai:o1"),
        ("openai-compatible:qwen2.5:7b", "openai-compatible:deepseek-r1:671b"),
        ("openai-compatible:qwen2.5:7b", "openai-compatible:llama3.1:8b"),
        ("openai:ft:gpt-4o-2024-08-06:acme::id", "openai-compatible:qwen2.5:7b"),
        ("openai-compatible:llama-3.1-8b", "google:gemini-3-pro"),
        ("symbolic", "openai:gpt-5.4"),
        ("human", "human"),
    ],
)
def test_strangers_are_not_related(first, second):
    """F1."""
    assert not related(first, second, judging=True)


@pytest.mark.parametrize(
    ("model", "line"),
    [
        ("openai-compatible:qwen2.5:7b", "qwen2.5"),
        ("deepseek-r1:7b", "deepseek-r1-distill-qwen"),
        ("deepseek-r1:671b", "deepseek-r1"),
        ("openai:ft:gpt-4.1-mini-2025-04-14:claude:x:id", "gpt-4.1-mini"),
        ("GPT-4.1", "openai-4o"),
    ],
)
def test_a_model_is_found_by_the_nearest_row_of_its_name(model, line):
    """F1: the first part of a name that a row knows, and the longest pattern."""
    assert shipped_families().line_of(model).name == line


def test_what_no_row_knows_keeps_its_whole_name_and_its_vendor():
    """F2."""
    line = shipped_families().line_of("openai:ft:davinci-002:acme::id")
    assert (line.name, line.vendor) == ("openai:ft:davinci-002:acme::id", "openai")
    for theirs in ("openai:ft:davinci-002:mistral-lab::id", "openai:davinci-002:claude-style:id"):
        assert shipped_families().line_of(theirs).vendor == "openai"
        assert related(theirs, "openai:gpt-5", judging=True)
    assert shipped_families().line_of("openai-compatible:mystery:7b").vendor == "unknown"


@pytest.mark.parametrize(
    ("model", "near"),
    [
        ("openai-compatible:qwne3-8b", "qwen3"),
        ("claud-x", "claude"),
        ("foo", ""),
        ("a:b", ""),
    ],
)
def test_a_misspelt_name_is_near_a_row(model, near):
    assert shipped_families().near(model) == near


def test_judging_is_stricter_than_training():
    """F2: one vendor is enough to be biased, if roots are known to differ."""
    first, second = "openai-compatible:qwen2.5-7b", "openai-compatible:deepseek-v3"
    assert not related(first, second, judging=True)
    graph = shipped_families()
    a = graph.lines["qwen2.5"].model_copy(update={"name": "x", "vendor": "deepseek"})
    b = graph.lines["deepseek-v3"]
    assert not graph.relation(a, b).related
    assert graph.relation(a, b, judging=True).related


def test_what_a_team_file_says_of_a_family_counts_before_the_name():
    """F1: a fine-tune served under a fancy name."""
    team = TeamConfig.model_validate(
        {
            "models": {
                "a": {
                    "provider": "openai-compatible",
                    "model": "our-finetune",
                    "base_url": "http://127.0.0.1:1/v1",
                    "family": "qwen2.5",
                }
            }
        }
    )
    seated = Roster(team, shipped_families())
    assert seated.relation("openai-compatible:our-finetune", "openai-compatible:qwq-32b").related


@pytest.mark.parametrize("kind", sorted({*TRAINING, EdgeKind.JUDGING}))
def test_training_and_judging_between_relatives_are_denied(kind):
    """F3."""
    edge = Edge(producer="openai:gpt-4.1", consumer="openai:gpt-4o", kind=kind)
    decision = decide(edge, roster())
    assert not decision.allowed
    assert decision.reason


@pytest.mark.parametrize("kind", sorted({*TRAINING, EdgeKind.JUDGING}))
def test_strangers_may_train_on_and_judge_each_other(kind):
    """F3."""
    edge = Edge(producer="openai:gpt-4.1", consumer="anthropic:claude-sonnet-5", kind=kind)
    assert decide(edge, roster()).allowed


def test_text_flows_between_relatives():
    """F3: it was not found to carry traits."""
    edge = Edge(producer="openai:gpt-4.1", consumer="openai:gpt-4o", kind=EdgeKind.CONTEXT)
    assert decide(edge, roster()).allowed


def test_weights_go_on_with_their_own_candidate_only():
    """F3."""
    own = Edge(producer="c1", consumer="c1", kind=EdgeKind.WARM_START)
    other = Edge(producer="c1", consumer="c2", kind=EdgeKind.WARM_START)
    assert decide(own, roster()).allowed
    assert not decide(other, roster()).allowed


@pytest.mark.parametrize(
    ("authors", "is_said"),
    [
        (("openai:gpt-4.1", "openai:gpt-4o"), True),
        (("openai:gpt-4.1", "anthropic:claude-opus-4"), False),
        (("symbolic", "symbolic"), False),
    ],
)
def test_a_relatives_weights_are_refused_as_such_and_a_strangers_too(authors, is_said):
    """F3."""
    edge = Edge(producer="c1", consumer="c2", kind=EdgeKind.WARM_START, authors=authors)
    decision = decide(edge, roster())
    assert not decision.allowed
    assert ("a relative of its author" in decision.reason) is is_said


def test_relatedness_is_symmetric_over_the_whole_graph():
    """F1."""
    graph = shipped_families()
    for a, b in itertools.combinations(graph.lines.values(), 2):
        for judging in (False, True):
            assert (
                graph.relation(a, b, judging=judging).related
                == graph.relation(b, a, judging=judging).related
            )


def test_a_users_row_is_found_whatever_its_letters_and_tags(tmp_path: Path):
    """F4."""
    file = tmp_path / "mine.toml"
    file.write_text(
        '[[line]]\nname = "Ours"\nmatch = ["Ours-7B"]\nvendor = "us"\n'
        'evidence = "declared"\nsource = "we made it"\ndate = "2026-11-01"\n'
    )
    mine = families_with(file)
    for name in ("openai-compatible:us/ours-7b:q4", "Ours-7B", "ours"):
        assert mine.line_of(name).name == "Ours"


def test_a_users_row_makes_strangers_relatives(tmp_path: Path):
    """F4."""
    file = tmp_path / "mine.toml"
    file.write_text(
        '[[line]]\nname = "ours"\nmatch = ["ours-*"]\nvendor = "us"\n'
        'behaviour_from = ["claude"]\nevidence = "declared"\nsource = "we made it"\n'
        'date = "2026-11-01"\n'
    )
    mine = Roster(TeamConfig(), families_with(file))
    assert mine.relation("openai-compatible:ours-7b", "anthropic:claude-opus-5").related


@pytest.mark.parametrize("body", ['name = "x"', "name = ", 'name = "x"\nsource = ""'])
def test_a_wrong_row_is_refused(tmp_path: Path, body: str):
    """F4."""
    file = tmp_path / "mine.toml"
    file.write_text(f"[[line]]\n{body}\n")
    with pytest.raises(ConfigError, match=r"mine\.toml"):
        families_with(file)


def test_a_row_that_descends_from_nobody_known_is_refused(tmp_path: Path):
    """F4."""
    file = tmp_path / "mine.toml"
    file.write_text(
        '[[line]]\nname = "x"\nvendor = "us"\nweights_from = ["atlantis"]\n'
        'evidence = "declared"\nsource = "we"\ndate = "2026-11-01"\n'
    )
    with pytest.raises(ConfigError, match="atlantis"):
        families_with(file)


@pytest.mark.parametrize(
    ("models", "level"),
    [
        ({"a": "gpt-5.4"}, "none"),
        ({"a": "gpt-5.4", "b": "gpt-4.1"}, "none"),
        ({"a": "gpt-5.4", "b": "claude-5"}, "degraded"),
        ({"a": "gpt-5.4", "b": "claude-5", "c": "llama-3.1-8b"}, "full"),
    ],
)
def test_a_teams_diversity_counts_unrelated_groups(models, level):
    server = {"provider": "openai-compatible", "base_url": "http://127.0.0.1:1/v1"}
    team = TeamConfig.model_validate(
        {
            "researcher": "llm",
            "models": {name: {**server, "model": model} for name, model in models.items()},
        }
    )
    assert diversity_of(team, shipped_families()).level == level
