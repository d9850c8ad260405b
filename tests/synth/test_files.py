from __future__ import annotations

import hashlib
import os
import random
import subprocess
import sys
from itertools import accumulate
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from schemas.recipe import GateSettings
from synth.errors import StoreError
from synth.files import (
    ROW_GROUP,
    ParquetSink,
    read_batches,
    replace_atomically,
    sha256_of_file,
    write_bytes,
    write_model,
    write_parquet,
)

NUMBERS = pa.schema([pa.field("number", pa.int64(), nullable=False)])


def fail_halfway(path: Path) -> None:
    with replace_atomically(path) as temporary:
        temporary.write_text("half")
        raise RuntimeError("power cut")


def sink_then_fail(path: Path) -> None:
    with ParquetSink(path, NUMBERS) as sink:
        sink.add_rows({"number": n} for n in range(ROW_GROUP + 1))
        raise RuntimeError("power cut")


def test_a_file_appears_whole_and_its_folder_is_made(tmp_path: Path) -> None:
    file = tmp_path / "a" / "b" / "file.json"
    with replace_atomically(file) as temporary:
        temporary.write_text("new")
        assert not file.exists()
    assert file.read_text() == "new"
    assert list(file.parent.iterdir()) == [file]


def test_a_crash_inside_the_block_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    file = tmp_path / "file.json"
    write_bytes(file, b"old")
    with pytest.raises(RuntimeError, match="power cut"):
        fail_halfway(file)
    assert file.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["file.json"]


def test_a_killed_process_leaves_the_old_file(tmp_path: Path) -> None:
    file = tmp_path / "file.json"
    write_bytes(file, b"old")
    program = (
        "import os, signal, sys; from pathlib import Path; from synth.files import replace_atomically\n"
        "with replace_atomically(Path(sys.argv[1])) as temporary:\n"
        "    temporary.write_text('half'); os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(file)], check=False, env={"PYTHONPATH": ":".join(sys.path)}
    )
    assert done.returncode == -9
    assert file.read_bytes() == b"old"


def test_a_file_that_stands_where_a_folder_should_is_a_store_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("I am no folder")
    with pytest.raises(StoreError, match=r"can't write .*file/x\.json: .*; choose another folder with --store PATH"):
        write_bytes(tmp_path / "file" / "x.json", b"{}")
    with pytest.raises(StoreError, match=r"can't write .*x\.json"):
        write_bytes(tmp_path / "file" / "deeper" / "x.json", b"{}")


