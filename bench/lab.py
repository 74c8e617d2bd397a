"""What the lab costs: start of a trial, isolation, blind scoring, probes; and does it grow?

    python bench/lab.py [--preset cpu] [--mixer gated_deltanet] [--repeats 7] [--sessions 200]

Prints five tables. Wall times but for scoring (CPU seconds): run it on a quiet machine. `fresh`
starts a Python that imports torch for one trial, as systems without a warm server do; it has no
sandbox, so the comparison favours it.
"""

from __future__ import annotations

import argparse
import contextlib
import socket
import statistics
import subprocess
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import cast

from move37.campaign.settings import load_preset, preset_names
from move37.core.budget import Limits
from move37.core.config import Preset, Rung
from move37.core.trial import Stage, TrialSpec
from move37.lab import payloads
from move37.lab.data import evaluation_set, training_arrays
from move37.lab.laboratory import Laboratory, UnsandboxedWarning
from move37.lab.metrics import nats_and_hits
from move37.lab.probes.run import probe
from move37.lab.references import reference_source
from move37.lab.scorer import BATCH_ROWS
from move37.lab.session import ChildFailed, Session
from move37.lab.tasks import VOCAB_SIZE
from move37.lab.trials import TrialRequest, run_trial
from move37.lab.wire import Message, receive, send

LIMITS = Limits(wall_seconds=120.0, cpu_seconds=120.0, memory_bytes=2 * 2**30)
TRIAL_SECONDS = 30.0
FRESH = (
    "import socket, sys; from move37.arena import worker; import torch; torch.set_num_threads(1); "
    "worker.serve(socket.socket(fileno=int(sys.argv[1])))"
)


def main() -> None:
    parser = argparse.ArgumentParser(description=str(__doc__).split("\n\n")[0])
    default = "cpu" if "cpu" in preset_names() else "tiny"
    parser.add_argument("--preset", default=default, choices=preset_names())
    parser.add_argument("--mixer", default="gated_deltanet")
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--sessions", type=int, default=200)
    arguments = parser.parse_args()
    preset, source = load_preset(arguments.preset), reference_source(arguments.mixer)
    print(f"preset {preset.name}, {arguments.mixer}, medians of {arguments.repeats}\n")
    with Laboratory() as laboratory:
        _start(laboratory, preset, source, arguments.repeats)
        _isolation(laboratory, preset, source, arguments.repeats)
        _scoring(laboratory, preset, source, arguments.repeats)
        _probes(laboratory, preset, source, arguments.repeats)
        _growth(laboratory, arguments.sessions)


def _start(laboratory: Laboratory, preset: Preset, source: str, repeats: int) -> None:
    """From request to the end of the first training step."""
    message = _train_message(preset, source, n_steps=1)
    nothing = _train_message(preset, source, n_steps=0)
    ready = _median(lambda: _train_in(laboratory, nothing), repeats)
    warm = _median(lambda: _train_in(laboratory, message), repeats)
    fresh = _median(lambda: _train_fresh(message), min(repeats, 3))
    began = time.perf_counter()
    with Laboratory():
        opened = time.perf_counter() - began
    print("| start of a trial | seconds |\n|---|---|")
    print(f"| warm fork, shut in, to its first step (a trial of none) | {ready:.3f} |")
    print(f"| the same, to the end of its first step | {warm:.3f} |")
    print(f"| fresh process, no sandbox, to the end of its first step | {fresh:.2f} |")
    print(f"| the server itself, once a campaign | {opened:.2f} |\n")


def _isolation(laboratory: Laboratory, preset: Preset, source: str, repeats: int) -> None:
    """The same children with and without walls."""
    message = _train_message(preset, source, n_steps=30)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UnsandboxedWarning)
        bare = Laboratory(unsandboxed=True)
    with bare:
        rows = [("shut in", laboratory), ("bare fork", bare)]
        print("| isolation | open a child ms | end it ms | 30 steps, CPU s |\n|---|---|---|---|")
        for name, lab in rows:
            opened, ended = _open_and_end(lab, 3 * repeats)
            steps = statistics.median(_train_cpu_seconds(lab, message) for _ in range(repeats))
            print(f"| {name} | {1e3 * opened:.0f} | {1e3 * ended:.0f} | {steps:.2f} |")
    print()


