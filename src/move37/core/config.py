"""The config tree: what a campaign may set, checked when it is loaded. Units are in the docstrings.

This file holds the shapes and rules; `campaign/assemble.py` reads the files. Presets live beside it
as TOML in `core/presets`.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, PositiveFloat, PositiveInt, model_validator

from move37.core.team import TeamConfig

RUN_NAME = r"[a-z0-9][a-z0-9._-]{0,63}"
"""What a campaign may be called, whole: its folder under --runs has that name."""


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ModelShape(_Section):
    """The backbone around a mixer."""

    d_model: PositiveInt
    """Channels of every position."""
    n_layers: PositiveInt
    """Layers, each a mixer and a feed-forward part."""
    n_heads: PositiveInt
    """Heads of a mixer; must divide `d_model`."""
    n_parameters: PositiveInt
    """Size of the whole model; the feed-forward width is solved for it, within 1 %."""

    @model_validator(mode="after")
    def _heads_divide_width(self) -> ModelShape:
        if self.d_model % self.n_heads:
            raise ValueError(f"n_heads={self.n_heads} must divide d_model={self.d_model}")
        return self


class Training(_Section):
    """One recipe for everyone: candidates and baselines alike."""

    batch_size: PositiveInt
    """Sequences per step, over all tasks."""
    length: PositiveInt
    """Tokens per sequence."""
    learning_rate: PositiveFloat
    """Peak; AdamW, linear warm-up, cosine to `final_learning_rate`."""
    final_learning_rate: Annotated[float, Field(ge=0)] = 0.0
    """Where the cosine ends."""
    warmup_steps: Annotated[int, Field(ge=0)] = 0
    """Steps until the peak; fewer than `total_steps`."""
    total_steps: PositiveInt
    """Length of the schedule; the last rung ends here."""
    ramp_steps: Annotated[int, Field(ge=0)] = 0
    """Steps at the start that are trained on fewer rows, so that a look after them is cheap."""
    ramp_share: Annotated[float, Field(gt=0, le=1)] = 1.0
    """Part of each task's rows in those steps, rounded, one row at least."""
    weight_decay: Annotated[float, Field(ge=0)] = 0.1
    """AdamW's, of matrices only."""
    gradient_clip: PositiveFloat = 1.0
    """Largest norm of the whole gradient."""
    device: Literal["cpu", "cuda"] = "cpu"
    """Where trials train."""
    dtype: Literal["float32", "bfloat16"] = "float32"
    """Autocast dtype of the forward pass; weights stay float32."""
    compile: bool = False
    """Whether torch.compile compiles the model: for trials of minutes, on a GPU."""
    fla: bool = False
    """Compute with fla's Triton kernels (CUDA and bfloat16 only). Every process tunes them anew,
    about a minute for one recurrence: for trials of an hour, not of minutes (docs/log.md)."""

    def rows_at(self, step: int, rows: int) -> int:
        """Return how many of a task's rows the batch of a step has."""
        return max(1, round(self.ramp_share * rows)) if step < self.ramp_steps else rows

    def recipe(self) -> dict[str, Any]:
        """Return what the trainer needs to know; batches reach it ready-made."""
        return self.model_dump(exclude={"batch_size", "length", "ramp_steps", "ramp_share"})

    @model_validator(mode="after")
    def _ramp_is_whole(self) -> Training:
        if (self.ramp_steps > 0) != (self.ramp_share < 1) or self.ramp_steps > self.total_steps:
            raise ValueError(
                f"ramp_steps={self.ramp_steps} and ramp_share={self.ramp_share:g} belong together: "
                f"1 to total_steps={self.total_steps} steps with a share below 1, or neither"
            )
        return self

    @model_validator(mode="after")
    def _fla_has_its_ground(self) -> Training:
        if self.fla and (self.device, self.dtype) != ("cuda", "bfloat16"):
            raise ValueError(
                f"fla = true needs device = 'cuda' and dtype = 'bfloat16', got {self.device!r} and "
                f"{self.dtype!r}"
            )
        return self


