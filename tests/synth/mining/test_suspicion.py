from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from synth.corpus import Corpus
from synth.errors import InputError
from synth.mining.evidence import BEST, EVIDENCE, NEAREST, overlap_of, with_evidence
from synth.mining.guards import is_known
from synth.mining.miner import HardNegativeMiner
from synth.mining.rules import refused
from synth.mining.table import ScoreTable, retrieve
from synth.pairs import Pairs
from synth.store import Store

TOPICS = ["gold mine output", "covenant breach waiver", "swap rate curve", "pension deficit plan", "lease asset value"]
WORDS = ["quarter", "rose", "fell", "report", "board", "market", "audit", "euro", "share", "plan", "note", "fund"]


def some_pairs() -> tuple[Pairs, list[set[str]]]:
    """Four passages answer each query, one of which is known, among others that share single words with it."""
    source = random.Random(5)

    def filler(count: int) -> str:
        return " ".join(source.choices(WORDS, k=count))

    pairs, hidden = Pairs(), []
    for topic in TOPICS:
        answers = [f"{topic} {filler(6)}" for _ in range(4)]
        pairs.add(f"{topic} {filler(1)}", [pairs.add_passage(answers[0])])
        hidden.append({pairs.passages[pairs.add_passage(text)] for text in answers[1:]})
        for word in topic.split():
            for _ in range(12):
                pairs.add_passage(f"{word} {filler(7)}")
    return pairs.by_text(), hidden


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return Store(tmp_path_factory.mktemp("store"))


@pytest.fixture(scope="module")
def table(store: Store) -> ScoreTable:
    return retrieve(some_pairs()[0], "lexical", store=store, depth=100, evidence=True)


def test_evidence_has_a_row_for_every_row_of_its_table(table: ScoreTable) -> None:
    rows = pq.read_table(table.folder / "table.parquet").num_rows
    evidence = pq.read_table(table.folder / "evidence.parquet")
    assert (evidence.num_rows, evidence.schema.names) == (rows, EVIDENCE.names)
    for name in EVIDENCE.names:
        assert np.isfinite(evidence[name].to_numpy()).all()


def test_evidence_compares_a_candidate_with_every_known_positive(tmp_path: Path) -> None:
    texts = [f"gold silver {word}" for word in WORDS]
    pairs = Pairs.of(["gold silver"], [texts[:3]], texts[3:]).by_text()
    table = retrieve(pairs, "lexical", store=Store(tmp_path), depth=len(texts), evidence=True)
    ((_, block),) = with_evidence(table.folder)
    overlap = overlap_of(table.corpus)
    assert block.overlap_between is not None
    for row, passage in enumerate(block.passage.tolist()):
        alike = [overlap.between(np.array([own]), np.array([passage]))[0] for own in pairs.positives[0]]
        assert block.overlap_between[row] == pytest.approx(max(alike))
    assert NEAREST >= 3


def test_it_is_as_hard_as_the_margin_that_it_is_matched_with(table: ScoreTable) -> None:
    """Of the 30 best candidates as many are thrown away, up to ties at the bound."""
    pairs, _ = some_pairs()
    for margin in (0.05, 0.3):
        mined = HardNegativeMiner(strategy="multi_signal", relative_margin=margin, negatives=64).mine(pairs, table)
        told = mined.report.suspicion
        assert told is not None
        thrown = by_margin(table, margin)
        left_out = suspected(table, told["bound"])
        assert 0 < left_out <= thrown
        assert left_out > thrown - 15


def best_rows(table: ScoreTable) -> Any:
    for _, block in with_evidence(table.folder):
        rows = np.flatnonzero(~is_known(table.corpus, block))
        owner = block.query[rows]
        yield block, rows[np.arange(len(rows)) - np.searchsorted(owner, owner) < BEST]


def by_margin(table: ScoreTable, margin: float) -> int:
    settings = HardNegativeMiner(strategy="perc_pos", relative_margin=margin).settings
    found = 0
    for block, rows in best_rows(table):
        anchor = block.positives.anchors(block.count, "min")[block.query]
        found += int(dict(refused(settings, block, anchor))["relative_margin"][rows].sum())
    return found


def suspected(table: ScoreTable, bound: float) -> int:
    miner = HardNegativeMiner(strategy="multi_signal", max_false_negative_rate=bound)
    suspicion = miner._suspicion(table)
    assert suspicion is not None
    return sum(
        int((suspicion.of(table.corpus, block).probability[rows] > bound).sum()) for block, rows in best_rows(table)
    )


