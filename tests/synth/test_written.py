"""Negatives that an LLM writes: asked apart, checked in both orders, kept or told why not."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import pyarrow.parquet as pq
import pytest
from fake_llm import FakeLlm, Fill, Say, Script, fake_llm

from schemas.record import Written
from synth.answering import ORDERS, Answering
from synth.errors import DomainError
from synth.export import export_version
from synth.llm.settings import reach
from synth.recipe import Choices, resolve
from synth.run import create_run, execute
from synth.store import Store, VersionRef
from synth.tasks import Failure
from synth.verify import verify_version
from synth.written import WRITE, Wrong, read_written, wrong_texts

POSITIVE = "The revolving facility matures in June 2027 and carries interest at SONIA plus 1.75 percent a year."
OTHER = "The term loan was drawn in March by the parent and is repaid in five equal parts from next year on."
THIRD = "Interest on the bonds is paid twice a year, in May and in November, to those who hold them then."


def read(forward: Any, backward: Any, *texts: str, check: bool = True) -> list[Written]:
    wrongs = [Wrong(lacks="the date", text=text) for text in texts or (OTHER, THIRD)]
    outputs: dict[str, Any] = {WRITE: wrong_texts(len(wrongs))(negatives=wrongs)}
    for name, said in zip(ORDERS, (forward, backward), strict=True):
        if said is not None:
            outputs[name] = said if isinstance(said, Failure) else Answering(answering=said)
    return read_written(outputs, "m", [POSITIVE], check=check)


def reasons(found: list[Written]) -> list[str]:
    return [each.reason for each in found]


def test_a_text_is_kept_when_both_orders_find_only_the_positive_answering() -> None:
    found = read([1], [3])
    assert reasons(found) == ["", ""]
    assert found[0] == Written(text=OTHER, lacks="the date", model="m")


def test_a_text_that_answers_in_one_order_is_disputed_and_in_both_an_answer() -> None:
    assert reasons(read([1, 2], [3])) == ["disputed", ""]
    assert reasons(read([1, 2], [3, 2])) == ["answers", ""]
    assert reasons(read([1, 3], [3, 1])) == ["", "answers"]


def test_when_the_positive_itself_is_doubted_nothing_is_kept() -> None:
    assert reasons(read([1], [1])) == ["positive_doubted"] * 2
    assert reasons(read([], [])) == ["positive_doubted"] * 2


def test_a_check_that_failed_keeps_nothing_and_says_why() -> None:
    assert reasons(read([1], Failure("timeout"))) == ["unchecked_timeout"] * 2
    assert reasons(read([1], None)) == ["unchecked"] * 2


def test_copies_of_the_positive_and_of_one_another_are_no_negatives() -> None:
    assert reasons(read([1], [4], f"  {POSITIVE.upper()}", OTHER, OTHER)) == ["copied", "", "copied"]


def test_without_a_check_only_copies_are_dropped() -> None:
    assert reasons(read(None, None, OTHER, POSITIVE, check=False)) == ["", "copied"]


def test_a_call_that_failed_leaves_one_row_with_its_reason() -> None:
    assert read_written({WRITE: Failure("truncated")}, "m", [POSITIVE], check=True) == [
        Written(text="", model="m", reason="truncated")
    ]
    assert read_written({}, "m", [POSITIVE], check=True) == []


@pytest.fixture
def make(
    tmp_path: Path, make_texts: Callable[..., dict[str, str]], write_rows: Callable[..., Path]
) -> Callable[..., tuple[VersionRef, FakeLlm]]:
    documents = write_rows(tmp_path / "documents.jsonl", make_texts(10))

    def run(script: Script, **config: Any) -> tuple[VersionRef, FakeLlm]:
        file = tmp_path / "config.yaml"
        file.write_bytes(orjson.dumps({"set_gates": [], "gates": [], "writing": {"negatives": 2}, **config}))
        with fake_llm(script) as fake:
            llm = reach([fake.url])
            chosen = Choices("finance", documents=(documents,), config=file, models=tuple(llm.models))
            return execute(create_run(resolve(chosen), Store(tmp_path / "store"), llm=llm)), fake

    return run


def kind(prompt: str) -> str:
    return {"You write texts": WRITE, "You check": "check", "You grade": "judge"}.get(
        " ".join(prompt.split()[: 2 if prompt.startswith(("You check", "You grade")) else 3]), "query"
    )


def honest(prompt: str, asked: int) -> Say | Fill:
    """Writes two texts, and finds the passage (which stands first or last) the only one that answers."""
    if kind(prompt) == WRITE:
        mark = sum(map(ord, prompt))
        texts = [{"lacks": "the fee", "text": f"{OTHER} Note {mark}."}, {"lacks": "it", "text": f"{THIRD} See {mark}."}]
        return Say(orjson.dumps({"negatives": texts}).decode())
    if kind(prompt) == "check":
        first = prompt.split('<text number="1">')[1].split("</text>")[0]
        return Say(orjson.dumps({"answering": [3 if "Note" in first or "See" in first else 1]}).decode())
    return Fill()


Make = Callable[..., tuple[VersionRef, FakeLlm]]


def test_written_negatives_stand_after_the_mined_ones_and_say_who_wrote_them(make: Make, tmp_path: Path) -> None:
    version, fake = make(honest)
    records = pq.read_table(version.path / "records").to_pylist()
    assert records
    for record in records:
        methods = [negative["method"] for negative in record["negatives"]]
        assert methods[-2:] == ["llm", "llm"]
        assert set(methods[:-2]) <= {"mined"}
        last = record["negatives"][-1]
        assert (last["generator_model"], last["prompt"]) == ("fake", WRITE)
        assert last["made_from"] == record["positive"]["passage_id"]
        assert last["text"].startswith(THIRD)
    assert version.manifest.written == {"kept": 2 * len(records)}
    assert version.manifest.negatives["llm"] == 2 * len(records)
    assert verify_version(version) == []
    calls = Counter(map(kind, fake.prompts))
    assert calls == {"query": len(records), WRITE: len(records), "check": 2 * len(records)}
    assert export_version(version, "triplet", tmp_path / "out").rows["train"] > 2 * len(records) // 2


def test_written_negatives_alone_fill_the_columns_of_an_n_tuple(make: Make, tmp_path: Path) -> None:
    version, _ = make(honest, mining={"negatives": 0})
    exported = export_version(version, "n-tuple", tmp_path / "out")
    assert exported.columns == ("anchor", "positive", "negative_1", "negative_2")


def test_the_check_sees_the_texts_in_both_orders(make: Make) -> None:
    _, fake = make(honest)
    checks = [prompt for prompt in fake.prompts if kind(prompt) == "check"]
    first = Counter("Note" in c.split("</text>")[0] or "See" in c.split("</text>")[0] for c in checks)
    assert first[True] == first[False] == len(checks) // 2


def test_a_record_stays_when_its_negatives_can_not_be_written(make: Make) -> None:
    version, _ = make(lambda prompt, _: Say("no JSON") if kind(prompt) == WRITE else Fill())
    funnel = version.manifest.funnel
    assert (funnel.failed, funnel.rejected) == ({}, {})
    assert version.manifest.written == {"invalid_json": funnel.accepted}
    assert "llm" not in version.manifest.negatives


def test_negatives_are_written_only_for_records_that_all_gates_keep(make: Make) -> None:
    gates = [{"name": "length", "settings": {"min_words": 60}}]
    version, fake = make(honest, gates=gates)
    assert version.manifest.funnel.accepted == 0
    assert {kind(prompt) for prompt in fake.prompts} == {"query"}


def test_negatives_can_not_be_written_without_an_llm(tmp_path: Path) -> None:
    config = tmp_path / "config.yaml"
    config.write_text("writing: {negatives: 1}\n")
    with pytest.raises(DomainError, match=r"writing.negatives asks an LLM .*: add --llm"):
        resolve(Choices("finance", config=config))


def test_asking_for_negatives_later_asks_no_query_again(make: Make) -> None:
    _, before = make(honest, writing={"negatives": 0})
    assert {kind(prompt) for prompt in before.prompts} == {"query"}
    version, after = make(honest)
    assert version.number == 2
    assert "query" not in {kind(prompt) for prompt in after.prompts}
