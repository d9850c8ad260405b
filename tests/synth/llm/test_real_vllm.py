"""The real vLLM, with a tiny random model: a hostile LLM, half of whose answers are odd."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pyarrow.parquet as pq
import pytest

from schemas.recipe import SamplingSettings
from synth import registry
from synth.doctor.endpoint import examine_endpoint
from synth.domains import load_domain, load_personas
from synth.errors import InputError
from synth.llm.client import Client
from synth.llm.endpoints import Endpoint
from synth.llm.install import find_vllm
from synth.llm.journal import Said
from synth.llm.requests import Body, Request, request_key
from synth.llm.server import Served, VllmServer
from synth.llm.settings import reach
from synth.progress import Silent
from synth.prompts import Message
from synth.recipe import Choices
from synth.store import Store
from synth.topics.documents import subject_of, write_documents
from synth.topics.instructions import derive_instructions
from synth.topics.requests import DocumentFromTopic

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

ROOT = Path(__file__).parents[3]
FLAGS = ["--max-model-len", "2048", "--max-num-seqs", "64"]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random Qwen3 with a tokenizer trained on our own documents."""
    try:
        vllm = find_vllm()
    except InputError as error:
        message = f"THE TESTS WITH A REAL VLLM DID NOT RUN: {error}"
        if os.environ.get("SYNTH_REQUIRE_VLLM"):
            pytest.fail(message)
        pytest.skip(message)
    folder = tmp_path_factory.mktemp("model") / "tiny"
    script = Path(__file__).with_name("make_tiny_model.py")
    corpus = ROOT / "data" / "corpora" / "finance"
    subprocess.run([vllm.with_name("python"), script, folder, corpus], check=True, capture_output=True)
    return folder


@pytest.fixture(scope="module")
def server(model: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Endpoint]:
    log = tmp_path_factory.mktemp("log") / "vllm.log"
    with VllmServer(Served(model=str(model), flags=FLAGS), log, Silent()) as endpoint:
        yield endpoint


def synth(*arguments: object) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", "from synth.cli import main; main()", *map(str, arguments)]
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "PREFECT_API_URL": ""}
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)


def generate(store: Path, config: Path, *more: object) -> subprocess.Popen[str]:
    config.write_text("set_gates: []\nplan: {items_per_passage: 10}\nsampling: {max_tokens: 128}\n")
    return synth("generate", "--domain", "finance", "--config", config, "--store", store, *more)


def test_doctor_sees_that_schemas_are_enforced_on_a_model_that_says_anything(server: Endpoint) -> None:
    found = {each.name: each for each in examine_endpoint(server.url, load_domain("finance"), 120.0)}
    assert {name: each.state for name, each in found.items()} == dict.fromkeys(
        ("model", "context", "schema", "latency", "metrics"), "ok"
    )
    assert "2,048 tokens" in found["context"].said


def test_every_item_ends_accepted_or_with_a_reason(server: Endpoint, tmp_path: Path) -> None:
    process = generate(tmp_path / "store", tmp_path / "c.yaml", "--llm", server.url, "--limit", "150")
    _, err = process.communicate(timeout=600)
    assert process.returncode == 0, err
    manifest = Store(tmp_path / "store").find("finance").manifest
    assert manifest.funnel.accepted == 150
    assert manifest.methods == {"llm": 150}
    assert manifest.recipe.models[0].name == "tiny"
    known = {
        "truncated",
        "whitespace_loop",
        "empty",
        "invalid_json",
        "invalid_answer",
        "wrong_language",
        "echo",
        "refusal",
    }
    assert set(manifest.funnel.failed) <= known
    shares = [int(share) for share in re.findall(r"(\d+)% of prompt tokens cached", err)]
    assert shares
    assert shares[-1] >= 50


def test_what_a_real_server_answers_fits_the_schema_of_every_step_of_every_task(
    server: Endpoint, tmp_path: Path
) -> None:
    """A grammar holds a random model to the schema; what is not cut off must be valid, judgements too."""
    weights = dict.fromkeys(registry.names("tasks"), 1) | {"reasoning-query": 4}  # of its long answers most are cut off
    (tmp_path / "c.yaml").write_bytes(
        orjson.dumps(
            {
                "set_gates": [],
                "gates": [{"name": "judge", "settings": {"relevance": 1}}],
                "plan": {"tasks": weights, "items_per_passage": 14, "language": {"en": 1, "de": 1}},
                "sampling": {"max_tokens": 320},
            }
        )
    )
    limits = ("--max-requests", "560")
    process = synth(
        "generate",
        "--domain",
        "finance",
        "--config",
        tmp_path / "c.yaml",
        "--store",
        tmp_path / "store",
        "--llm",
        server.url,
        *limits,
    )
    _, err = process.communicate(timeout=600)
    assert process.returncode == 0, err
    version = Store(tmp_path / "store").find("finance")
    funnel = version.manifest.funnel
    items = pq.read_table(list((tmp_path / "store" / "runs").rglob("items/*.parquet"))).to_pylist()
    # a grammar counts a broken byte as one character, of which the answer then shows several
    invalid = [row["detail"] for row in items if row["reason"] in ("invalid_json", "invalid_answer")]
    assert len(invalid) <= 0.02 * funnel.planned, invalid
    answers = pq.read_table(list((tmp_path / "store" / "answers").rglob("*.parquet"))).to_pylist()
    whole = Counter(answer["kind"] for answer in answers if answer["finish_reason"] == "stop")
    assert {"write", "judge", "configuration", "instruction"} <= whole.keys(), whole
    written = Counter(row["task"] for row in items if row["query"])
    # a random model seldom ends a text of these before its tokens are spent, and it writes no German
    seldom = {"bitext", "clustering", "long-long", "ocr-noise", "spelling-noise"}
    assert set(weights) - seldom <= set(written) <= set(weights), written
    assert sum(row["judgement"] is not None for row in items) > 50


