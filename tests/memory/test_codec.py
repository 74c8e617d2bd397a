"""Events to JSON and back.

Invariants: J1 decode(encode(e)) == e; J2 equal events have equal bytes; J3 nothing that is not
finite, not known or not of its type goes in or out; J4 what an earlier version wrote still reads.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from memory_events import FLOATS, any_events, asking

from move37.core.errors import LedgerError
from move37.core.events import JudgementGiven, SessionClosed, TrialFinished
from move37.memory.codec import KINDS, VERSIONS, decode, encode, kind_of
from move37.memory.record import GENESIS, link
from move37.testing.store_contract import story, trial

GOLDEN = Path(__file__).parent / "golden_first_version.jsonl"
"""`Ledger.export` of story(1), written by the first version; never written again."""


def read_back(event):
    return decode(kind_of(event), VERSIONS[kind_of(event)], encode(event))


@settings(deadline=None, max_examples=150)
@given(any_events())
def test_every_event_reads_back_as_it_was(event):
    """J1, for every kind and field in core.events."""
    assert read_back(event) == event


@settings(deadline=None, max_examples=100)
@given(FLOATS)
def test_every_finite_number_reads_back_to_the_last_bit(number):
    """J1."""
    event = SessionClosed(driver="", reason="", wall_seconds=number)
    back = read_back(event)
    assert isinstance(back, SessionClosed)
    assert back.wall_seconds.hex() == number.hex()


@settings(deadline=None, max_examples=50)
@given(st.dictionaries(st.text(max_size=4), FLOATS, max_size=6))
def test_the_order_of_a_mapping_changes_no_byte(rubric):
    """J2."""
    event = JudgementGiven(index=0, candidate_id="a", quality=0.5, judge="j", rubric=rubric)
    turned = replace(event, rubric=dict(reversed(rubric.items())))
    assert encode(event) == encode(turned)


def test_the_spelling_is_canonical_and_pinned():
    """J2: a change here breaks the hash chain of every ledger there is."""
    event = JudgementGiven(
        index=3, candidate_id="ab", quality=0.1 + 0.2, judge="é", rubric={"b": 1e-7, "a": -0.0}
    )
    assert encode(event) == (
        '{"candidate_id":"ab","index":3,"judge":"é","quality":0.30000000000000004,'
        '"rubric":{"a":-0.0,"b":1e-07},"votes":{}}'
    )


def test_the_stories_have_every_kind_of_event():
    assert {kind_of(event) for event in [*story(), *asking()]} == set(KINDS)


@pytest.mark.parametrize("number", [float("nan"), float("inf"), -float("inf")])
def test_a_number_that_is_not_finite_is_refused_by_the_name_of_its_field(number):
    """J3."""
    done = trial("a")
    assert done.measurement is not None
    scores = {"text": replace(done.measurement.scores["text"], nats=number)}
    bad = replace(done, measurement=replace(done.measurement, scores=scores))
    with pytest.raises(LedgerError, match=r"TrialFinished\.trial\.measurement\.scores\.text\.nats"):
        encode(TrialFinished(index=0, trial=bad))


@pytest.mark.parametrize("value", [np.float32(0.5), np.zeros(2), {1, 2}, b"x", 1j])
def test_a_value_without_a_form_in_json_is_refused(value):
    """J3."""
    with pytest.raises(LedgerError, match=r"SessionClosed\.wall_seconds"):
        encode(SessionClosed(driver="", reason="", wall_seconds=value))


def test_a_key_that_is_not_text_is_refused():
    """J3."""
    with pytest.raises(LedgerError, match="keys must be strings"):
        encode(JudgementGiven(index=0, candidate_id="", quality=0, judge="", rubric={1: 0.5}))  # pyright: ignore[reportArgumentType]  # wrong on purpose


@pytest.mark.parametrize(
    ("kind", "version", "body", "why"),
    [
        ("Dreamt", 1, "{}", "'Dreamt' is not known"),
        ("CandidateStarted", 2, '{"driver":"a","index":1}', "version 2"),
        ("CandidateStarted", 1, '{"driver":"a","index":1,"mood":"good"}', "mood"),
        ("CandidateStarted", 1, '{"index":1}', "driver"),
        ("CandidateStarted", 1, '{"driver":"a","index":"1"}', "index"),
        ("CandidateStarted", 1, '{"driver":"a","index":1.5}', "index"),
        ("SessionClosed", 1, '{"driver":"","reason":"","wall_seconds":NaN}', "wall_seconds"),
        ("CandidateStarted", 1, '{"driver":"a","index":1', "body"),
        ("CandidateStarted", 1, '{"driver":"a","index":1},{"driver":"a","index":1}', "body"),
        ("CandidateStarted", 1, "null", "body"),
    ],
)
def test_what_is_not_an_event_is_refused_and_says_why(kind, version, body, why):
    """J3."""
    with pytest.raises(LedgerError, match=why):
        decode(kind, version, body)


def test_a_trial_that_contradicts_itself_is_refused():
    """J3: a completed trial has a measurement."""
    body = json.loads(encode(TrialFinished(index=0, trial=trial("a"))))
    body["trial"]["measurement"] = None
    with pytest.raises(LedgerError, match="measurement=None"):
        decode("TrialFinished", 1, json.dumps(body))


def test_only_events_of_core_are_recorded():
    """J3."""

    @dataclass(frozen=True)
    class CandidateStarted:
        index: int = 0

    with pytest.raises(LedgerError, match="only the events of core"):
        encode(CandidateStarted())  # pyright: ignore[reportArgumentType]  # wrong on purpose


def test_what_the_first_version_wrote_still_reads_as_it_was_told():
    """J4: a field that goes or changes its meaning needs a new version, see codec.VERSIONS."""
    lines = [json.loads(line) for line in GOLDEN.read_text(encoding="utf-8").splitlines()]
    read = [decode(line["kind"], line["version"], json.dumps(line["body"])) for line in lines]
    assert read == story(1)


def test_the_chain_of_the_first_version_is_still_computed_the_same_way():
    """J4."""
    previous = GENESIS
    for line in map(json.loads, GOLDEN.read_text(encoding="utf-8").splitlines()):
        digest = link(
            previous=previous,
            campaign=line["campaign"],
            seq=line["seq"],
            time=line["time"],
            index=line["body"]["index"],
            kind=line["kind"],
            version=line["version"],
            body=json.dumps(
                line["body"], sort_keys=True, separators=(",", ":"), ensure_ascii=False
            ),
        )
        assert digest == line["hash"], line["seq"]
        previous = digest
