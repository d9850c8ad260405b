"""Whether rewriting helps, on labelled sets whose noise is made: what is true is known."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from synth.enrich.measure import Comparison, compare, paired_interval, read_rewritten
from synth.errors import DocumentError
from synth.noise.ocr import misread
from synth.pairs.read import read_pairs
from synth.progress import Silent
from synth.store import Store

Measure = Callable[[dict[str, str], dict[str, str]], Comparison]


@pytest.fixture(scope="module")
def texts(make_texts: Callable[..., dict[str, str]]) -> tuple[dict[str, str], dict[str, str]]:
    """(clean, as a bad scan has them) by id."""
    clean = make_texts(120, sentences=2)
    noisy = {key: misread(text, 0.25, "en", random.Random(key)).text for key, text in clean.items()}
    return clean, noisy


@pytest.fixture
def measure(tmp_path: Path) -> Measure:
    def found(corpus: dict[str, str], rewritten: dict[str, str]) -> Comparison:
        folder = tmp_path / "set"
        (folder / "qrels").mkdir(parents=True)
        lines = [json.dumps({"_id": key, "text": text}) for key, text in corpus.items()]
        (folder / "corpus.jsonl").write_text("\n".join(lines))
        asked = {key: " ".join(text.split()[4:12]) for key, text in CLEAN.items()}
        queries = [json.dumps({"_id": f"q{key}", "text": text}) for key, text in asked.items()]
        (folder / "queries.jsonl").write_text("\n".join(queries))
        judged = [f"q{key}\t{key}\t1" for key in asked]
        (folder / "qrels" / "test.tsv").write_text("\n".join(["query-id\tcorpus-id\tscore", *judged]))
        file = tmp_path / "enriched.jsonl"
        file.write_text("\n".join(json.dumps({"id": key, "text": text}) for key, text in rewritten.items()))
        store = Store(tmp_path / "store")
        return compare(read_pairs(str(folder), store), read_rewritten(file), "lexical", 3, store, Silent())

    return found


CLEAN: dict[str, str] = {}


@pytest.fixture(autouse=True)
def _queries_of_clean_texts(texts: Any) -> None:
    CLEAN.update(texts[0])


def test_texts_that_are_mended_are_found_more_often(texts: Any, measure: Measure) -> None:
    clean, noisy = texts
    found = measure(noisy, clean)
    assert found.verdict == "helps"
    assert 0 < found.low < found.difference < found.high
    assert found.changed == found.passages == len(clean)


def test_texts_that_are_spoilt_are_found_less_often(texts: Any, measure: Measure) -> None:
    clean, noisy = texts
    found = measure(clean, noisy)
    assert found.verdict == "harms" and found.high < 0


def test_a_handful_of_changes_shows_no_difference(texts: Any, measure: Measure) -> None:
    clean, _ = texts
    found = measure(clean, {key: f"{text} It was so." for key, text in list(clean.items())[:3]})
    assert found.verdict == "no difference"
    assert found.changed == 3 and found.low <= 0 <= found.high


def test_a_file_that_belongs_to_another_set_is_refused(texts: Any, measure: Measure) -> None:
    with pytest.raises(DocumentError, match="belong together by id"):
        measure(texts[0], {"elsewhere": "another text"})


def test_the_interval_is_that_of_paired_queries() -> None:
    """Of a mean of n independent differences it is as wide as the normal one."""
    source = np.random.default_rng(3)
    values = source.normal(0.1, 0.5, size=400)
    low, high = paired_interval(values)
    half = 1.96 * values.std() / 20
    assert (low, high) == pytest.approx((values.mean() - half, values.mean() + half), abs=0.005)
    assert paired_interval(values) == (low, high)
    assert paired_interval([0.0] * 10) == (0.0, 0.0)
