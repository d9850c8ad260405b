from __future__ import annotations

import json
from pathlib import Path

import pytest

from schemas.persona import Persona
from synth import registry
from synth.domains import check_parts, hash_personas, load_domain, load_personas
from synth.errors import DomainError

DOMAIN = """\
name: tea
title: Tea
description: Leaves and water.
corpus: leaves
personas: people.jsonl
"""
PERSON: dict[str, object] = {"id": "taster", "text": "Somebody who tastes tea for a living."}


def personas(folder: Path, *lines: str | dict[str, object]) -> Path:
    path = folder / "people.jsonl"
    path.write_text("".join((line if isinstance(line, str) else json.dumps(line)) + "\n" for line in lines))
    return path


def test_a_domain_is_found_by_name() -> None:
    loaded = load_domain("finance")
    assert loaded.domain.name == "finance"
    assert loaded.corpus.is_dir()
    assert loaded.personas.is_file()


@pytest.mark.parametrize("name", registry.names("domains"))
def test_every_shipped_domain_loads_with_its_corpus_and_personas(name: str) -> None:
    loaded = load_domain(name)
    assert loaded.domain.name == name
    assert any(loaded.corpus.iterdir())
    assert load_personas(loaded.personas)


def test_a_domain_is_read_from_a_path_and_its_files_lie_beside_it(tmp_path: Path) -> None:
    (tmp_path / "tea.yaml").write_text(DOMAIN)
    (tmp_path / "leaves").mkdir()
    people = personas(tmp_path, PERSON)
    loaded = load_domain(str(tmp_path / "tea.yaml"))
    assert (loaded.domain.title, loaded.corpus, loaded.personas) == ("Tea", tmp_path / "leaves", people)


def test_a_missing_corpus_or_persona_file_names_the_field(tmp_path: Path) -> None:
    (tmp_path / "tea.yaml").write_text(DOMAIN)
    loaded = load_domain(str(tmp_path / "tea.yaml"))
    with pytest.raises(DomainError, match=r"tea\.yaml, line 4, field corpus: there is no .*leaves"):
        _ = loaded.corpus
    with pytest.raises(DomainError, match=r"tea\.yaml, line 5, field personas: there is no .*people\.jsonl"):
        _ = loaded.personas


def test_an_unknown_domain_suggests_the_nearest() -> None:
    with pytest.raises(DomainError, match=r"no domain called 'finanse'; did you mean 'finance'\? \(or give the path"):
        load_domain("finanse")


@pytest.mark.parametrize("path", ["nowhere/tea.yaml", "tea.yml", "folder/tea"])
def test_a_missing_domain_file_says_where_known_domains_are_listed(path: str) -> None:
    with pytest.raises(DomainError, match=rf"there is no domain file {path}; `synth domains` lists"):
        load_domain(path)


def test_a_folder_that_holds_a_domain_file_is_told_by_the_path_of_that_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "tea").mkdir()
    (tmp_path / "tea" / "tea.yaml").write_text(DOMAIN)
    with pytest.raises(DomainError, match=r"no domain called 'tea'; .*; give the path of its file: tea/tea\.yaml"):
        load_domain("tea")


@pytest.mark.parametrize(
    ("added", "message"),
    [
        ("gates:\n  - name: schema\n  - name: lenght", r"line 8, field gates\.1: .*; did you mean 'length'\?"),
        ("gates: [{name: duplicates}]", r"line 6, field gates\.0: gate 'duplicates' stands under 'gates' but belongs"),
        (
            "set_gates:\n  - name: consistency\n    settings: {kk: 3}",
            r"line 7, field set_gates\.0: .*no such setting; did you mean 'k'",
        ),
        (
            "plan:\n  tasks:\n    keyword-qery: 1",
            r"line 8, field plan\.tasks\.keyword-qery: .*did you mean 'keyword-query'\?",
        ),
        ("plan: {length: {lnog: 1}}", r"line 6, field plan\.length\.lnog: .*did you mean 'long'\?"),
        ("generator: extractiv", r"line 6, field generator: .*; did you mean 'extractive'\?"),
        ("teacher: lexicl", r"line 6, field teacher: there is no teacher 'lexicl'; did you mean 'lexical'\?"),
        ("fusion: {teachers: [a/b, lexcal]}", r"line 6, field fusion\.teachers\.1: .*'lexical'"),
    ],
)
def test_a_part_that_is_not_there_is_told_with_its_line(tmp_path: Path, added: str, message: str) -> None:
    (tmp_path / "tea.yaml").write_text(f"{DOMAIN}{added}\n")
    with pytest.raises(DomainError, match=rf"tea\.yaml, {message}"):
        check_parts(load_domain(str(tmp_path / "tea.yaml")))


