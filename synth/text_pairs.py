"""Text pairs: records whose positive and hard negatives an LLM writes for a real text.

One side of the pair is text of the passage, drawn by rule; what is written is no passage, so no teacher
searches for it and nothing is mined (`schemas.record.TEXT_PAIR`). What a machine can see of a wrong pair the
task's `fault` says, and the gate `text-pair` drops it; the rest is for a judge.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from pydantic import BaseModel
from sentencex import get_sentence_boundaries

from schemas.record import TEXT_PAIR, Pair
from synth.tasks import Draft, Failure, Outputs, TaskInput, as_text, declared_inputs
from synth.text import jaccard, join_clauses, normalise, word_count, words

ANCHOR_WORDS = (6, 45)
"""Of a sentence that others are written for."""
EXCERPT_WORDS = 100
"""Of a run of sentences at most: as many as a text pair's query may have."""
REAL_TEXT = frozenset({"copy", "echo", "generic", "leak", "repetition", "truncated"})
"""Gates for queries that are written about a passage: the query of a text pair is text of the passage."""


class TextPairTask:
    """What tasks have in common that write the positive of a real text, and what is close to it and is none.

    The output has the fields `positive` and `negative` or `negatives`; its other fields become attributes.
    """

    name: ClassVar[str]
    prompt: ClassVar[str]
    prompt_folder: ClassVar[None] = None
    output: ClassVar[type[BaseModel]]
    instruction: ClassVar[str]
    paper: ClassVar[str] = ""
    example: ClassVar[Mapping[str, BaseModel]] = {}
    exempt: ClassVar[frozenset[str]] = REAL_TEXT
    text_pairs: ClassVar[bool] = True
    most_words: ClassVar[int] = EXCERPT_WORDS

    @classmethod
    def query(cls, task_input: TaskInput) -> str:
        """The real text: a sentence of the passage, another one for each of its items while there are any."""
        found = sentences_of(task_input)
        random.Random(task_input.passage.id).shuffle(found)
        return found[task_input.item.occurrence % len(found)] if found else ""

    @classmethod
    def refuse(cls, task_input: TaskInput) -> Failure | None:
        if cls.query(task_input):
            return None
        return Failure("no_sentence", f"no sentence of {ANCHOR_WORDS[0]} to {ANCHOR_WORDS[1]} words")

    @classmethod
    def prompt_inputs(cls, task_input: TaskInput, outputs: Outputs) -> dict[str, Any]:  # noqa: ARG003
        return declared_inputs(cls.prompt, task_input, cls.prompt_folder) | {"text": cls.query(task_input)}

    @classmethod
    def draft(cls, task_input: TaskInput, outputs: Outputs, method: str) -> Draft:
        fields = dict(outputs[cls.name])
        positive = " ".join(str(fields.pop("positive")).split())
        negatives = fields.pop("negatives", None) or [fields.pop("negative")]
        return Draft(
            cls.query(task_input),
            positive,
            f"{method}{TEXT_PAIR}",
            instruction=cls.instruction,
            attributes={name: as_text(value) for name, value in fields.items()},
            negatives=tuple(" ".join(str(text).split()) for text in negatives),
        )

    @classmethod
    def fault(cls, record: Pair) -> tuple[str, str]:  # noqa: ARG003
        """(reason, detail) of what is wrong with a record of this task beyond what is wrong with any; '' for nothing."""
        return "", ""


def sentences_of(task_input: TaskInput, bounds: tuple[int, int] = ANCHOR_WORDS) -> list[str]:
    """Whole sentences of the passage with so many words, in its order; no headings and table rows."""
    return [text for text in _in_place(task_input, bounds) if text]


def excerpt_of(task_input: TaskInput, most: int) -> str:
    """A run of up to `most` neighbouring sentences that begins anywhere in the passage, by the item's seed."""
    placed = _in_place(task_input, ANCHOR_WORDS)
    starts = [place for place, text in enumerate(placed) if text]
    if not starts:
        return ""
    source = random.Random(task_input.item.seed)
    size, start = source.randint(1, most), source.choice(starts)
    taken: list[str] = []
    for text in placed[start : start + size]:
        if not text or sum(map(word_count, [*taken, text])) > EXCERPT_WORDS:
            break
        taken.append(text)
    return join_clauses(taken)


def _in_place(task_input: TaskInput, bounds: tuple[int, int]) -> list[str]:
    """The sentences of the passage, '' for one that is none or has too few words or too many."""
    found = get_sentence_boundaries(task_input.item.language, task_input.passage.text)
    texts = [" ".join(each["text"].split()) for each in found]
    return [text if _is_sentence(text) and bounds[0] <= word_count(text) <= bounds[1] else "" for text in texts if text]


def holds(text: str, phrase: str) -> bool:
    """Whether the words of the phrase stand in the text one after another."""
    return f" {' '.join(words(phrase))} " in f" {' '.join(words(text))} "


def same_words(one: str, other: str) -> bool:
    """Whether two texts have the same words in any order: equal, or shuffled."""
    return sorted(words(one)) == sorted(words(other))


def shared_words(one: str, other: str) -> float:
    """The words that both texts have, of all that they have."""
    return jaccard(set(words(one)), set(words(other)))


def common_fault(record: Pair) -> tuple[str, str]:
    """What is wrong with any text pair: a positive that is the query again, a negative that is one of the two."""
    if normalise(record.positive.text) == normalise(record.query):
        return "copied", "the positive is the query"
    for text in record.written:
        if any(normalise(text) == normalise(other) for other in (record.query, record.positive.text)):
            return "negative_is_positive", text[:200]
    return "", ""


def _is_sentence(text: str) -> bool:
    return not text.startswith(("#", "|", "-", "*", ">")) and text[-1:] not in (":", "|")


def written_texts(record: Pair) -> Sequence[str]:
    """All that was written for a text pair."""
    return (record.positive.text, *record.written)
