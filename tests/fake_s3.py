"""An S3 of moto's, over HTTP, that tells what it was asked and can be made to fail.

`fail` sees every request before moto does and may answer in its place: an S3 error code with a status, or
"lost", which does what was asked and then answers 500 as if the answer had been lost on the way.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

from moto.server import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import make_server

KEY, SECRET = "AKIAtestsOnlyKeyId00", "testsOnlySecretThatNobodyMayPrint"
Failure = tuple[int, str]
LOST: Failure = (500, "lost")
CONDITIONAL = True
"""False is a server that does not know If-None-Match."""


@dataclass(frozen=True)
class Request:
    """What was asked: method, bucket and key as in the path, query, the range where one was asked for, and If-None-Match."""

    method: str
    path: str
    query: str
    part: str
    if_none_match: str

    @property
    def writes(self) -> bool:
        return self.method in ("PUT", "POST", "DELETE")


@dataclass
class FakeS3:
    """The running server."""

    url: str
    requests: list[Request] = field(default_factory=list)
    sent: dict[str, int] = field(default_factory=dict)
    """Bytes that were sent, by path."""
    fail: Callable[[Request], Failure | None] = lambda request: None

    def environment(self) -> dict[str, str]:
        return {
            "AWS_ENDPOINT_URL": self.url,
            "AWS_ACCESS_KEY_ID": KEY,
            "AWS_SECRET_ACCESS_KEY": SECRET,
            "AWS_REGION": "us-east-1",
        }

    def bucket(self) -> str:
        """The name of a new bucket."""
        name = f"bucket-{uuid4().hex[:8]}"
        self._client.create_bucket(Bucket=name)
        return name

    def objects(self, bucket: str) -> dict[str, bytes]:
        """Everything in a bucket, by key."""
        listed = self._client.list_objects_v2(Bucket=bucket).get("Contents", [])
        return {each["Key"]: self._client.get_object(Bucket=bucket, Key=each["Key"])["Body"].read() for each in listed}

    def objects_at(self, path: str) -> bytes | None:
        """One object by bucket and key; None where there is none."""
        bucket, _, key = path.partition("/")
        return self.objects(bucket).get(key)

    def put(self, bucket: str, key: str, content: bytes) -> None:
        self._client.put_object(Bucket=bucket, Key=key, Body=content)

    def delete(self, bucket: str, key: str) -> None:
        self._client.delete_object(Bucket=bucket, Key=key)

    @property
    def _client(self) -> Any:
        import boto3

        return boto3.client(
            "s3", endpoint_url=self.url, aws_access_key_id=KEY, aws_secret_access_key=SECRET, region_name="us-east-1"
        )


class _Watched:
    """A WSGI application around moto's."""

    def __init__(self) -> None:
        self.inner = DomainDispatcherApplication(create_backend_app)
        self.fake = FakeS3("")
        self.one_at_a_time = threading.Lock()

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        request = Request(
            environ["REQUEST_METHOD"],
            environ["PATH_INFO"].lstrip("/"),
            environ.get("QUERY_STRING", ""),
            environ.get("HTTP_RANGE", ""),
            environ.get("HTTP_IF_NONE_MATCH", ""),
        )
        if "boto" in environ.get("HTTP_USER_AGENT", "").lower():
            return self._ask(environ, start_response)
        self.fake.requests.append(request)
        if not CONDITIONAL:
            environ.pop("HTTP_IF_NONE_MATCH", None)
        failure = self.fake.fail(request)
        if failure is not None:
            if failure == LOST:
                self._ask(environ, lambda *_: None)
            else:
                environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
            return _refuse(failure, start_response)
        body = b"".join(self._ask(environ, start_response))
        if request.method == "GET":
            self.fake.sent[request.path] = self.fake.sent.get(request.path, 0) + len(body)
        return [body]

    def _ask(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        with self.one_at_a_time:  # moto's own look before a conditional put is not one step with the put
            answer: Iterable[bytes] = self.inner(environ, start_response)
            return list(answer)


def _refuse(failure: Failure, start_response: Callable[..., Any]) -> list[bytes]:
    status, code = failure
    body = f"<Error><Code>{code}</Code><Message>Key {KEY}, secret {SECRET}</Message></Error>".encode()
    start_response(f"{status} Refused", [("Content-Type", "application/xml"), ("Content-Length", str(len(body)))])
    return [body]


@contextmanager
def serve_s3() -> Iterator[FakeS3]:
    """A running S3 without buckets."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    watched = _Watched()
    server = make_server("127.0.0.1", 0, watched, threaded=True)
    watched.fake.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield watched.fake
    finally:
        server.shutdown()
        thread.join()
