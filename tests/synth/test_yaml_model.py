from __future__ import annotations

from pathlib import Path

import pytest

from schemas.recipe import Domain
from synth.errors import DomainError
from synth.yaml_model import line_of, load_yaml_model, read_yaml

GOOD = """\
# a comment
name: tea
title: Tea
description: Leaves and water.
corpus: leaves
personas: people.jsonl
"""


def load(folder: Path, source: str) -> Domain:
    (folder / "tea.yaml").write_text(source)
    return load_yaml_model(folder / "tea.yaml", Domain)


def test_a_valid_file_becomes_a_model(tmp_path: Path) -> None:
    assert load(tmp_path, GOOD).corpus == "leaves"


@pytest.mark.parametrize(
    ("added", "place"),
    [
        ("limitt: 5", r"line 7, field limitt: unknown field; did you mean 'limit'\?"),
        ("zzz: 5", "line 7, field zzz: unknown field; known: chunk, corpus, "),
        (
            "chunk:\n  max_chars: 500\n  min_char: 9",
            r"line 9, field chunk\.min_char: unknown field; did you mean 'min_chars'\?",
        ),
        ("seed: many", "line 7, field seed: Input should be a valid integer"),
        ("seed: -1", "line 7, field seed: Input should be greater than or equal to 0"),
        ("chunk:\n\n  max_chars: [1]", r"line 9, field chunk\.max_chars: Input should be a valid integer"),
        (
            "chunk: {max_chars: 200, min_chars: 300}",
            r"line 7, field chunk: min_chars \(300\) is above max_chars \(200\)$",
        ),
        ("mining: {rank_min: 300}", r"line 7, field mining: rank_min \(300\) is above rank_max \(100\)"),
        ("gates:\n  - name: copy\n  - settings: {}", r"line 9, field gates\.1\.name: is missing; add it"),
        ("gates:\n  - name: copy\n    setings: {}", r"line 9, field gates\.0\.setings: unknown field"),
        ("plan:\n  language:\n    en: 0", r"line 9, field plan\.language\.en: Input should be greater than 0"),
    ],
)
def test_an_error_names_file_line_and_field(tmp_path: Path, added: str, place: str) -> None:
    with pytest.raises(DomainError, match=rf"tea\.yaml, {place}"):
        load(tmp_path, GOOD + added + "\n")


def test_a_required_field_whose_name_is_misspelt_is_told_by_its_misspelling(tmp_path: Path) -> None:
    with pytest.raises(DomainError, match=r"line 4, field descripton: unknown field; did you mean 'description'\?"):
        load(tmp_path, GOOD.replace("description", "descripton"))
    with pytest.raises(DomainError, match=r"line 1, field description: is missing; add it"):
        load(tmp_path, GOOD.replace("description", "zzz"))


@pytest.mark.parametrize(
    ("title", "message"),
    [
        ("Tea: a drink", "line 3: not valid YAML: put a text that holds ': ' in quotes"),
        ('"Tea', "line 3: not valid YAML: a quotation mark is never closed"),
    ],
)
def test_the_usual_mistakes_with_quotes_are_told_where_they_begin(tmp_path: Path, title: str, message: str) -> None:
    with pytest.raises(DomainError, match=message):
        load(tmp_path, GOOD.replace("title: Tea", f"title: {title}"))


def test_an_unknown_field_in_a_list_suggests_the_nearest_too(tmp_path: Path) -> None:
    with pytest.raises(DomainError, match=r"field gates\.0\.setings: unknown field; did you mean 'settings'\?"):
        load(tmp_path, GOOD + "gates:\n  - name: copy\n    setings: {}\n")


def test_a_missing_field_is_named(tmp_path: Path) -> None:
    with pytest.raises(DomainError, match=r"tea\.yaml, line 1, field corpus: is missing; add it"):
        load(tmp_path, GOOD.replace("corpus: leaves\n", ""))


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("name: tea\ntitle: [1, 2\n", r"tea\.yaml, line 3: not valid YAML"),
        ("name: tea\n\ttitle: Tea\n", r"tea\.yaml, line 2: not valid YAML"),
        ("name: !!python/object:os.system x\n", r"tea\.yaml, line 1: not valid YAML"),
        ("- name\n", r"tea\.yaml, line 1: expected `field: value` lines, found list"),
        ("", r"tea\.yaml, line 1: expected `field: value` lines, found NoneType"),
    ],
    ids=["open bracket", "tab", "python tag", "list", "empty"],
)
def test_a_file_that_is_no_mapping_is_refused_with_its_line(tmp_path: Path, source: str, message: str) -> None:
    with pytest.raises(DomainError, match=message):
        load(tmp_path, source)


@pytest.mark.parametrize("value", ["a\x07b", "2024-13-45"], ids=["control character", "impossible date"])
def test_yaml_that_the_parser_gives_up_on_is_a_domain_error_too(tmp_path: Path, value: str) -> None:
    with pytest.raises(DomainError, match=r"tea\.yaml"):
        load(tmp_path, f"name: tea\ntitle: {value}\n")


def test_a_field_given_twice_is_refused(tmp_path: Path) -> None:
    """The second would silently win."""
    with pytest.raises(DomainError, match=r"tea\.yaml, line 7.*limit|tea\.yaml, line 8.*limit"):
        load(tmp_path, GOOD + "limit: 5\nlimit: 6\n")


def test_a_file_that_can_not_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / "latin.yaml").write_bytes("name: é".encode("latin-1"))
    with pytest.raises(DomainError, match=r"can't read .*nowhere\.yaml: No such file"):
        read_yaml(tmp_path / "nowhere.yaml")
    with pytest.raises(DomainError, match=r"can't read .*latin\.yaml: it is not UTF-8"):
        read_yaml(tmp_path / "latin.yaml")
    with pytest.raises(DomainError, match="can't read"):
        read_yaml(tmp_path)


def test_a_whole_file_error_has_no_line_to_point_at(tmp_path: Path) -> None:
    (tmp_path / "tea.yaml").write_text(GOOD)
    with pytest.raises(DomainError, match=r"line 1, field plan\.length\.short"):
        load_yaml_model(
            tmp_path / "tea.yaml", Domain, {**read_yaml(tmp_path / "tea.yaml"), "plan": {"length": {"short": -1}}}
        )


def test_a_line_is_found_for_what_stands_in_the_file_and_for_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "tea.yaml"
    path.write_text(GOOD + "gates:\n  - name: copy\n  - name: leak\n")
    assert [line_of(path, place) for place in (["corpus"], ["gates", 1], ["gates", 1, "name"])] == [5, 9, 9]
    assert [line_of(path, place) for place in (["gates", 7], ["zzz"], [])] == [7, 1, 1]
    assert line_of(tmp_path / "nowhere.yaml", ["corpus"]) == line_of(tmp_path, ["corpus"]) == 1
