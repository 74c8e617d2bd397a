"""Make a folder of one candidate that others can use: layer, model, weights, evidence, self-test.

The candidate's text is copied, never executed here; whoever uses the folder runs it, and the card
says so.
"""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from move37 import __version__
from move37.campaign.assemble import RunFolder
from move37.campaign.folder import stored_config
from move37.campaign.going_on import own_weights, recorded_start
from move37.campaign.larger import Larger
from move37.campaign.lookup import find_entry
from move37.core.claims import Verdict
from move37.core.config import Preset
from move37.core.errors import ConfigError, LedgerError, ReportError
from move37.core.events import CampaignStarted
from move37.core.trial import Measurement, Outcome, Stage, Trial
from move37.insights.wording import Ready, effect_words, escape_markdown, fenced
from move37.interop.bundling import bundle
from move37.lab.laboratory import Laboratory
from move37.lab.tasks import VOCAB_SIZE
from move37.lab.trials import TrialRequest, run_trial
from move37.lab.weights import origin_of, stamp
from move37.memory.artefacts import Artefacts
from move37.memory.ledger import Ledger
from move37.memory.state import Entry

STAGES = (Stage.VERIFY, Stage.CONFIRM, Stage.SEARCH)
"""Whose weights are taken first."""
PREFIX = "model."
PARTS = ("configuration_move37.py", "modeling_move37.py", "fla_layer.py", "self_test.py")


@dataclass(frozen=True, kw_only=True, slots=True)
class Weights:
    """Weights file, the training it comes from, and how it was had."""

    blob: bytes
    trial: Trial
    measurement: Measurement
    is_anew: bool
    """Trained again for this export, with the recorded seed: the recorded file was not kept."""


def export_candidate(
    ledger: Ledger, run: RunFolder, prefix: str, *, to: Path | None, unsandboxed: bool
) -> tuple[Path, Weights]:
    """Write the folder and return it; all of it or nothing.

    Raises:
        UnknownName: no candidate, or several, begin with `prefix`.
        ConfigError: the folder is there already, or the candidate cannot be exported.
        SourceError: the source has no form in one file.
        ReportError: the folder cannot be written.
    """
    entry = find_entry(ledger.state(), prefix)
    if entry.published:
        raise ConfigError(
            f"{entry.id} was imported: it was not trained here, so there is nothing to vouch for; "
            f"its program: move37 show {entry.id} --source"
        )
    folder = to or run.path / "export" / entry.id
    if folder.exists():
        raise ConfigError(f"{folder} is there already; remove it, or choose another with --to")
    preset = _preset(ledger)
    one_file = bundle(
        entry.candidate.source, title=entry.candidate.idea.name, candidate_id=entry.id
    )
    weights = find_weights(ledger, run, entry, preset, unsandboxed=unsandboxed)
    trained = _preset_of(weights.trial, preset)
    files = _files(ledger, entry, trained, weights, one_file.text, one_file.needs)
    draft = folder.with_name(f".{folder.name}.new")
    try:
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir(parents=True)
        for name, text in files.items():
            (draft / name).write_text(text, encoding="utf-8")
        (draft / "model.safetensors").write_bytes(for_transformers(weights.blob))
        draft.replace(folder)
    except OSError as error:
        shutil.rmtree(draft, ignore_errors=True)
        raise ReportError(f"the export cannot be written to {folder}: {error}") from error
    return folder, weights


def find_weights(
    ledger: Ledger, run: RunFolder, entry: Entry, preset: Preset, *, unsandboxed: bool
) -> Weights:
    """Return the weights of the most telling training: verified, else confirmed, else searched.

    A file that was not kept is trained anew in the sandbox, with the recorded seed.

    Raises:
        ConfigError: no training of it was ever completed.
        LedgerError: the kept weights are not those that the ledger names.
    """
    trials = _telling(ledger.state().trials.get(entry.id, []))
    if not trials:
        raise ConfigError(f"{entry.id} was never trained to an end, so it has no weights to export")
    artefacts = Artefacts(run.path / "artefacts")
    for trial in trials:
        measured = trial.measurement
        if measured and measured.weights and artefacts.has(measured.weights):
            blob = own_weights(artefacts, trial)
            return Weights(blob=blob, trial=trial, measurement=measured, is_anew=False)
    known = next((t for t in trials if t.spec.stage is not Stage.VERIFY), trials[0])
    with Laboratory(unsandboxed=unsandboxed, device=preset.training.device) as laboratory:
        result = run_trial(
            laboratory,
            TrialRequest(
                spec=known.spec,
                source=entry.candidate.source,
                preset=preset,
                secret=run.secret(),
                initialisation=recorded_start(known),
            ),
        )
    if result.trial.outcome is not Outcome.COMPLETED or result.trial.measurement is None:
        raise ConfigError(
            f"the weights of {entry.id} were not kept, and training it anew ended "
            f"{result.trial.outcome}: {result.trial.reason}"
        )
    return Weights(
        blob=result.snapshot,
        trial=result.trial,
        measurement=result.trial.measurement,
        is_anew=True,
    )


