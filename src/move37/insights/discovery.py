"""Confirmed discoveries over measured compute, beside another search at equal compute.

Compute is that of search and confirmation, the baseline's included: processor seconds, or seconds
on the GPU where the preset trains there. Opponents and larger scales are no part of it.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from move37.core.claims import VerdictKind
from move37.core.errors import ConfigError
from move37.core.events import CandidateStarted, Event, RootAdded, TrialFinished, VerdictReached
from move37.core.trial import Stage, Trial
from move37.insights.laws import Laws, fit
from move37.insights.setting import Setting, read_setting
from move37.insights.spend import poisson_rate, rate_ratio
from move37.insights.story import tell

WHOLE, TEAM, CONTROL = "", "team", "control"
ARM_NAMES = {TEAM: "language models", CONTROL: "symbolic team (control)"}


@dataclass(frozen=True, kw_only=True, slots=True)
class Curve:
    """When one search made its discoveries."""

    name: str
    times: tuple[float, ...]
    """Seconds of compute at each confirmation that still stands."""
    total: float
    seen: tuple[float, ...] = ()
    """Seconds of the search's own compute at each candidate that looked better after the whole
    training: its 95 % interval on search seeds lies above 0. Optimistic."""
    seen_total: float = 0.0
    confirms: bool = True
    """Whether it tests on fresh seeds at all; an ablation's arms do not."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Beside:
    """This search against another at equal compute."""

    ours: Curve
    curve: Curve
    """The other one."""
    n_ours: int
    n_theirs: int
    by_confirmed: bool
    """Whether discoveries are counted; else what looked better in the search."""
    seconds: float
    """Compute up to which both are counted: that of the shorter one."""
    low: float
    high: float | None
    """95 % of the ratio of rates, exact given the sum of counts; None: no bound."""
    counted: str
    """What is counted, in words."""
    words: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Discovery:
    """A campaign's discoveries over its compute."""

    curve: Curve
    laws: Laws
    unit: str
    """`CPU` or `GPU`."""
    beside: tuple[Beside, ...] = ()


@dataclass(slots=True)
class _Ticks:
    """One search's clock and what it has found so far."""

    used: float = 0.0
    searched: float = 0.0
    confirmed: dict[str, float] = field(default_factory=dict)
    seen: dict[str, float] = field(default_factory=dict)

    def spend(self, seconds: float, *, in_search: bool) -> None:
        self.used += seconds
        self.searched += seconds if in_search else 0.0

    def judge(self, event: VerdictReached) -> None:
        verdict = event.verdict
        if verdict.kind in (VerdictKind.CONFIRMED, VerdictKind.VERIFIED):
            self.confirmed.setdefault(event.candidate_id, self.used)
        elif event.candidate_id in self.confirmed and verdict.kind is VerdictKind.REFUTED:
            del self.confirmed[event.candidate_id]
        is_search = verdict.stage is Stage.SEARCH and event.fitness is not None
        if is_search and verdict.effect and verdict.effect.low > 0:
            self.seen.setdefault(event.candidate_id, self.searched)


def discovery(
    events: Iterable[Event], others: Sequence[tuple[str, Sequence[Event]]] = ()
) -> Discovery | None:
    """Return the curve of a campaign; None before any compute was measured.

    Args:
        events: of the campaign.
        others: names and events of runs to stand beside it. Without any, a campaign with two arms
            has its control arm beside its team.

    Raises:
        ConfigError: another run has another preset or baseline, so nothing could be compared.
    """
    events = list(events)
    story = tell(events)
    setting = read_setting(story)
    on_gpu = _on_gpu(setting)
    found = curves(events, setting)
    whole = found[WHOLE]
    if whole.total <= 0:
        return None
    beside = [against(whole, _other(setting, name, told), on_gpu=on_gpu) for name, told in others]
    if not others and TEAM in found and CONTROL in found:
        beside = [against(found[TEAM], found[CONTROL], on_gpu=on_gpu)]
    return Discovery(
        curve=whole,
        laws=fit(whole.times, whole.total),
        unit="GPU" if on_gpu else "CPU",
        beside=tuple(b for b in beside if b is not None),
    )


