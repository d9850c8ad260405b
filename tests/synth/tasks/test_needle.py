from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from schemas.record import Attribute, Pair, PassageText, Provenance
from synth.gates.evidence import EvidencePlace
from synth.gates.text_pair import TextPair
from synth.tasks import Draft, Failure, Query, TaskInput
from synth.tasks.needle import NeedleInPassage

Make = Callable[..., TaskInput]


def draft_of(given: TaskInput, query: str = "") -> Draft:
    made = NeedleInPassage.draft(given, {"needle": Query(query="?")}, "extractive:needle")
    return replace(made, query=query or f"What is the number of {made.attributes['needle_key']}?")


def record_of(draft: Draft) -> Pair:
    made = Provenance(
        task="needle", method=draft.method, generator="g", prompt="p", prompt_sha256="0" * 64, position=0, seed=1
    )
    return Pair(
        id="r",
        language="en",
        split="train",
        query=draft.query,
        positive=PassageText(passage_id="p", document_id="d", text=draft.positive),
        written=list(draft.negatives),
        attributes=[Attribute(name=name, value=value) for name, value in draft.attributes.items()],
        provenance=made,
    )


def verdict(draft: Draft) -> str:
    record = record_of(draft)
    return next(
        (said.reason for gate in (TextPair, EvidencePlace) if not (said := gate(gate.Settings()).judge(record)).keep),
        "",
    )


def test_the_needle_stands_in_the_positive_and_in_no_negative(make_input: Make) -> None:
    for seed in range(60):
        draft = draft_of(make_input(seed=seed))
        said = draft.attributes
        assert draft.positive[int(said["evidence_start"]) : int(said["evidence_end"])] == said["evidence"]
        assert said["needle_value"] in said["evidence"] and said["needle_key"] in said["evidence"]
        assert len(draft.negatives) == 3
        assert all(said["evidence"] not in text for text in draft.negatives)
        assert draft.positive.replace(said["evidence"], "").split() == make_input().passage.text.split()
        assert verdict(draft) == ""


@pytest.mark.parametrize(
    ("query", "reason"),
    [
        ("What is the locker code of Petra?", "no_key"),
        ("What is the locker code?", "no_key"),
        ("Is {value} the number of {key}?", "gives_value"),
    ],
)
def test_a_question_that_names_too_little_or_too_much_is_dropped(make_input: Make, query: str, reason: str) -> None:
    said = draft_of(make_input()).attributes
    asked = query.format(key=said["needle_key"], value=said["needle_value"])
    assert verdict(draft_of(make_input(), asked)) == reason


def test_planted_faults_are_caught(make_input: Make) -> None:
    """The needle in a negative too; the needle moved to the other end of the text."""
    caught = Counter[str]()
    for seed in range(100):
        draft = draft_of(make_input(seed=seed))
        needle = draft.attributes["evidence"]
        both = (*draft.negatives[:2], f"{draft.negatives[2]} {needle}")
        caught[verdict(replace(draft, negatives=both))] += 1
        rest = draft.positive.replace(needle, "").strip()
        deep = int(draft.attributes["evidence_decile"]) >= 5
        caught[verdict(replace(draft, positive=f"{needle} {rest}" if deep else f"{rest} {needle}"))] += 1
    assert caught["negative_is_positive"] == 100
    assert caught["wrong_depth"] >= 95


def test_a_language_without_needles_and_a_text_without_sentences_are_refused(make_input: Make) -> None:
    given = make_input()
    czech = replace(given, item=replace(given.item, language="cs"))
    assert NeedleInPassage.refuse(czech) == Failure("no_needles", "there is no data/needles/cs.yaml")
    refusal = NeedleInPassage.refuse(make_input("| a | b |"))
    assert refusal is not None and refusal.reason == "no_sentence"
    assert NeedleInPassage.refuse(given) is None


def test_a_run_makes_needles_at_all_depths_with_negatives_by_rule(
    make: Callable[..., Any], make_texts: Callable[..., dict[str, str]]
) -> None:
    settings = {"chunk": {"max_chars": 8_000}, "plan": {"tasks": {"needle": 1}, "items_per_passage": 10}}
    made = make(make_texts(6, sentences=40), settings=settings)
    funnel = made.manifest.funnel
    assert funnel.accepted == 60 and made.manifest.methods == {"extractive:needle:text": 60}
    assert made.manifest.negatives == {"rule": 180} and made.manifest.written == {}
    deciles = Counter(a["value"] for r in made.records for a in r["attributes"] if a["name"] == "evidence_decile")
    assert all(deciles[str(n)] == pytest.approx(6, abs=3) for n in range(10)), deciles
    for record in made.records:
        assert {(n["method"], n["generator_model"], n["prompt"]) for n in record["negatives"]} == {("rule", "", "")}


def test_an_update_carries_needles_over_with_their_negatives(
    make: Callable[..., Any], make_texts: Callable[..., dict[str, str]]
) -> None:
    settings = {"plan": {"tasks": {"needle": 1}, "items_per_passage": 2}, "chunk": {"max_chars": 2_000}}
    texts = make_texts(6)
    first = make(texts, settings=settings)
    more = make({**texts, "new": "A new document came in. " * 3}, settings=settings, store=first.run.store, update={})
    kept = {record["id"]: record for record in more.records}
    assert more.manifest.update.carried == len(first.records) > 5
    for record in first.records:
        assert [n["text"] for n in kept[record["id"]]["negatives"]] == [n["text"] for n in record["negatives"]]
