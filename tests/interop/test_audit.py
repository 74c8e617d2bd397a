"""The audit of an imported campaign.

A1  Programs are probed as they are: a layer that looks ahead fails causality, its neighbour passes.
A2  A published gain is weighed against binomial noise, computed apart here.
A3  The report says everything from the ledger; an audit that stopped goes on.
A4  A campaign that ran here, or has nothing to audit, gets a clear answer.
A5  The page loads and runs nothing, whatever names and words are in the records.
"""

from __future__ import annotations

import json
import math
import re
from pathlib import Path

import numpy as np
import pytest
from published import GALLERY, TREE, write_folder

from move37.core.errors import ConfigError
from move37.core.events import ProbesRan
from move37.interop.asi_arch import read_folder
from move37.interop.audit import audit, audit_json, render, render_page, run_probes, write_audit
from move37.interop.benchmarks import accuracies, gain, gain_over_mean, spread_rows
from move37.interop.importing import import_reading
from move37.lab.laboratory import Laboratory
from move37.memory.ledger import Ledger

ROW = {"PIQA": 0.65, "HellaSwag": 0.36, "WinoGrande": 0.51, "ARC-e": 0.45, "ARC-c": 0.24,
       "SIQA": 0.38, "BoolQ": 0.60}  # fmt: skip


@pytest.fixture(scope="module")
def audited(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("audit")
    reading = read_folder(write_folder(folder / "data", TREE, GALLERY))
    import_reading(reading, folder, "old")
    with Ledger.open(folder / "old" / "ledger.db") as ledger, Laboratory() as laboratory:
        for most in (1, None):  # the second goes on where the first stopped
            run_probes(ledger, laboratory, d_model=32, n_heads=2, most=most, watch=lambda *_: None)
    return folder / "old" / "ledger.db"


def test_a_layer_that_looks_ahead_fails_and_its_neighbour_passes(audited):
    """A1."""
    with Ledger.open(audited) as ledger:
        rows = {row.label: row for row in audit(ledger).rows}
    assert rows["2"].report is not None
    assert rows["2"].report.passed, rows["2"].report.reason
    assert "causality" in rows["3"].failed


def test_each_program_is_probed_once(audited):
    """A3."""
    with Ledger.open(audited) as ledger:
        assert len(list(ledger.events([ProbesRan]))) == 3


def test_the_page_names_probes_gains_and_sizes(audited):
    """A3."""
    with Ledger.open(audited) as ledger:
        found = audit(ledger)
    page = render(found, "old")
    assert "| causality | 2 | 1 | 0 |" in page
    assert "Gated DeltaNet (42.10)" in page
    assert "<b>" not in page
    json.dumps(audit_json(found), allow_nan=False)


def test_the_html_page_says_the_same_and_loads_nothing(audited, tmp_path):
    """A3, A5."""
    with Ledger.open(audited) as ledger:
        found = audit(ledger)
    page = write_audit(found, "<script>alert(1)</script>", tmp_path)
    assert page == tmp_path / "audit.html"
    text = page.read_text("utf-8")
    assert 'causality</td><td class="num">2</td><td class="num bad">1</td>' in text
    assert "Gated DeltaNet (42.10)" in text
    assert "Published gains over each baseline" in text
    assert "<script" not in text
    assert "&lt;script&gt;alert(1)" in text
    assert "default-src 'none'" in text
    addresses = set(re.findall(r"[a-z]+://[^\s\"']*", text))
    assert addresses <= {"http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"}
    assert (tmp_path / "audit.md").exists()


def test_sizes_are_counted_against_the_baseline(audited):
    """A2: 464.64M twice, 1.2B once, and one whose program was unreadable."""
    with Ledger.open(audited) as ledger:
        found = audit(ledger)
    assert found.n_sizes == 4
    assert found.larger["+50%"] == 1
    assert found.larger["+10%"] == 4


def test_a_gain_is_weighed_by_the_noise_of_both_sides():
    """A2: against a plain simulation of answering the items twice."""
    theirs = {name: p - 0.01 for name, p in ROW.items()}
    found = gain(ROW, theirs)
    assert found is not None
    assert found.points == pytest.approx(1.0)
    draw = np.random.default_rng(3)
    n = {"PIQA": 1838, "HellaSwag": 10042, "WinoGrande": 1267, "ARC-e": 2376, "ARC-c": 1172,
         "SIQA": 1954, "BoolQ": 3270}  # fmt: skip
    means = [
        np.mean([draw.binomial(n[k], row[k], 4000) / n[k] for k in ROW], axis=0)
        for row in (ROW, theirs)
    ]
    assert found.standard_error == pytest.approx(100 * np.std(means[0] - means[1]), rel=0.05)


def test_a_mean_needs_all_seven():
    """A2: a mean over other benchmarks is another number."""
    assert gain_over_mean({k: v for k, v in ROW.items() if k != "BoolQ"}, 41.16) is None


def test_points_and_shares_read_alike():
    """A2: some tables are in points of a hundred."""
    shares = accuracies({"boolq": 0.6, "arc_easy": 0.45, "lam_ppl": 30.0, "avg": 0.5})
    points = accuracies({"BoolQ": 60.0, "ARC-Easy": 45.0, "wikitext": 27.0})
    assert shares == pytest.approx(points)
    assert set(shares) == {"BoolQ", "ARC-e"}


def test_models_that_only_differ_by_sampling_are_not_told_apart():
    """A2."""
    draw = np.random.default_rng(0)
    alike = [{"BoolQ": float(draw.binomial(3270, 0.6)) / 3270} for _ in range(50)]
    (row,) = spread_rows(alike)
    assert row.p_value > 0.01
    assert math.isclose(row.deviation, row.binomial, rel_tol=0.3)
    (far,) = spread_rows([{"BoolQ": 0.5}, {"BoolQ": 0.6}])
    assert far.p_value < 1e-6


def test_a_tree_alone_has_nothing_to_audit(tmp_path):
    """A4."""
    import_reading(read_folder(write_folder(tmp_path / "data", TREE)), tmp_path, "old")
    with Ledger.open(tmp_path / "old" / "ledger.db") as ledger:
        found = audit(ledger)
    assert "There is nothing to audit" in render(found, "old")
    assert "There is nothing to audit" in render_page(found, "old")


def test_a_campaign_that_ran_here_is_not_audited(tmp_path):
    """A4."""
    with (
        Ledger.open(tmp_path / "x" / "ledger.db", create=True) as ledger,
        pytest.raises(ConfigError, match="was not imported"),
    ):
        audit(ledger)
