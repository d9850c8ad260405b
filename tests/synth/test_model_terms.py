"""What models' licences say of their output: told where it is known, never guessed."""

from __future__ import annotations

import pytest

from synth.model_terms import UNKNOWN_TERMS, terms_of


@pytest.mark.parametrize(
    ("model", "says"),
    [
        ("meta-llama/Llama-3.3-70B-Instruct", '"Llama" at the beginning of its name'),
        ("meta-llama/Llama-3.1-8B", '"Llama" at the beginning of its name'),
        ("meta-llama/Meta-Llama-3-8B-Instruct", "may not be used to improve any other large language model"),
        ("meta-llama/Llama-2-7b-chat-hf", "may not be used to improve any other large language model"),
        ("google/gemma-3-27b-it", "Gemma terms of use"),
        ("google/gemma-7b", "Gemma terms of use"),
        ("Qwen/Qwen3-235B-A22B", "Apache-2.0"),
        ("Qwen/Qwen2.5-7B-Instruct", "Apache-2.0"),
        ("Qwen/Qwen2.5-3B-Instruct", "not for commercial use"),
        ("Qwen/Qwen2.5-72B-Instruct", '"Built with Qwen"'),
        ("mistralai/Mistral-7B-Instruct-v0.3", "Apache-2.0"),
        ("openai/gpt-oss-120b", "Apache-2.0"),
        ("deepseek-ai/DeepSeek-R1", "MIT"),
        ("CohereForAI/c4ai-command-r-v01", "CC-BY-NC-4.0"),
    ],
)
def test_known_models_have_their_clause(model: str, says: str) -> None:
    assert says in terms_of(model)


@pytest.mark.parametrize(
    "model",
    ["acme/own", "TinyLlama-1.1B", "google/gemma-9-1b", "Qwen/Qwen3.5-4B", "deepseek-ai/DeepSeek-R1-Distill-8B"],
)
def test_other_models_are_said_to_be_unknown(model: str) -> None:
    assert terms_of(model) == UNKNOWN_TERMS
