"""A team of scripted language models of realistic quality: good layers, and the usual mistakes.

What the Researcher gives depends on the candidate's index alone, so that every campaign sees each
branch in the same place.
"""

from __future__ import annotations

import json
import re

from move37.lab.references import reference_source
from move37.team.models.calls import MakeModel
from move37.team.models.scripted import Heard, Reply, ToolCall, scripted

TEAM = {
    "researcher": "llm",
    "engineer": "llm",
    "analyst": "llm",
    "judge": "llm",
    "control_share": 0.25,
    "models": {
        "one": {
            "provider": "openai-compatible",
            "model": "scribe",
            "base_url": "http://127.0.0.1:9/v1",
            "family": "scribe",
            "price": {"input": 1.0, "output": 10.0},
        },
        "two": {"provider": "google", "model": "critic", "price": {"input": 2.0, "output": 8.0}},
    },
    "roles": {
        "researcher": {"models": ["one"], "backoff_seconds": 0, "attempts": 2, "corrections": 1},
        "engineer": {"models": ["one"], "backoff_seconds": 0},
        "analyst": {"models": ["one"], "backoff_seconds": 0},
        "judge": {"models": ["two"], "backoff_seconds": 0},
    },
}

GOOD, BROKEN, PROSE, DOWN, TOOL = "good", "broken", "prose", "down", "tool"
PLAN = (GOOD, BROKEN, PROSE, GOOD, TOOL, DOWN, GOOD, GOOD)
"""By index, over and over; the control arm makes 3 and 7."""

LESSON = {
    "lesson": "The layer was tried beside its parent; the tables leave the cause open, and it may "
    "be the decay or the gate.",
    "weaknesses": ["forgets early keys"],
    "surprise": "",
    "ablate": "",
}


def scripted_team() -> MakeModel:
    """Return the models of all four roles."""
    return scripted(
        {"researcher": researcher, "engineer": engineer, "analyst": analyst, "judge": judge}
    )


def researcher(heard: Heard) -> Reply:
    """Propose by the plan."""
    index = heard.call.index
    match PLAN[index % len(PLAN)]:
        case "broken":
            return proposal("gla", index, broken=True)
        case "prose":
            return "I would rather talk about the history of attention."
        case "down":
            return ConnectionError("the server is gone")
        case "tool" if heard.n_replies == 0:
            return ToolCall("search_cards", {"query": "forgets early keys"})
    return proposal("gla", index)


def proposal(base: str, index: int, *, broken: bool = False, own: bool = False) -> str:
    """A proposal as a model writes it: thoughts, an idea, and code.

    Without `own` all of one base compute the same: the second is a repeat, found by its behaviour.
    """
    source = reference_source(base) + f"\nNOTE = 'scripted {index}'\n"
    line = "raise KeyError('k')" if broken else f"x_BTD = {1 + index / 100} * x_BTD" if own else ""
    if line:
        source = re.sub(r"(\n    def forward\(.*?:\n)", rf"\1        {line}\n", source)
    idea = {
        "name": f"scripted layer {index}",
        "motivation": "The parent forgets at one rate only, and a gate per channel lets it keep.",
        "mechanism": "S = diag(a) S + k v^T with a learnt decay per channel",
        "elements": [{"name": "channel-decay", "origin": "original", "source": ""}],
        "predictions": [{"task": "recall", "effect": 0.5, "confidence": 0.6}],
    }
    return f"Let me think.\n```json\n{json.dumps(idea)}\n```\n```python\n{source}\n```\n"


def engineer(heard: Heard) -> Reply:
    """Take the mistake out."""
    return "```python\n" + reference_source("gla") + f"\nNOTE = 'mended {heard.call.index}'\n```\n"


def analyst(_heard: Heard) -> Reply:
    """Write a lesson."""
    return f"```json\n{json.dumps(LESSON)}\n```"


def judge(heard: Heard) -> Reply:
    """Grade every label that the prompt asks for."""
    asked = str(heard.messages[0])
    labels = sorted(set(re.findall(r"\b([A-H])\b", asked.rsplit("every label", 1)[-1][:60])))
    grade = {"novelty": 0.5, "elegance": 0.6, "complexity": 0.7, "soundness": 0.8}
    return f"```json\n{json.dumps({'grades': dict.fromkeys(labels or ['A'], grade)})}\n```"
