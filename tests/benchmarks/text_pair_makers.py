"""Faults planted in text pairs: each takes a right pair, a random source and all pairs of its task.

Returns the pair with the fault, or None where it has no place for it.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Sequence

from schemas.record import Pair

Maker = Callable[[Pair, random.Random, Sequence[Pair]], Pair | None]

_CLAUSE = re.compile(r"(?<=[,，。.।;；])\s*(?=\S)")
_DENIALS = {
    "de": (" nicht", " nichts", " niemand", " kein"),
    "fr": (" pas", " rien", " personne"),
    "zh": ("没有", "不得", "不", "请勿"),
    "hi": (" नहीं", " न "),
    "en": (" not", " nothing", " nobody"),
}


def with_positive(record: Pair, text: str) -> Pair:
    return record.model_copy(update={"positive": record.positive.model_copy(update={"text": text})})


def with_negative(record: Pair, text: str) -> Pair:
    """The last of the negatives is another."""
    return record.model_copy(update={"written": [*record.written[:-1], text]})


def disguised(text: str, source: random.Random) -> str:
    """The same text in other case or spaces."""
    return source.choice([str.upper, str.lower, lambda each: each.replace(" ", "  "), lambda each: f" {each} "])(text)


def copied(record: Pair, source: random.Random, _: Sequence[Pair]) -> Pair:
    return with_positive(record, disguised(record.query, source))


def repeated(record: Pair, source: random.Random, _: Sequence[Pair]) -> Pair:
    return with_negative(record, disguised(record.positive.text, source))


def query_again(record: Pair, source: random.Random, _: Sequence[Pair]) -> Pair:
    return with_negative(record, disguised(record.query, source))


def shuffled(record: Pair, source: random.Random, _: Sequence[Pair]) -> Pair | None:
    """The negative is the positive in another order of words."""
    words = record.positive.text.rstrip(".").split()
    other = source.sample(words, len(words))
    return with_negative(record, " ".join(other)) if other != words else None


def new_number(record: Pair, source: random.Random, _: Sequence[Pair]) -> Pair | None:
    """One figure of a number of two or more is another, not the first."""
    found = list(re.finditer(r"\d[\d.,]*\d|\d{2,}", record.positive.text))
    if not found:
        return None
    place = source.choice(found)
    digits = list(place[0])
    at = source.choice([n for n, each in enumerate(digits) if each.isdigit() and n > 0])
    digits[at] = str((int(digits[at]) + source.randint(1, 9)) % 10)
    text = record.positive.text
    return with_positive(record, text[: place.start()] + "".join(digits) + text[place.end() :])


def other_meaning(record: Pair, source: random.Random, _: Sequence[Pair]) -> Pair:
    """Positive and negative change places: the positive means something else, the negative the same."""
    return with_negative(with_positive(record, record.written[-1]), record.positive.text)


def in_truth_positive(record: Pair, source: random.Random, records: Sequence[Pair]) -> Pair | None:
    """The negative is a right answer in other words: another member of the cluster, or the text without its articles."""
    theme = {each.name: each.value for each in record.attributes}.get("theme")
    if theme is not None:
        others = [
            other.positive.text
            for other in records
            if {each.name: each.value for each in other.attributes}.get("theme") == theme and other is not record
        ]
        return with_negative(record, source.choice(others)) if others else None
    text = re.sub(r"\b(?:the|a|an|that|very)\s", "", record.query, flags=re.IGNORECASE)
    return with_negative(record, text) if text != record.query else None


def quoted(record: Pair, source: random.Random, _: Sequence[Pair]) -> Pair:
    """The label is one to four words of the text."""
    words = record.query.split()
    size = min(source.randint(1, 4), len(words))
    start = source.randint(0, len(words) - size)
    return with_positive(record, " ".join(words[start : start + size]))


def long_label(record: Pair, source: random.Random, records: Sequence[Pair]) -> Pair | None:
    """One of the labels is a whole message."""
    others = [each.query for each in records if len(each.query.split()) > 10]
    made = with_positive if source.random() < 0.5 else with_negative
    return made(record, source.choice(others))


def edited(record: Pair, source: random.Random, _: Sequence[Pair]) -> Pair | None:
    """The positive is the text with every tenth word left out."""
    words = record.query.split()
    kept = [word for n, word in enumerate(words) if n % 10 != 4]
    return with_positive(record, " ".join(kept)) if len(words) >= 10 else None


def one_theme(record: Pair, _: random.Random, __: Sequence[Pair]) -> Pair:
    theme = record.attributes[0]
    return record.model_copy(update={"attributes": [theme, theme.model_copy(update={"name": "other_theme"})]})


def easy(record: Pair, source: random.Random, records: Sequence[Pair]) -> Pair | None:
    """The positive is the text but for a word, the negative another text."""
    words = record.query.split()
    if len(words) < 5:
        return None
    place = source.randrange(len(words))
    other = source.choice([each for each in records if each.query != record.query])
    return with_negative(with_positive(record, " ".join(words[:place] + words[place + 1 :])), other.query)


def nearer(record: Pair, source: random.Random, _: Sequence[Pair]) -> Pair | None:
    """The positive is the text but for a word, the negative but for two."""
    words = record.query.split()
    if len(words) < 8:
        return None
    one, two = sorted(source.sample(range(len(words)), 2))
    edit = [*words[:one], "voucher", *words[one + 1 : two], "tomorrow", *words[two + 1 :]]
    return with_negative(with_positive(record, " ".join(words[:one] + words[one + 1 :])), " ".join(edit))


def rewritten(record: Pair, source: random.Random, records: Sequence[Pair]) -> Pair:
    """What should be an edit is a request of its own."""
    other = source.choice([each for each in records if each.query != record.query])
    return with_negative(record, other.positive.text)


def untranslated(record: Pair, _: random.Random, __: Sequence[Pair]) -> Pair:
    return with_positive(record, record.query)


def third_language(record: Pair, source: random.Random, records: Sequence[Pair]) -> Pair:
    """A translation of the same text, into another language than was asked for."""
    others = [each for each in records if each.query == record.query and each.positive.text != record.positive.text]
    return with_positive(record, source.choice(others).positive.text)


def cut(least: float, most: float) -> Maker:
    """A clause that makes up such a share of the translation is left out."""

    def maker(record: Pair, source: random.Random, _: Sequence[Pair]) -> Pair | None:
        text = record.positive.text
        parts = _CLAUSE.split(text)
        space = " " if " " in text else ""
        shorter = [space.join([*parts[:n], *parts[n + 1 :]]) for n in range(len(parts)) if len(parts) > 1]
        found = [each for each in shorter if least <= 1 - len(each) / len(text) < most]
        return with_positive(record, source.choice(found)) if found else None

    return maker


def left_over(record: Pair, source: random.Random, _: Sequence[Pair]) -> Pair | None:
    """The last clause stays in the language of the source."""
    ours, theirs = _CLAUSE.split(record.query), _CLAUSE.split(record.positive.text)
    if len(ours) < 2 or len(theirs) < 2 or len(ours[-1]) < (8 if " " not in ours[-1] else 25):
        return None
    space = " " if " " in record.positive.text else ""
    return with_positive(record, space.join([*theirs[:-1], ours[-1]]))


def added(record: Pair, source: random.Random, records: Sequence[Pair]) -> Pair:
    """Another sentence in the target language stands behind."""
    others = [
        each.positive.text
        for each in records
        if each.attributes[1] == record.attributes[1] and each.positive.text != record.positive.text
    ]
    return with_positive(record, f"{record.positive.text} {source.choice(others)}")


def no_question(record: Pair, _: random.Random, __: Sequence[Pair]) -> Pair | None:
    text = record.positive.text
    return with_positive(record, re.sub(r"\s?[?？]$", ".", text)) if text[-1] in "?？" else None


def not_denied(record: Pair, _: random.Random, __: Sequence[Pair]) -> Pair | None:
    """A word of negation is left out."""
    text, language = record.positive.text, record.attributes[1].value
    found = next((each for each in _DENIALS[language] if each in text), None)
    return with_positive(record, text.replace(found, " " if found.endswith(" ") else "", 1)) if found else None


def other_name(record: Pair, _: random.Random, __: Sequence[Pair]) -> Pair | None:
    """A city is another."""
    text = record.positive.text
    for name, other in (("Lyon", "Lille"), ("Chicago", "Boston"), ("里昂", "里尔"), ("芝加哥", "波士顿"), ("ल्योन", "लील"), ("शिकागो", "बोस्टन")):  # fmt: skip
        if name in text:
            return with_positive(record, text.replace(name, other))
    return None


FAULTS: dict[tuple[str, str], Maker] = {
    ("semantic-similarity", "the positive is the text"): copied,
    ("semantic-similarity", "the negative is the positive"): repeated,
    ("semantic-similarity", "the negative is the text"): query_again,
    ("semantic-similarity", "the negative is the positive shuffled"): shuffled,
    ("semantic-similarity", "a number of the positive is another"): new_number,
    ("semantic-similarity", "the negative is in truth positive (judge)"): in_truth_positive,
    ("semantic-similarity", "positive and negative change places (judge)"): other_meaning,
    ("classification", "the label is quoted from the text"): quoted,
    ("classification", "a label is a whole text"): long_label,
    ("classification", "a negative is the label"): repeated,
    ("classification", "the label contradicts the text (judge)"): other_meaning,
    ("clustering", "the positive is the text, edited"): edited,
    ("clustering", "both clusters have one theme"): one_theme,
    ("clustering", "the negative is the positive"): repeated,
    ("clustering", "the negative is of the same theme (judge)"): in_truth_positive,
    ("negation-pair", "words tell the positive"): easy,
    ("negation-pair", "the negative is the positive"): repeated,
    ("negation-pair", "positive and negative change places (judge)"): other_meaning,
    ("minimal-edit", "words tell the positive"): nearer,
    ("minimal-edit", "the edit is a request of its own"): rewritten,
    ("minimal-edit", "the negative is the positive"): repeated,
    ("bitext", "the text is not translated"): untranslated,
    ("bitext", "a third language"): third_language,
    ("bitext", "a clause is left in the source's language"): left_over,
    ("bitext", "a number is another"): new_number,
    ("bitext", "a question is none any more"): no_question,
    ("bitext", "a sentence too many"): added,
    ("bitext", "a clause of 40 % or more is missing"): cut(0.4, 1.0),
    ("bitext", "a clause of 30 to 40 % is missing (judge)"): cut(0.3, 0.4),
    ("bitext", "a shorter clause is missing (judge)"): cut(0.0, 0.3),
    ("bitext", "a name is another (judge)"): other_name,
    ("bitext", "a negation is lost (judge)"): not_denied,
}
