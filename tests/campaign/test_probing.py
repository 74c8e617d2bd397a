"""Probes put to models: scripted ones of known truth, and a server over HTTP.

B1  A sweep finds the trend that the solver was given.
B2  Outcomes are facts: a repaired layer counts if it runs and computes what it should.
B3  What was asked is kept, never asked twice, and can be shown again.
B4  Costs are counted and bounded; a server that fails says nothing about effort.
B5  Whatever a model says is read as an answer or counted as none.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from move37.campaign.probe_solvers import solver_for
from move37.campaign.probe_tables import print_finding
from move37.campaign.probe_verb import Asked, find_team, plan_for, probe_model, show_sheet
from move37.campaign.probing import (
    MOST_LOST,
    Ending,
    Repairs,
    Sheet,
    open_desk,
    run_sweep,
)
from move37.core.errors import ConfigError
from move37.core.team import Allowance, ModelConfig, Price, Role
from move37.guards.probes import draws
from move37.guards.probes.layers import FUTURE
from move37.guards.probes.probe import Probe, patched
from move37.guards.probes.sweep import Plan, Reply, find
from move37.guards.trend import Trend
from move37.team.models.calls import MakeModel
from move37.team.models.scripted import Heard, scripted

ASKED = Asked(model="scripted:collapsing", role=Role.RESEARCHER, kinds="counting,puzzles", n=24)


def swept(
    asked: Asked,
    folder: Path,
    make_model: MakeModel | None = None,
    *,
    allowance: Allowance | None = None,
    price: Price | None = None,
) -> tuple[Sheet, Ending]:
    """Run a sweep as the verb does, with a model of ours in place of a provider's."""
    config, label = find_team(asked)
    if price is not None:
        name, model = next(iter(config.models.items()))
        priced = model.model_copy(update={"price": price})
        config = config.model_copy(update={"models": {name: priced}})
    plan = plan_for(asked, config, label)
    sheet = Sheet(folder / "sheet.jsonl")
    sheet.begin(plan)
    desk = open_desk(
        plan,
        config,
        allowance or Allowance(),
        make_model=make_model or solver_for(plan, asked.model),
    )
    try:
        return sheet, run_sweep(sheet, desk, Repairs())
    finally:
        desk.close()


@pytest.mark.parametrize(
    ("solver", "trend"),
    [("collapsing", Trend.INVERSE), ("rising", Trend.POSITIVE)],
)
def test_a_sweep_finds_the_trend_that_the_solver_has(tmp_path, solver, trend):
    """B1: through the whole model layer."""
    asked = replace(ASKED, model=f"scripted:{solver}", n=28)
    sheet, ending = swept(asked, tmp_path)
    assert sheet.plan is not None
    finding = find(sheet.plan, sheet.replies)
    assert ending == Ending(n_lost=0)
    assert finding.trend is trend
    assert len(sheet.replies) == 28 * 5
    assert list(finding.tokens) == sorted(finding.tokens)


def test_a_flat_solver_raises_no_alarm(tmp_path):
    """B1."""
    sheet, _ = swept(replace(ASKED, model="scripted:flat"), tmp_path)
    assert sheet.plan is not None
    assert find(sheet.plan, sheet.replies).trend not in {Trend.INVERSE, Trend.PEAK}


def test_few_probes_are_said_to_be_too_few(tmp_path):
    """B1: never "no inverse scaling"."""
    sheet, _ = swept(replace(ASKED, n=6), tmp_path)
    assert sheet.plan is not None
    assert find(sheet.plan, sheet.replies).trend is Trend.INSUFFICIENT


@pytest.fixture(scope="module")
def repairs() -> Iterator[Repairs]:
    opened = Repairs()
    yield opened
    opened.close()


def layer_with(fault: str) -> Probe:
    return next(p for p in draws(["broken-layer"], 200, seed=2) if p.variant.endswith(fault))


def test_another_repair_that_computes_the_same_is_right(repairs):
    """B2: run in the sandbox; the text is not the expected one."""
    probe = layer_with("centred over time")
    number = probe.answer.partition(":")[0]
    said = f"{number}: y = o.reshape(o.shape[0], o.shape[1], -1) * 1.0"
    assert said != probe.answer
    assert repairs.are_right(probe, said)


def test_a_repair_that_fails_the_same_probe_is_wrong(repairs):
    """B2: another way to read the future."""
    probe = layer_with("centred over time")
    assert FUTURE in probe.prompt
    number = probe.answer.partition(":")[0]
    assert not repairs.are_right(probe, f"{number}: y = o.flip(1).flatten(-2)")


