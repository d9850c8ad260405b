"""`synth domains`, as it is typed."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fake_llm import fake_llm

from synth import registry
from synth.corpora import Documents
from synth.dry_run import read_first
from synth.ingest import split_of
from synth.scaffold import begin_with, choose_place, design, write

Cli = Callable[..., Any]


@pytest.fixture
def leaves(tmp_path: Path, make_texts: Callable[..., dict[str, str]], ids_of: Callable[..., list[str]]) -> Path:
    """A folder of eight documents, of which one falls into the test split."""
    folder = tmp_path / "leaves"
    folder.mkdir()
    names = [*(f"{name}.md" for name in _ending(ids_of, "train", 7)), *_ending(ids_of, "test", 1)]
    for name, text in zip(names, make_texts(8).values(), strict=True):
        (folder / name.removesuffix(".md")).with_suffix(".md").write_text(f"# About {name[:7]}\n\n{text}\n")
    return folder


@pytest.fixture
def tea(leaves: Path, tmp_path: Path) -> Path:
    """The file of a new domain of these documents."""
    place = choose_place("tea", tmp_path, leaves)
    begun = begin_with(None)
    write(place, design(place, begun, read_first(Documents((leaves,)))), None)
    return place.file


def _ending(ids_of: Callable[..., list[str]], split: str, number: int) -> list[str]:
    return [name for name in ids_of(split, 200) if split_of(f"{name}.md", 0.1) == split][:number]


def test_domains_are_listed_with_or_without_the_verb(cli: Cli) -> None:
    done = cli("domains")
    assert done.code == 0
    assert done.err == ""
    assert "finance  " in done.out
    assert "finance.yaml" in done.out
    assert cli("domains", "list").out == done.out


def test_domains_are_listed_for_machines(cli: Cli) -> None:
    finance = next(row for row in cli("domains", "--json").json if row["name"] == "finance")
    assert set(finance) == {"name", "title", "description", "file"}
    assert Path(finance["file"]).is_file()
    assert cli("domains", "list", "--json").json == cli("domains", "--json").json


@pytest.mark.parametrize("verb", ["list", "show", "new", "check"])
def test_every_verb_explains_itself(cli: Cli, verb: str) -> None:
    done = cli("domains", verb, "--help")
    assert done.code == 0
    assert f"synth domains {verb}" in done.out


@pytest.mark.slow
def test_a_domain_is_shown_with_what_its_files_hold(cli: Cli) -> None:
    shown = cli("domains", "show", "finance").out
    for part in ("93, of them 6 test", "66; style: ", "length (min_words 2, max_words 64)", "multi_signal", "fact 44%"):
        assert part in shown


def test_a_domain_is_shown_for_machines(cli: Cli, tea: Path) -> None:
    found = cli("domains", "show", tea, "--json").json
    assert (found["name"], found["file"], found["corpus"]["documents"]) == ("tea", str(tea), 8)
    assert found["gates"][0] == {"name": "schema", "settings": {}}


@pytest.mark.slow
def test_a_new_domain_is_made_checked_and_published_by_the_commands_that_are_printed(
    cli: Cli, leaves: Path, tmp_path: Path
) -> None:
    made = cli("domains", "new", "green-tea", "--documents", "leaves")
    assert made.code == 0
    assert "green-tea/green-tea.yaml is valid" in made.out
    assert "5 rows, cut out of the documents" in made.out
    assert len(re.findall(r"gates +kept by schema, ", made.out)) == 5
    assert not (tmp_path / "synth-store").exists()
    check, generate = (
        shlex.split(line.strip(), comments=True)[1:]
        for line in made.out.splitlines()
        if re.search(r"synth (domains check|generate) ", line) and "#" in line
    )
    file = tmp_path / "green-tea" / "green-tea.yaml"
    file.write_text(
        file.read_text()
        .replace("title: Green tea", "title: Green tea of Uji")
        .replace("corpus_licence: ''", "corpus_licence: cc-by-4.0")
        .replace("{test: 0.1}", "{test: 0.3}")
    )
    checked = cli(*check)
    assert checked.code == 0
    assert "licence: cc-by-4.0 8" in checked.out
    published = cli(*generate, "--json").json
    assert published["dataset"] == "green-tea@1"
    assert published["accepted"] >= 10
    assert cli("domains", "check", file, "--json").json["notes"] == []


def test_what_was_made_is_told_for_machines_and_found_again(cli: Cli, leaves: Path, tmp_path: Path) -> None:
    made = cli("domains", "new", "tea", "--documents", leaves, "--json").json
    assert [Path(file).name for file in made["files"]] == ["personas.jsonl", "tea.yaml", "topics.yaml"]
    assert (made["domain"], made["corpus"]["documents"]) == ("tea", 8)
    assert made["topics"]["leaves"] > 20
    assert len(made["rows"]) == 5
    for row in made["rows"]:
        assert row["query"] and row["text"] and row["verdicts"]
    again = cli("domains", "check", tmp_path / "tea" / "tea.yaml", "--json").json
    assert again["rows"] == made["rows"]


def test_a_model_writes_the_rows(cli: Cli, leaves: Path) -> None:
    with fake_llm() as fake:
        shown = cli("domains", "new", "tea", "--documents", leaves, "--llm", fake.url).out
        assert len(fake.bodies) == 5
    assert "5 rows, written by --llm" in shown
    assert shown.count("why do ") == 5


@pytest.mark.slow
def test_without_documents_a_sample_stands_in_and_is_told_until_it_is_replaced(
    cli: Cli, leaves: Path, tmp_path: Path
) -> None:
    made = cli("domains", "new", "tea").out
    assert "Note: the sample is still among the documents: put yours into tea/documents and delete" in made
    (sample,) = (tmp_path / "tea" / "documents").iterdir()
    sample.unlink()
    for path in leaves.iterdir():
        path.rename(sample.parent / path.name)
    checked = cli("domains", "check", "tea/tea.yaml")
    assert checked.code == 0
    assert "sample" not in checked.out


def test_another_folder_and_another_domain_to_start_from(cli: Cli, leaves: Path, tmp_path: Path) -> None:
    (tmp_path / "work").mkdir()
    made = cli("domains", "new", "tea", "--from", "finance", "--documents", leaves, "--folder", "work", "--json").json
    assert made["personas"]["personas"] == 66
    assert sorted(path.name for path in (tmp_path / "work" / "tea").iterdir()) == [
        *("facts.yaml", "personas.jsonl", "tea.yaml", "topics.yaml")
    ]


def test_the_field_that_holds_the_text_is_named_in_the_commands_that_follow(cli: Cli, tmp_path: Path) -> None:
    rows = "".join(f'{{"no": {n}, "said": "The gyokuro of field {n} is shaded for three weeks."}}\n' for n in range(9))
    (tmp_path / "rows.jsonl").write_text(rows)
    done = cli("domains", "new", "tea", "--documents", "rows.jsonl")
    assert "name it with --text-field" in done.error
    assert not (tmp_path / "tea").exists()
    made = cli("domains", "new", "tea", "--documents", "rows.jsonl", "--text-field", "said")
    assert "generate --domain tea/tea.yaml --text-field said  # the real run" in made.out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("new", "My Tea"), "did you mean 'my-tea'?"),
        (("new", "finance"), "start from it with --from finance"),
        (("new", "tea", "--from", "finanse"), "no domain called 'finanse'; did you mean 'finance'?"),
        (("new", "tea", "--folder", "nowhere"), "there is no folder nowhere"),
        (("new", "tea", "--documents", "leafs"), "leafs does not exist; did you mean 'leaves'?"),
        (("new", "tea", "--documents", "leaves", "documents"), "a domain has one folder or file of documents, got 2"),
        (("show", "finanse"), "did you mean 'finance'?"),
        (("check", "tea/tea.yaml"), "there is no domain file tea/tea.yaml"),
    ],
)
def test_bad_input_is_one_sentence_and_leaves_nothing(
    cli: Cli, leaves: Path, tmp_path: Path, arguments: tuple[str, ...], message: str
) -> None:
    done = cli("domains", *arguments)
    assert done.code == 2
    assert message in done.error
    assert [path.name for path in tmp_path.iterdir()] == ["leaves"]


def test_a_domain_is_not_made_twice(cli: Cli, leaves: Path, tea: Path) -> None:
    done = cli("domains", "new", "tea", "--documents", leaves)
    assert done.code == 2
    assert "tea is there already, and nothing is written over" in done.error
    assert "synth domains check tea/tea.yaml" in done.error


@pytest.mark.parametrize(
    ("file", "change", "message"),
    [
        ("tea.yaml", ("corpus_licence:", "corpus_license:"), "did you mean 'corpus_licence'?"),
        ("tea.yaml", ("name: language", "name: langage"), "field gates."),
        ("tea.yaml", ("../leaves", "../leafs"), "field corpus: there is no "),
        ("personas.jsonl", ("first-week-newcomer", "helper-on-the-phone"), "'helper-on-the-phone' stands twice"),
        ("topics.yaml", ("early signs of trouble", "units and rounding"), "every leaf must be another one"),
    ],
)
def test_a_mistake_in_a_file_is_one_sentence_with_its_line(
    cli: Cli, tea: Path, file: str, change: tuple[str, str], message: str
) -> None:
    path = tea.with_name(file)
    assert change[0] in path.read_text()
    path.write_text(path.read_text().replace(*change))
    for verb in ("check", "show"):
        done = cli("domains", verb, tea)
        assert done.code == 2
        assert re.search(rf"{re.escape(file)}, line \d+, field ", done.error)
        assert message in done.error


def test_where_no_row_can_be_made_nothing_is_left(cli: Cli, leaves: Path, tmp_path: Path) -> None:
    base = tmp_path / "base.yaml"
    base.write_text(
        "name: base\ntitle: Base\ndescription: ''\ncorpus: leaves\npersonas: people.jsonl\nplan: {tasks: {multi-hop-query: 1}}\n"
    )
    (tmp_path / "people.jsonl").write_text('{"id": "taster", "text": "Somebody who tastes tea for a living."}\n')
    done = cli("domains", "new", "tea", "--from", "./base.yaml", "--documents", leaves)
    assert done.code == 2
    assert "'multi-hop-query' has no honest rule without an LLM: add --llm" in done.error
    assert not (tmp_path / "tea").exists()


@pytest.mark.slow
@pytest.mark.parametrize("name", registry.names("domains"))
def test_rows_of_every_shipped_domain_are_kept(cli: Cli, name: str) -> None:
    found = cli("domains", "check", name, "--json").json
    assert found["notes"] == []
    assert any(row["status"] == "accepted" for row in found["rows"])
    assert f"synth generate --domain {name}  #" in cli("domains", "check", name).out
