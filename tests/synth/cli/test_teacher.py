"""The flag `--teacher` with the address of a server, as it is typed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from fake_embedder import Embedder
from fake_llm import FakeLlm, fake_llm

from synth.llm.link import Patience
from synth.run import Run, find_run
from synth.store import Store

Cli = Callable[..., Any]


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


@pytest.fixture
def fake() -> Iterator[FakeLlm]:
    with fake_llm(embedder=Embedder()) as server:
        yield server


def generate(cli: Cli, store: Store, *more: object) -> Any:
    return cli("generate", "--domain", "finance", "--limit", 40, "--store", store.root, "--json", *more)


def only_run(store: Store) -> Run:
    (path,) = store.runs.iterdir()
    return Run(store, path.name)


def test_a_server_scores_a_whole_dataset_and_its_address_stays_out_of_the_recipe(
    cli: Cli, store: Store, fake: FakeLlm
) -> None:
    done = generate(cli, store, "--teacher", f"{fake.url},query_prompt=find, please: ,batch=16")
    assert done.code == 0, done.err
    run = only_run(store)
    assert run.recipe.teacher == "served:fake,query_prompt=find, please: "
    assert (run.info.teacher.url, run.info.teacher.batch) == (fake.url, 16)
    assert b"127.0.0.1" not in (run.folder / "recipe.json").read_bytes()
    manifest = store.find("finance").manifest
    assert manifest.teacher.name == run.recipe.teacher
    assert manifest.teacher.identity["model"] == "fake"
    published = [path for path in store.versions.rglob("*") if path.is_file()]
    assert published
    assert not [path for path in published if fake.url.encode() in path.read_bytes()]
    assert fake.embedder is not None
    assert {len(body["input"]) for body in fake.embedder.bodies} <= {1, 3, *range(17)}


def test_a_configuration_file_may_name_the_server_too(cli: Cli, store: Store, fake: FakeLlm, tmp_path: Path) -> None:
    (tmp_path / "c.yaml").write_text(f"teacher: '{fake.url},dimensions=16'\n")
    assert generate(cli, store, "--config", tmp_path / "c.yaml").code == 0
    assert only_run(store).recipe.teacher == "served:fake,dimensions=16"


@pytest.mark.slow
def test_a_run_whose_server_went_away_goes_on_with_another_to_the_same_dataset(
    cli: Cli, store: Store, fake: FakeLlm, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = generate(cli, Store(tmp_path / "other"), "--teacher", fake.url)
    assert fake.embedder is not None
    monkeypatch.setattr("synth.teachers.remote.Patience", lambda: Patience(gone=0.3, backoff=0.01))
    fake.embedder.bodies.clear()
    fake.embedder.faults = lambda text, asked: "reset" if len(fake.embedder.bodies) > 5 else None
    died = generate(cli, store, "--teacher", f"{fake.url},batch=8")
    assert died.code == 1
    assert "does not answer /embeddings any more" in died.error
    run = find_run(store, None)
    with fake_llm(embedder=Embedder(), model="another") as wrong, fake_llm(embedder=Embedder()) as right:
        refused = cli("resume", "--store", store.root, "--teacher", wrong.url)
        assert refused.code == 2
        assert f"{wrong.url} does not serve the model 'fake'" in refused.error
        done = cli("resume", "--store", store.root, "--teacher", right.url, "--json")
        assert done.code == 0, done.err
        assert Run(store, run.id).info.teacher.url == right.url
    assert done.json["content_sha256"] == whole.json["content_sha256"]


WRONG = {
    "an unknown option": ("{url},bach=3", "the option 'bach' is not understood"),
    "a number that is none": ("{url},batch=lots", "batch=lots: Input should be a valid integer"),
    "no server there": ("http://127.0.0.1:9/v1", "does not answer"),
    "a chat model": ("{chat}", "can't be the teacher: name the server of an embedding model"),
    "a model it has not": ("{url},model=fakes", "does not serve the model 'fakes'; did you mean 'fake'?"),
    "no address": ("served:fake", "names no server: write --teacher http://HOST:8001/v1,model=fake"),
    "too many dimensions": ("{url},dimensions=999", "was asked for vectors of 999 dimensions and gives 32"),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_flag_is_one_sentence_and_leaves_nothing_behind(
    cli: Cli, store: Store, fake: FakeLlm, case: str
) -> None:
    flag, said = WRONG[case]
    with fake_llm() as chat:
        done = generate(cli, store, "--teacher", flag.replace("{url}", fake.url).replace("{chat}", chat.url))
    assert done.code == 2
    assert said in done.error
    assert not list(store.runs.glob("*"))


def test_resuming_with_another_teacher_is_one_sentence(cli: Cli, store: Store, fake: FakeLlm, new_run: Any) -> None:
    run = new_run(
        {"a": "The covenant was reset in June, and the lenders agreed to it without a fee. " * 5}, store=store
    )
    done = cli("resume", "--store", store.root, "--teacher", fake.url)
    assert done.code == 2
    assert "the run was begun with the teacher 'lexical' and can't go on with 'served:fake'" in done.error
    assert run.info.teacher.url == ""


def test_personas_are_matched_and_compared_by_a_server(cli: Cli, store: Store, fake: FakeLlm, tmp_path: Path) -> None:
    (tmp_path / "c.yaml").write_text("persona: {match: top-k, k: 3}\n")
    flags = ("--domain", "finance", "--config", tmp_path / "c.yaml", "--store", store.root, "--teacher", fake.url)
    assert cli("plan", *flags, "--json").code == 0
    (tmp_path / "p.jsonl").write_text(
        '{"id": "a", "text": "a banker who works in a large bank"}\n{"id": "b", "text": "a banker who works in a large bank"}\n'
    )
    done = cli("personas", "check", tmp_path / "p.jsonl", "--store", store.root, "--teacher", fake.url, "--json")
    assert done.code == 0, done.err
    assert done.json["compared"]["embedding"] == "embeddings"
