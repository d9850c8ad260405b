"""One continuously fed queue to every model, in a thread of its own.

The thread runs an event loop and does nothing but network and journal, so that whatever the
callers do meanwhile (gates, Parquet, a teacher) the servers stay busy. Callers open a
`Stream`, hand it requests and take replies from it, in any order.
"""

from __future__ import annotations

import asyncio
import functools
import random
import threading
from collections.abc import Callable, Coroutine, Iterable, Sequence
from pathlib import Path
from typing import Any

from synth.errors import RunError, RunStopped, SynthError
from synth.llm.answers import Bad, read_completion
from synth.llm.budget import Budget
from synth.llm.company import Sharing
from synth.llm.counters import Counters
from synth.llm.endpoints import Endpoint
from synth.llm.health import Health
from synth.llm.journal import Journal, Said
from synth.llm.limits import Limit
from synth.llm.link import Link, Patience
from synth.llm.pool import Pool
from synth.llm.requests import Reply, Request
from synth.llm.stream import Stream
from synth.llm.transport import Lull, Response, connections_allowed, new_loop

COMMIT_ANSWERS, COMMIT_SECONDS = 64, 0.02
LOOKAHEAD = 256
"""Requests that callers keep ready beyond the limits, so that a free slot never waits for a prompt."""
MOST_TRIES = 6
MOST_OVERLOADS = 60
_REFUSALS = 16
"""A server that answers so many requests in a row with HTTP 4xx is wrongly set up; the run stops and says so."""
_ACCOUNT = (401, 402, 403, 404)
"""Key, credit, rights, model: no request will fare better."""
_CLOSED = RunStopped("the connection to the servers was closed; `synth resume` goes on")


