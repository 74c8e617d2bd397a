"""Products of decays inside a chunk, for any decay from 1 down to 0, without a quotient.

Within a chunk let G_t be the sum of log decays of positions 0..t. A recurrence needs, of each left
row x_t and right row y_s,

    pairs       M[t, s] = sum_k x_t[k] exp(G_t - G_s)[k] y_s[k]   for s <= t, else 0
    from start  exp(G_t) x_t
    to end      exp(G_last - G_s) y_s
    whole       exp(G_last)

The textbook factors exp(G_t) and exp(-G_s) overflow for strong decay, and differences of sums lose
digits. Here the chunk is halved again and again: for t in a second half and s in the first half
before it, the decay is (product from the middle up to t) times (product after s up to the middle).
Both are products of numbers in [0, 1], grown from small blocks to large ones: nothing can overflow,
a decay of exactly 0 (log -inf) is exact, and one exp per element is all there is.

Backward needs no derivative of any product: everything depends on G only through exp(G_t) x_t and
exp(-G_s) y_s, hence dG_t = x_t * dx_t - y_t * dy_t, and dg_t is the sum of dG from t on.

N chunks times rows, C positions, K key dim, E = 1 (one decay for all channels) or K, m positions in
a block, n left rows of one position times right rows.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from move37.arena.kernels.autograd import first_derivative

Rows = Sequence[Tensor]
Pairs = list[list[Tensor]]


@dataclass(frozen=True, slots=True)
class Decayed:
    """What decay makes of left and right rows."""

    pairs: Pairs
    """pairs[i][r], (..., C, C), is of lefts[i] and rights[r]; zero above the diagonal."""
    lefts: list[Tensor]
    """exp(G_t) x_t."""
    rights: list[Tensor]
    """exp(G_last - G_s) y_s."""
    whole: Tensor | None
    """(..., E, 1): what a state keeps over the chunk; None without decay."""


def decay_rows(lefts: Rows, rights: Rows, log_decay: Tensor | None) -> Decayed:
    """Pair left rows with right rows of the same or earlier positions, under a decay.

    Args:
        lefts: each (..., C, K), contiguous; C is a power of two.
        rights: each (..., C, K), contiguous.
        log_decay: (..., C, 1), (..., C, K), or None; entries in [-inf, 0].

    Returns:
        Differentiable once, in all arguments.
    """
    n_left, n_right = len(lefts), len(rights)
    if log_decay is None:
        pairs = _MaskedPairs.apply(n_left, *lefts, *rights)
        return Decayed(_nested(pairs, n_right), list(lefts), list(rights), None)
    *flat, whole = _DecayedRows.apply(log_decay, n_left, *lefts, *rights)
    n_pairs = n_left * n_right
    return Decayed(
        _nested(flat[:n_pairs], n_right),
        flat[n_pairs : n_pairs + n_left],
        flat[n_pairs + n_left :],
        whole,
    )


class _MaskedPairs(torch.autograd.Function):
    """Pairs without decay: the lower triangle of x y^T."""

    @staticmethod
    def forward(ctx: Any, n_left: int, *rows: Tensor) -> tuple[Tensor, ...]:
        ctx.n_left = n_left
        ctx.save_for_backward(*rows)
        mask_CC = _lower(rows[0])
        return tuple((x @ y.mT).mul_(mask_CC) for x in rows[:n_left] for y in rows[n_left:])

    @staticmethod
    @first_derivative
    def backward(ctx: Any, *d_pairs: Tensor) -> tuple[Tensor | None, ...]:
        lefts, rights = ctx.saved_tensors[: ctx.n_left], ctx.saved_tensors[ctx.n_left :]
        mask_CC = _lower(lefts[0])
        d_lefts, d_rights = _product_gradients(
            _nested([d * mask_CC for d in d_pairs], len(rights)), lefts, rights
        )
        return None, *d_lefts, *d_rights


class _DecayedRows(torch.autograd.Function):
    """Pairs, left rows from the start, right rows to the end, and the whole chunk's decay."""

    @staticmethod
    def forward(ctx: Any, log_decay: Tensor, n_left: int, *rows: Tensor) -> tuple[Tensor, ...]:
        ctx.n_left = n_left
        ctx.save_for_backward(log_decay, *rows)
        lefts, rights = rows[:n_left], rows[n_left:]
        forward = _scalar_pairs if log_decay.shape[-1] == 1 else _channel_pairs
        pairs, prefix, suffix = forward(lefts, rights, log_decay.exp())
        return (
            *(pair for row in pairs for pair in row),
            *(x * prefix for x in lefts),
            *(y * suffix for y in rights),
            prefix[..., -1, :, None].clone(),
        )

    @staticmethod
    @first_derivative
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        log_decay, *rows = ctx.saved_tensors
        lefts, rights = rows[: ctx.n_left], rows[ctx.n_left :]
        n_pairs = len(lefts) * len(rights)
        d_pairs = _nested([d.contiguous() for d in grads[:n_pairs]], len(rights))
        d_far_lefts, d_far_rights = (
            grads[n_pairs : n_pairs + len(lefts)],
            grads[n_pairs + len(lefts) : -1],
        )
        backward = _scalar_gradients if log_decay.shape[-1] == 1 else _channel_gradients
        d_lefts, d_rights, prefix, suffix = backward(d_pairs, lefts, rights, log_decay.exp())
        for dx, d_far in zip(d_lefts, d_far_lefts, strict=True):
            dx.addcmul_(d_far, prefix)
        for dy, d_far in zip(d_rights, d_far_rights, strict=True):
            dy.addcmul_(d_far, suffix)
        if not ctx.needs_input_grad[0]:
            return None, None, *d_lefts, *d_rights
        dG = _dot(lefts, d_lefts, like=log_decay).sub_(_dot(rights, d_rights, like=log_decay))
        at_end = _dot(rights, d_far_rights, like=log_decay).mul_(suffix).sum(-2)
        dG[..., -1, :] += at_end.addcmul_(grads[-1].squeeze(-1), prefix[..., -1, :])
        later = _lower(dG).mT
        d_log_decay = (later @ dG).masked_fill_(log_decay == -torch.inf, 0)
        return d_log_decay, None, *d_lefts, *d_rights


