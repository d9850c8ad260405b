from __future__ import annotations

import subprocess
import sys
import tracemalloc
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from synth.arrays import Floats
from synth.embeddings import MOST_SMALL, EmbeddingCache, key_of
from synth.errors import StoreError

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


def segments_of(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.parquet"))


def test_many_small_segments_become_one_that_holds_every_vector(tmp_path: Path) -> None:
    encode, asked = recorder()
    cache = EmbeddingCache(tmp_path, DIMENSION)
    texts = [f"text {n}" for n in range(200)]
    for text in texts:
        cache.embed([text], encode)
        assert len(segments_of(tmp_path)) <= MOST_SMALL
    assert asked == texts
    for opened in (cache, EmbeddingCache(tmp_path, DIMENSION)):
        assert opened.embed(texts, never).tolist() == [vector_of(text) for text in texts]


def test_a_full_segment_is_never_written_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("synth.embeddings.FULL", 50)
    encode, _ = recorder()
    cache = EmbeddingCache(tmp_path, DIMENSION)
    full = [f"full {n}" for n in range(50)]
    cache.embed(full, encode)
    (first,) = segments_of(tmp_path)
    rest = [f"text {n}" for n in range(150)]
    for text in rest:
        cache.embed([text], encode)
    assert first in segments_of(tmp_path)
    assert sum(pq.read_metadata(path).num_rows for path in segments_of(tmp_path)) == 200
    assert max(pq.read_metadata(path).num_rows for path in segments_of(tmp_path)) < 100
    assert EmbeddingCache(tmp_path, DIMENSION).embed([*rest, *full], never).shape == (200, DIMENSION)


def test_what_two_writers_both_embedded_is_merged_to_one_row(tmp_path: Path) -> None:
    one, other = EmbeddingCache(tmp_path, DIMENSION), EmbeddingCache(tmp_path, DIMENSION)
    encode, _ = recorder()
    one.embed(["kiwi"], lambda texts: other.embed(["kiwi"], encode))
    assert len(segments_of(tmp_path)) == 2
    for n in range(MOST_SMALL):
        other.embed([f"text {n}"], encode)
    rows = [key for path in segments_of(tmp_path) for key in pq.read_table(path)["key"].to_pylist()]
    assert len(rows) == len(set(rows)) == MOST_SMALL + 1


def test_a_reader_goes_on_while_another_process_merges(tmp_path: Path) -> None:
    encode, asked = recorder()
    texts = [f"text {n}" for n in range(MOST_SMALL)]
    reader = EmbeddingCache(tmp_path, DIMENSION)
    for text in texts:
        reader.embed([text], encode)
    writer = EmbeddingCache(tmp_path, DIMENSION)
    writer.embed(["one more"], encode)
    assert len(segments_of(tmp_path)) == 1
    assert reader.embed(["one more", *texts], never).tolist() == [vector_of(text) for text in ("one more", *texts)]
    assert len(asked) == MOST_SMALL + 1


def test_a_merge_that_is_killed_before_it_removes_anything_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    encode, _ = recorder()
    cache = EmbeddingCache(tmp_path, DIMENSION)
    texts = [f"text {n}" for n in range(MOST_SMALL + 1)]

    def killed(path: Path, missing_ok: bool = False) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        for text in texts[:-1]:
            cache.embed([text], encode)
        patched.setattr(Path, "unlink", killed)
        with pytest.raises(KeyboardInterrupt):
            cache.embed(texts[-1:], encode)
    assert EmbeddingCache(tmp_path, DIMENSION).embed(texts, never).tolist() == [vector_of(text) for text in texts]


@pytest.mark.slow
def test_processes_that_write_and_merge_together_lose_nothing(tmp_path: Path) -> None:
    code = (
        "import sys, numpy as np; from pathlib import Path; from synth.embeddings import EmbeddingCache\n"
        "cache = EmbeddingCache(Path(sys.argv[1]), 4)\n"
        "for n in range(150):\n"
        "    text = f'text {(n * int(sys.argv[2])) % 211}'\n"
        "    found = cache.embed([text], lambda texts: np.array([[len(t), int(t[5:]), 1, 2] for t in texts], dtype=np.float32))\n"
        "    assert found[0].tolist() == [len(text), int(text[5:]), 1, 2]\n"
    )
    running = [subprocess.Popen([sys.executable, "-c", code, str(tmp_path), step]) for step in ("3", "7", "5")]
    assert [process.wait(timeout=120) for process in running] == [0, 0, 0]
    made = sorted({(n * step) % 211 for n in range(150) for step in (3, 7, 5)})
    found = EmbeddingCache(tmp_path, DIMENSION).embed([f"text {n}" for n in made], never)
    assert found[:, 1].tolist() == made


DAMAGE: dict[str, Callable[[Path], object]] = {
    "cut short": lambda path: path.write_bytes(path.read_bytes()[:-40]),
    "empty": lambda path: path.write_bytes(b""),
    "no Parquet": lambda path: path.write_bytes(b"hello" * 100),
    "of another table": lambda path: pq.write_table(pa.table({"text": ["a"]}), path),
    "of another model": lambda path: EmbeddingCache(path.parent, 3).embed(
        ["x"], lambda texts: np.ones((len(texts), 3), dtype=np.float32)
    ),
}


@pytest.mark.parametrize("how", DAMAGE)
def test_a_damaged_segment_is_one_sentence_that_says_what_to_do(tmp_path: Path, how: str) -> None:
    encode, asked = recorder()
    EmbeddingCache(tmp_path, DIMENSION).embed(["fig"], encode)
    if how != "of another model":
        DAMAGE[how](segments_of(tmp_path)[0])
    else:
        segments_of(tmp_path)[0].unlink()
        DAMAGE[how](tmp_path / "any")
    with pytest.raises(StoreError) as error:
        EmbeddingCache(tmp_path, DIMENSION).embed(["fig"], encode)
    (path,) = segments_of(tmp_path)
    assert str(error.value).startswith(f"{path} can't be read (")
    assert str(error.value).endswith(
        "remove that file and run the same command again; the texts in it are then embedded again"
    )
    path.unlink()
    assert EmbeddingCache(tmp_path, DIMENSION).embed(["fig"], encode).tolist() == [vector_of("fig")]
    assert asked == ["fig", "fig"]


def test_half_precision_is_stored_with_two_bytes_and_given_as_float32(tmp_path: Path) -> None:
    encode, _ = recorder()
    cache = EmbeddingCache(tmp_path, DIMENSION, np.float16)
    vectors = cache.embed(["banana", "kiwi"], lambda texts: encode(texts) / np.float32(3))
    assert vectors.dtype == np.float32
    assert np.array_equal(
        vectors, (np.array([vector_of("banana"), vector_of("kiwi")], np.float32) / 3).astype(np.float16)
    )
    (segment,) = segments_of(tmp_path)
    assert pq.read_schema(segment).field("vector").type.value_type == pa.float16()
    assert np.array_equal(EmbeddingCache(tmp_path, DIMENSION, np.float16).embed(["banana", "kiwi"], never), vectors)


def test_an_encoder_that_gives_other_vectors_than_were_asked_for_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"2 texts gave vectors of shape \(2, 3\), not 4 wide"):
        EmbeddingCache(tmp_path, DIMENSION).embed(["fig", "kiwi"], lambda texts: np.ones((2, 3), dtype=np.float32))
    assert segments_of(tmp_path) == []


