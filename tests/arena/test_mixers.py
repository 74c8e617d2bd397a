"""The reference mixers obey the contract, and their registry hands them out as text.

Whether each is the layer its paper describes is asked in test_mixer_values.py.
"""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest
import torch

from move37.arena import mixers
from move37.core.candidate import check_source
from move37.core.errors import UnknownName
from move37.testing.mixer_contract import MixerContract, noise

D_MODEL, N_HEADS = 32, 2
REFERENCES = (
    "deltanet",
    "delta_product",
    "gated_deltanet",
    "gated_deltanet2",
    "gla",
    "hgrn2",
    "kimi_delta_attention",
    "linear_attention",
    "mamba2",
    "mamba3",
    "retnet",
    "rwkv7",
    "short_conv",
    "softmax_attention",
)


def mixer_class(name: str) -> Any:
    """Run a mixer's source as a candidate's is run: from the text alone."""
    namespace: dict[str, Any] = {"__name__": f"candidate_{name}"}
    exec(compile(mixers.source(name), f"{name}.py", "exec"), namespace)
    return namespace["Mixer"]


CLASSES = {name: mixer_class(name) for name in REFERENCES}


@pytest.fixture(autouse=True)
def one_thread():
    n_threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(n_threads)


class _Reference(MixerContract):
    name: str

    def make(self, d_model, n_heads, layer_index):
        return CLASSES[self.name](d_model, n_heads, layer_index)


class TestDeltaNet(_Reference):
    name = "deltanet"


class TestDeltaProduct(_Reference):
    name = "delta_product"


class TestGatedDeltaNet(_Reference):
    name = "gated_deltanet"


class TestGatedDeltaNet2(_Reference):
    name = "gated_deltanet2"


class TestGLA(_Reference):
    name = "gla"


class TestHGRN2(_Reference):
    name = "hgrn2"


class TestKimiDeltaAttention(_Reference):
    name = "kimi_delta_attention"


class TestLinearAttention(_Reference):
    name = "linear_attention"


class TestMamba2(_Reference):
    name = "mamba2"


class TestMamba3(_Reference):
    name = "mamba3"


class TestRetNet(_Reference):
    name = "retnet"


class TestRWKV7(_Reference):
    name = "rwkv7"


class TestShortConv(_Reference):
    name = "short_conv"


class TestSoftmaxAttention(_Reference):
    name = "softmax_attention"
    has_constant_state = False


def test_the_registry_lists_exactly_the_references():
    assert mixers.names() == tuple(sorted(REFERENCES))


def test_an_unknown_mixer_is_refused_with_the_nearest_name():
    with pytest.raises(UnknownName, match="did you mean 'gated_deltanet'"):
        mixers.source("gated_deltanett")


def test_the_registry_is_read_without_torch():
    code = (
        "import sys; from move37.arena import mixers; "
        "[mixers.source(name) for name in mixers.names()]; assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


@pytest.mark.parametrize("name", REFERENCES)
def test_a_reference_is_acceptable_as_a_candidate(name):
    source = mixers.source(name)
    check_source(source)
    imports = [line for line in source.splitlines() if line.startswith(("import ", "from "))]
    allowed = ("torch", "math", "einops", "typing", "move37.arena.kernels")
    assert all(line.split()[1].startswith(allowed) for line in imports), imports
    assert "arXiv" in source.split('"""')[1]
    assert "Simplified:" in source.split('"""')[1]


@pytest.mark.parametrize("width", [(64, 2), (64, 4), (128, 4), (256, 4)])
@pytest.mark.parametrize("name", REFERENCES)
def test_a_mixer_leaves_room_for_the_feed_forward_part(name, width):
    d_model, n_heads = width
    n_parameters = sum(p.numel() for p in CLASSES[name](d_model, n_heads, 1).parameters())
    assert 3.9 * d_model**2 < n_parameters < 8.5 * d_model**2


@pytest.mark.parametrize("name", REFERENCES)
def test_initial_outputs_are_of_one_order_of_magnitude(name):
    torch.manual_seed(0)
    mixer = CLASSES[name](64, 4, 1)
    y_BTD, _ = mixer(noise(4, 64, 64, dtype=torch.float32))
    assert 0.003 < y_BTD.std().item() < 3


@pytest.mark.parametrize("name", REFERENCES)
def test_autocast_to_bfloat16_gives_about_the_same(name):
    torch.manual_seed(0)
    mixer = CLASSES[name](D_MODEL, N_HEADS, 1).eval()
    x_BTD = noise(2, 40, D_MODEL, dtype=torch.float32)
    y_BTD, _ = mixer(x_BTD)
    with torch.autocast("cpu", torch.bfloat16):
        first_BTD, state = mixer(x_BTD[:, :20])
        second_BTD, _ = mixer(x_BTD[:, 20:], state)
    z_BTD = torch.cat([first_BTD, second_BTD], dim=1).float()
    assert (z_BTD - y_BTD).norm() < 0.05 * y_BTD.norm()
