"""Each admission probe is shown a layer with exactly the flaw it exists for.

Real sandboxed children throughout. Invariants:

P1 an honest layer passes everything, and so does every reference but softmax attention;
P2 a flawed layer fails the probe for its flaw, and the verdict says what to do;
P3 a child that dies, hangs or lies is an outcome of the report, never an exception.
"""

from __future__ import annotations

import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from layers import layer

from move37.core.budget import Limits
from move37.core.trial import Outcome, ProbeReport, ProbeVerdict
from move37.lab.laboratory import Laboratory
from move37.lab.probes import probe
from move37.lab.probes.draws import WORST, deviation, fixed, inputs, jittered
from move37.lab.references import reference_names, reference_source

LIMITS = Limits(wall_seconds=60, cpu_seconds=30, memory_bytes=512 * 2**20)
SEPARATE = {"cost", "state_size"}


@pytest.fixture(scope="module")
def laboratory():
    with Laboratory() as laboratory:
        yield laboratory


def run(laboratory, source: str, *, limits: Limits = LIMITS, **options) -> ProbeReport:
    return probe(
        lambda: laboratory.session(limits), source, **{"d_model": 16, "n_heads": 2, **options}
    )


def failed(report: ProbeReport) -> dict[str, ProbeVerdict]:
    return {v.name: v for v in report.verdicts if not v.passed}


def test_an_honest_layer_passes_every_probe_and_is_measured(laboratory):
    report = run(laboratory, layer())
    assert report.outcome is Outcome.COMPLETED, report.reason
    assert len(report.verdicts) == 14
    assert report.n_parameters == 2 * 16 * 16 + 16
    assert report.state_bytes == 4 * 16
    assert report.flops_per_token == pytest.approx(2 * 2 * 16 * 16, rel=0.5)
    assert report.cost_exponent == pytest.approx(1.0, abs=0.05)
    assert len(report.fingerprint) == 24


