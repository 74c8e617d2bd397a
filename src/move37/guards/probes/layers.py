"""A small layer with one broken line, and comments that point elsewhere: the Engineer's probe.

The page at the layer's head says what it computes, so there is one right layer. A repair is judged
by what it does: it passes the admission probes, and computes what the whole layer computes
(`campaign.probing` runs it in the sandbox).
"""

from __future__ import annotations

import ast
import random
from dataclasses import dataclass
from string import Template

from move37.core.parsing import parse
from move37.guards.probes.probe import Form, Probe, ask, rng_of

KIND = "broken-layer"
N_REMARKS = (0, 1, 2, 3, 5)
"""By dial: comments in the file that point at lines without a fault."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Fault:
    """One line, and what it is replaced by."""

    name: str
    line: str
    broken: str
    symptom: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Layer:
    """A layer that works, with the faults that it can be given."""

    name: str
    source: str
    faults: tuple[Fault, ...]


def broken_layer(*, seed: int, number: int, dial: int) -> Probe:
    """Return a layer that fails an admission probe because of one line."""
    rng = rng_of(KIND, seed=seed, number=number, dial=dial)
    layer = rng.choice(LAYERS)(rng)
    fault = rng.choice(layer.faults)
    lines = layer.source.split("\n")
    place = next(i for i, line in enumerate(lines) if line.strip() == fault.line)
    indent = lines[place][: len(lines[place]) - len(lines[place].lstrip())]
    lines[place] = indent + fault.broken
    lines, lured = _remarked(lines, place, rng, n=N_REMARKS[dial])
    number_of = next(i for i, line in enumerate(lines, 1) if line.strip() == fault.broken)
    numbered = "\n".join(f"{i:2}| {line}" for i, line in enumerate(lines, start=1))
    text = (
        "A sequence-mixing layer fails a test. Exactly one line is wrong; the description at the "
        "head of the file is right. Comments may be out of date.\n\n"
        f"The test says: {fault.symptom}\n\n{numbered}\n\n"
        "Give the number of the line and the whole line as it should be."
    )
    return Probe(
        id=f"{KIND}/{seed}/{number}/{dial}",
        kind=KIND,
        dial=dial,
        variant=f"{layer.name}: {fault.name}",
        prompt=ask(text, "<line number>: <the corrected line>"),
        form=Form.PATCH,
        answer=f"{number_of}: {fault.line}",
        lure=str(lured) if lured else "",
        source="\n".join(lines),
    )


def is_same_program(one: str, other: str) -> bool:
    """Return whether two sources are one program, layout and comments aside."""
    try:
        return ast.dump(parse(one)) == ast.dump(parse(other))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False


REMARKS = (
    "FIXME: this line is the culprit, see the failing test",
    "was changed yesterday; nobody has tested it since",
    "wrong? the paper has this the other way round",
    "TODO: shapes look suspicious here",
    "fixed: the bug was here",
    "careful, this reads the future",
)


def _remarked(
    lines: list[str], broken: int, rng: random.Random, *, n: int
) -> tuple[list[str], int]:
    """Return the lines with comments on n good ones, and the number of the last such line."""
    start = next(i for i, line in enumerate(lines) if line.startswith("class "))
    good = [
        i
        for i, line in enumerate(lines)
        if i > start and i != broken and ("=" in line or "return" in line)
    ]
    chosen = rng.sample(good, min(n, len(good)))
    marked = list(lines)
    for i, remark in zip(chosen, rng.sample(REMARKS, len(chosen)), strict=True):
        marked[i] = f"{marked[i]}  # {remark}"
    return marked, chosen[-1] + 1 if chosen else 0


FUTURE = "causality: the output at a position changes when a later input changes"
BATCH = "batch: the output of a sequence depends on the other sequences of the batch"
STREAMING = "streaming: chunk by chunk, with the state handed on, the output is another one"
REPEAT = "determinism: two calls with the same input give different outputs"


DECAYING = Template('''"""Linear attention whose heads forget at fixed rates.

    S_t = g_h S_(t-1) + phi(k_t) v_t^T,    o_t = S_t^T phi(q_t),    phi(x) = $words
    g_h = 1 - 2^-($base + h)

The state is S, handed on from chunk to chunk.
"""

import torch
import torch.nn.functional as F
from torch import nn

from move37.arena.kernels import linear_attention


class Mixer(nn.Module):
    def __init__(self, d_model, n_heads, layer_index):
        super().__init__()
        self.n_heads = n_heads
        self.qkv = nn.Linear(d_model, 3 * d_model, bias=False)
        self.out = nn.Linear(d_model, d_model, bias=False)
        rates = 1 - 2.0 ** -($base + torch.arange(n_heads))
        self.register_buffer("log_rates", torch.log(rates))

    def forward(self, x, state=None):
        parts = self.qkv(x).chunk(3, dim=-1)
        q, k, v = (part.unflatten(-1, (self.n_heads, -1)) for part in parts)
        $features
        decay = self.log_rates.to(x.dtype).view(1, 1, -1, 1).expand_as(k)
        o, state = linear_attention(q, k, v, log_decay=decay, state_BHKV=state)
        y = o.flatten(-2)
        return self.out(y), state
''')
FILTER = Template('''"""A gated causal filter: each channel sees its last $width inputs.

    y_t = $name(sum_i w_i u_(t-$before+i), i = 0..$before) * sigmoid(W_g x_t),  u = W_u x