def test_a_folder_that_stands_where_the_file_should_is_a_store_error(tmp_path: Path) -> None:
    (tmp_path / "taken").mkdir()
    with pytest.raises(StoreError, match=r"can't write .*taken"):
        write_bytes(tmp_path / "taken", b"{}")
    assert os.listdir(tmp_path) == ["taken"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_read_only_folder_is_a_store_error(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(StoreError, match="Permission denied"):
        write_bytes(tmp_path / "x.json", b"{}")


def test_a_model_is_written_as_indented_json(tmp_path: Path) -> None:
    write_model(tmp_path / "gate.json", GateSettings(name="é", settings={"k": 1}))
    assert (tmp_path / "gate.json").read_text() == '{\n  "name": "é",\n  "settings": {\n    "k": 1\n  }\n}\n'


def test_a_sink_streams_rows_into_row_groups(tmp_path: Path) -> None:
    file = tmp_path / "numbers.parquet"
    with ParquetSink(file, NUMBERS) as sink:
        sink.add_rows({"number": n} for n in range(ROW_GROUP + 5))
        assert not file.exists()
    assert sink.rows == ROW_GROUP + 5
    described = pq.ParquetFile(file).metadata
    assert [described.row_group(n).num_rows for n in range(described.num_row_groups)] == [ROW_GROUP, 5]
    assert [n for batch in read_batches(file) for n in batch["number"].to_pylist()] == list(range(ROW_GROUP + 5))


def test_rows_and_tables_keep_the_order_in_which_they_were_added(tmp_path: Path) -> None:
    file = tmp_path / "numbers.parquet"
    with ParquetSink(file, NUMBERS) as sink:
        sink.add_rows([{"number": 0}])
        sink.add_table(pa.table({"number": [1, 2]}))
        sink.add_table(pa.table({"number": pa.array([], pa.int64())}))
        sink.add_rows([{"number": 3}])
    assert pq.read_table(file)["number"].to_pylist() == [0, 1, 2, 3]
    assert sink.rows == 4


def test_a_table_may_be_one_row_group(tmp_path: Path) -> None:
    file = tmp_path / "numbers.parquet"
    with ParquetSink(file, NUMBERS) as sink:
        sink.add_table(pa.table({"number": range(ROW_GROUP * 2)}), one_row_group=True)
    assert pq.ParquetFile(file).metadata.num_row_groups == 1


def test_an_empty_sink_is_an_empty_table(tmp_path: Path) -> None:
    with ParquetSink(tmp_path / "none.parquet", NUMBERS):
        pass
    assert pq.read_table(tmp_path / "none.parquet").schema.equals(NUMBERS)


def test_a_sink_that_fails_leaves_no_file(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="power cut"):
        sink_then_fail(tmp_path / "numbers.parquet")
    assert os.listdir(tmp_path) == []


def test_a_sink_whose_last_rows_do_not_fit_leaves_no_file(tmp_path: Path) -> None:
    def write() -> None:
        with ParquetSink(tmp_path / "numbers.parquet", NUMBERS) as sink:
            sink.add_table(pa.table({"number": [1, 2, 3]}))
            sink.add_rows([{"number": "not a number"}])

    with pytest.raises(pa.ArrowException):
        write()
    assert os.listdir(tmp_path) == []


def test_a_sink_that_can_not_be_opened_is_a_store_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("I am no folder")
    with pytest.raises(StoreError, match="can't write"), ParquetSink(tmp_path / "file" / "x.parquet", NUMBERS):
        pass


def test_a_name_that_the_file_system_refuses_is_a_store_error(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="File name too long"):
        write_bytes(tmp_path / ("x" * 250), b"{}")
    with pytest.raises(StoreError, match="File name too long"), ParquetSink(tmp_path / ("x" * 250), NUMBERS):
        pass
    assert os.listdir(tmp_path) == []


def test_a_table_is_written_and_read_by_column(tmp_path: Path) -> None:
    file = tmp_path / "two.parquet"
    write_parquet(file, pa.table({"a": [1, 2, 3], "b": ["x", "y", "z"]}))
    assert [batch.to_pydict() for batch in read_batches(file, ["b"], size=2)] == [{"b": ["x", "y"]}, {"b": ["z"]}]


def test_a_file_is_never_held_whole_while_it_is_read(tmp_path: Path) -> None:
    drawn = random.Random(3)
    table = pa.table({"bytes": [drawn.randbytes(4_000) for _ in range(4_096)]})
    pq.write_table(table, tmp_path / "table.parquet", row_group_size=256)
    before = pa.total_allocated_bytes()
    held = [pa.total_allocated_bytes() - before for _ in read_batches(tmp_path / "table.parquet", size=256)]
    assert len(held) == 16
    assert max(held) < (tmp_path / "table.parquet").stat().st_size / 3


def test_the_hash_of_a_file_is_that_of_its_bytes(tmp_path: Path) -> None:
    write_bytes(tmp_path / "x", b"content")
    assert sha256_of_file(tmp_path / "x") == hashlib.sha256(b"content").hexdigest()


def test_a_file_of_many_row_groups_is_read_in_order_and_let_go(tmp_path: Path) -> None:
    path, rows = tmp_path / "long.parquet", 100 * ROW_GROUP
    text = pa.array([hashlib.sha512(str(number).encode()).hexdigest() for number in range(rows)])  # compresses by half
    write_parquet(path, pa.table({"number": range(rows), "text": text}))
    size = text.nbytes
    del text
    before, seen, most = pa.total_allocated_bytes(), 0, 0
    for batch in read_batches(path):
        assert batch["number"][0].as_py() == seen
        seen += batch.num_rows
        most = max(most, pa.total_allocated_bytes() - before)
    assert seen == rows
    assert most < 0.3 * size


def test_batches_are_as_long_as_asked_for_whatever_the_row_groups(tmp_path: Path) -> None:
    path, sizes = tmp_path / "odd.parquet", [60_000, 37, 9_000, 500, 70_000, 12]
    rows = [{"number": number, "texts": [{"text": str(number)}] * (number % 3)} for number in range(sum(sizes))]
    table = pa.Table.from_pylist(rows)
    with ParquetSink(path, table.schema) as sink:
        for start, size in zip(accumulate([0, *sizes]), sizes, strict=False):
            sink.add_table(table.slice(start, size), one_row_group=True)
    batches = list(read_batches(path, size=1_024))
    assert {batch.num_rows for batch in batches[:-1]} == {1_024}
    assert all(column.offset == 0 for batch in batches for column in batch.columns)
    assert pa.Table.from_batches(batches).equals(table)


def test_reading_batches_holds_a_batch_and_not_the_file(tmp_path: Path) -> None:
    source = random.Random(0)
    texts = pa.array([source.randbytes(600).hex() for _ in range(20_000)])
    write_parquet(tmp_path / "large.parquet", pa.table({"text": texts, "other": texts}))
    size = (tmp_path / "large.parquet").stat().st_size
    before = pa.total_allocated_bytes()
    held = [pa.total_allocated_bytes() - before for _ in read_batches(tmp_path / "large.parquet", ["text"], 1_000)]
    assert size > 20_000_000
    assert max(held) < size / 2
