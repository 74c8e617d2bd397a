"""Weights and optimiser state as one safetensors blob: what a trial hands out and goes on from."""

from __future__ import annotations

import safetensors.torch
import torch
from torch import Tensor, nn

MODEL = "model."
OPTIMIZER = "optimizer."
MOMENTS = ("exp_avg", "exp_avg_sq")


def save(model: nn.Module, optimizer: torch.optim.Optimizer) -> bytes:
    """Return model weights and AdamW moments as safetensors bytes (float32, CPU)."""
    tensors: dict[str, Tensor] = {
        MODEL + name: tensor.detach().cpu().contiguous().clone()
        for name, tensor in model.state_dict().items()
    }
    for name, parameter in model.named_parameters():
        state = optimizer.state.get(parameter)
        if state:
            for moment in MOMENTS:
                tensors[f"{OPTIMIZER}{moment}.{name}"] = state[moment].cpu().contiguous().clone()
            tensors[OPTIMIZER + "step"] = torch.as_tensor(float(state["step"]))
    return safetensors.torch.save(tensors)


def load_model(model: nn.Module, blob: bytes) -> dict[str, Tensor]:
    """Load the weights into the model, strictly; return all tensors of the blob."""
    tensors = safetensors.torch.load(blob)
    weights = {
        name.removeprefix(MODEL): tensor
        for name, tensor in tensors.items()
        if name.startswith(MODEL)
    }
    model.load_state_dict(weights, strict=True)
    return tensors


def load(model: nn.Module, optimizer: torch.optim.Optimizer, blob: bytes) -> None:
    """Load weights and AdamW moments, so that training goes on as if it had not stopped."""
    tensors = load_model(model, blob)
    for name, parameter in model.named_parameters():
        if f"{OPTIMIZER}{MOMENTS[0]}.{name}" in tensors:
            optimizer.state[parameter] = {
                "step": tensors[OPTIMIZER + "step"].clone(),
                **{
                    moment: tensors[f"{OPTIMIZER}{moment}.{name}"].to(parameter.device)
                    for moment in MOMENTS
                },
            }
