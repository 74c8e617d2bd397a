"""Bandits over kinds of steps and over models: from the ledger's past, and nothing else.

B1  The default draws no kind and takes models in turn.
B2  What beat its parents is asked for more often; what is in flight does not count.
B3  The choice of a model is written down, and a desk seats that model, in any later session.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from scripts import TEAM

from move37.campaign.bandits import MODES, choose_mode, choose_model
from move37.campaign.settings import load_campaign
from move37.campaign.stopping import Stopwatch
from move37.campaign.team import arm_of, open_desk
from move37.core.claims import Fitness, Verdict, VerdictKind
from move37.core.config import CampaignConfig
from move37.core.events import (
    CandidateProposed,
    CandidateStarted,
    Event,
    ParentsChosen,
    VerdictReached,
)
from move37.core.team import Role
from move37.memory.artefacts import Artefacts
from move37.memory.ledger import Ledger
from move37.memory.state import fold
from move37.team.models.scripted import scripted
from move37.testing.store_contract import candidate, opening

BOTH = {**TEAM, "roles": {**TEAM["roles"], "researcher": {"models": ["one", "two"]}}}


def config(*, seed: int = 1, team: dict | None = None, **search: object) -> CampaignConfig:
    return load_campaign(None, {"seed": seed, "search": search, "team": team or {}})


def child(index: int, fitness: float, *, mode: str = "", model: str = "") -> list[Event]:
    """One finished candidate of the root (fitness 0.5), made that way."""
    root, made = candidate("root"), candidate(f"child {index}", candidate("root").id)
    value = Fitness(value=fitness, effect_part=0, task_part=0, judge_part=0)
    explored = Verdict(kind=VerdictKind.EXPLORED, reason="")
    return [
        CandidateStarted(index=index, driver="a"),
        ParentsChosen(
            index=index, parents=(root.id,), references=(), rule="top_ten", mode=mode, model=model
        ),
        CandidateProposed(index=index, candidate=made, operator="mutate:decay"),
        VerdictReached(index=index, candidate_id=made.id, verdict=explored, fitness=value),
    ]


def measured_root() -> list[Event]:
    value = Fitness(value=0.5, effect_part=0, task_part=0, judge_part=0)
    explored = Verdict(kind=VerdictKind.EXPLORED, reason="")
    root = candidate("root").id
    return [
        *opening(),
        VerdictReached(index=-1, candidate_id=root, verdict=explored, fitness=value),
    ]


def test_without_a_bandit_nothing_is_asked_for():
    """B1."""
    state = fold(measured_root())
    assert choose_mode(config(), state, 3) == ""
    assert choose_model(config(team=BOTH), state, 3) == ""
    assert choose_model(config(models="bandit"), state, 3) == "", "a team without models"


def test_a_share_of_candidates_joins_two_parents():
    """B1: and of the others the Researcher decides."""
    state = fold(measured_root())
    asked = Counter(choose_mode(config(crossovers=0.3), state, index) for index in range(400))
    assert set(asked) == {"", "recombine"}
    assert 80 <= asked["recombine"] <= 160


def test_the_kind_of_step_that_beats_its_parents_is_asked_for_more_often():
    """B2: leaps won, everything else lost."""
    told = measured_root()
    for index in range(40):
        mode = MODES[index % len(MODES)]
        told += child(index, 0.9 if mode == "leap" else 0.1, mode=mode)
    state = fold(told)
    asked = Counter(choose_mode(config(seed=s, operators="bandit"), state, 44) for s in range(200))
    assert asked["leap"] > 150
    early = Counter(
        choose_mode(config(seed=s, operators="bandit"), fold(measured_root()), 0)
        for s in range(200)
    )
    assert set(early) == set(MODES), "nothing is known yet: all are tried"


def test_what_is_in_flight_does_not_change_the_choice(tmp_path: Path):
    """B2: the same from a ledger opened again, with later candidates begun."""
    told = measured_root()
    for index in range(12):
        told += child(index, index / 12, mode=MODES[index % 4])
    settings = config(operators="bandit")
    undisturbed = [choose_mode(settings, fold(told).before(n - 4), n) for n in range(4, 16)]
    with Ledger.open(tmp_path / "ledger.db", create=True) as ledger:
        ledger.append(*told, *child(13, 0.99, mode="leap")[:3])
    with Ledger.open(tmp_path / "ledger.db") as ledger:
        again = [choose_mode(settings, ledger.state(n - 4), n) for n in range(4, 16)]
    assert again == undisturbed


def test_the_model_that_does_better_proposes_more_often_and_the_control_arm_asks_none():
    """B2."""
    told = measured_root()
    for index in range(30):
        name = ("one", "two")[index % 2]
        told += child(index, 0.9 if name == "two" else 0.1, model=name)
    state = fold(told)
    settings = [config(seed=s, team=BOTH, models="bandit") for s in range(60)]
    index = next(i for i in range(30, 40) if arm_of(settings[0].team, i) == "team")
    control = next(i for i in range(30, 40) if arm_of(settings[0].team, i) == "control")
    asked = Counter(choose_model(each, state, index) for each in settings)
    assert asked["two"] > 45
    assert {choose_model(each, state, control) for each in settings} == {""}


def test_a_desk_seats_the_model_that_was_chosen(tmp_path: Path):
    """B3: where none was, the one whose turn it is; a judge is nobody's choice."""
    settings = config(team=BOTH, models="bandit")
    with Ledger.open(tmp_path / "ledger.db", create=True) as ledger:
        ledger.append(*measured_root(), *child(4, 0.7, model="two"), *child(6, 0.7))
        artefacts, watch = Artefacts(tmp_path / "artefacts"), Stopwatch(settings.budget)
        desk = open_desk(settings, ledger, artefacts, watch, make_model=scripted({}))
        assert desk is not None
        assert desk.seat(Role.RESEARCHER, index=4).name == "two"
        assert desk.seat(Role.RESEARCHER, index=6).name == "one"
        assert desk.seat(Role.JUDGE, index=4).name == "two"
        desk.close()
