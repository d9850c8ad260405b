from __future__ import annotations

from collections.abc import Callable

import pytest
from fake_llm import FakeLlm

from synth.errors import InputError
from synth.llm.endpoints import Endpoint, auth_headers, choose_models, discover, parse_endpoint
from synth.llm.server import parse_served

Serve = Callable[..., FakeLlm]


@pytest.mark.parametrize(
    ("text", "endpoint"),
    [
        ("http://gpu1:8000", Endpoint(url="http://gpu1:8000/v1")),
        ("http://gpu1:8000/v1/", Endpoint(url="http://gpu1:8000/v1")),
        ("https://llm.example/openai/v1/chat/completions", Endpoint(url="https://llm.example/openai/v1")),
        ("http://a/v1,weight=2.5,model=qwen", Endpoint(url="http://a/v1", weight=2.5, model="qwen")),
        ("http://a/v1,task=judge,task=rewrite", Endpoint(url="http://a/v1", tasks=["judge", "rewrite"])),
    ],
)
def test_a_flag_names_a_server(text: str, endpoint: Endpoint) -> None:
    assert parse_endpoint(text) == endpoint


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("gpu1:8000", "write http://HOST:PORT/v1"),
        ("ftp://gpu1", "write http://HOST:PORT/v1"),
        ("http://a,wieght=2", "did you mean 'weight'"),
        ("http://a,weight=0", "a weight is a number above 0, not '0'"),
        ("http://a,weight=lots", "a weight is a number above 0"),
        ("http://a,weight=inf", "a weight is a number above 0"),
        ("http://a,task=", "is not understood"),
    ],
)
def test_a_wrong_flag_is_one_sentence(text: str, said: str) -> None:
    with pytest.raises(InputError, match=said) as caught:
        parse_endpoint(text)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("text", ["http://user:hunter2@a/v1", "http://a/v1?api_key=hunter2"])
def test_a_secret_in_an_address_is_refused_without_being_repeated(text: str) -> None:
    with pytest.raises(InputError, match="SYNTH_LLM_API_KEY") as caught:
        parse_endpoint(text)
    assert "hunter2" not in str(caught.value)


def test_a_server_says_which_model_it_has(serve: Serve) -> None:
    fake = serve(model="Qwen/Qwen3-8B")
    assert discover([Endpoint(url=fake.url)]) == [Endpoint(url=fake.url, model="Qwen/Qwen3-8B", context=4096)]


def test_a_server_without_the_model_asked_for_is_refused(serve: Serve) -> None:
    with pytest.raises(InputError, match="does not serve the model 'qwen2'; did you mean 'qwen3'"):
        discover([Endpoint(url=serve(model="qwen3").url, model="qwen2")])


def test_a_server_that_is_not_there_is_one_sentence() -> None:
    with pytest.raises(InputError, match=r"http://127.0.0.1:9/v1/models does not answer \(.*refused.*\)"):
        discover([Endpoint(url="http://127.0.0.1:9/v1")])


def test_a_wrong_key_is_one_sentence(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SYNTH_LLM_API_KEY", "hunter2")
    with pytest.raises(InputError, match="refuses the API key") as caught:
        discover([Endpoint(url=serve(key="another").url)])
    assert "hunter2" not in str(caught.value)


def test_an_address_of_something_else_is_refused(serve: Serve) -> None:
    with pytest.raises(InputError, match="lists no model"):
        discover([Endpoint(url=serve().url.removesuffix("/v1"))])


def test_endpoints_of_one_model_add_up_their_weights() -> None:
    named = [("b", [], 1.0), ("a", [], 2.0), ("b", [], 3.0), ("b", ["judge"], 1.0)]
    assert [(m.name, m.weight, m.tasks) for m in choose_models(named)] == [
        ("a", 2, []),
        ("b", 4, []),
        ("b", 1, ["judge"]),
    ]


def test_vllm_is_named_with_its_own_flags(tmp_path: object) -> None:
    served = parse_served('vllm:Qwen/Qwen3-8B,weight=2,task=judge --tensor-parallel-size 2 --max-model-len "8192"')
    assert (served.model, served.name, served.weight, served.tasks) == (
        "Qwen/Qwen3-8B",
        "Qwen/Qwen3-8B",
        2.0,
        ["judge"],
    )
    assert served.flags == ["--tensor-parallel-size", "2", "--max-model-len", "8192"]
    folder = parse_served(f"vllm:{tmp_path}")
    assert "/" not in folder.name


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("vllm:", "names no model"),
        ("vllm:/no/such", "no folder"),
        ("vllm:m,size=2", "is not understood"),
        ("vllm:m 'x", "quotation"),
    ],
)
def test_a_wrong_vllm_flag_is_one_sentence(text: str, said: str) -> None:
    with pytest.raises(InputError, match=said):
        parse_served(text)


@pytest.mark.parametrize("key", ["s3cret\r\n", " s3cret "])
def test_white_space_around_a_key_is_no_part_of_it(monkeypatch: pytest.MonkeyPatch, key: str) -> None:
    monkeypatch.setenv("SYNTH_LLM_API_KEY", key)
    assert auth_headers() == {"Authorization": "Bearer s3cret"}


def test_a_key_that_can_not_be_one_is_refused_without_being_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SYNTH_LLM_API_KEY", "s3c\nret")
    with pytest.raises(InputError, match="SYNTH_LLM_API_KEY holds characters") as caught:
        auth_headers()
    assert "s3c" not in str(caught.value)


@pytest.mark.parametrize("text", ["vllm:m --api-key hunter2", "vllm:m --hf-token=hunter2"])
def test_a_secret_among_the_flags_of_vllm_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="VLLM_API_KEY or HF_TOKEN") as caught:
        parse_served(text)
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    "text", ["user:hunter2@gpu1:8000/v1", "http://u:p,hunter2@host/v1", "http://h/v1,api_key=hunter2"]
)
def test_no_message_repeats_what_may_be_a_secret(text: str) -> None:
    with pytest.raises(InputError) as caught:
        parse_endpoint(text)
    assert "hunter2" not in str(caught.value)
