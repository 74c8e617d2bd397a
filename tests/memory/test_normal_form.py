"""What counts as one program: spellings. What must differ: `test_normal_form_soundness`.

Invariant N1: another spelling of a layer has the same form.
"""

from __future__ import annotations

import ast
import itertools
import json
import re

import pytest
from memory_events import layer
from spellings import MIXERS, NAMES, SOURCES, SPELLINGS, same

from move37.memory.forms import distance, form_of, forms_of
from move37.memory.syntax.canonical import normal_form


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("spelling", SPELLINGS)
def test_another_spelling_of_a_layer_has_the_same_form(name, spelling):
    """N1."""
    other = SPELLINGS[spelling](SOURCES[name])
    assert other != SOURCES[name]
    ast.parse(other)
    assert same(SOURCES[name], other)


def test_order_of_independent_assignments_does_not_count():
    """N1: in every reference mixer, each two neighbours that make modules or weights, exchanged."""
    n_pairs = 0
    for path in sorted(MIXERS.glob("*.py")):
        n_pairs += check_exchanges(path.read_text(encoding="utf-8"))
    assert n_pairs > 15


def check_exchanges(source: str) -> int:
    lines = source.splitlines()
    # Calls within the call, as in nn.Parameter(torch.ones(n)), but none in place.
    plain = re.compile(r"        self\.\w+ = nn\.\w+\((?:[^()]|(?<!_)\([^()]*\))*\)$")
    pairs = [
        i for i in range(len(lines) - 1) if plain.match(lines[i]) and plain.match(lines[i + 1])
    ]
    form = normal_form(source).digest if pairs else ""
    for i in pairs:
        exchanged = [*lines[:i], lines[i + 1], lines[i], *lines[i + 2 :]]
        assert normal_form("\n".join(exchanged)).digest == form, lines[i]
    return len(pairs)


QKV = """
class Mixer(nn.Module):
    def __init__(self, d):
        super().__init__()
        self.q, self.k, self.v, self.g = (nn.Linear(d, d) for _ in range(4))
    def forward(self, x, state=None):
        {}
        return linear_attention(q, k, v, log_decay=g)
"""
PROJECTIONS = ("q = self.q(x)", "k = self.k(x).exp()", "v = self.v(x)", "g = -self.g(x).abs()")


def test_projections_may_stand_in_any_order_and_under_any_name():
    """N1: told apart by their use, not by their place."""
    forms = set()
    for order in itertools.permutations(PROJECTIONS):
        body = "\n        ".join(order)
        forms.add(normal_form(QKV.format(body)).digest)
        renamed = re.sub(r"\bself\.q\b", "self.query", QKV.format(body))
        forms.add(normal_form(renamed).digest)
    assert len(forms) == 1
    exchanged = QKV.format("\n        ".join(PROJECTIONS)).replace("(q, k, v", "(k, q, v")
    assert normal_form(exchanged).digest not in forms


EQUAL = {
    "constants": ("x = 1e-6 + 16 + 'a'", 'x = 0.000001 + 0x10 + "a"'),
    "long integers": ("x = 0x" + "f" * 5000, "x = 0x" + "F" * 5000),
    "annotated assignment": ("x: int = 1", "x = 1"),
    "statements that say nothing": ("x = 1\npass\n'words'\n3", "x = 1"),
    "lambda": ("f = lambda a: a + 1", "f = lambda b: b + 1"),
    "comprehension": ("x = [a * 2 for a in y]", "x = [b * 2 for b in y]"),
    "inner function": (
        "def f(a):\n def g(b):\n  return a + b\n return g",
        "def h(x):\n def k(y):\n  return x + y\n return k",
    ),
    "exception": (
        "try:\n f()\nexcept E as e:\n print(e)",
        "try:\n f()\nexcept E as x:\n print(x)",
    ),
    "match": ("match v:\n case [a, *b]:\n  f(a, b)", "match v:\n case [c, *d]:\n  f(c, d)"),
    "buffers": (
        "class A(M):\n def __init__(self):\n  self.register_buffer('p', z())\n  self.q = self.p",
        "class A(M):\n def __init__(self):\n  self.register_buffer('r', z())\n  self.q = self.r",
    ),
    "invalid escape in a docstring": ('"""\\alpha"""\nx = 1', "x = 1"),
}


@pytest.mark.parametrize("case", EQUAL)
def test_spellings_that_mean_the_same(case):
    """N1."""
    assert same(*EQUAL[case])


def test_the_child_answers_as_a_call_in_this_process_does():
    candidates = [layer(source, name) for name, source in SOURCES.items()]
    assert forms_of(candidates) == [normal_form(source) for source in SOURCES.values()]
    assert forms_of(candidates) == forms_of(candidates[::-1])[::-1]
    assert json.dumps([form_of(c).digest for c in candidates])


def test_distance_orders_layers_by_likeness():
    forms = {name: normal_form(source) for name, source in SOURCES.items()}
    gated = SOURCES["gated_deltanet"]
    cousin = normal_form(gated.replace("gated_rms_norm(o_BTHV", "gated_rms_norm(2.0 * o_BTHV"))
    near = distance(forms["gated_deltanet"], cousin)
    assert 0 < near < 0.1
    assert near < distance(forms["gated_deltanet"], forms["kimi_delta_attention"])
    assert distance(forms["gated_deltanet"], forms["rwkv7"]) > 0.8
    assert distance(forms["rwkv7"], forms["rwkv7"]) == 0.0
    assert distance(cousin, forms["gated_deltanet"]) == near
