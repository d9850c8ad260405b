"""The formats: which columns a trainer gets, in which order, and which losses take them.

Columns and labels as sentence-transformers 6.2 documents them with each loss. Its trainers read every column that is not
called `label`, `labels`, `score` or `scores` as an input, in column order; so no format but `full` carries anything else.
The fields of FlagEmbedding are those that its `AbsEmbedderTrainDataset` and `AbsEmbedderSameDatasetTrainDataset` read,
those of Tevatron what its `TrainDataset` and `DistilTrainDataset` read: passages have a text and no title, as in every
other format. Both want at least one negative in a row.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pyarrow as pa

from synth.errors import InputError, suggest
from synth.export.pool import Pool, Rows

Trainer = Literal["SentenceTransformerTrainer", "CrossEncoderTrainer", "FlagEmbedding", "Tevatron", "BEIR", ""]

_MNR = ("MultipleNegativesRankingLoss", "CachedMultipleNegativesRankingLoss", "CachedGISTEmbedLoss")


@dataclass(frozen=True)
class Format:
    """How the passages of records become rows, and rows become columns."""

    rows: Callable[[Pool, int], Rows]
    columns: Callable[[Pool, Rows], dict[str, pa.Array]]
    trainer: Trainer
    losses: tuple[str, ...] = ()
    other_losses: tuple[str, ...] = ()
    """Of the other of the two trainers of sentence-transformers."""
    negatives: Callable[[int], int] = lambda _: 0
    """How many each record must have, given how many were asked for."""
    is_scored: bool = False
    """Whether it is made of the teacher's scores, so that texts without one are left out."""
    query: str = "anchor"
    """The column of the query."""
    with_scores: Callable[[Pool, Rows], dict[str, pa.Array]] | None = None
    """The same with the fields in which another tool looks for the teacher's scores; it is written as JSON Lines."""

    @property
    def is_jsonl(self) -> bool:
        return self.with_scores is not None


def check_format(name: str) -> None:
    """InputError where there is no such table."""
    if name not in FORMATS:
        raise InputError(f"there is no format {name!r}{suggest(name, FORMATS)}")


def count_short(records: pa.Table, name: str, asked: int) -> int:
    """How many records have too few negatives for a format, so that `convert` gives nothing for them."""
    pool, needed = _pool(records, FORMATS[name]), FORMATS[name].negatives(asked)
    return int((pool.held < needed).sum())


def convert(records: pa.Table, name: str, asked: int) -> pa.Table:
    """The rows that records give in a format; those with too few of the `asked` negatives give none.

    records: at least the columns query, positive, more_positives, negatives.
    """
    chosen = FORMATS[name]
    pool = _pool(records, chosen)
    return as_table(chosen, pool, chosen.rows(pool, asked))


def as_table(chosen: Format, pool: Pool, rows: Rows, *, with_scores: bool = False) -> pa.Table:
    """The rows with exactly the columns of a format."""
    if chosen is FULL:
        return pool.published.take(pa.array(rows.owner))
    columns = chosen.with_scores if with_scores and chosen.with_scores else chosen.columns
    return pa.table(columns(pool, rows))


def _pool(records: pa.Table, chosen: Format) -> Pool:
    pool = Pool.of(records)
    return pool.only(pool.is_scored) if chosen.is_scored else pool


def _query(pool: Pool, rows: Rows) -> pa.Array:
    return pool.records["query"].combine_chunks().take(pa.array(rows.owner))


def _text(pool: Pool, rows: Rows, number: int = 0) -> pa.Array:
    return pool.texts.take(pa.array(rows.column(number)))


def _pair(pool: Pool, rows: Rows) -> dict[str, pa.Array]:
    return {"anchor": _query(pool, rows), "positive": _text(pool, rows)}


def _triplet(pool: Pool, rows: Rows) -> dict[str, pa.Array]:
    return {**_pair(pool, rows), "negative": _text(pool, rows, 1)}


def _tuple(pool: Pool, rows: Rows) -> dict[str, pa.Array]:
    return {**_pair(pool, rows), **_negatives(pool, rows)}


def _negatives(pool: Pool, rows: Rows) -> dict[str, pa.Array]:
    width = int(rows.counts[0]) if len(rows.counts) else 1
    return {f"negative_{number}": _text(pool, rows, number) for number in range(1, width)}


def _scored_singles(pool: Pool, _: int) -> Rows:
    rows = pool.singles()
    return rows.take(pool.is_scored[rows.places])


def _pair_score(pool: Pool, rows: Rows) -> dict[str, pa.Array]:
    score = pa.array(pool.scores[rows.places])
    return {"sentence1": _query(pool, rows), "sentence2": _text(pool, rows), "score": score}


def _pair_class(pool: Pool, rows: Rows) -> dict[str, pa.Array]:
    label = pa.array(pool.is_positive(rows.places).astype(np.int64))
    return {"anchor": _query(pool, rows), "text": _text(pool, rows), "label": label}


def _scored_tuples(pool: Pool, asked: int) -> Rows:
    rows = pool.tuples(asked)
    return rows.take(pool.is_scored[rows.column(0)])


def _margin(pool: Pool, rows: Rows) -> dict[str, pa.Array]:
    texts = {"query": _query(pool, rows), "positive": _text(pool, rows), **_negatives(pool, rows)}
    return {**texts, "label": rows.as_list(pa.array(pool.scores))}