def test_the_most_suspicious_candidates_are_the_unlabelled_positives(table: ScoreTable) -> None:
    pairs, hidden = some_pairs()
    suspicion = HardNegativeMiner(strategy="multi_signal")._suspicion(table)
    assert suspicion is not None
    found = []
    for _, block in with_evidence(table.folder):
        judged = suspicion.of(table.corpus, block)
        rows = zip(judged.probability.tolist(), judged.query.tolist(), judged.passage.tolist(), strict=True)
        found += [(probability, pairs.passages[passage] in hidden[query]) for probability, query, passage in rows]
    best = sorted(found, reverse=True)[: sum(map(len, hidden))]
    assert [is_hidden for _, is_hidden in best] == [True] * 15


def test_a_rate_is_a_bound_on_every_negative(table: ScoreTable) -> None:
    pairs, _ = some_pairs()
    counts = [
        HardNegativeMiner(strategy="composite", max_false_negative_rate=rate, negatives=64).mine(pairs, table).report
        for rate in (0.01, 0.1, 0.9)
    ]
    assert counts[0].negatives < counts[1].negatives < counts[2].negatives
    assert [each.suspicion["bound"] for each in counts if each.suspicion] == [0.01, 0.1, 0.9]


def test_candidates_too_similar_to_a_positive_are_left_out(table: ScoreTable) -> None:
    pairs, _ = some_pairs()
    report = HardNegativeMiner(strategy="perc_pos", max_similarity=5.0, negatives=9).mine(pairs, table).report
    assert report.candidates["max_similarity"] > 0
    assert report.suspicion is None


def test_a_table_without_evidence_says_how_to_get_it(tmp_path: Path) -> None:
    pairs, _ = some_pairs()
    plain = retrieve(pairs, "lexical", store=Store(tmp_path), evidence=False)
    with pytest.raises(InputError, match="holds no evidence for multi_signal: retrieve it with evidence=True"):
        HardNegativeMiner(strategy="multi_signal").mine(pairs, plain)
    before = (plain.folder / "table.parquet").stat().st_mtime_ns
    again = retrieve(pairs, "lexical", store=Store(tmp_path), evidence=True)
    assert (again.folder / "table.parquet").stat().st_mtime_ns == before
    assert HardNegativeMiner(strategy="multi_signal").mine(pairs, again).report.negatives > 0


class Vectors:
    """A teacher with vectors of its own choice."""

    def __init__(self, queries: np.ndarray, passages: np.ndarray) -> None:
        self.identity = {"model": "vectors of this test"}
        self._queries, self._passages = queries, passages

    def index(self, corpus: Corpus, reporter: object) -> None:
        pass

    def search(self, queries: Sequence[str], positives: np.ndarray, depth: int) -> Any:
        from synth.search import score_at, search_exactly
        from synth.teachers import Hits

        passages, scores = search_exactly(self._queries, self._passages, depth)
        return Hits(passages, scores, score_at(self._queries, self._passages, positives))

    def embed_queries(self, queries: Sequence[str]) -> np.ndarray:
        return self._queries

    def passage_vectors(self, ordinals: Sequence[int]) -> np.ndarray:
        return self._passages[list(ordinals)]


def test_an_embedder_compares_passages_by_their_vectors(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from synth.mining import table as tables
    from synth.teachers import scoring
    from synth.teachers.settings import TeacherSettings

    random_vectors = np.random.default_rng(0).standard_normal((11, 8)).astype(np.float32)
    random_vectors /= np.linalg.norm(random_vectors, axis=1, keepdims=True)
    teacher = Vectors(random_vectors[:1], random_vectors[1:])
    monkeypatch.setattr(tables, "build_teacher", lambda *_: teacher)
    monkeypatch.setattr(scoring, "reach_teacher", lambda name: (name, TeacherSettings()))
    pairs = Pairs.of(["q"], [["a"]], "bcdefghij").by_text()
    table = retrieve(pairs, "vectors", store=Store(tmp_path), depth=10, evidence=True)
    ((_, block),) = with_evidence(table.folder)
    own = random_vectors[1:] @ random_vectors[1:][pairs.positives[0][0]]
    assert block.between == pytest.approx(own[block.passage], abs=1e-4)
    report = HardNegativeMiner(strategy="multi_signal").mine(pairs, table).report
    assert report.suspicion is not None
    assert "not with vectors of this test" in report.suspicion["note"]
