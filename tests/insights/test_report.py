"""The report: its numbers are the events', it is whole or not there, and nothing in it can act.

R1 a page is well-formed HTML that loads nothing and runs nothing
R2 words of candidates are text: in tables, in attributes, in pictures, in Markdown
R3 numbers in tables are those of the events
R4 it can be written at any moment of a campaign
R5 an interrupted write leaves the old report whole
"""

from __future__ import annotations

import html
import re
import time
from pathlib import Path

import pytest
import told_campaigns as campaigns
from pages import written
from told_campaigns import winning

from move37.core.claims import VerdictKind
from move37.core.events import (
    CandidateProposed,
    CandidateRepaired,
    Event,
    NoveltyJudged,
    ProbesRan,
    ProposalFailed,
)
from move37.core.trial import Outcome, ProbeReport, ProbeVerdict
from move37.insights.report import write_report

HOSTILE = '<script>alert(1)</script> $x^2$ | `a` "><img src=//evil.example/x onerror=alert(1)>'


def test_the_gallery_shows_the_numbers_of_the_fresh_seeds(tmp_path: Path):
    page, markdown = written(winning(), tmp_path)
    for text in (page.text, markdown):
        assert "+4.10 [+3.29, +4.91]" in text
        assert "31,987" in text
        assert "4,352" in text
        assert "210" in text
        assert "32.9" in text
    # candidate and baseline took 3 s each on every fresh seed
    assert "1.00\N{MULTIPLICATION SIGN}" in page.text
    assert "One layer has held up" in page.text


def test_the_baselines_own_spread_stands_beside_the_presets_noise(tmp_path: Path):
    _, markdown = written(winning(), tmp_path)
    # deviation of 2.00 2.04 1.97 2.02 is 0.0299
    assert re.search(
        r"\| recall \| nats \| 0\.05 \| 0\.0299 \(0\.0169 to 0\.111\) \| 4 \|", markdown
    )


def test_a_promoted_candidate_that_failed_its_test_is_no_claim(tmp_path: Path):
    looser = campaigns.layer("lucky")
    events = [
        *campaigns.opening(),
        *campaigns.searched(looser, 3.0, kind=VerdictKind.PROMOTED),
        campaigns.verdict(
            looser, VerdictKind.EXPLORED, campaigns.effect(0.2), e_value=0.9, level=0.03
        ),
    ]
    page, _ = written(events, tmp_path)
    assert "Nothing has held up on fresh seeds: 1 candidate looked better" in page.text
    assert "The gallery is empty" in page.text
    assert "+3.00 [+2.00, +4.00] +0.20 [-0.30, +0.70] no" in page.text


def test_a_layer_refuted_later_leaves_the_gallery(tmp_path: Path):
    winner = campaigns.layer("small only")
    refuted = campaigns.verdict(winner, VerdictKind.REFUTED, campaigns.effect(-0.1))
    events = [*campaigns.opening(), *campaigns.confirmed(winner), refuted]
    page, markdown = written(events, tmp_path)
    assert "The gallery is empty" in page.text
    for text in (page.text, markdown):
        assert "of 1 tested on fresh seeds 1 held up, and 1 of these was refuted" in text
        assert "yes; refuted at the larger scale" in text
        assert "1 held up on fresh seeds and was refuted at the larger scale." in text
        assert "did not hold up" not in text
        assert "none passed" not in text


def test_the_bound_on_false_entries_is_over_all_that_were_admitted(tmp_path: Path):
    left, gone = campaigns.layer("left"), campaigns.layer("gone")
    refuted = campaigns.verdict(gone, VerdictKind.REFUTED, campaigns.effect(-0.1))
    both = [*campaigns.opening(), *campaigns.confirmed(left), *campaigns.confirmed(gone)]
    page, _ = written(both, tmp_path)
    assert "Over the whole gallery the expected share" in page.text
    page, _ = written([*both, refuted], tmp_path)
    assert "Over all 2 that were ever admitted, the 1 refuted at the larger scale" in page.text


