"""Files of an export: a bounded size, a stable order, and all of them or none."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import datasets
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from exports import read_export

from synth.errors import StoreError
from synth.export import ExportOptions, ExportResult, export_formats, export_version
from synth.export.shards import ROW_GROUP_BYTES, write_shards
from synth.store import VersionRef


def tables(rows: int, size: int) -> list[pa.Table]:
    return [pa.table({"text": [f"{n:06d}" * 1000 for n in range(at, at + size)]}) for at in range(0, rows, size)]


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "name"), [("parquet", "train-{}.parquet"), ("jsonl", "train/train-{}.jsonl")])
def test_shards_hold_the_rows_in_order_and_say_how_many_they_are(kind: str, name: str, tmp_path: Path) -> None:
    given = tables(30_000, 1_000)
    files, rows = write_shards(iter(given), tmp_path, "train", kind, 1)
    assert rows == 30_000
    assert len(files) == 3  # each row group, 64 MB of texts, fills a shard of a byte
    assert [file.relative_to(tmp_path).as_posix() for file in files] == [
        name.format(f"{n:05d}-of-00003") for n in range(3)
    ]
    loaded = datasets.load_dataset(
        "json" if kind == "jsonl" else kind,
        data_files=[str(file) for file in files],
        split="train",
        cache_dir=str(tmp_path / "cache"),
    )
    assert loaded["text"][:] == pa.concat_tables(given)["text"].to_pylist()


def test_a_shard_is_full_when_it_has_reached_its_size(tmp_path: Path) -> None:
    files, _ = write_shards(iter(tables(30_000, 1_000)), tmp_path, "train", "jsonl", 100_000_000)
    assert [file.stat().st_size > 100_000_000 for file in files] == [True, False]


def test_row_groups_are_large_and_have_a_page_index(tmp_path: Path) -> None:
    (file,), _ = write_shards(iter(tables(15_000, 1_000)), tmp_path, "train", "parquet", 10**9)
    metadata = pq.read_metadata(file)
    sizes = [metadata.row_group(n).num_rows for n in range(metadata.num_row_groups)]
    assert sizes[0] * 6_000 >= ROW_GROUP_BYTES
    assert metadata.num_row_groups == 2
    assert metadata.row_group(0).column(0).has_offset_index


def test_the_same_version_gives_the_same_bytes(version: VersionRef, tmp_path: Path) -> None:
    for folder in ("a", "b"):
        export_formats(version, ["triplet", "full", "flagembedding"], tmp_path / folder)
    files = [path.relative_to(tmp_path / "a") for path in (tmp_path / "a").rglob("*") if path.is_file()]
    assert len(files) == 7
    for file in files:
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()


def test_arrow_folders_are_mapped_into_memory(version: VersionRef, tmp_path: Path) -> None:
    result = export_version(version, "n-tuple", tmp_path / "arrow", ExportOptions(files="arrow"))
    export_version(version, "n-tuple", tmp_path / "parquet")
    mapped = datasets.load_from_disk(str(tmp_path / "arrow" / "n-tuple"))
    loaded = datasets.load_dataset(str(tmp_path / "arrow"), "n-tuple", cache_dir=str(tmp_path / "cache"))
    for split in ("train", "test"):
        assert tuple(mapped[split].column_names) == result.columns
        expected = read_export(tmp_path / "parquet", "n-tuple", split)
        assert mapped[split].to_list() == loaded[split].to_list() == expected


def test_a_full_disk_leaves_no_folder(version: VersionRef, tmp_path: Path) -> None:
    """The limit on the size of a file stands for the disk: writing beyond it fails in the same way."""
    code = f"""
import resource
from pathlib import Path
from synth.export import export_formats
from synth.store import VersionRef
version = VersionRef({version.name!r}, {version.number}, Path({str(version.path)!r}))
version.manifest
resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
export_formats(version, ["pair", "triplet"], Path({str(tmp_path / "out")!r}))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert f"can't write {tmp_path / 'out'}: " in done.stderr
    assert "free some space, or choose another --out" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_format_that_fails_takes_the_others_with_it(version: VersionRef, tmp_path: Path) -> None:
    options = ExportOptions(negatives=40)
    with pytest.raises(StoreError, match="has all 40 negatives"):
        export_formats(version, ["n-tuple"], tmp_path / "out", options)
    assert list(tmp_path.iterdir()) == []


def test_a_killed_export_leaves_no_folder_and_can_be_made_again(version: VersionRef, tmp_path: Path) -> None:
    code = f"""
import os, signal
from pathlib import Path
import synth.export
from synth.store import VersionRef
write = synth.export.write_format
def killed(version, name, *rest):
    if name == "triplet":
        os.kill(os.getpid(), signal.SIGKILL)
    return write(version, name, *rest)
synth.export.write_format = killed
version = VersionRef({version.name!r}, {version.number}, Path({str(version.path)!r}))
synth.export.export_formats(version, ["pair", "triplet"], Path({str(tmp_path / "out")!r}))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == -9
    assert [path.name[0] for path in tmp_path.iterdir()] == ["."]
    assert export_formats(version, ["pair", "triplet"], tmp_path / "out")


@pytest.mark.parametrize(
    ("names", "path"),
    [
        (["triplet/train-00000-of-00001.parquet"], "triplet/train-00000-of-00001.parquet"),
        (
            ["triplet/train-00000-of-00002.parquet", "triplet/train-00001-of-00002.parquet"],
            "triplet/train-*-of-00002.parquet",
        ),
        (["triplet/train/data-00000-of-00001.arrow"], "triplet/train/data-00000-of-00001.arrow"),
        (["tevatron/train/train-00000-of-00003.jsonl"] * 3, "tevatron/train/train-*-of-00003.jsonl"),
    ],
)
def test_a_card_lists_the_files_of_a_split(names: list[str], path: str, tmp_path: Path) -> None:
    result = ExportResult("x", tuple(tmp_path / name for name in names), {"train": 9}, ("anchor", "positive"))
    assert result.data_files() == [{"split": "train", "path": path}]
