"""Servers that fail, requests that hang, and a word when nothing comes back."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Coroutine, Mapping

from synth.errors import RunError, SynthError
from synth.llm.link import Link, Patience
from synth.llm.pool import Pool
from synth.llm.requests import Request

LONGEST_PROBE_PAUSE = 15.0
_REFUSED = 4
"""A server that can't even be reached counts as so many failures."""


class Health:
    """Watches the links of a client; belongs to its event loop."""

    def __init__(
        self,
        pools: Mapping[str, Pool],
        patience: Patience,
        *,
        note: Callable[[str], None],
        fail: Callable[[SynthError], None],
        spawn: Callable[[Coroutine[None, None, None]], None],
        timed_out: Callable[[Link, Request, str], None],
        revived: Callable[[], None],
    ) -> None:
        self._pools, self._patience = pools, patience
        self._note, self._fail, self._spawn = note, fail, spawn
        self._timed_out, self._revived = timed_out, revived
        self._loop = asyncio.get_running_loop()
        self._last_answer = self._loop.time()
        self._quiet_said = 0.0

    def answered(self) -> None:
        """Something came back."""
        self._last_answer = self._loop.time()
        self._quiet_said = 0.0

    def failed(self, link: Link, detail: str, *, reached: bool = True) -> None:
        """A request failed by the server's fault; many in a row, and it is set aside."""
        link.failures += 1 if reached else _REFUSED
        if link.failures >= 8 + link.limit.value // 4 and not link.parked:
            link.parked, link.parked_at = detail, self._loop.time()
            self._note(f"{link.endpoint.url} is set aside until it answers again: {detail}")
            self._spawn(self._probe(link))

    async def _probe(self, link: Link) -> None:
        """Wait for a parked server; end the run when its model has had no server for too long."""
        pause = self._patience.first_probe
        while link.parked:
            await asyncio.sleep(pause)
            pause = min(pause * 2, LONGEST_PROBE_PAUSE)
            if await link.is_back():
                link.parked, link.failures = "", 0
                self._note(f"{link.endpoint.url} answers again")
                self._revived()
                return
            siblings = self._pools[link.endpoint.model].links
            newest = max(other.parked_at for other in siblings)
            if all(other.parked for other in siblings) and self._loop.time() - newest >= self._patience.gone:
                self._fail(
                    RunError(
                        f"no server of the model {link.endpoint.model!r} answers any more ({link.endpoint.url}: {link.parked}); every answer so far is kept: start the server again, then `synth resume`"
                    )
                )
                return

    async def tick(self) -> None:
        """Every second: deadlines, and a word when nothing comes back."""
        links = [link for pool in self._pools.values() for link in pool.links]
        while True:
            await asyncio.sleep(min(1.0, self._patience.shortest_deadline / 4))
            for link in links:
                self._give_up_hung(link)
            self._say_when_quiet(links)

    def _give_up_hung(self, link: Link) -> None:
        now, deadline = self._loop.time(), link.deadline()
        late = itertools.takewhile(lambda entry: now - entry[1][1] >= deadline, link.out.items())
        for request, (exchange, sent) in list(late):
            exchange.cancel()
            self._timed_out(link, request, f"no answer in {now - sent:.0f} s")

    def _say_when_quiet(self, links: list[Link]) -> None:
        waiting = [(sent, link) for link in links for _, sent in link.out.values()]
        now = self._loop.time()
        if not waiting:
            self._last_answer = now
            return
        quiet = now - self._last_answer
        if quiet < max(self._patience.quiet, 2 * self._quiet_said):
            return
        self._quiet_said = quiet
        sent, link = min(waiting, key=lambda pair: pair[0])
        load = f"; it says {link.load.running} run and {link.load.waiting} wait" if link.load else ""
        self._note(
            f"no answer for {quiet:.0f} s: {len(waiting)} requests are out, the oldest for {now - sent:.0f} s at {link.endpoint.url}{load}"
        )
