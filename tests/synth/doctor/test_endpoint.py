from __future__ import annotations

import json
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fake_embedder import Embedder
from fake_llm import FakeLlm, Fill, Say, Status

from synth.doctor.endpoint import check_latency, examine_endpoint
from synth.doctor.finding import Finding
from synth.domains import LoadedDomain

Found = dict[str, Finding]
Serve = Callable[..., FakeLlm]
Look = Callable[..., Found]
Examine = Callable[..., Found]


@pytest.fixture
def examine_at(look: Look, finance_domain: LoadedDomain) -> Examine:
    """Everything that is found of the server of an `--llm` flag."""

    def run(flag: str, timeout: float = 20.0, loaded: LoadedDomain | None = finance_domain) -> Found:
        return look(examine_endpoint, flag, loaded, timeout, timeout=timeout)

    return run


def fill(_prompt: str, _asked: int) -> Any:
    return Fill()


def says(content: str, **fields: Any) -> Callable[[str, int], Any]:
    return lambda _prompt, _asked: Say(content, **fields)


class Persuaded(Fill):
    """Keeps to what a schema shows as well as a model does that only reads it: the number is the right one."""

    def say(self, prompt: str, schema: dict[str, Any]) -> Say:
        answer = json.loads(super().say(prompt, schema).content)
        return Say(json.dumps({name: 4 if isinstance(value, int) else value for name, value in answer.items()}))


class Copied(Fill):
    """Repeats the schema."""

    def say(self, prompt: str, schema: dict[str, Any]) -> Say:
        return Say(json.dumps(schema["properties"]))


def test_a_server_that_enforces_schemas_is_well(serve: Serve, examine_at: Examine) -> None:
    fake = serve(fill, model="acme/writer")
    found = examine_at(fake.url)
    assert [*found] == ["model", "context", "schema", "latency", "metrics"]
    assert {finding.state for finding in found.values()} == {"ok"}
    assert found["model"].said == "acme/writer"
    assert "4,096 tokens" in found["context"].said
    assert found["metrics"].said.startswith("/metrics says that 0 requests run")
    names = [set(body["response_format"]["json_schema"]["schema"]["properties"]) for body in fake.bodies]
    assert len(names) == 2
    assert not names[0] & names[1]
    assert not any(name in prompt for prompt in fake.prompts for name in names[0])


@pytest.mark.parametrize(
    ("content", "why"),
    [
        ("A horse has 4 legs.", "it is no JSON"),
        ("4", "its fields are others"),
        ('{"query": "how many legs"}', "its fields are others"),
        ('```json\n{"number": 4}\n```', "it is no JSON"),
        ('[{"number": 11}]', "its fields are others"),
        ("", "it is no JSON"),
    ],
)
def test_a_server_that_takes_a_schema_and_ignores_it_is_found_out(
    serve: Serve, examine_at: Examine, content: str, why: str
) -> None:
    schema = examine_at(serve(says(content)).url)["schema"]
    assert schema.state == "broken"
    assert "does not enforce it" in schema.said
    assert why in schema.said
    assert "vLLM" in schema.fix


def test_a_schema_that_is_repeated_is_no_answer(serve: Serve, examine_at: Examine) -> None:
    schema = examine_at(serve(lambda _prompt, _asked: Copied()).url)["schema"]
    assert schema.state == "broken"
    assert "another kind" in schema.said


def test_a_model_that_only_reads_the_schema_is_told_from_one_that_can_do_nothing_else(
    serve: Serve, examine_at: Examine
) -> None:
    schema = examine_at(serve(lambda _prompt, _asked: Persuaded()).url)["schema"]
    assert schema.state == "warning"
    assert "minimum and maximum of numbers" in schema.said


def test_one_good_answer_is_not_enough(serve: Serve, examine_at: Examine) -> None:
    fake = serve(lambda _prompt, asked: Fill() if asked == 0 else Say("4"))
    assert examine_at(fake.url)["schema"].state == "broken"
    assert len(fake.bodies) == 2


def test_thoughts_before_an_answer_are_not_part_of_it(serve: Serve, examine_at: Examine) -> None:
    class Thinking(Fill):
        def say(self, prompt: str, schema: dict[str, Any]) -> Say:
            return Say("<think>four legs</think>\n" + super().say(prompt, schema).content)

    assert examine_at(serve(lambda _prompt, _asked: Thinking()).url)["schema"].state == "ok"


def test_an_answer_that_never_ends_is_told_apart(serve: Serve, examine_at: Examine) -> None:
    schema = examine_at(serve(says("{    ", finish_reason="length")).url)["schema"]
    assert schema.state == "broken"
    assert "not finished after 512 tokens" in schema.said


@pytest.mark.parametrize(
    ("status", "state", "fix"),
    [
        (Status(400, "response_format is not supported"), "broken", "a server that enforces them"),
        (Status(503, "busy"), "warning", "try again later"),
        (Status(404, "no such route"), "broken", "--teacher"),
    ],
)
def test_a_refused_request_says_what_to_do(
    serve: Serve, examine_at: Examine, status: Status, state: str, fix: str
) -> None:
    found = examine_at(serve(lambda _prompt, _asked: status).url)
    assert found["schema"].state == state
    assert status.message in found["schema"].said
    assert fix in found["schema"].fix
    assert "latency" not in found
    assert found["metrics"].state == "ok"


