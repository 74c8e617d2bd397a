"""Which tasks, sizes and lengths of training tell mixers apart best per CPU second?

    python bench/preset_study.py run ARM [--seeds 2] [--mixers a,b] [--workers 2] [--out FILE]
    python bench/preset_study.py show FILE...

An arm is a model, a recipe and a mixture of tasks (ARMS below; `preset:NAME` takes a preset as it
is). Every mixer trains with every seed; held-out scores are taken at ten points of the way. `show`
prints, per task and point: spread between mixers over spread within (same data, other seed), the
same with the seed's common effect removed (paired), and the rank correlation of one seed at that
point with the final mean over seeds. Trains without the sandbox: reference mixers only.
"""

from __future__ import annotations

import argparse
import itertools
import json
import multiprocessing
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from scipy.stats import spearmanr

from move37.arena.backbone import Backbone, Shape, solve_ffn_width
from move37.arena.contract import load_mixer
from move37.arena.train import Recipe, fit, make_optimizer
from move37.campaign.settings import load_preset
from move37.core.config import ModelShape, Preset, Rung, TaskSetting, Training
from move37.core.trial import Stage
from move37.lab.data import evaluation_set, training_arrays
from move37.lab.references import reference_names, reference_source
from move37.lab.tasks import VOCAB_SIZE

N_POINTS = 10
SECRET = b"the preset study"

MIXTURE: dict[str, dict[str, Any]] = {
    "recall": {"rows": 4, "options": {"pairs": 4}},
    "selective_copying": {"rows": 3, "options": {"tokens": 6, "values": 16}},
    "state_tracking": {"rows": 3, "options": {"elements": 2, "span": 16}},
    "state_update": {"rows": 2, "options": {"keys": 6, "values": 16}},
    "text": {"rows": 4},
}


def arm(
    tasks: dict[str, dict[str, Any]],
    *,
    d_model: int = 64,
    n_heads: int = 2,
    n_layers: int = 2,
    n_parameters: int = 150_000,
    steps: int = 400,
    length: int = 64,
    learning_rate: float = 4e-3,
) -> Preset:
    """Build a preset for the study."""
    settings = tuple(
        TaskSetting(name=name, metric="nats", noise=1.0, **setting)
        for name, setting in tasks.items()
    )
    return Preset(
        name="study",
        purpose="study",
        model=ModelShape(
            d_model=d_model, n_heads=n_heads, n_layers=n_layers, n_parameters=n_parameters
        ),
        training=Training(
            batch_size=sum(s.rows for s in settings),
            length=length,
            learning_rate=learning_rate,
            final_learning_rate=learning_rate / 10,
            warmup_steps=steps // 10,
            total_steps=steps,
        ),
        rungs=(Rung(steps=steps),),
        tasks=settings,
        trial_seconds=600,
    )


HARD: dict[str, dict[str, Any]] = {
    "recall": {"rows": 4, "options": {"pairs": 16}},
    "selective_copying": {"rows": 3},
    "state_tracking": {"rows": 3},
    "noisy_recall": {"rows": 2},
    "text": {"rows": 4},
}
"""The first mixture tried: nobody learns anything but text in 600 steps."""


OTHERS: dict[str, dict[str, Any]] = {
    "fuzzy_recall": {"rows": 4, "options": {"pairs": 4}},
    "noisy_recall": {"rows": 4, "options": {"pairs": 4}},
    "compression": {"rows": 4, "options": {"tokens": 8}},
    "length_extrapolation": {"rows": 4, "options": {"pairs": 4}},
}
"""The tasks that the cpu preset leaves out, for their noise."""


def _alone(task: str) -> dict[str, dict[str, Any]]:
    return {task: {**MIXTURE[task], "rows": 16}}


ARMS: dict[str, Callable[[], Preset]] = {
    "mixture": lambda: arm(MIXTURE),
    "mixture-long": lambda: arm(MIXTURE, steps=1200),
    "mixture-4heads": lambda: arm(MIXTURE, n_heads=4),
    "mixture-lr2": lambda: arm(MIXTURE, learning_rate=2e-3),
    "mixture-lr8": lambda: arm(MIXTURE, learning_rate=8e-3),
    "others": lambda: arm(OTHERS),
    "hard": lambda: arm(HARD, steps=600, length=128),
    **{f"only-{task}": lambda task=task: arm(_alone(task)) for task in MIXTURE},
}


def main() -> None:
    parser = argparse.ArgumentParser(description=str(__doc__).split("\n\n")[0])
    verbs = parser.add_subparsers(dest="verb", required=True)
    run = verbs.add_parser("run")
    run.add_argument("arm", help=f"{', '.join(ARMS)} or preset:NAME")
    run.add_argument("--seeds", type=int, default=2)
    run.add_argument("--mixers", default="", help="comma-separated; default all")
    run.add_argument("--workers", type=int, default=2)
    run.add_argument("--out", type=Path, required=True, help="JSON lines, appended")
    show = verbs.add_parser("show")
    show.add_argument("files", type=Path, nargs="+")
    arguments = parser.parse_args()
    if arguments.verb == "show":
        for file in arguments.files:
            _show(file)
        return
    names = arguments.mixers.split(",") if arguments.mixers else list(reference_names())
    jobs = [(arguments.arm, n, s) for s, n in itertools.product(range(arguments.seeds), names)]
    with multiprocessing.Pool(arguments.workers) as pool, arguments.out.open("a") as out:
        for record in pool.imap_unordered(_train, jobs):
            out.write(json.dumps(record) + "\n")
            out.flush()
            print(record["mixer"], record["seed"], f"{record['seconds'][-1]:.1f} s", flush=True)


