"""Runs in several languages, written by a server out of sentences of its own (tests/data/languages)."""

from __future__ import annotations

import hashlib
import json
import random
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import duckdb
import orjson
import pytest
from fake_llm import Fill, Say, fake_llm
from sentences import sentences

from synth.language import identify
from synth.llm.settings import LlmSettings, reach
from synth.progress import Silent
from synth.recipe import Choices, resolve
from synth.run import create_run, execute
from synth.store import Store, VersionRef
from synth.text import join_clauses
from synth.topics.documents import FROM_TOPICS, with_invented

LANGUAGES = ("de", "en", "fr", "ru", "zh")
KINDS = ("questions", "keywords", "fragments")
_LANGUAGE = re.compile(r"^Language: .*\((\S+)\)$", re.MULTILINE)


def asked_in(prompt: str) -> str:
    found = _LANGUAGE.search(prompt)
    assert found, prompt
    return found[1]


@dataclass
class Writer:
    """Writes documents and queries in the language asked for, each query once, and some in another."""

    wrong: float = 0.0
    """Share of queries in another language, which half of the times is written right when asked again."""
    told: Counter[str] = field(default_factory=Counter)
    repaired: int = 0
    planted: dict[str, str] = field(default_factory=dict)
    """Query -> the language that was asked for."""

    def __call__(self, prompt: str, asked: int) -> Say | Fill:
        language = asked_in(prompt)
        source = random.Random(hashlib.sha256(prompt.encode()).digest())
        if re.search(r"Length: about \d+ words", prompt):
            return Say(json.dumps(document(language, source)))
        is_repair = "Answer in " in prompt
        self.repaired += is_repair
        if source.random() < (0.5 if is_repair else self.wrong):
            other = source.choice([each for each in LANGUAGES if each != language])
            query = source.choice(sentences(other, *KINDS))
            self.planted[query] = language
            return Say(json.dumps({"query": query}))
        self.told[language] += 1
        bank = sentences(language, *KINDS)
        turn, place = divmod(self.told[language] - 1, len(bank))
        return Say(json.dumps({"query": bank[place] if not turn else f"{bank[place]} {2000 + turn}"}))


def document(language: str, source: random.Random) -> dict[str, str]:
    return {
        "title": source.choice(sentences(language, "fragments")),
        "text": join_clauses(source.sample(sentences(language, "statements"), 10)),
    }


def run(folder: Path, writer: Writer, limit: int, *languages: str, **fields: Any) -> VersionRef:
    plan = {"tasks": {"query-from-passage": 1}, **fields.pop("plan", {})}
    config = folder / "config.yaml"
    config.write_bytes(orjson.dumps({"plan": plan, "set_gates": [{"name": "duplicates"}]}))
    store = Store(folder / "store")
    with fake_llm(writer) as fake:
        settings: LlmSettings = reach([fake.url])
        chosen = Choices(
            "general", limit=limit, config=config, languages=languages, models=tuple(settings.models), **fields
        )
        chosen = with_invented(chosen, store, settings, Silent())
        return execute(create_run(resolve(chosen), store, llm=settings))


def records(version: VersionRef) -> Iterator[dict[str, Any]]:
    files = [str(file) for file in version.record_files()]
    yield from (
        duckdb.sql(f"SELECT language, query, instruction, positive FROM read_parquet({files})")
        .to_arrow_table()
        .to_pylist()
    )


@pytest.mark.slow
def test_five_languages_of_three_scripts_from_nothing_but_a_domain(tmp_path: Path) -> None:
    writer = Writer(wrong=0.15)
    version = run(tmp_path, writer, 200, *LANGUAGES, documents=(FROM_TOPICS,))
    found = list(records(version))
    shares = Counter(record["language"] for record in found)
    assert len(found) == 200
    assert all(abs(shares[language] / 200 - 0.2) < 0.08 for language in LANGUAGES), shares
    for record in found:
        for text in (record["query"], record["positive"]["text"]):
            told = identify(text, 40)
            assert told is None or told.probability < 0.8 or told.language == record["language"], record
    slipped = [r["query"] for r in found if r["query"] in writer.planted and r["query"] not in sentences(r["language"])]
    assert len(writer.planted) > 20 < writer.repaired
    assert len(slipped) <= 0.02 * len(writer.planted), slipped


@pytest.mark.slow
def test_a_mixed_folder_without_languages_is_asked_about_in_each_document_s_own(tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    for number, language in enumerate(LANGUAGES * 5):
        text = document(language, random.Random(number))["text"]
        (tmp_path / "docs" / f"{language}-{number}.md").write_text(text, encoding="utf-8")
    chosen = {"documents": (tmp_path / "docs",), "plan": {"cross_lingual": 0.25}}
    found = list(records(run(tmp_path, Writer(), 150, *LANGUAGES, **chosen)))
    own = [record["positive"]["document_id"].partition("-")[0] for record in found]
    assert set(own) == set(LANGUAGES)
    crossed = sum(language != record["language"] for language, record in zip(own, found, strict=True)) / len(found)
    assert 0.1 < crossed < 0.3, "a quarter draw theirs, one of five of them that of the passage"


@pytest.mark.slow
def test_a_locale_is_named_to_the_model_and_kept_by_records_and_coverage(tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    for number in range(6):
        text = document("de", random.Random(number))["text"]
        (tmp_path / "docs" / f"{number}.md").write_text(text, encoding="utf-8")
    prompts: list[str] = []

    class Local(Writer):
        def __call__(self, prompt: str, asked: int) -> Say | Fill:
            prompts.append(prompt)
            return super().__call__(prompt.replace("(de-AT)", "(de)"), asked)

    version = run(tmp_path, Local(), 30, "de-AT=2", "de", documents=(tmp_path / "docs",))
    assert {p.partition("Language: ")[2].splitlines()[0] for p in prompts} == {
        "German of Austria (de-AT)",
        "German (de)",
    }
    shares = Counter(record["language"] for record in records(version))
    assert set(shares) == {"de", "de-AT"}
    assert 12 <= shares["de-AT"] <= 27
    assert version.manifest.diversity is not None
    coverage = {share.value: share.target for share in version.manifest.diversity.coverage["language"].shares}
    assert coverage == {"de": pytest.approx(1 / 3, abs=1e-3), "de-AT": pytest.approx(2 / 3, abs=1e-3)}
