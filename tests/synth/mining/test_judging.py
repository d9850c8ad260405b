from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from fake_llm import FakeLlm, Say, Script, Status, fake_llm
from judging import answering, knows, query_in, shown

from synth.errors import DocumentError, InputError
from synth.llm.budget import Budget
from synth.llm.settings import reach
from synth.mining.judging import Asked, Cascade, Judge, Judged, LabelJudge, Named, Verdict
from synth.mining.llm_judge import LlmJudge, llm_judges
from synth.progress import Silent
from synth.store import Store

Serve = Callable[..., FakeLlm]


def ask(query: str, *candidates: str, positive: str = "") -> Asked:
    own = positive or f"positive of {query}"
    return Asked(Named(f"id {query}", query), (Named("p", own),), tuple(Named(f"id {c}", c) for c in candidates))


def said(judged: Judged) -> list[str]:
    return [verdict.said for verdict in judged.verdicts]


def judge(one: Judge, *asked: Asked) -> list[list[str]]:
    return [said(each) for each in one.judge(asked, Silent())]


# ---- labels ----


def test_labels_say_what_answers_and_what_is_clear_and_nothing_of_the_rest() -> None:
    labels = LabelJudge.of([("id q", "id a", 2), ("q", "b", 0), ("id q", "c", 1)])
    assert judge(labels, ask("q", "a", "b", "c", "d"), ask("r", "a")) == [
        ["answers", "clear", "answers", "unknown"],
        ["unknown"],
    ]


def test_of_several_labels_of_a_pair_the_highest_counts() -> None:
    assert judge(LabelJudge.of([("q", "a", 1), ("q", "A ", 0)]), ask("q", "a")) == [["answers"]]


def test_labels_are_read_by_ids_and_by_texts(tmp_path: Path) -> None:
    tsv = tmp_path / "train.tsv"
    tsv.write_text("query-id\tcorpus-id\tscore\nid q\tid a\t1\nid q\tid b\t0\n")
    assert judge(LabelJudge.read(tsv), ask("q", "a", "b", "c")) == [["answers", "clear", "unknown"]]
    rows = tmp_path / "labels.jsonl"
    rows.write_text(json.dumps({"query": "q", "text": "c", "label": True}) + "\n")
    assert judge(LabelJudge.read(rows), ask("q", "a", "C")) == [["unknown", "answers"]]


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"query_id": "q", "doc_id": "d"}, "labels.jsonl, line 1 of labels.jsonl is no label: it needs a query_id"),
        ({"query_id": "q", "doc_id": "d", "score": "high"}, "has the label 'high', which is no number"),
    ],
)
def test_a_row_that_is_no_label_is_named(tmp_path: Path, row: dict[str, str], message: str) -> None:
    path = tmp_path / "labels.jsonl"
    path.write_text(json.dumps(row) + "\n")
    with pytest.raises(DocumentError, match=re.escape(message)):
        LabelJudge.read(path)


# ---- an LLM ----


@pytest.fixture
def serve() -> Iterator[Serve]:
    with ExitStack() as stack:

        def start(script: Script, **fields: Any) -> FakeLlm:
            return stack.enter_context(fake_llm(script, **fields))

        yield start


def judge_of(fake: FakeLlm, folder: Path, **budget: Any) -> LlmJudge:
    settings = reach([fake.url]).model_copy(update={"budget": Budget(**budget)})
    (only,) = llm_judges(settings, Store(folder / "store"))
    return only


PLANTED = {("q", "positive of q"), ("q", "a"), ("r", "positive of r"), ("r", "c")}


def test_a_planted_answer_is_found_and_nothing_else(serve: Serve, tmp_path: Path) -> None:
    fake = serve(knows(PLANTED))
    one = judge_of(fake, tmp_path)
    assert judge(one, ask("q", "a", "b"), ask("r", "a", "c")) == [["answers", "clear"], ["clear", "answers"]]
    assert len(fake.bodies) == 4
    assert {body["temperature"] for body in fake.bodies} == {0}


def test_seven_candidates_share_a_request_with_the_positive_in_both_orders(serve: Serve, tmp_path: Path) -> None:
    names = [f"text {n}" for n in range(10)]
    fake = serve(knows({("q", "positive of q"), ("q", "text 3"), ("q", "text 8")}))
    found = judge(judge_of(fake, tmp_path), ask("q", *names))
    assert [n for n, name in enumerate(found[0]) if name == "answers"] == [3, 8]
    assert found[0].count("clear") == 8
    texts = sorted((list(shown(prompt)) for prompt in fake.prompts), key=lambda each: (len(each), each))
    first = ["positive of q", *names[:7]]
    assert texts == [
        ["positive of q", *names[7:]],
        [*reversed(names[7:]), "positive of q"],
        first,
        first[::-1],
    ]