def _train(job: tuple[str, str, int]) -> dict[str, Any]:
    arm_name, mixer_name, seed = job
    torch.set_num_threads(1)
    is_preset = arm_name.startswith("preset:")
    preset = load_preset(arm_name.removeprefix("preset:")) if is_preset else ARMS[arm_name]()
    mixer = load_mixer(reference_source(mixer_name))
    shape = Shape(**preset.model.model_dump(exclude={"n_parameters"}), vocab_size=VOCAB_SIZE)
    width = solve_ffn_width(mixer, shape, n_parameters=preset.model.n_parameters)
    model = Backbone(mixer, shape.with_ffn(width), seed=seed)
    recipe = Recipe(**preset.training.recipe())
    optimizer = make_optimizer(model, recipe)
    record: dict[str, Any] = {
        "arm": arm_name, "mixer": mixer_name, "seed": seed, "ffn_width": width,
        "seconds": [], "steps": [], "scores": {},
    }  # fmt: skip
    edges = np.linspace(0, preset.training.total_steps, N_POINTS + 1).astype(int)
    seconds = 0.0
    for first, last in itertools.pairwise(edges):
        inputs, targets = training_arrays(
            preset.tasks, preset.training, seed=seed, first_step=int(first), last_step=int(last)
        )
        start = time.process_time()
        fit(
            model,
            optimizer,
            recipe,
            inputs_SBT=torch.from_numpy(inputs).long(),
            targets_SBT=torch.from_numpy(targets).long(),
            first_step=int(first),
            seed=seed,
            report=lambda *_: None,
        )
        seconds += time.process_time() - start
        record["seconds"].append(seconds)
        record["steps"].append(int(last))
        for task, value in _evaluate(model, preset).items():
            record["scores"].setdefault(task, []).append(value)
    return record


@torch.no_grad()
def _evaluate(model: Backbone, preset: Preset) -> dict[str, tuple[float, float]]:
    """Held-out (nats, accuracy) of every task, search and held back."""
    model.eval()
    scores = {}
    for setting in preset.tasks + preset.held_back:
        held_out = evaluation_set(
            setting, length=preset.training.length, stage=Stage.SEARCH, seed=0, secret=SECRET
        )
        tokens = torch.from_numpy(held_out.inputs_BT.astype(np.int64))
        targets = torch.from_numpy(held_out.targets_BT.astype(np.int64))
        logits = model(tokens)[0][targets >= 0]
        answers = targets[targets >= 0]
        scores[setting.name] = (
            F.cross_entropy(logits, answers).item(),
            (logits.argmax(-1) == answers).float().mean().item(),
        )
    return scores


def _show(file: Path) -> None:
    records = [json.loads(line) for line in file.read_text().splitlines()]
    mixers = sorted({r["mixer"] for r in records})
    seeds = sorted({r["seed"] for r in records})
    by_key = {(r["mixer"], r["seed"]): r for r in records}
    tasks = list(records[0]["scores"])
    print(f"\n## {records[0]['arm']}: {len(mixers)} mixers, {len(seeds)} seeds, "
          f"{records[0]['steps'][-1]} steps")  # fmt: skip
    _show_finals(by_key, mixers, seeds, tasks)
    for metric, name in ((0, "nats"), (1, "accuracy")):
        print(f"\n| {name} | point | CPU s | ratio | paired ratio | noise (paired sd) | rho |")
        print("|---|---|---|---|---|---|---|")
        for task in tasks:
            table = np.array(
                [[[p[metric] for p in by_key[m, s]["scores"][task]] for s in seeds] for m in mixers]
            )  # mixers, seeds, points
            final = table[:, :, -1].mean(axis=1)
            for point in (2, 4, 6, 9):
                values = table[:, :, point]
                cpu = np.mean([r["seconds"][point] for r in records])
                between = values.mean(axis=1).std(ddof=1)
                within = np.sqrt(values.var(axis=1, ddof=1).mean())
                centred = values - values.mean(axis=0, keepdims=True)
                noise = np.sqrt(centred.var(axis=1, ddof=1).mean() / (1 - 1 / len(mixers)))
                rho = 0.0
                for i in range(len(seeds)):
                    one_seed, _ = spearmanr(values[:, i], final)
                    rho += float(np.asarray(one_seed)) / len(seeds)
                print(
                    f"| {task} | {(point + 1) * 10} % | {cpu:.1f} | {between / within:.1f} "
                    f"| {between / noise:.1f} | {noise:.4f} | {rho:.2f} |"
                )


def _show_finals(by_key: dict, mixers: list[str], seeds: list[int], tasks: list[str]) -> None:
    print("\n| mixer | CPU s | " + " | ".join(f"{t} nats / acc" for t in tasks) + " |")
    print("|---|---|" + "---|" * len(tasks))
    order = sorted(
        mixers,
        key=lambda m: sum(by_key[m, s]["scores"][t][-1][0] for s in seeds for t in tasks),
    )
    for mixer in order:
        cells = [
            " / ".join(
                f"{np.mean([by_key[mixer, s]['scores'][t][-1][k] for s in seeds]):.3f}"
                for k in (0, 1)
            )
            for t in tasks
        ]
        cpu = np.mean([by_key[mixer, s]["seconds"][-1] for s in seeds])
        print(f"| {mixer} | {cpu:.1f} | " + " | ".join(cells) + " |")


if __name__ == "__main__":
    main()
