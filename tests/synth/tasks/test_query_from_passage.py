from __future__ import annotations

import random
from collections import Counter
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sentences import sentences

from schemas.document import Passage
from schemas.persona import Persona
from synth.lexicon import Lexicon, build_lexicon
from synth.plan import Item
from synth.prompts import load_prompt
from synth.tasks import Extracted, Failure, Query, TaskInput
from synth.tasks.query_from_passage import MIN_WORDS, SPAN_WORDS, ClozeQuery, QueryFromPassage
from synth.text import join_clauses, word_count

SENTENCES = [
    "Net debt fell to four hundred million at the end of June.",
    "The revolving facility was extended by two years in March.",
    "Covenant headroom widened because earnings recovered faster than planned.",
    "Management expects to repay the bridge loan before the winter.",
    "Rating agencies left both outlooks unchanged after the review.",
]
TEXT = " ".join(SENTENCES)
PERSONA = Persona(id="analyst", text="A credit analyst who reads loan agreements.")
TOKENS = st.lists(st.text("abcdeé1|-—.", min_size=1, max_size=8), min_size=MIN_WORDS, max_size=80).map(" ".join)


def task_input(text: str = TEXT, *, title: str = "", heading: str = "", occurrence: int = 1, **item: Any) -> TaskInput:
    passage = Passage(
        id="p1", document_id="d1", title=title, heading=heading, text=text, start=0, end=len(text), split="train"
    )
    planned: dict[str, Any] = {
        "query_type": "fact",
        "difficulty": "easy",
        "length": "medium",
        "language": "en",
        "seed": 1,
    } | item
    chosen = Item(
        position=0, id="i1", passage=0, occurrence=occurrence, task="query-from-passage", persona="analyst", **planned
    )
    return TaskInput(item=chosen, passage=passage, persona=PERSONA, domain="finance", instruction="find it")


def lexicon_of(wanted: TaskInput, copies: int = 1) -> Lexicon:
    passage = wanted.passage
    return build_lexicon([(passage.title, passage.heading, passage.text)] * copies + [("", "", "Gilts fell.")], "en")


def extract(wanted: TaskInput, seed: int = 0, copies: int = 1) -> Extracted | Failure:
    return QueryFromPassage.extract(wanted, lexicon_of(wanted, copies), random.Random(seed))


def extract_often(wanted: TaskInput, times: int) -> list[Extracted]:
    lexicon = lexicon_of(wanted)
    made = [QueryFromPassage.extract(wanted, lexicon, random.Random(seed)) for seed in range(times)]
    return [each for each in made if isinstance(each, Extracted)]


def query_of(made: Extracted | Failure) -> str:
    assert isinstance(made, Extracted), made
    assert isinstance(made.output, Query)
    return made.output.query


def test_a_narrow_heading_is_the_first_query_of_its_passage() -> None:
    made = extract(task_input(heading="Extension of the revolving facility", occurrence=0))
    assert made == Extracted(Query(query="Extension of the revolving facility"), "extractive:title")


def test_a_heading_is_read_under_the_title_of_its_document() -> None:
    wanted = task_input(heading="Swaps", title="Lindeveld Resins 2023", occurrence=0)
    assert query_of(extract(wanted)) == "Lindeveld Resins 2023: Swaps"
    assert (
        query_of(extract(task_input(heading="Debt funding review", title="Debt funding review", occurrence=0)))
        == "Debt funding review"
    )


def test_the_title_stands_in_where_the_heading_is_wide() -> None:
    wanted = task_input(heading="Notes on the accounts", title="Debt funding review 2024", occurrence=0)
    passages = [("", "Notes on the accounts", "Gilts fell.")] * 3 + [("Debt funding review 2024", "", TEXT)]
    made = QueryFromPassage.extract(wanted, build_lexicon(passages, "en"), random.Random(0))
    assert made == Extracted(Query(query="Debt funding review 2024"), "extractive:title")


@pytest.mark.parametrize("copies", [1, 2, 3])
def test_a_heading_over_many_passages_is_not_used(copies: int) -> None:
    made = extract(task_input(heading="Extension of the revolving facility", occurrence=0), copies=copies)
    assert isinstance(made, Extracted)
    assert (made.method == "extractive:title") == (copies <= 2)


@pytest.mark.parametrize(
    ("heading", "occurrence"), [("Debt and funding", 0), ("", 0), ("Extension of revolving facility", 1)]
)
def test_an_empty_or_thin_heading_or_a_later_query_takes_real_text(heading: str, occurrence: int) -> None:
    for seed in range(20):
        made = extract(task_input(heading=heading, occurrence=occurrence), seed)
        assert isinstance(made, Extracted)
        assert made.method != "extractive:title"


def test_spans_crops_and_clozes_come_three_to_two_to_one() -> None:
    counts = Counter(made.method for made in extract_often(task_input(), 3000))
    assert counts == {
        "extractive:span": pytest.approx(1500, abs=150),
        "extractive:crop": pytest.approx(1000, abs=130),
        "extractive:cloze": pytest.approx(500, abs=110),
    }


@pytest.mark.parametrize("length", SPAN_WORDS)
def test_a_span_is_as_long_as_the_item_asks_and_stands_in_the_passage(length: str) -> None:
    low, high = SPAN_WORDS[length]
    spans = [m for m in extract_often(task_input(length=length), 200) if m.method == "extractive:span"]
    assert len(spans) > 60
    for made in spans:
        assert low <= len(query_of(made).split()) <= high
        assert query_of(made) in TEXT


