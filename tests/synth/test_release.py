"""What a push sends: Parquet that later versions share, in plan order, and a card whose code runs."""

from __future__ import annotations

import errno
import os
import random
import re
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from fake_hub import TOKEN, serve_hub

from synth import release
from synth.errors import StoreError
from synth.recipe import Choices, resolve
from synth.release import Release, build_folder, repack
from synth.run import create_run, execute
from synth.store import Store, VersionRef


def make_version(root: Path, limit: int) -> VersionRef:
    return execute(create_run(resolve(Choices(domain="finance", limit=limit)), Store(root / "store")))


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("release")


@pytest.fixture(scope="module")
def first(root: Path) -> VersionRef:
    return make_version(root, 60)


@pytest.fixture(scope="module")
def second(root: Path, first: VersionRef) -> VersionRef:
    return make_version(root, 90)


def records(folder: Path) -> list[str]:
    return pq.read_table(folder / "full" / "train-00000-of-00001.parquet")["id"].to_pylist()


def positions(folder: Path) -> list[int]:
    table = pq.read_table(folder / "full" / "train-00000-of-00001.parquet")
    return [each["position"] for each in table["provenance"].to_pylist()]


@pytest.mark.slow
def test_rows_stand_in_plan_order_and_a_larger_version_begins_with_the_smaller(
    first: VersionRef, second: VersionRef, tmp_path: Path
) -> None:
    for version, name in ((first, "one"), (second, "two")):
        build_folder(version, tmp_path / name, Release())
        sent = pq.read_table(tmp_path / name / "full" / "train-00000-of-00001.parquet")
        assert sent.equals(pq.read_table(version.file("records/train.parquet")))
    assert positions(tmp_path / "two") == sorted(positions(tmp_path / "two"))
    assert records(tmp_path / "two")[: len(records(tmp_path / "one"))] == records(tmp_path / "one")


def test_the_same_version_gives_the_same_bytes(first: VersionRef, tmp_path: Path) -> None:
    folders = [tmp_path / "one", tmp_path / "two"]
    for folder in folders:
        build_folder(first, folder, Release("acme/finance"))
    one, two = ({p.relative_to(f): p.read_bytes() for p in f.rglob("*") if p.is_file()} for f in folders)
    assert one == two


def make_rows(count: int) -> list[dict[str, str]]:
    drawn = random.Random(7)
    words = [f"{drawn.randrange(16**5):x}" for _ in range(5_000)]
    return [
        {"anchor": " ".join(drawn.choices(words, k=9)), "positive": " ".join(drawn.choices(words, k=90))}
        for _ in range(count)
    ]


def shared(ours: Path, theirs: Path) -> float:
    """Share of the blocks of 1 KiB of `ours` that stand somewhere in `theirs`."""
    content, other = ours.read_bytes(), theirs.read_bytes()
    blocks = [content[start : start + 1024] for start in range(0, len(content), 1024)]
    return sum(block in other for block in blocks) / len(blocks)


def test_a_version_that_lost_some_rows_shares_most_of_its_bytes(tmp_path: Path) -> None:
    rows = make_rows(9_000)
    edited = rows[:2_000] + rows[2_040:6_000] + make_rows(10) + rows[6_000:]
    shares = {}
    for name, table in (("before", rows), ("after", edited)):
        pq.write_table(pa.Table.from_pylist(table), tmp_path / f"{name}.plain", compression="zstd")
        repack(tmp_path / f"{name}.plain", tmp_path / f"{name}.cut")
        assert pq.read_table(tmp_path / f"{name}.cut").to_pylist() == table
    for kind in ("plain", "cut"):
        shares[kind] = shared(tmp_path / f"after.{kind}", tmp_path / f"before.{kind}")
    assert shares["cut"] > 0.75
    assert shares["plain"] < 0.5


def test_files_have_a_page_index_and_row_groups_of_bounded_size(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = pa.Table.from_pylist(make_rows(9_000))
    pq.write_table(table, tmp_path / "table")
    monkeypatch.setattr(release, "ROW_GROUP_BYTES", 1 << 20)
    repack(tmp_path / "table", tmp_path / "table")
    found = pq.read_metadata(tmp_path / "table")
    groups = [found.row_group(number) for number in range(found.num_row_groups)]
    assert sum(group.num_rows for group in groups) == 9_000
    assert len(groups) >= 2
    columns = [group.column(place) for group in groups for place in range(found.num_columns)]
    assert all(column.has_column_index and column.has_offset_index for column in columns)


def test_a_full_disk_is_told_of_where_it_is_full(
    first: VersionRef, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(source: Path, target: Path) -> None:
        raise StoreError("no space") from OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(release, "repack", full)
    with pytest.raises(StoreError, match=r"no room for what is to be sent in .*: free some, or set TMPDIR"):
        build_folder(first, tmp_path / "folder", Release("acme/finance"))


def test_an_empty_table_stays_a_table(tmp_path: Path) -> None:
    pq.write_table(pa.table({"text": pa.array([], pa.string())}), tmp_path / "table")
    repack(tmp_path / "table", tmp_path / "table")
    assert pq.read_table(tmp_path / "table").column_names == ["text"]


def make_tiny_model(folder: Path, texts: list[str]) -> None:
    """A BERT with random weights that knows the words of `texts`."""
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", *sorted({word for text in texts for word in text.split()})]
    tokenizer = Tokenizer(models.WordLevel({word: n for n, word in enumerate(words)}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    special = {"pad_token": "[PAD]", "unk_token": "[UNK]", "cls_token": "[CLS]", "sep_token": "[SEP]"}
    size = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32}
    BertModel(BertConfig(vocab_size=len(words), max_position_embeddings=64, **size)).save_pretrained(folder)
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, model_max_length=64, **special).save_pretrained(folder)


@pytest.mark.slow
def test_the_code_of_the_card_loads_and_trains_as_it_stands(first: VersionRef, root: Path, tmp_path: Path) -> None:
    """The only thing changed is what lies in the working folder under the base model's name."""
    pytest.importorskip("sentence_transformers")
    with serve_hub() as hub:
        env = os.environ | {"HF_ENDPOINT": hub.url, "HF_HUB_DISABLE_XET": "1", "HF_HOME": str(tmp_path / "hf")}
        env |= {"HF_TOKEN": TOKEN, "SYNTH_STORE": str(root / "store"), "PYTHONPATH": os.pathsep.join(sys.path)}
        command = [sys.executable, "-c", "from synth.cli import main; main()", "push", str(first), "acme/finance"]
        subprocess.run(command, env=env, cwd=tmp_path, check=True, capture_output=True)
        card = hub.repos["acme/finance"].commits[-1].files["README.md"].decode()
        blocks = re.findall(r"^```python\n(.*?)^```$", card, re.DOTALL | re.MULTILINE)
        assert len(blocks) == 2
        make_tiny_model(tmp_path / "sentence-transformers" / "all-MiniLM-L6-v2", [card])
        for block in blocks:
            done = subprocess.run(
                [sys.executable, "-c", block], env=env, cwd=tmp_path, check=False, capture_output=True, text=True
            )
            assert done.returncode == 0, done.stderr
            assert "DeprecationWarning" not in done.stderr
    assert "train_loss" in done.stdout
    assert (tmp_path / "finance-embedder" / "modules.json").is_file()
