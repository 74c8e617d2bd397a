"""The race in words.

C1  A promotion is told with its bar, and a bar of zero is called what it is: the baseline.
C2  The report counts who was dropped before the end, and at which look.
"""

from __future__ import annotations

from pathlib import Path

import told_campaigns as campaigns
from pages import written

from move37.core.claims import BEST_SO_FAR, RungChoice, RungDecision
from move37.core.events import Event, RungDecided
from move37.evidence.racing import RacingRules, RungModel, decide
from move37.insights.race import bar_of, bar_words, race_words
from move37.insights.story import tell

GO_ON, DROP, PROMOTE = RungChoice.GO_ON, RungChoice.DROP, RungChoice.PROMOTE


def raced(name: str, *choices: RungChoice, bar: float = 0.0) -> list[Event]:
    """A candidate that was searched, with what the race decided at each look."""
    candidate = campaigns.layer(name)
    first, *rest = campaigns.searched(candidate, 1.0)
    reason = f"probability 0.53 of ending above {bar:+.2f}, at least 0.50"
    looks = [
        RungDecided(
            index=0,
            candidate_id=candidate.id,
            rung=rung,
            decision=RungDecision(choice=choice, reason=reason, probability=0.53),
        )
        for rung, choice in enumerate(choices)
    ]
    return [first, *looks, *rest]


RACE = [
    *campaigns.opening(),
    *raced("early", DROP),
    *raced("also early", DROP),
    *raced("later", GO_ON, DROP),
    *raced("whole, below the bar", GO_ON, GO_ON, DROP, bar=2.0),
    *raced("over the baseline", GO_ON, GO_ON, PROMOTE),
    *raced("over a rival", GO_ON, GO_ON, PROMOTE, bar=3.49),
]


def test_the_bar_is_read_from_what_racing_says():
    """C1."""
    model = RungModel(correlation=1.0)
    for bar, is_last, whose in ((0.0, True, ""), (3.49, True, ""), (3.49, False, BEST_SO_FAR)):
        decision = decide([1.0], bar=bar, noise=1.0, rung=model, is_last=is_last,
                          rules=RacingRules(), whose=whose)  # fmt: skip
        assert bar_of(decision.reason) == bar
        assert ("the best candidate by then" in bar_words(decision.reason)) is bool(whose)
    assert bar_of("e-value 210 on 4 fresh seeds reaches 32.9") is None


def test_a_bar_of_zero_is_called_the_baseline():
    """C1."""
    assert "is the baseline itself" in bar_words("probability 0.53 of ending above +0.00, at least")
    assert "+3.49 is the effect of the last" in bar_words("probability 1 of ending above +3.49, x")
    assert "+3.49 is the effect of the best candidate" in bar_words(
        f"probability 0.03 of ending above +3.49 ({BEST_SO_FAR}), below 0.10"
    )
    assert bar_words("e-value 210") == ""


def test_who_was_dropped_is_counted_by_look():
    """C2: whoever was trained to the end and not promoted was not dropped before the end."""
    assert race_words(tell(RACE).searched, 3) == (
        "Of 6 candidates that came to a look, 3 were dropped before the last of 3 looks (2 at "
        "look 1, 1 at look 2); 2 were promoted, 1 of them over no higher bar than the baseline "
        "itself."
    )
    assert race_words(tell(campaigns.winning()).searched, 3) == ""


def test_the_report_tells_the_race(tmp_path: Path):
    """C2."""
    page, markdown = written(RACE, tmp_path)
    for text in (page.text, markdown):
        assert "Of 6 candidates that came to a look" in text