def _scoring(laboratory: Laboratory, preset: Preset, source: str, repeats: int) -> None:
    """What it costs to score blind, in walled children; and to score in the open, as others do."""
    request = TrialRequest(
        spec=TrialSpec(candidate_id="bench", stage=Stage.SEARCH, rung=0, seed=0),
        source=source,
        preset=preset.model_copy(update={"rungs": (Rung(steps=1), *preset.rungs)}),
        secret=b"the lab benchmark",
    )
    message = _train_message(preset, source, n_steps=1)
    whole = [_cpu_of_trial(laboratory, request) for _ in range(repeats)]
    child = [_train_cpu_seconds(laboratory, message) for _ in range(repeats)]
    blind = statistics.median(whole) - statistics.median(child)
    openly = statistics.median(_open_scoring(request) for _ in range(repeats))
    walls = statistics.median(_walls_cpu(laboratory) for _ in range(repeats))
    added = walls + blind - openly
    print(f"| of a {TRIAL_SECONDS:.0f} s trial | CPU seconds | share |\n|---|---|---|")
    for name, seconds in (
        ("the training child's walls", walls),
        ("blind scoring, its two walled children and the host included", blind),
        ("scoring in the open: one pass in a process that is there", openly),
        ("**what walls and blindness add** (goal: 3 %)", added),
    ):
        print(f"| {name} | {seconds:.2f} | {seconds / TRIAL_SECONDS:.1%} |")
    print()


class _Watched:
    """A laboratory that remembers its children, to sum what they used."""

    def __init__(self, laboratory: Laboratory) -> None:
        self._laboratory = laboratory
        self.sessions: list[Session] = []

    def session(self, limits: Limits) -> Session:
        self.sessions.append(self._laboratory.session(limits))
        return self.sessions[-1]


def _cpu_of_trial(laboratory: Laboratory, request: TrialRequest) -> float:
    """The host and all three children."""
    watched = _Watched(laboratory)
    began = time.process_time()
    run_trial(cast("Laboratory", watched), request)
    host = time.process_time() - began
    return host + sum(session.close().cpu_seconds for session in watched.sessions)


def _walls_cpu(laboratory: Laboratory) -> float:
    """A child that is opened, shut in, and ended."""
    began = time.process_time()
    exit_ = laboratory.session(LIMITS).close()
    return time.process_time() - began + exit_.cpu_seconds


def _open_scoring(request: TrialRequest) -> float:
    """One pass over the held-out windows and its metrics, in this process, seconds of CPU."""
    import torch

    from move37.arena.backbone import Backbone, Shape, solve_ffn_width
    from move37.arena.contract import load_mixer

    torch.set_num_threads(1)
    model = request.preset.model
    mixer = load_mixer(request.source)
    shape = Shape(**model.model_dump(exclude={"n_parameters"}), vocab_size=VOCAB_SIZE)
    width = solve_ffn_width(mixer, shape, n_parameters=model.n_parameters)
    backbone = Backbone(mixer, shape.with_ffn(width), seed=0).eval()
    held_out = [
        evaluation_set(
            setting,
            length=request.preset.training.length,
            stage=request.spec.stage,
            seed=0,
            secret=request.secret,
        )
        for setting in request.preset.tasks
    ]
    began = time.process_time()
    for one in held_out:
        for rows in range(0, len(one.inputs_BT), BATCH_ROWS):
            batch = slice(rows, rows + BATCH_ROWS)
            graded = one.targets_BT[batch] >= 0
            with torch.inference_mode():
                tokens = torch.from_numpy(one.inputs_BT[batch].astype("int64"))
                hidden, _ = backbone.hidden(tokens)
                logits = backbone.logits(hidden[torch.from_numpy(graded)]).numpy()
            nats_and_hits(logits, one.targets_BT[batch][graded])
    return time.process_time() - began


def _probes(laboratory: Laboratory, preset: Preset, source: str, repeats: int) -> None:
    d_model, n_heads = preset.model.d_model, preset.model.n_heads
    reports = [
        probe(lambda: laboratory.session(LIMITS), source, d_model=d_model, n_heads=n_heads)
        for _ in range(min(repeats, 3))
    ]
    seconds = statistics.median(report.seconds for report in reports)
    n_probes = len(reports[0].verdicts)
    print(f"| admission probes at width {d_model} | |\n|---|---|")
    print(f"| seconds a candidate | {seconds:.2f} |")
    print(f"| probes a second | {n_probes / seconds:.1f} |\n")