class Rung(_Section):
    """One level of fidelity; rungs rise in cost."""

    steps: PositiveInt
    """Train to this step of the schedule (continuing from the previous rung's snapshot)."""
    n_seeds: PositiveInt = 1
    """Seeds 0..n_seeds-1 must have reached `steps` before racing decides."""
    correlation: Annotated[float, Field(ge=0, le=1)] = 0.8
    """Of true effects here and after the last rung, over candidates; 1 at the last number of steps.
    Measured over reference mixers (docs/log.md), assumed in presets that say so."""
    spread: PositiveFloat = 2.0
    """Standard deviation of true combined effects here, in units of noise."""
    gain: PositiveFloat = 1.0
    """Mean of true combined effects after the last rung over their mean here: layers that learn
    more draw away from the baseline. A campaign's own candidates correct it."""
    growth: float = 0.0
    """What is added to that for every candidate alike, in units of noise. Presets of runs begun
    before 2026-11-27 state this alone."""


class TaskSetting(_Section):
    """One task of the mixture."""

    name: str
    """Of a task; the table of tasks has them."""
    rows: PositiveInt = 1
    """Sequences of this task in every training batch; those of `held_back` are in none."""
    metric: Literal["nats", "accuracy"]
    """What counts: cross-entropy (lower is better) or accuracy, where the task grades."""
    noise: PositiveFloat
    """Standard deviation of the metric over seeds, without what a seed does to every mixer alike,
    measured over reference mixers (docs/log.md): the unit of effects. A difference of two trainings
    on one seed has sqrt 2 of it."""
    windows: PositiveInt = 64
    """Held-out sequences per evaluation."""
    options: dict[str, int | float | str] = Field(default_factory=dict)
    """Passed to the task's constructor."""


class Verification(_Section):
    """How a gallery entry is tried at a larger scale (`move37 verify`)."""

    scale: PositiveInt = 4
    """Parameters, and steps of training, in multiples of the search's."""
    learning_rates: Annotated[tuple[PositiveFloat, ...], Field(min_length=1)] = (0.25, 0.5, 1.0)
    """In multiples of the search's. Each layer gets the one that does best on a tuning run of its
    own: wider models want smaller ones (arXiv 2203.03466)."""
    tuning_share: Annotated[float, Field(gt=0, le=1)] = 0.25
    """Length of a tuning run, as a part of the whole training."""
    n_seeds: Annotated[int, Field(ge=2)] = 4
    """Seeds of the whole training; neither search nor confirmation trains with them."""
    exam: tuple[TaskSetting, ...] = ()
    """Tasks that the search never sees: trained on beside the others here, and judged apart."""


class Preset(_Section):
    """A level of effort: model, recipe, rungs and tasks that belong together."""

    name: str
    """Its own, as reports show it."""
    purpose: str
    """One line for people: what it is for."""
    model: ModelShape
    """The model; see below."""
    training: Training
    """The recipe; see below."""
    rungs: Annotated[tuple[Rung, ...], Field(min_length=1)]
    """Looks at a candidate, cheapest first; see below."""
    tasks: Annotated[tuple[TaskSetting, ...], Field(min_length=1)]
    """What every model trains on, mixed in each batch; see below."""
    held_back: tuple[TaskSetting, ...] = ()
    """Tasks that nobody is trained on. Confirmation scores them and shows the effects as untrained;
    its decision rests on `tasks`. (Tasks that are new and trained: `verification.exam`.)"""
    verification: Verification = Verification()
    """The larger scale of `move37 verify`; see below."""
    trial_seconds: PositiveFloat
    """Wall clock allowed to one trial before it is OUT_OF_TIME."""
    memory_megabytes: PositiveInt = 2048
    """Memory allowed to one trial before it is OUT_OF_MEMORY."""

    def rows_at(self, step: int) -> int:
        """Return how many rows the batch of a step has, over all tasks."""
        return sum(self.training.rows_at(step, task.rows) for task in self.tasks)

    def n_tokens(self, first_step: int, last_step: int) -> int:
        """Return the tokens that steps first_step..last_step-1 train on."""
        n_early = max(0, min(last_step, self.training.ramp_steps) - first_step)
        n_late = last_step - first_step - n_early
        rows = n_early * self.rows_at(0) + n_late * self.training.batch_size
        return rows * self.training.length

    @model_validator(mode="after")
    def _consistent(self) -> Preset:
        if sum(task.rows for task in self.tasks) != self.training.batch_size:
            raise ValueError(
                f"rows of the tasks sum to {sum(t.rows for t in self.tasks)}, "
                f"batch_size is {self.training.batch_size}; they must agree"
            )
        steps = [rung.steps for rung in self.rungs]
        if steps != sorted(steps) or steps[-1] != self.training.total_steps:
            raise ValueError(
                f"rung steps {steps} must rise and end at total_steps={self.training.total_steps}"
            )
        return self


