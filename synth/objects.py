"""Objects below a URL such as s3://bucket/prefix. Only this module imports obstore, and only when it asks something.

Credentials, endpoint and region come from the environment (AWS_*, GOOGLE_*, AZURE_*); no message, file or
manifest holds them. What an object store says on an error may name keys, so none of its words are passed on
except its code.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property
from importlib import import_module
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from synth.errors import MissingExtra, StoreError

CREDENTIALS = {
    "s3": "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
    "gs": "GOOGLE_APPLICATION_CREDENTIALS",
    "az": "AZURE_STORAGE_ACCOUNT_NAME and AZURE_STORAGE_ACCOUNT_KEY",
}
"""Schemes that a store may have, and where their credentials are looked for."""

TIMEOUT = timedelta(minutes=5)
"""Of one request: some megabytes must pass within it on a slow line."""

RETRIES: dict[str, Any] = {"max_retries": 5, "retry_timeout": timedelta(minutes=2)}
"""A server that is down is given up after seconds."""

PART = 16 << 20
UPLOADED = 8 << 20
"""Bytes of a part that is fetched, and of one that is put; S3 has at most 10,000 of these an object."""
PARALLEL = 4
"""Parts that are under way at a time; with their size this bounds memory."""

_PLACE = re.compile(r"[a-z0-9][a-z0-9._-]*(/[A-Za-z0-9_=+-][A-Za-z0-9._=+-]*)*")
_NO_BUCKET = frozenset({"NoSuchBucket", "ContainerNotFound"})
_WRONG_CREDENTIALS = frozenset(
    {"InvalidAccessKeyId", "SignatureDoesNotMatch", "ExpiredToken", "InvalidToken", "TokenRefreshRequired"}
)
_NO_CREDENTIALS = re.compile(r"169\.254\.|/latest/(api|meta-data)/|MissingAccount")
"""With none in the environment those of the machine are asked for, where it is one of the provider's."""
_WRONG_REGION = frozenset({"AuthorizationHeaderMalformed", "PermanentRedirect", "IllegalLocationConstraintException"})


@dataclass(frozen=True)
class Object:
    """What a listing says of an object; `tag` changes with its content."""

    key: str
    size: int
    tag: str


def check_url(url: str) -> str:
    """The URL as it is kept; StoreError where it is none of ours, or may hold a secret (which is not repeated)."""
    scheme, _, rest = url.partition("://")
    place = rest.rstrip("/")
    if scheme not in CREDENTIALS:
        raise StoreError(
            f"there is no store at {scheme}:// addresses; give a folder, s3://BUCKET/PREFIX, gs://BUCKET/PREFIX or az://CONTAINER/PREFIX"
        )
    if not _PLACE.fullmatch(place):
        raise StoreError(
            f"the {scheme}:// address of the store is not {scheme}://BUCKET/PREFIX in letters, digits and '._-=+'; credentials belong into the environment ({CREDENTIALS[scheme]}), never into the address"
        )
    return f"{scheme}://{place}"


def endpoint_of(url: str) -> str:
    """The server that is asked instead of the provider's own; '' where none is set."""
    if not url.startswith("s3://"):
        return ""
    return os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL") or ""