FLAWS = {
    "mean over the future": (
        layer(before="u = u + u.mean(dim=1, keepdim=True)"),
        {"causality", "length", "streaming"},
    ),
    "time reversed": (layer(before="u = u.flip(1)"), {"causality", "length", "streaming"}),
    "targets shifted by one": (
        layer(before="u = u + torch.roll(x, -1, dims=1)"),
        {"causality", "length", "streaming"},
    ),
    "leak only beyond 128 tokens": (
        layer(before="u = u + (u[:, -1:] if T > 128 else 0.0)"),
        {"causality", "length", "streaming"},
    ),
    "leak behind a gate that starts closed": (
        layer(
            init="self.gate = nn.Parameter(torch.tensor(-3.0))",
            before="u = u + F.relu(self.gate) * u.mean(dim=1, keepdim=True)",
        ),
        {"causality", "gradients"},
    ),
    "leak in training mode only": (
        layer(before="u = u + (u.mean(dim=1, keepdim=True) if self.training else 0.0)"),
        {"causality"},
    ),
    "leak in float32 only": (
        layer(before="u = u + (u.mean(1, keepdim=True) if x.dtype == torch.float32 else 0.0)"),
        {"causality", "dtype"},
    ),
    "position divided by length": (
        layer(before="u = u * (torch.arange(T, device=x.device) / T)[:, None].to(x.dtype)"),
        {"length", "streaming"},
    ),
    "statistics of the batch": (
        layer(before="u = u - u.mean(dim=0, keepdim=True)"),
        {"batch", "causality"},
    ),
    "statistics of the batch in training mode only": (
        layer(before="u = u - (u.mean(dim=0, keepdim=True) if self.training else 0.0)"),
        {"batch", "causality"},
    ),
    "memory between calls": (
        layer(
            init="self.memory = 0.0",
            before="u = u + self.memory",
            after="self.memory = 0.1 * y.detach().mean()",
        ),
        {"repeat"},
    ),
    "a call counter in training mode": (
        layer(
            init="self.register_buffer('calls', torch.zeros(()))",
            before="u = u * (1 + self.calls)",
            after="self.calls += float(self.training)",
        ),
        {"repeat"},
    ),
    "dropout that never stops": (layer(before="u = F.dropout(u, 0.1)"), {"determinism"}),
    "numbers from the operating system at the start": (
        layer(init="self.decay.data += int.from_bytes(os.urandom(2), 'big') / 65536"),
        {"determinism"},
    ),
    "weights outside the state dict": (
        layer(init="self.hidden = torch.randn(d_model)", before="u = u + self.hidden.to(x)"),
        {"checkpoint"},
    ),
    "state kept in the module, not handed out": (
        layer(
            init="self.last = None",
            before="state = self.last if state is not None else None",
            after="self.last = state",
        ),
        {"streaming"},
    ),
    "convolution without its tail": (
        layer(
            init="self.taps = nn.Parameter(torch.randn(d_model, 4))",
            before="u = short_convolution(u, self.taps)[0]",
        ),
        {"streaming"},
    ),
    "a parameter that nothing reads": (
        layer(init="self.unused = nn.Parameter(torch.zeros(3))"),
        {"gradients"},
    ),
    "a gradient that is not a number": (
        layer(before="u = u + torch.where(u > 1e6, (u * 0).sqrt(), u)"),
        {"gradients", "causality"},
    ),
    "float32 by name": (
        layer(before="u = u + torch.zeros(D, dtype=torch.float32, device=x.device); u = u.float()"),
        {"dtype"},
    ),
    "bfloat16 inside": (layer(before="u = u.bfloat16().to(x.dtype)"), {"dtype"}),
    "the default device": (layer(before="u = u + torch.ones(D, dtype=x.dtype)"), {"device"}),
    "a matrix of all pairs": (
        layer(before="u = u + 0.0 * torch.cdist(u, u).tril().sum(-1, keepdim=True)"),
        {"cost"},
    ),
    "a state that grows": (
        layer(
            start="h, past = (None, x[:, :0]) if state is None else state; state = h",
            after="state = (state, torch.cat([past, x], 1))",
        ),
        {"state_size"},
    ),
}


@pytest.mark.parametrize("name", FLAWS)
def test_a_flaw_is_found_by_its_probe_and_by_no_other(name, laboratory):
    source, expected = FLAWS[name]
    report = run(laboratory, source)
    found = failed(report)
    assert found.keys() == expected, found or report.reason
    assert report.outcome is Outcome.PROBE_FAILED
    for verdict in found.values():
        assert verdict.detail
        assert not verdict.breach <= verdict.limit


@pytest.mark.parametrize(
    ("flaw", "words"),
    [
        ({"after": "y = y * float('nan')"}, "not finite"),
        ({"after": "state = T"}, "state is a int"),
        ({"after": "state = (state, torch.zeros(()))"}, "first axis"),
        ({"after": "y = y[:, :-1]"}, "shape of x"),
        ({"after": "return y"}, "must return"),
        ({"start": "assert T < 100, 'too long'"}, "too long"),
        ({"start": "assert x.shape[0] == 2"}, "line 19, in forward: assert x.shape[0] == 2"),
        ({"init": "assert layer_index == 0"}, "AssertionError"),
        ({"init": "self.register_buffer('n', torch.zeros(9)); del self.value"}, "no attribute"),
    ],
)
def test_a_layer_that_breaks_the_contract_is_asked_nothing_else(flaw, words, laboratory):
    report = run(laboratory, layer(**flaw))
    (verdict,) = report.verdicts
    assert (verdict.name, verdict.passed, report.outcome) == (
        "contract",
        False,
        Outcome.PROBE_FAILED,
    )
    assert words in verdict.detail


def test_the_verdict_names_the_smallest_input_that_shows_the_breach(laboratory):
    source, _ = FLAWS["leak only beyond 128 tokens"]
    verdict = failed(run(laboratory, source))["causality"]
    assert "with 130 tokens" in verdict.detail
    source, _ = FLAWS["mean over the future"]
    verdict = failed(run(laboratory, source))["causality"]
    assert "with 2 tokens" in verdict.detail
    assert "tokens 1 moved output 0" in verdict.detail


