from __future__ import annotations

import os
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from synth.errors import RunBusy, RunError, StoreError
from synth.files import write_model
from synth.lease import Lease
from synth.progress import Silent
from synth.run import Run, execute, find_run, iterate_runs, open_workshop, prepare
from synth.store import Store

Make = Callable[..., Any]


class PowerCut(BaseException):
    """Stands for the end of the process: nothing in synth may catch it."""


recipes = st.fixed_dictionaries(
    {
        "chunk": st.fixed_dictionaries(
            {
                "max_chars": st.sampled_from([100, 240, 500, 2_000]),
                "min_chars": st.sampled_from([1, 60, 100]),
                "overlap_sentences": st.integers(0, 1),
            }
        ),
        "gates": st.lists(
            st.sampled_from(
                [
                    {"name": "schema"},
                    {"name": "length", "settings": {"min_words": 6, "max_words": 12}},
                    {"name": "length", "settings": {"min_words": 1, "min_chars": 40}},
                    {"name": "language"},
                    {"name": "copy", "settings": {"max_share": 0.5, "exempt": []}},
                    {"name": "sensitive", "settings": {"action": "mask"}},
                    {"name": "sensitive", "settings": {"action": "drop"}},
                ]
            ),
            max_size=4,
        ),
        "set_gates": st.lists(
            st.sampled_from(
                [
                    {"name": "consistency", "settings": {"k": 1}},
                    {"name": "consistency", "settings": {"k": 5, "min_score": 0.4}},
                    {"name": "duplicates", "settings": {"near": 0.55}},
                    {"name": "duplicates"},
                ]
            ),
            max_size=3,
        ),
        "splits": st.fixed_dictionaries({"test": st.sampled_from([0.0, 0.2, 0.9])}),
        "plan": st.fixed_dictionaries({"items_per_passage": st.integers(1, 5)}),
        "mining": st.fixed_dictionaries(
            {
                "negatives": st.integers(0, 3),
                "strategy": st.sampled_from(["perc_pos", "naive"]),
                "rank_max": st.sampled_from([1, 3, 50]),
            }
        ),
    }
)


@pytest.mark.slow
@settings(max_examples=10, deadline=None, derandomize=True)
@given(
    number=st.integers(1, 6),
    sentences=st.integers(1, 7),
    seed=st.integers(0, 9),
    recipe=recipes,
    shard_size=st.sampled_from([3, 7, 1_000]),
)
def test_planned_is_accepted_and_rejected_and_failed(
    make: Make, make_texts: Make, number: int, sentences: int, seed: int, recipe: dict[str, Any], shard_size: int
) -> None:
    texts = make_texts(number, sentences=sentences, seed=seed)
    made = make(texts, settings=recipe, shard_size=shard_size)
    manifest, rejects = made.manifest, made.rejects
    funnel = manifest.funnel
    assert funnel.planned == funnel.accepted + sum(funnel.rejected.values()) + sum(funnel.failed.values())
    assert funnel.planned == manifest.passages * recipe["plan"]["items_per_passage"]
    assert len(made.records) == funnel.accepted == sum(manifest.splits.values())
    for status, reasons in (("rejected", funnel.rejected), ("failed", funnel.failed)):
        for reason, items in reasons.items():
            assert sum(row["status"] == status and row["reason"] == reason for row in rejects) == items
    positions = [row["position"] for row in rejects] + [row["provenance"]["position"] for row in made.records]
    assert sorted(positions) == list(range(funnel.planned))


@settings(max_examples=2, deadline=None, derandomize=True)
@given(limit=st.integers(1, 90), seed=st.integers(0, 3))
def test_a_limit_publishes_exactly_that_many_the_first_in_plan_order(
    make: Make, make_texts: Make, limit: int, seed: int
) -> None:
    made = make(make_texts(12, seed=seed), limit=limit)
    funnel = made.manifest.funnel
    assert len(made.records) == funnel.accepted == limit
    last = made.records[-1]["provenance"]["position"]
    surplus = [row for row in made.rejects if row["reason"] == "surplus"]
    assert all(row["position"] > last for row in surplus)
    assert all(row["status"] == "rejected" and row["stage"] == "limit" and row["query"] for row in surplus)
    beyond = [row for row in made.rejects if row["position"] < last]
    assert "surplus" not in {row["reason"] for row in beyond}
    assert not made.manifest.partial


