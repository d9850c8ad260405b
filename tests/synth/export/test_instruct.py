"""Instructions: in a column, before the query, or as the `prompts=` of a trainer."""

from __future__ import annotations

from pathlib import Path

from exports import all_records, read_both, read_lines

from synth.export import ExportOptions, export_version
from synth.export.instruct import instructions_of, query_prompt, trainer_prompts
from synth.store import VersionRef


def test_an_instruction_may_be_a_column_behind_the_others(version: VersionRef, tmp_path: Path) -> None:
    result = export_version(version, "pair", tmp_path, ExportOptions(instruction="column"))
    assert result.columns == ("anchor", "positive", "instruction")
    expected = [r["instruction"] for r in all_records(version)]
    assert [row["instruction"] for row in read_both(tmp_path, "pair")] == expected
    assert all(expected)


def test_an_instruction_may_stand_before_the_query(version: VersionRef, tmp_path: Path) -> None:
    for name, column in (("pair", "anchor"), ("pair-score", "sentence1"), ("margin", "query"), ("full", "query")):
        export_version(version, name, tmp_path / name, ExportOptions(instruction="prefix"))
        plain = {r["query"]: f"Instruct: {r['instruction']}\nQuery: {r['query']}" for r in all_records(version)}
        assert {row[column] for row in read_both(tmp_path / name, name)} <= set(plain.values())


def test_flagembedding_takes_the_prefix_in_place_of_its_prompt(version: VersionRef, tmp_path: Path) -> None:
    result = export_version(version, "flagembedding", tmp_path, ExportOptions(instruction="prefix"))
    assert "prompt" not in result.columns
    assert all(row["query"].startswith("Instruct: ") for row in read_lines(tmp_path, "flagembedding"))


def test_a_trainer_gets_the_prompt_for_the_column_of_the_query(version: VersionRef) -> None:
    (instruction,) = instructions_of(version)
    assert trainer_prompts(version, "triplet") == {"anchor": f"Instruct: {instruction}\nQuery: "}
    assert list(trainer_prompts(version, "pair-score")) == ["sentence1"]
    assert list(trainer_prompts(version, "margin")) == ["query"]


def test_without_an_instruction_nothing_stands_before_a_query() -> None:
    assert query_prompt("") == ""
