"""The vocabulary a candidate builds on: `from move37.arena.kernels import delta_rule, l2_norm`.

Every function is causal, linear in time, and carries its state: what a call returns as state goes
into the next call, and a sequence in one call or in pieces gives the same. So a mixer that is built
from these and from pointwise operations obeys the candidate contract. Layout is (B, T, H, K) for
batch, time, heads, key dim; values and outputs are (B, T, H, V); a memory S is (B, H, K, V),
float32 at least. A decay is given as its logarithm g <= 0, and any such g is safe, -inf included.

What each does to its memory at position t, and what is read from it (o_t = scale * S_t^T q_t):

    linear_attention    S = diag(exp(g)) S + k v^T                          adds; fades if told to
    delta_rule          S = (I - beta k k^T) S + beta k v^T                 replaces what k held
    gated_delta_rule    S = (I - beta k k^T) diag(exp(g)) S + beta k v^T    fades, then replaces
    dplr_delta_rule     S = (diag(exp(g)) + a b^T) S + k v^T                erases and writes apart
    state_space_dual    h = exp(dt A) h + B (dt x)^T, y = h^T C             Mamba-2's notation
    associative_scan    h = exp(g) h + x                                    element by element

g is one number per head and position, or one per key channel too; linear attention also takes none
or a fixed one per head. Beside the memories:

    short_convolution   each channel with its last W - 1 inputs; helps every one of the above
    rms_norm, l2_norm, gated_rms_norm    over the last axis
    step_bias    no function of time: a start for b in softplus(W x + b), when a layer is built

Keys of the delta rules should have unit length (`l2_norm`). A product of several delta steps per
token is `delta_rule` on a sequence in which each token takes several positions.

How fast: chunks of positions are computed in parallel (`chunk_size`, a power of two, to trade
parallel work for steps); gradients are written by hand and exist once (no second derivatives).
`move37.arena.kernels.reference` has the plain loops under the same names. On CUDA, half-precision
calls of at least 64 positions use fla's kernels within `using_fla()`.
"""

from move37.arena.kernels.convolution import short_convolution
from move37.arena.kernels.delta_rule import delta_rule, gated_delta_rule
from move37.arena.kernels.dispatch import has_fla, using_fla
from move37.arena.kernels.dplr import dplr_delta_rule
from move37.arena.kernels.initial import step_bias
from move37.arena.kernels.linear_attention import linear_attention
from move37.arena.kernels.norms import gated_rms_norm, l2_norm, rms_norm
from move37.arena.kernels.scan import associative_scan
from move37.arena.kernels.state_space import state_space_dual

__all__ = [
    "associative_scan",
    "delta_rule",
    "dplr_delta_rule",
    "gated_delta_rule",
    "gated_rms_norm",
    "has_fla",
    "l2_norm",
    "linear_attention",
    "rms_norm",
    "short_convolution",
    "state_space_dual",
    "step_bias",
    "using_fla",
]
