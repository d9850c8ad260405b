"""What a training record is: one model a kind, and what travels with it.

`instruction` may be empty; everything else that a trainer feeds to a model is text
in `query`, `positive`, `negatives`, `text1`, `text2` or `passages`.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from schemas.base import Strict
from schemas.document import Split

Status = Literal["accepted", "rejected", "failed"]

TEXT_PAIR = ":text"
"""Ends the method of records whose positive is a text that was written with them (a label, a paraphrase, a translation)
and no passage: a teacher does not search for it, and its hard negatives were written with it. `passage_id` names the
passage that it was made from."""


class Verdict(Strict):
    """What a gate says of one record. Record gates and set gates return the same type."""

    gate: str
    keep: bool
    reason: str = ""
    """A short code, empty when kept: `too_short`, `duplicate`, `inconsistent` ..."""
    score: float | None = None
    detail: str = ""


_Grade = Annotated[int | None, Field(ge=1, le=5)]


class Judgement(Strict):
    """What an LLM says of a query and its positive: four grades, 1 (worst) to 5, or one probability."""

    method: Literal["rubric", "scored", "asked"] = "rubric"
    """`rubric` has grades; `scored` has the server's probability of "yes", `asked` 1 for an answer "yes" and 0 for "no"."""
    relevance: _Grade = None
    """Whether the positive is about what the query asks for; of a text pair, whether it is right under the instruction."""
    answerability: _Grade = None
    """Whether the positive alone satisfies the query; of a text pair, whether every negative is wrong."""
    clarity: _Grade = None
    """Whether the query can be understood without having seen the positive; of a text pair, whether its texts are natural."""
    faithfulness: _Grade = None
    """Whether everything that the query takes for granted agrees with the positive; None for a text pair."""
    probability: Annotated[float | None, Field(ge=0, le=1)] = None
    """That the positive alone answers the query; of a text pair, that the positive is right and every negative wrong."""
    why: str = ""
    model: str = ""


class Attribute(Strict):
    """Something a task knows about its record, such as the answer or the earlier turns."""

    name: str
    value: str


class Written(Strict):
    """A text that was written or made to be confused with the positive, kept or not."""

    text: str
    lacks: str = ""
    """What it does not tell, in the words of the model that wrote it."""
    model: str = ""
    """Empty where a rule made it."""
    reason: str = ""
    """Why it is no hard negative: `answers`, `copied` …; empty for one that is."""


class Provenance(Strict):
    """Where a record comes from: enough to make it again, or to leave it out."""

    task: str
    method: str
    """`llm`, `llm:text` (see TEXT_PAIR) or `extractive:title|span|crop|cloze`: extractive rows never pass for written ones."""
    generator: str
    generator_model: str = ""
    generator_revision: str = ""
    prompt: str
    prompt_sha256: str
    persona_id: str = ""
    position: Annotated[int, Field(ge=0)]
    """Place in the plan."""
    seed: Annotated[int, Field(ge=0)]
    query_type: str = ""
    difficulty: str = ""
    length: str = ""
    licence: str = ""
    """Licence of the document the record was made from, where it is known."""
    passage_written_by: str = ""
    """Model that invented the document; empty for one that somebody wrote."""


class PassageText(Strict):
    """A passage inside a record. `score` is the teacher's, 0.0 where none scored it."""

    passage_id: str
    document_id: str
    text: Annotated[str, Field(min_length=1)]
    score: float = 0.0
    rank: Annotated[int, Field(ge=0)] = 0
    """1-based rank for the record's query in the whole corpus; 0 where unknown or beyond the search depth."""


class Change(Strict):
    """Words of a passage and what was put in their place."""

    before: str
    after: str


