"""Pairs out of chat logs: what a user says, and what the assistant replies (Conan-Embedding's dialogue pairs)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from synth.errors import DocumentError
from synth.gates.sensitive import Sensitive
from synth.imports.sources import Rows
from synth.imports.writer import Draft, Text, VersionWriter
from synth.pairs.read import ID, first_of
from synth.text import hash64, normalise, word_count, words
from synth.translation import other_language

INSTRUCTION = "Given what a user says, retrieve the assistant's reply"
IN_CONTEXT = "Given a conversation, retrieve the assistant's reply to what was said last"
LEAST_WORDS = 3
"""Of a reply, and of what it replies to: shorter ones, such as "thanks" and "go on", fit anywhere."""
_LETTERS = 40
"""From so many on it is told whether a turn is in another language."""

_FIELDS = ("messages", "conversations", "conversation")
_USER, _ASSISTANT = {"user", "human", "prompter"}, {"assistant", "gpt", "chatgpt", "model", "bot"}


@dataclass(frozen=True)
class ChatFields:
    """How chat logs are read."""

    history: int = 0
    """So many earlier turns of both sides stand before what the user says, where there are any."""
    sensitive: Literal["flag", "mask", "drop"] = "mask"
    """What happens to personal and secret data, before anything is stored."""


class _Turn(NamedTuple):
    who: Literal["user", "assistant"]
    text: str


class _Exchange(NamedTuple):
    """What the user said, what was said before, and the reply; '' where there is none."""

    number: int
    said: str
    before: Sequence[_Turn]
    reply: str
    reason: str


def add_conversations(rows: Rows, fields: ChatFields, writer: VersionWriter) -> None:
    """A record for each user turn with the reply to it. Raises DocumentError where the first row is no conversation."""
    flags = fields.sensitive == "flag"
    gate = Sensitive(Sensitive.Settings(action="flag" if flags else "mask"))  # what is dropped stays among the rejects
    first = True
    for where, split, row in rows:
        turns = _turns_of(_listed(row, where, needed=first))
        first = False
        exchanges = list(_exchanges(turns, fields.history))
        if not exchanges:
            writer.drop(where, "no_turns" if not turns else "no_user_turn")
            continue
        writer.keep()
        source = str(first_of(row, ID) or "")
        group = f"conversation:{source or format(hash64(where), '016x')}"
        drafts = [_read(each, gate, group, fields, writer.language) for each in exchanges]
        replies = [text for draft, reason, _ in drafts if not reason for text in draft.positives]
        for draft, reason, detail in drafts:
            attributes = {"source_id": source or where, **draft.attributes}
            whole = Draft(where, split, draft.query, draft.positives, (), replies, attributes, draft.instruction)
            if reason:
                writer.reject(whole, reason, detail=detail)
            else:
                writer.add(whole)


def _listed(row: Mapping[str, Any], where: str, *, needed: bool) -> Any:
    """What stands in the field of the turns; DocumentError where a first row has none."""
    for name in row:
        if name.lower() in _FIELDS:
            return row[name]
    if not needed:
        return None
    raise DocumentError(
        f"{where} is no conversation: give messages: [{{role, content}}] or conversations: [{{from, value}}] with turns of a user and an assistant; it has {', '.join(row)}"
    )


def _turns_of(value: Any) -> list[_Turn]:
    """The turns of user and assistant; what a system or a tool says is left out."""
    turns: list[_Turn] = []
    for each in value if isinstance(value, list) else ():
        if not isinstance(each, dict):
            continue
        who = str(each.get("role") or each.get("from") or "").lower()
        content = each.get("content", each.get("value"))
        if who in _USER:
            turns.append(_Turn("user", _text_of(content)))
        elif who in _ASSISTANT:
            turns.append(_Turn("assistant", _text_of(content)))
    return turns


def _text_of(content: Any) -> str:
    """Text, also of a message in parts; a picture or a call of a tool has none."""
    if isinstance(content, list):
        parts = (each.get("text") for each in content if isinstance(each, dict))
        return "\n".join(part for part in parts if isinstance(part, str)).strip()
    return content.strip() if isinstance(content, str) else ""


def _exchanges(turns: Sequence[_Turn], history: int) -> Iterator[_Exchange]:
    number = 0
    for place, turn in enumerate(turns):
        if turn.who != "user":
            continue
        number += 1
        after = turns[place + 1] if place + 1 < len(turns) else None
        reply = after.text if after is not None and after.who == "assistant" else None
        before = turns[max(place - history, 0) : place] if history else ()
        yield _Exchange(number, turn.text, before, reply or "", "unanswered" if reply is None else "")


def _read(
    exchange: _Exchange, gate: Sensitive, group: str, fields: ChatFields, language: str
) -> tuple[Draft, str, str]:
    """The draft, and why it is no record."""
    said, reply = gate.clean(exchange.said), gate.clean(exchange.reply)
    before = [_Turn(turn.who, gate.clean(turn.text)) for turn in exchange.before]
    query = "\n".join([*(_line(turn) for turn in before), _line(_Turn("user", said))]) if before else said
    (_, in_query), (_, in_reply) = gate.clean_passage(query), gate.clean_passage(reply)
    kinds = sorted({*in_query, *in_reply})
    attributes = {"turn": str(exchange.number)} | ({"sensitive": ",".join(kinds)} if kinds else {})
    draft = Draft(
        "",
        "train",
        query,
        [Text(reply, group=group)] if reply else [],
        attributes=attributes | ({"last_turn": said} if before else {}),
        instruction=IN_CONTEXT if before else INSTRUCTION,
    )
    reason, detail = exchange.reason, ""
    if not reason:
        reason, detail = _fault(said, reply, language)
    if not reason and kinds and fields.sensitive == "drop":
        reason, detail = "sensitive", ",".join(kinds)
    return draft, reason, f"turn {exchange.number}{': ' if detail else ''}{detail}"


def _fault(said: str, reply: str, language: str) -> tuple[str, str]:
    """What Jina's curation of pairs drops (arXiv 2307.11224): nothing there, the same twice, too short, another language."""
    if not said or not reply:
        return "empty", "no text on one side"
    if normalise(said) == normalise(reply):
        return "same_text", "the reply is what the user said"
    for text in (said, reply):
        if (count := word_count(words(text))) < LEAST_WORDS:
            return "too_short", f"{count} words, at least {LEAST_WORDS}"
        if found := other_language(text, language, _LETTERS):
            return "wrong_language", found
    return "", ""


def _line(turn: _Turn) -> str:
    """As `conversational-query` writes a turn."""
    return f"{turn.who.capitalize()}: {' '.join(turn.text.split())}"
