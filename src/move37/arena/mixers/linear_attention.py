"""Plain linear attention: the root of a campaign.

Katharopoulos et al. 2020, "Transformers are RNNs: Fast Autoregressive Transformers with Linear
Attention" (arXiv 2006.16236).

    S_t = S_{t-1} + phi(k_t) v_t^T,    z_t = z_{t-1} + phi(k_t),    phi(x) = elu(x) + 1
    o_t = S_t^T phi(q_t) / (z_t . phi(q_t))

The normaliser z is carried as one more value column, of ones.

Simplified: no biases. The paper's models add position embeddings to the input; the backbone here
has none, so order enters through causality alone.

B batch, T time, H heads, K key dim, V value dim, D channels.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from move37.arena.kernels import linear_attention

EPSILON = (
    1e-6  # assumed: keeps 0/0 away where elu(x) + 1 underflows, below about x = -16 in float32
)


class Mixer(nn.Module):
    """Linear attention with the elu + 1 feature map and a normaliser; 4 D^2 parameters."""

    def __init__(self, d_model: int, n_heads: int, layer_index: int) -> None:
        super().__init__()
        del layer_index  # all layers are alike
        self.n_heads = n_heads
        self.qkv = nn.Linear(d_model, 3 * d_model, bias=False)
        self.out = nn.Linear(d_model, d_model, bias=False)

    def forward(self, x_BTD: Tensor, state: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Mix over time; `state` is S with z as its last column, (B, H, K, V + 1)."""
        q_BTHK, k_BTHK, v_BTHV = (
            part.unflatten(-1, (self.n_heads, -1)) for part in self.qkv(x_BTD).chunk(3, dim=-1)
        )
        v_and_one_BTHV = torch.cat([v_BTHV, torch.ones_like(v_BTHV[..., :1])], dim=-1)
        o_BTHV, state = linear_attention(
            F.elu(q_BTHK) + 1, F.elu(k_BTHK) + 1, v_and_one_BTHV, state_BHKV=state
        )
        o_BTHV = o_BTHV[..., :-1] / (o_BTHV[..., -1:] + EPSILON)
        return self.out(o_BTHV.flatten(-2)), state
