"""Time the kernels: fast form against the plain loop, and the delta rule against the row-loop form.

    python bench/kernels.py [--lengths 256,512] [--repeats 9] [--width 32] [--chunks] [--decode]

One thread, float32, B4 H4, process time (robust to other load), in milliseconds as
min / median / max. "Row loop" is the chunk form as it is usually written in plain torch: the
triangular system of every chunk is solved row by row in Python. With --chunks the fast forms are
timed at chunk sizes 8 to 128, which is how the default was chosen; --decode times one token.

Goal: the delta rule, forward and backward at T 256, at least 2 times as fast as the row loop and
10 times as fast as the recurrence.
"""

from __future__ import annotations

import argparse
import functools
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from move37.arena import kernels
from move37.arena.kernels import reference

N_BATCH, N_HEADS = 4, 4
WARM_UP = 3
UNCHUNKED = ("associative_scan", "short_convolution")

Call = Callable[..., tuple[Tensor, Tensor]]
Inputs = dict[str, Tensor]


@dataclass(frozen=True)
class Timing:
    """Milliseconds of repeated calls."""

    times: list[float]

    def __str__(self) -> str:
        times = (min(self.times), statistics.median(self.times), max(self.times))
        return " / ".join(f"{t:.2f}" for t in times)

    @property
    def median(self) -> float:
        """The middle one."""
        return statistics.median(self.times)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=str(__doc__).split("\n\n")[0],
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("--lengths", default="256,512", help="sequence lengths, comma-separated")
    parser.add_argument("--repeats", type=int, default=9, help="timed calls per cell")
    parser.add_argument("--width", type=int, default=32, help="key and value dims of a head")
    parser.add_argument("--kernels", default="", help="names, comma-separated; default all")
    parser.add_argument("--chunks", action="store_true", help="time chunk sizes instead")
    parser.add_argument("--decode", action="store_true", help="time single tokens instead")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    if arguments.decode:
        _print_decoding(_inputs(1, arguments.width, arguments.kernels), arguments.repeats)
        return
    for length in map(int, arguments.lengths.split(",")):
        inputs = _inputs(length, arguments.width, arguments.kernels)
        print(f"\nT {length}, B{N_BATCH} H{N_HEADS} d{arguments.width}, milliseconds\n")
        (_print_chunks if arguments.chunks else _print_comparison)(inputs, arguments.repeats)


def _print_comparison(inputs: dict[str, Inputs], repeats: int) -> None:
    print("| kernel: form | forward: min / median / max | forward + backward | over fast |")
    print("|---|---|---|---|")
    for name, named in inputs.items():
        function = name.split(",")[0]
        forms = {"fast": getattr(kernels, function), "plain loop": getattr(reference, function)}
        if name == "delta_rule":
            forms["row loop"] = row_loop_delta_rule
        fast = None
        for form, call in forms.items():
            forward, both = _forward(call, named, repeats), _both(call, named, repeats)
            fast = fast or both.median
            print(f"| {name}: {form} | {forward} | {both} | {both.median / fast:.1f} |", flush=True)


def _print_chunks(inputs: dict[str, Inputs], repeats: int) -> None:
    sizes = (8, 16, 32, 64, 128)
    print(f"| forward + backward, median | {' | '.join(f'C {size}' for size in sizes)} |")
    print("|---" * (len(sizes) + 1) + "|")
    for name, named in inputs.items():
        if name in UNCHUNKED:
            continue
        call = getattr(kernels, name.split(",")[0])
        cells = [
            _both(functools.partial(call, chunk_size=size), named, repeats).median for size in sizes
        ]
        print(f"| {name} | {' | '.join(f'{cell:.2f}' for cell in cells)} |", flush=True)


def _print_decoding(inputs: dict[str, Inputs], repeats: int) -> None:
    print("\n| one token, milliseconds | forward: min / median / max |")
    print("|---|---|")
    for name, named in inputs.items():
        print(f"| {name} | {_forward(getattr(kernels, name.split(',')[0]), named, 20 * repeats)} |")


def _inputs(length: int, width: int, chosen: str) -> dict[str, Inputs]:
    """Return arguments by name, for each kernel and kind of decay that was asked for."""
    named = _all_inputs(length, width)
    if not chosen:
        return named
    return {name: named[name] for name in named if name.split(",")[0] in chosen.split(",")}