def test_a_repeat_of_a_confirmed_layer_does_not_take_it_out_of_the_gallery(tmp_path: Path):
    winner = campaigns.layer("decayed delta")
    repeat = [
        CandidateProposed(index=7, candidate=winner, operator="propose"),
        NoveltyJudged(
            index=7, candidate_id=winner.id, is_novel=False, nearest=winner.id, reason="same text"
        ),
    ]
    rejection = campaigns.verdict(winner, VerdictKind.REJECTED, None, reason="same text", index=7)
    page, _ = written([*winning(), *repeat, rejection], tmp_path)
    assert "One layer has held up" in page.text
    assert "not new 1 0 decayed delta" in page.text


def test_proposals_that_failed_are_counted_by_reason(tmp_path: Path):
    retries = "no usable reply: Exceeded maximum output retries (2); last: the code does not parse"
    events = [
        *campaigns.opening(),
        ProposalFailed(index=0, reason=f"{retries}: line 3: '('"),
        ProposalFailed(index=1, reason=f"{retries}: line 17: '{HOSTILE}'"),
        ProposalFailed(index=2, reason="the server cannot be reached"),
    ]
    page, markdown = written(events, tmp_path)
    for text in (page.text, markdown):
        assert "No proposal failed" not in text
    assert "no proposal: the code does not parse: line N 2 0" in page.text
    assert "| no proposal: the code does not parse: line N | 2 | 0 |" in markdown
    assert "| no proposal: the server cannot be reached | 1 | 0 |" in markdown
    assert "Exceeded maximum output retries (2)" in page.text


def test_failures_are_counted_by_kind_with_a_reason(tmp_path: Path):
    broken, looking, mended = (campaigns.layer(n) for n in ("broken", "looking", "mended"))
    mended = campaigns.layer("mended", broken.id)
    report = ProbeReport(
        outcome=Outcome.PROBE_FAILED,
        verdicts=(ProbeVerdict(name="causality", passed=False, detail="position 3 sees 4"),),
    )
    events = [
        *campaigns.opening(),
        *campaigns.rejected(broken, Outcome.CRASHED, "IndexError at step 2"),
        CandidateRepaired(index=0, candidate=mended, because="IndexError"),
        *campaigns.rejected(campaigns.layer("other"), Outcome.CRASHED, "KeyError"),
        CandidateProposed(index=0, candidate=looking, operator="x"),
        ProbesRan(index=0, candidate_id=looking.id, report=report),
        campaigns.verdict(looking, VerdictKind.REJECTED, None, reason="position 3 sees 4"),
    ]
    page, _ = written(events, tmp_path)
    assert "training crashed 2 1 broken" in page.text
    assert "IndexError at step 2" in page.text
    assert "probe: causality 1 0 looking" in page.text


def test_edits_are_sorted_into_those_that_help_hurt_and_cannot_be_told(tmp_path: Path):
    events = campaigns.opening()
    for k, (a, b) in enumerate([(2.5, -2.25), (3.0, -2.75)]):
        events += campaigns.searched(
            campaigns.layer(f"c{k}"), 1.0, edits={"add:gate": a, "drop:norm": b}
        )
    events += campaigns.searched(campaigns.layer("once"), 1.0, edits={"token-shift": 0.03})
    _, markdown = written(events, tmp_path)
    helping, rest = markdown.split("### Edits that seem to hurt")
    hurting, unclear = rest.split("### Edits with too little to tell")
    # by hand, variance of a lesson: two names with one degree and 0.125 each, the prior's four of
    # 1: 4.25 / 6 = 0.708; standard error of two lessons sqrt(0.708 / 2) = 0.60, of one 0.84
    assert "| add:gate | +2.75 | 0.60 | 2 |" in helping
    assert "| drop:norm | -2.50 | 0.60 | 2 |" in hurting
    assert "| token-shift | +0.03 | 0.84 | 1 |" in unclear


@pytest.mark.parametrize(
    "events",
    [
        [],
        campaigns.opening(),
        [*campaigns.opening(), *campaigns.searched(campaigns.layer("only"), -0.4)],
        [*campaigns.opening(), *campaigns.rejected(campaigns.layer("x"), Outcome.DIVERGED, "NaN")],
        campaigns.opening(preset="gone.toml"),
        [*campaigns.opening(preset="gone.toml"), *winning()[4:]],
        [*campaigns.opening(preset="../../secrets"), *winning()[4:]],
    ],
    ids=["nothing", "no candidate", "one", "only failures", "no preset", "won, no preset", "path"],
)
def test_a_report_can_be_written_at_any_moment(events: list[Event], tmp_path: Path):
    page, markdown = written(events, tmp_path)
    assert "held up on fresh seeds" in page.text
    assert "held up on fresh seeds" in markdown


