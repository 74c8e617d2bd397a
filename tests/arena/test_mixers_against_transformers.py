"""Reference mixers equal the layers of transformers with our weights in them.

An independent reading of the same papers, at jittered weights, in float32 (theirs computes in it).
"""

from __future__ import annotations

import sys
from typing import Any

import pytest
import torch
from torch import nn

from move37.arena import mixers
from move37.arena.fla import StandIns
from move37.testing.mixer_contract import jitter, noise

D_MODEL, N_HEADS = 32, 2


@pytest.fixture(scope="class")
def real_transformers():
    """Put aside what the fla adapter put in the place of transformers, in this process."""
    finders = list(sys.meta_path)
    fakes = {
        name: module
        for name, module in sys.modules.items()
        if name.partition(".")[0] in ("fla", "transformers")
        and isinstance(getattr(module.__spec__, "loader", None), StandIns)
    }
    sys.meta_path[:] = [finder for finder in finders if not isinstance(finder, StandIns)]
    for name in fakes:
        del sys.modules[name]
    yield
    if fakes:
        for name in [n for n in sys.modules if n.partition(".")[0] == "transformers"]:
            del sys.modules[name]
    sys.modules.update(fakes)
    sys.meta_path[:] = finders


def weighted(name: str) -> Any:
    namespace: dict[str, Any] = {"__name__": f"candidate_{name}"}
    exec(compile(mixers.source(name), f"{name}.py", "exec"), namespace)
    torch.manual_seed(0)
    return jitter(namespace["Mixer"](D_MODEL, N_HEADS, 0)).eval()


@pytest.mark.usefixtures("real_transformers")
class TestAgainstTransformers:
    def test_gated_deltanet_equals_qwen3_next(self):
        from transformers import Qwen3NextConfig
        from transformers.models.qwen3_next import modeling_qwen3_next as theirs

        ours = weighted("gated_deltanet")
        config = Qwen3NextConfig(
            hidden_size=D_MODEL,
            linear_num_value_heads=N_HEADS,
            linear_num_key_heads=N_HEADS,
            linear_key_head_dim=16,
            linear_value_head_dim=16,
            rms_norm_eps=1e-6,
            num_hidden_layers=1,
        )
        layer = theirs.Qwen3NextGatedDeltaNet(config, 0)
        q, k, v = ours.qkv.weight.chunk(3)
        # Theirs keeps the projections of one head together: q, k, v, z of head 0, then of head 1.
        parts = [w.view(N_HEADS, 16, D_MODEL) for w in (q, k, v, ours.gate.weight)]
        step_and_beta = [w.view(N_HEADS, 1, D_MODEL) for w in (ours.beta.weight, ours.step.weight)]
        layer.load_state_dict(
            {
                "in_proj_qkvz.weight": torch.cat(parts, dim=1).flatten(0, 1),
                "in_proj_ba.weight": torch.cat(step_and_beta, dim=1).flatten(0, 1),
                "conv1d.weight": ours.convolution_weight[:, None],
                "A_log": ours.log_rate_H,
                "dt_bias": ours.step_bias_H,
                "norm.weight": ours.norm_weight,
                "out_proj.weight": ours.out.weight,
            }
        )
        self._assert_equal(ours, layer)

    def test_kimi_delta_attention_equals_kimi_linear(self):
        from transformers import KimiLinearConfig
        from transformers.models.kimi_linear import modeling_kimi_linear as theirs

        ours = weighted("kimi_delta_attention")
        config = KimiLinearConfig(
            hidden_size=D_MODEL,
            linear_num_heads=N_HEADS,
            linear_head_dim=16,
            rms_norm_eps=1e-6,
            num_hidden_layers=1,
        )
        layer = theirs.KimiLinearDeltaAttention(config, 0)
        q, k, v = ours.qkv.weight.chunk(3)
        layer.load_state_dict(
            {
                "q_proj.weight": q,
                "k_proj.weight": k,
                "v_proj.weight": v,
                "conv1d.weight": ours.convolution_weight[:, None],
                "forget_gate.f_a_proj.weight": ours.step_down.weight,
                "forget_gate.f_b_proj.weight": ours.step_up.weight,
                "forget_gate.dt_bias": ours.step_bias_D,
                "forget_gate.A_log": ours.log_rate_H.view(1, 1, N_HEADS, 1),
                "b_proj.weight": ours.beta.weight,
                "g_a_proj.weight": ours.gate_down.weight,
                "g_b_proj.weight": ours.gate_up.weight,
                "o_norm.weight": ours.norm_weight,
                "o_proj.weight": ours.out.weight,
            }
        )
        self._assert_equal(ours, layer)

    def test_mamba2_equals_mamba2(self):
        from transformers import Mamba2Config
        from transformers.models.mamba2 import modeling_mamba2 as theirs

        ours = weighted("mamba2")
        config = Mamba2Config(
            hidden_size=D_MODEL,
            num_heads=N_HEADS,
            head_dim=32,
            state_size=16,
            n_groups=1,
            expand=2,
            chunk_size=16,
            layer_norm_epsilon=1e-6,
            num_hidden_layers=1,
        )
        layer = theirs.Mamba2Mixer(config, 0)
        layer.load_state_dict(
            {
                "in_proj.weight": ours.project.weight,
                "conv1d.weight": ours.convolution_weight[:, None],
                "conv1d.bias": ours.convolution_bias,
                "A_log": ours.log_rate_H,
                "dt_bias": ours.step_bias_H,
                "D": ours.skip_H,
                "norm.weight": ours.norm_weight,
                "out_proj.weight": ours.out.weight,
            }
        )
        self._assert_equal(ours, layer)

    def test_short_conv_equals_lfm2(self):
        from transformers import Lfm2Config
        from transformers.models.lfm2 import modeling_lfm2 as theirs

        ours = weighted("short_conv")
        config = Lfm2Config(
            hidden_size=D_MODEL,
            num_attention_heads=2,
            num_key_value_heads=2,
            conv_L_cache=4,
            conv_bias=False,
            num_hidden_layers=1,
        )
        layer = theirs.Lfm2ShortConv(config, 0)
        layer.load_state_dict(
            {
                "in_proj.weight": ours.project.weight,
                "conv.weight": ours.convolution_weight[:, None],
                "out_proj.weight": ours.out.weight,
            }
        )
        self._assert_equal(ours, layer)

    @staticmethod
    def _assert_equal(ours: nn.Module, theirs: nn.Module) -> None:
        x_BTD = noise(2, 37, D_MODEL, dtype=torch.float32)
        got_BTD, _ = ours(x_BTD)
        torch.testing.assert_close(got_BTD, theirs.eval()(x_BTD), atol=2e-4, rtol=2e-4)
