"""Weights and optimiser state as one safetensors blob: what a trial hands out and goes on from."""

from __future__ import annotations

import hashlib

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


def initialisation(model: nn.Module) -> str:
    """Return a digest of the weights as they are now, and what built them.

    Equal for one source, seed and size wherever the same torch runs on the same kind of processor:
    other ones may draw numbers that differ in a last bit.
    """
    digest = hashlib.sha256()
    for name, tensor in model.state_dict().items():
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        flat = tensor.detach().cpu().contiguous().reshape(-1)
        digest.update(flat.view(torch.uint8).numpy().data)
    build = f"torch-{torch.__version__}/{torch.backends.cpu.get_cpu_capability()}"
    return f"{digest.hexdigest()} {build.replace(' ', '-')}"


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
