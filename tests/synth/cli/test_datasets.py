from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

Cli = Callable[..., Any]


@pytest.fixture
def root(finance: Any) -> Path:
    """A store with finance@1; read only."""
    path: Path = finance.run.store.root
    return path


def test_an_empty_store_says_what_to_do(cli: Cli, tmp_path: Path) -> None:
    done = cli("datasets", "list", "--store", tmp_path / "none")
    assert done.code == 0
    assert done.out == f"No dataset in {tmp_path / 'none'} yet; make one with `synth generate --domain finance`.\n"
    assert cli("datasets", "list", "--store", tmp_path / "none", "--json").json == []
    assert not (tmp_path / "none").exists()


def test_every_version_is_listed(cli: Cli, make: Any, make_texts: Any, tmp_path: Path) -> None:
    from synth.store import Store

    store = Store(tmp_path / "store")
    for number in (4, 5):
        make(make_texts(number), store=store, name="bonds-eu")
    done = cli("datasets", "list", "--store", store.root)
    assert "bonds-eu@1" in done.out
    assert "bonds-eu@2" in done.out
    assert [row["dataset"] for row in cli("datasets", "list", "--store", store.root, "--json").json] == [
        "bonds-eu@1",
        "bonds-eu@2",
    ]


def test_a_version_is_shown_with_funnel_and_examples(cli: Cli, root: Path, finance: Any) -> None:
    done = cli("datasets", "show", "finance", "--store", root)
    assert done.code == 0
    assert done.err == ""
    assert "finance@1: 1,000 planned items" in done.out
    assert "Example 1" in done.out
    assert str(finance.version.path) in done.out
    for reference in ("finance@1", "finance@latest"):
        assert cli("datasets", "show", reference, "--store", root).out == done.out


def test_a_version_is_shown_as_its_manifest(cli: Cli, root: Path, finance: Any) -> None:
    shown = cli("datasets", "show", "finance@1", "--store", root, "--json").json
    assert shown == finance.manifest.model_dump(mode="json")


@pytest.mark.parametrize("verb", ["show", "verify", "export"])
@pytest.mark.parametrize(
    ("reference", "sentence"),
    [
        ("finanse", "no dataset 'finanse' in"),
        ("finance@7", "finance has no version '7'; it has 1"),
        ("finance@one", "finance has no version 'one'; it has 1"),
        ("../finance", "no dataset '../finance' in"),
    ],
)
def test_an_unknown_dataset_is_one_sentence(
    cli: Cli, root: Path, tmp_path: Path, verb: str, reference: str, sentence: str
) -> None:
    more = ("--out", tmp_path / "out") if verb == "export" else ()
    done = cli("datasets", verb, reference, "--store", root, *more)
    assert done.code == 2
    assert sentence in done.error
    assert done.err.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_a_sound_version_is_said_to_be_sound(cli: Cli, root: Path) -> None:
    done = cli("datasets", "verify", "finance", "--store", root)
    assert (done.code, done.out) == (0, "finance@1 is sound: 5 files, 60 records.\n")
    checked = cli("datasets", "verify", "finance", "--store", root, "--json")
    assert (checked.code, checked.json) == (0, {"dataset": "finance@1", "problems": []})


def test_a_changed_version_is_told_with_a_code(cli: Cli, own_finance: Any) -> None:
    file = own_finance.version.path / "passages.parquet"
    file.write_bytes(file.read_bytes()[:-1] + b"x")
    store = own_finance.run.store.root
    done = cli("datasets", "verify", "finance", "--store", store)
    assert done.code == 2
    assert "finance@1 is not what its manifest says: passages.parquet was changed" in done.error
    checked = cli("datasets", "verify", "finance", "--store", store, "--json")
    assert checked.code == 2
    assert len(checked.json["problems"]) == 1


@pytest.mark.parametrize("content", [b"", b"{}", b'{"schema_version": 2}', b"\xff"])
@pytest.mark.parametrize(
    "command", [("datasets", "show", "finance"), ("datasets", "list"), ("sql", "SELECT 1"), ("catalog", "rebuild")]
)
def test_a_damaged_manifest_is_one_sentence(
    cli: Cli, own_finance: Any, content: bytes, command: tuple[str, ...]
) -> None:
    (own_finance.version.path / "manifest.json").write_bytes(content)
    done = cli(*command, "--store", own_finance.run.store.root)
    assert done.code == 2
    assert "manifest.json is damaged" in done.error
    assert done.err.count("\n") == 1


