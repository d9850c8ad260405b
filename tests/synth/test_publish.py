from __future__ import annotations

import errno
import os
import shutil
import threading
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import pyarrow.parquet as pq
import pytest

from synth import publish as publishing
from synth.errors import ConservationError, StoreError
from synth.files import sha256_of_file
from synth.run import Run, execute
from synth.store import Store
from synth.verify import verify_version

Make = Callable[..., Any]


class Killed(BaseException):
    """Stands for the end of the process."""


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


def content(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_the_same_content_is_the_same_version(make: Make, make_texts: Make, store: Store) -> None:
    first = make(make_texts(), store=store)
    before = content(store.versions)
    again = make(make_texts(), store=store, shard_size=7)
    assert again.version == first.version
    assert content(store.versions) == before


def test_other_content_is_the_next_version_and_leaves_the_ones_before_alone(
    make: Make, make_texts: Make, store: Store
) -> None:
    first = make(make_texts(), store=store)
    before = content(first.version.path)
    second = make(make_texts(13), store=store)
    third = make(make_texts(14), store=store)
    assert [made.version.number for made in (first, second, third)] == [1, 2, 3]
    assert [made.manifest.version for made in (first, second, third)] == [1, 2, 3]
    assert content(first.version.path) == before
    assert store.find("finance") == third.version
    assert store.find("finance@1") == first.version


def test_a_version_names_the_one_that_was_newest_before_it_and_its_content_does_not_depend_on_that(
    make: Make, make_texts: Make, store: Store
) -> None:
    made = [make(make_texts(number), store=store) for number in (10, 11, 12)]
    assert [each.manifest.parent for each in made] == ["", "finance@1", "finance@2"]
    assert make(make_texts(11)).hash == made[1].hash


def test_names_have_their_own_numbers(make: Make, make_texts: Make, store: Store) -> None:
    assert str(make(make_texts(), store=store, name="one").version) == "one@1"
    assert str(make(make_texts(), store=store, name="other").version) == "other@1"
    assert store.names() == ["one", "other"]


def test_a_number_that_was_removed_is_not_given_to_a_newer_version_below_a_later_one(
    make: Make, make_texts: Make, store: Store
) -> None:
    for number in (10, 11):
        made = make(make_texts(number), store=store)
    shutil.rmtree(store.versions / "finance" / "1")
    assert made.version.number == 2
    assert make(make_texts(12), store=store).version.number == 3


def test_the_manifest_tells_the_truth_about_every_file(finance: Any) -> None:
    folder, manifest = finance.version.path, finance.manifest
    stored = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    assert {file.path for file in manifest.files} | {"manifest.json"} == stored
    for file in manifest.files:
        path = folder / file.path
        assert file.bytes == path.stat().st_size
        assert file.rows == pq.read_metadata(path).num_rows
        assert file.sha256 == sha256_of_file(path)
    assert verify_version(finance.version) == []


def test_the_counts_of_the_manifest_are_those_of_the_records(finance: Any) -> None:
    manifest, records = finance.manifest, finance.records
    for split in ("train", "test"):
        assert manifest.splits.get(split, 0) == len(finance.rows(f"records/{split}"))
        assert {row["split"] for row in finance.rows(f"records/{split}")} <= {split}
    for method, items in manifest.methods.items():
        assert sum(row["provenance"]["method"] == method for row in records) == items
    assert manifest.candidates["selected"] == sum(len(row["negatives"]) for row in records)
    assert manifest.licences == {"Apache-2.0": 60}
    assert manifest.passages == manifest.teacher.pool == len(finance.passages)
    assert manifest.recipe_sha256 == manifest.recipe.sha256


def test_every_record_says_where_it_comes_from(finance: Any) -> None:
    passages = finance.passages
    for row in finance.records:
        provenance = row["provenance"]
        assert provenance["method"].startswith("extractive:")
        assert provenance["persona_id"]
        assert len(provenance["prompt_sha256"]) == 64
        assert provenance["licence"] == "Apache-2.0"
        assert [verdict["gate"] for verdict in row["verdicts"]] == [gate.name for gate in finance.run.recipe.gates]
        positive = row["positive"]
        passage = passages[positive["passage_id"]]
        assert passage["document_id"] == positive["document_id"]
        assert passage["split"] == row["split"]
        if provenance["method"] != "extractive:cloze":
            assert positive["text"] == passage["text"]


@pytest.mark.parametrize(
    "mining",
    [
        {},
        {"strategy": "naive", "negatives": 8},
        {"strategy": "naive", "negatives": 8, "same_document": True},
        {"strategy": "abs", "max_score": 0.4},
        {"strategy": "multi_signal"},
        {"strategy": "multi_signal", "max_false_negative_rate": 0.5},
        {"strategy": "margin_pos", "absolute_margin": 0.01, "rank_min": 3, "rank_max": 6},
    ],
    ids=str,
)
def test_train_records_hold_no_test_text_and_negatives_are_no_known_positives(
    make: Make, make_texts: Make, mining: dict[str, Any]
) -> None:
    settings = {"mining": mining, "splits": {"test": 0.3}, "set_gates": []}
    long = {f"long-{name}": text for name, text in make_texts(6, sentences=30, seed=1).items()}
    made = make(_headed(make_texts(16)) | long, settings=settings)
    passages, records = made.passages, made.records
    held_out = {row["text"] for row in passages.values() if row["split"] == "test"}
    made_from: dict[str, set[str]] = {}
    for row in records:
        made_from.setdefault(row["query"].lower(), set()).add(row["positive"]["passage_id"])
    assert any(len(group) > 1 for group in made_from.values())
    assert any(row["negatives"] for row in records)
    assert {row["split"] for row in records} == {"train", "test"}
    for row in records:
        texts = [row["positive"], *row["negatives"]]
        if row["split"] == "train":
            assert not [text for text in texts if text["text"] in held_out]
            assert {passages[text["passage_id"]]["split"] for text in texts} == {"train"}
        negatives = {text["passage_id"] for text in row["negatives"]}
        assert not negatives & made_from[row["query"].lower()]
        assert len(negatives) == len(row["negatives"]) <= mining.get("negatives", 4)
        assert row["positive"]["text"] not in {text["text"] for text in row["negatives"]}
        if not mining.get("same_document"):
            assert row["positive"]["document_id"] not in {text["document_id"] for text in row["negatives"]}


@pytest.fixture(scope="module")
def perturbed(make: Make, dated_texts: dict[str, str]) -> Any:
    return make(dated_texts, settings={"perturbation": {"negatives": 2}, "splits": {"test": 0.3}})


def test_made_negatives_stand_after_the_mined_ones_and_are_counted_by_how_they_were_made(perturbed: Any) -> None:
    found = Counter(negative["method"] for row in perturbed.records for negative in row["negatives"])
    assert perturbed.manifest.negatives == dict(sorted(found.items()))
    assert found["mined"] == perturbed.manifest.candidates["selected"]
    assert {method.partition(":")[0] for method in found} == {"mined", "perturbed"}
    for row in perturbed.records:
        methods = [negative["method"] for negative in row["negatives"]]
        assert methods == sorted(methods, key=lambda method: method != "mined")
        assert sum(method != "mined" for method in methods) <= 2
        assert sum(method == "mined" for method in methods) <= 4


def test_a_made_negative_is_its_positive_with_words_exchanged(perturbed: Any) -> None:
    made = [(row, n) for row in perturbed.records for n in row["negatives"] if n["method"] != "mined"]
    assert {row["split"] for row, _ in made} == {"train", "test"}
    for row, negative in made:
        assert negative["made_from"] == row["positive"]["passage_id"]
        assert negative["document_id"] == row["positive"]["document_id"]
        assert negative["passage_id"] not in perturbed.passages
        assert negative["text"] != row["positive"]["text"]
        assert negative["changes"]
        for change in negative["changes"]:
            assert change["before"] in row["positive"]["text"]
            assert change["after"] in negative["text"]
    assert verify_version(perturbed.version) == []


def test_mined_negatives_and_everything_else_are_the_same_without_made_ones(
    make: Make, dated_texts: dict[str, str], perturbed: Any
) -> None:
    plain = make(dated_texts, settings={"splits": {"test": 0.3}})
    assert plain.hash != perturbed.hash
    mined = [row | {"negatives": [n for n in row["negatives"] if n["method"] == "mined"]} for row in perturbed.records]
    assert mined == plain.records
    assert set(plain.manifest.negatives) == {"mined"}


def test_made_negatives_do_not_depend_on_the_shards(make: Make, dated_texts: dict[str, str], perturbed: Any) -> None:
    settings = {"perturbation": {"negatives": 2}, "splits": {"test": 0.3}}
    assert make(dated_texts, settings=settings, shard_size=7).hash == perturbed.hash


def test_a_version_may_hold_made_negatives_only(make: Make, dated_texts: dict[str, str]) -> None:
    made = make(dated_texts, settings={"perturbation": {"negatives": 1}, "mining": {"negatives": 0}})
    assert "mined" not in made.manifest.negatives
    assert sum(made.manifest.negatives.values()) > 0
    assert verify_version(made.version) == []


def _headed(texts: dict[str, str]) -> dict[str, str]:
    """Documents of which pairs share a heading, so that one query is made from two passages."""
    return {
        name: f"# Covenant compliance statement number {i // 2}\n\n{text}"
        for i, (name, text) in enumerate(texts.items())
    }


def test_a_split_leak_is_rejected_and_its_text_is_in_no_train_record(
    make: Make, make_texts: Make, ids_of: Make
) -> None:
    texts = list(make_texts(8).values())
    (held_out,), train = ids_of("test", 1), ids_of("train", 8)
    leaked = texts[0].replace("euros", "EUR", 1)
    documents = {held_out: texts[0], train[0]: leaked, **dict(zip(train[1:], texts[1:], strict=True))}
    made = make(documents, settings={"mining": {"strategy": "naive", "negatives": 8}, "set_gates": []})
    assert made.manifest.funnel.rejected == {"split_leak": 4}
    assert {row["passage_id"] for row in made.rejects} == {f"{train[0]}#0"}
    shown = {t["text"] for row in made.rows("records/train") for t in (row["positive"], *row["negatives"])}
    assert not shown & {texts[0], leaked}


def test_everything_is_in_train_where_no_test_share_is_asked_for(make: Make, make_texts: Make) -> None:
    made = make(make_texts(), settings={"splits": {"test": 0}})
    assert set(made.manifest.splits) == {"train"}
    assert made.rows("records/test") == []


def test_rejects_are_kept_with_their_text_and_what_dropped_them(make: Make, make_texts: Make) -> None:
    made = make(
        make_texts(4, sentences=4), limit=10, settings={"gates": [{"name": "length", "settings": {"min_words": 6}}]}
    )
    rejects = {row["reason"]: row for row in made.rejects}
    assert {"duplicate", "surplus", "too_short"} <= set(rejects)
    assert rejects["too_short"]["stage"] == "length"
    assert rejects["too_short"]["score"] < 6
    assert rejects["duplicate"]["stage"] == "duplicates"
    assert rejects["surplus"]["stage"] == "limit"
    assert all(row["query"] and row["passage_id"] in made.passages for row in rejects.values())


def test_what_is_surplus_is_no_part_of_the_content(make: Make, make_texts: Make) -> None:
    """Asking further ahead for the same records changes nothing a trainer sees."""
    made = make(make_texts(), limit=10)
    surplus = [row for row in made.rejects if row["reason"] == "surplus"]
    assert surplus
    assert orjson.loads((made.version.path / "manifest.json").read_bytes())["funnel"]["rejected"]["surplus"] == len(
        surplus
    )


def test_a_name_that_is_no_folder_is_refused(new_run: Make, make_texts: Make, store: Store) -> None:
    run = new_run(make_texts(4), store=store, name="../elsewhere")
    with pytest.raises(StoreError, match=r"'\.\./elsewhere' can't name a dataset"):
        execute(run)
    assert not store.versions.exists()


@pytest.mark.parametrize("call", ["replace", "fsync"])
@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EROFS])
def test_a_disk_that_is_full_while_publishing_leaves_the_latest_version_as_it_was(
    make: Make, new_run: Make, make_texts: Make, store: Store, monkeypatch: pytest.MonkeyPatch, call: str, code: int
) -> None:
    first = make(make_texts(), store=store)
    before = content(store.versions)
    run = new_run(make_texts(13), store=store)
    with monkeypatch.context() as patched:
        real = publishing._write_data

        def filled(*args: Any) -> Any:
            patched.setattr(os, call, _fail_with(code))
            return real(*args)

        patched.setattr(publishing, "_write_data", filled)
        with pytest.raises(StoreError, match=os.strerror(code)) as caught:
            execute(run)
    assert "\n" not in str(caught.value)
    assert "--store" in str(caught.value)
    assert content(store.versions) == before
    assert store.find("finance") == first.version
    assert run.result is None
    assert execute(Run(store, run.id)).number == 2


