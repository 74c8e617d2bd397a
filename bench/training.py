"""Time training: tokens per second of every reference mixer, and the trainer against a bare loop.

    python bench/training.py [--steps 20] [--mixers softmax_attention,gla] [--preset cpu]

One thread, this process, process time (robust to other load). Prints two tables.
"""

from __future__ import annotations

import argparse
import statistics
import time

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from move37.arena.backbone import Backbone, Shape, count_state, solve_ffn_width
from move37.arena.contract import load_mixer
from move37.arena.train import Recipe, fit, learning_rate, make_optimizer
from move37.campaign.settings import load_preset
from move37.lab.data import training_arrays
from move37.lab.references import reference_names, reference_source
from move37.lab.tasks import VOCAB_SIZE

REPEATS = 5


def main() -> None:
    parser = argparse.ArgumentParser(description=str(__doc__).split("\n\n")[0])
    parser.add_argument("--steps", type=int, default=20, help="steps per repetition")
    parser.add_argument("--mixers", default="", help="comma-separated; default all")
    parser.add_argument("--preset", default="cpu")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    preset = load_preset(arguments.preset)
    names = arguments.mixers.split(",") if arguments.mixers else list(reference_names())
    seconds = {name: _seconds_per_step(name, preset, arguments.steps) for name in names}
    _print_throughput(seconds, preset)
    _print_overhead(names[0], preset, arguments.steps)


def _setup(name: str, preset, n_steps: int):
    mixer = load_mixer(reference_source(name))
    fields = preset.model.model_dump(exclude={"n_parameters"})
    shape = Shape(**fields, vocab_size=VOCAB_SIZE)
    shape = shape.with_ffn(solve_ffn_width(mixer, shape, n_parameters=preset.model.n_parameters))
    model = Backbone(mixer, shape, seed=0)
    recipe = Recipe(**preset.training.recipe())
    inputs, targets = training_arrays(
        preset.tasks, preset.training, seed=0, first_step=0, last_step=n_steps
    )
    return (
        model,
        recipe,
        torch.from_numpy(inputs).long(),
        torch.from_numpy(targets.astype(np.int64)),
    )


def _seconds_per_step(name: str, preset, n_steps: int) -> list[float]:
    model, recipe, inputs, targets = _setup(name, preset, n_steps)
    optimizer = make_optimizer(model, recipe)
    times = []
    for repeat in range(REPEATS + 1):
        start = time.process_time()
        fit(
            model,
            optimizer,
            recipe,
            inputs_SBT=inputs,
            targets_SBT=targets,
            first_step=0,
            seed=0,
            report=lambda *_: None,
        )
        if repeat:  # the first one warms up
            times.append((time.process_time() - start) / n_steps)
    print(f"# {name}: {count_state(model)} parameters", flush=True)
    return times


def _bare_seconds_per_step(name: str, preset, n_steps: int) -> list[float]:
    """The least code that trains: forward, loss, backward, clip, step."""
    model, recipe, inputs, targets = _setup(name, preset, n_steps)
    optimizer = make_optimizer(model, recipe)
    times = []
    for repeat in range(REPEATS + 1):
        start = time.process_time()
        for step in range(n_steps):
            optimizer.param_groups[0]["lr"] = learning_rate(step, recipe)
            mask = targets[step] >= 0
            hidden, _ = model.hidden(inputs[step])
            loss = F.cross_entropy(model.logits(hidden[mask]), targets[step][mask])
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), recipe.gradient_clip)
            optimizer.step()
        if repeat:
            times.append((time.process_time() - start) / n_steps)
    return times


def _print_throughput(seconds: dict[str, list[float]], preset) -> None:
    tokens = preset.training.batch_size * preset.training.length
    anchor = statistics.median(seconds.get("softmax_attention") or next(iter(seconds.values())))
    print("\n| mixer | tokens/s min | median | max | speed against softmax attention |")
    print("|---|---|---|---|---|")
    for name, times in sorted(seconds.items(), key=lambda item: statistics.median(item[1])):
        rates = sorted(tokens / t for t in times)
        middle = statistics.median(times)
        print(
            f"| {name} | {rates[0]:,.0f} | {tokens / middle:,.0f} | {rates[-1]:,.0f} "
            f"| {anchor / middle:.2f} |"
        )


def _print_overhead(name: str, preset, n_steps: int) -> None:
    ours = statistics.median(_seconds_per_step(name, preset, n_steps))
    bare = statistics.median(_bare_seconds_per_step(name, preset, n_steps))
    print(
        f"\ntrainer {ours * 1e3:.2f} ms/step, bare loop {bare * 1e3:.2f} ms/step, "
        f"overhead {ours / bare - 1:+.1%} ({name})"
    )


if __name__ == "__main__":
    main()