def _growth(laboratory: Laboratory, n_sessions: int) -> None:
    """Short sessions of four kinds, one after the other; every fourth leaves a daemon behind."""
    bodies = [payloads.NOTHING, "def main(connection): os._exit(3)", payloads.DAEMON, "1 / 0"]
    messages = [_payload(body) for body in bodies]

    def run(count: int) -> None:
        for index in range(count):
            with contextlib.suppress(ChildFailed), laboratory.session(LIMITS) as session:
                session.ask(messages[index % 4], timeout_seconds=60)

    run(8)
    before = _belongings(laboratory)
    began = time.perf_counter()
    run(n_sessions)
    each = (time.perf_counter() - began) / n_sessions
    after = _belongings(laboratory)
    print(f"| {n_sessions} sessions, {1e3 * each:.0f} ms each | before | after |\n|---|---|---|")
    for name, count in before.items():
        print(f"| {name} | {count} | {after[name]} |")


def _train_message(preset: Preset, source: str, *, n_steps: int) -> Message:
    inputs, targets = training_arrays(
        preset.tasks, preset.training, seed=0, first_step=0, last_step=n_steps
    )
    shape = preset.model.model_dump(exclude={"n_parameters"})
    fields = {
        "source": source,
        "shape": {**shape, "vocab_size": VOCAB_SIZE},
        "n_parameters": preset.model.n_parameters,
        "recipe": preset.training.recipe(),
        "seed": 0,
        "first_step": 0,
    }
    return Message(kind="train", fields=fields, arrays={"inputs": inputs, "targets": targets})


def _train_in(laboratory: Laboratory, message: Message) -> float:
    """Train in a child; return the seconds until the first word about a finished step."""
    began = time.perf_counter()
    with laboratory.session(LIMITS) as session:
        reply = session.ask(message, timeout_seconds=120)
        elapsed = time.perf_counter() - began
        while reply.kind == "progress":
            reply = session.listen(120)
    return elapsed


def _train_cpu_seconds(laboratory: Laboratory, message: Message) -> float:
    with laboratory.session(LIMITS) as session:
        reply = session.ask(message, timeout_seconds=120)
        while reply.kind == "progress":
            reply = session.listen(120)
        return session.close().cpu_seconds


def _train_fresh(message: Message) -> float:
    began = time.perf_counter()
    here, there = socket.socketpair()
    with here, there:
        number = there.fileno()
        command = [sys.executable, "-c", FRESH, str(number)]
        with subprocess.Popen(command, pass_fds=[number]) as process:
            send(here, message)
            reply = receive(here)
            elapsed = time.perf_counter() - began
            while reply.kind == "progress":
                reply = receive(here)
            process.wait()
    if reply.kind != "trained":
        raise RuntimeError(f"the fresh process answered {reply.kind}: {reply.fields}")
    return elapsed


def _open_and_end(laboratory: Laboratory, repeats: int) -> tuple[float, float]:
    opened, ended = [], []
    for _ in range(repeats):
        began = time.perf_counter()
        session = laboratory.session(LIMITS)
        opened.append(time.perf_counter() - began)
        began = time.perf_counter()
        session.close()
        ended.append(time.perf_counter() - began)
    return statistics.median(opened), statistics.median(ended)


def _median(action: Callable[[], object], repeats: int) -> float:
    """Return the action's own time if it gives one, else its wall time."""
    seconds = []
    for _ in range(repeats):
        began = time.perf_counter()
        given = action()
        seconds.append(given if isinstance(given, float) else time.perf_counter() - began)
    return statistics.median(seconds)


def _payload(body: str) -> Message:
    source = payloads.payload(body, name="m37-bench")
    return Message(kind="run", fields={"source": source})


def _belongings(laboratory: Laboratory) -> dict[str, int]:
    server = _innermost(laboratory.server.pid)
    groups = laboratory.cgroups
    return {
        "open files, host": len(list(Path("/proc/self/fd").iterdir())),
        "open files, server": len(list(Path(f"/proc/{server}/fd").iterdir())),
        "memory of the host, MiB": _resident(Path("/proc/self/statm")),
        "memory of the server, MiB": _resident(Path(f"/proc/{server}/statm")),
        "processes below the host": _n_children(laboratory.server.pid),
        "control groups": len(list(groups.folder.glob("child-*"))) if groups else 0,
    }


def _children(pid: int) -> list[int]:
    table = Path(f"/proc/{pid}/task/{pid}/children")
    return [int(child) for child in table.read_text().split()]


def _innermost(pid: int) -> int:
    while children := _children(pid):
        pid = children[0]
    return pid


def _n_children(pid: int) -> int:
    return sum(1 + _n_children(child) for child in _children(pid))


def _resident(table: Path) -> int:
    return int(table.read_text().split()[1]) * 4096 // 2**20


if __name__ == "__main__":
    main()
