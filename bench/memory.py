"""What the ledger costs as it grows: append, parents, lineage, the nearest, counting.

    python bench/memory.py [--sizes 1000 10000 100000 1000000] [--repeats 30] [--folder FOLDER]

Fills an SQLite ledger with so many trials (four a candidate) in bulk, checks the smallest with
`verify`, and asks it what campaigns and dashboards ask. Milliseconds: min / median / max of wall
clock, and processor time: on a busy machine the clock's median is its neighbours'. Motivations,
sources and behaviours are kept in memory by a campaign: `nearest.py`.
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import sqlite3
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

import nearest
from clocks import HEAD, once, say, timed
from move37.core.candidate import Candidate, Idea, source_id
from move37.core.claims import Effect, Fitness, Verdict, VerdictKind
from move37.core.events import (
    CandidateProposed,
    Event,
    RootAdded,
    TrialFinished,
    VerdictReached,
)
from move37.core.trial import Cost, Measurement, Outcome, Stage, TaskScore, Trial, TrialSpec
from move37.memory import queries
from move37.memory.codec import VERSIONS, encode
from move37.memory.contenders import N_ISLANDS, contenders
from move37.memory.ledger import Ledger
from move37.memory.record import GENESIS, link
from move37.memory.selection import choose, island_of, reads_best
from move37.memory.subject import introduces
from move37.memory.tally import Tally

TRIALS_EACH = 4
LAG = 4
FOLDS_UP_TO = 100_000
"""Trials; a state of more would only fill this machine's memory."""
TEXT = (
    "decay gate delta rule recall state memory head channel key value query convolution shift "
    "norm feature map kernel chunk forgets overwrites copies tracks text noise length slow fast "
    "sparse dense low rank rotation erase write read momentum depth width bias scale"
)
WORDS = TEXT.split()
COST = Cost(
    cpu_seconds=6.0,
    wall_seconds=6.5,
    peak_memory_bytes=2**27,
    n_parameters=150_000,
    ffn_width=192,
    tokens=400_000,
)
EFFECT = Effect(mean=1.5, low=0.5, high=2.5, n_pairs=2)


def main() -> None:
    parser = argparse.ArgumentParser(description=str(__doc__).split("\n\n")[0])
    parser.add_argument("--sizes", type=int, nargs="+", default=[1_000, 10_000, 100_000, 1_000_000])
    parser.add_argument("--repeats", type=int, default=30)
    parser.add_argument("--folder", type=Path)
    arguments = parser.parse_args()
    print(HEAD)
    for size in arguments.sizes:
        with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
            measure(Path(folder) / "ledger.db", size, arguments.repeats)


def measure(path: Path, n_trials: int, repeats: int) -> None:
    n_candidates = n_trials // TRIALS_EACH
    start = time.perf_counter()
    fill(path, n_candidates)
    print(f"| {n_trials} | filled in | {time.perf_counter() - start:.0f} s | |", flush=True)
    ask(path, n_trials, repeats)
    nearest.measure(n_trials, repeats)


