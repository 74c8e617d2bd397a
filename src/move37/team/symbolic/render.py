"""Description to PyTorch: one readable file with `class Mixer`.

The same description always gives the same text, so a candidate's id names its description. Torch
is not needed here.
"""

from __future__ import annotations

import textwrap

from move37.team.symbolic.canonical import check
from move37.team.symbolic.description import Description
from move37.team.symbolic.render_gates import write_head_statistics, write_input_statistics
from move37.team.symbolic.render_memory import MemoryCode
from move37.team.symbolic.render_page import HELPERS, INDENT, Page
from move37.team.symbolic.render_paths import (
    FEATURE_SUMMARY,
    FEATURES,
    write_after_memory,
    write_features,
    write_output,
    write_projections,
    write_routing,
    write_side_paths,
    write_sizes,
)
from move37.team.symbolic.words import formulas, title

LEGEND = (
    "B batch, T time, D model channels, H heads, K key channels, V value channels{more}. "
    "The state is a dict of tensors, batch first; None at the start of a sequence."
)


def render(description: Description) -> str:
    """Return the source of one file that defines `class Mixer`.

    Raises:
        DescriptionError: the description is not in canonical form.
    """
    d = check(description)
    page = Page()
    write_sizes(page, d)
    write_input_statistics(page, d)
    write_projections(page, d)
    write_head_statistics(page, d)
    paths = _write_memories(page, d)
    paths += write_side_paths(page, d)
    write_output(page, d, write_routing(page, d, paths))
    return _document(page, d)


def _write_memories(page: Page, d: Description) -> list[str]:
    paths = []
    memories = [MemoryCode(page, d, number) for number in range(len(d.memories))]
    for number, memory in enumerate(memories):
        tied = d.memories[number].decay.tied_key
        if tied:
            memory.write_decay()
        if number == 0:
            write_features(page, d)
        if not tied:
            memory.write_decay()
        paths.append(memory.write_read())
        write_after_memory(page, d, paths[-1], number)
    return paths


def _document(page: Page, d: Description) -> str:
    init = "\n".join(INDENT + line for line in page.init)
    forward = "\n".join(INDENT + line if line else "" for line in page.forward)
    helpers = "".join(f"\n{_helper(name, d)}\n" for name in sorted(page.helpers))
    math_import = "import math\n\n" if "math." in helpers else ""
    functional = "import torch.nn.functional as F\n" if "F." in init + forward + helpers else ""
    kernels = _kernel_import(sorted(page.kernels))
    return f'''"""{title(d)}.

{formulas(d)}

{_legend(d)}
"""

{math_import}import torch
{functional}from torch import nn
{kernels}{helpers}

class Mixer(nn.Module):
    """{title(d)}."""

    def __init__(self, d_model, n_heads, layer_index):
        super().__init__()
{init}

    def forward(self, x_BTD, state=None):
        """Mix over time: (B, T, D) and a state to (B, T, D) and the state after it."""
        state = {{}} if state is None else state
        after = {{}}

{forward}
'''


def _kernel_import(names: list[str]) -> str:
    if not names:
        return ""
    line = f"from move37.arena.kernels import {', '.join(names)}"
    if len(line) <= 100:
        return f"\n{line}\n"
    listed = "".join(f"    {name},\n" for name in names)
    return f"\nfrom move37.arena.kernels import (\n{listed})\n"


def _helper(name: str, d: Description) -> str:
    if name == "features":
        body = FEATURES[d.feature.map]
        return f'\ndef features(x):\n    """{FEATURE_SUMMARY[d.feature.map]}"""\n    {body}'
    return HELPERS[name].rstrip("\n")


def _legend(d: Description) -> str:
    more = ", N writes per position" if d.n_writes > 1 else ""
    more += ", P paths" if d.n_paths > 1 else ""
    more += ", J pairs of channels" if d.rotary != "none" else ""
    return textwrap.fill(LEGEND.format(more=more), 98)
