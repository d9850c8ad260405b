"""Small real corpora: ingested from documents, or laid out row by row where a test needs a certain structure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa

from schemas.arrow import arrow_schema
from schemas.document import Document, Passage, Split
from schemas.recipe import ChunkSettings, MiningSettings, PlanSettings, Recipe, SplitSettings
from synth.corpus import Corpus
from synth.files import write_parquet
from synth.ingest import ingest
from synth.lexicon import build_lexicon
from synth.progress import Silent


def make_recipe(**changes: Any) -> Recipe:
    """A recipe without gates; `changes` are its fields."""
    values: dict[str, Any] = {
        "domain": "test",
        "personas_sha256": "0" * 64,
        "prompts": {},
        "chunk": ChunkSettings(),
        "plan": PlanSettings(),
        "gates": [],
        "set_gates": [],
        "mining": MiningSettings(),
        "splits": SplitSettings(test=0),
        "teacher": "lexical",
        "generator": "extractive",
        "seed": 0,
    }
    return Recipe(**values | changes)


def build_corpus(folder: Path, texts: Sequence[str], **recipe: Any) -> Corpus:
    """Documents d0000, d0001 ... ingested; short texts make one passage each, in the order given."""
    documents = [Document(id=f"d{n:04d}", text=text, source=f"{n}.txt") for n, text in enumerate(texts)]
    corpus, _, _ = ingest(documents, make_recipe(**recipe), folder, Silent())
    return corpus


class Row(NamedTuple):
    """Where a passage stands; its text is free."""

    document: str
    start: int = 0
    end: int = 10
    split: Split = "train"
    text: str = "text"


def write_corpus(folder: Path, rows: Sequence[Row], near_pairs: Iterable[tuple[int, int]] = ()) -> Corpus:
    """The files that `ingest` would write, with the structure a test asks for."""
    (folder / "text_keys.npy").unlink(missing_ok=True)  # of the rows that a test laid out here before
    passages = [
        Passage(id=f"p{n}", document_id=row.document, text=row.text, start=row.start, end=row.end, split=row.split)
        for n, row in enumerate(rows)
    ]
    write_parquet(
        folder / "passages.parquet",
        pa.Table.from_pylist([passage.model_dump() for passage in passages], schema=arrow_schema(Passage)),
    )
    pairs = list(near_pairs)
    columns = {
        name: pa.array([pair[i] for pair in pairs], type=pa.int64()) for i, name in enumerate(("first", "second"))
    }
    write_parquet(folder / "near_pairs.parquet", pa.table(columns))
    build_lexicon((("", "", row.text) for row in rows), "en").save(folder)
    return Corpus(folder)