class Negative(PassageText):
    """A passage that does not answer the query: found in the corpus, or made from a passage of it.

    A made negative has an id that is no passage's, its own `score` and `rank` are 0 because no
    teacher saw it, and `document_id` is that of the passage it was made from.
    """

    method: str = "mined"
    """`mined`, `perturbed:KIND` (one fact was changed), `llm` or `rule` (its task made it with the positive)."""
    made_from: str = ""
    """Id of the passage that a made negative is a copy of with changes, else ''."""
    changes: list[Change] = []
    """What was exchanged in that passage, the fact that the query asks about first; empty unless perturbed."""
    generator_model: str = ""
    """Model that wrote it, where one did."""
    prompt: str = ""
    """Prompt that the model was given; its hash is in the recipe."""


class _Record(Strict):
    id: Annotated[str, Field(min_length=1)]
    instruction: str = ""
    language: str
    split: Split
    provenance: Provenance
    verdicts: list[Verdict] = []
    attributes: list[Attribute] = []
    judgement: Judgement | None = None
    """None where no LLM judged the record."""


class Pair(_Record):
    """A query and its positive, before negatives are mined."""

    kind: Literal["pair"] = "pair"
    query: Annotated[str, Field(min_length=1)]
    positive: PassageText
    more_positives: list[PassageText] = []
    """Further passages that the query needs, where it needs several."""
    written: list[str] = []
    """Hard negatives that were written with the positive, of a text pair."""
    persona: str = ""
    """Who asks, as the prompt described them."""

    @property
    def is_text_pair(self) -> bool:
        """Whether the positive is a text that was written with the query, and no passage."""
        return self.provenance.method.endswith(TEXT_PAIR)

    @property
    def positives(self) -> list[str]:
        """Texts of all passages that the query needs, the positive first."""
        return [self.positive.text, *(each.text for each in self.more_positives)]


class NTuple(_Record):
    """A query, its positive and its hard negatives (one negative makes a triplet).

    `negatives` may be shorter than the recipe asked for, never padded. Mined ones come first, best
    ranked first, then made ones.
    """

    kind: Literal["n-tuple"] = "n-tuple"
    query: Annotated[str, Field(min_length=1)]
    positive: PassageText
    more_positives: list[PassageText] = []
    negatives: list[Negative] = []
    short: bool = False
    """Whether fewer hard negatives were mined than the recipe asked for."""
    in_batch_mask: list[str] = []
    """Ids of passages that must not count as negatives of this query where they stand in other rows of a batch
    (docs/mining.md says which), its own positives among them."""
    in_batch_complete: bool = True
    """Whether the teacher's list went deep enough to name all passages that score as high as `in_batch_mask` asks."""


class ScoredPair(_Record):
    """Two texts and how alike they are, 0 to 1."""

    kind: Literal["scored-pair"] = "scored-pair"
    text1: Annotated[str, Field(min_length=1)]
    text2: Annotated[str, Field(min_length=1)]
    score: Annotated[float, Field(ge=0.0, le=1.0)]


class RankingList(_Record):
    """A query and passages with graded labels, best first."""

    kind: Literal["ranking-list"] = "ranking-list"
    query: Annotated[str, Field(min_length=1)]
    passages: Annotated[list[PassageText], Field(min_length=2)]
    labels: Annotated[list[float], Field(min_length=2)]


class Reject(Strict):
    """A planned item that did not become a record: rejected by a gate or failed in generation."""

    id: str
    status: Literal["rejected", "failed"]
    reason: str
    stage: str
    score: float | None = None
    detail: str = ""
    query: str = ""
    passage_id: str
    split: Split
    position: Annotated[int, Field(ge=0)]
    task: str
    method: str = ""
    judgement: Judgement | None = None


class Retired(Strict):
    """A record of the parent that an update did not carry over, and why."""

    id: str
    reason: str
    """`document_deleted`, `document_changed`, `split_leak`, or that of the set gate that dropped it."""
    stage: str
    score: float | None = None
    detail: str = ""
    query: str
    positive: str
    passage_id: str
    document_id: str
    split: Split
    task: str
    method: str = ""


RECORD_KINDS: dict[str, type[_Record]] = {
    "pair": Pair,
    "n-tuple": NTuple,
    "scored-pair": ScoredPair,
    "ranking-list": RankingList,
}
