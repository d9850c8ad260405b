from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from corpora import Row, build_corpus, write_corpus
from hypothesis import given, settings
from hypothesis import strategies as st

from synth import registry
from synth.corpus import Corpus
from synth.progress import Silent
from synth.teachers import Hits, build_teacher, lexical
from synth.teachers.lexical import Lexical
from synth.text import terms

WORDS = ["bond", "rate", "covenant", "debt", "2024", "4.25%", "gold", "loan", "yield", "swap"]
K1, B = 1.2, 0.75


def index(corpus: Corpus, folder: Path) -> Lexical:
    teacher = Lexical("lexical", folder, folder)
    teacher.index(corpus, Silent())
    return teacher


def ask(teacher: Lexical, query: str, depth: int, positive: int = 0) -> Hits:
    return teacher.search([query], np.array([positive]), depth)


def found(hits: Hits, row: int = 0) -> list[int]:
    return [passage for passage in hits.passages[row].tolist() if passage >= 0]


def bm25(texts: Sequence[str], query: str) -> list[float]:
    """Robertson's BM25 as a textbook has it, divided by the most that any text could score."""
    documents = [terms(text, "en") for text in texts]
    mean = max(sum(map(len, documents)) / len(documents), 1.0)
    asked = set(terms(query, "en"))
    idf = {}
    for term in asked:
        df = sum(term in document for document in documents)
        idf[term] = math.log(1 + (len(documents) - df + 0.5) / (df + 0.5))
    most = (K1 + 1) * sum(idf.values())
    scores = []
    for document in documents:
        counts = Counter(document)
        total = 0.0
        for term in asked:
            tf = counts[term]
            total += idf[term] * tf * (K1 + 1) / (tf + K1 * (1 - B + B * len(document) / mean))
        scores.append(total / most if most else 0.0)
    return scores


@settings(max_examples=30, deadline=None)
@given(
    bags=st.lists(st.lists(st.sampled_from([*WORDS, "the", "of"]), min_size=1, max_size=12), min_size=1, max_size=14),
    queries=st.lists(st.lists(st.sampled_from([*WORDS, "unseen", "the"]), max_size=5), min_size=1, max_size=4),
    tile=st.sampled_from([2, 5, 65_536]),
    depth=st.integers(1, 16),
)
def test_scores_and_order_equal_a_textbook_bm25(
    tmp_path_factory: pytest.TempPathFactory, bags: list[list[str]], queries: list[list[str]], tile: int, depth: int
) -> None:
    texts = [" ".join(bag) for bag in bags]
    folder = tmp_path_factory.mktemp("run")
    corpus = write_corpus(folder / "corpus", [Row(f"d{n}", text=text) for n, text in enumerate(texts)])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lexical, "TILE", tile)
        teacher = index(corpus, folder / "teacher")
        asked = [" ".join(query) for query in queries]
        positives = np.array([n % len(texts) for n in range(len(asked))])
        hits = teacher.search(asked, positives, depth)
        everything = teacher.search(asked, positives, len(texts))
    assert hits.passages.shape == hits.scores.shape == (len(asked), depth)
    for row, query in enumerate(asked):
        expected = bm25(texts, query)
        whole = dict(zip(found(everything, row), everything.scores[row].tolist(), strict=False))
        assert whole == pytest.approx({n: score for n, score in enumerate(expected) if score > 0}, abs=6e-5)
        assert float(hits.positive_scores[row]) == pytest.approx(expected[positives[row]], abs=6e-5)
        ranked = sorted(whole, key=lambda n: (-whole[n], n))[:depth]
        assert found(hits, row) == ranked
        assert hits.scores[row, : len(ranked)].tolist() == [whole[n] for n in ranked]
        assert (hits.passages[row, len(ranked) :] == -1).all()
        assert (hits.scores[row, len(ranked) :] == 0).all()
        assert ((hits.scores[row] >= 0) & (hits.scores[row] <= 1)).all()


def test_tiles_change_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    random = np.random.default_rng(0)
    texts = list(dict.fromkeys(" ".join(random.choice(WORDS, random.integers(1, 9))) for _ in range(200)))
    corpus = build_corpus(tmp_path / "corpus", texts)
    queries = [" ".join(random.choice(WORDS, 3)) for _ in range(20)]
    positives = random.integers(0, len(texts), 20)
    whole = index(corpus, tmp_path / "one").search(queries, positives, 30)
    monkeypatch.setattr(lexical, "TILE", 17)
    tiled = index(corpus, tmp_path / "many").search(queries, positives, 30)
    assert len(list((tmp_path / "many").iterdir())) == math.ceil(len(texts) / 17)
    assert np.array_equal(whole.passages, tiled.passages)
    assert np.array_equal(whole.scores, tiled.scores)
    assert np.array_equal(whole.positive_scores, tiled.positive_scores)


