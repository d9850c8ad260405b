"""Token lengths: percentiles, estimated or counted."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from exports import all_records

from synth.errors import InputError
from synth.export.lengths import Lengths, Percentiles, load_counter, measure_lengths
from synth.store import VersionRef


@pytest.fixture(scope="module")
def tokenizer(version: VersionRef, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the tokenizer of a model, one that cuts at 8 tokens."""
    pytest.importorskip("tokenizers")
    from tokenizers import Tokenizer, models, pre_tokenizers, trainers

    made = Tokenizer(models.BPE(unk_token="[UNK]"))
    made.pre_tokenizer = pre_tokenizers.Whitespace()
    texts = [r["positive"]["text"] for r in all_records(version)]
    made.train_from_iterator(texts, trainers.BpeTrainer(vocab_size=400, special_tokens=["[UNK]"]))
    made.enable_truncation(8)
    folder = tmp_path_factory.mktemp("tokenizer")
    made.save(str(folder / "tokenizer.json"))
    return folder


def passages(version: VersionRef) -> list[str]:
    return [
        each["text"] for r in all_records(version) for each in (r["positive"], *r["more_positives"], *r["negatives"])
    ]


def test_a_tokenizer_counts_every_text_in_full(version: VersionRef, tokenizer: Path) -> None:
    from tokenizers import Tokenizer

    found = measure_lengths(version, load_counter(str(tokenizer)))
    own = Tokenizer.from_file(str(tokenizer / "tokenizer.json"))
    own.no_truncation()
    counts = [len(own.encode(text).ids) for text in passages(version)]
    expected = [int(np.percentile(counts, share, method="inverted_cdf")) for share in (50, 90, 95, 99, 100)]
    told = found.passages
    assert [told.p50, told.p90, told.p95, told.p99, told.longest] == expected
    assert told.texts == len(counts)
    assert found.queries.texts == len(all_records(version))
    assert found.counted_by == str(tokenizer)


def test_without_one_four_bytes_are_a_token(version: VersionRef) -> None:
    found = measure_lengths(version, load_counter(None))
    assert found.counted_by == "estimate"
    assert found.passages.longest == max(-(-len(text.encode()) // 4) + 2 for text in passages(version))


def test_a_prefix_makes_queries_longer(version: VersionRef) -> None:
    counter = load_counter(None)
    plain, prefixed = measure_lengths(version, counter), measure_lengths(version, counter, "prefix")
    assert prefixed.queries.p50 > plain.queries.p50 + 10
    assert prefixed.passages == plain.passages


def test_the_suggested_length_has_room_for_99_in_100() -> None:
    queries, long = Percentiles(9, 5, 6, 7, 8, 9), Percentiles(9, 100, 200, 230, 257, 900)
    assert Lengths(queries, long, "x").max_seq_length == 288
    assert Lengths(queries, queries, "x").max_seq_length == 32
    assert Lengths(queries, queries, "x").as_dict()["max_seq_length"] == 32


def test_a_tokenizer_that_cannot_be_read_is_one_sentence(tmp_path: Path) -> None:
    pytest.importorskip("tokenizers")
    with pytest.raises(InputError, match=r"--tokenizer .*: can't be read .*leave it out for an estimate"):
        load_counter(str(tmp_path))
