"""Several teachers and a rescorer, as they are typed."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from fake_embedder import Embedder
from fake_llm import FakeLlm, fake_llm

from synth.llm.link import Patience
from synth.run import Run, find_run
from synth.store import Store

Cli = Callable[..., Any]
MARGIN = "mining: {strategy: margin_pos, absolute_margin: 0.1}\n"
METALS = ("gold", "tin", "copper", "zinc", "silver", "lead")


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


@pytest.fixture
def fake() -> Iterator[FakeLlm]:
    with fake_llm(embedder=Embedder(pairs="logit")) as server:
        yield server


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A bound that means something for logits."""
    (tmp_path / "c.yaml").write_text(MARGIN)
    return tmp_path / "c.yaml"


@pytest.fixture
def pairs(tmp_path: Path) -> Path:
    rows = [{"query": f"price of {m}", "positive": f"The price of {m} rose by {n}."} for n, m in enumerate(METALS)]
    path = tmp_path / "pairs.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def generate(cli: Cli, store: Store, *more: object) -> Any:
    return cli("generate", "--domain", "finance", "--limit", 30, "--store", store.root, "--json", *more)


def only_run(store: Store) -> Run:
    (path,) = store.runs.iterdir()
    return Run(store, path.name)


@pytest.mark.slow
def test_a_dataset_is_made_by_two_teachers_whose_ranks_are_fused(cli: Cli, store: Store, fake: FakeLlm) -> None:
    done = generate(cli, store, "--teacher", "lexical", "--teacher", f"{fake.url},batch=16", "--fuse", "rrf")
    assert done.code == 0, done.err
    run, manifest = only_run(store), store.find("finance").manifest
    assert (run.recipe.teacher, run.recipe.fusion.teachers, run.recipe.fusion.method) == (
        "lexical",
        ["served:fake"],
        "rrf",
    )
    assert run.info.scoring.teachers[0].url == fake.url
    assert b"127.0.0.1" not in (run.folder / "recipe.json").read_bytes()
    assert manifest.teacher.name == "rrf of lexical and served:fake"
    assert manifest.teacher.identity["model"].endswith(" + fake")
    assert not [path for path in store.versions.rglob("*") if path.is_file() and fake.url.encode() in path.read_bytes()]


