"""What `load_mixer` makes of a text: a layer, or an error that says what to write instead."""

from __future__ import annotations

import sys
import traceback

import pytest
import torch

from move37.arena.contract import FILENAME, ContractError, load_mixer

GOOD = """
import torch
from torch import nn

class Mixer(nn.Module):
    def __init__(self, d_model, n_heads, layer_index):
        super().__init__()
        self.out = nn.Linear(d_model, d_model)

    def forward(self, x_BTD, state=None):
        return self.out(x_BTD), state
"""


def test_a_file_with_a_mixer_gives_its_class():
    mixer = load_mixer(GOOD)(d_model=8, n_heads=2, layer_index=0)
    y_BTD, state = mixer(torch.randn(2, 3, 8))
    assert y_BTD.shape == (2, 3, 8)
    assert state is None


def test_each_text_gets_a_namespace_of_its_own():
    load_mixer("secret = 1\n" + GOOD)
    second = load_mixer(GOOD)
    assert not hasattr(sys.modules[second.__module__], "secret")


def test_a_traceback_shows_the_candidates_own_lines():
    source = GOOD.replace("return self.out(x_BTD), state", "return self.out(x_BTD.sum()), state")
    mixer = load_mixer(source)(d_model=8, n_heads=2, layer_index=0)
    with pytest.raises(RuntimeError) as caught:
        mixer(torch.randn(2, 3, 8))
    frames = traceback.extract_tb(caught.value.__traceback__)
    (frame,) = [frame for frame in frames if frame.filename == FILENAME]
    assert frame.line == "return self.out(x_BTD.sum()), state"


def test_exceptions_of_the_candidates_own_top_level_code_pass_through():
    with pytest.raises(ZeroDivisionError):
        load_mixer("1 / 0\n" + GOOD)


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("", "no class Mixer"),
        ("x = 1", "no class Mixer"),
        ("from torch import nn\nclass Layer(nn.Module): pass", "defined here: Layer"),
        ("def broken(:\n  pass", "line 1"),
        ("x = 1\0", "does not parse"),
        ("x = " + "(" * 5_000 + ")" * 5_000, "does not parse"),
        ("x = " + "9" * 5_000, "does not parse"),
        ("class Mixer: pass", "deriving from torch.nn.Module"),
        ("Mixer = 3", "deriving from torch.nn.Module"),
        (GOOD.replace(", layer_index", ""), "lacks layer_index"),
        (GOOD.replace("layer_index)", "layer_index, window)"), "needs window"),
        (GOOD.replace(", state=None", ""), "state=None"),
        (GOOD.replace("forward", "run"), "state=None"),
        ("import tensorflow\n" + GOOD, "tensorflow"),
        ("from move37.arena.kernels import nothing\n" + GOOD, "nothing"),
    ],
)
def test_a_text_that_is_no_candidate_is_refused_with_the_way_out(source, words):
    with pytest.raises(ContractError, match=words):
        load_mixer(source)


def test_keyword_arguments_may_stand_for_the_constructors_names():
    source = GOOD.replace("d_model, n_heads, layer_index", "d_model, **rest")
    mixer = load_mixer(source)(d_model=8, n_heads=2, layer_index=0)
    assert mixer(torch.randn(1, 1, 8))[0].shape == (1, 1, 8)


def test_compiling_is_skipped_where_it_costs_more_than_a_trial(monkeypatch):
    monkeypatch.setattr(torch, "compile", torch.compile)  # put back afterwards
    monkeypatch.setattr(torch.compiler, "disable", torch.compiler.disable)
    source = GOOD.replace("    def forward", "    @torch.compile(dynamic=True)\n    def forward")
    mixer = load_mixer(source)(d_model=8, n_heads=2, layer_index=0)
    assert type(mixer.forward).__name__ == "method"
    assert mixer(torch.randn(1, 5, 8))[0].shape == (1, 5, 8)
