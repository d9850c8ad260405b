"""New domains: what is written loads as what was meant, once, and never over anything."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from schemas.document import Document, RejectedSource
from schemas.recipe import Domain, GateSettings
from synth import registry
from synth.corpora import Documents
from synth.domain_summary import check_domain
from synth.domains import load_domain, load_personas
from synth.dry_run import First, read_first
from synth.errors import DocumentError, DomainError, InputError
from synth.ingest import split_of
from synth.resources import find_shipped
from synth.scaffold import Place, begin_with, choose_place, design, discard, render, sample_of, write
from synth.sensitive import find_sensitive
from synth.text import jaccard, words
from synth.yaml_model import load_yaml_model

TEA = "Green tea is steamed within hours of the harvest so that its leaves keep their colour and their grassy taste. "


def first_of(*texts: str) -> First:
    return First([Document(id=str(n), text=text, source=str(n)) for n, text in enumerate(texts)], whole=True)


def make(place: Place, base: str | None = None, first: First | None = None) -> Domain:
    started = load_domain(base) if base else None
    first = first or read_first(Documents((sample_of(place),)))
    domain = design(place, begin_with(started), first)
    write(place, domain, started)
    return domain


@pytest.mark.parametrize("name", registry.names("domains"))
def test_a_rendered_domain_loads_as_the_same_domain(name: str, tmp_path: Path) -> None:
    domain = load_domain(name).domain
    (tmp_path / "same.yaml").write_text(render(domain))
    assert load_yaml_model(tmp_path / "same.yaml", Domain) == domain


def test_settings_without_a_comment_are_written_where_they_differ_from_their_defaults(tmp_path: Path) -> None:
    domain = load_domain("finance").domain
    changed = domain.model_copy(
        update={
            "seed": 7,
            "mining": domain.mining.model_copy(update={"max_similarity": 0.9}),
            "perturbation": domain.perturbation.model_copy(update={"negatives": 2, "kinds": {"unit": 2.0}}),
        }
    )
    text = render(changed)
    assert "seed: 7" in text and "  max_similarity: 0.9" in text and "  kinds: {unit: 2}" in text
    assert "rank_min" not in text and "sampling" not in text
    (tmp_path / "changed.yaml").write_text(text)
    assert load_yaml_model(tmp_path / "changed.yaml", Domain) == changed


def test_every_line_of_a_new_file_is_commented_and_what_one_edits_stands_first() -> None:
    lines = render(Domain(name="tea", title="Tea", description="Leaves.", corpus="d", personas="p")).splitlines()
    fields = [line for line in lines if line and not line.startswith(("#", " ")) and not line.endswith(":")]
    assert [line.partition(":")[0] for line in fields[:6]] == [
        *("name", "title", "description", "instruction", "corpus", "corpus_licence")
    ]
    settings = [
        (above, line) for above, line in zip(lines, lines[1:], strict=False) if line.strip() and "#" not in line
    ]
    assert [line for above, line in settings if "#" not in above and not line.endswith(":")] == []


def test_a_gate_of_which_no_comment_is_known_says_itself_what_it_does(monkeypatch: pytest.MonkeyPatch) -> None:
    class Shouting:
        """Drops what is
        shouted. It counts capitals.

        And more."""

    registry.names("gates")
    monkeypatch.setitem(registry._found["gates"], "shouting", Shouting)
    domain = load_domain("finance").domain.model_copy(update={"gates": [GateSettings(name="shouting")]})
    assert "- name: shouting" + " " * 22 + "  # Drops what is shouted\n" in render(domain)


def test_a_new_domain_is_valid_at_once_and_all_its_files_lie_in_its_folder(tmp_path: Path) -> None:
    place = choose_place("green-tea", tmp_path)
    domain = make(place)
    loaded = load_domain(str(place.file))
    people, topics = check_domain(loaded)
    assert loaded.domain == domain
    assert (domain.name, domain.title) == ("green-tea", "Green tea")
    assert domain.instruction == "Given a question about green tea, retrieve the passage that answers it"
    assert len(people) >= 5 and topics is not None
    assert sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()) == [
        "green-tea/documents/replace-this.md",
        "green-tea/green-tea.yaml",
        "green-tea/personas.jsonl",
        "green-tea/topics.yaml",
    ]


def test_documents_below_the_same_folder_are_named_relative_to_the_file_and_others_in_full(tmp_path: Path) -> None:
    for folder in (tmp_path / "work" / "leaves", tmp_path / "elsewhere"):
        folder.mkdir(parents=True)
        (folder / "a.txt").write_text(TEA * 3)
    near = make(choose_place("near", tmp_path / "work", tmp_path / "work" / "leaves"), first=first_of(TEA * 3))
    far = make(choose_place("far", tmp_path / "work", tmp_path / "elsewhere"), first=first_of(TEA * 3))
    assert near.corpus == "../leaves"
    assert far.corpus == str(tmp_path / "elsewhere")
    for name in ("near", "far"):
        assert (load_domain(str(tmp_path / "work" / name / f"{name}.yaml")).corpus / "a.txt").is_file()
        assert not (tmp_path / "work" / name / "documents").exists()


def test_a_folder_that_is_reached_through_a_link_still_finds_its_documents(tmp_path: Path) -> None:
    (tmp_path / "deep" / "work" / "leaves").mkdir(parents=True)
    (tmp_path / "deep" / "work" / "leaves" / "a.txt").write_text(TEA * 3)
    (tmp_path / "link").symlink_to(tmp_path / "deep" / "work")
    place = choose_place("tea", tmp_path / "link", tmp_path / "link" / "leaves")
    make(place, first=first_of(TEA * 3))
    assert (load_domain(str(place.file)).corpus / "a.txt").is_file()


def test_two_records_a_passage_are_asked_for_within_bounds(tmp_path: Path) -> None:
    (tmp_path / "leaves").mkdir()
    (tmp_path / "leaves" / "a.txt").write_text(TEA)
    place = choose_place("tea", tmp_path, tmp_path / "leaves")
    begun = begin_with(None)
    twelve = first_of(*(f"{TEA}{n}" for n in range(12)))
    assert design(place, begun, first_of(TEA)).limit == 10
    assert design(place, begun, twelve).limit == 24
    assert design(place, begun, First(twelve.items * 100, whole=False)).limit == 1_000
    assert design(choose_place("tea", tmp_path), begun, first_of(TEA)).limit == begun.limit


def test_queries_are_asked_for_in_the_language_of_the_documents(tmp_path: Path) -> None:
    german = "Grüner Tee wird wenige Stunden nach der Ernte gedämpft, damit die Blätter ihre Farbe behalten."
    begun = begin_with(None)
    place = choose_place("tee", tmp_path)
    assert design(place, begun, first_of(german, german, TEA)).plan.language == {"de": 1.0}
    assert design(place, begun, first_of(german, TEA)).plan.language == {"en": 1.0}
    assert design(place, begun, first_of("12 34 56 kg")).plan.language == {"en": 1.0}
    both = begun.model_copy(update={"plan": begun.plan.model_copy(update={"language": {"de": 3.0, "en": 1.0}})})
    assert design(place, both, first_of(TEA)).plan.language == {"de": 3.0, "en": 1.0}


def test_another_domain_gives_its_settings_people_and_facts_but_not_its_documents(tmp_path: Path) -> None:
    place = choose_place("bank-notes", tmp_path)
    domain = make(place, "finance")
    finance = load_domain("finance")
    loaded = load_domain(str(place.file))
    assert load_personas(loaded.personas) == load_personas(finance.personas)
    assert loaded.facts.read_bytes() == finance.facts.read_bytes()
    assert (domain.gates, domain.mining, domain.instruction) == (
        finance.domain.gates,
        finance.domain.mining,
        finance.domain.instruction,
    )
    assert (domain.corpus, domain.corpus_licence, domain.title) == ("documents", "", "Bank notes")
    assert loaded.domain == domain


def test_a_new_domain_starts_from_a_file_of_ones_own_too_and_its_mistakes_are_named(tmp_path: Path) -> None:
    first = choose_place("tea", tmp_path)
    make(first)
    make(choose_place("white-tea", tmp_path), str(first.file))
    with (tmp_path / "tea" / "personas.jsonl").open("a") as file:
        file.write('{"id": "x"}\n')
    with pytest.raises(DomainError, match=r"personas\.jsonl, line 9, field text"):
        make(choose_place("black-tea", tmp_path), str(first.file))
    assert not (tmp_path / "black-tea").exists()


def test_every_file_that_the_other_domain_names_is_taken_along(tmp_path: Path) -> None:
    first = choose_place("tea", tmp_path)
    make(first, "finance")
    pinned = '{"id": "a", "task": "instructed-query", "text": "Given a tea, find how it is steeped"}\n'
    (tmp_path / "tea" / "pinned.jsonl").write_text(pinned)
    first.file.write_text(first.file.read_text() + "instructions: pinned.jsonl\n")
    place = choose_place("white-tea", tmp_path)
    made = make(place, str(first.file))
    loaded = load_domain(str(place.file))
    check_domain(loaded)
    assert loaded.instructions.read_text() == pinned
    assert {made.personas, made.topics, made.facts, made.instructions} == {
        path.name for path in place.target.iterdir() if path.is_file() and path != place.file
    }
    (place.target / "instructions.jsonl").write_text(pinned.replace("instructed-query", "keyword-query"))
    with pytest.raises(DomainError, match=r"instructions\.jsonl, line 1, field task: 'keyword-query' takes no"):
        check_domain(loaded)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("My Tea", r"'My Tea' can't name a domain: .*; did you mean 'my-tea'\?"),
        ("Thé_vert!", r"did you mean 'the-vert'\?"),
        ("-tea", r"did you mean 'tea'\?"),
        ("茶", "such as 'my-domain'"),
        ("", "such as 'my-domain'"),
        ("finance", r"a domain called 'finance' already: choose another name, such as 'my-finance'.* --from finance"),
        ("items", "'items' can't name a domain: the catalogue uses that name"),
    ],
)
def test_a_name_that_can_not_be_used_is_refused_with_a_better_one(tmp_path: Path, name: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        choose_place(name, tmp_path)


def test_nothing_is_written_over(tmp_path: Path) -> None:
    make(choose_place("tea", tmp_path))
    (tmp_path / "coffee").write_text("mine")
    (tmp_path / "cocoa").symlink_to(tmp_path / "nowhere")
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(InputError, match=r"tea is there already, .*; to try it: synth domains check .*tea/tea\.yaml$"):
        choose_place("tea", tmp_path)
    for name in ("coffee", "cocoa"):
        with pytest.raises(InputError, match=r"is there already.* or another --folder$"):
            choose_place(name, tmp_path)
    assert sorted(tmp_path.rglob("*")) == before


def test_a_folder_that_is_missing_or_can_not_be_written_is_refused(tmp_path: Path) -> None:
    (tmp_path / "work").mkdir()
    with pytest.raises(InputError, match=r"there is no folder .*wrok; did you mean 'work'\?"):
        choose_place("tea", tmp_path / "wrok")
    place = choose_place("tea", tmp_path / "work")
    (tmp_path / "work").rmdir()
    with pytest.raises(
        InputError, match=r"tea can't be written \(No such file or directory\): choose another --folder"
    ):
        make(place)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_read_only_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "work").mkdir(mode=0o500)
    with pytest.raises(InputError, match=r"work can't be written: choose another with --folder"):
        choose_place("tea", tmp_path / "work")


def test_documents_that_can_not_be_used_are_refused_before_anything_is_written(tmp_path: Path) -> None:
    (tmp_path / "leaves").mkdir()
    with pytest.raises(DocumentError, match=r"leafs does not exist; did you mean 'leaves'\?"):
        choose_place("tea", tmp_path, tmp_path / "leafs")
    with pytest.raises(DocumentError, match=r"leaves holds no file synth reads: put in \.txt"):
        choose_place("tea", tmp_path, tmp_path / "leaves")
    with pytest.raises(InputError, match=r"the documents of a domain lie on this machine: .*--documents hf://"):
        choose_place("tea", tmp_path, Path("hf://acme/tea"))
    (tmp_path / "notes.txt").write_text(TEA)
    with pytest.raises(InputError, match=r"the new folder .*tea would lie among the documents"):
        choose_place("tea", tmp_path, tmp_path)
    place = choose_place("tea", tmp_path, tmp_path / "notes.txt")
    empty = First([RejectedSource(source="notes.txt", reason="empty")], whole=True)
    with pytest.raises(DocumentError, match=r"no passage can be made of .*notes\.txt: its files hold no text"):
        design(place, begin_with(None), empty)
    assert not place.target.exists()


def test_what_was_just_made_can_be_taken_back(tmp_path: Path) -> None:
    place = choose_place("tea", tmp_path)
    make(place)
    discard(place)
    assert list(tmp_path.iterdir()) == []


def test_the_starter_people_differ_and_the_sample_is_trained_on() -> None:
    people = load_personas(find_shipped("data", "scaffold", "personas.jsonl"))
    texts = [set(words(person.text)) for person in people]
    assert max(jaccard(a, b) for n, a in enumerate(texts) for b in texts[:n]) < 0.3
    assert {person.style for person in people} == {"keywords", "question", "conversational", "formal"}
    assert {person.expertise for person in people} == {"novice", "practitioner", "expert"}
    (sample,) = find_shipped("data", "scaffold", "documents").iterdir()
    assert split_of(sample.name, 0.1) == "train"
    assert find_sensitive(sample.read_text()) == []
