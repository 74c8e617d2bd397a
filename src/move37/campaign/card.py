"""Gather a candidate's card from the ledger: one pass over its events, nothing decided anew."""

from __future__ import annotations

import datetime
import hashlib
import shlex
from collections.abc import Sequence
from pathlib import Path

from move37.campaign.folder import RunFolder, stored_config
from move37.campaign.lookup import find_entry
from move37.campaign.results import compare_on
from move37.campaign.side_by_side import MEAN
from move37.campaign.tables import published_lines
from move37.cognition.shelf import all_cards
from move37.core.candidate import Origin
from move37.core.claims import Effect, Verdict
from move37.core.errors import Move37Error
from move37.core.events import Event, VerdictReached
from move37.core.trial import Stage, Trial
from move37.evidence.effects import effect_of
from move37.evidence.evalues import sign_e_value
from move37.insights.card import (
    ArtefactRow,
    Card,
    CostRow,
    EffectRow,
    FreshCheck,
    Mechanism,
    OriginRow,
    PredictionRow,
    Proof,
    ProofRow,
    Relative,
)
from move37.insights.costs import layer_cost, peak_memory
from move37.insights.flow import data_flow, data_flow_svg
from move37.insights.flow.formulas import formulas_of_code
from move37.insights.provenance import checked_origins
from move37.insights.setting import read_setting
from move37.insights.story import Story, tell
from move37.insights.wording import effect_words
from move37.memory.artefacts import DIGEST, Artefacts
from move37.memory.ledger import Ledger
from move37.memory.lineage import Lineage
from move37.memory.record import Record
from move37.memory.state import Entry, State, fold
from move37.memory.subject import subject
from move37.team.symbolic.description import DescriptionError
from move37.team.symbolic.reading import own_description
from move37.team.symbolic.words import formulas

MAX_RELATIVES = 40
UNFOUNDED = "not shown: counts as original"
COLUMNS = {Stage.SEARCH: "search", Stage.CONFIRM: "fresh", Stage.VERIFY: "larger"}


def read_card(ledger: Ledger, run: RunFolder, prefix: str) -> Card:
    """Return the card of one candidate.

    Raises:
        UnknownName: no candidate, or several, begin with `prefix`.
    """
    records = list(ledger.records())
    events = [record.event for record in records]
    state, story = fold(events), tell(events)
    entry = find_entry(state, prefix)
    idea, verdicts = entry.candidate.idea, _verdicts(entry)
    baseline = next((v.baseline for v in reversed(verdicts.values()) if v.baseline), "")
    ours, theirs = state.trials.get(entry.id, []), state.trials.get(baseline, [])
    known = state.candidates.get(baseline)
    last = entry.verdict
    lineage = Lineage(state.parents)
    children = lineage.children(entry.id)
    return Card(
        id=entry.id,
        name=idea.name,
        run=ledger.campaign,
        role=entry.role,
        author=entry.candidate.author,
        operator=entry.operator,
        index=entry.index,
        baseline=known.candidate.idea.name if known else stored_config(ledger).baseline,
        motivation=idea.motivation,
        mechanism=mechanism_of(entry),
        verdict=last,
        raced=verdicts.get("search"),
        effects=tuple(_effects(verdicts)),
        fresh_check=_fresh_check(story, ours, theirs) if "fresh" in verdicts else None,
        predictions=tuple(_predictions(entry, verdicts)),
        cost=layer_cost(ours, theirs, entry.probes),
        baseline_cost=layer_cost(theirs, theirs, known.probes if known else None),
        cost_exponent=(entry.probes.cost_exponent or None) if entry.probes else None,
        trials=tuple(_trainings(ours)),
        probes=entry.probes,
        ancestors=tuple(_relative(state, id_) for id_ in _ancestors(lineage, entry.id)),
        children=tuple(_relative(state, id_) for id_ in children[:MAX_RELATIVES]),
        n_children=len(children),
        origins=tuple(_origins(state, entry, story, events, _card_titles(ledger))),
        quality=entry.quality,
        novelty=entry.novelty.reason if entry.novelty else "",
        lesson=entry.lesson.text if entry.lesson else "",
        published=tuple(published_lines(entry)),
        proof=_proof(run, entry, ours, records),
        source=entry.candidate.source,
    )


