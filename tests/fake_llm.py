"""A chat server in this process, with faults by script: real sockets, real HTTP.

A script is a function from (prompt text, how often it was asked before) to what happens: a
`Say` with the content to answer, or a fault. Counts what arrives.
"""

from __future__ import annotations

import asyncio
import json
import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Literal

import httptools
from fake_embedder import Embedder


@dataclass(frozen=True)
class Say:
    """An answer of HTTP 200."""

    content: str
    finish_reason: str = "stop"
    seconds: float = 0.0
    message: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Status:
    """An answer of another status."""

    code: int
    message: str = "scripted"
    headers: str = ""
    seconds: float = 0.0


Fault = Literal["reset", "hang", "garbage"]
Script = Callable[[str, int], "Say | Status | Fault | Fill"]
Scores = Callable[[str, int], "float | str | Status | Fault"]
"""As a script, for /generative_scoring: what stands for the probability."""


@dataclass(frozen=True)
class Fill:
    """An answer that fits the schema asked for, made of words of the passage; `fields` are answered as given."""

    fields: dict[str, Any] = field(default_factory=dict)

    def say(self, prompt: str, schema: dict[str, Any]) -> Say:
        words = [word for word in prompt.split("<passage")[-1].split() if word.isalpha()] or ["words"]
        source = random.Random(prompt)
        answer = _filled(schema, schema.get("$defs", {}), words, source)
        return Say(json.dumps(answer | {name: value for name, value in self.fields.items() if name in answer}))


def _filled(schema: dict[str, Any], definitions: dict[str, Any], words: list[str], source: random.Random) -> Any:
    if "$ref" in schema:
        return _filled(definitions[schema["$ref"].rpartition("/")[2]], definitions, words, source)
    if "enum" in schema:
        return source.choice(schema["enum"])
    if schema["type"] == "object":
        return {name: _filled(each, definitions, words, source) for name, each in schema["properties"].items()}
    if schema["type"] == "array":
        return [_filled(schema["items"], definitions, words, source) for _ in range(schema.get("minItems", 1))]
    if schema["type"] == "integer":
        return source.randint(schema.get("minimum", 0), schema.get("maximum", 9))
    start = source.randrange(max(1, len(words) - 8))
    return ("why do " + " and ".join(words[start : start + 4]) + " matter")[: schema.get("maxLength", 400)]


def query_of(prompt: str) -> Say:
    """A query of words of the passage, different for every prompt."""
    words = [word for word in prompt.split("<passage")[-1].split() if word.isalpha()]
    start = sum(map(ord, prompt)) % max(1, len(words) - 8)
    return Say(json.dumps({"query": "why do " + " and ".join(words[start : start + 4]) + " matter"}))


def always(prompt: str, _asked: int) -> Say:
    """Never a fault."""
    return query_of(prompt)


@dataclass
class FakeLlm:
    """What the server was asked, and how it behaves; change it while it runs."""

    script: Script = always
    model: str = "fake"
    context: int = 4_096
    slots: int = 0
    """Requests that run at once; 0 for any number. The others wait, as `/metrics` says."""
    metrics: bool = True
    key: str = ""
    url: str = ""
    bodies: list[dict[str, Any]] = field(default_factory=list)
    asked: Counter[str] = field(default_factory=Counter)
    scores: Scores | None = None
    """None for a server that has no /generative_scoring."""
    scored: list[str] = field(default_factory=list)
    """Prompts that came there."""
    answers_begin: str | None = ""
    """What the chat template puts before an answer; None for one that can't leave an answer open."""
    tokenized: int = 0
    pieces: list[str] = field(default_factory=lambda: [""])
    """What each token stands for; token 0 begins an answer."""
    running: int = 0
    waiting: int = 0
    most_running: int = 0
    down: bool = False
    embedder: Embedder | None = None
    """None for a chat model, which has neither /v1/embeddings nor /v1/score."""

    @property
    def prompts(self) -> list[str]:
        """Text of every chat request, in order of arrival."""
        return [_text_of(body["messages"]) for body in self.bodies]

    def encode(self, text: str) -> list[int]:
        """Tokens of four characters."""
        cut = [text[start : start + 4] for start in range(0, len(text), 4)]
        self.pieces += sorted(set(cut) - set(self.pieces))
        return [self.pieces.index(piece) for piece in cut]


