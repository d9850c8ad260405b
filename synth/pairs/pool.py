"""The passages of some pairs as a corpus on disk: made once for equal passages, and kept in the store."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa

from schemas.arrow import arrow_schema
from schemas.base import sha256_of
from schemas.document import Passage
from synth.corpus import Corpus
from synth.files import new_folder, write_parquet
from synth.ingest import compare_passages
from synth.lexicon import build_lexicon
from synth.pairs import Pairs
from synth.progress import Reporter

LAYOUT = 1
"""Raised when a pool of the same passages would be written differently."""
NEAR = 0.8
"""Jaccard similarity of word 3-gram sets from which two passages count as the same."""


def make_pool(pairs: Pairs, folder: Path, reporter: Reporter, language: str = "en") -> Corpus:
    """The corpus of all passages of `pairs`, whose ordinals are theirs, under `folder`/KEY."""
    parts = [pairs.passages, pairs.passage_ids, pairs.groups, pairs.splits]
    made = folder / sha256_of([LAYOUT, NEAR, language, *parts])[:32]
    if not made.exists():
        reporter.stage("compare passages", len(pairs.passages))
        with new_folder(made) as hidden:
            _write(pairs, hidden, language)
    return Corpus(made)


_PASSAGE = Passage(id="-", document_id="", text="-", start=0, end=1, split="train").model_dump()


def _write(pairs: Pairs, folder: Path, language: str) -> None:
    rows = zip(pairs.passages, pairs.passage_ids, pairs.groups, pairs.splits, strict=True)
    passages = [
        _PASSAGE | {"id": id, "document_id": id, "text": text, "end": len(text), "split": split}
        for text, id, _, split in rows  # noqa: A001
    ]
    write_parquet(folder / "passages.parquet", pa.Table.from_pylist(passages, schema=arrow_schema(Passage)))
    labels = {group: number for number, group in enumerate(sorted({*pairs.groups} - {""}))}
    if labels:
        np.save(folder / "groups.npy", np.asarray([labels.get(group, -1) for group in pairs.groups], dtype=np.int64))
    compare_passages(folder, NEAR)
    build_lexicon((("", "", text) for text in pairs.passages), language).save(folder)
