"""Every verb that reads or makes a version, with the store in a bucket."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import pyarrow.parquet as pq
import pytest
from fake_s3 import KEY, SECRET, FakeS3

from synth import objects as objects_module
from synth.store import Store

pytestmark = pytest.mark.slow
Cli = Callable[..., Any]


@pytest.fixture
def documents(tmp_path: Path, make_texts: Any, write_rows: Any) -> Path:
    path: Path = write_rows(tmp_path / "documents.jsonl", make_texts())
    return path


@pytest.fixture
def made(cli: Cli, remote: Store, documents: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Store:
    """finance@1 in the bucket, and a cache that knows nothing of it."""
    done = cli("generate", "--domain", "finance", "--documents", documents, "--store", remote.where)
    assert done.code == 0, done.err
    assert f"Published finance@1: {remote.where}/versions/finance/1" in done.out
    assert f"--store {remote.where}" in done.out
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "another"))
    monkeypatch.setenv("SYNTH_STORE", remote.where)
    return remote


def test_a_run_that_was_begun_is_resumed_and_publishes_to_the_bucket(
    cli: Cli, remote: Store, documents: Path, s3: FakeS3
) -> None:
    s3.fail = lambda request: (403, "AccessDenied") if request.writes and "versions" in request.path else None
    flags = ("--store", remote.where)
    done = cli("generate", "--domain", "finance", "--documents", documents, *flags)
    assert done.code == 2
    assert "lets these credentials not write objects" in done.error
    s3.fail = lambda request: None
    assert cli("resume", *flags).code == 0
    assert remote.find("finance").number == 1


def test_versions_are_listed_shown_verified_and_exported(cli: Cli, made: Store, tmp_path: Path) -> None:
    (listed,) = cli("datasets", "list", "--json").json
    assert listed["path"] == f"{made.where}/versions/finance/1"
    shown = cli("datasets", "show", "finance")
    assert shown.code == 0
    assert f"{made.where}/versions/finance/1" in shown.out
    assert "finance@1 is sound: 5 files" in cli("datasets", "verify", "finance").out
    assert cli("datasets", "export", "finance", "--out", tmp_path / "out", "--format", "pair").code == 0
    (rows,) = cli("sql", "SELECT count(*) AS n FROM \"finance\" WHERE split = 'train'", "--json").json
    assert pq.read_metadata(tmp_path / "out" / "pair" / "train-00000-of-00001.parquet").num_rows == rows["n"] > 0


def test_a_folder_to_push_is_built_and_nothing_is_downloaded_twice(
    cli: Cli, made: Store, tmp_path: Path, s3: FakeS3
) -> None:
    s3.sent.clear()
    done = cli("push", "finance", "--dry-run", "--out", tmp_path / "push")
    assert done.code == 0, done.err
    sizes = {f"data/{entry.sha256}.parquet": entry.bytes for entry in made.find("finance").manifest.files}
    for path, sent in s3.sent.items():
        if "/data/" in path:
            assert sent <= sizes["data/" + path.split("/")[-1]]
    assert json.loads((tmp_path / "push" / "manifest.json").read_text())["name"] == "finance"


def test_pairs_of_a_version_are_mined_and_compared(cli: Cli, made: Store, tmp_path: Path) -> None:
    assert cli("mine", "finance@1", "--out", tmp_path / "mined").code == 0
    assert cli("dedup", "finance:all", "--out", tmp_path / "unique").code == 0


def test_earlier_queries_of_the_bucket_count_for_diversity(
    cli: Cli, made: Store, make_texts: Any, write_rows: Any, tmp_path: Path
) -> None:
    more = write_rows(tmp_path / "more.jsonl", make_texts(16))
    assert cli("generate", "--domain", "finance", "--documents", more).code == 0
    second = made.find("finance@2").manifest
    assert second.diversity is not None
    assert second.diversity.repeats.versions == 1
    assert second.diversity.repeats.earlier > 0


def test_sql_reads_in_place_and_opens_only_what_a_statement_names(cli: Cli, made: Store, s3: FakeS3) -> None:
    files = {entry.path: f"data/{entry.sha256}.parquet" for entry in made.find("finance").manifest.files}
    s3.sent.clear()
    (row,) = cli("sql", "SELECT name, path FROM versions", "--json").json
    assert row == {"name": "finance", "path": f"{made.where}/versions/finance/1"}
    assert not [path for path in s3.sent if "/data/" in path]
    (row,) = cli("sql", 'SELECT count(*) AS n FROM "finance@1_passages"', "--json").json
    assert row["n"] == made.find("finance").manifest.passages
    read = {"/".join(path.split("/")[-2:]) for path in s3.sent if "/data/" in path}
    assert read == {files["passages.parquet"]}
    (row,) = cli("sql", "SELECT count(*) AS n FROM Finance_Rejects", "--json").json
    assert {"/".join(path.split("/")[-2:]) for path in s3.sent if "/data/" in path} == read | {files["rejects.parquet"]}
    shown = {row["name"] for row in cli("sql", "SHOW TABLES", "--json").json}
    assert {"versions", "finance", "finance@1", "finance@1_passages", "finance_sources"} <= shown
    assert {row["column_name"] for row in cli("sql", 'DESCRIBE "finance"', "--json").json} >= {"query", "positive"}


def test_sql_says_what_is_missing(cli: Cli, made: Store, s3: FakeS3) -> None:
    assert "datasets here: finance" in cli("sql", "SELECT * FROM nothing").error
    bucket = made.where.split("/")[2]
    for key in s3.objects(bucket):
        if "/data/" in key:
            s3.delete(bucket, key)
    lost = cli("sql", "SELECT query FROM finance")
    assert lost.code == 2
    assert lost.error.startswith(f"Error: can't read {made.where}: ")


def test_the_catalogue_is_made_anew_in_the_cache(cli: Cli, made: Store) -> None:
    assert "catalog.duckdb: 1 versions" in cli("catalog", "rebuild").out


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("s3://AKIA:hush@bucket/x", "credentials belong into the environment"),
        ("ftp://host/x", "there is no store at ftp:// addresses"),
        ("s3://no-such-bucket/x", "is in a bucket that does not exist"),
    ],
)
def test_a_store_that_is_none_is_one_sentence_before_anything_is_read(
    cli: Cli, s3: FakeS3, documents: Path, url: str, said: str
) -> None:
    for words in (["datasets", "list"], ["generate", "--domain", "finance", "--documents", documents]):
        done = cli(*words, "--store", url)
        assert done.code == 2
        assert said in done.error
        assert "hush" not in done.error
        assert "\n" not in done.error


@pytest.mark.parametrize("wrong", [(403, "InvalidAccessKeyId"), (403, "AccessDenied"), (503, "SlowDown")])
def test_no_secret_is_shown_whatever_the_server_says(
    cli: Cli, remote: Store, s3: FakeS3, monkeypatch: pytest.MonkeyPatch, wrong: tuple[int, str]
) -> None:
    monkeypatch.setitem(objects_module.RETRIES, "max_retries", 0)
    s3.fail = lambda request: wrong
    done = cli("datasets", "list", "--store", remote.where)
    assert done.code == 2
    assert KEY not in done.error
    assert SECRET not in done.error


def test_the_parameters_of_a_flow_name_the_bucket(made: Store, cli: Cli) -> None:
    from flows.parameters import GenerateParameters

    anchored = GenerateParameters(domain="finance", store=made.where).anchored()
    assert anchored.store == made.where
    assert orjson.loads(anchored.model_dump_json())["store"] == made.where
