"""One server in use: its connections, what it was sent, how it is doing."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from synth.llm.endpoints import Endpoint, auth_headers
from synth.llm.limits import Limit
from synth.llm.metrics import Load, parse_metrics
from synth.llm.requests import Request
from synth.llm.scoring import Scorer
from synth.llm.transport import Done, Exchange, Transport

FASTEST_POLL, SLOWEST_POLL = 0.02, 1.0
_POLL_SHARE = 0.5
"""Share of the time that a server spends on answering `/metrics` at most, while the limit is searched."""
_PROBE_SECONDS = 5.0
_RECENT = 256
_SURE = 64
"""Answers after which a server's own pace says what is too slow."""
_SLOWER = 5.0
"""A request that takes this many times as long as the slowest recent one has hung."""


@dataclass(frozen=True)
class Patience:
    """Seconds to wait for things; `request` is `--request-timeout`."""

    request: float = 600.0
    shortest_deadline: float = 30.0
    quiet: float = 30.0
    """Without any answer until the watchdog speaks."""
    gone: float = 60.0
    """Without any server of a model until the run stops."""
    first_probe: float = 1.0
    backoff: float = 0.5


@dataclass
class Link:
    """State of one endpoint; belongs to the client's event loop."""

    endpoint: Endpoint
    patience: Patience
    limit: Limit = field(default_factory=Limit)
    out: dict[Request, tuple[Exchange | asyncio.Task[None], float]] = field(default_factory=dict)
    """Requests without an answer, oldest first, and when they were sent."""
    held: int = 0
    """Answered, and not yet committed to the journal."""
    load: Load | None = None
    first_load: Load | None = None
    has_metrics: bool = True
    parked: str = ""
    """Why nothing is sent to it for now; empty while it works."""
    parked_at: float = 0.0
    failures: int = 0
    """Since its last answer."""
    answers: int = 0
    refusals: int = 0
    """HTTP 4xx since its last answer."""
    recent: deque[float] = field(default_factory=lambda: deque(maxlen=_RECENT))

    def open(self, loop: asyncio.AbstractEventLoop, note: Callable[[str], None]) -> None:
        """Connections of its own: a slow server never holds up another."""
        self.transport = Transport(self.endpoint.url, auth_headers(), loop)
        path = urlsplit(self.endpoint.url).path
        self._chat, self._models = f"{path}/chat/completions", f"{path}/models"
        root = path.removesuffix("/v1")
        self._scorer = Scorer(
            self.transport, root, self._chat, self.endpoint.model, lambda said: note(f"{self.endpoint.url} {said}")
        )
        self._metrics, self._health = f"{root}/metrics", f"{root}/health"

    def send(self, request: Request, done: Done) -> Exchange | asyncio.Task[None]:
        """`done` is called once with the reply, unless what this returns is cancelled."""
        if request.scorable is not None:
            return self._scorer.send(request.body, request.scorable, done)
        return self.transport.post(self._chat, request.body, done)

    @property
    def in_flight(self) -> int:
        return len(self.out) + self.held

    @property
    def free(self) -> int:
        return 0 if self.parked else self.limit.value - self.in_flight

    def deadline(self) -> float:
        """Seconds a request may take: far beyond what this server needs, so that only a hung one is given up."""
        patience = self.patience
        if len(self.recent) < _SURE:
            return patience.request
        return min(patience.request, max(patience.shortest_deadline, _SLOWER * max(self.recent)))

    def answered(self, seconds: float, now: float) -> None:
        """It works."""
        self.failures = self.refusals = 0
        self.answers += 1
        self.recent.append(seconds)
        if not self.has_metrics:
            self.limit.answered(self.in_flight, now)

    async def poll(self) -> float:
        """Ask for `/metrics` once; returns the seconds until the next time."""
        asked = time.monotonic()
        response = await self.transport.get(self._metrics, _PROBE_SECONDS)
        load = parse_metrics(response.body.decode("utf-8", "replace")) if response.status == 200 else None
        if load is None:
            self.has_metrics = self.load is not None or bool(response.error)
            return SLOWEST_POLL
        now = time.monotonic()
        self.load = load
        self.first_load = self.first_load or load
        before = self.limit.value
        self.limit.observe(load, self.in_flight, now)
        if self.limit.searching:
            return max(FASTEST_POLL, (now - asked) / _POLL_SHARE)
        return SLOWEST_POLL / 4 if abs(self.limit.value - before) > before / 20 else SLOWEST_POLL

    async def is_back(self) -> bool:
        """Whether a parked server answers again."""
        for path in (self._health, self._models):
            if (await self.transport.get(path, _PROBE_SECONDS)).status == 200:
                return True
        return False