def test_personas_are_derived_and_every_request_is_accounted_for(server: Endpoint, tmp_path: Path) -> None:
    arguments = ["personas", "derive", "--domain", "finance", "--llm", server.url, "--store", tmp_path / "store"]
    counts = []
    for name in ("first.jsonl", "again.jsonl"):
        file = tmp_path / name
        process = synth(*arguments, "--count", "12", "--expand", "2", "--out", file, "--json")
        out, err = process.communicate(timeout=600)
        assert process.returncode == 0, err
        counts.append(json.loads(out))
        assert len(load_personas(file)) == counts[-1]["kept"] == 12
    first = counts[0]
    assert counts[1] == first | {"file": counts[1]["file"]}
    assert first["asked"] == first["kept"] + sum(first["duplicate"].values()) + sum(first["failed"].values())
    assert (tmp_path / "first.jsonl").read_bytes() == (tmp_path / "again.jsonl").read_bytes()
    keys = pq.read_table([*(tmp_path / "store" / "answers").rglob("*.parquet")], columns=["key"])["key"].to_pylist()
    assert len(keys) == len(set(keys)) >= first["asked"]
    assert {persona.model for persona in load_personas(tmp_path / "first.jsonl")} == {"tiny"}
    assert any(persona.relation for persona in load_personas(tmp_path / "first.jsonl"))


def test_documents_and_instructions_about_topics_are_all_accounted_for(server: Endpoint, tmp_path: Path) -> None:
    config = tmp_path / "c.yaml"
    config.write_text("invention: {words: {20: 1}}\nsampling: {max_tokens: 320}\n")
    settings, store = reach([server.url]), Store(tmp_path / "store")
    choices = Choices("medical", config=config, models=tuple(settings.models))
    subject = subject_of(choices, DocumentFromTopic.prompt, "they are written by an LLM")
    library = write_documents(subject, 50, store, settings, Silent())
    assert library.count.kept == len(library.documents)
    assert library.count.failed["truncated"] > 50, "a random model does not end a text of up to 12,000 characters"
    assert library.count.failed.keys() <= {"truncated", "too_short", "wrong_language", "repetition", "whitespace_loop"}
    derived = derive_instructions(subject, 8, store, settings, Silent())
    assert derived.count.asked == 8
    assert derived.count.kept == len(derived.instructions) > 0


def test_a_yes_no_judge_is_scored_in_one_token_by_a_real_server(server: Endpoint, tmp_path: Path) -> None:
    store, config = tmp_path / "store", tmp_path / "c.yaml"
    gates = [{"name": "judge", "settings": {"ask": "yes_no", "probability": 0}}]
    plan = {"items_per_passage": 4}
    config.write_bytes(orjson.dumps({"set_gates": [], "gates": gates, "plan": plan, "sampling": {"max_tokens": 128}}))
    flags = ("--domain", "finance", "--config", config, "--store", store, "--llm", server.url, "--max-requests", "120")
    process = synth("generate", *flags)
    _, err = process.communicate(timeout=500)
    assert process.returncode == 0, err
    assert f"{server.url} scores yes/no itself, by /generative_scoring" in " ".join(err.split())
    answers = pq.read_table(list((store / "answers").rglob("*.parquet"))).to_pylist()
    scores = [answer for answer in answers if answer["kind"] == "judge"]
    assert len(scores) > 10
    assert {(score["finish_reason"], score["completion_tokens"]) for score in scores} == {("scored", 1)}
    assert min(score["prompt_tokens"] for score in scores) > 200
    records = pq.read_table(Store(store).find("finance").path / "records").to_pylist()
    said = [record["judgement"] for record in records]
    assert {each["method"] for each in said} == {"scored"}
    probabilities = {each["probability"] for each in said}
    assert len(probabilities) > len(said) // 2, "different texts have different probabilities"
    assert 0.0 <= min(probabilities) <= max(probabilities) <= 1.0


