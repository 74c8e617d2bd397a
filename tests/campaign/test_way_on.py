"""The last words of a session, for every way to end.

E1  The reason is said, with what the ledger's note says.
E2  The option named is the one whose limit was reached, with a larger value.
E3  Following the words moves nothing else: limits of this session that the run did not begin with
    are named too.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from conftest import tiny
from rich.text import Text

from move37.campaign.loop import NothingUsable
from move37.campaign.session import End, Ending
from move37.campaign.way_on import ending_words, way_on
from move37.core.errors import OutOfFunds
from move37.core.team import Allowance, Role
from move37.team.protocols import NoProposal


def words(end: End, *, runs: str = "runs", **changed: float) -> str:
    """What is printed after a session with this budget of a run that began with 600 s and 10."""
    stored = tiny("mine")
    now = stored.model_copy(update={"budget": stored.budget.model_copy(update=changed)})
    said = ending_words(end, way_on(end, now, stored=stored, runs=Path(runs)))
    return Text.from_markup(said).plain


def test_the_note_is_on_the_screen_whatever_is_in_it():
    """E1."""
    cause = NothingUsable("12 proposals in a row gave nothing usable, the last: [/] [401] no key")
    said = words(End(ending=Ending.UNUSABLE, cause=cause))
    assert f"the team gives nothing usable: {cause}; mend the key or the server" in said
    assert "roots" not in said
    said = words(End(ending=Ending.EXHAUSTED, cause=NoProposal("60 tries, nothing new")))
    assert "nothing new to propose: 60 tries, nothing new; start another run from other" in said


def out(what: str, role: str = "", needed: float = 0.0) -> OutOfFunds:
    return OutOfFunds("all used", what=what, role=role, needed=needed)


@pytest.mark.parametrize(
    ("end", "changed", "expected"),
    [
        (End(ending=Ending.BUDGET), {}, "--name mine --budget 1h"),
        (End(ending=Ending.BUDGET), {"wall_seconds": 7000.0}, "--name mine --budget 4h"),
        (End(ending=Ending.CANDIDATES), {}, "--name mine --candidates 20"),
        (End(ending=Ending.TRAINED), {"search_tokens": 10}, "--name mine --search-tokens 20"),
        (
            End(ending=Ending.CANDIDATES),
            {"wall_seconds": 900.0, "max_candidates": 12},
            "--name mine --budget 900s --candidates 24",
        ),
        (
            End(ending=Ending.FUNDS, cause=out("tokens")),
            {"tokens": 5_000},
            "--name mine --tokens 10000",
        ),
        (
            End(ending=Ending.FUNDS, cause=out("tokens", needed=40_000)),
            {"tokens": 5_000, "dollars": 3.0},
            "--name mine --tokens 40000 --dollars 3.00",
        ),
        (
            End(ending=Ending.FUNDS, cause=out("dollars", needed=0.0101)),
            {"dollars": 0.001},
            "--name mine --dollars 0.02",
        ),
    ],
)
def test_the_limit_that_was_reached_is_the_one_to_raise(end, changed, expected):
    """E2, E3."""
    assert words(end, **changed).endswith(f"for more: move37 run {expected}")


def test_limits_that_are_no_option_are_named_where_they_are_set():
    """E2."""
    said = words(End(ending=Ending.FUNDS, cause=out("tokens", role="judge")))
    assert "a larger tokens under [roles.judge.limits] in the team file" in said
    assert said.endswith("and move37 run --name mine --team FILE")


def test_a_limit_of_a_role_that_was_raised_is_given_again():
    """E3: it is in a file whose name is not known."""
    stored = tiny("mine")
    team = stored.team.with_limits({Role.JUDGE: Allowance(tokens=9)})
    now = stored.model_copy(update={"team": team})
    end = End(ending=Ending.CANDIDATES)
    assert way_on(end, now, stored=stored, runs=Path("runs")).endswith(" --team FILE")
    assert "--team" not in way_on(end, now, stored=now, runs=Path("runs"))


def test_the_folder_of_all_runs_is_said_where_it_is_another():
    """E3."""
    assert words(End(ending=Ending.BUDGET), runs="mine/of me").endswith("--runs 'mine/of me'")
