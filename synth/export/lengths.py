"""How long texts are in tokens, and the `max_seq_length` that this suggests."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from synth.errors import InputError, MissingExtra
from synth.export.instruct import Instruction, prefixed
from synth.files import leaf_columns, read_batches
from synth.store import VersionRef

BYTES_PER_TOKEN = 4
"""Where no tokenizer is given: English has about four letters to a token, other scripts more bytes and more tokens."""

SPECIAL = 2
"""Tokens that a model puts around a text."""

STEP = 32
_LONGEST = 65_536
_PERCENTILES = (50, 90, 95, 99)

_WHOLE = ("query", "instruction")
_LISTS = ("more_positives", "negatives")
_TEXT = re.compile(r"(positive|more_positives|negatives)\..*\btext$")

Ints = npt.NDArray[np.int64]
Count = Callable[[pa.Array], Ints]


@dataclass(frozen=True)
class Percentiles:
    """Tokens of one kind of text, those around it included."""

    texts: int
    p50: int
    p90: int
    p95: int
    p99: int
    longest: int


@dataclass(frozen=True)
class Lengths:
    """Of all queries, and of all positives and negatives, of a version."""

    queries: Percentiles
    passages: Percentiles
    counted_by: str
    """The tokenizer's name, or `estimate`."""

    @property
    def max_seq_length(self) -> int:
        """Room for 99 of 100 queries and of 100 passages, rounded up to a multiple of 32."""
        return -(-max(self.queries.p99, self.passages.p99) // STEP) * STEP

    def as_dict(self) -> dict[str, Any]:
        return {**asdict(self), "max_seq_length": self.max_seq_length}


@dataclass(frozen=True)
class Counter:
    """Counts the tokens of texts, those that a model puts around them included."""

    name: str
    count: Count


def load_counter(tokenizer: str | None) -> Counter:
    """The tokenizer of a model, by its name on the Hub or its folder; an estimate for None.

    Raises InputError where it can't be read, MissingExtra without the library.
    """
    return Counter("estimate", _estimate) if tokenizer is None else Counter(tokenizer, _open(tokenizer))


def measure_lengths(version: VersionRef, counter: Counter, instruction: Instruction = "none") -> Lengths:
    """Percentiles over all records of a version; with what stands before a query where `instruction` is `prefix`.

    >>> measure_lengths(store.find("finance@1"), load_counter(None)).max_seq_length
    256
    """
    found = {kind: np.zeros(_LONGEST + 1, dtype=np.int64) for kind in ("queries", "passages")}
    for kind, texts in _texts(version, instruction):
        found[kind] += np.bincount(np.minimum(counter.count(texts), _LONGEST), minlength=_LONGEST + 1)
    return Lengths(_percentiles(found["queries"]), _percentiles(found["passages"]), counter.name)


def _texts(version: VersionRef, instruction: Instruction) -> Iterator[tuple[str, pa.Array]]:
    for path in version.record_files():
        columns = [each for each in leaf_columns(path) if each in _WHOLE or _TEXT.match(each)]
        for batch in read_batches(path, columns):
            queries = batch["query"]
            yield "queries", prefixed(queries, batch["instruction"]) if instruction == "prefix" else queries
            for passages in (batch["positive"], *(pc.list_flatten(batch[name]) for name in _LISTS)):
                yield "passages", pc.struct_field(passages, "text")


def _estimate(texts: pa.Array) -> Ints:
    sizes: Ints = pc.binary_length(texts).to_numpy(zero_copy_only=False).astype(np.int64)
    return -(-sizes // BYTES_PER_TOKEN) + SPECIAL


def _open(name: str) -> Count:
    try:
        from tokenizers import Tokenizer
    except ImportError as error:
        raise MissingExtra("--tokenizer", "teacher") from error
    file = Path(name).expanduser()
    try:
        if file.exists():
            tokenizer = Tokenizer.from_file(str(file / "tokenizer.json" if file.is_dir() else file))
        else:
            tokenizer = Tokenizer.from_pretrained(name)
    except Exception as error:  # the library raises nothing more exact
        why = " ".join(str(error).split())[:200]
        raise InputError(
            f"--tokenizer {name}: can't be read ({why}); give a model's name on the Hub or a folder with tokenizer.json, or leave it out for an estimate"
        ) from error
    tokenizer.no_truncation()
    tokenizer.no_padding()

    def count(texts: pa.Array) -> Ints:
        return np.fromiter((len(each.ids) for each in tokenizer.encode_batch_fast(texts.to_pylist())), dtype=np.int64)

    return count


def _percentiles(counts: Ints) -> Percentiles:
    """By length: how many texts have it. The p-th percentile is the least length that p % of them do not exceed."""
    total, reached = int(counts.sum()), np.cumsum(counts)
    shares = [int(np.searchsorted(reached, np.ceil(total * share / 100))) for share in _PERCENTILES]
    longest = int(np.flatnonzero(counts)[-1]) if total else 0
    half, most, nearly, all_but_one = shares
    return Percentiles(total, half, most, nearly, all_but_one, longest)
