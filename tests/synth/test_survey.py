"""What the card tells beyond the manifest is what the version's files say."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import pyarrow.parquet as pq
import pytest
from fake_llm import Fill, fake_llm

from synth.llm.settings import reach
from synth.recipe import Choices, resolve
from synth.release import Release, build_folder
from synth.run import create_run, execute
from synth.store import Store, VersionRef
from synth.survey import EXAMPLES, survey_version


@pytest.fixture
def version(tmp_path: Path, make_texts: Callable[..., dict[str, str]], write_rows: Callable[..., Path]) -> VersionRef:
    """Written by two models of a real server, judged, with written negatives."""
    documents, config = write_rows(tmp_path / "documents.jsonl", make_texts(25)), tmp_path / "config.yaml"
    gates: list[dict[str, Any]] = [
        {"name": "schema"},
        {"name": "judge"},
    ]
    config.write_bytes(orjson.dumps({"gates": gates, "set_gates": [], "writing": {"negatives": 1, "check": False}}))
    good = Fill({"why": "it fits", "relevance": 5, "answerability": 5, "clarity": 4, "faithfulness": 5})
    with (
        fake_llm(lambda *_: good, model="Qwen/Qwen3-8B") as one,
        fake_llm(lambda *_: good, model="acme/other") as other,
    ):
        llm = reach([one.url, other.url])
        chosen = Choices(
            "finance", documents=(documents,), config=config, models=tuple(llm.models), limit=20, name="written"
        )
        return execute(create_run(resolve(chosen), Store(tmp_path / "store"), llm=llm))


def test_models_are_counted_over_the_records(version: VersionRef, tmp_path: Path) -> None:
    records = [row for file in version.record_files() for row in pq.read_table(file).to_pylist()]
    survey = survey_version(version)
    written = Counter(row["provenance"]["generator_model"] for row in records)
    assert {writer.name: count for writer, count in survey.writers.items()} == written
    assert set(written) == {"Qwen/Qwen3-8B", "acme/other"}
    judged = Counter(row["judgement"]["model"] for row in records if row["judgement"])
    assert survey.judges == judged
    assert survey.judges.total() == len(records)
    made = Counter(each["generator_model"] for row in records for each in row["negatives"] if each["generator_model"])
    assert survey.negative_writers == made
    assert survey.models == sorted({*written, *made})
    rejects = pq.read_table(version.file("rejects.parquet")).to_pylist()
    assert survey.dropped == Counter(row["stage"] for row in rejects if row["status"] == "rejected")
    texts = {(row["query"], row["positive"]["text"]) for row in records}
    assert len(survey.examples) == EXAMPLES
    assert {(each.query, each.positive) for each in survey.examples} <= texts
    build_folder(version, tmp_path / "folder", Release("acme/written", licence="cc-by-4.0"))
    card = (tmp_path / "folder" / "README.md").read_text()
    assert f"| Qwen/Qwen3-8B | not told by its server | {written['Qwen/Qwen3-8B']} |" in card
    assert "| judge | " in card.split("| prompt |")[1]


@pytest.mark.slow
def test_who_invented_the_documents_and_whether_instructions_differ_is_read_from_the_records(tmp_path: Path) -> None:
    text = "The harbour office counts every crate that leaves the quay before noon. The clerk signs the list at two."
    rows = [{"id": f"d{n}", "text": f"{text} List {n}.", "written_by": "acme/inventor"} for n in range(4)]
    documents, config = tmp_path / "documents.jsonl", tmp_path / "config.yaml"
    documents.write_bytes(b"\n".join(map(orjson.dumps, rows)))
    tasks = {"classification": 1, "clustering": 1}
    config.write_bytes(orjson.dumps({"plan": {"tasks": tasks}, "gates": [{"name": "schema"}], "set_gates": []}))
    with fake_llm(lambda *_: Fill(), model="acme/writer") as fake:
        llm = reach([fake.url])
        chosen = Choices("finance", documents=(documents,), config=config, models=tuple(llm.models), limit=8, name="t")
        made = execute(create_run(resolve(chosen), Store(tmp_path / "store"), llm=llm))
    survey = survey_version(made)
    assert survey.passage_writers == {"acme/inventor": 8}
    assert survey.models == ["acme/inventor", "acme/writer"]
    assert survey.several_instructions
