from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from synth import publish, retired
from synth.card import Place, render_card
from synth.catalog import run_query
from synth.cli.summary import show_version
from synth.errors import ConservationError, InputError, StoreError
from synth.progress import Silent
from synth.restore import restore
from synth.run import Run, close_workshop, execute, open_workshop, prepare
from synth.shard import make_shard
from synth.store import Store
from synth.survey import Survey
from synth.verify import verify_version

Make = Callable[..., Any]
CARRIED = ("id", "query", "instruction", "language", "split", "provenance", "verdicts", "attributes", "judgement")


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


def without_mined(row: dict[str, Any]) -> dict[str, Any]:
    return {name: row[name] for name in CARRIED} | {"positive": row["positive"]["text"]}


def documents_of(rows: list[dict[str, Any]]) -> set[str]:
    return {row["positive"]["document_id"] for row in rows}


def check_law(made: Any) -> None:
    """Both conservation laws, in the manifest and in the files."""
    manifest, update = made.manifest, made.manifest.update
    assert update.records == update.carried + sum(update.retired.values())
    assert manifest.records == len(made.records) == update.carried + manifest.funnel.accepted
    assert Counter(row["reason"] for row in made.rows("retired")) == update.retired
    assert verify_version(made.version) == []


@pytest.fixture(scope="module")
def both(make: Make, make_texts: Make, fresh: Make) -> tuple[Any, Any, dict[str, str], dict[str, str]]:
    """A version, and its update after one document was edited, one removed and two added."""
    store, before = Store(fresh() / "store"), make_texts(14)
    after = before | make_texts(2, seed=9, sentences=6)  # doc000 and doc001 say something else
    del after["doc001"], after["doc002"]
    after |= {"new1": make_texts(1, seed=5)["doc000"], "new2": make_texts(1, seed=6)["doc000"]}
    settings = {"splits": {"test": 0.3}}
    first = make(before, store=store, settings=settings)
    return first, make(after, store=store, settings=settings, update={}), before, after


def test_an_update_counts_what_became_of_documents_and_records(both: Any) -> None:
    first, second, _, _ = both
    update = second.manifest.update
    assert (str(second.version), second.manifest.parent) == ("finance@2", "finance@1")
    assert update.documents.model_dump() == {"unchanged": 11, "renamed": 0, "new": 2, "changed": 1, "deleted": 2}
    assert update.parent_sha256 == first.hash
    assert update.records == first.manifest.records
    assert set(update.retired) == {"document_changed", "document_deleted"}
    assert update.frozen_test
    check_law(second)


def test_records_of_unchanged_documents_are_carried_over_as_they_are(both: Any) -> None:
    first, second, _, _ = both
    old = {row["id"]: without_mined(row) for row in first.records}
    gone = {"doc000", "doc001", "doc002"}
    expected = {row["id"] for row in first.records if row["positive"]["document_id"] not in gone}
    carried = [row for row in second.records if row["positive"]["document_id"] not in gone | {"new1", "new2"}]
    assert {row["id"] for row in carried} == expected
    assert len(carried) == second.manifest.update.carried
    assert [without_mined(row) for row in carried] == [old[row["id"]] for row in carried]


def test_only_new_and_changed_documents_are_planned(both: Any) -> None:
    _, second, _, _ = both
    fresh = {"doc000", "new1", "new2"}
    passages = {key: row for key, row in second.passages.items() if row["document_id"] in fresh}
    made = [row for row in second.records if row["positive"]["document_id"] in fresh]
    assert second.manifest.funnel.planned == 4 * len(passages)
    assert len(made) == second.manifest.funnel.accepted > 0
    assert {row["passage_id"] for row in second.rejects} <= passages.keys()


