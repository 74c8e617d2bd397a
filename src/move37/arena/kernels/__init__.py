"""The vocabulary a candidate builds on: plain loops for now, fast forms follow."""

from move37.arena.kernels.norms import gated_rms_norm, l2_norm, rms_norm
from move37.arena.kernels.reference import (
    associative_scan,
    delta_rule,
    dplr_delta_rule,
    gated_delta_rule,
    linear_attention,
    short_convolution,
    state_space_dual,
)

__all__ = [
    "associative_scan",
    "delta_rule",
    "dplr_delta_rule",
    "gated_delta_rule",
    "gated_rms_norm",
    "l2_norm",
    "linear_attention",
    "rms_norm",
    "short_convolution",
    "state_space_dual",
]
