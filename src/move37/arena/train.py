"""The `train` job: build the model, take the steps, hand out a snapshot.

One recipe for candidates and baselines alike. It knows no task: batches of tokens and targets
arrive as arrays. The loss it reports is for pictures; the scorer outside computes every number that
counts.

S steps, B batch, T time, D model channels.
"""

from __future__ import annotations

import contextlib
import math
import socket
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from move37.arena import kernels, snapshot
from move37.arena.backbone import Backbone, Shape, solve_ffn_width
from move37.arena.contract import load_mixer
from move37.lab.wire import Message, send

REPORT_EVERY = 10  # steps between points of the curve


class Diverged(FloatingPointError):
    """Loss or gradient is no longer finite; the worker tells such errors apart."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Recipe:
    """How to train; the fields of `core.config.Training` that the arena needs."""

    learning_rate: float
    final_learning_rate: float
    warmup_steps: int
    total_steps: int
    weight_decay: float
    gradient_clip: float
    device: str = "cpu"
    dtype: str = "float32"
    compile: bool = False
    fla: bool = False


def serve(connection: socket.socket, request: Message) -> None:
    """Answer one `train` request with progress messages and then `trained`."""
    fields = request.fields
    shape = Shape(**fields["shape"])
    recipe = Recipe(**fields["recipe"])
    mixer_class = load_mixer(fields["source"], compiles=recipe.compile, fla_itself=recipe.fla)
    shape = shape.with_ffn(solve_ffn_width(mixer_class, shape, n_parameters=fields["n_parameters"]))
    model = Backbone(mixer_class, shape, seed=fields["seed"])
    initialisation = snapshot.initialisation(model)
    model = model.to(recipe.device)
    optimizer = make_optimizer(model, recipe)
    if "snapshot" in request.blobs:
        snapshot.load(model, optimizer, request.blobs["snapshot"])
    with kernels.using_fla() if recipe.fla else contextlib.nullcontext():
        curve = fit(
            model,
            optimizer,
            recipe,
            inputs_SBT=torch.from_numpy(request.arrays["inputs"]).long(),
            targets_SBT=torch.from_numpy(request.arrays["targets"]).long(),
            first_step=fields["first_step"],
            seed=fields["seed"],
            report=lambda step, loss: send(
                connection, Message(kind="progress", fields={"step": step, "loss": loss})
            ),
        )
    send(
        connection,
        Message(
            kind="trained",
            fields={
                "ffn_width": shape.ffn_width,
                "curve": curve,
                "initialisation": initialisation,
            },
            blobs={"snapshot": snapshot.save(model, optimizer)},
        ),
    )


def fit(
    model: Backbone,
    optimizer: torch.optim.Optimizer,
    recipe: Recipe,
    *,
    inputs_SBT: Tensor,
    targets_SBT: Tensor,
    first_step: int,
    seed: int,
    report: Any,
) -> list[tuple[int, float]]:
    """Take one step per leading row of the data; return the curve as (step, loss in nats).

    Args:
        model: in place.
        optimizer: over the model's parameters; see `make_optimizer`.
        recipe: learning-rate schedule and clipping.
        inputs_SBT: token ids.
        targets_SBT: token ids to be predicted, or -1; rows without any are no part of the batch.
        first_step: place of the first batch in the schedule.
        seed: of whatever the candidate draws during training.
        report: called as report(step, loss) every REPORT_EVERY steps.

    Raises:
        Diverged: a loss or gradient norm is not finite.
    """
    torch.manual_seed(seed * 1_000_003 + first_step)
    model.train()
    forward = torch.compile(model.hidden) if recipe.compile else model.hidden
    device = recipe.device
    parameters = [p for p in model.parameters() if p.requires_grad]
    curve: list[tuple[int, float]] = []
    recent: list[float] = []
    for offset in range(len(inputs_SBT)):
        step = first_step + offset
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(step, recipe)
        has_target_B = (targets_SBT[offset] >= 0).any(dim=1)
        inputs_BT, targets_BT = inputs_SBT[offset][has_target_B], targets_SBT[offset][has_target_B]
        with torch.autocast(device, torch.bfloat16, enabled=recipe.dtype == "bfloat16"):
            loss = row_mean_loss(model, forward, inputs_BT.to(device), targets_BT.to(device))
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        norm = nn.utils.clip_grad_norm_(parameters, recipe.gradient_clip)
        value = loss.item()
        if not math.isfinite(value + norm.item()):
            raise Diverged(
                f"at step {step} the loss is {value:.4g} and the gradient norm {norm.item():.4g}"
            )
        optimizer.step()
        recent.append(value)
        if len(recent) == REPORT_EVERY or offset == len(inputs_SBT) - 1:
            mean = sum(recent) / len(recent)
            curve.append((step + 1, mean))
            report(step + 1, mean)
            recent.clear()
    return curve


def row_mean_loss(model: Backbone, forward: Any, inputs_BT: Tensor, targets_BT: Tensor) -> Tensor:
    """Return the mean over rows of each row's mean cross-entropy, in nats.

    Rows weigh the same however many targets they have, so that no task rules the mixture. The head
    runs only where there is a target.
    """
    hidden_BTD, _ = forward(inputs_BT)
    has_target_BT = targets_BT >= 0
    per_row_B = has_target_BT.sum(dim=1).clamp(min=1)
    weight_BT = (1.0 / (per_row_B * len(inputs_BT)))[:, None].expand_as(targets_BT)
    nats = F.cross_entropy(
        model.logits(hidden_BTD[has_target_BT]), targets_BT[has_target_BT], reduction="none"
    )
    return (nats * weight_BT[has_target_BT]).sum()


def make_optimizer(model: nn.Module, recipe: Recipe) -> torch.optim.Optimizer:
    """Return AdamW (Loshchilov & Hutter, arXiv 1711.05101); matrices decay, vectors do not."""
    parameters = [p for p in model.parameters() if p.requires_grad]
    groups = [
        {
            "params": [p for p in parameters if p.ndim >= 2],
            "weight_decay": recipe.weight_decay,
        },
        {"params": [p for p in parameters if p.ndim < 2], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=recipe.learning_rate, betas=(0.9, 0.95), foreach=True)


def learning_rate(step: int, recipe: Recipe) -> float:
    """Return the rate at a step: linear warm-up, then cosine down to the final rate."""
    if step < recipe.warmup_steps:
        return recipe.learning_rate * (step + 1) / recipe.warmup_steps
    span = max(1, recipe.total_steps - recipe.warmup_steps)
    progress = min(1.0, (step - recipe.warmup_steps) / span)
    cosine = 0.5 * (1 + math.cos(math.pi * progress))
    return recipe.final_learning_rate + cosine * (recipe.learning_rate - recipe.final_learning_rate)