def _text_of(messages: list[dict[str, str]]) -> str:
    return "\n".join(message["content"] for message in messages)


class _Connection(asyncio.Protocol):
    def __init__(self, fake: FakeLlm, free: asyncio.Semaphore | None) -> None:
        self._fake, self._free = fake, free
        self._parser = httptools.HttpRequestParser(self)
        self._url, self._body = b"", b""
        self._headers: dict[bytes, bytes] = {}
        self._task: asyncio.Task[None] | None = None
        self._transport: Any = None

    def connection_made(self, transport: Any) -> None:
        self._transport = transport
        if self._fake.down:
            transport.abort()

    def end(self) -> None:
        if self._transport is not None:
            self._transport.abort()
        if self._task is not None:
            self._task.cancel()

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_url(self, url: bytes) -> None:
        self._url = url

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers[name.lower()] = value

    def on_body(self, body: bytes) -> None:
        self._body += body

    def on_message_complete(self) -> None:
        url, body = self._url.decode(), self._body
        self._url, self._body = b"", b""
        self._task = asyncio.ensure_future(self._answer(url, body))

    async def _answer(self, url: str, body: bytes) -> None:
        fake = self._fake
        if fake.down:
            self._transport.abort()
        elif (
            url.startswith("/v1") and fake.key and self._headers.get(b"authorization") != f"Bearer {fake.key}".encode()
        ):
            self._send(401, {"error": {"message": "wrong key"}})
        elif url == "/v1/models":
            self._send(200, {"data": [{"id": fake.model, "max_model_len": fake.context}]})
        elif url == "/health":
            self._send(200, {})
        elif url == "/metrics" and fake.metrics:
            self._send(200, _metrics(fake))
        elif url == "/tokenize":
            self._tokenize(json.loads(body))
        elif url == "/generative_scoring" and fake.scores is not None:
            await self._score(json.loads(body))
        elif url in ("/v1/embeddings", "/v1/score") and fake.embedder is not None:
            await self._embed(fake.embedder, url, json.loads(body))
        elif url == "/v1/chat/completions" and fake.embedder is None:
            await self._chat(json.loads(body))
        else:
            self._send(404, {"error": {"message": "not found"}})

    async def _embed(self, embedder: Embedder, route: str, body: dict[str, Any]) -> None:
        found = embedder.fault(route, body)
        if isinstance(found, tuple):
            found = Status(*found)
        if not await self._fail(found):
            await self._run(embedder.seconds)
            self._send(200, embedder.answer(route, body))

    async def _chat(self, body: dict[str, Any]) -> None:
        fake = self._fake
        fake.bodies.append(body)
        prompt = _text_of(body["messages"])
        found = fake.script(prompt, fake.asked[prompt])
        if isinstance(found, Fill):
            found = found.say(prompt, body["response_format"]["json_schema"]["schema"])
        fake.asked[prompt] += 1
        if not await self._fail(found):
            assert isinstance(found, Say)
            await self._run(found.seconds)
            message = {"role": "assistant", "content": found.content, **found.message}
            usage = {"prompt_tokens": len(prompt) // 4, "completion_tokens": len(found.content) // 4}
            choice = {"index": 0, "message": message, "finish_reason": found.finish_reason}
            self._send(200, {"choices": [choice], "usage": usage})

    async def _fail(self, found: Any) -> bool:
        if found == "reset":
            self._transport.abort()
        elif found == "garbage":
            self._transport.write(b"SSH-2.0-OpenSSH_9.2\r\n")
        elif isinstance(found, Status):
            await asyncio.sleep(found.seconds)
            self._send(found.code, {"error": {"message": found.message}}, found.headers)
        return found in ("hang", "reset", "garbage") or isinstance(found, Status)

    def _tokenize(self, body: dict[str, Any]) -> None:
        fake = self._fake
        fake.tokenized += 1
        if "prompt" in body:
            tokens = fake.encode(body["prompt"])
        elif not body.get("continue_final_message"):
            tokens = [*fake.encode(_text_of(body["messages"])), 0]
        elif fake.answers_begin is None:
            self._send(400, {"error": {"message": "the template changes the last message"}})
            return
        else:
            *before, answer = body["messages"]
            tokens = [*fake.encode(_text_of(before)), 0, *fake.encode(fake.answers_begin + answer["content"])]
        self._send(200, {"count": len(tokens), "max_model_len": 4096, "tokens": tokens})

    async def _score(self, body: dict[str, Any]) -> None:
        """As vLLM: the probability of the first label, without a chat template."""
        fake = self._fake
        (item,) = body["items"]
        tokens = [*body["query"], *item]
        prompt = "".join(fake.pieces[token] for token in tokens)
        asked = fake.asked[prompt]
        fake.asked[prompt] += 1
        fake.scored.append(prompt)
        assert fake.scores is not None
        labels = [token for word in ("yes", "no") for token in fake.encode((fake.answers_begin or "") + word)]
        if tokens[-1] != 0 or body["label_token_ids"] != labels:
            found: Any = Status(400, "not a chat up to its answer, or other labels")
        else:
            found = fake.scores(prompt, asked)
        if not await self._fail(found):
            await self._run(0.0)
            usage = {"prompt_tokens": len(tokens), "total_tokens": len(tokens) + 1, "completion_tokens": 1}
            data = [{"index": 0, "object": "score", "score": found}]
            self._send(200, {"object": "list", "model": body["model"], "data": data, "usage": usage})

    async def _run(self, seconds: float) -> None:
        fake = self._fake
        fake.waiting += 1
        if self._free is not None:
            await self._free.acquire()
        fake.waiting -= 1
        fake.running += 1
        fake.most_running = max(fake.most_running, fake.running)
        await asyncio.sleep(seconds)
        fake.running -= 1
        if self._free is not None:
            self._free.release()

    def _send(self, status: int, content: Any, headers: str = "") -> None:
        body = content.encode() if isinstance(content, str) else json.dumps(content).encode()
        self._transport.write(f"HTTP/1.1 {status} X\r\n{headers}Content-Length: {len(body)}\r\n\r\n".encode() + body)


def _metrics(fake: FakeLlm) -> str:
    rows = {"num_requests_running": fake.running, "num_requests_waiting": fake.waiting, "num_preemptions_total": 0}
    return "".join(f'vllm:{name}{{engine="0"}} {float(value)}\n' for name, value in rows.items())


@contextmanager
def fake_llm(script: Script = always, **fields: Any) -> Iterator[FakeLlm]:
    """A server on a free port of this machine, until the block ends."""
    fake = FakeLlm(script, **fields)
    loop = asyncio.new_event_loop()
    started = threading.Event()
    servers: list[asyncio.Server] = []

    connections: list[_Connection] = []

    async def serve() -> None:
        free = asyncio.Semaphore(fake.slots) if fake.slots else None

        def connect() -> _Connection:
            connections.append(_Connection(fake, free))
            return connections[-1]

        server = await loop.create_server(connect, "127.0.0.1", 0)
        servers.append(server)
        fake.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
        started.set()

    def run() -> None:
        loop.run_until_complete(serve())
        loop.run_forever()
        servers[0].close()
        for connection in connections:
            connection.end()
        loop.run_until_complete(asyncio.sleep(0.01))
        loop.close()

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    started.wait(5)
    try:
        yield fake
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(5)


def wait_for(condition: Callable[[], bool], seconds: float = 10.0) -> None:
    """Until something is so; fails the test when it never is."""
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, "waited in vain"
        time.sleep(0.005)
