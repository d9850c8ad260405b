"""What the client has done so far: the numbers behind the live view and `--metrics-port`."""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Sequence

from synth.llm.journal import Said
from synth.llm.link import Link

_HISTORY = 20
"""Moments that rates are taken over; the live view asks twice a second."""


class Counters:
    """Written by the client's thread, read by anyone."""

    def __init__(self) -> None:
        self.requests: Counter[str] = Counter()
        """Sent, by kind; a request that is tried again counts again."""
        self.answers: Counter[str] = Counter()
        """On disk, by kind."""
        self.retries: Counter[str] = Counter()
        self.given_up: Counter[str] = Counter()
        self.prompt_tokens = self.completion_tokens = 0
        self.in_flight = self.limit = 0
        self.cache_queries = self.cache_hits = 0
        self._history: deque[tuple[float, int, int, int]] = deque(maxlen=_HISTORY)

    def sent(self, kind: str) -> None:
        self.requests[kind] += 1

    def answered(self, said: Said) -> None:
        self.answers[said.kind] += 1
        self.prompt_tokens += said.prompt_tokens
        self.completion_tokens += said.completion_tokens

    def retried(self, reason: str) -> None:
        self.retries[reason] += 1

    def gave_up(self, reason: str) -> None:
        self.given_up[reason] += 1

    def see(self, links: Sequence[Link]) -> None:
        """Gauges, and the prefix cache of the servers since the run began."""
        self.in_flight = sum(link.in_flight for link in links)
        self.limit = sum(link.limit.value for link in links)
        both = [(link.first_load, link.load) for link in links]
        self.cache_queries = sum(now.cache_queries - first.cache_queries for first, now in both if first and now)
        self.cache_hits = sum(now.cache_hits - first.cache_hits for first, now in both if first and now)

    def describe(self) -> str:
        """Rates over the last seconds, slots, cache and retries, for the live view."""
        now, done = time.monotonic(), self.answers.total()
        self._history.append((now, done, self.prompt_tokens, self.completion_tokens))
        then, was, prompt, completion = self._history[0]
        span = max(now - then, 1e-6)
        rate, read, written = (
            (done - was) / span,
            (self.prompt_tokens - prompt) / span,
            (self.completion_tokens - completion) / span,
        )
        parts = [
            f"{rate:,.1f} requests/s",
            f"tokens/s {read:,.0f} in {written:,.0f} out",
            f"{self.in_flight:,} in flight of {self.limit:,}",
        ]
        if self.cache_share is not None:
            parts.append(f"{self.cache_share:.0%} of prompt tokens cached")
        if self.retries:
            parts.append(
                "tried again: "
                + " ".join(f"{reason} {count:,}" for reason, count in Counter(dict(self.retries)).most_common(3))
            )
        return ", ".join(parts)

    @property
    def cache_share(self) -> float | None:
        """Share of prompt tokens that the servers took from their prefix cache."""
        return self.cache_hits / self.cache_queries if self.cache_queries > 0 else None
