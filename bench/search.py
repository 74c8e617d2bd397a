"""Quality of the declared winner, measured afresh, against CPU time: our defaults and four others.

    python bench/search.py [--campaigns 5] [--tokens 4M] [--preset cpu] [--runs runs] [--workers 2]
        [--lag 2] [--arms random,best_of_n,greedy,no_racing] [--at 0.25,0.5,0.75,1]
    python bench/search.py show runs/search/ablation.json --out docs/images/search.svg

Same trained tokens, seeds and evaluator for all arms (`move37 ablate`, which goes on where it was):
the defaults, random edits, best of N without memory, a greedy hill climb, and everyone
trained to the end. A winner is declared at several points of the budget from search results, and
measured on fresh seeds. CPU time is that of search trials, roots and baseline left out. Hours.
"""

from __future__ import annotations

import argparse
import json
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np

from move37.campaign.comparing import ablate_campaign

ARMS = "random,best_of_n,greedy,no_racing"
SHARES = "0.25,0.5,0.75,1"
COLOURS = ("#000000", "#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")
"""Okabe and Ito's, safe for the colour-blind; the defaults are black."""
Point = tuple[float, float, float, float]
"""CPU minutes, mean quality, and its interval."""


def main() -> None:
    parser = argparse.ArgumentParser(description=str(__doc__).split("\n\n")[0])
    parser.add_argument("verb", nargs="?", choices=["run", "show"], default="run")
    parser.add_argument("file", type=Path, nargs="?", help="show: an ablation.json")
    parser.add_argument("--out", type=Path, help="picture, as SVG")
    parser.add_argument("--campaigns", type=int, default=5)
    parser.add_argument("--fresh", type=int, default=4)
    parser.add_argument("--tokens", default="4M")
    parser.add_argument("--preset", default="cpu")
    parser.add_argument("--runs", type=Path, default=Path("runs"))
    parser.add_argument("--workers", type=int)
    parser.add_argument("--lag", type=int, help="search.lag; default that of the config")
    parser.add_argument("--arms", default=ARMS, help="beside the default; more may be added later")
    parser.add_argument("--at", default=SHARES, help="parts of the budget; more may be added later")
    chosen = parser.parse_args()
    file = chosen.file or chosen.runs / "search" / "ablation.json"
    if chosen.verb == "run":
        _run(chosen, file.parent)
    answer = json.loads(file.read_text("utf-8"))
    _print(answer)
    out = chosen.out or file.with_name("search.svg")
    _draw(answer, out)
    print(f"\npicture: {out}")


def _run(chosen: argparse.Namespace, folder: Path) -> None:
    settings = {"preset": chosen.preset, "workers": chosen.workers, "search": {"lag": chosen.lag}}
    ablate_campaign(
        None,
        settings,
        folder=folder,
        tokens=chosen.tokens,
        n_campaigns=chosen.campaigns,
        arms=chosen.arms,
        n_fresh=chosen.fresh,
        shares=chosen.at,
        unsandboxed=False,
        as_json=False,
    )


def _points(answer: dict[str, Any]) -> dict[str, list[Point]]:
    found: dict[str, list[Point]] = defaultdict(list)
    for _, rows in sorted(answer["arms"].items(), key=lambda item: int(item[0])):
        for row in rows:
            quality = row["quality"]
            mean = quality["mean"]
            ends = [mean if end is None else end for end in (quality["low"], quality["high"])]
            found[row["arm"]].append((row["cpu_seconds"] / 60, mean, *ends))
    return found


def _print(answer: dict[str, Any]) -> None:
    plan = answer["plan"]
    print(f"preset {plan['preset']['name']}, campaign seeds {plan['seeds']}")
    print(f"winners on {plan['n_fresh']} fresh seeds; effect over {plan['base']['baseline']}\n")
    columns = ("arm", "tokens", "candidates", "CPU min", "winner afresh [95 %]",
               "less the default's [95 %]")  # fmt: skip
    print(f"| {' | '.join(columns)} |\n{'|---' * len(columns)}|")
    for tokens, rows in sorted(answer["arms"].items(), key=lambda item: int(item[0])):
        for row in rows:
            print(f"| {row['arm']} | {int(tokens) / 1e6:.1f}M | {row['candidates']:.1f} "
                  f"| {row['cpu_seconds'] / 60:.1f} | {_words(row['quality'])} "
                  f"| {_words(row['difference'])} |")  # fmt: skip


def _words(effect: dict[str, float | None] | None) -> str:
    if effect is None:
        return ""
    if effect["low"] is None:
        return f"{effect['mean']:+.2f} (no interval: one campaign, or all alike)"
    return f"{effect['mean']:+.2f} [{effect['low']:+.2f}, {effect['high']:+.2f}]"


def _draw(answer: dict[str, Any], out: Path) -> None:
    import matplotlib as mpl

    mpl.use("svg")
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(figsize=(7, 4))
    for colour, (arm, points) in zip(COLOURS, _points(answer).items(), strict=False):
        minutes, mean, low, high = np.array(points).T
        axes.plot(minutes, mean, marker="o", color=colour, label=arm, linewidth=1.6)
        axes.fill_between(minutes, low, high, color=colour, alpha=0.08, linewidth=0)
    axes.axhline(0, color="#888888", linewidth=1)
    axes.set_xlabel("CPU minutes of search trials")
    axes.set_ylabel("declared winner, measured afresh\n(noise units over the baseline)")
    axes.legend(frameon=False)
    axes.spines[["top", "right"]].set_visible(False)
    figure.tight_layout()
    figure.savefig(out)


if __name__ == "__main__":
    main()
