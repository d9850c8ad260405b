from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from synth.arrays import Floats, Ints
from synth.personas.dedup import Thresholds, find_duplicates
from synth.teachers import Comparing, build_teacher, comparing
from synth.teachers.lexical import Lexical

BANKER = "A branch banker in Lyon who looks up transfer limits for small firms"
NURSE = "A night nurse who checks the dose of an antibiotic before the round begins"
WORDS = ["loan", "bond", "fund", "rate", "desk", "risk", "gold", "swap", "debt", "note"]


class Judged:
    """A teacher that finds named pairs alike, whatever the texts."""

    compares = "what the test says"

    def __init__(self, pairs: dict[tuple[str, str], float]) -> None:
        self._pairs = pairs

    def alike(self, texts: Sequence[str], threshold: float) -> tuple[Ints, Floats]:
        numbers = {text: number for number, text in enumerate(texts)}
        held = {
            tuple(sorted((numbers[a], numbers[b]))): cosine
            for (a, b), cosine in self._pairs.items()
            if a in numbers and b in numbers and cosine > threshold
        }
        return np.asarray(list(held), dtype=np.int64).reshape(-1, 2), np.asarray(list(held.values()), dtype=np.float32)

    nearest = None


def lexical(folder: Path) -> Comparing:
    return comparing(build_teacher("lexical", folder, folder), "lexical")


def dropped(texts: Sequence[str], folder: Path, **thresholds: float) -> dict[int, tuple[int, str]]:
    found = find_duplicates(texts, lexical(folder), Thresholds(**thresholds))
    return {number: (one.of, one.measure) for number, one in found.items()}


def test_the_same_words_in_another_order_are_one_persona(tmp_path: Path) -> None:
    turned = " ".join(reversed(BANKER.split()))
    assert dropped([BANKER, NURSE, turned], tmp_path) == {2: (0, "minhash")}


def test_words_said_once_more_are_one_persona_by_the_teacher(tmp_path: Path) -> None:
    """Function words differ, so the sets of words do too; the content is the same."""
    padded = "It is about him or her, who was once, as they are now: " + BANKER
    assert dropped([BANKER, padded, NURSE], tmp_path) == {1: (0, "embedding")}


def test_a_text_like_a_dropped_one_is_kept_when_it_is_unlike_all_that_are_kept() -> None:
    chain = Judged({("a one", "b two"): 0.95, ("b two", "c three"): 0.95})
    found = find_duplicates(["a one", "b two", "c three"], chain, Thresholds())  # type: ignore[arg-type]
    assert {number: one.of for number, one in found.items()} == {1: 0}


def test_a_cosine_of_exactly_the_threshold_is_kept_and_a_jaccard_of_exactly_the_threshold_is_not(
    tmp_path: Path,
) -> None:
    at_threshold = Judged({("a one", "b two"): 0.9})
    assert find_duplicates(["a one", "b two"], at_threshold, Thresholds()) == {}  # type: ignore[arg-type]
    nine_of_ten = [" ".join(WORDS[:9]), " ".join(WORDS)]
    assert dropped(nine_of_ten, tmp_path, minhash=0.9, embedding=1.0) == {1: (0, "minhash")}
    assert dropped(nine_of_ten, tmp_path, minhash=0.91, embedding=1.0) == {}


def test_stricter_thresholds_drop_more(tmp_path: Path) -> None:
    half = [" ".join(WORDS[:6]), " ".join(WORDS[3:9])]
    assert dropped(half, tmp_path) == {}
    assert dropped(half, tmp_path, embedding=0.45) == {1: (0, "embedding")}


TEXTS = st.lists(
    st.lists(st.sampled_from(WORDS), min_size=2, max_size=6).map(" ".join), min_size=1, max_size=25, unique=True
)


@settings(max_examples=60, deadline=None)
@given(TEXTS, st.integers(0, 25))
def test_what_is_kept_does_not_depend_on_what_follows_or_on_how_it_is_cut_into_batches(
    texts: list[str], cut: int
) -> None:
    teacher, thresholds = Lexical("lexical", Path(), Path()), Thresholds(minhash=0.5, embedding=0.7)
    whole = find_duplicates(texts, teacher, thresholds)
    begun = find_duplicates(texts[:cut], teacher, thresholds)
    assert begun == {number: one for number, one in whole.items() if number < cut}
    kept = [text for number, text in enumerate(texts[:cut]) if number not in begun]
    rest = find_duplicates([*kept, *texts[cut:]], teacher, thresholds)
    survivors = [text for number, text in enumerate([*kept, *texts[cut:]]) if number not in rest]
    assert survivors == [text for number, text in enumerate(texts) if number not in whole]


@pytest.mark.parametrize("texts", [[], ["one persona alone"], ["", ""]])
def test_few_or_empty_texts_are_no_trouble(texts: list[str], tmp_path: Path) -> None:
    found = dropped(texts, tmp_path)
    assert set(found) <= {1}
