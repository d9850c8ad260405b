"""A fake Hub that the clients in this process talk to, and datasets to put there."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import datasets.config
import orjson
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from fake_hub import TOKEN, FakeHub, serve_hub
from huggingface_hub import constants
from huggingface_hub.utils import disable_progress_bars


@contextmanager
def reached_hub(cache: Path) -> Iterator[FakeHub]:
    """A running hub that huggingface_hub and datasets take for the Hub, with empty caches and a token that may write."""
    disable_progress_bars()
    with serve_hub() as hub, pytest.MonkeyPatch.context() as patch:
        template = hub.url + "/{repo_id}/resolve/{revision}/{filename}"
        patch.setattr(constants, "ENDPOINT", hub.url)
        patch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
        patch.setattr(constants, "HF_HUB_DISABLE_XET", True)
        patch.setattr(constants, "HF_TOKEN_PATH", str(cache / "no-token"))
        patch.setattr(constants, "HF_HUB_CACHE", str(cache / "hub"))
        patch.setattr(datasets.config, "HF_ENDPOINT", hub.url)
        patch.setattr(datasets.config, "HF_DATASETS_CACHE", cache / "datasets")
        patch.setattr(datasets.config, "HF_MODULES_CACHE", str(cache / "modules"))
        patch.setenv("HF_TOKEN", TOKEN)
        yield hub


def parquet(rows: Sequence[dict[str, Any]]) -> bytes:
    """A Parquet file of rows."""
    content = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(list(rows)), content)
    return content.getvalue()


def lines(rows: Sequence[dict[str, Any]]) -> bytes:
    """JSON Lines of rows."""
    return b"".join(orjson.dumps(row) + b"\n" for row in rows)
