"""What a role is shown beside its parents: setting, siblings, failures, calibration. Public only.

Search results and nothing else: no confirmation, no held-back task, no secret.
"""

from __future__ import annotations

from move37.campaign.archive import Archive
from move37.campaign.results import known
from move37.campaign.workshop import Workshop
from move37.core.candidate import Candidate
from move37.core.claims import VerdictKind
from move37.core.events import LessonWritten
from move37.lab.references import reference_source
from move37.memory.state import Entry, State
from move37.team.protocols import Calibration, KnownCandidate
from move37.team.scoring import score_predictions

N_SIBLINGS = 8
N_FAILURES = 12
N_NEAREST = 3
N_LESSONS, N_NEWEST = 40, 25  # assumed: how many lessons a Researcher reads, how many just new
NEAR = 0.35  # assumed: cosine of motivations; unrelated English ones have about 0.2
ANCHORS = ("linear_attention", "gated_deltanet", "mamba2")
"""The layers that set a judge's scale: the plainest, the strongest of one kind, one of another."""
CLOSED_FORMS = frozenset({"symbolic", "reference"})
"""Authors whose motivation is made by rule: for them the normal form decides alone."""


def setting_words(workshop: Workshop) -> str:
    """Describe under what every layer is tried."""
    preset, model = workshop.preset, workshop.preset.model
    training = preset.training
    tasks = [
        f"- {t.name}: {t.rows} of {training.batch_size} rows, measured in {t.metric}"
        + (f", {', '.join(f'{k}={v}' for k, v in sorted(t.options.items()))}" if t.options else "")
        for t in preset.tasks
    ]
    n_early = training.ramp_steps
    early = f" ({preset.rows_at(0)} in the first {n_early} steps)" if n_early else ""
    return (
        f"width d_model={model.d_model}, {model.n_heads} heads, {model.n_layers} layers, about "
        f"{model.n_parameters} parameters in the whole model; sequences of {training.length} "
        f"tokens, batches of {training.batch_size}{early}, {training.total_steps} steps of AdamW, "
        f"peak learning rate {training.learning_rate:g}, on {training.device}; a trial may take "
        f"{preset.trial_seconds:g} s and {preset.memory_megabytes} MB.\nTasks:\n"
        + "\n".join(tasks)
        + "\n"
    )


def siblings_of(
    workshop: Workshop, state: State, parent_id: str, *, without: str = ""
) -> tuple[KnownCandidate, ...]:
    """Return the newest children of a candidate."""
    children = [
        entry
        for entry in state.candidates.values()
        if parent_id in entry.candidate.parents and entry.id != without
    ]
    return tuple(known(workshop, state, entry) for entry in children[-N_SIBLINGS:])


def failures(workshop: Workshop, state: State) -> tuple[KnownCandidate, ...]:
    """Return the newest candidates that gave no result."""
    rejected = [
        entry
        for entry in state.candidates.values()
        if entry.search_verdict and entry.search_verdict.kind is VerdictKind.REJECTED
    ]
    return tuple(known(workshop, state, entry) for entry in rejected[-N_FAILURES:])


def calibration(workshop: Workshop, state: State, *, without: str = "") -> Calibration | None:
    """Score all predictions so far that were not made by rule."""
    return score_predictions(
        known(workshop, state, entry)
        for entry in state.candidates.values()
        if entry.candidate.author not in CLOSED_FORMS
        and entry.candidate.idea.predictions
        and entry.id != without
    )


def asked_ablation(state: State, parent: Entry, index: int) -> str:
    """Return the element that the Analyst wants the parent tried without, unless it was or is.

    Args:
        state: everything, what is in flight included.
        parent: whose lesson may ask.
        index: of the new candidate; later ones do not count.
    """
    element = parent.lesson.ablate if parent.lesson else ""
    if not element:
        return ""
    done = any(
        parent.id in e.candidate.parents and e.operator.endswith(f":ablate:{element}")
        for (at, _), e in state.entries.items()
        if at < index
    )
    return "" if done else element


def lessons_for(
    weakness: str, state: State, archive: Archive, *, arm: str = ""
) -> tuple[LessonWritten, ...]:
    """Return the newest lessons and, of the older ones, those that fit a weakness; oldest first."""
    lessons = state.lessons
    if len(lessons) <= N_LESSONS:
        return lessons
    older, newest = lessons[:-N_NEWEST], lessons[-N_NEWEST:]
    fitting = set(archive.lessons(older, weakness, limit=N_LESSONS - N_NEWEST, arm=arm))
    return (*(x for x in older if x.candidate_id in fitting), *newest)


def nearest_motivations(
    candidate: Candidate, state: State, archive: Archive
) -> tuple[Candidate, ...]:
    """Return the known candidates whose motivation is near, the nearest first; often none."""
    found = archive.motivations(state.candidates, candidate, limit=N_NEAREST)
    return tuple(state.candidates[id_].candidate for id_, score in found if score >= NEAR)


def anchors() -> tuple[str, ...]:
    """Return the sources that set a judge's scale, the same in every campaign."""
    return tuple(reference_source(name) for name in ANCHORS)
