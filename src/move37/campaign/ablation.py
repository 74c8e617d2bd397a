"""Matched campaigns: the same trained tokens, seeds, data and evaluator; one thing changed.

    runs/NAME/plan.json            what is compared; the same name with another plan is refused
    runs/NAME/ARM-SEED/            one campaign each, a run like any other
    runs/NAME/winners/             a ledger of the winners' fresh trainings
    runs/NAME/ablation.json, .md   the answer

Everything goes on where it was: a campaign that ended is not opened again.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from move37.campaign.arms import DEFAULT, FOREVER_SECONDS, Arm, arm_config
from move37.campaign.assemble import RunFolder, open_workshop
from move37.campaign.folder import stored_config
from move37.campaign.progress import Progress
from move37.campaign.session import Ending, work
from move37.campaign.settings import load_preset
from move37.campaign.winners import Declared, declare, measure_afresh
from move37.core.config import BudgetConfig, CampaignConfig, Preset
from move37.core.errors import ConfigError, LedgerError
from move37.core.events import SessionClosed
from move37.evidence.effects import Comparison
from move37.memory.ledger import Ledger

SAY_SECONDS = 20.0
OWN_ENDS = (Ending.BUDGET, Ending.CANDIDATES, Ending.TRAINED, Ending.EXHAUSTED)
"""Of a campaign that has nothing more to do."""
NOT_PLANNED = {"workers", "budget", "name"}
"""Keys of the base that may change, or that each campaign has for itself."""
Say = Callable[[str], None]


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """What is compared."""

    base: CampaignConfig
    arms: tuple[Arm, ...]
    seeds: tuple[int, ...]
    """Of the campaigns: every arm has one campaign per seed."""
    tokens: int
    """Training tokens of each search."""
    n_fresh: int
    """Fresh seeds on which winners are measured, the same for all."""
    shares: tuple[float, ...] = (1.0,)
    """Parts of the budget after which a winner is declared and measured."""

    @property
    def budgets(self) -> tuple[int, ...]:
        """Tokens after which a winner is declared."""
        return tuple(round(share * self.tokens) for share in sorted({*self.shares, 1.0}))

    def identity(self) -> dict[str, object]:
        """Return what may not change under one name; arms, seeds and shares may be added."""
        base = self.base.model_dump(mode="json", exclude=NOT_PLANNED)
        preset = load_preset(self.base.preset).model_dump(mode="json")
        return {"base": base, "tokens": self.tokens, "n_fresh": self.n_fresh, "preset": preset}


@dataclass(frozen=True, kw_only=True, slots=True)
class Result:
    """What one campaign's declared winner is worth after so many tokens."""

    arm: str
    seed: int
    budget: int
    declared: Declared
    measured: Comparison | None
    """Over the baseline on fresh seeds; None where no winner was declared, or none completed."""

    @property
    def has_failed(self) -> bool:
        """Whether the winner did not complete every fresh seed: no gallery would take it."""
        whole = self.measured is not None and not self.measured.missing
        return self.declared.winner is not None and not whole

    @property
    def quality(self) -> float:
        """Mean effect in noise units; 0, the baseline's own, for whoever has nothing to show.

        So for a winner that failed a fresh seed: the mean over the others would select.
        """
        return self.measured.combined.mean if self.measured and not self.has_failed else 0.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Ablation:
    """A plan and what came of it."""

    plan: Plan
    preset: Preset
    results: tuple[Result, ...] = field(default_factory=tuple)


class Interrupted(LedgerError):
    """Somebody asked to stop; the same command goes on."""


def run_ablation(plan: Plan, folder: Path, say: Say, *, unsandboxed: bool = False) -> Ablation:
    """Run what is missing of a plan and return all of it.

    Raises:
        ConfigError: this name belongs to another plan.
        Interrupted: Ctrl-C.
        LabError, LedgerError: the lab or a ledger is broken.
    """
    _claim(plan, folder)
    secret = RunFolder(path=folder).secret()
    preset = load_preset(plan.base.preset)
    jobs = [(seed, arm) for seed in plan.seeds for arm in plan.arms]  # whole seeds first
    found: dict[tuple[str, int, int], Declared] = {}
    for number, (seed, arm) in enumerate(jobs, start=1):
        config = arm_config(plan.base, arm, preset, seed=seed, tokens=plan.tokens)
        where = RunFolder(path=folder / config.name)
        head = f"[{number}/{len(jobs)}] {config.name}"
        if not _is_finished(where, config):
            _share(secret, where)
            _search(config, where, lambda words, head=head: say(f"{head}: {words}"), unsandboxed)
        with where.open_ledger() as ledger:
            state = ledger.state()
            baseline = _baseline_id(ledger, config)
            for budget in plan.budgets:
                found[arm.name, seed, budget] = declare(state, preset, baseline, tokens=budget)
        say(f"{head}: done, {found[arm.name, seed, plan.tokens].n_candidates} candidates counted")
    winners = {d.winner.id: d.winner for d in found.values() if d.winner}
    say(f"measuring {len(winners)} winners and the baseline on {plan.n_fresh} fresh seeds")
    measured = _measure(plan, folder, secret, winners, unsandboxed=unsandboxed)
    results = tuple(
        Result(
            arm=arm,
            seed=seed,
            budget=budget,
            declared=declared,
            measured=measured.get(declared.winner.id) if declared.winner else None,
        )
        for (arm, seed, budget), declared in found.items()
    )
    return Ablation(plan=plan, preset=preset, results=results)