def test_personas_come_in_file_order_and_blank_lines_are_skipped(tmp_path: Path) -> None:
    other = {**PERSON, "id": "another", "style": "formal"}
    assert [p.id for p in load_personas(personas(tmp_path, PERSON, "  ", other))] == ["taster", "another"]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{not json", r"people\.jsonl, line 3, field \(whole line\): Invalid JSON"),
        ("[]", r"line 3, field \(whole line\)"),
        ({"id": "a"}, r"line 3, field text: Field required"),
        ({**PERSON, "id": "A B"}, r"line 3, field id: String should match"),
        ({**PERSON, "stile": "formal"}, r"line 3, field stile: unknown field; did you mean 'style'\?"),
        ({**PERSON, "asks": ["x", 5]}, r"line 3, field asks\.1: Input should be a valid string"),
    ],
    ids=["no JSON", "no object", "missing", "pattern", "unknown", "nested"],
)
def test_a_persona_error_names_file_line_and_field(tmp_path: Path, line: str | dict[str, object], message: str) -> None:
    with pytest.raises(DomainError, match=message):
        load_personas(personas(tmp_path, PERSON, "", line))


def test_a_persona_id_that_stands_twice_is_refused_with_its_line(tmp_path: Path) -> None:
    with pytest.raises(DomainError, match=r"people\.jsonl.*line 3.*'taster' stands twice"):
        load_personas(personas(tmp_path, PERSON, "", PERSON))


def test_a_file_without_personas_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DomainError, match=r"holds no personas; give it one JSON object a line"):
        load_personas(personas(tmp_path, "", " "))


def test_a_persona_file_that_can_not_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / "latin.jsonl").write_bytes("é".encode("latin-1"))
    with pytest.raises(DomainError, match=r"can't read personas from .*nowhere\.jsonl: No such file"):
        load_personas(tmp_path / "nowhere.jsonl")
    with pytest.raises(DomainError, match=r"can't read personas from .*latin\.jsonl: not UTF-8"):
        load_personas(tmp_path / "latin.jsonl")


@pytest.mark.parametrize("separator", ["\u2028", "\x85"], ids=["line separator", "next line"])
def test_a_line_ends_only_at_a_line_feed(tmp_path: Path, separator: str) -> None:
    """JSON strings may hold Unicode's other line separators as they are."""
    path = personas(tmp_path, json.dumps({**PERSON, "text": f"Tastes tea.{separator}Then writes."}, ensure_ascii=False))
    assert len(load_personas(path)) == 1


def test_a_byte_order_mark_is_no_part_of_the_first_persona(tmp_path: Path) -> None:
    path = personas(tmp_path, PERSON)
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    assert [p.id for p in load_personas(path)] == ["taster"]


def test_the_hash_of_personas_depends_on_their_content_not_their_order() -> None:
    first = Persona(id="taster", text="Somebody who tastes tea for a living.")
    second = Persona(id="grower", text="Somebody who grows tea on a hill.")
    assert hash_personas([first, second]) == hash_personas([second, first])
    assert hash_personas([first, second]) != hash_personas([first])
    assert hash_personas([first]) != hash_personas([first.model_copy(update={"style": "formal"})])


def test_fields_that_only_derived_personas_have_leave_other_hashes_as_they_were() -> None:
    """The hash decides whether answers that were paid for are found again."""
    plain = Persona(id="taster", text="Somebody who tastes tea for a living.")
    assert hash_personas([plain]) == "5cdb7fa125e1bcd7c674af4dcb8184ca97519a8b00c807a7ff786f67ace9b8dd"
    assert hash_personas([plain.model_copy(update={"relation": "client"})]) != hash_personas([plain])