The state is the last $before rows of u, zeros at first.
"""

import torch
import torch.nn.functional as F
from torch import nn


class Mixer(nn.Module):
    def __init__(self, d_model, n_heads, layer_index):
        super().__init__()
        self.inner = nn.Linear(d_model, d_model, bias=False)
        self.gate = nn.Linear(d_model, d_model)
        self.taps = nn.Parameter(torch.randn($width, d_model) / $width)
        self.out = nn.Linear(d_model, d_model, bias=False)

    def forward(self, x, state=None):
        u = self.inner(x)
        if state is None:
            state = u.new_zeros(u.shape[0], $before, u.shape[2])
        padded = torch.cat([state, u], dim=1)
        length = u.shape[1]
        shifted = [padded[:, i : i + length] for i in range($width)]
        mixed = sum(tap * part for tap, part in zip(self.taps, shifted))
        y = $function(mixed) * torch.sigmoid(self.gate(x))
        return self.out(y), padded[:, -$before:]
''')


def _decaying(rng: random.Random) -> Layer:
    base = rng.randint(3, 6)
    words, phi = rng.choice(
        (
            ("elu(x) + 1", "F.elu({}) + 1"),
            ("softplus(x)", "F.softplus({})"),
            ("relu(x)", "F.relu({})"),
            ("sigmoid(x)", "torch.sigmoid({})"),
        )
    )
    features = f"q, k = {phi.format('q')}, {phi.format('k')}"
    source = DECAYING.substitute(base=base, words=words, features=features)
    return Layer(name="fixed decay", source=source, faults=_decaying_faults(features, phi))


def _decaying_faults(features: str, phi: str) -> tuple[Fault, ...]:
    call = "o, state = linear_attention(q, k, v, log_decay=decay, state_BHKV=state)"
    return (
        Fault(
            name="next key",
            line=features,
            broken=f"q, k = {phi.format('q')}, {phi.format('k.roll(-1, dims=1)')}",
            symptom=FUTURE,
        ),
        Fault(
            name="state dropped",
            line=call,
            broken=call.replace("state_BHKV=state", "state_BHKV=None"),
            symptom=STREAMING,
        ),
        Fault(
            name="centred over time",
            line="y = o.flatten(-2)",
            broken="y = o.flatten(-2) - o.flatten(-2).mean(dim=1, keepdim=True)",
            symptom=FUTURE,
        ),
        Fault(
            name="centred over the batch",
            line="y = o.flatten(-2)",
            broken="y = o.flatten(-2) - o.flatten(-2).mean(dim=0, keepdim=True)",
            symptom=BATCH,
        ),
        Fault(
            name="noise",
            line="y = o.flatten(-2)",
            broken="y = o.flatten(-2) + 0.1 * torch.randn_like(o.flatten(-2))",
            symptom=REPEAT,
        ),
        Fault(
            name="values reversed",
            line="parts = self.qkv(x).chunk(3, dim=-1)",
            broken="parts = self.qkv(x.flip(1)).flip(1).cumsum(1).flip(1).chunk(3, dim=-1)",
            symptom=FUTURE,
        ),
    )


def _filter(rng: random.Random) -> Layer:
    width = rng.randint(3, 6)
    name, function = rng.choice((("silu", "F.silu"), ("gelu", "F.gelu"), ("tanh", "torch.tanh")))
    source = FILTER.substitute(width=width, before=width - 1, name=name, function=function)
    return Layer(name="filter", source=source, faults=_filter_faults(width, function))


def _filter_faults(width: int, function: str) -> tuple[Fault, ...]:
    last = f"return self.out(y), padded[:, -{width - 1}:]"
    gated = f"y = {function}(mixed) * torch.sigmoid(self.gate(x))"
    return (
        Fault(
            name="state behind",
            line="padded = torch.cat([state, u], dim=1)",
            broken="padded = torch.cat([u, state], dim=1)",
            symptom=FUTURE,
        ),
        Fault(
            name="state too early",
            line=last,
            broken=f"return self.out(y), padded[:, :{width - 1}]",
            symptom=STREAMING,
        ),
        Fault(
            name="gate of the mean",
            line=gated,
            broken=f"y = {function}(mixed) * torch.sigmoid(self.gate(x.mean(1, keepdim=True)))",
            symptom=FUTURE,
        ),
        Fault(
            name="scaled by the batch",
            line=gated,
            broken=f"y = {function}(mixed / mixed.std(dim=0, keepdim=True, unbiased=False)"
            ".add(1)) * torch.sigmoid(self.gate(x))",
            symptom=BATCH,
        ),
        Fault(
            name="dropout that never ends",
            line="u = self.inner(x)",
            broken="u = F.dropout(self.inner(x), 0.1)",
            symptom=REPEAT,
        ),
        Fault(
            name="reversed in time",
            line="mixed = sum(tap * part for tap, part in zip(self.taps, shifted))",
            broken="mixed = sum(tap * part.flip(1) for tap, part in zip(self.taps, shifted))",
            symptom=FUTURE,
        ),
    )


LAYERS = (_decaying, _filter)
