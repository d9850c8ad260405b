"""Steps that a recipe adds to every task: the judge, on whole runs against a real server."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import orjson
import pyarrow.parquet as pq
import pytest
from fake_llm import FakeLlm, Fill, Say, Script, fake_llm

from schemas.recipe import GateSettings, WritingSettings
from synth.errors import DomainError, RunError
from synth.llm.archive import generation_hash
from synth.llm.budget import Budget
from synth.llm.settings import LlmSettings, reach
from synth.recipe import Choices, resolve
from synth.run import Run, create_run, execute
from synth.steps import Grades, recipe_steps, step_prompts
from synth.store import Store

Serve = Callable[..., FakeLlm]

GOOD = {"why": "it fits", "relevance": 5, "answerability": 5, "clarity": 4, "faithfulness": 5}
CHEAP = [{"name": "schema"}, {"name": "length"}]


def is_judging(prompt: str) -> bool:
    return prompt.startswith(("You grade", "You check"))


def graded(**grades: Any) -> Script:
    return lambda prompt, _: Fill(GOOD | grades if is_judging(prompt) else {})


@pytest.fixture
def serve() -> Iterator[Serve]:
    with ExitStack() as stack:

        def start(script: Script | None = None, **fields: Any) -> FakeLlm:
            return stack.enter_context(fake_llm(script or graded(), **fields))

        yield start


@pytest.fixture
def documents(tmp_path: Path, make_texts: Callable[..., dict[str, str]], write_rows: Callable[..., Path]) -> Path:
    return write_rows(tmp_path / "documents.jsonl", make_texts(12))


def start(store: Path, documents: Path, llm: LlmSettings, gates: list[dict[str, Any]], **config: Any) -> Run:
    file = documents.with_name("config.yaml")
    file.write_bytes(orjson.dumps({"set_gates": [], "gates": gates, **config}))
    chosen = Choices("finance", documents=(documents,), config=file, models=tuple(llm.models))
    return create_run(resolve(chosen), Store(store), llm=llm)


def judge(**settings: Any) -> list[dict[str, Any]]:
    return [*CHEAP, {"name": "judge", "settings": settings}]


def of_text(prompt: str, _: int) -> float:
    """A probability that depends on the prompt alone, 0.00 to 0.99."""
    return sum(map(ord, prompt)) % 100 / 100


def judged(fake: FakeLlm) -> int:
    return sum(map(is_judging, fake.prompts))


def test_a_record_keeps_its_grades_and_who_gave_them(serve: Serve, documents: Path, tmp_path: Path) -> None:
    fake = serve()
    version = execute(start(tmp_path / "store", documents, reach([fake.url]), judge()))
    records = pq.read_table(version.path / "records").to_pylist()
    assert records
    assert {json.dumps(r["judgement"], sort_keys=True) for r in records} == {
        json.dumps(GOOD | {"model": "fake", "method": "rubric", "probability": None}, sort_keys=True)
    }
    assert [v["score"] for v in records[0]["verdicts"] if v["gate"] == "judge"] == [4.75]
    assert judged(fake) == len(records)


def test_a_low_grade_rejects_and_the_reject_keeps_the_grades(serve: Serve, documents: Path, tmp_path: Path) -> None:
    fake = serve(graded(answerability=1, why="the fee is not stated"))
    version = execute(start(tmp_path / "store", documents, reach([fake.url]), judge(answerability=2)))
    rejects = pq.read_table(version.path / "rejects.parquet").to_pylist()
    (reason,) = {row["reason"] for row in rejects if row["stage"] == "judge"}
    assert reason == "unanswerable"
    assert rejects[0]["detail"] == "answerability 1: the fee is not stated"
    assert rejects[0]["judgement"]["answerability"] == 1
    assert version.manifest.funnel.accepted == 0


def test_only_what_cheaper_gates_keep_is_judged(serve: Serve, documents: Path, tmp_path: Path) -> None:
    fake = serve()
    gates = [{"name": "length", "settings": {"min_words": 60}}, *judge()]
    version = execute(start(tmp_path / "store", documents, reach([fake.url]), gates))
    assert version.manifest.funnel.rejected["too_short"] > 40
    assert judged(fake) == 0


def test_bounds_move_without_asking_again(serve: Serve, documents: Path, tmp_path: Path) -> None:
    fake = serve(graded(clarity=3))
    lenient = execute(start(tmp_path / "store", documents, reach([fake.url]), judge(clarity=3)))
    asked = len(fake.bodies)
    strict = execute(start(tmp_path / "store", documents, reach([fake.url]), judge(clarity=4)))
    assert len(fake.bodies) == asked
    assert lenient.manifest.funnel.accepted > 40
    assert strict.manifest.funnel.rejected["unclear"] == lenient.manifest.funnel.accepted


def test_a_judge_that_is_added_later_asks_no_query_again(serve: Serve, documents: Path, tmp_path: Path) -> None:
    fake = serve()
    execute(start(tmp_path / "store", documents, reach([fake.url]), CHEAP))
    written = len(fake.bodies)
    assert judged(fake) == 0
    version = execute(start(tmp_path / "store", documents, reach([fake.url]), judge()))
    assert len(fake.bodies) - written == judged(fake) == version.manifest.funnel.accepted


def test_a_budget_lets_items_finish_whose_queries_are_known(serve: Serve, documents: Path, tmp_path: Path) -> None:
    fake = serve()
    execute(start(tmp_path / "store", documents, reach([fake.url]), CHEAP))
    bounded = reach([fake.url]).model_copy(update={"budget": Budget(requests=20)})
    run = start(tmp_path / "store", documents, bounded, judge(), writing={"negatives": 1})
    version = execute(run)
    assert version.manifest.partial.startswith("budget: 20 requests")
    assert version.manifest.funnel.accepted >= 4, "each needs four requests at most: judge, negative, two checks"


def test_a_time_that_is_over_begins_nothing_whose_query_is_known(serve: Serve, documents: Path, tmp_path: Path) -> None:
    fake = serve()
    execute(start(tmp_path / "store", documents, reach([fake.url]), CHEAP))
    asked = len(fake.bodies)
    over = reach([fake.url]).model_copy(update={"budget": Budget(hours=1e-9)})
    with pytest.raises(RunError, match="the budget was spent before the first item"):
        execute(start(tmp_path / "store", documents, over, judge()))
    assert len(fake.bodies) == asked


def test_a_server_can_be_kept_for_judging(serve: Serve, documents: Path, tmp_path: Path) -> None:
    writes, grades = serve(model="writer"), serve(model="grader")
    alone = reach([f"{writes.url}"])
    execute(start(tmp_path / "store", documents, alone, CHEAP))
    written = len(writes.bodies)
    both = reach([f"{writes.url},task=query-from-passage", f"{grades.url},task=judge"])
    version = execute(start(tmp_path / "store", documents, both, judge()))
    assert (len(writes.bodies), judged(writes)) == (written, 0), "the queries are known from the run before"
    assert len(grades.bodies) == judged(grades) == version.manifest.funnel.accepted
    models = {r["judgement"]["model"] for r in pq.read_table(version.path / "records").to_pylist()}
    assert models == {"grader"}


def test_the_reason_for_a_grade_may_be_in_another_language(serve: Serve, documents: Path, tmp_path: Path) -> None:
    why = "Die Frage lässt sich mit dem Text vollständig und ohne weiteres Wissen beantworten."
    fake = serve(graded(why=why))
    version = execute(start(tmp_path / "store", documents, reach([fake.url]), judge()))
    assert version.manifest.funnel.failed == {}
    assert pq.read_table(version.path / "records").to_pylist()[0]["judgement"]["why"] == why


def test_a_judge_that_does_not_answer_fails_the_item_with_its_reason(
    serve: Serve, documents: Path, tmp_path: Path
) -> None:
    fake = serve(lambda prompt, _: Say("no") if is_judging(prompt) else Fill())
    version = execute(start(tmp_path / "store", documents, reach([fake.url]), judge()))
    assert version.manifest.funnel.accepted == 0
    assert version.manifest.funnel.failed == {"invalid_json": version.manifest.funnel.planned}


def test_the_extractive_generator_asks_no_judge_and_the_gate_says_so(documents: Path, tmp_path: Path) -> None:
    version = execute(start(tmp_path / "store", documents, LlmSettings(), judge()))
    record = pq.read_table(version.path / "records").to_pylist()[0]
    assert record["judgement"] is None
    assert {"not judged"} == {v["detail"] for v in record["verdicts"] if v["gate"] == "judge"}


def test_the_prompt_of_the_judge_is_part_of_the_recipe_but_not_of_what_tasks_ask(
    serve: Serve, documents: Path, tmp_path: Path
) -> None:
    llm = reach([serve().url])
    plain = start(tmp_path / "store", documents, llm, CHEAP).recipe
    with_judge = start(tmp_path / "store", documents, llm, judge()).recipe
    assert with_judge.steps == step_prompts([GateSettings(name="judge")], WritingSettings(), ["query-from-passage"])
    assert with_judge.sha256 != plain.sha256
    assert generation_hash(with_judge) == generation_hash(plain)
    assert [step.output for step in recipe_steps(with_judge)] == [Grades]
    assert recipe_steps(plain) == ()


def test_a_server_for_a_judge_that_the_recipe_has_not_is_an_error(
    serve: Serve, documents: Path, tmp_path: Path
) -> None:
    fake = serve()
    with pytest.raises(DomainError, match="task=judge: this domain has no such task"):
        start(tmp_path / "store", documents, reach([fake.url, f"{serve(model='g').url},task=judge"]), CHEAP)


def test_of_two_models_the_one_that_did_not_write_judges(serve: Serve, documents: Path, tmp_path: Path) -> None:
    one, other = serve(model="one"), serve(model="other")
    version = execute(start(tmp_path / "store", documents, reach([one.url, other.url]), judge()))
    records = pq.read_table(version.path / "records").to_pylist()
    roles = {(r["provenance"]["generator_model"], r["judgement"]["model"]) for r in records}
    assert roles == {("one", "other"), ("other", "one")}


def test_yes_no_keeps_one_probability_and_how_it_was_found(serve: Serve, documents: Path, tmp_path: Path) -> None:
    fake = serve(scores=of_text)
    version = execute(start(tmp_path / "store", documents, reach([fake.url]), judge(ask="yes_no", probability=0.3)))
    records = pq.read_table(version.path / "records").to_pylist()
    rejects = pq.read_table(version.path / "rejects.parquet").to_pylist()
    kept = [row["judgement"] for row in records]
    dropped = [row["judgement"] for row in rejects if row["reason"] == "irrelevant"]
    assert {(said["method"], said["model"], said["relevance"]) for said in kept + dropped} == {("scored", "fake", None)}
    assert min(said["probability"] for said in kept) >= 0.3 > max(said["probability"] for said in dropped) >= 0.0
    expected = sorted(of_text(prompt, 0) for prompt in fake.scored if is_judging(prompt))
    assert sorted(said["probability"] for said in kept + dropped) == expected
    assert judged(fake) == 0, "nothing was asked in words"


def test_the_bound_of_the_probability_moves_without_asking_again(serve: Serve, documents: Path, tmp_path: Path) -> None:
    fake = serve(scores=of_text)
    lenient = execute(start(tmp_path / "store", documents, reach([fake.url]), judge(ask="yes_no", probability=0)))
    asked = len(fake.bodies) + len(fake.scored)
    strict = execute(start(tmp_path / "store", documents, reach([fake.url]), judge(ask="yes_no", probability=0.9)))
    assert len(fake.bodies) + len(fake.scored) == asked
    assert lenient.manifest.funnel.accepted > 40
    assert 0 < strict.manifest.funnel.accepted < lenient.manifest.funnel.accepted / 2


@pytest.mark.parametrize(("word", "probability"), [("yes", 1.0), ("no", 0.0)])
def test_a_server_that_can_not_score_is_asked_in_words_and_the_record_says_so(
    serve: Serve, documents: Path, tmp_path: Path, word: str, probability: float
) -> None:
    fake = serve(lambda prompt, _: Say(json.dumps({"answer": word})) if is_judging(prompt) else Fill())
    gates = judge(ask="yes_no", probability=0)
    version = execute(start(tmp_path / "store", documents, reach([fake.url]), gates))
    said = [row["judgement"] for row in pq.read_table(version.path / "records").to_pylist()]
    assert {(each["method"], each["probability"]) for each in said} == {("asked", probability)}
    assert judged(fake) == len(said) == version.manifest.funnel.accepted > 40
    schemas = [body["response_format"]["json_schema"]["schema"] for body in fake.bodies]
    answers = [each["properties"]["answer"]["enum"] for each in schemas if "answer" in each["properties"]]
    assert answers == [["yes", "no"]] * len(said)


def test_a_model_that_thinks_is_asked_in_words(serve: Serve, documents: Path, tmp_path: Path) -> None:
    fake = serve(scores=of_text)
    gates = judge(ask="yes_no", probability=0)
    run = start(tmp_path / "store", documents, reach([fake.url]), gates, sampling={"thinking": True})
    records = pq.read_table(execute(run).path / "records").to_pylist()
    assert {row["judgement"]["method"] for row in records} == {"asked"}
    assert fake.scored == []


def test_another_way_to_judge_is_another_recipe_and_asks_no_query_again(
    serve: Serve, documents: Path, tmp_path: Path
) -> None:
    fake = serve(scores=of_text)
    rubric = start(tmp_path / "store", documents, reach([fake.url]), judge())
    execute(rubric)
    asked = len(fake.bodies)
    yes_no = start(tmp_path / "store", documents, reach([fake.url]), judge(ask="yes_no"))
    execute(yes_no)
    assert len(fake.bodies) == asked
    assert sum(map(is_judging, fake.scored)) > 40
    assert rubric.recipe.steps != yes_no.recipe.steps
    assert rubric.recipe.sha256 != yes_no.recipe.sha256
    assert generation_hash(rubric.recipe) == generation_hash(yes_no.recipe)


def test_what_was_scored_before_a_budget_ended_is_not_scored_again(
    serve: Serve, documents: Path, tmp_path: Path
) -> None:
    fake = serve(scores=of_text)
    gates = judge(ask="yes_no", probability=0)
    budget = {"budget": Budget(requests=40)}
    first = execute(start(tmp_path / "store", documents, reach([fake.url]).model_copy(update=budget), gates, seed=8))
    assert len(fake.bodies) + sum(map(is_judging, fake.scored)) == 40
    whole = execute(start(tmp_path / "store", documents, reach([fake.url]), gates, seed=8))
    scored = [prompt for prompt in fake.scored if is_judging(prompt)]
    assert len(scored) == len(set(scored)) == whole.manifest.funnel.accepted > first.manifest.funnel.accepted > 0


PAIR = {"why": "label 1 could be argued for", "positive": 5, "negatives": 4, "natural": 5}
MIXED = {"tasks": {"semantic-similarity": 1, "query-from-passage": 1}}


def graded_pairs(**grades: int) -> Script:
    return lambda prompt, _: Fill({**GOOD, **PAIR, **grades} if is_judging(prompt) else {})


def of_task(rows: list[dict[str, Any]], task: str, key: str) -> list[Any]:
    return [row[key] for row in rows if (row.get("task") or row["provenance"]["task"]) == task]


def test_a_text_pair_is_judged_by_grades_of_its_own(serve: Serve, documents: Path, tmp_path: Path) -> None:
    fake = serve(graded_pairs())
    version = execute(start(tmp_path / "store", documents, reach([fake.url]), judge(), plan=MIXED))
    records = pq.read_table(version.path / "records").to_pylist()
    (said,) = {json.dumps(each) for each in of_task(records, "semantic-similarity", "judgement")}
    assert json.loads(said) | {"model": ""} == {
        "method": "rubric",
        "relevance": 5,
        "answerability": 4,
        "clarity": 5,
        "faithfulness": None,
        "probability": None,
        "why": PAIR["why"],
        "model": "",
    }
    assert {each["faithfulness"] for each in of_task(records, "query-from-passage", "judgement")} == {5}
    asked = [prompt for prompt in fake.prompts if "<negative number=" in prompt]
    assert len(asked) == len(of_task(records, "semantic-similarity", "id")) > 20
    assert judged(fake) == len(records) == version.manifest.funnel.accepted


def test_a_negative_that_fits_rejects_a_text_pair_and_its_bound_moves_without_asking_again(
    serve: Serve, documents: Path, tmp_path: Path
) -> None:
    fake = serve(graded_pairs(negatives=2))
    strict = execute(start(tmp_path / "store", documents, reach([fake.url]), judge(), plan=MIXED))
    asked = len(fake.bodies)
    rejects = pq.read_table(strict.path / "rejects.parquet").to_pylist()
    dropped = of_task(rejects, "semantic-similarity", "reason")
    assert set(dropped) >= {"negative_is_positive"} and strict.manifest.funnel.rejected["negative_is_positive"] > 20
    lenient = execute(start(tmp_path / "store", documents, reach([fake.url]), judge(answerability=2), plan=MIXED))
    assert len(fake.bodies) == asked
    assert lenient.manifest.funnel.accepted == strict.manifest.funnel.accepted + len(dropped)
    for funnel in (strict.manifest.funnel, lenient.manifest.funnel):
        assert funnel.planned == funnel.accepted + sum(funnel.rejected.values()) + sum(funnel.failed.values())


@pytest.mark.slow
def test_a_judge_that_is_added_later_asks_for_no_text_pair_again(serve: Serve, documents: Path, tmp_path: Path) -> None:
    fake = serve(graded_pairs())
    run = start(tmp_path / "store", documents, reach([fake.url]), CHEAP, plan=MIXED)
    execute(run)
    written = len(fake.bodies)
    later = start(tmp_path / "store", documents, reach([fake.url]), judge(), plan=MIXED)
    version = execute(later)
    assert len(fake.bodies) - written == judged(fake) == version.manifest.funnel.accepted
    assert generation_hash(later.recipe) == generation_hash(run.recipe)


@pytest.mark.parametrize(
    ("tasks", "steps"),
    [
        (["query-from-passage"], {"judge"}),
        (["semantic-similarity", "bitext"], {"judge-pair"}),
        (["semantic-similarity", "query-from-passage"], {"judge", "judge-pair"}),
    ],
)
def test_the_recipe_holds_the_prompts_of_the_judges_that_its_tasks_need(tasks: list[str], steps: set[str]) -> None:
    assert step_prompts([GateSettings(name="judge")], WritingSettings(), tasks).keys() == steps


def test_yes_no_asks_of_a_text_pair_whether_it_is_right(serve: Serve, documents: Path, tmp_path: Path) -> None:
    fake = serve(scores=of_text)
    gates, plan = judge(ask="yes_no", probability=0.3), {"tasks": {"semantic-similarity": 1}}
    version = execute(start(tmp_path / "store", documents, reach([fake.url]), gates, plan=plan))
    kept = of_task(pq.read_table(version.path / "records").to_pylist(), "semantic-similarity", "judgement")
    assert min(each["probability"] for each in kept) >= 0.3 and {each["method"] for each in kept} == {"scored"}
    assert version.manifest.funnel.rejected["wrong_pair"] > 0
    assert all(
        "Is the positive right and every negative wrong?" in prompt for prompt in filter(is_judging, fake.scored)
    )


@pytest.mark.slow
def test_a_server_kept_for_judging_judges_text_pairs_too(serve: Serve, documents: Path, tmp_path: Path) -> None:
    writes, grades = serve(graded_pairs(), model="writer"), serve(graded_pairs(), model="grader")
    both = reach([f"{writes.url},task=semantic-similarity", f"{grades.url},task=judge"])
    plan = {"tasks": {"semantic-similarity": 1}}
    version = execute(start(tmp_path / "store", documents, both, judge(), plan=plan))
    said = of_task(pq.read_table(version.path / "records").to_pylist(), "semantic-similarity", "judgement")
    assert {each["model"] for each in said} == {"grader"} and judged(writes) == 0
