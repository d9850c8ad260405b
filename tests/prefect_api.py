"""Asking a real Prefect server what it knows, and waiting until it does."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

import httpx
import pytest


def ask(environment: Mapping[str, str], path: str, body: Mapping[str, Any]) -> Any:
    response = httpx.post(f"{environment['PREFECT_API_URL']}/{path}", json=body, timeout=20)
    response.raise_for_status()
    return response.json()


def wait_for(what: str, look: Callable[[], Any], seconds: float = 90) -> Any:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        found = look()
        if found:
            return found
        time.sleep(0.3)
    pytest.fail(f"{what} did not happen within {seconds} seconds")