def test_an_export_is_what_a_trainer_reads(cli: Cli, root: Path, tmp_path: Path, finance: Any) -> None:
    done = cli(
        "datasets", "export", "finance", "--format", "pair", "--out", tmp_path / "pairs", "--store", root, "--json"
    )
    assert done.code == 0
    shown = done.json["formats"][0]
    assert sum(shown["rows"].values()) == 60
    rows = sum(pq.read_metadata(path).num_rows for path in map(Path, shown["files"]) if path.suffix == ".parquet")
    assert rows == 60


def test_an_export_for_people_says_how_to_load_it(cli: Cli, root: Path, tmp_path: Path) -> None:
    done = cli("datasets", "export", "finance", "--out", tmp_path / "triplets", "--store", root)
    assert done.code == 0
    assert f"load_dataset('{tmp_path / 'triplets'}', 'triplet', split='train')" in done.out
    assert "SentenceTransformerTrainer: MultipleNegativesRankingLoss" in done.out
    assert "model.max_seq_length = " in done.out


def test_a_wrong_format_is_one_sentence(cli: Cli, root: Path, tmp_path: Path) -> None:
    done = cli("datasets", "export", "finance", "--format", "tripled", "--out", tmp_path / "x", "--store", root)
    assert done.code == 2
    assert "triplet" in done.error
    assert not (tmp_path / "x").exists()


def test_the_help_of_export_names_every_format_and_loss(cli: Cli) -> None:
    from synth.export import FORMATS, NAMES

    shown = "".join(cli("export", "--help").out.split())
    for name in NAMES:
        assert name in shown
    for loss in {loss.removesuffix("Loss") for chosen in FORMATS.values() for loss in chosen.losses}:
        assert loss.removeprefix("Cached") in shown


def test_an_export_tells_machines_what_it_left_out_and_how_to_go_on(cli: Cli, root: Path, tmp_path: Path) -> None:
    names = ["triplet", "margin", "flagembedding", "tevatron", "beir"]
    flags = [part for name in names for part in ("--format", name)]
    done = cli("export", "finance", *flags, "--out", tmp_path / "out", "--store", root, "--json")
    assert done.code == 0
    told = {each["format"]: each for each in done.json["formats"]}
    assert list(told) == names
    assert told["margin"]["left_out"] == sum(told["margin"]["reasons"].values()) > 0
    assert told["margin"]["trainers"] == {
        "SentenceTransformerTrainer": ["MarginMSELoss", "DistillKLDivLoss"],
        "CrossEncoderTrainer": ["MarginMSELoss"],
    }
    assert told["triplet"]["load"] == f"load_dataset('{tmp_path / 'out'}', 'triplet', split='train')"
    assert told["flagembedding"]["load"] == f"--train_data {tmp_path / 'out' / 'flagembedding' / 'train'}"
    assert told["beir"]["load"].startswith("GenericDataLoader(data_folder=")
    assert done.json["lengths"]["max_seq_length"] % 32 == 0
    assert all(Path(file).is_file() for each in told.values() for file in each["files"])


def test_every_flag_of_an_export_reaches_it(cli: Cli, root: Path, tmp_path: Path) -> None:
    flags = "--with group --with scores --order curriculum --instruction prefix --negatives 1 --commercial-only --files arrow"
    done = cli("export", "finance", "--format", "margin", *flags.split(), "--out", tmp_path / "out", "--store", root)
    assert done.code == 0
    assert f"load_from_disk('{tmp_path / 'out' / 'margin'}')['train']" in done.out
    assert "CrossEncoderTrainer: MarginMSELoss" in done.out
    assert "left out: " in done.out
    from datasets import load_from_disk

    data = load_from_disk(str(tmp_path / "out" / "margin"))["train"]
    assert data.column_names == ["query", "positive", "negative_1", "label", "group", "teacher_scores"]
    assert data[0]["query"].startswith("Instruct: ")
    assert data["label"][:] == data["teacher_scores"][:]


def test_lengths_of_positives_and_negatives_stand_side_by_side(cli: Cli, root: Path) -> None:
    done = cli("datasets", "lengths", "finance", "--store", root)
    assert (done.code, done.err) == (0, "")
    assert "≤ 256" in done.out and "The positive is longer than its negative in" in done.out
    assert "evidence in decile" not in done.out
    found = cli("datasets", "lengths", "finance", "--store", root, "--json").json
    assert sum(found["positives"]) == 60 and found["counted_by"] == "estimate"
