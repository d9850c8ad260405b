"""What an execution may spend at most; when it is spent the run ends cleanly and can be resumed."""

from __future__ import annotations

import time
from typing import Annotated

from pydantic import Field

from schemas.base import Strict

_BYTES_PER_TOKEN = 4


class Budget(Strict):
    """`--max-requests`, `--max-tokens-total`, `--max-hours`; None means no bound.

    Tokens are counted once an answer is there, so that those in flight are estimated.
    """

    requests: Annotated[int, Field(ge=1)] | None = None
    tokens: Annotated[int, Field(ge=1)] | None = None
    hours: Annotated[float, Field(gt=0)] | None = None


class Purse:
    """A budget being spent."""

    def __init__(self, budget: Budget) -> None:
        self._budget = budget
        self._started = time.monotonic()
        self._sent = self._answered = self._tokens = self._completion_tokens = self._prompts_out = 0

    @property
    def spent(self) -> bool:
        """Whether a bound is reached."""
        requests, tokens, hours = self._budget.requests, self._budget.tokens, self._budget.hours
        return (
            (requests is not None and self._sent >= requests)
            or (tokens is not None and self._tokens + self._expected_in_flight >= tokens)
            or (hours is not None and time.monotonic() - self._started >= hours * 3600)
        )

    @property
    def _expected_in_flight(self) -> float:
        """Prompts by their length, answers by the mean so far."""
        mean = self._completion_tokens / self._answered if self._answered else 0.0
        return self._prompts_out + mean * (self._sent - self._answered)

    def send(self, body: bytes) -> None:
        """A request goes out."""
        self._sent += 1
        self._prompts_out += len(body) // _BYTES_PER_TOKEN

    def receive(self, body: bytes, prompt_tokens: int, completion_tokens: int) -> None:
        """Its answer came, or it failed for good."""
        self._answered += 1
        self._prompts_out -= len(body) // _BYTES_PER_TOKEN
        self._tokens += prompt_tokens + completion_tokens
        self._completion_tokens += completion_tokens
