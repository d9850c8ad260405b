"""sentences -> the same as a bad scan or a hasty writer has them, and the clean text that they stand for."""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar

from pydantic import BaseModel, Field

from schemas.base import Strict
from schemas.record import TEXT_PAIR, Pair
from synth.evidence import language_of
from synth.language import primary
from synth.lexicon import Lexicon
from synth.noise.keyboard import UNSPACED, mistype
from synth.noise.ocr import Misread, misread
from synth.numbers import numbers_of
from synth.tasks import Draft, Extracted, Failure, Outputs, PassageTask, TaskInput
from synth.text import words
from synth.text_pairs import REAL_TEXT, excerpt_of, same_words, sentences_of

__all__ = ["OcrNoise", "SpellingNoise"]

SENTENCES = 3
NEGATIVES = 2
_Text = Annotated[str, Field(min_length=1, max_length=1_200)]


class CleanTexts(Strict):
    """What the noisy text stands for, and clean texts that it does not stand for."""

    positive: _Text
    negatives: Annotated[list[_Text], Field(min_length=1, max_length=NEGATIVES)]


class _NoisyText(PassageTask):
    output: ClassVar[type[BaseModel]] = CleanTexts
    exempt: ClassVar[frozenset[str]] = REAL_TEXT | {"garbage", "language"}
    most_words: ClassVar[int] = 200
    rates: ClassVar[tuple[float, ...]]

    @classmethod
    def query(cls, task_input: TaskInput) -> str:
        """The real text, clean: one to three sentences of the passage."""
        return excerpt_of(task_input, SENTENCES)

    @classmethod
    def refuse(cls, task_input: TaskInput) -> Failure | None:
        return None if cls.query(task_input) else Failure("no_sentence", "there is no whole sentence to spoil")

    @classmethod
    def prompt_inputs(cls, task_input: TaskInput, outputs: Outputs) -> dict[str, Any]:
        return super().prompt_inputs(task_input, outputs) | {"text": cls.query(task_input)}

    @classmethod
    def extract(cls, task_input: TaskInput, lexicon: Lexicon, random_source: random.Random) -> Extracted | Failure:  # noqa: ARG003
        clean = cls.query(task_input)
        own = set(words(clean))
        others = [each for each in dict.fromkeys(sentences_of(task_input)) if each not in clean]
        others.sort(key=lambda each: (-len(own & set(words(each))), each))
        if not others:
            return Failure("lone_sentence", "the passage has no other sentence to be the negative")
        return Extracted(CleanTexts(positive=clean[:1_200], negatives=others[:NEGATIVES]), "extractive:noise")

    @classmethod
    def draft(cls, task_input: TaskInput, outputs: Outputs, method: str) -> Draft:
        made, clean = outputs[cls.name], cls.query(task_input)
        source = random.Random(f"{task_input.item.seed} noise")
        rate = source.choice(cls.rates)
        noisy = cls.spoil(clean, rate, language_of(task_input), source)
        said = {"clean": clean, "noise_rate": f"{rate:g}", "noise_errors": str(noisy.errors)}
        return Draft(
            noisy.text,
            " ".join(made.positive.split()),
            f"{method}{TEXT_PAIR}",
            instruction=cls.instruction,
            attributes=said | {"noise": ", ".join(noisy.kinds)},
            negatives=tuple(" ".join(text.split()) for text in made.negatives),
        )

    @classmethod
    def spoil(cls, text: str, rate: float, language: str, source: random.Random) -> Misread:
        """The text with noise of this rate."""
        raise NotImplementedError

    @classmethod
    def fault(cls, record: Pair) -> tuple[str, str]:
        """A number that the clean text has not; a negative that is the clean text again."""
        clean = next(each.value for each in record.attributes if each.name == "clean")
        wrong = _whole_numbers(record.query) - _whole_numbers(clean) or numbers_of(record.positive.text) - numbers_of(
            clean
        )
        if wrong:
            return "changed_number", f"{min(wrong)} does not stand in the clean text"
        if any(same_words(text, clean) for text in record.written):
            return "negative_is_positive", "the clean text again"
        return "", ""


def _whole_numbers(text: str) -> set[str]:
    return {number for token in text.split() if (number := token.strip(".,;:!?()%")).isdigit()}


class OcrNoise(_NoisyText):
    """One to three sentences as a bad scan has them, and the clean text; other sentences of the passage as negatives.

    Letters are taken for others that look alike (rn for m, 1 for l, f for ſ), accents and spaces are lost, words are cut
    at line ends, columns run together. `noise_rate` is the drawn share of characters with an error, `noise_errors`
    their number, `noise` their kinds, `clean` the text before. By rule the positive is the clean text itself; an LLM says
    it in other words and writes the negatives.
    """

    name: ClassVar[str] = "ocr-noise"
    prompt: ClassVar[str] = "ocr-noise"
    instruction: ClassVar[str] = "Given a text as a scan has it, retrieve the text that says the same"
    paper: ClassVar[str] = "historical Luxembourgish: noise stays in the source text; the errors are made by rule"
    rates: ClassVar[tuple[float, ...]] = (0.01, 0.02, 0.05, 0.1)
    example: ClassVar[Mapping[str, BaseModel]] = {
        "ocr-noise": CleanTexts(
            positive="The line runs out in June 2027, costs SONIA plus 1.75 % and caps net debt at 3.5 times EBITDA, as is checked twice a year.",
            negatives=[
                "The bonds run out in June 2027, cost 1.75 % and place no limit on net debt, which is told every June and December."
            ],
        )
    }

    @classmethod
    def spoil(cls, text: str, rate: float, language: str, source: random.Random) -> Misread:
        old_print, columns = source.random() < 1 / 8, source.random() < 1 / 8
        return misread(text, rate, language, source, old_print=old_print, columns=columns)


class SpellingNoise(_NoisyText):
    """One to three sentences with typing mistakes, and the clean text; other sentences of the passage as negatives.

    `noise_rate` is the drawn share of words with a mistake, `noise_errors` their number, `clean` the text before. By rule
    the positive is the clean text itself; an LLM says it in other words and writes the negatives. Languages that are
    written without spaces fail as `no_mistakes`.
    """

    name: ClassVar[str] = "spelling-noise"
    prompt: ClassVar[str] = "spelling-noise"
    instruction: ClassVar[str] = "Given a text with spelling mistakes, retrieve the text that says the same"
    paper: ClassVar[str] = "ours: a clean sentence and its misspelt view as a pair; the mistakes are made by rule"
    rates: ClassVar[tuple[float, ...]] = (0.05, 0.1, 0.2, 0.4)
    example: ClassVar[Mapping[str, BaseModel]] = {
        "spelling-noise": CleanTexts(
            positive="The line runs out in June 2027, costs SONIA plus 1.75 % and caps net debt at 3.5 times EBITDA, as is checked twice a year.",
            negatives=[
                "The bonds run out in June 2027, cost 1.75 % and place no limit on net debt, which is told every June and December."
            ],
        )
    }

    @classmethod
    def refuse(cls, task_input: TaskInput) -> Failure | None:
        language = language_of(task_input)
        if primary(language) in UNSPACED:
            return Failure("no_mistakes", f"{language} is written without spaces, and its mistakes are others")
        return super().refuse(task_input)

    @classmethod
    def spoil(cls, text: str, rate: float, language: str, source: random.Random) -> Misread:
        noisy, errors = mistype(text, rate, source, language)
        return Misread(noisy, errors, ("typing",) if errors else ())
