"""A sweep of probes, as tables and bars for a terminal and as a picture."""

from __future__ import annotations

from pathlib import Path

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from move37.guards.probes.sweep import Finding, Plan
from move37.guards.trend import FEWEST_ITEMS, Sweep, Trend

BAR = 20
WORDS = {
    Trend.INVERSE: "more effort does harm: accuracy falls",
    Trend.PEAK: "some lower effort beats the highest",
    Trend.POSITIVE: "more effort helps",
    Trend.FLAT: "effort makes no difference of five points",
    Trend.NOISY: "nothing can be said at this number of probes",
    Trend.SATURATED: "nearly everything is right at every effort: turn the dial up",
    Trend.UNTESTABLE: "what the model writes does not grow with the effort that is asked for",
    Trend.INSUFFICIENT: f"fewer than {FEWEST_ITEMS} probes answered at every effort",
}


def print_finding(plan: Plan, finding: Finding, console: Console) -> None:
    """Print accuracy over effort and over tokens, by kind, and the verdict."""
    model = escape(plan.model)
    console.print(f"[bold]{model}[/] as {plan.role}: {finding.n_replies} replies, "
                  f"${finding.dollars:.4f}", highlight=False)  # fmt: skip
    if finding.sweep is not None:
        console.print(_over_effort(plan, finding, finding.sweep))
        console.print(_over_length(finding))
        console.print(_over_kinds(plan, finding))
    console.print(verdict_words(finding), highlight=False)


def verdict_words(finding: Finding) -> str:
    """Return verdict, slope and difference with their intervals in a line."""
    words = f"[bold]{finding.trend}[/]: {WORDS[finding.trend]}"
    if (sweep := finding.sweep) is None:
        return words
    return (
        f"{words}\nslope {sweep.slope:+.2f} logits per step of effort within items "
        f"({sweep.slope_low:+.2f} to {sweep.slope_high:+.2f}); highest less lowest effort "
        f"{100 * sweep.difference:+.0f} points ({100 * sweep.difference_low:+.0f} to "
        f"{100 * sweep.difference_high:+.0f}); p: falling {sweep.p_falling:.3g}, rising "
        f"{sweep.p_rising:.3g}, peak or cliff {sweep.p_shape:.3g}; {sweep.n_items} probes"
    )


def _over_effort(plan: Plan, finding: Finding, sweep: Sweep) -> Table:
    table = Table(box=SIMPLE_HEAD, title="Accuracy over effort")
    table.add_column("effort", no_wrap=True)
    table.add_column("", no_wrap=True)
    for name in ("right", "± 95 %", "tokens", "distracted", "no answer"):
        table.add_column(name, justify="right")
    for level, effort in enumerate(plan.efforts):
        accuracy = sweep.accuracy[level]
        half = half_width(accuracy, sweep.n_items)
        shares = (accuracy, half, finding.lured[level], finding.unread[level])
        right, interval, lured, unread = (f"{share:.2f}" for share in shares)
        tokens = f"{finding.tokens[level]:,.0f}"
        table.add_row(effort, bar(accuracy), right, interval, tokens, lured, unread)
    return table


def _over_length(finding: Finding) -> Table:
    table = Table(
        box=SIMPLE_HEAD,
        title="Accuracy over what was really written",
        caption="an item's replies ranked by length; confusion may cause both length and error",
    )
    table.add_column("mean tokens", justify="right")
    table.add_column("", no_wrap=True)
    table.add_column("right", justify="right")
    for tokens, accuracy in finding.by_length:
        table.add_row(f"{tokens:,.0f}", bar(accuracy), f"{accuracy:.2f}")
    return table


def _over_kinds(plan: Plan, finding: Finding) -> Table:
    table = Table(
        box=SIMPLE_HEAD,
        title="By kind",
        caption="p of a fall, adjusted for the number of kinds; chance: of the best answer that "
        "does not look at the question",
    )
    for name in ("kind", "probes", *plan.efforts, "p", "chance"):
        table.add_column(
            name, justify="left" if name == "kind" else "right", no_wrap=name == "kind"
        )
    for kind in finding.kinds:
        cells = [f"{accuracy:.2f}" for accuracy in kind.accuracy]
        table.add_row(
            kind.name, str(kind.n_items), *cells, f"{kind.p_falling:.3f}", f"{kind.chance:.2f}"
        )
    return table


def bar(share: float) -> str:
    """Return a bar of a share."""
    n = round(BAR * share)
    return "█" * n + "░" * (BAR - n)


def half_width(accuracy: float, n: int) -> float:
    """Return half of a 95 % interval, never 0: as if two more were right and two wrong."""
    centre = (accuracy * n + 2) / (n + 4)
    return 1.96 * (centre * (1 - centre) / (n + 4)) ** 0.5


def plot_finding(plan: Plan, finding: Finding, file: Path) -> None:
    """Draw accuracy over effort, and over tokens."""
    from matplotlib.figure import Figure

    if (sweep := finding.sweep) is None:
        return
    figure = Figure(figsize=(9, 3.6), layout="constrained")
    over_effort, over_tokens = figure.subplots(1, 2, sharey=True)
    halves = [half_width(accuracy, sweep.n_items) for accuracy in sweep.accuracy]
    over_effort.errorbar(plan.efforts, sweep.accuracy, yerr=halves, marker="o", capsize=3)
    over_effort.plot(plan.efforts, finding.lured, "--", label="distracted")
    over_effort.set(xlabel="effort asked for", ylabel="right", ylim=(-0.02, 1.02))
    over_effort.legend(fontsize=8)
    over_tokens.plot(finding.tokens, sweep.accuracy, marker="o", label="by effort asked for")
    lengths, accuracies = zip(*finding.by_length, strict=True)
    over_tokens.plot(lengths, accuracies, "s--", label="by length within an item")
    over_tokens.set(xlabel="tokens written")
    if min(*finding.tokens, *lengths) > 0:
        over_tokens.set_xscale("log", base=2)
    over_tokens.legend(fontsize=8)
    # a label is somebody's text: no mathematics in it
    title = f"{plan.model} as {plan.role}: {finding.trend}".replace("$", r"\$")
    figure.suptitle(title, fontsize=10)
    figure.savefig(file)