def mechanism_of(entry: Entry) -> Mechanism:
    """Return how a candidate works: in words, formulas and a diagram."""
    candidate = entry.candidate
    idea = candidate.idea
    diagram = data_flow_svg(candidate.source, idea.description)
    found = formulas_of_code(candidate.source, data_flow(candidate.source)[0])
    lines, remark, stated = found.lines, found.remark, found.stated
    try:
        description = own_description(candidate) if idea.description else None
    except DescriptionError:
        description = None
    if description is not None:
        lines = tuple(formulas(description).splitlines())
        remark, stated = "from the description that its code was rendered from", ()
    if entry.published and not entry.published.has_program:
        lines, stated, remark = (), (), "its program was not published"
    words = _without(idea.mechanism, lines)
    return Mechanism(words=words, formulas=lines, remark=remark, stated=stated, diagram=diagram)


def _without(words: str, formulas: Sequence[str]) -> str:
    """Return the author's words without lines that are given as formulas anyway."""
    known = {line.strip() for line in formulas}
    return "\n".join(line for line in words.splitlines() if line.strip() not in known).strip()


def _verdicts(entry: Entry) -> dict[str, Verdict]:
    """Return the last verdict of the search, on fresh seeds, and at a larger scale."""
    found: dict[str, Verdict] = {}
    for event in entry.events:
        if isinstance(event, VerdictReached):
            verdict = event.verdict
            found[COLUMNS[verdict.stage]] = verdict
    return {key: found[key] for key in ("search", "fresh", "larger") if key in found}


def _effects(verdicts: dict[str, Verdict]) -> list[EffectRow]:
    tasks = dict.fromkeys(t for v in verdicts.values() for t in v.task_effects or {})

    def on(task: str) -> dict[str, Effect | None]:
        return {key: (v.task_effects or {}).get(task) for key, v in verdicts.items()}

    combined = {key: v.effect for key, v in verdicts.items()}
    rows = [EffectRow(task=MEAN, **combined), *(EffectRow(task=t, **on(t)) for t in tasks)]
    return [row for row in rows if row.search or row.fresh or row.larger]


def _fresh_check(story: Story, ours: Sequence[Trial], theirs: Sequence[Trial]) -> FreshCheck | None:
    preset = read_setting(story).preset
    fresh = [[t for t in trials if t.spec.stage is Stage.CONFIRM] for trials in (ours, theirs)]
    found = compare_on(preset.tasks, *fresh) if preset else None
    if found is None:
        return None
    return FreshCheck(
        differences=tuple(found.differences.values()),
        bootstrap=effect_of(found.differences, method="bootstrap"),
        sign_e_value=sign_e_value(found.differences.values()),
    )


def _predictions(entry: Entry, verdicts: dict[str, Verdict]) -> list[PredictionRow]:
    rows = []
    for prediction in entry.candidate.idea.predictions:
        measured, measured_on = None, ""
        for key, words in (("search", "search"), ("fresh", "fresh seeds")):
            effects = verdicts[key].task_effects if key in verdicts else None
            if effects and prediction.task in effects:
                measured, measured_on = effects[prediction.task], words
        rows.append(
            PredictionRow(
                task=prediction.task,
                declared=prediction.effect,
                confidence=prediction.confidence,
                measured=measured,
                measured_on=measured_on,
            )
        )
    return rows


def _trainings(trials: Sequence[Trial]) -> list[CostRow]:
    rows = []
    for stage in Stage:
        of = [t for t in trials if t.spec.stage is stage]
        if not of:
            continue
        costs = [c for t in of if (c := t.measurement.cost if t.measurement else t.cost)]
        completed = [t.measurement.cost for t in of if t.measurement and t.measurement.cost.tokens]
        tokens = sum(c.tokens for c in completed)
        seconds = sum(c.seconds for c in completed)
        rows.append(
            CostRow(
                stage=str(stage),
                n_trials=len(of),
                n_failed=sum(t.measurement is None for t in of),
                cpu_seconds=sum(c.cpu_seconds for c in costs),
                microseconds_per_token=1e6 * seconds / tokens if tokens else None,
                peak_memory_bytes=peak_memory(costs),
                n_parameters=completed[0].n_parameters if completed else None,
            )
        )
    return rows


