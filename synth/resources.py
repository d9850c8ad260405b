"""Finds what ships with synth: `prompts/` and `data/`, in a checkout or in the wheel."""

from __future__ import annotations

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent


def find_shipped(*parts: str) -> Path:
    """Path of a shipped file or folder, such as `find_shipped("data", "domains")`.

    A wheel carries both folders inside the package as `_shipped/`; a checkout has them
    beside it.
    """
    inside = _PACKAGE / "_shipped"
    root = inside if inside.is_dir() else _PACKAGE.parent
    return root.joinpath(*parts)
