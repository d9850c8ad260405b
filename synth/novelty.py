"""When nothing new comes: the block of accepted records in which too few queries open a region."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from schemas.recipe import StopSettings
from synth.assess import Assessment, read_items
from synth.regions import Regions
from synth.shard import Workshop
from synth.vectors import region_similarity, space_of

_NONE = np.empty(0, dtype=np.int64)


@dataclass(frozen=True)
class End:
    """Where a run ends: after the first `records` that it made, the last `block` of which opened `opened` regions."""

    records: int
    block: int
    opened: int

    def __str__(self) -> str:
        regions = "no region" if not self.opened else f"{self.opened:,} region{'s' if self.opened > 1 else ''}"
        return f"the last {self.block:,} of {self.records:,} queries opened {regions}"


class Novelty:
    """Follows the accepted records of a run in plan order, block by block.

    What it decides depends on the records and their order alone. Once `regions.MOST_REGIONS`
    are open it decides nothing any more: there is no end in sight.
    """

    def __init__(self, workshop: Workshop, settings: StopSettings) -> None:
        self._workshop, self._settings = workshop, settings
        self._space = space_of(workshop)
        self._similarity = region_similarity(self._space, len(workshop.corpus))
        self._regions, self._seen = Regions(self._similarity), _NONE

    def find_end(self, assessment: Assessment) -> End | None:
        """The first block with which nothing new came; None while there is none."""
        positions, block = assessment.positions, self._settings.block
        if not np.array_equal(positions[: len(self._seen)], self._seen):
            self._regions, self._seen = Regions(self._similarity), _NONE
        while len(self._seen) < assessment.carried:  # what the dataset has already is not new, and ends nothing
            self._look(assessment, min(len(self._seen) + block, assessment.carried))
        while len(self._seen) + block <= len(positions) and not self._regions.is_full:
            opened = self._look(assessment, len(self._seen) + block)
            records = len(self._seen) - assessment.carried
            if records >= self._settings.after and opened < self._settings.new_regions * block:
                return End(records, block, opened)
        return None

    def _look(self, assessment: Assessment, stop: int) -> int:
        """How many regions the records up to number `stop` open that were not looked at before."""
        opened = self._add(assessment, len(self._seen), stop)
        self._seen = assessment.positions[:stop]
        return opened

    def _add(self, assessment: Assessment, start: int, stop: int) -> int:
        """How many regions the records start … stop - 1 open."""
        tables = read_items(self._workshop.folder, assessment.shards, assessment.positions[start:stop], ["query"])
        before = len(self._regions)
        self._regions.add(self._space.queries([text for table in tables for text in table["query"].to_pylist()]))
        return len(self._regions) - before
