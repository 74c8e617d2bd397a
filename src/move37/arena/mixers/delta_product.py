"""DeltaProduct: several delta-rule steps per token, so that the state can be rotated.

Siems et al. 2025, "DeltaProduct: Improving State-Tracking in Linear RNNs via Householder Products"
(arXiv 2502.10297).

    S_t = S_{t,n},    S_{t,j} = (I - beta_tj k_tj k_tj^T) S_{t,j-1} + beta_tj k_tj v_tj^T
    S_{t,0} = S_{t-1},    beta_tj = 2 sigmoid(w_hj . x_t)
    y_t = W_o norm(S_t^T q_t / sqrt(K))

Here n = 2. A beta beyond 1 makes each step a reflection in part, and two reflections a rotation.
q, each k and each v pass a causal convolution of width 4 with SiLU; q and k are then scaled to unit
length; the norm is RMS per head.

Simplified: the form without forget gate and without output gate; default initial weights.

B batch, T time, J steps per token, H heads, K key dim, V value dim, W convolution width,
D channels.
"""

import torch
from torch import Tensor, nn

from move37.arena.kernels import delta_rule, l2_norm, rms_norm, short_convolution

CONVOLUTION_WIDTH = 4
N_STEPS = 2  # the smallest product that can rotate


class Mixer(nn.Module):
    """Delta-rule memory with two steps per token; 6 D^2 parameters and some."""

    def __init__(self, d_model: int, n_heads: int, layer_index: int) -> None:
        super().__init__()
        del layer_index  # all layers are alike
        self.n_heads = n_heads
        self.splits = [d_model, N_STEPS * d_model, N_STEPS * d_model]
        self.qkv = nn.Linear(d_model, sum(self.splits), bias=False)
        bound = CONVOLUTION_WIDTH**-0.5  # nn.Conv1d's
        self.convolution_weight = nn.Parameter(
            torch.empty(sum(self.splits), CONVOLUTION_WIDTH).uniform_(-bound, bound)
        )
        self.beta = nn.Linear(d_model, N_STEPS * n_heads, bias=False)
        self.norm_weight = nn.Parameter(torch.ones(d_model // n_heads))
        self.out = nn.Linear(d_model, d_model, bias=False)

    def forward(self, x_BTD: Tensor, state: dict | None = None) -> tuple[Tensor, dict]:
        """Mix over time; `state` holds S and the last inputs of the convolution."""
        state = state or {"memory": None, "convolution": None}
        qkv_BTD, convolution = short_convolution(
            self.qkv(x_BTD),
            self.convolution_weight,
            state_BDW=state["convolution"],
            activation="silu",
        )
        q_BTD, k_BTD, v_BTD = qkv_BTD.split(self.splits, dim=-1)
        q_BTHK = l2_norm(q_BTD.unflatten(-1, (self.n_heads, -1)))
        beta_BTJH = 2 * self.beta(x_BTD).sigmoid().unflatten(-1, (N_STEPS, self.n_heads))
        # Each token becomes N_STEPS steps of one long delta rule; only its last step is read.
        o_BTHV, memory = delta_rule(
            q_BTHK.repeat_interleave(N_STEPS, dim=1),
            l2_norm(self._steps(k_BTD)),
            self._steps(v_BTD),
            beta_BTJH.flatten(1, 2),
            state_BHKV=state["memory"],
            scale=q_BTHK.shape[-1] ** -0.5,
        )
        y_BTHV = rms_norm(o_BTHV[:, N_STEPS - 1 :: N_STEPS], self.norm_weight)
        return self.out(y_BTHV.flatten(-2)), {"memory": memory, "convolution": convolution}

    def _steps(self, x_BTD: Tensor) -> Tensor:
        """Unfold channels into steps: (B, T, J H K) to (B, T J, H, K)."""
        return x_BTD.unflatten(-1, (N_STEPS, self.n_heads, -1)).flatten(1, 2)