@pytest.mark.slow
def test_a_fused_and_rescored_run_whose_server_went_away_goes_on_with_another_to_the_same_dataset(
    cli: Cli, store: Store, fake: FakeLlm, config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert fake.embedder is not None
    flags = ("--teacher", "lexical", "--teacher", fake.url, "--rescore", fake.url, "--config", config)
    whole = generate(cli, Store(tmp_path / "other"), *flags)
    assert whole.code == 0, whole.err
    monkeypatch.setattr("synth.teachers.remote.Patience", lambda: Patience(gone=0.3, backoff=0.01))
    fake.embedder.bodies.clear()
    embedder = fake.embedder
    embedder.faults = lambda text, asked: "reset" if len(embedder.scored) > 200 else None
    died = generate(cli, store, *flags)
    assert died.code == 1
    assert "does not answer /score any more" in died.error
    run = find_run(store, None)
    with fake_llm(embedder=Embedder(pairs="logit")) as right:
        done = cli("resume", "--store", store.root, "--teacher", right.url, "--rescore", right.url, "--json")
        assert done.code == 0, done.err
        info = Run(store, run.id).info
        assert (info.scoring.teachers[0].url, info.scoring.rescorer.url) == (right.url, right.url)
    assert done.json["content_sha256"] == whole.json["content_sha256"]
    recipe = Run(store, run.id).recipe
    assert (recipe.rescorer, recipe.rescore_depth) == ("served:fake", 50)
    assert b"127.0.0.1" not in (run.folder / "recipe.json").read_bytes()
    manifest = store.find("finance").manifest
    assert manifest.teacher.name == "rrf of lexical and served:fake, the first 50 rescored by served:fake"
    assert manifest.teacher.depth == 50


@pytest.mark.slow
def test_a_run_does_not_go_on_with_other_weights_of_its_rescorer(
    cli: Cli, store: Store, fake: FakeLlm, config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert fake.embedder is not None
    embedder = fake.embedder
    monkeypatch.setattr("synth.teachers.remote.Patience", lambda: Patience(gone=0.3, backoff=0.01))
    embedder.faults = lambda text, asked: "reset" if len(embedder.scored) > 200 else None
    assert generate(cli, store, "--rescore", fake.url, "--config", config).code == 1
    with fake_llm(embedder=Embedder(pairs="logit", weights="other")) as other:
        done = cli("resume", "--store", store.root, "--rescore", other.url)
    assert done.code == 2
    assert "the rescorer 'fake' is not the one that the run began with (weights was" in done.error


@pytest.mark.parametrize(
    ("flags", "config", "said"),
    [
        (("--rescore", "{url}"), "", "a share of a logit means nothing: take a margin of so many logits"),
        (
            ("--rescore", "{url}", "--rescore-depth", "5"),
            MARGIN,
            "set_gates: consistency needs 10 ranks, and 5 are rescored: add --rescore-depth 10",
        ),
        (
            ("--rescore", "{url}"),
            MARGIN + "set_gates: [{name: consistency, settings: {direction: mutual}}]\n",
            "the direction 'mutual' ranks queries for a passage, and the rescorer 'served:fake' reads a query first",
        ),
        (("--fuse", "rrf"), "", "--fuse rrf needs several teachers; name each with --teacher"),
    ],
)
def test_what_does_not_go_together_is_one_sentence_before_anything_is_made(
    cli: Cli, store: Store, fake: FakeLlm, tmp_path: Path, flags: tuple[str, ...], config: str, said: str
) -> None:
    (tmp_path / "c.yaml").write_text(config or "{}\n")
    done = generate(cli, store, "--config", tmp_path / "c.yaml", *(flag.replace("{url}", fake.url) for flag in flags))
    assert done.code == 2
    assert said in done.error
    assert not list(store.runs.glob("*"))


# Anybody's pairs -----------------------------------------------------------------------------------


def test_pairs_are_mined_with_two_teachers_and_other_bounds_ask_nobody_again(
    cli: Cli, store: Store, fake: FakeLlm, pairs: Path, tmp_path: Path
) -> None:
    flags = ("--teacher", "lexical,weight=2", "--teacher", fake.url, "--fuse", "weighted", "--store", store.root)
    first = cli("mine", pairs, "--out", tmp_path / "one", "--negatives", 2, *flags, "--json")
    assert first.code == 0, first.err
    assert first.json["teacher"]["fusion"] == "weighted"
    assert first.json["teacher"]["weights"] == "0.6667, 0.3333"
    again = cli("mine", pairs, "--out", tmp_path / "two", "--strategy", "naive", *flags, "--json")
    assert again.code == 0 and "search" not in again.err
    alone = cli("mine", pairs, "--out", tmp_path / "three", "--store", store.root)
    assert alone.code == 0 and "search" not in alone.err, "the table of each teacher is kept too"


@pytest.mark.parametrize("share", ["intra_sample", "cross_sample"])
def test_rows_take_negatives_that_each_teacher_found(
    cli: Cli, store: Store, fake: FakeLlm, pairs: Path, tmp_path: Path, share: str
) -> None:
    two = ("--teacher", "lexical", "--teacher", fake.url, "--store", store.root, "--negatives", 3, "--format", "full")
    done = cli("mine", pairs, "--out", tmp_path / "joined", *two, "--strategy", "naive", "--ensemble", share, "--json")
    assert done.code == 0, done.err
    assert [each["teacher"]["model"] for each in done.json["teachers"]] == done.json["teacher"]["model"].split(" + ")
    assert sum(done.json["candidates"].values()) == sum(
        sum(each["candidates"].values()) for each in done.json["teachers"]
    )
    alone = []
    for number, teacher in enumerate(("lexical", fake.url)):
        flags = ("--teacher", teacher, "--store", store.root, "--negatives", 3, "--format", "full")
        assert cli("mine", pairs, "--out", tmp_path / str(number), *flags, "--strategy", "naive").code == 0
        rows = pq.read_table(tmp_path / str(number) / "full.parquet").to_pylist()
        alone.append([[n["text"] for n in row["negatives"]] for row in rows])
    for row, first, second in zip(pq.read_table(tmp_path / "joined" / "full.parquet").to_pylist(), *alone, strict=True):
        texts = [each["text"] for each in row["negatives"]]
        if share == "cross_sample":
            assert texts in (first, second)
        else:
            turns = dict.fromkeys(text for both in zip(first, second, strict=True) for text in both)
            assert texts == list(turns)[:3]


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        ((), "--ensemble needs several teachers; name each with --teacher"),
        (("--teacher", "lexical", "--teacher", "{url}", "--fuse", "rrf"), "leave --fuse, --band and"),
        (("--teacher", "lexical", "--teacher", "{url}", "--shortfall", "drop"), "take --shortfall keep, or mark"),
        (("--teacher", "lexical,weight=2", "--teacher", "{url}"), "a weight does nothing with --ensemble intra_sample"),
    ],
)
def test_an_ensemble_that_can_not_be_is_one_sentence(
    cli: Cli, store: Store, fake: FakeLlm, pairs: Path, tmp_path: Path, flags: tuple[str, ...], said: str
) -> None:
    typed = [flag.replace("{url}", fake.url) for flag in flags]
    done = cli("mine", pairs, "--out", tmp_path / "m", "--store", store.root, "--ensemble", "intra_sample", *typed)
    assert (done.code, said in done.error) == (2, True), done.err
    assert not (tmp_path / "m").exists()


