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
    plot_subliminal,
    print_inverse_scaling,
    print_subliminal,
)
from move37.guards.labs import inverse_scaling, subliminal


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


def test_the_labs_print_and_draw(found, tmp_path: Path):
    console = Console(record=True, width=120)
    print_subliminal(found, console)
    plot_subliminal(found, tmp_path / "defect.png")
    assert "same family, anchors" in console.export_text()
    assert (tmp_path / "defect.png").stat().st_size > 1000


def test_the_inverse_scaling_lab_separates_falling_from_flat():
    """L4."""
    rows = {row.truth: row for row in inverse_scaling(seed=0, n_sweeps=60, n_runs=1)}
    assert rows["flat .80"].trend <= 0.15
    assert rows["falling .90 to .70"].trend >= 0.8
    assert rows["falling .90 to .70"].alarms >= 0.9
    console = Console(record=True, width=120)
    print_inverse_scaling(list(rows.values()), console)
    assert "cliff at the end" in console.export_text()
