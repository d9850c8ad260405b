from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from schemas.record import Attribute, Pair, PassageText, Provenance
from synth.gates.text_pair import TextPair
from synth.tasks import Draft, TaskInput
from synth.tasks.noisy_text import CleanTexts, OcrNoise, SpellingNoise

Make = Callable[..., TaskInput]
BOTH = pytest.mark.parametrize("task", [OcrNoise, SpellingNoise])


def draft_of(task: Any, given: TaskInput) -> Draft:
    text = task.query(given)
    made: Draft = task.draft(given, {task.name: CleanTexts(positive=text, negatives=["Something else."])}, "llm")
    return made


def reason(task: Any, draft: Draft) -> str:
    made = Provenance(
        task=task.name, method=draft.method, generator="g", prompt="p", prompt_sha256="0" * 64, position=0, seed=1
    )
    record = Pair(
        id="r",
        language="en",
        split="train",
        query=draft.query,
        positive=PassageText(passage_id="p", document_id="d", text=draft.positive),
        written=list(draft.negatives),
        attributes=[Attribute(name=name, value=value) for name, value in draft.attributes.items()],
        provenance=made,
    )
    return TextPair(TextPair.Settings()).judge(record).reason


@BOTH
def test_the_noise_is_in_the_query_and_the_clean_text_beside_it(task: Any, make_input: Make) -> None:
    for seed in range(30):
        draft = draft_of(task, make_input(seed=seed))
        assert draft.query != draft.attributes["clean"] == draft.positive
        assert float(draft.attributes["noise_rate"]) in task.rates
        assert int(draft.attributes["noise_errors"]) >= 1
        assert reason(task, draft) == ""
        assert draft == draft_of(task, make_input(seed=seed)), "the seed decides"


@BOTH
def test_what_a_machine_can_see_of_a_wrong_pair_is_dropped(task: Any, make_input: Make) -> None:
    draft = draft_of(task, make_input())
    clean = draft.attributes["clean"]
    assert reason(task, replace(draft, query=clean)) == "copied"
    assert reason(task, replace(draft, query=f"{draft.query} In 1907.")) == "changed_number"
    assert reason(task, replace(draft, positive=f"{draft.positive} In 1907.")) == "changed_number"
    shuffled = " ".join(reversed(clean.rstrip(".").split()))
    assert reason(task, replace(draft, positive="It says so.", negatives=(shuffled,))) == "negative_is_positive"


def test_a_language_without_spaces_has_no_typing_mistakes_of_this_kind(make_input: Make) -> None:
    given = make_input()
    refusal = SpellingNoise.refuse(replace(given, item=replace(given.item, language="ja")))
    assert refusal is not None and refusal.reason == "no_mistakes"
    assert SpellingNoise.refuse(given) is None


@pytest.mark.parametrize("task", ["ocr-noise", "spelling-noise"])
def test_a_run_without_an_llm_makes_noisy_views_of_its_sentences(
    task: str, make: Callable[..., Any], make_texts: Callable[..., dict[str, str]]
) -> None:
    made = make(make_texts(6), settings={"plan": {"tasks": {task: 1}, "items_per_passage": 3}})
    assert made.manifest.methods == {"extractive:noise:text": len(made.records)}
    assert len(made.records) > 0.8 * made.manifest.funnel.planned
    for record in made.records:
        said = {each["name"]: each["value"] for each in record["attributes"]}
        assert (
            record["positive"]["text"]
            == said["clean"]
            in " ".join(made.passages[record["positive"]["passage_id"]]["text"].split())
        )
        assert [n["method"] for n in record["negatives"]] and all(n["method"] == "rule" for n in record["negatives"])
        assert all(n["text"] not in said["clean"] for n in record["negatives"])
