"""The generator that asks LLMs: one request a step, one repair where an answer can't be used."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, field, replace
from functools import cache, partial
from typing import Any

from pydantic import BaseModel

from schemas.recipe import Recipe, SamplingSettings
from synth.errors import InputError, RunStopped
from synth.generators import Answer, Call, Equipment, Outcome
from synth.llm.answers import SCORED, Fault, check_answer
from synth.llm.archive import Archive, generation_hash
from synth.llm.client import Client
from synth.llm.endpoints import Endpoint
from synth.llm.journal import Journal, Said, journal_path
from synth.llm.link import Patience
from synth.llm.markers import neutralise
from synth.llm.requests import Body, Reply, Request, Scorable, request_key
from synth.llm.server import VllmServer
from synth.llm.settings import LlmSettings
from synth.llm.stream import Stream
from synth.plan import step_model
from synth.progress import Reporter
from synth.prompts import Message, load_prompt
from synth.tasks import Failure, Outputs, Step, language_of, steps_of

__all__ = ["Llm"]

_ASK_AT_ONCE = 64
_READ_AT_ONCE = 32
_UNREAD_ROOMS = 4
"""Answers that may wait to be read, as a multiple of the requests that may be out: bounds the memory."""
_QUOTED = 600
"""Characters of a bad answer that a repair quotes."""


@dataclass(slots=True)
class _Turn:
    """Where an item is: which step, which attempt, and what it has so far."""

    call: Call
    step: Step
    rest: tuple[Step, ...]
    model: str
    messages: list[Message] = field(default_factory=list)
    attempt: int = 0
    outputs: dict[str, BaseModel | Failure] = field(default_factory=dict)
    sent: bool = False
    """Whether this execution has asked anything for the item; what is in the archive was asked by another."""
    reserve: int = 0
    """What its first request kept of a budget: a repair, and two requests for every later step."""


class Llm:
    """Asks the models of a recipe through one client; answers come from the archive where they were given before."""

    name = "llm"

    def __init__(self, equipment: Equipment) -> None:
        self._recipe = equipment.recipe
        self._settings = equipment.llm or LlmSettings()
        self._run_folder = equipment.run_folder
        self._folder = equipment.answers / generation_hash(equipment.recipe)
        self._journal = journal_path(self._folder)
        self._opening = threading.Lock()
        self._opened = ExitStack()
        self._client: Client | None = None
        self._closed = False

    def open_client(self, reporter: Reporter) -> Client:
        """The client of this process, opened (and servers started) by the first who has something to ask."""
        with self._opening:
            if self._closed:
                raise RunStopped("the run was ended; `synth resume` goes on")
            if self._client is not None and self._client.has_failed:
                self._client = None
                self._opened.close()
            if self._client is None:
                with ExitStack() as opening:
                    self._client = self._open(opening, reporter)
                    self._opened = opening.pop_all()
            return self._client

    def _open(self, opening: ExitStack, reporter: Reporter) -> Client:
        endpoints = list(self._settings.endpoints)
        for number, served in enumerate(self._settings.served):
            log = self._run_folder / f"vllm-{number}.log"
            endpoints.append(opening.enter_context(VllmServer(served, log, reporter)))
        _check_reachable(endpoints, self._recipe)
        patience = Patience(request=self._settings.request_timeout)
        client = opening.enter_context(
            Client(endpoints, self._journal, self._settings.budget, patience, self._run_folder)
        )
        if self._settings.metrics_port is not None:
            from synth.llm.prometheus import exported

            opening.enter_context(exported(client.counters, self._settings.metrics_port))
        return client

    def close(self) -> None:
        """Stop asking, and stop servers of ours; answers that arrived are kept."""
        with self._opening:
            self._closed = True
            self._client = None
            self._opened.close()

    def _forget(self, rows: Sequence[Said]) -> None:
        """Rows of the journal that the archive holds now."""
        client = self._client
        if client is not None:
            client.forget(rows)
        else:
            with closing(Journal(self._journal)) as journal:
                journal.forget(rows)

    @property
    def paid(self) -> tuple[int, int]:
        """(requests, tokens) of the servers in use; (0, 0) before anything was asked and after `close`."""
        return self._client.purse.paid if self._client is not None else (0, 0)

    def live(self) -> str:
        """Rates, tokens, slots and cache, in a few words."""
        client = self._client
        return client.counters.describe() if client is not None else "answers are known already"

    def generate(self, calls: Iterable[Call], reporter: Reporter) -> Iterator[Outcome]:
        """Outcomes as they come; the result of a call that the budget did not reach is None."""
        archive = Archive(self._folder, self._journal, self._forget)
        talk = _Talk(self._recipe, self._settings.revisions, lambda: self.open_client(reporter), archive, reporter)
        try:
            yield from talk.hold(calls)
        finally:
            talk.close()
            archive.close()


class _Talk:
    """All items of one stream, each somewhere between its first request and its outcome."""

    def __init__(
        self,
        recipe: Recipe,
        revisions: dict[str, str],
        open_client: Callable[[], Client],
        archive: Archive,
        reporter: Reporter,
    ) -> None:
        self._recipe, self._revisions = recipe, revisions
        self._open_client, self._archive, self._reporter = open_client, archive, reporter
        self._bodies = cache(partial(_body, sampling=recipe.sampling))
        self._stream: Stream | None = None
        self._ready: list[Request] = []
        self._unread: deque[Reply] = deque()
        self._asked = 0
        """Requests without a reply."""
        self._open = 0
        """Items that were begun and have no outcome."""
        self._settled = 0
        """Reserves of items that ended since the client was told last."""

    def hold(self, calls: Iterable[Call]) -> Iterator[Outcome]:
        """Asking goes before reading: a server must not wait while gates look at its answers."""
        source = iter(calls)
        more = True
        while more or self._open:
            room = self._room
            while more and self._asked < room:
                call = next(source, None)
                if call is None:
                    more = False
                    break
                yield from self._begin(call)
            self._flush()
            if self._asked or self._unread:
                self._listen()
            for _ in range(min(_READ_AT_ONCE, len(self._unread))):
                reply = self._unread.popleft()
                more = more and reply.reason != "unasked"
                yield from self._hear(reply)
            self._settle()

    @property
    def _room(self) -> int:
        """Requests that should be with the client; none while far more answers wait to be read."""
        room = self._stream.room if self._stream is not None else _ASK_AT_ONCE
        return room if len(self._unread) < _UNREAD_ROOMS * room else 0

    def _listen(self) -> None:
        """Take what has come; wait for something only when there is nothing to read."""
        assert self._stream is not None
        delivery = self._stream.receive(wait=not self._unread)
        while delivery is not None:
            if isinstance(delivery, str):
                self._reporter.note(delivery)
            else:
                self._asked -= len(delivery)
                self._unread.extend(delivery)
            delivery = self._stream.receive(wait=False)

    def _begin(self, call: Call) -> Iterator[Outcome]:
        self._archive.begin(call.input.item.position)
        self._open += 1
        first, *rest = steps_to_ask(call)
        yield from self._take(_Turn(call, first, tuple(rest), self._model_of(first, call)))

    def _take(self, turn: _Turn) -> Iterator[Outcome]:
        """Ask for the turn's step, unless the answer is known."""
        item = turn.call.input.item
        if not turn.messages:
            turn.messages = _render(turn.step, turn.call, turn.outputs)
        bodies = self._bodies(turn.model, turn.step.output, turn.step.tokens)
        body, scorable = bodies.of(turn.messages), self._scorable(turn, bodies)
        key = request_key(body, item.id, turn.attempt, scorable)
        said = self._archive.find(item.position, key)
        if said is not None:
            yield from self._read(turn, said)
            return
        first = not turn.sent
        kind = "repair" if turn.attempt else "write" if turn.step.name == item.task else turn.step.name
        request = Request(
            key, item.position, kind, turn.model, body, item.passage, urgent=not first, scorable=scorable, context=turn
        )
        if first:
            request.reserve = turn.reserve = 2 * len(turn.rest) + (turn.attempt == 0)
        turn.sent = True
        self._ready.append(request)
        self._asked += 1
        if len(self._ready) >= _ASK_AT_ONCE:
            self._flush()

    def _scorable(self, turn: _Turn, bodies: Body) -> Scorable | None:
        """A model that thinks has no answer in its first token, and a repair quotes words."""
        scoring = turn.step.scoring
        if scoring is None or turn.attempt or self._recipe.sampling.thinking:
            return None
        return bodies.scorable(_render(turn.step, turn.call, turn.outputs, scored=True), scoring.labels)

    def _flush(self) -> None:
        if self._ready:
            if self._stream is None:
                self._stream = self._open_client().open_stream()
            self._stream.ask(self._ready)
            self._ready = []

    def close(self) -> None:
        if self._stream is not None:
            self._stream.close()

    def _hear(self, reply: Reply) -> Iterator[Outcome]:
        turn: _Turn = reply.request.context
        if reply.said is not None:
            self._archive.add(reply.said)
            yield from self._read(turn, reply.said)
        elif reply.reason == "unasked":
            if not reply.request.urgent:
                turn.reserve = 0  # nothing was kept for it
            yield self._end(turn, None)
        else:
            yield from self._fail(turn, Failure(reply.reason, reply.detail))

    def _read(self, turn: _Turn, said: Said) -> Iterator[Outcome]:
        language = language_of(turn.step, turn.call.input)
        scored = turn.step.scoring if said.finish_reason == SCORED else None
        output = scored.output if scored else turn.step.output
        checked = check_answer(said, output, turn.messages[:1], language)
        if not isinstance(checked, Fault):
            yield from self._go_on(turn, checked)
        elif turn.attempt or not checked.advice:
            yield from self._fail(turn, checked.failure)
        else:
            yield from self._take(_repair(turn, said, checked.advice))

    def _fail(self, turn: _Turn, failure: Failure) -> Iterator[Outcome]:
        if turn.step.required:
            yield self._end(turn, failure)
        else:
            yield from self._go_on(turn, failure)

    def _go_on(self, turn: _Turn, output: BaseModel | Failure) -> Iterator[Outcome]:
        call, outputs = turn.call, {**turn.outputs, turn.step.name: output}
        for number, step in enumerate(turn.rest):
            if step.when is None or step.when(call.input, outputs):
                model, rest = self._model_of(step, call), turn.rest[number + 1 :]
                yield from self._take(
                    _Turn(call, step, rest, model, outputs=outputs, sent=turn.sent, reserve=turn.reserve)
                )
                return
        model = call.input.item.model
        yield self._end(turn, Answer(outputs, "llm", model, self._revisions.get(model, "")))

    def _model_of(self, step: Step, call: Call) -> str:
        item = call.input.item
        return item.model if step.name == item.task else step_model(self._recipe, step.name, item)

    def _settle(self) -> None:
        if self._settled and self._stream is not None:
            self._stream.settle(self._settled)
            self._settled = 0

    def _end(self, turn: _Turn, result: Answer | Failure | None) -> Outcome:
        self._open -= 1
        self._settled += turn.reserve
        self._archive.finish(turn.call.input.item.position)
        return Outcome(turn.call, result)


