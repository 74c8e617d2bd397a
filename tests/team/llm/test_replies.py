"""Reading replies.

R1  Total: any text gives a checked record or a ReplyError, nothing else.
R2  What a good reply holds is found, whatever stands around it.
R3  Each typical way to be unusable is named, so that the model can mend it.
"""

from __future__ import annotations

import contextlib
import json

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from move37.core.errors import ReplyError
from move37.team.llm.replies import (
    MAX_CODE,
    MAX_REPLY,
    ReplyFields,
    blocks_of,
    joined,
    read_fields,
    read_layer_code,
    rows,
)

LAYER = "import torch\nfrom torch import nn\n\n\nclass Mixer(nn.Module):\n    pass\n"


class Fields(ReplyFields):
    name: str
    score: float = 0.0


PIECES = st.sampled_from(
    [
        "```python\n", "```json\n", "```\n", "~~~\n", "class Mixer:\n", "    pass\n", "{", "}", '"',
        '{"name": "a"}', "NaN", "\\", "\n", "def f(", "\x00", "\ud800", "\u202e", "é", "[[[[",
        "import a.b\n", "text ",
    ]
)  # fmt: skip
HOSTILE = st.one_of(st.text(max_size=300), st.lists(PIECES, max_size=40).map("".join))


@settings(deadline=None)
@given(HOSTILE)
@example("```python\n" + "(" * 5000 + "\n```")
@example('{"name": ' * 3000)
@example("```python\nclass Mixer: pass\n" + "x" * 10 + "\x00\n```")
def test_any_text_gives_a_record_or_a_reply_error(text):
    """R1."""
    with contextlib.suppress(ReplyError):
        assert isinstance(read_fields(text, Fields).name, str)
    with contextlib.suppress(ReplyError):
        assert "Mixer" in read_layer_code(text)


@settings(deadline=None)
@given(HOSTILE.filter(lambda t: "{" not in t and "`" not in t and "~" not in t))
def test_prose_around_the_blocks_does_not_matter(prose):
    """R2."""
    reply = f'{prose}\n```json\n{{"name": "good"}}\n```\n{prose}\n```python\n{LAYER}```\n'
    assert read_fields(reply, Fields).name == "good"
    assert read_layer_code(reply) == LAYER


@settings(deadline=None)
@given(st.text(max_size=200).map(lambda text: text.replace("\r\n", "\n").rstrip("\r")))
def test_lines_are_parted_and_joined_without_loss(text):
    """But for Windows line ends, which become plain ones."""
    ended = text if not text or text.endswith("\n") else text + "\n"
    assert joined(rows(ended)) == ended


def test_json_without_a_fence_and_after_another_object_is_found():
    """R2."""
    reply = 'First {"other": 1}, then: {"name": "x", "score": 2, "extra": true} as asked.'
    assert read_fields(reply, Fields) == Fields(name="x", score=2.0)


def test_the_last_block_that_defines_the_layer_counts():
    """R2: models draft, then correct themselves."""
    draft = LAYER.replace("pass", "draft = 1")
    reply = f"```python\n{draft}```\nBetter:\n```python\n{LAYER}```\n"
    assert read_layer_code(reply) == LAYER


def test_a_fence_inside_a_longer_fence_is_part_of_it():
    text = f'````python\n"""```\nnot the end\n```"""\n{LAYER}````\n'
    (block,) = blocks_of(text)
    assert block.body.endswith(LAYER)


@pytest.mark.parametrize(
    ("reply", "complaint"),
    [
        ("", "empty"),
        ("   \n ", "empty"),
        ("I'm sorry, but I can't help with that.", "refuses"),
        ("Here is a layer that mixes tokens nicely.", "no block of Python"),
        (f"```python\n{LAYER}", "cut off"),
        ("```python\nclass Mixer(:\n```", "line 1"),
        ("```python\nclass Attention:\n    pass\n```", "defines Attention"),
        ("```python\nprint('hello')\n```", "defines no class"),
        (f"```python\n{LAYER}x = '\u202e'\n```", "bidirectional"),
        (f"```python\n{LAYER}{'#' * MAX_CODE}\n```", "at most"),
        ("a" * (MAX_REPLY + 1), "at most"),
    ],
)
def test_what_is_wrong_with_code_is_named(reply, complaint):
    """R3."""
    with pytest.raises(ReplyError, match=complaint):
        read_layer_code(reply)


@pytest.mark.parametrize(
    ("reply", "complaint"),
    [
        ("no object here", "no JSON object"),
        ('```json\n{"name": "a", }\n```', "no JSON object"),
        ('{"score": 1}', "name"),
        ('{"name": "a", "score": NaN}', "no JSON object"),
        (json.dumps({"name": ["list"]}), "name"),
    ],
)
def test_what_is_wrong_with_fields_is_named(reply, complaint):
    """R3."""
    with pytest.raises(ReplyError, match=complaint):
        read_fields(reply, Fields)
