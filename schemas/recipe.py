"""The domain file and the recipe it resolves to.

A recipe says *what* is made and nothing of where or how: no URL, path, credential,
concurrency or executor. Its canonical JSON is hashed; equal hashes make equal plans.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from schemas.base import Strict, sha256_of
from schemas.enrichment import EnrichSettings

Weights = Annotated[dict[str, Annotated[float, Field(gt=0)]], Field(min_length=1)]
"""Relative weights of named choices; they need not sum to one."""


class ChunkSettings(Strict):
    """How documents are cut. Sizes are characters; about four make a token."""

    max_chars: Annotated[int, Field(ge=100, le=400_000)] = 900
    min_chars: Annotated[int, Field(ge=1)] = 150
    overlap_sentences: Annotated[int, Field(ge=0, le=5)] = 0
    at_headings: bool = True
    """Whether a heading starts a new passage; else it stays in the text, for passages as long as documents."""

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.min_chars > self.max_chars:
            raise ValueError(f"min_chars ({self.min_chars}) is above max_chars ({self.max_chars})")
        return self


class PlanSettings(Strict):
    """What is drawn for each item, outside the generator."""

    items_per_passage: Annotated[int, Field(ge=1, le=64)] = 4
    tasks: Weights = {"query-from-passage": 1.0}
    query_type: Weights = {"fact": 3.0, "procedure": 1.0, "comparison": 1.0, "reason": 2.0, "definition": 1.0}
    difficulty: Weights = {"easy": 1.0, "medium": 2.0, "hard": 1.0}
    length: Weights = {"short": 1.0, "medium": 2.0, "long": 1.0}
    language: Weights = {"en": 1.0}
    """Codes such as `de` or `pt-BR`. An item takes that of its passage where it is among them, else it draws one."""
    cross_lingual: Annotated[float, Field(ge=0, le=1)] = 0.0
    """Share of the items about a passage of a known language that draw theirs all the same."""


class PersonaSettings(Strict):
    """Where the persona of an item shows, and which personas a passage may get."""

    scope: Literal["instruction", "query", "both", "none"] = "query"
    """In the task's instruction, in the prompt for the query, in both, or in neither: then none is drawn."""
    match: Literal["random", "top-k"] = "random"
    """Any persona, or one of the `k` that the teacher finds nearest to the passage (Qwen3-Embedding, arXiv 2506.05176)."""
    k: Annotated[int, Field(ge=1, le=1_000)] = 5


class GateSettings(Strict):
    """A gate by name, with its own settings (validated by the gate)."""

    name: str
    settings: dict[str, Any] = {}


Strategy = Literal["naive", "shifted", "abs", "margin_pos", "perc_pos", "composite", "multi_signal"]

_BOUND_OF: dict[str, tuple[str, float]] = {
    "abs": ("max_score", 0.7),
    "margin_pos": ("absolute_margin", 0.05),
    "perc_pos": ("relative_margin", 0.05),
}
"""The bound that makes a strategy what it is, and its value where none is given: the best of NV-Retriever's sweeps."""
SHIFT = 10
"""How many of the best candidates `shifted` leaves out where no `rank_min` is given."""


