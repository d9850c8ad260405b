"""A caller's end of the client: requests in, replies out, in any order."""

from __future__ import annotations

import queue
from collections.abc import Callable, Sequence

from synth.errors import SynthError
from synth.llm.requests import Reply, Request

Note = str
Delivery = list[Reply] | Note | SynthError


class Stream:
    """Made by `Client.open_stream`; belongs to one thread, while `deliver` may be called from any."""

    def __init__(
        self,
        ask: Callable[[Stream, Sequence[Request]], None],
        settle: Callable[[Stream, int], None],
        leave: Callable[[Stream], object],
        room: Callable[[], int],
    ) -> None:
        self._ask, self._settle, self._leave, self._room = ask, settle, leave, room
        self.owed = 0
        """Requests kept for its items under way; the client's thread counts them."""
        self._inbox: queue.SimpleQueue[Delivery] = queue.SimpleQueue()

    @property
    def room(self) -> int:
        """Requests that this caller should have out at least, so that no slot stays free."""
        return self._room()

    def ask(self, requests: Sequence[Request]) -> None:
        """Queue requests."""
        self._ask(self, requests)

    def settle(self, reserve: int) -> None:
        """Items ended whose first requests had this reserve in sum."""
        self._settle(self, reserve)

    def deliver(self, delivery: Delivery) -> None:
        """Replies, a note for people, or what ended the client. An empty list says that there is more room."""
        self._inbox.put(delivery)

    def receive(self, wait: bool = True) -> list[Reply] | Note | None:
        """The next delivery; raises what ended the client. None where nothing came and none waits."""
        try:
            delivery = self._inbox.get(block=wait)
        except queue.Empty:
            return None
        if isinstance(delivery, SynthError):
            raise delivery
        return delivery

    def close(self) -> None:
        """Nothing more is delivered."""
        self._leave(self)
