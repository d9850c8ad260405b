from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from schemas.record import Attribute
from synth.export.lengths import load_counter
from synth.length_bins import BINS, LengthBins, bin_names, measure_bins


def tokens(text: str) -> int:
    return -(-len(text.encode()) // 4) + 2


def bin_of(text: str) -> int:
    return next((n for n, most in enumerate(BINS) if tokens(text) <= most), len(BINS))


@pytest.fixture(scope="module")
def made(make: Callable[..., Any], make_texts: Callable[..., dict[str, str]]) -> Any:
    """Long passages with evidence, and negatives."""
    texts = make_texts(12, sentences=90)
    settings = {"chunk": {"max_chars": 12_000}, "plan": {"tasks": {"evidence-query": 1}}, "set_gates": []}
    return make(texts, settings=settings)


def test_every_text_is_in_the_bin_of_its_length(made: Any) -> None:
    found = measure_bins(made.version, load_counter(None))
    for name in ("positives", "negatives"):
        texts = [text["text"] for r in made.records for text in ([r["positive"]] if name == "positives" else r[name])]
        expected = np.bincount([bin_of(text) for text in texts], minlength=len(BINS) + 1)
        assert getattr(found, name).tolist() == expected.tolist()
        assert expected.sum() > 40


def test_positives_are_counted_by_the_decile_of_their_evidence(made: Any) -> None:
    found = measure_bins(made.version, load_counter(None))
    said = [Attribute(**a) for r in made.records for a in r["attributes"] if a["name"] == "evidence_decile"]
    expected = np.bincount([int(each.value) for each in said], minlength=10)
    assert found.by_decile.sum(axis=1).tolist() == expected.tolist()
    assert len(said) == len(made.records)


def test_how_often_the_positive_is_the_longer_text(made: Any) -> None:
    pairs = [
        (tokens(r["positive"]["text"]), tokens(negative["text"])) for r in made.records for negative in r["negatives"]
    ]
    longer = sum((own > other) + (own == other) / 2 for own, other in pairs) / len(pairs)
    assert measure_bins(made.version, load_counter(None)).longer == pytest.approx(longer)


def test_what_length_gives_away_shows() -> None:
    bins = LengthBins("estimate")
    lengths = np.array([900, 4_000])
    bins.add(lengths, np.array([10, 20, 300]), np.array([0, 0, 1]), np.array([-1, 9]))
    assert bins.longer == 1.0
    assert bins.as_dict()["positives"] == [0, 0, 1, 0, 1, 0, 0, 0, 0]
    assert bins.by_decile[9].sum() == 1 and bins.by_decile.sum() == 1
    assert LengthBins("estimate").longer is None
    assert len(bin_names()) == len(BINS) + 1