def test_a_span_tells_its_passage_from_the_others() -> None:
    """The best of sixteen spans holds more of the passage's own words than the average span."""
    filler = "and then it was so that this and that were as they had been before"
    wanted = task_input(f"{filler} {filler} covenant headroom widened remarkably {filler} {filler}", length="short")
    spans = [query_of(m) for m in extract_often(wanted, 200) if m.method == "extractive:span"]
    assert sum("covenant" in s or "headroom" in s or "widened" in s for s in spans) > 0.8 * len(spans)


def test_a_crop_drops_about_every_tenth_word_and_keeps_the_order() -> None:
    tokens = [f"w{n}" for n in range(200)]
    crops = [
        query_of(m).split() for m in extract_often(task_input(" ".join(tokens)), 400) if m.method == "extractive:crop"
    ]
    runs = [[int(token[1:]) for token in crop] for crop in crops]
    assert all(run == sorted(run) and len(run) <= 40 for run in runs)
    long = [run for run in runs if len(run) > 20]
    kept = sum(len(run) for run in long) / sum(run[-1] - run[0] + 1 for run in long)
    assert kept == pytest.approx(0.9, abs=0.03)


def test_a_cloze_takes_its_sentence_out_of_the_passage_in_nine_of_ten_cases() -> None:
    clozes = [made for made in extract_often(task_input(), 6000) if made.method == "extractive:cloze"]
    taken = 0
    for made in clozes:
        assert isinstance(made.output, ClozeQuery)
        assert made.output.query in SENTENCES
        expected = " ".join(s for s in SENTENCES if s != made.output.query)
        assert made.output.rest in (TEXT, expected)
        assert (
            QueryFromPassage.draft(task_input(), {QueryFromPassage.name: made.output}, made.method).positive
            == made.output.rest
        )
        taken += made.output.rest != TEXT
    assert len(clozes) > 800
    assert taken / len(clozes) == pytest.approx(0.9, abs=0.04)


@pytest.mark.parametrize("gap", [" ", "\n\n"], ids=["one paragraph", "two paragraphs"])
def test_a_passage_of_two_sentences_is_never_a_cloze(gap: str) -> None:
    two = gap.join(SENTENCES[:2])
    assert {made.method for made in extract_often(task_input(two), 200)} == {"extractive:span", "extractive:crop"}


def test_a_passage_that_is_too_short_fails_with_a_reason() -> None:
    assert extract(task_input("one two three")) == Failure("passage_too_short", "3 words")
    assert extract(
        task_input(" ".join(["word"] * (MIN_WORDS - 1)), heading="Extension of revolving facility", occurrence=0)
    ) == (Failure("passage_too_short", f"{MIN_WORDS - 1} words"))
    assert isinstance(extract(task_input(" ".join(["word"] * MIN_WORDS))), Extracted)


@settings(deadline=None)
@given(TOKENS, st.integers(0, 2**62), st.sampled_from(["short", "medium", "long"]))
def test_the_same_seed_gives_the_same_output(text: str, seed: int, length: str) -> None:
    wanted = task_input(text, length=length)
    assert extract(wanted, seed) == extract(wanted, seed)


@settings(deadline=None)
@given(TOKENS, st.integers(0, 2**62))
def test_any_passage_gives_a_query_within_bounds_or_a_failure(text: str, seed: int) -> None:
    made = extract(task_input(text), seed)
    if isinstance(made, Extracted):
        assert 1 <= len(query_of(made)) <= 400


def test_a_passage_of_punctuation_never_raises() -> None:
    """Rules and empty table cells are words to `split`, and nothing once trimmed."""
    for seed in range(30):
        made = extract(task_input("| - " * 20), seed)
        assert isinstance(made, Failure) or query_of(made)


def test_a_cloze_of_long_words_never_raises() -> None:
    sentence = " ".join(["Kapitaladäquanzverordnung"] * 30) + "."
    for seed in range(60):
        made = extract(task_input(" ".join([sentence] * 4)), seed)
        assert isinstance(made, Failure) or len(query_of(made)) <= 400


def test_a_draft_pairs_the_query_with_the_passage() -> None:
    drafted = QueryFromPassage.draft(
        task_input(), {QueryFromPassage.name: Query(query="  when was the facility extended? ")}, "llm"
    )
    assert (drafted.query, drafted.positive, drafted.method) == ("when was the facility extended?", TEXT, "llm")


def test_the_prompt_takes_exactly_what_the_task_gives() -> None:
    inputs = QueryFromPassage.prompt_inputs(task_input(title="T", heading="H"), {})
    assert set(inputs) == load_prompt(QueryFromPassage.prompt, QueryFromPassage.prompt_folder).inputs
    assert (inputs["passage"], inputs["persona"], inputs["heading"]) == (TEXT, PERSONA.text, "H")


@pytest.mark.parametrize("language", ["zh", "ja", "th"])
def test_of_text_without_spaces_whole_clauses_are_cut(language: str) -> None:
    text = join_clauses(sentences(language, "statements")[:6])
    wanted = task_input(text, language=language)
    marks, found = set(), set()
    for seed in range(60):
        made = QueryFromPassage.extract(wanted, lexicon_of(wanted), random.Random(seed))
        assert isinstance(made, Extracted)
        query = made.output.query.rstrip("，。、")
        marks.add(made.method)
        found.add(query)
        assert query in text
        assert word_count(query) >= 3
        assert text.startswith(query) or text[text.index(query) - 1] in "，。、 "
    assert {"extractive:span", "extractive:crop"} <= marks
    assert len(found) > 6
