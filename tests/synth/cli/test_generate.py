from __future__ import annotations

import errno
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import pytest

from synth.cli import spread_documents
from synth.run import iterate_runs
from synth.store import Store
from synth.verify import verify_version

Cli = Callable[..., Any]

GOOD_DOMAIN = """\
name: cooking
title: Cooking
description: Recipes and kitchen notes.
corpus: recipes
personas: people.jsonl
"""


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


def left_behind(store: Store) -> list[str]:
    """Runs and versions of a store that should have none."""
    runs = [path.name for path in store.runs.iterdir()] if store.runs.is_dir() else []
    versions = [path.name for path in store.versions.iterdir()] if store.versions.is_dir() else []
    return runs + versions


def test_a_dataset_is_made_shown_and_followed_by_what_to_try_next(cli: Cli, store: Store, documents: Path) -> None:
    done = cli("generate", "--domain", "finance", "--documents", documents, "--limit", 20, "--store", store.root)
    assert done.code == 0
    assert "finance@1: 1,000 planned items" in done.out
    assert "surplus (beyond the number asked for)" in done.out
    assert f"Published finance@1: {store.versions / 'finance' / '1'}" in done.out
    assert f"synth datasets show finance --store {store.root}" in done.out
    assert "cut out of real text" in done.out
    assert "The teacher was BM25" in done.out
    assert store.catalog.is_file()
    assert verify_version(store.find("finance")) == []
    assert store.find("finance").manifest.funnel.accepted == 20


def test_progress_goes_to_stderr_only(cli: Cli, store: Store, documents: Path) -> None:
    done = cli("generate", "--domain", "finance", "--documents", documents, "--store", store.root)
    stages = ["read documents", "chunk documents", "compare passages", "index passages (12)"]
    stages += ["make items (48)", "judge the whole set", "mine and publish (48)", "measure diversity"]
    assert done.err.splitlines() == stages
    assert not [line for line in stages if line in done.out]


def test_json_is_one_document_and_nothing_else(cli: Cli, store: Store, documents: Path) -> None:
    done = cli("generate", "-d", "finance", "--documents", documents, "-n", 15, "--store", store.root, "--json")
    assert done.code == 0
    shown = done.json
    manifest = store.find("finance").manifest
    assert shown["dataset"] == "finance@1"
    assert shown["accepted"] == 15
    assert shown["planned"] == 15 + sum(shown["rejected"].values()) + sum(shown["failed"].values())
    assert shown["content_sha256"] == manifest.content_sha256
    assert Path(shown["path"]) == store.versions / "finance" / "1"
    assert done.out.count("\n{") == 0


def test_the_same_command_twice_publishes_once(cli: Cli, store: Store, documents: Path) -> None:
    command = ("generate", "--domain", "finance", "--documents", documents, "--store", store.root, "--json")
    first, again = cli(*command), cli(*command)
    assert first.json["dataset"] == again.json["dataset"] == "finance@1"
    assert "nothing changed since finance@1" in again.err


def test_a_number_that_can_not_be_reached_ends_partial_and_well(cli: Cli, store: Store, tmp_path: Path) -> None:
    (tmp_path / "one.txt").write_text(
        "The borrower repaid its senior notes before the audit closed in the third quarter."
    )
    (tmp_path / "strict.yaml").write_text("gates: [{name: length, settings: {min_words: 12}}]\n")
    command = ("generate", "-d", "finance", "--documents", tmp_path / "one.txt", "--config", tmp_path / "strict.yaml")
    done = cli(*command, "--limit", 400, "--store", store.root)
    accepted = store.find("finance").manifest.funnel.accepted
    assert done.code == 0
    assert f"Partial: the documents hold no more: {accepted} of 400" in done.out
    assert f"{accepted} of 400 records were accepted" in done.err
    assert store.names() == ["finance"]


