"""The queue of one model and the servers that share it."""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Callable

from synth.llm.link import Link
from synth.llm.requests import Request

_HOMES = 8_192
"""Prompt prefixes whose server is remembered."""


class Pool:
    """Urgent requests first, then in the order they came; each to the least loaded server.

    Requests of one group share a prompt prefix and go to the server that has it cached, while
    that one has a free slot.
    """

    def __init__(self) -> None:
        self.links: list[Link] = []
        self._urgent: deque[Request] = deque()
        self._new: deque[Request] = deque()
        self._homes: OrderedDict[int, Link] = OrderedDict()

    @property
    def waiting(self) -> int:
        return len(self._urgent) + len(self._new)

    def add(self, request: Request) -> None:
        (self._urgent if request.urgent else self._new).append(request)

    def take(self, may_begin: Callable[[Request], bool]) -> tuple[Request, Link] | None:
        """The next request and the server for it; None while no server has a free slot, or it may not begin yet."""
        line = self._urgent or self._new
        if not line or (not self._urgent and not may_begin(line[0])):
            return None
        link = self._choose(line[0].group)
        return (line.popleft(), link) if link is not None else None

    def remove(self, chosen: Callable[[Request], bool]) -> list[Request]:
        """Take some out, in order."""
        removed = [request for line in (self._urgent, self._new) for request in line if chosen(request)]
        gone = set(removed)
        self._urgent = deque(request for request in self._urgent if request not in gone)
        self._new = deque(request for request in self._new if request not in gone)
        return removed

    def _choose(self, group: int) -> Link | None:
        if len(self.links) == 1:
            only = self.links[0]
            return only if only.free > 0 else None
        home = self._homes.get(group)
        if home is None or home.free <= 0:
            free = [link for link in self.links if link.free > 0]
            if not free:
                return None
            home = min(free, key=lambda link: link.in_flight / link.limit.value)
            self._homes[group] = home
            if len(self._homes) > _HOMES:
                self._homes.popitem(last=False)
        return home
