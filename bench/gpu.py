"""One command for a machine with CUDA: kernels, throughput, projected hours, peak memory.

    python bench/gpu.py [--steps 30] [--mixers gated_deltanet,softmax_attention]

Prints three tables: kernels, torch form against fla where installed; tokens per second of the
`explore` preset (20M parameters) in bf16 with torch.compile; projected GPU hours for one billion
tokens with peak memory. The ancestor (ASI-Arch) needed 5.6 GPU hours a billion tokens; the
goal is 0.15. Without a CUDA device it says so and exits 0.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable

import torch

from move37.arena import kernels
from move37.arena.backbone import Backbone, Shape, count_state, solve_ffn_width
from move37.arena.contract import load_mixer
from move37.arena.train import Recipe, fit, make_optimizer
from move37.campaign.settings import load_preset
from move37.lab.references import reference_source
from move37.lab.tasks import VOCAB_SIZE

BILLION = 1e9
DEFAULT_MIXERS = "softmax_attention,gla,mamba2,deltanet,gated_deltanet"
REPEATS = 10


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--steps", type=int, default=30, help="training steps timed per mixer")
    parser.add_argument("--mixers", default=DEFAULT_MIXERS, help="comma-separated")
    arguments = parser.parse_args()
    if not torch.cuda.is_available():
        print("no CUDA device here: nothing measured")
        sys.exit(0)
    print(f"{torch.cuda.get_device_name()}, torch {torch.__version__}")
    _kernels()
    _training(arguments.mixers.split(","), arguments.steps)


def _kernels(n_batch: int = 8, length: int = 2048, n_heads: int = 8, width: int = 64) -> None:
    """Forward and backward of each recurrent kernel; torch form by float64-free CPU-style call."""
    print("\n| kernel, B8 T2048 H8 d64 bf16 | torch form ms | fla ms |")
    print("|---|---|---|")
    for name, call in _kernel_calls(n_batch, length, n_heads, width).items():
        with kernels.torch_only():
            plain = _milliseconds(call)
        fused = f"{_milliseconds(call):.2f}" if kernels.has_fla() else "fla not installed"
        print(f"| {name} | {plain:.2f} | {fused} |")


def _kernel_calls(
    n_batch: int, length: int, n_heads: int, width: int
) -> dict[str, Callable[[], torch.Tensor]]:
    def draw(*shape: int) -> torch.Tensor:
        return torch.randn(*shape, device="cuda", dtype=torch.bfloat16, requires_grad=True)

    q, k, v = (draw(n_batch, length, n_heads, width) for _ in range(3))
    raw_beta, raw_decay = (draw(n_batch, length, n_heads) for _ in range(2))

    def unit(x: torch.Tensor) -> torch.Tensor:
        return kernels.l2_norm(x)

    return {
        "linear_attention": lambda: kernels.linear_attention(unit(q), unit(k), v)[0],
        "linear_attention, per-head decay": lambda: kernels.linear_attention(
            unit(q), unit(k), v, log_decay=torch.nn.functional.logsigmoid(raw_decay)
        )[0],
        "delta_rule": lambda: kernels.delta_rule(unit(q), unit(k), v, raw_beta.sigmoid())[0],
        "gated_delta_rule": lambda: kernels.gated_delta_rule(
            unit(q), unit(k), v, raw_beta.sigmoid(), torch.nn.functional.logsigmoid(raw_decay)
        )[0],
    }


def _milliseconds(call: Callable[[], torch.Tensor]) -> float:
    times = []
    for _ in range(REPEATS + 3):
        torch.cuda.synchronize()
        start = time.perf_counter()
        call().float().sum().backward()
        torch.cuda.synchronize()
        times.append((time.perf_counter() - start) * 1e3)
    return statistics.median(times[3:])


def _training(names: list[str], n_steps: int) -> None:
    preset = load_preset("explore")
    recipe = Recipe(
        **{
            **preset.training.model_dump(exclude={"batch_size", "length"}),
            "device": "cuda",
            "dtype": "bfloat16",
            "compile": True,
        }
    )
    print("\n| mixer | parameters | tokens/s | GPU hours per 1B tokens | peak memory GB |")
    print("|---|---|---|---|---|")
    shape_of_batch = (n_steps, preset.training.batch_size, preset.training.length)
    inputs = torch.randint(0, VOCAB_SIZE, shape_of_batch)
    for name in names:
        mixer = load_mixer(reference_source(name))
        shape = Shape(**preset.model.model_dump(exclude={"n_parameters"}), vocab_size=VOCAB_SIZE)
        width = solve_ffn_width(mixer, shape, n_parameters=preset.model.n_parameters)
        model = Backbone(mixer, shape.with_ffn(width), seed=0).cuda()
        optimizer = make_optimizer(model, recipe)
        torch.cuda.reset_peak_memory_stats()
        for is_timed in (False, True):
            torch.cuda.synchronize()
            start = time.perf_counter()
            fit(
                model,
                optimizer,
                recipe,
                inputs_SBT=inputs,
                targets_SBT=inputs.roll(-1, -1),
                first_step=0,
                seed=0,
                report=lambda *_: None,
            )
            torch.cuda.synchronize()
            if is_timed:
                rate = inputs.numel() / (time.perf_counter() - start)
        print(
            f"| {name} | {count_state(model):,} | {rate:,.0f} | {BILLION / rate / 3600:.2f} "
            f"| {torch.cuda.max_memory_allocated() / 2**30:.1f} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