def test_nothing_of_a_deleted_document_nor_of_the_old_text_is_left(both: Any) -> None:
    first, second, before, after = both
    assert not {"doc001", "doc002"} & {row["document_id"] for row in second.passages.values()}
    for row in second.records:
        for text in [row["positive"], *row["more_positives"], *row["negatives"]]:
            assert text["passage_id"] in second.passages
            whole = row["provenance"]["method"] != "extractive:cloze" or text not in [row["positive"]]
            assert not whole or text["text"] in after[text["document_id"]]
    retired = {row["id"]: row for row in second.rows("retired")}
    lost = {row["id"] for row in first.records if row["positive"]["document_id"] in ("doc000", "doc001", "doc002")}
    assert retired.keys() == lost
    for row in retired.values():
        assert row["reason"] == ("document_changed" if row["document_id"] == "doc000" else "document_deleted")
        assert row["positive"] in before[row["document_id"]] or row["method"] == "extractive:cloze"
        assert (row["stage"], row["detail"]) == ("update", row["document_id"])


def test_carried_records_are_mined_again_among_all_passages(both: Any) -> None:
    _, second, _, _ = both
    carried = [row for row in second.records if row["positive"]["document_id"] not in ("doc000", "new1", "new2")]
    negatives = {each["document_id"] for row in carried for each in row["negatives"]}
    assert {"new1", "new2"} & negatives
    assert second.manifest.teacher.pool == len(second.passages)


def test_a_frozen_test_split_only_loses_rows(both: Any) -> None:
    first, second, _, _ = both
    kept = {row["id"] for row in second.records if row["split"] == "test"}
    assert kept
    assert kept <= {row["id"] for row in first.records if row["split"] == "test"}
    assert {"doc000", "new1", "new2"} <= {r["document_id"] for r in second.passages.values() if r["split"] == "train"}


@pytest.mark.slow
def test_without_freezing_new_documents_fall_into_both_splits_and_old_ones_stay(
    make: Make, make_texts: Make, store: Store, ids_of: Make
) -> None:
    before, held_out = make_texts(8), ids_of("test", 2)
    more = dict(zip(held_out, make_texts(2, seed=5).values(), strict=True))
    frozen_store = Store(store.root.parent / "frozen")
    for each in (store, frozen_store):
        make(before, store=each)
    frozen = make(before | more, store=frozen_store, update={})
    thawed = make(before | more, store=store, update={"freeze_test": False})
    assert {frozen.passages[f"{name}#0"]["split"] for name in held_out} == {"train"}
    assert {thawed.passages[f"{name}#0"]["split"] for name in held_out} == {"test"}
    again = make(
        before | more, store=frozen_store, update={"freeze_test": False}, settings={"mining": {"negatives": 1}}
    )
    assert {again.passages[f"{name}#0"]["split"] for name in held_out} == {"train"}


def test_nothing_changed_returns_the_parent(make: Make, make_texts: Make, store: Store) -> None:
    notes: list[str] = []

    class Notes(Silent):
        def note(self, message: str) -> None:
            notes.append(message)

    first = make(make_texts(6), store=store)
    same = make(make_texts(6), store=store, update={}, reporter=Notes())
    assert same.version == first.version
    assert notes[-1] == "nothing changed: the documents are those of finance@1, and so are the settings"
    assert same.run.result.version == 1
    assert execute(Run(store, same.run.id)) == first.version


def test_another_mining_mines_the_same_records_again(make: Make, make_texts: Make, store: Store) -> None:
    first = make(make_texts(6), store=store)
    second = make(make_texts(6), store=store, update={}, settings={"mining": {"negatives": 1}})
    assert (second.version.number, second.manifest.funnel.planned) == (2, 0)
    assert {row["id"] for row in second.records} == {row["id"] for row in first.records}
    assert max(len(row["negatives"]) for row in second.records) == 1
    check_law(second)


def test_deletions_alone_make_a_version_without_planned_items(make: Make, make_texts: Make, store: Store) -> None:
    texts = make_texts(8)
    make(texts, store=store, limit=40)
    fewer = make({key: text for key, text in texts.items() if key != "doc003"}, store=store, update={}, limit=40)
    assert fewer.manifest.funnel.planned == fewer.manifest.funnel.accepted == 0
    assert list(fewer.manifest.update.retired) == ["document_deleted"]
    assert not fewer.manifest.partial
    check_law(fewer)