def _list(pool: Pool, rows: Rows) -> dict[str, pa.Array]:
    grades = pool.is_positive(np.arange(len(pool.texts))).astype(np.float64)
    labels = rows.as_list(pa.array(grades))
    return {"query": _query(pool, rows), "docs": rows.as_list(pool.texts), "labels": labels}


def _flag_embedding(pool: Pool, rows: Rows) -> dict[str, pa.Array]:
    sides = {name: side.as_list(pool.texts) for name, side in _halves(pool, rows).items()}
    return {"query": _query(pool, rows), **sides, "type": pa.repeat(pa.scalar("normal"), len(rows.owner))}


def _flag_embedding_with_scores(pool: Pool, rows: Rows) -> dict[str, pa.Array]:
    scores = pa.array(pool.scores)
    sides = {f"{name}_scores": side.as_list(scores) for name, side in _halves(pool, rows).items()}
    return {**_flag_embedding(pool, rows), **sides}


def _tevatron(pool: Pool, rows: Rows) -> dict[str, pa.Array]:
    return _tevatron_fields(pool, rows, {"docid": pool.field("passage_id"), "text": pool.texts})


def _tevatron_with_scores(pool: Pool, rows: Rows) -> dict[str, pa.Array]:
    fields = {"docid": pool.field("passage_id"), "text": pool.texts, "score": pa.array(pool.scores)}
    return _tevatron_fields(pool, rows, fields)


def _tevatron_fields(pool: Pool, rows: Rows, fields: dict[str, pa.Array]) -> dict[str, pa.Array]:
    passages = pa.StructArray.from_arrays(list(fields.values()), list(fields))
    sides = _halves(pool, rows)
    return {
        "query_id": pool.records["id"].combine_chunks().take(pa.array(rows.owner)),
        "query": _query(pool, rows),
        "positive_passages": sides["pos"].as_list(passages),
        "negative_passages": sides["neg"].as_list(passages),
    }


def _halves(pool: Pool, rows: Rows) -> dict[str, Rows]:
    """The same rows with their positives only (`pos`), and their negatives only (`neg`)."""
    is_positive = pool.is_positive(rows.places)
    owner = np.repeat(np.arange(len(rows.owner)), rows.counts)
    return {
        name: Rows(rows.owner, np.bincount(owner[side], minlength=len(rows.owner)), rows.places[side])
        for name, side in (("pos", is_positive), ("neg", ~is_positive))
    }


def _published(pool: Pool, asked: int) -> Rows:  # noqa: ARG001
    return pool.lists(0)


def _one(_: int) -> int:
    return 1


def _asked(number: int) -> int:
    return number


FULL = Format(_published, lambda *_: {}, "", query="query")
"""Everything of a record, as it was published."""

_ST: Trainer = "SentenceTransformerTrainer"
_CE: Trainer = "CrossEncoderTrainer"
_RANKING = ("LambdaLoss", "ListNetLoss", "ListMLELoss", "PListMLELoss", "RankNetLoss", "ADRMSELoss")

FORMATS: dict[str, Format] = {
    "pair": Format(lambda pool, _: pool.pairs(), _pair, _ST, (*_MNR, "GISTEmbedLoss")),
    "triplet": Format(lambda pool, _: pool.triplets(), _triplet, _ST, (*_MNR, "GISTEmbedLoss", "TripletLoss"), negatives=_one),
    "n-tuple": Format(Pool.tuples, _tuple, _ST, _MNR, negatives=_asked),
    "pair-score": Format(
        _scored_singles, _pair_score, _ST, ("CoSENTLoss", "AnglELoss", "CosineSimilarityLoss"),
        is_scored=True, query="sentence1",
    ),
    "pair-class": Format(
        lambda pool, _: pool.singles(), _pair_class, _ST, ("ContrastiveLoss", "OnlineContrastiveLoss"),
        ("BinaryCrossEntropyLoss",), _one,
    ),
    "margin": Format(
        _scored_tuples, _margin, _ST, ("MarginMSELoss", "DistillKLDivLoss"), ("MarginMSELoss",), _asked,
        is_scored=True, query="query",
    ),
    "list": Format(lambda pool, _: pool.lists(1), _list, _CE, _RANKING, negatives=_one, query="query"),
    "full": FULL,
}  # fmt: skip
"""Tables, by the name of the config."""

TOOLS: dict[str, Format] = {
    "flagembedding": Format(
        lambda pool, _: pool.lists(1), _flag_embedding, "FlagEmbedding", negatives=_one, query="query",
        with_scores=_flag_embedding_with_scores,
    ),
    "tevatron": Format(
        lambda pool, _: pool.lists(1), _tevatron, "Tevatron", negatives=_one, query="query",
        with_scores=_tevatron_with_scores,
    ),
}  # fmt: skip
"""JSON Lines of other trainers. BEIR's folder is no table: `synth.export.beir`."""

BEIR = "beir"
NAMES = (*FORMATS, *TOOLS, BEIR)


def check_name(name: str) -> None:
    """InputError where `synth datasets export` knows no such format."""
    if name not in NAMES:
        raise InputError(f"there is no format {name!r}{suggest(name, NAMES)}")