def test_a_repair_that_passes_the_probes_and_computes_something_else_is_wrong(repairs):
    """B2: to take the memory out is no repair."""
    probe = layer_with("centred over time")
    number = probe.answer.partition(":")[0]
    assert not repairs.are_right(probe, f"{number}: y = o.flatten(-2) * 0.5")


def test_leaving_the_layer_as_it_is_is_wrong_without_a_sandbox():
    """B2: the comments may change."""
    probe = layer_with("state behind")
    number = probe.answer.partition(":")[0]
    line = probe.source.split("\n")[int(number) - 1].strip()
    assert patched(probe.source, f"{number}: {line}") == probe.source
    assert not Repairs().are_right(probe, f"{number}: {line}  # all is well")


def test_the_same_command_goes_on_where_it_was(tmp_path):
    """B3: with more questions, only the new ones are asked."""
    first, _ = swept(replace(ASKED, n=3), tmp_path)
    before = list(first.replies)
    asked: list[int] = []

    def listening(heard: Heard) -> str:
        asked.append(heard.call.index)
        return "ANSWER: 1"

    second, _ = swept(replace(ASKED, n=4), tmp_path, scripted({"researcher": listening}))
    assert sorted(asked) == [15, 16, 17, 18, 19]
    assert second.replies[: len(before)] == before
    assert Sheet(tmp_path / "sheet.jsonl").replies == second.replies


def test_another_sweep_does_not_get_into_the_same_file(tmp_path):
    """B3."""
    swept(replace(ASKED, n=2), tmp_path)
    with pytest.raises(ConfigError, match="another sweep"):
        swept(replace(ASKED, n=2, kinds="puzzles"), tmp_path)


def test_a_line_that_was_cut_off_is_asked_again(tmp_path):
    """B3: a power cut in the middle of a write."""
    sheet, _ = swept(replace(ASKED, n=2), tmp_path)
    text = sheet.file.read_text()
    sheet.file.write_text(text[:-20])
    again, _ = swept(replace(ASKED, n=2), tmp_path)
    assert {(r.item, r.level) for r in again.replies} == {
        (i, n) for i in range(2) for n in range(5)
    }


@pytest.mark.parametrize(
    "text",
    ["", "{}\n", "not JSON\n", '{"model": "m", "role": "king"}\n', "\x00\n", "[" * 100_000 + "\n"],
)
def test_a_file_of_something_else_is_refused(tmp_path, text):
    """B3: in one message."""
    (tmp_path / "sheet.jsonl").write_text(text)
    with pytest.raises(ConfigError, match="no file of probes"):
        Sheet(tmp_path / "sheet.jsonl")


def test_a_sweep_ends_before_it_costs_more_than_allowed(tmp_path):
    """B4: what was asked is kept."""
    sheet, ending = swept(
        replace(ASKED, n=30),
        tmp_path,
        allowance=Allowance(dollars=0.2),
        price=Price(input=10.0, output=10.0),
    )
    assert "0.2 dollars" in ending.reason
    assert 0 < sum(reply.dollars for reply in sheet.replies) <= 0.2
    assert len(sheet.replies) < 150


def test_a_server_that_fails_says_nothing_about_effort(tmp_path):
    """B4: nothing is counted as wrong, and nobody goes on asking."""
    asked = replace(ASKED, n=20)
    config, _ = find_team(asked)
    assert config.seat(Role.RESEARCHER).corrections == 0
    broken = scripted({"researcher": lambda _heard: ConnectionRefusedError("down")})
    seat = config.roles[Role.RESEARCHER].model_copy(update={"attempts": 1})
    plan = plan_for(asked, config, "m")
    sheet = Sheet(tmp_path / "sheet.jsonl")
    sheet.begin(plan)
    config = config.model_copy(update={"roles": {Role.RESEARCHER: seat}})
    desk = open_desk(plan, config, Allowance(), make_model=broken)
    try:
        ending = run_sweep(sheet, desk, Repairs())
    finally:
        desk.close()
    assert "no server answers" in ending.reason
    assert ending.n_lost == MOST_LOST
    assert sheet.replies == []


