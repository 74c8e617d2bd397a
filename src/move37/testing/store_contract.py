"""StoreContract: what the ledger must keep on every database. Give a location, inherit the tests.

    class TestSqlite(StoreContract):
        def location(self, tmp_path: Path) -> str:
            return str(tmp_path / "first" / "ledger.db")

Invariants: S1 what was appended is read, in order; S2 all or nothing; S3 one chain whatever threads
and drivers write; S4 any change to a row is named; S5 a trial is recorded once; S6 work is done
once; S7 the state is the same however the reading was cut; S8 any text survives.
"""

from __future__ import annotations

import io
import json
import threading
from abc import ABC, abstractmethod
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, Table, create_engine, delete, select, update

from move37.core.candidate import Candidate, Element, Idea, Prediction
from move37.core.claims import Effect, Fitness, RungChoice, RungDecision, Verdict, VerdictKind
from move37.core.errors import LedgerError
from move37.core.events import (
    CampaignStarted,
    CandidateProposed,
    CandidateRepaired,
    CandidateStarted,
    CardsRead,
    Event,
    JudgementGiven,
    LessonWritten,
    NoveltyJudged,
    ParentsChosen,
    ProbesRan,
    RootAdded,
    RungDecided,
    SessionClosed,
    SessionOpened,
    TrialFinished,
    TrialStarted,
    VerdictReached,
)
from move37.core.trial import (
    Cost,
    Measurement,
    Outcome,
    ProbeReport,
    ProbeVerdict,
    Stage,
    TaskScore,
    Trial,
    TrialSpec,
)
from move37.memory.database import locate
from move37.memory.journal import Journal
from move37.memory.ledger import Ledger
from move37.memory.schema import PROJECTIONS, events
from move37.memory.state import fold

COST = Cost(
    cpu_seconds=1.25,
    wall_seconds=1.5,
    peak_memory_bytes=2**20,
    n_parameters=1000,
    ffn_width=64,
    tokens=4096,
)
EFFECT = Effect(mean=0.5, low=-0.25, high=1.25, n_pairs=2)


def candidate(name: str, *parents: str) -> Candidate:
    """Return a candidate whose source follows from its name."""
    idea = Idea(
        name=name,
        motivation="forget what is no longer asked for",
        mechanism="S_t = g_t S_{t-1} + k_t v_t^T",
        elements=(Element(name="decay"),),
        predictions=(Prediction(task="recall", effect=0.5),),
    )
    return Candidate.of(f"class Mixer: name = {name!r}\n", idea, parents=parents)


def trial(
    candidate_id: str, *, seed: int = 0, rung: int = 0, outcome: Outcome = Outcome.COMPLETED
) -> Trial:
    """Return a finished search trial."""
    spec = TrialSpec(candidate_id=candidate_id, stage=Stage.SEARCH, rung=rung, seed=seed)
    if outcome is not Outcome.COMPLETED:
        return Trial(spec=spec, outcome=outcome, reason="loss 1e9 at step 3", cost=COST)
    scores = {
        "text": TaskScore(nats=1.5, accuracy=0.5, n_answers=100),
        "recall": TaskScore(nats=0.1, accuracy=0.9, n_answers=64),
    }
    return Trial(
        spec=spec,
        outcome=outcome,
        measurement=Measurement(scores=scores, cost=COST, curve=((0, 5.5), (10, 0.1 + 0.2))),
    )


def opening() -> list[Event]:
    """Return how a campaign begins: config, session, a root."""
    return [
        CampaignStarted(
            name="first", config="{}", version="0", machine={"cores": "2"}, sandboxed=True
        ),
        SessionOpened(driver="a", sandboxed=True, budget_seconds=480.0),
        RootAdded(candidate=candidate("root"), role="root"),
    ]


