from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from corpora import Row, write_corpus
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.recipe import MiningSettings, Strategy
from synth.corpus import Corpus
from synth.mining.candidates import BEYOND, Candidates, Positives
from synth.mining.select import select
from synth.text import hash64

HALF = 0.5e-4
"""Ceilings are rounded like scores: a candidate this near to one may fall on either side."""


def candidates_of(queries: list[dict[str, Any]]) -> Candidates:
    """Each query: `ranked` passages with `scores`, `positives` with `known` scores, and its text where that matters."""
    flat: dict[str, list[Any]] = {name: [] for name in ("query", "passage", "rank", "score")}
    positives: dict[str, list[Any]] = {name: [] for name in ("owner", "passage", "rank", "score")}
    for number, query in enumerate(queries):
        for rank, (passage, score) in enumerate(zip(query["ranked"], query["scores"], strict=True), 1):
            for name, value in zip(flat, (number, passage, rank, score), strict=True):
                flat[name].append(value)
        for passage, score in zip(query["positives"], query["known"], strict=True):
            rank = query["ranked"].index(passage) + 1 if passage in query["ranked"] else BEYOND
            for name, value in zip(positives, (number, passage, rank, score), strict=True):
                positives[name].append(value)
    kinds = {"score": np.float32}
    columns = [np.array(values, dtype=kinds.get(name, np.int64)) for name, values in flat.items()]
    known = [np.array(values, dtype=kinds.get(name, np.int64)) for name, values in positives.items()]
    keys = [hash64(query.get("text", f"query {number}")) for number, query in enumerate(queries)]
    return Candidates(*columns, Positives(*known), np.array(keys, dtype=np.uint64))


@dataclass(frozen=True)
class Scene:
    """A corpus whose structure is known in plain Python, and the candidates of some queries."""

    corpus: Corpus
    rows: list[Row]
    near: set[tuple[int, int]]
    settings: MiningSettings
    queries: list[dict[str, Any]]

    @property
    def candidates(self) -> Candidates:
        return candidates_of(self.queries)

    def same(self, one: int, other: int) -> bool:
        a, b = self.rows[one], self.rows[other]
        overlap = a.document == b.document and a.start < b.end and b.start < a.end
        return overlap or (one, other) in self.near or (other, one) in self.near

    def leaked(self, passage: int) -> bool:
        twins = {b for a, b in self.near if a == passage} | {a for a, b in self.near if b == passage}
        return self.rows[passage].split == "train" and any(self.rows[t].split == "test" for t in twins)

    def may_be(self, query: dict[str, Any], passage: int, score: float) -> bool:
        """Whether a candidate keeps every rule that does not depend on ranks."""
        own = [self.rows[positive] for positive in query["positives"]]
        if any(self.same(positive, passage) for positive in query["positives"]):
            return False
        if not self.settings.same_document and self.rows[passage].document in {row.document for row in own}:
            return False
        is_train = own[0].split == "train"
        if is_train and (self.rows[passage].split == "test" or self.leaked(passage)):
            return False
        return self.keeps_bounds(query, score)

    def keeps_bounds(self, query: dict[str, Any], score: float) -> bool:
        known = [value for value in query["known"] if not np.isnan(value)]
        how = {"min": min, "max": max, "mean": lambda values: sum(values) / len(values)}
        anchor = how[self.settings.positive_anchor](known) if known else np.nan
        bounds = self.settings.bounds
        ceilings = [bounds["max_score"]] if "max_score" in bounds else []
        ceilings += [anchor - bounds["absolute_margin"]] if "absolute_margin" in bounds else []
        ceilings += [anchor - abs(anchor) * bounds["relative_margin"]] if "relative_margin" in bounds else []
        below = all(
            score < round(ceiling, 6) if self.settings.strict else score <= round(ceiling, 6) for ceiling in ceilings
        )
        return below and score >= bounds.get("min_score", -np.inf)

    def expected(self, query: dict[str, Any]) -> list[int]:
        """The best candidates that keep every rule, by a plain walk down the list."""
        found, window = self.settings, []
        survivors = 0
        for rank, (passage, score) in enumerate(zip(query["ranked"], query["scores"], strict=True), 1):
            if self.may_be(query, passage, score):
                survivors += 1
                place = rank if found.rank_basis == "raw" else survivors
                window += [passage] if found.first_rank <= place <= found.rank_max else []
        return window[: found.negatives]


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


