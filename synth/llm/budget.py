"""What an execution may spend at most; when it is spent the run ends cleanly and can be resumed."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from schemas.base import Strict

if TYPE_CHECKING:
    from synth.llm.ledger import Ledger

_BYTES_PER_TOKEN = 4
_NO_TIME = 1e-12
_LOOK_AGAIN = 0.2
"""Seconds after which a ledger that gave nothing is asked again."""


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
    """A budget being spent; with a ledger, together with other processes: credits are drawn from it as they are needed."""

    def __init__(self, budget: Budget, ledger: Ledger | None = None) -> None:
        self._most_requests, self._most_tokens = budget.requests, budget.tokens
        self._ends = None if budget.hours is None else time.monotonic() + budget.hours * 3600
        self._ledger = ledger
        self.askers = 1
        """Processes that draw from the ledger."""
        self._drawn = 0
        self._share_held_at = self._all_drawn_at = -_LOOK_AGAIN
        if ledger is not None:
            self._most_requests = None if budget.requests is None else 0
            self._most_tokens = None if budget.tokens is None else 0
            seconds = ledger.seconds
            self._ends = None if seconds is None else time.monotonic() + seconds
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
        return self.spent or (self._ends is not None and time.monotonic() >= self._ends)

    @property
    def is_bounded(self) -> bool:
        """Whether there is a bound that repairs and later steps count against."""
        return self._most_requests is not None or self._most_tokens is not None

    def has_room(self, reserve: int, owed: int) -> bool:
        """Whether an item may begin that asks once and `reserve` times more, so that all begun can be finished.

        `owed` is the sum of the reserves of those under way; where that is 0 any item may begin.
        """
        if not owed or not self.is_bounded:
            return True
        mean = self._tokens / self._answered if self._answered else self._prompts_out / max(1, self._sent)
        kept = 1 + reserve + owed
        return not self._reached(self._sent + kept - 1, self._tokens + self._expected + mean * kept)

    def release(self) -> None:
        """Give back what is not spent: nothing is being asked."""
        if self._ledger is None or not self.is_bounded:
            return
        self._reached(self._sent - 1, self._tokens + self._expected)  # more tokens than were drawn are paid for
        requests = 0 if self._most_requests is None else self._most_requests - self._sent
        tokens = 0 if self._most_tokens is None else int(self._most_tokens - self._tokens - self._expected)
        self._ledger.give_back(requests, tokens)
        self._most_requests = None if self._most_requests is None else self._most_requests - max(0, requests)
        self._most_tokens = None if self._most_tokens is None else self._most_tokens - max(0, tokens)

    def _reached(self, requests: int, tokens: float) -> bool:
        while self._lacks(requests, tokens):
            if not self._draw():
                return True
        return False

    def _lacks(self, requests: int, tokens: float) -> bool:
        return (self._most_requests is not None and requests >= self._most_requests) or (
            self._most_tokens is not None and tokens >= self._most_tokens
        )

    def _draw(self) -> bool:
        """Take a credit from the ledger; a process that holds its share already gets none."""
        now, unspent = time.monotonic(), self._unspent_credits
        refused_at = self._share_held_at if unspent else self._all_drawn_at
        if self._ledger is None or now - refused_at < _LOOK_AGAIN:
            return False
        credit = self._ledger.draw(unspent, self.askers)
        if credit is None:
            if unspent:
                self._share_held_at = now
            else:
                self._all_drawn_at = now
            return False
        self._drawn += 1
        if self._most_requests is not None:
            self._most_requests += credit.requests
        if self._most_tokens is not None:
            self._most_tokens += credit.tokens
        return True

    @property
    def _unspent_credits(self) -> int:
        """Of those drawn, by the kind of which less is left."""
        kinds = ((self._most_requests, self._sent), (self._most_tokens, self._tokens + self._expected))
        shares = [1 - spent / most for most, spent in kinds if most]
        return max(0, int(self._drawn * min(shares, default=0.0)))

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
