"""`synth enrich documents | measure`, as they are typed."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fake_llm import Fill, Say, fake_llm

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


@pytest.mark.slow
def test_a_run_rewrites_the_sources_that_its_recipe_names(cli: Cli, tmp_path: Path) -> None:
    rows = [
        {"body": f"inv {n}00 unpd since the spring, chk vndr and call the bank at once", "key": n} for n in range(1, 9)
    ]
    for name in ("tickets", "letters"):
        (tmp_path / f"{name}.jsonl").write_text("\n".join(json.dumps(r | {"key": f"{name}{r['key']}"}) for r in rows))
    config = tmp_path / "config.yaml"
    config.write_text("enrich: {sources: ['tickets*']}\ngates: []\nset_gates: []\nsplits: {near_duplicate: 1.0}\n")
    store = tmp_path / "store"

    def script(prompt: str, asked: int) -> Any:
        return spelt_out(prompt, asked) if "<text>" in prompt else Fill()

    flags = ["--domain", "finance", "--config", config, "--text-field", "body", "--id-field", "key", "--store", store]
    for name in ("tickets", "letters"):
        flags += ["--documents", tmp_path / f"{name}.jsonl"]
    with fake_llm(script) as fake:
        first = cli("generate", *flags, "--llm", fake.url, "--limit", 4)
        asked = len([body for body in fake.bodies if "<text>" in json.dumps(body)])
        again = cli("generate", *flags, "--llm", fake.url, "--limit", 6)
        assert (first.code, again.code) == (0, 0), first.err + again.err
        assert asked == 8 == len([body for body in fake.bodies if "<text>" in json.dumps(body)]), "rewritten once"
    sql = 'SELECT document_id, text, written_by FROM "finance_passages" ORDER BY 1'
    passages = cli("sql", sql, "--store", store, "--json").json
    assert len(passages) == 16
    for passage in passages:
        rewritten = passage["document_id"].startswith("tickets")
        assert ("please check with the vendor" in passage["text"]) == rewritten
        assert passage["written_by"] == ("fake" if rewritten else "")
    (kept,) = (store / "enriched").glob("*.jsonl")
    originals = [json.loads(line)["original"] for line in kept.read_text().splitlines()]
    assert sum(bool(text) for text in originals) == 8 and all("chk vndr" in text for text in originals if text)
