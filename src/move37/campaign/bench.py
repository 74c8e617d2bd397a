"""What a language model may look up and try while it works: `team.protocols.Bench` over a state.

It sees what the step sees (results of those far enough before it), search results only, and its
drafts meet the same probes and the same sandbox as candidates do. Nothing tried here is a result:
a smoke train says whether the loss falls, on data that is never scored.
"""

from __future__ import annotations

import difflib

from move37.campaign.results import known
from move37.campaign.workshop import Workshop, derive_seed
from move37.cognition.dense import HashedNgrams
from move37.cognition.lexical import Document
from move37.cognition.retrieval import Index
from move37.core.candidate import Candidate, Idea, source_id
from move37.core.errors import ReplyError
from move37.core.trial import Outcome, Stage, TrialSpec
from move37.lab.trials import TrialRequest, run_trial
from move37.memory.state import Entry, State
from move37.team.llm import material
from move37.team.llm.prompting import Section, fit, quote, shortened
from move37.team.llm.replies import check_layer_code

MAX_ANSWER = 16_000  # characters; about 4,000 tokens
SMOKE_SECONDS = 10.0
SMOKE_STEPS = 40
N_FOUND = 5


class StateBench:
    """A bench over what a step may know."""

    def __init__(self, workshop: Workshop, state: State) -> None:
        self._workshop = workshop
        self._state = state

    def read_candidate(self, candidate_id: str) -> str:
        """Return idea, measurements and code of a candidate of this campaign.

        Args:
            candidate_id: its id, or the first digits of it.
        """
        entry = self._entry(candidate_id)
        record = known(self._workshop, self._state, entry)
        lesson = entry.lesson.text if entry.lesson else ""
        return _bounded(
            material.idea_section(f"{entry.id}: idea", record, weight=4),
            material.result_section(f"{entry.id}: measurements", record, weight=5),
            Section(title=f"{entry.id}: lesson", text=lesson, weight=3),
            material.code_section(f"{entry.id}: code", record, weight=2),
        )

    def diff_candidates(self, first_id: str, second_id: str) -> str:
        """Return what differs between the sources of two candidates, as a unified diff.

        Args:
            first_id: id of the older one.
            second_id: id of the newer one.
        """
        first, second = self._entry(first_id), self._entry(second_id)
        lines = difflib.unified_diff(
            first.candidate.source.splitlines(),
            second.candidate.source.splitlines(),
            first.id,
            second.id,
            lineterm="",
        )
        return _bounded(Section(title=f"{first.id} to {second.id}", text="\n".join(lines)))

    def search_cards(self, query: str) -> str:
        """Return cards from the literature that fit a question.

        Args:
            query: in words: a weakness, a mechanism, an author.
        """
        hits = self._workshop.library.search(query[:2000], limit=N_FOUND)
        text = "\n\n".join(
            f"card {hit.card.id} ({hit.card.title}, {hit.card.year}): {hit.card.claim}\n"
            f"mechanism: {hit.card.mechanism}\nwhen: {hit.card.when}\nhow: {hit.card.how}"
            for hit in hits
        )
        return _bounded(Section(title="cards", text=text or "no card fits"))

    def search_lessons(self, query: str) -> str:
        """Return lessons of this campaign that fit a question.

        Args:
            query: in words.
        """
        index = Index(
            [Document(id=x.candidate_id, fields=(x.text,)) for x in self._state.lessons],
            embedder=HashedNgrams(),
        )
        texts = {lesson.candidate_id: lesson.text for lesson in self._state.lessons}
        found = index.search(query[:2000], limit=N_FOUND)
        text = "\n\n".join(f"about {hit.id}: {texts[hit.id]}" for hit in found)
        return _bounded(Section(title="lessons", text=text or "no lesson fits"))

    def probe_draft(self, source: str) -> str:
        """Run the admission probes on a draft: causality, streaming, independence, cost and so on.

        Args:
            source: the whole Python file that defines class Mixer.
        """
        report = self._workshop.probe(_draft(source))
        words = "every probe passed" if report.passed else "the draft would be refused"
        text = f"{words}\n{material.probe_words(report)}"
        return _bounded(Section(title="probes", text=text))

    def smoke_train(self, source: str) -> str:
        """Train a draft for at most ten seconds and say whether its loss falls.

        Args:
            source: the whole Python file that defines class Mixer.
        """
        draft, workshop = _draft(source), self._workshop
        rung = workshop.preset.rungs[0]
        short = rung.model_copy(update={"steps": min(SMOKE_STEPS, rung.steps)})
        preset = workshop.preset.model_copy(
            update={
                "rungs": (short, *workshop.preset.rungs[1:]),
                "trial_seconds": min(SMOKE_SECONDS, workshop.preset.trial_seconds),
            }
        )
        seed = derive_seed(workshop.config.seed, Stage.SEARCH, -1)  # of no candidate's trial
        spec = TrialSpec(candidate_id=draft.id, stage=Stage.SEARCH, rung=0, seed=seed)
        request = TrialRequest(
            spec=spec, source=draft.source, preset=preset, secret=workshop.secret
        )
        with workshop.stoppable():
            trial = run_trial(workshop.laboratory, request).trial
        if trial.outcome is Outcome.COMPLETED and trial.measurement:
            text = f"{short.steps} steps ran\n{material.curve_words(trial.measurement.curve)}"
        else:
            text = f"ended as {trial.outcome}: {shortened(trial.reason, 3_000)}"
        return _bounded(Section(title="smoke train", text=text))

    def _entry(self, candidate_id: str) -> Entry:
        asked = candidate_id.strip()
        found = [e for id_, e in self._state.candidates.items() if asked and id_.startswith(asked)]
        if len(found) != 1:
            newest = ", ".join(list(self._state.candidates)[-20:])
            raise ReplyError(f"no single candidate {asked[:40]!r}; among the known: {newest}")
        return found[0]


def _draft(source: str) -> Candidate:
    source = check_layer_code(source)
    return Candidate.of(
        source, Idea(name=f"draft {source_id(source)}", motivation="", mechanism="")
    )


def _bounded(*sections: Section) -> str:
    kept, _ = fit([s for s in sections if s.text], max_characters=MAX_ANSWER)
    return quote(kept)
