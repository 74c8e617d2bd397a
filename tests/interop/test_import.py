"""The ancestor's data becomes a campaign of ours.

I1  The real tree comes in whole: every record, parent and score, one root.
I2  Odd cells never stop a reading and never become numbers: they are told at their record.
I3  Published numbers stay published: no trial, no verdict, no fitness is made of them.
I4  An imported ledger verifies, and a campaign is imported whole or not at all.
I5  Foreign files are refused in one message.
I6  A published picture is kept as shapes and words; nothing in it can act or be loaded.
I7  The report of an imported run says what was published, in bounded time, and nothing of a search.
"""

from __future__ import annotations

import json
import math
import os
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from published import GALLERY, POINTWISE, TREE, gallery_record, tree_record, write_folder

from move37.core.errors import ConfigError
from move37.core.events import CampaignStarted, RecordImported
from move37.insights.report import write_report
from move37.interop import cells
from move37.interop.asi_arch import read_folder, read_record
from move37.interop.drawings import sanitised
from move37.interop.importing import events_of, import_reading
from move37.memory.artefacts import Artefacts
from move37.memory.ledger import Ledger
from move37.memory.state import State

REAL_TREE = Path(os.environ.get("MOVE37_ASI_ARCH_TREE", "asi-arch-tree.json"))
"""The ancestor's published tree.json, where somebody has it."""
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=6),
    lambda some: st.lists(some, max_size=3) | st.dictionaries(st.text(max_size=5), some),
    max_leaves=6,
)
FIELDS = st.sampled_from(
    ["index", "name", "parent", "score", "name_new", "program", "parameters", "result"]
)


def imported(tmp_path: Path, tree: list, gallery: list | None = None) -> State:
    reading = read_folder(write_folder(tmp_path / "data", tree, gallery))
    import_reading(reading, tmp_path / "runs", "old")
    with Ledger.open(tmp_path / "runs" / "old" / "ledger.db") as ledger:
        assert ledger.verify() is None, "I4"
        return ledger.state()


def published(state: State) -> dict[str, RecordImported]:
    facts = [entry.published for entry in state.candidates.values()]
    return {fact.label: fact for fact in facts if fact}


def test_numbers_as_text_nan_and_missing_parents_come_in_as_what_they_are(tmp_path):
    """I2."""
    facts = published(imported(tmp_path, TREE, GALLERY))
    assert sorted(facts, key=int) == ["1", "2", "3", "5", "6", "7", "8", "9"]
    assert facts["2"].score == 2.01
    assert facts["3"].score is None
    assert facts["3"].n_parameters == 1_200_000_000
    assert facts["2"].curve == ((1, 10.9), (100, 6.1), (200, 5.0), (2000, 3.42))
    assert facts["2"].results["boolq"] == 0.6
    assert "lam_ppl" not in facts["2"].results
    assert any("lam_ppl" in odd for odd in facts["2"].oddities)
    assert "its parent 4 is not among the records" in facts["5"].oddities
    assert "its parent 6 is itself" in facts["6"].oddities
    assert any("null byte" in odd for odd in facts["8"].oddities)
    assert "no number of its own" in facts["9"].oddities


def test_records_of_one_name_and_of_one_program_stay_apart(tmp_path):
    """I1: a candidate is known by its source; repeated programs are told apart."""
    state = imported(tmp_path, TREE, GALLERY)
    assert len(state.candidates) == 8
    sources = [e.candidate.source for e in state.candidates.values()]
    assert sum(POINTWISE in source for source in sources) == 2


def test_parents_are_those_of_the_file(tmp_path):
    """I1."""
    state = imported(tmp_path, TREE, GALLERY)
    number = {e.id: e.published.label for e in state.candidates.values() if e.published}
    line = {number[id_]: [number[p] for p in of] for id_, of in state.parents.items()}
    assert line == {
        "1": [], "2": ["1"], "3": ["2"], "5": [], "6": [], "7": [], "8": ["1"], "9": ["1"],
    }  # fmt: skip


def test_nothing_published_becomes_a_result_of_ours(tmp_path):
    """I3."""
    state = imported(tmp_path, TREE, GALLERY)
    assert not any(state.trials.values())
    assert all(e.verdict is None and e.fitness is None for e in state.candidates.values())


