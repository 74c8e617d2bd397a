"""What `move37 audit` does: probe, weigh, write the report, say it on one screen."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from rich.console import Console
from rich.table import Table

from move37.campaign.commands import UNSANDBOXED
from move37.campaign.tables import escape_markup
from move37.core.errors import ConfigError
from move37.interop.audit import Audit, audit, audit_json, imported, run_probes, write_audit
from move37.lab.laboratory import Laboratory
from move37.memory.ledger import Ledger


def audit_run(
    ledger: Ledger,
    folder: Path,
    *,
    d_model: int,
    n_heads: int,
    most: int | None,
    baseline: str | None,
    unsandboxed: bool,
    as_json: bool,
) -> None:
    """Probe what is not probed yet, write the audit, print it.

    Raises:
        ConfigError: not an imported run, heads do not divide the width, no such baseline.
    """
    if d_model % n_heads:
        raise ConfigError(f"--heads {n_heads} must divide --width {d_model}")
    console = Console(stderr=as_json)
    with ledger:
        waiting = [e for e in imported(ledger) if e.published and e.published.has_program]
        if any(e.probes is None for e in waiting) and most != 0:
            if unsandboxed:
                console.print(UNSANDBOXED)
            with (
                Laboratory(unsandboxed=unsandboxed) as laboratory,
                console.status("probing") as status,
            ):
                run_probes(
                    ledger,
                    laboratory,
                    d_model=d_model,
                    n_heads=n_heads,
                    most=most,
                    watch=lambda done, n: status.update(f"probing program {done + 1} of {n}"),
                )
        found = audit(ledger, baseline=baseline)
    page = write_audit(found, folder.name, folder)
    if as_json:
        json.dump(audit_json(found), sys.stdout, indent=2, sort_keys=True)
        sys.stdout.write("\n")
        return
    _print(console, found)
    console.print(f"audit: {page}", soft_wrap=True)


def _print(console: Console, found: Audit) -> None:
    probed = [row for row in found.rows if row.report]
    console.print(f"{found.n_records} records, {len(probed)} programs probed")
    if probed:
        table = Table(title="Admission probes", title_justify="left")
        for heading in ("probe", "passed", "failed", "not reached"):
            table.add_column(heading, justify="left" if heading == "probe" else "right")
        for name, counts in found.probe_counts.items():
            table.add_row(escape_markup(name), *map(str, counts))
        console.print(table)
    for baseline, counts in found.beyond.items():
        words = ", ".join(f"{n} {what}" for what, n in counts.items())
        console.print(f"gain over {escape_markup(baseline)}, of {found.n_gains}: {words}")
    if found.n_sizes:
        sizes = ", ".join(f"{n} by more than {step}" for step, n in found.larger.items())
        console.print(f"larger than the baseline, of {found.n_sizes}: {sizes}")
    if not found.rows:
        console.print("nothing to audit: the records have neither programs nor results")
