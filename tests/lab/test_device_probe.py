"""The device probe: what would fail on a GPU fails here, and what would not does not.

No GPU is needed: tensors that would be elsewhere carry a mark (`move37.arena.instruments`).

V1 two devices that meet fail the probe, and no other    V2 what a GPU allows is no flaw
"""

from __future__ import annotations

import pytest
from layers import layer

from move37.core.budget import Limits
from move37.core.trial import Outcome, ProbeReport
from move37.lab.laboratory import Laboratory
from move37.lab.probes import probe

LIMITS = Limits(wall_seconds=60, cpu_seconds=30, memory_bytes=512 * 2**20)


@pytest.fixture(scope="module")
def laboratory():
    with Laboratory() as laboratory:
        yield laboratory


def run(laboratory: Laboratory, source: str) -> ProbeReport:
    return probe(lambda: laboratory.session(LIMITS), source, d_model=16, n_heads=2)


@pytest.mark.parametrize(
    "source",
    [
        layer(before="u = u + torch.ones(D, dtype=x.dtype).to(device='cpu')"),
        layer(before="u = u.cpu() @ torch.eye(D).to(u)"),
        layer(after="z = torch.zeros(B, T, D, dtype=x.dtype); z[:] = self.out(y); return z, state"),
        layer(
            init="self.ramp = torch.linspace(1.0, 2.0, d_model)",
            before="u = u * self.ramp.to(x.dtype)",
        ),
        layer(
            init="self.ramps = [torch.ones(d_model), torch.ones(d_model)]",
            before="u = u * self.ramps[1].to(x.dtype)",
        ),
    ],
    ids=["moved by name", "cpu()", "a result made elsewhere", "no buffer", "a list of no buffers"],
)
def test_a_tensor_that_lives_elsewhere_fails_the_device_probe_and_no_other(source, laboratory):
    """V1."""
    report = run(laboratory, source)
    (verdict,) = [v for v in report.verdicts if not v.passed]
    assert verdict.name == "device", verdict
    assert "device=x.device" in verdict.detail


def test_tensors_made_elsewhere_may_be_moved_read_and_used_as_an_index(laboratory):
    """V2."""
    source = layer(
        init="self.ramp = torch.linspace(1.0, 2.0, d_model)",
        before="u = u * self.ramp.to(x) + torch.arange(D).type_as(x); "
        "u = u[..., torch.arange(D).flip(0)] * torch.tensor(0.5); "
        "u = u.roll(torch.arange(3).tolist()[1], -1) + torch.ones(D)[None].to(u.device, u.dtype)",
    )
    report = run(laboratory, source)
    assert report.outcome is Outcome.COMPLETED, report.reason
