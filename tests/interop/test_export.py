"""What is handed over works without this house.

E1  The one-file layer computes what the layer computes, for every reference mixer.
E2  The folder passes its own test in a clean process, and loads with transformers' Auto class.
E3  The model in the folder is the model that was measured: same weights, same logits.
E5  A layer written the fla way is one file as well: with pure-torch equals of what it imports, in a
    package of its own, with or without move37, transformers and fla beside it.
E4  What cannot be exported is refused in one message and leaves nothing.
"""

from __future__ import annotations

import os
import subprocess
import sys
import types
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file

from move37.arena import snapshot
from move37.arena.backbone import Backbone, Shape
from move37.arena.contract import load_mixer
from move37.campaign.assemble import RunFolder
from move37.campaign.settings import load_campaign, load_preset
from move37.core.candidate import Candidate, Idea, source_id
from move37.core.errors import ConfigError, LedgerError, SourceError
from move37.core.events import CampaignStarted, RootAdded, TrialFinished
from move37.core.trial import Cost, Measurement, Outcome, Stage, Trial, TrialSpec
from move37.interop.bundling import bundle
from move37.interop.exporting import Weights, export_candidate
from move37.lab.laboratory import Laboratory
from move37.lab.references import reference_candidate, reference_names, reference_source
from move37.lab.trials import TrialRequest, run_trial
from move37.lab.weights import Origin, stamp
from move37.memory.artefacts import Artefacts
from move37.memory.ledger import Ledger

NAME = "gated_deltanet"
FOREIGN = Path(__file__).parents[1] / "arena" / "fla_layers"
SOUND = sorted(f for f in FOREIGN.glob("*.txt") if f.read_text().startswith("# fails: nothing"))


def ledger_at(path: Path, *candidates: Candidate) -> Ledger:
    """A campaign that has just begun."""
    ledger = Ledger.open(path / "ledger.db", create=True)
    config = load_campaign(None, {"name": "small", "preset": "tiny"})
    ledger.append(
        CampaignStarted(
            name="small", config=config.model_dump_json(), version="0", machine={},
            sandboxed=True, preset=load_preset("tiny").model_dump_json(),
        ),
        *(RootAdded(candidate=c, role="root") for c in candidates),
    )  # fmt: skip
    return ledger


@pytest.fixture(scope="module")
def exported(tmp_path_factory) -> tuple[Path, Weights, bytes]:
    """A trained layer whose weights were lost, exported: folder, weights, the lost file."""
    path = tmp_path_factory.mktemp("export") / "small"
    candidate = reference_candidate(NAME)
    run = RunFolder(path=path)
    spec = TrialSpec(candidate_id=candidate.id, stage=Stage.SEARCH, rung=0, seed=5)
    with ledger_at(path, candidate) as ledger:
        request = TrialRequest(
            spec=spec, source=candidate.source, preset=load_preset("tiny"), secret=run.secret()
        )
        with Laboratory() as laboratory:
            result = run_trial(laboratory, request)
        ledger.append(TrialFinished(index=-1, trial=result.trial))
        to = path / "anew"
        folder, weights = export_candidate(ledger, run, candidate.id, to=to, unsandboxed=False)
    return folder, weights, result.snapshot


@pytest.mark.parametrize("name", reference_names())
def test_one_file_computes_what_the_layer_computes(name, monkeypatch):
    """E1."""
    made = bundle(reference_source(name), title=name, candidate_id="x")
    assert made.needs == ("torch",)
    assert "move37.arena.kernels import" not in made.text
    alone = types.ModuleType("one_file")
    monkeypatch.setitem(sys.modules, "one_file", alone)
    exec(compile(made.text, name, "exec", dont_inherit=True), alone.__dict__)
    mixers = []
    for mixer_class in (load_mixer(reference_source(name)), alone.Mixer):
        torch.manual_seed(0)
        mixers.append(mixer_class(32, 2, 0))
    x_BTD = torch.randn(2, 37, 32)
    ours, theirs = (mixer(x_BTD)[0] for mixer in mixers)
    assert torch.equal(ours, theirs)