class MiningSettings(Strict):
    """Hard negatives: which candidates count, how many are kept.

    A strategy is a bound that every candidate keeps (NV-Retriever, arXiv 2407.15831): `abs`: s(q,n) < max_score;
    `margin_pos`: s(q,n) < s(q,p) - absolute_margin; `perc_pos`: s(q,n) < s(q,p) - |s(q,p)| * relative_margin;
    `shifted`: rank >= rank_min, 11 if not given; `naive`: none; `multi_signal`: P(n is an unlabelled positive) <=
    max_false_negative_rate, or, where no rate is given, as many thrown away as `perc_pos` would by relative_margin.
    Other bounds that are given apply as well; `composite` is what is given and nothing else.
    """

    negatives: Annotated[int, Field(ge=0, le=64)] = 4
    strategy: Strategy = "multi_signal"
    max_score: float | None = None
    min_score: float | None = None
    absolute_margin: float | None = None
    relative_margin: Annotated[float, Field(gt=-1, lt=1)] | None = None
    max_similarity: float | None = None
    """Of a candidate to a positive, by the teacher; `0.95` keeps paraphrases of positives away."""
    max_false_negative_rate: Annotated[float, Field(gt=0, lt=1)] | None = None
    strict: bool = True
    """Whether a candidate that lies exactly on a bound breaks it."""
    positive_anchor: Literal["min", "max", "mean", "each"] = "min"
    """Which score of a query's several positives candidates are compared with; `each`: every record with its own."""
    rank_min: Annotated[int, Field(ge=1)] | None = None
    rank_max: Annotated[int, Field(ge=1, le=65_534)] = 100
    rank_basis: Literal["raw", "after_rules"] = "raw"
    """Whether ranks count all candidates of a query, or those that are left by every other rule."""
    sampling: Literal["top", "uniform", "softmax", "top1_sampled"] = "top"
    """The best that are left, or some of the best `sample_pool` of them: drawn evenly, in proportion to
    exp(score / temperature), or the best one and the others drawn."""
    sample_pool: Annotated[int, Field(ge=1, le=65_534)] = 10
    temperature: Annotated[float, Field(gt=0)] = 0.1
    same_document: bool = False
    """Whether other passages of the positive's document may be negatives."""
    shortfall: Literal["keep", "drop", "mark"] = "keep"
    """What becomes of a query with fewer negatives than asked for; `short` of the format `full` says which these are.
    In a run `drop` rejects the record before N are counted."""
    in_batch_margin: Annotated[float, Field(ge=0)] = 0.0
    """What scores at or above s(q,p) less this must not count as an in-batch negative (GISTEmbed, arXiv 2402.16829)."""

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.first_rank > self.rank_max:
            raise ValueError(f"rank_min ({self.first_rank}) is above rank_max ({self.rank_max})")
        if self.sampling != "top" and self.sample_pool < self.negatives:
            raise ValueError(f"sample_pool ({self.sample_pool}) is below negatives ({self.negatives})")
        if self.strategy == "composite" and not self.bounds:
            raise ValueError(f"composite needs at least one of {', '.join(_BOUNDS)}")
        return self

    @property
    def first_rank(self) -> int:
        return self.rank_min or (SHIFT + 1 if self.strategy == "shifted" else 1)

    @property
    def matched_margin(self) -> float:
        """Of the `perc_pos` that throws away as many candidates as `multi_signal` shall."""
        return 0.05 if self.relative_margin is None else self.relative_margin

    @property
    def needs_evidence(self) -> bool:
        """Whether more than the teacher's scores is asked about candidates."""
        return self.asks_probability or self.max_similarity is not None

    @property
    def asks_probability(self) -> bool:
        """Whether candidates are judged by how likely they are unlabelled positives."""
        return self.strategy == "multi_signal" or self.max_false_negative_rate is not None

    @property
    def bounds(self) -> dict[str, float]:
        """The bounds that candidates must keep, by name: those given, and the strategy's own."""
        own = dict([_BOUND_OF[self.strategy]]) if self.strategy in _BOUND_OF else {}
        given = {name: getattr(self, name) for name in _BOUNDS}
        if self.strategy == "multi_signal":
            given["relative_margin"] = None
        return own | {name: value for name, value in given.items() if value is not None}


_BOUNDS = (
    "max_score", "min_score", "absolute_margin", "relative_margin", "max_similarity", "max_false_negative_rate"
)  # fmt: skip


class WritingSettings(Strict):
    """Hard negatives that an LLM writes in a separate call, beside the mined ones (SyNeg, arXiv 2412.17250).

    Offered, not advised: on ten BEIR sets they did worse than mined ones (arXiv 2504.21015), for long
    reasoning queries better (ReasonIR, arXiv 2504.20595).
    """

    negatives: Annotated[int, Field(ge=0, le=4)] = 0
    """Asked for a record that all gates keep."""
    check: bool = True
    """Ask, in both orders of the texts, which of them answer the query; one that does is dropped."""


