"""What `move37 guards probe` does: find the model, ask, keep, show."""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass
from pathlib import Path

import typer
from pydantic import ValidationError
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from move37.campaign.guarding import read_team
from move37.campaign.probe_solvers import (
    PREFIX,
    SOLVERS,
    is_scripted,
    scripted_model,
    solver_for,
)
from move37.campaign.probe_tables import plot_finding, print_finding
from move37.campaign.probing import Ending, Repairs, Sheet, open_desk, run_sweep
from move37.campaign.team_file import DEFAULT_MODELS, load_team
from move37.core.errors import ConfigError, UnknownName
from move37.core.team import EFFORTS, Allowance, Effort, ModelConfig, Role, SeatConfig, TeamConfig
from move37.guards.probes import ROLES
from move37.guards.probes.sweep import Finding, Plan, find
from move37.team.models.calls import MakeModel
from move37.team.models.preflight import check_team

DEFAULT_DOLLARS = 5.0
"""Unless somebody says otherwise: a sweep is never without a limit."""
SCRIPTED_EFFORTS = EFFORTS[1:]


@dataclass(frozen=True, kw_only=True, slots=True)
class Asked:
    """The options of the verb."""

    model: str
    role: Role
    team: Path | None = None
    efforts: str = ""
    kinds: str = ""
    n: int = 50
    seed: int = 0
    dial: int | None = None
    workers: int = 4
    dollars: float | None = None
    tokens: int | None = None
    into: Path = Path("probes")
    unsandboxed: bool = False


def probe_model(asked: Asked, *, as_json: bool) -> None:
    """Put probes to a model and print what they say.

    Raises:
        ConfigError: the options cannot mean anything, or the model cannot be asked.
    """
    config, label = find_team(asked)
    plan = plan_for(asked, config, label)
    make_model: MakeModel | None = None
    if is_scripted(asked.model):
        make_model = solver_for(plan, asked.model)
    else:
        check_team(config, needs_prices=allowance_of(asked).dollars is not None)
    sheet = Sheet(asked.into / f"{file_name(plan)}.jsonl")
    sheet.begin(plan)
    console = Console(stderr=as_json)
    ending = _sweep(asked, sheet, config, make_model, console)
    finding = find(plan, sheet.replies)
    picture = sheet.file.with_suffix(".svg")
    plot_finding(plan, finding, picture)
    if as_json:
        typer.echo(json.dumps(as_tree(plan, finding, ending)))
        return
    print_finding(plan, finding, console)
    if ending.reason:
        console.print(f"[bold]ended early[/]: {ending.reason}", highlight=False)
    if ending.n_lost:
        console.print(f"{ending.n_lost} questions were not answered by the server and stay open")
    console.print(f"replies: {sheet.file}; the same command goes on with them", soft_wrap=True)
    if picture.exists():
        console.print(f"plot: {picture}", soft_wrap=True)


def show_sheet(file: Path, *, as_json: bool) -> None:
    """Print what a file of replies says; draw the plot anew.

    Raises:
        ConfigError: it is no such file.
    """
    sheet = Sheet(file)
    if sheet.plan is None:
        raise ConfigError(f"no file {file}; probe a model first: move37 guards probe --model M")
    finding = find(sheet.plan, sheet.replies)
    if as_json:
        typer.echo(json.dumps(as_tree(sheet.plan, finding, Ending(n_lost=0))))
        return
    plot_finding(sheet.plan, finding, file.with_suffix(".svg"))
    print_finding(sheet.plan, finding, Console())


def as_tree(plan: Plan, finding: Finding, ending: Ending) -> dict[str, object]:
    """Return plan, finding and ending as JSON would have them."""
    return {
        "plan": plan.model_dump(mode="json"),
        "trend": finding.trend,
        **asdict(finding),
        "n_lost": ending.n_lost,
        "ended_early": ending.reason,
    }


def find_team(asked: Asked) -> tuple[TeamConfig, str]:
    """Return a team of the one model that is asked, in the one role; and the model's label.

    Raises:
        ConfigError: there is no such model.
    """
    name, model, seat = _find_model(asked)
    efforts = efforts_of(asked, seat)
    seat = seat.model_copy(
        update={
            "models": (name,),
            "effort": (efforts[0], efforts[-1]),
            "corrections": 0,
            "requests": seat.attempts + 1,
            "limits": allowance_of(asked),
        }
    )
    team = TeamConfig.model_validate(
        {str(asked.role): "llm", "models": {name: model}, "roles": {asked.role: seat}}
    )
    return team, model.label