def test_a_smaller_limit_is_a_prefix_of_a_larger_one(make: Make, make_texts: Make) -> None:
    texts = make_texts()
    few, many = make(texts, limit=20).records, make(texts, limit=60).records
    assert [row["id"] for row in few] == [row["id"] for row in many[:20]]
    assert [row["query"] for row in few] == [row["query"] for row in many[:20]]


def test_a_number_the_documents_do_not_hold_ends_partial_with_a_sentence(make: Make, make_texts: Make) -> None:
    notes: list[str] = []

    class Notes(Silent):
        def note(self, message: str) -> None:
            notes.append(message)

    strict = {
        "gates": [{"name": "length", "settings": {"min_words": 12}}],
        "set_gates": [{"name": "duplicates", "settings": {"near": 0.51}}],
    }
    made = make(make_texts(1, sentences=1), limit=500, settings=strict, reporter=Notes())
    funnel = made.manifest.funnel
    assert 0 < funnel.accepted < 500
    assert made.manifest.partial == f"the documents hold no more: {funnel.accepted} of 500"
    assert len(notes) == 1
    assert notes[0].startswith(f"{funnel.accepted} of 500 records were accepted")
    assert made.run.result is not None


def test_documents_too_short_for_any_query_make_an_empty_version_that_adds_up(make: Make) -> None:
    made = make({f"d{i}": f"Only four words {i}." for i in range(3)})
    funnel = made.manifest.funnel
    assert funnel.accepted == 0
    assert funnel.failed == {"passage_too_short": funnel.planned}
    assert made.records == []


@pytest.mark.parametrize(("limit", "sizes"), [(None, (1_000, 50, 7)), (100, (1_000, 137))])
def test_the_content_does_not_depend_on_the_shard_size(
    make: Make, make_texts: Make, limit: int | None, sizes: tuple[int, ...]
) -> None:
    texts = make_texts(20)
    made = [make(texts, shard_size=size, limit=limit) for size in sizes]
    assert len({one.hash for one in made}) == 1
    assert made[0].records == made[-1].records
    assert made[0].manifest.candidates == made[-1].manifest.candidates


def test_the_shipped_domain_does_not_depend_on_the_shard_size(make: Make, finance: Any) -> None:
    assert make(limit=60, shard_size=333).hash == finance.hash


@pytest.mark.slow
def test_the_content_does_not_depend_on_the_order_of_rows_nor_on_the_files_they_are_in(
    make: Make, make_texts: Make, write_rows: Make, tmp_path: Path
) -> None:
    texts = make_texts(15)
    items = list(texts.items())
    random.Random(5).shuffle(items)
    parts = [write_rows(tmp_path / f"{name}.jsonl", dict(items[i::3])) for i, name in enumerate("abc")]
    table = pa.table({"id": list(texts), "text": list(texts.values())})
    pq.write_table(table, tmp_path / "rows.parquet")
    expected = make(texts).hash
    assert make(dict(items)).hash == expected
    assert make(parts).hash == expected
    assert make(parts[::-1]).hash == expected
    assert make([tmp_path / "rows.parquet"]).hash == expected


def test_rows_without_ids_do_not_depend_on_their_order_either(make: Make, make_texts: Make, tmp_path: Path) -> None:
    texts = list(make_texts(9).values())
    first, second = tmp_path / "first.csv", tmp_path / "second.csv"
    first.write_text("text\n" + "".join(f'"{text}"\n' for text in texts))
    second.write_text("text\n" + "".join(f'"{text}"\n' for text in reversed(texts)))
    assert make([first]).hash == make([second]).hash


def test_files_in_a_folder_are_the_same_as_the_files_one_by_one(make: Make, make_texts: Make, tmp_path: Path) -> None:
    for name, text in make_texts(6).items():
        (tmp_path / f"{name}.txt").write_text(text)
    assert make([tmp_path]).hash == make(sorted(tmp_path.iterdir(), reverse=True)).hash


