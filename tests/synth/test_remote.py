from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from fake_s3 import KEY, LOST, SECRET, Failure, FakeS3, Request

from flows.artifacts import version_page
from schemas.manifest import FileEntry
from synth.catalog import run_query
from synth.earlier import EarlierQueries
from synth.errors import StoreError
from synth.files import sha256_of_file
from synth.objects import Objects
from synth.pairs.read import read_pairs
from synth.remote import RemoteStore
from synth.run import Run, execute
from synth.store import Store, VersionRef, choose_store, open_store
from synth.verify import verify_version

Make = Callable[..., Any]


def bucket_of(store: Store) -> str:
    return store.where.split("/")[2]


def another_machine(store: Store, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Store:
    """The same store with an empty cache."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "another"))
    return choose_store(store.where)


@pytest.fixture
def published(make: Make, make_texts: Make, remote: Store) -> VersionRef:
    version: VersionRef = make(make_texts(), store=remote).version
    return version


def test_choosing_and_asking_a_store_in_a_bucket_creates_nothing(remote: Store, s3: FakeS3, tmp_path: Path) -> None:
    assert remote.names() == []
    assert list(remote.iterate("finance")) == []
    assert s3.objects(bucket_of(remote)) == {}
    assert os.listdir(tmp_path) == []


def test_the_working_folder_belongs_to_the_address_and_its_server(
    remote: Store, s3: FakeS3, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert choose_store(f"{remote.where}/") == remote
    assert choose_store(f"{remote.where}/deeper").root != remote.root
    assert remote.root.parent == tmp_path / "cache" / "synth" / "stores"
    monkeypatch.setenv("SYNTH_STORE", remote.where)
    assert choose_store(None) == remote
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    assert choose_store(remote.where).root != remote.root


def test_who_knows_only_the_working_folder_finds_the_store(remote: Store, tmp_path: Path) -> None:
    remote.check_writable()
    assert open_store(remote.root) == remote
    assert open_store(tmp_path) == Store(tmp_path)


def test_a_version_is_its_manifest_and_files_by_their_content(published: VersionRef, remote: Store, s3: FakeS3) -> None:
    manifest = published.manifest
    keys = {key.removeprefix("team/store/") for key in s3.objects(bucket_of(remote))}
    assert keys == {
        "store.json",
        "versions/finance/1/manifest.json",
        *(f"data/{entry.sha256}.parquet" for entry in manifest.files),
    }
    assert published == remote.find("finance") == remote.find("finance@1")
    assert published.where == f"{remote.where}/versions/finance/1"
    assert remote.names() == ["finance"]
    assert verify_version(published) == []


def test_the_manifest_is_written_last_and_only_where_there_is_none(published: VersionRef, s3: FakeS3) -> None:
    puts = [request for request in s3.requests if request.writes]
    assert puts[-1].path.endswith("versions/finance/1/manifest.json")
    assert puts[-1].if_none_match == "*"
    assert [request.path for request in puts if "/versions/" in request.path] == [puts[-1].path]


def test_the_content_is_that_of_the_same_run_in_a_folder(
    published: VersionRef, make: Make, make_texts: Make, tmp_path: Path
) -> None:
    local = make(make_texts(), store=Store(tmp_path / "local"))
    assert local.hash == published.manifest.content_sha256
    assert local.version.file("passages.parquet").read_bytes() == published.file("passages.parquet").read_bytes()
    assert len(local.version.record_files()) == len(published.record_files())


def test_the_same_content_is_the_same_version_and_uploads_nothing(
    published: VersionRef, make: Make, make_texts: Make, remote: Store, s3: FakeS3
) -> None:
    before = s3.objects(bucket_of(remote))
    again = make(make_texts(), store=remote, shard_size=7)
    assert again.version == published
    assert s3.objects(bucket_of(remote)) == before


def test_other_content_is_the_next_version_and_equal_files_are_put_once(
    published: VersionRef, make: Make, make_texts: Make, remote: Store, s3: FakeS3
) -> None:
    second = make(make_texts(), store=remote, settings={"mining": {"negatives": 2}})
    assert [version.number for version in remote.iterate("finance")] == [1, 2]
    assert [version.manifest.version for version in remote.iterate("finance")] == [1, 2]
    assert remote.find("finance") == second.version
    puts = [request.path for request in s3.requests if request.writes and "/data/" in request.path]
    assert len(puts) == len(set(puts)) < len(published.manifest.files) + len(second.manifest.files)


def test_another_machine_reads_what_this_one_published(
    published: VersionRef, remote: Store, s3: FakeS3, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    there = another_machine(remote, monkeypatch, tmp_path)
    found = there.find("finance@latest")
    assert found.manifest == published.manifest
    assert found.file("passages.parquet").read_bytes() == published.file("passages.parquet").read_bytes()
    assert len(EarlierQueries([found])) == published.manifest.funnel.accepted
    assert len(read_pairs("finance@1:all", there).queries) > 0
    assert verify_version(found) == []


def test_a_file_is_fetched_once_and_by_its_content(
    published: VersionRef, remote: Store, s3: FakeS3, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    there = another_machine(remote, monkeypatch, tmp_path)
    s3.requests.clear()
    first = there.find("finance").file("records/train.parquet")
    asked = len(s3.requests)
    assert there.find("finance").file("records/train.parquet") == first
    assert [request.path for request in s3.requests[asked:]] == [bucket_of(remote)], "one listing"
    assert first.parent == there.root / "data"


def test_what_this_machine_published_is_not_fetched_again(published: VersionRef, s3: FakeS3) -> None:
    s3.requests.clear()
    for entry in published.manifest.files:
        assert published.file(entry.path).stat().st_size == entry.bytes
    assert not [request for request in s3.requests if "/data/" in request.path]


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda s3, bucket, key: s3.put(bucket, key, b"other"), "was changed: its sha256 is not the manifest's"),
        (lambda s3, bucket, key: s3.delete(bucket, key), "is missing"),
    ],
)
def test_verify_looks_at_the_bytes_in_the_bucket_whatever_the_cache_has(
    published: VersionRef, remote: Store, s3: FakeS3, monkeypatch: Any, tmp_path: Path, change: Any, problem: str
) -> None:
    entry = next(entry for entry in published.manifest.files if entry.path == "passages.parquet")
    assert published.file(entry.path).exists()
    change(s3, bucket_of(remote), f"team/store/data/{entry.sha256}.parquet")
    assert verify_version(published) == [f"passages.parquet {problem}"]
    assert not list(remote.root.glob(".fresh-*"))
    there = another_machine(remote, monkeypatch, tmp_path)
    with pytest.raises(StoreError, match=f"finance@1 is damaged: passages.parquet {problem}; look with"):
        there.find("finance").file(entry.path)
    assert not [path for path in there.root.rglob("*.parquet*") if path.is_file()]


@pytest.mark.parametrize("field", ["path", "sha256"])
def test_a_manifest_can_not_name_files_outside_of_the_cache(
    published: VersionRef, remote: Store, s3: FakeS3, field: str
) -> None:
    key = "team/store/versions/finance/1/manifest.json"
    manifest = orjson.loads(s3.objects(bucket_of(remote))[key])
    manifest["files"][0][field] = "../../../outside"
    s3.put(bucket_of(remote), key, orjson.dumps(manifest))
    changed = remote.find("finance")
    with pytest.raises(StoreError, match="finance@1 is damaged: its manifest names the file"):
        _ = changed.manifest
    with pytest.raises(StoreError, match="finance@1 is damaged: its manifest names the file"):
        verify_version(changed)


def test_a_damaged_manifest_is_named_by_its_address(published: VersionRef, remote: Store, s3: FakeS3) -> None:
    s3.put(bucket_of(remote), "team/store/versions/finance/1/manifest.json", b"{}")
    with pytest.raises(StoreError, match=r"s3://.*/versions/finance/1/manifest\.json is damaged: field"):
        _ = remote.find("finance").manifest


def test_a_version_that_was_deleted_meanwhile_is_said(
    published: VersionRef, remote: Store, s3: FakeS3, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    found = another_machine(remote, monkeypatch, tmp_path).find("finance")
    s3.delete(bucket_of(remote), "team/store/versions/finance/1/manifest.json")
    with pytest.raises(StoreError, match="finance@1 is gone from s3://"):
        _ = found.manifest


def test_what_is_no_version_is_not_listed(published: VersionRef, remote: Store, s3: FakeS3) -> None:
    for key in ("versions/finance/two/manifest.json", "versions/finance/02/manifest.json", "versions/x/1/other"):
        s3.put(bucket_of(remote), f"team/store/{key}", b"{}")
    assert [str(version) for version in remote.iterate("finance")] == ["finance@1"]
    assert remote.names() == ["finance"]


def test_an_unknown_version_names_what_the_bucket_has(published: VersionRef, remote: Store) -> None:
    with pytest.raises(StoreError, match=r"no dataset 'finanse' in s3://.*; did you mean 'finance'"):
        remote.find("finanse")
    with pytest.raises(StoreError, match="finance has no version '7'; it has 1"):
        remote.find("finance@7")


def test_earlier_versions_in_the_bucket_are_duplicates_for_a_gate(
    published: VersionRef, make: Make, make_texts: Make, remote: Store
) -> None:
    gates = {"set_gates": [{"name": "duplicates", "settings": {"against": ["finance"]}}]}
    second = make(make_texts(16), store=remote, name="second", settings=gates)
    earlier = set(EarlierQueries([published]).texts)
    assert earlier & {row["query"] for row in second.rejects if row["reason"] == "duplicate"}
    assert not earlier & set(EarlierQueries([second.version]).texts)


def test_two_who_publish_at_once_take_two_numbers(new_run: Make, make_texts: Make, remote: Store) -> None:
    runs = [new_run(make_texts(5 + i), store=remote) for i in range(3)]
    threads = [threading.Thread(target=execute, args=(run,)) for run in runs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(run.result.version for run in runs if run.result) == [1, 2, 3]
    versions = list(remote.iterate("finance"))
    assert len({version.manifest.content_sha256 for version in versions}) == 3
    assert [problem for version in versions for problem in verify_version(version)] == []


def test_a_number_that_was_taken_between_looking_and_claiming_is_left_alone(
    new_run: Make, make_texts: Make, remote: Store, s3: FakeS3, published: VersionRef
) -> None:
    key = f"{bucket_of(remote)}/team/store/versions/finance"
    taken = published.manifest.model_copy(update={"version": 2}).model_dump_json().encode()

    def overtake(request: Request) -> Failure | None:
        if request.writes and request.path == f"{key}/2/manifest.json" and not s3.objects_at(request.path):
            s3.put(*request.path.split("/", 1), taken)
        return None

    s3.fail = overtake
    assert execute(new_run(make_texts(5), store=remote)).number == 3
    assert s3.objects_at(f"{key}/2/manifest.json") == taken
    assert [version.manifest.version for version in remote.iterate("finance")] == [1, 2, 3]


@pytest.mark.parametrize("failure", [LOST, (503, "SlowDown"), (409, "ConditionalRequestConflict")])
def test_a_claim_whose_answer_was_lost_or_refused_for_now_is_one_version(
    new_run: Make, make_texts: Make, remote: Store, s3: FakeS3, failure: Failure
) -> None:
    once = iter([failure])
    s3.fail = lambda request: next(once, None) if request.writes and "manifest.json" in request.path else None
    assert execute(new_run(make_texts(5), store=remote)).number == 1
    assert [str(version) for version in remote.iterate("finance")] == ["finance@1"]


def test_a_server_without_conditional_puts_is_refused_before_anything_is_made(
    new_run: Make, make_texts: Make, remote: Store, s3: FakeS3, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fake_s3.CONDITIONAL", False)
    with pytest.raises(StoreError, match=r"ignores conditional puts \(If-None-Match\)"):
        new_run(make_texts(5), store=remote)
    assert not remote.root.exists()


@pytest.mark.parametrize("failure", [(403, "AccessDenied"), (501, "NotImplemented")])
def test_a_bucket_that_can_not_be_written_is_refused_before_anything_is_made(
    new_run: Make, make_texts: Make, remote: Store, s3: FakeS3, failure: Failure
) -> None:
    s3.fail = lambda request: failure if request.writes else None
    with pytest.raises(StoreError, match="write objects"):
        new_run(make_texts(5), store=remote)
    assert not remote.root.exists()


def test_no_file_of_the_store_or_the_bucket_holds_a_credential(
    published: VersionRef, remote: Store, s3: FakeS3
) -> None:
    local = [path.read_bytes() for path in remote.root.rglob("*") if path.is_file()]
    assert len(local) > 10
    for secret in (KEY.encode(), SECRET.encode(), s3.url.encode()):
        assert not [content for content in local + list(s3.objects(bucket_of(remote)).values()) if secret in content]


def test_the_cache_can_be_thrown_away(published: VersionRef, remote: Store) -> None:
    passages = published.file("passages.parquet").read_bytes()
    shutil.rmtree(remote.root)
    assert remote.find("finance").file("passages.parquet").read_bytes() == passages


def test_a_cache_that_can_not_be_written_is_named(
    published: VersionRef, remote: Store, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("I am no folder")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    there = choose_store(remote.where)
    assert there.names() == ["finance"]
    for asked in (lambda: there.find("finance").manifest, there.check_writable):
        with pytest.raises(
            StoreError, match=r"what is read of s3://.* can't be kept in .*; name a folder .* in XDG_CACHE_HOME"
        ):
            asked()


def test_a_finished_run_is_found_again_by_another_process(
    make: Make, make_texts: Make, remote: Store, published: VersionRef
) -> None:
    run_id = published.manifest.run_id
    assert execute(Run(choose_store(remote.where), run_id)) == published
    assert isinstance(open_store(remote.root), RemoteStore)


ROWS = 40_000


@pytest.fixture
def wide(published: VersionRef, remote: Store, tmp_path: Path) -> VersionRef:
    """A version whose records are 40,000 rows of two columns in ten row groups: a number and 300 random letters."""
    folder = tmp_path / "wide"
    (folder / "records").mkdir(parents=True)
    table = pa.table({"number": list(range(ROWS)), "letters": [os.urandom(150).hex() for _ in range(ROWS)]})
    path = folder / "records" / "train.parquet"
    pq.write_table(table, path, row_group_size=4_000)
    entry = FileEntry(path="records/train.parquet", rows=ROWS, bytes=path.stat().st_size, sha256=sha256_of_file(path))
    return remote.claim(folder, published.manifest.model_copy(update={"name": "wide", "files": [entry]}))


@pytest.mark.parametrize(
    ("statement", "result", "share"),
    [
        ("SELECT sum(number)::BIGINT AS x FROM wide", sum(range(ROWS)), 0.1),
        ("SELECT count(DISTINCT letters) AS x FROM wide WHERE number >= 36000", 4_000, 0.15),
        ("SELECT max(length(letters)) AS x FROM wide", 300, 1.0),
    ],
)
def test_sql_fetches_the_columns_and_row_groups_that_it_needs(
    wide: VersionRef, remote: Store, s3: FakeS3, statement: str, result: int, share: float
) -> None:
    s3.sent.clear()
    assert run_query(remote, statement).to_pylist() == [{"x": result}]
    fetched = sum(sent for path, sent in s3.sent.items() if "/data/" in path)
    assert share / 5 < fetched / wide.manifest.files[0].bytes < share + 0.05


def test_sql_reads_what_lies_in_the_bucket_and_leaves_nothing_here(wide: VersionRef, remote: Store) -> None:
    shutil.rmtree(remote.root / "data")
    assert run_query(remote, "SELECT count(*) AS x FROM wide").to_pylist() == [{"x": ROWS}]
    assert not (remote.root / "data").exists()


def test_stores_that_pyarrow_does_not_know_are_read_through_obstore(
    wide: VersionRef, remote: Store, s3: FakeS3, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As gs:// and az:// are; here it is S3 all the same."""
    place = remote.where.removeprefix("s3://")
    monkeypatch.setattr(Objects, "filesystem", lambda self: (self.bridge(), place))
    s3.sent.clear()
    assert run_query(remote, "SELECT sum(number)::BIGINT AS x FROM wide").to_pylist() == [{"x": sum(range(ROWS))}]
    assert sum(s3.sent.values()) < wide.manifest.files[0].bytes


def test_the_page_of_a_flow_shows_the_address_and_examples(published: VersionRef) -> None:
    page = version_page(published)
    assert published.where in page
    assert "query: " in page