def test_replies_without_an_answer_are_wrong_and_shown(tmp_path):
    """B5."""
    chatter = scripted({"researcher": ["One could argue. [bold]ANSWER: 3[/bold]"]})
    sheet, _ = swept(ASKED, tmp_path, chatter)
    assert sheet.plan is not None
    finding = find(sheet.plan, sheet.replies)
    assert set(finding.unread) == {1.0}
    assert finding.sweep is not None
    assert set(finding.sweep.accuracy) == {0.0}
    console = Console(record=True, width=120)
    print_finding(sheet.plan, finding, console)
    assert "no answer" in console.export_text()


def test_a_model_s_name_is_no_markup():
    """B5: nor is anything else that a file may hold."""
    plan = Plan(
        model="[red]m[/red][/nothing]",
        role=Role.JUDGE,
        kinds=("repeats",),
        efforts=ASKED_EFFORTS,
        n_items=1,
        seed=0,
    )
    replies = [Reply(item=0, level=level, is_right=True) for level in range(2)]
    console = Console(record=True, width=120)
    print_finding(plan, find(plan, replies), console)
    assert "[red]m[/red][/nothing]" in console.export_text()


ASKED_EFFORTS: Any = ("low", "high")


class AnswerServer:
    """An OpenAI-compatible server that knows the answers, and thinks longer when asked to."""

    def __init__(self, probes: list[Probe]) -> None:
        answers = {probe.prompt: probe.answer for probe in probes}
        efforts = self.efforts = list[str]()

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.answer({"object": "list", "data": []})

            def do_POST(self) -> None:
                asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                effort = asked.get("reasoning_effort", "")
                efforts.append(effort)
                prompt = next(m["content"] for m in asked["messages"] if m["role"] == "user")
                n = {"low": 100, "medium": 200, "high": 400}[effort]
                message = {"role": "assistant", "content": f"ANSWER: {answers[prompt]}"}
                usage = {"prompt_tokens": 90, "completion_tokens": n, "total_tokens": 90 + n}
                choice = {"index": 0, "finish_reason": "stop", "message": message}
                self.answer({"id": "1", "object": "chat.completion", "created": 1, "model": "m",
                             "choices": [choice], "usage": usage})  # fmt: skip

            def answer(self, value: dict[str, Any]) -> None:
                body = json.dumps(value).encode()
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
                """Say nothing."""

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.thread = threading.Thread(target=self.http.serve_forever, args=(0.02,), daemon=True)
        self.thread.start()

    def close(self) -> None:
        self.http.shutdown()
        self.http.server_close()
        self.thread.join()


def test_a_server_is_probed_at_every_effort(tmp_path, capsys):
    """B1, B3, B4: the verb, a team file, HTTP, the plot, and the file shown again."""
    server = AnswerServer(draws(["repeats", "counting"], 21, seed=5))
    team = tmp_path / "team.toml"
    url = f"http://127.0.0.1:{server.http.server_address[1]}/v1"
    model = ModelConfig(provider="openai-compatible", model="m", base_url=url)
    team.write_text(
        f'[models.mine]\nprovider = "{model.provider}"\nmodel = "m"\nbase_url = "{url}"\n'
        "thinks = true\n"
    )
    asked = Asked(model="mine", role=Role.JUDGE, team=team, n=21, seed=5, into=tmp_path / "probes")
    try:
        probe_model(asked, as_json=True)
    finally:
        server.close()
    found = json.loads(capsys.readouterr().out)
    assert found["trend"] == "saturated"
    assert found["tokens"] == [100.0, 200.0, 400.0]
    # what the server heard, not what was meant to be sent
    assert sorted(server.efforts) == ["high"] * 21 + ["low"] * 21 + ["medium"] * 21
    (file,) = (tmp_path / "probes").glob("*.jsonl")
    assert b"<svg" in file.with_suffix(".svg").read_bytes()
    show_sheet(file, as_json=False)
    assert "nearly everything is right" in " ".join(capsys.readouterr().out.split())


def test_options_that_mean_nothing_are_refused_in_words(tmp_path):
    """B3: before anything is asked."""
    for changes, words in (
        ({"efforts": "low"}, "two efforts"),
        ({"efforts": "low,huge"}, "no effort 'huge'"),
        ({"kinds": "count"}, "no kind count"),
        ({"n": 0}, "n_items"),
        ({"dollars": -1.0}, "above zero"),
        ({"model": "scripted:fallin"}, "did you mean 'falling'"),
        ({"model": "nope"}, "no provider 'nope'.* openai-compatible, scripted:cliff"),
    ):
        with pytest.raises(ConfigError, match=words):
            probe_model(replace(ASKED, into=tmp_path, **changes), as_json=True)
