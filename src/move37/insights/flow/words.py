"""What names in layer code mean: which calls only reshape, which are maps, gates, memories."""

from __future__ import annotations

import re

from move37.insights.flow.parts import MINUS, TIMES, Part


def _set(words: str) -> frozenset[str]:
    return frozenset(words.split())


PASSES = _set(
    """
    view reshape transpose permute unsqueeze squeeze expand repeat contiguous flatten unflatten to
    float double half bfloat16 type type_as clone detach chunk split unbind rearrange
    repeat_interleave narrow movedim swapaxes expand_as view_as t tuple list dict map zip
    enumerate reversed cast get cpu cuda checkpoint view_as_complex view_as_real neg clamp
    clamp_min clamp_max clip nan_to_num index_first_axis pad_input requires_grad_ dropout Dropout
    next iter sum mean masked_fill where pad tile swapdims flip index_select gather narrow_copy
    apply __call__ min max compile disable set popitem items values keys copy update_cache
    index_copy scatter real imag pin_memory squeeze_ append
    """
)
"""Calls after which the same numbers are there in another shape, sign or type."""
NOTHING = _set(
    """
    zeros ones arange empty full zeros_like ones_like empty_like full_like rand randn rand_like
    eye tril triu tril_indices tensor as_tensor range len int bool str isinstance getattr hasattr
    size dim numel new_zeros new_ones new_empty new_full new_tensor device is_autocast_enabled
    finfo type_check print warn get_seq_length any all no_grad format sqrt_ linspace is_tensor
    get_unpad_data ceil floor round id hash super is_cuda is_available promote_types Cache
    """
)
"""Calls that give constants, sizes and masks."""
POINTWISE = _set(
    """
    silu swish relu gelu elu exp log log1p expm1 square abs sqrt rsqrt pow cos sin reciprocal
    softsign hardtanh leaky_relu selu mish logaddexp tanhshrink erf norm var std polar topk sort
    argmax one_hot cumprod elu_p1 sum_norm rotary apply_rotary_pos_emb SiLU ReLU GELU ELU Softplus
    Identity Tanh RotaryEmbedding relu2 sqrelu
    """
)
GATES = _set(
    """
    sigmoid softmax softplus logsigmoid tanh log_softmax Sigmoid Softmax LogSigmoid gumbel_softmax
    swiglu swish_gate hardsigmoid
    """
)
JOINS = {"cat": "side by side", "concat": "side by side", "concatenate": "side by side",
         "stack": "side by side", "einsum": "product", "matmul": "product", "bmm": "product",
         "mul": TIMES, "add": "+", "sub": MINUS, "div": "÷", "lerp": "mix", "addcmul": TIMES,
         "mix": "mix", "baddbmm": "product", "dot": "product", "mm": "product"}  # fmt: skip
RUNNING = _set(
    """
    cumsum logcumsumexp cummax
    """
)
MEMORY = re.compile(
    r"delta_?(rule|product)|linear_att|retention|recurren|_scan|^scan|state_space|ssd|(^|_)gla|"
    r"hgrn|rwkv|mamba|dplr|iplr|\bttt\b|lightning|gsa|based|rebased|abc|comba|kda",
    re.IGNORECASE,
)
ATTENTION = re.compile(r"scaled_dot_product|flash_attn|softmax_attention|sdpa", re.IGNORECASE)
CONVOLUTION = re.compile(r"conv|fir\b|_fir|fir_|fft|filter", re.IGNORECASE)
NORM = re.compile(r"norm", re.IGNORECASE)
LINEAR = re.compile(r"^(Linear|Bilinear|Embedding|LowRank|_LowRank|.*Linear|.*LoRA|lora)$", re.I)
PREFIXES = re.compile(r"^(chunk_|fused_recurrent_|fused_chunk_|fused_|parallel_|naive_|torch_)+")
AXES = re.compile(r"_[BTHKVDWNPRSCLFGMJ0-9]{1,8}$")
"""Of house names: `q_BTHK` is q."""
STATE_NAMES = _set(
    """
    state states past_key_values past_key_value cache cache_params last_state hidden_state
    """
)
INPUT_NAMES = ("x_BTD", "x", "hidden_states", "inputs", "input")


def kind_of(name: str) -> Part:
    """Return what a call, or a member made by such a class, does, as its name has it."""
    if name in GATES:
        return Part.GATE
    if name in POINTWISE:
        return Part.POINTWISE
    if LINEAR.search(name):
        return Part.LINEAR
    if MEMORY.search(name) or ATTENTION.search(name) or name in RUNNING:
        return Part.MEMORY
    if CONVOLUTION.search(name):
        return Part.CONVOLUTION
    if NORM.search(name):
        return Part.NORM
    return Part.OTHER


def plain(name: str) -> str:
    """Return a name as a reader wants it: no axes, no prefix of an implementation."""
    bare = AXES.sub("", name)
    return PREFIXES.sub("", bare).strip("_").replace("_", " ") or bare
