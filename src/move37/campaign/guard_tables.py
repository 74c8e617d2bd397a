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
from move37.guards.inverse_lab import Found
from move37.guards.population_lab import Arm


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


def print_inverse_scaling(found: Found, console: Console) -> None:
    """Print what the guards find for scripted solvers."""
    _print_sweeps(found, console)
    _print_watches(found, console)
    _print_rules(found, console)
    _print_regret(found, console)


def _print_sweeps(found: Found, console: Console) -> None:
    sizes = list(found.findings[0].trend)
    table = _figures(
        "Trend test: share of sweeps over five efforts in which a fall is found, at 5 %",
        [*(f"{n} probes" for n in sizes), f"shape, {sizes[-1]}"],
        f"{found.n_sweeps} sweeps, {found.n_shapes} for the shape test; flat and rising: false",
    )
    for row in found.findings:
        table.add_row(row.truth, *_shares(row.trend), f"{row.shape:.2f}")
    console.print(table)


def _print_watches(found: Found, console: Console) -> None:
    table = _figures(
        "Watch of a campaign: share that has rung, lowest against highest effort",
        [*(f"{n} pairs" for n in found.findings[0].alarms), "median pair"],
        f"{found.n_watches} watches, looked at after every pair; a bound of 5 % on false alarms",
    )
    for row in found.findings:
        when = "-" if row.median_pair is None else str(row.median_pair)
        table.add_row(row.truth, *(f"{share:.3f}" for share in row.alarms.values()), when)
    console.print(table)


def _print_rules(found: Found, console: Console) -> None:
    names = list(found.findings[0].compared)
    sizes = ", ".join(map(str, found.findings[0].compared[names[0]]))
    table = _figures(
        f"Beside published rules: share of sweeps found falling, with {sizes} probes",
        names,
        "rules of arXiv 2507.14417 and of its code, and the slope that ignores which item is which",
    )
    for row in found.findings:
        table.add_row(row.truth, *(" ".join(_shares(row.compared[name])) for name in names))
    console.print(table)


def _print_regret(found: Found, console: Console) -> None:
    names = list(found.choosing[0].regret)
    table = _figures(
        "Choosing effort: accuracy lost a step against the best effort of the time",
        ["steps", *names],
        f"mean and standard error of {found.n_runs} runs; the highest effort costs 5 points",
    )
    for row in found.choosing:
        cells = [
            f"{loss.mean:.3f}" + (f" ± {loss.standard_error:.3f}" if loss.standard_error else "")
            for loss in row.regret.values()
        ]
        table.add_row(row.truth, str(row.n_steps), *cells)
    console.print(table)


def _figures(title: str, columns: list[str], caption: str) -> Table:
    table = Table(box=SIMPLE_HEAD, title=title, caption=caption)
    table.add_column("truth")
    for name in columns:
        table.add_column(name, justify="right")
    return table


def _shares(found: dict[int, float]) -> list[str]:
    return [f"{share:.2f}" for share in found.values()]


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
    table = Table(
        box=SIMPLE_HEAD,
        title="Honest digits mixed in, within a family",
        caption="anchors help less the better the base knows them: no loss, no correction",
    )
    for name in ("base trained for", "its loss", "weight", "defect", "accuracy on other digits"):
        table.add_column(name, justify="right")
    for row in found["anchors"]:
        table.add_row(
            str(row["base_steps"]),
            f"{row['base_loss']:.4f}",
            f"{row['weight']:g}",
            spread(row["trait"]),
            spread(row["others"]),
        )
    console.print(table)


def print_population(arms: list[Arm], console: Console) -> None:
    """Print what becomes of a defect over generations, with the firewall on and off."""
    table = Table(
        box=SIMPLE_HEAD,
        title="Three families, one with a hidden defect, teach each other",
        caption="defect: share of 3s called 8, in the family that began with it / in the others; "
        "accuracy: on other digits",
    )
    table.add_column("firewall")
    n_generations = len(arms[0].generations) - 1
    table.add_column("before")
    for number in range(1, n_generations + 1):
        table.add_column(f"generation {number}")
    for name in ("accuracy at the end", "requests refused"):
        table.add_column(name, justify="right")
    for arm in arms:
        rates = [f"{g.defect:.3f} / {g.defect_others:.3f}" for g in arm.generations]
        accuracy = f"{arm.generations[-1].accuracy:.3f}"
        table.add_row(arm.policy.name, *rates, accuracy, str(arm.n_refused))
    console.print(table)


def plot_population(arms: list[Arm], file: Path) -> None:
    """Draw the defect over generations."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 4), layout="constrained")
    axes = figure.add_subplot()
    for arm in arms:
        rates = [g.defect for g in arm.generations]
        style = "-" if arm.policy.firewall else "--"
        axes.plot(range(len(rates)), rates, style, marker="o", label=arm.policy.name)
    axes.set(xlabel="generation", ylabel="3s called 8, in the family", ylim=(0, 1))
    axes.set_xticks(range(len(arms[0].generations)))
    axes.legend(fontsize=7, title="firewall")
    figure.savefig(file)


def spread(rates: list[float]) -> str:
    """Return mean and 95 % interval over seeds."""
    half = 1.96 * statistics.stdev(rates) / len(rates) ** 0.5 if len(rates) > 1 else 0.0
    return f"{statistics.mean(rates):.3f} ± {half:.3f}"


def plot_inverse_scaling(found: Found, file: Path) -> None:
    """Draw the solvers' curves, named with the share of sweeps in which a fall is found."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 4), layout="constrained")
    axes = figure.add_subplot()
    n_items = max(found.findings[0].trend)
    for row in found.findings:
        name = f"{row.truth}: {row.trend[n_items]:.2f}"
        axes.plot(range(len(row.curve)), row.curve, marker="o", label=name)
    axes.set(xlabel="effort (doublings)", ylabel="accuracy", ylim=(0, 1))
    axes.legend(fontsize=7, title=f"fall found in {n_items} probes")
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