def test_pairs_are_mined_on_the_scale_of_a_rescorer(
    cli: Cli, store: Store, fake: FakeLlm, pairs: Path, tmp_path: Path
) -> None:
    flags = ("--rescore", fake.url, "--rescore-depth", 4, "--store", store.root, "--format", "full")
    refused = cli("mine", pairs, "--out", tmp_path / "mined", *flags)
    assert refused.code == 2
    assert "a share of a logit means nothing" in refused.error
    bound = ("--strategy", "margin_pos", "--absolute-margin", 0.5)
    done = cli("mine", pairs, "--out", tmp_path / "mined", *flags, *bound, "--json")
    assert done.code == 0, done.err
    assert done.json["depth"] == 4
    assert fake.embedder is not None
    for row in pq.read_table(tmp_path / "mined" / "full.parquet").to_pylist():
        for negative in row["negatives"]:
            logit = fake.embedder._pair(row["query"], negative["text"], activated=False)
            assert negative["score"] == pytest.approx(logit, abs=1e-3)
            assert negative["score"] < row["positive"]["score"] - 0.5


def test_pairs_are_judged_by_several_teachers_both_ways_and_by_a_rescorer_one_way(
    cli: Cli, store: Store, fake: FakeLlm, pairs: Path, tmp_path: Path
) -> None:
    two = ("--teacher", "lexical", "--teacher", fake.url, "--store", store.root, "--k", 2)
    both = cli("gate", pairs, "--out", tmp_path / "both", "--direction", "mutual", *two, "--json")
    assert both.code == 0, both.err
    assert both.json["counts"] == {"kept": 6}
    one = cli("gate", pairs, "--out", tmp_path / "one", *two, "--rescore", fake.url, "--json")
    assert one.code == 0, one.err
    for direction in ("passage", "mutual"):
        refused = cli("gate", pairs, "--out", tmp_path / "no", *two, "--rescore", fake.url, "--direction", direction)
        assert refused.code == 2
        assert f"the direction '{direction}' ranks queries for a passage" in refused.error
    few = cli("gate", pairs, "--out", tmp_path / "no", *two, "--rescore", fake.url, "--rescore-depth", 2)
    assert few.code == 2
    assert "--k needs 4 ranks, and 2 are rescored: add --rescore-depth 4" in few.error
    assert not (tmp_path / "no").exists()


def test_multi_signal_is_calibrated_for_teachers_that_are_fused(
    cli: Cli, store: Store, fake: FakeLlm, pairs: Path, tmp_path: Path
) -> None:
    labels = [
        {"query": f"price of {m}", "text": f"The price of {n} rose by {k}.", "score": int(m == n)}
        for m in METALS
        for k, n in enumerate(METALS)
    ]
    (tmp_path / "labels.jsonl").write_text("".join(json.dumps(row) + "\n" for row in labels))
    two = ("--teacher", "lexical", "--teacher", fake.url, "--store", store.root)
    done = cli("calibrate", pairs, "--out", tmp_path / "m.json", "--judged", tmp_path / "labels.jsonl", *two, "--json")
    assert done.code == 0, done.err
    assert done.json["judged"] > 0
    bound = ("--strategy", "multi_signal", "--max-false-negative-rate", 0.5, "--model", tmp_path / "m.json")
    mined = cli("mine", pairs, "--out", tmp_path / "mined", *two, *bound, "--json")
    assert mined.code == 0, mined.err
