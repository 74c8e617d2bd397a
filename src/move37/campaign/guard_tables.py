"""The guards' labs and graph, as tables and plots for a terminal and a file."""

from __future__ import annotations

import statistics
from pathlib import Path
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from move37.core.team import TeamConfig
from move37.guards.families import Families, diversity_of
from move37.guards.labs import Row


def print_families(families: Families, team: TeamConfig | None, console: Console) -> None:
    """Print the graph, and what a team file makes of it."""
    table = Table(box=SIMPLE_HEAD)
    for name in ("line", "vendor", "weights from", "answers from", "evidence", "source", "date"):
        table.add_column(name)
    for line in families.lines.values():
        root = ", ".join(line.weights_from) or ("own" if line.root_known else "not disclosed")
        cells = (line.name, line.vendor, root, ", ".join(line.behaviour_from))
        table.add_row(*map(escape, (*cells, line.evidence, line.source, line.date)))
    console.print(table)
    if team is not None:
        found = diversity_of(team, families)
        console.print(f"diversity: [bold]{found.level}[/] ({escape(found.reason)})")
        for group in found.groups:
            console.print(f"  related to each other: {escape(', '.join(group))}")


def print_inverse_scaling(rows: list[Row], console: Console) -> None:
    """Print what the guards find for scripted solvers."""
    table = Table(
        box=SIMPLE_HEAD,
        title="Scripted solvers, five efforts: what is found at 5 %",
        caption="trend, shape: of sweeps with 50 probes; alarm: of watches over 300 pairs, lowest "
        "against highest effort; regret: accuracy a step, over 200 steps",
    )
    table.add_column("truth")
    for name in ("trend", "shape", "alarm", "median pair", "regret", "always most"):
        table.add_column(name, justify="right")
    for row in rows:
        shares = [f"{share:.2f}" for share in (row.trend, row.shape, row.alarms)]
        when = str(row.median_pair) if row.alarms >= 0.5 else "-"
        table.add_row(
            row.truth,
            *shares,
            when,
            f"{row.regret:.3f} ± {row.regret_error:.3f}",
            f"{row.regret_max:.3f}",
        )
    console.print(table)


def print_subliminal(found: dict[str, Any], console: Console) -> None:
    """Print what passes from teacher to student."""
    table = Table(
        box=SIMPLE_HEAD, title="Digits learnt from auxiliary outputs on noise; chance .10"
    )
    table.add_column("network")
    table.add_column("digit accuracy", justify="right")
    for name, rates in found["digits"].items():
        table.add_row(name, spread(rates))
    console.print(table)
    table = Table(box=SIMPLE_HEAD, title="A hidden defect: every 3 is called an 8")
    for name in ("network", "defect", "accuracy on other digits"):
        table.add_column(name)
    for name, rates in found["lineage"].items():
        table.add_row(name, spread(rates["trait"]), spread(rates["others"]))
    console.print(table)


def spread(rates: list[float]) -> str:
    """Return mean and 95 % interval over seeds."""
    half = 1.96 * statistics.stdev(rates) / len(rates) ** 0.5 if len(rates) > 1 else 0.0
    return f"{statistics.mean(rates):.3f} ± {half:.3f}"


def plot_inverse_scaling(rows: list[Row], file: Path) -> None:
    """Draw the solvers' curves, named with the share of sweeps in which a fall is found."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 4), layout="constrained")
    axes = figure.add_subplot()
    for row in rows:
        axes.plot(
            range(len(row.curve)), row.curve, marker="o", label=f"{row.truth}: {row.trend:.2f}"
        )
    axes.set(xlabel="effort (doublings)", ylabel="accuracy", ylim=(0, 1))
    axes.legend(fontsize=7, title="fall found in 50 probes")
    figure.savefig(file)


def plot_subliminal(found: dict[str, Any], file: Path) -> None:
    """Draw the defect's rate by network."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 3.5), layout="constrained")
    axes = figure.add_subplot()
    names = list(found["lineage"])
    rates = [statistics.mean(found["lineage"][name]["trait"]) for name in names]
    axes.barh(names[::-1], rates[::-1])
    axes.set(xlabel="3s that are called 8", xlim=(0, 1))
    figure.savefig(file)