class PerturbationSettings(Strict):
    """Made negatives: copies of the positive in which one fact that the query asks about is changed.

    They come beside the mined ones, for the records whose query names a fact that can be changed.
    """

    negatives: Annotated[int, Field(ge=0, le=8)] = 0
    """At most so many a record, each of another kind."""
    kinds: dict[str, Annotated[float, Field(gt=0)]] = {}
    """Relative weights of what is changed; empty for every kind that the facts file knows, alike."""


FusionMethod = Literal["rrf", "weighted", "agreement"]


class FusionSettings(Strict):
    """Further teachers, whose rankings are fused with that of `teacher`; see `synth.teachers.fused`."""

    teachers: list[str] = []
    """Besides `teacher`; empty for none."""
    method: FusionMethod = "rrf"
    weights: list[Annotated[float, Field(gt=0)]] = []
    """One a teacher, that of `teacher` first; empty for all alike."""

    @model_validator(mode="after")
    def _weighed(self) -> Self:
        if self.weights and (not self.teachers or len(self.weights) != len(self.teachers) + 1):
            raise ValueError(
                f"{len(self.weights)} weights for {len(self.teachers) + 1} teachers; give one a teacher, that of `teacher` first"
            )
        return self


class ScoringSettings(Strict):
    """Who scores; how each of them is reached is no part of it."""

    teacher: str = "lexical"
    fusion: FusionSettings = FusionSettings()
    rescorer: str = ""
    """Scores what the teachers rank first anew, query and passage together; '' for none."""
    rescore_depth: Annotated[int, Field(ge=1, le=65_534)] = 50
    """How many of the first are rescored; the others are left out."""

    @property
    def scored_by(self) -> str:
        """All of them in words, such as `rrf of lexical and acme/embed, the first 50 rescored by acme/rank`."""
        names = [self.teacher, *self.fusion.teachers]
        if self.fusion.weights:
            names = [f"{name} ({weight:g})" for name, weight in zip(names, self.fusion.weights, strict=True)]
        several = f"{self.fusion.method} of {', '.join(names[:-1])} and {names[-1]}"
        said = several if len(names) > 1 else names[0]
        return f"{said}, the first {self.rescore_depth} rescored by {self.rescorer}" if self.rescorer else said


class SplitSettings(Strict):
    """Share of documents held out for test, by hash of the document id."""

    test: Annotated[float, Field(ge=0, lt=1)] = 0.1
    near_duplicate: Annotated[float, Field(gt=0, le=1)] = 0.8
    """Jaccard similarity of word 3-gram sets from which two passages count as the same."""


class StopSettings(Strict):
    """When a run ends because nothing new comes: decided in plan order, over whole blocks of accepted records.

    A query opens a region when no query before it is alike; see `synth.regions`.
    """

    new_regions: Annotated[float, Field(gt=0, lt=1)] = 0.05
    """The run ends after a block of which fewer than this share of the queries open a region."""
    block: Annotated[int, Field(ge=10, le=100_000)] = 500
    after: Annotated[int, Field(ge=1)] = 1_000
    """Accepted records that are made in any case."""


class SamplingSettings(Strict):
    """How an LLM is asked. A server's own defaults never apply: every value is sent."""

    temperature: Annotated[float, Field(ge=0, le=2)] = 0.9
    top_p: Annotated[float, Field(gt=0, le=1)] = 0.95
    max_tokens: Annotated[int, Field(ge=16)] = 512
    """Of one answer, with its thoughts where the model thinks."""
    thinking: bool = False
    """Whether a reasoning model may think first; give it more `max_tokens` then."""


class ModelChoice(Strict):
    """A model that items are drawn for."""

    name: Annotated[str, Field(min_length=1)]
    weight: Annotated[float, Field(gt=0)] = 1.0
    tasks: list[str] = []
    """Tasks that it writes for; empty for all."""


