"""The flags of `--llm`, as they are typed."""

from __future__ import annotations

import json
import re
import socket
import threading
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from fake_llm import FakeLlm, fake_llm, query_of, wait_for

Cli = Callable[..., Any]


@pytest.fixture
def fake() -> Iterator[FakeLlm]:
    with fake_llm() as server:
        yield server


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "config.yaml"
    path.write_text("set_gates: []\n")
    return path


def generate(cli: Cli, config: Path, fake: FakeLlm, *more: object) -> Any:
    return cli("generate", "--domain", "finance", "--config", config, "--limit", 40, "--llm", fake.url, *more)


def test_a_dataset_is_written_by_the_model(cli: Cli, config: Path, fake: FakeLlm) -> None:
    done = generate(cli, config, fake, "--json")
    assert done.code == 0
    assert done.json["methods"] == {"llm": 40}
    assert done.json["partial"] == ""
    shown = cli("datasets", "show", "finance")
    assert "cut out of real text" not in shown.out


@pytest.mark.slow
def test_the_progress_line_says_how_the_server_is_doing(
    cli: Cli, config: Path, fake: FakeLlm, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("synth.cli.progress.LINE_SECONDS", 0.0)
    fake.script = lambda prompt, _: replace(query_of(prompt), seconds=0.3)
    done = generate(cli, config, fake)
    assert "requests/s, tokens/s" in done.err
    assert "in flight of" in done.err
    assert re.search(r"accepted \d+%", done.err)


@pytest.mark.slow
def test_a_budget_is_said_to_be_spent(cli: Cli, config: Path, fake: FakeLlm) -> None:
    done = generate(cli, config, fake, "--max-requests", 10, "--json")
    assert done.code == 0
    assert done.json["partial"].startswith("budget: 10 requests with ")
    assert "`synth resume finance-" in done.json["partial"]
    fuller = cli("resume", "--max-requests", 500, "--json")
    assert fuller.json["accepted"] == 40
    assert fuller.json["partial"] == ""


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--llm", "gpu1:8000"], "write http://HOST:PORT/v1"),
        (["--llm", "http://127.0.0.1:9"], "does not answer"),
        (["--llm", "vllm:"], "names no model"),
        (["--domain", "finanse", "--llm", "http://127.0.0.1:9"], "did you mean 'finance'"),
        (["--llm", "{url}", "--max-hours", "0"], "max-hours"),
        (["--llm", "{url},task=jugde"], "has no such task"),
        (["--llm", "{url},task=query-from-passage", "--max-requests", "0"], "max-requests"),
    ],
)
def test_a_wrong_flag_is_one_sentence_and_nothing_is_written(
    cli: Cli, tmp_path: Path, fake: FakeLlm, flags: list[str], said: str
) -> None:
    done = cli("generate", "--domain", "finance", *(flag.replace("{url}", fake.url) for flag in flags))
    assert done.code == 2
    assert said in done.err
    assert not (tmp_path / "synth-store").exists()


def test_without_vllm_the_error_is_the_command_that_installs_it(
    cli: Cli, config: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "empty"))
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.delenv("SYNTH_VLLM", raising=False)
    done = cli("generate", "--domain", "finance", "--config", config, "--llm", "vllm:Qwen/Qwen3-8B")
    assert done.code == 2
    assert "run `make vllm`" in done.err


def test_a_plan_says_what_the_run_will_ask_and_its_answers_are_kept(cli: Cli, config: Path, fake: FakeLlm) -> None:
    planned = cli("plan", "--domain", "finance", "--config", config, "--limit", 40, "--llm", fake.url, "--json")
    forecast = planned.json["llm"]
    assert (forecast["requests"], forecast["counted_by"]) == (50, "server")
    assert 0.5 < forecast["cacheable_share"] < 0.95
    assert forecast["prompt_tokens"] > 50 * 200
    assert forecast["probed"] == len(fake.bodies) > 20
    probed = set(fake.prompts)
    fake.bodies.clear()
    assert generate(cli, config, fake).code == 0
    assert not probed & set(fake.prompts)
    text = cli("plan", "--domain", "finance", "--config", config, "--limit", 40, "--llm", fake.url).out
    assert "50 requests" in text
    assert "has answered the sample before" in text


@pytest.mark.slow
def test_a_plan_counts_no_requests_for_instructions_that_are_pinned(cli: Cli, tmp_path: Path, fake: FakeLlm) -> None:
    (tmp_path / "tasks.yaml").write_text("plan: {tasks: {classification: 1}}\n")
    said = {"id": "duty", "task": "classification", "text": "Given a sentence, name the duty it tells of"}
    (tmp_path / "list.jsonl").write_text(json.dumps(said))
    flags = ("--domain", "finance", "--config", "tasks.yaml", "--limit", 40, "--llm", fake.url, "--json")
    invented = cli("plan", *flags).json["llm"]["requests"]
    assert 2 * cli("plan", *flags, "--instructions", "list.jsonl").json["llm"]["requests"] == invented


@pytest.mark.slow
def test_live_counters_are_served_for_prometheus(cli: Cli, config: Path, fake: FakeLlm) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    going = threading.Event()

    def script(prompt: str, _asked: int) -> Any:
        going.wait(10) if len(fake.bodies) > 20 else None
        return query_of(prompt)

    fake.script = script
    run = threading.Thread(target=lambda: generate(cli, config, fake, "--metrics-port", port))
    run.start()
    try:
        wait_for(lambda: len(fake.bodies) > 20)
        text = urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics").read().decode()
        assert 'synth_llm_requests_total{kind="write"}' in text
        assert "synth_llm_in_flight " in text
    finally:
        going.set()
        run.join()


def test_no_secret_reaches_a_file_or_the_screen(
    cli: Cli, config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SYNTH_LLM_API_KEY", "s3cret-key")
    with fake_llm(key="s3cret-key") as fake:
        done = generate(cli, config, fake)
        fake.down = True
        failed = generate(cli, config, fake)
    assert (done.code, failed.code) == (0, 2)
    assert "s3cret-key" not in done.out + done.err + failed.out + failed.err
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert not [path for path in files if b"s3cret-key" in path.read_bytes()]
    run = json.loads(next(iter((tmp_path / "synth-store" / "runs").glob("*/run.json"))).read_text())
    assert run["llm"]["endpoints"][0]["url"] == fake.url
