"""What `move37 doctor` does: facts, walls, and a row of candidates whose ending is known."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict

from rich.console import Console
from rich.table import Table

from move37.campaign.tables import escape_markup
from move37.lab.doctor import Examination, examine
from move37.lab.laboratory import Laboratory
from move37.lab.specimens import Finding, specimens, try_specimen


def examine_machine(*, as_json: bool) -> bool:
    """Examine this machine and print what was found; return whether candidates can run here."""
    console = Console()
    with console.status("trying the walls of the sandbox"):
        examination = examine()
    findings: list[Finding] = []
    if examination.is_healthy:
        with Laboratory() as laboratory:
            for specimen in specimens():
                with console.status(f"trying candidate {specimen.name}"):
                    findings.append(try_specimen(laboratory, specimen))
    is_healthy = examination.is_healthy and all(f.as_expected for f in findings)
    if as_json:
        record = {"examination": asdict(examination), "candidates": [asdict(f) for f in findings]}
        json.dump(record, sys.stdout, indent=2, sort_keys=True)
        sys.stdout.write("\n")
    else:
        _print(console, examination, findings)
    return is_healthy


def _print(console: Console, examination: Examination, findings: list[Finding]) -> None:
    facts = examination.facts
    table = Table.grid(padding=(0, 2))
    for label, value in (
        ("system", f"{facts.system}, Python {facts.python}"),
        ("packages", ", ".join(f"{k} {v}" for k, v in facts.versions.items())),
        ("cores", str(facts.cores)),
        ("memory", f"{facts.memory_bytes / 2**30:.1f} GiB free"),
        ("GPU", ", ".join(facts.gpus) or "none"),
        ("bubblewrap", ", ".join(facts.bubblewrap) or "none"),
        ("sandbox", examination.sandbox or "none"),
        ("cgroups", examination.control_groups),
        ("start", (f"{examination.start_seconds:.1f} s warm-up, "
                   f"{examination.session_seconds * 1e3:.0f} ms a child")),
    ):  # fmt: skip
        table.add_row(f"[dim]{label}[/]", value)
    console.print(table)
    held = sum(check.held for check in examination.checks)
    console.print(f"walls: {held} of {len(examination.checks)} held")
    for check in examination.checks:
        if not check.held:
            console.print(
                f"  [bold red]{check.number} {check.name}[/]: {escape_markup(check.detail)}"
            )
    for finding in findings:
        mark = "[green]as expected[/]" if finding.as_expected else "[bold red]NOT as expected[/]"
        expected = f"{finding.specimen.outcome} {finding.specimen.probe}".strip()
        console.print(f"candidate {finding.specimen.name:18} {finding.outcome:14} {mark}"
                      + ("" if finding.as_expected else f", which is {expected}"))  # fmt: skip
    wrong = [f for f in findings if not f.as_expected]
    advice = examination.advice
    if wrong:
        advice = (
            f"do not trust results here: {len(wrong)} candidates ended otherwise than they must, "
            f"first {wrong[0].specimen.name} ({wrong[0].outcome}); please report this"
        )
    console.print(f"[bold]{escape_markup(advice)}[/]", soft_wrap=True)
