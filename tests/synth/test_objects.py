from __future__ import annotations

import hashlib
import os
import re
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from fake_s3 import KEY, LOST, SECRET, Failure, FakeS3, Request

from synth import objects as objects_module
from synth.errors import MissingExtra, StoreError
from synth.objects import Object, Objects, check_url


@pytest.fixture
def objects(s3: FakeS3) -> Objects:
    return Objects(f"s3://{s3.bucket()}/some/prefix")


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is tried twice."""
    monkeypatch.setitem(objects_module.RETRIES, "max_retries", 0)


@pytest.fixture
def failing(s3: FakeS3) -> Iterator[Callable[[Failure], None]]:
    """Every request fails so from now on."""

    def fail(failure: Failure) -> None:
        s3.fail = lambda request: failure

    yield fail
    s3.fail = lambda request: None


@pytest.mark.parametrize("url", ["s3://bucket", "s3://my.bucket-1/a/b_c=d", "gs://bucket/p", "az://container/p"])
def test_an_address_of_a_bucket_and_a_prefix_is_taken(url: str) -> None:
    assert check_url(url) == check_url(f"{url}/") == url


@pytest.mark.parametrize("url", ["ftp://host/x", "https://bucket.example/x", "file:///tmp/x", "://x"])
def test_another_scheme_is_refused_with_those_there_are(url: str) -> None:
    with pytest.raises(StoreError, match=r"there is no store at .*:// addresses; give a folder, s3://BUCKET/PREFIX"):
        check_url(url)


@pytest.mark.parametrize(
    "url",
    [
        "s3://AKIAX:hush@bucket/x",
        "s3://hush@bucket",
        "s3://a:hu/sh@bucket",
        "az://container/x?sig=hush",
        "gs://bucket#hush",
        "s3://",
        "s3://bucket//hush",
        "s3://bucket/../hush",
        "s3://bucket/a b/hush",
    ],
)
def test_an_address_that_may_hold_a_secret_is_refused_without_repeating_it(url: str) -> None:
    with pytest.raises(StoreError, match="credentials belong into the environment") as caught:
        check_url(url)
    assert "hush" not in str(caught.value)
    assert "hu/sh" not in str(caught.value)


def test_objects_are_put_listed_read_and_measured_below_their_prefix(objects: Objects, s3: FakeS3) -> None:
    assert objects.create("a/one.json", b"1")
    assert objects.create("a/b/two.json", b"22")
    assert objects.create("ab/other.json", b"")
    assert [(each.key, each.size) for each in objects.list("a")] == [("a/b/two.json", 2), ("a/one.json", 1)]
    assert objects.get("a/b/two.json") == b"22"
    assert objects.size("a/b/two.json") == 2
    bucket = objects.url.split("/")[2]
    assert set(s3.objects(bucket)) == {f"some/prefix/{key}" for key in ("a/one.json", "a/b/two.json", "ab/other.json")}


def test_what_is_not_there_is_none_and_an_empty_listing(objects: Objects, tmp_path: Path) -> None:
    assert objects.get("x") is None
    assert objects.size("x") is None
    assert objects.fetch("x", tmp_path / "x") is None
    assert objects.list("x") == []
    assert os.listdir(tmp_path) == []


def test_a_tag_changes_with_the_content(objects: Objects, s3: FakeS3) -> None:
    objects.create("a/one", b"1")
    first = objects.list("a")
    s3.put(objects.url.split("/")[2], "some/prefix/a/one", b"2")
    second = objects.list("a")
    assert [type(each) for each in first + second] == [Object, Object]
    assert first[0].tag != second[0].tag


def test_what_is_there_is_not_created_again(objects: Objects, s3: FakeS3) -> None:
    assert objects.create("one", b"1")
    assert not objects.create("one", b"2")
    assert objects.get("one") == b"1"
    assert {request.if_none_match for request in s3.requests if request.method == "PUT"} == {"*"}


@pytest.mark.parametrize(
    "size", [0, 1, (1 << 16) - 1, 1 << 16, 6 << 20, pytest.param(20 << 20, marks=pytest.mark.slow)]
)
def test_a_file_of_any_size_comes_back_as_it_was_put(
    objects: Objects, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    monkeypatch.setattr(objects_module, "PART", 1 << 16)
    content = os.urandom(size)
    (tmp_path / "file").write_bytes(content)
    objects.put("data/file", tmp_path / "file")
    assert objects.fetch("data/file", tmp_path / "back") == hashlib.sha256(content).hexdigest()
    assert (tmp_path / "back").read_bytes() == content


@pytest.mark.slow
def test_ctrl_c_ends_a_long_upload_and_leaves_nothing(objects: Objects, s3: FakeS3, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(bytes(300 << 20))

    def interrupt(request: Request) -> None:
        """As a person presses it: again, where the first was not heard."""
        if re.search("partNumber=(3|20)&", request.query):
            os.kill(os.getpid(), signal.SIGINT)

    s3.fail = interrupt
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs ignore it
    try:
        with pytest.raises(KeyboardInterrupt):
            objects.put("data/file", tmp_path / "file")
    finally:
        signal.signal(signal.SIGINT, before)
    s3.fail = lambda request: None
    assert objects.size("data/file") is None
    parts = [request for request in s3.requests if "partNumber" in request.query]
    assert len(parts) < (300 << 20) / objects_module.UPLOADED


def test_a_server_that_stumbles_is_asked_again(objects: Objects, s3: FakeS3) -> None:
    stumbles = iter([(503, "SlowDown"), (500, "InternalError")])
    s3.fail = lambda request: next(stumbles, None)
    assert objects.create("one", b"1")
    assert objects.get("one") == b"1"


def test_a_put_whose_answer_was_lost_looks_like_one_of_somebody_else(objects: Objects, s3: FakeS3) -> None:
    lost = iter([LOST])
    s3.fail = lambda request: next(lost, None) if request.method == "PUT" else None
    assert not objects.create("one", b"1")
    assert objects.get("one") == b"1"


CALLS: dict[str, Callable[[Objects, Path], Any]] = {
    "list": lambda objects, path: objects.list("a"),
    "size": lambda objects, path: objects.size("a"),
    "get": lambda objects, path: objects.get("a"),
    "create": lambda objects, path: objects.create("a", b"1"),
    "put": lambda objects, path: objects.put("a", path),
    "fetch": lambda objects, path: objects.fetch("a", path.with_name("back")),
}


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize(
    ("failure", "message"),
    [
        ((403, "AccessDenied"), "lets these credentials not .* objects .*; ask its owner"),
        ((403, "InvalidAccessKeyId"), r"refuses the credentials|lets these credentials not"),
        ((500, "InternalError"), r"failed to .* objects \(.*\); try again"),
        ((501, "NotImplemented"), "lacks conditional puts|failed to"),
        ((400, "AuthorizationHeaderMalformed"), "set AWS_REGION|failed to"),
    ],
)
def test_whatever_a_server_answers_is_one_sentence_without_its_words(
    objects: Objects, tmp_path: Path, failing: Callable[[Failure], None], call: str, failure: Failure, message: str
) -> None:
    (tmp_path / "file").write_bytes(b"x")
    failing(failure)
    with pytest.raises(StoreError, match=message) as caught:
        CALLS[call](objects, tmp_path / "file")
    assert "\n" not in str(caught.value)
    assert objects.url in str(caught.value)
    assert KEY not in str(caught.value)
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize("call", ["list", "create", "get", "put"])
def test_a_bucket_that_is_missing_is_said(s3: FakeS3, tmp_path: Path, call: str) -> None:
    (tmp_path / "file").write_bytes(b"x")
    with pytest.raises(StoreError, match=r"is in a bucket that does not exist; make the bucket"):
        CALLS[call](Objects("s3://no-such-bucket/x"), tmp_path / "file")


@pytest.mark.usefixtures("impatient")
def test_a_server_that_is_not_there_is_said(s3: FakeS3, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://user:hush@127.0.0.1:9")
    with pytest.raises(StoreError, match=r"can't be reached at http://127.0.0.1:9; check the network"):
        Objects("s3://bucket/x").list("a")


def test_missing_credentials_are_said(s3: FakeS3, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    monkeypatch.setenv("AWS_METADATA_ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(StoreError, match="there are no credentials for .* set AWS_ACCESS_KEY_ID"):
        Objects("s3://bucket/x").list("a")


def test_an_account_that_is_missing_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AZURE_STORAGE_ACCOUNT_NAME", raising=False)
    with pytest.raises(StoreError, match="there are no credentials for .* set AZURE_STORAGE_ACCOUNT_NAME"):
        Objects("az://container/x").list("a")


def test_the_extra_that_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "obstore", None)
    with pytest.raises(MissingExtra, match=r"a store at s3://bucket/x needs the extra 'remote': pip install"):
        Objects("s3://bucket/x").list("a")


def test_the_endpoint_of_s3_alone_wins_over_that_of_all_services(
    s3: FakeS3, monkeypatch: pytest.MonkeyPatch, objects: Objects
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", s3.url)
    assert Objects(objects.url).list("a") == []


def test_pyarrow_reads_the_same_objects(objects: Objects) -> None:
    objects.create("data/one", b"content")
    filesystem, base = objects.filesystem()
    with filesystem.open_input_file(f"{base}/data/one") as file:
        assert file.read() == b"content"


def test_requests_are_seen_by_the_tests(objects: Objects, s3: FakeS3) -> None:
    objects.create("one", b"1")
    assert s3.requests[-1] == Request("PUT", f"{objects.url.removeprefix('s3://')}/one", "", "", "*")
