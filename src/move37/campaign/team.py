"""Who plays: the members that a config names, and the symbolic team beside one of language models.

A campaign with language models has two arms. The control arm is the symbolic team; it makes a
stated share of the candidates, from its own results only, so that the report can say whether the
models were worth their tokens. The judge is the same for both: fitness has one scale.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from move37.campaign.edges import barred, may_not_judge
from move37.campaign.guarding import effort_chooser
from move37.campaign.stopping import Stopwatch
from move37.core.candidate import Candidate
from move37.core.config import CampaignConfig
from move37.core.errors import ReplyError, UnknownName
from move37.core.events import CallEnded, CallJudged, ModelCalled, ParentsChosen
from move37.core.team import Allowance, Role, TeamConfig
from move37.memory.artefacts import Artefacts
from move37.memory.ledger import Ledger
from move37.team.models.calls import MakeModel
from move37.team.models.desk import Desk
from move37.team.models.tape import Tape
from move37.team.protocols import (
    Analyst,
    Breakage,
    Brief,
    Comparison,
    Critic,
    Engineer,
    Explanation,
    Judge,
    Opinion,
    Proposal,
    Researcher,
    Study,
)
from move37.team.symbolic.analyst import SymbolicAnalyst
from move37.team.symbolic.control import RandomResearcher
from move37.team.symbolic.disguise import DisguiseResearcher
from move37.team.symbolic.engineer import SymbolicEngineer
from move37.team.symbolic.judge import SymbolicJudge
from move37.team.symbolic.researcher import SymbolicResearcher

TEAM, CONTROL = "team", "control"
MAX_JUDGES = 3  # assumed: beyond three, judges that err alike add almost nothing
AUTHORS = (Role.RESEARCHER, Role.ENGINEER, Role.ANALYST)
"""The roles that differ between the arms."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Team:
    """Who proposes, repairs, explains and judges."""

    researcher: Researcher
    engineer: Engineer
    analyst: Analyst
    judge: Judge
    critic: Critic | None = None
    """Gives the second opinion on novelty; None: the normal form decides alone."""


@dataclass(frozen=True, kw_only=True, slots=True)
class LedgerClerk:
    """Keeps what models say in the run's artefacts and ledger."""

    ledger: Ledger
    artefacts: Artefacts

    def keep(self, content: bytes) -> str:
        """Keep a text; return its digest."""
        return self.artefacts.put(content)

    def fetch(self, digest: str) -> bytes:
        """Return a kept text."""
        return self.artefacts.get(digest)

    def record(self, event: ModelCalled | CallEnded | CallJudged) -> None:
        """Write an event."""
        self.ledger.append(event)


def open_desk(
    config: CampaignConfig,
    ledger: Ledger,
    artefacts: Artefacts,
    watch: Stopwatch,
    *,
    make_model: MakeModel | None = None,
    tape: Tape | None = None,
) -> Desk | None:
    """Return the desk of a team with language models; None for a team without."""
    if not config.team.llm_roles:
        return None
    return Desk(
        config.team,
        LedgerClerk(ledger=ledger, artefacts=artefacts),
        allowance=Allowance(dollars=config.budget.dollars, tokens=config.budget.tokens),
        earlier=ledger.events([ModelCalled, CallEnded]),
        make_model=make_model,
        tape=tape,
        choose_effort=effort_chooser(config, ledger),
        choose_model=lambda role, index: chosen_model(ledger, role, index),
        is_barred=barred(config.team, ledger),
        is_stopped=lambda: watch.is_stopped,
    )


def chosen_model(ledger: Ledger, role: Role, index: int) -> str:
    """Return the model that was chosen for an index; empty: none was, or not for this role."""
    if role is not Role.RESEARCHER:
        return ""
    return next((e.model for e in ledger.at_index(ParentsChosen, index)), "")


def make_team(config: TeamConfig, desk: Desk | None = None) -> Team:
    """Return the members that the config names.

    Args:
        config: names a member for every role.
        desk: where language models sit; without one, `llm` members are looked up only.

    Raises:
        UnknownName: no such member.
    """
    members = {role: _member(role, getattr(config, role), desk) for role in Role}
    critic = (
        UnrelatedCritic(desk=desk) if desk is not None and Role.JUDGE in config.llm_roles else None
    )
    chosen = Team(**members, critic=critic)
    if not has_control(config):
        return chosen
    arms = TwoArms(team=chosen, control=_symbolic(), share=config.control_share)
    return replace(chosen, researcher=arms, engineer=arms, analyst=arms)