bounds = st.one_of(st.none(), st.integers(-10, 10).map(lambda n: n / 10))


@st.composite
def minings(draw: st.DrawFn) -> MiningSettings:
    first = draw(st.integers(1, 5))
    return MiningSettings(
        negatives=draw(st.integers(0, 5)),
        strategy=draw(st.sampled_from(["naive", "abs", "margin_pos", "perc_pos"])),
        max_score=draw(bounds),
        min_score=draw(bounds),
        absolute_margin=draw(bounds),
        relative_margin=draw(st.one_of(st.none(), st.integers(-9, 9).map(lambda n: n / 10))),
        strict=draw(st.booleans()),
        positive_anchor=draw(st.sampled_from(["min", "max", "mean"])),
        rank_basis=draw(st.sampled_from(["raw", "after_rules"])),
        rank_min=first,
        rank_max=draw(st.integers(first, 20)),
        same_document=draw(st.booleans()),
    )


scores = st.integers(-10_000, 10_000).map(lambda n: n / 10_000)


@st.composite
def asked(draw: st.DrawFn, passages: int) -> list[dict[str, Any]]:
    """Queries as a score table has them: ranked, scores falling, and at least one positive with a score."""
    queries = []
    for _ in range(draw(st.integers(0, 5))):
        ranked = list(draw(st.permutations(range(passages)))[: draw(st.integers(0, passages))])
        values = sorted((draw(scores) for _ in ranked), reverse=True)
        positives = draw(st.lists(st.integers(0, passages - 1), min_size=1, max_size=3, unique=True))
        known = [values[ranked.index(own)] if own in ranked else draw(scores) for own in positives]
        known = [known[0], *(draw(st.sampled_from([value, np.nan])) for value in known[1:])]
        queries.append({"ranked": ranked, "scores": values, "positives": positives, "known": known})
    return queries


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("corpora")


def draw_scene(data: st.DataObject, folder: Path) -> Scene:
    rows, near = data.draw(structures())
    return Scene(write_corpus(folder, rows, near), rows, near, data.draw(minings()), data.draw(asked(len(rows))))


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_the_best_candidates_that_keep_every_rule_are_selected_and_no_others(folder: Path, data: st.DataObject) -> None:
    scene = draw_scene(data, folder)
    candidates = scene.candidates
    fate = select(scene.corpus, scene.settings, candidates)
    for number, query in enumerate(scene.queries):
        found = candidates.passage[fate.selected & (candidates.query == number)].tolist()
        assert found == scene.expected(query)


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_every_candidate_has_one_fate_and_the_counts_add_up(folder: Path, data: st.DataObject) -> None:
    scene = draw_scene(data, folder)
    fate = select(scene.corpus, scene.settings, scene.candidates)
    assert sum(fate.counts.values()) == len(scene.candidates.query)
    assert fate.counts["selected"] == fate.selected.sum()
    assert all(count > 0 for count in fate.counts.values())


@settings(max_examples=20, deadline=None)
@given(st.data(), st.sampled_from(["top", "uniform", "softmax", "top1_sampled"]))
def test_a_query_is_mined_the_same_alone_and_among_others(folder: Path, data: st.DataObject, sampling: str) -> None:
    scene = draw_scene(data, folder)
    mining = scene.settings.model_copy(update={"sampling": sampling})
    candidates = scene.candidates
    together = select(scene.corpus, mining, candidates, seed=3)
    counts: Counter[str] = Counter()
    for number in range(candidates.count):
        alone = select(scene.corpus, mining, candidates.only(np.arange(candidates.count) == number), seed=3)
        assert alone.selected.tolist() == together.selected[candidates.query == number].tolist()
        counts += alone.counts
    assert counts == together.counts


def one_query(values: list[float], known: float | list[float] = 0.8, **fields: Any) -> Candidates:
    """Passages 1, 2, 3 ... for a query whose positive is passage 0."""
    scores_of = known if isinstance(known, list) else [known]
    query = {"ranked": list(range(1, len(values) + 1)), "scores": values, "positives": [0], "known": scores_of}
    return candidates_of([query | fields])


def distinct(folder: Path, count: int) -> Corpus:
    return write_corpus(folder, [Row(f"d{n}") for n in range(count)])


