from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from corpora import build_corpus

from schemas.facts import Facts
from schemas.recipe import PerturbationSettings
from schemas.record import PassageText
from synth.perturb import Asked, Perturber, make_perturber
from synth.perturb.surroundings import NameFinder, survey

QUERY = "What drove the $4.2 million net loss of Cobalt in 2024?"
TEXT = "In 2024 the net loss of Cobalt Corp. was $4.2 million."
POSITIVE = PassageText(passage_id="doc#0", document_id="doc", text=TEXT, score=0.7, rank=1)


def asked(number: int = 0, **changes: str) -> Asked:
    return Asked(**({"id": f"r{number}", "query": QUERY, "method": "llm", "language": "en"} | changes))


@pytest.fixture
def make(facts: Facts, perturber: Perturber) -> type[Perturber]:
    class Made(Perturber):
        def __init__(self, seed: int = 0, **settings: object) -> None:
            super().__init__(facts, PerturbationSettings.model_validate(settings), seed, perturber._surroundings)

    return Made


def test_a_made_negative_says_what_it_was_made_of_and_how(make: type[Perturber]) -> None:
    (made,) = make(negatives=1, kinds={"currency": 1}).negatives(asked(), POSITIVE)  # type: ignore[call-arg]
    assert made.method == "perturbed:currency"
    assert made.made_from == "doc#0"
    assert made.document_id == "doc"
    assert made.passage_id.startswith("doc#0~currency-")
    assert (made.score, made.rank) == (0.0, 0)
    (change,) = made.changes
    assert change.before == "$"
    assert made.text == TEXT.replace("$", change.after)


def test_every_kind_that_fits_makes_one_and_all_differ(make: type[Perturber]) -> None:
    made = make(negatives=8).negatives(asked(), POSITIVE)  # type: ignore[call-arg]
    methods = [negative.method.removeprefix("perturbed:") for negative in made]
    assert sorted(methods) == ["currency", "entity", "period", "sign", "unit"]
    assert len({negative.text for negative in made} | {TEXT}) == 6
    assert len({negative.passage_id for negative in made}) == 5


def test_no_more_are_made_than_were_asked_for(make: type[Perturber]) -> None:
    for number in range(4):
        assert len(make(negatives=number).negatives(asked(), POSITIVE)) == number  # type: ignore[call-arg]


def test_the_same_record_and_seed_make_the_same_negatives_and_others_make_others(make: type[Perturber]) -> None:
    def texts(seed: int, number: int) -> list[str]:
        return [each.text for each in make(seed=seed, negatives=2).negatives(asked(number), POSITIVE)]  # type: ignore[call-arg]

    assert texts(0, 1) == texts(0, 1)
    assert len({tuple(texts(0, number)) for number in range(20)}) > 5
    assert len({tuple(texts(seed, 1)) for seed in range(20)}) > 5


def test_kinds_are_drawn_by_their_weights(make: type[Perturber]) -> None:
    drawn = make(negatives=1, kinds={"period": 3, "unit": 1})  # type: ignore[call-arg]
    counts = Counter(drawn.negatives(asked(number), POSITIVE)[0].method for number in range(400))
    assert set(counts) == {"perturbed:period", "perturbed:unit"}
    assert 260 < counts["perturbed:period"] < 340


@pytest.mark.parametrize(
    "changes",
    [{"language": "de"}, {"method": "extractive:span"}, {"method": "extractive:crop"}, {"method": "extractive:cloze"}],
)
def test_queries_that_ask_no_fact_or_speak_another_language_get_none(
    make: type[Perturber], changes: dict[str, str]
) -> None:
    assert make(negatives=8).negatives(asked(**changes), POSITIVE) == []  # type: ignore[call-arg]
    assert make(negatives=8).negatives(asked(language="en-GB"), POSITIVE)  # type: ignore[call-arg]


@pytest.mark.parametrize(
    ("query", "is_made"),
    [("Basic earnings per share and net income?", False), ("Basic earnings per share in 2023 and 2024?", True)],
)
def test_a_query_that_asks_for_two_things_keeps_both(perturber: Perturber, query: str, is_made: bool) -> None:
    made = perturber.perturb("r", query, "Basic earnings per share were 4 in 2024.", "scope")
    assert (made is not None) == is_made
    assert perturber.perturb("r", f"{query} For 2024?", "Basic earnings per share were 4 in 2024.", "period")


def test_a_text_that_is_a_passage_of_the_corpus_is_not_made(facts: Facts, tmp_path: Path) -> None:
    settings = PerturbationSettings(negatives=1, kinds={"scope": 1})
    query, text = "Basic earnings per share?", "Basic earnings per share were four euros in that quarter."
    other = text.replace("Basic", "Diluted")
    alone = make_perturber(facts, settings, 0, build_corpus(tmp_path / "alone", [text]))
    beside = make_perturber(facts, settings, 0, build_corpus(tmp_path / "beside", [text, other.upper()]))
    assert alone.perturb("r", query, text, "scope") is not None
    assert beside.perturb("r", query, text, "scope") is None


def test_a_corpus_without_names_or_years_still_gives_surroundings(facts: Facts, tmp_path: Path) -> None:
    corpus = build_corpus(tmp_path, ["nothing of note is said in this passage, and nobody is named."])
    surroundings = survey(corpus, NameFinder(facts.names))
    assert (surroundings.names, surroundings.latest) == ({}, 0)