class InventionSettings(Strict):
    """Documents that an LLM writes about the domain's topics, where there are no others."""

    documents: Annotated[int, Field(ge=1, lt=10**9)] = 200
    """How many, where a run with --limit does not ask for another number."""
    genres: Weights = {
        "article for the general reader": 2,
        "case report": 1,
        "frequently asked questions": 1,
        "how-to guide": 2,
        "internal memo": 1,
        "letter": 1,
        "meeting minutes": 1,
        "notice": 1,
        "reference entry": 2,
        "report": 2,
        "thread of a forum": 1,
        "transcript of a conversation": 1,
    }
    """Kinds of document in words that a prompt can use, by weight."""
    words: dict[Annotated[int, Field(ge=20, le=1_500)], Annotated[float, Field(gt=0)]] = {
        100: 1,
        200: 2,
        400: 2,
        700: 1,
    }
    """Lengths by weight."""
    tasks: Annotated[list[str], Field(min_length=1)] = [
        "instructed-query",
        "classification",
        "short-short",
        "long-long",
    ]
    """Tasks that instructions are written for: one for every topic and task."""


class Domain(ScoringSettings):
    """One declarative file: everything that is particular to a field of knowledge."""

    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]*$")]
    title: str
    description: str
    instruction: str = ""
    """What a query of this domain is for, in a trainer's words; stored with every record."""
    corpus: str
    """Folder or file of documents, relative to the domain file."""
    corpus_licence: str = ""
    personas: str
    """JSON Lines of personas, relative to the domain file."""
    facts: str = ""
    """YAML of facts that a made negative may change, relative to the domain file."""
    topics: str = ""
    """YAML of the topic tree, relative to the domain file."""
    invention: InventionSettings = InventionSettings()
    instructions: str = ""
    """JSON Lines of task instructions, relative to the domain file."""
    enrich: EnrichSettings | None = None
    limit: Annotated[int, Field(ge=1)] = 300
    """Accepted records asked for when neither documents nor a limit are given."""
    stop: StopSettings | None = None
    """Ends a run before its limit, or before its pass is over, when nothing new comes; None for never."""
    chunk: ChunkSettings = ChunkSettings()
    plan: PlanSettings = PlanSettings()
    persona: PersonaSettings = PersonaSettings()
    gates: list[GateSettings] = [
        GateSettings(name=gate)
        for gate in "schema garbage text-pair evidence length language repetition truncated generic echo copy leak sensitive".split()
    ]
    set_gates: list[GateSettings] = [GateSettings(name="consistency"), GateSettings(name="duplicates")]
    mining: MiningSettings = MiningSettings()
    writing: WritingSettings = WritingSettings()
    perturbation: PerturbationSettings = PerturbationSettings()
    splits: SplitSettings = SplitSettings()
    generator: str = "extractive"
    sampling: SamplingSettings = SamplingSettings()
    seed: Annotated[int, Field(ge=0)] = 0


class ParentSettings(Strict):
    """The version that a run updates, by what it holds."""

    content_sha256: str
    freeze_test: bool = True
    """Whether documents that the parent did not hold as they are all go to train."""


class Recipe(ScoringSettings):
    """The frozen, fully resolved configuration of what is made."""

    domain: str
    instruction: str = ""
    corpus_sha256: str = ""
    """Content of the documents; filled once they are read."""
    personas_sha256: str
    prompts: dict[str, str]
    """Prompt name -> sha256 of the file, of all that the tasks ask."""
    steps: dict[str, str] = {}
    """Step -> sha256 of its prompt, of those that the recipe adds to every task, such as `judge`."""
    limit: Annotated[int, Field(ge=1)] | None = None
    """Accepted records to publish; None means one full pass over the passages."""
    stop: StopSettings | None = None
    chunk: ChunkSettings
    plan: PlanSettings
    persona: PersonaSettings = PersonaSettings()
    gates: list[GateSettings]
    set_gates: list[GateSettings]
    mining: MiningSettings
    writing: WritingSettings = WritingSettings()
    perturbation: PerturbationSettings = PerturbationSettings()
    instructions_sha256: str = ""
    """Content of the list of task instructions, '' where none is pinned."""
    facts_sha256: str = ""
    """Content of the facts file, '' where nothing is perturbed."""
    splits: SplitSettings
    generator: str
    models: list[ModelChoice] = []
    """Models of the LLM generator; an item's model is drawn by weight."""
    sampling: SamplingSettings = SamplingSettings()
    seed: int
    parent: Annotated[ParentSettings | None, Field(exclude_if=lambda parent: parent is None)] = None
    """None for a dataset that is made anew."""

    @property
    def sha256(self) -> str:
        return sha256_of(self)
