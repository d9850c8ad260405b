from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from schemas.record import Verdict
from synth.errors import InputError
from synth.gates.duplicates import Duplicates
from synth.text import hash64, normalise, words
from synth.view import Background, SetView

WORDS = [f"word{chr(97 + n)}" for n in range(26)]
LONG = "how did the new covenants of the revolving credit facility change the leverage test for the group"


def view_of(queries: Sequence[str], alive: Sequence[bool] | None = None, block: int | None = None) -> SetView:
    """A view over queries in plan order, read from blocks as from shard files."""
    size = block or max(len(queries), 1)
    shards = [list(queries[start : start + size]) for start in range(0, len(queries), size)]
    count = len(queries)
    return SetView(
        alive=np.array(alive if alive is not None else [True] * count, dtype=bool),
        position=np.arange(count) * 3 + 10,
        passage=np.zeros(count, dtype=np.int64),
        query_key=np.array([hash64(normalise(query)) for query in queries], dtype=np.uint64),
        ahead=np.zeros(count, dtype=np.int64),
        positive_score=np.ones(count, dtype=np.float32),
        pool=10,
        depth=10,
        fetch_queries=lambda rows: [shards[row // size][row % size] for row in rows],
    )


def judge(view: SetView, near: float = 0.85) -> dict[int, Verdict]:
    rejections = list(Duplicates(Duplicates.Settings(near=near)).judge_set(view))
    verdicts = dict(rejections)
    assert len(verdicts) == len(rejections), "a record is dropped once"
    return verdicts


def reasons(queries: Sequence[str], **how: object) -> dict[int, str]:
    return {row: verdict.reason for row, verdict in judge(view_of(queries, **how)).items()}  # type: ignore[arg-type]


def numbers(query: str) -> set[str]:
    return {word for word in words(query) if any(map(str.isdigit, word))}


def similarity(one: str, other: str) -> float:
    a, b = set(words(one)), set(words(other))
    return len(a & b) / len(a | b) if a | b else 0.0


def by_brute_force(queries: Sequence[str], near: float) -> dict[int, str]:
    """Every query against every earlier one that is kept."""
    first: dict[str, int] = {}
    exact = {row: "duplicate" for row, q in enumerate(queries) if first.setdefault(normalise(q), row) != row}
    kept: list[int] = []
    dropped = dict(exact)
    for row, query in enumerate(queries):
        if row in exact:
            continue
        if any(similarity(queries[k], query) >= near and numbers(queries[k]) == numbers(query) for k in kept):
            dropped[row] = "near_duplicate"
        else:
            kept.append(row)
    return dropped


def test_the_same_query_is_kept_once_the_first_in_plan_order() -> None:
    verdicts = judge(view_of(["What is EBITDA?", "Why did rates rise?", "what  is ebitda?", "WHAT IS EBITDA?"]))
    assert {row: (v.reason, v.score, v.gate, v.keep) for row, v in verdicts.items()} == {
        2: ("duplicate", 10.0, "duplicates", False),
        3: ("duplicate", 10.0, "duplicates", False),
    }
    assert verdicts[2].detail == "kept: position 10"


def test_nearly_the_same_query_is_dropped_in_favour_of_the_first() -> None:
    verdicts = judge(view_of(["Why did gold fall?", LONG, LONG + " exactly", LONG.replace("how", "why")]))
    assert {row: (v.reason, v.score) for row, v in verdicts.items()} == {
        2: ("near_duplicate", 13.0),
        3: ("near_duplicate", 13.0),
    }


def test_the_order_of_words_makes_no_difference() -> None:
    assert reasons([LONG, " ".join(reversed(LONG.split()))]) == {1: "near_duplicate"}


def test_questions_that_differ_in_a_number_are_both_kept() -> None:
    assert reasons([f"{LONG} in 2023", f"{LONG} in 2024", f"{LONG} by 4.25%", f"{LONG} by 4.5%"]) == {}
    assert reasons([f"{LONG} in 2023", f"{LONG} in 2023 exactly"]) == {1: "near_duplicate"}


def test_a_number_more_is_another_question() -> None:
    assert reasons([LONG, f"{LONG} 2024"]) == {}


def test_text_pairs_of_several_tasks_may_be_about_one_sentence() -> None:
    tasks = ["query-from-passage", "classification", "short-short", "classification", "keyword-query"]
    changed = {"task": np.array(tasks), "searched": np.array([True, False, False, False, True])}
    for queries in ([LONG] * 5, [LONG, *(f"{word} {LONG}" for word in WORDS[:4])]):
        verdicts = judge(replace(view_of(queries), **changed))
        assert {row: verdict.score for row, verdict in verdicts.items()} == {3: 13.0, 4: 10.0}


def test_what_resembles_only_a_dropped_query_is_kept() -> None:
    middle = WORDS[:20]
    first, last = ["start", *middle[1:]], [*middle[:-1], "end"]
    queries = [" ".join(first), " ".join(middle), " ".join(last)]
    assert similarity(queries[0], queries[1]) >= 0.85
    assert similarity(queries[1], queries[2]) >= 0.85
    assert similarity(queries[0], queries[2]) < 0.85
    assert reasons(queries) == {1: "near_duplicate"}


def test_what_an_earlier_gate_dropped_hides_nothing() -> None:
    assert reasons(["What is it?", "what is it?", "What is it?"], alive=[False, True, True]) == {2: "duplicate"}
    assert reasons([LONG, LONG + " exactly"], alive=[False, True]) == {}


def test_the_threshold_itself_counts_as_near() -> None:
    one, other = " ".join(WORDS[:17]), " ".join([*WORDS[:17], *"xyz"])
    assert similarity(one, other) == 0.85
    assert reasons([one, other]) == {1: "near_duplicate"}
    assert judge(view_of([one, other]), near=0.86) == {}


@pytest.mark.parametrize("queries", [[], ["alone"], ["?!", "...", "--"], ["", "x"]])
def test_small_and_wordless_sets_are_judged(queries: list[str]) -> None:
    assert reasons(queries) == {}


def test_hundreds_of_copies_leave_one() -> None:
    queries = [f"{LONG} {WORDS[n % 26]}{WORDS[n // 26]}" for n in range(300)]
    dropped = reasons(queries)
    assert 0 not in dropped
    assert sorted(dropped) == list(range(1, 300))


@st.composite
def query_sets(draw: st.DrawFn) -> list[str]:
    """Base queries of 4 to 24 words, and variants with words swapped, added, left out or numbers changed."""
    bases = draw(st.lists(st.permutations(WORDS).map(lambda p: p[:24]), min_size=1, max_size=4))
    queries = []
    for _ in range(draw(st.integers(1, 25))):
        tokens = list(draw(st.sampled_from(bases)))[: draw(st.sampled_from([4, 8, 15, 24]))]
        for _ in range(draw(st.integers(0, 3))):
            place = draw(st.integers(0, len(tokens) - 1))
            tokens[place] = draw(st.sampled_from([*WORDS, "2023", "2024", tokens[place].upper()]))
        queries.append(" ".join(tokens))
    return queries


@settings(max_examples=60, deadline=None)
@given(query_sets(), st.sampled_from([0.6, 0.75, 0.85, 1.0]))
def test_what_is_dropped_is_what_a_full_comparison_drops(queries: list[str], near: float) -> None:
    verdicts = judge(view_of(queries), near)
    assert {row: verdict.reason for row, verdict in verdicts.items()} == by_brute_force(queries, near)
    for row, verdict in verdicts.items():
        kept = (int(verdict.score or 0) - 10) // 3
        assert kept < row
        assert kept not in verdicts


def test_large_random_sets_are_judged_as_by_a_full_comparison() -> None:
    random = np.random.default_rng(0)
    queries: list[str] = []
    for _ in range(400):
        tokens = (
            random.choice(queries[-60:]).split()
            if queries and random.random() < 0.6
            else list(random.choice(WORDS, 16))
        )
        tokens[int(random.integers(len(tokens)))] = f"{random.choice(WORDS)}{random.choice(WORDS)}"
        queries.append(" ".join(tokens))
    expected = by_brute_force(queries, 0.85)
    assert len(expected) > 50
    assert reasons(queries) == expected


@settings(max_examples=40, deadline=None)
@given(query_sets(), st.integers(1, 9))
def test_the_way_shards_are_cut_changes_nothing(queries: list[str], block: int) -> None:
    assert judge(view_of(queries)) == judge(view_of(queries, block=block))


@pytest.mark.parametrize("near", [0.5, 1.1, -1])
def test_a_threshold_that_makes_no_sense_is_refused(near: float) -> None:
    with pytest.raises(ValidationError):
        Duplicates.Settings(near=near)


class ByTopic:
    """A teacher whose vectors tell topics apart by the last word, and a little by length."""

    def embed_queries(self, queries: Sequence[str]) -> Any:
        angles = np.asarray([hash64(words(q)[-1]) % 97 + len(q) / 1_000 for q in queries], dtype=np.float32)
        return np.stack([np.cos(angles), np.sin(angles)], axis=1)

    def passage_vectors(self, ordinals: Sequence[int]) -> Any:
        return self.embed_queries([str(ordinal) for ordinal in ordinals])


def test_queries_that_mean_the_same_are_dropped_where_a_cosine_is_set() -> None:
    queries = [
        "who pays for gold",
        "the one paying in the end for gold",
        "in 2023 who pays for gold",
        "why sell silver",
    ]
    background = Background(Path(), "by topic", ByTopic())  # type: ignore[arg-type]
    view = replace(view_of(queries), background=background)
    gate = Duplicates(Duplicates.Settings(cosine=0.95))
    gate.check(background)
    assert {row: (v.reason, v.score) for row, v in gate.judge_set(view)} == {1: ("same_meaning", 10.0)}
    assert judge(view) == {}


def test_a_cosine_needs_a_teacher_with_vectors() -> None:
    with pytest.raises(InputError, match="'duplicates' has a 'cosine', and the teacher 'lexical' has no vectors"):
        Duplicates(Duplicates.Settings(cosine=0.95)).check(Background(Path(), "lexical"))


def test_the_verdict_names_the_query_that_is_kept_in_the_end() -> None:
    queries = ["bright and early who pays for gold", LONG + " for gold", LONG + " exactly for gold"]
    view = replace(view_of(queries), background=Background(Path(), "by topic", ByTopic()))  # type: ignore[arg-type]
    found = dict(Duplicates(Duplicates.Settings(cosine=0.95)).judge_set(view))
    assert {row: (v.reason, v.score) for row, v in found.items()} == {
        1: ("same_meaning", 10.0),
        2: ("near_duplicate", 10.0),
    }
