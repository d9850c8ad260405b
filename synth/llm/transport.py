"""HTTP/1.1 to one server with as little between us and the socket as it takes.

With aiohttp the client's thread spent 0.52 ms of CPU on a request and its answer, with this 0.08 to
0.09 (docs/measurements.md): at a thousand answers a second that is the difference between a
client that keeps up and one that does not. Parsing is httptools'; there are no redirects, cookies or proxies. Everything here
belongs to one event loop.
"""

from __future__ import annotations

import asyncio
import ssl
import sys
import time
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import cast
from urllib.parse import urlsplit

import httptools

KEEPALIVE = 4.0
"""vLLM closes idle connections after 5 seconds; ours must be gone by then."""
CONNECT_SECONDS = 10.0
_OTHER_FILES = 192


@dataclass(slots=True)
class Response:
    """What came back: a reply, or `error` in words where there is none."""

    status: int = 0
    body: bytes = b""
    headers: Mapping[bytes, bytes] | None = None
    error: str = ""
    connected: bool = True
    """False when the server could not even be reached."""

    @property
    def retry_after(self) -> float | None:
        """Seconds that the server asks to wait, at most a minute; None where it does not say."""
        said = (self.headers or {}).get(b"retry-after", b"")
        return min(float(said), 60.0) if said.replace(b".", b"", 1).isdigit() else None


Done = Callable[[Response], None]


def connections_allowed() -> int:
    """Sockets that this process may open, as many as the system gives it; some files are left for everything else."""
    if sys.platform == "win32":
        return 8_192
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        soft = hard
    return 65_536 if soft == resource.RLIM_INFINITY else max(16, soft - _OTHER_FILES)


def new_loop() -> asyncio.AbstractEventLoop:
    """uvloop's, where it runs."""
    if sys.platform == "win32":
        return asyncio.new_event_loop()
    import uvloop

    return uvloop.new_event_loop()


class Lull:
    """A pause in which answers gather, unread.

    A thread that wakes for each of a thousand answers a second takes the processor from all
    others; what waits for the next commit may as well wait in its socket.
    """

    SECONDS = 0.01

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop, self._is_due = loop, False

    def begin(self) -> None:
        """Once what has come by now is read; several calls before that are one."""
        if not self._is_due:
            self._is_due = True
            self._loop.call_soon(self._rest)

    def _rest(self) -> None:
        self._is_due = False
        time.sleep(self.SECONDS)


class Exchange:
    """A request under way; `cancel` gives it up without calling back."""

    __slots__ = ("connection", "done", "payload")

    def __init__(self, payload: bytes, done: Done) -> None:
        self.payload = payload
        self.done: Done | None = done
        self.connection: _Connection | None = None

    def cancel(self) -> None:
        """The server sees the connection close, and stops working for nobody."""
        self.done = None
        if self.connection is not None:
            self.connection.abort()

    def finish(self, response: Response) -> None:
        done, self.done = self.done, None
        if done is not None:
            done(response)


