from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from schemas.document import Passage
from schemas.recipe import GateSettings
from schemas.record import Attribute, Pair, PassageText, Provenance
from synth.evidence import (
    DECILES,
    Evidence,
    decile_of,
    evidence_of,
    sentence_bounds,
    surroundings,
    wrong_depth,
)
from synth.gates import build_gate
from synth.personas.scope import NOBODY
from synth.plan import Item
from synth.tasks import TaskInput

NAMES = ("Alder Homes", "Cobalt Mining", "Meridian Foods", "The trustee", "Harbour Bank")
DID = ("repaid a loan", "sold two warehouses", "hedged its copper", "cut the dividend", "reset a covenant")


def long_text(sentences: int, seed: int = 0) -> str:
    source = random.Random(seed)
    return " ".join(
        f"{source.choice(NAMES)} {source.choice(DID)} of {source.randint(2, 99_999)} thousand euros in week {n}."
        for n in range(sentences)
    )


def item_of(text: str, passage: int = 1, occurrence: int = 0) -> TaskInput:
    """An item about a passage of this text."""
    item = Item(7, "i7", 0, occurrence, "any", "", "fact", "easy", "short", "en", passage * 64 + occurrence)
    of = Passage(id=f"p{passage}", document_id="d1", text=text, start=0, end=len(text), split="train")
    return TaskInput(item, of, NOBODY, "finance", "find it")


def record_of(text: str, attributes: dict[str, str]) -> Pair:
    made = Provenance(
        task="evidence-query", method="llm", generator="llm", prompt="p", prompt_sha256="0" * 64, position=0, seed=1
    )
    return Pair(
        id="r",
        language="en",
        split="train",
        query="who repaid it?",
        positive=PassageText(passage_id="p", document_id="d", text=text),
        attributes=[Attribute(name=name, value=value) for name, value in attributes.items()],
        provenance=made,
    )


@given(st.integers(1, 5_000), st.data())
def test_a_decile_is_the_tenth_that_the_middle_lies_in(size: int, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, size - 1))
    end = data.draw(st.integers(start + 1, size))
    decile = decile_of(start, end, size)
    assert 0 <= decile < DECILES
    assert decile / 10 <= (start + end) / 2 / size
    assert (start + end) / 2 / size < (decile + 1) / 10 or decile == 9


def test_evidence_is_whole_sentences_and_stands_where_it_says() -> None:
    text = long_text(60)
    bounds = dict(sentence_bounds(text, "en"))
    for number in range(80):
        found = evidence_of(item_of(text, number, number % 4))
        assert found is not None
        assert text[found.start : found.end] == found.text
        assert found.start in bounds and found.end in bounds.values()
        assert 1 <= found.text.count(" in week ") <= 3


def test_deciles_balance_over_a_plan_even_of_short_passages() -> None:
    for sentences in (12, 200):
        text = long_text(sentences)
        found = Counter(
            evidence.decile
            for passage in range(500)
            for occurrence in range(4)
            if (evidence := evidence_of(item_of(text, passage, occurrence)))
        )
        assert sum(found.values()) == 2_000
        assert all(found[decile] == pytest.approx(200, abs=45) for decile in range(DECILES)), found


def test_deciles_balance_within_one_task_of_a_mix() -> None:
    """Every fourth item of a passage is of the task, as where it has a quarter of the plan."""
    text = long_text(100)
    found = Counter(
        evidence.decile for occurrence in range(2, 400, 4) if (evidence := evidence_of(item_of(text, 1, occurrence)))
    )
    assert all(found[decile] == pytest.approx(10, abs=3) for decile in range(DECILES)), found


def test_headings_and_table_rows_are_no_evidence() -> None:
    text = "# The long heading of this document\n\n| Year | Debt of the group |\n|---|---|\n- a list item that is long enough\n\nNo."
    assert evidence_of(item_of(text)) is None


