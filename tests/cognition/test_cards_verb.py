"""`move37 cards` as a user types it: what is asked wrongly is refused, what is shown is so."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from move37.cli.cards import cards_app
from move37.core.errors import ConfigError

DOCS = Path(__file__).parents[2] / "docs" / "cards.md"
EXAMPLE = re.compile(r'move37 cards search "([^"]+)"')


def cards(*arguments: str) -> str:
    done = CliRunner().invoke(cards_app, arguments)
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done.output


@pytest.mark.parametrize("text", [cards("search", "--help"), DOCS.read_text("utf-8")])
def test_the_example_of_a_search_finds_the_delta_rule_first(text, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (example,) = EXAMPLE.findall(" ".join(text.split()))
    assert cards("search", example).startswith("delta-rule-write  (1.00)")


@pytest.mark.parametrize("words", ["", " \t"])
def test_a_search_for_nothing_is_refused(words):
    with pytest.raises(ConfigError, match="nothing was asked"):
        cards("search", words)


def test_a_search_that_finds_nothing_says_so(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert "no card" in cards("search", "xyzzy")
    assert cards("search", "xyzzy", "--json").strip() == "[]"


@pytest.mark.parametrize("verb", [("search", "decay"), ("list",), ("show", "selection"), ("lint",)])
def test_a_folder_that_is_given_must_be_there(verb, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match="there is no folder nowhere"):
        cards(*verb, "--folder", "nowhere")
    assert cards(*verb)
