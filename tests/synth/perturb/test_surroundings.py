from __future__ import annotations

from pathlib import Path

from corpora import Row, write_corpus

from schemas.facts import NameType
from synth.perturb.surroundings import NameFinder, distinctive, survey

FINDER = NameFinder(
    {
        "organisation": NameType(legal_forms=["Inc.", "plc", "Company"], endings=["Bank", "Group"]),
        "person": NameType(titles=["Mr.", "Ms."]),
    }
)


def cores(text: str) -> list[str]:
    return [name.core for name in FINDER.find(text)]


def test_names_are_found_by_their_endings_and_titles() -> None:
    text = "In Harbour Savings Bank's view, Meridian Foods, Inc. and Mr. Vance-Holm agreed. The Company did not."
    assert cores(text) == ["Harbour Savings Bank", "Meridian Foods", "Vance-Holm"]


def test_function_words_and_line_ends_are_no_part_of_a_name() -> None:
    assert cores("RATIFICATION OF KPMG plc") == ["KPMG"]
    assert cores("Total Assets\nAlder Bank") == ["Alder Bank"]
    assert cores("Our Group. The Bank.") == []


def test_words_in_lower_case_and_places_name_nobody(tmp_path: Path) -> None:
    texts = ["Target plc hit its target.", "California Water plc sells in California.", "Acme plc, Reno, NV."]
    surroundings = survey(write_corpus(tmp_path, [Row("d", text=text) for text in texts]), FINDER)
    assert [name.core for name in surroundings.names["organisation"]] == ["Acme", "California Water"]
    assert distinctive("California Water Reno Acme", surroundings.common) == ["Water", "Acme"]


def test_names_and_years_of_test_passages_are_not_seen(tmp_path: Path) -> None:
    rows = [
        Row("a", text="Harbour Bank in 2020"),
        Row("b", split="test", text="Alder Bank in 2024"),
        Row("c", text="Copied Bank in 2024"),
    ]
    surroundings = survey(write_corpus(tmp_path, rows, near_pairs=[(1, 2)]), FINDER)
    assert [name.core for name in surroundings.names["organisation"]] == ["Harbour Bank"]
    assert surroundings.latest == 2020


def test_a_year_that_is_hardly_spoken_of_is_not_the_latest(tmp_path: Path) -> None:
    rows = [Row("a", text="2023 2024 2024 2024 2024 2024 2058 and 2,058")]
    assert survey(write_corpus(tmp_path, rows), FINDER).latest == 2024


def test_texts_of_the_corpus_are_known_whatever_their_case_and_space(tmp_path: Path) -> None:
    surroundings = survey(write_corpus(tmp_path, [Row("a", text="One two."), Row("b", text="Three.")]), FINDER)
    assert surroundings.holds("one  TWO.")
    assert not surroundings.holds("One three.")