def test_work_that_the_counter_cannot_see_is_found_by_the_clock(laboratory):
    hidden = "a = x.detach().double().numpy(); a = (a @ a.transpose(0, 2, 1)) ** 2"
    report = run(laboratory, layer(start=hidden), d_model=64)
    assert failed(report).keys() == {"cost"}
    assert "out of sight" in failed(report)["cost"].detail


@pytest.mark.parametrize("name", [n for n in reference_names() if n != "softmax_attention"])
def test_every_linear_reference_is_admitted(name, laboratory):
    """P1."""
    report = run(laboratory, reference_source(name), d_model=32, n_heads=4)
    assert report.outcome is Outcome.COMPLETED, report.reason


def test_softmax_attention_fails_exactly_cost_and_state_size(laboratory):
    source = reference_source("softmax_attention")
    report = run(laboratory, source, d_model=32, n_heads=4)
    assert failed(report).keys() == SEPARATE
    assert report.cost_exponent > 1.7


def test_an_exempt_reference_is_admitted_and_its_verdicts_stay_true(laboratory):
    source = reference_source("softmax_attention")
    report = run(laboratory, source, d_model=32, n_heads=4, allow=SEPARATE)
    assert report.outcome is Outcome.COMPLETED
    assert failed(report).keys() == SEPARATE


def test_the_fingerprint_sees_what_is_computed_and_not_how_it_is_written(laboratory):
    plain = run(laboratory, layer()).fingerprint
    renamed = layer().replace("self.value", "self.v").replace("u =", "hidden =")
    renamed = renamed.replace("scan(u,", "scan(hidden,")
    restarted = layer(init="nn.init.zeros_(self.out.weight)")
    changed = layer(before="u = torch.tanh(u)")
    assert run(laboratory, renamed).fingerprint == plain
    assert run(laboratory, restarted).fingerprint == plain
    assert run(laboratory, changed).fingerprint != plain


def test_probing_a_heavy_layer_at_width_64_takes_under_five_processor_seconds(laboratory):
    exits = []

    class Counted:
        def __init__(self):
            self.session = laboratory.session(LIMITS)
            self.ask = self.session.ask

        def close(self):
            return self.session.close()

        def __enter__(self):
            return self

        def __exit__(self, *_):
            exits.append(self.session.close().cpu_seconds)

    start = time.process_time()
    report = probe(Counted, reference_source("gated_deltanet"), d_model=64, n_heads=4)
    assert report.outcome is Outcome.COMPLETED
    assert sum(exits) + time.process_time() - start < 5.0