def for_transformers(blob: bytes) -> bytes:
    """Return the model's part of a snapshot as transformers reads it: no optimiser, own names.

    Whose weights they are and how they began stays in the header.

    Raises:
        LedgerError: the snapshot is not safetensors.
    """
    import safetensors
    from safetensors.numpy import load, save

    try:
        tensors = load(blob)
    except (safetensors.SafetensorError, ValueError, KeyError) as error:
        raise LedgerError(f"the kept weights are no safetensors file: {error}") from error
    model = {k.removeprefix(PREFIX): v for k, v in tensors.items() if k.startswith(PREFIX)}
    plain = save(model, metadata={"format": "pt"})
    origin = origin_of(blob)
    return stamp(plain, origin, format="pt") if origin else plain


def _telling(trials: list[Trial]) -> list[Trial]:
    completed = [t for t in trials if t.measurement]
    return sorted(completed, key=lambda t: (STAGES.index(t.spec.stage), -t.spec.rung))


def _preset_of(trial: Trial, preset: Preset) -> Preset:
    """Return what a trial was run with: a verification trains a larger model."""
    spec = trial.spec
    return Larger(base=preset).preset(spec.rung) if spec.stage is Stage.VERIFY else preset


def _preset(ledger: Ledger) -> Preset:
    started = next(iter(ledger.events([CampaignStarted])), None)
    try:
        return Preset.model_validate_json(started.preset if started else "")
    except ValueError as error:
        raise ConfigError(
            "this run's ledger does not hold its preset (an older version made it), so the model's "
            "shape is not known"
        ) from error


def _files(
    ledger: Ledger,
    entry: Entry,
    preset: Preset,
    weights: Weights,
    layer: str,
    needs: tuple[str, ...],
) -> dict[str, str]:
    environment = Environment(
        loader=PackageLoader("move37.interop"),
        autoescape=False,  # noqa: S701 - Python and Markdown; the card escapes by `finalize`
        undefined=StrictUndefined,
        keep_trailing_newline=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    names = {"class_name": class_name(entry), "candidate_id": entry.id}
    files = {name: environment.get_template(f"{name}.txt").render(names) for name in PARTS}
    card = environment.overlay(
        finalize=lambda v: v if isinstance(v, Ready) else escape_markdown(str(v))
    )
    card.filters |= {"effect": effect_words, "fenced": fenced}
    head = ledger.head()
    return files | {
        "mixer.py": layer,
        "config.json": json.dumps(_config(preset, weights.measurement), indent=2) + "\n",
        "requirements.txt": "\n".join([*needs, "transformers>=4.57", "safetensors"]) + "\n",
        "README.md": card.get_template("card.md").render(
            entry=entry,
            measured=_measured(entry),
            idea=entry.candidate.idea,
            preset=preset,
            weights=weights,
            needs=needs,
            baseline=_baseline_name(ledger, entry),
            run=stored_config(ledger).name,
            version=__version__,
            head=head,
            class_name=names["class_name"],
        ),
    }


def _config(preset: Preset, measured: Measurement) -> dict[str, Any]:
    shape = preset.model
    return {
        "architectures": ["Move37ForCausalLM"],
        "auto_map": {
            "AutoConfig": "configuration_move37.Move37Config",
            "AutoModelForCausalLM": "modeling_move37.Move37ForCausalLM",
        },
        "model_type": "move37",
        "vocab_size": VOCAB_SIZE,
        "hidden_size": shape.d_model,
        "num_hidden_layers": shape.n_layers,
        "num_attention_heads": shape.n_heads,
        "ffn_width": measured.cost.ffn_width,
        "tie_word_embeddings": True,
        "use_cache": True,
        "dtype": "float32",
    }


def _measured(entry: Entry) -> list[tuple[Ready, Verdict]]:
    """Return the verdicts that a claim rests on, each with what it was measured on.

    The search's alone where there is no other.
    """
    fresh, last = entry.fresh_verdict, entry.verdict
    larger = last if last and last.stage is Stage.VERIFY else None
    at_scale = (
        "At the larger size and training of verification, on seeds that nothing else trained with; "
        "the mean is over the search's tasks."
    )
    told = [("On seeds and text that the search never saw.", fresh), (at_scale, larger)]
    found = [(Ready(words), v) for words, v in told if v and v.effect]
    if not found and last and last.effect:
        words = "**As the search saw it: chosen from many, so too good on average. No claim.**"
        return [(Ready(words), last)]
    return found


def _baseline_name(ledger: Ledger, entry: Entry) -> str:
    known = ledger.state().candidates.get(entry.verdict.baseline if entry.verdict else "")
    return known.candidate.idea.name if known else stored_config(ledger).baseline


def class_name(entry: Entry) -> str:
    """Return a Python name for the layer, from its own name as far as that goes."""
    words = re.findall(r"[A-Za-z0-9]+", entry.candidate.idea.name)[:6]
    name = "".join(word[:1].upper() + word[1:] for word in words)[:48]
    return name if name[:1].isalpha() else f"Layer{entry.id}"