def journey(index: int, *, parent: str | None = None) -> list[Event]:
    """Return everything about one index: a broken proposal, its repair, trials, verdict, lesson."""
    parent = parent or candidate("root").id
    broken = candidate(f"broken {index}", parent)
    fixed = candidate(f"fixed {index}", broken.id, parent)
    passed = ProbeVerdict(name="causality", passed=True)
    failed = ProbeVerdict(name="causality", passed=False, breach=0.5, detail="x[3] moves y[2]")
    bad = ProbeReport(outcome=Outcome.PROBE_FAILED, verdicts=(failed,))
    good = ProbeReport(
        outcome=Outcome.COMPLETED, verdicts=(passed,), fingerprint=(0.5, index + 0.1)
    )
    first, second = trial(fixed.id, seed=0), trial(fixed.id, seed=1, outcome=Outcome.DIVERGED)
    verdict = Verdict(
        kind=VerdictKind.EXPLORED, reason="level with the root", effect=EFFECT, seeds=(0, 1)
    )
    fitness = Fitness(value=0.4 + index / 100, effect_part=0.5, task_part=0.4, judge_part=0.3)
    decision = RungDecision(choice=RungChoice.PROMOTE, reason="last rung", probability=0.75)
    return [
        CandidateStarted(index=index, driver="a"),
        ParentsChosen(index=index, parents=(parent,), references=(), rule="top_ten"),
        CardsRead(index=index, query="forgets", cards=("gated-decay",)),
        CandidateProposed(index=index, candidate=broken, operator="mutate:decay"),
        NoveltyJudged(
            index=index, candidate_id=broken.id, is_novel=True, nearest=parent, reason="new"
        ),
        ProbesRan(index=index, candidate_id=broken.id, report=bad),
        CandidateRepaired(index=index, candidate=fixed, because="looks ahead"),
        ProbesRan(index=index, candidate_id=fixed.id, report=good),
        TrialStarted(index=index, spec=first.spec),
        TrialFinished(index=index, trial=first),
        TrialFinished(index=index, trial=second),
        RungDecided(index=index, candidate_id=fixed.id, rung=0, decision=decision),
        VerdictReached(index=index, candidate_id=fixed.id, verdict=verdict, fitness=fitness),
        JudgementGiven(
            index=index, candidate_id=fixed.id, quality=0.6, judge="symbolic", rubric={"size": 0.5}
        ),
        LessonWritten(
            index=index,
            candidate_id=fixed.id,
            text="decay helps recall",
            prediction_held=True,
            credits={"decay": 0.5},
        ),
    ]


def story(n_indices: int = 3) -> list[Event]:
    """Return a small campaign with every kind of event."""
    told = opening()
    for index in range(n_indices):
        told += journey(index)
    return [*told, SessionClosed(driver="a", reason="budget", wall_seconds=12.5)]


