"""Tokens that come from vocabularies and chat templates and that nobody writes (data/words/tokens.yaml)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import cache
from typing import Any

import yaml

from synth.language import identify, primary
from synth.resources import find_shipped
from synth.text import words
from synth.vocabulary import is_known

_MARKS = ("<", "[", "|>", "##", "@@", "madeup")
_MORE_MARKS = (*_MARKS, "▁", "Ġ", "Ċ", "ã", "âĢ", "ðŁ", "Âł")
"""Every special token holds one of these, of text in ASCII one of the first."""
_FORMS = r"""<[|｜][^<>|｜\n]{1,40}[|｜]>                    # <|im_start|>, DeepSeek's full-width bars
      | <\|(?:im|start|end|eot|eom|eos|bos|begin|fim|turn)\w*          # ... when its end is lost, or its beginning
      | (?<![\w<])\w*(?:im_(?:start|end|sep)|endoftext|eot_id|header_id)\|>
      | <0x[0-9A-F]{2}>                                               # SentencePiece's bytes
      | ▁+(?=[^\W_]) | (?<=\w)▁+                                      # ... and its spaces
      | (?<=[^\s"'(‘“«-])[ĠĊ] | [ĠĊ]\w+.*?\s[ĠĊ]\w                     # those of byte-level BPE, two where they begin words
      | âĢ | ã[ģĢĤĥ] | ðŁ | Âł                                        # ... and its quotes, kana, emoji, hard spaces
      | (?<=\S\s)\#\#[a-zà-öø-ÿ]+ | (?<=[^\W\d_])@@(?=\s|$)          # word pieces of BERT and of subword-nmt
      | ^\s*\#{2,}\s*(?:Instruction|Input|Response)\s*:                # headings of instruction templates"""
_BPE_WORD = re.compile(r"(?:^|(?<=\s))[ĠĊ]([a-z]{2,})\b")
_MALTESE = "mt"
_LETTERS = 20
"""Fewer do not tell in which language a text is."""


def special_tokens(text: str, language: str) -> Iterator[str]:
    """Special tokens in a text, in order.

    >>> list(special_tokens("what are net sales?</s>", "en"))
    ['</s>']
    """
    if any(map(text.__contains__, _MARKS if text.isascii() else _MORE_MARKS)):
        maltese = primary(language) == _MALTESE
        for found in _special().finditer(text):
            if not (maltese and found[0][0] in "ĠĊ"):
                yield found[0].strip()
        for found in () if maltese else _BPE_WORD.finditer(text):
            if is_known(found[1]):
                yield found[0]


def glitch_tokens(text: str, language: str) -> Iterator[str]:
    """Glitch tokens, and sticky words of a language that neither the record nor the text is in, in lower case."""
    found = words(text)
    if not _languages_of().keys().isdisjoint(found):
        own = {primary(language), *filter(None, [_identified(text)])}
        yield from (word for word in found if word in _languages_of() and _languages_of()[word] not in own)


def _identified(text: str) -> str:
    found = identify(text, _LETTERS)
    return found.language if found else ""


@cache
def _data() -> dict[str, Any]:
    read: dict[str, Any] = yaml.safe_load(find_shipped("data", "words", "tokens.yaml").read_text(encoding="utf-8"))
    return read


@cache
def _special() -> re.Pattern[str]:
    listed = f"(?i:{_listed(_data()['special'])}) | {_listed(_data()['special_as_written'])}"
    return re.compile(f"{_FORMS}\n | {listed}", re.VERBOSE)


def _listed(lines: Sequence[str]) -> str:
    tokens = [re.escape(token).replace(r"\#", r"\d+") for line in lines for token in line.split()]
    return "|".join(sorted(tokens, key=len, reverse=True))


@cache
def _languages_of() -> dict[str, str]:
    """Word -> the language it is a word of; '' for none."""
    glitches = {word: "" for line in _data()["glitch"] for word in line.split()}
    return glitches | {word: own for own, line in _data()["sticky"].items() for word in line.split()}