def test_the_top_of_a_large_tile_is_that_of_a_full_sort(tmp_path: Path) -> None:
    """A tile keeps its best passages and all that tie with the last of them."""
    random = np.random.default_rng(1)
    texts = list(dict.fromkeys(" ".join(random.choice(WORDS, random.integers(1, 12))) for _ in range(600)))
    teacher = index(build_corpus(tmp_path / "corpus", texts), tmp_path / "teacher")
    query = "bond rate covenant"
    everything = ask(teacher, query, len(texts))
    for depth in (1, 2, 7, 50):
        hits = ask(teacher, query, depth)
        assert hits.passages[0].tolist() == everything.passages[0, :depth].tolist()
        assert hits.scores[0].tolist() == everything.scores[0, :depth].tolist()


def test_ties_are_broken_by_ordinal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lexical, "TILE", 4)
    texts = [f"bond filler{n:03d}" for n in range(30)]
    teacher = index(build_corpus(tmp_path / "corpus", texts), tmp_path / "teacher")
    hits = ask(teacher, "bond", 6)
    assert hits.passages[0].tolist() == [0, 1, 2, 3, 4, 5]
    assert len(set(hits.scores[0].tolist())) == 1


def test_the_score_of_the_positive_is_exact_beyond_the_depth(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lexical, "TILE", 2)
    texts = ["bond rate swap", "bond rate", "bond loan debt gold yield"]
    teacher = index(build_corpus(tmp_path / "corpus", texts), tmp_path / "teacher")
    hits = ask(teacher, "bond rate swap", depth=1, positive=2)
    assert hits.passages.tolist() == [[0]]
    assert float(hits.positive_scores[0]) == pytest.approx(bm25(texts, "bond rate swap")[2], abs=6e-5)
    assert float(hits.positive_scores[0]) > 0


def test_a_word_that_no_passage_holds_lowers_every_score(tmp_path: Path) -> None:
    teacher = index(build_corpus(tmp_path / "corpus", ["bond rate", "gold loan"]), tmp_path / "teacher")
    alone, with_unseen = ask(teacher, "bond", 1), ask(teacher, "bond zeppelin", 1)
    assert found(alone) == found(with_unseen) == [0]
    assert with_unseen.scores[0, 0] < alone.scores[0, 0]


def test_repeating_a_query_word_changes_nothing(tmp_path: Path) -> None:
    teacher = index(build_corpus(tmp_path / "corpus", ["bond rate", "gold loan rate"]), tmp_path / "teacher")
    assert ask(teacher, "rate rate gold", 2).scores.tolist() == ask(teacher, "gold rate", 2).scores.tolist()


def test_inflections_of_a_word_match(tmp_path: Path) -> None:
    teacher = index(build_corpus(tmp_path / "corpus", ["Covenants were reset.", "Gold fell."]), tmp_path / "teacher")
    assert found(ask(teacher, "covenant resets", 2)) == [0]


@pytest.mark.parametrize("query", ["", "?!", "is it so that they are", "zeppelin"])
def test_a_query_that_says_nothing_known_finds_nothing(tmp_path: Path, query: str) -> None:
    teacher = index(build_corpus(tmp_path / "corpus", ["bond rate", "gold loan"]), tmp_path / "teacher")
    hits = ask(teacher, query, 5)
    assert found(hits) == []
    assert hits.scores.tolist() == [[0.0] * 5]
    assert hits.positive_scores.tolist() == [0.0]


def test_passages_without_a_content_word_are_never_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lexical, "TILE", 1)
    teacher = index(build_corpus(tmp_path / "corpus", ["It is so.", "bond rate", "!!!"]), tmp_path / "teacher")
    assert found(ask(teacher, "is it a bond", 3)) == [1]


def test_a_corpus_without_a_single_content_word_is_indexed(tmp_path: Path) -> None:
    teacher = index(build_corpus(tmp_path / "corpus", ["It is so.", "Are they?"]), tmp_path / "teacher")
    assert found(ask(teacher, "bond", 3)) == []


