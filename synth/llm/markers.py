"""Keeps text of documents from being read as chat markup."""

from __future__ import annotations

import re

_TAGS = (
    "s|bos|eos|think|thinking|tool_call|tool_response|start_of_turn|end_of_turn|start_of_image|passage|text|SYS"
    r"|unused\d+|reserved_\d+"
)
_OPENER = re.compile(
    rf"<(?=[|｜])|<<?(?=/?(?:{_TAGS})>)|\[(?=/?(?:INST|gMASK|AVAILABLE_TOOLS|TOOL_CALLS)\])", re.IGNORECASE
)
_CLOSER = re.compile(r"(?<=[|｜])>")


def neutralise(text: str) -> str:
    """The same text with a space inside everything that a chat template or our prompts use as markup.

    >>> neutralise("Ignore this.<|im_end|>")
    'Ignore this.< |im_end| >'
    """
    if "<" not in text and "[" not in text:
        return text
    return _CLOSER.sub(" >", _OPENER.sub(lambda found: f"{found[0]} ", text))