def test_what_only_one_order_names_is_disputed(serve: Serve, tmp_path: Path) -> None:
    fake = serve(lambda prompt, _: answering(prompt, lambda _, text, number: number == 1 or text == "positive of q"))
    assert judge(judge_of(fake, tmp_path), ask("q", "a", "b")) == [["clear", "disputed"]]


def test_a_doubted_positive_is_told_and_clears_nobody(serve: Serve, tmp_path: Path) -> None:
    fake = serve(lambda prompt, _: answering(prompt, lambda query, text, _: (query, text) == ("q", "a")))
    (judged,) = judge_of(fake, tmp_path).judge([ask("q", "a", "b")], Silent())
    assert judged.doubted
    assert judged.verdicts == (Verdict("answers"), Verdict("unknown", "positive_doubted"))


def test_a_positive_that_one_order_doubts_is_still_believed(serve: Serve, tmp_path: Path) -> None:
    fake = serve(lambda prompt, _: answering(prompt, lambda _, text, number: number == 1 and text.startswith("pos")))
    (judged,) = judge_of(fake, tmp_path).judge([ask("q", "a")], Silent())
    assert judged == Judged((Verdict("clear"),))


@pytest.mark.parametrize(
    ("answer", "reason"),
    [("I think text 1.", "invalid_json"), ('{"answering": [9]}', "invalid_answer"), ("", "empty")],
)
def test_an_answer_that_can_not_be_read_is_mended_once_and_then_unknown(
    serve: Serve, tmp_path: Path, answer: str, reason: str
) -> None:
    fake = serve(lambda *_: Say(answer))
    (judged,) = judge_of(fake, tmp_path).judge([ask("q", "a", "b")], Silent())
    assert judged == Judged((Verdict("unknown", reason),) * 2)
    assert len(fake.bodies) == 2


def test_an_order_that_fails_leaves_all_unknown_and_other_queries_alone(serve: Serve, tmp_path: Path) -> None:
    def script(prompt: str, asked: int) -> Say:
        if query_in(prompt) == "q" and next(iter(shown(prompt))) != "positive of q":
            return Say("no JSON")
        return answering(prompt, lambda query, text, _: (query, text) in PLANTED)

    fake = serve(script)
    assert judge(judge_of(fake, tmp_path), ask("q", "a", "b"), ask("r", "c")) == [["unknown", "unknown"], ["answers"]]


def test_a_text_that_is_too_long_for_the_server_is_unknown(serve: Serve, tmp_path: Path) -> None:
    fake = serve(lambda *_: Status(400, "maximum context length is 4096 tokens"))
    (judged,) = judge_of(fake, tmp_path).judge([ask("q", "a")], Silent())
    assert judged.verdicts == (Verdict("unknown", "too_long"),)


def test_long_texts_are_cut(serve: Serve, tmp_path: Path) -> None:
    fake = serve(knows(PLANTED))
    judge(judge_of(fake, tmp_path), ask("q", "word " * 5_000))
    assert all(len(prompt) < 5_000 for prompt in fake.prompts)


def test_asking_again_asks_nothing_even_beside_other_questions(serve: Serve, tmp_path: Path) -> None:
    fake = serve(knows(PLANTED))
    first = judge(judge_of(fake, tmp_path), ask("q", "a", "b"), ask("r", "c"))
    asked = len(fake.bodies)
    again = judge(judge_of(fake, tmp_path), ask("r", "c"), ask("q", "a", "b"))
    assert (again, len(fake.bodies)) == (first[::-1], asked)
    judge(judge_of(fake, tmp_path), ask("r", "c"), ask("q", "a", "d"))
    assert len(fake.bodies) == asked + 2


def test_the_same_question_is_asked_once_of_a_batch(serve: Serve, tmp_path: Path) -> None:
    fake = serve(knows(PLANTED))
    assert judge(judge_of(fake, tmp_path), *[ask("q", "a")] * 3) == [["answers"]] * 3
    assert len(fake.bodies) == 2


