"""A scripted judge: which texts answer is planted, whatever the order they are shown in."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection

from fake_llm import Say, Script

_TEXT = re.compile(r'<text number="(\d+)">\n(.*?)\n</text>', re.DOTALL)


def shown(prompt: str) -> dict[str, int]:
    """Text -> its number, in the order shown."""
    return {text: int(number) for number, text in _TEXT.findall(prompt)}


def query_in(prompt: str) -> str:
    return prompt.rpartition("Query: ")[2].partition("\n")[0]


def answering(prompt: str, wanted: Callable[[str, str, int], bool]) -> Say:
    """Names the texts for which `wanted(query, text, number)` holds."""
    query = query_in(prompt)
    return Say(json.dumps({"answering": [n for text, n in shown(prompt).items() if wanted(query, text, n)]}))


def knows(planted: Collection[tuple[str, str]]) -> Script:
    """Finds exactly the planted pairs of a query and a text."""
    return lambda prompt, _: answering(prompt, lambda query, text, _: (query, text) in planted)