class Client:
    """Drives all endpoints of a run; open it with `with`. With the run's folder, beside other processes."""

    def __init__(
        self,
        endpoints: Sequence[Endpoint],
        journal: Path,
        budget: Budget | None = None,
        patience: Patience | None = None,
        run_folder: Path | None = None,
    ) -> None:
        self.counters = Counters()
        self._patience = patience or Patience()
        self._journal_path = journal
        most = connections_allowed() // max(1, len(endpoints))
        self.links = [Link(endpoint, self._patience, Limit(most)) for endpoint in endpoints]
        self._sharing = Sharing(run_folder, budget or Budget(), [link.limit for link in self.links])
        self.purse = self._sharing.purse
        self._pools: dict[str, Pool] = {}
        for link in self.links:
            self._pools.setdefault(link.endpoint.model, Pool()).links.append(link)
        self._streams: set[Stream] = set()
        self._asker: dict[Request, Stream] = {}
        self._uncommitted: list[tuple[Link, Request, Said]] = []
        self._commit_timer: asyncio.TimerHandle | None = None
        self._background: set[asyncio.Task[None]] = set()
        self._failure: SynthError | None = None
        self._started = threading.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread = threading.Thread(target=self._run, name="synth-llm", daemon=True)

    def __enter__(self) -> Client:
        self._thread.start()
        self._started.wait()
        if self._failure is not None:
            raise self._failure
        return self

    def __exit__(self, *_: object) -> None:
        if self._thread.is_alive():
            self.call(lambda: self._stopping.set())
            self._thread.join(timeout=10.0)

    @property
    def room(self) -> int:
        """Items that each caller should have under way."""
        wanted = sum(link.limit.value for link in self.links if not link.parked)
        return (wanted + max(LOOKAHEAD, wanted // 4)) // max(1, len(self._streams))

    def open_stream(self) -> Stream:
        """A caller's own end; several threads may have one each."""
        stream = Stream(
            ask=self._ask,
            settle=self._settle,
            leave=functools.partial(self.call, self._leave),
            room=lambda: self.room,
        )
        self.call(self._add_stream, stream)
        return stream

    def call(self, function: Callable[..., object], *arguments: object) -> bool:
        """Run a function in the client's thread, soon; False when that has ended."""
        try:
            if self._loop is None or self._loop.is_closed():
                return False
            self._loop.call_soon_threadsafe(function, *arguments)
        except RuntimeError:
            return False  # the loop has just closed
        return True

    def _ask(self, stream: Stream, requests: Sequence[Request]) -> None:
        if not self.call(self._enqueue, stream, requests):
            stream.deliver(self._failure or _CLOSED)

    def _settle(self, stream: Stream, reserve: int) -> None:
        if self.purse.is_bounded:
            self.call(self._give_back, stream, reserve)

    @property
    def has_failed(self) -> bool:
        """Whether nothing can be asked through it any more."""
        return self._failure is not None

    def forget(self, rows: Sequence[Said]) -> None:
        """The archive holds these rows: the journal need not."""
        self.call(lambda: self._journal.forget(rows))

    # ---- everything below runs in the client's thread ----

    def _run(self) -> None:
        try:
            self._loop = loop = new_loop()
            loop.set_exception_handler(self._unexpected)
            self._lull = Lull(loop)
            self._journal = Journal(self._journal_path)
            self._stopping = asyncio.Event()
            loop.run_until_complete(self._work())
        except SynthError as error:
            self._fail(error)
        except BaseException as error:  # noqa: BLE001 - whoever waits for this thread must hear of it
            self._unexpected(None, {"message": "it ended", "exception": error})
        finally:
            for stream in list(self._streams):
                stream.deliver(self._failure or _CLOSED)
            self._started.set()
            if self._loop is not None:
                self._loop.close()

    async def _work(self) -> None:
        self._health = Health(
            self._pools,
            self._patience,
            note=self._note,
            fail=self._fail,
            spawn=self._spawn,
            timed_out=self._time_out,
            revived=self._pump,
        )
        for link in self.links:
            link.open(asyncio.get_running_loop(), self._note)
            self._spawn(self._watch(link))
        self._spawn(self._health.tick())
        self._spawn(self._sharing.watch())
        self._started.set()
        await self._stopping.wait()
        for link in self.links:
            for exchange, _ in link.out.values():
                exchange.cancel()
        for task in self._background:
            task.cancel()
        await asyncio.gather(*self._background, return_exceptions=True)
        self._commit()
        self._journal.close()
        for link in self.links:
            link.transport.close()

    @property
    def _now(self) -> float:
        assert self._loop is not None
        return self._loop.time()

    def _spawn(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.ensure_future(work)
        self._background.add(task)
        task.add_done_callback(self._background.discard)

    def _add_stream(self, stream: Stream) -> None:
        self._streams.add(stream)
        self._sharing.join()
        if self._failure is not None:
            stream.deliver(self._failure)

    def _enqueue(self, stream: Stream, requests: Iterable[Request]) -> None:
        for request in requests:
            self._asker[request] = stream
            self._pools[request.model].add(request)
        if self._failure is not None:
            stream.deliver(self._failure)
        self._pump()

    def _pump(self) -> None:
        """Fill every free slot."""
        if self._stopping.is_set() or self._failure is not None:
            return
        for pool in self._pools.values():
            while pool.waiting:
                if self.purse.is_closed:
                    self._hand_back(pool)
                taken = pool.take(self._may_begin)
                if taken is None:
                    break
                request, link = taken
                if not request.was_sent:
                    request.was_sent = True
                    self._asker[request].owed += request.reserve
                    self.purse.send(request.body)
                self.counters.sent(request.kind)
                done = functools.partial(self._hear, link, request)
                link.out[request] = (link.send(request, done), self._now)

    def _may_begin(self, request: Request) -> bool:
        return self.purse.has_room(request.reserve, sum(stream.owed for stream in self._streams))

    def _give_back(self, stream: Stream, reserve: int) -> None:
        stream.owed -= reserve
        self._pump()

    def _hand_back(self, pool: Pool) -> None:
        """The budget is spent: what was never sent goes back to the askers. Time lets items that were begun finish."""
        replies: dict[Stream, list[Reply]] = {}
        spent = self.purse.spent
        for request in pool.remove(lambda waiting: not waiting.was_sent and (spent or not waiting.urgent)):
            replies.setdefault(self._asker.pop(request), []).append(Reply(request, None, "unasked"))
        for stream, batch in replies.items():
            stream.deliver(batch)

    def _leave(self, stream: Stream) -> None:
        """Nobody waits for what this caller asked: what was not sent is not sent."""
        self._streams.discard(stream)
        for pool in self._pools.values():
            for request in pool.remove(lambda waiting: self._asker.get(waiting) is stream):
                del self._asker[request]
        if not self._streams:
            self._sharing.part()
        self._pump()

    def _hear(self, link: Link, request: Request, response: Response) -> None:
        """A reply came, or the connection went."""
        self._lull.begin()
        if response.error:
            self._health.failed(link, response.error, reached=response.connected)
            self._try_again(link, request, "connection", response.error)
            self._pump()
        else:
            self._receive(link, request, response)

    def _receive(self, link: Link, request: Request, response: Response) -> None:
        seconds = self._now - link.out[request][1]
        answer = read_completion(response.status, response.body)
        if isinstance(answer, Bad):
            self._refused(link, request, response, answer)
            self._pump()
            return
        text, usage = (answer.content, answer.finish_reason), (answer.prompt_tokens, answer.completion_tokens)
        said = Said(request.key, request.position, request.kind, request.model, *text, *usage, seconds)
        link.answered(seconds, self._now)
        self._health.answered()
        self._keep(link, request, said)

    def _refused(self, link: Link, request: Request, response: Response, bad: Bad) -> None:
        if bad.reason == "overloaded":
            link.limit.overloaded(self._now)
            self._health.failed(link, bad.detail)
            self._try_again(link, request, bad.reason, bad.detail, wait=response.retry_after)
        elif bad.is_final:
            self._final(link, request, response.status, bad)
        else:
            self._health.failed(link, bad.detail)
            self._try_again(link, request, bad.reason, bad.detail)

    def _final(self, link: Link, request: Request, status: int, bad: Bad) -> None:
        """The server will never take this request. Only what is the request's own fault is kept like an answer."""
        link.refusals += 1
        if bad.reason != "too_long" and (status in _ACCOUNT or link.refusals >= _REFUSALS):
            self._fail(
                RunError(
                    f"{link.endpoint.url} refuses what it is asked (HTTP {status}): {bad.detail}; mend that, then `synth resume`"
                )
            )
        elif bad.reason == "too_long":
            said = Said(
                request.key, request.position, request.kind, request.model, bad.detail, "refused:too_long", 0, 0, 0.0
            )
            self._keep(link, request, said)
        else:
            del link.out[request]
            self._give_up(request, bad.reason, bad.detail)

    def _give_up(self, request: Request, reason: str, detail: str) -> None:
        self.purse.receive(request.body, 0, 0)
        self.counters.gave_up(reason)
        self._asker.pop(request).deliver([Reply(request, None, reason, detail)])

    def _keep(self, link: Link, request: Request, said: Said) -> None:
        """Commit soon; the slot stays taken until then."""
        del link.out[request]
        link.held += 1
        self._uncommitted.append((link, request, said))
        if len(self._uncommitted) >= COMMIT_ANSWERS:
            self._commit()
        elif self._commit_timer is None:
            self._commit_timer = asyncio.get_running_loop().call_later(COMMIT_SECONDS, self._commit)

    def _commit(self) -> None:
        if self._commit_timer is not None:
            self._commit_timer.cancel()
            self._commit_timer = None
        batch, self._uncommitted = self._uncommitted, []
        if not batch:
            return
        try:
            self._journal.commit([said for _, _, said in batch])
        except SynthError as error:
            self._fail(error)
            return
        self.counters.see(self.links)
        replies: dict[Stream, list[Reply]] = {}
        for link, request, said in batch:
            link.held -= 1
            self.purse.receive(request.body, said.prompt_tokens, said.completion_tokens)
            self.counters.answered(said)
            replies.setdefault(self._asker.pop(request), []).append(Reply(request, said))
        for stream, ready in replies.items():
            stream.deliver(ready)
        self._pump()

    def _try_again(self, link: Link, request: Request, reason: str, detail: str, wait: float | None = None) -> None:
        """Free the slot at once; the request comes back after a pause, or fails for good."""
        del link.out[request]
        self.counters.retried(reason)
        overloaded = reason == "overloaded"
        request.overloads += overloaded
        request.tries += not overloaded
        if request.tries >= MOST_TRIES or request.overloads >= MOST_OVERLOADS:
            self._give_up(request, reason, detail)
            return
        times = min(request.tries + request.overloads, 6)
        pause = self._patience.backoff * 2 ** (times - 1) * random.uniform(0.5, 1.0)
        asyncio.get_running_loop().call_later(wait if wait is not None else pause, self._come_back, request)

    def _time_out(self, link: Link, request: Request, detail: str) -> None:
        self._health.failed(link, "requests time out")
        self._try_again(link, request, "timeout", detail)
        self._pump()

    def _come_back(self, request: Request) -> None:
        if self._asker.get(request) not in self._streams:
            self._asker.pop(request, None)  # nobody waits for it any more
            self.purse.receive(request.body, 0, 0)
            return
        request.urgent = True
        self._pools[request.model].add(request)
        self._pump()

    async def _watch(self, link: Link) -> None:
        while link.has_metrics:
            before = link.limit.value
            pause = await link.poll()
            self.counters.see(self.links)
            if link.limit.value > before:
                for stream in self._streams:
                    stream.deliver([])  # there is more room: a caller may be waiting for replies
            self._pump()
            await asyncio.sleep(pause)

    def _note(self, text: str) -> None:
        for stream in list(self._streams)[:1]:
            stream.deliver(text)

    def _fail(self, error: SynthError) -> None:
        """Nothing can go on: everyone is told."""
        self._failure = error
        for stream in self._streams:
            stream.deliver(error)

    def _unexpected(self, _loop: asyncio.AbstractEventLoop | None, context: dict[str, Any]) -> None:
        """A bug of ours in the client's thread must end the run, not hang it."""
        error = context.get("exception")
        failure = RunError(f"the client failed: {context.get('message')}: {error!r}; `synth resume` goes on")
        failure.__cause__ = error
        self._fail(failure)
