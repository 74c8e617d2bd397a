"""A campaign from several roots, one of them a file: a forest whose crossovers have two parents.

F1  Every root is measured, and may be a parent.
F2  A crossover of descendants of two roots has two parents: in lineage, tree, report and table.
F3  What a bandit asks for is rebuilt from the ledger: a replay makes the same choices, also of a
    run whose ledger is on PostgreSQL.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from conftest import run_tiny
from crashes import PRESET
from typer.testing import CliRunner

from move37.campaign.bandits import MODES
from move37.campaign.folder import RunFolder
from move37.campaign.replay import replay
from move37.campaign.settings import load_campaign
from move37.cli import app
from move37.core.config import CampaignConfig
from move37.core.events import CandidateProposed, ParentsChosen, RootAdded
from move37.insights.ancestry import ancestors
from move37.insights.story import tell
from move37.lab.references import reference_source
from move37.memory import queries
from move37.memory.ledger import Ledger
from move37.memory.lineage import Lineage
from move37.memory.state import Entry, State

pytest_plugins = ("move37.testing.postgres",)
N = 6


def forest_config(folder: Path) -> CampaignConfig:
    """Three roots, half of the candidates asked to be crossovers, the rest by the bandit."""
    (folder / "forest.toml").write_text(PRESET)
    (folder / "by_hand.py").write_text(reference_source("retnet") + "\n# by hand\n")
    changes = {
        "name": "forest",
        "preset": str(folder / "forest.toml"),
        "seed": 5,
        "roots": ["gated_deltanet", "mamba2", str(folder / "by_hand.py")],
        "opponents": [],
        "search": {"crossovers": 0.5, "operators": "bandit"},
        "budget": {"wall_seconds": 3600, "max_candidates": N},
        "evidence": {"confirm_most": 0, "drop_below": 0.0},
        "workers": 2,
    }
    return load_campaign(None, changes)


@pytest.fixture(scope="module")
def forest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of such a campaign, finished."""
    folder = tmp_path_factory.mktemp("forest")
    run_tiny(forest_config(folder), folder / "forest")
    return folder / "forest"


@pytest.fixture
def state(forest: Path) -> State:
    with Ledger.open(forest / "ledger.db") as ledger:
        return ledger.state()


def joining(state: State) -> list[Entry]:
    """Proposals whose two parents descend from different roots."""
    lineage, roots = Lineage(state.parents), {root.id for root in state.roots}

    def origin(id_: str) -> set[str]:
        return roots & {id_, *lineage.ancestors(id_)}

    return [
        entry
        for entry in state.candidates.values()
        if entry.role == "proposed"
        and len(entry.candidate.parents) == 2
        and all(origin(p) for p in entry.candidate.parents)
        and origin(entry.candidate.parents[0]) != origin(entry.candidate.parents[1])
    ]


def test_every_root_is_measured_and_a_file_is_one(forest, state):
    """F1."""
    with Ledger.open(forest / "ledger.db") as ledger:
        added = [e for e in ledger.events([RootAdded]) if e.role == "root"]
    assert {e.candidate.idea.name for e in added} >= {"by_hand"}
    assert len(state.roots) == len(added) == 3
    assert all(root.fitness is not None for root in state.roots)
    first_parents = {e.candidate.parents[0] for e in state.candidates.values() if e.index >= 0}
    assert len(first_parents & {root.id for root in state.roots}) >= 2


def test_a_crossover_of_two_roots_descendants_has_two_parents_everywhere(forest, state):
    """F2."""
    entry = joining(state)[0]
    first, second = entry.candidate.parents
    lineage = Lineage(state.parents)
    assert lineage.parents(entry.id) == (first, second)
    assert entry.id in lineage.children(first)
    assert entry.id in lineage.children(second)
    with Ledger.open(forest / "ledger.db") as ledger:
        assert queries.line(ledger, entry.id)[:2] == [entry.id, first]
        records = tell(ledger.events()).records
    drawn = ancestors(records, records[entry.id])
    assert {first, second} <= {record.id for row in drawn.rows.values() for record in row}


def test_the_terminals_tree_names_the_other_parent(forest, state):
    """F2."""
    entry = joining(state)[0]
    where = ["--runs", str(forest.parent)]
    drawn = CliRunner().invoke(app, ["tree", "forest", *where], env={"COLUMNS": "200"})
    assert drawn.exit_code == 0, drawn.output
    (line,) = [x for x in drawn.output.splitlines() if entry.id[:8] in x.partition(", with ")[0]]
    assert entry.candidate.parents[1] in line.partition(", with ")[2]
    shown = CliRunner().invoke(app, ["show", entry.id, "--run", "forest", *where])
    assert all(parent in shown.output for parent in entry.candidate.parents)


def moved(run: Path, to: Path, url: str) -> RunFolder:
    """The same run with its ledger on PostgreSQL."""
    folder = RunFolder(path=to).at(url)
    folder.keep_url()
    shutil.copy(run / "secret", to)
    shutil.copytree(run / "artefacts", to / "artefacts")
    with Ledger.open(run / "ledger.db") as ledger, folder.open_ledger(create=True) as there:
        there.append(*ledger.events())
    return folder


def test_what_was_asked_for_is_written_down_and_chosen_again_in_a_replay(
    forest, tmp_path, postgres
):
    """F3: joined where two parents were asked for, else what the bandit says."""
    with Ledger.open(forest / "ledger.db") as ledger:
        asked = {e.index: e for e in ledger.events([ParentsChosen])}
        made = {e.index: e for e in ledger.events([CandidateProposed])}
    assert {e.mode for e in asked.values()} <= set(MODES)
    assert any(len(e.parents) == 2 for e in asked.values())
    there = moved(forest, tmp_path / "forest", postgres())
    told = replay(there, RunFolder(path=tmp_path / "again"))
    assert told.is_same, told.differences
    with Ledger.open(tmp_path / "again" / "ledger.db") as ledger:
        assert {e.index: e for e in ledger.events([ParentsChosen])} == asked
        assert {e.index: e for e in ledger.events([CandidateProposed])} == made