@pytest.mark.filterwarnings(
    "ignore:.*torch.jit:DeprecationWarning", "ignore:CUDA is not:UserWarning"
)
@pytest.mark.parametrize("file", SOUND, ids=lambda f: f.name.split(".")[0])
def test_one_file_of_a_foreign_layer_computes_what_the_layer_computes(file, monkeypatch):
    """E5: the whole, and its pieces with the state carried over."""
    source = file.read_text()
    made = bundle(source, title=file.name, candidate_id=f"x{source_id(source)}")
    assert not {"fla", "transformers", "move37"} & set(made.needs)
    name = f"one_file_{file.name.split('.')[0]}"
    alone = types.ModuleType(name)
    monkeypatch.setitem(sys.modules, name, alone)
    monkeypatch.setattr(sys, "meta_path", list(sys.meta_path))
    exec(compile(made.text, name, "exec", dont_inherit=True), alone.__dict__)
    mixers = []
    for mixer_class in (alone.Mixer, load_mixer(source)):
        torch.manual_seed(0)
        mixers.append(mixer_class(32, 2, 0).float().eval())
    x_BTD = torch.randn(2, 37, 32)
    with torch.no_grad():
        whole, theirs = (mixer(x_BTD)[0] for mixer in mixers)
        first, state = mixers[0](x_BTD[:, :20])
        rest, _ = mixers[0](x_BTD[:, 20:], state)
    assert torch.equal(whole, theirs)
    assert torch.allclose(torch.cat([first, rest], 1), whole, atol=1e-4)


@pytest.mark.parametrize(
    "line", ["import fla", "from fla.ops import no_such_thing", "import transformers as t"]
)
def test_what_has_no_pure_torch_equal_is_named(line):
    """E4."""
    layer = "class L:\n    def forward(self, hidden_states): ...\n"
    with pytest.raises(SourceError, match="cannot go into one file"):
        bundle(f"{line}\n{layer}", title="x", candidate_id="x")


def test_a_file_without_any_layer_is_named():
    """E4."""
    with pytest.raises(SourceError, match="defines neither"):
        bundle("import fla.ops\n", title="x", candidate_id="x")


