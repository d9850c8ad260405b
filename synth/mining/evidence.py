"""What `multi_signal` knows of every candidate beside its score, worked out once for each score table.

`evidence.parquet` has a row for every row of `table.parquet`, in the same order and row groups:
`between`, the teacher's score of positive and candidate; `overlap`, BM25 of query and candidate;
`overlap_between`, how far positive and candidate use the same rare words. With several
positives the most suspicious one counts, of those NEAREST that score highest.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from synth.arrays import Floats, Ints
from synth.corpus import Corpus
from synth.files import ParquetSink
from synth.mining.candidates import Candidates
from synth.mining.guards import is_known
from synth.mining.overlap import Overlap
from synth.mining.signals import Evidence, Signals, compute_signals
from synth.ragged import place_in_group, spread
from synth.scores import read_candidates, read_texts
from synth.teachers import Embedder, Teacher, round_scores

BEST = 30
"""Candidates of a query, its positives left out, by which hardness is compared and that judges see."""
NEAREST = 8
"""Positives of one query that candidates are compared with."""
FIELDS = ("between", "overlap", "overlap_between")
EVIDENCE = pa.schema([(name, pa.float32()) for name in FIELDS])
_PAIRS = 65_536

Compare = Callable[[Ints, Ints], Floats]


def has_evidence(folder: Path) -> bool:
    """Whether a score table's folder holds what `multi_signal` needs."""
    return (folder / "evidence.parquet").exists()


def write_evidence(folder: Path, corpus: Corpus, teacher: Teacher) -> None:
    """Work it out for a score table; the teacher has indexed the corpus."""
    overlap = overlap_of(corpus)
    compare = _comparer(teacher, corpus, overlap)
    with ParquetSink(folder / "evidence.parquet", EVIDENCE) as sink:
        for (_, block), texts in zip(read_candidates(folder), read_texts(folder), strict=True):
            if len(block.query):
                columns = _of_block(block, texts, compare, overlap)
                sink.add_table(pa.table([pa.array(each) for each in columns], schema=EVIDENCE), one_row_group=True)


def with_evidence(folder: Path) -> Iterator[tuple[Ints, Candidates]]:
    """The blocks of a score table, each with its evidence."""
    with pq.ParquetFile(folder / "evidence.parquet") as file:
        groups = iter(range(file.num_row_groups))
        for numbers, block in read_candidates(folder):
            rows = file.read_row_group(next(groups)) if len(block.query) else EVIDENCE.empty_table()
            yield numbers, replace(block, **{name: rows[name].to_numpy() for name in FIELDS})


def signals_of(corpus: Corpus, block: Candidates) -> tuple[Ints, Signals]:
    """(rows that are neither a known positive nor like one, their signals) of a block with evidence."""
    rows = np.flatnonzero(~is_known(corpus, block))
    assert block.between is not None
    assert block.overlap is not None
    assert block.overlap_between is not None
    evidence = Evidence(
        block.query[rows], block.score[rows], block.between[rows], block.overlap[rows], block.overlap_between[rows]
    )
    return rows, compute_signals(evidence)


def best_signals(corpus: Corpus, block: Candidates) -> tuple[Ints, Signals]:
    """The same of the BEST that score highest of each query."""
    rows, signals = signals_of(corpus, block)
    best = place_in_group(block.query[rows]) < BEST
    return rows[best], Signals(signals.names, signals.values[best])


def overlap_of(corpus: Corpus) -> Overlap:
    """Term weights of all passages, kept beside them: weighing 100,000 takes half a minute."""
    folder = corpus.folder / "overlap"
    if not (folder / "weights.npy").exists():
        Overlap(corpus.lexicon, (text for _, _, text in corpus.labelled_texts())).save(folder)
    return Overlap.load(folder, corpus.lexicon)


def _of_block(block: Candidates, texts: list[str], compare: Compare, overlap: Overlap) -> tuple[Floats, Floats, Floats]:
    starts, kept = _nearest(block)
    which, places = spread(starts, block.query)
    compared = np.empty((2, len(which)), dtype=np.float32)
    for start in range(0, len(which), _PAIRS):
        pairs = slice(start, start + _PAIRS)
        positive, candidate = kept[places[pairs]], block.passage[which[pairs]]
        compared[:, pairs] = compare(positive, candidate), overlap.between(positive, candidate)
    between, alike = np.maximum.reduceat(compared, np.searchsorted(which, np.arange(len(block.query))), axis=1)
    return between, overlap.with_queries(texts, block.query, block.passage), alike


def _nearest(block: Candidates) -> tuple[Ints, Ints]:
    """(where each query's positives begin, their passages): at most NEAREST of each, those that score highest."""
    known = block.positives
    order = np.lexsort((known.passage, -np.nan_to_num(known.score, nan=-np.inf), known.owner))
    order = order[place_in_group(known.owner[order]) < NEAREST]
    starts = np.searchsorted(known.owner[order], np.arange(block.count + 1)).astype(np.int64)
    return starts, known.passage[order]


def _comparer(teacher: Teacher, corpus: Corpus, overlap: Overlap) -> Compare:
    """How the teacher scores pairs of passages: cosines where it has vectors, else BM25 with the first as the query."""
    if isinstance(teacher, Embedder):
        vectors = teacher.passage_vectors

        def cosine(first: Ints, second: Ints) -> Floats:
            order = np.argsort(first, kind="stable")
            distinct, begins = np.unique(first[order], return_index=True)
            own, others = vectors(distinct), vectors(second[order])
            cosines = np.empty(len(first), dtype=np.float32)
            for vector, rows in zip(own, np.split(np.arange(len(first)), begins[1:]), strict=True):
                cosines[order[rows]] = np.einsum("ij,j->i", others[rows[0] : rows[-1] + 1], vector)
            return round_scores(cosines)

        return cosine

    def bm25(first: Ints, second: Ints) -> Floats:
        distinct, places = np.unique(first, return_inverse=True)
        return overlap.with_queries(corpus.texts(distinct), places, second)

    return bm25
