"""Many requests to one server from a synchronous caller: several in flight, tried again, answered in order."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable, Coroutine, Sequence
from concurrent.futures import Future
from typing import Any, TypeVar
from urllib.parse import urlsplit

import orjson

from synth.errors import InputError, RunError
from synth.llm.endpoints import KEY_VARIABLES, auth_headers
from synth.llm.link import Patience
from synth.llm.transport import Response, Transport, new_loop

T = TypeVar("T")

IN_FLIGHT = 16
_LONGEST_PAUSE = 10.0
_OVERLOADED = (429, 503)
_PASSING = (408, *_OVERLOADED)
_ABSENT = (404, 405, 501)
_OVERLOAD_FACTOR = 10
"""A server that says it is busy is waited for so many times as long as one that does not answer."""


class Refused(InputError):
    """The server will never take a request: HTTP 4xx, or a route it does not have."""

    def __init__(self, url: str, route: str, status: int, said: str) -> None:
        key = f"; put the right API key into {KEY_VARIABLES[0]}" if status in (401, 403) else ""
        super().__init__(f"{url} refuses {route} (HTTP {status}{f': {said}' if said else ''}){key}")
        self.status = status
        self._told = (url, route, status, said)

    def __reduce__(self) -> tuple[type[Refused], tuple[str, str, int, str]]:
        return Refused, self._told  # from a worker to its flow run

    @property
    def is_absent(self) -> bool:
        """Whether the route is not there at all."""
        return self.status in _ABSENT


class Unreadable(Exception):
    """A reply of HTTP 200 is not what was asked for; asked again, it may be."""


class Remote:
    """A server that is asked in batches."""

    def __init__(self, url: str, patience: Patience | None = None, flag: str = "--teacher") -> None:
        self.url = url
        self._flag = flag
        self._patience = patience or Patience()
        self._path = urlsplit(url).path

    def post(self, route: str, bodies: Sequence[bytes], read: Callable[[bytes], T]) -> list[T]:
        """What `read` makes of the replies to POSTs of JSON, in the order of the bodies.

        `read` raises Unreadable. Raises Refused, and RunError where the server is gone for good.
        """
        return _run_in_thread(self._post(route, bodies, read))

    async def _post(self, route: str, bodies: Sequence[bytes], read: Callable[[bytes], T]) -> list[T]:
        transport = Transport(self.url, auth_headers(), asyncio.get_running_loop())
        slots = asyncio.Semaphore(IN_FLIGHT)

        async def one(body: bytes) -> T:
            async with slots:
                return await self._insist(transport, route, body, read)

        tasks = [asyncio.ensure_future(one(body)) for body in bodies]
        try:
            return list(await asyncio.gather(*tasks))
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            transport.close()

    async def _insist(self, transport: Transport, route: str, body: bytes, read: Callable[[bytes], T]) -> T:
        """Ask until there is an answer, or it has failed at least twice and for too long."""
        loop = asyncio.get_running_loop()
        tries, failing_since = 0, 0.0
        while True:
            response = await self._ask(transport, f"{self._path}{route}", body)
            try:
                if response.status == 200:
                    return read(response.body)
                trouble = self._trouble(route, response)
            except Unreadable as error:
                trouble = str(error)
            tries += 1
            now = loop.time()
            failing_since = failing_since or now
            gone = self._patience.gone * (_OVERLOAD_FACTOR if response.status in _OVERLOADED else 1)
            if tries > 1 and now - failing_since >= gone:
                raise RunError(
                    f"{self.url} does not answer {route} any more ({trouble}); what it answered so far is kept: start it again, then `synth resume` (with {self._flag} URL where it has another address)"
                )
            pause = min(self._patience.backoff * 2 ** min(tries - 1, 8), _LONGEST_PAUSE)
            await asyncio.sleep(max(pause, _retry_after(response)))

    async def _ask(self, transport: Transport, path: str, body: bytes) -> Response:
        found: asyncio.Future[Response] = asyncio.get_running_loop().create_future()
        exchange = transport.post(path, body, lambda response: None if found.done() else found.set_result(response))
        try:
            async with asyncio.timeout(self._patience.request):
                return await found
        except TimeoutError:
            return Response(error=f"no answer in {self._patience.request:.0f} s")
        finally:
            exchange.cancel()

    def _trouble(self, route: str, response: Response) -> str:
        """Why there is no answer yet; raises Refused where there will be none."""
        if response.error:
            return response.error
        said = said_by(response.body)
        if response.status in _PASSING or (response.status >= 500 and response.status not in _ABSENT):
            return f"HTTP {response.status}{f': {said}' if said else ''}"
        raise Refused(self.url, route, response.status, said)


def read_json(body: bytes) -> Any:
    """The JSON of a reply, NaN too, which some servers write and no standard knows. Raises ValueError."""
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        return json.loads(body)


def said_by(body: bytes) -> str:
    """A server's own words for what is wrong, short; '' where it has none."""
    try:
        reply = orjson.loads(body)
    except orjson.JSONDecodeError:
        return ""
    found = reply.get("error", reply) if isinstance(reply, dict) else reply
    if isinstance(found, dict):
        found = found.get("message") or found.get("detail") or ""
    return " ".join(str(found).split())[:200]


def _retry_after(response: Response) -> float:
    header = (response.headers or {}).get(b"retry-after", b"")
    return min(float(header), 60.0) if header.replace(b".", b"", 1).isdigit() else 0.0


def _run_in_thread(work: Coroutine[Any, Any, T]) -> T:
    """Run to the end in a thread with an event loop of its own: the caller may have one already.

    Interrupted, the work is cancelled and waited for.
    """
    outcome: Future[T] = Future()
    begun: Future[tuple[asyncio.AbstractEventLoop, asyncio.Task[Any]]] = Future()

    async def main() -> T:
        task = asyncio.current_task()
        assert task is not None
        begun.set_result((asyncio.get_running_loop(), task))
        return await work

    def run() -> None:
        try:
            with asyncio.Runner(loop_factory=new_loop) as runner:
                outcome.set_result(runner.run(main()))
        except BaseException as error:  # noqa: BLE001 - it is raised in the caller's thread
            outcome.set_exception(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    try:
        return outcome.result()
    except BaseException:
        if not outcome.done():
            loop, task = begun.result()
            loop.call_soon_threadsafe(task.cancel)
        raise
    finally:
        thread.join()
