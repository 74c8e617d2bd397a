"""The fixed model around a mixer: embedding, blocks of mixer and SwiGLU, tied head. And its size.

B batch, T time, D model channels, V vocabulary, F feed-forward width.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from move37.arena.kernels import rms_norm
from move37.core.errors import Move37Error

MIN_FFN_WIDTH = 8


class SizeError(Move37Error):
    """The mixer leaves no room for a feed-forward part within the size everyone has."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Shape:
    """Everything that fixes the model but the mixer."""

    vocab_size: int
    d_model: int
    n_layers: int
    n_heads: int
    ffn_width: int = 0

    def with_ffn(self, width: int) -> Shape:
        """Return the same shape with another feed-forward width."""
        return replace(self, ffn_width=width)


class RMSNorm(nn.Module):
    """Root-mean-square norm with a learned scale (Zhang & Sennrich 2019, arXiv 1910.07467)."""

    def __init__(self, d_model: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(d_model))

    def forward(self, x_BTD: Tensor) -> Tensor:
        """Normalise the last axis."""
        return rms_norm(x_BTD, self.weight)


class SwiGLU(nn.Module):
    """Gated feed-forward (Shazeer 2020, arXiv 2002.05202); 3·D·F parameters."""

    def __init__(self, d_model: int, ffn_width: int) -> None:
        super().__init__()
        self.up = nn.Linear(d_model, 2 * ffn_width, bias=False)
        self.down = nn.Linear(ffn_width, d_model, bias=False)

    def forward(self, x_BTD: Tensor) -> Tensor:
        """Mix channels, position by position."""
        gate_BTF, value_BTF = self.up(x_BTD).chunk(2, dim=-1)
        return self.down(F.silu(gate_BTF) * value_BTF)


class Block(nn.Module):
    """Pre-norm residual block: mixer over time, then SwiGLU over channels."""

    def __init__(self, mixer: nn.Module, d_model: int, ffn_width: int) -> None:
        super().__init__()
        self.mixer_norm = RMSNorm(d_model)
        self.mixer = mixer
        self.ffn_norm = RMSNorm(d_model)
        self.ffn = SwiGLU(d_model, ffn_width)

    def forward(self, x_BTD: Tensor, state: Any = None) -> tuple[Tensor, Any]:
        """Apply the block; `state` is the mixer's."""
        mixed_BTD, state = self.mixer(self.mixer_norm(x_BTD), state)
        x_BTD = x_BTD + mixed_BTD
        return x_BTD + self.ffn(self.ffn_norm(x_BTD)), state


class Backbone(nn.Module):
    """A language model whose only free part is the mixer.

    Each part draws its initial weights from its own stream of the seed, so that candidate and
    baseline with one seed share embedding and whatever else they have in common.

    Args:
        mixer_class: called as `mixer_class(d_model, n_heads, layer_index)` once per layer.
        shape: `ffn_width` must be set; see `solve_ffn_width`.
        seed: of the initial weights.
    """

    def __init__(self, mixer_class: type[nn.Module], shape: Shape, *, seed: int) -> None:
        super().__init__()
        torch.manual_seed(_stream(seed, "embedding"))
        self.embedding = nn.Embedding(shape.vocab_size, shape.d_model)
        # D^-1/2 for the head, times sqrt(D) on the way in (Vaswani et al. 2017, section 3.4): with
        # deviation 0.02 recall of 8 pairs did not start in 400 steps (docs/log.md)
        self.embedding_scale = shape.d_model**0.5
        nn.init.normal_(self.embedding.weight, std=1 / self.embedding_scale)
        blocks = []
        for layer in range(shape.n_layers):
            torch.manual_seed(_stream(seed, f"mixer {layer}"))
            mixer = mixer_class(shape.d_model, shape.n_heads, layer)
            torch.manual_seed(_stream(seed, f"ffn {layer}"))
            blocks.append(Block(mixer, shape.d_model, shape.ffn_width))
        self.blocks = nn.ModuleList(blocks)
        self.norm = RMSNorm(shape.d_model)

    def hidden(self, tokens_BT: Tensor, states: list[Any] | None = None) -> tuple[Tensor, list]:
        """Return the final hidden states (B, T, D) and the mixers' states, one per layer."""
        x_BTD = self.embedding(tokens_BT) * self.embedding_scale
        new_states = []
        for layer, block in enumerate(self.blocks):
            x_BTD, state = block(x_BTD, None if states is None else states[layer])
            new_states.append(state)
        return self.norm(x_BTD), new_states

    def logits(self, hidden: Tensor) -> Tensor:
        """Project hidden states (..., D) to logits (..., V) with the tied embedding."""
        return F.linear(hidden, self.embedding.weight)

    def forward(self, tokens_BT: Tensor, states: list[Any] | None = None) -> tuple[Tensor, list]:
        """Return logits (B, T, V) and the mixers' states."""
        hidden_BTD, states = self.hidden(tokens_BT, states)
        return self.logits(hidden_BTD), states


def solve_ffn_width(mixer_class: type[nn.Module], shape: Shape, *, n_parameters: int) -> int:
    """Return the feed-forward width at which the whole model has `n_parameters`, as near as can be.

    One unit of width costs 3·D·n_layers parameters, so the result is within half of that.

    Raises:
        SizeError: the mixers are so large that the width would fall below MIN_FFN_WIDTH.
    """
    smallest = shape.with_ffn(MIN_FFN_WIDTH)
    n_smallest = count_state(Backbone(mixer_class, smallest, seed=0))
    per_unit = 3 * shape.d_model * shape.n_layers
    width = MIN_FFN_WIDTH + round((n_parameters - n_smallest) / per_unit)
    if width < MIN_FFN_WIDTH:
        raise SizeError(
            f"the model must have {n_parameters} parameters, but has {n_smallest} with the "
            f"narrowest feed-forward part ({MIN_FFN_WIDTH}); the mixer needs at most "
            f"{max(0, _mixer_room(shape, n_parameters))} parameters per layer"
        )
    return width


def _mixer_room(shape: Shape, n_parameters: int) -> int:
    d = shape.d_model
    fixed = shape.vocab_size * d + d + shape.n_layers * (2 * d + 3 * d * MIN_FFN_WIDTH)
    return (n_parameters - fixed) // shape.n_layers


def count_state(model: nn.Module) -> int:
    """Count the numbers a weights file of this model holds: parameters and persistent buffers."""
    return sum(tensor.numel() for tensor in model.state_dict().values())


def _stream(seed: int, part: str) -> int:
    digest = hashlib.sha256(f"{seed}/{part}".encode()).digest()
    return int.from_bytes(digest[:7], "big")
