"""Every description renders to a layer that obeys the candidate contract.

L1 forward on the whole equals forward on its pieces with the state carried (any pieces).
L2 the gradient of a position reaches no later input.
L3 every parameter takes part: its gradient is finite and not zero.
L4 the state is a dict of batch-first tensors whose size does not depend on the length.
L5 a row's result does not depend on the other rows of its batch.
L6 the rendered text is a function of the description and readable: lines of at most 100.
"""

from __future__ import annotations

import ast
import random
from itertools import pairwise
from typing import Any

import pytest
import torch
from rendered_mixers import D_MODEL, N_HEADS, build, drawn, inputs

from move37.team.symbolic.description import Description
from move37.team.symbolic.library import library_description, library_names
from move37.team.symbolic.render import render

N_DESCRIPTIONS = 300
BLOCK = 25
SHORT, LONG = 19, 75  # LONG crosses the chunks of every kernel
TOLERANCE = 1e-8  # float64, relative to the largest output


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def pieces(n_time: int, rng: random.Random) -> list[slice]:
    n_cuts = rng.randint(1, 4)
    cuts = [0, *sorted(rng.sample(range(1, n_time), n_cuts)), n_time]
    return [slice(start, stop) for start, stop in pairwise(cuts)]


def largest_difference(first: torch.Tensor, second: torch.Tensor) -> float:
    return ((first - second).abs().max() / second.abs().max().clamp(min=1e-6)).item()


def obey(description: Description, seed: int, n_time: int) -> None:
    mixer, x_BTD = build(description, seed=seed), inputs(2, n_time, seed=seed).requires_grad_()
    whole, state = mixer(x_BTD)
    assert whole.shape == x_BTD.shape
    with torch.no_grad():
        carried: Any = None
        parts = []
        for piece in pieces(n_time, random.Random(seed)):
            part, carried = mixer(x_BTD[:, piece], carried)
            parts.append(part)
        assert largest_difference(torch.cat(parts, dim=1), whole) < TOLERANCE, "L1"
        assert {name: value.shape for name, value in state.items()} == {
            name: value.shape for name, value in carried.items()
        }, "L4"
        assert all(value.shape[0] == 2 for value in state.values()), "L4"
        alone, _ = mixer(x_BTD[:1])
        assert largest_difference(alone, whole[:1]) < TOLERANCE, "L5"
    middle = n_time // 2
    (reach,) = torch.autograd.grad(whole[:, : middle + 1].square().sum(), x_BTD, retain_graph=True)
    assert torch.isfinite(reach).all(), "L3"
    assert not reach[:, middle + 1 :].any(), "L2"
    whole.square().sum().backward()
    for name, parameter in mixer.named_parameters():
        assert parameter.grad is not None, f"L3: {name} takes no part"
        assert parameter.grad.any(), f"L3: no gradient reaches {name}"
        assert torch.isfinite(parameter.grad).all(), f"L3: {name}"


@pytest.mark.parametrize("block", range(N_DESCRIPTIONS // BLOCK))
def test_every_random_description_obeys_the_contract(block):
    for seed in range(block * BLOCK, (block + 1) * BLOCK):
        try:
            obey(drawn(seed), seed, LONG if seed % 12 == 0 else SHORT)
        except Exception as error:
            raise AssertionError(f"description {seed}: {drawn(seed)}") from error


@pytest.mark.parametrize("name", library_names())
def test_every_known_mixer_obeys_the_contract(name):
    obey(library_description(name), 7, LONG)


@pytest.mark.parametrize("name", ["mamba3", "rwkv7", "delta_product", "hgrn2"])
def test_a_layer_streams_token_by_token(name):
    mixer, x_BTD = build(library_description(name)), inputs(2, 9)
    with torch.no_grad():
        whole, _ = mixer(x_BTD)
        state, tokens = None, []
        for t in range(9):
            token, state = mixer(x_BTD[:, t : t + 1], state)
            tokens.append(token)
    assert largest_difference(torch.cat(tokens, dim=1), whole) < TOLERANCE


def test_a_layer_works_in_single_precision():
    for seed in range(0, 40, 2):
        mixer = build(drawn(seed), jitter=0.0).float()
        y_BTD, _ = mixer(inputs(1, 6).float())
        assert y_BTD.dtype == torch.float32
        assert torch.isfinite(y_BTD).all()


def test_a_fresh_layer_passes_its_signal_on():
    for name in library_names():
        mixer = build(library_description(name), jitter=0.0)
        y_BTD, _ = mixer(inputs(4, 64))
        assert 0.01 < y_BTD.std().item() < 3, name


def test_the_same_description_gives_the_same_text_in_short_lines():
    for seed in range(120):
        source = render(drawn(seed))
        assert source == render(drawn(seed))
        assert max(map(len, source.splitlines())) <= 100, seed
        assert all(line == line.rstrip() for line in source.splitlines()), seed


def test_a_rendered_file_imports_torch_and_the_kernels_only():
    allowed = {"math", "torch", "torch.nn.functional", "move37.arena.kernels"}
    for seed in range(60):
        for node in ast.walk(ast.parse(render(drawn(seed)))):
            if isinstance(node, ast.Import):
                assert {alias.name for alias in node.names} <= allowed
            if isinstance(node, ast.ImportFrom):
                assert node.module in allowed


def test_nothing_is_rendered_that_the_layer_does_not_use():
    for seed in range(120):
        tree = ast.parse(render(drawn(seed)))
        imported = {
            a.asname or a.name for n in tree.body if isinstance(n, ast.ImportFrom) for a in n.names
        }
        functions = {n.name for n in tree.body if isinstance(n, ast.FunctionDef)}
        used = {n.id for n in ast.walk(tree) if isinstance(n, ast.Name)}
        assert imported | functions <= used, seed


def test_sizes_follow_the_description():
    mixer = build(library_description("mamba2"))
    assert mixer.value_dim == 2 * D_MODEL // N_HEADS
    assert mixer.key_dim == D_MODEL // N_HEADS
