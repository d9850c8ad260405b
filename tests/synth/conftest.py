from __future__ import annotations

import os
import random
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import orjson
import pyarrow.parquet as pq
import pytest
import yaml
from fake_s3 import FakeS3, serve_s3

from schemas.manifest import Manifest
from schemas.recipe import Recipe
from synth.ingest import split_of
from synth.progress import Reporter
from synth.recipe import Choices, resolve
from synth.run import Run, create_run, execute
from synth.store import Store, VersionRef, choose_store
from synth.update import as_update

WHO = (
    "Harbour Bank",
    "The trustee",
    "Meridian Foods",
    "Northline Rail",
    "The borrower",
    "Cobalt Mining",
    "Alder Homes",
)
DID = ("reported", "refinanced", "repaid", "disclosed", "hedged", "impaired", "amended")
WHAT = (
    "its senior notes",
    "a revolving credit facility",
    "pension liabilities",
    "an inventory of copper cathodes",
    "deferred tax assets",
    "lease obligations on two warehouses",
    "the goodwill of a dairy business",
)
WHY = (
    "in the third quarter",
    "after the covenant reset",
    "before the audit closed",
    "because interest rates rose",
    "at a discount to par value",
    "under the new accounting standard",
)


def _sentence(source: random.Random) -> str:
    words = " ".join(source.choice(part) for part in (WHO, DID, WHAT, WHY))
    return f"{words}, which came to {source.randint(2, 9_999)} thousand euros."


@dataclass(frozen=True)
class Made:
    """A published version and the run that made it, with readers for tests."""

    run: Run
    version: VersionRef

    @property
    def manifest(self) -> Manifest:
        return self.version.manifest

    @property
    def hash(self) -> str:
        return self.manifest.content_sha256

    def rows(self, name: str) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = pq.read_table(self.version.file(f"{name}.parquet")).to_pylist()
        return rows

    @property
    def records(self) -> list[dict[str, Any]]:
        rows = self.rows("records/train") + self.rows("records/test")
        return sorted(rows, key=lambda row: row["provenance"]["position"])

    @property
    def rejects(self) -> list[dict[str, Any]]:
        return self.rows("rejects")

    @property
    def passages(self) -> dict[str, dict[str, Any]]:
        return {row["id"]: row for row in self.rows("passages")}


@pytest.fixture(scope="session")
def make_texts() -> Callable[..., dict[str, str]]:
    """Small documents, each unlike the others: id -> text."""

    def make(number: int = 12, *, sentences: int = 8, seed: int = 0) -> dict[str, str]:
        source = random.Random(seed)
        return {f"doc{i:03}": " ".join(_sentence(source) for _ in range(sentences)) for i in range(number)}

    return make


@pytest.fixture(scope="session")
def dated_texts(make_texts: Callable[..., dict[str, str]]) -> dict[str, str]:
    """24 documents whose titles, which extractive queries are made of, name a year and a quarter of their text."""
    quarters = ("first", "second", "fourth")
    return {
        name: f"# Treasury letter {number} of fiscal {2015 + number % 8}, {quarters[number % 3]} quarter\n\n"
        f"This covers fiscal {2015 + number % 8} up to its {quarters[number % 3]} quarter. {text.replace('third quarter', 'spring')}"
        for number, (name, text) in enumerate(make_texts(24).items())
    }


@pytest.fixture(scope="session")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Callable[[], Path]:
    """A new empty folder; for session fixtures and hypothesis, which can't use tmp_path."""
    numbers = count()
    return lambda: tmp_path_factory.mktemp(f"fresh{next(numbers)}")


@pytest.fixture(scope="session")
def write_rows() -> Callable[..., Path]:
    """Write documents as JSON Lines."""

    def write(path: Path, texts: Mapping[str, str]) -> Path:
        path.write_bytes(b"".join(orjson.dumps({"id": key, "text": text}) + b"\n" for key, text in texts.items()))
        return path

    return write


@pytest.fixture(scope="session")
def new_run(fresh: Callable[[], Path], write_rows: Callable[..., Path]) -> Callable[..., Run]:
    """A run of the finance domain over small documents, written but not executed.

    `settings` are the fields of a --config file; with `update`, options of `as_update`, the run updates the store's.
    """

    def make(
        documents: Mapping[str, str] | Sequence[Path] = (),
        *,
        store: Store | None = None,
        shard_size: int = 1_000,
        settings: Mapping[str, Any] | None = None,
        update: Mapping[str, Any] | None = None,
        **choices: Any,
    ) -> Run:
        folder = fresh()
        if isinstance(documents, Mapping):
            documents = [write_rows(folder / "documents.jsonl", documents)]
        if settings:
            (folder / "config.yaml").write_text(yaml.safe_dump(dict(settings)))
            choices["config"] = folder / "config.yaml"
        resolved = resolve(Choices(domain="finance", documents=tuple(documents), **choices))
        store = store or Store(folder / "store")
        if update is not None:
            resolved = as_update(resolved, store, update=True, **update)
        return create_run(resolved, store, shard_size=shard_size)

    return make


@pytest.fixture(scope="session")
def make(new_run: Callable[..., Run]) -> Callable[..., Made]:
    """A run taken to a published version; arguments are those of `new_run`."""

    def finish(*args: Any, reporter: Reporter | None = None, **options: Any) -> Made:
        run = new_run(*args, **options)
        return Made(run, execute(run, reporter))

    return finish


@pytest.fixture(scope="session")
def restarted(fresh: Callable[[], Path]) -> Callable[[Run], Run]:
    """The run as a new process finds it: only what its files hold, nothing that was opened before."""

    def copy(run: Run) -> Run:
        root = fresh() / "store"
        shutil.copytree(run.store.root, root)
        return Run(Store(root), run.id)

    return copy


@pytest.fixture
def recipe() -> Recipe:
    return resolve(Choices(domain="finance", documents=(Path("unused"),))).recipe


@pytest.fixture(scope="session")
def finance(make: Callable[..., Made]) -> Made:
    """The shipped domain with --limit 60; shared, so read only."""
    return make(limit=60)


@pytest.fixture
def own_finance(finance: Made, tmp_path: Path) -> Made:
    """A copy of `finance` to damage."""
    root = tmp_path / "store"
    shutil.copytree(finance.run.store.root, root)
    store = Store(root)
    return Made(Run(store, finance.run.id), store.find("finance"))


@pytest.fixture(scope="session")
def ids_of() -> Callable[..., list[str]]:
    """Document ids that fall into a split, found by trying."""

    def find(split: str, number: int, share: float = 0.1, prefix: str = "doc") -> list[str]:
        def tried() -> Iterator[str]:
            return (name for i in count() if split_of(name := f"{prefix}{i:04}", share) == split)

        names = tried()
        return [next(names) for _ in range(number)]

    return find


@pytest.fixture(scope="session")
def s3_server() -> Iterator[FakeS3]:
    with serve_s3() as server:
        yield server


@pytest.fixture
def s3(s3_server: FakeS3, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeS3]:
    """A running S3 that this process has credentials for; the user's cache is empty."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    for name, value in s3_server.environment().items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    s3_server.requests.clear()
    s3_server.sent.clear()
    yield s3_server
    s3_server.fail = lambda request: None


@pytest.fixture
def remote(s3: FakeS3) -> Store:
    """An empty store in a bucket of its own."""
    return choose_store(f"s3://{s3.bucket()}/team/store")