def test_the_store_is_taken_from_the_environment_and_the_flag_wins(
    cli: Cli, documents: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SYNTH_STORE", str(tmp_path / "named"))
    done = cli("generate", "--domain", "finance", "--documents", documents)
    assert Store(tmp_path / "named").names() == ["finance"]
    assert "--store" not in done.out
    cli("generate", "--domain", "finance", "--documents", documents, "--store", tmp_path / "flag", "--name", "x")
    assert Store(tmp_path / "flag").names() == ["x"]
    assert Store(tmp_path / "named").names() == ["finance"]


def test_without_a_word_the_store_is_a_folder_here(cli: Cli, documents: Path, tmp_path: Path) -> None:
    assert cli("generate", "--domain", "finance", "--documents", documents).code == 0
    assert Store(tmp_path / "synth-store").names() == ["finance"]


def test_flags_win_over_the_configuration_which_wins_over_the_domain(
    cli: Cli, store: Store, documents: Path, tmp_path: Path
) -> None:
    (tmp_path / "c.yaml").write_text("seed: 5\nplan: {items_per_passage: 2}\nmining: {negatives: 1}\n")
    command = (
        "generate",
        "-d",
        "finance",
        "--documents",
        documents,
        "--config",
        tmp_path / "c.yaml",
        "--store",
        store.root,
    )
    assert cli(*command, "--seed", 6).code == 0
    recipe = store.find("finance").manifest.recipe
    assert (recipe.seed, recipe.plan.items_per_passage, recipe.mining.negatives) == (6, 2, 1)
    assert recipe.mining.strategy == "multi_signal"


def test_named_fields_are_read(cli: Cli, store: Store, tmp_path: Path, make_texts: Any) -> None:
    rows = [
        {"key": f"k{i}", "headline": f"Headline {i}", "story": text} for i, text in enumerate(make_texts(4).values())
    ]
    (tmp_path / "rows.jsonl").write_bytes(b"\n".join(orjson.dumps(row) for row in rows))
    fields = ("--text-field", "story", "--title-field", "headline", "--id-field", "key")
    done = cli("generate", "-d", "finance", "--documents", tmp_path / "rows.jsonl", *fields, "--store", store.root)
    assert done.code == 0
    run = next(iterate_runs(store))
    assert (run.info.text_field, run.info.title_field, run.info.id_field) == ("story", "headline", "key")


def test_a_domain_file_of_ones_own_is_enough(cli: Cli, store: Store, tmp_path: Path, make_texts: Any) -> None:
    (tmp_path / "cooking.yaml").write_text(GOOD_DOMAIN)
    (tmp_path / "people.jsonl").write_text('{"id": "cook", "text": "A cook in a hurry who asks about ingredients."}\n')
    (tmp_path / "recipes").mkdir()
    for name, text in make_texts(5).items():
        (tmp_path / "recipes" / f"{name}.txt").write_text(text)
    done = cli("generate", "--domain", tmp_path / "cooking.yaml", "--limit", 5, "--store", store.root, "--json")
    assert done.json["dataset"] == "cooking@1"
    assert done.json["accepted"] == 5


def write(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


def bad_domain(tmp_path: Path, text: str) -> tuple[object, ...]:
    return ("--domain", write(tmp_path / "bad.yaml", text))


def bad_config(tmp_path: Path, text: str) -> tuple[object, ...]:
    return ("--domain", "finance", "--config", write(tmp_path / "bad.yaml", text))


def of(path: Path) -> tuple[object, ...]:
    return ("--domain", "finance", "--documents", path)


def folder(path: Path) -> Path:
    path.mkdir()
    return path


WRONG: dict[str, tuple[Callable[[Path], tuple[object, ...]], str]] = {
    "missing path": (lambda p: of(p / "docmuents.jsonl"), "docmuents.jsonl does not exist; did you mean 'documents.jsonl'?"),
    "unsupported file": (lambda p: of(write(p / "a.xyz", "text")), "a.xyz is not a format synth reads"),
    "empty folder": (lambda p: of(folder(p / "none")), "holds no file synth reads"),
    "empty file": (lambda p: of(write(p / "a.txt", "")), "no passage could be made from the documents (empty 1)"),
    "binary file": (lambda p: of(write(p / "a.parquet", "not parquet")), "no passage could be made from the documents (corrupt 1)"),
    "no text field": (lambda p: of(write(p / "a.jsonl", '{"foo": 1, "bar": 2}')), "its fields are foo, bar): name it with --text-field"),
    "wrong text field": (lambda p: (*of(p / "documents.jsonl"), "--text-field", "txt"), "no field 'txt', which --text-field names; did you mean 'text'?"),
    "unknown domain": (lambda p: ("--domain", "finanse"), "there is no domain called 'finanse'; did you mean 'finance'?"),
    "missing domain file": (lambda p: ("--domain", "./nosuch.yaml"), "there is no domain file nosuch.yaml"),
    "domain without field": (lambda p: bad_domain(p, "name: x\ntitle: X\n"), "bad.yaml, line 1, field description: is missing"),
    "domain with misspelt field": (lambda p: bad_domain(p, GOOD_DOMAIN + "chunk:\n  max_char: 5\n"), "bad.yaml, line 7, field chunk.max_char: unknown field; did you mean 'max_chars'?"),
    "domain with wrong value": (lambda p: bad_domain(p, GOOD_DOMAIN + "limit: many\n"), "bad.yaml, line 6, field limit: "),
    "domain is no YAML": (lambda p: bad_domain(p, "name: [\n"), "bad.yaml, line 2: not valid YAML"),
    "domain without corpus": (lambda p: bad_domain(p, GOOD_DOMAIN), "bad.yaml, line 5, field "),
    "config with misspelt field": (lambda p: bad_config(p, "sede: 4\n"), "bad.yaml, line 1, field sede: unknown field; did you mean 'seed'?"),
    "config with wrong value": (lambda p: bad_config(p, "mining:\n  max_score: high\n"), "bad.yaml, line 2, field mining.max_score: "),
    "config is no mapping": (lambda p: bad_config(p, "just text"), "expected `field: value` lines"),
    "config with unknown gate": (lambda p: bad_config(p, "gates: [{name: lenght}]"), "there is no gate called 'lenght'; did you mean 'length'?"),
    "config with wrong gate setting": (lambda p: bad_config(p, "gates: [{name: length, settings: {min_word: 3}}]"), "gate 'length': setting 'min_word'"),
    "config with unknown generator": (lambda p: bad_config(p, "generator: extractiv"), "there is no generator called 'extractiv'"),
    "missing config": (lambda p: ("--domain", "finance", "--config", p / "none.yaml"), "No such file or directory"),
    "config is a folder": (lambda p: ("--domain", "finance", "--config", folder(p / "c.yaml")), "Is a directory"),
    "missing personas": (lambda p: ("--domain", "finance", "--personas", p / "none.jsonl"), "can't read personas from"),
    "wrong personas": (lambda p: ("--domain", "finance", "--personas", write(p / "p.jsonl", '{"id": "a"}')), "p.jsonl, line 1, field text"),
    "limit of nothing": (lambda p: ("--domain", "finance", "--limit", 0), "must be at least 1, got 0"),
    "negative limit": (lambda p: ("--domain", "finance", "--limit", -3), "must be at least 1, got -3"),
    "negative seed": (lambda p: ("--domain", "finance", "--seed", -1), "--seed: "),
    "bad name": (lambda p: ("--domain", "finance", "--name", "My Data"), "'My Data' can't name a dataset"),
    "name that climbs": (lambda p: ("--domain", "finance", "--name", "../up"), "'../up' can't name a dataset"),
    "unknown teacher": (lambda p: (*of(p / "documents.jsonl"), "--teacher", "/no/such/model"), "teacher"),
}  # fmt: skip


@pytest.mark.parametrize("case", WRONG)
def test_wrong_input_is_one_sentence_and_leaves_nothing_behind(
    cli: Cli, store: Store, documents: Path, tmp_path: Path, case: str
) -> None:
    arguments, sentence = WRONG[case]
    done = cli("generate", *arguments(tmp_path), "--store", store.root)
    assert done.code == 2
    assert sentence in done.error
    assert left_behind(store) == []


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read_is_one_sentence(cli: Cli, store: Store, documents: Path) -> None:
    documents.chmod(0)
    done = cli("generate", *of(documents), "--store", store.root)
    assert done.code == 2
    assert "Permission denied" in done.error
    assert left_behind(store) == []


STORES = ["file", "file/below", "a" * 300, "~nosuchuser/store"]


@pytest.mark.parametrize("root", STORES, ids=["a file", "below a file", "too long", "of nobody"])
def test_a_store_that_can_not_be_written_is_one_sentence(cli: Cli, documents: Path, tmp_path: Path, root: str) -> None:
    (tmp_path / "file").write_text("x")
    done = cli("generate", *of(documents), "--store", root)
    assert done.code == 2
    assert "store" in done.error
    assert done.err.count("\n") == 1
    assert {path.name for path in tmp_path.iterdir()} == {"file", "documents.jsonl"}


def test_a_full_disk_is_one_sentence_and_the_run_can_be_resumed(
    cli: Cli, store: Store, documents: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr("synth.run.make_shards", _fill_the_disk(patched))
        done = cli("generate", *of(documents), "--store", store.root)
    assert done.code == 2
    assert "No space left on device" in done.error
    assert store.names() == []
    assert cli("resume", "--store", store.root).code == 0
    assert store.names() == ["finance"]


def _fill_the_disk(patched: pytest.MonkeyPatch) -> Callable[..., None]:
    from synth.shard import make_shards

    def full(*args: Any) -> Any:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def make(*args: Any) -> int | None:
        patched.setattr(os, "fsync", full)
        return make_shards(*args)

    return make


@pytest.mark.skipif(sys.platform == "win32", reason="needs a limit on file sizes")
@pytest.mark.parametrize("largest", [2_000, 12_000])
def test_a_write_that_really_fails_is_one_sentence(
    cli: Cli, store: Store, tmp_path: Path, make_texts: Any, write_rows: Any, largest: int
) -> None:
    """No file may grow beyond `largest` bytes, so that the writes themselves fail."""
    import resource

    documents = write_rows(tmp_path / "many.jsonl", make_texts(120))
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (largest, before[1]))
    try:
        done = cli("generate", *of(documents), "--store", store.root)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert done.code == 2
    assert "File too large" in done.error
    assert store.names() == []


def test_secrets_of_the_environment_are_nowhere_in_the_store(
    cli: Cli, store: Store, documents: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_secretsecretsecretsecret")
    done = cli("generate", *of(documents), "--store", store.root)
    assert done.code == 0
    assert "hf_secret" not in done.out + done.err
    files = [path for path in store.root.rglob("*") if path.is_file()]
    assert len(files) > 10
    assert not [path for path in files if b"hf_secret" in path.read_bytes()]


def test_a_real_process_ends_with_the_same_codes_and_words(start: Any, tmp_path: Path) -> None:
    done = start("generate", "--domain", "finanse", "--store", tmp_path / "store").end()
    assert done.code == 2
    assert "did you mean 'finance'" in done.error
    assert not (tmp_path / "store").exists()


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        (["--documents", "a", "b", "--limit", "5"], ["--documents", "a", "--documents", "b", "--limit", "5"]),
        (["--documents", "a", "--documents", "b", "c"], ["--documents", "a", "--documents", "b", "--documents", "c"]),
        (["--documents=a", "--name", "x"], ["--documents=a", "--name", "x"]),
        (["--limit", "5"], ["--limit", "5"]),
    ],
)
def test_one_flag_takes_several_documents(typed: list[str], meant: list[str]) -> None:
    assert spread_documents(["generate", *typed]) == ["generate", *meant]