class BudgetConfig(_Section):
    """When a campaign stops; the first limit reached counts."""

    wall_seconds: PositiveFloat = 480.0
    """Wall clock over all sessions; `--budget 8m` says the same."""
    max_candidates: PositiveInt | None = None
    """Candidates that the search makes at most."""
    search_tokens: PositiveInt | None = None
    """Training tokens of the search, roots left out: no candidate begins once those that it may
    see have used them. Unlike time it does not depend on the machine; for matched campaigns."""
    confirm_share: Annotated[float, Field(ge=0, le=0.9)] = 0.3
    """Part of the wall clock kept for confirmation with fresh seeds."""
    dollars: PositiveFloat | None = None
    """What language models may cost, over all sessions; the search ends where it is reached."""
    tokens: PositiveInt | None = None
    """Tokens that language models may read and write, over all sessions."""


class SearchConfig(_Section):
    """How the next candidate is made."""

    selection: str = "top_ten"
    """Name of a rule in memory/selection.py."""
    operators: Literal["drawn", "bandit"] = "drawn"
    """Who says which kind of step comes next (refine, leap, recombine, simplify): fixed odds, or a
    bandit that asks more often for what has lately beaten its parent."""
    crossovers: Annotated[float, Field(ge=0, le=0.9)] = 0.0
    """Share of candidates that are asked to join two chosen parents, beside the crossovers with a
    reference that the Researcher draws itself."""
    models: Literal["turn", "bandit"] = "turn"
    """Which of a team's models proposes: each in turn, or by a bandit over them."""
    lag: PositiveInt = 4
    """Candidate n is proposed and raced knowing candidates 0..n-lag-1 only, so the same seed gives
    the same campaign, and at most lag + 1 workers have something to do. Where it is not said, a run
    that time ends begins with the number of its workers, on a CPU and without a `database`; one
    that candidates or tokens end with that or 4, whichever is less (docs/decisions/002)."""
    repairs: Annotated[int, Field(ge=0)] = 2
    """Engineer's tries per candidate."""
    refuse_repeats: bool = True
    """Whether what is not novel ends there. False: novelty is judged and written down, and the
    candidate goes on all the same; for campaigns of known layers (`campaigns/null.toml`)."""
    use_cognition: bool = True
    """Whether researchers are shown cards of the literature."""
    cards_folder: str = ""
    """Folder with cards of your own (Markdown), used beside those that ship; unreviewed ones are
    not."""
    embedder: str | None = None
    """What turns cards and questions into vectors, as module:factory (docs/cards.md); None: latent
    semantic vectors, fitted on the cards."""
    use_lessons: bool = True
    """Whether they are shown what the campaign learnt so far."""
    seed_lessons: tuple[tuple[str, float], ...] = ()
    """What an earlier campaign learnt: name of an edit or element, and its worth in units of noise.
    `run --lessons FILE` fills it."""
    use_judge: bool = True
    """Whether candidates are judged; without, fitness has no such part."""