def test_the_ledger_says_that_it_was_imported(tmp_path):
    """I3."""
    state = imported(tmp_path, TREE)
    started = [s for s in state.sessions if isinstance(s, CampaignStarted)]
    assert [s.imported_from for s in started] == ["asi-arch"]


def test_the_gallery_comes_in_without_the_tree(tmp_path):
    """I2: its parents are not among its records, so each is a root."""
    (tmp_path / "106.json").write_text(json.dumps(GALLERY))
    reading = read_folder(tmp_path)
    assert [r.parent for r in reading.records] == [None, 2, None, None]


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("tree.json", "{", "cannot be read as JSON"),
        ("tree.json", '{"results": 3}', "must be a list of records"),
        ("tree.json", "[]", "holds no records"),
        ("tree.json", "[" * 100_000, "cannot be read as JSON"),
        ("tree.json", json.dumps([{}] * 30_000), "at most 20,000"),
        ("other.json", "[]", "neither tree.json nor 106.json"),
    ],
)
def test_foreign_files_are_refused(tmp_path, name, text, words):
    """I5."""
    (tmp_path / name).write_text(text)
    with pytest.raises(ConfigError, match=words):
        read_folder(tmp_path)


def test_a_million_records_are_refused_in_bounded_time(tmp_path):
    """I5: seconds, not hours."""
    (tmp_path / "tree.json").write_text("[" + ",".join(['{"index":1}'] * 1_000_000) + "]")
    with pytest.raises(ConfigError, match="1,000,000 records"):
        read_folder(tmp_path)


def test_a_run_that_is_there_is_left_alone(tmp_path):
    """I4."""
    imported(tmp_path, TREE)
    reading = read_folder(tmp_path / "data")
    with pytest.raises(ConfigError, match="is there already"):
        import_reading(reading, tmp_path / "runs", "old")


def test_a_name_that_no_run_can_have_leaves_nothing_behind(tmp_path):
    """I4."""
    reading = read_folder(write_folder(tmp_path / "data", [tree_record(1, None, 1.0)]))
    for name in ("A b", "../evil", "a/b", "..", "", "x" * 65, "old\n"):
        with pytest.raises(ConfigError, match="cannot be called"):
            import_reading(reading, tmp_path / "runs", name)
    assert not list(tmp_path.rglob("*evil*"))
    assert not (tmp_path / "runs").exists()


@settings(max_examples=60, deadline=None)
@given(st.dictionaries(FIELDS, ANYTHING) | ANYTHING)
def test_any_value_reads_as_a_record_or_as_none(raw):
    """I2: total, and no number that is not finite."""
    record = read_record(raw)
    if record is not None:
        assert record.score is None or math.isfinite(record.score)
        assert all(math.isfinite(v) for v in (record.results or {}).values())


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("464.64M", 464_640_000), ("1.2B", 1_200_000_000), ("464,640,000", 464_640_000),
        (411.8e6, 411_800_000), ("12k params", 12_000), ("NaN", 0), ("-3M", 0), (None, 0),
    ],
)  # fmt: skip
def test_sizes_are_read_as_people_write_them(text, size):
    """I2."""
    assert cells.size(text) == size


def test_a_long_table_reads_like_a_wide_one():
    """I2."""
    assert cells.curve("step,loss\n1,10.9\n100,nan\n200,5.0") == ((1, 10.9), (200, 5.0))


@pytest.mark.skipif(
    not REAL_TREE.exists(), reason="needs the ancestor's tree.json: MOVE37_ASI_ARCH_TREE=FILE"
)
def test_the_real_tree_comes_in_whole():
    """I1: facts counted from the file by hand."""
    records = read_folder(REAL_TREE).records
    assert len(records) == 1772
    assert sum(r.parent is None for r in records) == 1
    assert sum(r.parent == 1 for r in records) == 213
    assert sum(not r.display_name for r in records) == 8
    assert max(r.score or 0.0 for r in records) == pytest.approx(2.742, abs=5e-4)


SVG = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 9 9">%s</svg>'


