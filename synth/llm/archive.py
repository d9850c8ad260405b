"""Answers as Parquet in the store: paid for once, read by every later run.

    STORE/answers/GENERATION_HASH/BLOCK/….parquet

A block is 1,000 plan positions. The generation hash covers what determines requests and
nothing else, so other gates, another miner or another number of records ask nothing again.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from schemas.base import sha256_of
from schemas.recipe import PersonaSettings, Recipe
from synth.files import write_parquet
from synth.llm.journal import Said, read_journal
from synth.plan import models_of

BLOCK = 1_000
SEAL_SECONDS = 30.0

ANSWERS = pa.schema(
    [
        ("key", pa.binary(16)),
        ("position", pa.int64()),
        ("kind", pa.string()),
        ("model", pa.string()),
        ("content", pa.string()),
        ("finish_reason", pa.string()),
        ("prompt_tokens", pa.int32()),
        ("completion_tokens", pa.int32()),
        ("seconds", pa.float32()),
    ]
)

Forget = Callable[[Sequence[Said]], None]


def generation_hash(recipe: Recipe) -> str:
    """sha256 of the part of a recipe that determines what items are asked.

    Steps that the recipe adds, such as a judgement, and the models kept for them are left out:
    with them, what the tasks themselves asked is not asked again.
    """
    needed = {
        "domain",
        "instruction",
        "corpus_sha256",
        "personas_sha256",
        "prompts",
        "chunk",
        "plan",
        "sampling",
        "seed",
    }
    if recipe.persona != PersonaSettings():  # else the hash is what it was before there was a choice
        needed |= {"persona", "teacher"} if recipe.persona.match == "top-k" else {"persona"}
    models = {task: models_of(recipe, task) for task in recipe.plan.tasks}
    return sha256_of({**recipe.model_dump(mode="json", include=needed), "models": models})


class Block:
    """The answers to 1,000 plan positions: those on disk, and those not sealed yet."""

    def __init__(self, number: int, folder: Path, journal: Path) -> None:
        self.start, self.stop = number * BLOCK, (number + 1) * BLOCK
        self._folder = folder / f"{number:012d}"
        self.known: dict[bytes, Said] = {}
        in_journal = read_journal(journal, self.start, self.stop)  # first, as another process may be sealing
        for segment in sorted(self._folder.glob("*.parquet")):
            for row in zip(*pq.read_table(segment).to_pydict().values(), strict=True):
                said = Said._make(row)
                self.known[said.key] = said
        self.stale = [said for said in in_journal if said.key in self.known]
        """Rows of the journal that were sealed before a kill."""
        self._unsealed = [said for said in in_journal if said.key not in self.known]
        self.known.update((said.key, said) for said in self._unsealed)
        self._sealed_at = time.monotonic()

    def add(self, said: Said) -> None:
        """One more answer, committed to the journal a moment ago."""
        self._unsealed.append(said)

    @property
    def is_due(self) -> bool:
        return bool(self._unsealed) and time.monotonic() - self._sealed_at >= SEAL_SECONDS

    def seal(self, forget: Forget) -> None:
        """Write a segment, then let the journal forget its rows."""
        self._sealed_at = time.monotonic()
        if not self._unsealed:
            return
        columns = list(zip(*self._unsealed, strict=True))
        arrays = [pa.array(column, type=field.type) for column, field in zip(columns, ANSWERS, strict=True)]
        segment = self._folder / f"{time.time_ns():020d}-{uuid.uuid4().hex[:8]}.parquet"
        write_parquet(segment, pa.table(arrays, schema=ANSWERS))
        forget(self._unsealed)
        self._unsealed = []


class Archive:
    """The blocks that a stream of items is in the middle of."""

    def __init__(self, folder: Path, journal: Path, forget: Forget) -> None:
        self._folder, self._journal, self._forget = folder, journal, forget
        self._open: dict[int, tuple[Block, set[int]]] = {}

    def find(self, position: int, key: bytes) -> Said | None:
        """The answer to a request of an item, if it was given before."""
        return self._block(position)[0].known.get(key)

    def begin(self, position: int) -> None:
        """An item is being made: its block stays open until all of those are finished."""
        number = position // BLOCK
        if number not in self._open:
            for earlier in [n for n, (_, unfinished) in self._open.items() if n < number and not unfinished]:
                self._open.pop(earlier)[0].seal(self._forget)
        self._block(position)[1].add(position)

    def add(self, said: Said) -> None:
        """An answer that the journal has committed."""
        self._block(said.position)[0].add(said)

    def finish(self, position: int) -> None:
        """An item is made; a block below the newest one without open items is sealed and let go."""
        number = position // BLOCK
        block, unfinished = self._block(position)
        unfinished.discard(position)
        if not unfinished and (number < max(self._open) or position == block.stop - 1):
            self._open.pop(number)[0].seal(self._forget)
        elif block.is_due:
            block.seal(self._forget)

    def close(self) -> None:
        """Seal what is left."""
        for block, _ in self._open.values():
            block.seal(self._forget)
        self._open.clear()

    def _block(self, position: int) -> tuple[Block, set[int]]:
        number = position // BLOCK
        if number not in self._open:
            block = Block(number, self._folder, self._journal)
            if block.stale:
                self._forget(block.stale)
            self._open[number] = (block, set())
        return self._open[number]
