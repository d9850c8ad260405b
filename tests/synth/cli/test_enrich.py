"""`synth enrich documents | measure`, as they are typed."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fake_llm import Say, fake_llm

Cli = Callable[..., Any]


@pytest.fixture
def labelled(tmp_path: Path) -> Path:
    """A BEIR folder of ten tickets in shorthand; queries ask for them in full."""
    folder = tmp_path / "tickets"
    folder.mkdir()
    rows = [{"_id": f"t{n}", "text": f"inv {n}00 unpd, chk vndr"} for n in range(1, 11)]
    (folder / "corpus.jsonl").write_text("\n".join(map(json.dumps, rows)))
    asked = [{"_id": f"q{n}", "text": f"unpaid invoice number {n}00"} for n in range(1, 11)]
    (folder / "queries.jsonl").write_text("\n".join(map(json.dumps, asked)))
    judged = [{"query-id": f"q{n}", "corpus-id": f"t{n}", "score": 1} for n in range(1, 11)]
    (folder / "qrels.jsonl").write_text("\n".join(map(json.dumps, judged)))
    return folder


def spelt_out(prompt: str, _: int) -> Say:
    number = prompt.split("<text>")[-1].split()[1]
    return Say(json.dumps({"text": f"The invoice number {number} is unpaid; please check with the vendor."}))


def test_documents_are_rewritten_and_measured(cli: Cli, labelled: Path, tmp_path: Path) -> None:
    file, store = tmp_path / "e.jsonl", tmp_path / "store"
    with fake_llm(spelt_out) as fake:
        done = cli(
            "enrich",
            "documents",
            "--documents",
            labelled / "corpus.jsonl",
            "--llm",
            fake.url,
            "-o",
            file,
            "--store",
            store,
        )
    assert done.code == 0
    assert "10 documents in" in done.out and "read 10 = rewritten 10" in done.out and "before: inv 100" in done.out
    found = cli("enrich", "measure", labelled, "--rewritten", file, "--k", 1, "--store", store, "--json").json
    assert (found["queries"], found["changed"], found["rewritten"]) == (10, 10, 1.0)
    told = cli("enrich", "measure", labelled, "--rewritten", file, "--k", 1, "--store", store)
    assert "recall@1 of 10 queries, 10 of 10 passages rewritten" in told.out and found["verdict"] in told.out


def test_what_is_missing_is_named(cli: Cli, labelled: Path, tmp_path: Path) -> None:
    assert "--documents PATH" in cli("enrich", "documents", "--llm", "http://127.0.0.1:9").error
    corpus = labelled / "corpus.jsonl"
    assert "rewritten by an LLM: add --llm" in cli("enrich", "documents", "--documents", corpus).error
    assert "exists; name another" in cli("enrich", "documents", "--documents", corpus, "-o", corpus).error
    assert "is no BEIR folder" in cli("enrich", "measure", tmp_path, "--rewritten", corpus).error
    other = tmp_path / "other.jsonl"
    other.write_text('{"text": "without an id"}\n')
    assert "row 1 has no id" in cli("enrich", "measure", labelled, "--rewritten", other).error.replace("line", "row")