def test_the_content_changes_when_a_document_does(make: Make, make_texts: Make) -> None:
    texts = make_texts(8)
    edited = texts | {"doc003": texts["doc003"] + " The auditor resigned without giving any public reason for it."}
    fewer = {key: text for key, text in texts.items() if key != "doc007"}
    assert len({make(one).hash for one in (texts, edited, fewer)}) == 3


def test_the_content_changes_with_the_seed(make: Make, make_texts: Make) -> None:
    assert make(make_texts(), seed=1).hash != make(make_texts(), seed=2).hash


@pytest.mark.slow
def test_a_run_cut_off_at_any_rename_ends_with_the_same_content(
    new_run: Make, make: Make, restarted: Make, make_texts: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    texts = make_texts(2, sentences=3)
    expected = make(texts).hash
    broken: list[str] = []
    for number in range(1_000):
        run = new_run(texts)
        with monkeypatch.context() as patched:
            reached = _cut_power(patched, number)
            try:
                execute(run)
            except PowerCut:
                pass
        try:
            found = execute(restarted(run)).manifest
            problems = [] if found.content_sha256 == expected else ["another content"]
        except RunError as error:
            problems = [str(error)]
        broken += [f"{reached[-1]}: {problem}" for problem in problems]
        if len(reached) <= number:
            break
    assert number > 15
    assert not broken


def _cut_power(patched: pytest.MonkeyPatch, number: int) -> list[str]:
    """Die at the rename with this number; everything that lasts is renamed into place."""
    reached: list[str] = []

    def interrupted(real: Callable[..., None]) -> Callable[..., None]:
        def rename(source: Any, target: Any) -> None:
            reached.append(Path(target).name)
            if len(reached) - 1 == number:
                raise PowerCut
            real(source, target)

        return rename

    for name in ("replace", "rename"):
        patched.setattr(os, name, interrupted(getattr(os, name)))
    return reached


def test_a_run_that_died_between_its_passages_and_its_recipe_goes_on(
    new_run: Make, restarted: Make, make_texts: Make
) -> None:
    run = new_run(make_texts(4))
    with Lease(run.folder):
        prepare(run, Silent())
    write_model(run.folder / "recipe.json", run.recipe.model_copy(update={"corpus_sha256": ""}))
    assert execute(restarted(run)).manifest.recipe.corpus_sha256


def test_documents_edited_before_the_run_was_resumed_are_read_whole(
    new_run: Make, make_texts: Make, write_rows: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    texts = make_texts(6, seed=1, sentences=20)
    path = write_rows(tmp_path / "rows.jsonl", texts | {"twin": texts["doc000"] + " End."})
    run = new_run([path])
    with monkeypatch.context() as patched:
        patched.setattr("synth.ingest.build_lexicon", _fail_with(PowerCut))
        with pytest.raises(PowerCut):
            execute(run)
    write_rows(path, make_texts(6, seed=2))
    version = execute(Run(run.store, run.id))
    passages = {row["id"]: row["text"] for row in pq.read_table(version.path / "passages.parquet").to_pylist()}
    records = pq.read_table(version.path / "records" / "train.parquet").to_pylist()
    whole = [row["positive"] for row in records if row["provenance"]["method"] != "extractive:cloze"]
    assert whole
    assert all(passages[positive["passage_id"]] == positive["text"] for positive in whole)


def _fail_with(error: type[BaseException]) -> Callable[..., Any]:
    def fail(*args: Any, **options: Any) -> Any:
        raise error

    return fail


def test_what_a_resumed_run_has_made_is_not_made_again(new_run: Make, make_texts: Make) -> None:
    run = new_run(make_texts(10), shard_size=9)

    def one_shard_then_dies(run: Run, shards: Any, reporter: Any) -> None:
        from synth.run import map_in_process

        map_in_process(run, shards[:1], reporter)
        raise PowerCut

    with pytest.raises(PowerCut):
        execute(run, map_shards=one_shard_then_dies)
    made = {path: path.stat().st_mtime_ns for path in run.folder.rglob("*.parquet")}
    assert any("items" in str(path) for path in made)
    execute(Run(run.store, run.id))
    assert {path: path.stat().st_mtime_ns for path in made} == made


def test_a_finished_run_returns_its_version_again(new_run: Make, make_texts: Make) -> None:
    run = new_run(make_texts(5))
    first = execute(run)
    before = _bytes_below(run.store.versions)
    assert execute(Run(run.store, run.id)) == first
    assert _bytes_below(run.store.versions) == before
    assert run.result is not None
    assert (run.result.name, run.result.version) == ("finance", 1)


def _bytes_below(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_run_that_another_process_holds_is_refused(new_run: Make, make_texts: Make) -> None:
    run = new_run(make_texts(5))
    assert not run.is_busy
    with Lease(run.folder):
        assert run.is_busy
        with pytest.raises(RunBusy, match=f"{run.id} is being worked on by process {os.getpid()}"):
            execute(run)
    assert not run.is_busy
    assert not list(run.store.versions.glob("*"))


def test_an_error_frees_the_run(new_run: Make, make_texts: Make) -> None:
    run = new_run(make_texts(5))
    with pytest.raises(ZeroDivisionError):
        execute(run, map_shards=_fail_with(ZeroDivisionError))
    assert not run.is_busy
    assert not (run.folder / "lease.json").exists()


def test_the_newest_unfinished_run_is_found(new_run: Make, make: Make, make_texts: Make, fresh: Make) -> None:
    store = Store(fresh())
    with pytest.raises(StoreError, match="no unfinished run in .*; start one with `synth generate`"):
        find_run(store, None)
    older, newer = new_run(make_texts(5), store=store), new_run(make_texts(5), store=store)
    _created(older, "2026-01-01T00:00:00Z")
    _created(newer, "2026-01-02T00:00:00Z")
    finished = make(make_texts(5), store=store).run
    _created(finished, "2026-01-03T00:00:00Z")
    assert [run.id for run in iterate_runs(store)] == [older.id, newer.id, finished.id]
    assert find_run(store, None).id == newer.id
    assert find_run(store, older.id).id == older.id
    with pytest.raises(StoreError, match=f"there is no run .*did you mean '{older.id[:8]}"):
        find_run(store, older.id[:-1] + "_")


def _created(run: Run, when: str) -> None:
    write_model(run.folder / "run.json", run.info.model_copy(update={"created": when}))


def test_a_run_without_passages_can_not_be_opened(new_run: Make, restarted: Make, make_texts: Make) -> None:
    run = new_run(make_texts(5))
    prepare(run, Silent())
    write_model(run.folder / "recipe.json", run.recipe.model_copy(update={"corpus_sha256": ""}))
    with pytest.raises(RunError, match="has no passages yet"):
        open_workshop(restarted(run), Silent())


def test_a_run_knows_its_documents_by_absolute_paths(
    new_run: Make, write_rows: Make, make_texts: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_rows(tmp_path / "rows.jsonl", make_texts(3))
    monkeypatch.chdir(tmp_path)
    run = new_run([Path("rows.jsonl")])
    monkeypatch.chdir("/")
    assert run.info.documents == [str(tmp_path / "rows.jsonl")]
    assert execute(run).number == 1


def test_shards_cover_the_plan_once(new_run: Make, make_texts: Make) -> None:
    run = new_run(make_texts(5), shard_size=400)
    assert [(s.start, s.stop) for s in run.shards(1_000)] == [(0, 400), (400, 800), (800, 1_000)]
    assert run.shards(0) == []


def test_secrets_of_the_environment_are_nowhere_in_the_store(
    make: Make, make_texts: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    secrets = {"HF_TOKEN": "hf_secretsecretsecretsecret", "OPENAI_API_KEY": "sk-secretsecretsecret"}
    for name, value in secrets.items():
        monkeypatch.setenv(name, value)
    root = make(make_texts(5)).run.store.root
    for path in _files_below(root):
        content = path.read_bytes()
        assert not [value for value in secrets.values() if value.encode() in content], path


def _files_below(folder: Path) -> Iterator[Path]:
    return (path for path in folder.rglob("*") if path.is_file())


@pytest.mark.parametrize("name", ["with space", "a[1]", "glob*", "quote'd"])
def test_a_store_may_lie_under_any_path(make: Make, make_texts: Make, tmp_path: Path, name: str) -> None:
    made = make(make_texts(5), store=Store(tmp_path / name / "store"))
    assert made.manifest.funnel.planned == made.manifest.passages * 4