def chosen(corpus: Corpus, candidates: Candidates, seed: int = 0, **mining: Any) -> list[int]:
    fate = select(corpus, MiningSettings(**({"strategy": "perc_pos"} | mining)), candidates, seed)
    return [int(passage) for passage in candidates.passage[fate.selected]]


def test_a_candidate_too_near_to_the_positive_is_left_out_and_counted(tmp_path: Path) -> None:
    candidates = one_query([0.9, 0.79, 0.77, 0.76, 0.75, 0.3])
    fate = select(distinct(tmp_path, 7), MiningSettings(strategy="perc_pos", negatives=2), candidates)
    assert candidates.passage[fate.selected].tolist() == [5, 6]
    assert fate.counts == {"relative_margin": 4, "selected": 2}


def test_candidates_beyond_the_number_wanted_are_counted_as_not_needed(tmp_path: Path) -> None:
    fate = select(distinct(tmp_path, 7), MiningSettings(strategy="perc_pos", negatives=1), one_query([0.5, 0.4, 0.3]))
    assert fate.counts == {"selected": 1, "not_needed": 2}


def test_the_rank_window_counts_raw_ranks_unless_it_is_asked_to_count_survivors(tmp_path: Path) -> None:
    """sentence-transformers drops its first range_min *survivors*; the paper's shift is by raw rank."""
    corpus = distinct(tmp_path, 9)
    candidates = one_query([0.9, 0.79, 0.5, 0.4, 0.3, 0.2])
    assert chosen(corpus, candidates, negatives=9, rank_min=3) == [3, 4, 5, 6]
    assert chosen(corpus, candidates, negatives=9, rank_min=4, rank_max=5) == [4, 5]
    assert chosen(corpus, candidates, negatives=9, rank_min=3, rank_basis="after_rules") == [5, 6]


def test_shifted_leaves_out_the_ten_best(tmp_path: Path) -> None:
    candidates = one_query([1 - n / 100 for n in range(14)])
    assert chosen(distinct(tmp_path, 15), candidates, strategy="shifted") == [11, 12, 13, 14]


def test_candidates_that_a_rule_refused_never_come_back_where_few_are_left(tmp_path: Path) -> None:
    """NeMo's miner masks with -inf and then takes the top anyway, so refused documents return."""
    candidates = one_query([0.79, 0.78, 0.3])
    assert chosen(distinct(tmp_path, 4), candidates, negatives=3) == [3]


def test_a_query_with_thousands_of_positives_is_mined_like_any_other(tmp_path: Path) -> None:
    count = 5_000
    query = {
        "ranked": [count, 0, 1, count + 1],
        "scores": [0.5, 0.4, 0.3, 0.2],
        "positives": list(range(count)),
        "known": [0.9] * count,
    }
    assert chosen(distinct(tmp_path, count + 2), candidates_of([query])) == [count, count + 1]


def test_a_query_that_no_positive_was_scored_for_gets_no_negative_by_a_margin(tmp_path: Path) -> None:
    corpus, candidates = distinct(tmp_path, 4), one_query([0.5, 0.4, 0.3], np.nan)
    assert chosen(corpus, candidates) == []
    assert chosen(corpus, candidates, strategy="naive") == [1, 2, 3]


@pytest.mark.parametrize(("anchor", "expected"), [("min", [3]), ("mean", [2, 3]), ("max", [1, 2, 3])])
def test_with_several_positives_the_anchor_says_which_counts(tmp_path: Path, anchor: str, expected: list[int]) -> None:
    candidates = one_query([0.75, 0.55, 0.35], [0.8, 0.4], positives=[0, 4])
    assert chosen(distinct(tmp_path, 5), candidates, positive_anchor=anchor) == expected


def test_a_passage_the_query_was_also_made_from_is_no_negative(tmp_path: Path) -> None:
    corpus = write_corpus(tmp_path, [Row("a"), Row("b"), Row("c"), Row("d")], [(2, 3)])
    candidates = one_query([0.5, 0.4, 0.3])
    more = candidates.positives.known_besides(np.array([0]), np.array([2]))
    assert chosen(corpus, replace(candidates, positives=more)) == [1]


def test_a_passage_that_says_the_query_is_no_negative(tmp_path: Path) -> None:
    rows = [Row("a"), Row("b", text="What does  COVENANT mean?"), Row("c")]
    candidates = one_query([0.5, 0.4], text="what does covenant mean?")
    fate = select(write_corpus(tmp_path, rows), MiningSettings(strategy="perc_pos"), candidates)
    assert fate.counts == {"like_query": 1, "selected": 1}


