"""Score tables of anybody's pairs: the teacher is asked once, and what it said is kept in the store."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from schemas.base import sha256_of
from schemas.recipe import ScoringSettings
from synth.arrays import Ints
from synth.corpus import Corpus
from synth.errors import InputError
from synth.files import new_folder
from synth.mining.candidates import BEYOND, Candidates
from synth.mining.evidence import has_evidence, with_evidence, write_evidence
from synth.pairs import Pairs
from synth.pairs.pool import make_pool
from synth.progress import Reporter, Silent
from synth.scores import Questions, read_candidates, read_metadata, read_questions, write_scores
from synth.search.parts import load_arrays, save_arrays
from synth.store import Store
from synth.teachers import Embedder, Hits, Teacher, build_teacher, close_teacher, queries_at_a_time
from synth.teachers.scoring import Scoring, index_folder, reach_scoring


@dataclass(frozen=True)
class ScoreTable:
    """What a teacher said of pairs: the best passages of each query, and its positives."""

    folder: Path
    corpus: Corpus

    def blocks(self) -> Iterator[tuple[Ints, Candidates]]:
        """(numbers of the queries in the pairs, their candidates), a few hundred queries at a time."""
        return read_candidates(self.folder)

    def blocks_with_evidence(self) -> Iterator[tuple[Ints, Candidates]]:
        """The same with what `multi_signal` judges by; InputError where that was not worked out."""
        if not has_evidence(self.folder):
            raise InputError("this score table holds no evidence for multi_signal: retrieve it with evidence=True")
        return with_evidence(self.folder)

    @property
    def teacher(self) -> dict[str, str]:
        return read_metadata(self.folder).teacher

    @property
    def recall(self) -> dict[str, float] | None:
        """What share of the exact best an approximate index found; None where all passages were looked at."""
        return read_metadata(self.folder).recall

    @property
    def depth(self) -> int:
        """How many passages were ranked for a query."""
        return read_metadata(self.folder).depth


class Kept:
    """A score table as the teacher that it is of: tells again what was told, block by block."""

    def __init__(self, table: ScoreTable) -> None:
        self.identity = table.teacher
        self._blocks = table.blocks()

    def index(self, corpus: Corpus, reporter: Reporter) -> None:
        """It is asked about the passages that it has ranked."""

    def search(self, queries: Sequence[str], positives: Ints, depth: int) -> Hits:
        _, block = next(self._blocks)
        passages = np.full((len(queries), depth), -1, dtype=np.int64)
        scores = np.zeros((len(queries), depth), dtype=np.float32)
        first = block.rank <= depth
        place = block.query[first], block.rank[first] - 1
        passages[place], scores[place] = block.passage[first], block.score[first]
        positive_scores = np.zeros(positives.shape, dtype=np.float32)
        positive_scores[positives >= 0] = block.positives.score
        return Hits(passages, scores, positive_scores)


def derive(tables: Sequence[ScoreTable], teacher: Teacher, depth: int, reporter: Reporter) -> ScoreTable:
    """What a teacher made of `Kept` tables of the same pairs says; kept beside them, made once."""
    first = tables[0]
    key = sha256_of([dict(teacher.identity), [table.folder.name for table in tables], depth])[:32]
    folder = first.folder.with_name(key)
    if not folder.exists():
        reporter.stage("score again", pq.read_metadata(first.folder / "queries.parquet").num_rows)
        teacher.index(first.corpus, reporter)
        with new_folder(folder) as hidden:
            write_scores(hidden, _told(read_questions(first.folder), reporter), first.corpus, teacher, depth)
    return ScoreTable(folder, first.corpus)


def retrieve(
    pairs: Pairs,
    teacher: str | Scoring,
    *,
    store: Store,
    depth: int = 100,
    evidence: bool = True,
    reporter: Reporter | None = None,
    folder: Path | None = None,
) -> ScoreTable:
    """Ask a teacher, as `--teacher` names it, for the best `depth` passages of each query; or several and a rescorer.

    Equal pairs, teacher and depth find the table that is there already, without a search; a search that was
    killed goes on after the last block of queries that it finished. Each of several teachers' own table is kept too.
    `evidence` is what `multi_signal` and `max_similarity` need besides, by the vectors of the first teacher that has
    any; without it a table is made sooner, for the other strategies. `folder` is where pools and tables are kept instead. Raises InputError where a model can't be loaded.
    """
    reporter = reporter or Silent()
    corpus = make_pool(pairs, folder or store.pools, reporter)
    scoring = reach_scoring(ScoringSettings(teacher=teacher)) if isinstance(teacher, str) else teacher
    with ExitStack() as stack:
        teachers = [
            build_teacher(name, index_folder(corpus.folder / "teachers", name), store.embeddings, reached)
            for name, reached in zip(scoring.teachers, scoring.reached, strict=True)
        ]
        rescorer = scoring.build_rescorer(store.embeddings)
        for each in (*teachers, rescorer):
            stack.callback(close_teacher, each)
        depth = min(depth, len(corpus), BEYOND - 1)
        table, *more = [_search(pairs, corpus, each, depth, reporter) for each in teachers]
        if not scoring.is_single:
            tables = [table, *more]
            table = derive(tables, scoring.compose([Kept(each) for each in tables], rescorer), depth, reporter)
        if evidence and not has_evidence(table.folder):
            reporter.stage("compare candidates with positives")
            comparing = next((each for each in teachers if isinstance(each, Embedder)), teachers[0])
            comparing.index(corpus, Silent())
            write_evidence(table.folder, corpus, comparing)
    return table


def _search(pairs: Pairs, corpus: Corpus, teacher: Teacher, depth: int, reporter: Reporter) -> ScoreTable:
    """The table of a single teacher."""
    key = sha256_of([pairs.queries, pairs.positives, dict(teacher.identity), depth])[:32]
    folder = corpus.folder / "scores" / key
    if not folder.exists():
        reporter.stage("index passages", len(corpus))
        teacher.index(corpus, reporter)
        reporter.stage("search", len(pairs.queries))
        questions = Questions.of(pairs.queries, pairs.positives, ids=pairs.query_ids)
        parts = folder.with_name(f"{key}.parts")
        with new_folder(folder) as hidden:
            write_scores(hidden, questions.blocks(), corpus, _Resumable(teacher, parts, reporter), depth)
        shutil.rmtree(parts, ignore_errors=True)
    return ScoreTable(folder, corpus)


def _told(blocks: Iterable[Questions], reporter: Reporter) -> Iterator[Questions]:
    for block in blocks:
        yield block
        reporter.advance(len(block.number))


class _Resumable:
    """A teacher whose answers lie in a folder, one file a block of queries, until the table is whole."""

    def __init__(self, teacher: Teacher, folder: Path, reporter: Reporter) -> None:
        self._teacher, self._folder, self._reporter = teacher, folder, reporter
        self.identity = teacher.identity

    @property
    def recall(self) -> object:
        return getattr(self._teacher, "recall", None)

    def queries_at_a_time(self, depth: int) -> int:
        return queries_at_a_time(self._teacher, depth)

    def index(self, corpus: Corpus, reporter: Reporter) -> None:
        self._teacher.index(corpus, reporter)

    def search(self, queries: Sequence[str], positives: Ints, depth: int) -> Hits:
        asked = sha256_of([list(queries), positives.tolist(), depth])
        path = self._folder / f"{asked[:32]}.npz"
        kept = load_arrays(path, "passages", "scores", "positive_scores")
        if kept is None:
            hits = self._teacher.search(queries, positives, depth)
            save_arrays(path, passages=hits.passages, scores=hits.scores, positive_scores=hits.positive_scores)
        else:
            hits = Hits(**kept)
        self._reporter.advance(len(queries))
        return hits
