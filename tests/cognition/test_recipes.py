"""A card's recipe from our kernels computes what its mechanism says, step by step.

B batch, T time, H heads, K key width, V value width.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from move37.arena.kernels import (
    associative_scan,
    delta_rule,
    dplr_delta_rule,
    gated_delta_rule,
    l2_norm,
    linear_attention,
)
from move37.cognition.cards import shipped_cards

B, T, H, K, V = 2, 40, 2, 8, 6
CARDS = {card.id: card for card in shipped_cards()}
EYE = torch.eye(K, dtype=torch.float64)


class Inputs:
    """What the recipes are fed: plain keys, unit keys, and gates of all shapes."""

    def __init__(self) -> None:
        torch.manual_seed(0)

        def normal(*shape: int) -> Tensor:
            return torch.randn(B, T, H, *shape, dtype=torch.float64)

        self.q, self.k, self.v = normal(K), normal(K), normal(V)
        self.k2, self.v2 = l2_norm(normal(K)), normal(V)
        self.unit = l2_norm(self.k)
        self.beta, self.beta2 = torch.sigmoid(normal()), torch.sigmoid(normal())
        self.rate, self.erase = torch.sigmoid(normal(K)), torch.sigmoid(normal(K))
        self.write = torch.sigmoid(normal(V))
        self.g, self.g_K = -0.3 * F.softplus(normal()), -0.3 * F.softplus(normal(K))


def steps(x: Inputs, step: Callable[[Tensor, int], Tensor]) -> Tensor:
    """Run a recurrence of S (B, H, K, V), read it with q after every step."""
    state, reads = torch.zeros(B, H, K, V, dtype=torch.float64), []
    for t in range(T):
        state = step(state, t)
        reads.append(read(state, x.q[:, t]))
    return torch.stack(reads, 1)


def read(state: Tensor, key: Tensor) -> Tensor:
    return torch.einsum("bhkv,bhk->bhv", state, key)


def outer(left: Tensor, right: Tensor) -> Tensor:
    return left[..., :, None] * right[..., None, :]


def kimi_delta_attention(x: Inputs) -> tuple[Tensor, Tensor]:
    def step(state: Tensor, t: int) -> Tensor:
        k, beta = x.unit[:, t], x.beta[:, t, :, None]
        state = x.g_K[:, t].exp()[..., None] * state
        return state + outer(beta * k, x.v[:, t] - read(state, k))

    return steps(x, step), gated_delta_rule(x.q, x.unit, x.v, x.beta, x.g_K)[0]


def kimi_by_dplr(x: Inputs) -> tuple[Tensor, Tensor]:
    want, _ = kimi_delta_attention(x)
    beta_k = x.beta[..., None] * x.unit
    return want, dplr_delta_rule(x.q, beta_k, x.v, -beta_k, x.g_K.exp() * x.unit, x.g_K)[0]


def separate_erase_write(x: Inputs) -> tuple[Tensor, Tensor]:
    def step(state: Tensor, t: int) -> Tensor:
        k = x.unit[:, t]
        state = x.g_K[:, t].exp()[..., None] * state
        state = (EYE - outer(k, x.erase[:, t] * k)) @ state
        return state + outer(k, x.write[:, t] * x.v[:, t])

    b = x.g_K.exp() * x.erase * x.unit
    got, _ = dplr_delta_rule(x.q, x.unit, x.write * x.v, -x.unit, b, x.g_K)
    return steps(x, step), got


def rwkv7(x: Inputs) -> tuple[Tensor, Tensor]:
    def step(state: Tensor, t: int) -> Tensor:
        kappa = x.unit[:, t]
        transition = torch.diag_embed(x.g_K[:, t].exp()) - outer(x.rate[:, t] * kappa, kappa)
        return transition @ state + outer(x.k[:, t], x.v[:, t])

    got, _ = dplr_delta_rule(x.q, x.k, x.v, -(x.rate * x.unit), x.unit, x.g_K)
    return steps(x, step), got


def comba(x: Inputs, *, b: float = 0.7) -> tuple[Tensor, Tensor]:
    def step(state: Tensor, t: int) -> Tensor:
        k, beta = x.unit[:, t], x.beta[:, t, :, None]
        alpha = x.g[:, t, :, None, None].exp()
        state = alpha * (EYE - b * outer(beta * k, k)) @ state
        return state + outer(beta * k, x.v[:, t])

    return steps(x, step), gated_delta_rule(x.q, x.unit, x.v / b, b * x.beta, x.g)[0]


def on_unit_keys(x: Inputs, strength: Callable[[Tensor], Tensor]) -> tuple[Tensor, Tensor]:
    """(I - e k k^T) S + e k v^T for plain keys, e |k|^2 given, by the delta rule on unit keys."""
    size = x.k.norm(dim=-1)
    share = strength(size**2)

    def step(state: Tensor, t: int) -> Tensor:
        k = x.k[:, t]
        epsilon = (share / size**2)[:, t, :, None]
        return state + outer(epsilon * k, x.v[:, t] - read(state, k))

    return steps(x, step), delta_rule(x.q, x.unit, x.v / size[..., None], share)[0]


def longhorn(x: Inputs) -> tuple[Tensor, Tensor]:
    return on_unit_keys(x, lambda kk: x.beta * kk / (1 + x.beta * kk))


def efla(x: Inputs) -> tuple[Tensor, Tensor]:
    return on_unit_keys(x, lambda kk: 1 - torch.exp(-x.beta * kk))


def curvature_aware(x: Inputs) -> tuple[Tensor, Tensor]:
    energy = [torch.zeros(B, H, K, dtype=torch.float64)]
    for t in range(T):
        energy.append(x.g[:, t, :, None].exp() * energy[-1] + x.unit[:, t] ** 2)
    m = 1 / (1 + torch.stack(energy[1:], 1))

    def step(state: Tensor, t: int) -> Tensor:
        k, beta = x.unit[:, t], x.beta[:, t, :, None]
        state = x.g[:, t, :, None, None].exp() * state
        return state + outer(m[:, t] * k, beta * (x.v[:, t] - read(state, k)))

    decay = x.g[..., None].expand(B, T, H, K)
    m_by_scan = 1 / (1 + associative_scan(x.unit**2, decay)[0])
    key = x.beta[..., None] * m_by_scan * x.unit
    got, _ = dplr_delta_rule(x.q, key, x.v, -key, x.g[..., None].exp() * x.unit, x.g)
    return steps(x, step), got


def householder_products(x: Inputs) -> tuple[Tensor, Tensor]:
    def step(state: Tensor, t: int) -> Tensor:
        for k, v, beta in ((x.unit, x.v, x.beta), (x.k2, x.v2, x.beta2)):
            key = k[:, t]
            state = state + outer(beta[:, t, :, None] * key, v[:, t] - read(state, key))
        return state

    def interleaved(first: Tensor, second: Tensor) -> Tensor:
        return torch.stack((first, second), 2).flatten(1, 2)

    pairs = [interleaved(*p) for p in ((x.unit, x.k2), (x.v, x.v2), (x.beta, x.beta2))]
    return steps(x, step), delta_rule(interleaved(x.q, x.q), *pairs)[0][:, 1::2]


def additive_recurrence(x: Inputs) -> tuple[Tensor, Tensor]:
    """Weighted means per key channel, with weights exp(w) for w = k."""

    def step(state: Tensor, t: int) -> Tensor:
        before, now = (torch.logsumexp(x.k[:, :n], 1) if n else None for n in (t, t + 1))
        assert now is not None
        old = 0.0 * state if before is None else (before - now).exp()[..., None] * state
        return old + outer((x.k[:, t] - now).exp(), x.v[:, t])

    keys = x.k.exp()
    sums, _ = associative_scan(keys, torch.zeros_like(keys))
    return steps(x, step), linear_attention(x.q / sums, keys, x.v)[0]


RECIPES = {
    "kimi-delta-attention": (kimi_delta_attention, kimi_by_dplr),
    "separate-erase-write": (separate_erase_write,),
    "scalar-plus-low-rank": (comba,),
    "implicit-online-update": (longhorn,),
    "exact-delta-step": (efla,),
    "curvature-aware-write": (curvature_aware,),
    "householder-products": (householder_products,),
    "additive-recurrence": (additive_recurrence,),
    "vector-gated-delta": (rwkv7,),
}


@pytest.mark.parametrize("id_", RECIPES)
def test_the_recipe_is_the_mechanism(id_):
    assert id_ in CARDS
    for recipe in RECIPES[id_]:
        want, got = recipe(Inputs())
        torch.testing.assert_close(got, want, rtol=1e-6, atol=1e-6)
