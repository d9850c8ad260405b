from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from synth.embeddings import EmbeddingCache
from synth.teachers import Floats

DIMENSION = 4
Encode = Callable[[Sequence[str]], Floats]


def vector_of(text: str) -> list[float]:
    return [float(len(text)), float(text.count("a")), float(sum(map(ord, text)) % 97), 1.0]


def recorder() -> tuple[Encode, list[str]]:
    """An encoder, and the texts it has been asked for."""
    asked: list[str] = []

    def encode(texts: Sequence[str]) -> Floats:
        asked.extend(texts)
        return np.array([vector_of(text) for text in texts], dtype=np.float32).reshape(-1, DIMENSION)

    return encode, asked


def never(texts: Sequence[str]) -> Floats:
    raise AssertionError(f"encoded again: {texts}")


def test_every_text_gets_its_own_vector_in_the_order_asked(tmp_path: Path) -> None:
    encode, _ = recorder()
    vectors = EmbeddingCache(tmp_path, DIMENSION).embed(["banana", "kiwi", "fig"], encode)
    assert vectors.tolist() == [vector_of("banana"), vector_of("kiwi"), vector_of("fig")]
    assert vectors.dtype == np.float32


def test_only_unknown_texts_are_encoded(tmp_path: Path) -> None:
    encode, asked = recorder()
    cache = EmbeddingCache(tmp_path, DIMENSION)
    cache.embed(["banana", "kiwi"], encode)
    vectors = cache.embed(["fig", "kiwi", "banana"], encode)
    assert asked == ["banana", "kiwi", "fig"]
    assert vectors.tolist() == [vector_of("fig"), vector_of("kiwi"), vector_of("banana")]


def test_a_text_that_stands_twice_is_encoded_once(tmp_path: Path) -> None:
    encode, asked = recorder()
    vectors = EmbeddingCache(tmp_path, DIMENSION).embed(["fig", "fig", "kiwi", "fig"], encode)
    assert asked == ["fig", "kiwi"]
    assert vectors[0].tolist() == vectors[3].tolist() == vector_of("fig")


def test_vectors_survive_the_object_that_made_them(tmp_path: Path) -> None:
    encode, _ = recorder()
    first = EmbeddingCache(tmp_path, DIMENSION).embed(["banana", "kiwi"], encode)
    again = EmbeddingCache(tmp_path, DIMENSION).embed(["banana", "kiwi"], never)
    assert np.array_equal(first, again)


def test_nothing_is_written_when_nothing_is_new(tmp_path: Path) -> None:
    encode, _ = recorder()
    cache = EmbeddingCache(tmp_path, DIMENSION)
    cache.embed(["banana"], encode)
    before = sorted(tmp_path.iterdir())
    cache.embed(["banana"], never)
    EmbeddingCache(tmp_path, DIMENSION).embed(["banana"], never)
    assert sorted(tmp_path.iterdir()) == before


def test_no_text_at_all_gives_no_vector_and_no_file(tmp_path: Path) -> None:
    vectors = EmbeddingCache(tmp_path / "cache", DIMENSION).embed([], never)
    assert vectors.shape == (0, DIMENSION)
    assert not (tmp_path / "cache").exists()


def test_two_writers_may_share_a_folder(tmp_path: Path) -> None:
    one, other = EmbeddingCache(tmp_path, DIMENSION), EmbeddingCache(tmp_path, DIMENSION)
    encode_one, _ = recorder()
    encode_other, asked_other = recorder()
    one.embed(["banana", "kiwi"], encode_one)
    other.embed(["kiwi", "fig"], encode_other)
    assert asked_other == ["fig"], "a writer looks what others have written before it encodes"
    merged = EmbeddingCache(tmp_path, DIMENSION).embed(["fig", "banana", "kiwi"], never)
    assert merged.tolist() == [vector_of("fig"), vector_of("banana"), vector_of("kiwi")]
    assert one.embed(["banana", "kiwi"], never).tolist() == [vector_of("banana"), vector_of("kiwi")]


def test_a_killed_writer_leaves_nothing_that_is_read(tmp_path: Path) -> None:
    encode, asked = recorder()
    (tmp_path / ".0123.parquet.9f.tmp").write_bytes(b"half a segm")
    EmbeddingCache(tmp_path, DIMENSION).embed(["fig"], encode)
    assert asked == ["fig"]


def test_an_encoder_that_fails_leaves_nothing_behind(tmp_path: Path) -> None:
    def explode(texts: Sequence[str]) -> Floats:
        raise MemoryError("out of memory")

    cache = EmbeddingCache(tmp_path, DIMENSION)
    with pytest.raises(MemoryError):
        cache.embed(["fig"], explode)
    encode, asked = recorder()
    cache.embed(["fig"], encode)
    assert asked == ["fig"]


def test_keys_are_short_hashes_of_the_content(tmp_path: Path) -> None:
    encode, asked = recorder()
    EmbeddingCache(tmp_path, DIMENSION).embed(["café", "cafe\u0301", "Café", "café "], encode)
    assert len(asked) == 4, "texts that differ in a single character are different texts"
    (segment,) = tmp_path.glob("*.parquet")
    table = pq.read_table(segment)
    assert table.schema.names == ["key", "vector"]
    assert {len(key) for key in table["key"].to_pylist()} == {16}


@settings(max_examples=30, deadline=None)
@given(st.lists(st.lists(st.text(alphabet="ab ", max_size=3), max_size=6), max_size=6))
def test_whatever_is_asked_in_whatever_blocks_each_text_is_encoded_once(
    tmp_path_factory: pytest.TempPathFactory, blocks: list[list[str]]
) -> None:
    folder = tmp_path_factory.mktemp("cache")
    encode, asked = recorder()
    cache = EmbeddingCache(folder, DIMENSION)
    for number, block in enumerate(blocks):
        if number % 2:
            cache = EmbeddingCache(folder, DIMENSION)
        assert cache.embed(block, encode).tolist() == [vector_of(text) for text in block]
    assert sorted(asked) == sorted({text for block in blocks for text in block})
