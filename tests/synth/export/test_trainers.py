"""Every format trains two steps with every loss that it is said to serve, on a model made here."""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from synth.export import FORMATS, ExportOptions, export_formats
from synth.export.instruct import trainer_prompts
from synth.export.usage import trainers_of
from synth.store import VersionRef

ROOT = Path(__file__).parents[3]

pytestmark = pytest.mark.slow

CASES = [
    (name, trainer, loss)
    for name, chosen in FORMATS.items()
    for trainer, losses in ((chosen.trainer, chosen.losses), ("other", chosen.other_losses))
    for loss in losses
]


@pytest.fixture(scope="module")
def version(make: Callable[..., Any], dated_texts: dict[str, str]) -> VersionRef:
    settings = {"mining": {"negatives": 2, "rank_max": 12}, "perturbation": {"negatives": 1}}
    made: VersionRef = make(dated_texts, settings=settings).version
    return made


@pytest.fixture(scope="module")
def exported(version: VersionRef, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("exported") / "out"
    export_formats(version, list(FORMATS), folder)
    return folder


@pytest.fixture(scope="module")
def tiny_bert(dated_texts: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> str:
    """Random weights and a WordPiece tokenizer of the texts."""
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors, trainers
    from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.train_from_iterator(
        dated_texts.values(), trainers.WordPieceTrainer(vocab_size=500, special_tokens=special)
    )
    tokenizer.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    names = {
        "pad_token": "[PAD]",
        "unk_token": "[UNK]",
        "cls_token": "[CLS]",
        "sep_token": "[SEP]",
        "mask_token": "[MASK]",
    }
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, model_max_length=64, **names)
    folder = str(tmp_path_factory.mktemp("bert"))
    sizes = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32}
    BertModel(BertConfig(vocab_size=tokenizer.get_vocab_size(), max_position_embeddings=128, **sizes)).save_pretrained(
        folder
    )
    fast.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def load(exported: Path, version: VersionRef, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Any]:
    """What the printed line loads."""
    from datasets import load_dataset

    cache = str(tmp_path_factory.mktemp("cache"))

    def run(name: str) -> Any:
        return load_dataset(str(exported), name, split="train", cache_dir=cache)

    return run


def arguments(kind: str, folder: Path, **more: Any) -> Any:
    package = importlib.import_module("sentence_transformers")
    chosen = getattr(package, f"{kind}TrainingArguments")
    return chosen(
        output_dir=str(folder), max_steps=2, per_device_train_batch_size=4, report_to="none", save_strategy="no",
        use_cpu=True, disable_tqdm=True, **more,
    )  # fmt: skip


def build_loss(kind: str, name: str, model: Any) -> Any:
    module = "cross_encoder" if kind == "CrossEncoder" else "sentence_transformer"
    chosen = getattr(importlib.import_module(f"sentence_transformers.{module}.losses"), name)
    if "GIST" in name:
        return chosen(model, guide=model)
    return chosen(model)


@pytest.mark.parametrize(("name", "trainer", "loss"), CASES)
def test_a_format_trains_with_the_losses_it_names(
    name: str, trainer: str, loss: str, load: Callable[[str], Any], tiny_bert: str, version: VersionRef, tmp_path: Path
) -> None:
    package = pytest.importorskip("sentence_transformers")
    kind = "CrossEncoder" if trainer in ("other", "CrossEncoderTrainer") else "SentenceTransformer"
    assert loss in trainers_of(name, version.manifest)[f"{kind}Trainer"]
    more = {"num_labels": 1} if kind == "CrossEncoder" else {}
    model = getattr(package, kind)(tiny_bert, device="cpu", **more)
    prompts = {"prompts": trainer_prompts(version, name)} if kind == "SentenceTransformer" else {}
    trained = getattr(package, f"{kind}Trainer")(
        model=model,
        args=arguments(kind, tmp_path, **prompts),
        train_dataset=load(name),
        loss=build_loss(kind, loss, model),
    ).train()
    assert trained.global_step == 2
    assert trained.training_loss == trained.training_loss  # no NaN


def test_the_snippets_of_the_docs_run(
    exported: Path, version: VersionRef, tiny_bert: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    snippets = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "formats.md").read_text(encoding="utf-8"), re.DOTALL)
    assert len(snippets) == 3
    export_formats(version, ["triplet"], tmp_path / "grouped", ExportOptions(extras=("group",)))
    (tmp_path / "out").symlink_to(exported)
    monkeypatch.chdir(tmp_path)
    for snippet in snippets:
        names: dict[str, Any] = {}
        exec(snippet.replace("sentence-transformers/all-MiniLM-L6-v2", tiny_bert), names)
    assert sum(names["train"].num_rows.values()) == names["data"].num_rows
    assert names["train"].column_names.popitem()[1] == ["anchor", "positive", "negative"]