class EvidenceConfig(_Section):
    """How claims are made."""

    level: Annotated[float, Field(gt=0, lt=1)] = 0.05
    """False-discovery level of the gallery, over the whole life of the campaign."""
    confirm_seeds_min: PositiveInt = 4
    """Fresh seeds of a confirmation before it may end."""
    confirm_seeds_max: PositiveInt = 8
    """Fresh seeds of a confirmation at most."""
    confirm_most: Annotated[int, Field(ge=0)] = 8
    """Candidates that one session tests with fresh seeds at most; 0: it only searches."""
    drop_below: Annotated[float, Field(ge=0, le=0.5)] = 0.1
    """Racing drops a candidate whose probability of beating the bar is below this."""
    bar: Literal["best", "parents"] = "best"
    """Which effect a candidate has to beat on the way to the last rung: that of the best so far, or
    of the last one among the leading parents, which trains more candidates to the end: for runs
    that a number of candidates ends, and for early looks whose numbers were never measured."""
    cut_above: Annotated[float, Field(ge=0)] = 0.3
    """Nats that a candidate's training loss may stay above the baseline's, after the first quarter,
    before its run is stopped (evidence/curves.py); 0: no run is stopped before its rung ends."""
    fitness: str = "composite"
    """What the search climbs: `composite`, or `asi_arch` with the ancestor's constants."""
    effect_weight: Annotated[float, Field(ge=0, le=10)] = 1.0
    """Of the combined effect in fitness (with `asi_arch`: of its loss term)."""
    task_weight: Annotated[float, Field(ge=0, le=10)] = 1.0
    """Of the mean over tasks, each squashed by itself, which pays for breadth."""
    judge_weight: Annotated[float, Field(ge=0, le=10)] = 1.0
    """Of the judge's quality in fitness; 0: judged and reported, but not climbed."""

    @model_validator(mode="after")
    def _can_be_met(self) -> EvidenceConfig:
        if self.confirm_seeds_min > self.confirm_seeds_max:
            raise ValueError(
                f"confirm_seeds_min={self.confirm_seeds_min} must be at most "
                f"confirm_seeds_max={self.confirm_seeds_max}"
            )
        if self.effect_weight + self.task_weight <= 0:
            raise ValueError(
                "effect_weight and task_weight are both 0: fitness would be the judge's word, "
                "or nothing without one; set one of them above 0"
            )
        return self


class CampaignConfig(_Section):
    """One search: everything that decides what happens, but for the machine it runs on."""

    name: Annotated[str, Field(pattern=f"^{RUN_NAME}$")] = "first"
    """Of the run: its folder under --runs, so small letters, digits, `.`, `_`, `-`."""
    seed: Annotated[int, Field(ge=0)] = 0
    """Of every choice of the search."""
    preset: str = "cpu"
    """Name of a preset that ships, or a file ending in .toml."""
    roots: Annotated[tuple[str, ...], Field(min_length=1)] = ("linear_attention",)
    """Reference mixers by name, or files."""
    baseline: str = "linear_attention"
    """Reference mixer, or file, that every effect is measured against."""
    opponents: tuple[str, ...] = ("gated_deltanet", "gated_deltanet2", "mamba3")
    """What the declared best is compared with when the budget allows."""
    budget: BudgetConfig = BudgetConfig()
    """When it stops; see below."""
    search: SearchConfig = SearchConfig()
    """How candidates are made; see below."""
    evidence: EvidenceConfig = EvidenceConfig()
    """How claims are made; see below."""
    team: TeamConfig = TeamConfig()
    """Who proposes and judges; see below."""
    workers: PositiveInt | None = None
    """Parallel trials; default one per core."""
    database: str | None = Field(default=None, exclude=True, repr=False)
    """URL of the database that holds the ledger: postgresql://USER:PASSWORD@HOST/DATABASE. Several
    drivers may share a campaign there. Default: a file in the run's folder. Never recorded."""
