"""The real vLLM as a teacher and as a rescorer, with tiny random models."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import orjson
import pytest
from corpora import build_corpus

from synth.errors import InputError
from synth.llm.endpoints import Endpoint, fetch
from synth.llm.install import find_vllm
from synth.llm.server import Served as ServedModel
from synth.llm.server import VllmServer
from synth.progress import Silent
from synth.run import create_run, execute
from synth.store import Store
from synth.teachers.rescore import build_rescorer, reach_rescorer
from synth.teachers.served import Served
from synth.teachers.settings import reach_teacher

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

ROOT = Path(__file__).parents[3]
FLAGS = ["--runner", "pooling", "--max-model-len", "512", "--max-num-seqs", "64"]
TEXTS = [
    " ".join(path.read_text(encoding="utf-8").replace("#", "").split()[:40])
    for path in sorted((ROOT / "data/corpora/finance").glob("*.md"))
]
LAST_STATE = """
import sys, json, torch
from transformers import AutoModel, AutoTokenizer
folder, texts = sys.argv[1], json.load(sys.stdin)
model, tokenizer = AutoModel.from_pretrained(folder, dtype=torch.float32).eval(), AutoTokenizer.from_pretrained(folder)
with torch.no_grad():
    states = [model(**tokenizer(text, return_tensors="pt")).last_hidden_state[0, -1] for text in texts]
print(json.dumps([(state / state.norm()).tolist() for state in states]))
"""


@pytest.fixture(scope="module")
def make_model(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """A random Qwen3 with a tokenizer trained on our own documents, of the kind that is asked for."""
    try:
        vllm = find_vllm()
    except InputError as error:
        message = f"THE TESTS WITH A REAL VLLM DID NOT RUN: {error}"
        if os.environ.get("SYNTH_REQUIRE_VLLM"):
            pytest.fail(message)
        pytest.skip(message)

    def make(name: str, *kind: str) -> Path:
        folder = tmp_path_factory.mktemp("model") / name
        script = ROOT / "tests" / "synth" / "llm" / "make_tiny_model.py"
        corpus = ROOT / "data" / "corpora" / "finance"
        subprocess.run([vllm.with_name("python"), script, folder, corpus, *kind], check=True, capture_output=True)
        return folder

    return make


@pytest.fixture(scope="module")
def embedding_model(make_model: Callable[..., Path]) -> Path:
    return make_model("tiny-embed")


@pytest.fixture(scope="module")
def embeds(embedding_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Endpoint]:
    with VllmServer(
        ServedModel(model=str(embedding_model), flags=FLAGS), tmp_path_factory.mktemp("log") / "a.log", Silent()
    ) as endpoint:
        yield endpoint


@pytest.fixture(scope="module")
def scores_pairs(make_model: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Endpoint]:
    model = make_model("tiny-pairs", "pairs")
    with VllmServer(
        ServedModel(model=str(model), flags=FLAGS), tmp_path_factory.mktemp("log") / "b.log", Silent()
    ) as endpoint:
        yield endpoint


def open_teacher(flag: str, folder: Path, run: str = "run") -> Served:
    name, settings = reach_teacher(flag)
    return Served(name, folder / run, folder / "store", settings)


def test_vectors_are_the_last_states_of_the_model(embeds: Endpoint, embedding_model: Path, tmp_path: Path) -> None:
    python = find_vllm().with_name("python")
    done = subprocess.run(
        [python, "-c", LAST_STATE, embedding_model], input=orjson.dumps(TEXTS[:12]), capture_output=True, check=True
    )
    expected = np.array(orjson.loads(done.stdout.splitlines()[-1]))
    found = open_teacher(embeds.url, tmp_path).embed_queries(TEXTS[:12])
    assert found == pytest.approx(expected, abs=2e-3)
    asked = open_teacher(f"{embeds.url},query_prompt=find: ", tmp_path).embed_queries(["a loan"])
    assert asked == pytest.approx(open_teacher(embeds.url, tmp_path).embed_queries(["find: a loan"]), abs=2e-3)


def test_many_texts_in_flight_give_what_each_gives_alone(embeds: Endpoint, tmp_path: Path) -> None:
    texts = [f"{text} {n}" for n in range(3) for text in TEXTS]
    together = open_teacher(f"{embeds.url},batch=7", tmp_path / "one").embed_queries(texts)
    alone = open_teacher(f"{embeds.url},batch=1", tmp_path / "two").embed_queries(texts[::-1])[::-1]
    assert np.einsum("ij,ij->i", together, alone).min() > 0.9999


def test_a_text_longer_than_the_model_takes_is_cut_from_its_end(embeds: Endpoint, tmp_path: Path) -> None:
    teacher = open_teacher(f"{embeds.url},max_tokens=20", tmp_path)
    whole, longer = teacher.embed_queries(["interest " * 200, "interest " * 200 + "wholly other words"])
    assert whole @ longer > 0.9999
    assert open_teacher(embeds.url, tmp_path).embed_queries(["covenant " * 5_000]).shape == (1, 128)


def test_the_same_server_is_known_again_and_fewer_dimensions_are_refused(embeds: Endpoint, tmp_path: Path) -> None:
    corpus = build_corpus(tmp_path / "corpus", TEXTS[:9])
    teacher = open_teacher(embeds.url, tmp_path, "one")
    teacher.index(corpus, Silent())
    again = open_teacher(embeds.url, tmp_path, "two")
    assert again.identity == teacher.identity
    with pytest.raises(InputError, match="Matryoshka"):
        _ = open_teacher(f"{embeds.url},dimensions=32", tmp_path, "three").identity


def test_a_dataset_is_scored_by_a_real_server(embeds: Endpoint, tmp_path: Path) -> None:
    from synth.recipe import Choices, resolve

    resolved = resolve(Choices(domain="finance", limit=40, teacher=embeds.url))
    version = execute(create_run(resolved, Store(tmp_path / "store")))
    assert version.manifest.funnel.accepted == 40
    assert version.manifest.teacher.name == f"served:{embeds.model}"


def test_an_embedder_rescores_by_cosine(embeds: Endpoint, tmp_path: Path) -> None:
    name, settings = reach_rescorer(embeds.url)
    rescorer = build_rescorer(name, tmp_path, settings)
    assert rescorer.range == "cosine"
    vectors = open_teacher(embeds.url, tmp_path).embed_queries(TEXTS[:8])
    assert rescorer.score(TEXTS[:4], TEXTS[4:8]) == pytest.approx(
        np.einsum("ij,ij->i", vectors[:4], vectors[4:]), abs=2e-3
    )


def test_a_model_of_pairs_gives_its_logits(scores_pairs: Endpoint, tmp_path: Path) -> None:
    name, settings = reach_rescorer(f"{scores_pairs.url},batch=5")
    rescorer = build_rescorer(name, tmp_path, settings)
    queries, passages = TEXTS[:12], TEXTS[12:24]
    scores = rescorer.score(queries, passages)
    body = {"model": scores_pairs.model, "text_1": queries, "text_2": passages}
    status, reply = fetch(f"{scores_pairs.url}/score", orjson.dumps(body))
    assert status == 200
    activated = [item["score"] for item in orjson.loads(reply)["data"]]
    assert rescorer.range == "logit"
    assert 1 / (1 + np.exp(-scores)) == pytest.approx(np.array(activated), abs=2e-3)
    assert len(set(scores.tolist())) > 6
    with pytest.raises(InputError, match="a model that writes .* or ranks can't be the teacher"):
        reach_teacher(scores_pairs.url)