def has_control(config: TeamConfig) -> bool:
    """Whether there are two arms."""
    return config.control_share > 0 and any(role in AUTHORS for role in config.llm_roles)


def arm_of(config: TeamConfig, index: int) -> str:
    """Return which arm makes a candidate; an empty text where there is one arm only."""
    if not has_control(config) or index < 0:
        return ""
    return CONTROL if is_control(index, config.control_share) else TEAM


def is_control(index: int, share: float) -> bool:
    """Whether a candidate is the control arm's: spread evenly, `share` of any stretch.

    A small amount is added before rounding, so that 1/3 three times is 1.
    """
    return int((index + 1) * share + 1e-9) > int(index * share + 1e-9)


@dataclass(frozen=True, kw_only=True, slots=True)
class TwoArms:
    """Researcher, Engineer and Analyst of two teams: each record goes to the arm of its index."""

    team: Team
    control: Team
    share: float

    def propose(self, brief: Brief) -> Proposal:
        """Have the arm's Researcher propose."""
        return self._arm(brief.index).researcher.propose(brief)

    def repair(self, breakage: Breakage) -> Candidate | None:
        """Have the arm's Engineer repair."""
        return self._arm(breakage.index).engineer.repair(breakage)

    def explain(self, study: Study) -> Explanation:
        """Have the arm's Analyst explain."""
        return self._arm(study.index).analyst.explain(study)

    def _arm(self, index: int) -> Team:
        return self.control if is_control(index, self.share) else self.team


def _symbolic() -> Team:
    return Team(
        researcher=SymbolicResearcher(),
        engineer=SymbolicEngineer(),
        analyst=SymbolicAnalyst(),
        judge=SymbolicJudge(),
    )


def _member(role: Role, name: str, desk: Desk | None) -> Any:
    made = {**_SYMBOLIC[role], "llm": lambda: _llm(role, desk)}
    if name not in made:
        raise UnknownName.of(role, name, made)
    return made[name]()


@dataclass(frozen=True, kw_only=True, slots=True)
class UnrelatedCritic:
    """Second opinions on novelty, from the judges that the firewall lets near the author, in turn.

    Implements `team.protocols.Critic`.
    """

    desk: Desk

    def compare(self, comparison: Comparison) -> Opinion:
        """Return a model's opinion.

        Raises:
            ReplyError: every judge is related to the author, or the one asked gave no usable reply.
        """
        from move37.team.llm.chairs import Chair
        from move37.team.llm.critic import LlmCritic

        authors = comparison.authors or (comparison.candidate.author,)
        related = may_not_judge(self.desk.config)
        free = [
            choice.name
            for choice in self.desk.choices(Role.JUDGE)
            if not any(related(author, choice.model.label) for author in authors)
            and not self.desk.is_barred(choice.model.label, comparison.index)
        ]
        if not free:
            raise ReplyError(
                f"no judge is unrelated to the author ({', '.join(map(repr, authors))}) and free: "
                "none is asked"
            )
        name = free[max(comparison.index, 0) % len(free)]
        critic = LlmCritic(lambda index: Chair(self.desk.seat(Role.JUDGE, index=index, model=name)))
        return critic.compare(comparison)


def _llm(role: Role, desk: Desk | None) -> Any:
    if desk is None:
        return None
    from move37.team.llm.analyst import LlmAnalyst
    from move37.team.llm.chairs import all_of, one_of
    from move37.team.llm.engineer import LlmEngineer
    from move37.team.llm.judge import LlmJudge
    from move37.team.llm.researcher import LlmResearcher

    match role:
        case Role.RESEARCHER:
            return LlmResearcher(one_of(desk, role))
        case Role.ENGINEER:
            return LlmEngineer(one_of(desk, role))
        case Role.ANALYST:
            return LlmAnalyst(one_of(desk, role))
        case Role.JUDGE:
            return LlmJudge(
                all_of(desk, role), related=may_not_judge(desk.config), max_judges=MAX_JUDGES
            )


_SYMBOLIC: dict[Role, dict[str, Callable[[], object]]] = {
    Role.RESEARCHER: {
        "symbolic": SymbolicResearcher,
        "random": RandomResearcher,
        "disguise": DisguiseResearcher,
    },
    Role.ENGINEER: {"symbolic": SymbolicEngineer},
    Role.ANALYST: {"symbolic": SymbolicAnalyst},
    Role.JUDGE: {"symbolic": SymbolicJudge},
}