def _claim(plan: Plan, folder: Path) -> None:
    file = folder / "plan.json"
    text = json.dumps(plan.identity(), indent=2, sort_keys=True)
    try:
        if not file.exists():
            folder.mkdir(parents=True, exist_ok=True)
            draft = file.with_suffix(".new")
            draft.write_text(text, "utf-8")
            draft.replace(file)
        known = json.loads(file.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigError(f"{file} cannot be used: {error}; choose another --name") from error
    now = json.loads(text)
    known = _as_now(known)
    if known != now:
        before = known if isinstance(known, dict) else {}
        differing = sorted(key for key in now if before.get(key) != now[key])
        raise ConfigError(
            f"{folder.name!r} is another ablation: {', '.join(differing)} differ; choose another "
            "--name, or repeat its settings to go on"
        )


def _as_now(known: Any) -> Any:
    """Give what an earlier version wrote the keys that came since, with their defaults."""
    try:
        base = CampaignConfig.model_validate(known["base"])
        preset = Preset.model_validate(known["preset"])
    except (KeyError, TypeError, ValueError):  # no plan: it differs
        return known
    return known | {
        "base": base.model_dump(mode="json", exclude=NOT_PLANNED),
        "preset": preset.model_dump(mode="json"),
    }


def _share(secret: bytes, where: RunFolder) -> None:
    """Give a campaign the ablation's secret, so that all see the same held-out windows."""
    where.path.mkdir(parents=True, exist_ok=True)
    file = where.path / "secret"
    if not file.exists():
        draft = where.path / ".secret.new"
        draft.unlink(missing_ok=True)
        draft.touch(mode=0o600)  # before a byte of it is there
        draft.write_bytes(secret)
        draft.replace(file)


def _is_finished(where: RunFolder, config: CampaignConfig) -> bool:
    """Whether a campaign came to its own end.

    Raises:
        ConfigError: what lies there is another campaign.
    """
    if not where.is_begun():
        return False
    with where.open_ledger() as ledger:
        workers = {"workers": config.workers}
        if stored_config(ledger).model_copy(update=workers) != config:
            raise ConfigError(f"{where.path} holds another campaign; choose another --name")
        reasons = [closed.reason for closed in ledger.events([SessionClosed])]
    return any(reason.startswith(tuple(map(str, OWN_ENDS))) for reason in reasons)


def _search(config: CampaignConfig, where: RunFolder, say: Say, unsandboxed: bool) -> None:  # noqa: FBT001 - handed on
    last = [time.monotonic()]

    def watch(session: object, progress: Progress) -> None:
        del session
        if time.monotonic() - last[0] >= SAY_SECONDS:
            last[0] = time.monotonic()
            say(f"{progress.n_candidates} candidates, {progress.n_trials} trials")

    say("searching")
    with open_workshop(config, where, unsandboxed=unsandboxed) as workshop:
        if work(workshop, watch).ending is Ending.STOPPED:
            raise Interrupted("stopped; the same command goes on where it was")


def _baseline_id(ledger: Ledger, config: CampaignConfig) -> str:
    name = Path(config.baseline).stem
    entries = ledger.state().candidates.values()
    return next(e.id for e in entries if e.index < 0 and e.candidate.idea.name == name)


def _measure(
    plan: Plan, folder: Path, secret: bytes, winners: dict, *, unsandboxed: bool
) -> dict[str, Comparison | None]:
    if not winners:
        return {}
    where = RunFolder(path=folder / "winners")
    _share(secret, where)
    config = plan.base.model_copy(
        update={
            "name": "winners",
            "roots": (plan.base.baseline,),
            "opponents": (),
            "budget": BudgetConfig(wall_seconds=FOREVER_SECONDS),
        }
    )
    try:
        return measure_afresh(
            config, where, winners.values(), n_seeds=plan.n_fresh, unsandboxed=unsandboxed
        )
    except KeyboardInterrupt:
        raise Interrupted("stopped; the same command goes on where it was") from None


def differences(results: tuple[Result, ...], arm: str, *, budget: int) -> dict[int, float]:
    """Return an arm's quality less the default's, by campaign seed; seeds that both have."""
    mine = {r.seed: r.quality for r in results if (r.arm, r.budget) == (arm, budget)}
    default = {r.seed: r.quality for r in results if (r.arm, r.budget) == (DEFAULT, budget)}
    return {seed: mine[seed] - default[seed] for seed in sorted(mine.keys() & default.keys())}