def test_all_documents_replaced_retires_every_record(make: Make, make_texts: Make, store: Store) -> None:
    first = make(make_texts(4), store=store)
    texts = {f"other{n}": text for n, text in enumerate(make_texts(4, seed=3).values())}
    second = make(texts, store=store, update={})
    assert second.manifest.update.retired == {"document_deleted": first.manifest.records}
    assert second.manifest.update.carried == 0
    check_law(second)


def test_a_version_of_a_version_of_a_version(make: Make, make_texts: Make, store: Store) -> None:
    one, other, third = make_texts(6), make_texts(1, seed=4), make_texts(1, seed=7)
    first = make(one, store=store)
    second = make(one | {"b": other["doc000"]}, store=store, update={})
    last = make(one | {"b": other["doc000"], "c": third["doc000"]}, store=store, update={})
    assert (str(last.version), last.manifest.parent) == ("finance@3", "finance@2")
    assert last.manifest.update.carried == last.manifest.update.records == second.manifest.records
    ids = {row["id"] for row in last.records}
    assert {row["id"] for row in first.records} < {row["id"] for row in second.records} < ids
    check_law(last)
    back = make(one, store=store, update={})
    assert str(back.version) == "finance@4"
    assert {row["id"] for row in back.records} == {row["id"] for row in first.records}
    check_law(back)


def test_a_renamed_file_is_the_same_document_and_keeps_its_id(
    make: Make, make_texts: Make, store: Store, tmp_path: Path
) -> None:
    folder = tmp_path / "docs"
    folder.mkdir()
    for name, text in make_texts(6).items():
        (folder / f"{name}.txt").write_text(text)
    first = make([folder], store=store)
    (folder / "doc002.txt").rename(folder / "report.txt")
    (folder / "aa-copy.txt").write_text((folder / "doc004.txt").read_text())
    same = make([folder], store=store, update={})
    assert same.version == first.version
    (folder / "more.txt").write_text(make_texts(1, seed=3)["doc000"])
    second = make([folder], store=store, update={})
    documents = second.manifest.update.documents
    assert (documents.unchanged, documents.renamed, documents.new, documents.deleted) == (6, 2, 1, 0)
    assert "doc002.txt" in documents_of(second.records)
    assert not {"report.txt", "aa-copy.txt"} & {row["document_id"] for row in second.passages.values()}
    assert second.manifest.update.retired == {}
    check_law(second)


def test_a_file_that_takes_the_place_of_a_renamed_one_is_changed(make: Make, make_texts: Make, store: Store) -> None:
    texts = make_texts(5)
    make(texts, store=store)
    moved = texts | {"elsewhere": texts["doc001"], "doc001": make_texts(1, seed=8)["doc000"]}
    second = make(moved, store=store, update={})
    documents = second.manifest.update.documents
    assert (documents.unchanged, documents.renamed, documents.changed, documents.new) == (4, 0, 1, 1)
    check_law(second)


def test_a_gate_against_the_dataset_itself_does_not_drop_what_is_carried_over(
    make: Make, make_texts: Make, store: Store
) -> None:
    first = make(make_texts(6), store=store)
    gates = {"set_gates": [{"name": "duplicates", "settings": {"against": ["finance"]}}]}
    second = make(make_texts(7), store=store, update={}, settings=gates)
    assert {row["id"] for row in first.records} <= {row["id"] for row in second.records}
    check_law(second)


def test_carried_records_are_kept_out_of_evaluation_sets_that_are_named_later(
    make: Make, make_texts: Make, store: Store, tmp_path: Path
) -> None:
    first = make(make_texts(6), store=store)
    seen = first.records[3]["query"]
    (tmp_path / "exam.jsonl").write_text(f'{{"query": "{seen}"}}\n')
    second = make(make_texts(6), store=store, update={}, decontaminate=(str(tmp_path / "exam.jsonl"),))
    assert second.manifest.update.retired["contaminated_query"] >= 1
    assert seen not in {row["query"] for row in second.records}
    assert second.manifest.decontamination[0].hits == second.manifest.update.retired
    check_law(second)