def _scalar_pairs(lefts: Rows, rights: Rows, decay: Tensor) -> tuple[Pairs, Tensor, Tensor]:
    table, prefix, suffix = _decay_table(decay)
    return [[(x @ y.mT).mul_(table) for y in rights] for x in lefts], prefix, suffix


def _scalar_gradients(
    d_pairs: Pairs, lefts: Rows, rights: Rows, decay: Tensor
) -> tuple[list[Tensor], list[Tensor], Tensor, Tensor]:
    table, prefix, suffix = _decay_table(decay)
    d_products = [[d * table for d in row] for row in d_pairs]
    return *_product_gradients(d_products, lefts, rights), prefix, suffix


def _decay_table(decay: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return exp(G_t - G_s) as (..., C, C), zero above the diagonal, with prefix and suffix."""
    n_positions = decay.shape[-2]
    prefix, suffix = decay.clone(), torch.ones_like(decay)
    table = decay.new_zeros(*decay.shape[:-2], n_positions, n_positions)
    table.diagonal(dim1=-2, dim2=-1).fill_(1)
    for m in _block_sizes(n_positions):
        _corners(table, m).copy_(_half(prefix, m, 1) * _half(suffix, m, 0).mT)
        _grow(prefix, suffix, m)
    return table, prefix, suffix


def _channel_pairs(lefts: Rows, rights: Rows, decay: Tensor) -> tuple[Pairs, Tensor, Tensor]:
    prefix, suffix = decay, torch.ones_like(decay)
    n_positions = decay.shape[-2]
    pairs = [[x.new_zeros(*x.shape[:-1], n_positions) for _ in rights] for x in lefts]
    for x, row in zip(lefts, pairs, strict=True):
        for y, pair in zip(rights, row, strict=True):
            pair.diagonal(dim1=-2, dim2=-1).copy_((x * y).sum(-1))
    for m in _block_sizes(n_positions):
        left, right = _gather(lefts, prefix, m, 1), _gather(rights, suffix, m, 0)
        blocks = left @ right.mT
        for i, row in enumerate(pairs):
            for r, pair in enumerate(row):
                block = blocks[..., i * m : (i + 1) * m, r * m : (r + 1) * m]
                _corners(pair, m).copy_(block)
        _grow(prefix, suffix, m)
    return pairs, prefix, suffix


def _channel_gradients(
    d_pairs: Pairs, lefts: Rows, rights: Rows, decay: Tensor
) -> tuple[list[Tensor], list[Tensor], Tensor, Tensor]:
    prefix, suffix = decay, torch.ones_like(decay)
    diagonals = [[d.diagonal(dim1=-2, dim2=-1)[..., None] for d in row] for row in d_pairs]
    columns = list(zip(*diagonals, strict=True))
    d_lefts = [_weighted_sum(row, rights) for row in diagonals]
    d_rights = [_weighted_sum(column, lefts) for column in columns]
    for m in _block_sizes(decay.shape[-2]):
        left, right = _gather(lefts, prefix, m, 1), _gather(rights, suffix, m, 0)
        d_blocks = torch.cat(
            [torch.cat([_corners(d, m) for d in row], dim=-1) for row in d_pairs], dim=-2
        )
        _scatter_add(d_lefts, d_blocks @ right, prefix, m, 1)
        _scatter_add(d_rights, d_blocks.mT @ left, suffix, m, 0)
        _grow(prefix, suffix, m)
    return d_lefts, d_rights, prefix, suffix


def _block_sizes(n_positions: int) -> Iterator[int]:
    """Yield 1, 2, 4, … below n_positions."""
    m = 1
    while m < n_positions:
        yield m
        m *= 2


def _half(x: Tensor, m: int, half: int) -> Tensor:
    """Return the first (0) or second (1) blocks of all pairs of blocks: (..., C/2m, m, K)."""
    return x.unflatten(-2, (-1, 2, m))[..., half, :, :]


def _corners(pair: Tensor, m: int) -> Tensor:
    """Return, as a view, where second blocks meet first ones: (..., C/2m, m, m)."""
    n_blocks = pair.shape[-1] // (2 * m)
    tiles = pair.unflatten(-1, (n_blocks, 2 * m)).unflatten(-3, (n_blocks, 2 * m))
    return tiles.diagonal(dim1=-4, dim2=-2)[..., m:, :m, :].movedim(-1, -3)


def _grow(prefix: Tensor, suffix: Tensor, m: int) -> None:
    """Turn products within blocks of m into products within blocks of 2 m, in place."""
    first_suffix, second_prefix = _half(suffix, m, 0), _half(prefix, m, 1)
    first_suffix.mul_(second_prefix[..., -1:, :])
    second_prefix.mul_(_half(prefix, m, 0)[..., -1:, :])


def _gather(rows: Rows, factor: Tensor, m: int, half: int) -> Tensor:
    """Return halves of all rows times their factor, side by side: (..., C/2m, n·m, K)."""
    factor = _half(factor, m, half)
    if len(rows) == 1:
        return _half(rows[0], m, half) * factor
    return torch.cat([_half(x, m, half) * factor for x in rows], dim=-2)


def _scatter_add(d_rows: Rows, d_gathered: Tensor, factor: Tensor, m: int, half: int) -> None:
    factor = _half(factor, m, half)
    for dx, d in zip(d_rows, d_gathered.split(m, dim=-2), strict=True):
        _half(dx, m, half).addcmul_(d, factor)


def _product_gradients(
    d_products: Pairs, lefts: Rows, rights: Rows
) -> tuple[list[Tensor], list[Tensor]]:
    """Return the gradients of all x y^T with respect to all x and all y."""
    columns = list(zip(*d_products, strict=True))
    d_lefts = [_matrix_sum(row, rights) for row in d_products]
    d_rights = [_matrix_sum([d.mT for d in column], lefts) for column in columns]
    return d_lefts, d_rights


def _matrix_sum(matrices: Rows, rows: Rows) -> Tensor:
    total = matrices[0] @ rows[0]
    for matrix, row in zip(matrices[1:], rows[1:], strict=True):
        total += matrix @ row
    return total


def _weighted_sum(weights: Rows, rows: Rows) -> Tensor:
    total = weights[0] * rows[0]
    for weight, row in zip(weights[1:], rows[1:], strict=True):
        total.addcmul_(weight, row)
    return total


def _dot(rows: Rows, d_rows: Rows, *, like: Tensor) -> Tensor:
    """Return the sum of x * dx over rows, and over channels where `like` has one."""
    total = _weighted_sum(rows, d_rows)
    return total.sum(-1, keepdim=True) if like.shape[-1] == 1 else total


def _lower(x: Tensor) -> Tensor:
    return x.new_ones(x.shape[-2], x.shape[-2]).tril()


def _nested(flat: Rows, n_right: int) -> Pairs:
    return [list(flat[i : i + n_right]) for i in range(0, len(flat), n_right)]
