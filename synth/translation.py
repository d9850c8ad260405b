"""What a machine can see of a wrong translation: its language, numbers, marks, length, and what was left as it stood.

A name, a negation or a clause of a few words it can't see: they are left to a judge.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

from sentencex import get_sentence_boundaries

from synth.language import identify, primary
from synth.numbers import figures, times
from synth.text import UNSPACED_RUN

SHORTEST, LONGEST = -3.0, 3.5
"""Bounds of `surprise`; docs/measurements.md has what lies outside."""
SHORTEST_OF_FEWER = -2.0
"""Where the translation has fewer sentences than its source."""
_SURE = 0.8
"""Probability from which a language is told."""
_WORDS_LEFT, _CHARACTERS_LEFT = 4, 8
"""So many words, or characters of a script without spaces, in a row are left untranslated."""
_SPELT = 12
"""Up to here a number may be written as a word, or be the name of a month."""
_OWN_FIGURES = 3
"""A number of so many significant figures is seldom written as words."""

_ROMAN = re.compile(r"\b[IVXL]{2,6}(?=e\b|\b)")
_WORTH = {"I": 1, "V": 5, "X": 10, "L": 50}

_KANA = re.compile("[\u3040-\u30ff]")
_HAN = re.compile("[\u3400-\u9fff\uf900-\ufaff]")
_DEVANAGARI = re.compile("[\u0900-\u0963\u0970-\u097f]")
_LATIN = re.compile("[A-Za-z\u00aa-\u024f\u1e00-\u1eff]")
_MEASURED = re.compile("[A-Za-z\u00aa-\u024f\u1e00-\u1eff\u0900-\u097f\u3400-\u9fff\uf900-\ufaff]")
_IN_HAN, _IN_DEVANAGARI = 3.14, 1.15
"""Latin letters that a character is worth."""
_VERBOSITY = {"en": 1.0, "de": 1.16, "fr": 1.14, "zh": 1.1, "hi": 1.09}
"""How much longer than in English a text is, in Latin letters; measured on tests/data/parallel.jsonl."""
_USUAL_VERBOSITY = 1.1
_FOREIGN = 0.1
"""Share of letters of other scripts from which a length says nothing."""

_QUESTION, _BRACKET = re.compile("[?？؟]"), re.compile("[(（【［〔]")
_QUOTE, _ANY_QUOTE = re.compile('[«»„“”"「」『』＂]'), re.compile("[«»„“”\"「」『』＂‘’'《〈]")


def translation_fault(source: str, target: str, source_language: str, target_language: str) -> tuple[str, str]:
    """(reason, detail) of what is wrong with a translation; '' for nothing."""
    if detail := other_language(target, target_language):
        return "wrong_language", detail
    if detail := left_as_it_was(source, target):
        return "untranslated", detail
    if detail := lost_number(source, target):
        return "changed_number", detail
    if detail := lost_mark(source, target):
        return "lost_mark", detail
    return wrong_length(source, target, source_language, target_language)


def other_language(text: str, language: str, letters: int = 12) -> str:
    """`de instead of fr`, where the text has so many letters and that is sure; a Han character is worth three."""
    found = identify(text, 1) if _letters(text) >= letters else None
    if found is None or found.probability < _SURE or found.language == primary(language):
        return ""
    if found.language == "ja" and primary(language) == "zh" and not _KANA.search(text):
        return ""  # the identifier takes short Chinese for it
    return f"{found.language} instead of {language}"


def left_as_it_was(source: str, target: str) -> str:
    """A run of the source that stands in the target; words that are names by their capitals, and numbers, make none."""
    ours, theirs = _words(source), [word.casefold() for word in _words(target)]
    there = {tuple(run) for run in _runs(theirs, _WORDS_LEFT)}
    for run in _runs(ours, _WORDS_LEFT):
        plain = sum(word[0].isalpha() and not word[0].isupper() and len(word) > 1 for word in run)
        if plain > 1 and tuple(word.casefold() for word in run) in there:
            return " ".join(run)
    for found in UNSPACED_RUN.finditer(target):
        for start in range(found.start(), found.end() - _CHARACTERS_LEFT + 1):
            if target[start : start + _CHARACTERS_LEFT] in source:
                return target[start : start + _CHARACTERS_LEFT]
    return ""


def lost_number(source: str, target: str) -> str:
    """A number of one text that the other has not. 1.5 million, 15 lakh and 150万 are one: what counts is its figures."""
    ours, theirs = figures(source), figures(target)
    roman = {str(_value_of(found)) for found in _ROMAN.findall(target)}
    for number, value in ours.items():
        is_plain = value <= _SPELT or (len(number) == 1 and value > 99)
        if not is_plain and number not in theirs and str(value) not in roman:
            return f"{value} stands in the source alone"
    for number, value in theirs.items():
        if len(number) >= _OWN_FIGURES and number not in ours:
            return f"{value} stands in the translation alone"
    hours, others = times(source), times(target)
    if others and (lost := sorted(hours - others)):
        return f"{lost[0] // 60}:{lost[0] % 60:02} stands in the source alone"
    return ""


def lost_mark(source: str, target: str) -> str:
    """A question that is none any more or the other way round, brackets or quotation marks that are gone."""
    if bool(_QUESTION.search(source)) != bool(_QUESTION.search(target)):
        return "one of the two is a question"
    if _BRACKET.search(source) and not _BRACKET.search(target):
        return "the brackets are gone"
    if _QUOTE.search(source) and not _ANY_QUOTE.search(target):
        return "the quotation marks are gone"
    return ""


def wrong_length(source: str, target: str, source_language: str, target_language: str) -> tuple[str, str]:
    """`dropped_text` or `added_text`; nothing for scripts whose lengths were not measured."""
    ours, theirs = measure(source, source_language), measure(target, target_language)
    if not ours or not theirs:
        return "", ""
    found = surprise(ours, theirs)
    fewer = _sentences(target, target_language) < _sentences(source, source_language)
    told = f"{theirs / ours:.0%} of the length that the source lets expect"
    if found < (SHORTEST_OF_FEWER if fewer else SHORTEST):
        return "dropped_text", told
    return ("added_text", told) if found > LONGEST else ("", "")


def measure(text: str, language: str) -> float:
    """How long a text would be in English, in letters; 0 where nobody measured its script.

    Latin, Devanagari and Han are measured.
    """
    han, devanagari = len(_HAN.findall(text)), len(_DEVANAGARI.findall(text))
    latin, digits = len(_LATIN.findall(text)), sum(map(str.isdecimal, text))
    known = han + devanagari + latin
    foreign = sum(each.isalpha() and not _MEASURED.match(each) for each in text)
    if not known or foreign > _FOREIGN * known:
        return 0.0
    size = han * _IN_HAN + devanagari * _IN_DEVANAGARI + latin + digits
    return size / _VERBOSITY.get(primary(language), _USUAL_VERBOSITY)


def surprise(source: float, target: float) -> float:
    """How far two lengths lie apart, in units that grow with the root of the length (Gale and Church, 1993)."""
    return (target - source) / math.sqrt((source + target) / 2)


def _letters(text: str) -> int:
    return sum(map(str.isalpha, text)) + 2 * len(_HAN.findall(text))


def _sentences(text: str, language: str) -> int:
    return sum(bool(each["text"].strip()) for each in get_sentence_boundaries(primary(language), text))


def _words(text: str) -> list[str]:
    """Between spaces, so that vowel signs stay with their letters; without the marks around them."""
    found = (word.strip(_AROUND) for word in text.split())
    return [word for word in found if word]


_AROUND = ".,;:!?…()[]{}<>\"'«»„“”‘’–—-।،؛؟、。，；：！？（）「」"


def _runs(sequence: Sequence[str], size: int) -> list[Sequence[str]]:
    return [sequence[start : start + size] for start in range(len(sequence) - size + 1)]


def _value_of(roman: str) -> int:
    worth = [_WORTH[each] for each in roman]
    return sum(-own if own < after else own for own, after in zip(worth, [*worth[1:], 0], strict=True))
