"""Score tables of anybody's pairs: the teacher is asked once, and what it said is kept in the store."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from schemas.base import sha256_of
from synth.corpus import Corpus
from synth.errors import InputError
from synth.files import new_folder
from synth.mining.candidates import BEYOND, Candidates, Ints
from synth.mining.evidence import has_evidence, with_evidence, write_evidence
from synth.pairs import Pairs
from synth.pairs.pool import make_pool
from synth.progress import Reporter, Silent
from synth.scores import Questions, read_candidates, read_metadata, write_scores
from synth.search.parts import load_arrays, save_arrays
from synth.store import Store
from synth.teachers import Hits, Teacher, build_teacher, close_teacher, queries_at_a_time
from synth.teachers.settings import reach_teacher


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


def retrieve(
    pairs: Pairs,
    teacher: str,
    *,
    store: Store,
    depth: int = 100,
    evidence: bool = False,
    reporter: Reporter | None = None,
    folder: Path | None = None,
) -> ScoreTable:
    """Ask a teacher, as `--teacher` names it, for the best `depth` passages of each query.

    Equal pairs, teacher and depth find the table that is there already, without a search; a search that was
    killed goes on after the last block of queries that it finished. `evidence` is
    what `multi_signal` and `max_similarity` need besides. `folder` is where pools and tables are kept instead. Raises InputError where the teacher can't be loaded.
    """
    reporter = reporter or Silent()
    corpus = make_pool(pairs, folder or store.root / "pools", reporter)
    name, settings = reach_teacher(teacher)
    built = build_teacher(name, corpus.folder / "teachers" / sha256_of(name)[:16], store.embeddings, settings)
    try:
        depth = min(depth, len(corpus), BEYOND - 1)
        key = sha256_of([pairs.queries, pairs.positives, dict(built.identity), depth])[:32]
        scores = corpus.folder / "scores" / key
        if not scores.exists():
            _write(scores, pairs, corpus, built, depth, reporter)
        if evidence and not has_evidence(scores):
            reporter.stage("compare candidates with positives")
            built.index(corpus, Silent())
            write_evidence(scores, corpus, built)
    finally:
        close_teacher(built)
    return ScoreTable(scores, corpus)


def _write(folder: Path, pairs: Pairs, corpus: Corpus, teacher: Teacher, depth: int, reporter: Reporter) -> None:
    reporter.stage("index passages", len(corpus))
    teacher.index(corpus, reporter)
    reporter.stage("search", len(pairs.queries))
    questions = Questions.of(pairs.queries, pairs.positives, ids=pairs.query_ids)
    parts = folder.with_name(f"{folder.name}.parts")
    with new_folder(folder) as hidden:
        write_scores(hidden, questions.blocks(), corpus, _Resumable(teacher, parts, reporter), depth)
    shutil.rmtree(parts, ignore_errors=True)


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
