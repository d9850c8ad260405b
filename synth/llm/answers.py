"""What a server's reply means, and whether the answer in it is what was asked for.

A server enforces the schema; everything is checked again here, since a grammar can't stop an
answer that is cut off, empty, in another language or a copy of the instructions.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import orjson
from pydantic import BaseModel, ValidationError

from synth.language import as_found, identify, known_languages, named, primary
from synth.llm.journal import Said
from synth.prompts import Message
from synth.scripts import count_letters, is_foreign, scripts_of
from synth.tasks import Failure
from synth.text import normalise, words
from synth.vocabulary import SURELY_ENGLISH, english_share

_THOUGHT = re.compile(r"\A\s*(?:<think(?:ing)?>)?.*?</think(?:ing)?>\s*", re.DOTALL | re.IGNORECASE)
_FENCE = re.compile(r"\A\s*```(?:json)?\s*(.*?)\s*```\s*\Z", re.DOTALL)
_CONTROL = re.compile(r"[\x00-\x1f]+")
_HIGH, _LOW = r"\\u[dD][89abAB][0-9a-fA-F]{2}", r"\\u[dD][c-fC-F][0-9a-fA-F]{2}"
_HALF_CHARACTER = re.compile(f"{_HIGH}(?!{_LOW})|(?<!{_HIGH}){_LOW}")
_REFUSAL = re.compile(
    r"\b(?:i'?m sorry|i am sorry|i apologi[sz]e|i can(?:no|')t (?:help|assist|answer|comply|provide|fulfil+|create|write|generate)"
    r"|i(?: am|'m) (?:unable|not able) to|as an ai\b|i must decline)",
    re.IGNORECASE,
)
_PLACEHOLDER = re.compile(
    r"[\s.…_\-<>\[\]\"'?]*|<[^<>]{1,40}>|(?:your|the) (?:query|answer|text)(?: here)?", re.IGNORECASE
)
_BLANK_TAIL = 24
"""So much white space at the end of a cut-off answer is a grammar spinning."""
_ECHO_WORDS = 5
"""An answer of so many words that stands in the instructions was copied from there."""
_SURE_OF_LANGUAGE = 0.95
_LANGUAGE_LETTERS = 40


@dataclass(frozen=True, slots=True)
class Completion:
    """The one choice of a chat completion, or a score as JSON."""

    content: str
    finish_reason: str
    """The server's own word, or `scored`."""
    prompt_tokens: int
    completion_tokens: int


@dataclass(frozen=True, slots=True)
class Bad:
    """A reply without a completion. `is_final` when the same request will never be taken."""

    reason: str
    detail: str
    is_final: bool = False


SCORED = "scored"
"""How an answer ended that is not text but `{"probability": …}` of the first of two words."""


def read_completion(status: int, payload: bytes) -> Completion | Bad:
    """Read a reply to POST /v1/chat/completions, or to /generative_scoring of one item."""
    if status != 200:
        return _read_error(status, payload)
    try:
        reply = orjson.loads(payload)
        if "data" in reply:
            return _read_score(reply)
        choice = reply["choices"][0]
        message, usage = choice["message"], reply.get("usage") or {}
        content = message.get("content") or ""
        if not content and message.get("refusal"):
            return Completion(str(message["refusal"]), "refusal", *_tokens(usage))
        return Completion(content, str(choice.get("finish_reason") or "stop"), *_tokens(usage))
    except (orjson.JSONDecodeError, KeyError, IndexError, TypeError, AttributeError) as error:
        return Bad("bad_reply", f"not a chat completion: {error!r}")


def _read_score(reply: dict[str, Any]) -> Completion | Bad:
    score = reply["data"][0]["score"]
    if isinstance(score, bool) or not isinstance(score, int | float) or not 0.0 <= score <= 1.0:
        return Bad("bad_reply", f"not a probability: {str(score)[:100]}")
    content = orjson.dumps({"probability": score}).decode()
    return Completion(content, SCORED, *_tokens(reply.get("usage") or {}))


def _tokens(usage: dict[str, Any]) -> tuple[int, int]:
    return int(usage.get("prompt_tokens") or 0), int(usage.get("completion_tokens") or 0)


def _read_error(status: int, payload: bytes) -> Bad:
    said = _message(payload)
    detail = f"HTTP {status}: {said}" if said else f"HTTP {status}"
    if status in (429, 503):
        return Bad("overloaded", detail)
    if status >= 500 or status == 408:
        return Bad(f"http_{status}", detail)
    too_long = "context length" in said or "max_model_len" in said
    return Bad("too_long" if too_long else f"http_{status}", detail, is_final=True)


def _message(payload: bytes) -> str:
    try:
        error = orjson.loads(payload)
        said = error.get("error", error) if isinstance(error, dict) else error
        text = said.get("message", said) if isinstance(said, dict) else said
    except orjson.JSONDecodeError:
        text = payload[:300].decode("utf-8", "replace")
    return " ".join(str(text).split())[:300]