class Transport:
    """Connections to one server, opened as needed and kept while they are used."""

    def __init__(self, url: str, headers: Mapping[str, str], loop: asyncio.AbstractEventLoop) -> None:
        parts = urlsplit(url)
        assert parts.hostname is not None
        self._host = parts.hostname
        self._ssl = ssl.create_default_context() if parts.scheme == "https" else None
        self._port = parts.port or (443 if self._ssl else 80)
        self._head = "".join(
            f"{name}: {value}\r\n" for name, value in {"Host": parts.netloc, **headers}.items()
        ).encode()
        self._loop = loop
        self._idle: deque[tuple[_Connection, float]] = deque()
        self._connecting: set[asyncio.Task[None]] = set()

    def post(self, path: str, body: bytes, done: Done) -> Exchange:
        """Send JSON; `done` is called once, from the event loop, unless the exchange is cancelled."""
        head = b"POST %b HTTP/1.1\r\n%bContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
        return self._send(Exchange(head % (path.encode(), self._head, len(body)) + body, done))

    async def get(self, path: str, timeout: float) -> Response:
        """Fetch something small; a timeout is a response with an error."""
        found: asyncio.Future[Response] = self._loop.create_future()
        payload = b"GET %b HTTP/1.1\r\n%b\r\n" % (path.encode(), self._head)
        exchange = self._send(Exchange(payload, lambda response: None if found.done() else found.set_result(response)))
        try:
            async with asyncio.timeout(timeout):
                return await found
        except TimeoutError:
            return Response(error=f"no answer in {timeout:.0f} s")
        finally:
            exchange.cancel()

    def close(self) -> None:
        """Idle connections go; exchanges under way must have been cancelled."""
        for task in self._connecting:
            task.cancel()
        while self._idle:
            self._idle.pop()[0].abort()

    def release(self, connection: _Connection) -> None:
        self._idle.append((connection, self._loop.time()))
        while self._loop.time() - self._idle[0][1] > KEEPALIVE:
            self._idle.popleft()[0].abort()

    def _send(self, exchange: Exchange) -> Exchange:
        while self._idle:
            connection, since = self._idle.pop()
            if connection.is_open and self._loop.time() - since <= KEEPALIVE:
                connection.begin(exchange)
                return exchange
            connection.abort()
        task = self._loop.create_task(self._connect(exchange))
        self._connecting.add(task)
        task.add_done_callback(self._connecting.discard)
        return exchange

    async def _connect(self, exchange: Exchange) -> None:
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                _, connection = await self._loop.create_connection(
                    lambda: _Connection(self), self._host, self._port, ssl=self._ssl
                )
        except (OSError, TimeoutError, ssl.SSLError) as error:
            reason = str(error) or f"no connection in {CONNECT_SECONDS:.0f} s"
            exchange.finish(Response(error=reason, connected=False))
            return
        if exchange.done is None:
            self.release(connection)
        else:
            connection.begin(exchange)


class _Connection(asyncio.Protocol):
    """One socket: at most one exchange at a time."""

    def __init__(self, owner: Transport) -> None:
        self._owner = owner
        self._socket: asyncio.Transport | None = None
        self._exchange: Exchange | None = None
        self._parser = httptools.HttpResponseParser(self)
        self._headers: dict[bytes, bytes] = {}
        self._chunks: list[bytes] = []

    @property
    def is_open(self) -> bool:
        return self._socket is not None and not self._socket.is_closing()

    def begin(self, exchange: Exchange) -> None:
        self._exchange = exchange
        exchange.connection = self
        assert self._socket is not None
        self._socket.write(exchange.payload)

    def abort(self) -> None:
        if self._socket is not None:
            self._socket.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._socket = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserCallbackError as error:
            raise error.__context__ or error from None  # ours, not the server's: the loop's handler ends the run
        except httptools.HttpParserError as error:
            self._end(Response(error=f"not HTTP: {error}"))
            self.abort()

    def connection_lost(self, error: Exception | None) -> None:
        self._socket = None
        status = 0
        with suppress(httptools.HttpParserError):
            status = self._parser.get_status_code()
        if self._until_closed and status and error is None:
            self._end(Response(status, b"".join(self._chunks), self._headers))
        else:
            self._end(Response(error=str(error) if error else "the server closed the connection"))

    @property
    def _until_closed(self) -> bool:
        """Whether the body has no other end than that of the connection."""
        return bool(self._headers) and not {b"content-length", b"transfer-encoding"} & self._headers.keys()

    # ---- called by httptools ----

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers[name.lower()] = value

    def on_body(self, body: bytes) -> None:
        self._chunks.append(body)

    def on_message_complete(self) -> None:
        status = self._parser.get_status_code()
        if status < 200:
            return
        keep = self._parser.should_keep_alive()
        response = Response(status, b"".join(self._chunks), self._headers)
        exchange, self._exchange = self._exchange, None
        self._headers, self._chunks = {}, []
        if keep and self.is_open:
            self._owner.release(self)
        else:
            self.abort()
        if exchange is not None:
            exchange.connection = None
            exchange.finish(response)

    def _end(self, response: Response) -> None:
        exchange, self._exchange = self._exchange, None
        if exchange is not None:
            exchange.connection = None
            exchange.finish(response)
