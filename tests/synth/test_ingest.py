from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.document import Document, RejectedSource
from schemas.recipe import Recipe
from synth.errors import DocumentError
from synth.ingest import ingest, main_language, split_of
from synth.progress import Silent
from synth.recipe import Choices, resolve

Make = Callable[..., Any]


def document(name: str, text: str, **fields: Any) -> Document:
    return Document(**{"id": name, "text": text, "source": f"{name}.txt", **fields})


def documents(texts: dict[str, str]) -> list[Document]:
    return [document(name, text) for name, text in texts.items()]


def read(sources: Iterable[Document | RejectedSource], recipe: Recipe, folder: Path) -> tuple[Any, Any, str]:
    return ingest(sources, recipe, folder, Silent())


def rows(folder: Path, name: str = "passages") -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = pq.read_table(folder / f"{name}.parquet").to_pylist()
    return found


def test_the_split_of_a_document_follows_from_its_id_alone() -> None:
    assert split_of("annual-report-07", 0.1) == split_of("annual-report-07", 0.1)
    assert all(split_of(f"doc{i}", 0.0) == "train" for i in range(100))
    assert abs(sum(split_of(f"doc{i}", 0.25) == "test" for i in range(4_000)) / 4_000 - 0.25) < 0.03


@given(st.text(min_size=1), st.floats(0, 0.99), st.floats(0, 0.99))
def test_a_larger_test_share_never_moves_a_document_back_to_train(name: str, one: float, other: float) -> None:
    if split_of(name, min(one, other)) == "test":
        assert split_of(name, max(one, other)) == "test"


def test_sources_read_are_sources_kept_and_dropped(recipe: Recipe, make_texts: Make, tmp_path: Path) -> None:
    texts = make_texts(4)
    sources = [
        *documents(texts),
        document("again", texts["doc001"].upper() + "  "),
        RejectedSource(source="broken.pdf", reason="corrupt"),
        RejectedSource(source="rows.csv:3", reason="no_text", detail="null"),
        document("nothing", "# Only a heading"),
    ]
    _, count, _ = read(sources, recipe, tmp_path)
    assert (count.read, count.kept) == (8, 4)
    assert count.dropped == {"corrupt": 1, "duplicate_document": 1, "no_passage": 1, "no_text": 1}
    named = [(row["source"], row["reason"]) for row in rows(tmp_path, "rejected_sources")]
    assert [name for name, _ in named[:2]] == ["broken.pdf", "rows.csv:3"]
    assert [reason for _, reason in named[2:]] == ["duplicate_document", "no_passage"]


def test_an_exact_duplicate_is_kept_under_its_smallest_id(recipe: Recipe, make_texts: Make, tmp_path: Path) -> None:
    text = make_texts(1)["doc000"]
    read([document("b", text), document("a", text), document("c", text)], recipe, tmp_path)
    assert [row["id"] for row in rows(tmp_path, "documents")] == ["a"]


def test_different_texts_under_one_id_are_told_apart(recipe: Recipe, make_texts: Make, tmp_path: Path) -> None:
    one, other = make_texts(2).values()
    _, count, _ = read([document("same", one), document("same", other)], recipe, tmp_path)
    ids = [row["id"] for row in rows(tmp_path, "documents")]
    assert count.kept == 2
    assert len(set(ids)) == 2
    assert all(name.startswith("same~") for name in ids)


@settings(max_examples=6, deadline=None, derandomize=True)
@given(data=st.data())
def test_nothing_depends_on_the_order_of_the_sources(make_texts: Make, fresh: Make, data: st.DataObject) -> None:
    texts = make_texts(6)
    sources = [
        *documents(texts),
        document("other-id", texts["doc002"], title="Another title"),
        document("doc003", texts["doc004"] + " And one thing more happened to the lender."),
        document("doc005", texts["doc005"].upper(), source="zzz.txt"),
    ]
    recipe = resolve(Choices(domain="finance", documents=(Path("unused"),))).recipe
    first, second = fresh(), fresh()
    expected = read(sources, recipe, first)
    found = read(data.draw(st.permutations(sources)), recipe, second)
    assert found[2] == expected[2]
    assert found[1] == expected[1]
    for name in ("passages", "documents", "near_pairs", "headings", "terms"):
        assert rows(second, name) == rows(first, name)


def test_equal_names_and_rows_of_two_files_do_not_make_the_order_matter(
    recipe: Recipe, make_texts: Make, fresh: Make
) -> None:
    text = make_texts(1)["doc000"]
    one = document("7", text, source="rows.jsonl:1", title="Notice")
    other = document("7", text.upper(), source="rows.jsonl:1", title="NOTICE")
    assert read([one, other], recipe, fresh())[2] == read([other, one], recipe, fresh())[2]


