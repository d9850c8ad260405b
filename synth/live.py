"""How a run is doing, in one line: what people watch and what Prometheus scrapes."""

from __future__ import annotations

import time
from collections import Counter

from synth.generators import Generator
from synth.progress import Reporter
from synth.rows import ItemRow

SAY_EVERY = 0.5


class Live:
    """Counts rows as they are made and tells a reporter."""

    def __init__(self, generator: Generator, reporter: Reporter) -> None:
        self._say = getattr(generator, "live", None)
        self._reporter = reporter
        self._status: Counter[str] = Counter()
        self._failed: Counter[str] = Counter()
        self._unsaid = 0
        self._said_at = time.monotonic()

    def count(self, row: ItemRow) -> None:
        """One more item is made."""
        self._status[row.status] += 1
        if row.status != "accepted":
            self._failed[row.reason] += 1
        self._unsaid += 1
        if time.monotonic() - self._said_at >= SAY_EVERY:
            self.finish()

    def finish(self) -> None:
        """Say what was not said yet."""
        self._reporter.advance(self._unsaid)
        self._unsaid, self._said_at = 0, time.monotonic()
        if self._say is not None:
            self._reporter.status(f"{self._say()}, {self._outcomes()}")

    def _outcomes(self) -> str:
        made = self._status.total()
        if not made:
            return "nothing made yet"
        most = ", ".join(f"{reason} {count:,}" for reason, count in self._failed.most_common(4))
        return f"accepted {self._status['accepted'] / made:.0%}" + (f" (lost to {most})" if most else "")
