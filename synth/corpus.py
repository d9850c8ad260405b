"""The passages of a run, opened: small columns in memory, texts memory-mapped."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from schemas.document import Passage
from synth.arrays import Keys, Mask
from synth.files import read_batches, replace_atomically
from synth.lexicon import Lexicon
from synth.ragged import ragged, spread
from synth.text import hash64, normalise

Ordinals = npt.NDArray[np.int64]

PASSAGES_KEPT = 1_024
"""Passages in memory between two windows of a plan: a small corpus is gone over many times."""
_TEXT_COLUMNS = ("title", "heading", "text")


class Corpus:
    """Passages by ordinal (their row in passages.parquet), and which of them are the same.

    Two passages are *equivalent* when they are nearly identical or overlap in one document.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._lately: dict[int, Passage] = {}
        small = pq.read_table(folder / "passages.parquet", columns=["id", "document_id", "start", "end", "split"])
        self.ids: list[str] = small["id"].to_pylist()
        documents = small["document_id"].combine_chunks().dictionary_encode()
        self.document: Ordinals = documents.indices.to_numpy().astype(np.int64)
        self._start = small["start"].to_numpy()
        self._end = small["end"].to_numpy()
        self.is_test: Mask = np.asarray([split == "test" for split in small["split"].to_pylist()], dtype=bool)
        pairs = pq.read_table(folder / "near_pairs.parquet")
        first, second = pairs["first"].to_numpy(), pairs["second"].to_numpy()
        both = np.concatenate([first, second]), np.concatenate([second, first])
        self._near_keys = np.sort(self._key(*both))
        self.leaked: Mask = np.zeros(len(self.ids), dtype=bool)
        """Train passages that are nearly identical to a test passage."""
        for one, other in ((first, second), (second, first)):
            self.leaked[one[~self.is_test[one] & self.is_test[other]]] = True

    def __len__(self) -> int:
        return len(self.ids)

    def are_equivalent(self, passages: Ordinals, others: Ordinals) -> Mask:
        """Element by element: the same passage, a near-duplicate, or an overlapping chunk."""
        same: Mask = self.overlap(passages, others) | contains(self._near_keys, self._key(passages, others))
        return same

    def overlap(self, passages: Ordinals, others: Ordinals) -> Mask:
        """Element by element: the same passage, or chunks of one document that share characters."""
        sharing: Mask = (
            (self.document[passages] == self.document[others])
            & (self._start[passages] < self._end[others])
            & (self._start[others] < self._end[passages])
        )
        return sharing

    def near(self, passages: Ordinals) -> tuple[Ordinals, Ordinals]:
        """All passages nearly identical to some: (which of `passages`, the other's ordinal), both flat."""
        size = max(len(self.ids), 1)
        first, last = np.searchsorted(self._near_keys, np.stack([passages * size, (passages + 1) * size]))
        which, offset = ragged(last - first)
        return which, self._near_keys[first[which] + offset] % size

    def equivalents(self, passages: Ordinals) -> tuple[Ordinals, Ordinals]:
        """All passages equivalent to some, themselves included: (which of `passages`, the other's ordinal), both flat."""
        near, twins = self.near(passages)
        order, starts = self._by_document
        which, rows = spread(starts, self.document[passages])
        others = order[rows]
        touching = self.overlap(passages[which], others)
        return np.concatenate([near, which[touching]]), np.concatenate([twins, others[touching]])

    def texts(self, ordinals: Sequence[int] | Ordinals) -> list[str]:
        """Texts of some passages; only these are read from disk."""
        taken: list[str] = self._mapped["text"].take(pa.array(ordinals, type=pa.int64())).to_pylist()
        return taken

    def passages(self, ordinals: Sequence[int] | Ordinals) -> list[Passage]:
        """Whole passages, in the order asked for; those read lately are not read again."""
        known = self._lately
        missing = [ordinal for ordinal in dict.fromkeys(ordinals) if ordinal not in known]
        if missing:
            rows: list[dict[str, Any]] = self._mapped.take(pa.array(missing, type=pa.int64())).to_pylist()
            known = known | {ordinal: Passage(**row) for ordinal, row in zip(missing, rows, strict=True)}
            self._lately = known if len(known) <= PASSAGES_KEPT else {}
        return [known[ordinal] for ordinal in ordinals]

    @cached_property
    def passage_key(self) -> Keys:
        """A hash of each passage's id, shape (passages,)."""
        return np.asarray([hash64(each) for each in self.ids], dtype=np.uint64)

    @cached_property
    def text_key(self) -> Keys:
        """A hash of each passage's normalised text, as queries have one, shape (passages,)."""
        path = self.folder / "text_keys.npy"
        if not path.exists():
            batches = read_batches(self.folder / "passages.parquet", ["text"])
            keys = [hash64(normalise(text)) for batch in batches for text in batch.column("text").to_pylist()]
            with replace_atomically(path) as temporary, temporary.open("wb") as file:
                np.save(file, np.asarray(keys, dtype=np.uint64))
        stored: Keys = np.load(path)
        return stored

    @cached_property
    def languages(self) -> list[str]:
        """Language code of each passage; '' where it is not known."""
        return self._column("language")

    @cached_property
    def written_by(self) -> list[str]:
        """The model that invented each passage; '' for what somebody wrote."""
        return self._column("written_by")

    @cached_property
    def topics(self) -> list[str]:
        """What each passage is about, as a path in a topic tree; '' where nobody said."""
        return self._column("topic")

    def _column(self, name: str) -> list[str]:
        column: list[str] = pq.read_table(self.folder / "passages.parquet", columns=[name])[name].to_pylist()
        return column

    @cached_property
    def group(self) -> Ordinals | None:
        """Passages with the same label here are never each other's negatives, shape (passages,); -1 for no group."""
        path = self.folder / "groups.npy"
        return np.load(path) if path.exists() else None

    def labelled_texts(self) -> Iterator[tuple[str, str, str]]:
        """(title, heading, text) of every passage, streaming."""
        for batch in read_batches(self.folder / "passages.parquet", _TEXT_COLUMNS):
            yield from zip(*(batch.column(name).to_pylist() for name in _TEXT_COLUMNS), strict=True)

    def siblings(self, ordinal: int) -> list[int]:
        """Ordinals of the other passages of a passage's document, ascending."""
        order, starts = self._by_document
        document = self.document[ordinal]
        found = order[starts[document] : starts[document + 1]]
        return [int(other) for other in found if other != ordinal]

    @cached_property
    def _by_document(self) -> tuple[Ordinals, Ordinals]:
        """Passages sorted by document, and where each document begins among them."""
        order = np.argsort(self.document, kind="stable")
        return order, np.searchsorted(self.document[order], np.arange(int(self.document.max(initial=-1)) + 2))

    @cached_property
    def lexicon(self) -> Lexicon:
        return Lexicon.load(self.folder)

    @cached_property
    def _mapped(self) -> pa.Table:
        """The same rows as an uncompressed Arrow file, so that a few can be read at random."""
        path = self.folder / "passages.arrow"
        if not path.exists():
            schema = pq.read_schema(self.folder / "passages.parquet")
            with (
                replace_atomically(path) as temporary,
                pa.OSFile(str(temporary), "wb") as sink,
                pa.ipc.new_file(sink, schema) as writer,
            ):
                for batch in read_batches(self.folder / "passages.parquet"):
                    writer.write_batch(batch)
        return pa.ipc.open_file(pa.memory_map(str(path))).read_all()

    def _key(self, first: Ordinals, second: Ordinals) -> Ordinals:
        return first.astype(np.int64) * max(len(self.ids), 1) + second


def contains(sorted_keys: Ordinals, keys: Ordinals) -> Mask:
    """Which of `keys` occur in `sorted_keys`."""
    if not len(sorted_keys):
        return np.zeros(len(keys), dtype=bool)
    place = np.minimum(np.searchsorted(sorted_keys, keys), len(sorted_keys) - 1)
    found: Mask = sorted_keys[place] == keys
    return found
