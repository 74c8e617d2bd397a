"""What language models cost, and whether they were worth it: by role, by candidate, by arm.

An arm's discoveries are counts; their rate per CPU hour or dollar has the exact interval of a
Poisson rate. Two rates are compared by the exact interval of their ratio, given the sum of counts
(F. Garwood, 1936; J. Przyborowski and H. Wilenski, 1940). The judge is no part of an arm: it
grades both.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field

from move37.core.claims import Effect, VerdictKind
from move37.core.events import (
    CallEnded,
    CandidateStarted,
    Event,
    ModelCalled,
    TrialFinished,
)
from move37.core.team import Role
from move37.insights.story import Story

LEVEL = 0.95
SECONDS_PER_HOUR = 3600.0
MOST_ROWS = 10


@dataclass(frozen=True, kw_only=True, slots=True)
class Rate:
    """A count over an exposure, with its interval; high is None where there is no bound."""

    count: int
    exposure: float
    low: float
    high: float | None

    @property
    def mean(self) -> float:
        """Count over exposure."""
        return self.count / self.exposure if self.exposure > 0 else 0.0


@dataclass(kw_only=True, slots=True)
class Used:
    """What some requests used."""

    name: str
    n_requests: int = 0
    n_failed: int = 0
    """Conversations without a usable reply."""
    tokens: int = 0
    dollars: float = 0.0
    seconds: float = 0.0
    is_priced: bool = True

    def add(self, event: ModelCalled) -> None:
        """Count one request."""
        self.n_requests += 1
        self.tokens += event.input_tokens + event.output_tokens
        self.dollars += event.dollars
        self.seconds += event.seconds
        self.is_priced = self.is_priced and event.is_priced


@dataclass(frozen=True, kw_only=True, slots=True)
class Arm:
    """One team's part of a campaign."""

    name: str
    n_candidates: int
    n_promoted: int
    n_discoveries: int
    """Confirmed on fresh seeds."""
    cpu_hours: float
    dollars: float
    best: Effect | None
    """Largest of its discoveries on fresh seeds, noise units; the largest of more is larger. None
    without a discovery."""
    per_hour: Rate
    per_dollar: Rate | None
    """None where nothing was paid."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Spending:
    """Everything that the report says about language models."""

    roles: tuple[Used, ...]
    whole: Used
    candidates: tuple[Used, ...]
    """The dearest ones; named by index and candidate."""
    n_discoveries: int
    dollars_per_discovery: float | None
    arms: tuple[Arm, ...] = ()
    verdict: str = ""
    """Which arm made more of its CPU time, in words."""
    n_used: int = field(default=0)


@dataclass(slots=True)
class _Books:
    """What the events say, by role and by index."""

    whole: Used = field(default_factory=lambda: Used(name="all"))
    roles: dict[str, Used] = field(default_factory=dict)
    indices: dict[int, Used] = field(default_factory=dict)
    authors: dict[int, float] = field(default_factory=lambda: defaultdict(float))
    """Dollars by index, the judge's left out."""
    cpu: dict[int, float] = field(default_factory=lambda: defaultdict(float))
    arms: dict[int, str] = field(default_factory=dict)

    def add(self, event: Event) -> None:
        match event:
            case ModelCalled():
                self._pay(event)
            case CallEnded() if event.outcome != "answered":
                for used in (self.whole, self._role(event.role)):
                    used.n_failed += 1
            case CandidateStarted() if event.arm:
                self.arms[event.index] = event.arm
            case TrialFinished(trial=trial):
                cost = trial.measurement.cost if trial.measurement else trial.cost
                self.cpu[event.index] += cost.cpu_seconds if cost else 0.0

    def _pay(self, event: ModelCalled) -> None:
        known = self.indices.setdefault(event.index, Used(name=f"#{event.index}"))
        for used in (self.whole, self._role(event.role), known):
            used.add(event)
        if event.role != Role.JUDGE:
            self.authors[event.index] += event.dollars

    def _role(self, role: str) -> Used:
        return self.roles.setdefault(role, Used(name=role))


