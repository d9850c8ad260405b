"""How likely a model answers with one of two words, from a server that says so (vLLM's /generative_scoring).

No chat template is applied there, so the tokens of the chat come from /tokenize. Whether a server
has both is settled by trying, once; where it has not, the question goes to it as a chat request.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

import orjson

from synth.llm.answers import SCORED, Bad, read_completion
from synth.llm.requests import Scorable
from synth.llm.transport import Done, Exchange, Response, Transport

_TRIAL = [{"role": "user", "content": "Is ice cold? Answer with one word and nothing else: yes or no"}]
_BUSY = (408, 429, 503)
_ABSENT = (404, 405, 501)
_MOST_FAILURES = 3
"""Replies such as HTTP 500 to the trial after which a server counts as one that can't score."""


class Scorer:
    """Puts questions with two possible answers to one server; belongs to the client's event loop."""

    def __init__(self, transport: Transport, root: str, chat: str, model: str, note: Callable[[str], None]) -> None:
        self._transport, self._model, self._note = transport, model, note
        self._tokenize, self._score, self._chat = f"{root}/tokenize", f"{root}/generative_scoring", chat
        self._labels: list[int] = []
        """Tokens that the two answers begin with; empty where the server can't score."""
        self._is_settled = False
        self._settling = asyncio.Lock()
        self._failures = 0

    def send(self, body: bytes, scorable: Scorable, done: Done) -> Exchange | asyncio.Task[None]:
        """`done` is called once with a score or a chat completion, unless what this returns is cancelled."""
        if self._is_settled and not self._labels:
            return self._transport.post(self._chat, body, done)
        task = asyncio.get_running_loop().create_task(self._answer(body, scorable, done))
        task.add_done_callback(_report)
        return task

    async def _answer(self, body: bytes, scorable: Scorable, done: Done) -> None:
        response = None if self._is_settled else await self._settle(scorable)
        if response is None:
            response = await (self._scored(body, scorable) if self._labels else self._post(self._chat, body))
        done(response)

    async def _scored(self, body: bytes, scorable: Scorable) -> Response:
        labels = self._labels  # another question may find meanwhile that the endpoint is gone
        response = await self._post(self._tokenize, scorable.conversation)
        found = _tokens_of(response)
        if found is not None:
            tokens, context = found
            if len(tokens) >= context:  # scoring would cut it without a word; a chat is refused
                return await self._post(self._chat, body)
            response = await self._post(self._score, self._question(tokens, labels))
        if response.status not in _ABSENT:
            return response
        self._give_up(f"HTTP {response.status}")
        return await self._post(self._chat, body)

    def _question(self, tokens: Sequence[int], labels: Sequence[int]) -> bytes:
        wanted = {"query": tokens[:-1], "items": [tokens[-1:]], "label_token_ids": labels, "apply_softmax": True}
        return orjson.dumps({"model": self._model, **wanted})

    def _give_up(self, reason: str) -> None:
        if self._labels or not self._is_settled:
            self._labels, self._is_settled = [], True
            self._note(f"does not score yes/no ({reason}): it is asked in words, and a probability is then 1 or 0")

    # ---- the trial ----

    async def _settle(self, scorable: Scorable) -> Response | None:
        """Find out whether the server scores; a failed response where it can't say so now."""
        async with self._settling:
            if self._is_settled:
                return None
            try:
                self._labels = await self._try(scorable)
            except _UnableError as error:
                self._give_up(str(error))
                return None
            except _LaterError as error:
                self._failures += error.response.status not in (0, *_BUSY)
                if self._failures < _MOST_FAILURES:
                    return error.response
                self._give_up(f"HTTP {error.response.status}")
                return None
            self._is_settled = True
            self._note("scores yes/no itself, by /generative_scoring")
            return None

    async def _try(self, scorable: Scorable) -> list[int]:
        """The labels, after one question was scored with them."""
        conversation = orjson.loads(scorable.conversation) | {"messages": _TRIAL}
        prompt = await self._ask_tokens(conversation)
        labels = await self._find_labels(conversation, prompt, scorable.labels)
        response = await self._post(self._score, self._question(prompt, labels))
        _check(response)
        answer = read_completion(response.status, response.body)
        if isinstance(answer, Bad) or answer.finish_reason != SCORED:
            raise _UnableError("its answer is no score")
        return labels

    async def _find_labels(self, conversation: dict[str, Any], prompt: list[int], words: Sequence[str]) -> list[int]:
        """The token that each word begins with where the chat template puts the answer, else on its own."""
        found = [await self._token_behind(conversation, prompt, word) for word in words]
        if None in found or found[0] == found[1]:
            plain = [{"model": self._model, "prompt": word, "add_special_tokens": False} for word in words]
            found = [(await self._ask_tokens(wanted))[0] for wanted in plain]
        if found[0] == found[1]:
            raise _UnableError(f"its tokenizer begins {' and '.join(words)} alike")
        return [label for label in found if label is not None]

    async def _token_behind(self, conversation: dict[str, Any], prompt: list[int], word: str) -> int | None:
        messages = [*conversation["messages"], {"role": "assistant", "content": word}]
        wanted = {"messages": messages, "add_generation_prompt": False, "continue_final_message": True}
        try:
            whole = await self._ask_tokens({**conversation, **wanted})
        except _UnableError:
            return None  # a template that can't leave an answer open
        return whole[len(prompt)] if len(whole) > len(prompt) and whole[: len(prompt)] == prompt else None

    async def _ask_tokens(self, wanted: dict[str, Any]) -> list[int]:
        response = await self._post(self._tokenize, orjson.dumps(wanted))
        _check(response)
        found = _tokens_of(response)
        if found is None:
            raise _UnableError("/tokenize gives no tokens")
        return found[0]

    async def _post(self, path: str, body: bytes) -> Response:
        found: asyncio.Future[Response] = asyncio.get_running_loop().create_future()
        exchange = self._transport.post(
            path, body, lambda response: None if found.done() else found.set_result(response)
        )
        try:
            return await found
        finally:
            exchange.cancel()


class _UnableError(Exception):
    """The server can't score, and says so."""


class _LaterError(Exception):
    """What came back says nothing of what the server can do."""

    def __init__(self, response: Response) -> None:
        super().__init__()
        self.response = response


def _check(response: Response) -> None:
    status = response.status
    if response.error or status in _BUSY or (status >= 500 and status not in _ABSENT):
        raise _LaterError(response)
    if status != 200:
        raise _UnableError(f"HTTP {status}")


def _tokens_of(response: Response) -> tuple[list[int], int] | None:
    """Tokens and the length of the context, as vLLM's /tokenize tells; None where this is something else."""
    try:
        reply = orjson.loads(response.body)
        tokens, context = reply["tokens"], reply["max_model_len"]
    except (orjson.JSONDecodeError, KeyError, TypeError):
        return None
    is_whole = isinstance(tokens, list) and tokens and isinstance(context, int)
    return (tokens, context) if is_whole and all(isinstance(token, int) for token in tokens) else None


def _report(task: asyncio.Task[None]) -> None:
    """A bug of ours ends the run, as everywhere in the client's thread."""
    if not task.cancelled() and (error := task.exception()) is not None:
        task.get_loop().call_exception_handler({"message": "a question was not put", "exception": error})