class TestDeaths:
    """P3."""

    def test_a_source_that_is_not_text_fails_before_any_child_is_opened(self):
        def never():
            raise AssertionError("no child is needed")

        report = probe(never, "x = '\u202e'", d_model=16, n_heads=2)
        assert report.outcome is Outcome.PROBE_FAILED
        assert "bidirectional" in report.reason

    @pytest.mark.parametrize("error", ["SystemExit(3)", "KeyboardInterrupt()"])
    @pytest.mark.parametrize("place", ["init", "before"])
    def test_a_layer_that_leaves_is_a_layer_that_raised(self, laboratory, place, error):
        """Whatever it raises: the reason names its own line and none of ours."""
        report = run(laboratory, layer(**{place: f"raise {error}"}))
        assert report.outcome is Outcome.PROBE_FAILED
        (verdict,) = failed(report).values()
        assert verdict.name == "contract"
        assert error.split("(")[0] in verdict.detail
        assert f"raise {error}" in verdict.detail
        assert "move37" not in verdict.detail

    def test_a_source_that_does_not_parse_is_a_failed_contract(self, laboratory):
        report = run(laboratory, "def broken(:")
        assert report.outcome is Outcome.PROBE_FAILED
        assert "line 1" in failed(report)["contract"].detail

    def test_a_child_that_leaves_is_crashed(self, laboratory):
        report = run(laboratory, layer(start="os._exit(3) if T == 130 else None"))
        assert report.outcome is Outcome.CRASHED

    def test_a_child_that_never_answers_is_out_of_time(self, laboratory):
        start = time.monotonic()
        report = run(laboratory, layer(start="time.sleep(60)"), wall_seconds=2.0)
        assert report.outcome is Outcome.OUT_OF_TIME
        assert time.monotonic() - start < 15

    def test_a_child_that_takes_all_memory_is_out_of_memory(self, laboratory):
        limits = Limits(wall_seconds=30, cpu_seconds=20, memory_bytes=256 * 2**20)
        report = run(laboratory, layer(init="self.hog = torch.ones(2**30)"), limits=limits)
        assert report.outcome is Outcome.OUT_OF_MEMORY

    def test_what_was_found_before_the_death_is_kept(self, laboratory):
        report = run(laboratory, layer(start="os._exit(3) if T > 500 else None"))
        assert report.outcome is Outcome.CRASHED
        assert [v.name for v in report.verdicts][:3] == ["contract", "determinism", "repeat"]

    def test_a_forged_reply_is_forged(self, laboratory):
        forger = (
            "from move37.lab import wire; import socket, stat\n"
            "fds = [f for f in range(3, 64) if os.path.exists(f'/proc/self/fd/{f}')]\n"
            "for fd in fds:\n"
            "    try:\n"
            "        s = socket.socket(fileno=os.dup(fd))\n"
            "        wire.send(s, wire.Message(kind='applied'))\n"
            "    except (OSError, wire.WireError):\n"
            "        pass\n"
        )
        source = layer().replace("import math, os, random, time", "import os\n" + forger)
        report = run(laboratory, source)
        assert report.outcome is Outcome.FORGED


class TestDraws:
    @given(length=st.integers(1, 40), longer=st.integers(0, 40), seed=st.integers(0, 9))
    @settings(deadline=None, max_examples=25)
    def test_inputs_of_any_length_begin_alike(self, length, longer, seed):
        short, long = (inputs(2, n, 3, seed=seed) for n in (length, length + longer))
        assert np.array_equal(short, long[:, :length])

    @given(scale=st.floats(1e-3, 1e3), relative=st.floats(1e-8, 1.0))
    @settings(deadline=None, max_examples=25)
    def test_deviation_is_relative_to_the_size_of_the_position(self, scale, relative):
        x = scale * inputs(1, 5, 8)
        size = np.sqrt((x[0, 2] ** 2).mean())
        y = x.copy()
        y[0, 2, 3] += relative * size
        found = deviation(x, y)
        assert found[0, 2] == pytest.approx(relative, rel=1e-4)
        assert found[0, [0, 1, 3, 4]].max() == 0.0

    def test_a_number_against_not_a_number_is_the_worst_deviation(self):
        x = inputs(1, 3, 2)
        broken = x.copy()
        broken[0, 1, 0] = np.nan
        assert deviation(x, broken)[0].tolist() == [0.0, WORST, 0.0]
        assert deviation(broken, broken).max() == 0.0

    def test_jitter_moves_parameters_and_leaves_buffers(self):
        weights = {"w": np.zeros((4, 4)), "b": np.zeros(4), "n": np.zeros((), dtype=np.int64)}
        moved = jittered(weights, ["w", "b"])
        assert (moved["w"] != 0).all()
        assert (moved["b"] != 0).all()
        assert moved["n"] is weights["n"]

    def test_fixed_weights_do_not_depend_on_names_or_start(self):
        a = fixed({"w": np.zeros((4, 4)), "b": np.ones(4)}, ["w", "b"])
        b = fixed({"x": np.ones((4, 4)), "y": np.zeros(4)}, ["x", "y"])
        assert np.array_equal(a["w"], b["x"])
        assert np.array_equal(a["b"], b["y"])