def test_a_new_document_like_one_of_the_test_split_gives_no_record(
    make: Make, make_texts: Make, store: Store, ids_of: Make
) -> None:
    (held_out,) = ids_of("test", 1)
    texts = make_texts(6) | {held_out: make_texts(1, seed=3)["doc000"]}
    make(texts, store=store)
    second = make(texts | {"copied": texts[held_out] + " End."}, store=store, update={})
    assert second.manifest.funnel.rejected == {"split_leak": second.manifest.funnel.planned}
    check_law(second)


def test_old_train_records_like_a_new_test_document_are_retired(
    make: Make, make_texts: Make, store: Store, ids_of: Make
) -> None:
    (held_out,) = ids_of("test", 1)
    texts = make_texts(6)
    make(texts, store=store)
    second = make(texts | {held_out: texts["doc001"] + " End."}, store=store, update={"freeze_test": False})
    assert second.manifest.update.retired["split_leak"] > 0
    assert "doc001" not in documents_of([row for row in second.records if row["split"] == "train"])
    check_law(second)


def test_a_limit_counts_new_records_alone(make: Make, make_texts: Make, store: Store) -> None:
    make(make_texts(6), store=store, limit=15)
    more = {f"new{n}": text for n, text in enumerate(make_texts(6, seed=3).values())}
    second = make(make_texts(6) | more, store=store, update={}, limit=10)
    assert second.manifest.funnel.accepted == 10
    assert second.manifest.records == second.manifest.update.carried + 10
    assert second.manifest.funnel.rejected["surplus"] > 0
    check_law(second)


@pytest.mark.slow
def test_the_content_does_not_depend_on_the_shard_size(
    make: Make, make_texts: Make, restarted: Make, store: Store
) -> None:
    first = make(make_texts(8), store=store)
    texts = make_texts(8) | {"doc001": make_texts(1, seed=4)["doc000"], "new": make_texts(1, seed=5)["doc000"]}
    hashes = set()
    for size in (1_000, 13, 7):
        copied = restarted(first.run).store
        hashes.add(make(texts, store=copied, update={}, shard_size=size).hash)
    assert len(hashes) == 1


def test_shards_made_one_by_one_in_processes_of_their_own_make_the_same(
    make: Make, new_run: Make, make_texts: Make, restarted: Make, store: Store
) -> None:
    parent = make(make_texts(8), store=store).run
    texts = make_texts(8) | {"new": make_texts(1, seed=5)["doc000"]}
    expected = make(texts, store=restarted(parent).store, update={}).hash

    def one_by_one(run: Run, shards: Any, reporter: Any) -> None:
        for shard in reversed(shards):
            close_workshop(run)
            make_shard(open_workshop(run, reporter), shard, reporter)

    run = new_run(texts, store=store, update={}, shard_size=11)
    assert execute(run, map_shards=one_by_one).manifest.content_sha256 == expected


def test_an_update_whose_parent_is_gone_by_then_goes_on(
    make: Make, new_run: Make, make_texts: Make, store: Store
) -> None:
    parent = make(make_texts(6), store=store)
    run = new_run(make_texts(7), store=store, update={})
    prepare(run, Silent())
    shutil.rmtree(parent.version.path)
    version = execute(run)
    assert version.manifest.update.records == version.manifest.update.carried > 0
    assert verify_version(version) == []


def test_a_parent_with_fewer_records_than_its_manifest_says_is_not_taken(
    make: Make, new_run: Make, make_texts: Make, store: Store
) -> None:
    file = make(make_texts(4), store=store).version.file("records/train.parquet")
    pq.write_table(pq.read_table(file).slice(1), file)
    with pytest.raises(
        StoreError, match=r"holds 15 records and its manifest says 16: `synth datasets verify finance@1`"
    ):
        execute(new_run(make_texts(5), store=store, update={}, settings={"mining": {"negatives": 1}}))