def test_a_score_through_the_client_is_what_a_direct_request_gives(server: Endpoint, tmp_path: Path) -> None:
    bodies = Body(server.model, {"type": "object"}, SamplingSettings())
    asked = {}
    for number, query in enumerate(("what is EBITDA?", "when does the loan mature?", "who signs the accounts?")):
        messages = [Message("system", "Answer with one word: yes or no"), Message("user", f"Is this clear: {query}")]
        scorable = bodies.scorable(messages, ("yes", "no"))
        key = request_key(bodies.of(messages), "", number, scorable)
        request = Request(key, number, "judge", server.model, bodies.of(messages), number, scorable=scorable)
        asked[number] = (request, messages)
    found = ask_all(server, [request for request, _ in asked.values()], tmp_path / "journal.sqlite")
    for number, (_, messages) in asked.items():
        said = [{"role": message.role, "content": message.content} for message in messages]
        template = {"add_generation_prompt": True, "chat_template_kwargs": {"enable_thinking": False}}
        tokens = direct(server, "tokenize", {"messages": said, **template})["tokens"]
        labels = [direct(server, "tokenize", {"prompt": word})["tokens"][0] for word in ("yes", "no")]
        wanted = {"query": tokens, "items": [[]], "label_token_ids": labels, "apply_softmax": True}
        reply = direct(server, "generative_scoring", wanted)
        assert orjson.loads(found[number].content)["probability"] == pytest.approx(reply["data"][0]["score"], abs=1e-3)
        assert found[number].prompt_tokens == reply["usage"]["prompt_tokens"] == len(tokens)
    assert len({said.content for said in found.values()}) == len(asked)


def ask_all(server: Endpoint, requests: list[Request], journal: Path) -> dict[int, Said]:
    found: dict[int, Said] = {}
    with Client([server], journal) as client:
        stream = client.open_stream()
        stream.ask(requests)
        while len(found) < len(requests):
            for reply in stream.receive() or []:
                if not isinstance(reply, str):
                    assert reply.said is not None, reply.detail
                    found[reply.request.position] = reply.said
    return found


def direct(server: Endpoint, path: str, body: dict[str, Any]) -> Any:
    """What the server says to a POST that no code of ours makes."""
    data = orjson.dumps({"model": server.model, **body})
    request = urllib.request.Request(f"{server.root}/{path}", data, {"Content-Type": "application/json"})
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=60) as response:
        return orjson.loads(response.read())


def test_a_killed_run_is_resumed_and_asks_no_answered_question_again(server: Endpoint, tmp_path: Path) -> None:
    store = tmp_path / "store"
    process = generate(store, tmp_path / "c.yaml", "--llm", server.url, "--max-requests", "300")
    time.sleep(15)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    resumed = synth("resume", "--store", store)
    _, err = resumed.communicate(timeout=600)
    assert resumed.returncode == 0, err
    rows = pq.read_table([*(store / "answers").rglob("*.parquet")], columns=["key"])["key"].to_pylist()
    assert len(rows) == len(set(rows)) > 0
    again = generate(store, tmp_path / "c.yaml", "--llm", server.url, "--limit", "50")
    _, err = again.communicate(timeout=600)
    assert again.returncode == 0, err


def test_synth_starts_its_own_vllm_and_stops_it(model: Path, tmp_path: Path) -> None:
    flag = f"vllm:{model} {' '.join(FLAGS)}"
    process = generate(tmp_path / "store", tmp_path / "c.yaml", "--llm", flag, "--max-requests", "40")
    _, err = process.communicate(timeout=600)
    assert process.returncode == 0, err
    assert "vLLM serves tiny after" in err
    assert serving(model) == []


def test_killing_synth_stops_its_vllm(model: Path, tmp_path: Path) -> None:
    flag = f"vllm:{model} {' '.join(FLAGS)}"
    process = generate(tmp_path / "store", tmp_path / "c.yaml", "--llm", flag)
    until = time.monotonic() + 60
    while not serving(model):
        assert time.monotonic() < until
        time.sleep(0.5)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    until = time.monotonic() + 40
    while serving(model):
        assert time.monotonic() < until, "vLLM outlived synth"
        time.sleep(0.5)


def serving(model: Path) -> list[str]:
    """Command lines of live processes that serve the model from a run of this test."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            line = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode()
            state = (folder / "stat").read_text().rpartition(")")[2].split()[0]
        except (FileNotFoundError, ProcessLookupError):
            continue
        if (
            "vllm" in line
            and "serve" in line
            and str(model) in line
            and state != "Z"
            and int(folder.name) not in _KNOWN
        ):
            found.append(line)
    return found


_KNOWN: set[int] = set()


@pytest.fixture(autouse=True)
def _remember_the_shared_server(request: pytest.FixtureRequest, model: Path) -> None:
    """The server of the module serves the same folder; it is not what these tests look for."""
    _KNOWN.clear()
    if "server" not in request.fixturenames:
        _KNOWN.update(
            int(folder.name)
            for folder in Path("/proc").glob("[0-9]*")
            if (folder / "cmdline").exists() and str(model).encode() in (folder / "cmdline").read_bytes()
        )