@dataclass(frozen=True)
class Objects:
    """Objects below a URL; keys are relative to it. Every method raises StoreError with one sentence."""

    url: str

    def list(self, prefix: str) -> list[Object]:
        """Objects whose keys begin with `prefix` and a slash, by key."""
        with self._told("list objects"):
            chunks = list(self._obstore.list(self._client, prefix))
        found = [Object(each["path"], each["size"], each["e_tag"] or "") for chunk in chunks for each in chunk]
        return sorted(found, key=lambda each: each.key)

    def size(self, key: str) -> int | None:
        """Bytes of an object; None where there is none."""
        try:
            with self._told("look at objects", expected=FileNotFoundError):
                return int(self._obstore.head(self._client, key)["size"])
        except FileNotFoundError:
            return None

    def get(self, key: str) -> bytes | None:
        """A small object; None where there is none."""
        try:
            with self._told("read objects", expected=FileNotFoundError):
                return bytes(self._obstore.get(self._client, key).bytes())
        except FileNotFoundError:
            return None

    def create(self, key: str, content: bytes) -> bool:
        """Put a small object where there is none yet (If-None-Match: *); False where there is one."""

        try:
            with self._told("write objects", expected=self._errors.AlreadyExistsError):
                self._obstore.put(self._client, key, content, mode="create")
        except self._errors.AlreadyExistsError:
            return False
        return True

    def put(self, key: str, path: Path) -> None:
        """Put a file, whole or not at all; a large one in parts, between which Ctrl-C is heard."""
        with self._told("write objects"):
            if path.stat().st_size <= PART:
                self._obstore.put(self._client, key, path)
            else:
                parts = _parts_of(path)
                self._obstore.put(self._client, key, parts, chunk_size=UPLOADED, max_concurrency=PARALLEL)

    def fetch(self, key: str, path: Path) -> str | None:
        """Write an object to a file and return the sha256 of its bytes; None, and no file, where there is none."""
        size = self.size(key)
        if size is None:
            return None
        digest = hashlib.sha256()
        with path.open("wb") as file:
            for part in self._parts(key, size):
                digest.update(part)
                file.write(part)
        return digest.hexdigest()

    def _parts(self, key: str, size: int) -> Iterator[bytes]:
        def read(start: int) -> bytes:
            with self._told("read objects"):
                return bytes(self._obstore.get_range(self._client, key, start=start, end=min(start + PART, size)))

        with ThreadPoolExecutor(PARALLEL) as pool:
            for start in range(0, size, PART * PARALLEL):
                yield from pool.map(read, range(start, min(start + PART * PARALLEL, size), PART))

    def filesystem(self) -> tuple[Any, str]:
        """A pyarrow filesystem, and the path in it that keys are below."""
        scheme, _, place = self.url.partition("://")
        if scheme != "s3":
            return self.bridge(), place
        from pyarrow.fs import S3FileSystem

        env = os.environ
        chosen: dict[str, Any] = {"region": env.get("AWS_REGION") or env.get("AWS_DEFAULT_REGION") or "us-east-1"}
        if env.get("AWS_ACCESS_KEY_ID"):
            chosen["access_key"], chosen["secret_key"] = env["AWS_ACCESS_KEY_ID"], env.get("AWS_SECRET_ACCESS_KEY")
            chosen["session_token"] = env.get("AWS_SESSION_TOKEN")
        endpoint = urlsplit(endpoint_of(self.url))
        if endpoint.netloc:
            chosen |= {"endpoint_override": endpoint.netloc, "scheme": endpoint.scheme}
        return S3FileSystem(**chosen), place

    def bridge(self) -> Any:
        """A pyarrow filesystem over obstore, for buckets whose client in pyarrow reads other settings."""
        from obstore.fsspec import FsspecStore
        from pyarrow.fs import FSSpecHandler, PyFileSystem

        store: Any = FsspecStore
        return PyFileSystem(FSSpecHandler(store(self.url.partition("://")[0], **self._options)))

    @cached_property
    def _obstore(self) -> Any:
        try:
            return import_module("obstore")
        except ImportError as error:
            raise MissingExtra(f"a store at {self.url}", "remote") from error

    @property
    def _errors(self) -> Any:
        return self._obstore.exceptions

    @cached_property
    def _client(self) -> Any:
        with self._told("be opened"):
            return self._obstore.store.from_url(self.url, **self._options)

    @property
    def _options(self) -> dict[str, Any]:
        endpoint = endpoint_of(self.url)
        client = {"timeout": TIMEOUT, "allow_http": endpoint.startswith("http://")}
        return {"client_options": client, "retry_config": RETRIES} | ({"endpoint": endpoint} if endpoint else {})

    @contextmanager
    def _told(self, what: str, expected: type[Exception] | tuple[()] = ()) -> Iterator[None]:
        """One sentence for whatever goes wrong but what the caller expects."""
        try:
            yield
        except (self._errors.BaseError, FileNotFoundError, ValueError) as error:
            if isinstance(error, expected) and _code(error) not in _NO_BUCKET:
                raise
            raise self._explain(error, what) from None

    def _explain(self, error: Exception, what: str) -> StoreError:
        text, code = str(error), _code(error)
        where = f"the store {self.url}"
        keys = CREDENTIALS[self.url.partition("://")[0]]
        if code in _NO_BUCKET:
            return StoreError(f"{where} is in a bucket that does not exist; make the bucket, or choose another --store")
        if _NO_CREDENTIALS.search(text):
            return StoreError(f"there are no credentials for {where}; set {keys} in the environment")
        if code in _WRONG_CREDENTIALS or isinstance(error, self._errors.UnauthenticatedError):
            return StoreError(f"{where} refuses the credentials ({code or 'unauthenticated'}); check {keys}")
        if isinstance(error, self._errors.PermissionDeniedError) or "403 Forbidden" in text:
            return StoreError(
                f"{where} lets these credentials not {what} ({code or 'forbidden'}); ask its owner for that right"
            )
        if code in _WRONG_REGION or "LOCATION" in text:
            return StoreError(f"{where} is in another region; set AWS_REGION to that of the bucket")
        if code == "NotImplemented" or "501 Not Implemented" in text:
            return StoreError(f"{where} is on a server that can't {what} as needed; it lacks conditional puts")
        if "HTTP error" in text:
            server = urlsplit(endpoint_of(self.url))
            at = f" at {server.scheme}://{server.netloc.rpartition('@')[2]}" if server.netloc else ""
            return StoreError(f"{where} can't be reached{at}; check the network and try again")
        status = re.search(r"status code: (\d{3} [A-Za-z ]+)", text)
        return StoreError(
            f"{where} failed to {what} ({code or (status and status[1]) or type(error).__name__}); try again"
        )


def _parts_of(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while part := file.read(UPLOADED):
            yield part


def _code(error: Exception) -> str:
    found = re.search(r"<Code>(\w+)</Code>", str(error))
    return found[1] if found else ""
