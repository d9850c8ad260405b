"""What verbs that read documents have in common: addresses of the Hub become files of the store."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from synth.store import Store


def local_documents(documents: Sequence[Path] | None, store: Store, text_field: str | None) -> tuple[Path, ...]:
    """The paths that a user gave, with a local file for each dataset of the Hub."""
    from synth.fetch import fetch_documents, is_hub

    paths = tuple(documents or ())
    if not any(map(is_hub, paths)):
        return paths
    from synth.cli.progress import choose_reporter

    with choose_reporter() as reporter:
        return fetch_documents(paths, store, reporter, text_field)
