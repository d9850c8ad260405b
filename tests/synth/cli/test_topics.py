"""`synth topics` and `--documents topics`, as they are typed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from fake_llm import FakeLlm, fake_llm
from inventing import answer

Cli = Callable[..., Any]


@pytest.fixture
def fake() -> Iterator[FakeLlm]:
    with fake_llm(answer) as server:
        yield server


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_tree_documents_and_instructions_come_one_after_the_other(cli: Cli, fake: FakeLlm, here: Path) -> None:
    shape = ("--branches", 2, "--sections", 2, "--leaves", 2)
    done = cli("topics", "tree", "--domain", "legal", "--llm", fake.url, *shape)
    assert (done.code, "8 topics in topics.yaml (asked 7 = kept 7)" in done.out) == (0, True)
    (here / "c.yaml").write_text("topics: topics.yaml\n")
    own = ("--domain", "legal", "--llm", fake.url, "--config", here / "c.yaml")
    done = cli("topics", "documents", *own, "--count", 8, "--language", "de", "--json")
    assert (done.code, done.json["kept"]) == (0, 8)
    assert '"language":"de"' in (here / "documents.jsonl").read_text()
    done = cli("topics", "instructions", *own, "--count", 8, "-o", "i.jsonl")
    assert (done.code, "task instructions in i.jsonl" in done.out) == (0, True)


def test_a_dataset_comes_from_nothing_but_a_domain(cli: Cli, fake: FakeLlm) -> None:
    flags = ("--domain", "medical", "--documents", "topics", "--llm", fake.url, "--limit", 20)
    done = cli("generate", *flags, "--json")
    assert done.code == 0, done.err
    assert done.json["records"] == 20
    asked = len(fake.bodies)
    assert cli("generate", *flags, "--seed", 0, "--json").code == 0
    assert len(fake.bodies) == asked, "documents and queries are paid for once"


def test_a_file_is_never_written_over(cli: Cli, fake: FakeLlm, here: Path) -> None:
    (here / "documents.jsonl").write_text("mine")
    done = cli("topics", "documents", "--domain", "legal", "--llm", fake.url)
    assert (done.code, "documents.jsonl exists; name another with -o" in done.err) == (2, True)
    assert (here / "documents.jsonl").read_text() == "mine"


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (("--domain", "legall"), "did you mean 'legal'"),
        (("--domain", "legal"), "written by an LLM: add --llm"),
        (("--domain", "legal", "--language", "klingon"), "'klingon' is no language code"),
    ],
)
def test_a_mistake_is_one_sentence(cli: Cli, flags: tuple[str, ...], message: str) -> None:
    done = cli("topics", "documents", *flags)
    assert done.code == 2
    assert message in " ".join(done.err.split())