def _ancestors(lineage: Lineage, id_: str) -> list[str]:
    line = lineage.line(id_)[1:]
    others = [p for p in lineage.parents(id_) if p not in line]
    return [*line, *others][:MAX_RELATIVES]


def _relative(state: State, id_: str) -> Relative:
    entry = state.candidates.get(id_)
    if entry is None:
        return Relative(id=id_, name="", words="not in this run")
    words = entry.role
    if entry.verdict:
        effect = f" {effect_words(entry.verdict.effect)}" if entry.verdict.effect else ""
        words = entry.role if entry.role == "root" else f"{entry.verdict.kind}{effect}"
    elif entry.published and entry.published.score is not None:
        words = f"published score {entry.published.score:.4f}"
    return Relative(id=id_, name=entry.candidate.idea.name, words=words)


def _origins(
    state: State, entry: Entry, story: Story, events: list[Event], titles: dict[str, str]
) -> list[OriginRow]:
    origins = checked_origins(story, events).get((entry.index, entry.id), ())
    rows = []
    for element, found in zip(entry.candidate.idea.elements, origins, strict=False):
        about = ""
        if element.origin is Origin.CARD:
            about = titles.get(element.source, "")
        elif element.origin is Origin.LESSON and element.source in state.candidates:
            about = state.candidates[element.source].candidate.idea.name
        words = "shown to the author" if found is element.origin else UNFOUNDED
        rows.append(
            OriginRow(
                element=element.name,
                origin=str(element.origin),
                source=element.source,
                about=about,
                check="" if element.origin is Origin.ORIGINAL else words,
            )
        )
    return rows


def _card_titles(ledger: Ledger) -> dict[str, str]:
    """Return what the cards that this run could read are called, as far as they are still there."""
    folder = stored_config(ledger).search.cards_folder
    try:
        cards = all_cards(Path(folder) if folder else None)
    except Move37Error:  # the user's folder may have changed since; the shipped cards are known
        cards = all_cards()
    return {card.id: f"{card.title} ({card.year})" for card in cards}


def _proof(run: RunFolder, entry: Entry, trials: Sequence[Trial], records: list[Record]) -> Proof:
    about = [r for r in records if _is_about(r.event, entry.id)]
    first = about[0] if about else records[0]
    digest = hashlib.sha256(entry.candidate.source.encode("utf-8", "surrogatepass")).hexdigest()
    head = records[-1].hash if records else ""
    return Proof(
        events=tuple(
            ProofRow(seq=r.seq, kind=r.kind, time=_utc(r.time), hash=r.hash) for r in about
        ),
        n_events=len(records),
        head=head,
        artefacts=tuple(_artefacts(run, trials)),
        source_digest=digest,
        commands=tuple(_commands(entry.id, run, first, len(records), digest)),
    )


def _commands(
    id_: str, run: RunFolder, first: Record, n_events: int, digest: str
) -> list[tuple[str, str]]:
    """What to run, and what it must say."""
    name, parent = shlex.quote(run.path.name), run.path.parent
    where = "" if str(parent) == "runs" else f" --runs {shlex.quote(str(parent))}"
    return [
        (
            f"move37 ledger verify {name}{where}",
            f"recomputes every hash and table: {n_events} events verify, or more by now",
        ),
        (
            f"move37 ledger export {name}{where} | sed -n {first.seq + 1}p",
            f"event {first.seq}, which brought it in, with hash {first.hash}",
        ),
        (
            f"move37 show {id_} --run {name}{where} --source | sha256sum",
            f"{digest}: its first 12 digits are the id",
        ),
    ]


def _is_about(event: Event, id_: str) -> bool:
    return subject(event) == id_


def _utc(microseconds: int) -> str:
    when = datetime.datetime.fromtimestamp(microseconds / 1e6, tz=datetime.UTC)
    return when.strftime("%Y-%m-%d %H:%M:%S")


def _artefacts(run: RunFolder, trials: Sequence[Trial]) -> list[ArtefactRow]:
    kept = Artefacts(run.path / "artefacts")
    return [
        ArtefactRow(
            digest=digest,
            about=f"{t.spec.stage}, rung {t.spec.rung}, seed {t.spec.seed}",
            is_kept=kept.has(digest),
            initialisation=t.measurement.initialisation,
        )
        for t in trials
        if t.measurement and DIGEST.fullmatch(digest := t.measurement.weights)
    ]