def test_an_embedding_server_belongs_to_the_teacher(serve: Serve, examine_at: Examine) -> None:
    assert "--teacher" in examine_at(serve(fill, embedder=Embedder()).url)["schema"].fix


@pytest.mark.slow
def test_a_server_that_hangs_is_given_up_in_time(serve: Serve, examine_at: Examine) -> None:
    began = time.monotonic()
    found = examine_at(serve(lambda _prompt, _asked: "hang").url, timeout=1.2)
    assert time.monotonic() - began < 5
    assert found["schema"].state == "broken"
    assert "timed out" in found["schema"].said
    assert "--timeout" in found["schema"].fix
    assert found["metrics"].state == "ok"


def test_a_server_that_accepts_and_says_nothing_is_given_up_too(examine_at: Examine) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        found = examine_at(f"http://127.0.0.1:{silent.getsockname()[1]}/v1", timeout=0.3)
    assert found["check"].said == "no answer in 0.3 s"


def test_a_key_that_is_missing_or_wrong_is_asked_for(
    serve: Serve, examine_at: Examine, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake = serve(fill, key="sk-the-right-one")
    monkeypatch.delenv("SYNTH_LLM_API_KEY", raising=False)
    monkeypatch.delenv("VLLM_API_KEY", raising=False)
    model = examine_at(fake.url)["model"]
    assert (model.state, model.fix) == ("broken", "export SYNTH_LLM_API_KEY=…")
    assert "no key is in the environment" in model.said
    monkeypatch.setenv("SYNTH_LLM_API_KEY", "sk-a-wrong-one")
    model = examine_at(fake.url)["model"]
    assert "the key in the environment is not its key" in model.said
    assert "sk-" not in model.said + model.fix
    monkeypatch.setenv("SYNTH_LLM_API_KEY", "sk-the-right-one")
    assert examine_at(fake.url)["schema"].state == "ok"


def test_an_address_that_is_nearly_right_is_put_right(serve: Serve, examine_at: Examine) -> None:
    fake = serve(fill)
    root = fake.url.removesuffix("/v1")
    assert examine_at(root)["model"].state == "ok"
    assert examine_at(f"{root}/api/v1")["model"].fix == f"--llm {fake.url}"
    assert examine_at(f"{root}/v2")["model"].fix == f"--llm {fake.url}"
    assert examine_at(fake.url.replace("http:", "https:"))["model"].fix == f"--llm {fake.url}"


def test_where_nothing_listens_it_says_what_must_work(examine_at: Examine) -> None:
    model = examine_at("http://127.0.0.1:1/v1")["model"]
    assert "Connection refused" in model.said
    assert "`curl http://127.0.0.1:1/v1/models` must list a model" in model.fix


@pytest.mark.parametrize(
    ("flag", "fix"),
    [
        (",model=fak", "did you mean 'fake'?"),
        (",wieght=2", "write it like model=VALUE"),
    ],
)
def test_options_are_those_of_generate(serve: Serve, examine_at: Examine, flag: str, fix: str) -> None:
    assert examine_at(serve(fill).url + flag)["check"].fix == fix


def test_a_flag_that_holds_a_password_is_not_repeated(examine_at: Examine) -> None:
    found = examine_at("http://me:geheim@host/v1")["check"]
    assert found.state == "broken"
    assert "geheim" not in found.said + found.fix


def test_a_context_too_short_for_the_domain_says_how_long_it_must_be(serve: Serve, examine_at: Examine) -> None:
    context = examine_at(serve(fill, context=600).url)["context"]
    assert context.state == "broken"
    assert "600 tokens; the longest request of finance takes" in context.said
    assert "--max-model-len 1" in context.fix


def test_a_context_that_is_not_told_is_a_warning(serve: Serve, examine_at: Examine) -> None:
    context = examine_at(serve(fill, context=0).url)["context"]
    assert context.state == "warning"
    assert "does not say" in context.said


def test_without_a_domain_everything_else_is_looked_at(serve: Serve, examine_at: Examine) -> None:
    found = examine_at(serve(fill).url, loaded=None)
    assert found["context"].state == "warning"
    assert found["schema"].state == "ok"


def test_a_domain_whose_files_are_missing_hides_nothing_of_the_server(
    serve: Serve, examine_at: Examine, finance_domain: LoadedDomain, tmp_path: Path
) -> None:
    moved = LoadedDomain(finance_domain.domain, tmp_path / "finance.yaml")
    found = examine_at(serve(fill).url, loaded=moved)
    assert found["context"].state == "warning"
    assert "field personas" in found["context"].said
    assert found["schema"].state == "ok"


def test_a_server_without_metrics_is_as_good(serve: Serve, examine_at: Examine) -> None:
    metrics = examine_at(serve(fill, metrics=False).url)["metrics"]
    assert metrics.state == "ok"
    assert "no /metrics" in metrics.said


def test_a_slow_answer_is_a_warning() -> None:
    assert check_latency(0.4).state == "ok"
    assert check_latency(25.0).state == "warning"
