"""The tables of docs/configuration.md, from the code: keys of campaigns and presets, and the tasks.

    python -m move37.testing.config_page docs/configuration.md

writes them anew between the page's `<!-- begin NAME -->` and `<!-- end NAME -->`. A test holds that
the page is up to date.
"""

from __future__ import annotations

import ast
import dataclasses
import inspect
import json
import re
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from move37.core.config import (
    BudgetConfig,
    CampaignConfig,
    EvidenceConfig,
    ModelShape,
    Preset,
    Rung,
    SearchConfig,
    TaskSetting,
    Training,
    Verification,
)
from move37.core.team import Allowance, Line, ModelConfig, Price, SeatConfig, TeamConfig
from move37.evidence.fitness import COMPOSITES
from move37.lab.tasks import TASKS
from move37.memory.selection import RULES

CAMPAIGN: dict[str, type[BaseModel]] = {
    "At the top": CampaignConfig,
    "`[budget]`": BudgetConfig,
    "`[search]`": SearchConfig,
    "`[evidence]`": EvidenceConfig,
    "`[team]`": TeamConfig,
    "`[team.models.NAME]`": ModelConfig,
    "`[team.models.NAME.price]`": Price,
    "`[team.roles.ROLE]`": SeatConfig,
    "`[team.roles.ROLE.limits]`": Allowance,
    "`[[team.lines]]`": Line,
}
PRESET: dict[str, type[BaseModel]] = {
    "At the top": Preset,
    "`[model]`": ModelShape,
    "`[training]`": Training,
    "`[[rungs]]`": Rung,
    "`[[tasks]]`, `[[held_back]]`, `[[verification.exam]]`": TaskSetting,
    "`[verification]`": Verification,
}
BOUNDS = (
    ("exclusiveMinimum", "> {}"),
    ("minimum", ">= {}"),
    ("exclusiveMaximum", "< {}"),
    ("maximum", "<= {}"),
)
KINDS = {"integer": "whole number", "number": "number", "string": "text", "boolean": "true, false"}


def written(page: str) -> str:
    """Return the page with its tables as the code has them now."""
    parts = {
        "campaign": "\n".join(_sections(CAMPAIGN)),
        "names": "\n".join(_names()),
        "preset": "\n".join(_sections(PRESET)),
        "tasks": "\n".join(_tasks()),
    }
    for name, text in parts.items():
        begin, end = f"<!-- begin {name} -->\n", f"<!-- end {name} -->"
        before, _, rest = page.partition(begin)
        _, found, after = rest.partition(end)
        if not found:
            raise ValueError(f"the page has no {begin.strip()} before {end}; put them back")
        page = f"{before}{begin}{text}\n{end}{after}"
    return page


def _sections(sections: dict[str, type[BaseModel]]) -> Iterator[str]:
    for heading, section in sections.items():
        yield f"**{heading}**\n"
        yield "| key | value | default | meaning |\n|---|---|---|---|"
        schema = section.model_json_schema()
        kinds, meanings = schema.get("$defs", {}), _docstrings(section)
        for key, form in schema["properties"].items():
            is_needed = key in schema.get("required", ())
            default = "**needed**" if is_needed else _default(section, key)
            yield f"| `{key}` | {_kind(form, kinds)} | {default} | {meanings[key]} |"
        yield ""


def _docstrings(section: type[BaseModel]) -> dict[str, str]:
    """Return what stands below each field; a field without it is an error: say what it means."""
    (node,) = ast.parse(inspect.getsource(section)).body
    assert isinstance(node, ast.ClassDef)
    meanings = {
        field.target.id: " ".join(text.value.value.split())
        for field, text in zip(node.body, node.body[1:], strict=False)
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name)
        if isinstance(text, ast.Expr) and isinstance(text.value, ast.Constant)
        if isinstance(text.value.value, str)
    }
    missing = section.model_fields.keys() - meanings
    if missing:
        raise ValueError(
            f"{section.__name__}: {', '.join(sorted(missing))} has no docstring below it; the page "
            "needs its meaning"
        )
    return meanings


def _kind(form: dict[str, Any], kinds: dict[str, Any]) -> str:
    """Return what may be written, in words, from a JSON schema."""
    if "$ref" in form:
        form = kinds[form["$ref"].rpartition("/")[2]]
    if "anyOf" in form:
        return " or ".join(_kind(f, kinds) for f in form["anyOf"] if f.get("type") != "null")
    if "enum" in form:
        return ", ".join(f"`{word}`" for word in form["enum"])
    if "prefixItems" in form:
        return f"[{', '.join(_kind(item, kinds) for item in form['prefixItems'])}]"
    if form["type"] == "array":
        items = form["items"]
        return "tables" if _is_table(items, kinds) else f"list of: {_kind(items, kinds)}"
    if form["type"] == "object":
        return "table"
    bounds = [words.format(_plain(form[key])) for key, words in BOUNDS if key in form]
    return " ".join([KINDS[form["type"]], *bounds[:1], *(f"and {b}" for b in bounds[1:])])


def _is_table(form: dict[str, Any], kinds: dict[str, Any]) -> bool:
    return kinds.get(form.get("$ref", "").rpartition("/")[2], form).get("type") == "object"


def _default(section: type[BaseModel], key: str) -> str:
    value = section.model_fields[key].get_default(call_default_factory=True)
    if isinstance(value, BaseModel) or value in ({}, None, ""):
        return ""
    return f"`{json.dumps(_plain(value))}`"


def _plain(value: Any) -> Any:
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _names() -> Iterator[str]:
    yield "| `search.selection` | the parent of the next candidate |\n|---|---|"
    for name, rule in RULES.items():
        if isinstance(rule, partial):
            given = ", ".join(f"{key} = {value}" for key, value in rule.keywords.items())
            words = f"`{rule.func.__name__}` with {given}."
        else:
            words = (inspect.getdoc(rule) or "").partition("\n\n")[0]
        yield f"| `{name}` | {' '.join(words.split())} |"
    yield f"\n`evidence.fitness`: {', '.join(f'`{name}`' for name in COMPOSITES)}."


def _tasks() -> Iterator[str]:
    yield "| task | what it asks | graded | options, with default and range |\n|---|---|---|---|"
    for name, task in TASKS.items():
        page = inspect.getdoc(task) or ""
        graded = re.search(r"Metric: (.*?)\. Chance: (.*?)(?:;|\.\n|\. |$)", page, re.DOTALL)
        assert graded, f"{name}: its docstring names no metric and chance"
        metric, chance = (" ".join(text.split()) for text in graded.groups())
        options = ", ".join(_option(field) for field in dataclasses.fields(task))
        summary = page.partition("\n")[0]
        yield f"| `{name}` | {summary} | {metric}; chance: {chance} | {options} |"


def _option(field: dataclasses.Field[Any]) -> str:
    if "range" not in field.metadata:
        return f"`{field.name}` (text; `{json.dumps(field.default)}`)"
    low, high = field.metadata["range"]
    return f"`{field.name}` {field.default} ({_plain(low)} to {_plain(high)})"


if __name__ == "__main__":
    file = Path(sys.argv[1])
    file.write_text(written(file.read_text("utf-8")), "utf-8")