def test_a_report_can_be_written_after_every_event(tmp_path: Path):
    events = winning()
    for n in range(0, len(events), 4):
        written(events[:n], tmp_path)


def test_an_unsandboxed_session_is_said_loudly(tmp_path: Path):
    page, markdown = written(campaigns.opening(sandboxed=False), tmp_path)
    assert ("p", {"class": "alarm"}) in page.tags
    assert "NOT SANDBOXED" in page.text
    assert "NOT SANDBOXED" in markdown
    assert "--unsandboxed" in page.text
    page, _ = written(campaigns.opening(), tmp_path)
    assert "NOT SANDBOXED" not in page.text


def test_hostile_words_are_shown_and_do_nothing(tmp_path: Path):
    source = f"class Mixer: ...\n# ````` {HOSTILE} </code></pre><script>alert(2)</script>\n"
    events = campaigns.opening()
    winner = campaigns.layer(HOSTILE, campaigns.BASELINE.id, source=source)
    events += campaigns.confirmed(winner)
    bad = campaigns.layer("bad " + HOSTILE)
    events += campaigns.rejected(bad, Outcome.CRASHED, f"ValueError: {HOSTILE}")
    events += campaigns.searched(
        campaigns.layer("c"), -3.0, lesson=f"lesson {HOSTILE}", edits={HOSTILE: -1.0}
    )
    page, markdown = written(events, tmp_path)
    raw = (tmp_path / "report.html").read_text("utf-8")
    assert "<script" not in raw
    assert html.escape("<script>alert(2)</script>") in raw
    assert "alert(1)" in page.text
    outside = re.sub(r"^(`{3,})\w*\n.*?^\1$", "", markdown, flags=re.DOTALL | re.MULTILINE)
    assert "alert(1)" in outside
    assert "alert(2)" not in outside  # it stayed inside its fence
    assert not re.search(r"<[a-z/]", outside)
    table = next(line for line in outside.splitlines() if "training crashed" in line)
    assert len(re.findall(r"(?<!\\)\|", table)) == 5  # four cells


def test_mathematics_in_names_is_text_in_pictures(tmp_path: Path):
    name = r"$\frac{1}{$ $a_b$"
    written(winning(name), tmp_path)
    raw = (tmp_path / "report.html").read_text("utf-8")
    drawn = re.findall(r"<text[^>]*>([^<]*)</text>", raw)
    assert any(r"$\frac{1}{$ $a_b$" in html.unescape(text) for text in drawn)


@pytest.mark.parametrize(
    "name",
    [
        "x" * 5000,
        "層 \U0001f9e0 \u202e\u0000 \ud800 \U000f0000",
        "שלום مرحبا",
        "\n\t \r",
        "e\u0301" * 90,
    ],
    ids=["long", "odd", "right to left", "blank", "combining"],
)
def test_strange_names_do_no_harm(name: str, tmp_path: Path):
    page, _ = written(winning(name), tmp_path)
    raw = (tmp_path / "report.html").read_text("utf-8")
    assert "\u202e" not in raw
    assert "\0" not in raw
    assert "One layer has held up" in page.text


def test_an_interrupted_write_leaves_the_old_report_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    write_report(winning(), tmp_path)
    before = {p.name: p.read_bytes() for p in tmp_path.iterdir()}

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="No space left"):
        write_report(campaigns.opening(), tmp_path)
    assert {p.name: p.read_bytes() for p in tmp_path.iterdir()} == before


def test_the_same_events_give_the_same_report(tmp_path: Path):
    first = write_report(winning(), tmp_path).read_bytes()
    assert write_report(winning(), tmp_path).read_bytes() == first


def test_two_thousand_candidates_take_seconds(tmp_path: Path):
    events = campaigns.long_campaign(2000)
    start = time.process_time()
    write_report(events, tmp_path)
    assert time.process_time() - start < 15  # measured: 3 on two busy cores