def test_a_passage_is_a_slice_of_its_document(recipe: Recipe, make_texts: Make, tmp_path: Path) -> None:
    read(documents(make_texts(5, sentences=30)), recipe, tmp_path)
    texts = {row["id"]: row["text"] for row in rows(tmp_path, "documents")}
    passages = rows(tmp_path)
    assert len(passages) > 5
    for row in passages:
        assert row["text"] == texts[row["document_id"]][row["start"] : row["end"]]
        assert row["split"] == split_of(row["document_id"], recipe.splits.test)


def test_a_secret_is_masked_before_anything_else_sees_the_passage(
    recipe: Recipe, make_texts: Make, tmp_path: Path
) -> None:
    text = make_texts(1)["doc000"] + " Write to jane.doe@harbourbank.com about it."
    corpus, _, _ = read([document("letter", text)], recipe, tmp_path)
    (row,) = rows(tmp_path)
    assert "jane.doe" not in row["text"]
    assert row["flags"] == ["email"]
    assert not [term for term in corpus.lexicon.terms if "jane" in term]


def test_documents_without_a_passage_are_refused_with_the_reasons(recipe: Recipe, tmp_path: Path) -> None:
    sources = [document("a", "# Heading"), RejectedSource(source="b.txt", reason="empty")]
    with pytest.raises(DocumentError, match=r"no passage could be made from the documents \(empty 1, no_passage 1\)"):
        read(sources, recipe, tmp_path)
    with pytest.raises(DocumentError, match="nothing was read"):
        read([], recipe, tmp_path / "none")
    assert not (tmp_path / "sources.json").exists()


def test_a_train_passage_like_a_test_one_is_marked_as_leaked(
    recipe: Recipe, make_texts: Make, ids_of: Make, tmp_path: Path
) -> None:
    texts = list(make_texts(4).values())
    (held_out,) = ids_of("test", 1)
    copied, other, last = ids_of("train", 3)
    sources = [
        document(held_out, texts[0]),
        document(copied, texts[0].replace("thousand", "THOUSAND", 1) + " End."),
        document(other, texts[1]),
        document(last, texts[2]),
    ]
    corpus, _, _ = read(sources, recipe, tmp_path)
    leaked = {corpus.ids[i].partition("#")[0] for i in corpus.leaked.nonzero()[0]}
    assert leaked == {copied}


def test_a_text_that_stands_in_very_many_documents_is_leaked_in_all_of_train(
    recipe: Recipe, make_texts: Make, ids_of: Make, tmp_path: Path
) -> None:
    """A disclaimer on every document, of which one is a test document."""
    boilerplate = " ".join(make_texts(1, seed=99).values())
    train = ids_of("train", 200)
    held_out = ids_of("test", 1, prefix="a")
    texts = make_texts(201, sentences=4)
    sources = [
        document(name, f"{text}\n\n# Disclaimer\n\n{boilerplate}")
        for name, text in zip(held_out + train, texts.values(), strict=True)
    ]
    corpus, _, _ = read(sources, recipe, tmp_path)
    held = {row["text"] for row in rows(tmp_path) if row["split"] == "test"}
    kept = [row["id"] for i, row in enumerate(rows(tmp_path)) if row["split"] == "train" and not corpus.leaked[i]]
    again = {row["id"] for row in rows(tmp_path) if row["text"] in held}
    assert not set(kept) & again


def test_nothing_temporary_is_left(recipe: Recipe, make_texts: Make, tmp_path: Path) -> None:
    read(documents(make_texts(4)), recipe, tmp_path)
    names = {path.name for path in tmp_path.iterdir()}
    assert "read.parquet" not in names
    assert not [name for name in names if name.startswith(".") or name.endswith(".tmp")]
    assert "sources.json" in names


def test_the_main_language_is_the_heaviest_and_ties_are_broken_by_name(recipe: Recipe) -> None:
    def speaking(**weights: float) -> Recipe:
        plan = recipe.plan.model_copy(update={"language": weights})
        return recipe.model_copy(update={"plan": plan})

    assert main_language(speaking(en=1.0, de=3.0)) == "de"
    assert main_language(speaking(fr=1.0, de=1.0)) == "de"


def test_stages_are_told_to_the_reporter(recipe: Recipe, make_texts: Make, tmp_path: Path) -> None:
    told: list[str] = []
    done = 0

    class Notes(Silent):
        def stage(self, name: str, total: int | None = None) -> None:
            told.append(name)

        def advance(self, amount: int = 1) -> None:
            nonlocal done
            done += amount

    ingest(documents(make_texts(4)), recipe, tmp_path, Notes())
    assert told == ["chunk documents", "compare passages"]
    assert done == 8
