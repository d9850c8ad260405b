"""What an execution may spend at most; when it is spent the run ends cleanly and can be resumed."""

from __future__ import annotations

import time
from typing import Annotated

from pydantic import Field

from schemas.base import Strict

_BYTES_PER_TOKEN = 4
_NO_TIME = 1e-12


class Budget(Strict):
    """`--max-requests`, `--max-tokens-total`, `--max-hours`; None means no bound.

    Tokens are counted once an answer is there, so that those in flight are estimated.
    """

    requests: Annotated[int, Field(ge=1)] | None = None
    tokens: Annotated[int, Field(ge=1)] | None = None
    hours: Annotated[float, Field(gt=0)] | None = None


class Allowance:
    """A budget that several clients spend, one after another."""

    def __init__(self, budget: Budget) -> None:
        self._budget = budget
        self._started = time.monotonic()
        self._requests = self._tokens = 0

    @property
    def left(self) -> Budget:
        """What the next client may spend; where nothing is left, a budget under which nothing is asked."""
        bounds = self._budget
        requests = None if bounds.requests is None else bounds.requests - self._requests
        tokens = None if bounds.tokens is None else bounds.tokens - self._tokens
        hours = None if bounds.hours is None else bounds.hours - (time.monotonic() - self._started) / 3600
        if any(each is not None and each <= 0 for each in (requests, tokens, hours)):
            return Budget(hours=_NO_TIME)
        return Budget(requests=requests, tokens=tokens, hours=hours)

    def spend(self, requests: int, tokens: int) -> None:
        self._requests += requests
        self._tokens += tokens


class Purse:
    """A budget being spent."""

    def __init__(self, budget: Budget) -> None:
        self._budget = budget
        self._started = time.monotonic()
        self._sent = self._answered = self._tokens = self._completion_tokens = self._prompts_out = 0

    @property
    def paid(self) -> tuple[int, int]:
        """(requests, tokens) so far."""
        return self._sent, self._tokens

    @property
    def spent(self) -> bool:
        """Whether not even an item that was begun may ask once more; the time bound lets it finish."""
        return self.is_bounded and self._reached(self._sent, self._tokens + self._expected)

    @property
    def is_closed(self) -> bool:
        """Whether no new item will be begun, whatever comes back of those in flight."""
        hours = self._budget.hours
        return self.spent or (hours is not None and time.monotonic() - self._started >= hours * 3600)

    @property
    def is_bounded(self) -> bool:
        """Whether there is a bound that repairs and later steps count against."""
        return self._budget.requests is not None or self._budget.tokens is not None

    def has_room(self, reserve: int, owed: int) -> bool:
        """Whether an item may begin that asks once and `reserve` times more, so that all begun can be finished.

        `owed` is the sum of the reserves of those under way; where that is 0 any item may begin.
        """
        if not owed or not self.is_bounded:
            return True
        mean = self._tokens / self._answered if self._answered else self._prompts_out / max(1, self._sent)
        kept = 1 + reserve + owed
        return not self._reached(self._sent + kept - 1, self._tokens + self._expected + mean * kept)

    def _reached(self, requests: int, tokens: float) -> bool:
        budget = self._budget
        return (budget.requests is not None and requests >= budget.requests) or (
            budget.tokens is not None and tokens >= budget.tokens
        )

    @property
    def _in_flight(self) -> int:
        return self._sent - self._answered

    @property
    def _expected(self) -> float:
        """Tokens in flight: prompts by their length, answers by the mean so far."""
        mean = self._completion_tokens / self._answered if self._answered else 0.0
        return self._prompts_out + mean * self._in_flight

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