def test_a_finished_index_is_used_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lexical, "TILE", 2)
    corpus = build_corpus(tmp_path / "corpus", ["bond rate", "gold loan", "bond gold", "debt swap", "yield"])
    first = ask(index(corpus, tmp_path / "teacher"), "bond gold", 5)
    files = {path: path.stat().st_mtime_ns for path in (tmp_path / "teacher").rglob("*") if path.is_file()}
    again = ask(index(Corpus(tmp_path / "corpus"), tmp_path / "teacher"), "bond gold", 5)
    assert {path: path.stat().st_mtime_ns for path in files} == files
    assert again.passages.tolist() == first.passages.tolist()
    assert again.scores.tolist() == first.scores.tolist()


def test_a_tile_that_was_left_half_written_is_made_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lexical, "TILE", 2)
    corpus = build_corpus(tmp_path / "corpus", ["bond rate", "gold loan", "bond gold", "debt swap", "yield"])
    first = ask(index(corpus, tmp_path / "teacher"), "bond gold swap", 5)
    middle = sorted((tmp_path / "teacher").iterdir())[1]
    (middle / "done").unlink()
    (middle / "weights.npy").write_bytes(b"half")
    again = ask(index(corpus, tmp_path / "teacher"), "bond gold swap", 5)
    assert again.passages.tolist() == first.passages.tolist()
    assert again.scores.tolist() == first.scores.tolist()


def test_indexing_twice_finds_no_passage_twice(tmp_path: Path) -> None:
    corpus = build_corpus(tmp_path / "corpus", ["bond rate", "gold loan"])
    teacher = index(corpus, tmp_path / "teacher")
    teacher.index(corpus, Silent())
    assert found(ask(teacher, "bond gold", 4)) == [0, 1]


def test_progress_is_told_once_for_each_passage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lexical, "TILE", 2)
    corpus = build_corpus(tmp_path / "corpus", ["bond rate", "gold loan", "bond gold"])
    advanced: list[int] = []

    class Count(Silent):
        def advance(self, amount: int = 1) -> None:
            advanced.append(amount)

    Lexical("lexical", tmp_path / "teacher", tmp_path).index(corpus, Count())
    assert sum(advanced) == len(corpus)


def test_a_passage_of_its_own_words_comes_first(tmp_path: Path) -> None:
    texts = [f"Report number{n} speaks of item{n % 7} and thing{n % 11}." for n in range(60)]
    corpus = build_corpus(tmp_path / "corpus", texts)
    hits = index(corpus, tmp_path / "teacher").search(texts, np.arange(60), 1)
    assert hits.passages[:, 0].tolist() == list(range(60))
    assert hits.scores[:, 0].tolist() == hits.positive_scores.tolist()


def test_the_lexical_teacher_is_found_by_name(tmp_path: Path) -> None:
    teacher = build_teacher("lexical", tmp_path, tmp_path)
    assert isinstance(teacher, Lexical)
    assert teacher.identity["model"] == "bm25"
    assert registry.find("teachers", "lexical") is Lexical


def test_texts_are_alike_by_the_cosine_of_their_counts_of_content_words(tmp_path: Path) -> None:
    texts = ["gold bond loan", "Loan, gold and a bond", "gold gold gold bond", "covenant and debt", "the of and"]
    pairs, cosines = Lexical("lexical", tmp_path, tmp_path).alike(texts, 0.5)
    assert pairs.tolist() == [[0, 1], [0, 2], [1, 2]]
    assert cosines.tolist() == pytest.approx([1.0, 4 / math.sqrt(3 * 10), 4 / math.sqrt(3 * 10)], abs=1e-4)


def test_the_texts_nearest_to_each_passage_are_found_by_bm25_and_strangers_are_left_out(tmp_path: Path) -> None:
    corpus = build_corpus(
        tmp_path / "corpus", ["A covenant on debt. " * 3, "The gold price and a gold swap. " * 2, "Nothing of it. " * 4]
    )
    teacher = index(corpus, tmp_path / "teacher")
    people = ["asks for the price of gold", "reads about a swap and gold", "knows every covenant", "swap swap covenant"]
    blocks = np.concatenate(list(teacher.nearest(corpus, people, 3)))
    assert blocks.shape == (3, 3)
    assert blocks[0].tolist() == [2, 3, -1]
    assert set(blocks[1].tolist()) == {0, 1, 3}
    assert blocks[2].tolist() == [-1, -1, -1]


def test_equally_near_texts_are_taken_in_their_order(tmp_path: Path) -> None:
    corpus = build_corpus(tmp_path / "corpus", ["The covenant was reset in the second year of the loan."])
    teacher = index(corpus, tmp_path / "teacher")
    (block,) = teacher.nearest(corpus, ["a covenant one", "a covenant two", "a covenant six"], 2)
    assert block.tolist() == [[0, 1]]