def steps_to_ask(call: Call) -> list[Step]:
    """What may be asked, from the first step on that is asked for the item: an instruction that is pinned is not invented."""
    steps = [*steps_of(call.task), *call.more]
    while steps[0].when is not None and not steps[0].when(call.input, {}):
        del steps[0]
    return steps


def first_messages(call: Call) -> list[Message]:
    """What a call asks first."""
    return _render(steps_to_ask(call)[0], call, {})


def asked_after(call: Call, outputs: Outputs) -> Iterator[tuple[Step, list[Message]]]:
    """The steps that were asked after the first one, with what each asked; `outputs` is what came of all."""
    known: dict[str, Any] = {}
    for step in steps_to_ask(call):
        if step.name in outputs:
            if known:
                yield step, _render(step, call, known)
            known[step.name] = outputs[step.name]


def _render(step: Step, call: Call, outputs: Outputs, *, scored: bool = False) -> list[Message]:
    inputs = {**step.inputs(call.input, outputs), **({"scored": scored} if step.scoring else {})}
    safe = {name: neutralise(value) if type(value) is str else _neutral(value) for name, value in inputs.items()}
    return load_prompt(step.prompt, step.prompt_folder).render(safe)


def _neutral(value: Any) -> Any:
    """Every text in a prompt's input, without what a chat template or our prompts take for a marker."""
    if isinstance(value, str):
        return neutralise(value)
    if isinstance(value, list):
        return [_neutral(each) for each in value]
    return {name: _neutral(each) for name, each in value.items()} if isinstance(value, dict) else value


def _repair(turn: _Turn, said: Said, advice: str) -> _Turn:
    """The conversation so far, what is wrong with the answer, and the question again."""
    quoted = neutralise(said.content[:_QUOTED].strip()) or "(nothing)"
    request = f"{advice} Answer the request above again, with JSON that fits the schema and nothing else."
    messages = [*turn.messages, Message("assistant", quoted), Message("user", request)]
    return replace(turn, messages=messages, attempt=turn.attempt + 1)


def _body(model: str, output: type[BaseModel], tokens: int, sampling: SamplingSettings) -> Body:
    enough = sampling.model_copy(update={"max_tokens": max(sampling.max_tokens, tokens)})
    return Body(model, output.model_json_schema(), enough)


def _check_reachable(endpoints: Sequence[Endpoint], recipe: Recipe) -> None:
    """Every model of the recipe has a server."""
    served = {endpoint.model for endpoint in endpoints}
    missing = sorted({model.name for model in recipe.models} - served)
    if missing:
        raise InputError(
            f"this run asks the model {missing[0]!r}, and no server given serves it (they serve: {', '.join(sorted(served)) or 'nothing'}); name one: synth resume --llm http://HOST:8000/v1"
        )
