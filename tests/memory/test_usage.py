"""What language models used, as a projection: the sum over the ledger's events, on both databases.

U1  Calls of one index, role and model are one row; others are rows of their own.
U2  The rows are those that `verify` computes again.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from memory_events import asking

from move37.core.events import ModelCalled
from move37.memory import queries
from move37.memory.ledger import Ledger
from move37.testing.store_contract import journey, opening

pytest_plugins = ("move37.testing.postgres",)


@pytest.fixture(params=["sqlite", "postgres"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return str(tmp_path / "first" / "ledger.db")
    return request.getfixturevalue("postgres")()


def test_what_models_used_is_summed_by_index_role_and_model(place):
    """U1, U2: beside the trials of the same index."""
    (called,) = [event for event in asking() if isinstance(event, ModelCalled)]
    second = replace(called, turn=1, seconds=0.25, dollars=0.5, output_tokens=7)
    judge = replace(called, role="judge", model="google:\0", dollars=0.0, index=1)
    with Ledger.open(place, create=True, campaign="first") as ledger:
        ledger.append(*opening(), *journey(0), *journey(1), called, second, judge)
        researcher, trials = queries.used(ledger, index=0)
        assert (researcher.used_by, researcher.n_times) == ("researcher openai:gpt", 2)
        assert (researcher.input_tokens, researcher.output_tokens) == (1800, 87)
        assert (researcher.dollars, researcher.wall_seconds) == (0.5125, 1.75)
        assert (trials.used_by, trials.n_times, trials.dollars) == ("trial search", 2, 0.0)
        judged = queries.used(ledger, index=1)[0]
        assert (judged.used_by, judged.n_times) == ("judge google:\ufffd", 1)
        assert ledger.verify() is None