def test_vectors_that_somebody_removes_meanwhile_are_said_to_be_gone(tmp_path: Path) -> None:
    encode, _ = recorder()
    cache = EmbeddingCache(tmp_path, DIMENSION)
    cache.embed(["fig"], encode)
    segments_of(tmp_path)[0].unlink()
    with pytest.raises(StoreError, match="were removed .* while they were needed; run the same command again"):
        cache.embed(["fig"], encode)


def test_keys_that_end_in_zeros_are_told_apart(tmp_path: Path) -> None:
    keys = [b"k" * n + b"\0" * (16 - n) for n in range(17)]
    cache = EmbeddingCache(tmp_path, 1)
    made = cache.fetch(keys, lambda rows: np.array([[row] for row in rows], dtype=np.float32))
    assert made[:, 0].tolist() == list(range(17))
    again = EmbeddingCache(tmp_path, 1).fetch(keys[::-1], lambda rows: never([str(row) for row in rows]))
    assert again[:, 0].tolist() == list(range(16, -1, -1))


def test_parts_of_a_key_can_not_run_into_each_other() -> None:
    assert len({key_of("ab", "c"), key_of("a", "bc"), key_of("abc"), key_of("", "abc"), key_of("abc", "")}) == 5


def test_a_text_takes_twenty_bytes_of_memory(tmp_path: Path) -> None:
    cache = EmbeddingCache(tmp_path, 1)
    keys = [number.to_bytes(16, "big") for number in range(100_000)]
    cache.fetch(keys, lambda rows: np.ones((len(rows), 1), dtype=np.float32))
    tracemalloc.start()
    opened = EmbeddingCache(tmp_path, 1)
    opened.fetch(keys[:10], lambda rows: never([]))
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert held < 21 * len(keys)