def test_a_parent_without_the_columns_of_a_record_is_not_taken(
    make: Make, new_run: Make, make_texts: Make, store: Store
) -> None:
    file = make(make_texts(4), store=store).version.file("records/train.parquet")
    pq.write_table(pq.read_table(file).drop_columns(["attributes"]), file)
    with pytest.raises(
        StoreError, match=r"finance@1 can't be updated: train.parquet does not have the columns of a record"
    ):
        execute(new_run(make_texts(5), store=store, update={}))


def test_an_update_that_was_overtaken_says_so(make: Make, new_run: Make, make_texts: Make, store: Store) -> None:
    notes: list[str] = []

    class Notes(Silent):
        def note(self, message: str) -> None:
            notes.append(message)

    make(make_texts(4), store=store)
    slow = new_run(make_texts(5), store=store, update={})
    make(make_texts(6), store=store, update={})
    assert str(execute(slow, Notes())) == "finance@3"
    (said,) = [note for note in notes if "meanwhile" in note]
    assert said.startswith("finance@2 came meanwhile: finance@3 is an update of finance@1 and holds nothing of it")


@pytest.mark.parametrize(
    ("module", "name", "sentence"),
    [
        (publish, "_carried_of", r"16 carried over but \d+ were written"),
        (retired, "read_retired", r"the parent has \d+ records but \d+ were carried over and 0 retired"),
    ],
)
def test_a_record_of_the_parent_that_went_missing_on_the_way_is_found_out(
    make: Make,
    new_run: Make,
    make_texts: Make,
    store: Store,
    monkeypatch: pytest.MonkeyPatch,
    module: Any,
    name: str,
    sentence: str,
) -> None:
    texts = make_texts(5)
    make(texts, store=store, settings={"set_gates": []})
    del texts["doc001"]
    run = new_run(texts, store=store, update={}, settings={"set_gates": []})
    real = getattr(module, name)
    monkeypatch.setattr(module, name, lambda *args: list(real(*args))[1:])
    with pytest.raises(ConservationError, match=sentence):
        execute(run)
    assert [version.number for version in store.iterate("finance")] == [1]


@pytest.mark.parametrize(
    "settings",
    [
        {"mining": {"strategy": "multi_signal"}},
        {"mining": {"negatives": 3, "shortfall": "drop", "rank_max": 4}},
        {"set_gates": [{"name": "consistency", "settings": {"direction": "mutual", "quantile": 0.8}}]},
        {"stop": {"block": 10, "after": 10, "new_regions": 0.9}},
        {"perturbation": {"negatives": 1}},
    ],
    ids=["multi_signal", "shortfall", "mutual", "stop", "perturbed"],
)
def test_an_update_obeys_the_laws_whatever_the_settings(
    make: Make, dated_texts: dict[str, str], store: Store, settings: dict[str, Any]
) -> None:
    texts = dict(list(dated_texts.items())[:16])
    first = make(texts, store=store, settings=settings)
    texts |= dict(list(dated_texts.items())[16:20])
    texts["doc003"] += " It was never repaid, and nobody asked why that was so in the end."
    del texts["doc002"]
    second = make(texts, store=store, settings=settings, update={})
    documents = second.manifest.update.documents
    assert (documents.unchanged, documents.new, documents.changed, documents.deleted) == (14, 4, 1, 1)
    assert first.manifest.records > 0 < second.manifest.funnel.accepted
    check_law(second)


OPERATIONS = st.lists(
    st.tuples(st.sampled_from(["add", "edit", "remove", "rename", "restore"]), st.integers(0, 20)), max_size=5
)