def test_a_run_of_sentences_has_nothing_else_between_them() -> None:
    text = "The first sentence is here to be read.\n\n## A heading between the two\n\nThe second sentence is below it."
    for seed in range(30):
        found = evidence_of(item_of(text, seed))
        assert found is not None and "heading" not in found.text


def test_what_a_prompt_shows_of_a_long_text_are_whole_sentences_around_the_evidence() -> None:
    text = long_text(400)
    bounds = sentence_bounds(text, "en")
    for start, end in (bounds[0], bounds[200], bounds[-1]):
        shown = surroundings(text, Evidence(start, end, text[start:end], len(text)), 2_000, "en")
        assert text[start:end] in shown and 900 < len(shown) <= 2_000
        assert shown in text and shown.endswith(".") and shown[0].isupper()
    assert surroundings("short", Evidence(0, 5, "short", 5), 2_000, "en") == "short"


def test_evidence_at_the_wrong_depth_is_caught() -> None:
    """Four faults: the sentence moved in the text, the text edited before it, other offsets, another decile."""
    gate = build_gate(GateSettings(name="evidence"))
    source, caught, planted = random.Random(3), 0, 0
    for number in range(250):
        text = long_text(source.randint(8, 120), number)
        found = evidence_of(item_of(text, number, 0))
        assert found is not None
        assert gate.judge(record_of(text, found.attributes)).keep
        rest = f"{text[: found.start].rstrip()} {text[found.end :].lstrip()}".strip()
        moved = f"{rest} {found.text}" if found.decile < 5 else f"{found.text} {rest}"
        shift = source.choice([n for n in range(-40, 41) if n])
        said = found.attributes
        faulty = [
            record_of(moved, said),
            record_of(f"As was said before. {text}", said),
            record_of(
                text, said | {"evidence_start": str(found.start + shift), "evidence_end": str(found.end + shift)}
            ),
            record_of(text, said | {"evidence_decile": str((found.decile + source.randint(1, 9)) % 10)}),
        ]
        verdicts = [gate.judge(each) for each in faulty]
        assert all(verdict.keep or verdict.reason == "wrong_depth" for verdict in verdicts)
        caught, planted = caught + sum(not verdict.keep for verdict in verdicts), planted + len(faulty)
    assert planted == 1_000
    assert caught / planted >= 0.95


@pytest.mark.parametrize("missing", ["evidence", "evidence_start", "evidence_end", "evidence_decile"])
def test_half_a_place_is_none(missing: str) -> None:
    text = long_text(20)
    found = evidence_of(item_of(text))
    assert found is not None
    said = {name: value for name, value in found.attributes.items() if name != missing}
    assert wrong_depth(record_of(text, said))
    assert wrong_depth(record_of(text, {**found.attributes, "evidence_start": "near the end"}))


def test_a_record_that_names_no_evidence_is_kept() -> None:
    assert wrong_depth(record_of("a text", {})) == ""


def test_the_recipe_of_the_docs_makes_long_passages_with_balanced_evidence(
    make: Callable[..., Any], make_texts: Callable[..., dict[str, str]]
) -> None:
    page = (Path(__file__).parents[2] / "docs" / "long-documents.md").read_text(encoding="utf-8")
    settings = yaml.safe_load(page.split("```yaml\n")[1].split("```")[0])
    texts = make_texts(16, sentences=80)
    made = make({name: f"# One\n\n{text}\n\n## Two\n\n{text}" for name, text in texts.items()}, settings=settings)
    assert len(made.passages) == 16
    found = Counter(
        attribute["value"]
        for record in made.records
        for attribute in record["attributes"]
        if attribute["name"] == "evidence_decile"
    )
    assert sum(found.values()) == len(made.records) > 50
    assert set(found) == {str(decile) for decile in range(DECILES)}
    for record in made.records:
        said = {each["name"]: each["value"] for each in record["attributes"]}
        place = slice(int(said["evidence_start"]), int(said["evidence_end"]))
        assert record["positive"]["text"][place] == said["evidence"]