def spending(events: Iterable[Event], story: Story) -> Spending | None:
    """Return what language models used; None for a campaign without any."""
    books = _Books()
    for event in events:
        books.add(event)
    if not books.whole.n_requests:
        return None
    for index, used in books.indices.items():
        used.name = _name(story, index)
    arms = tuple(_arm(name, story, books) for name in sorted(set(books.arms.values()))[::-1])
    n_found = sum(record.index >= 0 for record in story.gallery)
    dearest = sorted(books.indices.values(), key=lambda used: -used.dollars)
    return Spending(
        roles=tuple(books.roles.values()),
        whole=books.whole,
        candidates=tuple(dearest[:MOST_ROWS]),
        n_discoveries=n_found,
        dollars_per_discovery=books.whole.dollars / n_found if n_found else None,
        arms=arms,
        verdict=_verdict(arms),
        n_used=len(books.indices),
    )


def poisson_rate(count: int, exposure: float, *, level: float = LEVEL) -> Rate:
    """Return a rate with its exact interval."""
    from scipy.stats import chi2  # late: the report only

    tail = (1.0 - level) / 2.0
    if exposure <= 0:
        return Rate(count=count, exposure=exposure, low=0.0, high=None)
    low = float(chi2.ppf(tail, 2 * count)) / 2.0 if count else 0.0
    high = float(chi2.ppf(1.0 - tail, 2 * (count + 1))) / 2.0
    return Rate(count=count, exposure=exposure, low=low / exposure, high=high / exposure)


def rate_ratio(first: Rate, second: Rate, *, level: float = LEVEL) -> tuple[float, float | None]:
    """Return the exact interval of the ratio of two Poisson rates; None: no upper bound."""
    from scipy.stats import beta

    n, k = first.count + second.count, first.count
    if n == 0 or first.exposure <= 0 or second.exposure <= 0:
        return 0.0, None
    tail = (1.0 - level) / 2.0
    low = float(beta.ppf(tail, k, n - k + 1)) if k else 0.0
    high = float(beta.ppf(1.0 - tail, k + 1, n - k)) if k < n else 1.0
    scale = second.exposure / first.exposure
    return low / (1.0 - low) * scale, high / (1.0 - high) * scale if high < 1.0 else None


def _arm(name: str, story: Story, books: _Books) -> Arm:
    indices = {index for index, arm in books.arms.items() if arm == name}
    records = [r for r in story.searched if r.index in indices]
    found = [r for r in story.gallery if r.index in indices]
    effects = [r.test.effect for r in found if r.test and r.test.effect]
    hours = sum(books.cpu.get(i, 0.0) for i in indices) / SECONDS_PER_HOUR
    paid = sum(books.authors.get(i, 0.0) for i in indices)
    promoted = [
        r for r in records if any(v.verdict.kind is VerdictKind.PROMOTED for v in r.verdicts)
    ]
    return Arm(
        name=name,
        n_candidates=len(indices),
        n_promoted=len(promoted),
        n_discoveries=len(found),
        cpu_hours=hours,
        dollars=paid,
        best=max(effects, key=lambda e: e.mean, default=None),
        per_hour=poisson_rate(len(found), hours),
        per_dollar=poisson_rate(len(found), paid) if paid > 0 else None,
    )


def _verdict(arms: tuple[Arm, ...]) -> str:
    by_name = {arm.name: arm for arm in arms}
    team, control = by_name.get("team"), by_name.get("control")
    if team is None or control is None:
        return ""
    if team.n_discoveries + control.n_discoveries == 0:
        return "Neither arm has a discovery: nothing can be said yet."
    low, high = rate_ratio(team.per_hour, control.per_hour)
    bounds = f"between {low:.2g} and {high:.2g}" if high is not None else f"at least {low:.2g}"
    words = f"Per CPU hour the language models made {bounds} times the control's discoveries"
    if low > 1.0:
        return f"{words}: they were better."
    if high is not None and high < 1.0:
        return f"{words}: they were worse."
    return f"{words}: too few to tell them apart."


def _name(story: Story, index: int) -> str:
    names = [r.name for r in story.entries.values() if r.index == index]
    return f"#{index} {names[-1]}" if names else f"#{index} no candidate"