def _find_model(asked: Asked) -> tuple[str, ModelConfig, SeatConfig]:
    if is_scripted(asked.model):
        return "scripted", scripted_model(asked.model), SeatConfig()
    if asked.team is None:
        try:
            team = load_team(asked.model)
        except UnknownName:
            solvers = (f"{PREFIX}{name}" for name in SOLVERS)
            known = (*DEFAULT_MODELS, "openai-compatible", *solvers)
            raise UnknownName.of("provider", asked.model, known) from None
        (name, model), *others = team.models.items()
        if others:
            raise ConfigError(f"one model is probed at a time, got {asked.model!r}")
        return name, model, SeatConfig()
    team = read_team(asked.team)
    labels = {model.label: name for name, model in team.models.items()}
    name = labels.get(asked.model, asked.model)
    if name not in team.models:
        raise UnknownName.of("model in the team file", asked.model, team.models)
    return name, team.models[name], team.seat(asked.role)


def efforts_of(asked: Asked, seat: SeatConfig) -> tuple[Effort, ...]:
    """Return the efforts that are asked for, in rising order.

    Raises:
        ConfigError: fewer than two, or one that is not known.
    """
    names = [name.strip() for name in asked.efforts.split(",") if name.strip()]
    if unknown := [name for name in names if name not in EFFORTS]:
        raise UnknownName.of("effort", unknown[0], EFFORTS)
    default = SCRIPTED_EFFORTS if is_scripted(asked.model) else seat.efforts
    chosen = sorted({Effort(name) for name in names} or set(default), key=EFFORTS.index)
    if len(chosen) < 2:
        raise ConfigError("a trend needs two efforts at least; say --efforts low,medium,high")
    return tuple(chosen)


def plan_for(asked: Asked, config: TeamConfig, label: str) -> Plan:
    """Return what will be asked.

    Raises:
        ConfigError: a number is out of its range, or a kind is not known.
    """
    kinds = tuple(k.strip() for k in asked.kinds.split(",") if k.strip()) or ROLES[asked.role]
    try:
        return Plan(
            model=label,
            role=asked.role,
            kinds=kinds,
            efforts=efforts_of(asked, config.seat(asked.role)),
            n_items=asked.n,
            seed=asked.seed,
            dial=asked.dial,
        )
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(["probes", *map(str, first["loc"])])
        raise ConfigError(f"{where}: {first['msg'].removeprefix('Value error, ')}") from error


def allowance_of(asked: Asked) -> Allowance:
    """Return the limits of a sweep.

    Raises:
        ConfigError: a limit is not above zero.
    """
    dollars = asked.dollars
    if dollars is None and asked.tokens is None:
        dollars = DEFAULT_DOLLARS
    if (dollars is not None and dollars <= 0) or (asked.tokens is not None and asked.tokens < 1):
        raise ConfigError("--dollars and --tokens must be above zero")
    return Allowance(dollars=dollars, tokens=asked.tokens)


def file_name(plan: Plan) -> str:
    """Return the name of a plan's file, without its ending."""
    model = re.sub(r"[^A-Za-z0-9.-]+", "-", plan.model.removeprefix("openai-compatible:"))
    return f"{plan.role}-{model.strip('-.')[:80]}-{plan.seed}"


def _sweep(
    asked: Asked, sheet: Sheet, config: TeamConfig, make_model: MakeModel | None, console: Console
) -> Ending:
    assert sheet.plan is not None  # noqa: S101 - begun by the caller
    allowance = _left(allowance_of(asked), sheet)
    desk = open_desk(sheet.plan, config, allowance, make_model=make_model)
    repairs = Repairs(unsandboxed=asked.unsandboxed)
    columns = (
        TextColumn("probes"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("${task.fields[dollars]:.4f}"),
        TimeRemainingColumn(),
    )
    try:
        with Progress(*columns, console=console, transient=True) as progress:
            task = progress.add_task("", total=None, dollars=0.0)

            def show(n: int, n_all: int, dollars: float) -> None:
                progress.update(task, completed=n, total=n_all, dollars=dollars)

            return run_sweep(sheet, desk, repairs, workers=asked.workers, show=show)
    finally:
        desk.close()
        repairs.close()


def _left(allowance: Allowance, sheet: Sheet) -> Allowance:
    """Return what is left of the dollars after earlier sessions.

    Raises:
        ConfigError: nothing is left.
    """
    if allowance.dollars is None:
        return allowance
    used = sum(reply.dollars for reply in sheet.replies)
    if used >= allowance.dollars:
        raise ConfigError(
            f"{sheet.file} has cost ${used:.2f} already; allow more with --dollars, or look at it "
            "with --show"
        )
    return allowance.model_copy(update={"dollars": allowance.dollars - used})
