"""An ablation as a table, as Markdown and as JSON. No rule lives here but the interval."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.table import Table

from move37.campaign.ablation import Ablation, Result, differences
from move37.campaign.arms import DEFAULT
from move37.evidence.effects import effect_of
from move37.insights.wording import effect_words, signed, span_words

HEADINGS = ("arm", "afresh [95 %]", "less default [95 %]", "none", "tried", "min")


@dataclass(frozen=True, kw_only=True, slots=True)
class OverCampaigns:
    """A mean over campaigns with its 95 % interval, noise units.

    Campaigns that are one, or all alike, say nothing about how campaigns differ: there is no
    interval. The noise of a training is none: searches differ by far more.
    """

    mean: float
    low: float | None
    high: float | None
    n_campaigns: int

    @staticmethod
    def of(values: Mapping[int, float]) -> OverCampaigns:
        """Return it of one number for each campaign seed, at least one."""
        found = effect_of(values)
        is_known = len(set(values.values())) > 1
        return OverCampaigns(
            mean=found.mean,
            low=found.low if is_known else None,
            high=found.high if is_known else None,
            n_campaigns=len(values),
        )

    @property
    def words(self) -> str:
        """Return `+1.23 [+0.45, +2.01]`, or the mean and why there is no interval."""
        if self.low is None or self.high is None:
            why = "one campaign" if self.n_campaigns == 1 else "all alike"
            return f"{signed(self.mean)} ({why})"
        return span_words(self.mean, self.low, self.high)


def rows_of(ablation: Ablation, *, budget: int) -> list[dict[str, Any]]:
    """Return one row an arm: quality of its winners, and the paired difference to the default."""
    rows = []
    for arm in ablation.plan.arms:
        mine = [r for r in ablation.results if (r.arm, r.budget) == (arm.name, budget)]
        apart = differences(ablation.results, arm.name, budget=budget)
        difference = None if arm.name == DEFAULT else OverCampaigns.of(apart)
        rows.append(
            {
                "arm": arm.name,
                "purpose": arm.purpose,
                "n_campaigns": len(mine),
                "quality": OverCampaigns.of({r.seed: r.quality for r in mine}),
                "difference": difference,
                "standing": _standing(difference),
                "without_winner": sum(r.declared.winner is None for r in mine),
                "failed_winners": sum(r.has_failed for r in mine),
                "candidates": _mean(r.declared.n_candidates for r in mine),
                "tokens": _mean(r.declared.tokens for r in mine),
                "cpu_seconds": _mean(r.declared.cpu_seconds for r in mine),
            }
        )
    return rows


def _standing(difference: OverCampaigns | None) -> str:
    """Say what the interval allows to say."""
    if difference is None:
        return ""
    if difference.low is None or difference.high is None:
        is_same = difference.n_campaigns > 1 and difference.mean == 0
        return "the same winners" if is_same else "not known"
    if difference.low > 0:
        return "better"
    return "worse" if difference.high < 0 else "not told apart"


def table_of(ablation: Ablation, *, budget: int) -> Table:
    """Return the answer as a table for the terminal."""
    table = Table(
        title=caption(ablation, budget),
        title_justify="left",
        box=SIMPLE_HEAD,
        show_edge=False,
        pad_edge=False,
        collapse_padding=True,
    )
    for number, heading in enumerate(HEADINGS):
        table.add_column(heading, justify="left" if number == 0 else "right", no_wrap=True)
    for row in rows_of(ablation, budget=budget):
        table.add_row(*_cells(row))
    return table


def markdown_of(ablation: Ablation) -> str:
    """Return all budgets' tables, and every campaign's winner, as Markdown."""
    lines: list[str] = []
    for budget in ablation.plan.budgets:
        lines += [caption(ablation, budget), "", *_markdown_table(HEADINGS), ""]
        lines[-1:] = [_line(_cells(row)) for row in rows_of(ablation, budget=budget)] + [""]
    headings = ("arm", "seed", "tokens", "winner", "in the search", "afresh [95 %]", "missing")
    lines += ["Every campaign:", "", *_markdown_table(headings)]
    lines += [_line(_campaign_cells(result)) for result in ablation.results]
    return "\n".join(lines) + "\n"


def caption(ablation: Ablation, budget: int) -> str:
    """Say what is compared."""
    plan = ablation.plan
    return (
        f"Preset {ablation.preset.name}, {budget:,} trained tokens a search, "
        f"{len(plan.seeds)} campaign seeds, winners measured on {plan.n_fresh} fresh seeds; "
        f"effect over {plan.base.baseline} in noise units, intervals over campaigns given those "
        "seeds; none: campaigns without a winner, + winners that failed a seed (both are 0); "
        "tried: candidates; min: CPU minutes; "
        f"intervals are not corrected for {len(plan.arms) - 1} comparisons"
    )


def json_of(ablation: Ablation) -> dict[str, Any]:
    """Return everything as plain values."""
    plan = ablation.plan
    return {
        "plan": {
            **plan.identity(),
            "seeds": list(plan.seeds),
            "budgets": list(plan.budgets),
            "arms": {arm.name: arm.purpose for arm in plan.arms},
        },
        "arms": {
            str(budget): [_plain(row) for row in rows_of(ablation, budget=budget)]
            for budget in plan.budgets
        },
        "campaigns": [_campaign(result) for result in ablation.results],
    }


def _plain(row: dict[str, Any]) -> dict[str, Any]:
    return {k: asdict(v) if isinstance(v, OverCampaigns) else v for k, v in row.items()}


def _campaign(result: Result) -> dict[str, Any]:
    declared, measured = result.declared, result.measured
    return {
        "arm": result.arm,
        "seed": result.seed,
        "budget": result.budget,
        "winner": declared.winner.id if declared.winner else None,
        "name": declared.winner.idea.name if declared.winner else None,
        "search_effect": declared.search_effect,
        "quality": result.quality,
        "effect": asdict(measured.combined) if measured else None,
        "tasks": {k: asdict(v) for k, v in measured.tasks.items()} if measured else None,
        "n_candidates": declared.n_candidates,
        "tokens": declared.tokens,
        "cpu_seconds": declared.cpu_seconds,
    }


def _cells(row: dict[str, Any]) -> list[str]:
    return [
        row["arm"],
        row["quality"].words,
        row["difference"].words if row["difference"] else "",
        f"{row['without_winner']}" + (f"+{failed}" if (failed := row["failed_winners"]) else ""),
        f"{row['candidates']:.1f}",
        f"{row['cpu_seconds'] / 60:.1f}",
    ]


def _campaign_cells(result: Result) -> list[str]:
    declared, measured = result.declared, result.measured
    name = declared.winner.idea.name.replace("|", "/") if declared.winner else "none"
    return [
        result.arm,
        str(result.seed),
        f"{result.budget:,}",
        f"{declared.winner.id[:8]} {name}" if declared.winner else name,
        f"{declared.search_effect:+.2f}" if declared.winner else "",
        effect_words(measured.combined) if measured else "",
        str(len(measured.missing)) if measured else "",
    ]


def _markdown_table(headings: tuple[str, ...]) -> list[str]:
    return [_line(headings), _line(["---"] * len(headings))]


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _mean(values: Iterable[float]) -> float:
    found = list(values)
    return math.fsum(found) / len(found) if found else 0.0