@pytest.mark.slow
@settings(max_examples=6, deadline=None, derandomize=True)
@given(steps=st.lists(OPERATIONS, min_size=2, max_size=3), freeze=st.booleans())
def test_chains_of_any_edits_add_up(
    make: Make, make_texts: Make, fresh: Make, steps: list[list[tuple[str, int]]], freeze: bool
) -> None:
    store, pool = Store(fresh() / "store"), list(make_texts(40, seed=2, sentences=4).values())
    texts = {f"d{n}": pool.pop() for n in range(6)}
    removed: dict[str, str] = {}
    before = make(texts, store=store, settings={"splits": {"test": 0.3}})
    for operations in steps:
        for operation, number in operations:
            name = sorted(texts)[number % len(texts)]
            if operation == "add":
                texts[f"n{number}-{len(pool)}"] = pool.pop()
            elif operation == "edit":
                texts[name] = pool.pop()
            elif operation == "remove" and len(texts) > 2:
                removed[name] = texts.pop(name)
            elif operation == "rename":
                texts[f"{name}-moved"] = texts.pop(name)
            elif operation == "restore" and removed:
                texts |= dict([removed.popitem()])
        after = make(texts, store=store, settings={"splits": {"test": 0.3}}, update={"freeze_test": freeze})
        if after.version != before.version:
            check_law(after)
            assert after.manifest.update.records == before.manifest.records
            assert {row["text"] for row in after.passages.values()} <= {
                " ".join(t.split()) for t in texts.values()
            } | set(texts.values())
            test_before = {row["id"] for row in before.records if row["split"] == "test"}
            test_after = {row["id"] for row in after.records if row["split"] == "test"}
            assert not freeze or test_after <= test_before
        before = after


def test_without_a_parent_there_is_one_sentence(new_run: Make, make_texts: Make, store: Store) -> None:
    with pytest.raises(
        StoreError, match=r"no version of 'finance' in .* to update; make the first one without --update"
    ):
        new_run(make_texts(3), store=store, update={})
    assert not store.root.exists()


def test_another_recipe_is_refused_unless_told_to_go_on(
    make: Make, new_run: Make, make_texts: Make, store: Store
) -> None:
    make(make_texts(5), store=store)
    other = {"seed": 3, "settings": {"chunk": {"max_chars": 500}}}
    with pytest.raises(
        InputError,
        match=r"finance@1 was made by another recipe: chunk.max_chars was \d+ and is 500, seed was 0 and is 3; .*--mixed-recipes",
    ):
        new_run(make_texts(6), store=store, update={}, **other)
    second = make(make_texts(6), store=store, update={"mixed": True}, seed=3)
    assert second.manifest.update.carried == second.manifest.update.records
    check_law(second)


def test_a_parent_that_was_replaced_meanwhile_is_not_taken(
    make: Make, new_run: Make, make_texts: Make, store: Store
) -> None:
    make(make_texts(5), store=store)
    run = new_run(make_texts(6), store=store, update={})
    recipe = run.recipe
    changed = recipe.model_copy(update={"parent": recipe.parent.model_copy(update={"content_sha256": "0" * 64})})
    (run.folder / "recipe.json").write_text(changed.model_dump_json())
    with pytest.raises(
        StoreError, match="finance@1 is not the version that the run was begun with; start the update again"
    ):
        execute(run)


def test_the_card_counts_what_was_carried_over_and_retired(both: Any) -> None:
    manifest = both[1].manifest
    update = manifest.update
    card = render_card(manifest, Place(), [], Survey())
    assert f"| carried over from finance@1 | | {update.carried} |" in card
    assert f"| records | accepted and carried over | {manifest.records} |" in card
    assert f"Of the {update.records} records of `finance@1`, {update.carried} were carried over and" in card
    assert f"document_deleted {update.retired['document_deleted']}" in card
    assert "2 new, 1 changed, 2 deleted, 11 unchanged" in card


def test_a_restored_update_names_no_parent_that_is_not_its_own(
    make: Make, make_texts: Make, store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    texts = make_texts(6)
    make(texts, store=store)
    make(texts | {"new": make_texts(1, seed=5)["doc000"]}, store=store, update={})
    make(make_texts(4, seed=7), store=store)
    restored = restore(store, store.find("finance@2"))
    show_version(restored, restored.manifest)
    assert "of its parent carried over" in " ".join(capsys.readouterr().out.split())
    assert "finance@3" not in render_card(restored.manifest, Place(), [], Survey())
    found = run_query(store, "SELECT records, accepted FROM versions WHERE version = 4").to_pylist()
    assert found == [{"records": restored.manifest.records, "accepted": restored.manifest.funnel.accepted}]
    assert found[0]["records"] > found[0]["accepted"]
