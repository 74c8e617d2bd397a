"""`move37 diff`: like stands beside like.

S1  Search effects of both first, with their mean; fresh ones only where both have them.
S2  What keeps two numbers from being alike is said.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import told_campaigns as campaigns

from move37.campaign.gallery_verbs import show_difference
from move37.campaign.side_by_side import MEAN, Pair, side_by_side
from move37.memory.ledger import Ledger
from move37.memory.state import fold

WINNER, OTHER, LOSER = (campaigns.layer(name) for name in ("winner", "other", "loser"))
EVENTS = [
    *campaigns.opening(),
    *campaigns.confirmed(WINNER),
    *campaigns.searched(OTHER, 2.0, kind=campaigns.PROMOTED),
    *campaigns.searched(LOSER, 1.0, kind=campaigns.PROMOTED),
    campaigns.verdict(LOSER, campaigns.EXPLORED, campaigns.effect(0.2), e_value=0.9, level=0.03),
]


def means(pair: Pair) -> tuple[float, float]:
    assert pair.first is not None
    assert pair.second is not None
    return pair.first.mean, pair.second.mean


def test_a_fresh_effect_never_stands_beside_one_of_the_search():
    """S1, S2."""
    known = fold(EVENTS).candidates
    found = side_by_side(known[WINNER.id], known[OTHER.id])
    assert [pair.task for pair in found.search] == [MEAN, "recall", "text"]
    assert means(found.search[0]) == (5.5, 2.0)
    assert found.fresh == ()
    words = f"only {WINNER.id} was tested on fresh seeds: +4.10 [+3.29, +4.91]"
    assert found.remarks == (f"{words}; see move37 show {WINNER.id}",)


def test_fresh_effects_stand_beside_each_other_where_both_were_tested():
    """S1."""
    known = fold(EVENTS).candidates
    found = side_by_side(known[WINNER.id], known[LOSER.id])
    assert means(found.search[0]) == (5.5, 1.0)
    assert means(found.fresh[0]) == (4.1, 0.2)
    assert found.remarks == ()


def test_a_difference_is_told_in_words_and_as_json(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    """S1."""
    with Ledger.open(tmp_path / "ledger.db", create=True) as ledger:
        ledger.append(*EVENTS)
        show_difference(ledger, WINNER.id, LOSER.id)
        words = capsys.readouterr().out
        show_difference(ledger, WINNER.id, LOSER.id, as_json=True)
        told = json.loads(capsys.readouterr().out)
    assert words.index("in search") < words.index("on fresh seeds")
    assert words.count(MEAN) == 2
    assert told["effects"]["fresh"][0]["second"]["mean"] == 0.2
    assert (told["first"]["id"], told["second"]["name"]) == (WINNER.id, "loser")