def test_chunks_of_the_same_document_are_negatives_only_where_asked(tmp_path: Path) -> None:
    corpus = write_corpus(tmp_path, [Row("a", 0, 10), Row("a", 10, 20), Row("a", 5, 15), Row("b")])
    candidates = one_query([0.5, 0.4, 0.3])
    assert chosen(corpus, candidates) == [3]
    assert chosen(corpus, candidates, same_document=True) == [1, 3], "never the chunk that overlaps the positive"


def test_passages_of_the_positives_group_are_no_negatives(tmp_path: Path) -> None:
    corpus = distinct(tmp_path, 5)
    np.save(tmp_path / "groups.npy", np.array([7, 7, -1, 8, -1]))
    candidates = one_query([0.5, 0.4, 0.3, 0.2])
    fate = select(Corpus(tmp_path), MiningSettings(strategy="perc_pos"), candidates)
    (tmp_path / "groups.npy").unlink()
    assert candidates.passage[fate.selected].tolist() == [2, 3, 4]
    assert fate.counts["same_group"] == 1
    assert chosen(corpus, candidates) == [1, 2, 3, 4]


def test_train_queries_see_no_test_passage_and_test_queries_see_all(tmp_path: Path) -> None:
    rows = [Row("a"), Row("b", split="test"), Row("c"), Row("d")]
    values = [0.5, 0.4, 0.3]
    assert chosen(write_corpus(tmp_path, rows, [(1, 2)]), one_query(values)) == [3]
    rows[0] = Row("a", split="test")
    assert chosen(write_corpus(tmp_path, rows, [(1, 2)]), one_query(values)) == [1, 2, 3]


def test_no_candidate_at_all_is_no_problem(tmp_path: Path) -> None:
    fate = select(distinct(tmp_path, 2), MiningSettings(strategy="perc_pos"), one_query([]))
    assert (fate.selected.tolist(), dict(fate.counts)) == ([], {})


def test_asking_for_no_negatives_gives_none(tmp_path: Path) -> None:
    assert chosen(distinct(tmp_path, 4), one_query([0.5, 0.4, 0.3]), negatives=0) == []


@pytest.mark.parametrize("bound", ["max_similarity", "max_false_negative_rate"])
def test_a_bound_on_what_was_worked_out_beside_the_scores_is_kept(tmp_path: Path, bound: str) -> None:
    values = np.array([0.5, 0.2, 0.21], dtype=np.float32)
    candidates = replace(one_query([0.5, 0.4, 0.3]), between=values, probability=values)
    assert chosen(distinct(tmp_path, 4), candidates, strategy="composite", **{bound: 0.2}) == [2]


def passes(strategy: Strategy, bound: float, negative: float, positive: float, corpus: Corpus, strict: bool) -> bool:
    name = {"perc_pos": "relative_margin", "margin_pos": "absolute_margin", "abs": "max_score"}.get(strategy)
    mining = MiningSettings(strategy=strategy, strict=strict, **({name: bound} if name else {}))  # type: ignore[arg-type]
    return bool(select(corpus, mining, one_query([negative], positive)).selected[0])


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    return distinct(tmp_path_factory.mktemp("two"), 2)


@pytest.mark.parametrize(
    ("strategy", "bound", "positive", "boundary"),
    [
        ("perc_pos", 0.05, 0.8, 0.76),
        ("perc_pos", 0.5, 1.0, 0.5),
        ("perc_pos", 0.0, 0.3, 0.3),
        ("perc_pos", 0.05, 0.0, 0.0),
        ("perc_pos", 0.05, -0.4, -0.42),
        ("perc_pos", 0.1, -8.5, -9.35),
        ("perc_pos", -0.05, 0.8, 0.84),
        ("margin_pos", 0.05, 0.8, 0.75),
        ("margin_pos", 0.0, 0.8, 0.8),
        ("margin_pos", -0.1, 0.8, 0.9),
        ("margin_pos", 0.05, -0.3, -0.35),
        ("abs", 0.7, 0.9, 0.7),
        ("abs", 0.0, 0.9, 0.0),
        ("abs", -0.2, 0.1, -0.2),
    ],
)
def test_a_candidate_on_the_boundary_is_left_out_unless_the_rule_is_not_strict(
    strategy: Strategy, bound: float, positive: float, boundary: float, two: Corpus
) -> None:
    assert not passes(strategy, bound, boundary, positive, two, strict=True)
    assert passes(strategy, bound, boundary, positive, two, strict=False)
    for strict in (True, False):
        assert not passes(strategy, bound, boundary + 1e-4, positive, two, strict)
        assert passes(strategy, bound, boundary - 1e-4, positive, two, strict)