def without_thoughts(content: str) -> str:
    """What a model says after it has thought."""
    return _THOUGHT.sub("", content, count=1) if "</think" in content else content


@dataclass(frozen=True, slots=True)
class Fault:
    """Why an answer can't be used, and what to tell the model so that it mends it; '' where it can't."""

    failure: Failure
    advice: str = ""


def check_answer(said: Said, output: type[BaseModel], instructions: Sequence[Message], language: str) -> Any | Fault:
    """The answer as an instance of `output`, or its fault.

    `instructions` is what no answer may repeat; `language` is what its text must be in.
    """
    if said.finish_reason.startswith("refused:"):
        return Fault(Failure(said.finish_reason.removeprefix("refused:"), said.content))
    if said.finish_reason in ("refusal", "content_filter"):
        return Fault(Failure("refusal", said.content[:200]))
    content = without_thoughts(said.content)
    if said.finish_reason == "length":
        return _cut_off(content, said.completion_tokens)
    if not content.strip():
        return Fault(Failure("empty", "the answer has no text"), "Your answer was empty.")
    try:
        return _check_text(output.model_validate_json(content), instructions, language)
    except ValidationError as error:
        salvaged = _salvage(content, output)
        return _check_text(salvaged, instructions, language) if salvaged else _invalid(content, error)


def _cut_off(content: str, tokens: int) -> Fault:
    stripped = content.rstrip()
    if len(content) - len(stripped) >= _BLANK_TAIL:
        return Fault(
            Failure("whitespace_loop", f"{len(content) - len(stripped)} blank characters at the end"),
            "Your answer never ended. Answer with compact JSON, no line breaks or spaces between its parts.",
        )
    return Fault(
        Failure("truncated", f"cut off after {tokens} tokens"),
        "Your answer was too long and was cut off. Answer briefly.",
    )


def _salvage(content: str, output: type[BaseModel]) -> BaseModel | None:
    """JSON in a code fence, as models without a grammar write it, or with what a grammar lets through: raw control characters, escaped halves of a character."""
    fenced = _FENCE.match(content)
    plain = _HALF_CHARACTER.sub(" ", _CONTROL.sub(" ", fenced[1] if fenced else content))
    if plain == content:
        return None
    try:
        return output.model_validate_json(plain)
    except ValidationError:
        return None


def _invalid(content: str, error: ValidationError) -> Fault:
    if not content.lstrip().startswith(("{", "[")) and _REFUSAL.search(content[:200]):
        return Fault(Failure("refusal", content[:200]))
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    where = ".".join(map(str, first["loc"]))
    message = f"{where}: {first['msg']}" if where else first["msg"]
    reason = "invalid_json" if first["type"] == "json_invalid" else "invalid_answer"
    return Fault(Failure(reason, message), f"Your answer is not what was asked for: {message}.")


def _check_text(value: BaseModel, instructions: Sequence[Message], language: str) -> Any | Fault:
    texts = list(_strings(value))
    if not texts:
        return value  # numbers and choices alone
    text = " ".join(texts)
    if _PLACEHOLDER.fullmatch(text):
        return Fault(Failure("empty", "only a placeholder"), "Your answer has no text. Write real text.")
    if _REFUSAL.match(text.lstrip()):
        return Fault(Failure("refusal", text[:200]))
    wanted = normalise(text)
    if wanted.count(" ") >= _ECHO_WORDS - 1 and any(wanted in _normal(m.content) for m in instructions):
        return Fault(Failure("echo", text[:200]), "You repeated the instructions. Write the answer itself.")
    if as_found(language) in known_languages() and not _is_plainly(language, text):
        found = _other_language(text, as_found(language))
        if found:
            return Fault(
                Failure("wrong_language", f"{found} instead of {language}"),
                f"Answer in {named(language)}.",
            )
    return value


def _other_language(text: str, language: str) -> str:
    """What a text is in, where it surely is not in `language`; else ''."""
    found = identify(text, _LANGUAGE_LETTERS)
    if found is not None and found.probability >= _SURE_OF_LANGUAGE:
        return "" if found.language == language else found.language
    return "another script" if is_foreign(count_letters(text), scripts_of(language)) else ""


def _is_plainly(language: str, text: str) -> bool:
    """Whether the words tell that the language is right, which they do sooner than the identifier."""
    return primary(language) == "en" and english_share(words(text)) >= SURELY_ENGLISH


def _strings(value: Any) -> Iterator[str]:
    """Every text in an answer, in order."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, BaseModel):
        for name in type(value).model_fields:
            yield from _strings(getattr(value, name))
    elif isinstance(value, list | tuple):
        for element in value:
            yield from _strings(element)


@lru_cache(maxsize=64)
def _normal(text: str) -> str:
    return normalise(text)
