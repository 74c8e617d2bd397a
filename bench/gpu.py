"""One command for a machine with CUDA: kernels, throughput, projected hours, what the walls cost.

    python bench/gpu.py [--steps 20] [--mixers gated_deltanet,gla] [--parts kernels,training,lab]

Prints: kernels, torch form against fla where installed; tokens per second of the `explore` preset
(20M parameters) in bf16, as it is and with torch.compile, with projected GPU hours for one billion
tokens and peak memory; a sandboxed child that opens the GPU, and a whole trial behind the walls.
The ancestor (ASI-Arch) needed 5.6 GPU hours a billion tokens; the goal is 0.15. Without a CUDA
device it says so and exits 0.
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
from move37.core.budget import Limits
from move37.core.config import Preset, Rung
from move37.core.trial import Stage, TrialSpec
from move37.lab.laboratory import Laboratory
from move37.lab.references import reference_source
from move37.lab.tasks import VOCAB_SIZE
from move37.lab.trials import GPU_ROOM, TrialRequest, run_trial
from move37.lab.wire import Message

BILLION = 1e9
DEFAULT_MIXERS = "softmax_attention,gla,mamba2,deltanet,gated_deltanet"
REPEATS = 10
LAB_STEPS = 100
ROOM = Limits(wall_seconds=300, cpu_seconds=300, memory_bytes=16 * 2**30, **GPU_ROOM)
OPENING = """
import time

from move37.lab.wire import Message, send


def main(connection):
    import torch

    fields = {}
    for name, act in (
        ("opens", lambda: torch.zeros(1, device="cuda")),
        ("multiplies", lambda: torch.ones(9, 9, device="cuda") @ torch.ones(9, device="cuda")),
    ):
        began = time.perf_counter()
        act()
        torch.cuda.synchronize()
        fields[name] = time.perf_counter() - began
    send(connection, Message(kind="opened", fields=fields))
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=str(__doc__).split("\n\n")[0])
    parser.add_argument("--steps", type=int, default=20, help="training steps timed per mixer")
    parser.add_argument("--mixers", default=DEFAULT_MIXERS, help="comma-separated")
    parser.add_argument("--preset", default="explore")
    parser.add_argument("--parts", default="kernels,training,lab", help="comma-separated")
    arguments = parser.parse_args()
    if not torch.cuda.is_available():
        print("no CUDA device here: nothing measured")
        sys.exit(0)
    print(f"{torch.cuda.get_device_name()}, torch {torch.__version__}")
    preset = load_preset(arguments.preset)
    names = arguments.mixers.split(",")
    parts = {
        "kernels": _kernels,
        "training": lambda: _training(names, arguments.steps, preset),
        "lab": lambda: _lab(names[-1], preset),
    }
    for part in arguments.parts.split(","):
        parts[part]()


def _kernels(n_batch: int = 8, length: int = 2048, n_heads: int = 8, width: int = 64) -> None:
    """Forward and backward of each recurrent kernel."""
    print("\n| kernel, B8 T2048 H8 d64 bf16 | torch form ms | fla ms | fla's first s |")
    print("|---|---|---|---|")
    for name, call in _kernel_calls(n_batch, length, n_heads, width).items():
        plain = _milliseconds(call)
        fused, first = "fla not installed", ""
        if kernels.has_fla():
            began = time.perf_counter()
            with kernels.using_fla():
                fused = f"{_milliseconds(call):.2f}"
            first = f"{time.perf_counter() - began:.0f}"
        print(f"| {name} | {plain:.2f} | {fused} | {first} |", flush=True)


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


def _training(names: list[str], n_steps: int, preset: Preset) -> None:
    print(
        "\n| mixer | compiled | parameters | first steps s | tokens/s | GPU h per 1B tokens ",
        end="",
    )
    print("| peak memory GB |\n|---|---|---|---|---|---|---|")
    for name in names:
        for is_compiled in (False, True):
            _train_one(name, n_steps, preset, is_compiled=is_compiled)


def _train_one(name: str, n_steps: int, preset: Preset, *, is_compiled: bool) -> None:
    settings = preset.training.recipe()
    recipe = Recipe(**settings | {"device": "cuda", "dtype": "bfloat16", "compile": is_compiled})
    inputs = torch.randint(
        0, VOCAB_SIZE, (n_steps, preset.training.batch_size, preset.training.length)
    )
    mixer = load_mixer(reference_source(name), compiles=is_compiled)
    shape = Shape(**preset.model.model_dump(exclude={"n_parameters"}), vocab_size=VOCAB_SIZE)
    width = solve_ffn_width(mixer, shape, n_parameters=preset.model.n_parameters)
    model = Backbone(mixer, shape.with_ffn(width), seed=0).cuda()
    optimizer = make_optimizer(model, recipe)
    torch.compiler.reset()
    torch.cuda.reset_peak_memory_stats()
    seconds = []
    for n_taken in (3, n_steps):
        torch.cuda.synchronize()
        start = time.perf_counter()
        fit(
            model,
            optimizer,
            recipe,
            inputs_SBT=inputs[:n_taken],
            targets_SBT=inputs[:n_taken].roll(-1, -1),
            first_step=0,
            seed=0,
            report=lambda *_: None,
        )
        torch.cuda.synchronize()
        seconds.append(time.perf_counter() - start)
    rate = inputs.numel() / seconds[1]
    print(
        f"| {name} | {'yes' if is_compiled else 'no'} | {count_state(model):,} | {seconds[0]:.1f} "
        f"| {rate:,.0f} | {BILLION / rate / 3600:.2f} "
        f"| {torch.cuda.max_memory_allocated() / 2**30:.1f} |",
        flush=True,
    )


def _lab(name: str, preset: Preset) -> None:
    """What it costs to have the GPU behind the walls (docs/decisions/006)."""
    print(f"\n| behind the walls, {preset.name} | |\n|---|---|")
    began = time.perf_counter()
    with Laboratory(device="cuda") as laboratory:
        print(f"| the server starts, s | {time.perf_counter() - began:.1f} |")
        opened = [_open_in_child(laboratory) for _ in range(3)]
        for step in ("forks", "opens", "multiplies"):
            print(f"| a child {step}, s | {statistics.median(o[step] for o in opened):.2f} |")
        for steps in (3, LAB_STEPS):
            request = TrialRequest(
                spec=TrialSpec(candidate_id="bench", stage=Stage.SEARCH, rung=0, seed=0),
                source=reference_source(name),
                preset=preset.model_copy(update={"rungs": (Rung(steps=steps), *preset.rungs)}),
                secret=b"the gpu benchmark",
            )
            began = time.perf_counter()
            trial = run_trial(laboratory, request).trial
            seconds = time.perf_counter() - began
            print(f"| a whole trial of {steps} steps of {name}, s | {seconds:.1f} |")
            print(f"| its outcome | {trial.outcome.value} {trial.reason[-300:]} |", flush=True)


def _open_in_child(laboratory: Laboratory) -> dict[str, float]:
    began = time.perf_counter()
    with laboratory.session(ROOM) as session:
        forked = time.perf_counter() - began
        message = Message(kind="run", fields={"source": OPENING})
        reply = session.ask(message, timeout_seconds=120)
        if reply.kind != "opened":
            raise RuntimeError(f"the child answered {reply.kind}: {reply.fields}")
        return {"forks": forked, **reply.fields}


if __name__ == "__main__":
    main()