def test_what_was_answered_before_a_failure_is_not_asked_again(serve: Serve, tmp_path: Path) -> None:
    fake = serve(lambda prompt, _: Say("x") if query_in(prompt) == "r" else knows(PLANTED)(prompt, 0))
    judge(judge_of(fake, tmp_path), ask("q", "a"), ask("r", "c"))
    fake.script = knows(PLANTED)
    del fake.bodies[:]
    assert judge(judge_of(fake, tmp_path), ask("q", "a"), ask("r", "c")) == [["answers"], ["unknown"]]
    assert fake.bodies == []


def test_what_the_budget_does_not_reach_is_unknown_and_asked_the_next_time(serve: Serve, tmp_path: Path) -> None:
    fake = serve(knows(PLANTED))
    many = [ask("q", f"text {n}") for n in range(30)]
    found = judge_of(fake, tmp_path, requests=10).judge(many, Silent())
    assert len(fake.bodies) == 10
    verdicts = [each.verdicts[0] for each in found]
    assert verdicts.count(Verdict("clear")) == 5
    assert verdicts.count(Verdict("unknown", "unasked")) == 25
    found = judge_of(fake, tmp_path).judge(many, Silent())
    assert {each.verdicts[0] for each in found} == {Verdict("clear")}
    assert len(fake.bodies) == 60


def test_a_cascade_spends_one_budget(serve: Serve, tmp_path: Path) -> None:
    everything: Script = lambda prompt, _: answering(prompt, lambda *_: True)  # noqa: E731
    small, large = serve(everything, model="small"), serve(everything, model="large")
    settings = reach([small.url, large.url]).model_copy(update={"budget": Budget(requests=14)})
    cascade = Cascade(llm_judges(settings, Store(tmp_path / "store"), ["small", "large"]))
    found = judge(cascade, *(ask("q", f"text {n}") for n in range(5)))
    assert (len(small.bodies), len(large.bodies)) == (10, 4)
    assert sorted(found) == [["answers"]] * 2 + [["disputed"]] * 3


def test_nothing_is_asked_where_there_is_no_candidate(serve: Serve, tmp_path: Path) -> None:
    fake = serve(knows(PLANTED))
    assert judge(judge_of(fake, tmp_path), ask("q")) == [[]]
    assert fake.bodies == []


def test_the_models_of_a_cascade_are_named_where_there_are_several(serve: Serve, tmp_path: Path) -> None:
    small, large = serve(knows(PLANTED), model="qwen-small"), serve(knows(PLANTED), model="qwen-large")
    settings, store = reach([small.url, large.url]), Store(tmp_path)
    assert [each.name for each in llm_judges(settings, store, ["qwen-small", "qwen-large"])] == [
        "qwen-small",
        "qwen-large",
    ]
    with pytest.raises(InputError, match=r"several models \(qwen-large, qwen-small\); say who judges"):
        llm_judges(settings, store)
    with pytest.raises(InputError, match=r"serves the model 'qwen-smal'; did you mean 'qwen-small'\?"):
        llm_judges(settings, store, ["qwen-smal"])
    with pytest.raises(InputError, match="an LLM judges, and there is none: add --llm"):
        llm_judges(reach([]), store)


# ---- a cascade ----


class Scripted:
    """Says what it is given, and remembers what it was asked."""

    def __init__(self, **verdicts: str) -> None:
        self.name, self.verdicts, self.asked = "scripted", verdicts, list[str]()

    def judge(self, asked: Any, _: Any, /) -> list[Judged]:
        self.asked += [candidate.text for each in asked for candidate in each.candidates]
        return [Judged(tuple(Verdict(self.verdicts[c.text]) for c in each.candidates)) for each in asked]  # type: ignore[arg-type]


def test_the_second_judge_is_asked_only_about_what_the_first_flagged_and_its_word_is_final() -> None:
    first = Scripted(a="answers", b="disputed", c="clear", d="unknown", e="answers")
    second = Scripted(a="clear", b="answers", e="answers")
    found = judge(Cascade([first, second]), ask("q", "a", "b", "c"), ask("r", "c", "d"), ask("s", "e"))
    assert found == [["clear", "answers", "clear"], ["clear", "unknown"], ["answers"]]
    assert second.asked == ["a", "b", "e"]


def test_a_second_judge_that_abstains_overrules_nobody() -> None:
    found = judge(Cascade([Scripted(a="answers"), Scripted(a="unknown")]), ask("q", "a"))
    assert found == [["disputed"]]
