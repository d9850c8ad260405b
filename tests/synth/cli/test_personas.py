"""`synth personas`, as it is typed."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from fake_llm import FakeLlm, Say, fake_llm, query_of, wait_for
from people import describe

from synth.llm.journal import read_journal

Cli = Callable[..., Any]

ANALYST = "An analyst at a pension fund who compares the fees of bond funds before every committee."
CLERK = "A clerk in a town hall who must find which form a landlord has to send in this month."


def write(path: Path, *personas: dict[str, Any]) -> Path:
    path.write_text("".join(json.dumps(persona) + "\n" for persona in personas))
    return path


def test_a_file_is_checked_and_counted(cli: Cli, tmp_path: Path) -> None:
    file = write(
        tmp_path / "people.jsonl",
        {"id": "analyst", "text": ANALYST, "expertise": "expert", "licence": ""},
        {"id": "clerk", "text": CLERK, "origin": "file", "style": "keywords"},
        {"id": "again", "text": ANALYST.replace("every", "each"), "origin": "file"},
    )
    report = cli("personas", "check", file, "--json").json
    assert report["personas"] == 3
    assert report["origin"] == {"file": 2, "shipped": 1}
    assert report["style"] == {"keywords": 1, "question": 2}
    assert report["expertise"] == {"expert": 1, "practitioner": 2}
    assert report["licence"] == {"Apache-2.0": 2, "unknown": 1}
    assert [(one["id"], one["of"]) for one in report["duplicates"]] == [("again", "analyst")]
    said = cli("personas", "check", file).out
    assert "3 personas, all valid" in said
    assert "again is analyst" in said
    assert "counts of content words" in said


def test_the_shipped_personas_are_sound_and_unlike_each_other(cli: Cli) -> None:
    from synth.domains import load_domain

    report = cli("personas", "check", load_domain("finance").personas, "--json").json
    assert report["personas"] >= 60
    assert report["duplicates"] == []


def test_a_mistake_in_a_persona_is_one_sentence_with_its_line(cli: Cli, tmp_path: Path) -> None:
    file = write(tmp_path / "people.jsonl", {"id": "analyst", "text": ANALYST}, {"id": "b", "text": "short"})
    done = cli("personas", "check", file)
    assert done.code == 2
    assert "people.jsonl, line 2, field text" in done.error


@pytest.mark.parametrize("flag", ["--minhash", "--cosine"])
def test_thresholds_are_shares(cli: Cli, tmp_path: Path, flag: str) -> None:
    file = write(tmp_path / "people.jsonl", {"id": "analyst", "text": ANALYST})
    assert cli("personas", "check", file, flag, "1.5").code == 2


@pytest.fixture
def fake() -> Iterator[FakeLlm]:
    with fake_llm(describe, model="qwen") as server:
        yield server


def test_personas_of_documents_are_derived_and_the_count_adds_up(
    cli: Cli, documents: Path, fake: FakeLlm, tmp_path: Path
) -> None:
    done = cli("personas", "derive", "--documents", documents, "--llm", fake.url, "--count", 6, "--expand", 1)
    assert done.code == 0
    assert "6 personas in personas.jsonl (asked 6 = kept 6)" in done.out
    assert "Compared: sets of words (minhash), counts of content words" in done.out
    lines = [json.loads(line) for line in (tmp_path / "personas.jsonl").read_text().splitlines()]
    assert [line["model"] for line in lines] == ["qwen"] * 6
    assert cli("personas", "check", "personas.jsonl", "--json").json["origin"] == {"documents": 6}
    again = cli("personas", "derive", "--documents", documents, "--llm", fake.url, "-n", 6, "-o", "b.jsonl", "--json")
    report = again.json
    assert report.pop("compared").startswith("counts of content words")
    assert report == {"file": "b.jsonl", "asked": 6, "kept": 6, "duplicate": {}, "failed": {}, "exhausted": ""}


def test_derived_personas_write_queries(cli: Cli, documents: Path, fake: FakeLlm) -> None:
    cli("personas", "derive", "--documents", documents, "--llm", fake.url, "--count", 5)
    fake.script = lambda prompt, asked: query_of(prompt)
    fake.bodies.clear()
    arguments = ["--domain", "finance", "--documents", documents, "--limit", 20, "--llm", fake.url]
    made = cli("generate", *arguments, "--personas", "personas.jsonl", "--json")
    assert made.json["accepted"] == 20
    texts = [json.loads(line)["text"] for line in Path("personas.jsonl").read_text().splitlines()]
    assert all(any(f"Person: {text}" in prompt for text in texts) for prompt in fake.prompts)


def test_a_file_that_is_there_is_not_written_over(cli: Cli, documents: Path, fake: FakeLlm, tmp_path: Path) -> None:
    (tmp_path / "personas.jsonl").write_text("edited by hand")
    done = cli("personas", "derive", "--documents", documents, "--llm", fake.url)
    assert done.code == 2
    assert done.error == "Error: personas.jsonl exists; name another with -o, or remove it (nothing is asked twice)"
    assert fake.bodies == []


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "give --documents PATH, or --domain NAME"),
        (["--domain", "finance"], "add --llm http://HOST:8000/v1"),
        (["--domain", "finanse"], "did you mean 'finance'"),
        (["--documents", "nowhere"], "nowhere"),
    ],
)
def test_what_is_missing_is_said_in_one_sentence(cli: Cli, arguments: list[str], said: str, tmp_path: Path) -> None:
    done = cli("personas", "derive", *arguments)
    assert done.code == 2
    assert said in done.error
    assert list(tmp_path.iterdir()) == []


def test_a_model_that_never_answers_well_writes_no_file(cli: Cli, documents: Path, tmp_path: Path) -> None:
    with fake_llm(lambda prompt, asked: Say("{}")) as hostile:
        done = cli("personas", "derive", "--documents", documents, "--llm", hostile.url, "--count", 3)
    assert done.code == 2
    assert "no persona was kept (asked " in done.err
    assert "failed invalid_answer " in done.err
    assert not (tmp_path / "personas.jsonl").exists()


def test_after_kill_9_only_what_was_in_flight_is_asked_again(
    cli: Cli, start: Callable[..., Any], documents: Path, fake: FakeLlm, tmp_path: Path
) -> None:
    arguments = ["personas", "derive", "--documents", documents, "--llm", fake.url, "-n", 14, "--expand", 1]
    fake.script = lambda prompt, asked: Say(describe(prompt, 0).content, seconds=0.0 if len(fake.bodies) < 6 else 60)
    process = start(*arguments)
    journals = (tmp_path / "synth-store" / "answers").glob
    wait_for(lambda: len(fake.bodies) == 7, 30)
    wait_for(lambda: sum(len(read_journal(path, 0, 1000)) for path in journals("*/journal.sqlite")) == 5)
    process.kill()
    assert not (tmp_path / "personas.jsonl").exists()
    fake.script = describe
    done = cli(*arguments, "--json")
    assert done.json["kept"] == 14
    twice = [prompt for prompt, times in Counter(fake.prompts).items() if times > 1]
    assert len(set(fake.prompts)) == done.json["asked"] == 14
    assert len(twice) == 2


def write_or_describe(prompt: str, asked: int) -> Say:
    return describe(prompt, asked) if prompt.startswith("You describe people") else query_of(prompt)


def test_a_run_derives_its_personas_from_its_documents_once(
    cli: Cli, documents: Path, fake: FakeLlm, tmp_path: Path
) -> None:
    fake.script = write_or_describe
    arguments = ["--domain", "finance", "--documents", documents, "--llm", fake.url, "--personas", "documents"]
    planned = cli("plan", *arguments, "--limit", 10, "--json").json
    asked = len([prompt for prompt in fake.prompts if prompt.startswith("You describe people")])
    done = cli("generate", *arguments, "--limit", 10)
    assert done.code == 0, done.err
    assert len([prompt for prompt in fake.prompts if prompt.startswith("You describe people")]) == asked > 0
    (file,) = (tmp_path / "synth-store" / "personas").iterdir()
    texts = {json.loads(line)["id"]: json.loads(line)["text"] for line in file.read_text().splitlines()}
    assert len(texts) == asked
    assert {item["persona"] for item in planned["items"]} <= set(texts)
    queries = [prompt for prompt in fake.prompts if "Person: " in prompt]
    assert queries
    assert all(any(f"Person: {text}" in prompt for text in texts.values()) for prompt in queries)
    recipes = {json.loads(path.read_text())["personas_sha256"] for path in tmp_path.rglob("recipe.json")}
    assert recipes == {planned["recipe"]["personas_sha256"]}


@pytest.mark.slow
def test_personas_that_a_budget_cut_short_are_not_kept(
    cli: Cli, documents: Path, fake: FakeLlm, tmp_path: Path
) -> None:
    fake.script = write_or_describe
    arguments = ["--domain", "finance", "--documents", documents, "--llm", fake.url, "--personas", "documents"]
    cut = cli("generate", *arguments, "--max-requests", 3)
    assert cut.code == 1
    assert "the personas are not all there (unasked" in cut.err
    assert not list((tmp_path / "synth-store").glob("personas/*"))
    assert cli("generate", *arguments, "--limit", 10).code == 0


@pytest.mark.slow
def test_a_domain_without_documents_of_yours_derives_from_its_own_corpus(cli: Cli, fake: FakeLlm) -> None:
    fake.script = write_or_describe
    done = cli("generate", "--domain", "finance", "--limit", 5, "--llm", fake.url, "--personas", "documents")
    assert done.code == 0, done.err
    assert "personas: asked 100 = kept 100" in done.err
    (file,) = Path("synth-store/personas").iterdir()
    assert {json.loads(line)["licence"] for line in file.read_text().splitlines()} == {"Apache-2.0"}


def test_personas_of_documents_need_a_server(cli: Cli, documents: Path, tmp_path: Path) -> None:
    done = cli("generate", "--domain", "finance", "--documents", documents, "--personas", "documents")
    assert done.code == 2
    assert "personas are derived by an LLM: add --llm" in done.err
    assert not (tmp_path / "synth-store").exists()