def self_tested(folder: Path, tmp_path: Path) -> str:
    """What the folder's own test says in a process that knows nothing of this house."""
    quiet = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    quiet |= {"HF_HOME": str(tmp_path), "HF_HUB_OFFLINE": "1", "HF_MODULES_CACHE": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-I", str(folder / "self_test.py")],
        env=quiet, capture_output=True, text=True, check=False, timeout=200,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


def test_the_folder_passes_its_own_test_in_a_clean_process(exported, tmp_path):
    """E2: isolated from this house's path; padded batches among it."""
    said = self_tested(exported[0], tmp_path)
    assert "padded batch = rows alone, left and right" in said
    assert "all checks passed" in said


def test_the_folder_of_a_layer_written_the_fla_way_passes_its_own_test(tmp_path):
    """E5: its weights were kept, so nothing is trained."""
    source = (FOREIGN / "gated_delta_cached.py.txt").read_text()
    candidate = Candidate.of(source, Idea(name="foreign", motivation="", mechanism=""))
    shape = Shape(vocab_size=384, d_model=32, n_layers=1, n_heads=2, ffn_width=16)
    model = Backbone(load_mixer(source), shape, seed=0)
    run = RunFolder(path=tmp_path / "small")
    digest = Artefacts(run.path / "artefacts").put(
        snapshot.save(model, torch.optim.AdamW(model.parameters()))
    )
    cost = Cost(
        cpu_seconds=1.0, wall_seconds=1.0, peak_memory_bytes=1, n_parameters=1, ffn_width=16,
        tokens=1,
    )  # fmt: skip
    spec = TrialSpec(candidate_id=candidate.id, stage=Stage.SEARCH, rung=0, seed=5)
    measured = Measurement(scores={}, cost=cost, weights=digest)
    trial = Trial(spec=spec, outcome=Outcome.COMPLETED, measurement=measured)
    with ledger_at(run.path, candidate) as ledger:
        ledger.append(TrialFinished(index=-1, trial=trial))
        folder, _ = export_candidate(
            ledger, run, candidate.id, to=tmp_path / "out", unsandboxed=False
        )
    assert "all checks passed" in self_tested(folder, tmp_path / "cache")


def test_weights_that_were_lost_are_trained_anew_and_said_to_be(exported):
    """E3: the same seed gives the same weights."""
    folder, weights, lost = exported
    assert weights.is_anew
    assert "trained anew for this export" in (folder / "README.md").read_text()
    shape = Shape(vocab_size=384, d_model=32, n_layers=1, n_heads=2)
    shape = shape.with_ffn(weights.measurement.cost.ffn_width)
    model = Backbone(load_mixer(reference_source(NAME)), shape, seed=0)
    snapshot.load_model(model, lost)
    saved = load_file(folder / "model.safetensors")
    assert saved.keys() == model.state_dict().keys()
    assert all(torch.equal(saved[name], value) for name, value in model.state_dict().items())


def test_kept_weights_are_taken_as_they_are(exported, tmp_path):
    """E3."""
    folder, weights, lost = exported
    run = RunFolder(path=tmp_path / "small")
    digest = Artefacts(run.path / "artefacts").put(lost)
    candidate = reference_candidate(NAME)
    with ledger_at(run.path, candidate) as ledger:
        kept = replace(weights.measurement, weights=digest)
        ledger.append(TrialFinished(index=-1, trial=replace(weights.trial, measurement=kept)))
        to = tmp_path / "kept"
        _, found = export_candidate(ledger, run, candidate.id, to=to, unsandboxed=False)
    assert not found.is_anew
    name = "model.safetensors"
    assert (to / name).read_bytes() == (folder / name).read_bytes()


def test_the_start_is_on_the_card_and_in_the_files_header(exported):
    """E3."""
    folder, weights, _ = exported
    start = weights.measurement.initialisation
    assert start
    assert start in (folder / "README.md").read_text()
    with safe_open(folder / "model.safetensors", framework="pt") as file:
        assert file.metadata() == {
            "format": "pt",
            "candidate": reference_candidate(NAME).id,
            "initialisation": start,
        }


def test_weights_of_another_candidate_are_refused(exported, tmp_path):
    """E4: though the ledger names them."""
    _, weights, lost = exported
    run = RunFolder(path=tmp_path / "small")
    origin = Origin(candidate_id="another", initialisation=weights.measurement.initialisation)
    digest = Artefacts(run.path / "artefacts").put(stamp(lost, origin))
    candidate = reference_candidate(NAME)
    with ledger_at(run.path, candidate) as ledger:
        kept = replace(weights.measurement, weights=digest)
        ledger.append(TrialFinished(index=-1, trial=replace(weights.trial, measurement=kept)))
        with pytest.raises(LedgerError, match="are those of candidate another"):
            export_candidate(ledger, run, candidate.id, to=tmp_path / "out", unsandboxed=False)
    assert not (tmp_path / "out").exists()


def test_what_was_never_trained_is_refused(tmp_path):
    """E4."""
    candidate = reference_candidate(NAME)
    run = RunFolder(path=tmp_path / "small")
    with (
        ledger_at(tmp_path / "small", candidate) as ledger,
        pytest.raises(ConfigError, match="never trained"),
    ):
        export_candidate(ledger, run, candidate.id, to=tmp_path / "out", unsandboxed=False)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "line",
    [
        "import move37.arena.kernels as K",
        "from move37.arena.kernels import reference",
        "from move37.arena import kernels",
    ],
)
def test_imports_that_have_no_form_in_one_file_are_named(line):
    """E4."""
    with pytest.raises(SourceError, match="cannot go into one file"):
        bundle(f"{line}\nclass Mixer: ...\n", title="x", candidate_id="x")


def test_a_title_cannot_leave_its_docstring():
    """E1: names are hostile."""
    title = 'x"""\nimport os  # \\"""'
    text = bundle("class Mixer: ...\n", title=title, candidate_id="x").text
    compiled = compile(text, "x", "exec", dont_inherit=True)
    assert "os" not in compiled.co_names


def test_an_idea_of_any_name_gives_a_python_name():
    """E4."""
    from move37.interop.exporting import class_name
    from move37.memory.state import Entry

    made = Candidate.of("x = 1\n", Idea(name="3 <b>ü</b>", motivation="", mechanism=""))
    entry = Entry(index=0, candidate=made, events=())
    assert class_name(entry).isidentifier()
