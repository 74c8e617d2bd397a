"""The symbolic Judge: parts and quality in [0, 1], blind, monotone in what is measured."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rendered_mixers import described, drawn

from move37.core.candidate import Candidate, Idea
from move37.core.trial import Cost, Outcome, ProbeReport, ProbeVerdict
from move37.team.protocols import Exhibit, Judge
from move37.team.symbolic.judge import SymbolicJudge, count_nodes, frugality
from move37.team.symbolic.library import library_description
from move37.team.symbolic.render import render

judge: Judge = SymbolicJudge()
GATED = described(library_description("gated_deltanet")).candidate


def report(n_parameters: int, flops: float = 1.0) -> ProbeReport:
    return ProbeReport(outcome=Outcome.COMPLETED, n_parameters=n_parameters, flops_per_token=flops)


def cost(cpu_seconds: float) -> Cost:
    return Cost(
        cpu_seconds=cpu_seconds,
        wall_seconds=1.0,
        peak_memory_bytes=1,
        n_parameters=1,
        ffn_width=1,
        tokens=1000,
    )


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 300), st.floats(-1, 2), st.integers(0, 10**6), st.floats(0, 1e9))
def test_quality_and_parts_are_shares(seed, distance, n_parameters, flops):
    exhibit = Exhibit(
        candidate=described(drawn(seed)).candidate,
        novelty_distance=distance,
        probe=report(n_parameters, flops),
        baseline_probe=report(1000, 100.0),
    )
    judgement = judge.assess(exhibit)
    assert set(judgement.rubric) == {"novelty", "size", "cost", "complexity"}
    assert all(0 <= part <= 1 for part in (judgement.quality, *judgement.rubric.values()))


def test_the_baselines_own_numbers_score_one_half():
    exhibit = Exhibit(
        candidate=GATED,
        novelty_distance=0.0,
        probe=report(1000),
        baseline_probe=report(1000),
        baseline_source=GATED.source,
    )
    rubric = judge.assess(exhibit).rubric
    assert rubric == {"novelty": 0.0, "size": 0.5, "cost": 0.5, "complexity": 0.5}


def test_newer_smaller_cheaper_and_shorter_is_better():
    plain = Exhibit(
        candidate=GATED,
        novelty_distance=0.3,
        probe=report(1000),
        baseline_probe=report(1000),
    )
    quality = judge.assess(plain).quality
    shorter = described(library_description("linear_attention")).candidate
    for better in (
        replace(plain, novelty_distance=0.6),
        replace(plain, probe=report(500)),
        replace(plain, probe=report(1000, flops=0.5)),
        replace(plain, candidate=shorter),
    ):
        assert judge.assess(better).quality > quality


def test_a_layer_that_mixes_nothing_over_time_has_no_quality():
    """A plain linear map is small, cheap, short and far from everything."""
    size = (ProbeVerdict(name="state_size", passed=True),)
    pointwise = replace(report(100, flops=0.1), verdicts=size)
    exhibit = Exhibit(candidate=GATED, novelty_distance=1.0, probe=pointwise,
                      baseline_probe=report(1000))  # fmt: skip
    assert judge.assess(exhibit).quality == 0
    mixing = replace(exhibit, probe=replace(pointwise, state_bytes=64))
    assert judge.assess(mixing).quality > 0.5


def test_cost_is_operations_and_never_time_so_that_a_seed_gives_one_search():
    exhibit = Exhibit(
        candidate=GATED, novelty_distance=0, probe=report(1, 200), baseline_probe=report(1, 100)
    )
    assert judge.assess(exhibit).rubric["cost"] == pytest.approx(frugality(2.0))
    for seconds in (0.1, 100.0):
        timed = replace(exhibit, cost=cost(seconds), baseline_cost=cost(1.0))
        assert judge.assess(timed) == judge.assess(exhibit)


def test_the_judge_is_blind_to_names_authors_and_words():
    other = Candidate.of(
        GATED.source, Idea(name="best ever", motivation="buy", mechanism="now"), author="x"
    )
    exhibit = Exhibit(candidate=GATED, novelty_distance=0.5)
    assert judge.assess(exhibit) == judge.assess(replace(exhibit, candidate=other))


def test_comments_and_docstrings_do_not_count_as_complexity():
    source = "def f(x):\n    return x\n"
    assert count_nodes(source) == count_nodes('"""Long."""\n' + source + "# more\n")


def test_code_that_does_not_parse_has_no_quality_of_code():
    broken = Candidate.of("def (", Idea(name="b", motivation="", mechanism=""))
    assert count_nodes("(" * 100_000) is None
    assert judge.assess(Exhibit(candidate=broken, novelty_distance=0)).rubric["complexity"] == 0.0


def test_simple_layers_are_simpler_than_rich_ones():
    assert nodes_of("linear_attention") < nodes_of("gated_deltanet") < nodes_of("mamba3")


def nodes_of(name: str) -> int:
    nodes = count_nodes(render(library_description(name)))
    assert nodes is not None
    return nodes
