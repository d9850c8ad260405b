"""How many requests a server can use at once, found while it works.

With `/metrics` the server is kept with a short queue: a quarter more than it runs. Without,
the limit rises while that brings more answers a second. Overload (HTTP 429 and 503) and
preemptions cut it by 0.7.
"""

from __future__ import annotations

import math

from synth.llm.metrics import Load

FIRST = 64
SPARE = 0.25
"""Requests that should wait at the server, as a share of those that run: no slot is ever without a successor."""
_GROWTH = 3.0
"""Of the limit from one look at the server to the next, until it is full: a queue there does no harm, an idle slot does."""
_SETTLED = 0.2
"""Seconds that a queue must stand at a server whose running requests no longer grow."""
_CUT = 0.7
_CUT_EVERY = 2.0
"""Seconds between two cuts: the first must show before the second."""
_GAIN = 1.1
"""A rise that brings less than this many times the answers has found the limit."""
_GENERATIONS_HELD = 8
"""Without metrics: windows until a higher limit is tried again."""
_MOST = 65_536


class Limit:
    """The number of requests in flight that one server is given."""

    def __init__(self, most: int = _MOST) -> None:
        self._askers = 1
        self._most = float(most)
        self._value = min(float(FIRST), self._most)
        self.searching = True
        """Whether the limit still grows by leaps."""
        self._running = 0
        self._full_since = math.inf
        self._preemptions: int | None = None
        self._cut_at = -math.inf
        self._window_start = 0.0
        self._window_answers = 0
        self._best = 0.0
        self._held = 0
        self._lower = 0.0
        """The limit before the last rise, while it is not known whether that helped."""

    @property
    def value(self) -> int:
        return max(1, int(self._value))

    def share(self, askers: int) -> None:
        """So many processes ask the server: each corrects its part of the queue that all of them see."""
        if self.searching:
            self._value = min(max(1.0, self._value * self._askers / askers), self._most)
        self._askers = askers

    def overloaded(self, now: float) -> None:
        """The server turned a request away or preempted one."""
        if now - self._cut_at >= _CUT_EVERY:
            self._cut_at = now
            self.searching = False
            self._value = max(1.0, self._value * _CUT)

    def observe(self, load: Load, in_flight: int, now: float) -> None:
        """What `/metrics` says while `in_flight` of our requests are out.

        A request that has just arrived counts as waiting until the engine's next step, so a queue
        only means that the server is full when the number that run stays where it is for a while,
        and nothing at all is learnt while less is out than the limit allows.
        """
        preempted = self._preemptions is not None and load.preemptions > self._preemptions
        self._preemptions = load.preemptions
        grew = load.running > self._running
        self._running = load.running
        if preempted:
            self.overloaded(now)
        if in_flight < 0.9 * self._value or load.waiting == 0:
            self._full_since = math.inf
            if in_flight >= 0.9 * self._value:
                self._raise(now)
            return
        self._full_since = now if grew and self.searching else min(self._full_since, now)
        if now - self._full_since >= _SETTLED or not self.searching:
            self.searching = False
            excess = load.waiting - max(1, math.ceil(load.running * SPARE))
            self._value = min(max(1.0, in_flight - excess / self._askers), self._ceiling(now))

    def answered(self, in_flight: int, now: float) -> None:
        """One more answer came from a server without `/metrics`."""
        self._window_answers += 1
        if self._window_answers < self.value:
            return
        rate = self._window_answers / max(now - self._window_start, 1e-6) if self._window_start else 0.0
        self._window_answers, self._window_start = 0, now
        if rate == 0.0 or in_flight < 0.9 * self._value:
            return
        if rate > self._best * _GAIN:
            self._best, self._held = rate, 0
            self._lower = self._value
            self._raise(now)
        elif self._lower:
            self._value = min(self._value, self._lower * (1 + SPARE) if self.searching else self._lower)
            self._lower, self._held, self.searching = 0.0, 0, False
        else:
            self._held += 1
            if self._held >= _GENERATIONS_HELD:
                self._best, self._lower = rate, self._value
                self._raise(now)

    def _raise(self, now: float) -> None:
        self._value = min(self._value * (_GROWTH if self.searching else 1 + SPARE), self._ceiling(now))

    def _ceiling(self, now: float) -> float:
        """A cut holds for a while, then the limit may rise again."""
        return self._value if now - self._cut_at < _CUT_EVERY else self._most
