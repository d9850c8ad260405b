"""Every task on whole runs: by rule, and against a server that answers as its schema says."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import pyarrow.parquet as pq
import pytest
from fake_llm import Fill, Script, fake_llm

from synth import registry
from synth.errors import DomainError
from synth.llm.settings import LlmSettings, reach
from synth.prompts import load_prompt
from synth.recipe import Choices, resolve
from synth.run import create_run, execute
from synth.store import Store, VersionRef
from synth.tasks import extractive_rule, steps_of
from synth.text_pairs import TextPairTask
from synth.verify import verify_version

TASKS = registry.names("tasks")
TEXT_PAIRS = [name for name in TASKS if getattr(registry.find("tasks", name), "text_pairs", False)]
BY_RULE = [name for name in TASKS if extractive_rule(registry.find("tasks", name))]


@pytest.fixture
def documents(tmp_path: Path, make_texts: Callable[..., dict[str, str]], write_rows: Callable[..., Path]) -> Path:
    """A few documents of several passages each."""
    texts = list(make_texts(24).values())
    return write_rows(tmp_path / "d.jsonl", {f"d{n}": "\n\n".join(texts[n::6]) for n in range(6)})


def run_of(task: str, documents: Path, llm: LlmSettings, **config: Any) -> VersionRef:
    file = documents.with_name("config.yaml")
    plan = {"tasks": {task: 1}, "items_per_passage": 2}
    if getattr(registry.find("tasks", task), "most_share", 1) < 1:
        plan["tasks"] = {task: 1, "query-from-passage": 7}
    if getattr(registry.find("tasks", task), "languages", 1) > 1:
        plan["language"] = {"en": 1, "de": 1}
    chunk = {"max_chars": 500, "min_chars": 60}
    file.write_bytes(orjson.dumps({"set_gates": [], "gates": [], "plan": plan, "chunk": chunk, **config}))
    choices = Choices("finance", documents=(documents,), config=file, models=tuple(llm.models))
    return execute(create_run(resolve(choices), Store(documents.parent / "store"), llm=llm))


GERMAN = {
    "positive": "Die Bank meldete im dritten Quartal ihre vorrangigen Anleihen.",
    "negative": "Die Bank meldete im zweiten Quartal ihre vorrangigen Anleihen.",
}


def answers(task: str) -> Script:
    """As the schema says; a translation of the English documents is German."""
    return lambda _prompt, _asked: Fill(GERMAN if task == "bitext" else {})


@pytest.mark.slow
@pytest.mark.parametrize("task", TASKS)
def test_a_server_s_answers_become_records_that_say_what_was_asked(task: str, documents: Path) -> None:
    with fake_llm(answers(task)) as fake:
        version = run_of(task, documents, reach([fake.url]))
    funnel = version.manifest.funnel
    assert funnel.planned == funnel.accepted + sum(funnel.rejected.values()) + sum(funnel.failed.values())
    assert set(funnel.failed) <= {"lone_passage", "wrong_language"}
    assert verify_version(version) == []
    records = [r for r in pq.read_table(version.path / "records").to_pylist() if r["provenance"]["task"] == task]
    assert records
    steps = steps_of(registry.find("tasks", task))
    if funnel.planned == len(records):
        assert len(fake.bodies) == len(records) * len(steps)
    used = set().union(*(load_prompt(step.prompt).inputs for step in steps))
    for record in records:
        made = record["provenance"]
        assert made["method"].partition(":")[0] == "llm" and made["generator_model"] == "fake"
        assert made["prompt_sha256"] == load_prompt(registry.find("tasks", task).prompt).sha256
        for drawn in ("query_type", "difficulty", "length"):
            assert bool(made[drawn]) == (drawn in used), "a record claims only what was asked for"


@pytest.mark.parametrize(
    "task",
    [each if each == "semantic-similarity" else pytest.param(each, marks=pytest.mark.slow) for each in TEXT_PAIRS],
)
def test_a_text_pair_keeps_what_was_written_with_it_and_mines_nothing(task: str, documents: Path) -> None:
    with fake_llm(answers(task)) as fake:
        version = run_of(task, documents, reach([fake.url]), set_gates=[{"name": "consistency"}])
    everything = pq.read_table(version.path / "records").to_pylist()
    records = [record for record in everything if record["provenance"]["task"] == task]
    texts = {row["id"]: row["text"] for row in pq.read_table(version.file("passages.parquet")).to_pylist()}
    assert records and version.manifest.methods["llm:text"] == len(records)
    rejects = pq.read_table(version.file("rejects.parquet")).to_pylist()
    assert not [row for row in rejects if row["task"] == task and row["reason"] == "inconsistent"]
    for record in records:
        passage = " ".join(texts[record["positive"]["passage_id"]].split())
        if issubclass(registry.find("tasks", task), TextPairTask):
            assert " ".join(record["query"].split()) in passage, "one side is real text"
        assert record["positive"]["text"] not in passage
        made = {(negative["method"], negative["prompt"]) for negative in record["negatives"]}
        assert made <= {("llm", record["provenance"]["prompt"])}
        assert record["instruction"] and not record["short"] and record["positive"]["score"] == 0.0
    assert sum(bool(record["negatives"]) for record in records) > len(records) / 2


@pytest.mark.parametrize("task", BY_RULE)
def test_a_task_with_an_honest_rule_needs_no_llm(task: str, documents: Path) -> None:
    version = run_of(task, documents, LlmSettings())
    records = pq.read_table(version.path / "records").to_pylist()
    assert len(records) > 20
    assert {record["provenance"]["method"].partition(":")[0] for record in records} == {"extractive"}


@pytest.mark.parametrize("task", sorted(set(TASKS) - set(BY_RULE)))
def test_a_task_without_one_says_so_before_anything_is_read(task: str, documents: Path) -> None:
    with pytest.raises(DomainError, match=f"the task '{task}' has no honest rule without an LLM: add --llm"):
        run_of(task, documents, LlmSettings())


def test_a_multi_hop_record_holds_its_passages_and_none_of_them_is_a_negative(documents: Path) -> None:
    with fake_llm(lambda _prompt, _asked: Fill()) as fake:
        version = run_of(
            "multi-hop-query", documents, reach([fake.url]), mining={"same_document": True, "strategy": "naive"}
        )
    records = pq.read_table(version.path / "records").to_pylist()
    assert {len(record["more_positives"]) for record in records} == {1, 2}
    for record in records:
        positives = [record["positive"], *record["more_positives"]]
        assert len({p["document_id"] for p in positives}) == 1
        assert not {p["passage_id"] for p in positives} & {n["passage_id"] for n in record["negatives"]}
    assert sum(len(record["negatives"]) for record in records) > 10


def test_more_negation_than_does_good_is_refused(documents: Path) -> None:
    plan = {"tasks": {"negation-query": 1, "query-from-passage": 2}}
    with pytest.raises(DomainError, match="'negation-query' has 33% of the plan, and more than 15% does harm"):
        run_of("negation-query", documents, LlmSettings(), plan=plan, generator="llm")


def test_a_translation_needs_a_second_language(documents: Path) -> None:
    plan = {"tasks": {"bitext": 1}, "language": {"en": 1, "en-GB": 1}}
    with pytest.raises(
        DomainError, match=r"'bitext' needs two languages at least, and the plan has en, en-GB: add one"
    ):
        run_of("query-from-passage", documents, LlmSettings(), plan=plan, generator="llm")


@pytest.mark.slow
def test_a_translation_in_another_language_than_was_drawn_is_asked_for_again_and_then_fails(documents: Path) -> None:
    english = dict.fromkeys(GERMAN, "The bank reported its senior notes in the second quarter.")
    with fake_llm(lambda _prompt, _asked: Fill(english)) as fake:
        version = run_of("bitext", documents, reach([fake.url]))
    funnel = version.manifest.funnel
    assert set(funnel.failed) == {"wrong_language"} and sum(funnel.failed.values()) > 80
    records = pq.read_table(version.path / "records").to_pylist()
    said = [{each["name"]: each["value"] for each in record["attributes"]} for record in records]
    assert {each["target_language"] for each in said} <= {"en"}, "sources too short to be told from German ones"
    assert any("Answer in German" in prompt for prompt in fake.prompts)


def test_an_llm_can_not_choose_whom_a_query_is_for_where_the_plan_says_so(documents: Path) -> None:
    with pytest.raises(DomainError, match=r"has the LLM choose whom .* persona.scope 'both' decides"):
        run_of("query-from-configuration", documents, LlmSettings(), generator="llm", persona={"scope": "both"})


def test_a_persona_is_claimed_only_where_it_shows(documents: Path) -> None:
    with fake_llm(lambda _prompt, _asked: Fill()) as fake:
        summary = run_of("passage-summary", documents, reach([fake.url]), persona={"scope": "both"})
        query = run_of("keyword-query", documents, reach([fake.url]), persona={"scope": "instruction"})
    personas = [
        {record["provenance"]["persona_id"] for record in pq.read_table(version.path / "records").to_pylist()}
        for version in (summary, query)
    ]
    assert personas[0] == {""}
    assert len(personas[1]) > 5 and "" not in personas[1]


def test_long_queries_of_a_task_pass_the_length_gate(documents: Path) -> None:
    long = " ".join(["and then the covenant was reset again"] * 12)
    answer = {"principle": "covenants are reset", "query": long}
    with fake_llm(lambda _prompt, _asked: Fill(answer)) as fake:
        kept = run_of("reasoning-query", documents, reach([fake.url]), gates=[{"name": "length"}])
    assert kept.manifest.funnel.accepted > 20
