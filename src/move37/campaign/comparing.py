"""What `move37 ablate` does: read the plan, run it, print and write the answer."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

from rich.console import Console

from move37.campaign.ablation import Ablation, Plan, run_ablation
from move37.campaign.ablation_tables import json_of, markdown_of, table_of
from move37.campaign.arms import arms_by_name
from move37.campaign.assemble import check_names
from move37.campaign.settings import load_campaign, load_preset
from move37.core.errors import ConfigError, ReportError

FOLDER_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
COUNT = re.compile(r"(?P<number>\d+(?:\.\d+)?)(?P<unit>[kKmMgG]?)")
UNITS = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9}
MOST_CAMPAIGNS = 1000


def ablate_campaign(
    file: Path | None,
    overrides: dict[str, Any],
    *,
    folder: Path,
    tokens: str,
    n_campaigns: int,
    arms: str,
    n_fresh: int,
    shares: str,
    unsandboxed: bool,
    as_json: bool,
) -> None:
    """Run an ablation, or go on with it; print the table and where the files are."""
    console = Console(stderr=as_json)
    if not FOLDER_NAME.fullmatch(folder.name):
        raise ConfigError(f"--name must match {FOLDER_NAME.pattern}, got {folder.name!r}")
    if not 1 <= n_campaigns <= MOST_CAMPAIGNS or n_fresh < 1:
        raise ConfigError(
            f"--campaigns must be 1 to {MOST_CAMPAIGNS} and --fresh at least 1, got {n_campaigns} "
            f"and {n_fresh}"
        )
    base = load_campaign(file, overrides)
    plan = Plan(
        base=base,
        arms=arms_by_name(tuple(name.strip() for name in arms.split(",") if name.strip())),
        seeds=tuple(base.seed + k for k in range(n_campaigns)),
        tokens=parse_count(tokens, option="--search-tokens"),
        n_fresh=n_fresh,
        shares=_parse_shares(shares),
    )
    check_names(base, load_preset(base.preset), is_new=True)
    ablation = run_ablation(
        plan,
        folder,
        lambda words: console.print(words, markup=False, highlight=False, soft_wrap=True),
        unsandboxed=unsandboxed,
    )
    _write(ablation, folder)
    if as_json:
        json.dump(json_of(ablation), sys.stdout, indent=2, sort_keys=True)
        sys.stdout.write("\n")
        return
    for budget in plan.budgets:
        console.print(table_of(ablation, budget=budget))
    console.print(f"written: {folder / 'ablation.md'}, {folder / 'ablation.json'}", soft_wrap=True)


def parse_count(text: str, *, option: str) -> int:
    """Return a count: `500000`, `500k`, `4M`.

    Raises:
        ConfigError: not a count, or not above zero.
    """
    match = COUNT.fullmatch(text.strip())
    count = round(float(match["number"]) * UNITS[match["unit"].lower()]) if match else 0
    if count < 1:
        raise ConfigError(f"{option} must be a count above zero such as 500k or 4M, got {text!r}")
    return count


def _parse_shares(text: str) -> tuple[float, ...]:
    try:
        shares = tuple(float(part) for part in text.split(","))
    except ValueError:
        shares = ()
    if not shares or not all(0 < share <= 1 for share in shares):
        raise ConfigError(f"--at must be parts of the budget in (0, 1] by comma, got {text!r}")
    return shares


def _write(ablation: Ablation, folder: Path) -> None:
    texts = {
        "ablation.md": markdown_of(ablation),
        "ablation.json": json.dumps(json_of(ablation), indent=2, sort_keys=True) + "\n",
    }
    try:
        for name, text in texts.items():
            draft = folder / f".{name}.new"
            draft.write_text(text, "utf-8")
            draft.replace(folder / name)
    except OSError as error:
        raise ReportError(
            f"the answer cannot be written: {error}; it is all in {folder}"
        ) from error
