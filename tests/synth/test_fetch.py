"""Documents of the Hub, with the real clients against a fake Hub."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from fake_hub import FakeHub
from huggingface_hub import constants
from served_hub import lines, parquet, reached_hub

from synth.errors import DocumentError, InputError
from synth.fetch import fetch_documents, origin_of
from synth.hub_read import Address, _explain
from synth.progress import Silent
from synth.recipe import Choices, resolve
from synth.run import create_run, execute
from synth.store import Store

CORPUS = Path("hf://acme/corpus")


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[FakeHub]:
    with reached_hub(tmp_path) as running:
        yield running


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


def fetch(store: Store, *paths: Path, text_field: str | None = None) -> tuple[Path, ...]:
    return fetch_documents(paths, store, Silent(), text_field)


def add_corpus(hub: FakeHub, texts: dict[str, str], card: bytes = b"---\nlicense: cc-by-4.0\n---\n# Corpus\n") -> None:
    rows = [{"key": name, "text": text, "labels": [1, 2]} for name, text in texts.items()]
    files = {"data/train-00000-of-00001.parquet": parquet(rows), "data/test-00000-of-00001.parquet": parquet(rows[:2])}
    hub.create("acme/corpus", private=False, files=files | {"README.md": card})


def test_documents_of_the_hub_become_a_file_of_the_store_at_their_commit(
    hub: FakeHub, store: Store, make_texts: Callable[..., dict[str, str]]
) -> None:
    add_corpus(hub, make_texts(6))
    (path,) = fetch(store, CORPUS)
    commit = hub.repos["acme/corpus"].commits[-1].oid
    assert path == store.root / "sources/acme--corpus" / commit / f"acme--corpus@{commit[:12]}.parquet"
    table = pq.read_table(path)
    assert table.column_names == ["key", "text", "licence"]
    assert table["text"].to_pylist() == list(make_texts(6).values())
    assert set(table["licence"].to_pylist()) == {"cc-by-4.0"}
    assert origin_of(path) == f"hf://acme/corpus@{commit}:train"


def test_a_split_a_revision_and_other_files_than_parquet_can_be_named(hub: FakeHub, store: Store) -> None:
    add_corpus(hub, {"a": "one", "b": "two", "c": "three"})
    (path,) = fetch(store, Path("hf://acme/corpus@main:test"))
    assert pq.read_table(path)["key"].to_pylist() == ["a", "b"]
    hub.create("acme/lines", private=False, files={"train.jsonl": lines([{"body": "x", "title": "y"}] * 3)})
    (path,) = fetch(store, Path("hf://acme/lines"))
    assert pq.read_table(path).to_pylist() == [{"body": "x", "title": "y"}] * 3


def test_a_run_of_the_hub_names_the_commit_and_is_resumed_without_a_network(
    hub: FakeHub, store: Store, make_texts: Callable[..., dict[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    add_corpus(hub, make_texts(12))
    documents = fetch(store, CORPUS)
    run = create_run(resolve(Choices(domain="finance", documents=documents, limit=10)), store, id_field="key")
    commit = hub.repos["acme/corpus"].commits[-1].oid
    assert run.info.origins == [f"hf://acme/corpus@{commit}:train"]
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:1")
    asked = len(hub.requests)
    version = execute(run)
    assert len(hub.requests) == asked
    assert version.manifest.licences == {"cc-by-4.0": 10}
    assert fetch(store, Path(f"hf://acme/corpus@{commit}")) == documents


def test_another_commit_is_another_file(hub: FakeHub, store: Store) -> None:
    add_corpus(hub, {"a": "one"})
    (first,) = fetch(store, CORPUS)
    repo = hub.repos["acme/corpus"]
    changed = {"data/train-00000-of-00001.parquet": parquet([{"key": "a", "text": "changed"}])}
    repo.commits.append(type(repo.commits[0])("f" * 40, "second", repo.commits[0].files | changed))
    (second,) = fetch(store, CORPUS)
    assert pq.read_table(first)["text"].to_pylist() == ["one"]
    assert pq.read_table(second)["text"].to_pylist() == ["changed"]
    assert fetch(store, Path(f"hf://acme/corpus@{repo.commits[0].oid}")) == (first,)


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("hf://acme/none", "has no dataset 'acme/none' that may be read: check the name"),
        ("hf://acme/corpus@v9", "has no revision 'v9'"),
        ("hf://acme/corpus:dev", "has no split 'dev'; known: test, train"),
        ("hf://acme/corpus/other", "can't read hf://acme/corpus@.*BuilderConfig 'other' not found"),
        ("hf://corpus", "names no dataset of the Hub: write hf://ORG/NAME"),
    ],
)
def test_what_is_not_there_is_told_in_one_sentence(hub: FakeHub, store: Store, path: str, said: str) -> None:
    add_corpus(hub, {"a": "one"})
    with pytest.raises(InputError, match=said):
        fetch(store, Path(path))
    assert not list(store.root.rglob("*.parquet"))


def test_a_dataset_without_text_names_its_columns(hub: FakeHub, store: Store) -> None:
    hub.create("acme/numbers", private=False, files={"train.jsonl": lines([{"left": 1, "right": "x"}])})
    with pytest.raises(DocumentError, match=r"acme/numbers@.* has no field .* \(its fields are left, right\)"):
        fetch(store, Path("hf://acme/numbers"))
    (path,) = fetch(store, Path("hf://acme/numbers"), text_field="right")
    assert pq.read_table(path)["right"].to_pylist() == ["x"]


def test_a_private_dataset_needs_a_token_and_a_gated_one_needs_access(
    hub: FakeHub, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.create("acme/secret", private=True, files={"train.jsonl": lines([{"text": "x"}])})
    monkeypatch.delenv("HF_TOKEN")
    with pytest.raises(InputError, match=r"no dataset 'acme/secret' that may be read.*HF_TOKEN"):
        fetch(store, Path("hf://acme/secret"))
    from huggingface_hub.errors import GatedRepoError

    gated = GatedRepoError.__new__(GatedRepoError)
    said = _explain(gated, Address("acme/gated"), has_token=True)
    assert (
        said
        == f"hf://acme/gated is gated: ask for access at {hub.url}/datasets/acme/gated, then try again with a token that may read it"
    )


def test_no_network_is_told_in_one_sentence(hub: FakeHub, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:1")
    with pytest.raises(InputError, match=r"can't reach http://127.0.0.1:1 for hf://acme/corpus .*check the network"):
        fetch(store, CORPUS)
