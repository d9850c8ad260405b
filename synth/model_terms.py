"""What licences of well-known models ask of those who train on their output: shown in the card, no legal advice.

Kept to what those licences say plainly; a model that no pattern knows is said to be unknown.
"""

from __future__ import annotations

import re

_LLAMA = (
    "Llama community licence: a model that is trained or improved with its output and then distributed carries"
    ' "Llama" at the beginning of its name, beside "Built with Llama"'
)
_TERMS: tuple[tuple[str, str], ...] = (
    (r"llama[-_]?2(?!\d)|llama[-_]?3(?![.\d]|[-_][123]\b)", "Llama 2 and 3 community licence: its output may not be used to improve any other large language model"),
    (r"llama[-_]?3[._-][123](?!\d)", _LLAMA),
    (r"gemma-(?:2b|7b|1\.1-|2-|3-|3n-)", "Gemma terms of use: its prohibited-use policy binds those who use it, and a model trained on its output to perform like it is a derivative of it"),
    (r"qwen2\.5-(?:coder-|vl-)?3b", "Qwen research licence: not for commercial use"),
    (r"qwen2\.5-72b", 'Qwen licence: a model trained with its output and distributed says "Built with Qwen" or "Improved using Qwen" in its documentation'),
    (r"qwen3-(?:next-|coder-|vl-)?\d", "Apache-2.0: no terms for its output"),
    (r"qwen2\.5-(?:0\.5|1\.5|7|14|32)b", "Apache-2.0: no terms for its output"),
    (r"mixtral-8x|mistral-7b|mistral-nemo", "Apache-2.0: no terms for its output"),
    (r"ministral-8b-instruct-2410|mistral-large-instruct-24", "Mistral research licence: not for commercial use"),
    (r"deepseek-r1(?!-distill)", "MIT: training other models on its output is allowed in so many words"),
    (r"phi-(?:3|3\.5|4)(?!\d)", "MIT: no terms for its output"),
    (r"gpt-oss-", "Apache-2.0: no terms for its output"),
    (r"command-r|aya-expanse", "CC-BY-NC-4.0: not for commercial use"),
)  # fmt: skip
UNKNOWN_TERMS = "not known to synth: read its licence before you train or publish"


def terms_of(model: str) -> str:
    """What the licence of a model says of its output, by the model's name.

    >>> terms_of("Qwen/Qwen3-8B")
    'Apache-2.0: no terms for its output'
    """
    name = model.casefold()
    return next((terms for pattern, terms in _TERMS if re.search(pattern, name)), UNKNOWN_TERMS)
