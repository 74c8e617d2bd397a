"""Carry a state from chunk to chunk: the only loops over time, one light step per chunk.

J chunks, G = B·H rows, C positions, K key dim, V value dim, E = 1 or K.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from move37.arena.kernels.autograd import first_derivative


def carry(
    write_JGKV: Tensor, whole_JGE1: Tensor | None, start_GKV: Tensor
) -> tuple[Tensor, Tensor]:
    """Run S_{j+1} = whole_j * S_j + write_j over chunks.

    Args:
        write_JGKV: what each chunk adds by its end.
        whole_JGE1: what the state keeps over each chunk; None keeps all.
        start_GKV: the state before the first chunk.

    Returns:
        The state before each chunk, (J, G, K, V), and the last one, (G, K, V).
        Differentiable once.
    """
    return _Carry.apply(write_JGKV, whole_JGE1, start_GKV)


def erasing_carry(
    overlap_JGCC: Tensor,
    read_JGCK: Tensor,
    base_JGCV: Tensor,
    write_JGCK: Tensor,
    extra_JGKV: Tensor | None,
    whole_JGE1: Tensor | None,
    start_GKV: Tensor,
) -> tuple[Tensor, Tensor, Tensor]:
    """Run chunks in which each position writes what it has read before: the WY form.

    Within chunk j, with L the strict lower triangle of `overlap`,

        (I + L) u = base - read S_j           what each position writes, solved for all at once
        S_{j+1} = whole_j * S_j + write^T u + extra

    Args:
        overlap_JGCC: entries on and above the diagonal are ignored.
        read_JGCK: the rows by which S_j is read, decayed from the chunk's start.
        base_JGCV: what would be written to an empty state by a lone position.
        write_JGCK: the rows along which u is written, decayed to the chunk's end.
        extra_JGKV: further writes by the chunk's end, or None.
        whole_JGE1: what the state keeps over each chunk; None keeps all.
        start_GKV: the state before the first chunk.

    Returns:
        u (J, G, C, V), the state before each chunk (J, G, K, V), the last state (G, K, V).
        Differentiable once.

    Source: Yang et al. 2024, arXiv 2406.06484, section 3; Bischof & Van Loan 1987.
    """
    return _ErasingCarry.apply(
        overlap_JGCC, read_JGCK, base_JGCV, write_JGCK, extra_JGKV, whole_JGE1, start_GKV
    )


class _Carry(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, write_JGKV: Tensor, whole_JGE1: Tensor | None, start_GKV: Tensor
    ) -> tuple[Tensor, Tensor]:
        states = write_JGKV.new_empty(len(write_JGKV) + 1, *start_GKV.shape)
        states[0] = start_GKV
        for j, write in enumerate(write_JGKV):
            _keep(states[j], whole_JGE1, j, write, out=states[j + 1])
        ctx.save_for_backward(whole_JGE1, states)
        return states[:-1], states[-1].clone()

    @staticmethod
    @first_derivative
    def backward(ctx: Any, d_states: Tensor, d_last: Tensor) -> tuple[Tensor | None, ...]:
        whole_JGE1, states = ctx.saved_tensors
        d_all = torch.empty_like(states)
        d_all[-1] = d_last
        for j in reversed(range(len(d_states))):
            _keep(d_all[j + 1], whole_JGE1, j, d_states[j], out=d_all[j])
        return d_all[1:], _whole_gradient(whole_JGE1, states, d_all), d_all[0].clone()


class _ErasingCarry(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        overlap: Tensor,
        read: Tensor,
        base: Tensor,
        write: Tensor,
        extra: Tensor | None,
        whole: Tensor | None,
        start: Tensor,
    ) -> tuple[Tensor, Tensor, Tensor]:
        identity = torch.eye(overlap.shape[-1], dtype=overlap.dtype, device=overlap.device)
        inverse = torch.linalg.solve_triangular(
            overlap, identity.expand_as(overlap), upper=False, unitriangular=True
        )
        solved_read, u = inverse @ read, inverse @ base
        states = start.new_empty(len(u) + 1, *start.shape)
        states[0] = start
        for j in range(len(u)):
            u[j].baddbmm_(solved_read[j], states[j], alpha=-1)
            _keep(states[j], whole, j, None if extra is None else extra[j], out=states[j + 1])
            states[j + 1].baddbmm_(write[j].mT, u[j])
        ctx.save_for_backward(inverse, solved_read, write, whole, u, states)
        ctx.has_extra = extra is not None
        return u, states[:-1], states[-1].clone()

    @staticmethod
    @first_derivative
    def backward(
        ctx: Any, d_u: Tensor, d_states: Tensor, d_last: Tensor
    ) -> tuple[Tensor | None, ...]:
        inverse, solved_read, write, whole, u, states = ctx.saved_tensors
        d_total, d_all = torch.empty_like(u), torch.empty_like(states)
        d_all[-1] = d_last
        for j in reversed(range(len(u))):
            torch.baddbmm(d_u[j], write[j], d_all[j + 1], out=d_total[j])
            _keep(d_all[j + 1], whole, j, d_states[j], out=d_all[j])
            d_all[j].baddbmm_(solved_read[j].mT, d_total[j], alpha=-1)
        d_base = inverse.mT @ d_total
        return (
            (d_base @ u.mT).neg_().tril_(-1),
            (d_base @ states[:-1].mT).neg_(),
            d_base,
            u @ d_all[1:].mT,
            d_all[1:] if ctx.has_extra else None,
            _whole_gradient(whole, states, d_all),
            d_all[0].clone(),
        )


def _keep(state: Tensor, whole: Tensor | None, j: int, added: Tensor | None, out: Tensor) -> None:
    """Write whole_j * state + added to out."""
    if added is None:
        torch.mul(state, 1.0 if whole is None else whole[j], out=out)
    elif whole is None:
        torch.add(state, added, out=out)
    else:
        torch.addcmul(added, whole[j], state, out=out)


def _whole_gradient(whole: Tensor | None, states: Tensor, d_all: Tensor) -> Tensor | None:
    """Sum S_j * dS_{j+1} over what shares a decay."""
    if whole is None:
        return None
    before, after = states[:-1], d_all[1:]
    if whole.shape[-2] == 1:
        return before.flatten(-2)[..., None, :] @ after.flatten(-2)[..., None]
    return (before * after).sum(-1, keepdim=True)
