from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
from corpora import Row, write_corpus
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.recipe import MiningSettings
from synth.corpus import Corpus
from synth.mine import Candidates, mine_negatives, passes_rule
from synth.scores import BEYOND

HALF = 0.5e-4
"""Ceilings are rounded like scores: a candidate this near to one may fall on either side."""


@dataclass(frozen=True)
class Scene:
    """A corpus whose structure is known in plain Python, and the candidates of some queries."""

    corpus: Corpus
    rows: list[Row]
    near: set[tuple[int, int]]
    settings: MiningSettings
    candidates: Candidates

    def same(self, one: int, other: int) -> bool:
        a, b = self.rows[one], self.rows[other]
        overlap = a.document == b.document and a.start < b.end and b.start < a.end
        return overlap or (one, other) in self.near or (other, one) in self.near

    def leaked(self, passage: int) -> bool:
        twins = {b for a, b in self.near if a == passage} | {a for a, b in self.near if b == passage}
        return self.rows[passage].split == "train" and any(self.rows[t].split == "test" for t in twins)

    def positives_of(self, query: int) -> set[int]:
        others = self.candidates.others.get(query, np.empty(0, dtype=np.int64))
        return {int(self.candidates.positive[query]), *others.tolist()}

    def allowed(self, row: int) -> bool:
        """Whether a candidate row may be a negative at all, the number wanted aside."""
        c, query, passage = self.candidates, int(self.candidates.query[row]), int(self.candidates.passage[row])
        positive = self.rows[int(c.positive[query])]
        if any(self.same(known, passage) for known in self.positives_of(query)):
            return False
        if not self.settings.same_document and self.rows[passage].document == positive.document:
            return False
        if positive.split == "train" and (self.rows[passage].split == "test" or self.leaked(passage)):
            return False
        if not self.settings.rank_min <= int(c.rank[row]) <= self.settings.rank_max:
            return False
        return bool(passes_rule(self.settings, c.score[row : row + 1], c.positive_score[query : query + 1])[0])


@st.composite
def structures(draw: st.DrawFn) -> tuple[list[Row], set[tuple[int, int]]]:
    documents = draw(st.integers(1, 6))
    splits = draw(st.lists(st.sampled_from(["train", "train", "test"]), min_size=documents, max_size=documents))
    count = draw(st.integers(2, 14))
    rows = []
    for _ in range(count):
        document, start = draw(st.integers(0, documents - 1)), draw(st.integers(0, 30))
        rows.append(Row(f"d{document}", start, start + draw(st.integers(1, 12)), splits[document]))
    numbers = st.integers(0, count - 1)
    near = draw(st.sets(st.tuples(numbers, numbers).filter(lambda pair: pair[0] < pair[1]), max_size=6))
    return rows, near


@st.composite
def minings(draw: st.DrawFn) -> MiningSettings:
    rule: Literal["perc_pos", "margin_pos", "abs", "none"] = draw(
        st.sampled_from(["perc_pos", "margin_pos", "abs", "none"])
    )
    lowest = 0.05 if rule == "perc_pos" else -1.0
    first = draw(st.integers(1, 5))
    return MiningSettings(
        negatives=draw(st.integers(0, 5)),
        rule=rule,
        threshold=draw(st.floats(lowest, 1.0)),
        rank_min=first,
        rank_max=draw(st.integers(first, 20)),
        same_document=draw(st.booleans()),
    )