def curves(events: Iterable[Event], setting: Setting) -> dict[str, Curve]:
    """Return the curve of a whole campaign, and of each arm where it has two."""
    on_gpu, config = _on_gpu(setting), setting.config
    arms: dict[int, str] = {}
    opponents: set[str] = set()
    ticks: defaultdict[str, _Ticks] = defaultdict(_Ticks)
    ticks[WHOLE] = _Ticks()
    for event in events:
        match event:
            case CandidateStarted(index=index, arm=arm) if arm:
                arms[index] = arm
            case RootAdded(candidate=candidate, role="opponent"):
                opponents.add(candidate.id)
            case TrialFinished(index=index, trial=trial):
                if _counts(trial, opponents):
                    for name in {WHOLE, arms.get(index, WHOLE)}:
                        in_search = trial.spec.stage is Stage.SEARCH
                        ticks[name].spend(_seconds(trial, on_gpu=on_gpu), in_search=in_search)
            case VerdictReached(index=index):
                for name in {WHOLE, arms.get(index, WHOLE)}:
                    ticks[name].judge(event)
    confirms = config is None or config.evidence.confirm_most != 0
    return {
        name: Curve(
            name=ARM_NAMES.get(name, name),
            times=tuple(sorted(of.confirmed.values())),
            total=of.used,
            seen=tuple(sorted(of.seen.values())),
            seen_total=of.searched,
            confirms=confirms,
        )
        for name, of in ticks.items()
    }


def against(ours: Curve, theirs: Curve, *, on_gpu: bool = False) -> Beside | None:
    """Compare two searches at the compute of the shorter one; None where one has used none.

    Discoveries are counted where both test on fresh seeds, else what looked better in the search.
    """
    both_confirm = ours.confirms and theirs.confirms
    sides = [(c.times, c.total) if both_confirm else (c.seen, c.seen_total) for c in (ours, theirs)]
    seconds = min(total for _, total in sides)
    if seconds <= 0:
        return None
    n, m = (bisect_right(times, seconds) for times, _ in sides)
    low, high = rate_ratio(poisson_rate(n, seconds), poisson_rate(m, seconds))
    counted = "discoveries confirmed on fresh seeds" if both_confirm else (
        "candidates that looked better in the search, which is optimistic for both: not both of "
        "them test on fresh seeds"
    )  # fmt: skip
    return Beside(
        ours=ours,
        curve=theirs,
        n_ours=n,
        n_theirs=m,
        by_confirmed=both_confirm,
        seconds=seconds,
        low=low,
        high=high,
        counted=counted,
        words=_beside_words(theirs.name, n, m, (low, high), "GPU" if on_gpu else "CPU"),
    )


def _beside_words(
    name: str, n: int, m: int, ratio: tuple[float, float | None], unit: str
) -> str:  # fmt: skip
    low, high = ratio
    if n + m == 0:
        return f"neither has any: nothing can be said against {name}"
    bounds = f"between {low:.2g} and {high:.2g}" if high is not None else f"at least {low:.2g}"
    words = f"{bounds} times as many for the same {unit} time"
    if low > 1:
        return f"{words}: better than {name}"
    if high is not None and high < 1:
        return f"{words}: worse than {name}"
    return f"{words}: too few to tell it from {name}"


def _other(setting: Setting, name: str, events: Sequence[Event]) -> Curve:
    other = read_setting(tell(events))
    ours, theirs = setting.config, other.config
    if ours is None or theirs is None or setting.preset is None or other.preset is None:
        raise ConfigError(f"run {name!r} cannot stand beside: a config or preset does not read")
    if setting.preset != other.preset or ours.baseline != theirs.baseline:
        raise ConfigError(
            f"run {name!r} cannot stand beside: preset {theirs.preset} and baseline "
            f"{theirs.baseline} against {ours.preset} and {ours.baseline}, whose noise units and "
            "costs differ; run both with the same"
        )
    curve = curves(events, other)[WHOLE]
    label = "random search" if theirs.team.researcher == "random" else f"run {name}"
    return Curve(
        name=label,
        times=curve.times,
        total=curve.total,
        seen=curve.seen,
        seen_total=curve.seen_total,
        confirms=curve.confirms,
    )


def _counts(trial: Trial, opponents: set[str]) -> bool:
    spec = trial.spec
    return spec.stage is not Stage.VERIFY and spec.candidate_id not in opponents


def _seconds(trial: Trial, *, on_gpu: bool) -> float:
    cost = trial.measurement.cost if trial.measurement else trial.cost
    if cost is None:
        return 0.0
    seconds = cost.wall_seconds if on_gpu else cost.cpu_seconds
    return seconds if math.isfinite(seconds) else 0.0


def _on_gpu(setting: Setting) -> bool:
    return setting.preset is not None and setting.preset.training.device != "cpu"