@pytest.mark.parametrize("target", ["os.rename", "pathlib.Path.mkdir"])
def test_a_folder_that_can_not_be_claimed_is_one_sentence(
    new_run: Make, make_texts: Make, store: Store, monkeypatch: pytest.MonkeyPatch, target: str
) -> None:
    run = new_run(make_texts(4), store=store)
    real = publishing.publish

    def refused(*args: Any) -> Any:
        with monkeypatch.context() as patched:
            patched.setattr(target, _fail_with(errno.EROFS))
            return real(*args)

    monkeypatch.setattr("synth.run.publish", refused)
    with pytest.raises(StoreError, match=f"can't publish to .*synth resume {run.id}"):
        execute(run)
    assert store.names() == []


def _fail_with(code: int) -> Callable[..., Any]:
    def fail(*args: Any, **options: Any) -> Any:
        raise OSError(code, os.strerror(code))

    return fail


def test_records_that_went_missing_on_the_way_are_found_out(
    new_run: Make, make_texts: Make, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = new_run(make_texts(4), store=store)
    real = publishing._records_of

    def lossy(*args: Any) -> Any:
        return real(*args)[1:]

    monkeypatch.setattr(publishing, "_records_of", lossy)
    with pytest.raises(ConservationError, match="16 records were accepted but 15 were written"):
        execute(run)
    assert store.names() == []


def test_two_who_publish_at_once_never_share_a_number(new_run: Make, make_texts: Make, store: Store) -> None:
    runs = [new_run(make_texts(5 + i), store=store) for i in range(4)]
    errors: list[BaseException] = []

    def work(run: Run) -> None:
        try:
            execute(run)
        except BaseException as error:  # noqa: BLE001 - shown by the assertion below
            errors.append(error)

    threads = [threading.Thread(target=work, args=(run,)) for run in runs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors
    assert sorted(run.result.version for run in runs if run.result) == [1, 2, 3, 4]
    assert len({version.manifest.content_sha256 for version in store.iterate("finance")}) == 4
    assert not [path.name for path in (store.versions / "finance").iterdir() if not path.name.isdigit()]


def test_a_number_taken_meanwhile_is_left_to_who_took_it(
    make: Make, new_run: Make, make_texts: Make, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = new_run(make_texts(5), store=store)
    real = os.rename
    taken: list[Path] = []

    def overtaken(source: Any, target: Any) -> None:
        if not taken:
            taken.append(Path(target))
            shutil.copytree(source, target)
        real(source, target)

    with monkeypatch.context() as patched:
        real_claim = Store.claim

        def claim(*args: Any) -> Any:
            patched.setattr(os, "rename", overtaken)
            return real_claim(*args)

        patched.setattr(Store, "claim", claim)
        version = execute(run)
    assert version.number == 2
    assert version.manifest.version == 2
    assert [found.number for found in store.iterate("finance")] == [1, 2]


@pytest.mark.slow
def test_readers_never_see_half_a_version(new_run: Make, make_texts: Make, store: Store) -> None:
    stop = threading.Event()
    seen: set[str] = set()
    problems: list[str] = []

    def watch() -> None:
        while not stop.is_set():
            for name in store.names():
                for version in store.iterate(name):
                    try:
                        files = version.manifest.files
                    except StoreError as error:
                        problems.append(str(error))
                        continue
                    problems.extend(f"{version}: {f.path}" for f in files if not (version.path / f.path).is_file())
                    seen.add(str(version))

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        for number in range(5, 9):
            execute(new_run(make_texts(number), store=store))
    finally:
        stop.set()
        watcher.join()
    assert not problems
    assert len(seen) >= 3


def test_a_writer_that_was_killed_leaves_only_a_hidden_folder_that_readers_ignore(
    new_run: Make, make_texts: Make, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = _killed_while_publishing(new_run(make_texts(5), store=store), monkeypatch)
    left = list((store.versions / "finance").iterdir())
    assert len(left) == 1
    assert left[0].name.startswith(".")
    assert store.names() == []
    assert list(store.iterate("finance")) == []
    with pytest.raises(StoreError, match="no dataset 'finance'"):
        store.find("finance")
    assert run.result is None


def test_a_run_that_was_killed_while_publishing_tidies_up_when_it_is_resumed(
    new_run: Make, make_texts: Make, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = _killed_while_publishing(new_run(make_texts(5), store=store), monkeypatch)
    assert execute(run).number == 1
    assert [path.name for path in (store.versions / "finance").iterdir()] == ["1"]


def _killed_while_publishing(run: Run, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Nothing after the data is written happens: no manifest, no rename, no tidying."""

    def die(*args: Any) -> Any:
        raise Killed

    with monkeypatch.context() as patched:
        patched.setattr(publishing, "_check_conservation", die)
        patched.setattr(publishing.shutil, "rmtree", lambda *args, **options: None)
        with pytest.raises(Killed):
            execute(run)
    return Run(run.store, run.id)


def test_records_name_the_passages_that_are_no_in_batch_negatives(finance: Any) -> None:
    for row in finance.records:
        own = [row["positive"], *row["more_positives"]]
        assert {each["passage_id"] for each in own} <= set(row["in_batch_mask"])
        assert not {each["passage_id"] for each in row["negatives"]} & set(row["in_batch_mask"])
    assert any(len(row["in_batch_mask"]) > 1 for row in finance.records)