@st.composite
def tables(draw: st.DrawFn, passages: int) -> Candidates:
    """Rows as a score table has them: by query and rank, scores falling, and the positive always there."""
    query, passage, rank, score, positive, positive_score = [], [], [], [], [], []
    others: dict[int, Any] = {}
    for number in range(draw(st.integers(0, 5))):
        own = draw(st.integers(0, passages - 1))
        ranked = draw(st.permutations(range(passages)))[: draw(st.integers(0, passages))]
        scores = sorted((draw(st.integers(-10_000, 10_000)) / 10_000 for _ in ranked), reverse=True)
        ranks = list(range(1, len(ranked) + 1))
        if own not in ranked:
            ranked, ranks = [*ranked, own], [*ranks, BEYOND]
            scores.append(draw(st.integers(-10_000, 10_000)) / 10_000)
        query += [number] * len(ranked)
        passage, rank, score = passage + ranked, rank + ranks, score + scores
        positive.append(own)
        positive_score.append(scores[ranked.index(own)])
        if draw(st.booleans()):
            others[number] = np.array(draw(st.lists(st.integers(0, passages - 1), max_size=3)), dtype=np.int64)
    integers = (np.array(column, dtype=np.int64) for column in (query, passage, rank))
    return Candidates(
        *integers,
        np.array(score, dtype=np.float32),
        np.array(positive, dtype=np.int64),
        np.array(positive_score, dtype=np.float32),
        others,
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("corpora")


def draw_scene(data: st.DataObject, folder: Path) -> Scene:
    rows, near = data.draw(structures())
    corpus = write_corpus(folder, rows, near)
    return Scene(corpus, rows, near, data.draw(minings()), data.draw(tables(len(rows))))


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_the_best_ranked_allowed_candidates_of_each_query_are_selected_and_no_others(
    folder: Path, data: st.DataObject
) -> None:
    scene = draw_scene(data, folder)
    selected, _ = mine_negatives(scene.corpus, scene.settings, scene.candidates)
    expected = np.zeros(len(selected), dtype=bool)
    for query in range(len(scene.candidates.positive)):
        rows = [row for row in np.flatnonzero(scene.candidates.query == query).tolist() if scene.allowed(row)]
        expected[sorted(rows, key=lambda row: scene.candidates.rank[row])[: scene.settings.negatives]] = True
    assert selected.tolist() == expected.tolist()


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_no_negative_breaks_a_promise(folder: Path, data: st.DataObject) -> None:
    scene = draw_scene(data, folder)
    c = scene.candidates
    selected, counts = mine_negatives(scene.corpus, scene.settings, c)
    taken = Counter(c.query[selected].tolist())
    assert all(count <= scene.settings.negatives for count in taken.values())
    assert sum(counts.values()) == len(c.query)
    assert counts["selected"] == selected.sum()
    assert all(count > 0 for count in counts.values())
    for row in np.flatnonzero(selected).tolist():
        query, passage = int(c.query[row]), int(c.passage[row])
        positive = int(c.positive[query])
        assert passage not in scene.positives_of(query)
        assert not any(scene.same(known, passage) for known in scene.positives_of(query))
        assert scene.settings.rank_min <= c.rank[row] <= scene.settings.rank_max
        assert scene.settings.same_document or scene.rows[passage].document != scene.rows[positive].document
        if scene.rows[positive].split == "train":
            assert scene.rows[passage].split == "train"
            assert not scene.leaked(passage)


@settings(max_examples=20, deadline=None)
@given(st.data())
def test_a_query_is_mined_the_same_alone_and_among_others(folder: Path, data: st.DataObject) -> None:
    scene = draw_scene(data, folder)
    c = scene.candidates
    together, together_counts = mine_negatives(scene.corpus, scene.settings, c)
    counts: Counter[str] = Counter()
    for query in range(len(c.positive)):
        rows = c.query == query
        others = {0: c.others[query]} if query in c.others else {}
        alone = Candidates(
            c.query[rows] - query,
            c.passage[rows],
            c.rank[rows],
            c.score[rows],
            c.positive[[query]],
            c.positive_score[[query]],
            others,
        )
        selected, found = mine_negatives(scene.corpus, scene.settings, alone)
        assert selected.tolist() == together[rows].tolist()
        counts += found
    assert counts == together_counts


def one_query(scores: list[float], positive_score: float = 0.8, **fields: Any) -> Candidates:
    """Passages 1, 2, 3 ... for a query whose positive is passage 0."""
    count = len(scores)
    values: dict[str, Any] = {
        "query": np.zeros(count, dtype=np.int64),
        "passage": np.arange(1, count + 1),
        "rank": np.arange(1, count + 1),
        "score": np.array(scores, dtype=np.float32),
        "positive": np.array([0]),
        "positive_score": np.array([positive_score], dtype=np.float32),
        "others": {},
    }
    return Candidates(**values | fields)


def distinct(folder: Path, count: int) -> Corpus:
    return write_corpus(folder, [Row(f"d{n}") for n in range(count)])


def chosen(corpus: Corpus, candidates: Candidates, **mining: Any) -> list[int]:
    selected, _ = mine_negatives(corpus, MiningSettings(**mining), candidates)
    return [int(passage) for passage in candidates.passage[selected]]


def test_a_candidate_too_near_to_the_positive_is_left_out_and_counted(tmp_path: Path) -> None:
    candidates = one_query([0.9, 0.79, 0.77, 0.76, 0.75, 0.3])
    selected, counts = mine_negatives(distinct(tmp_path, 7), MiningSettings(negatives=2), candidates)
    assert candidates.passage[selected].tolist() == [5, 6]
    assert counts == {"perc_pos": 4, "selected": 2}


def test_candidates_beyond_the_number_wanted_are_counted_as_not_needed(tmp_path: Path) -> None:
    _, counts = mine_negatives(distinct(tmp_path, 7), MiningSettings(negatives=1), one_query([0.5, 0.4, 0.3]))
    assert counts == {"selected": 1, "not_needed": 2}


def test_the_rank_window_counts_raw_ranks(tmp_path: Path) -> None:
    """sentence-transformers drops its first range_min *survivors*; the paper's shift is by raw rank."""
    corpus = distinct(tmp_path, 9)
    candidates = one_query([0.9, 0.79, 0.5, 0.4, 0.3, 0.2])
    assert chosen(corpus, candidates, negatives=9, rank_min=3) == [3, 4, 5, 6]
    assert chosen(corpus, candidates, negatives=9, rank_min=4, rank_max=5) == [4, 5]


def test_a_positive_beyond_the_search_depth_takes_no_place(tmp_path: Path) -> None:
    candidates = one_query([0.5, 0.4, 0.01], passage=np.array([1, 2, 0]), rank=np.array([1, 2, BEYOND]))
    selected, counts = mine_negatives(distinct(tmp_path, 3), MiningSettings(rule="none"), candidates)
    assert candidates.passage[selected].tolist() == [1, 2]
    assert counts == {"positive": 1, "selected": 2}


def test_a_passage_the_query_was_also_made_from_is_no_negative(tmp_path: Path) -> None:
    corpus = write_corpus(tmp_path, [Row("a"), Row("b"), Row("c"), Row("d")], [(2, 3)])
    candidates = one_query([0.5, 0.4, 0.3], others={0: np.array([0, 2])})
    assert chosen(corpus, candidates) == [1]


def test_chunks_of_the_same_document_are_negatives_only_where_asked(tmp_path: Path) -> None:
    corpus = write_corpus(tmp_path, [Row("a", 0, 10), Row("a", 10, 20), Row("a", 5, 15), Row("b")])
    candidates = one_query([0.5, 0.4, 0.3])
    assert chosen(corpus, candidates) == [3]
    assert chosen(corpus, candidates, same_document=True) == [1, 3], "never the chunk that overlaps the positive"


def test_train_queries_see_no_test_passage_and_test_queries_see_all(tmp_path: Path) -> None:
    rows = [Row("a"), Row("b", split="test"), Row("c"), Row("d")]
    scores = [0.5, 0.4, 0.3]
    assert chosen(write_corpus(tmp_path, rows, [(1, 2)]), one_query(scores)) == [3]
    rows[0] = Row("a", split="test")
    assert chosen(write_corpus(tmp_path, rows, [(1, 2)]), one_query(scores)) == [1, 2, 3]


def test_no_candidate_at_all_is_no_problem(tmp_path: Path) -> None:
    selected, counts = mine_negatives(distinct(tmp_path, 2), MiningSettings(), one_query([]))
    assert (selected.tolist(), dict(counts)) == ([], {})


def test_asking_for_no_negatives_gives_none(tmp_path: Path) -> None:
    assert chosen(distinct(tmp_path, 4), one_query([0.5, 0.4, 0.3]), negatives=0) == []


def passes(rule: str, threshold: float, negative: float, positive: float) -> bool:
    mining = MiningSettings.model_validate({"rule": rule, "threshold": threshold})
    scores = (np.array([score], dtype=np.float32) for score in (negative, positive))
    return bool(passes_rule(mining, *scores)[0])


@pytest.mark.parametrize(
    ("rule", "threshold", "positive", "boundary"),
    [
        ("perc_pos", 0.95, 0.8, 0.76),
        ("perc_pos", 0.5, 1.0, 0.5),
        ("perc_pos", 1.0, 0.3, 0.3),
        ("perc_pos", 0.95, 0.0, 0.0),
        ("perc_pos", 0.95, -0.4, -0.42),
        ("perc_pos", 0.9, -8.5, -9.35),
        ("margin_pos", 0.05, 0.8, 0.75),
        ("margin_pos", 0.0, 0.8, 0.8),
        ("margin_pos", -0.1, 0.8, 0.9),
        ("margin_pos", 0.05, 0.0, -0.05),
        ("margin_pos", 0.05, -0.3, -0.35),
        ("abs", 0.7, 0.9, 0.7),
        ("abs", 0.0, 0.9, 0.0),
        ("abs", -0.2, 0.1, -0.2),
    ],
)
def test_a_candidate_on_the_boundary_is_left_out(rule: str, threshold: float, positive: float, boundary: float) -> None:
    assert not passes(rule, threshold, boundary, positive)
    assert not passes(rule, threshold, boundary + 1e-4, positive)
    assert passes(rule, threshold, boundary - 1e-4, positive)


def test_the_rule_none_lets_everything_through() -> None:
    assert passes("none", 0.95, 1.0, -1.0)


four_decimals = st.integers(-20_000, 20_000).map(lambda n: n / 10_000)


@given(four_decimals, four_decimals, st.floats(0.01, 1))
def test_perc_pos_agrees_with_the_relative_margin_of_sentence_transformers(
    negative: float, positive: float, threshold: float
) -> None:
    """mine_hard_negatives drops a candidate if s > p - |p| * margin and keeps equality; ours is strict."""
    ceiling = positive - abs(positive) * (1 - threshold)
    theirs = not negative > ceiling
    ours = passes("perc_pos", threshold, negative, positive)
    assert theirs or not ours
    if abs(negative - ceiling) > 2 * HALF:
        assert ours == theirs


@given(four_decimals, four_decimals, st.floats(-1, 1))
def test_margin_pos_agrees_with_the_absolute_margin_of_sentence_transformers(
    negative: float, positive: float, margin: float
) -> None:
    theirs = not negative + margin > positive
    ours = passes("margin_pos", margin, negative, positive)
    assert theirs or not ours or abs(negative + margin - positive) < 1e-9
    if abs(negative + margin - positive) > 2 * HALF:
        assert ours == theirs


@given(four_decimals, four_decimals)
def test_the_whole_share_of_the_positive_is_a_margin_of_zero(negative: float, positive: float) -> None:
    assert passes("perc_pos", 1.0, negative, positive) == passes("margin_pos", 0.0, negative, positive)


@given(four_decimals, four_decimals, st.floats(0.01, 1), st.floats(0.01, 1))
def test_a_stricter_threshold_never_lets_more_through(
    negative: float, positive: float, one: float, other: float
) -> None:
    strict, loose = sorted((one, other))
    assert passes("perc_pos", loose, negative, positive) or not passes("perc_pos", strict, negative, positive)
    assert passes("margin_pos", strict, negative, positive) or not passes("margin_pos", loose, negative, positive)