def _all_inputs(length: int, width: int) -> dict[str, Inputs]:
    time_axes = (N_BATCH, length, N_HEADS)

    def normal(*shape: int) -> Tensor:
        return torch.randn(shape)

    def unit() -> Tensor:
        return kernels.l2_norm(normal(*time_axes, width))

    qkv = {"q_BTHK": unit(), "k_BTHK": unit(), "v_BTHV": normal(*time_axes, width)}
    beta = {"beta_BTH": torch.rand(time_axes)}
    head = {"log_decay": -torch.rand(time_axes)}
    channel = {"log_decay": -torch.rand(*time_axes, width)}
    low_rank = {"a_BTHK": -0.9 * unit(), "b_BTHK": unit()}
    d_model = N_HEADS * width
    return {
        "linear_attention": qkv,
        "linear_attention, head": qkv | head,
        "linear_attention, channel": qkv | channel,
        "delta_rule": qkv | beta,
        "gated_delta_rule, head": qkv | beta | head,
        "gated_delta_rule, channel": qkv | beta | channel,
        "dplr_delta_rule, head": qkv | low_rank | head,
        "dplr_delta_rule, channel": qkv | low_rank | channel,
        "state_space_dual": {
            "x_BTHP": normal(*time_axes, width),
            "dt_BTH": torch.rand(time_axes),
            "A_H": -torch.rand(N_HEADS),
            "B_BTHN": normal(*time_axes, width),
            "C_BTHN": normal(*time_axes, width),
        },
        "associative_scan": {
            "x_BTD": normal(N_BATCH, length, d_model),
            "log_decay_BTD": -torch.rand(N_BATCH, length, d_model),
        },
        "short_convolution": {
            "x_BTD": normal(N_BATCH, length, d_model),
            "weight_DW": normal(d_model, 4),
        },
    }


def _forward(call: Call, inputs: Inputs, repeats: int) -> Timing:
    def run() -> None:
        with torch.no_grad():
            call(**inputs)

    return _timed(run, repeats)


def _both(call: Call, inputs: Inputs, repeats: int) -> Timing:
    leaves = {name: x.clone().requires_grad_() for name, x in inputs.items()}
    weights = torch.randn_like(call(**inputs)[0])

    def run() -> None:
        output, _ = call(**leaves)
        torch.autograd.grad(output, list(leaves.values()), weights)

    return _timed(run, repeats)


def _timed(run: Callable[[], None], repeats: int) -> Timing:
    times = []
    for i in range(WARM_UP + repeats):
        start = time.process_time()
        run()
        if i >= WARM_UP:
            times.append((time.process_time() - start) * 1e3)
    return Timing(times)


def row_loop_delta_rule(
    q_BTHK: Tensor, k_BTHK: Tensor, v_BTHV: Tensor, beta_BTH: Tensor, *, chunk_size: int = 32
) -> tuple[Tensor, Tensor]:
    """Run the delta rule in chunks, each triangular system inverted row by row in Python."""

    def cut(x_BTHK: Tensor) -> Tensor:
        return x_BTHK.transpose(1, 2).unflatten(2, (-1, chunk_size))

    q, k, v, beta = cut(q_BTHK), cut(k_BTHK), cut(v_BTHV), cut(beta_BTH[..., None])
    inverse = -(beta * k @ k.mT).tril(-1)
    for i in range(1, chunk_size):
        row = inverse[..., i, :i].clone()
        inverse[..., i, :i] = row + (row[..., None] * inverse[..., :i, :i].clone()).sum(-2)
    inverse = inverse + torch.eye(chunk_size)
    solved_v, solved_k = inverse @ (beta * v), inverse @ (beta * k)
    seen = (q @ k.mT).tril()
    state = q.new_zeros(*q.shape[:2], q.shape[-1], v.shape[-1])
    outputs = []
    for j in range(q.shape[2]):
        correction = solved_v[:, :, j] - solved_k[:, :, j] @ state
        outputs.append(q[:, :, j] @ state + seen[:, :, j] @ correction)
        state = state + k[:, :, j].mT @ correction
    return torch.cat(outputs, dim=2).transpose(1, 2), state


if __name__ == "__main__":
    main()