def test_shapes_and_words_of_a_picture_are_kept():
    """I6."""
    drawn = SVG % '<g fill="#eee"><rect x="1" width="3"/><text x="2">q &amp; k</text></g>'
    kept = sanitised(drawn)
    assert '<rect width="3" x="1"></rect>' in kept
    assert "q &amp; k" in kept
    assert sanitised(kept) == kept


@pytest.mark.parametrize(
    "evil",
    [
        "<script>alert(1)</script>",
        '<rect onload="alert(1)" x="1"/>',
        '<image href="http://evil.example/x"/>',
        "<style>@import url(http://evil.example)</style>",
        '<rect style="background:url(http://evil.example)"/>',
        '<rect fill="url(http://evil.example#a)"/>',
        '<rect fill="u&#114;l(//evil.example)"/>',
        "<foreignObject><iframe src='//evil.example'/></foreignObject>",
        '<a href="javascript:alert(1)"><text>x</text></a>',
        '<animate attributeName="href" to="javascript:alert(1)"/>',
        '<use href="#x"/><set attributeName="onload" to="alert(1)"/>',
    ],
)
def test_nothing_in_a_picture_can_act(evil: str):
    """I6."""
    kept = sanitised(SVG % evil)
    assert kept.startswith("<svg")
    assert "evil" not in kept
    assert "alert" not in kept
    assert "href" not in kept


@pytest.mark.parametrize(
    "value",
    [
        None, 3, "", "no picture", "<svg", "<html/>", SVG % ("<g>" * 5001 + "</g>" * 5001),
        '<!DOCTYPE svg [<!ENTITY a "aaaa">]>' + SVG % "&a;", "<svg>" + "x" * 300_001 + "</svg>",
    ],
    ids=["none", "number", "empty", "words", "cut", "html", "deep", "entities", "large"],
)  # fmt: skip
def test_what_is_no_picture_is_left_out(value: object):
    """I6."""
    assert sanitised(value) == ""


def test_a_picture_is_an_artefact_and_its_digest_is_in_the_record(tmp_path):
    """I6."""
    record = gallery_record(2, 1, POINTWISE, svg_picture=SVG % "<circle r='2'/><script/>")
    odd = gallery_record(3, 1, POINTWISE, svg_picture="no picture")
    facts = published(imported(tmp_path, TREE[:1], [record, odd]))
    kept = Artefacts(tmp_path / "runs" / "old" / "artefacts").get(facts["2"].picture)
    assert kept.decode().endswith('<circle r="2"></circle></svg>')
    assert facts["3"].picture == ""
    assert "its picture is no SVG that can be kept" in facts["3"].oddities


def test_the_report_says_what_was_published_and_nothing_of_a_search(tmp_path):
    """I7."""
    imported(tmp_path, TREE, GALLERY)
    with Ledger.open(tmp_path / "runs" / "old" / "ledger.db") as ledger:
        write_report(list(ledger.events()), tmp_path)
    for name in ("report.html", "report.md"):
        text = (tmp_path / name).read_text("utf-8")
        assert "Nothing here was measured by move37" in text
        assert "8 records as asi-arch published them" in text
        assert "What was odd in the files" in text
        for foreign in ("held up on fresh seeds", "Gallery", "CPU time", "Noise floor", "sandbox"):
            assert foreign not in text


def test_a_large_imported_tree_is_reported_in_bounded_time(tmp_path):
    """I7: as many records as the real one, in a chain of families, under hostile names."""
    name = "<script>alert(1)</script>"
    tree = [tree_record(1, None, 1.6, name_new=name)]
    tree += [
        tree_record(k, max(1, k // 3), 1.6 + k % 97 / 100, name_new=name) for k in range(2, 1773)
    ]
    reading = read_folder(write_folder(tmp_path / "data", tree))
    started = CampaignStarted(
        name="old", config="{}", version="", machine={}, sandboxed=True, imported_from="asi-arch"
    )
    events = [started, *events_of(reading)]
    start = time.process_time()
    write_report(events, tmp_path)
    assert time.process_time() - start < 8  # measured: 1.5 on a busy machine
    assert "<script" not in (tmp_path / "report.html").read_text("utf-8")
