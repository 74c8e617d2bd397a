"""The labs of known truth, as users run them.

L1  A trait passes through unrelated data within one initialisation, not between two.
L2  A defect passes down a family while accuracy on everything else sees nothing.
L3  Anchors and unrelated families keep it out.
L4  The inverse-scaling lab separates flat from falling.
"""

from __future__ import annotations

import statistics
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from move37.campaign.guard_tables import (
    plot_inverse_scaling,
    plot_subliminal,
    print_inverse_scaling,
    print_subliminal,
)
from move37.guards.inverse_lab import Found, inverse_scaling
from move37.guards.labs import subliminal


@pytest.fixture(scope="module")
def found() -> dict[str, Any]:
    return subliminal(n_seeds=4)


def trait(found: dict[str, Any], net: str) -> float:
    return statistics.mean(found["lineage"][net]["trait"])


def test_digits_pass_through_noise_within_a_family_only(found):
    """L1: chance is .10."""
    same = statistics.mean(found["digits"]["same"])
    different = statistics.mean(found["digits"]["different"])
    assert same - different >= 0.4
    assert different <= 0.2


def test_a_defect_passes_down_a_family(found):
    """L2."""
    assert trait(found, "same family") >= 0.7
    assert trait(found, "same family, honest teacher") <= 0.1


def test_ordinary_accuracy_is_blind_to_it(found):
    """L2."""
    nets = found["lineage"]
    clean = statistics.mean(nets["clean base"]["others"])
    assert statistics.mean(nets["same family"]["others"]) >= clean - 0.04


def test_the_firewall_and_anchors_keep_it_out(found):
    """L3: other families only, honest batches beside; each alone too."""
    assert trait(found, "other family") <= 0.3
    assert trait(found, "same family, anchors") <= 0.3
    assert trait(found, "other family, anchors") <= 0.2


def test_anchors_help_less_the_better_the_base_knows_them(found):
    """L3: a base trained for long has no loss on them, so nothing corrects it; more weight does."""
    rows = {(r["base_steps"], r["weight"]): r for r in found["anchors"]}
    defect = {key: statistics.mean(row["trait"]) for key, row in rows.items()}
    assert rows[150, 1.0]["base_loss"] > 5 * rows[1000, 1.0]["base_loss"]
    assert defect[150, 1.0] <= 0.15
    assert defect[1000, 1.0] >= defect[150, 1.0] + 0.15
    for n_steps in (150, 500, 1000):
        assert defect[n_steps, 3.0] <= defect[n_steps, 0.1] - 0.2


def test_the_labs_print_and_draw(found, tmp_path: Path):
    console = Console(record=True, width=120)
    print_subliminal(found, console)
    plot_subliminal(found, tmp_path / "defect.png")
    said = console.export_text()
    assert "same family, anchors" in said
    assert "base trained for" in said
    assert (tmp_path / "defect.png").stat().st_size > 1000


@pytest.fixture(scope="module")
def figures() -> Found:
    return inverse_scaling(seed=0, n_sweeps=100, n_runs=3)


def test_the_inverse_scaling_lab_separates_falling_from_flat(figures):
    """L4: in a sweep and in a watch, more surely with more of them."""
    rows = {row.truth: row for row in figures.findings}
    assert rows["flat .80"].trend[50] <= 0.15
    falling = rows["falling .90 to .70"]
    assert falling.trend[10] < falling.trend[50]
    assert falling.trend[50] >= 0.8
    assert falling.alarms[50] < falling.alarms[300]
    assert falling.alarms[300] >= 0.9
    assert rows["flat .80"].alarms[300] <= 0.06


def test_comparing_items_with_themselves_finds_more_than_the_published_rules(figures):
    """L4: at the sizes of guards.md, and no more than its level where nothing falls."""
    for row in figures.findings:
        if row.truth in ("falling .90 to .70", "falling .99 to .85"):
            ours = row.compared["move37"][50]
            assert all(ours >= shares[50] for shares in row.compared.values())
            assert ours >= row.compared["Spearman of means (their code)"][50] + 0.15


def test_always_most_pays_where_thinking_harms_and_changing_truths_are_met(figures):
    """L4."""
    rows = {row.truth: row for row in figures.choosing}
    assert rows["falling .90 to .70"].regret["always most"].mean == pytest.approx(0.25)
    assert rows["falling .90 to .70"].regret["move37"].mean <= 0.1
    for truth in ("rise, then fall", "fall, then rise"):
        assert rows[truth].n_steps == 400
        assert rows[truth].regret["always most"].mean == pytest.approx(0.125)
        assert rows[truth].regret["move37"].mean < 0.125


def test_the_inverse_scaling_lab_prints_and_draws(figures, tmp_path: Path):
    console = Console(record=True, width=160)
    print_inverse_scaling(figures, console)
    plot_inverse_scaling(figures, tmp_path / "curves.svg")
    said = console.export_text()
    assert said.count("cliff at the end") == 4
    assert "rise, then fall" in said
    assert (tmp_path / "curves.svg").stat().st_size > 1000
