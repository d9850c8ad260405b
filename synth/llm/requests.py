"""One request to a chat server: its bytes, its key, and what came of it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import orjson

from schemas.recipe import SamplingSettings
from synth.llm.journal import Said
from synth.prompts import Message


@dataclass(slots=True, frozen=True)
class Scorable:
    """The question of a request once more, for a server that scores how likely each of two words is as the answer."""

    conversation: bytes
    """Body of POST /tokenize, for the tokens of the chat up to where the answer begins."""
    labels: tuple[str, str]
    """The answers; the score is that of the first."""


@dataclass(slots=True, eq=False)
class Request:
    """A chat completion to ask for.

    `group` names the prompt prefix it shares with others: those go to the same server.
    `urgent` requests belong to an item that was begun and go before new ones.
    """

    key: bytes
    position: int
    kind: str
    model: str
    body: bytes
    group: int
    urgent: bool = False
    scorable: Scorable | None = None
    """Where a server that can should score the answer; `body` is for the others."""
    reserve: int = 0
    """Requests that its item may need after it: a budget keeps room for them until the asker settles."""
    tries: int = 0
    overloads: int = 0
    """Times a server was too busy to take it."""
    was_sent: bool = False
    """A budget counts it once, however often it is tried."""
    context: Any = None
    """Whatever the asker wants to find in the reply."""


@dataclass(slots=True, frozen=True)
class Reply:
    """A request and what came of it: an answer that is on disk, or why there is none."""

    request: Request
    said: Said | None
    reason: str = ""
    """`http_500`, `timeout`, `connection` … after the last try; `unasked` when the budget was spent."""
    detail: str = ""


_TEMPLATE = "chat_template_kwargs"


class Body:
    """Builds the bodies of requests to one model that share a schema and sampling."""

    def __init__(self, model: str, schema: Mapping[str, Any], sampling: SamplingSettings) -> None:
        self._model = model
        wanted = {"type": "json_schema", "json_schema": {"name": "answer", "schema": schema, "strict": True}}
        self._fixed = {
            "response_format": orjson.Fragment(orjson.dumps(wanted)),
            "max_completion_tokens": sampling.max_tokens,
            "temperature": sampling.temperature,
            "top_p": sampling.top_p,
        }
        if not sampling.thinking:
            self._fixed[_TEMPLATE] = {"enable_thinking": False}

        self._start = orjson.dumps({"model": model})[:-1] + b',"messages":['
        self._end = b"]," + orjson.dumps(self._fixed)[1:]

    def of(self, messages: Sequence[Message]) -> bytes:
        """The same bytes for the same messages, always."""
        return b"".join([self._start, b",".join(map(_encode, messages)), self._end])

    def scorable(self, messages: Sequence[Message], labels: tuple[str, str]) -> Scorable:
        """The same for a server that scores two answers; sampling and schema have no part in that."""
        template = {name: value for name, value in self._fixed.items() if name == _TEMPLATE}
        wanted = {"model": self._model, "messages": _plain(messages), "add_generation_prompt": True, **template}
        return Scorable(orjson.dumps(wanted), labels)


def _encode(message: Message) -> bytes:
    return b'{"role":"%b","content":"%b%b"}' % (message.role.encode(), _inside(message.head), _escape(message.tail))


def _escape(text: str) -> bytes:
    """A text as it stands between the quotation marks of JSON."""
    return orjson.dumps(text)[1:-1]


_inside = lru_cache(maxsize=64)(_escape)


def _plain(messages: Sequence[Message]) -> list[dict[str, str]]:
    return [{"role": message.role, "content": message.content} for message in messages]


def request_key(body: bytes, draw: str, attempt: int, scorable: Scorable | None = None) -> bytes:
    """16 bytes of everything that determines an answer; `draw` tells equal prompts of two items apart."""
    whole = hashlib.sha256(body)
    if scorable is not None:
        whole.update(b"\x1f%b\x1f%b" % (scorable.conversation, "\x1f".join(scorable.labels).encode()))
    whole.update(b"\x1f%b\x1f%d" % (draw.encode(), attempt))
    return whole.digest()[:16]