def ask(path: Path, n_trials: int, repeats: int) -> None:
    n_candidates = n_trials // TRIALS_EACH
    rows: dict[str, Callable[[], object]] = {}
    with Ledger.open(path, campaign="bench") as ledger:
        if n_trials <= 1_000:
            assert ledger.verify() is None
        seeds = itertools.count(1_000)
        ids = [id_of(n_candidates - 1 - k) for k in range(20)]
        turn = itertools.cycle(ids)
        rows["append a finished trial"] = lambda: ledger.append(trial(ids[0], 0, next(seeds)))
        for rule in ("top_ten", "islands", "asi_arch"):
            rows[f"parents, {rule}"] = lambda rule=rule: parents(ledger, rule, n_candidates)
        tally = Tally(ledger)
        say(n_trials, "the loop's numbers, at a start", [once(tally.refresh)])
        rows["the loop's numbers, a turn"] = lambda: tally.refresh().longest_training_seconds()
        rows["lineage, depth 100"] = lambda: queries.line(ledger, next(turn), depth=100)
        rows["dashboard: totals and standings"] = lambda: queries.totals(ledger)
        rows["one candidate's usage"] = lambda: queries.used(ledger, index=n_candidates // 2)
        for name, ask in rows.items():
            say(n_trials, name, timed(ask, repeats))
        if n_trials <= FOLDS_UP_TO:
            fold_and_choose(ledger, n_trials, n_candidates, min(repeats, 5))
    size = sum(file.stat().st_size for file in path.parent.iterdir())
    print(f"| {n_trials} | on disk | {size / 2**20:.0f} MiB | |")


def parents(ledger: Ledger, rule: str, index: int) -> object:
    """What `campaign.rules.choose_parents` asks of the ledger."""
    island, limit = island_of(rule, index), reads_best(rule)
    assert limit is not None
    best = queries.best_contenders(
        ledger,
        before_index=index - LAG,
        limit=limit,
        in_full=False,
        wanted=None if island is None else lambda i: i % N_ISLANDS == island,
    )
    return choose(rule, best, seed=1, index=index)


def fold_and_choose(ledger: Ledger, n_trials: int, n_candidates: int, repeats: int) -> None:
    """What a driver pays once at its start, and what a turn still takes from the folded state."""
    say(n_trials, "fold all at a start", [once(ledger.state)])
    turns, last = itertools.count(), n_candidates - 1

    def turn() -> object:
        k = next(turns)
        ledger.append(trial(id_of(last), 0, 5_000 + k, index=last))
        return ledger.state(n_candidates - 2 * LAG - repeats + k).candidates

    say(n_trials, "append, and the state that the next candidate sees", timed(turn, repeats))

    def choice() -> object:
        return choose("posterior_mean", contenders(ledger.state(n_candidates - 1)), seed=1, index=5)

    say(n_trials, "parents, posterior_mean (reads everyone)", timed(choice, repeats))


def motivation(k: int) -> str:
    return " ".join(WORDS[(k * 7919 + i * i * 31 + k // (i + 1)) % len(WORDS)] for i in range(40))


def source(k: int) -> str:
    """Return the source of candidate k: as long as a rendered layer is."""
    return f"class Mixer:\n    number = {k}\n" + "    # a line of a layer's source\n" * 90


def parent(k: int) -> int:
    """Return whose child k is; -1 is the root. Lines are hundreds long from 10,000 candidates."""
    return k - 1 - (k * 2_654_435_761 % 17) if k > 20 else -1


def made(k: int) -> Candidate:
    idea = Idea(name=f"layer {k}", motivation=motivation(max(k, 0)), mechanism="S = g S + k v")
    parents = () if k < 0 else (id_of(parent(k)),)
    return Candidate(id=id_of(k), source=source(k), idea=idea, parents=parents, author="symbolic")


def id_of(k: int) -> str:
    if k not in _ids:
        _ids[k] = source_id(source(k))
    return _ids[k]


_ids: dict[int, str] = {}
_standings: dict[str, int] = {}
_template: list[str] = []


def trial(id_: str, rung: int, seed: int, index: int = 0) -> TrialFinished:
    spec = TrialSpec(candidate_id=id_, stage=Stage.SEARCH, rung=rung, seed=seed)
    scores = {
        task: TaskScore(nats=1.5, accuracy=0.5, n_answers=500, standard_error=0.01)
        for task in ("recall", "text")
    }
    measured = Measurement(scores=scores, cost=COST, weights="0" * 64)
    done = Trial(spec=spec, outcome=Outcome.COMPLETED, measurement=measured)
    return TrialFinished(index=index, trial=done)


def story(n_candidates: int) -> Iterator[Event]:
    yield RootAdded(candidate=made(-1), role="root")
    rng = np.random.default_rng(0)
    for k in range(n_candidates):
        yield CandidateProposed(index=k, candidate=made(k), operator="mutate:decay")
        for place in range(TRIALS_EACH):
            yield trial(id_of(k), place // 2, place % 2, index=k)
        kind = VerdictKind.PROMOTED if rng.random() < 0.3 else VerdictKind.EXPLORED
        verdict = Verdict(
            kind=kind, reason="measured", effect=EFFECT, task_effects={"recall": EFFECT}
        )
        value = float(rng.random())
        fitness = Fitness(value=value, effect_part=value, task_part=value, judge_part=value)
        yield VerdictReached(index=k, candidate_id=id_of(k), verdict=verdict, fitness=fitness)


def spelled(event: Event) -> str:
    """Spell an event; trials by a template, for speed: `verify` would name any difference."""
    if not isinstance(event, TrialFinished):
        return encode(event)
    spec = event.trial.spec
    if not _template:
        _template.append(encode(trial("@id", 77777, 88888, index=99999)))
    body = _template[0].replace("77777", str(spec.rung)).replace("88888", str(spec.seed))
    return body.replace("99999", str(event.index)).replace("@id", spec.candidate_id)


def fill(path: Path, n_candidates: int) -> None:
    """Write a ledger as `Ledger.append` would, rows in bulk: `verify` says so of the smallest."""
    Ledger.open(path, create=True, campaign="bench").close()
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA synchronous = OFF")
        connection.execute("BEGIN")
        rows: dict[str, list[tuple]] = {}
        head, seq = GENESIS, -1
        for seq, event in enumerate(story(n_candidates)):
            head = add(rows, seq, head, event, spelled(event))
            if isinstance(event, VerdictReached) and len(rows["events"]) > 5_000:
                flush(connection, rows)
        flush(connection, rows)
        n_trials = TRIALS_EACH * n_candidates
        totals = (seq + 1, head, n_candidates, n_trials, COST.cpu_seconds * n_trials)
        connection.execute(
            "UPDATE campaigns SET n_events=?, head=?, n_candidates=?, n_trials=?, cpu_seconds=?",
            totals,
        )
        for verdict, n in _standings.items():
            connection.execute("INSERT INTO standings VALUES ('bench', ?, ?)", (verdict, n))
        _standings.clear()
        connection.execute("COMMIT")
        connection.execute("ANALYZE")


def flush(connection: sqlite3.Connection, rows: dict[str, list[tuple]]) -> None:
    for table, found in rows.items():
        if found:
            marks = ",".join("?" * len(found[0]))
            connection.executemany(f"INSERT INTO {table} VALUES ({marks})", found)  # noqa: S608
            found.clear()


def add(rows: dict[str, list[tuple]], seq: int, head: str, event: Event, body: str) -> str:
    kind = type(event).__name__
    digest = link(
        previous=head, campaign="bench", seq=seq, time=seq, index=event.index, kind=kind,
        version=VERSIONS[kind], body=body,
    )  # fmt: skip
    row = ("bench", seq, seq, event.index, kind, VERSIONS[kind], body, head, digest)
    put(rows, "events", row)
    match event:
        case TrialFinished():
            add_trial(rows, seq, event)
        case VerdictReached():
            add_verdict(rows, seq, event)
        case _:
            add_candidate(rows, seq, event)
    return digest


def put(rows: dict[str, list[tuple]], table: str, row: tuple) -> None:
    rows.setdefault(table, []).append(row)


def add_candidate(rows: dict[str, list[tuple]], seq: int, event: Event) -> None:
    candidate = introduces(event)
    assert candidate is not None
    role, operator = ("root", "") if event.index < 0 else ("proposed", "mutate:decay")
    row = ("bench", event.index, candidate.id, seq, candidate.idea.name, role, operator)
    put(rows, "candidates", (*row, candidate.author, None, None, None, None, None))
    for position, of in enumerate(candidate.parents):
        put(rows, "lineage", ("bench", event.index, candidate.id, position, of))


def add_trial(rows: dict[str, list[tuple]], seq: int, event: TrialFinished) -> None:
    spec = event.trial.spec
    key = ("bench", spec.candidate_id, spec.stage.value, spec.rung, spec.seed)
    costs = (COST.cpu_seconds, COST.wall_seconds)
    put(rows, "trials", (*key, event.index, seq, "completed", "", *costs))
    for task in ("recall", "text"):
        put(rows, "measurements", (*key, task, 1.5, 0.5, 500))


def add_verdict(rows: dict[str, list[tuple]], seq: int, event: VerdictReached) -> None:
    assert event.fitness is not None
    verdict, fitness = event.verdict.kind.value, event.fitness.value
    effect = (EFFECT.mean, EFFECT.low, EFFECT.high, EFFECT.n_pairs, None)
    row = ("bench", seq, event.index, event.candidate_id, verdict, "measured", *effect, fitness)
    put(rows, "verdicts", row)
    amounts = (TRIALS_EACH, TRIALS_EACH * COST.cpu_seconds, TRIALS_EACH * COST.wall_seconds)
    put(rows, "usage", ("bench", event.index, "trial search", *amounts, 0, 0, 0.0))
    _standings[verdict] = _standings.get(verdict, 0) + 1
    last = rows["candidates"][-1]
    assert last[1] == event.index
    rows["candidates"][-1] = (*last[:10], verdict, fitness, last[12])


if __name__ == "__main__":
    main()