four_decimals = st.integers(-20_000, 20_000).map(lambda n: n / 10_000)


@settings(deadline=None)
@given(four_decimals, four_decimals, st.floats(0, 0.99))
def test_perc_pos_agrees_with_the_relative_margin_of_sentence_transformers(
    two: Corpus, negative: float, positive: float, margin: float
) -> None:
    """mine_hard_negatives drops a candidate if s > p - |p| * margin and keeps equality, as ours does when not strict."""
    ceiling = positive - abs(positive) * margin
    if abs(negative - ceiling) > 2 * HALF:
        assert passes("perc_pos", margin, negative, positive, two, strict=False) == (not negative > ceiling)


@settings(deadline=None)
@given(four_decimals, four_decimals)
def test_the_whole_share_of_the_positive_is_a_margin_of_zero(two: Corpus, negative: float, positive: float) -> None:
    both = {passes(name, 0.0, negative, positive, two, strict=True) for name in ("perc_pos", "margin_pos")}  # type: ignore[arg-type]
    assert len(both) == 1


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_whatever_a_margin_lets_through_the_naive_strategy_does_too(folder: Path, data: st.DataObject) -> None:
    scene = draw_scene(data, folder)
    everything = scene.settings.model_copy(update={"negatives": 64, "rank_basis": "raw"})
    none = dict.fromkeys(("max_score", "min_score", "absolute_margin", "relative_margin"))
    naive = select(scene.corpus, everything.model_copy(update={"strategy": "naive", **none}), scene.candidates)
    assert not (select(scene.corpus, everything, scene.candidates).selected & ~naive.selected).any()


def drawn(corpus: Corpus, sampling: str, seeds: int, **mining: Any) -> Counter[int]:
    """How often each of ten candidates is among the two taken."""
    candidates = one_query([0.5 - n / 50 for n in range(10)])
    found: Counter[int] = Counter()
    for seed in range(seeds):
        taken = chosen(corpus, candidates, seed, negatives=2, sampling=sampling, strategy="naive", **mining)
        assert len(set(taken)) == 2
        found.update(taken)
    return found


def test_a_uniform_sample_takes_every_candidate_of_its_pool_equally_often(tmp_path: Path) -> None:
    found = drawn(distinct(tmp_path, 11), "uniform", 600, sample_pool=5)
    assert sorted(found) == [1, 2, 3, 4, 5]
    assert all(200 <= count <= 280 for count in found.values()), found


def test_a_softmax_sample_prefers_high_scores_the_more_the_lower_its_temperature(tmp_path: Path) -> None:
    corpus = distinct(tmp_path, 11)
    warm, cold = (drawn(corpus, "softmax", 300, temperature=t) for t in (10.0, 0.02))
    assert max(warm.values()) < 1.5 * min(warm.values())
    assert cold[1] > cold[3] > cold[6]
    assert cold[1] > 2.5 * warm[1]


def test_the_best_candidate_is_always_among_the_top1_sampled(tmp_path: Path) -> None:
    found = drawn(distinct(tmp_path, 11), "top1_sampled", 100)
    assert found[1] == 100
    assert len(found) > 6


def test_what_is_drawn_depends_on_query_and_passage_and_not_on_their_places(tmp_path: Path) -> None:
    corpus = distinct(tmp_path, 11)
    taken = chosen(corpus, one_query([0.5] * 10, text="what?"), 5, sampling="uniform")
    moved = {"ranked": [9, 3, 1, 7, 5, 2, 10, 8, 4, 6], "scores": [0.5] * 10, "positives": [0], "known": [0.9]}
    candidates = candidates_of([moved | {"text": "who?"}, moved | {"text": "what?"}])
    fate = select(corpus, MiningSettings(strategy="perc_pos", sampling="uniform"), candidates, 5)
    again = [candidates.passage[fate.selected & (candidates.query == number)].tolist() for number in (0, 1)]
    assert sorted(again[1]) == sorted(taken) != sorted(again[0])
