"""passage -> the query that it answers.

An LLM writes the query a persona would type. The extractive rule (design §8; AugTriever,
Contriever, ICT in `docs/methods.md`) takes real text instead: the heading a person wrote
above the passage, else the best of 16 spans, a crop with words deleted, or a sentence
that is then taken out of the passage (inverse cloze).
"""

from __future__ import annotations

import math
import random
from collections import Counter
from collections.abc import Mapping
from typing import ClassVar

from pydantic import BaseModel
from sentencex import get_sentence_boundaries

from synth.lexicon import Lexicon
from synth.tasks import Draft, Extracted, Failure, Outputs, PassageTask, Query, TaskInput
from synth.text import clauses, content_words, is_unspaced, join_clauses, normalise, word_count, words

__all__ = ["QueryFromPassage"]

SPANS = 16
SPAN_WORDS = {"short": (4, 6), "medium": (7, 11), "long": (12, 16)}
CROP_SHARE = (0.05, 0.5)
CROP_WORDS = (6, 40)
DELETED = 0.1
MIN_WORDS = 12
"""A passage with fewer words has no room for a query that is not the passage itself."""
MIN_HEADING_WORDS = 3
LEAST_CLAUSE = 4
"""Words of clauses that are cut out of a text without spaces, where the passage goes on."""
WIDE_HEADING = 2
"""A heading over more passages than this says too little of any one of them."""


class ClozeQuery(Query):
    """A sentence and the passage without it."""

    rest: str


class QueryFromPassage(PassageTask):
    """One query that the passage answers, of a drawn kind, difficulty and length."""

    name: ClassVar[str] = "query-from-passage"
    prompt: ClassVar[str] = "query-from-passage"
    paper: ClassVar[str] = "Qwen3-Embedding (arXiv 2506.05176) with type, difficulty and length drawn by the plan"
    example: ClassVar[Mapping[str, BaseModel]] = {
        "query-from-passage": Query(query="When does Harbour Lines have to repay its revolving credit facility?")
    }

    @staticmethod
    def extract(task_input: TaskInput, lexicon: Lexicon, random_source: random.Random) -> Extracted | Failure:
        text = task_input.passage.text
        if (count := count_words(text)) < MIN_WORDS:
            return Failure("passage_too_short", f"{count} words")
        heading = _heading(task_input, lexicon)
        if task_input.item.occurrence == 0 and heading:
            return Extracted(Query(query=heading), "extractive:title")
        method = random_source.choices(["span", "crop", "cloze"], weights=[3, 2, 1])[0]
        if method == "cloze":
            cloze = _cloze(text, task_input.item.language, random_source)
            if cloze:
                return Extracted(cloze, "extractive:cloze")
            method = "span"
        query = (
            _crop(text, random_source)
            if method == "crop"
            else best_span(text, task_input.item.length, lexicon, random_source)
        )
        if not query:
            return Failure("no_words")
        return Extracted(Query(query=query[:400]), f"extractive:{method}")

    @classmethod
    def draft(cls, task_input: TaskInput, outputs: Outputs, method: str) -> Draft:
        output = outputs[cls.name]
        positive = output.rest if isinstance(output, ClozeQuery) else task_input.passage.text
        return Draft(output.query.strip(), positive, method)


def _heading(task_input: TaskInput, lexicon: Lexicon) -> str:
    """The nearest human label that is about this passage rather than about many.

    A section heading is read under the title of its document, as a person would.
    """
    passage = task_input.passage
    for label, above in ((passage.heading, passage.title), (passage.title, "")):
        narrow = lexicon.headings.get(normalise(label), 0) <= WIDE_HEADING
        whole = f"{above}: {label}" if above and above != label else label
        if label and narrow and len(set(content_words(whole))) >= MIN_HEADING_WORDS:
            return whole[:400]
    return ""


def count_words(text: str) -> int:
    """What stands between spaces; where none do, half the letters."""
    return word_count(words(text)) if is_unspaced(text) else len(text.split())


def best_span(text: str, length: str, lexicon: Lexicon, random_source: random.Random) -> str:
    """Of 16 random spans the one that BM25 finds most telling of this passage (QExt).

    Where no spaces stand between words, spans are clauses, since any other would break off in a word.
    """
    low, high = SPAN_WORDS.get(length, (4, 16))
    counts = Counter(lexicon.split(text))
    total = sum(counts.values())
    weight = {term: lexicon.idf(term) * lexicon.saturate(count, total) for term, count in counts.items()}
    cut, pieces = (_clause_span, clauses(text)) if is_unspaced(text) else (_word_span, text.split())
    best, best_score = "", -1.0
    for _ in range(SPANS):
        span = cut(pieces, random_source.randint(low, high), random_source)
        score = math.fsum(weight.get(term, 0.0) for term in set(lexicon.split(span)))  # exact: sets have no order
        if score > best_score:
            best, best_score = span, score
    return best.strip(" ,;:|-–—，。、；：！？")


def _word_span(tokens: list[str], size: int, random_source: random.Random) -> str:
    size = min(size, len(tokens))
    start = random_source.randint(0, len(tokens) - size)
    return " ".join(tokens[start : start + size])


def _clause_span(pieces: list[str], size: int, random_source: random.Random) -> str:
    """Clauses from a random one on, as long as they have no more words than `size`; so many in any case that they say something."""
    start = stop = random_source.randrange(len(pieces))
    count = 0
    while stop < len(pieces):
        longer = word_count(words(join_clauses(pieces[start : stop + 1])))
        if count >= LEAST_CLAUSE and longer > size:
            break
        stop, count = stop + 1, longer
    return join_clauses(pieces[start:stop])


def _crop(text: str, random_source: random.Random) -> str:
    """A contiguous 5 to 50 % of the passage with every tenth word deleted at random; without spaces it stays whole."""
    share = random_source.uniform(*CROP_SHARE)
    if is_unspaced(text):
        size = round(share * word_count(words(text)))
        return _clause_span(clauses(text), min(max(size, CROP_WORDS[0]), CROP_WORDS[1]), random_source)
    tokens = text.split()
    size = min(max(round(share * len(tokens)), CROP_WORDS[0]), CROP_WORDS[1], len(tokens))
    start = random_source.randint(0, len(tokens) - size)
    cropped = tokens[start : start + size]
    kept = [token for token in cropped if random_source.random() >= DELETED]
    return " ".join(kept or cropped)


def _cloze(text: str, language: str, random_source: random.Random) -> ClozeQuery | None:
    """A sentence as the query; in nine of ten cases it leaves the passage (inverse cloze)."""
    sentences = [s for s in get_sentence_boundaries(language, text) if s["text"].strip()]
    whole = [s for s in sentences if 4 <= count_words(s["text"]) <= CROP_WORDS[1]]
    if len(sentences) < 3 or not whole:
        return None
    chosen = random_source.choice(whole)
    before, after = text[: chosen["start_index"]].rstrip(), text[chosen["end_index"] :].lstrip()
    gap = "\n" if "\n" in chosen["text"].strip(" ") else " "
    joined = join_clauses([before, after]) if gap == " " and before and is_unspaced(text) else f"{before}{gap}{after}"
    rest = text if random_source.random() < DELETED else joined.strip()
    return ClozeQuery(query=" ".join(chosen["text"].split())[:400], rest=rest) if rest else None
