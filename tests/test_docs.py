"""What the pages show works: their files load, their layer passes, their tables are the code's."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from move37.campaign.assemble import check_names
from move37.campaign.settings import load_campaign, load_preset
from move37.core.trial import Stage
from move37.interop.bundling import kernel_names
from move37.lab.data import evaluation_set, training_arrays
from move37.testing.config_page import written

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = [*sorted(DOCS.rglob("*.md")), ROOT / "README.md", ROOT / "AGENTS.md"]
SOURCES = [
    path
    for folder in ("src", "tests", "bench", "campaigns")
    for path in sorted((ROOT / folder).rglob("*"))
    if path.suffix in {".py", ".toml", ".md", ".html"} and path != Path(__file__)
]


def block(page: str, language: str, *, holding: str) -> str:
    """The one fenced block of a page that holds these words."""
    text = (DOCS / page).read_text("utf-8")
    (found,) = [
        code
        for code in re.findall(rf"^```{language}\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)
        if holding in code
    ]
    return found


@pytest.fixture(scope="module")
def checked(tmp_path_factory) -> dict:
    """What `move37 check` says about the layer of docs/layers.md."""
    file = tmp_path_factory.mktemp("layer") / "my_layer.py"
    file.write_text(block("layers.md", "python", holding="class Mixer"), "utf-8")
    command = [sys.executable, "-m", "move37", "check", str(file), "--json"]
    shown = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert shown.returncode == 0, shown.stdout + shown.stderr
    return json.loads(shown.stdout)


def test_the_layer_on_the_page_passes_every_probe(checked):
    assert checked["outcome"] == "completed"
    assert all(verdict["passed"] for verdict in checked["verdicts"])


def test_the_page_lists_the_probes_that_are_asked(checked):
    text = (DOCS / "layers.md").read_text("utf-8")
    rows = re.search(r"\| probe \| asks \|\n\|---\|---\|\n(.*?)\n\n", text, re.DOTALL)
    assert rows
    listed = re.findall(r"^\| `(\w+)` \|", rows[1], re.MULTILINE)
    assert listed == [verdict["name"] for verdict in checked["verdicts"]]


def test_the_page_lists_the_kernels_that_there_are():
    rows = (DOCS / "layers.md").read_text("utf-8").partition("## Kernels")[2].partition("\n## ")[0]
    cells = [line.split("|")[1] for line in rows.splitlines() if line.startswith("| `")]
    assert set(re.findall(r"`(\w+)`", " ".join(cells))) == kernel_names().keys()


def test_the_campaign_and_preset_on_the_page_load(tmp_path):
    campaign, preset = tmp_path / "my_campaign.toml", tmp_path / "my_preset.toml"
    campaign.write_text(block("configuration.md", "toml", holding="# my_campaign.toml"), "utf-8")
    preset.write_text(block("configuration.md", "toml", holding="# my_preset.toml"), "utf-8")
    config, loaded = load_campaign(campaign), load_preset(str(preset))
    check_names(config, loaded, is_new=True)
    training_arrays(loaded.tasks, loaded.training, seed=0, first_step=0, last_step=1)
    for task in loaded.tasks:
        windows = evaluation_set(
            task, length=loaded.training.length, stage=Stage.SEARCH, seed=0, secret=b"0" * 32
        )
        assert len(windows.inputs_BT) == task.windows


def test_the_tables_of_keys_and_tasks_are_those_of_the_code():
    page = (DOCS / "configuration.md").read_text("utf-8")
    assert page == written(page), (
        "docs/configuration.md is not what the code says; write it anew with: "
        "python -m move37.testing.config_page docs/configuration.md"
    )


@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_every_link_of_a_page_leads_somewhere(page):
    links = re.findall(r"\]\(([^)#\s]+)", page.read_text("utf-8"))
    dead = [x for x in links if "://" not in x and not (page.parent / x).exists()]
    assert dead == []


def test_only_pages_that_are_here_are_appealed_to():
    astray = []
    for page in [*PAGES, *SOURCES]:
        text = page.read_text("utf-8")
        named = re.findall(r"\bdocs/((?:[\w-]+/)*[\w-]+\.(?:md|svg|png)|decisions/\d{3})", text)
        gone = [f"docs/{x}" for x in named if not list(DOCS.glob(f"{x}*"))]
        gone += re.findall(r"\bDESIGN\b|STYLE\.md|[Tt]he brief (?:asks|names)|\bissue \d+", text)
        astray += [f"{page.relative_to(ROOT)}: {x}" for x in gone]
    assert astray == []