class StoreContract(ABC):
    """The suite; one fresh, empty database per test."""

    @abstractmethod
    def location(self, tmp_path: Path) -> str:
        """Return where to make the ledger: a path or URL where there is none yet."""

    @pytest.fixture
    def place(self, tmp_path: Path) -> str:
        """A location for one test; stays the same when asked for again."""
        return self.location(tmp_path)

    def open(self, place: str) -> Ledger:
        """Open the ledger, made if need be."""
        return Ledger.open(place, create=True, campaign="first")

    def test_what_was_appended_is_read_back_in_order_also_by_another_driver(
        self, place: str
    ) -> None:
        """S1."""
        with self.open(place) as ledger:
            returned = [event for told in story() for event in ledger.append(told)]
            assert returned == story()
            assert list(ledger.events()) == story()
        with self.open(place) as again:
            assert list(again.events()) == story()
            assert list(again.events([RootAdded, LessonWritten], since=3)) == [
                event for event in story()[3:] if isinstance(event, RootAdded | LessonWritten)
            ]
            assert again.verify() is None

    def test_export_holds_every_event_with_its_link_of_the_chain(self, place: str) -> None:
        """S1."""
        with self.open(place) as ledger:
            ledger.append(*story())
            file = io.StringIO()
            assert ledger.export(file) == len(story())
            lines = [json.loads(line) for line in file.getvalue().splitlines()]
            assert [line["seq"] for line in lines] == list(range(len(story())))
            assert [line["previous"] for line in lines[1:]] == [line["hash"] for line in lines[:-1]]
            assert (len(lines), lines[-1]["hash"]) == ledger.head()

    def test_if_one_event_cannot_be_written_none_is(self, place: str) -> None:
        """S2."""
        unknown = NoveltyJudged(
            index=9, candidate_id="nobody", is_novel=True, nearest="", reason=""
        )
        nan = SessionClosed(driver="a", reason="", wall_seconds=float("nan"))
        with self.open(place) as ledger:
            ledger.append(*opening())
            for bad, why in ((unknown, "'nobody'"), (nan, "SessionClosed.wall_seconds is nan")):
                with pytest.raises(LedgerError, match=why):
                    ledger.append(*journey(0), bad)
            assert list(ledger.events()) == opening()
            assert ledger.verify() is None
            ledger.append(*journey(0))
            assert ledger.verify() is None

    def test_many_threads_and_drivers_write_one_chain(self, place: str) -> None:
        """S3."""
        with self.open(place) as one, self.open(place) as other:
            one.append(*opening())

            def work(index: int) -> None:
                for event in journey(index):
                    (one if index % 2 else other).append(event)

            with ThreadPoolExecutor(6) as pool:
                list(pool.map(work, range(12)))
            for ledger in (one, other):
                written = list(ledger.events())
                assert len(written) == len(opening()) + 12 * len(journey(0))
                for index in range(12):
                    assert [e for e in written if e.index == index] == journey(index)
                assert ledger.verify() is None

    @pytest.mark.parametrize("table", [events, *PROJECTIONS], ids=lambda table: table.name)
    def test_any_changed_value_is_named(self, place: str, table: Table) -> None:
        """S4: every column of one row, to another value of its type, or to nothing."""
        engine = create_engine(locate(place))
        with self.open(place) as ledger:
            ledger.append(*story(1))
            row = self._some_row(engine, table)
            for column in table.columns:
                for value in self._other_values(table, column.name, row[column.name]):
                    self._set(engine, table, row, column.name, value)
                    difference = self._difference(ledger)
                    assert difference is not None, f"{table.name}.{column.name} = {value!r}"
                    assert column.name == "campaign" or table.name in difference, difference
                    changed = row | {column.name: value}
                    self._set(engine, table, changed, column.name, row[column.name])
            assert ledger.verify() is None
        engine.dispose()

    @pytest.mark.parametrize("table", [events, *PROJECTIONS], ids=lambda table: table.name)
    def test_any_removed_row_is_named(self, place: str, table: Table) -> None:
        """S4."""
        with self.open(place) as ledger:
            ledger.append(*story(1))
            key = list(table.primary_key.columns)
            engine = create_engine(locate(place))
            with engine.begin() as connection:
                row = connection.execute(select(*key).order_by(*key).offset(0)).first()
                assert row is not None
                same = [column == value for column, value in zip(key, row, strict=True)]
                connection.execute(delete(table).where(*same))
            engine.dispose()
            difference = ledger.verify()
            assert difference is not None
            assert difference.table == table.name

    def test_a_trial_is_recorded_once(self, place: str) -> None:
        """S5."""
        with self.open(place) as ledger:
            ledger.append(*story())
            done = trial(candidate("fixed 1").id)
            with pytest.raises(LedgerError):
                ledger.append(TrialFinished(index=2, trial=done))
            assert list(ledger.events()) == story()
            assert ledger.trial(done.spec) == TrialFinished(index=1, trial=done)
            assert ledger.trial(trial(candidate("fixed 1").id, seed=7).spec) is None

    def test_threads_that_want_the_same_trial_run_it_once(self, place: str) -> None:
        """S6: whichever index asks."""
        root = candidate("root")
        runs: list[int] = []
        with self.open(place) as ledger:
            ledger.append(*opening())
            start = threading.Barrier(4)

            def want(index: int) -> TrialFinished:
                start.wait()
                wanted = trial(root.id)

                def run() -> TrialFinished:
                    runs.append(index)
                    return TrialFinished(index=index, trial=wanted)

                return Journal(ledger, index).once(TrialFinished, run, match=wanted.spec)

            with ThreadPoolExecutor(4) as pool:
                answers = list(pool.map(want, range(4)))
            assert len(runs) == 1
            assert answers == [TrialFinished(index=runs[0], trial=trial(root.id))] * 4

    def test_the_state_does_not_depend_on_how_the_reading_was_cut(self, place: str) -> None:
        """S7."""
        with self.open(place) as ledger:
            for event in story():
                ledger.append(event)
                ledger.state()
            assert ledger.state() == fold(story())
            before = [e for e in story() if e.index < 1]
            assert ledger.state(before_index=1) == fold(before)
        with self.open(place) as again:
            assert again.state() == fold(story())

    def test_any_text_survives(self, place: str) -> None:
        """S8: null bytes, quotes, other scripts; half a surrogate pair becomes U+FFFD."""
        said = "null \0, quote ' \" \\, line \r\n\u2028, \U0001f600 日本 \x7f\x1b[31m"
        root = candidate("root")
        rejected = Verdict(kind=VerdictKind.REJECTED, reason=said)
        verdict = VerdictReached(index=-1, candidate_id=root.id, verdict=rejected)
        half = SessionOpened(driver="half \ud800", sandboxed=True, budget_seconds=1.0)
        with self.open(place) as ledger:
            ledger.append(*opening(), verdict, half)
            *_, read, whole = ledger.events()
            assert read == verdict
            assert isinstance(whole, SessionOpened)
            assert whole.driver == "half \ufffd"
            assert ledger.verify() is None

    def _difference(self, ledger: Ledger) -> str | None:
        try:
            found = ledger.verify()
        except LedgerError as error:
            return str(error)
        return str(found) if found else None

    def _other_values(self, table: Table, column: str, value: object) -> list[object]:
        others: list[object] = [None] if table.c[column].nullable and value is not None else []
        match value:
            case bool():
                return [*others, not value]
            case int():
                return [*others, value + 1000]
            case float():
                return [*others, value + 1e-9]
            case str():
                changed = ("f" if value[:1] == "e" else "e") + value[1:]
                length = getattr(table.c[column].type, "length", None)
                longer = [value + " "] if length is None or len(value) < length else []
                return [*others, *longer, changed]
        return [{bool: True, int: 1, float: 1.0, str: "x"}[table.c[column].type.python_type]]

    def _some_row(self, engine: Engine, table: Table) -> dict[str, Any]:
        key = list(table.primary_key.columns)
        with engine.begin() as connection:
            rows = connection.execute(select(table).order_by(*key)).all()
        return rows[len(rows) // 2]._asdict()

    def _set(
        self, engine: Engine, table: Table, row: dict[str, Any], column: str, value: object
    ) -> None:
        same = [key == row[key.name] for key in table.primary_key.columns]
        with engine.begin() as connection:
            done = connection.execute(update(table).where(*same).values({column: value}))
        assert done.rowcount == 1
