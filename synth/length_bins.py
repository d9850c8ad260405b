"""How long positives and negatives are, in bins of tokens, and how deep evidence lies in them.

A model that is trained on long positives and short negatives learns length, and embeddings of long texts lie near each
other as they are (length collapse). The bins are those of LongEmbed (arXiv 2404.12096), 256 to 32,768 tokens.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from synth.evidence import DECILES
from synth.export.lengths import Counter
from synth.files import leaf_columns, read_batches
from synth.store import VersionRef

BINS = (256, 512, 1_024, 2_048, 4_096, 8_192, 16_384, 32_768)
"""Upper ends in tokens; what is longer is counted apart."""
_WANTED = re.compile(r"(positive|more_positives|negatives)\..*\btext$|attributes\..*\b(name|value)$")
_ROWS = 256

Ints = npt.NDArray[np.int64]


def _none() -> Ints:
    return np.zeros(len(BINS) + 1, dtype=np.int64)


@dataclass
class LengthBins:
    """Texts of a version by their length; every array has a number for each of BINS and one for what is longer."""

    counted_by: str
    """The tokenizer's name, or `estimate`."""
    positives: Ints = field(default_factory=_none)
    negatives: Ints = field(default_factory=_none)
    by_decile: Ints = field(default_factory=lambda: np.zeros((DECILES, len(BINS) + 1), dtype=np.int64))
    """Positives whose evidence lies in a decile, shape (10, bins)."""
    pairs: int = 0
    """Negatives, each with the positive of its record."""
    _longer: float = 0.0

    @property
    def longer(self) -> float | None:
        """Share of pairs whose positive is the longer text, equal ones by half; 0.5 where length tells nothing."""
        return self._longer / self.pairs if self.pairs else None

    def as_dict(self) -> dict[str, Any]:
        """The bins by name, for JSON."""
        return {
            "counted_by": self.counted_by,
            "bins": bin_names(),
            "positives": self.positives.tolist(),
            "negatives": self.negatives.tolist(),
            "positives_by_evidence_decile": self.by_decile.tolist(),
            "positive_longer": self.longer,
        }

    def add(self, positives: Ints, negatives: Ints, owner: Ints, deciles: Ints) -> None:
        """Lengths in tokens; `owner` is the record of each negative, `deciles` that of each record or -1."""
        self.positives += _binned(positives)
        self.negatives += _binned(negatives)
        named = deciles >= 0
        np.add.at(self.by_decile, (deciles[named], np.searchsorted(BINS, positives[named])), 1)
        own = positives[owner]
        self._longer += float((own > negatives).sum() + (own == negatives).sum() / 2)
        self.pairs += len(negatives)


def bin_names() -> list[str]:
    """Such as `≤ 256` and `> 32,768`."""
    return [*(f"≤ {most:,}" for most in BINS), f"> {BINS[-1]:,}"]


def measure_bins(version: VersionRef, counter: Counter) -> LengthBins:
    """Lengths of all positives and negatives of a version; further positives of a record count as positives."""
    found = LengthBins(counter.name)
    for batch in _batches(version):
        positives = counter.count(pc.struct_field(batch["positive"], "text"))
        negatives = _flat(batch["negatives"])
        owner = pc.list_parent_indices(batch["negatives"]).to_numpy(zero_copy_only=False).astype(np.int64)
        found.add(positives, counter.count(negatives), owner, _deciles(batch["attributes"]))
        found.positives += _binned(counter.count(_flat(batch["more_positives"])))
    return found


def _batches(version: VersionRef) -> Iterator[pa.RecordBatch]:
    for path in version.record_files():
        columns = [each for each in leaf_columns(path) if _WANTED.match(each)]
        yield from read_batches(path, columns, size=_ROWS)


def _flat(lists: pa.ListArray) -> pa.Array:
    return pc.struct_field(pc.list_flatten(lists), "text")


def _deciles(attributes: pa.ListArray) -> Ints:
    """The decile that each record names, -1 for none."""
    found = np.full(len(attributes), -1, dtype=np.int64)
    parents = pc.list_parent_indices(attributes).to_numpy(zero_copy_only=False)
    flat = pc.list_flatten(attributes)
    is_named = pc.equal(pc.struct_field(flat, "name"), "evidence_decile").to_numpy(zero_copy_only=False).astype(bool)
    said = pc.struct_field(flat, "value").filter(pa.array(is_named))
    found[parents[is_named]] = [int(value) for value in said.to_pylist()]
    return found


def _binned(lengths: Ints) -> Ints:
    return np.bincount(np.searchsorted(BINS, lengths), minlength=len(BINS) + 1).astype(np.int64)
